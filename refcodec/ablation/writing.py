"""The report of the experiment: a page of tables, plots over time and close-ups, for docs/results."""

from __future__ import annotations

import itertools
import platform
from collections.abc import Sequence
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw

from refcodec.ablation.markdown import table
from refcodec.ablation.running import METRICS, Ablation, ClipResult
from refcodec.ablation.variants import VARIANTS
from refcodec.comparison.measures import MEASURES
from refcodec.comparison.model import CodecResult
from refcodec.comparison.plots import over_time
from refcodec.comparison.tables import shown, size_text
from refcodec.encoder.prompts import prompter
from refcodec.fitting.settings import FULL_INTERVAL

_PLOTTED = ("lpips_alex", "psnr_y")
_CLOSE_UPS = 2
_COLUMNS = 3
_CAPTION = 16


def write_report(
    results: Sequence[ClipResult],
    ablation: Ablation,
    folder: Path,
    command: str,
    *,
    close_ups: bool = True,
) -> Path:
    """Write `ablation.md` into `folder` and its figures into `folder`/ablation; return the page's path. close_ups: show
    windows of the pictures."""
    figures = folder / "ablation"
    figures.mkdir(parents=True, exist_ok=True)
    lines = [
        "# What joint supervision gives",
        "",
        f"Written by `{command}` on {date.today().isoformat()}; change the command, not this page.",
        "",
        *_conditions(ablation, {each.label for r in results for each in r.variants}),
        "",
        "## Means over the clips",
        "",
        *_table(_means(results)),
        "",
        *_comparisons(results),
    ]
    for result in results:
        lines += ["", f"## {result.clip}", "", *_clip_section(result, figures, close_ups)]
    page = folder / "ablation.md"
    page.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return page


def _conditions(ablation: Ablation, labels: set[str]) -> list[str]:
    settings = ablation.settings
    fit = settings.fit_settings
    digest = prompter(settings.model).model.digest.hex()[:16]
    alone = f", {fit.keyframe_rounds} of them on the keyframe alone" if fit.keyframe_rounds else ""
    size = "as presented" if fit.presented else "at their coded size"
    judged = ", by LPIPS networks that take turns" if fit.takes_turns else ""
    shown = (each for each in VARIANTS if each.label in labels)
    variants = [f"- **{each.label}**: {each.description}" for each in shown]
    return [
        f"First {ablation.duration:g} s of each clip at {ablation.bitrate / 1000:g} kbit/s, every byte of the file "
        "counted; each peer at the best of its sizes, no keyframe forced on it. The variants of HYP share coded size, "
        f"preset ({settings.preset}), keyframe interval and prompt_scale_index, and have generated "
        "keyframes only:",
        "",
        *variants,
        "",
        f"A fit has up to {fit.rounds} rounds of {ablation.steps} steps{alone}; a joint one has {fit.targets} "
        f"following pictures, {fit.sampled} drawn in each step, of intervals of {FULL_INTERVAL:g} s or more, shorter "
        f"ones fewer; pictures are compared {size}{judged}; weight of following pictures {fit.following_weight:g}, "
        f"decay {fit.decay:g} a second, learning rates {fit.learning_rate:g} and {fit.joint_rate:g}, seed {fit.seed}, "
        f"device {fit.device}. Each score is the mean / the mean of the worst 5 % of the measured pictures.",
        "",
        f"Generator model {digest}; {versions()}.",
    ]


def versions() -> str:
    """Return the versions of what an experiment ran on, as a phrase."""
    found = []
    for name in ("hybridprompt", "torch", "numpy", "numba", "av"):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    libraries = ".".join(map(str, av.library_versions["libavcodec"]))
    processor = platform.processor() or platform.machine()
    return f"Python {platform.python_version()}, {', '.join(found)}, libavcodec {libraries}; {processor}"


Scores = dict[str, tuple[float, float]]
"""Mean and worst 5 % by measure."""


def _scores(result: CodecResult) -> Scores:
    found = {name: result.summary(name) for name in METRICS}
    return {name: (each.mean, each.worst) for name, each in found.items() if each is not None}


def _rows(result: ClipResult) -> list[tuple[str, str, str, Scores]]:
    return [
        (each.label, f"{each.bitrate / 1000:.1f}", size_text(each), _scores(each))
        for each in result.comparison.results
    ]


def _means(results: Sequence[ClipResult]) -> list[tuple[str, str, str, Scores]]:
    """Return a row for each codec that all clips have: means over the clips."""
    labels = [each.label for each in results[0].comparison.results]
    rows = []
    for label in labels:
        found = [each for r in results for each in r.comparison.results if each.label == label]
        if len(found) < len(results):
            continue
        scores = [_scores(each) for each in found]
        shared = [name for name in METRICS if all(name in each for each in scores)]
        means = {
            name: (
                float(np.mean([each[name][0] for each in scores])),
                float(np.mean([each[name][1] for each in scores])),
            )
            for name in shared
        }
        rate = float(np.mean([each.bitrate for each in found])) / 1000
        rows.append((label, f"{rate:.1f}", "", means))
    return rows


def _table(rows: Sequence[tuple[str, str, str, Scores]]) -> list[str]:
    names = [name for name in METRICS if any(name in row[3] for row in rows)]
    head = ["", "kbit/s", "coded size", *(MEASURES[name].label for name in names)]
    cells_of = []
    for label, rate, size, scores in rows:
        cells = [label, rate, size]
        for name in names:
            pair = scores.get(name)
            measure = MEASURES[name]
            text = "" if pair is None else " / ".join(shown(measure, value) for value in pair)
            cells.append(text)
        cells_of.append(cells)
    return table(head, cells_of)


def _comparisons(results: Sequence[ClipResult]) -> list[str]:
    """Return what each variant gives over the one before it, by mean LPIPS (Alex)."""
    labels = [each.label for each in VARIANTS]
    present = [label for label in labels if any(_found(r, label) for r in results)]
    steps = list(itertools.pairwise(present))
    if len(present) > 2:
        steps.append((present[0], present[2]))
    head = ["LPIPS (Alex), change", *(result.clip for result in results)]
    cells_of = []
    for before, after in steps:
        cells = [f"{after} against {before}"]
        for result in results:
            a, b = (_found(result, label) for label in (before, after))
            cells.append("" if a is None or b is None else f"{100 * (b / a - 1):+.1f} %")
        cells_of.append(cells)
    return table(head, cells_of)


def _found(result: ClipResult, label: str) -> float | None:
    for each in result.comparison.results:
        if each.label == label:
            return _scores(each).get("lpips_alex", (None, None))[0]
    return None


def _clip_section(result: ClipResult, figures: Path, close_ups: bool) -> list[str]:
    comparison = result.comparison
    lines = _table(_rows(result))
    lines += ["", _thirds(result), ""]
    for measure in _PLOTTED:
        if measure in comparison.measures:
            name = f"{result.clip}-{measure}.svg"
            (figures / name).write_text(_standalone(over_time(comparison, measure)), "utf-8")
            lines += [f"![{MEASURES[measure].label} of each picture](ablation/{name})", ""]
    name = f"{result.clip}-crops.webp"
    if close_ups and _close_ups(result, figures / name):
        lines += [f"![Close-ups of the source and of each codec](ablation/{name})", ""]
    for facts in result.variants:
        rate = facts.keyframe_rate / 1000
        notes = " ".join(facts.notes)
        lines.append(
            f"- {facts.label}: prompts {rate:.1f} kbit/s, encoded in {facts.seconds:.0f} s. {notes}".rstrip()
        )
    lines += [f"- {note}" for note in comparison.notes]
    return lines


def _thirds(result: ClipResult) -> str:
    """Return a sentence on the course of LPIPS through the clip: where joint supervision acts."""
    parts = []
    for each in result.comparison.results:
        scores = each.scores.get("lpips_alex")
        if each.kind != "hyp" or not scores:
            continue
        ordered = [scores[index] for index in sorted(scores)]
        means = [float(np.mean(part)) for part in np.array_split(ordered, 3) if len(part)]
        parts.append(f"{each.label} " + ", ".join(f"{mean:.4f}" for mean in means))
    return "LPIPS (Alex) in the thirds of the clip: " + "; ".join(parts) + "." if parts else ""


def _standalone(svg: str) -> str:
    """Return an inline SVG as a file: with its namespace, and a text colour that shows on any page."""
    opening = '<svg xmlns="http://www.w3.org/2000/svg" color="#808080" '
    return svg.replace("<svg ", opening, 1)


def _close_ups(result: ClipResult, path: Path) -> bool:
    """Write windows of the source and of all codecs at some instants; return whether there are any."""
    comparison = result.comparison
    crops = comparison.crops[:_CLOSE_UPS]
    if not crops:
        return False
    blocks = []
    for crop in crops:
        tiles = []
        for label, pictures in comparison.pictures.items():
            rgb = pictures[crop.index][crop.y : crop.y + crop.height, crop.x : crop.x + crop.width]
            tile = Image.new("RGB", (crop.width, crop.height + _CAPTION), "white")
            tile.paste(Image.fromarray(np.ascontiguousarray(rgb)), (0, _CAPTION))
            text = f"{label}, {comparison.times[crop.index]:.2f} s"
            ImageDraw.Draw(tile).text((4, 2), text, fill="black")
            tiles.append(tile)
        blocks.append(tiles)
    width = max(tile.width for tiles in blocks for tile in tiles)
    height = max(tile.height for tiles in blocks for tile in tiles)
    rows = [-(-len(tiles) // _COLUMNS) for tiles in blocks]
    sheet = Image.new("RGB", (_COLUMNS * width, sum(rows) * height), "white")
    top = 0
    for tiles, count in zip(blocks, rows, strict=True):
        for number, tile in enumerate(tiles):
            place = (number % _COLUMNS * width, (top + number // _COLUMNS) * height)
            sheet.paste(tile, place)
        top += count
    sheet.save(path, "WEBP", quality=90, method=4)
    return True
