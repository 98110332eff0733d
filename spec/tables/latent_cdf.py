"""Makes spec/tables/latent_cdf.csv: the cumulative distributions of latents (clause #parse.tables).

Run `python -m spec.tables.latent_cdf > spec/tables/latent_cdf.csv`. The table is normative, this tool is
not: a decoder reads the table and never computes an exponential. All arithmetic here is decimal with
60 digits, so every machine makes the same table.

For scale index s = 1..39 and fraction f = -4..3 the distribution is a Laplace distribution of mean f / 8
and scale b = 2^(-3.5 + 0.2 s), integrated over [k - 1/2, k + 1/2] for k = -15..16. What lies outside is
the escape symbol. Frequencies are the probabilities times 2^15, rounded to nearest, at least 1; what
then misses of 2^15 or is too much goes to the largest frequency. The escape order is the order of the
Exp-Golomb code that suits the tail, whose mean excess is b.
"""

from __future__ import annotations

import sys
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext
from itertools import pairwise

SCALES = range(1, 40)
FRACTIONS = range(-4, 4)
FIRST_SYMBOL, LAST_SYMBOL = -15, 16
TOTAL = 1 << 15


def _scale(s: int) -> Decimal:
    return Decimal(2) ** (Decimal("-3.5") + Decimal("0.2") * s)


def _cumulative(x: Decimal, mean: Decimal, b: Decimal) -> Decimal:
    half = Decimal("0.5")
    distance = (x - mean) / b
    return half * distance.exp() if distance < 0 else 1 - half * (-distance).exp()


def frequencies(s: int, f: int) -> list[int]:
    """Return the 33 frequencies (32 values and the escape symbol) of scale index s and fraction f / 8."""
    with localcontext(Context(prec=60)):
        mean, b, half = Decimal(f) / 8, _scale(s), Decimal("0.5")
        edges = [_cumulative(k - half, mean, b) for k in range(FIRST_SYMBOL, LAST_SYMBOL + 2)]
        probabilities = [high - low for low, high in pairwise(edges)]
        probabilities.append(edges[0] + 1 - edges[-1])
        result = [
            max(1, int((p * TOTAL).to_integral_value(rounding=ROUND_HALF_UP)))
            for p in probabilities
        ]
    result[result.index(max(result))] += TOTAL - sum(result)
    return result


def escape_order(s: int) -> int:
    """Return the order of the Exp-Golomb code of the excess: log2(b ln 2), rounded, at least 0."""
    with localcontext(Context(prec=60)):
        size = (_scale(s) * Decimal(2).ln()).ln() / Decimal(2).ln()
        return max(0, int(size.to_integral_value(rounding=ROUND_HALF_UP)))


def rows() -> list[list[int]]:
    """Return the rows of the table: scale index, fraction, escape order, 34 cumulative frequencies."""
    table = []
    for s in SCALES:
        for f in FRACTIONS:
            cumulative = [0]
            for frequency in frequencies(s, f):
                cumulative.append(cumulative[-1] + frequency)
            table.append([s, f, escape_order(s), *cumulative])
    return table


def text() -> str:
    """Return the file latent_cdf.csv."""
    header = ["scale_index", "fraction", "escape_order", *(f"c{i}" for i in range(34))]
    lines = [",".join(header), *(",".join(map(str, row)) for row in rows())]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
