"""How much of the rate goes into prompts."""

from __future__ import annotations

from fractions import Fraction
from math import inf
from types import SimpleNamespace
from typing import Any

import pytest

from refcodec.encoder.keyframe_choice import DEFAULT_PROMPT_SHARE, PROMPT_SHARES, SharedRate

HALF = Fraction(1, 2)


def shared(best: float, most: float = 1.0) -> tuple[SharedRate, list[float]]:
    """Return trials whose distance is smallest at `best` and infinite above `most`, and the parts that were tried."""
    tried = []

    def trials(share: float) -> Any:
        tried.append(share)
        distance = abs(share - best) if share <= most else inf
        return SimpleNamespace(measure=lambda rung: (distance, 30.0))

    return SharedRate(trials), tried


@pytest.mark.parametrize("best", PROMPT_SHARES)
def test_the_best_share_is_found_from_the_middle(best: float) -> None:
    options, tried = shared(best)
    assert options.share(HALF) == DEFAULT_PROMPT_SHARE
    assert options.best_share(HALF) == best
    assert options.at(best).measure(HALF)[0] == 0
    assert len(tried) == len(set(tried))


@pytest.mark.parametrize("most", PROMPT_SHARES[: PROMPT_SHARES.index(DEFAULT_PROMPT_SHARE) + 1])
def test_prompts_take_less_where_the_usual_part_leaves_too_little(most: float) -> None:
    options, _ = shared(PROMPT_SHARES[0], most)
    assert options.share(HALF) == most
    assert options.measure(HALF)[0] == most - PROMPT_SHARES[0]
    assert options.best_share(HALF) == PROMPT_SHARES[0]


def test_no_part_leaves_enough() -> None:
    options, _ = shared(PROMPT_SHARES[0], 0.0)
    assert options.share(HALF) == options.best_share(HALF) == PROMPT_SHARES[0]
    assert options.measure(HALF)[0] == inf
