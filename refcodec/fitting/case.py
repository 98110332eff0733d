"""What a fit works on: one keyframe interval, its prompt, its originals and its coded pictures."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from refcodec.generator import GeneratorModel
from refcodec.generator.prompt import Latents
from refcodec.picture import Picture
from refcodec.restoration import Restoration

Size = tuple[int, int]
"""Width and height in luma samples."""


@dataclass(frozen=True, slots=True)
class Presentation:
    """What is done to decoded pictures before they are shown. coded, presented: their sizes; restoration: None where
    they are not restored."""

    coded: Size
    presented: Size
    restoration: Restoration | None = None


@dataclass(frozen=True)
class CodedPictures:
    """The H.264 part of an interval: parameter sets (SPS, PPS) and the NAL units of each access unit in decoding
    order, without start codes."""

    parameter_sets: tuple[bytes, ...]
    access_units: tuple[tuple[bytes, ...], ...]


@dataclass(frozen=True, eq=False)
class FitCase:
    """One keyframe interval with a generated keyframe.

    q: prompt_scale_index; trade: bits per luma sample that a distortion of 1 is worth; start: latents that can be
    coded; originals: source pictures, as large as the distortion of the fit takes them (the macroblock grid), by their
    place in output order, that of the keyframe, 0, among them; rate: pictures a second; coded: the pictures that
    follow, or None to fit the keyframe alone; presentation: how they are shown, where the originals have presentation
    size, or None where they have the coded one.
    """

    model: GeneratorModel
    q: int
    trade: float
    start: Latents
    originals: Mapping[int, Picture]
    rate: float
    coded: CodedPictures | None
    presentation: Presentation | None = None

    @property
    def samples(self) -> int:
        """Luma samples of the generated keyframe."""
        return 256 * self.start.values[0].size

    def save(self, path: Path) -> None:
        """Write the case, without the model, as an npz file."""
        # The container's package needs more than fitting does.
        from refcodec.container.atomic import output_file

        arrays: dict[str, Any] = {
            "q": np.array(self.q),
            "trade": np.array(self.trade),
            "values": self.start.values,
            "hyper": self.start.hyper,
            "rate": np.array(self.rate),
            "indices": np.array(sorted(self.originals), np.int64),
        }
        if self.presentation is not None:
            shown = self.presentation
            arrays["picture_sizes"] = np.array((shown.coded, shown.presented), np.int64)
            if shown.restoration is not None:
                arrays["restoration_gain"] = np.array(shown.restoration.gain)
                arrays["restoration_digest"] = np.frombuffer(shown.restoration.digest, np.uint8)
        ordered = [self.originals[index] for index in sorted(self.originals)]
        for name in ("y", "u", "v"):
            arrays[name] = np.stack([getattr(picture, name) for picture in ordered])
        if self.coded is not None:
            units = [self.coded.parameter_sets, *self.coded.access_units]
            arrays["units_of"] = np.array([len(unit) for unit in units], np.int64)
            flat = [nal for unit in units for nal in unit]
            arrays["sizes"] = np.array([len(nal) for nal in flat], np.int64)
            arrays["bytes"] = np.frombuffer(b"".join(flat), np.uint8)
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        with output_file(path) as file:
            file.write(buffer.getvalue())


def load_case(path: Path, model: GeneratorModel) -> FitCase:
    """Read a case that `FitCase.save` wrote; nothing in it is executed."""
    with np.load(path, allow_pickle=False) as file:
        held = {name: file[name] for name in file.files}
    planes = (held["y"], held["u"], held["v"])
    originals = {
        int(index): Picture(*(np.ascontiguousarray(plane[k]) for plane in planes))
        for k, index in enumerate(held["indices"])
    }
    coded = None
    if "bytes" in held:
        units = _split(_split(held["bytes"].tobytes(), held["sizes"]), held["units_of"])
        coded = CodedPictures(tuple(units[0]), tuple(tuple(unit) for unit in units[1:]))
    start = Latents(held["values"], held["hyper"])
    q, trade, rate = int(held["q"]), float(held["trade"]), float(held["rate"])
    return FitCase(model, q, trade, start, originals, rate, coded, _presentation(held))


def _presentation(held: Mapping[str, Any]) -> Presentation | None:
    if "picture_sizes" not in held:
        return None
    (width, height), (shown_width, shown_height) = held["picture_sizes"].tolist()
    restoration = None
    if "restoration_gain" in held:
        digest = held["restoration_digest"].tobytes()
        restoration = Restoration(int(held["restoration_gain"]), digest)
    return Presentation((width, height), (shown_width, shown_height), restoration)


def _split(whole: Any, sizes: Sequence[int]) -> list[Any]:
    ends = np.cumsum(sizes)
    return [whole[end - size : end] for end, size in zip(ends, sizes, strict=True)]
