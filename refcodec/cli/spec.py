"""`hyp spec`: build, lint, cite and show the specification."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from refcodec import errors
from refcodec.cli.reporting import REJECTED

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="""Build, check, cite and show the specification.

    \b
    Examples:
      hyp spec build --out out/spec     the document as one HTML file and a PDF
      hyp spec lint                     all rules that the sources of the document keep
      hyp spec cite HYP-KF-001          how to cite a requirement, error, clause or element
      hyp spec show keyframe            a syntax table, requirement or error in the terminal
    """,
)


@app.command("build")
def build(
    out: Annotated[Path, typer.Option(help="Folder to write into; made if missing.")] = Path(
        "out/spec"
    ),
    pdf: Annotated[bool, typer.Option(help="Write the printable PDF too.")] = True,
) -> None:
    """Build the specification: one searchable HTML document and a PDF.

    \b
    Examples:
      hyp spec build
      hyp spec build --out /tmp/hyp --no-pdf
    """
    from spec.build import BuildError
    from spec.build import build as run

    try:
        out.mkdir(parents=True, exist_ok=True)
        written = run(out, pdf=pdf)
    except BuildError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(REJECTED) from error
    except OSError as error:
        raise errors.error("HYP-E-CLI-02", source=str(out), detail=f"{error.strerror}.") from error
    for path in written:
        print(path)


@app.command("lint")
def lint() -> None:
    """Check the sources of the specification; exit code 1 when there are findings.

    \b
    Example:
      hyp spec lint
    """
    from spec.build import lint as run

    findings = run()
    for finding in findings:
        print(finding)
    print(f"{len(findings)} findings" if findings else "no findings")
    if findings:
        raise typer.Exit(REJECTED)


@app.command("cite")
def cite(
    identifier: Annotated[
        str,
        typer.Argument(
            help="Requirement, error, anchor or element: HYP-KF-001, dec.injection, prompt_data."
        ),
    ],
) -> None:
    """Print the citation of a place of the specification, as text and BibTeX.

    \b
    Examples:
      hyp spec cite HYP-E-UNIT-03
      hyp spec cite dec.injection
    """
    from spec.build import cite as run

    try:
        print(run(identifier))
    except KeyError as error:
        raise errors.error(
            "HYP-E-CLI-03", element="IDENTIFIER", value=identifier, detail=f"{error.args[0]}."
        ) from error


@app.command("show")
def show(
    name: Annotated[
        str,
        typer.Argument(
            help="Syntax structure, requirement or error: keyframe, HYP-KF-001, HYP-E-KF-01."
        ),
    ],
) -> None:
    """Print a syntax table, a requirement or an error.

    \b
    Examples:
      hyp spec show keyframe
      hyp spec show HYP-E-UNIT-03
    """
    from refcodec.inspection.rules import describe

    print(describe(name))
