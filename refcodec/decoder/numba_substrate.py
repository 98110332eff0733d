"""The H.264 decoder underneath: refcodec.avc."""

from __future__ import annotations

from collections.abc import Iterator

from refcodec import errors
from refcodec.avc.parameter_sets import ParameterSets
from refcodec.avc.stream_decoder import AvcDecoder, OutputPicture
from refcodec.decoder.preparation import PreparedSegment
from refcodec.decoder.substrate import CodedPicture, check_size


class NumbaSubstrate:
    """(#dec.substrate) Decodes segments by refcodec.avc. The generated picture goes into the
    decoded picture buffer as it is."""

    def __init__(self, width: int, height: int, threads: int) -> None:
        """`width` x `height` is the coded size."""
        self._size = (width, height)
        self._decoder = AvcDecoder(threads=threads)

    def decode(self, segment: PreparedSegment, sets: ParameterSets) -> Iterator[CodedPicture]:
        """Yield the pictures of one segment in output order, without the injected one.

        Raises HYP-E-AVC-01 to -08 or an error of the syntax after the pictures before the damage,
        HYP-E-DEC-01, -03 and -04; the following segment can be decoded all the same.
        """
        self._decoder.losses.clear()
        given: set[int] = set()
        try:
            for picture in self._pictures(segment, sets):
                if picture.number in given:
                    raise errors.error(
                        "HYP-E-DEC-01",
                        element="access unit",
                        value=picture.number,
                        detail="It has two pictures.",
                    )
                check_size(picture.number, picture.planes, self._size)
                given.add(picture.number)
                yield CodedPicture(picture.number, picture.planes)
        except Exception:
            # Not where the decode is given up: nothing follows then, and where the garbage collector does it, the
            # threads that flushing would wait for may be gone already.
            self._decoder.flush()
            raise
        self._decoder.flush()
        missing = len(segment.segment.access_units) - len(given)
        if self._decoder.losses:
            raise self._decoder.losses[0].error
        if missing:
            raise errors.error("HYP-E-DEC-03", element="access units", value=missing)

    def close(self) -> None:
        """End the decoder's threads."""
        self._decoder.close()

    def _pictures(self, segment: PreparedSegment, sets: ParameterSets) -> Iterator[OutputPicture]:
        decoder = self._decoder
        for nal_unit in sets.nal_units:
            yield from decoder.decode(nal_unit, -1)
        if segment.generated is not None:
            sps_id = sets.sps.seq_parameter_set_id
            yield from decoder.inject(segment.generated, sps_id, segment.idr_pic_id, -1)
        for number, access_unit in enumerate(segment.segment.access_units):
            for coded in access_unit.nal_units:
                yield from decoder.decode(coded, number)
            yield from decoder.end_access_unit()
        yield from decoder.flush()
