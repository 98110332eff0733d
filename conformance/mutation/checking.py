"""One mutant through reader, validator and decoder: what came of it.

Acceptable outcomes are in ACCEPTABLE; everything else is a fault of the codec.
"""

from __future__ import annotations

import io
import resource
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from conformance.generators import tiny_stream
from conformance.mutation.mutators import Base, Mutant
from refcodec.container import (
    Keyframe,
    Segment,
    TrackPackets,
    UnitType,
    Writer,
    open_reader,
)
from refcodec.decoder import decode
from refcodec.errors import HypError
from refcodec.generator import GeneratorModel
from refcodec.validation import validate

OTHER_STREAM = "valid, other pictures"

ACCEPTABLE = (
    "intact",
    "intact, finding reported",
    "partial, loss reported",
    "typed error",
    OTHER_STREAM,
)
"""Outcomes that the specification allows. The last one is for mutants with new checksums only: bits of
a slice changed can make another stream that is as valid, with as many pictures as it declares."""

MEMORY_LIMIT = 1 << 30
"""Bytes of memory that no mutant may add to what the process had before the first."""

SECONDS_LIMIT = 20.0
"""Seconds after which a mutant counts as a hang."""

BASES = {
    "generated": {"seed": 1, "segments": 2, "pictures": 4},
    "mixed, audio": {"seed": 2, "segments": 3, "pictures": 3, "generated": [True, False, True]},
    "coded, odd size": {
        "seed": 3,
        "segments": 2,
        "pictures": 2,
        "generated": False,
        "width": 34,
        "height": 18,
        "presentation": (51, 27),
    },
}
"""The valid files: arguments of tiny_stream.build."""

Shown = tuple[int, Fraction, str]
"""One delivered picture: segment, time, SHA-256."""


@dataclass(frozen=True)
class Verdict:
    """What came of a mutant: `outcome`, and for faults what to look at."""

    outcome: str
    detail: str = ""

    @property
    def acceptable(self) -> bool:
        """Whether the specification allows it."""
        return self.outcome in ACCEPTABLE


class Unseekable(io.RawIOBase):
    """Bytes that come as from a pipe."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._stream = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        return self._stream.readinto(memoryview(buffer)[:4096])


def peak_memory() -> int:
    """Return the most bytes of memory that this process has held at a time."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class Checker:
    """The valid files and their pictures, made once."""

    def __init__(self, files: Sequence[Path] = ()) -> None:
        """`files` are HYP files that take the place of the tiny ones, with installed models."""
        self.bases: list[Base] = []
        self._pictures: dict[str, list[Shown]] = {}
        self._models: dict[str, GeneratorModel | None] = {}
        for file in files:
            self._add(Base(file.name, _with_unknown_unit(file.read_bytes())), None)
        with tempfile.TemporaryDirectory() as folder:
            for name, arguments in () if files else BASES.items():
                path = Path(folder) / "base.hyp"
                stream = tiny_stream.build(path, audio="audio" in name, **arguments)  # type: ignore[arg-type]
                self._add(Base(name, _with_unknown_unit(path.read_bytes())), stream.model)
        self._peak_before = peak_memory()

    def _add(self, base: Base, model: GeneratorModel | None) -> None:
        self.bases.append(base)
        self._models[base.name] = model
        self._pictures[base.name] = list(self._decoded(base.data, model))

    @staticmethod
    def _decoded(data: bytes, model: GeneratorModel | None) -> Iterator[Shown]:
        with decode(data, threads=1, model=model) as decoding:
            for shown in decoding:
                yield shown.segment, shown.time, shown.picture.sha256()

    def check(self, base: Base, mutant: Mutant) -> Verdict:
        """Return what came of `mutant`."""
        try:
            verdict = self._check(base, mutant)
        except Exception:
            return Verdict("traceback", traceback.format_exc())
        added = peak_memory() - self._peak_before
        if added > MEMORY_LIMIT:
            return Verdict("memory", f"{added >> 20} MiB")
        return verdict

    def _check(self, base: Base, mutant: Mutant) -> Verdict:
        model = self._models[base.name]
        file, file_error, file_whole = _read(io.BytesIO(mutant.data))
        pipe, pipe_error, _ = _read(Unseekable(mutant.data))
        if mutant.covered and not _beginning_lost(file, pipe) and file != pipe:
            return Verdict("pipe and file differ", f"{len(file)} and {len(pipe)} items")
        try:
            findings = validate(mutant.data, model=model, threads=1)
        except HypError as error:
            return Verdict("validator stopped", str(error))
        if not findings and (file_error is not None or not file_whole):
            return Verdict("validator silent", f"{file_error}")
        del pipe_error
        return self._judge_decode(base, mutant, model, bool(findings))

    def _judge_decode(
        self, base: Base, mutant: Mutant, model: GeneratorModel | None, found: bool
    ) -> Verdict:
        intact = self._pictures[base.name]
        delivered: list[Shown] = []
        try:
            with decode(mutant.data, threads=1, model=model) as decoding:
                for shown in decoding:
                    delivered.append((shown.segment, shown.time, shown.picture.sha256()))
                report = decoding.report
        except HypError as error:
            if mutant.covered and not set(delivered) <= set(intact):
                return Verdict("wrong picture", str(error))
            return Verdict("typed error" if found else "validator silent", error.id)
        if mutant.covered and not set(delivered) <= set(intact):
            wrong = [shown[:2] for shown in delivered if shown not in intact]
            return Verdict("wrong picture", f"{wrong}")
        if delivered == intact:
            return Verdict("intact, finding reported" if found else "intact")
        if report.intact:
            declared = sum(
                unit.content.picture_count
                for unit in open_reader(mutant.data)
                if unit.unit_type == UnitType.KEYFRAME and isinstance(unit.content, Keyframe)
            )
            if mutant.covered or len(delivered) != declared:
                return Verdict("silent loss", f"{len(delivered)} of {declared} pictures")
            return Verdict(OTHER_STREAM)
        if not found:
            return Verdict("validator silent", f"{report.losses[0].error}")
        return Verdict("partial, loss reported")


def _read(stream: io.RawIOBase | io.BytesIO) -> tuple[list[object], HypError | None, bool]:
    """Read a file to its end; return what its segments and packets are, the error, and whether
    nothing was lost."""
    items: list[object] = []
    try:
        reader = open_reader(stream)  # type: ignore[arg-type]
        for item in reader.items():
            if isinstance(item, Segment):
                items.append((item.keyframe, item.access_units))
            elif isinstance(item, TrackPackets):
                items.append(item)
    except HypError as error:
        return items, error, False
    return items, None, reader.report.intact


def _beginning_lost(file: list[object], pipe: list[object]) -> bool:
    """Whether the pipe lacks only segments that came before the first sequence header."""
    iterator = iter(file)
    return len(pipe) < len(file) and all(item in iterator for item in pipe)


def _with_unknown_unit(data: bytes) -> bytes:
    """Return the file with a unit of unknown type in it and an index that allows for it."""
    reader = open_reader(data)
    target = io.BytesIO()
    writer = Writer(target)
    writer.sequence_header(reader.sequence_header)
    for track in reader.tracks.values():
        writer.track_header(track)
    for number, item in enumerate(reader.items()):
        if number == 1:
            writer.foreign_unit(150, bytes(range(20)))
        if isinstance(item, Segment):
            writer.segment(item.keyframe, item.access_units)
        else:
            writer.track_packets(item)
    writer.finish()
    return target.getvalue()
