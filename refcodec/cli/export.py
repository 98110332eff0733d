"""`hyp export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from refcodec.cli.files import check_input, check_output
from refcodec.cli.progress import Progress


def export(
    file: Annotated[Path, typer.Argument(help="HYP file.")],
    target: Annotated[Path, typer.Argument(help="The MP4 file to write.")],
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
) -> None:
    """Make a plain H.264 MP4 that any player plays, with the audio of the file.

    Generated keyframes go into the stream as I_PCM pictures that are not shown, so the MP4 is larger
    than the HYP file; its pictures are those of `hyp decode --coded-size`, bit for bit.

    \b
    Example:
      hyp export film.hyp film.mp4
    """
    check_input(file)
    check_output(target, file)

    from refcodec.exporting import export_mp4

    with Progress("Exporting", enabled=not quiet) as progress:
        export_mp4(file, target, progress=progress.update)
    if not quiet:
        print(f"{target}: {target.stat().st_size} bytes")
