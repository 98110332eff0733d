"""A comparison as a terminal table, as CSV and as plain values."""

from __future__ import annotations

import csv
import io
import math
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from refcodec import errors
from refcodec.comparison.measures import MEASURES, Measure
from refcodec.comparison.model import CodecResult, Comparison

if TYPE_CHECKING:
    from rich.table import Table


def shown(measure: Measure, value: float) -> str:
    """Return a value of a measure for people."""
    return f"{value:.{measure.digits}f}" if math.isfinite(value) else "identical"


def best_label(comparison: Comparison, measure: str) -> str | None:
    """Return the label of the codec with the best mean; None where it was not taken."""
    means = {
        result.label: found.mean
        for result in comparison.results
        if (found := result.summary(measure)) is not None
    }
    if not means:
        return None
    choose = max if MEASURES[measure].higher_is_better else min
    return choose(means, key=lambda label: means[label])


def size_text(result: CodecResult) -> str:
    """Return the coded size, as "640x360"."""
    return f"{result.coded_width}x{result.coded_height}"


def rich_table(comparison: Comparison) -> Table:
    """Return the summary as a table for the terminal: mean, and worst 5 % behind it."""
    from rich.table import Table

    source = comparison.source
    table = Table(
        title=f"{source.name}, {source.pictures} pictures, {source.seconds:.2f} s",
        caption="mean / worst 5 % of the pictures; best mean in bold",
    )
    table.add_column("codec")
    table.add_column("kbit/s", justify="right")
    table.add_column("coded size", justify="right")
    for name in comparison.measures:
        table.add_column(MEASURES[name].label, justify="right")
    best = {name: best_label(comparison, name) for name in comparison.measures}
    for result in comparison.results:
        cells = [result.label, f"{result.bitrate / 1000:.1f}", size_text(result)]
        for name in comparison.measures:
            found = result.summary(name)
            if found is None:
                cells.append("")
                continue
            definition = MEASURES[name]
            text = f"{shown(definition, found.mean)} / {shown(definition, found.worst)}"
            cells.append(f"[bold]{text}[/bold]" if best[name] == result.label else text)
        table.add_row(*cells)
    return table


def pictures_csv(comparison: Comparison) -> str:
    """Return one row a picture and codec: index, time, coded bytes, each measure or nothing."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = list(comparison.measures)
    writer.writerow(["codec", "picture", "time", "bytes", *names])
    for result in comparison.results:
        for index, time in enumerate(comparison.times):
            size = result.sizes[index][1] if index < len(result.sizes) else ""
            values = [result.scores.get(name, {}).get(index) for name in names]
            cells = ["" if value is None else f"{value:.6g}" for value in values]
            writer.writerow([result.label, index, f"{time:.6f}", size, *cells])
    return out.getvalue()


def summary_csv(comparison: Comparison) -> str:
    """Return one row a codec: rate, sizes, setting, mean, worst 5 % and count of each measure."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    head = ["codec", "kind", "description", "file", "bytes", "side_bytes", "bitrate", "coded_width"]
    head += ["coded_height", "rung", "setting"]
    for name in comparison.measures:
        head += [f"{name}_mean", f"{name}_worst", f"{name}_count"]
    writer.writerow(head)
    for result in comparison.results:
        row: list[object] = [
            result.label,
            result.kind,
            result.description,
            result.file,
            result.bytes,
            result.side_bytes,
            f"{result.bitrate:.1f}",
            result.coded_width,
            result.coded_height,
            result.rung,
            result.setting,
        ]
        for name in comparison.measures:
            found = result.summary(name)
            row += (
                ["", "", 0]
                if found is None
                else [f"{found.mean:.6g}", f"{found.worst:.6g}", found.count]
            )
        writer.writerow(row)
    return out.getvalue()


def as_dict(comparison: Comparison) -> dict[str, object]:
    """Return source, target, notes and the summaries as plain values, for JSON."""
    source = comparison.source
    return {
        "source": {
            "name": source.name,
            "sha256": source.sha256,
            "width": source.width,
            "height": source.height,
            "rate": str(source.rate),
            "start": source.start,
            "pictures": source.pictures,
            "seconds": source.seconds,
        },
        "target": comparison.target,
        "measures": comparison.measures,
        "notes": list(comparison.notes),
        "codecs": [_result(comparison, result) for result in comparison.results],
    }


def _result(comparison: Comparison, result: CodecResult) -> dict[str, object]:
    scores: dict[str, object] = {}
    for name in comparison.measures:
        found = result.summary(name)
        if found is not None:
            values = {"mean": found.mean, "worst": found.worst}
            # JSON has no infinity; null stands for "identical".
            finite = {k: v if math.isfinite(v) else None for k, v in values.items()}
            scores[name] = {**finite, "count": found.count}
    return {
        "label": result.label,
        "kind": result.kind,
        "description": result.description,
        "file": result.file,
        "bytes": result.bytes,
        "side_bytes": result.side_bytes,
        "bitrate": result.bitrate,
        "coded_size": [result.coded_width, result.coded_height],
        "setting": result.setting,
        "scores": scores,
    }


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that it appears whole or not at all. Raises HYP-E-CLI-02."""
    temporary: str | None = None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        # mkstemp makes files for the owner alone; a report has the user's usual permissions.
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, path)
    except OSError as cause:
        if temporary is not None and os.path.exists(temporary):
            os.unlink(temporary)
        raise errors.error("HYP-E-CLI-02", source=str(path), detail=str(cause)) from cause
