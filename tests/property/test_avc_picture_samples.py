"""One kernel for all samples of a picture does what the stages do one after the other."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refcodec import errors
from refcodec.avc import picture_samples
from refcodec.avc.deblocking import deblock
from refcodec.avc.margins import extend_margins
from refcodec.avc.picture_samples import BAND_ROWS, SampleWork, Scratch, flat
from refcodec.avc.reconstruction import reconstruct
from refcodec.avc.shared_bands import take
from refcodec.avc.side_information import I_PCM, LAST_INTRA, LEVELS_PER_MB
from tests.property.avc_pictures import CURRENT, Case, random_case
from tests.property.examples import examples
from tests.property.test_avc_reconstruction import CURRENT as CURRENT_OF_PICTURE
from tests.property.test_avc_reconstruction import _Picture


def stage_by_stage(case: Case, slot: int, reference: bool) -> np.ndarray:
    """Return the samples of the store after the stages, and put back those before."""
    before = case.store.samples.copy()
    reconstruct(case.info, case.slices, case.store, slot)
    deblock(case.info, case.slices, case.store, slot)
    if reference:
        extend_margins(case.store, slot)
    after = case.store.samples.copy()
    case.store.samples[:] = before
    return after


@settings(deadline=None, max_examples=examples(60))
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 6),
    st.integers(1, 5),
    st.integers(1, 3),
    st.sampled_from([0, 4, 30, 256]),
    st.booleans(),
)
def test_inter_pictures(
    seed: int, width_mbs: int, height_mbs: int, slices: int, roughness: int, reference: bool
) -> None:
    """Vectors, weights, filters of all kinds; margins of reference pictures only."""
    case = random_case(seed, width_mbs, height_mbs, slices, roughness)
    intra = case.info.motion.mb_type <= LAST_INTRA
    case.info.motion.mb_type[intra] = I_PCM  # which needs no prediction mode
    case.info.level_offset[intra] = 0
    case.info.levels[:LEVELS_PER_MB] = np.arange(LEVELS_PER_MB) % 256
    expected = stage_by_stage(case, CURRENT, reference)
    scratch = Scratch(case.mbs)
    SampleWork(flat(case.info), case.slices, scratch, case.store, CURRENT, reference).write()
    assert np.array_equal(case.store.samples, expected)


@settings(deadline=None, max_examples=examples(30))
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 3),
    st.integers(1, 3 * BAND_ROWS + 1),
    st.sampled_from(["before", "beside", "after"]),
)
def test_pictures_with_which_another_thread_helps(
    seed: int, width_mbs: int, height_mbs: int, when: str
) -> None:
    """Bands that the other thread makes, all of them or some, are those that the first one would have made."""
    case = random_case(seed, width_mbs, height_mbs, 1, 30)
    intra = case.info.motion.mb_type <= LAST_INTRA
    case.info.motion.mb_type[intra] = I_PCM
    case.info.level_offset[intra] = 0
    case.info.levels[:LEVELS_PER_MB] = np.arange(LEVELS_PER_MB) % 256
    expected = stage_by_stage(case, CURRENT, True)
    scratch = Scratch(case.mbs)
    work = SampleWork(flat(case.info), case.slices, scratch, case.store, CURRENT, True)
    other = threading.Thread(target=work.help)
    if when == "before":
        work.help()
    elif when == "beside":
        other.start()
    work.write()
    if when == "beside":
        other.join()
    elif when == "after":
        work.help()
    assert np.array_equal(case.store.samples, expected)


def test_nobody_waits_for_a_thread_that_cannot_help(monkeypatch: pytest.MonkeyPatch) -> None:
    """What hit it is raised for the picture, whose other bands are made."""
    case = random_case(1, 2, 2 * BAND_ROWS, 1, 30)
    intra = case.info.motion.mb_type <= LAST_INTRA
    case.info.motion.mb_type[intra] = I_PCM
    case.info.level_offset[intra] = 0
    work = SampleWork(flat(case.info), case.slices, Scratch(case.mbs), case.store, CURRENT, True)

    def interrupted(role: int, states: np.ndarray, *_: object) -> int:
        assert take(states, 1)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(picture_samples, "picture_samples", interrupted)
        with pytest.raises(KeyboardInterrupt):
            work.help()
    with pytest.raises(KeyboardInterrupt):
        work.write()


@settings(deadline=None, max_examples=examples(60))
@given(st.integers(0, 2**32 - 1))
def test_intra_pictures_with_residual(seed: int) -> None:
    """Intra macroblocks and levels of all kinds, two pictures with the same scratch."""
    for number in range(2):
        picture = _Picture(seed ^ number)
        case = Case(picture.info, picture.slices, picture.store)
        expected = stage_by_stage(case, CURRENT_OF_PICTURE, True)
        scratch = Scratch(case.mbs)
        for work in scratch.arrays:
            work.fill(85)
        SampleWork(
            flat(case.info), case.slices, scratch, case.store, CURRENT_OF_PICTURE, True
        ).write()
        assert np.array_equal(case.store.samples, expected)


def test_modes_without_their_neighbours_are_refused_after_all_samples_are_written() -> None:
    refused = 0
    for seed in range(1, 40):
        picture = _Picture(seed, valid=False)
        case = Case(picture.info, picture.slices, picture.store)
        try:
            stage_by_stage(case, CURRENT_OF_PICTURE, True)
        except errors.CLASSES["HYP-E-AVC-02"] as error:
            refused += 1
            with pytest.raises(errors.CLASSES["HYP-E-AVC-02"]) as caught:
                SampleWork(
                    flat(case.info),
                    case.slices,
                    Scratch(case.mbs),
                    case.store,
                    CURRENT_OF_PICTURE,
                    True,
                ).write()
            assert (caught.value.element, str(caught.value)) == (error.element, str(error))
    assert refused > 5
