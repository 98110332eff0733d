"""`hyp compare`."""

from __future__ import annotations

import shutil
import sys
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from refcodec.cli import values
from refcodec.cli.files import check_input, check_output
from refcodec.cli.options import LpipsFolder
from refcodec.cli.progress import Progress
from refcodec.cli.reporting import print_json

if TYPE_CHECKING:
    from refcodec.comparison import Comparison

TABLE_WIDTH = 120
"""Columns of the table where standard output is no terminal."""


def compare(
    source: Annotated[Path, typer.Argument(help="The source that the files were made from.")],
    files: Annotated[
        list[Path] | None, typer.Argument(help="HYP files, or other video files, to compare.")
    ] = None,
    peers: Annotated[
        str,
        typer.Option(help="Codecs to encode the source with at the same rate, or none."),
    ] = "x264,x265,vp9,svtav1",
    bitrate: Annotated[
        str | None, typer.Option(help="Rate of the peers. [default: that of the first HYP file]")
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option(
            help="Of psnr_y, ms_ssim, lpips_alex, lpips_squeeze, temporal. [default: all that can be taken]"
        ),
    ] = None,
    every: Annotated[
        int | None,
        typer.Option(
            help="Take costly measures on every n-th picture: an odd number, as codecs favour every second, fourth "
            "or eighth one.",
            min=1,
        ),
    ] = None,
    rungs: Annotated[
        str | None,
        typer.Option(
            help="Sizes that a peer may choose, as fractions of the source's. [default: 1,2/3,1/2,1/3]"
        ),
    ] = None,
    start: Annotated[str, typer.Option(help="Where in the source the files begin.")] = "0",
    duration: Annotated[
        str | None, typer.Option(help="Compare this long only. [default: all]")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write the report as one HTML file.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write every picture's measures as CSV.")] = None,
    summary_csv: Annotated[Path | None, typer.Option(help="Write the summary as CSV.")] = None,
    lpips: LpipsFolder = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Compare HYP files with their source and with other codecs at the same total rate.

    Prints a table. Without LPIPS weights the perceptual measure is MS-SSIM; the report says so.

    \b
    Examples:
      hyp compare film.mp4 film.hyp
      hyp compare film.mp4 film.hyp --peers x264 --html report.html --csv pictures.csv
      hyp compare film.mp4 a.hyp b.hyp --peers none --metrics psnr_y,ms_ssim
    """
    check_input(source)
    for file in files or ():
        check_input(file)
    for output in (html, csv, summary_csv):
        if output is not None:
            check_output(output, source, *(files or ()))
    rate = None if bitrate is None else values.bit_rate(bitrate)
    begin = values.seconds(start, "--start")
    length = None if duration is None else values.seconds(duration, "--duration")
    sizes: tuple[Fraction, ...] | None = None
    if rungs is not None:
        sizes = tuple(values.fraction(rung, "--rungs") for rung in rungs.split(","))

    from refcodec.comparison import compare as run
    from refcodec.comparison.rungs import RUNGS

    with Progress("Comparing", enabled=not quiet) as progress:
        result = run(
            source,
            list(files or ()),
            peers=() if peers == "none" else tuple(peers.split(",")),
            bitrate=rate,
            metrics=None if metrics is None else metrics.split(","),
            every=every,
            rungs=RUNGS if sizes is None else sizes,
            start=float(begin),
            duration=None if length is None else float(length),
            lpips_path=lpips,
            progress=progress.update,
        )
    if html is not None:
        result.to_html(html)
    if csv is not None:
        result.to_csv(csv)
    if summary_csv is not None:
        result.to_summary_csv(summary_csv)
    if json:
        print_json(result.to_dict())
    else:
        print_table(result)
        for output in (html, csv, summary_csv):
            if output is not None:
                print(output)


def print_table(result: Comparison) -> None:
    """Print the summary of a comparison and its notes."""
    from rich.console import Console

    from refcodec.comparison.tables import rich_table

    width = (
        shutil.get_terminal_size((TABLE_WIDTH, 25)).columns if sys.stdout.isatty() else TABLE_WIDTH
    )
    console = Console(width=width)
    console.print(rich_table(result))
    for note in result.notes:
        console.print(f"note: {note}", highlight=False)
