"""From files to pictures: reading, prompts, injection, the H.264 decoder, the upscaler."""

from refcodec.decoder.checking import CheckReport, Difference, check
from refcodec.decoder.decoding import DecodedPicture, Decoding, decode
from refcodec.decoder.opening import decode_any
from refcodec.decoder.plain_avc import PlainDecoding
from refcodec.decoder.report import DecodeReport, SegmentLoss

__all__ = [
    "CheckReport",
    "DecodeReport",
    "DecodedPicture",
    "Decoding",
    "Difference",
    "PlainDecoding",
    "SegmentLoss",
    "check",
    "decode",
    "decode_any",
]
