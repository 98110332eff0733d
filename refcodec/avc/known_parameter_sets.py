"""The parameter sets that have come, by their ids."""

from __future__ import annotations

from refcodec import errors
from refcodec.avc.access_units import Buffer
from refcodec.avc.active_parameters import (
    PictureParameters,
    SequenceParameters,
    read_picture_parameters,
    read_sequence_parameters,
)
from refcodec.syntax import Structure

CHROMA_FORMATS = (1, 3)
"""A picture parameter set is read for 4:2:0, else for 4:4:4: only its scaling matrices depend on it,
and the sequence parameter set may come later."""


class KnownParameterSets:
    """A set that comes again unchanged is no other one: its object stays the same."""

    def __init__(self) -> None:
        self._sequence: dict[int, SequenceParameters] = {}
        self._picture: dict[int, Structure] = {}
        self._sources: dict[tuple[str, int], bytes] = {}
        self._paired: dict[int, PictureParameters] = {}
        self._read: dict[bytes, tuple[str, int]] = {}

    def add_sequence_parameter_set(self, nal_unit: Buffer) -> None:
        """(#avc.7.4.1.2.1) Take a sequence parameter set. Raises the errors of the syntax."""
        source = bytes(nal_unit)
        if self._known(source):
            return
        values = read_sequence_parameters(source)
        number = values.number("seq_parameter_set_id")
        self._sequence[number] = SequenceParameters(values)
        self._paired.clear()
        self._note(source, ("sequence", number))

    def add_picture_parameter_set(self, nal_unit: Buffer) -> None:
        """(#avc.7.4.1.2.1) Take a picture parameter set. Raises the errors of the syntax."""
        source = bytes(nal_unit)
        if self._known(source):
            return
        values = _read_picture_parameters(source)
        number = values.number("pic_parameter_set_id")
        self._picture[number] = values
        self._paired.pop(number, None)
        self._note(source, ("picture", number))

    def _known(self, source: bytes) -> bool:
        place = self._read.get(source)
        return place is not None and self._sources.get(place) == source

    def _note(self, source: bytes, place: tuple[str, int]) -> None:
        self._read.pop(self._sources.get(place, b""), None)
        self._sources[place] = source
        self._read[source] = place

    def picture(self, pic_parameter_set_id: int) -> PictureParameters:
        """(#avc.7.4.2.2) Return the picture parameter set with this id.

        Raises HYP-E-AVC-07 when it or its sequence parameter set has not come.
        """
        paired = self._paired.get(pic_parameter_set_id)
        if paired is None:
            values = self._picture.get(pic_parameter_set_id)
            if values is None:
                raise _missing("pic_parameter_set_id", pic_parameter_set_id)
            sequence = self._for(values.number("seq_parameter_set_id"))
            paired = self._paired[pic_parameter_set_id] = PictureParameters(values, sequence)
        return paired

    def injecting(self, seq_parameter_set_id: int) -> PictureParameters:
        """(#dec.injection.pps) Return the picture parameter set of an injected picture; none of its
        values are used.

        Raises HYP-E-AVC-07 when the sequence parameter set has not come.
        """
        return PictureParameters(Structure(), self._for(seq_parameter_set_id))

    def _for(self, seq_parameter_set_id: int) -> SequenceParameters:
        sequence = self._sequence.get(seq_parameter_set_id)
        if sequence is None:
            raise _missing("seq_parameter_set_id", seq_parameter_set_id)
        return sequence


def _read_picture_parameters(source: bytes) -> Structure:
    first: errors.HypError | None = None
    for chroma_format_idc in CHROMA_FORMATS:
        try:
            return read_picture_parameters(source, chroma_format_idc)
        except errors.HypError as error:
            first = first or error
    assert first is not None
    raise first


def _missing(element: str, value: int) -> errors.HypError:
    return errors.error("HYP-E-AVC-07", element=element, value=value)
