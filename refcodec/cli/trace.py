"""`hyp trace`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from refcodec.cli.files import STANDARD, check_input
from refcodec.cli.reporting import REJECTED, error_text

VALUE_WIDTH = 28


def trace(
    file: Annotated[Path, typer.Argument(help="HYP file; - for standard input.")],
    unit: Annotated[
        int | None, typer.Option(help="Only the unit with this number, from 0.")
    ] = None,
    unit_type: Annotated[
        str | None,
        typer.Option(
            "--type", help="Only units of this type: sequence_header, keyframe, pictures, …"
        ),
    ] = None,
    segment: Annotated[int | None, typer.Option(help="Only units of this segment.")] = None,
    element: Annotated[
        str | None,
        typer.Option(help="Only elements with this name or path; * and ? are wildcards."),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(
            help="The elements that hold this byte, and a few around them: 4096 or 0x1000."
        ),
    ] = None,
    avc: Annotated[
        bool, typer.Option(help="Look into H.264 NAL units: parameter sets, slice headers, SEI.")
    ] = True,
    limit: Annotated[int | None, typer.Option(help="Stop after this many lines.", min=1)] = None,
    json: Annotated[
        bool, typer.Option("--json", help="One JSON object a line, with path and requirement.")
    ] = False,
) -> None:
    """Print every element: place, bits, value, meaning and clause.

    Columns: byte offset (hexadecimal) and bit, number of bits, element, value, meaning, clause. An
    element without bits is inferred. Exit code 1 when the file is damaged.

    \b
    Examples:
      hyp trace film.hyp --type keyframe           every keyframe unit
      hyp trace film.hyp --element slice_qp_delta  one H.264 element wherever it stands
      hyp trace film.hyp --at 0x1f40               what is at that byte
      hyp trace film.hyp --segment 0 --json        for a program
    """
    import json as json_module
    from itertools import islice

    from refcodec.cli.values import whole_number
    from refcodec.container.source import ByteSource
    from refcodec.inspection.tracing import Selection, TracedFault
    from refcodec.inspection.tracing import trace as run

    check_input(file, standard=True)
    selection = Selection(
        unit=unit,
        unit_type=unit_type,
        segment=segment,
        element=element,
        at=None if at is None else whole_number(at, "--at"),
        avc=avc,
    )
    damaged = False
    with sys.stdin.buffer if str(file) == STANDARD else file.open("rb") as stream:
        rows: Iterator[Any] = run(ByteSource(stream, str(file)), selection)
        last_unit = None
        for row in islice(rows, limit):
            if json:
                print(json_module.dumps(row.as_dict(), ensure_ascii=False))
                damaged |= isinstance(row, TracedFault)
                continue
            if row.unit != last_unit:
                last_unit = row.unit
                if row.unit >= 0:
                    in_segment = getattr(row, "segment", None)
                    about = "" if in_segment is None else f", segment {in_segment}"
                    print(f"unit {row.unit}: {row.unit_type}{about}")
            if isinstance(row, TracedFault):
                damaged = True
                row.error.source = row.error.source or str(file)
                print(error_text(row.error), file=sys.stderr)
            else:
                print(line(row, mark=at is not None))
    if damaged:
        raise typer.Exit(REJECTED)


def line(row: Any, *, mark: bool = False) -> str:
    """Return the line of one traced element; with `mark`, selected ones begin with `>`."""
    sign = (">" if row.selected else " ") if mark else ""
    depth = row.path.count(".")
    name = "  " * max(0, depth - 1) + row.path.rsplit(".", 1)[-1]
    place = f"{row.bit_offset // 8:08x}.{row.bit_offset % 8}"
    value = row.number or shown(row.value)
    meaning = f" ({row.meaning})" if row.meaning else ""
    requirement = f" {row.requirement}" if row.requirement else ""
    bits = str(row.bit_length) if row.bit_length else "-"
    return (
        f"{sign}{place} {bits:>7} {name:<42} {value + meaning:<{VALUE_WIDTH}} {row.clause}{requirement}"
    ).rstrip()


def shown(value: object) -> str:
    """Return an element's value as text: bytes as size and first bytes."""
    if isinstance(value, bytes | memoryview):
        head = bytes(value[:8]).hex(" ")
        return f"{len(value)} bytes {head}{' …' if len(value) > 8 else ''}"
    if isinstance(value, str):
        return repr(value)
    return str(value)
