"""Filtering of the samples along one edge (8.7.2), all its lines at a time: the functions of
edge_kernels.py by the same names, with the same arguments, but without records.

An edge has sixteen lines: those of luma, or eight of Cb and eight of Cr. p3 to q3 are vectors with a
lane for each line; for vertical edges they are got by transposing rows. Nothing is written where no
line is filtered.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from refcodec.avc.compilation import inlined
from refcodec.vectors import Code, Value, address_of, rotated, vector_function

LINES = 16
LUMA_PARTS = [k // 4 for k in range(16)]
CHROMA_PARTS = [k // 2 for k in range(8)]
_PART = ir.VectorType(ir.IntType(8), 4)
_FIRST_HALF = [*range(8)]


def _join(pieces: list[Value]) -> Value:
    """Put vectors of one size behind each other; their number is a power of two."""
    while len(pieces) > 1:
        lanes = range(2 * pieces[0].type.count)
        pieces = [a.shuffle(lanes, b) for a, b in zip(pieces[::2], pieces[1::2], strict=True)]
    return pieces[0]


def _load_columns(code: Code, rows: list[Value], columns: int) -> list[Value]:
    """Read `columns` samples of each of sixteen rows and return the columns."""
    pieces = [code.load(row, columns) for row in rows]
    a_register = 16 // columns
    registers = [_join(pieces[k : k + a_register]) for k in range(0, 16, a_register)]
    return rotated(registers, 4)


def _store_columns(code: Code, columns: list[Value], rows: list[Value]) -> None:
    """Write columns, four or eight, into sixteen rows."""
    count = len(columns)
    registers = rotated(columns, 2 if count == 4 else 3)
    for k, row in enumerate(rows):
        register, first = divmod(k * count, 16)
        code.store(registers[register].shuffle(range(first, first + count)), row)


def _rows(first: Value, step: Value, count: int) -> list[Value]:
    rows = [first]
    while len(rows) < count:
        rows.append(rows[-1] + step)
    return rows


def _parts(packed: Value, order: list[int]) -> Value:
    """The four bytes of a number, each in the lanes of its part of the edge."""
    return packed.narrow(32).cast(_PART).shuffle(order)


def _limits(tc0: Value, strengths: Value) -> Value:
    """(#avc.8.7.2.3) t'C0 of each line by its bS, in lanes of 16 bits; `tc0` has a byte a bS."""
    lanes = strengths.type.count
    by_strength = [(tc0 >> (8 * k)).narrow(8).spread(lanes) for k in range(1, 4)]
    weaker = strengths.equals(1).choose(by_strength[0], by_strength[1])
    return strengths.equals(3).choose(by_strength[2], weaker).widen(16)


def _filtered_lines(p1: Value, p0: Value, q0: Value, q1: Value, alpha: Value, beta: Value) -> Value:
    """(#avc.8.7.2.2) filterSamplesFlag but for bS."""
    near = p0.distance(q0) < alpha
    return near & (p1.distance(p0) < beta) & (q1.distance(q0) < beta)


def _weak_ends(p1: Value, p0: Value, q0: Value, q1: Value, tc: Value) -> tuple[Value, Value]:
    """(#avc.8.7.2.3) p'0 and q'0."""
    zero = tc ^ tc
    delta = ((((q0 - p0) << 2) + (p1 - q1) + 4) >> 3).clip(zero - tc, tc)
    return (p0 + delta).clip(0, 255), (q0 - delta).clip(0, 255)


def _weak_inner(p2: Value, p1: Value, middle: Value, limit: Value) -> Value:
    """(#avc.8.7.2.3) p'1 or q'1 where ap or aq is less than beta."""
    zero = limit ^ limit
    return p1 + ((p2 + middle - (p1 << 1)) >> 1).clip(zero - limit, limit)


def _weak_luma(lines: list[Value], filtered: Value, beta: Value, limit: Value) -> list[Value]:
    """(#avc.8.7.2.3) p'1, p'0, q'0, q'1 of six samples from p2 to q2."""
    p2, p1, p0, q0, q1, q2 = lines
    p_smooth, q_smooth = p2.distance(p0) < beta, q2.distance(q0) < beta
    tc = limit + p_smooth.widen(16) + q_smooth.widen(16)
    new_p0, new_q0 = _weak_ends(p1, p0, q0, q1, tc)
    middle = (p0 + q0 + 1) >> 1
    return [
        (filtered & p_smooth).choose(_weak_inner(p2, p1, middle, limit), p1),
        filtered.choose(new_p0, p0),
        filtered.choose(new_q0, q0),
        (filtered & q_smooth).choose(_weak_inner(q2, q1, middle, limit), q1),
    ]


def _strong_luma(lines: list[Value], filtered: Value, alpha: Value, beta: Value) -> list[Value]:
    """(#avc.8.7.2.4) p'2 to q'2 of eight samples from p3 to q3."""
    p3, p2, p1, p0, q0, q1, q2, q3 = lines
    close = p0.distance(q0) < (alpha >> 2) + 2
    p_smooth = close & (p2.distance(p0) < beta)
    q_smooth = close & (q2.distance(q0) < beta)

    def side(far: Value, s2: Value, s1: Value, s0: Value, o0: Value, o1: Value) -> list[Value]:
        inner = s1 + s0 + o0
        return [
            ((far << 1) + (s2 << 1) + s2 + inner + 4) >> 3,
            (s2 + inner + 2) >> 2,
            (s2 + (inner << 1) + o1 + 4) >> 3,
            ((s1 << 1) + s0 + o1 + 2) >> 2,
        ]

    p_new, q_new = side(p3, p2, p1, p0, q0, q1), side(q3, q2, q1, q0, p0, p1)
    p_all, q_all = filtered & p_smooth, filtered & q_smooth
    return [
        p_all.choose(p_new[0], p2),
        p_all.choose(p_new[1], p1),
        filtered.choose(p_smooth.choose(p_new[2], p_new[3]), p0),
        filtered.choose(q_smooth.choose(q_new[2], q_new[3]), q0),
        q_all.choose(q_new[1], q1),
        q_all.choose(q_new[0], q2),
    ]


def _narrowed(lines: list[Value]) -> list[Value]:
    return [line.narrow(8) for line in lines]


def _filter_luma(
    code: Code, lines: list[Value], strong: bool, alpha: Value, beta: Value, strengths: Value,
    tc0: Value, write: Any,
) -> None:  # fmt: skip
    """(#avc.8.7.2) Filter p3 to q3 (p2 to q2 when weak), and write what can have changed."""
    wide = [line.widen(16) for line in lines]
    alpha_lanes, beta_lanes = (value.narrow(16).spread(LINES) for value in (alpha, beta))
    middle = len(wide) // 2
    p1, p0, q0, q1 = wide[middle - 2 : middle + 2]
    filtered = _filtered_lines(p1, p0, q0, q1, alpha_lanes, beta_lanes)
    if strong:
        with code.builder.if_then(filtered.any().value):
            write(_narrowed(_strong_luma(wide, filtered, alpha_lanes, beta_lanes)))
        return
    bs = _parts(strengths, LUMA_PARTS)
    filtered = filtered & bs.differs(0)
    with code.builder.if_then(filtered.any().value):
        write(_narrowed(_weak_luma(wide, filtered, beta_lanes, _limits(tc0, bs))))


@vector_function
def _weak_across_rows(
    code: Code, q: Value, stride: Value, alpha: Value, beta: Value, strengths: Value, tc0: Value
) -> None:
    rows = _rows(q - stride * 3, stride, 6)

    def write(lines: list[Value]) -> None:
        for line, row in zip(lines, rows[1:5], strict=True):
            code.store(line, row)

    lines = [code.load(row, LINES) for row in rows]
    _filter_luma(code, lines, False, alpha, beta, strengths, tc0, write)


@vector_function
def _strong_across_rows(code: Code, q: Value, stride: Value, alpha: Value, beta: Value) -> None:
    rows = _rows(q - (stride << 2), stride, 8)

    def write(lines: list[Value]) -> None:
        for line, row in zip(lines, rows[1:7], strict=True):
            code.store(line, row)

    lines = [code.load(row, LINES) for row in rows]
    _filter_luma(code, lines, True, alpha, beta, alpha, alpha, write)


@vector_function
def _weak_across_columns(
    code: Code, q: Value, stride: Value, alpha: Value, beta: Value, strengths: Value, tc0: Value
) -> None:
    lines = _load_columns(code, _rows(q - 4, stride, LINES), 8)

    def write(changed: list[Value]) -> None:
        _store_columns(code, changed, _rows(q - 2, stride, LINES))

    _filter_luma(code, lines[1:7], False, alpha, beta, strengths, tc0, write)


@vector_function
def _strong_across_columns(code: Code, q: Value, stride: Value, alpha: Value, beta: Value) -> None:
    rows = _rows(q - 4, stride, LINES)
    lines = _load_columns(code, rows, 8)

    def write(changed: list[Value]) -> None:
        _store_columns(code, [lines[0], *changed, lines[7]], rows)

    _filter_luma(code, lines, True, alpha, beta, alpha, alpha, write)


@inlined
def luma_edge(
    samples: Any, at: int, across: int, along: int, alpha: int, beta: int,
    strengths: int, tc0: int, record: Any, record_at: int,
) -> None:  # fmt: skip
    """(#avc.8.7.2) Filter the sixteen lines of luma samples across an edge. bS is 4 for all of them
    or for none."""
    q = address_of(samples) + at
    strong = strengths & 255 == 4
    if across == 1:
        if strong:
            _strong_across_columns(q, along, alpha, beta)
        else:
            _weak_across_columns(q, along, alpha, beta, strengths, tc0)
    elif strong:
        _strong_across_rows(q, across, alpha, beta)
    else:
        _weak_across_rows(q, across, alpha, beta, strengths, tc0)


def _planes(cb: Value, cr: Value) -> Value:
    """Two numbers, in the lanes of Cb and of Cr."""
    return _join([value.narrow(16).spread(8) for value in (cb, cr)])


def _filter_chroma(
    code: Code, lines: list[Value], alpha: Value, beta: Value, strengths: Value,
    tc0_cb: Value, tc0_cr: Value, write: Any,
) -> None:  # fmt: skip
    """(#avc.8.7.2) Filter p1 to q1 and write p0 and q0 where they can have changed."""
    p1, p0, q0, q1 = (line.widen(16) for line in lines)
    bs = _parts(strengths, CHROMA_PARTS * 2)
    filtered = _filtered_lines(p1, p0, q0, q1, alpha, beta) & bs.differs(0)
    with code.builder.if_then(filtered.any().value):
        half = _parts(strengths, CHROMA_PARTS)
        tc = _join([_limits(tc0_cb, half), _limits(tc0_cr, half)]) + 1
        weak_p, weak_q = _weak_ends(p1, p0, q0, q1, tc)
        strong = bs.equals(4)
        new_p = strong.choose(((p1 << 1) + p0 + q1 + 2) >> 2, weak_p)
        new_q = strong.choose(((q1 << 1) + q0 + p1 + 2) >> 2, weak_q)
        write(filtered.choose(new_p, p0).narrow(8), filtered.choose(new_q, q0).narrow(8))


@vector_function
def _chroma_across_rows(
    code: Code, q: Value, to_cr: Value, stride: Value, alpha_cb: Value, beta_cb: Value,
    tc0_cb: Value, alpha_cr: Value, beta_cr: Value, tc0_cr: Value, strengths: Value,
) -> None:  # fmt: skip
    rows = _rows(q - stride * 2, stride, 4)
    lines = [_join([code.load(row, 8), code.load(row + to_cr, 8)]) for row in rows]

    def write(p0: Value, q0: Value) -> None:
        for line, row in ((p0, rows[1]), (q0, rows[2])):
            code.store(line.shuffle(_FIRST_HALF), row)
            code.store(line.shuffle(range(8, 16)), row + to_cr)

    _filter_chroma(
        code, lines, _planes(alpha_cb, alpha_cr), _planes(beta_cb, beta_cr), strengths,
        tc0_cb, tc0_cr, write,
    )  # fmt: skip


@vector_function
def _chroma_across_columns(
    code: Code, q: Value, to_cr: Value, stride: Value, alpha_cb: Value, beta_cb: Value,
    tc0_cb: Value, alpha_cr: Value, beta_cr: Value, tc0_cr: Value, strengths: Value,
) -> None:  # fmt: skip
    rows = _rows(q - 2, stride, 8)
    rows += _rows(q - 2 + to_cr, stride, 8)
    lines = _load_columns(code, rows, 4)

    def write(p0: Value, q0: Value) -> None:
        _store_columns(code, [lines[0], p0, q0, lines[3]], rows)

    _filter_chroma(
        code, lines, _planes(alpha_cb, alpha_cr), _planes(beta_cb, beta_cr), strengths,
        tc0_cb, tc0_cr, write,
    )  # fmt: skip


@inlined
def chroma_edges(
    samples: Any, at: int, to_cr: int, across: int, along: int, alpha_cb: int, beta_cb: int,
    tc0_cb: int, alpha_cr: int, beta_cr: int, tc0_cr: int, strengths: int,
    record: Any, record_at: int, record_to_cr: int,
) -> None:  # fmt: skip
    """(#avc.8.7.2) Filter an edge of Cb and the same one of Cr."""
    q = address_of(samples) + at
    if across == 1:
        _chroma_across_columns(
            q, to_cr, along, alpha_cb, beta_cb, tc0_cb, alpha_cr, beta_cr, tc0_cr, strengths
        )  # fmt: skip
    else:
        _chroma_across_rows(
            q, to_cr, across, alpha_cb, beta_cb, tc0_cb, alpha_cr, beta_cr, tc0_cr, strengths
        )  # fmt: skip
