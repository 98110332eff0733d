"""`hyp validate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from refcodec.cli.files import check_input
from refcodec.cli.reporting import REJECTED, print_json


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
        findings = run(file)
        broken |= bool(findings)
        found[str(file)] = [finding.as_dict() for finding in findings]
        if not json:
            for finding in findings:
                print(f"{file}: {finding}")
            verdict = f"{len(findings)} findings" if findings else "conforms"
            print(f"{file}: {verdict}")
    if json:
        print_json(found)
    if broken:
        raise typer.Exit(REJECTED)
