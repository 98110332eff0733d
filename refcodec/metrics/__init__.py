"""Measures of picture quality: PSNR, MS-SSIM, LPIPS and an error of motion over time.

Nothing here takes part in decoding, and nothing here is normative.
"""

from refcodec.metrics.colour import planes_to_rgb
from refcodec.metrics.lpips import Lpips, lpips
from refcodec.metrics.ms_ssim import ms_ssim
from refcodec.metrics.psnr import psnr, psnr_yuv
from refcodec.metrics.temporal import temporal_error
from refcodec.metrics.worst import worst_mean

__all__ = [
    "Lpips",
    "lpips",
    "ms_ssim",
    "planes_to_rgb",
    "psnr",
    "psnr_yuv",
    "temporal_error",
    "worst_mean",
]
