"""From a HYP file to pictures: reading, prompts, injection, the H.264 decoder, the upscaler."""

from refcodec.decoder.decoding import DecodedPicture, Decoding, decode
from refcodec.decoder.report import DecodeReport, SegmentLoss

__all__ = ["DecodeReport", "DecodedPicture", "Decoding", "SegmentLoss", "decode"]
