"""One pass over a file with all rules; nothing stops at the first finding."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

from refcodec.container import Keyframe, SequenceHeader, Unit
from refcodec.container.reader import Reader
from refcodec.container.rules import ContainerRules
from refcodec.container.source import Readable, open_source
from refcodec.errors import HypError, error, for_requirement
from refcodec.generator import GeneratorModel, bundled, decode_prompt
from refcodec.generator.model import GENERATOR_NAMES
from refcodec.restoration import find_restoration
from refcodec.validation.findings import ValidationReport
from refcodec.validation.levels import LevelRules
from refcodec.validation.slice_data import SliceDataRules
from refcodec.validation.substrate import SubstrateRules


class _Validation:
    """The rules and what they share."""

    def __init__(self, model: GeneratorModel | None, threads: int) -> None:
        self.container = ContainerRules()
        self.levels = LevelRules()
        self.substrate = SubstrateRules()
        self.slice_data = SliceDataRules(threads)
        self._header: SequenceHeader | None = None
        self._given_model = model
        self._model: GeneratorModel | None = None

    def unit(self, unit: Unit) -> Iterator[HypError]:
        """Yield what is broken in `unit` and in what it ends."""
        try:
            content = unit.content
        except HypError as fault:
            self.lost()
            yield fault
            return
        found = list(self._unit(unit, content))
        yield from found
        yield from self.slice_data.unit(unit.offset, content, not found)

    def lost(self) -> None:
        """Say that part of the file cannot be read."""
        self.container.lost()
        self.slice_data.fault()

    def _unit(self, unit: Unit, content: Any) -> Iterator[HypError]:
        if isinstance(content, SequenceHeader) and self._header is None:
            self._header = content
            yield from self._sequence_header(unit.offset, content)
        yield from self.container.unit(unit.offset, unit.unit_type, content)
        yield from self.levels.unit(unit, content)
        yield from self.substrate.unit(unit, content)
        if isinstance(content, Keyframe) and content.generated:
            yield from self._prompt(unit.offset, content)

    def end(self, offset: int) -> Iterator[HypError]:
        """Yield what the file as a whole breaks; `offset` is where it ends."""
        found = [
            *self.substrate.segment_end(),
            *self.levels.segment_end(),
            *self.container.finished(offset),
        ]
        yield from found
        yield from self.slice_data.segment_end()

    def _sequence_header(self, offset: int, header: SequenceHeader) -> Iterator[HypError]:
        yield from self.levels.header(offset, header)
        yield from self.substrate.header(offset, header)
        yield from self.slice_data.header(offset, header)
        if self.substrate.level_idc is not None:
            yield from self.levels.level_idc(offset, self.substrate.level_idc)
        yield from self._restoration(offset, header)
        if header.generator_id == 0:
            return
        digest = bytes(header.model_digest)
        try:
            if header.generator_id not in GENERATOR_NAMES:
                raise error("HYP-E-GEN-01", allowed=str(sorted(GENERATOR_NAMES)))
            if self._given_model is None:
                self._model = bundled(header.generator_id, digest)
            elif self._given_model.digest == digest:
                self._model = self._given_model
            else:
                raise error("HYP-E-GEN-02", value=digest, allowed=self._given_model.digest)
        except HypError as fault:
            unknown = fault.id == "HYP-E-GEN-01"
            yield for_requirement(
                "HYP-SEQ-014" if unknown else "HYP-SEQ-015",
                bit_offset=8 * offset,
                element="generator_id" if unknown else "model_digest",
                value=header.generator_id if unknown else digest,
                allowed=fault.allowed,
                detail=f"{fault.id}.",
            )
            return
        yield from self.levels.cost(offset, self._model.cost)

    @staticmethod
    def _restoration(offset: int, header: SequenceHeader) -> Iterator[HypError]:
        """(#sem.sequence_header.restoration_digest) The network shall be one that is known."""
        if not header.restoration_gain:
            return
        digest = bytes(header.restoration_digest)
        try:
            find_restoration(digest)
        except HypError as fault:
            yield for_requirement(
                "HYP-SEQ-019",
                bit_offset=8 * offset,
                element="restoration_digest",
                value=digest,
                detail=f"{fault.id}.",
            )

    def _prompt(self, offset: int, keyframe: Keyframe) -> Iterator[HypError]:
        """(#sem.keyframe.prompt_data) Decode the prompt; it shall use exactly its bytes."""
        if self._model is None or self._header is None:
            return
        width = -(-self._header.coded_width // 16)
        height = -(-self._header.coded_height // 16)
        try:
            decode_prompt(
                self._model, keyframe.prompt_data, keyframe.prompt_scale_index, width, height
            )
        except HypError as fault:
            yield for_requirement(
                "HYP-KF-024",
                bit_offset=8 * offset,
                element=fault.element or "prompt_data",
                value=fault.value,
                allowed=fault.allowed,
                detail=f"{fault.id}: {fault.text}",
            )


def validate(
    readable: Readable,
    *,
    model: GeneratorModel | None = None,
    threads: int = 2,
    progress: Callable[[int], None] | None = None,
) -> ValidationReport:
    """Check all bitstream requirements on a file or pipe; return the findings in file order.

    The report is empty when the file conforms. `model` is the generator to check prompts with; by
    default the installed one that the file names. `threads` decode pictures. `progress`
    is called with the number of bytes that are done. Raises HYP-E-FILE-08 when the file cannot be
    read.
    """
    report = ValidationReport()
    source = open_source(readable)
    own = isinstance(readable, str) or hasattr(readable, "__fspath__")
    try:
        try:
            reader = Reader(source)
        except HypError as fault:
            if fault.klass == "resource":
                raise
            report.add(fault)
            return report
        validation = _Validation(model, threads)
        with closing(validation.slice_data):
            for event in reader.events():
                if isinstance(event, Unit):
                    for found in validation.unit(event):
                        found.source = source.name
                        report.add(found)
                    if progress is not None:
                        progress(event.end)
                else:
                    validation.lost()
                    report.add(event.error)
            for found in validation.end(source.end):
                found.source = source.name
                report.add(found)
    finally:
        if own:
            source.close()
    return report
