"""`hyp inspect`: facts and drawings of one picture."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conformance.avc.streams import Stream
from conformance.generators.tiny_stream import TinyStream
from refcodec.avc import side_information as si
from refcodec.avc.side_information import SideInformation
from refcodec.inspection import colours, drawing
from refcodec.inspection.picture_layers import HEAT_MAPS, PictureLayers, picture_layers
from tests.cli.conftest import Hyp

STREAM = Stream(
    width=64, height=48, crop=(2, 0, 6, 4), pictures=7, content="objects", seed=4, cabac=True,
    transform_8x8=True, bframes=2, partitions="all", subme=7, me="hex", ref=2, slices=2,
)  # fmt: skip


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("inspect") / "plain.264"
    path.write_bytes(b"".join(STREAM.access_units()))
    return path


def test_facts(hyp: Hyp, plain: Path) -> None:
    facts = json.loads(hyp("inspect", plain, "--json").stdout)
    assert (facts["picture"], facts["size"], facts["slices"]) == (0, "56 x 44", "II")
    assert sum(facts["types"].values()) == 12 and facts["vectors"] == 0
    later = hyp("inspect", plain, "--frame", 3)
    assert later.exit_code == 0 and "56 x 44" in later.stdout
    # All of the slice data but its trailing bits is somebody's.
    coded = 8 * len(STREAM.access_units()[0])
    assert 0 < facts["bits"] < coded


def test_bits_add_up(hyp: Hyp, tmp_path: Path) -> None:
    for cabac in (False, True):
        stream = dataclasses.replace(
            STREAM, cabac=cabac, slices=1, pictures=1, transform_8x8=False, seed=9
        )
        unit = stream.access_units()[0]
        path = tmp_path / f"{cabac}.264"
        path.write_bytes(unit)
        facts = json.loads(hyp("inspect", path, "--json").stdout)
        slice_unit = unit[unit.rindex(b"\0\0\1") + 3 :]
        # NAL unit header, slice header, alignment and emulation prevention are the rest
        assert 0 < 8 * len(slice_unit) - facts["bits"] < 80


def test_image_and_page(hyp: Hyp, plain: Path, tmp_path: Path) -> None:
    image, page = tmp_path / "out.png", tmp_path / "out.html"
    for frame in (0, 2, 5):
        assert hyp("inspect", plain, "--frame", frame, "-o", image, "--scale", 3).exit_code == 0
        assert Image.open(image).size == (3 * 56, 3 * 44)
    layers = ",".join(drawing.LAYERS)
    assert hyp("inspect", plain, "--frame", 2, "-o", image, "--layers", layers).exit_code == 0
    assert hyp("inspect", plain, "--frame", 2, "-o", page).exit_code == 0
    text = page.read_text()
    for name in ("types", "partitions", "grid", "vectors of list 0", *HEAT_MAPS):
        assert f'data-layer="{name}"' in text
    assert text.count("data:image/png;base64,") == 2 + len(HEAT_MAPS)
    assert 'viewBox="2 0 56 44"' in text
    assert "http" not in text  # it stands alone


def test_pictures_of_a_hyp_file(hyp: Hyp, tiny: TinyStream) -> None:
    seen = [
        json.loads(hyp("inspect", tiny.path, "-n", n, "--json").stdout)
        for n in range(tiny.picture_count)
    ]
    assert [facts["picture"] for facts in seen] == list(range(tiny.picture_count))
    assert {facts["size"] for facts in seen} == {"32 x 32"}
    assert hyp("inspect", tiny.path, "-n", tiny.picture_count).exit_code == 2


def test_wrong_use(hyp: Hyp, plain: Path, tmp_path: Path) -> None:
    assert hyp("inspect", plain, "--frame", 7).exit_code == 2
    assert hyp("inspect", plain, "-o", tmp_path / "out.gif").exit_code == 2
    assert hyp("inspect", plain, "--layers", "all").exit_code == 2
    other = tmp_path / "other.264"
    other.write_bytes(b"no video at all" * 9)
    result = hyp("inspect", other)
    assert result.exit_code == 1 and "HYP-E-FILE-01" in result.stderr
    assert not list(tmp_path.glob("*.png"))


# ----------------------------------------------------------------- layers of a made-up picture


@pytest.fixture
def layers() -> PictureLayers:
    info = SideInformation.allocate(6)  # 3 x 2 macroblocks
    info.slice_table[:] = [0, 0, 0, 0, 1, 1]
    info.end_bit[:] = [10, 30, 60, 100, 5, 45]
    info.qp_y[:] = [20, 21, 22, 23, 24, 25]
    kinds = [si.I_4X4, si.I_16X16, si.INTER_16X8, si.INTER_8X8, si.B_SKIP, si.I_PCM]
    info.motion.mb_type[:] = kinds
    info.sub_mb_type[3] = [si.SUB_8X8, si.SUB_8X4, si.SUB_4X8, si.SUB_4X4]
    info.pred_flags[2:5] = [[1, 1, 2, 2], [1, 1, 1, 1], [3, 3, 3, 3]]
    info.motion.ref_idx[2:5] = 0
    info.motion.mv[2, 0, :8] = (4, -8)
    info.motion.mv[3, 0, 15] = (1, 1)
    info.level_offset[0] = 0
    info.levels[:3] = (5, -2, 0)
    info.level_offset[5] = 384
    info.levels[384:768] = 9
    return picture_layers(info, 3)


def test_heat_maps(layers: PictureLayers) -> None:
    assert layers.size == (48, 32)
    assert layers.heat["bits"].tolist() == [[10, 20, 30], [40, 5, 40]]
    assert layers.heat["quantiser"].tolist() == [[20, 21, 22], [23, 24, 25]]
    assert layers.heat["levels"].tolist() == [[7, 0, 0], [0, 0, 0]]
    assert layers.heat["coefficients"].tolist() == [[2, 0, 0], [0, 0, 0]]
    assert layers.type_counts()["B_Skip"] == 1


def test_lines_and_vectors(layers: PictureLayers) -> None:
    lines = set(map(tuple, layers.lines.tolist()))
    assert {(0, 8, 16, 8), (0, 4, 16, 4), (12, 0, 12, 16)} <= lines  # I_4x4
    assert (32, 8, 48, 8) in lines and (40, 0, 40, 16) not in lines  # 16x8
    inside = {line for line in lines if line[1] >= 16}
    assert inside == {
        (0, 24, 16, 24), (8, 16, 8, 32), (8, 20, 16, 20), (4, 24, 4, 32), (8, 28, 16, 28),
        (12, 24, 12, 32),
    }  # fmt: skip
    assert set(map(tuple, layers.slice_lines.tolist())) == {
        (16, 16, 32, 16), (32, 16, 48, 16), (16, 16, 16, 32),
    }  # fmt: skip
    vectors = layers.vectors.tolist()
    assert [0, 0, 2 * 36, 2 * 4, 4, -8] in vectors  # upper half of the 16x8 macroblock
    assert [0, 0, 2 * 14, 2 * 30, 1, 1] in vectors  # one 4x4 block
    # two quarters each way of 16x8, three quarters and four blocks of 8x8, one a list of B_Skip
    assert len(vectors) == 4 + 7 + 2


def test_layers_show_in_the_image(layers: PictureLayers) -> None:
    samples = np.zeros((32, 48, 3), np.uint8)
    bare = np.asarray(drawing.draw(samples, layers, ("picture",), scale=1))
    assert not bare.any()
    types = np.asarray(drawing.draw(samples, layers, ("types",), scale=1))
    assert tuple(types[20, 20]) == colours.TYPE_COLOURS[si.B_SKIP]
    slices = np.asarray(drawing.draw(samples, layers, ("picture", "slices"), scale=1))
    assert slices[16, 20].any() and not slices[8, 20].any()
    cropped = drawing.draw(samples, layers, crop=(2, 4, 6, 8), scale=2)
    assert cropped.size == (80, 40)
