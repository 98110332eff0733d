"""The encoder: source media to HYP files. Nothing in here is normative."""

from refcodec.encoder.encode import EncodeReport, SegmentReport, encode
from refcodec.encoder.media_source import MediaSource
from refcodec.encoder.settings import PRESETS, EncoderSettings

__all__ = ["PRESETS", "EncodeReport", "EncoderSettings", "MediaSource", "SegmentReport", "encode"]
