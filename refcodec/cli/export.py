"""`hyp export`."""

from __future__ import annotations

import sys
from io import FileIO
from pathlib import Path
from typing import Annotated

import typer

from refcodec.cli.files import check_input, check_output
from refcodec.cli.progress import Progress
from refcodec.cli.reporting import REJECTED
from refcodec.wording import counted


class _Watched(FileIO):
    """A file whose reads tell how far they are: the export reads it from front to back."""

    def __init__(self, path: Path, progress: Progress) -> None:
        super().__init__(path, "r")
        self._size = path.stat().st_size
        self._progress = progress

    def read(self, size: int | None = -1, /) -> bytes:
        piece = super().read(-1 if size is None else size)
        self._progress.update(self.tell(), self._size)
        return piece or b""


def export(
    file: Annotated[Path, typer.Argument(help="HYP file.")],
    target: Annotated[Path, typer.Argument(help="The MP4 file to write.")],
    model: Annotated[
        Path | None, typer.Option(help="Generator model file. [default: the installed one]")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
) -> None:
    """Make a plain H.264 MP4 that any player plays, with the audio of the file.

    Generated keyframes go into the stream as I_PCM pictures that are not shown, so the MP4 is larger
    than the HYP file; its pictures are those of `hyp decode --coded-size`, bit for bit. Exit code 1
    when the file is damaged; what is intact is exported.

    \b
    Example:
      hyp export film.hyp film.mp4
    """
    check_input(file)
    check_output(target, file)
    if model is not None:
        check_input(model)

    from refcodec.exporting import export_mp4
    from refcodec.generator import load_model

    generator = None if model is None else load_model(model)
    with Progress("Exporting", enabled=not quiet) as progress, _Watched(file, progress) as source:
        report = export_mp4(source, target, model=generator)
    if not quiet:
        print(f"{target}: {target.stat().st_size} bytes, {counted(report.pictures, 'picture')}")
    for left_out in report.left_out:
        print(f"note: {left_out}", file=sys.stderr)
    if not report.intact:
        print(report, file=sys.stderr)
        raise typer.Exit(REJECTED)
