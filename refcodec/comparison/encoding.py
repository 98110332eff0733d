"""One encode of a clip by a peer, kept on disk so that the next comparison finds it."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av

from refcodec.comparison.codecs import PeerCodec
from refcodec.comparison.frames import scaled
from refcodec.comparison.scheduling import scheduling_kept
from refcodec.comparison.video import Clip
from refcodec.libav_frames import picture_to_frame

THREADS = 2


def default_cache() -> Path:
    """Return the folder of cached encodes: HYP_CACHE, else one in the user's cache folder."""
    if os.environ.get("HYP_CACHE"):
        return Path(os.environ["HYP_CACHE"])
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "hybridprompt" / "peers"


def rung_size(clip: Clip, rung: Fraction) -> tuple[int, int]:
    """Return the coded width and height of `clip` at a rung: rounded to even, at least 16."""
    width, height = (max(16, 2 * round(size * rung / 2)) for size in (clip.width, clip.height))
    return width, height


def encode(clip: Clip, codec: PeerCodec, quality: float, rung: Fraction, cache: Path) -> Path:
    """Return the file of `clip` coded by `codec`, from the cache or made now and put there.

    Every picture is coded, its time rounded to the nearest tick of the clip's rate; no keyframe is
    forced.
    """
    width, height = rung_size(clip, rung)
    options = codec.options(quality, THREADS)
    name = _key(clip, codec, options, width, height)
    path = cache / (name + codec.suffix)
    if path.is_file():
        return path
    cache.mkdir(parents=True, exist_ok=True)
    with _whole_or_not(path) as temporary, _quiet(), scheduling_kept():
        _write(temporary, clip, codec, options, width, height)
    return path


def _key(clip: Clip, codec: PeerCodec, options: dict[str, str], width: int, height: int) -> str:
    facts = {
        "source": clip.digest,
        "start": clip.start,
        "count": clip.count,
        "encoder": codec.encoder,
        "container": codec.container,
        "options": options,
        "size": [width, height],
        "threads": THREADS,
        "libraries": {name: list(version) for name, version in av.library_versions.items()},
    }
    text = json.dumps(facts, sort_keys=True)
    return f"{codec.id}-{hashlib.sha256(text.encode()).hexdigest()[:24]}"


def _write(
    path: str, clip: Clip, codec: PeerCodec, options: dict[str, str], width: int, height: int
) -> None:
    with av.open(path, "w", format=codec.container) as container:
        stream = container.add_stream(codec.encoder, rate=clip.rate, options=options)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = width, height
        stream.pix_fmt = "yuv420p"
        # Constant quality only: libavcodec's default would be a target of 1 Mbit/s.
        stream.bit_rate = 0
        stream.codec_context.thread_count = THREADS
        for index, timed in enumerate(clip.pictures()):
            frame = scaled(picture_to_frame(timed.picture), width, height)
            frame.pts = index
            frame.time_base = 1 / clip.rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@contextmanager
def _whole_or_not(path: Path) -> Iterator[str]:
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=path.suffix)
    os.close(handle)
    try:
        yield temporary
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


@contextmanager
def _quiet() -> Iterator[None]:
    # SVT-AV1 writes its settings to standard error unless its own variable says otherwise.
    before = os.environ.get("SVT_LOG")
    os.environ["SVT_LOG"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["SVT_LOG"]
        else:
            os.environ["SVT_LOG"] = before
