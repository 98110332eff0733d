"""Checks of paths before any work starts."""

from __future__ import annotations

import os
from pathlib import Path

from refcodec import errors

STANDARD = "-"
"""The name that means standard input or standard output."""


def check_input(path: Path, *, standard: bool = False) -> None:
    """Raise HYP-E-CLI-01 unless `path` is a file that can be read.

    `standard`: also accept `-` and anything that is no folder (pipes, devices).
    """
    if standard and str(path) == STANDARD:
        return
    reason = None
    if not path.exists():
        reason = "there is no such file"
    elif path.is_dir():
        reason = "it is a folder"
    elif not os.access(path, os.R_OK):
        reason = "you may not read it"
    if reason is not None:
        raise errors.error("HYP-E-CLI-01", source=str(path), detail=f"{reason}.")


def check_output(path: Path, *inputs: Path, standard: bool = False) -> None:
    """Raise HYP-E-CLI-02 unless a file can be made at `path`, HYP-E-CLI-05 when that is an input."""
    if standard and str(path) == STANDARD:
        return
    folder = path.parent
    reason = None
    if path.is_dir():
        reason = "it is a folder"
    elif not folder.is_dir():
        reason = f"the folder {folder} does not exist"
    elif not os.access(folder, os.W_OK):
        reason = f"you may not write into {folder}"
    if reason is not None:
        raise errors.error("HYP-E-CLI-02", source=str(path), detail=f"{reason}.")
    for other in inputs:
        if path.exists() and other.exists() and path.samefile(other):
            raise errors.error("HYP-E-CLI-05", source=str(path))


def make_folder(path: Path) -> None:
    """Make a folder, and those above it, where it is not there yet. Raises HYP-E-CLI-02."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise errors.error("HYP-E-CLI-02", source=str(path), detail=str(problem)) from problem
