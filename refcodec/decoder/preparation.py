"""From segments to what the H.264 decoder takes: prompts become injected access units."""

from __future__ import annotations

import time
from dataclasses import dataclass
from fractions import Fraction

from refcodec import errors
from refcodec.avc.access_units import to_annex_b
from refcodec.avc.injection import injected_idr
from refcodec.avc.parameter_sets import ParameterSets, parse_parameter_sets
from refcodec.container import Segment, SequenceHeader
from refcodec.generator import GeneratorModel, bundled, decode_prompt, generate
from refcodec.picture import Picture
from refcodec.restoration import Restorer, find_restoration

GENERATOR_BYTES = 64
"""Memory of the generator for each coded luma sample, at most."""
RESTORATION_BYTES = 8
"""Memory of the tensors of restoration for each presented luma sample, in each thread, with the networks that ship."""
RESTORATION_STRIPS = 96 << 20
"""And of the strips that they are made in: so much at most, and STRIP_BYTES for each sample of a small picture."""
STRIP_BYTES = 56


@dataclass(frozen=True, slots=True)
class PreparedSegment:
    """One segment, ready for an H.264 decoder.

    `generated` is the picture made of the prompt, over the whole macroblock grid; None for a coded
    keyframe. `times` are the presentation times of the access units of
    `segment` in seconds, `seconds` what preparing took. When `error` is set, nothing of the segment
    can be decoded.
    """

    segment: Segment
    generated: Picture | None
    times: list[Fraction]
    seconds: float = 0.0
    error: errors.HypError | None = None

    @property
    def idr_pic_id(self) -> int:
        """(#dec.injection.slice) idr_pic_id of the injected picture."""
        return self.segment.keyframe.segment_number & 1

    def injected(self, sets: ParameterSets) -> list[bytes]:
        """(#dec.injection) Return the NAL units of the access unit of the generated picture, its
        picture parameter set first."""
        assert self.generated is not None
        return injected_idr(self.generated, sets.sps, sets.pps_list, self.idr_pic_id)

    def byte_stream(self, sets: ParameterSets) -> list[bytes]:
        """(#dec.substrate) Return the access units as byte streams (Annex B): the injected one, if
        there is one, then those of the segment; the first one begins with the parameter sets."""
        units = [to_annex_b(unit.nal_units) for unit in self.segment.access_units]
        if self.generated is not None:
            units.insert(0, to_annex_b(self.injected(sets)))
        units[0] = to_annex_b(sets.nal_units) + units[0]
        return units


class SequenceSetup:
    """What follows from the sequence header: checked sizes, parameter sets, the model."""

    def __init__(
        self, header: SequenceHeader, model: GeneratorModel | None, memory: int, threads: int
    ) -> None:
        """Raises HYP-E-SEQ-14, -16 and -17 when the header is not usable, HYP-E-LVL-09 when its
        pictures need more than `memory` bytes."""
        self.header = header
        self.sets: ParameterSets = parse_parameter_sets(header.parameter_sets)
        sps = self.sets.sps
        size, allowed = (header.coded_width, header.coded_height), (sps.width, sps.height)
        if size != allowed:
            raise errors.error(
                "HYP-E-SEQ-16",
                element="coded_width, coded_height",
                value=f"{size[0]}x{size[1]}",
                allowed=f"{allowed[0]}x{allowed[1]}",
            )
        self._check_memory(memory, threads)
        self._model = model
        self._model_error: errors.HypError | None = None

    def _check_memory(self, memory: int, threads: int) -> None:
        """(#level.receiver) Refuse sizes beyond what this receiver grants, before allocating."""
        sps, header = self.sets.sps, self.header
        coded = 256 * sps.pic_width_in_mbs * sps.pic_height_in_mbs
        presented = header.presentation_width * header.presentation_height
        pictures = sps.max_num_ref_frames + 2 * threads + 4
        needed = coded * 3 * pictures // 2 + presented * 3 * (threads + 4) // 2
        if header.generator_id:
            needed += coded * GENERATOR_BYTES
        if header.restoration_gain:
            strips = min(RESTORATION_STRIPS, STRIP_BYTES * presented)
            needed += (RESTORATION_BYTES * presented + strips) * threads
        if needed > memory:
            raise errors.error(
                "HYP-E-LVL-09",
                element="picture buffers",
                value=needed,
                allowed=f"at most {memory} bytes",
            )

    def restorer(self) -> Restorer | None:
        """(#dec.process) Return what restores the pictures, or None where they are left as they are.

        Raises HYP-E-SEQ-19 when the network that the header asks for is not installed.
        """
        header = self.header
        if not header.restoration_gain:
            return None
        model = find_restoration(bytes(header.restoration_digest))
        return Restorer(model, header.restoration_gain)

    def model(self) -> GeneratorModel:
        """(#gen.model) Return the model that the header asks for, looked up once.

        Raises HYP-E-KF-11, HYP-E-GEN-01, -02 or what loading it raises, each time.
        """
        if self._model_error is not None:
            raise self._model_error
        header = self.header
        digest = bytes(header.model_digest)
        try:
            if not header.generator_id:
                raise errors.error("HYP-E-KF-11", element="generator_id", value=0)
            if self._model is None:
                self._model = bundled(header.generator_id, digest)
            elif self._model.digest != digest:
                raise errors.error(
                    "HYP-E-GEN-02", element="model_digest", value=self._model.digest, allowed=digest
                )
        except errors.HypError as error:
            self._model_error = error
            raise
        return self._model

    def prepare(self, segment: Segment) -> PreparedSegment:
        """(#dec.process) Make `segment` ready: decode its prompt and generate its keyframe.

        Errors of the segment are in the result, not raised.
        """
        start = time.perf_counter()
        keyframe = segment.keyframe
        generated: Picture | None = None
        if keyframe.generated:
            try:
                generated = self._generated(segment)
            except errors.HypError as error:
                if error.bit_offset is None:
                    error.bit_offset = 8 * segment.offset
                return PreparedSegment(segment, None, [], error=error)
        times = [
            (keyframe.segment_time + unit.presentation_offset) * self.header.tick
            for unit in segment.access_units
        ]
        return PreparedSegment(segment, generated, times, time.perf_counter() - start)

    def _generated(self, segment: Segment) -> Picture:
        """(#dec.process) Return the picture of the segment's prompt."""
        keyframe, sps = segment.keyframe, self.sets.sps
        model, q = self.model(), keyframe.prompt_scale_index
        latents = decode_prompt(
            model, keyframe.prompt_data, q, sps.pic_width_in_mbs, sps.pic_height_in_mbs
        )
        return generate(model, latents.values, q)
