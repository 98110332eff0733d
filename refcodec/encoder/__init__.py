"""The encoder: source media to HYP files. Nothing in here is normative."""

from refcodec.encoder.encode import encode
from refcodec.encoder.report import EncodeReport, SegmentReport
from refcodec.encoder.settings import PRESETS, EncoderSettings
from refcodec.media import MediaSource

__all__ = ["PRESETS", "EncodeReport", "EncoderSettings", "MediaSource", "SegmentReport", "encode"]
