"""The HTML report: one file with everything in it, to be looked at."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from refcodec.comparison import plots
from refcodec.comparison.images import crop_uri, frame_uri
from refcodec.comparison.measures import MEASURES, Measure
from refcodec.comparison.model import CodecResult, Comparison, Crop
from refcodec.comparison.tables import best_label, shown, size_text

TEMPLATES = Path(__file__).parent / "templates"

VERDICT_ORDER = ("lpips_alex", "ms_ssim", "psnr_y", "lpips_squeeze", "temporal")
"""The measure that the opening sentence speaks of: the first of these that was taken."""


@dataclass(frozen=True)
class Cell:
    """A score in the summary table; `share` 0..1 is the length of its bar, 1 the best codec."""

    mean: str
    worst: str
    best: bool
    share: float


@dataclass(frozen=True)
class Row:
    """A codec in the summary table."""

    result: CodecResult
    colour: str
    rate: str
    deviation: str
    size: str
    cells: list[Cell | None]


@dataclass(frozen=True)
class Tile:
    """A window of one video at one instant."""

    label: str
    colour: str
    uri: str
    caption: str


@dataclass(frozen=True)
class Scene:
    """One instant of the close-ups."""

    index: int
    time: str
    crop: Crop
    tiles: list[Tile]


@dataclass(frozen=True)
class Plot:
    """A plot with its heading and what it shows."""

    heading: str
    text: str
    svg: Markup


def render(comparison: Comparison) -> str:
    """Return the report as one HTML document without references to anything outside it."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    palette = plots.colours(comparison.results)
    measures = [MEASURES[name] for name in comparison.measures]
    return environment.get_template("report.html.j2").render(
        comparison=comparison,
        source=comparison.source,
        rate_text=f"{float(comparison.source.rate):.5g}",
        target_text=f"{comparison.target / 1000:.4g}",
        verdict=verdict(comparison),
        measures=measures,
        strides=comparison.measures,
        counts={m.id: _count(comparison, m.id) for m in measures},
        rows=_rows(comparison, palette),
        scenes=_scenes(comparison, palette),
        viewer=_viewer(comparison, palette),
        quality_plots=_quality_plots(comparison),
        rate_plots=_rate_plots(comparison),
    )


def verdict(comparison: Comparison) -> str:
    """Return what the figures say in one or two sentences, in either direction."""
    measure = next((name for name in VERDICT_ORDER if name in comparison.measures), None)
    if measure is None:
        return "No measure was taken."
    definition = MEASURES[measure]
    means = {
        result.label: found.mean
        for result in comparison.results
        if (found := result.summary(measure)) is not None
    }
    subject = next((r for r in comparison.results if r.kind == "hyp"), None)
    others = [r for r in comparison.results if r.kind != "hyp" and r.label in means]
    if subject is None or subject.label not in means or not others:
        best = best_label(comparison, measure)
        result = next(r for r in comparison.results if r.label == best)
        return (
            f"{best} comes nearest to the source at {_kilobits(result)}: {definition.label} "
            f"{shown(definition, means[result.label])}."
        )
    choose = max if definition.higher_is_better else min
    rival = choose(others, key=lambda result: means[result.label])
    ours, theirs = means[subject.label], means[rival.label]
    text = (
        f"{subject.label} reaches {definition.label} {shown(definition, ours)} at "
        f"{_kilobits(subject)}; the best of the others, {rival.label}, "
        f"{shown(definition, theirs)} at {_kilobits(rival)}."
    )
    return f"{text} {_difference(subject.label, ours, theirs, definition)}"


def _difference(label: str, ours: float, theirs: float, definition: Measure) -> str:
    direction = "higher" if definition.higher_is_better else "lower"
    if shown(definition, ours) == shown(definition, theirs):
        return f"The two are equal on this measure ({direction} is better)."
    better = ours > theirs if definition.higher_is_better else ours < theirs
    word = "better" if better else "worse"
    if definition.unit == "dB" or not theirs or not math.isfinite(ours - theirs):
        return f"{label} is {word} ({direction} is better)."
    share = abs(ours / theirs - 1) * 100
    return f"{label} is {share:.0f} % {word} on this measure ({direction} is better)."


def _kilobits(result: CodecResult) -> str:
    return f"{result.bitrate / 1000:.1f} kbit/s"


def _count(comparison: Comparison, measure: str) -> int:
    counts = [found.count for r in comparison.results if (found := r.summary(measure)) is not None]
    return min(counts, default=0)


def _rows(comparison: Comparison, palette: dict[str, str]) -> list[Row]:
    best = {name: best_label(comparison, name) for name in comparison.measures}
    rows = []
    for result in comparison.results:
        cells = [
            _cell(comparison, result, MEASURES[name], best[name]) for name in comparison.measures
        ]
        deviation = 100 * (result.bitrate / comparison.target - 1)
        rows.append(
            Row(
                result,
                palette[result.label],
                f"{result.bitrate / 1000:.1f}",
                f"{deviation:+.1f} %",
                size_text(result),
                cells,
            )
        )
    return rows


def _cell(
    comparison: Comparison, result: CodecResult, definition: Measure, best: str | None
) -> Cell | None:
    found = result.summary(definition.id)
    if found is None:
        return None
    means = [s.mean for r in comparison.results if (s := r.summary(definition.id)) is not None]
    if not all(map(math.isfinite, means)):
        share = 0.0
    elif definition.higher_is_better:
        share = _unit(found.mean, max(means))
    else:
        share = _unit(min(means), found.mean)
    return Cell(
        shown(definition, found.mean),
        shown(definition, found.worst),
        result.label == best,
        share,
    )


def _unit(part: float, whole: float) -> float:
    return 1.0 if whole <= 0 else min(max(part / whole, 0.0), 1.0)


def _scenes(comparison: Comparison, palette: dict[str, str]) -> list[Scene]:
    by_label = {result.label: result for result in comparison.results}
    scenes = []
    for crop in comparison.crops:
        tiles = []
        for label, shots in comparison.pictures.items():
            result = by_label.get(label)
            caption = "the original" if result is None else _caption(comparison, result, crop.index)
            colour = palette.get(label, "currentColor")
            tiles.append(Tile(label, colour, crop_uri(shots[crop.index], crop), caption))
        scenes.append(Scene(crop.index, f"{comparison.times[crop.index]:.2f}", crop, tiles))
    return scenes


def _caption(comparison: Comparison, result: CodecResult, index: int) -> str:
    parts: list[str] = []
    for name in ("lpips_alex", "ms_ssim", "psnr_y"):
        value = result.scores.get(name, {}).get(index)
        if value is not None and len(parts) < 2:
            definition = MEASURES[name]
            text = f"{definition.label} {shown(definition, value)}"
            parts.append(f"{text} {definition.unit}".strip())
    return ", ".join(parts)


def _viewer(comparison: Comparison, palette: dict[str, str]) -> dict[str, object]:
    """Return what the slider needs: labels, colours, instants, whole pictures by label."""
    indices = sorted({crop.index for crop in comparison.crops})
    labels = list(comparison.pictures)
    preferred = next((r.label for r in comparison.results if r.kind == "hyp"), None)
    right = preferred or (labels[1] if len(labels) > 1 else labels[0])
    return {
        "labels": labels,
        "colours": {label: palette.get(label, "#8a8f98") for label in labels},
        "instants": [{"index": i, "time": f"{comparison.times[i]:.2f} s"} for i in indices],
        "left": "source",
        "right": right,
        "width": comparison.source.width,
        "height": comparison.source.height,
        "pictures": {
            label: [frame_uri(comparison.pictures[label][i]) for i in indices] for label in labels
        },
    }


def _quality_plots(comparison: Comparison) -> list[Plot]:
    found = []
    for name in comparison.measures:
        definition = MEASURES[name]
        if all(len(result.scores.get(name, {})) < 2 for result in comparison.results):
            continue
        if not _finite(comparison.results, name):
            continue
        svg = Markup(plots.over_time(comparison, name))
        found.append(Plot(definition.label, definition.explanation, svg))
    return found


def _rate_plots(comparison: Comparison) -> list[Plot]:
    found = [
        Plot(
            "Rate over time",
            "Coded bytes in a window of half a second around each picture; the dashed line is the "
            "target. A keyframe is a hill.",
            Markup(plots.rate_over_time(comparison)),
        ),
        Plot(
            "Received bytes",
            "What has to arrive before a picture can be shown. The height at the left is the cost "
            "of the first picture.",
            Markup(plots.cumulative(comparison)),
        ),
    ]
    measure = next((name for name in VERDICT_ORDER if name in comparison.measures), None)
    if measure is not None and _finite(comparison.results, measure):
        found.append(
            Plot(
                "Rate and quality",
                "Mean score against the rate of the whole file: up is better, left is cheaper.",
                Markup(plots.rate_quality(comparison, measure)),
            )
        )
    return found


def _finite(results: Sequence[CodecResult], measure: str) -> bool:
    values = [value for result in results for value in result.scores.get(measure, {}).values()]
    return bool(values) and all(map(math.isfinite, values))
