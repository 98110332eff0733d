"""The HYP file: units, checksums, resynchronisation, reading, writing, index, tracks."""

from refcodec.container.atomic import output_file
from refcodec.container.reader import Reader, Segment, open_reader
from refcodec.container.report import DamageReport, Loss
from refcodec.container.structures import (
    AccessUnit,
    End,
    Index,
    IndexEntry,
    Keyframe,
    Metadata,
    Packet,
    Pictures,
    SequenceHeader,
    TrackHeader,
    TrackPackets,
    UnitType,
)
from refcodec.container.units import Unit
from refcodec.container.writer import Writer

__all__ = [
    "AccessUnit",
    "DamageReport",
    "End",
    "Index",
    "IndexEntry",
    "Keyframe",
    "Loss",
    "Metadata",
    "Packet",
    "Pictures",
    "Reader",
    "Segment",
    "SequenceHeader",
    "TrackHeader",
    "TrackPackets",
    "Unit",
    "UnitType",
    "Writer",
    "open_reader",
    "output_file",
]
