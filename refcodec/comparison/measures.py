"""The measures of a comparison: what each is called, what it says, how often it is taken."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    """A measure of one picture against the source.

    `stride`: taken on every `stride`-th picture by default (1: on all); odd, because codecs spread
    their bits over groups of 2, 4, 8 pictures, and an even stride would meet only the good ones.
    `digits`: decimals shown.
    """

    id: str
    label: str
    unit: str
    higher_is_better: bool
    stride: int
    digits: int
    explanation: str


MEASURES: dict[str, Measure] = {
    measure.id: measure
    for measure in (
        Measure(
            "psnr_y", "PSNR-Y", "dB", True, 1, 2,
            "Peak signal-to-noise ratio of luma: how small the sample errors are. It punishes "
            "detail in a slightly wrong place more than the eye does, and forgives blur.",
        ),
        Measure(
            "ms_ssim", "MS-SSIM", "", True, 3, 4,
            "Structural similarity of luma at five scales; 1 is identical. It has no trained "
            "weights.",
        ),
        Measure(
            "lpips_alex", "LPIPS (Alex)", "", False, 5, 4,
            "Distance between the features that the AlexNet of LPIPS v0.1 sees in both pictures; "
            "0 is identical. The generator is trained on this measure, so read it beside one "
            "that it is not trained on.",
        ),
        Measure(
            "lpips_squeeze", "LPIPS (Squeeze)", "", False, 9, 4,
            "The same with SqueezeNet, on which nothing here is trained: the check of the former.",
        ),
        Measure(
            "temporal", "Temporal error", "", False, 1, 2,
            "RMS difference between the source's and the decoded video's change from one picture "
            "to the next, in 8-bit luma steps: flicker, pumping and stutter.",
        ),
    )
}  # fmt: skip

LPIPS_NETS = {"lpips_alex": "alex", "lpips_squeeze": "squeeze"}
