"""The typer application: the commands and what happens when one fails."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from refcodec.cli import (
    bench,
    compare,
    decode,
    encode,
    export,
    info,
    inspect,
    spec,
    trace,
    train,
    validate,
)
from refcodec.cli.reporting import REJECTED, print_error
from refcodec.errors import HypError

INTERRUPTED = 130

_ENDING = [
    getattr(signal, name)
    for name in ("SIGTERM", "SIGHUP")
    if hasattr(signal, name)  # Windows has no SIGHUP
]


class CommandGroup(TyperGroup):
    """Turns typed errors into a message and an exit code, at one place for all commands."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except HypError as error:
            raise typer.Exit(print_error(error)) from error
        except KeyboardInterrupt:
            print("interrupted; no output was left behind", file=sys.stderr)
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            # The reader of our output went away (`hyp trace … | head`): that is no error.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(REJECTED) from None


def _version(show: bool) -> None:
    if show:
        from importlib.metadata import version

        print(f"hybridprompt {version('hybridprompt')}, bitstream HYP 0.1")
        raise typer.Exit


app = typer.Typer(
    name="hyp",
    cls=CommandGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


@app.callback()
def hyp(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Print versions and stop."
        ),
    ] = False,
) -> None:
    """Encode, decode, inspect and compare HYP video.

    \b
    A first session:
      hyp encode film.mp4 film.hyp --bitrate 200k    code a film at 200 kbit/s in all
      hyp info film.hyp                              what is in it, and what each part costs
      hyp decode film.hyp film.y4m                   decode it
      hyp compare film.mp4 film.hyp --html out.html  see it beside x264, x265, VP9 and AV1
      hyp export film.hyp film.mp4                   make an MP4 that every player plays
      hyp inspect film.hyp --frame 30 -o page.html   see how a picture was coded

    \b
    Exit codes: 0 done, 1 the file was rejected or breaks a rule, 2 wrong use, 3 not supported.
    Every error has an id: `hyp spec cite HYP-E-UNIT-03` prints the rule behind it.
    """


app.command("encode")(encode.encode)
app.command("decode")(decode.decode)
app.command("info")(info.info)
app.command("inspect")(inspect.inspect)
app.command("trace")(trace.trace)
app.command("validate")(validate.validate)
app.command("compare")(compare.compare)
app.command("export")(export.export)
app.add_typer(spec.app, name="spec")
app.add_typer(bench.app, name="bench")
app.command(
    "train",
    context_settings={
        "allow_extra_args": True,
        "ignore_unknown_options": True,
        "help_option_names": [],
    },
)(train.train)


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def run() -> None:
    """Run the application with the arguments of the process.

    A signal that asks it to end unwinds it as an error would, so that no temporary file is left.
    """
    for number in _ENDING:
        if signal.getsignal(number) == signal.SIG_DFL:  # with nohup, SIGHUP stays ignored
            signal.signal(number, _end)
    app(prog_name="hyp")
