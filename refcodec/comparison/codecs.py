"""The peers: four encoders of libavcodec at the settings of the common test conditions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import av

from refcodec import errors


@dataclass(frozen=True)
class PeerCodec:
    """An encoder in its constant-quality mode.

    `low`..`high` and `step`: the values its quality setting takes (a higher one is worse).
    `slope`: fall of ln(rate) a unit of the setting. `anchor`: (setting, bits a sample) of a typical
    clip, where the search begins. `full_label`: how a report names it.
    """

    id: str
    label: str
    full_label: str
    encoder: str
    container: str
    suffix: str
    low: float
    high: float
    step: float
    slope: float
    anchor: tuple[float, float]

    def options(self, quality: float, threads: int) -> dict[str, str]:
        """Return the options of the encoder for one quality setting."""
        if self.id == "x264":
            # Threads by pictures, as x264 has them: libavcodec's default cuts pictures into slices.
            return {"preset": "slow", "crf": f"{quality:g}", "x264-params": "sliced-threads=0"}
        if self.id == "x265":
            parameters = f"log-level=none:pools={threads}:frame-threads=1"
            return {"preset": "medium", "crf": f"{quality:g}", "x265-params": parameters}
        if self.id == "vp9":
            return {
                "deadline": "good",
                "cpu-used": "2",
                "crf": f"{quality:g}",
                "b": "0",
                "row-mt": "1",
                "auto-alt-ref": "1",
                "lag-in-frames": "25",
            }
        # libavcodec's option takes whole numbers up to 63, SVT-AV1's own one quarters up to 70.
        parameters = f"crf={quality:g}:lp={threads}"
        return {
            "preset": "6",
            "crf": str(min(math.floor(quality), 63)),
            "svtav1-params": parameters,
        }

    def guess(self, bits_per_sample: float) -> float:
        """Return the quality setting expected to give `bits_per_sample` bits a luma sample."""
        setting, anchor = self.anchor
        return self.rounded(setting - 0.8 * math.log(bits_per_sample / anchor) / self.slope)

    def rounded(self, quality: float) -> float:
        """Return the nearest setting that the encoder takes."""
        quality = round(quality / self.step) * self.step
        return round(min(max(quality, self.low), self.high), 4)

    @property
    def available(self) -> bool:
        """Return whether the installed libavcodec has the encoder."""
        return self.encoder in av.codecs_available


PEERS: dict[str, PeerCodec] = {
    codec.id: codec
    for codec in (
        PeerCodec(
            "x264", "x264", "x264, preset slow", "libx264", "mp4", ".mp4",
            0, 51, 0.05, math.log(2) / 6, (33.3, 0.027),
        ),
        PeerCodec(
            "x265", "x265", "x265, preset medium", "libx265", "mp4", ".mp4",
            0, 51, 0.05, math.log(2) / 6, (33.3, 0.028),
        ),
        PeerCodec(
            "vp9", "VP9", "libvpx VP9, good, cpu-used 2", "libvpx-vp9", "webm", ".webm",
            0, 63, 1, 0.06, (41, 0.054),
        ),
        PeerCodec(
            "svtav1", "SVT-AV1", "SVT-AV1, preset 6", "libsvtav1", "mp4", ".mp4",
            1, 70, 0.25, 0.055, (45, 0.051),
        ),
    )
}  # fmt: skip
"""The peers by id, in the order in which reports show them."""


def check_peers(peers: Sequence[str]) -> None:
    """Raise HYP-E-CLI-03 for an id that is none of PEERS."""
    for peer in peers:
        if peer not in PEERS:
            raise errors.error(
                "HYP-E-CLI-03", element="peers", value=peer, allowed=", ".join(PEERS)
            )
