"""The HYP specification as data: syntax tables, requirements, errors, constants and the executable model."""

from pathlib import Path

SPEC_DIR = Path(__file__).resolve().parent
"""Folder that holds `syntax/`, `tables/`, `chapters/`, `requirements.toml` and `errors.toml`."""


def data(name: str) -> Path:
    """Return the path of the specification file `name` (relative, with forward slashes).

    Raises FileNotFoundError when the specification has no such file.
    """
    path = SPEC_DIR / name
    if not path.is_file():
        raise FileNotFoundError(f"the specification has no file {name!r}")
    return path
