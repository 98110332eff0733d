"""(#avc.8.3) Intra prediction, written from the equations.

Neighbouring samples are a mapping from (x, y), relative to the block, to the sample: p[-1, y],
p[x, -1]. A position is missing from it when the sample is not available for Intra prediction.
Predictions are returned as rows: result[y][x].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

Samples = Mapping[tuple[int, int], int]
Block = list[list[int]]


def _block(size: int, sample: Callable[[int, int], int]) -> Block:
    return [[sample(x, y) for x in range(size)] for y in range(size)]


def _above(p: Samples, first: int, count: int) -> list[int]:
    """p[first, -1] and the ones right of it; empty when one is missing."""
    places = [(x, -1) for x in range(first, first + count)]
    return [p[place] for place in places] if all(place in p for place in places) else []


def _beside(p: Samples, first: int, count: int) -> list[int]:
    """p[-1, first] and the ones below it; empty when one is missing."""
    places = [(-1, y) for y in range(first, first + count)]
    return [p[place] for place in places] if all(place in p for place in places) else []


def with_top_right(p: Samples, n: int) -> Samples:
    """(#avc.8.3.1.2) (#avc.8.3.2.2) Substitute p[n - 1, -1] for p[n, -1] and on where these are
    missing."""
    if (n, -1) in p or (n - 1, -1) not in p:
        return p
    return {**p, **{(x, -1): p[n - 1, -1] for x in range(n, 2 * n)}}


def filtered(p: Samples) -> Samples:
    """(#avc.8.3.2.2.1) p' of the samples p around an 8x8 block."""
    q: dict[tuple[int, int], int] = {}
    if (0, -1) in p:
        if (-1, -1) in p:
            q[0, -1] = (p[-1, -1] + 2 * p[0, -1] + p[1, -1] + 2) >> 2
        else:
            q[0, -1] = (3 * p[0, -1] + p[1, -1] + 2) >> 2
        for x in range(1, 15):
            q[x, -1] = (p[x - 1, -1] + 2 * p[x, -1] + p[x + 1, -1] + 2) >> 2
        q[15, -1] = (p[14, -1] + 3 * p[15, -1] + 2) >> 2
    if (-1, -1) in p:
        if (0, -1) in p and (-1, 0) in p:
            q[-1, -1] = (p[0, -1] + 2 * p[-1, -1] + p[-1, 0] + 2) >> 2
        elif (0, -1) in p:
            q[-1, -1] = (3 * p[-1, -1] + p[0, -1] + 2) >> 2
        elif (-1, 0) in p:
            q[-1, -1] = (3 * p[-1, -1] + p[-1, 0] + 2) >> 2
        else:
            q[-1, -1] = p[-1, -1]
    if (-1, 0) in p:
        if (-1, -1) in p:
            q[-1, 0] = (p[-1, -1] + 2 * p[-1, 0] + p[-1, 1] + 2) >> 2
        else:
            q[-1, 0] = (3 * p[-1, 0] + p[-1, 1] + 2) >> 2
        for y in range(1, 7):
            q[-1, y] = (p[-1, y - 1] + 2 * p[-1, y] + p[-1, y + 1] + 2) >> 2
        q[-1, 7] = (p[-1, 6] + 3 * p[-1, 7] + 2) >> 2
    return q


def _dc(p: Samples, n: int) -> int:
    top, left = _above(p, 0, n), _beside(p, 0, n)
    bits = n.bit_length() - 1
    if top and left:
        return (sum(top) + sum(left) + n) >> (bits + 1)
    if top or left:
        return (sum(top or left) + n // 2) >> bits
    return 128


def _directional(mode: int, p: Samples, n: int) -> Block:
    """The equations that 4x4 and 8x8 blocks have in common."""

    def diagonal_down_left(x: int, y: int) -> int:
        if x == n - 1 and y == n - 1:
            return (p[2 * n - 2, -1] + 3 * p[2 * n - 1, -1] + 2) >> 2
        return (p[x + y, -1] + 2 * p[x + y + 1, -1] + p[x + y + 2, -1] + 2) >> 2

    def diagonal_down_right(x: int, y: int) -> int:
        if x > y:
            return (p[x - y - 2, -1] + 2 * p[x - y - 1, -1] + p[x - y, -1] + 2) >> 2
        if x < y:
            return (p[-1, y - x - 2] + 2 * p[-1, y - x - 1] + p[-1, y - x] + 2) >> 2
        return (p[0, -1] + 2 * p[-1, -1] + p[-1, 0] + 2) >> 2

    def vertical_right(x: int, y: int) -> int:
        z = 2 * x - y
        k = x - (y >> 1)
        if z >= 0 and z % 2 == 0:
            return (p[k - 1, -1] + p[k, -1] + 1) >> 1
        if z >= 0:
            return (p[k - 2, -1] + 2 * p[k - 1, -1] + p[k, -1] + 2) >> 2
        if z == -1:
            return (p[-1, 0] + 2 * p[-1, -1] + p[0, -1] + 2) >> 2
        k = y - 2 * x
        return (p[-1, k - 1] + 2 * p[-1, k - 2] + p[-1, k - 3] + 2) >> 2

    def horizontal_down(x: int, y: int) -> int:
        z = 2 * y - x
        k = y - (x >> 1)
        if z >= 0 and z % 2 == 0:
            return (p[-1, k - 1] + p[-1, k] + 1) >> 1
        if z >= 0:
            return (p[-1, k - 2] + 2 * p[-1, k - 1] + p[-1, k] + 2) >> 2
        if z == -1:
            return (p[-1, 0] + 2 * p[-1, -1] + p[0, -1] + 2) >> 2
        k = x - 2 * y
        return (p[k - 1, -1] + 2 * p[k - 2, -1] + p[k - 3, -1] + 2) >> 2

    def vertical_left(x: int, y: int) -> int:
        k = x + (y >> 1)
        if y % 2 == 0:
            return (p[k, -1] + p[k + 1, -1] + 1) >> 1
        return (p[k, -1] + 2 * p[k + 1, -1] + p[k + 2, -1] + 2) >> 2

    def horizontal_up(x: int, y: int) -> int:
        z = x + 2 * y
        k = y + (x >> 1)
        if z > 2 * n - 3:
            return p[-1, n - 1]
        if z == 2 * n - 3:
            return (p[-1, n - 2] + 3 * p[-1, n - 1] + 2) >> 2
        if z % 2 == 0:
            return (p[-1, k] + p[-1, k + 1] + 1) >> 1
        return (p[-1, k] + 2 * p[-1, k + 1] + p[-1, k + 2] + 2) >> 2

    equations = {
        0: lambda x, y: p[x, -1],
        1: lambda x, y: p[-1, y],
        2: lambda x, y: _dc(p, n),
        3: diagonal_down_left,
        4: diagonal_down_right,
        5: vertical_right,
        6: horizontal_down,
        7: vertical_left,
        8: horizontal_up,
    }
    return _block(n, equations[mode])


def predict_intra4x4(mode: int, p: Samples) -> Block:
    """(#avc.8.3.1.2) Prediction with Intra4x4PredMode; KeyError when a needed sample is missing."""
    return _directional(mode, with_top_right(p, 4), 4)


def predict_intra8x8(mode: int, p: Samples) -> Block:
    """(#avc.8.3.2.2) Prediction with Intra8x8PredMode; KeyError when a needed sample is missing."""
    return _directional(mode, filtered(with_top_right(p, 8)), 8)


def _plane(p: Samples, n: int, factor: int) -> Block:
    half = n // 2
    horizontal = sum((k + 1) * (p[half + k, -1] - p[half - 2 - k, -1]) for k in range(half))
    vertical = sum((k + 1) * (p[-1, half + k] - p[-1, half - 2 - k]) for k in range(half))
    a = 16 * (p[-1, n - 1] + p[n - 1, -1])
    b = (factor * horizontal + 32) >> 6
    c = (factor * vertical + 32) >> 6

    def sample(x: int, y: int) -> int:
        value = (a + b * (x - half + 1) + c * (y - half + 1) + 16) >> 5
        return min(max(value, 0), 255)

    return _block(n, sample)


def predict_intra16x16(mode: int, p: Samples) -> Block:
    """(#avc.8.3.3) Prediction with Intra16x16PredMode; KeyError when a needed sample is missing."""
    if mode == 3:
        return _plane(p, 16, 5)
    return _directional(mode, p, 16)


def _chroma_dc(p: Samples, x0: int, y0: int) -> int:
    """(#avc.8.3.4.1) The DC of the chroma block at (x0, y0)."""
    top, left = _above(p, x0, 4), _beside(p, y0, 4)
    if x0 == y0 and top and left:
        return (sum(top) + sum(left) + 4) >> 3
    first, second = (top, left) if x0 > 0 and y0 == 0 else (left, top)
    if first or second:
        return (sum(first or second) + 2) >> 2
    return 128


def predict_chroma(mode: int, p: Samples) -> Block:
    """(#avc.8.3.4) Prediction of a component with intra_chroma_pred_mode; KeyError when a needed
    sample is missing."""
    if mode == 0:
        return _block(8, lambda x, y: _chroma_dc(p, x // 4 * 4, y // 4 * 4))
    if mode == 3:
        return _plane(p, 8, 34)
    return _directional(1 if mode == 1 else 0, p, 8)
