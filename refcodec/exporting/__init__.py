"""Export to files that know nothing of HYP: H.264 in MP4, the generated keyframes injected."""

from refcodec.exporting.mp4 import ExportReport, export_mp4

__all__ = ["ExportReport", "export_mp4"]
