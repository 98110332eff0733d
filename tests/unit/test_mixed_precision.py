"""bfloat16 only where it is fast."""

from __future__ import annotations

from typing import Any

import llvmlite.binding
import pytest

torch = pytest.importorskip("torch")

from refcodec.metrics.mixed_precision import has_bfloat16, mixed_precision  # noqa: E402


@pytest.mark.parametrize(
    ("features", "dtype"),
    [
        ({"avx2": True, "avx512f": True}, torch.float32),
        ({"avx512bf16": False, "amx-bf16": False}, torch.float32),
        ({"avx512bf16": True}, torch.bfloat16),
        ({"amx-bf16": True}, torch.bfloat16),
        ({"neon": True, "bf16": True}, torch.bfloat16),
    ],
)
def test_products_are_in_what_the_processor_has(
    monkeypatch: pytest.MonkeyPatch, features: dict[str, Any], dtype: torch.dtype
) -> None:
    monkeypatch.setattr(llvmlite.binding, "get_host_cpu_features", lambda: features)
    has_bfloat16.cache_clear()
    try:
        with mixed_precision("cpu"):
            assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype
    finally:
        has_bfloat16.cache_clear()


def test_other_devices_have_none() -> None:
    assert not has_bfloat16("meta")
