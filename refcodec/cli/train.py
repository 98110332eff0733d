"""`hyp train`: hands its arguments to the trainer."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

import typer

from refcodec import errors


def train(ctx: typer.Context) -> None:
    """Train a generator: from pictures to a model file (needs the extra `trainer`).

    All arguments go to the trainer; `hyp train --help` lists its commands.
    """
    if find_spec("torch") is None:
        raise errors.error(
            "HYP-E-CLI-04",
            element="torch",
            detail="Install it with: pip install 'hybridprompt[trainer]'.",
        )
    # By name, since nothing in this package may depend on the trainer.
    import_module("trainer.__main__").app(args=ctx.args, prog_name="hyp train")
