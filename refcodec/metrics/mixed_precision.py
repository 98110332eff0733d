"""bfloat16 where the device computes with it; needs torch.

A processor without such instructions computes with bfloat16 too, but a hundred times as slowly as with float32.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import llvmlite.binding
import torch

_CPU_FEATURES = ("avx512bf16", "amx-bf16", "bf16")
"""Of LLVM; the last one is that of Arm."""


def mixed_precision(device: torch.device | str, **options: Any) -> torch.autocast:
    """Return the context in which torch's convolutions and matrix products are in bfloat16, if `device` has
    instructions for it, and in float32 otherwise. options: of torch.autocast."""
    kind = torch.device(device).type
    return torch.autocast(kind, torch.bfloat16, enabled=has_bfloat16(kind), **options)


@cache
def has_bfloat16(kind: str) -> bool:
    """Return whether devices of a kind ("cpu", "cuda") compute with bfloat16 themselves."""
    if kind == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    host = llvmlite.binding.get_host_cpu_features()
    return kind == "cpu" and any(host.get(feature, False) for feature in _CPU_FEATURES)
