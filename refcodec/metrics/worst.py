"""Mean of the worst pictures of a clip: what the eye remembers."""

from __future__ import annotations

import math
from collections.abc import Sequence

WORST_SHARE = 0.05


def worst_mean(
    values: Sequence[float], *, higher_is_better: bool, share: float = WORST_SHARE
) -> float:
    """Return the mean of the worst `share` of `values` (at least one); NaN when empty."""
    if not values:
        return math.nan
    ordered = sorted(values, reverse=not higher_is_better)
    # The small amount keeps 0.05 * 20 from being rounded up to two.
    count = max(1, math.ceil(share * len(ordered) - 1e-9))
    return math.fsum(ordered[:count]) / count
