"""Tensors keep their values from channels first to channels last and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refcodec.intnet import layout
from refcodec.intnet.layout import channels_first, channels_last


@given(st.integers(1, 70), st.integers(1, 9), st.integers(1, 40), st.integers(0, 2**32))
@settings(deadline=None)  # the first one compiles
def test_layouts_agree_with_numpy(channels: int, height: int, width: int, seed: int) -> None:
    tensor = (
        np.random.default_rng(seed)
        .integers(-32768, 32768, (channels, height, width))
        .astype(np.int16)
    )
    last = channels_last(tensor)
    assert last.flags.c_contiguous
    np.testing.assert_array_equal(last, tensor.transpose(1, 2, 0))
    first = channels_first(last.transpose(2, 0, 1))
    assert first.flags.c_contiguous
    np.testing.assert_array_equal(first, tensor)


def test_what_has_the_layout_is_not_copied() -> None:
    tensor = np.zeros((3, 4, 5), np.int16)
    assert channels_first(tensor) is tensor
    seen = tensor.transpose(2, 0, 1)
    assert np.shares_memory(channels_last(seen), tensor)


def test_parts_of_tensors_are_taken_too() -> None:
    tensor = np.arange(2 * 5 * 6, dtype=np.int16).reshape(2, 5, 6)
    np.testing.assert_array_equal(
        channels_last(tensor[:, 1:, :4]), tensor.transpose(1, 2, 0)[1:, :4]
    )
    seen = channels_last(tensor).transpose(2, 0, 1)
    np.testing.assert_array_equal(channels_first(seen[:, 1:, :4]), tensor[:, 1:, :4])


def test_layouts_without_vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    """As they are made where kernels are plain Python."""
    tensor = np.arange(16 * 24 * 9, dtype=np.int16).reshape(16, 24, 9)
    expected = channels_last(tensor)
    monkeypatch.setattr(layout, "NO_VECTORS", True)
    np.testing.assert_array_equal(channels_last(tensor), expected)
    np.testing.assert_array_equal(channels_first(expected.transpose(2, 0, 1)), tensor)
