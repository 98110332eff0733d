"""What the twin holds constant: the side information of a group of pictures that begins with a keyframe,
from a HYP segment or an H.264 stream, and its decoding again in integers on another keyframe."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from refcodec.avc.access_units import NAL_IDR_SLICE, Buffer, nal_unit_type
from refcodec.avc.deblocking import deblock
from refcodec.avc.frame_store import FrameStore, Geometry
from refcodec.avc.margins import extend_margins
from refcodec.avc.parameter_sets import parse_parameter_sets
from refcodec.avc.reconstruction import reconstruct
from refcodec.avc.side_information import LAST_INTRA, MotionField
from refcodec.avc.slice_table import SliceTable
from refcodec.avc.stream_decoder import AvcDecoder, OutputPicture, PictureDetails
from refcodec.picture import Picture

if TYPE_CHECKING:
    from refcodec.container.source import Readable
    from refcodec.generator import GeneratorModel

GENERATED = 0
"""Picture id of a generated keyframe, which a new decoder gives to the first picture."""

_MEMORY = 1 << 30


@dataclass(frozen=True)
class RecordedPicture:
    """A coded picture: its picture id, PicOrderCnt and syntax, and the ids that it is predicted from."""

    identity: int
    order_count: int
    details: PictureDetails
    references: frozenset[int]


@dataclass(frozen=True)
class Recording:
    """A keyframe and the pictures that follow it in decoding order, up to the next IDR picture.

    `keyframe` covers the macroblock grid; `identity` is its picture id; `pictures` do not include it.
    `crop`: luma samples that are not shown, left, top, right, bottom. `output` has the picture ids in
    output order, without a generated keyframe, which is not shown.
    """

    geometry: Geometry
    crop: tuple[int, int, int, int]
    keyframe: Picture
    identity: int
    pictures: tuple[RecordedPicture, ...]
    output: tuple[int, ...]

    @property
    def width(self) -> int:
        """Luma samples of a row of whole macroblocks."""
        return 16 * self.geometry.width_mbs

    @property
    def height(self) -> int:
        """Rows of whole macroblocks."""
        return 16 * self.geometry.height_mbs


def _kept(details: PictureDetails) -> PictureDetails:
    """Return details that later pictures do not overwrite, without unused room."""
    info, motion = details.info, details.info.motion
    field = MotionField(
        motion.mb_type.copy(), motion.mv.copy(), motion.ref_idx.copy(), motion.ref_picture.copy()
    )
    levels = info.levels[: max(int(info.levels_used[0]), 1)].copy()
    return replace(details, info=replace(info, motion=field, levels=levels))


def _recorded(picture: OutputPicture) -> RecordedPicture:
    assert picture.details is not None
    details = _kept(picture.details)
    motion = details.info.motion
    inter = motion.mb_type > LAST_INTRA
    used = np.unique(motion.ref_picture[inter])
    references = frozenset(int(each) for each in used if each >= 0)
    return RecordedPicture(picture.identity, picture.order_count, details, references)


def _recording(
    found: list[RecordedPicture], losses: AvcDecoder, generated: Picture | None
) -> Recording:
    """Put a recording together of pictures in output order. Raises the first loss of the decoder."""
    if losses.losses:
        raise losses.losses[0].error
    if not found:
        raise ValueError("there is no picture to record")
    output = tuple(each.identity for each in found)
    coded = sorted(found, key=lambda each: each.identity)
    sequence = coded[0].details.headers[0].parameters.sequence
    if generated is not None:
        return Recording(
            sequence.geometry, sequence.crop, generated, GENERATED, tuple(coded), output
        )
    store = FrameStore(sequence.geometry, 1)
    first = coded[0]
    reconstruct(first.details.info, first.details.slices, store, 0)
    deblock(first.details.info, first.details.slices, store, 0)
    y, u, v = (plane.copy() for plane in store.planes(0))
    return Recording(
        sequence.geometry,
        sequence.crop,
        Picture(y, u, v),
        first.identity,
        tuple(coded[1:]),
        output,
    )


def record_stream(nal_units: Iterable[Buffer]) -> Recording:
    """Record the first group of pictures of an H.264 stream: an IDR picture, which is the keyframe,
    and what follows up to the next one.

    `nal_units` without start codes. Raises the first error of the decoder; ValueError when there is
    no picture.
    """
    decoder = AvcDecoder(details=True)
    found: list[RecordedPicture] = []
    for unit in _first_group(nal_units):
        # slice headers tell where a picture begins, the number of the access unit need not
        found += map(_recorded, decoder.decode(unit, 0))
    found += map(_recorded, decoder.flush())
    return _recording(found, decoder, None)


def _first_group(nal_units: Iterable[Buffer]) -> Iterator[Buffer]:
    """Yield the NAL units before the second IDR picture."""
    begun = False
    for unit in nal_units:
        if len(unit) > 1 and nal_unit_type(unit) == NAL_IDR_SLICE and unit[1] & 0x80:
            # first_mb_in_slice is 0
            if begun:
                return
            begun = True
        yield unit


def record_segment(
    source: Readable, number: int = 0, model: GeneratorModel | None = None
) -> Recording:
    """Record segment `number`, counted from 0, of a HYP file with a generated or a coded keyframe.

    `model` is the generator; without it the installed one that the file names. Raises the errors of
    decoding; IndexError when there are not so many segments.
    """
    # The container is not needed for streams and intervals, and libavcodec's binding comes with it.
    from refcodec.container import Segment, open_reader
    from refcodec.decoder.preparation import SequenceSetup

    reader = open_reader(source)
    try:
        segments = (item for item in reader.items() if isinstance(item, Segment))
        segment = next(itertools.islice(segments, number, None), None)
        if segment is None:
            raise IndexError(f"the file has no segment {number}")
        setup = SequenceSetup(reader.sequence_header, model, _MEMORY, 1)
    finally:
        reader.close()
    prepared = setup.prepare(segment)
    if prepared.error is not None:
        raise prepared.error
    return record_interval(
        setup.sets.nal_units,
        [access_unit.nal_units for access_unit in segment.access_units],
        prepared.generated,
        prepared.idr_pic_id,
    )


def record_interval(
    parameter_sets: Sequence[Buffer],
    access_units: Iterable[Iterable[Buffer]],
    generated: Picture | None,
    idr_pic_id: int = 0,
) -> Recording:
    """Record one keyframe interval: NAL units without start codes, and the generated keyframe, which
    covers the macroblock grid, or None where the first access unit is an IDR picture.

    Raises the first error of the decoder; ValueError when there is no picture.
    """
    decoder = AvcDecoder(details=True)
    found: list[RecordedPicture] = []
    for nal_unit in parameter_sets:
        decoder.decode(nal_unit, -1)
    if generated is not None:
        identity = parse_parameter_sets(tuple(map(bytes, parameter_sets))).sps.seq_parameter_set_id
        decoder.inject(generated, identity, idr_pic_id, -1)
    for number, nal_units in enumerate(access_units):
        for coded in nal_units:
            found += map(_recorded, decoder.decode(coded, number))
    found += map(_recorded, decoder.flush())
    return _recording(found, decoder, generated)


def last_uses(pictures: Iterable[RecordedPicture]) -> dict[int, int]:
    """Return, for each picture id, the id of the last picture that is predicted from it."""
    return {reference: picture.identity for picture in pictures for reference in picture.references}


def deblock_picture(
    picture: RecordedPicture, table: SliceTable, store: FrameStore, slot: int
) -> None:
    """(#avc.8.7) Filter a picture in its slot; `table` is its slice table with the slots of now."""
    deblock(picture.details.info, table, store, slot)


def decode_again(
    recording: Recording,
    keyframe: Picture,
    wanted: Collection[int] | None = None,
    deblocking: Callable[[RecordedPicture, SliceTable, FrameStore, int], None] = deblock_picture,
) -> Iterator[tuple[int, Picture]]:
    """(#avc.8) Decode the pictures of a recording on another keyframe, by the integer decoder; yield
    picture ids and pictures over the macroblock grid in decoding order. With `wanted` only these, which
    must have their references among them. `deblocking` filters a picture, as `deblock_picture` does."""
    pictures = [each for each in recording.pictures if wanted is None or each.identity in wanted]
    last = last_uses(pictures)
    held = {recording.identity}
    most = 0
    for picture in pictures:
        held.add(picture.identity)
        most = max(most, len(held))
        held = {each for each in held if last.get(each, -1) > picture.identity}
    store = FrameStore(recording.geometry, max(most, 1))
    free = list(range(store.slots))
    slots = {recording.identity: free.pop()}
    for target, plane in zip(store.planes(slots[recording.identity]), keyframe.planes, strict=True):
        target[...] = plane
    extend_margins(store, slots[recording.identity])
    for picture in pictures:
        slot = slots[picture.identity] = free.pop()
        info = picture.details.info
        table = picture.details.slices
        placed = np.zeros_like(table.ref_slot)
        for identity in picture.references:
            placed[table.ref_picture == identity] = slots[identity]
        table = replace(table, ref_slot=placed)
        reconstruct(info, table, store, slot)
        deblocking(picture, table, store, slot)
        extend_margins(store, slot)
        yield picture.identity, Picture(*(plane.copy() for plane in store.planes(slot)))
        for identity in [each for each in slots if last.get(each, -1) <= picture.identity]:
            free.append(slots.pop(identity))
