"""Vector functions of the upscaler; see `kernels`, which calls them."""

from __future__ import annotations

from refcodec.vectors import SIDE, Code, Value, transposed, vector_function

LANES = 16
_INTERLEAVED = [n for lane in range(LANES) for n in (lane, lane + LANES)]
_EVEN, _ODD = list(range(0, 2 * LANES, 2)), list(range(1, 2 * LANES, 2))


def _weighted(code: Code, rows: list[Value], taps: Value) -> Value:
    """Return taps[0] * rows[0] + taps[1] * rows[1], int32, of two vectors of int16."""
    pairs = rows[0].shuffle(_INTERLEAVED, rows[1]).widen_signed(32)
    products = pairs * taps.widen_signed(32)
    return products.shuffle(_EVEN) + products.shuffle(_ODD)


@vector_function
def weighted_rows(
    code: Code,
    first: Value,
    second: Value,
    third: Value,
    fourth: Value,
    fifth: Value,
    sixth: Value,
    taps: Value,
    target: Value,
    count: Value,
) -> None:
    """Write `count` times LANES samples: six rows of int16 by taps, six int16 at an address, in 1/4096."""
    rows = [first, second, third, fourth, fifth, sixth]
    given = code.load(taps, 6, 16)
    pairs = [given.shuffle([2 * k, 2 * k + 1] * LANES) for k in range(3)]

    def step(state: list[Value]) -> list[Value]:
        *places, out = state
        values = [code.load(place, LANES, 16) for place in places]
        total = _weighted(code, values[:2], pairs[0])
        for k in (1, 2):
            total = total + _weighted(code, values[2 * k : 2 * k + 2], pairs[k])
        code.store(((total + 2048) >> 12).samples(), out)
        return [*(place + 2 * LANES for place in places), out + LANES]

    code.loop(count, [*rows, target], step)


@vector_function
def columns_of_samples(
    code: Code, source: Value, stride: Value, target: Value, step: Value, count: Value
) -> None:
    """Write SIDE rows of samples, `stride` bytes apart, as columns of SIDE int16, `step` bytes apart; `count` times
    SIDE columns."""

    def square(state: list[Value]) -> list[Value]:
        place, out = state
        row, rows = place, []
        for _ in range(SIDE):
            rows.append(code.load(row, SIDE).widen(16))
            row = row + stride
        for column in transposed(rows):
            code.store(column, out)
            out = out + step
        return [place + SIDE, out]

    code.loop(count, [source, target], square)
