"""Models of generators: loading, and finding the installed one that a stream asks for."""

from __future__ import annotations

import os
import tomllib
from functools import cache
from pathlib import Path

from refcodec import errors
from refcodec.generator.contract import LUMA_PER_LATENT, Contract
from refcodec.intnet.installed import installed, with_digest
from refcodec.intnet.model_file import ModelFile, read_model_file
from spec import data

GENERATOR_NAMES = {1: "core"}
"""generator_id -> name of the model family; files are refcodec/models/NAME*.safetensors."""


class GeneratorModel:
    """A checked model: networks and tables of one generator.

    Attributes: `file` (ModelFile), `contract` (sizes and tables), `digest` (32 bytes), `cost`
    (multiplications for each luma sample).
    """

    def __init__(self, file: ModelFile) -> None:
        """Check that `file` is a generator of profile core. Raises HYP-E-NET-03, -08 or -09."""
        self.file = file
        self.contract = Contract(file, _largest("max_generator_cost"))
        self.digest = file.digest
        self.cost = self.contract.cost

    @property
    def latent_channels(self) -> int:
        """C, the number of latent channels."""
        return self.contract.latent_channels

    @property
    def hyper_channels(self) -> int:
        """Cz, the number of hyper-latent channels."""
        return self.contract.hyper_channels

    def check_size(self, latent_width: int, latent_height: int) -> None:
        """(#gen.size) Refuse sizes beyond the largest level before anything is allocated. Raises HYP-E-GEN-03."""
        count = _largest("max_coded_samples") // LUMA_PER_LATENT
        side = _largest("max_dimension") // 16
        if not (
            0 < latent_width <= side
            and 0 < latent_height <= side
            and latent_width * latent_height <= count
        ):
            raise errors.error(
                "HYP-E-GEN-03",
                element="latent grid",
                value=f"{latent_width}x{latent_height}",
                allowed=f"sides 1..{side}, at most {count} positions",
            )


@cache
def _loaded(path: Path, _: int) -> GeneratorModel:
    return load_model(path)


@cache
def _largest(limit: str) -> int:
    with data("tables/levels.toml").open("rb") as file:
        levels = tomllib.load(file)["level"]
    return max(int(level[limit]) for level in levels.values())


def load_model(path: str | os.PathLike[str]) -> GeneratorModel:
    """Read and check the model file at `path`. Raises HYP-E-GEN-04 and HYP-E-NET-01 to -10."""
    return GeneratorModel(read_model_file(path))


def bundled(generator_id: int, digest: bytes | None = None) -> GeneratorModel:
    """(#gen.model) Return the installed model of `generator_id` with the SHA-256 `digest` (None: the shipped one).

    As `find_model`, which see.
    """
    return find_model(generator_id, digest)[1]


def find_model(generator_id: int, digest: bytes | None = None) -> tuple[Path, GeneratorModel]:
    """(#gen.model) Return the file of `bundled` too.

    Looks in refcodec/models and in the folder that the variable HYP_MODELS names. Raises HYP-E-GEN-01 when
    there is none of that id, HYP-E-GEN-02 when none has that digest.
    """
    name = GENERATOR_NAMES.get(generator_id)
    paths = [] if name is None else installed(name)
    if not paths:
        raise errors.error(
            "HYP-E-GEN-01",
            element="generator_id",
            value=generator_id,
            allowed=str(sorted(GENERATOR_NAMES)),
        )
    found = with_digest(paths, _loaded, digest)
    if found is None:
        raise errors.error("HYP-E-GEN-02", element="model_digest", value=digest)
    return found
