"""Comparison with peers: search, pairing, scores, tables and the report, on tiny clips."""

from __future__ import annotations

import csv
import io
import math
import os
import re
from collections.abc import Iterator
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.generators import tiny_stream
from refcodec import errors
from refcodec.comparison import Comparison, Crop, compare, encoding, plots, report, tables
from refcodec.comparison.codecs import PEERS, PeerCodec
from refcodec.comparison.crops import CropFinder
from refcodec.comparison.facts import hyp_facts, media_facts
from refcodec.comparison.frames import limited
from refcodec.comparison.measuring import Follower
from refcodec.comparison.scheduling import scheduling_kept
from refcodec.comparison.search import MAXIMUM_TRIALS, closest, meet_rate
from refcodec.comparison.video import Clip, TimedPicture, file_digest, read_pictures
from refcodec.decoder import decode
from refcodec.encoder import MediaSource
from refcodec.libav_frames import frame_to_picture, picture_to_frame
from refcodec.metrics.psnr import psnr
from refcodec.metrics.temporal import temporal_error
from refcodec.picture import Picture
from tests.unit.test_media_source import damaged, write_video

RATE = 25
COUNT = 24
WIDTH, HEIGHT = 112, 80
TARGET = 90_000


def drawn(index: int, width: int = WIDTH, height: int = HEIGHT) -> Picture:
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    luma = (
        120 + 50 * np.sin((x + 2 * index) / 5) * np.cos((y - index) / 7) + 20 * np.sin(x * y / 60)
    )
    chroma = ((height + 1) // 2, (width + 1) // 2)
    u = np.full(chroma, 110 + index % 8, np.uint8)
    return Picture(np.clip(luma, 16, 235).astype(np.uint8), u, np.full(chroma, 140, np.uint8))


def write_lossless(path: Path, pictures: list[Picture], rate: int = RATE) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=rate)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = pictures[0].width, pictures[0].height
        stream.pix_fmt = "yuv420p"
        for index, picture in enumerate(pictures):
            frame = picture_to_frame(picture)
            frame.pts, frame.time_base = index, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("comparison")


@pytest.fixture(scope="module")
def source(folder: Path) -> Path:
    return write_lossless(folder / "source.mkv", [drawn(n) for n in range(COUNT)])


@pytest.fixture(scope="module")
def found(folder: Path, source: Path) -> Comparison:
    return compare(
        source,
        peers=("x264", "x265"),
        bitrate=TARGET,
        metrics=("psnr_y", "ms_ssim", "temporal"),
        rungs=(Fraction(1), Fraction(1, 2)),
        cache=folder / "cache",
    )


# --------------------------------------------------------------------------------------- the source


def test_pictures_of_a_file_come_back_exactly(source: Path) -> None:
    pictures = list(read_pictures(source))
    assert [timed.time for timed in pictures] == [
        pytest.approx(n / RATE, abs=1e-3) for n in range(COUNT)
    ]
    assert all(timed.picture.same_as(drawn(n)) for n, timed in enumerate(pictures))


def test_a_part_begins_at_its_start(source: Path) -> None:
    part = list(read_pictures(source, 10 / RATE))
    assert len(part) == COUNT - 10
    assert part[0].time == 0
    assert part[0].picture.same_as(drawn(10))


def test_a_byte_stream_has_the_rate_of_its_parameter_sets(folder: Path) -> None:
    """The demuxer's default is 25; encoder and comparison must mean the same instants."""
    encoder: Any = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    encoder.framerate, encoder.time_base = Fraction(30), Fraction(1, 30)
    frames = [picture_to_frame(drawn(n)) for n in range(4)]
    for number, frame in enumerate(frames):
        frame.pts, frame.time_base = number, encoder.time_base
    packets = [packet for frame in (*frames, None) for packet in encoder.encode(frame)]
    path = folder / "stream.264"
    path.write_bytes(b"".join(map(bytes, packets)))
    times = [Fraction(n, 30) for n in range(4)]
    assert [timed.time for timed in read_pictures(path)] == times
    assert [timed.time for timed in MediaSource(path).pictures()] == times


@pytest.mark.parametrize(
    ("name", "options", "size"),
    [
        ("turned.mp4", {"codec": "libx264", "rotation": 90}, (48, 64)),
        ("wide.mp4", {"codec": "libx264", "aspect": Fraction(3, 2)}, (96, 48)),
    ],
)
def test_sources_are_compared_as_they_are_encoded(
    folder: Path, name: str, options: dict[str, Any], size: tuple[int, int]
) -> None:
    """Upright and of square samples, as the presentation size of their HYP file is."""
    path = write_video(folder / name, **options)
    result = compare(path, peers=("x264",), bitrate=TARGET, metrics=("psnr_y",), cache=folder / "c")
    assert (result.source.width, result.source.height) == size
    [picture, *_] = [timed.picture for timed in read_pictures(path)]
    assert (picture.width, picture.height) == size


def test_colours_of_a_source_are_those_that_are_encoded(folder: Path) -> None:
    """RGB becomes BT.709; libswscale's own choice would be BT.601."""
    [plain, *_] = read_pictures(write_video(folder / "plain.mkv"))
    [coloured, *_] = read_pictures(write_video(folder / "rgb.mkv", pix_fmt="bgr0"))
    for one, other in zip(plain.picture.planes, coloured.picture.planes, strict=True):
        assert np.abs(one.astype(int) - other).max() <= 3


def test_a_damaged_file_is_not_measured(folder: Path) -> None:
    path = damaged(folder / "damaged.mkv")
    with pytest.raises(errors.CLASSES["HYP-E-IN-03"]):
        list(read_pictures(path))


@pytest.mark.parametrize("size", [(17, 16), (64, 31), (33, 35)])
def test_frames_of_odd_size_keep_their_samples(size: tuple[int, int]) -> None:
    picture = drawn(3, *size)
    assert frame_to_picture(picture_to_frame(picture)).same_as(picture)


def test_full_range_becomes_limited() -> None:
    luma = np.arange(256, dtype=np.uint8).reshape(16, 16)
    chroma = np.array([[0, 64], [128, 255]], np.uint8).repeat(4, 0).repeat(4, 1)
    found = limited(Picture(luma, chroma, chroma.copy()))
    assert (found.y.min(), found.y.max()) == (16, 235)
    assert sorted(set(found.u.flat)) == [16, 72, 128, 240]


# ------------------------------------------------------------------------------------- rate search


@given(
    st.sampled_from(sorted(PEERS)),
    st.floats(0.4, 2.5),
    st.floats(3e4, 3e6),
    st.floats(0, 63),
)
def test_search_meets_a_rate_that_can_be_met(
    peer: str, steepness: float, middle: float, first: float
) -> None:
    codec = PEERS[peer]
    slope = codec.slope * steepness
    wanted = codec.rounded((codec.low + codec.high) / 2)

    def rate_of(quality: float) -> float:
        return middle * math.exp(-slope * (quality - wanted))

    tried = meet_rate(codec, rate_of, middle, first=first, tolerance=0.02)
    assert len(tried) <= MAXIMUM_TRIALS
    best = closest(tried, middle)
    assert abs(math.log(tried[best] / middle)) <= max(0.0201, slope * codec.step * 0.51)


def test_search_ends_at_the_bounds_of_the_encoder() -> None:
    codec = PEERS["vp9"]
    tried = meet_rate(codec, lambda quality: 1e6, 1e5, first=40, tolerance=0.02)
    assert closest(tried, 1e5) in tried
    assert max(tried) == codec.high


def test_search_takes_the_nearer_of_two_neighbours() -> None:
    codec = PEERS["vp9"]
    rates = {quality: 1000 * 0.9 ** (quality - 30) for quality in range(64)}
    target = rates[37] * 1.02
    tried = meet_rate(codec, lambda q: rates[int(q)], target, first=50, tolerance=0.001)
    assert closest(tried, target) == 37


# ------------------------------------------------------------------------------------------ pairing


class Listed:
    """A video whose pictures are flat, with their number as luma, at given times."""

    name = "listed"

    def __init__(self, times: list[Fraction]) -> None:
        self.times = times

    def pictures(self) -> Iterator[TimedPicture]:
        chroma = np.full((1, 1), 128, np.uint8)
        for number, time in enumerate(self.times):
            luma = np.full((2, 2), number, np.uint8)
            yield TimedPicture(time, Picture(luma, chroma, chroma.copy()))


def shown(follower: Follower, times: list[Fraction]) -> list[int | None]:
    pictures = [follower.at(time) for time in times]
    return [None if picture is None else int(picture.y[0, 0]) for picture in pictures]


def test_pictures_pair_by_time() -> None:
    rate = Fraction(30)
    clock = [n / rate for n in range(6)]
    half = Listed([n / Fraction(15) for n in range(3)])
    assert shown(Follower(half, rate, by_index=False), clock) == [0, 0, 1, 1, 2, 2]
    rounded = Listed([Fraction(round(1000 * time), 1000) for time in clock])
    assert shown(Follower(rounded, rate, by_index=False), clock) == [0, 1, 2, 3, 4, 5]
    short = Listed(clock[:3])
    assert shown(Follower(short, rate, by_index=False), clock) == [0, 1, 2, 2, None, None]


def test_pictures_pair_by_index() -> None:
    rate = Fraction(30)
    uneven = [Fraction(0), Fraction(1, 10), Fraction(1, 9), Fraction(2)]
    even = Listed([n / rate for n in range(3)])
    assert shown(Follower(even, rate, by_index=True), uneven) == [0, 1, 2, None]


# ------------------------------------------------------------------------------------------ windows


def test_windows_go_where_codecs_differ() -> None:
    finder = CropFinder(640, 480)
    random = np.random.default_rng(1)
    for index in range(6):
        picture = drawn(index, 640, 480)
        near, far = picture.y.copy(), picture.y.copy()
        left, top = (480, 320) if index < 3 else (0, 0)
        noise = random.integers(-30, 31, (120, 120))
        window = far[top : top + 120, left : left + 120]
        far[top : top + 120, left : left + 120] = np.clip(window + noise, 0, 255)
        decoded = [Picture(luma, picture.u, picture.v) for luma in (near, far)]
        finder(index, picture, decoded)
    first, second = finder.best(2)
    assert first.index < 3 <= second.index
    for crop, (x, y) in ((first, (540, 380)), (second, (60, 60))):
        assert crop.x <= x < crop.x + crop.width
        assert crop.y <= y < crop.y + crop.height
        assert crop.x + crop.width <= 640
        assert crop.y + crop.height <= 480


def test_windows_of_pictures_smaller_than_a_cell() -> None:
    finder = CropFinder(9, 5)
    finder(0, drawn(0, 9, 5), [drawn(1, 9, 5)])
    assert finder.best(3) == (Crop(0, 0, 0, 9, 5),)
    assert CropFinder(9, 5).best(3) == ()


# ------------------------------------------------------------------------------------ the whole way


def test_peers_meet_the_rate_with_every_byte_counted(found: Comparison, folder: Path) -> None:
    for result in found.results:
        assert result.kind == "peer"
        assert result.bytes == (folder / "cache" / result.file).stat().st_size
        assert result.bitrate == pytest.approx(result.bytes * 8 * RATE / COUNT)
        assert result.bitrate == pytest.approx(TARGET, rel=0.02)
        assert len(result.sizes) == COUNT


def test_scores_are_those_of_the_decoded_pictures(found: Comparison, folder: Path) -> None:
    result = found.results[0]
    coded = [timed.picture for timed in read_pictures(folder / "cache" / result.file)]
    assert (result.coded_width, result.coded_height) == (coded[0].width, coded[0].height)
    if (coded[0].width, coded[0].height) == (WIDTH, HEIGHT):
        for index in (0, 7, COUNT - 1):
            assert result.scores["psnr_y"][index] == psnr(drawn(index), coded[index])
        expected = temporal_error(drawn(6), drawn(7), coded[6], coded[7])
        assert result.scores["temporal"][7] == expected
    assert set(result.scores["psnr_y"]) == set(range(COUNT))
    assert set(result.scores["ms_ssim"]) == set(range(0, COUNT, 3))
    assert 0 not in result.scores["temporal"]


def test_the_better_rung_is_kept(found: Comparison, folder: Path, source: Path) -> None:
    decisions = list((folder / "cache").glob("rung-x264-*.json"))
    assert len(decisions) == 1
    import json

    facts = json.loads(decisions[0].read_text())
    assert facts["rung"] == min(facts["tried"], key=facts["tried"].get)
    assert len(facts["tried"]) == 2


def test_a_second_comparison_encodes_nothing(
    found: Comparison, folder: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("encoded again")

    monkeypatch.setattr(encoding, "_write", refuse)
    again = compare(
        source,
        peers=("x264", "x265"),
        bitrate=TARGET,
        metrics=("psnr_y",),
        rungs=(Fraction(1), Fraction(1, 2)),
        cache=folder / "cache",
        instants=0,
    )
    assert [r.file for r in again.results] == [r.file for r in found.results]
    assert again.crops == ()
    assert tuple(again.measures) == ("psnr_y",)
    assert "Close up" not in report.render(again)


def test_cut_off_encodes_leave_nothing(
    folder: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: str, *_: object) -> None:
        Path(path).write_bytes(b"half")
        raise RuntimeError("cut off")

    monkeypatch.setattr(encoding, "_write", fail)
    clip = Clip(source, 0.0, COUNT, WIDTH, HEIGHT, Fraction(RATE), file_digest(source))
    with pytest.raises(RuntimeError, match="cut off"):
        encoding.encode(clip, PEERS["x264"], 30, Fraction(1), folder / "other")
    assert list((folder / "other").iterdir()) == []


def test_hyp_file_beside_a_peer(folder: Path) -> None:
    stream = tiny_stream.build(
        folder / "tiny.hyp", width=64, height=48, pictures=8, audio=True, generated=True
    )
    shown_pictures = [d.picture for d in decode(stream.path, model=stream.model)]
    original = write_lossless(folder / "original.mkv", shown_pictures, tiny_stream.PICTURE_RATE)
    facts = hyp_facts(stream.path)
    assert facts.pictures == stream.picture_count
    assert facts.side_bytes > 0
    result = compare(
        original,
        [stream.path],
        peers=("x264",),
        metrics=("psnr_y", "temporal"),
        rungs=(Fraction(1),),
        cache=folder / "cache",
        model=stream.model,
    )
    hyp, x264 = result.results
    assert (hyp.label, hyp.kind, x264.label) == ("HYP", "hyp", "x264")
    # The source is the decoded HYP file itself.
    assert all(value == math.inf for value in hyp.scores["psnr_y"].values())
    assert all(value == 0 for value in hyp.scores["temporal"].values())
    counted = (facts.bytes - facts.side_bytes) * 8
    seconds = stream.picture_count / tiny_stream.PICTURE_RATE
    assert result.target == hyp.bitrate == pytest.approx(counted / seconds)
    page = report.render(result)
    assert "identical" in page
    assert "in side tracks" in page


def test_labels_are_unique(folder: Path, source: Path) -> None:
    copy = folder / "source.avi"
    copy.write_bytes(source.read_bytes())
    result = compare(source, [source, copy], peers=(), metrics=("psnr_y",), instants=1)
    assert [r.label for r in result.results] == ["source (2)", "source (3)"]
    assert result.results[0].kind == "file"


@pytest.mark.parametrize("every", [1, 2, 3])
def test_an_even_stride_is_said_to_be_one(source: Path, every: int) -> None:
    result = compare(
        source, [source], peers=(), metrics=("psnr_y", "ms_ssim"), every=every, instants=0
    )
    assert any("even stride" in note for note in result.notes) == (every == 2)


def test_lpips_absent_is_said(folder: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from refcodec.metrics import lpips_weights

    monkeypatch.setattr(lpips_weights, "PROJECT_ROOT", folder / "nowhere" / "project")
    monkeypatch.delenv(lpips_weights.VARIABLE, raising=False)
    monkeypatch.chdir(folder)
    result = compare(source, [source], peers=(), instants=1)
    assert list(result.measures) == ["psnr_y", "ms_ssim", "temporal"]
    assert any("LPIPS was not measured" in note for note in result.notes)
    assert "LPIPS was not measured" in report.render(result)


def test_every_picture_when_asked(source: Path) -> None:
    result = compare(source, [source], peers=(), metrics=("ms_ssim",), every=1, instants=0)
    summary = result.results[0].summary("ms_ssim")
    assert summary is not None
    assert summary.count == COUNT
    assert summary.mean == pytest.approx(1)


@pytest.mark.parametrize(
    ("change", "identifier"),
    [
        ({"peers": ("theora",)}, "HYP-E-CLI-03"),
        ({"metrics": ("vmaf",)}, "HYP-E-CLI-03"),
        ({"every": 0}, "HYP-E-CLI-03"),
        ({"rungs": (Fraction(3, 2),)}, "HYP-E-CLI-03"),
        ({"bitrate": 0}, "HYP-E-CLI-03"),
        ({"duration": 0}, "HYP-E-CLI-03"),
        ({"peers": ("x264",)}, "HYP-E-CLI-03"),
        ({"start": 99.0, "peers": ("x264",), "bitrate": 1e5}, "HYP-E-IN-05"),
        ({"candidates": ["absent.hyp"]}, "HYP-E-CLI-01"),
    ],
)
def test_wrong_wishes_have_typed_errors(
    source: Path, change: dict[str, object], identifier: str
) -> None:
    with pytest.raises(errors.CLASSES[identifier]):
        compare(source, **{"peers": (), **change})  # type: ignore[arg-type]


def test_sources_without_video_are_refused(folder: Path) -> None:
    text = folder / "noise.bin"
    text.write_bytes(b"no video" * 50)
    with pytest.raises(errors.HypError) as caught:
        compare(text, peers=("x264",), bitrate=1e5)
    assert caught.value.id in ("HYP-E-IN-01", "HYP-E-IN-02")


# ------------------------------------------------------------------------------- tables and report


def test_csv_has_a_row_a_picture_and_codec(found: Comparison, folder: Path) -> None:
    found.to_csv(folder / "pictures.csv")
    found.to_summary_csv(folder / "summary.csv")
    rows = list(csv.DictReader(io.StringIO((folder / "pictures.csv").read_text())))
    assert len(rows) == COUNT * len(found.results)
    assert float(rows[5]["psnr_y"]) == pytest.approx(found.results[0].scores["psnr_y"][5], rel=1e-5)
    assert rows[1]["ms_ssim"] == ""
    summary = list(csv.DictReader(io.StringIO((folder / "summary.csv").read_text())))
    assert [row["codec"] for row in summary] == ["x264", "x265"]
    assert int(summary[0]["psnr_y_count"]) == COUNT


def test_a_report_that_cannot_be_written_is_a_typed_error(found: Comparison, folder: Path) -> None:
    with pytest.raises(errors.CLASSES["HYP-E-CLI-02"]):
        found.to_csv(folder / "no such folder" / "pictures.csv")


def test_terminal_table_names_everything(found: Comparison) -> None:
    from rich.console import Console

    console = Console(width=160, file=io.StringIO())
    console.print(tables.rich_table(found))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    for word in ("x264", "x265", "PSNR-Y", "MS-SSIM", "source.mkv"):
        assert word in text


class Page(HTMLParser):
    """Collects what a page would load, and checks that elements are closed in order."""

    VOID = frozenset({"meta", "img", "br", "link", "input", "path", "use", "rect"})

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.open: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("src", "href", "srcset", "action", "poster") and value:
                self.loads.append(value)
            if name == "id" and value:
                self.ids.append(value)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


def test_report_is_one_file_without_references(found: Comparison, folder: Path) -> None:
    found.to_html(folder / "report.html")
    text = (folder / "report.html").read_text()
    assert not re.search(r"(https?:)?//[a-z0-9]+\.[a-z]", text, re.IGNORECASE)
    page = Page()
    page.feed(text)
    assert page.open == []
    assert page.loads
    assert all(value.startswith(("data:image/webp;base64,", "#")) for value in page.loads)
    assert len(page.ids) == len(set(page.ids))
    references = {value[1:] for value in page.loads if value.startswith("#")}
    assert references <= set(page.ids)
    for result in found.results:
        assert text.count(result.label) > 3


def test_report_escapes_names(found: Comparison) -> None:
    import dataclasses

    named = dataclasses.replace(
        found, source=dataclasses.replace(found.source, name="<script>x</script>.mkv")
    )
    assert "<script>x" not in report.render(named)


def test_verdict_speaks_in_both_directions(found: Comparison) -> None:
    import dataclasses

    def with_scores(hyp: float, peer: float) -> Comparison:
        first, second = found.results
        results = (
            dataclasses.replace(first, label="HYP", kind="hyp", scores={"ms_ssim": {0: hyp}}),
            dataclasses.replace(second, scores={"ms_ssim": {0: peer}}),
        )
        return dataclasses.replace(found, results=results, measures={"ms_ssim": 1})

    assert "HYP is 25 % better" in report.verdict(with_scores(0.75, 0.6))
    assert "HYP is 20 % worse" in report.verdict(with_scores(0.6, 0.75))
    assert "equal" in report.verdict(with_scores(0.7, 0.7))
    assert report.verdict(found).startswith(("x264", "x265"))


def test_codecs_keep_their_colours(found: Comparison) -> None:
    palette = plots.colours(found.results)
    assert palette == {"x264": plots.PEER_COLOURS["x264"], "x265": plots.PEER_COLOURS["x265"]}


def test_facts_of_a_file(folder: Path, found: Comparison) -> None:
    facts = media_facts(folder / "cache" / found.results[0].file)
    assert facts.pictures == COUNT
    assert facts.side_bytes == 0
    assert 0 < sum(size for _, size in facts.sizes) < facts.bytes
    assert facts.sizes[0][0] == 0


def test_unknown_encoders_are_left_out_and_said(
    source: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PeerCodec, "available", property(lambda codec: codec.id != "x265"))
    result = compare(
        source,
        peers=("x264", "x265"),
        bitrate=TARGET,
        metrics=("psnr_y",),
        rungs=(Fraction(1), Fraction(1, 2)),
        cache=folder / "cache",
        instants=0,
    )
    assert [r.label for r in result.results] == ["x264"]
    assert any("x265 was left out" in note for note in result.notes)


@pytest.mark.skipif(not hasattr(os, "sched_setscheduler"), reason="Linux only")
def test_an_encoder_leaves_the_scheduling_as_it_was() -> None:
    before = os.sched_getscheduler(0)
    try:
        with scheduling_kept():
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:
        pytest.skip("only root may be real-time, so no encoder can be")
    assert os.sched_getscheduler(0) == before
