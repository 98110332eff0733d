"""Decoded pictures and side tracks to a file that libavformat writes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any, BinaryIO

import av

from refcodec import errors
from refcodec.container import SequenceHeader, TrackHeader, TrackPackets
from refcodec.decoder.media import SideTracks, describe_colour
from refcodec.libav_frames import picture_to_frame
from refcodec.picture import Picture

LOSSLESS_FORMATS = ("matroska", "nut", "avi")
DEFAULT_ENCODERS = {"h264": "libx264", "vp9": "libvpx-vp9", "vp8": "libvpx", "av1": "libsvtav1"}


class LibavSink:
    """Writes one media file: a video stream, and the side tracks that its format can hold."""

    def __init__(
        self,
        stream: BinaryIO,
        container: str,
        header: SequenceHeader,
        size: tuple[int, int],
        rate: Fraction,
        tracks: Iterable[TrackHeader],
        encoder: str | None,
        options: Mapping[str, str],
    ) -> None:
        """`container` is libavformat's name of a format; `encoder` libavcodec's name of an
        encoder: None takes FFV1 where the format is one of LOSSLESS_FORMATS, else the format's own
        choice.

        Raises HYP-E-OUT-21 when libav cannot do that.
        """
        self._tick = header.tick
        try:
            self._output: Any = av.open(stream, "w", format=container)
            name = encoder or _encoder(self._output)
            video: Any = self._output.add_stream(name, rate=rate, options=dict(options))
            video.width, video.height = size
            video.pix_fmt = "yuv420p"
            video.codec_context.time_base = self._tick
            describe_colour(video.codec_context, header)
            if name == "libx264" and not options:
                video.options = {"crf": "12", "preset": "veryfast"}
            self._video = video
            self._tracks = SideTracks(self._output, tracks)
            self._output.start_encoding()
        except (ValueError, av.error.FFmpegError) as cause:
            raise _unsupported(container, encoder, cause) from cause
        self.left_out = self._tracks.left_out

    def picture(self, picture: Picture, time: Fraction) -> None:
        """Append a picture that is presented at `time` seconds, a multiple of the tick."""
        frame = picture_to_frame(picture)
        frame.time_base = self._tick
        frame.pts = round(time / self._tick)
        context = self._video.codec_context
        frame.color_range = context.color_range
        frame.colorspace = context.colorspace
        frame.color_primaries = context.color_primaries
        frame.color_trc = context.color_trc
        self._output.mux(self._video.encode(frame))

    def packets(self, units: Iterable[TrackPackets], origin: Fraction) -> None:
        """Append packets of side tracks; the output begins at `origin` seconds."""
        self._tracks.write(units, origin)

    def close(self) -> None:
        """Write what is left in the encoder, and the end of the file."""
        self._output.mux(self._video.encode(None))
        self._output.close()


def _encoder(output: Any) -> str:
    if output.format.name.split(",")[0] in LOSSLESS_FORMATS:
        return "ffv1"
    codec = output.default_video_codec
    return DEFAULT_ENCODERS.get(codec, codec)


def _unsupported(container: str, encoder: str | None, cause: Exception) -> errors.HypError:
    reason = getattr(cause, "strerror", None) or cause
    return errors.error(
        "HYP-E-OUT-21",
        element="format",
        value=container if encoder is None else f"{container} with {encoder}",
        detail=f"libav: {reason}.",
    )
