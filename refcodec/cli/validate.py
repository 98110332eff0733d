"""`hyp validate`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from refcodec.cli.files import STANDARD, check_input
from refcodec.cli.reporting import REJECTED, advice, print_json


def validate(
    files: Annotated[list[Path], typer.Argument(help="HYP files; - for standard input.")],
    json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check all bitstream requirements and report what is broken by id.

    Exit code 0 when every file conforms, 1 when one does not.

    \b
    Examples:
      hyp validate film.hyp
      hyp validate *.hyp --json
      hyp spec show HYP-KF-001     what a requirement says
    """
    for file in files:
        check_input(file, standard=True)

    from refcodec.validation import validate as run

    broken = False
    found = {}
    for file in files:
        report = run(sys.stdin.buffer if str(file) == STANDARD else file)
        broken |= not report.conforming
        found[str(file)] = [finding.as_dict() for finding in report]
        if json:
            continue
        for finding in report:
            print(f"{file}: {finding}")
        if report.conforming:
            print(f"{file}: conforms")
        else:
            print(f"{file}: {report.count} findings; the first: {advice(report[0].error)}")
    if json:
        print_json(found)
    if broken:
        raise typer.Exit(REJECTED)
