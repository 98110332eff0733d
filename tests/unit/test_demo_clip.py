"""The clip of the demonstration: its size, its cut, its motion, and that it is the same every time."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from demo import clip


@pytest.mark.slow
def test_clip_moves_is_cut_and_is_deterministic() -> None:
    # The textures have their full size whatever the picture has, which is why this takes its time.
    first = [y.copy() for y, _, _ in clip.render(90, 160, 0.4)]
    second = [y for y, _, _ in clip.render(90, 160, 0.4)]
    assert len(first) == 12 and first[0].shape == (90, 160)
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    steps = [float(np.abs(b.astype(int) - a).mean()) for a, b in itertools.pairwise(first)]
    cut = int(np.argmax(steps))
    assert cut == 6, "the cut comes at 3.4 of 6 seconds, in proportion"
    assert min(steps) > 0.2 and steps[cut] > 3 * sorted(steps)[-2]
    assert first[0].std() > 25, "the picture has contrast"
