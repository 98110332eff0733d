"""`hyp info`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from refcodec.cli.files import STANDARD, check_input
from refcodec.cli.reporting import REJECTED, print_json
from refcodec.cli.values import clock, rate_text

if TYPE_CHECKING:
    from refcodec.inspection.info import FileInfo

TRACK_KINDS = ("audio", "subtitles", "other")


def info(
    file: Annotated[Path, typer.Argument(help="HYP file; - for standard input.")],
    segments: Annotated[bool, typer.Option("--segments", help="List every segment too.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Everything as one JSON object.")] = False,
) -> None:
    """Say what a file holds and what each part of it costs.

    Exit code 1 when parts of the file are damaged; what is intact is shown all the same.

    \b
    Examples:
      hyp info film.hyp
      hyp info film.hyp --segments
      hyp info film.hyp --json | jq .bit_rate
    """
    from refcodec.container.source import ByteSource
    from refcodec.inspection.info import info as run

    check_input(file, standard=True)
    with sys.stdin.buffer if str(file) == STANDARD else file.open("rb") as stream:
        found = run(ByteSource(stream, str(file)), str(file))
    if json:
        print_json(found.as_dict())
    else:
        print("\n".join(_lines(found, segments)))
    for loss in found.damage:
        print(f"damage {loss}", file=sys.stderr)
    if found.damage:
        raise typer.Exit(REJECTED)


def _lines(found: FileInfo, segments: bool) -> list[str]:
    coded = "{} x {}".format(*found.coded_size)
    shown = "{} x {}".format(*found.presentation_size)
    generated = sum(segment.generated for segment in found.segments)
    rows = [
        ("file", f"{found.name}, {found.size} bytes, HYP {found.version}, level {found.level}"),
        ("picture", shown if coded == shown else f"{shown}, coded at {coded}"),
        (
            "time",
            f"{clock(found.duration)} ({found.duration:.3f} s), {found.pictures} pictures, "
            f"{found.picture_rate:.3f} a second",
        ),
        ("rate", f"{rate_text(found.bit_rate)} in all"),
        ("segments", f"{len(found.segments)}, {generated} of them with a generated keyframe"),
        (
            "generator",
            f"{found.generator_id}, model {found.model_digest[:16]}"
            if found.generator_id
            else "none: every keyframe is coded",
        ),
        (
            "restoration",
            f"gain {found.restoration_gain}, network {found.restoration_digest[:16]}"
            if found.restoration_gain
            else "none",
        ),
    ]
    for track in found.tracks:
        kind = TRACK_KINDS[track.kind] if track.kind < len(TRACK_KINDS) else str(track.kind)
        sound = f", {track.sample_rate} Hz, {track.channels} channels" if track.sample_rate else ""
        rows.append(
            (f"track {track.track_id}", f"{kind}, {track.codec}{sound}, {track.bytes} bytes")
        )
    rows += [(key, value) for key, value in found.metadata.items()]
    lines = [f"{label:<12}{text}" for label, text in rows]
    lines.append("cost of the units:")
    for kind, size in sorted(found.bytes_by_unit_type.items(), key=lambda item: -item[1]):
        rate = f"{8 * size / found.duration / 1000:9.1f} kbit/s" if found.duration else ""
        lines.append(f"  {kind:<18}{size:>10} bytes {100 * size / found.size:5.1f} % {rate}")
    if segments:
        lines.append(
            "segment    begin s  duration s  pictures  keyframe      q  key bytes  picture bytes"
        )
        lines += [
            f"{s.number:>7} {s.begin:>10.3f} {s.duration:>11.3f} {s.pictures:>9}  "
            f"{'generated' if s.generated else 'coded':<9} {s.prompt_scale_index:>5} "
            f"{s.keyframe_bytes:>10} {s.pictures_bytes:>14}"
            for s in found.segments
        ]
    return lines
