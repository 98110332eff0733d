"""Rates of still pictures are met from below, with and without refined prompts."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from trainer.evaluate import Coder, Yuv, at_rate, at_rate_refined

PICTURE: Yuv = (np.zeros((10, 100), np.uint8),) * 3


def coder(part: float = 1.0, calls: list[int] | None = None) -> Coder:
    """Return a coder with `part` * 2**(10 - q / 10) bits."""

    def run(picture: Yuv, q: int) -> tuple[float, Yuv]:
        if calls is not None:
            calls.append(q)
        return part * 2 ** (10 - q / 10), picture

    return run


@pytest.mark.parametrize("goal", [0.9, 0.3, 0.05])
def test_the_largest_rate_that_is_not_above(goal: float) -> None:
    bits, _ = at_rate(coder(), PICTURE, goal)
    assert goal * 1000 / 2**0.1 < bits <= goal * 1000


@pytest.mark.parametrize("goal", [0.45, 0.3, 0.05])
@pytest.mark.parametrize("part", [0.5, 0.82, 0.9, 1.0])
def test_refined_prompts_come_near_in_few_trials(goal: float, part: float) -> None:
    calls: list[int] = []
    bits, _ = at_rate_refined(coder(), coder(part, calls), PICTURE, goal)
    assert 0.87 * goal * 1000 < bits <= goal * 1000
    assert len(calls) <= 3
    assert len(calls) == len(set(calls))


def test_no_refined_prompt_is_small_enough() -> None:
    with pytest.raises(ValueError, match="no prompt"):
        at_rate_refined(coder(), coder(), PICTURE, 0.001)
