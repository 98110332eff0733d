"""Between libav's frames (yuv420p) and pictures."""

from __future__ import annotations

from typing import Any

import av
import numpy as np

from refcodec.picture import Picture


def picture_to_frame(picture: Picture) -> Any:
    """Return a libav frame (yuv420p) with the samples of a picture."""
    frame: Any = av.VideoFrame(picture.width, picture.height, "yuv420p")
    for plane, samples in zip(frame.planes, picture.planes, strict=True):
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
        rows[: samples.shape[0], : samples.shape[1]] = samples
    return frame


def frame_to_picture(frame: Any) -> Picture:
    """Return the samples of a libav frame (yuv420p) as a picture."""
    planes = []
    for plane in frame.planes[:3]:
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
        planes.append(rows[: plane.height, : plane.width].copy())
    return Picture(*planes)
