"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from refcodec import errors


def _there(path: Path | None) -> Path | None:
    """Return a folder that the user named, or a file of it. Raises HYP-E-CLI-01 where there is none."""
    if path is not None and not path.exists():
        raise errors.error("HYP-E-CLI-01", source=str(path), detail="there is no such folder.")
    return path


LpipsFolder = Annotated[
    Path | None,
    typer.Option(
        help="Folder of LPIPS weights. [default: HYP_LPIPS, then ../shared/data/lpips]",
        callback=_there,
    ),
]
