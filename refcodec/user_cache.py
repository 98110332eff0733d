"""The folder for what can be made again, in the user's own cache."""

from __future__ import annotations

import os
from pathlib import Path


def user_cache(name: str) -> Path:
    """Return the folder `name` of this package in the user's cache folder; it may not exist yet.

    Raises RuntimeError where the user has no home.
    """
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "hybridprompt" / name
