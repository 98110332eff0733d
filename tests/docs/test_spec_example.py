"""The example file of the annex is what its maker makes, and every decoder agrees on its pictures."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from spec import SPEC_DIR
from spec.build import example


def test_files_are_what_the_maker_makes(tmp_path: Path) -> None:
    example.write_model(tmp_path / "model.safetensors")
    example.write_example(tmp_path / "example.hyp", tmp_path / "model.safetensors")
    assert (tmp_path / "model.safetensors").read_bytes() == (SPEC_DIR / example.MODEL).read_bytes()
    assert (tmp_path / "example.hyp").read_bytes() == (SPEC_DIR / example.FILE).read_bytes()


def test_lines_cover_every_bit_of_the_file_once() -> None:
    """Elements follow one another without a gap, except for slice data, which end at a NAL unit's end."""
    from refcodec.container.source import open_source
    from refcodec.inspection.tracing import TracedElement, trace

    data = (SPEC_DIR / example.FILE).read_bytes()
    position = 0
    for item in trace(open_source(data)):
        assert isinstance(item, TracedElement)
        if item.clause.startswith("#avc.") or item.bit_length == 0:
            continue
        assert item.bit_offset == position
        position += item.bit_length
    assert position == 8 * len(data)


def test_decoder_outputs_the_pictures_of_the_pseudo_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from refcodec.decoder import decode

    shutil.copy(SPEC_DIR / example.MODEL, tmp_path / "core-example.safetensors")
    monkeypatch.setenv("HYP_MODELS", str(tmp_path))
    walk = example.walk_prompt(SPEC_DIR)
    pictures = list(decode(SPEC_DIR / example.FILE))
    assert [p.picture.sha256() for p in pictures[:2]] == [walk.sha256()] * 2
    assert len(pictures) == 3
    assert all((plane == 128).all() for plane in (pictures[2].picture.y, pictures[2].picture.u))


def test_walk_is_the_prompt_decoding_of_the_pseudo_code() -> None:
    from refcodec.container.source import open_source
    from refcodec.inspection.tracing import Selection, trace
    from spec.model.prompt_decoding import decode_prompt

    walk = example.walk_prompt(SPEC_DIR)
    model = example.load_model_dictionary(SPEC_DIR / example.MODEL)
    cdf, orders = example.load_distributions(SPEC_DIR)
    source = open_source((SPEC_DIR / example.FILE).read_bytes())
    (item,) = trace(source, Selection(element="prompt_data"))
    width, height = example.WIDTH // 16, example.HEIGHT // 16
    values = decode_prompt(
        model, cdf, orders, bytes(item.value), example.PROMPT_SCALE_INDEX, width, height
    )
    assert values == walk.values
    assert any(not -16 < step.value - ((step.mean + 4) >> 3) < 17 for step in walk.steps)
