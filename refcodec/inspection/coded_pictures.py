"""One picture of a file with its side information, decoded by refcodec.avc."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from refcodec import errors
from refcodec.avc.parameter_sets import ParameterSets
from refcodec.avc.slice_header import SliceHeader
from refcodec.avc.slice_table import SliceTable
from refcodec.avc.stream_decoder import AvcDecoder, OutputPicture, PictureDetails
from refcodec.container import Reader, open_reader
from refcodec.decoder.decoding import MEMORY
from refcodec.decoder.plain_avc import PlainAvcFile
from refcodec.decoder.preparation import PreparedSegment, SequenceSetup
from refcodec.generator import GeneratorModel
from refcodec.inspection.picture_layers import PictureLayers, picture_layers
from refcodec.picture import Plane

SLICE_TYPES = "PBI"


@dataclass(frozen=True)
class InspectedPicture:
    """A picture with how it was coded.

    number: in output order, from 0; planes: (y, u, v), cropped; details: side information, slice
    table and slice headers; crop: luma samples cut off left, above, right, below; layers: what can
    be drawn.
    """

    number: int
    order_count: int
    planes: tuple[Plane, Plane, Plane]
    details: PictureDetails
    crop: tuple[int, int, int, int]
    layers: PictureLayers

    @property
    def headers(self) -> tuple[SliceHeader, ...]:
        """The slice headers."""
        return self.details.headers

    @property
    def slices(self) -> SliceTable:
        """The slice table; `len(headers)` rows are in use."""
        return self.details.slices

    @property
    def slice_types(self) -> str:
        """The type of each slice: P, B or I."""
        return "".join(SLICE_TYPES[header.slice_type] for header in self.headers)


def inspect_picture(
    path: Path, number: int = 0, model: GeneratorModel | None = None
) -> InspectedPicture:
    """Decode picture `number` (output order, from 0) of a HYP file or of plain H.264 (Annex B, MP4,
    Matroska). Of a HYP file only its segment is decoded; the picture is of coded size.

    Raises HYP-E-CLI-03 when there is no such picture, the errors of reading the file, and those of
    decoding when they cost the picture.
    """
    try:
        reader = open_reader(path)
    except errors.CLASSES["HYP-E-FILE-01"]:
        try:
            file = PlainAvcFile(path)
        except errors.HypError:
            file = None
        if file is None:
            raise
        found, rest = _chosen(_plain_pictures(file), number)
    else:
        with reader:
            found, rest = _hyp_picture(reader, number, model)
    if found is None:
        raise errors.error(
            "HYP-E-CLI-03",
            element="--frame",
            value=number,
            allowed=f"less than {number - rest}, the number of pictures",
        )
    details = found.details
    assert details is not None
    sequence = details.headers[0].parameters.sequence
    return InspectedPicture(
        number,
        found.order_count,
        found.planes,
        details,
        sequence.crop,
        picture_layers(details.info, sequence.geometry.width_mbs),
    )


def _chosen(pictures: Iterator[OutputPicture], number: int) -> tuple[OutputPicture | None, int]:
    """Return the picture of that number, or None and what is left of the number."""
    for picture in pictures:
        if number == 0:
            return picture, 0
        number -= 1
    return None, number


def _hyp_picture(
    reader: Reader, number: int, model: GeneratorModel | None
) -> tuple[OutputPicture | None, int]:
    setup: SequenceSetup | None = None
    for segment in reader.segments():
        count = len(segment.access_units)
        if number >= count:
            number -= count
            continue
        if setup is None:
            setup = SequenceSetup(reader.sequence_header, model, MEMORY, 1)
        prepared = setup.prepare(segment)
        if prepared.error is not None:
            raise prepared.error
        return _chosen(_segment_pictures(setup.sets, prepared), number)
    return None, number


def _segment_pictures(sets: ParameterSets, prepared: PreparedSegment) -> Iterator[OutputPicture]:
    decoder = AvcDecoder(details=True)
    try:
        for unit in sets.nal_units:
            yield from decoder.decode(unit, -1)
        if prepared.generated is not None:
            sps = sets.sps.seq_parameter_set_id
            yield from decoder.inject(prepared.generated, sps, prepared.idr_pic_id, -1)
        for number, access_unit in enumerate(prepared.segment.access_units):
            for coded in access_unit.nal_units:
                yield from decoder.decode(coded, number)
        yield from decoder.flush()
        _raise_loss(decoder)
    finally:
        decoder.close()


def _plain_pictures(file: PlainAvcFile) -> Iterator[OutputPicture]:
    decoder = AvcDecoder(details=True)
    try:
        for access_unit in file.access_units():
            for unit in access_unit.nal_units:
                yield from decoder.decode(unit, access_unit.number)
            _raise_loss(decoder)
        yield from decoder.flush()
        _raise_loss(decoder)
    finally:
        decoder.close()
        file.close()


def _raise_loss(decoder: AvcDecoder) -> None:
    if decoder.losses:
        raise decoder.losses[0].error
