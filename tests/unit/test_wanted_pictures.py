"""What pictures are asked to look like is made once where pictures last, and anew where they do not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from refcodec.encoder import segment_job
from refcodec.encoder.picture_store import PictureStore, StoredPictures
from refcodec.encoder.prompts import Prompt
from refcodec.encoder.resizing import CodedSize, to_grid
from refcodec.encoder.segment_job import PromptChoice, scaled_pictures, wanted_pictures
from refcodec.picture import Picture

SIZE = CodedSize(32, 16)
CHOICE = PromptChoice(20, None, carried=True)


def picture(seed: int) -> Picture:
    random = np.random.default_rng(seed)
    sides = ((16, 32), (8, 16), (8, 16))
    return Picture(*(random.integers(0, 256, side).astype(np.uint8) for side in sides))


@pytest.fixture
def stored(tmp_path: Path) -> StoredPictures:
    path = tmp_path / "32x16-0000000.yuv"
    path.write_bytes(b"".join(picture(k).tobytes() for k in range(3)))
    return StoredPictures(path, SIZE, 3, lasting=True)


def planes(stored: StoredPictures, choice: PromptChoice) -> list[bytes]:
    prompt = Prompt(20, b"", picture(9))
    found = wanted_pictures(stored, stored, SIZE, choice, prompt)
    return [each.tobytes() for each in found]


def test_pictures_are_the_source_where_nothing_is_carried(stored: StoredPictures) -> None:
    assert wanted_pictures(stored, stored, SIZE, replace(CHOICE, carried=False), None) is stored
    assert wanted_pictures(stored, stored, SIZE, None, None) is stored


def test_carried_pictures_are_kept_where_pictures_last(
    stored: StoredPictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = planes(stored, CHOICE)
    assert first[0] == picture(9).tobytes()
    fresh = planes(replace(stored, lasting=False), CHOICE)
    assert first == fresh
    (kept,) = stored.path.parent.glob("*.carried")
    monkeypatch.setattr(segment_job, "carried", lambda *_: pytest.fail("made again"))
    assert planes(stored, CHOICE) == first
    monkeypatch.undo()
    # Another prompt has another texture, and takes the place of the one before.
    planes(stored, replace(CHOICE, prompt_scale_index=21))
    assert not kept.exists()
    assert len(list(stored.path.parent.glob("*.carried"))) == 1


def test_scaled_pictures_are_kept_where_pictures_last(
    stored: StoredPictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = CodedSize(16, 16)
    assert scaled_pictures(stored, 32, 16, SIZE) is stored
    first = [each.tobytes() for each in scaled_pictures(stored, 32, 16, half)]
    assert first == [to_grid(each, half).tobytes() for each in stored]
    passing = scaled_pictures(replace(stored, lasting=False), 32, 16, half)
    assert [each.tobytes() for each in passing] == first
    monkeypatch.setattr(segment_job, "to_grid", lambda *_: pytest.fail("scaled again"))
    assert [each.tobytes() for each in scaled_pictures(stored, 32, 16, half)] == first


def test_what_is_made_of_pictures_goes_with_them(stored: StoredPictures) -> None:
    source: Any = None  # nothing is read: the pictures are there
    store = PictureStore(source, (0, 3), SIZE, stored.path.parent)
    kept = store.segment(0)
    assert kept == stored
    list(scaled_pictures(kept, 32, 16, CodedSize(16, 16)))
    planes(kept, CHOICE)
    assert {path.suffix for path in stored.path.parent.iterdir()} == {".yuv", ".scaled", ".carried"}
    store.clear()
    assert not list(stored.path.parent.iterdir())
