"""A slice of the mutated files; all 20,000 run by `python -m conformance.mutation`."""

import io
import random

import pytest

from conformance.mutation.checking import Checker, Verdict, _read
from conformance.mutation.mutators import KINDS, Base, Mutant, mutant
from conformance.mutation.running import run
from conformance.mutation.samples import random_file
from refcodec import errors
from refcodec.container import scanner
from refcodec.container.reader import Reader

SLICE = 300
SEED = 2


@pytest.fixture(scope="module")
def checker() -> Checker:
    return Checker()


def test_slice_of_mutants_gives_typed_errors_or_correct_pictures() -> None:
    tally = run(SLICE, seed=SEED)
    print(tally)
    assert tally.count == SLICE
    assert not tally.faults, "\n".join(map(str, tally.faults))
    # A run in which nothing ever broke, or nothing ever survived, would prove little.
    outcomes = {outcome for _, outcome in tally.outcomes}
    assert {"typed error", "partial, loss reported", "intact, finding reported"} <= outcomes


def test_mutants_follow_from_seed_and_number(checker: Checker) -> None:
    for number in range(40):
        assert mutant(checker.bases, 5, number) == mutant(checker.bases, 5, number)
    assert mutant(checker.bases, 5, 9)[1].data != mutant(checker.bases, 6, 9)[1].data


def test_every_kind_changes_most_files(checker: Checker) -> None:
    base = checker.bases[1]
    for kind, (mutator, _) in KINDS.items():
        chance = random.Random(kind)
        changed = sum(mutator(base, chance, number)[0] != base.data for number in range(30))
        assert changed > 10, kind


def test_every_element_of_every_unit_is_reached(checker: Checker) -> None:
    for base in checker.bases:
        hit = {number for number, _, _ in base.aimed}
        assert hit == {number for number, unit in enumerate(base.units) if unit.known}
        written = {name for _, name, _ in base.elements}
        assert {"segment_time", "picture_count", "first_access_unit", "coded_width"} <= written


def test_untouched_files_are_intact(checker: Checker) -> None:
    for base in checker.bases:
        same = Mutant(base.data, "none", base.name, covered=True)
        assert checker.check(base, same) == Verdict("intact")


def spoiled(base: Base, back: int = 4, mask: int = 0x10) -> Mutant:
    """A file with other bits of picture data, `back` bytes from its end, under its old checksum."""
    unit = [unit for unit in base.units if unit.unit_type == 3][-1]
    data = bytearray(base.data)
    data[unit.end - 4 - back] ^= mask
    return Mutant(bytes(data), "spoiled", "", covered=True)


def test_reader_that_believes_every_checksum_is_found_out(
    checker: Checker, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = checker.bases[0]
    # Most bits of a slice break its parsing, and some may change no sample.
    places = [(back, 1 << bit) for back in range(34, 40) for bit in range(8)]
    assert all(checker.check(base, spoiled(base, *place)).acceptable for place in places)
    monkeypatch.setattr(scanner.Scanner, "_check", lambda self, start, header: (0, 0))
    assert not all(checker.check(base, spoiled(base, *place)).acceptable for place in places)


def test_reader_that_reports_nothing_is_found_out(
    checker: Checker, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = checker.bases[0]
    bad = spoiled(base)
    monkeypatch.setattr(Reader, "_lose", lambda self, loss: None)
    monkeypatch.setattr("conformance.mutation.checking.validate", lambda data, model: [])
    assert not checker.check(base, bad).acceptable


def test_exception_without_an_id_is_found_out(
    checker: Checker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: object, position: int) -> int:
        raise IndexError("off by one")

    monkeypatch.setattr(scanner.Scanner, "resynchronise", broken)
    base = checker.bases[0]
    cut = Mutant(base.data[:-3], "cut", "", covered=True)
    assert checker.check(base, cut).outcome == "traceback"


def test_noise_with_a_signature_is_a_typed_error() -> None:
    for seed in range(20):
        noise = random.Random(seed).randbytes(3000)
        items, error, _ = _read(io.BytesIO(random_file(0).data[:8] + noise))
        assert items == [] and isinstance(error, errors.CLASSES["HYP-E-FILE-02"])
