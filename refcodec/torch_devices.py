"""Devices on which torch computes; needs torch."""

from __future__ import annotations

import torch

from refcodec import errors


def devices() -> list[str]:
    """Return the names of the devices that are here: cpu, and cuda:0 and so on where torch has a GPU."""
    return ["cpu", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))]


def check_device(name: str, element: str) -> None:
    """Compute something on a device. Raises HYP-E-OUT-03, with `element` as what has the name, where torch does not
    know it or cannot."""
    try:
        if torch.device(name).type not in ("cpu", "cuda"):
            raise RuntimeError("Kernels and torch share only host and CUDA devices.")
        torch.ones(1, device=name).sum().item()
    except (RuntimeError, AssertionError) as problem:
        raise errors.error(
            "HYP-E-OUT-03",
            element=element,
            value=name,
            allowed=", ".join(devices()),
            detail=str(problem).partition("\n")[0],
        ) from problem
