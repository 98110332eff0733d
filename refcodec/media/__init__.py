"""Media files of any kind as pictures and side tracks: what is encoded, and what files are compared with."""

from refcodec.media.description import (
    ColourDescription,
    Orientation,
    SidePacket,
    SideTrack,
    SourceDescription,
    SourcePicture,
)
from refcodec.media.source import MediaSource

__all__ = [
    "ColourDescription",
    "MediaSource",
    "Orientation",
    "SidePacket",
    "SideTrack",
    "SourceDescription",
    "SourcePicture",
]
