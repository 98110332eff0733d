"""The smallest level whose limits a sequence keeps."""

from __future__ import annotations

import tomllib
from functools import cache

from refcodec import errors
from refcodec.encoder.resizing import CodedSize
from spec import data


@cache
def _levels() -> dict[int, dict[str, int]]:
    with data("tables/levels.toml").open("rb") as file:
        return {int(number): row for number, row in tomllib.load(file)["level"].items()}


def smallest_level(
    size: CodedSize, width: int, height: int, rate: float, sequence_parameter_set: bytes
) -> int:
    """(#con.levels) Return the lowest level for a coded size, a presentation size (width, height), pictures a
    second and the level_idc of the sequence parameter set.

    Raises MediaSizeUnsupported when there is none.
    """
    for number, limit in sorted(_levels().items()):
        if (
            max(size.width, size.height, width, height) <= limit["max_dimension"]
            and size.samples <= limit["max_coded_samples"]
            and size.samples * rate <= limit["max_coded_sample_rate"]
            and width * height <= limit["max_presentation_samples"]
            and width * height * rate <= limit["max_presentation_sample_rate"]
            and sequence_parameter_set[3] <= limit["max_avc_level_idc"]
        ):
            return number
    raise errors.error(
        "HYP-E-IN-04",
        element="size and rate",
        value=f"{width}x{height} at {rate:g} pictures/s",
        allowed="the limits of the highest level",
    )
