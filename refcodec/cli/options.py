"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

LpipsFolder = Annotated[
    Path | None,
    typer.Option(help="Folder of LPIPS weights. [default: HYP_LPIPS, then ../shared/data/lpips]"),
]
