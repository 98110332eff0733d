"""Comparison of HYP files with their source and with other codecs at the same total rate."""

from refcodec.comparison.compare import compare
from refcodec.comparison.measures import MEASURES, Measure
from refcodec.comparison.model import CodecResult, Comparison, Crop, Source, Summary

__all__ = [
    "MEASURES",
    "CodecResult",
    "Comparison",
    "Crop",
    "Measure",
    "Source",
    "Summary",
    "compare",
]
