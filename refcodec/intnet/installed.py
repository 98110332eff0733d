"""Model files that are installed: those that ship, and those in the folder of the user; found by name and digest."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from refcodec import errors

MODELS = Path(__file__).resolve().parents[1] / "models"
VARIABLE = "HYP_MODELS"
"""Names the folder of the user."""
_ANALYSIS = ".analysis.safetensors"


class Digested(Protocol):
    """A checked model, which knows the SHA-256 of its file."""

    digest: bytes


Model = TypeVar("Model", bound=Digested)


def shipped(name: str) -> Path:
    """Return where the file NAME.safetensors is that ships."""
    return MODELS / f"{name}.safetensors"


def installed(name: str) -> list[Path]:
    """Return the files NAME*.safetensors, the shipped ones first, and NAME itself before others of its folder."""
    folders = [MODELS]
    if os.environ.get(VARIABLE):
        folders.append(Path(os.environ[VARIABLE]))
    return [
        path
        for folder in folders
        if folder.is_dir()
        for path in sorted(
            folder.glob(f"{name}*.safetensors"), key=lambda p: (p.stem != name, p.name)
        )
        if not path.name.endswith(_ANALYSIS)
    ]


def with_digest(
    paths: Sequence[Path], load: Callable[[Path, int], Model], digest: bytes | None
) -> tuple[Path, Model] | None:
    """Return the first file that has `digest` (None: the first one that loads) and its model, None where none has.

    `load` gets a path and when the file was changed, to remember by. Raises what is wrong with a file where no other
    one is the right one.
    """
    broken: errors.HypError | None = None
    for path in paths:
        try:
            model = load(path, path.stat().st_mtime_ns)
        except errors.HypError as error:
            # another file may be the right one; if none is, this is what the user has to know
            error.source = str(path)
            broken = broken or error
            continue
        if digest is None or model.digest == bytes(digest):
            return path, model
    if broken is not None:
        raise broken
    return None
