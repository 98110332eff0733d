"""`hyp bench`: the experiments behind docs/results."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from refcodec import errors
from refcodec.cli import values
from refcodec.cli.files import check_input, make_folder
from refcodec.cli.options import LpipsFolder
from refcodec.cli.progress import Progress

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="""Run the experiments behind docs/results.

    \b
    Examples:
      hyp bench ablation clips/*.mp4    what fitting prompts gives, variant by variant
      hyp bench settings clips/*.mp4    what settings of the encoder give, one change at a time
    """,
)

Clips = Annotated[list[Path], typer.Argument(help="Videos to run it on.")]
Bitrate = Annotated[str, typer.Option(help="Rate of every file, all bytes counted.")]
Duration = Annotated[str, typer.Option(help="Take this much of each clip.")]
Effort = Annotated[
    str, typer.Option("--preset", help="Effort of the encoder: fast, medium or slow.")
]
Every = Annotated[
    int | None,
    typer.Option(
        help="Take LPIPS on every n-th picture: an odd number, as codecs favour every second, fourth or eighth one.",
        min=1,
    ),
]
Cache = Annotated[
    Path | None,
    typer.Option(help="Folder that keeps what is done. [default: in the user's cache]"),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]


@app.callback()
def bench() -> None:
    # makes a group of what would be a lone command
    pass


@app.command("ablation")
def ablation(
    clips: Clips,
    bitrate: Bitrate = "200k",
    duration: Duration = "4",
    fit: Annotated[
        int, typer.Option(metavar="STEPS", help="Steps in each round of a fit.", min=1)
    ] = 30,
    rounds: Annotated[int, typer.Option(help="Rounds of a fit at most.", min=1)] = 2,
    device: Annotated[str, typer.Option(help="Where torch fits: cpu or cuda.")] = "cpu",
    seed: Annotated[int, typer.Option(help="Of the fits.")] = 0,
    preset: Effort = "medium",
    size: Annotated[
        str, typer.Option(help="Coded size as a fraction of the source's, or auto.")
    ] = "auto",
    variants: Annotated[str, typer.Option(help="Which of the variants a, b, c, d.")] = "abcd",
    peers: Annotated[str, typer.Option(help="Codecs to encode with, or none.")] = (
        "x264,x265,vp9,svtav1"
    ),
    every: Every = None,
    close_ups: Annotated[
        bool, typer.Option(help="Show windows of the pictures, where these may be shown.")
    ] = True,
    out: Annotated[Path, typer.Option(help="Folder for the page and its figures.")] = Path(
        "docs/results"
    ),
    cache: Cache = None,
    lpips: LpipsFolder = None,
    quiet: Quiet = False,
) -> None:
    """Measure what fitting prompts gives, to the keyframe alone and jointly with what follows.

    Encodes each clip with the analysis network alone (a), fitted to the keyframe (b), fitted jointly (c), and
    jointly with tuned inter settings (d), all at one rate, beside the peers. Writes ablation.md, plots over time and
    close-ups. What is done already is kept, so an interrupted run goes on where it was.

    \b
    Examples:
      hyp bench ablation clips/*.mp4
      hyp bench ablation a.mp4 --bitrate 200k --duration 4 --fit 30 --out results
    """
    for clip in clips:
        check_input(clip)
    rate, length = values.bit_rate(bitrate), values.seconds(duration, "--duration")
    coded = "auto" if size == "auto" else values.fraction(size, "--size")

    from refcodec.ablation import VARIANTS, Ablation, ClipResult, run_ablation
    from refcodec.ablation.writing import write_report
    from refcodec.comparison.codecs import check_peers
    from refcodec.encoder import EncoderSettings
    from refcodec.fitting.settings import FitSettings

    settings = EncoderSettings(
        bitrate=rate,
        preset=preset,
        keyframes="generated",
        size=coded,  # type: ignore[arg-type]  # checked by the settings
        fit_settings=FitSettings(rounds=rounds, device=device, seed=seed),
    )
    # What cannot be is refused now, not when hours of encodes are done.
    letters = "".join(each.label[0] for each in VARIANTS)
    if not variants or set(variants) - set(letters):
        raise errors.error("HYP-E-CLI-03", element="--variants", value=variants, allowed=letters)
    wanted = [each for each in VARIANTS if each.label[0] in variants]
    chosen = () if peers == "none" else tuple(peers.split(","))
    check_peers(chosen)
    plan = Ablation(rate, float(length), fit, settings, chosen, every, lpips)
    command = _command()
    found: list[ClipResult] = []

    def done(result: ClipResult) -> None:
        # after each clip, so that a run that is ended early leaves what it has
        found.append(result)
        write_report(found, plan, out, command, close_ups=close_ups)

    make_folder(out)
    with Progress("Ablation", enabled=not quiet) as progress:
        run_ablation(clips, plan, variants=wanted, cache=cache, progress=progress.update, done=done)
    print(out / "ablation.md")


@app.command("settings")
def settings(
    clips: Clips,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--try",
            metavar="NAME=VALUE",
            help="A change to try, several times: a parameter of x264, keyframe-interval or prompt-share. "
            "[default: a list of both]",
        ),
    ] = None,
    rounds: Annotated[
        int, typer.Option(help="Changes to take at most, one on top of the other.", min=1)
    ] = 1,
    bitrate: Bitrate = "200k",
    duration: Duration = "4",
    preset: Effort = "medium",
    every: Every = None,
    out: Annotated[Path, typer.Option(help="Folder for the page.")] = Path("docs/results"),
    cache: Cache = None,
    lpips: LpipsFolder = None,
    quiet: Quiet = False,
) -> None:
    """Search for settings of the encoder that look better at equal rate.

    Encodes each clip as it is and with each change, at one coded size; judges by the mean of LPIPS-alex and
    LPIPS-squeeze, whose weights it needs. Writes settings.md. What is done already is kept.

    \b
    Examples:
      hyp bench settings clips/*.mp4
      hyp bench settings a.mp4 --try deblock=0,0 --try aq-strength=0.5 --rounds 2 --out results
    """
    for clip in clips:
        check_input(clip)
    rate, length = values.bit_rate(bitrate), values.seconds(duration, "--duration")

    from refcodec.ablation import Ablation
    from refcodec.ablation.settings_page import write_search
    from refcodec.ablation.settings_search import TRIED, SearchRound, search_settings
    from refcodec.encoder import EncoderSettings
    from refcodec.metrics.lpips_weights import ABSENT, find_judges

    if not find_judges(lpips):
        raise errors.error("HYP-E-CLI-01", element="--lpips", value=None, detail=ABSENT)
    start = EncoderSettings(bitrate=rate, preset=preset)
    plan = Ablation(rate, float(length), 0, start, (), every, lpips)
    command = _command()

    def done(found: list[SearchRound]) -> None:
        make_folder(out)
        write_search(found, plan, out, command)

    with Progress("Settings", enabled=not quiet) as progress:
        search_settings(
            clips, plan, changes or TRIED, rounds, cache=cache, progress=progress.update, done=done
        )
    print(out / "settings.md")


def _command() -> str:
    """Return the command that runs, files without their folders: they tell of a machine, not of the experiment."""
    shown = (Path(each).name if "/" in each else each for each in sys.argv[1:])
    return " ".join(["hyp", *map(shlex.quote, shown)])
