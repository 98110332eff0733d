"""The matrix: streams drawn by Hypothesis, each decoded by both decoders and compared."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import hypothesis
from hypothesis import HealthCheck, Phase, given, reject, settings

from conformance.avc.alterations import drop_unreferenced
from conformance.avc.comparison import Difference, first_difference
from conformance.avc.decoders import Decoder, has_pcm, libavcodec, reference_decoder
from conformance.avc.rewriting import rewritten
from conformance.avc.strategies import streams
from conformance.avc.streams import ParametersRefusedError, Stream

HARD_CONTENT = ("noise", "screen")
"""Kinds of content whose residuals are large."""

LARGE_SHARE = 20
"""One stream of so many is large. They are drawn apart: left to chance, Hypothesis may draw none."""


@dataclass(frozen=True)
class Failure:
    """A stream that the decoder under test gets wrong: where pictures differ, or what it raised."""

    stream: Stream
    what: str

    def __str__(self) -> str:
        return f"{self.stream}\n  {self.what}"


class _DiffersError(AssertionError):
    """Carries a failure through Hypothesis."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(str(failure))
        self.failure = failure


@dataclass
class Outcome:
    """What a run came to: streams and pictures that were equal, and the failures."""

    streams: int = 0
    pictures: int = 0
    failures: list[Failure] = field(default_factory=list)


def access_units(stream: Stream) -> list[bytes]:
    """Return the access units of a stream, altered as it says. Raises ParametersRefusedError."""
    # Headers of another length would move the aligned samples of an I_PCM macroblock; under CABAC
    # slice data are aligned anyway.
    written = stream.access_units()
    movable = stream.cabac or not stream.rewriting or not has_pcm(written)
    coded = rewritten(
        written,
        stream.rewriting if movable else 0,
        other_matrices=stream.content not in HARD_CONTENT and stream.matrices == "flat",
    )
    return drop_unreferenced(coded, stream.drop_unreferenced)


def compare(
    coded: Sequence[bytes],
    stream: Stream,
    decoder: Decoder = reference_decoder,
    expected_decoder: Decoder = libavcodec,
) -> tuple[int, Difference | None]:
    """Return the number of pictures and where `decoder` departs from libavcodec, if it does."""
    expected = list(expected_decoder(coded))
    difference = first_difference(
        expected, decoder(coded), width=stream.width, crop=(stream.crop[0], stream.crop[1])
    )
    return len(expected), difference


def check(stream: Stream, decoder: Decoder = reference_decoder) -> tuple[int, Failure | None]:
    """Return the number of pictures, and the failure if there is one."""
    coded = access_units(stream)
    try:
        pictures, difference = compare(coded, stream, decoder)
    except Exception as raised:
        place = traceback.extract_tb(raised.__traceback__)[-1]
        line = f"{type(raised).__name__}: {raised} ({place.name}, line {place.lineno})"
        return 0, Failure(stream, line)
    return pictures, None if difference is None else Failure(stream, str(difference))


def run(
    count: int,
    seed: int,
    *,
    keep_going: bool = False,
    decoder: Decoder = reference_decoder,
    progress: Callable[[Outcome], None] | None = None,
    rewrite: bool = True,
) -> Outcome:
    """Compare `count` streams that follow from `seed`.

    At the first failure Hypothesis reduces the stream to the simplest that fails, and that is the
    failure returned; with `keep_going` all of them are collected as they come.
    """
    outcome = Outcome()

    def compare_one(stream: Stream) -> None:
        try:
            pictures, failure = check(stream, decoder)
        except ParametersRefusedError:
            reject()
        if failure is not None:
            if not keep_going:
                raise _DiffersError(failure)
            outcome.failures.append(failure)
        outcome.streams += 1
        outcome.pictures += pictures
        if progress is not None:
            progress(outcome)

    many = count // LARGE_SHARE
    for part, large in ((count - many, False), (many, True)):
        if not part:
            continue
        chosen = settings(
            max_examples=part,
            database=None,
            deadline=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
            print_blob=False,
            verbosity=hypothesis.Verbosity.quiet,
        )
        drawn = given(streams(rewrite=rewrite, large=large))
        try:
            hypothesis.seed(seed)(chosen(drawn(compare_one)))()
        except _DiffersError as raised:
            outcome.failures.append(raised.failure)
            break
    return outcome
