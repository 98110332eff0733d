"""Plots of a comparison as inline SVG: text stays text, and colours follow the page."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from refcodec.comparison.measures import MEASURES
from refcodec.comparison.model import CodecResult, Comparison

HYP_COLOURS = ("#e4572e", "#a4243b", "#f2a541", "#7a4b2a")
PEER_COLOURS = {
    "x264": "#2f7fc1",
    "x265": "#2a9d74",
    "VP9": "#8a63c9",
    "SVT-AV1": "#c2569b",
}
OTHER_COLOURS = ("#6b8e23", "#b8860b", "#5f6b7a", "#008b8b")

_INK = "#010203"
"""Stands for the page's text colour while matplotlib draws; replaced by `currentColor`."""


def colours(results: Sequence[CodecResult]) -> dict[str, str]:
    """Return a colour for each label; a codec keeps its colour in every report."""
    hyp, other = iter(HYP_COLOURS * len(results)), iter(OTHER_COLOURS * len(results))
    return {
        result.label: PEER_COLOURS.get(result.label) or next(hyp if result.kind == "hyp" else other)
        for result in results
    }


def over_time(comparison: Comparison, measure: str) -> str:
    """Return a measure over time, one line a codec, as SVG."""
    definition = MEASURES[measure]
    arrow = "higher is better" if definition.higher_is_better else "lower is better"

    def draw(axes: Axes) -> None:
        for result, colour, width in _lines(comparison):
            values = result.scores.get(measure, {})
            indices = sorted(values)
            axes.plot(
                [comparison.times[i] for i in indices],
                [values[i] for i in indices],
                color=colour,
                linewidth=width,
                label=result.label,
            )
        axes.set_xlabel("time, s")
        unit = f", {definition.unit}" if definition.unit else ""
        axes.set_ylabel(f"{definition.label}{unit} ({arrow})")

    return _svg(draw)


def rate_over_time(comparison: Comparison, window: float = 0.5) -> str:
    """Return the rate over time as SVG: coded bytes in a sliding window of `window` seconds."""

    def draw(axes: Axes) -> None:
        times = comparison.times
        for result, colour, width in _lines(comparison):
            rates = [
                sum(size for when, size in result.sizes if abs(when - time) <= window / 2)
                * 8
                / _covered(time, times[-1], window)
                / 1000
                for time in times
            ]
            axes.plot(times, rates, color=colour, linewidth=width, label=result.label)
        axes.axhline(
            comparison.target / 1000, color=_INK, linewidth=0.8, linestyle=(0, (4, 3)), alpha=0.6
        )
        axes.set_ylim(bottom=0)
        axes.set_xlabel("time, s")
        axes.set_ylabel("rate, kbit/s")

    return _svg(draw)


def cumulative(comparison: Comparison) -> str:
    """Return the bytes spent up to each time as SVG: what a viewer has received."""

    def draw(axes: Axes) -> None:
        for result, colour, width in _lines(comparison):
            total, xs, ys = 0, [0.0], [0.0]
            for time, size in result.sizes:
                if time > comparison.times[-1] + 1e-9:
                    break
                total += size
                xs.append(time)
                ys.append(total / 1000)
            axes.step(xs, ys, where="post", color=colour, linewidth=width, label=result.label)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("time, s")
        axes.set_ylabel("received, kB")

    return _svg(draw)


def rate_quality(comparison: Comparison, measure: str) -> str:
    """Return the mean of a measure against the rate, one mark a codec, as SVG."""
    definition = MEASURES[measure]

    def draw(axes: Axes) -> None:
        rates = []
        for result, colour, _ in _lines(comparison):
            found = result.summary(measure)
            if found is None:
                continue
            rate = result.bitrate / 1000
            rates.append(rate)
            axes.plot(rate, found.mean, "o", color=colour, markersize=9)
            axes.annotate(
                result.label,
                (rate, found.mean),
                textcoords="offset points",
                xytext=(10, -4),
                color=_INK,
            )
        low, high = min(rates), max(rates)
        margin = max(0.04 * high, 0.25 * (high - low))
        axes.set_xlim(low - margin, high + 2.5 * margin)
        axes.margins(y=0.15)
        if not definition.higher_is_better:
            axes.invert_yaxis()
        axes.set_xlabel("rate, kbit/s")
        axes.set_ylabel(f"{definition.label} (better is up)")

    return _svg(draw, legend=False)


def _covered(time: float, end: float, window: float) -> float:
    inside = min(time + window / 2, end) - max(time - window / 2, 0.0)
    return max(inside, window / 4)


def _lines(comparison: Comparison) -> Iterator[tuple[CodecResult, str, float]]:
    palette = colours(comparison.results)
    # HYP last, so that its line lies on top.
    for result in sorted(comparison.results, key=lambda r: r.kind == "hyp"):
        yield result, palette[result.label], 2.4 if result.kind == "hyp" else 1.5


@contextmanager
def _style() -> Iterator[None]:
    import matplotlib as mpl

    settings: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": "hybridprompt",
        "font.family": "sans-serif",
        "font.size": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.alpha": 0.18,
        "grid.linewidth": 0.6,
        "text.color": _INK,
        "axes.labelcolor": _INK,
        "axes.edgecolor": _INK,
        "xtick.color": _INK,
        "ytick.color": _INK,
        "grid.color": _INK,
        "axes.facecolor": "none",
        "figure.facecolor": "none",
        "savefig.facecolor": "none",
    }
    with mpl.rc_context(settings):
        yield


def _svg(draw: Callable[[Axes], None], *, legend: bool = True) -> str:
    with _style():
        figure = Figure(figsize=(7.2, 3.3), layout="constrained")
        axes = figure.add_subplot()
        draw(axes)
        axes.xaxis.set_major_locator(MaxNLocator(8))
        if legend:
            handles, labels = axes.get_legend_handles_labels()
            figure.legend(
                handles[::-1],
                labels[::-1],
                loc="outside upper left",
                ncols=6,
                frameon=False,
                handlelength=1.4,
                columnspacing=1.4,
            )
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return _inline(buffer.getvalue())


def _inline(svg: str) -> str:
    """Return the SVG without prologue, metadata, namespaces and fixed size, its ids made unique."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\s+xmlns(:\w+)?="[^"]*"', "", svg)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = svg.replace("xlink:href", "href").replace(_INK, "currentColor")
    # Two plots in one page must not share ids.
    prefix = "p" + hashlib.sha256(svg.encode()).hexdigest()[:8]
    svg = re.sub(r'id="([^"]+)"', rf'id="{prefix}-\1"', svg)
    svg = re.sub(r'href="#([^"]+)"', rf'href="#{prefix}-\1"', svg)
    return re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}-\1)", svg)
