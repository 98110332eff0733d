"""`hyp encode`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from refcodec.cli import values
from refcodec.cli.files import check_input, check_output
from refcodec.cli.progress import Progress
from refcodec.cli.reporting import print_json
from refcodec.wording import counted

if TYPE_CHECKING:
    from refcodec.encoder import EncodeReport


def encode(
    source: Annotated[Path, typer.Argument(help="Any video that libavcodec reads.")],
    target: Annotated[Path, typer.Argument(help="The HYP file to write, usually *.hyp.")],
    bitrate: Annotated[
        str | None,
        typer.Option(
            help="Bits per second of the whole file, met within 2 %: 200k, 1.5M. [default: 200k]"
        ),
    ] = None,
    quality: Annotated[
        float | None,
        typer.Option(help="Instead of --bitrate: constant quality, 0 (worst) to 100 (best)."),
    ] = None,
    preset: Annotated[str, typer.Option(help="Effort: fast, medium or slow.")] = "medium",
    keyframe_interval: Annotated[
        str,
        typer.Option(
            help="Longest time between keyframes in seconds, 0.1 to 30; medium and slow shorten "
            "it, to 1 s at least, where motion asks for it."
        ),
    ] = "5",
    size: Annotated[
        str,
        typer.Option(help="Coded size as a fraction of the source's: 1, 2/3, 1/2; auto measures."),
    ] = "auto",
    keyframes: Annotated[
        str,
        typer.Option(
            help="generated, coded (H.264), or auto: whichever is cheaper in each segment."
        ),
    ] = "auto",
    model: Annotated[
        Path | None,
        typer.Option(
            help="Generator: core, core_small (keyframes decode twice as fast, less sharp), or a model file with "
            "its analysis file beside it. [default: core]"
        ),
    ] = None,
    prompt_share: Annotated[
        float | None,
        typer.Option(help="Share of the video's bits for prompts, 0.02 to 0.9. [default: chosen]"),
    ] = None,
    refine: Annotated[
        int | None,
        typer.Option(
            metavar="STEPS",
            help="Fit each prompt to its keyframe in so many steps, for instance 30: fewer bits and a better "
            "picture, but slow. Needs torch (pip install 'hybridprompt[trainer]'); judges by LPIPS where its weights "
            "are found (HYP_LPIPS), else by the encoder's own measure. 0: off. [default: 20 with slow where torch "
            "and the weights are found, else 0]",
        ),
    ] = None,
    fit: Annotated[
        int,
        typer.Option(
            metavar="STEPS",
            help="Fit each prompt to its keyframe and to the pictures that follow, in rounds of so many steps, for "
            "instance 30; stops when the decode no longer improves at equal rate. Ctrl-C ends it early and keeps the "
            "best. Needs torch; judges as --refine does. 0: off.",
        ),
    ] = 0,
    restoration: Annotated[
        str,
        typer.Option(
            help="How much of the detail that a small network finds decoders add to the pictures: 0 (none), 1, 2, 3; "
            "auto measures."
        ),
    ] = "auto",
    fit_device: Annotated[
        str, typer.Option(help="Where torch fits: cpu, or cuda for a GPU.")
    ] = "cpu",
    fit_option: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="How to fit, several times: targets, sampled, following_weight, decay, rounds, seed and the others of "
            "refcodec.fitting.settings.FitSettings.",
        ),
    ] = None,
    side_tracks: Annotated[
        bool, typer.Option(help="Carry the audio and subtitle tracks of the source.")
    ] = True,
    start: Annotated[str, typer.Option(help="Begin here: seconds, m:ss or h:mm:ss.")] = "0",
    duration: Annotated[
        str | None, typer.Option(help="Encode this long only. [default: to the end]")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Worker processes. [default: one for each CPU]")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Encode a video into a HYP file.

    The output appears whole or not at all.

    \b
    Examples:
      hyp encode film.mp4 film.hyp --bitrate 200k
      hyp encode film.mp4 film.hyp --quality 60 --preset slow
      hyp encode film.mp4 part.hyp --start 1:30 --duration 20 --size 2/3
    """
    check_input(source)
    check_output(target, source)
    if model is not None:
        model = _model_file(model)
    rate = values.bit_rate(bitrate) if bitrate is not None else None
    begin = values.seconds(start, "--start")
    length = values.seconds(duration, "--duration") if duration is not None else None
    interval = values.seconds(keyframe_interval, "--keyframe-interval")
    gain = "auto" if restoration == "auto" else values.gain(restoration, "--restoration")
    coded = "auto" if size == "auto" else values.fraction(size, "--size")

    from refcodec.encoder import EncoderSettings
    from refcodec.encoder import encode as run
    from refcodec.fitting.settings import FitSettings

    fitting = FitSettings(device=fit_device).with_options(fit_option or [], "--fit-option")
    settings = EncoderSettings(
        bitrate=200_000 if rate is None and quality is None else rate,
        quality=quality,
        preset=preset,
        keyframe_interval=float(interval),
        size=coded,  # type: ignore[arg-type]  # checked by the settings
        keyframes=keyframes,  # type: ignore[arg-type]  # checked by the settings
        model=model,
        prompt_share=prompt_share,
        refine=refine,
        fit=fit,
        restoration=gain,  # type: ignore[arg-type]  # checked by the settings
        fit_settings=fitting,
        side_tracks=side_tracks,
        start=float(begin),
        duration=None if length is None else float(length),
        workers=workers,
    )
    with Progress("Encoding", enabled=not quiet) as progress:
        report = run(source, target, settings, progress=progress.update)
    if json:
        print_json(dataclasses.asdict(report))
    else:
        print("\n".join(_lines(report)))


def _model_file(model: Path) -> Path:
    """Return the file of a generator that ships, by its name, or `model` itself where that is a file."""
    from refcodec.intnet.installed import shipped

    ships = shipped(model.name)
    if len(model.parts) == 1 and not model.exists() and ships.is_file():
        return ships
    check_input(model)
    return model


def _lines(report: EncodeReport) -> list[str]:
    """Return the report as text: what was made, what each part costs, what was converted."""
    generated = sum(segment.generated for segment in report.segments)
    aim = ""
    if report.target_rate:
        aim = f" ({100 * (report.rate / report.target_rate - 1):+.1f} % from the target)"
    coded = f"{report.coded_width} x {report.coded_height}"
    shown = f"{report.presentation_width} x {report.presentation_height}"
    parts = (
        ("keyframes", report.keyframe_rate),
        ("pictures", report.pictures_rate),
        ("side tracks", report.side_track_rate),
        ("overhead", report.overhead_rate),
    )
    if report.restoration_gain:
        coded += f", restored with gain {report.restoration_gain}"
    lines = [
        f"{report.target}: {report.size} bytes, {values.rate_text(report.rate)}{aim}",
        f"  {counted(report.picture_count, 'picture')}, {values.clock(report.duration)}, {shown} coded at {coded}",
        f"  {counted(len(report.segments), 'segment')}, {generated} of them with a generated keyframe",
        "  " + ", ".join(f"{name} {values.rate_text(rate)}" for name, rate in parts if rate),
        f"  {report.elapsed:.1f} s, {report.segment_encodes} segment encodes",
    ]
    lines += [f"  converted: {text}" for text in report.conversions]
    lines += [f"  note: {text}" for text in report.notes]
    return lines
