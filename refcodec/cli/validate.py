"""`hyp validate`."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from refcodec.cli.files import STANDARD, check_input
from refcodec.cli.progress import Progress
from refcodec.cli.reporting import REJECTED, advice, print_json


def validate(
    files: Annotated[list[Path], typer.Argument(help="HYP files; - for standard input.")],
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check all bitstream requirements and report what is broken by id.

    Decodes every prompt and every slice, which takes about as long as `hyp decode`. Exit code 0 when
    every file conforms, 1 when one does not.

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
        standard = str(file) == STANDARD
        size = None if standard else file.stat().st_size
        with Progress(f"Validating {file.name}", enabled=not quiet) as progress:
            report = run(
                sys.stdin.buffer if standard else file,
                progress=partial(progress.update, total=size),
            )
        broken |= not report.conforming
        found[str(file)] = [finding.as_dict() for finding in report]
        if json:
            continue
        for finding in report:
            print(f"{file}: {finding}")
        if report.conforming:
            print(f"{file}: conforms")
        else:
            count = "1 finding" if report.total == 1 else f"{report.total} findings; the first"
            print(f"{file}: {count}: {advice(report[0].error)}")
    if json:
        print_json(found)
    if broken:
        raise typer.Exit(REJECTED)
