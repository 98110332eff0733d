"""What goes wrong is said with an id, a place and advice, and with the exit code that the help promises."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from conformance.generators.tiny_stream import TinyStream
from refcodec import errors
from refcodec.cli import values
from refcodec.cli.reporting import EXIT_CODES, error_text
from refcodec.container import open_reader
from refcodec.generator import load_model
from refcodec.intnet.installed import shipped
from tests.cli.conftest import Hyp
from tests.unit.test_media_source import write_video

READING = ("info", "trace", "validate")


@pytest.mark.parametrize("command", [*READING, "decode", "export", "encode", "compare"])
def test_missing_input(hyp: Hyp, tmp_path: Path, command: str) -> None:
    more = {
        "decode": [tmp_path / "o.y4m"],
        "export": [tmp_path / "o.mp4"],
        "encode": [tmp_path / "o.hyp"],
    }
    result = hyp(command, tmp_path / "absent", *more.get(command, []))
    assert result.exit_code == 2
    assert "error HYP-E-CLI-01" in result.stderr and "what to do" in result.stderr
    assert "absent" in result.stderr
    assert os.listdir(tmp_path) == ["models"]


@pytest.mark.parametrize("command", READING)
@pytest.mark.parametrize("content", [b"", b"\0" * 1000, b"RIFF\x24\0\0\0WAVEfmt "])
def test_not_a_hyp_file(hyp: Hyp, tmp_path: Path, command: str, content: bytes) -> None:
    path = tmp_path / "other.hyp"
    path.write_bytes(content)
    result = hyp(command, path)
    assert result.exit_code == 1
    assert "HYP-E-FILE-01" in result.stderr + result.stdout


def test_decoding_what_is_no_hyp_file_writes_nothing(hyp: Hyp, tmp_path: Path) -> None:
    path = tmp_path / "other.hyp"
    path.write_bytes(b"\0" * 1000)
    result = hyp("decode", path, tmp_path / "o.y4m")
    assert result.exit_code == 1 and "HYP-E-FILE-01" in result.stderr
    assert not (tmp_path / "o.y4m").exists()


def test_truncated_file(hyp: Hyp, tiny: TinyStream, tmp_path: Path) -> None:
    """Everything before the cut is still there; what is lost is said, and the exit code is 1."""
    data = tiny.path.read_bytes()
    second = data.index(b"\xc7\xa9\x02", data.index(b"\xc7\xa9\x02") + 1)
    cut = tmp_path / "cut.hyp"
    cut.write_bytes(data[: second + 20])
    shown = hyp("info", cut)
    assert shown.exit_code == 1 and "HYP-E-UNIT-06" in shown.stderr
    assert "segments    1" in shown.stdout
    traced = hyp("trace", cut)
    assert traced.exit_code == 1 and "HYP-E-UNIT-06" in traced.stderr
    decoded = hyp("decode", cut, "--hashes")
    assert decoded.exit_code == 1 and len(decoded.stdout.splitlines()) == 3
    whole = hyp("decode", tiny.path, "--hashes").stdout.splitlines()
    assert decoded.stdout.splitlines() == whole[:3]
    checked = hyp("validate", cut)
    assert checked.exit_code == 1 and "HYP-UNIT-020" in checked.stdout
    assert f"{len(checked.stdout.splitlines()) - 1} findings; the first: " in checked.stdout


def test_damaged_unit_is_shown_where_it_is(hyp: Hyp, tiny: TinyStream, tmp_path: Path) -> None:
    data = bytearray(tiny.path.read_bytes())
    place = data.index(b"\xc7\xa9\x02") + 12
    data[place] ^= 0x10
    broken = tmp_path / "broken.hyp"
    broken.write_bytes(data)
    result = hyp("trace", broken, "--at", place)
    assert result.exit_code == 1
    assert "error HYP-E-UNIT-03" in result.stderr and "unit_crc" in result.stderr


@pytest.mark.parametrize("command", ["decode", "export"])
def test_output_in_no_folder(hyp: Hyp, tiny: TinyStream, tmp_path: Path, command: str) -> None:
    result = hyp(command, tiny.path, tmp_path / "no" / "folder" / "o.mp4")
    assert result.exit_code == 2 and "HYP-E-CLI-02" in result.stderr


def test_output_that_is_a_folder(hyp: Hyp, tiny: TinyStream, tmp_path: Path) -> None:
    result = hyp("decode", tiny.path, tmp_path)
    assert result.exit_code == 2 and "it is a folder" in result.stderr


def test_output_over_input(hyp: Hyp, tiny: TinyStream, tmp_path: Path) -> None:
    before = tiny.path.read_bytes()
    link = tmp_path / "same.hyp"
    link.symlink_to(tiny.path)
    result = hyp("decode", tiny.path, link)
    assert result.exit_code == 2 and "HYP-E-CLI-05" in result.stderr
    assert tiny.path.read_bytes() == before


def test_output_of_an_unknown_format(hyp: Hyp, tiny: TinyStream, tmp_path: Path) -> None:
    result = hyp("decode", tiny.path, tmp_path / "film.unheard-of")
    assert result.exit_code == 2 and "HYP-E-OUT-21" in result.stderr


def test_nothing_asked_for(hyp: Hyp, tiny: TinyStream) -> None:
    assert hyp("decode", tiny.path).exit_code == 2


def test_model_that_is_not_installed_is_unsupported(
    hyp: Hyp, tiny: TinyStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HYP_MODELS")
    result = hyp("decode", tiny.path, "--hashes")
    assert result.exit_code == 3 and "HYP-E-GEN-0" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--bitrate", "fast"], "--bitrate"),
        (["--bitrate", "3"], "--bitrate"),
        (["--size", "3/2"], "--size"),
        (["--size", "1/0"], "--size"),
        (["--start", "-1"], "--start"),
        (["--duration", "1:2:3:4"], "--duration"),
        (["--preset", "placebo"], "preset"),
        (["--quality", "200"], "quality"),
        (["--quality", "50", "--bitrate", "200k"], "bitrate"),
    ],
)
def test_option_out_of_range(
    hyp: Hyp, tiny: TinyStream, tmp_path: Path, arguments: list[str], named: str
) -> None:
    result = hyp("encode", tiny.path, tmp_path / "o.hyp", *arguments)
    assert result.exit_code == 2 and named in result.stderr
    assert not (tmp_path / "o.hyp").exists()


def test_every_error_class_has_an_exit_code() -> None:
    assert {kind.klass for kind in errors.CLASSES.values()} <= set(EXIT_CODES)


@pytest.mark.parametrize("error_id", list(errors.CLASSES))
def test_every_error_can_be_printed(error_id: str) -> None:
    text = error_text(errors.error(error_id, bit_offset=77, element="x", value=3, allowed=(1, 2)))
    assert text.startswith(f"error {error_id}: ") and "byte 9, bit 5" in text
    assert "allowed: 1..2" in text and "what to do: " in text


def test_values() -> None:
    assert values.bit_rate("1.5M") == 1_500_000 and values.bit_rate("200k") == 200_000
    assert float(values.seconds("1:02:03.5", "--start")) == 3723.5
    assert float(values.seconds("1:30", "--start")) == 90
    assert values.whole_number("0x1000", "--at") == 4096
    assert values.clock(3723) == "1:02:03" and values.rate_text(199_812) == "199.8 kbit/s"


@pytest.mark.parametrize("option", ["nothing=1", "targets=many", "targets", "steps=4"])
def test_fit_options_that_are_none_are_refused(hyp: Hyp, tmp_path: Path, option: str) -> None:
    source = tmp_path / "source.mkv"
    source.write_bytes(b"")
    result = hyp("encode", source, tmp_path / "o.hyp", "--fit", "2", "--fit-option", option)
    assert result.exit_code == 2
    assert "HYP-E-CLI-03" in result.stderr
    assert "following_weight" in result.stderr


def test_a_search_for_settings_refuses_before_it_encodes(
    hyp: Hyp, tiny: TinyStream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "results"
    monkeypatch.setattr("refcodec.metrics.lpips_weights.PROJECT_ROOT", tmp_path / "a" / "b")
    monkeypatch.chdir(tmp_path / "models")
    monkeypatch.delenv("HYP_LPIPS", raising=False)
    result = hyp("bench", "settings", tiny.path, "--out", out)
    assert result.exit_code == 2 and "HYP-E-CLI-01" in result.stderr and "LPIPS" in result.stderr
    (tmp_path / "lpips_alex_v0.1.npz").write_bytes(b"")
    monkeypatch.setenv("HYP_LPIPS", str(tmp_path))
    for text in ("deblock", "prompt-share=x"):
        result = hyp("bench", "settings", tiny.path, "--out", out, "--try", text, "--quiet")
        assert result.exit_code == 2 and "HYP-E-CLI-03" in result.stderr
    assert not out.exists()


@pytest.mark.parametrize(
    "wrong",
    [
        ("--variants", "ax"),
        ("--peers", "x264,av2"),
        ("--lpips", "no such folder"),
        ("--device", "abacus"),
        ("--out", "taken"),
    ],
)
def test_an_ablation_refuses_before_it_encodes(
    hyp: Hyp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: tuple[str, str]
) -> None:
    source = tmp_path / "source.mkv"
    write_video(source)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").write_bytes(b"")
    before = set(tmp_path.iterdir())
    common = ("--cache", tmp_path / "cache", "--quiet")
    options = ("--out", tmp_path / "out") if wrong[0] != "--out" else ()
    result = hyp("bench", "ablation", source, *common, *options, "--variants", "b", *wrong)
    assert result.exit_code == 2, result.stderr
    assert "error HYP-E-" in result.stderr and wrong[1].rpartition(",")[2] in result.stderr
    assert not list(tmp_path.rglob("*.hyp"))
    assert set(tmp_path.iterdir()) - before <= {tmp_path / "out", tmp_path / "cache"}


def test_generators_are_named_or_are_files(
    hyp: Hyp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source.mkv"
    write_video(source)
    monkeypatch.chdir(tmp_path)
    common = ("--bitrate", "100k", "--preset", "fast", "--keyframes", "generated", "--quiet")
    result = hyp("encode", source, tmp_path / "small.hyp", "--model", "core_small", *common)
    assert result.exit_code == 0, result.stderr
    with open_reader(tmp_path / "small.hyp") as reader:
        digest = bytes(reader.sequence_header.model_digest)
    assert digest == load_model(shipped("core_small")).digest
    absent = hyp("encode", source, tmp_path / "a.hyp", "--model", "core_smal", *common)
    assert absent.exit_code == 2 and "HYP-E-CLI-01" in absent.stderr
    # it ships for decoders, so no analysis weights lie beside it
    first = hyp("encode", source, tmp_path / "a.hyp", "--model", "core_first", *common)
    assert "HYP-E-GEN-04" in first.stderr and "core_first.analysis.safetensors" in first.stderr
    (tmp_path / "m.safetensors").write_bytes(shipped("core_small").read_bytes())
    (tmp_path / "m.analysis.safetensors").write_bytes(b"no weights")
    damaged = hyp("encode", source, tmp_path / "a.hyp", "--model", "m.safetensors", *common)
    assert "HYP-E-GEN-04" in damaged.stderr and "m.analysis.safetensors" in damaged.stderr
    assert not (tmp_path / "a.hyp").exists()
