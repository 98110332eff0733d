"""Colour conversion of the common test conditions: BT.709, limited range, 4:2:0, in [0, 1] floats."""

import torch
from torch import Tensor
from torch.nn import functional as F

KR, KB = 0.2126, 0.0722
KG = 1.0 - KR - KB


def rgb_to_planes(rgb: Tensor) -> tuple[Tensor, Tensor]:
    """Convert RGB (N,3,H,W) in [0, 1] to 8-bit code values / 255: luma (N,1,H,W), chroma (N,2,H/2,W/2).

    BT.709 limited range (Rec. ITU-R BT.709-6, 3.2 and 4.2); chroma is the mean of 2x2 samples. Not rounded.
    """
    r, g, b = rgb[:, 0:1], rgb[:, 1:2], rgb[:, 2:3]
    luma = KR * r + KG * g + KB * b
    cb = (b - luma) / (2 * (1 - KB))
    cr = (r - luma) / (2 * (1 - KR))
    y = (16 + 219 * luma) / 255
    c = (128 + 224 * torch.cat([cb, cr], 1)) / 255
    return y, F.avg_pool2d(c, 2)


def planes_to_rgb(y: Tensor, c: Tensor) -> Tensor:
    """Convert luma and chroma code values / 255 to RGB (N,3,H,W), chroma upsampled bilinearly; not clipped."""
    c = F.interpolate(c, scale_factor=2, mode="bilinear", align_corners=False)
    luma = (y * 255 - 16) / 219
    cb = (c[:, 0:1] * 255 - 128) / 224
    cr = (c[:, 1:2] * 255 - 128) / 224
    r = luma + 2 * (1 - KR) * cr
    b = luma + 2 * (1 - KB) * cb
    g = (luma - KR * r - KB * b) / KG
    return torch.cat([r, g, b], 1)
