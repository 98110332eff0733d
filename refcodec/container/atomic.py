"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast


@contextlib.contextmanager
def output_file(target: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open `target` for writing bytes, readable too where it is a regular file.

    A regular file is written under another name in the same directory, forced to the disk, and put
    in place of `target` when the block ends without an exception; otherwise `target` stays as it
    was and nothing is left behind. "-" is standard output; pipes and devices are written directly.
    Raises OSError when the file cannot be created or put in place.
    """
    if os.fspath(target) == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    # A link keeps pointing where it did: the file it leads to is replaced.
    path = Path(os.path.realpath(target))
    if path.exists() and not stat.S_ISREG(path.stat().st_mode):
        if path.is_dir():
            raise IsADirectoryError(f"{path} is a directory")
        with path.open("wb") as stream:
            yield stream
        return
    handle, name = tempfile.mkstemp(prefix=f".{path.name[:200]}.", suffix=".part", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w+b") as file:
            yield cast(BinaryIO, file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, _mode(path))
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


def _mode(path: Path) -> int:
    """Permissions of the file that is replaced, or those that a new file gets."""
    if path.exists():
        return stat.S_IMODE(path.stat().st_mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _sync_directory(directory: Path) -> None:
    """Make the new name last over a loss of power, where the system can do that."""
    with contextlib.suppress(OSError):
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
