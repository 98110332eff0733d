"""The upscaler: from coded to presentation size, in integers."""

from refcodec.upscaling.upscaler import Upscaler

__all__ = ["Upscaler"]
