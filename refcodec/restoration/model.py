"""Restoration networks: checking them, and finding the installed one that a stream asks for."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from refcodec import errors
from refcodec.intnet.graph import Network, infer_scales, multiplications
from refcodec.intnet.installed import installed, shipped, with_digest
from refcodec.intnet.model_file import ModelFile, read_model_file

NETWORK = "restoration"
LUMA, DETAIL = "luma", "detail"
LUMA_RANGE = (-128, 127)
DETAIL_RANGE = (-255, 255)
LARGEST_COST = 1024
"""Multiplications for each luma sample."""
UNIT = 8
"""Sides of the plane that the network is given are multiples of this."""


@dataclass(frozen=True, slots=True)
class Restoration:
    """(#dec.restoration) How presented pictures are restored. gain: restoration_gain, 1..3; digest:
    restoration_digest, 32 bytes."""

    gain: int
    digest: bytes


class RestorationModel:
    """A checked model file: `network`, its `digest` (32 bytes) and its `cost`, multiplications for each luma sample."""

    def __init__(self, file: ModelFile) -> None:
        """(#dec.restoration) Raises HYP-E-NET-03, -08 or -09 where `file` is no restoration network."""
        if set(file.networks) != {NETWORK}:
            raise _broken("networks", ", ".join(sorted(file.networks)), NETWORK)
        self.network = file.networks[NETWORK]
        self.digest = file.digest
        self.cost = _checked_cost(self.network)


def _checked_cost(network: Network) -> float:
    names = [(item.name, item.channels) for item in network.inputs]
    if names != [(LUMA, 1)]:
        raise _broken("inputs", names, f"{LUMA}, of one channel")
    luma = network.inputs[0]
    if luma.lo > LUMA_RANGE[0] or luma.hi < LUMA_RANGE[1]:
        raise _broken(f"range of {LUMA}", f"{luma.lo}..{luma.hi}", LUMA_RANGE)
    if network.outputs != (DETAIL,) or network.channels[DETAIL] != 1:
        raise _broken("outputs", ", ".join(network.outputs), f"{DETAIL}, of one channel")
    lo, hi = network.declared(DETAIL)
    if lo < DETAIL_RANGE[0] or hi > DETAIL_RANGE[1]:
        raise _broken(f"range of {DETAIL}", f"{lo}..{hi}", DETAIL_RANGE)
    try:
        scales = infer_scales(network, {LUMA: UNIT})
    except ValueError as error:
        raise errors.error("HYP-E-NET-03", element=NETWORK, detail=f"{error}.") from error
    if scales[DETAIL] != UNIT:
        raise _broken(f"scale of {DETAIL}", scales[DETAIL] / UNIT, 1)
    cost = multiplications(network, {LUMA: UNIT}) / UNIT**2
    if cost > LARGEST_COST:
        raise errors.error(
            "HYP-E-NET-08",
            element="multiplications per luma sample",
            value=round(cost),
            allowed=(0, LARGEST_COST),
        )
    return cost


def _broken(element: str, value: object, allowed: object) -> errors.HypError:
    return errors.error(
        "HYP-E-NET-09", element=f"{NETWORK}: {element}", value=value, allowed=allowed
    )


@cache
def _loaded(path: Path, _: int) -> RestorationModel:
    return load_restoration(path)


def load_restoration(path: str | os.PathLike[str]) -> RestorationModel:
    """Read and check the model file at `path`. Raises HYP-E-GEN-04 and HYP-E-NET-01 to -10."""
    return RestorationModel(read_model_file(path))


def shipped_restoration(name: str) -> RestorationModel:
    """Return the network NAME.safetensors that ships. Raises HYP-E-GEN-04 and HYP-E-NET-01 to -10."""
    path = shipped(name)
    return _loaded(path, path.stat().st_mtime_ns if path.exists() else 0)


def find_restoration(digest: bytes | None = None) -> RestorationModel:
    """(#dec.restoration) Return the installed restoration network with the SHA-256 `digest` (None: the shipped one).

    Looks in refcodec/models and in the folder that the variable HYP_MODELS names, for restoration*.safetensors.
    Raises HYP-E-SEQ-19 when none has that digest, or what is wrong with the only files that might.
    """
    found = with_digest(installed(NETWORK), _loaded, digest)
    if found is None:
        raise errors.error("HYP-E-SEQ-19", element="restoration_digest", value=digest)
    return found[1]
