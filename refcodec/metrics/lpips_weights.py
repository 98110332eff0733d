"""Where the LPIPS weights lie: they are no part of the project and may be absent."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from refcodec import errors
from refcodec.metrics.lpips_layers import NETS, Net

VARIABLE = "HYP_LPIPS"
PROJECT_ROOT = Path(__file__).resolve().parents[2]

ABSENT = (
    "LPIPS was not measured: its weights (lpips_alex_v0.1.npz, lpips_squeeze_v0.1.npz) were not "
    f"found. Name their folder with --lpips or {VARIABLE}, or put it at ../shared/data/lpips."
)


def file_name(net: Net) -> str:
    """Return the file name of the weights of `net`."""
    return f"lpips_{net}_v0.1.npz"


def find_weights(net: Net, path: str | os.PathLike[str] | None = None) -> Path | None:
    """Return the weights of `net`, or None where there are none.

    Looked for in this order: `path` (a folder or the file itself), the variable HYP_LPIPS, the
    folder ../shared/data/lpips beside the project, then beside the working directory.
    Raises HYP-E-CLI-01 when `path` is given and has no weights: a wish is not silently dropped.
    """
    if path is not None:
        found = _in(Path(path), net)
        if found is None:
            raise errors.error(
                "HYP-E-CLI-01",
                element="--lpips",
                value=os.fspath(path),
                detail=f"{file_name(net)} is not there.",
            )
        return found
    places = [Path(os.environ[VARIABLE])] if os.environ.get(VARIABLE) else []
    places += [base.parent / "shared/data/lpips" for base in (PROJECT_ROOT, Path.cwd())]
    return next((found for place in places if (found := _in(place, net))), None)


def find_judges(path: str | os.PathLike[str] | None = None) -> tuple[Path, ...]:
    """Return the weights of all networks that are found: what prompts are fitted by. A prompt that is to please two
    networks cannot live on the weak spots of one (docs/decisions/0019). Places and errors as with find_weights, but
    one network is enough."""
    if path is None:
        return tuple(found for net in NETS if (found := find_weights(net)) is not None)
    given = tuple(found for net in NETS if (found := _in(Path(path), net)) is not None)
    if not given:
        find_weights(NETS[0], path)  # says what is missing
    return given


def net_of(weights: Mapping[str, NDArray[np.float32]]) -> Net:
    """Return the network that tensors belong to."""
    return "squeeze" if any("squeeze" in name for name in weights) else "alex"


def _in(place: Path, net: Net) -> Path | None:
    # A path that names a file of the other network stands for its folder.
    folder = place if place.is_dir() else place.parent
    file = folder / file_name(net)
    if place.is_file() and net in place.name:
        file = place
    return file if file.is_file() else None


def load_weights(path: Path) -> dict[str, NDArray[np.float32]]:
    """Return the tensors of an LPIPS weights file, float32, by name; nothing in it is executed."""
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name].astype(np.float32) for name in archive.files}
