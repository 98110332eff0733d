"""`hyp decode`."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from refcodec import errors
from refcodec.cli import values
from refcodec.cli.compilation_notice import announce_compilation
from refcodec.cli.files import STANDARD, check_input, check_output
from refcodec.cli.progress import Progress
from refcodec.cli.reporting import REJECTED, UNSUPPORTED, print_json

if TYPE_CHECKING:
    from refcodec.decoder import DecodeReport


def decode(
    file: Annotated[
        Path,
        typer.Argument(help="HYP file, or plain H.264 (.264, .mp4, .mkv); - for standard input."),
    ],
    target: Annotated[
        Path | None,
        typer.Argument(
            help="File to write: .y4m, .yuv, .mkv, .mp4, …; - for y4m on standard output."
        ),
    ] = None,
    hashes: Annotated[
        bool, typer.Option("--hashes", help="Print number, time and SHA-256 of every picture.")
    ] = False,
    form: Annotated[
        str | None,
        typer.Option(
            "--format", help="y4m, raw, or a format of libavformat. [default: by the name]"
        ),
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(help="Encoder of libavcodec. [default: FFV1 in mkv, x264 in mp4]"),
    ] = None,
    coded_size: Annotated[
        bool, typer.Option("--coded-size", help="Leave out the upscaler and restoration.")
    ] = False,
    start: Annotated[str, typer.Option(help="Begin here: seconds, m:ss or h:mm:ss.")] = "0",
    duration: Annotated[
        str | None, typer.Option(help="Decode this long only. [default: to the end]")
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help="Generator model file. [default: the installed one]")
    ] = None,
    backend: Annotated[
        str, typer.Option(help="Decoder of the H.264 part: libav or numba.")
    ] = "numba",
    check: Annotated[
        bool,
        typer.Option("--check", help="Decode with both backends and tell where they differ first."),
    ] = False,
    threads: Annotated[int, typer.Option(help="Threads.", min=1, max=256)] = 2,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print a report as JSON.")] = False,
) -> None:
    """Decode a HYP file, or plain H.264, to y4m, raw planes, or any file that libavcodec writes.

    Damage costs only the segments that it lies in: what is intact is decoded, what was lost is
    reported on standard error, and the exit code is 1. The output appears whole or not at all.

    \b
    Examples:
      hyp decode film.hyp film.y4m
      hyp decode film.hyp film.mkv            lossless FFV1, with the audio
      hyp decode film.hyp - | ffplay -        y4m into another program
      hyp decode film.hyp --hashes            the same on every machine
      hyp decode film.hyp part.y4m --start 1:00 --duration 5
      hyp decode clip.264 --check             both decoders, sample by sample
    """
    if not quiet:
        announce_compilation()
    if check:
        _check(file, target, model, threads, quiet, json)
        return
    if target is None and not hashes and not json:
        raise errors.error(
            "HYP-E-CLI-03",
            element="TARGET",
            allowed="a file to write, or --hashes, --check or --json",
        )
    if hashes and target is not None:
        raise errors.error(
            "HYP-E-CLI-03", element="--hashes", detail="It prints instead of writing a target."
        )
    check_input(file, standard=True)
    if target is not None:
        check_output(target, file, standard=True)
    if model is not None:
        check_input(model)
    begin = values.seconds(start, "--start")
    length = None if duration is None else values.seconds(duration, "--duration")

    from refcodec.decoder import decode_any, sinks

    generator = None
    if model is not None:
        from refcodec.generator import load_model

        generator = load_model(model)
    standard = str(file) == STANDARD
    source: Path | BinaryIO = sys.stdin.buffer if standard else file
    total = None if standard else _length(file, begin, length)
    with Progress("Decoding", enabled=not quiet) as progress:
        decoding = decode_any(
            source,
            backend=backend,
            threads=threads,
            presentation=not coded_size,
            start=begin or None,
            duration=length,
            model=generator,
            side_tracks=target is not None,
        )
        if target is not None:
            written = sinks.write(
                decoding,
                target,
                form=form,
                encoder=encoder,
                progress=lambda decoded: progress.update(float(decoded.time - begin), total),
            )
            for left_out in written.left_out:
                print(f"note: {left_out}", file=sys.stderr)
            if written.displaced:
                print(
                    f"note: Pictures stand up to {written.displaced:.2f} s away from their times, as "
                    "this format has one rate for all; an .mkv file keeps the times.",
                    file=sys.stderr,
                )
        else:
            with decoding:
                for number, decoded in enumerate(decoding):
                    progress.update(float(decoded.time - begin), total)
                    if hashes:
                        print(f"{number} {float(decoded.time):.6f} {decoded.picture.sha256()}")
    report = decoding.report
    if json:
        print_json(report.as_dict())
    elif not report.intact or (target is not None and not quiet):
        print(report, file=sys.stderr)
    if not report.intact:
        raise typer.Exit(_exit_code(report))


def _check(
    file: Path, target: Path | None, model: Path | None, threads: int, quiet: bool, json: bool
) -> None:
    """Decode with all backends; exit code 1 where they differ or something was lost."""
    if target is not None:
        raise errors.error("HYP-E-CLI-03", element="--check", detail="It writes no target.")
    check_input(file)
    from refcodec.decoder import check

    generator = None
    if model is not None:
        from refcodec.generator import load_model

        check_input(model)
        generator = load_model(model)
    total = _length(file, Fraction(0), None)
    with Progress("Comparing", enabled=not quiet) as progress:
        report = check(
            file,
            threads=threads,
            model=generator,
            progress=lambda decoded: progress.update(float(decoded.time), total),
        )
    if json:
        print_json(report.as_dict())
    else:
        print(report)
        for each in report.reports:
            if not each.intact:
                print(each, file=sys.stderr)
    if not report.equal:
        raise typer.Exit(REJECTED)
    if not report.reports[0].intact:
        raise typer.Exit(_exit_code(report.reports[0]))


def _exit_code(report: DecodeReport) -> int:
    """Return 3 where nothing was decoded since this decoder supports none of it, else 1."""
    unsupported = all(loss.error.klass == "unsupported" for loss in report.losses)
    if not report.pictures and report.losses and unsupported and report.container.intact:
        return UNSUPPORTED
    return REJECTED


def _length(file: Path, begin: Fraction, length: Fraction | None) -> float | None:
    """Return the seconds that will be decoded, None where the file does not tell without being read through."""
    from refcodec.container import open_reader

    try:
        with open_reader(file) as reader:
            whole = reader.duration()
    except errors.HypError:
        return None
    if whole is None:
        return None
    rest = max(Fraction(0), whole - begin)
    return float(rest if length is None else min(rest, length))
