"""Restoration: equal to its plain counterpart, its networks checked and found, decoded, and chosen by the encoder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import cache
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from conformance.generators import tiny_stream
from conformance.generators.random_restoration import random_network, write_random_restoration
from refcodec import errors
from refcodec.container import open_reader
from refcodec.decoder import decode
from refcodec.decoder.backends import BACKENDS
from refcodec.encoder import EncoderSettings, encode
from refcodec.encoder.perceptual_measure import distance, seen
from refcodec.encoder.picture_store import StoredPictures
from refcodec.encoder.resizing import CodedSize
from refcodec.encoder.restoration_choice import (
    RestorationJob,
    best_gain,
    restored_distances,
    run_restoration_job,
)
from refcodec.encoder.restoration_networks import network_for
from refcodec.intnet.backends import VECTOR, available
from refcodec.intnet.graph import Network
from refcodec.intnet.model_file import write_model_file
from refcodec.intnet.random_graph import Builder
from refcodec.picture import Picture
from refcodec.restoration import (
    RestorationModel,
    Restorer,
    each_gain,
    find_restoration,
    load_restoration,
    shipped_restoration,
)
from refcodec.restoration.model import NETWORK
from refcodec.upscaling import Upscaler
from spec.build.example import load_model_dictionary
from spec.model.restoration import restore
from tests.unit.test_encode import write_source


@cache
def network_of(seed: int) -> tuple[RestorationModel, dict[str, Any]]:
    """Return a random network, checked, and as the executable document takes it."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "restoration.safetensors"
        write_random_restoration(path, seed, (2, 4, 8)[seed])
        return load_restoration(path), load_model_dictionary(path)["networks"][NETWORK]


def picture_of(seed: int, width: int, height: int) -> Picture:
    rng = np.random.default_rng(seed)
    chroma = (-(-height // 2), -(-width // 2))
    sizes = ((height, width), chroma, chroma)
    return Picture(*(rng.integers(0, 256, size, np.uint8) for size in sizes))


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    width=st.integers(1, 23),
    height=st.integers(1, 23),
    gain=st.integers(1, 3),
    backend=st.sampled_from([n for n in available() if n in ("numpy", "numba", *VECTOR)]),
)
@example(seed=0, width=1, height=1, gain=3, backend="numba")
@example(seed=0, width=23, height=2, gain=2, backend="numpy")
def test_equals_the_plain_counterpart(
    seed: int, width: int, height: int, gain: int, backend: str
) -> None:
    model, plain = network_of(seed % 3)
    picture = picture_of(seed, width, height)
    found = Restorer(model, gain, backend).restore(picture)
    assert found.y.tolist() == restore(picture.y.tolist(), plain, gain)
    assert found.u is picture.u
    assert found.v is picture.v


@pytest.mark.parametrize(
    ("rung", "name"),
    [
        (Fraction(1), "restoration_whole"),
        (Fraction(5, 6), "restoration_two_thirds"),
        (Fraction(2, 3), "restoration_two_thirds"),
        (Fraction(1, 2), "restoration_half"),
        (Fraction(1, 3), "restoration_third"),
        (Fraction(1, 4), "restoration_third"),
    ],
)
def test_sizes_have_the_network_that_was_taught_with_them(rung: Fraction, name: str) -> None:
    assert network_for(rung) is shipped_restoration(name)


def test_distances_by_gain_are_those_of_restored_pictures() -> None:
    source, shown = picture_of(3, 48, 64), picture_of(4, 48, 64)
    variants = each_gain(network_for(Fraction(1, 2)), shown)
    found = restored_distances(seen(source), shown, Fraction(1, 2))
    plain, _, full, _ = (distance(seen(source), seen(variant)) for variant in variants)
    assert found[0] == plain
    assert full < found[2] < 1.1 * full


def test_each_gain_is_what_a_restorer_makes() -> None:
    model, picture = network_of(1)[0], picture_of(3, 19, 14)
    unrestored, *restored = each_gain(model, picture)
    assert unrestored is picture
    assert [each.sha256() for each in restored] == [
        Restorer(model, gain).restore(picture).sha256() for gain in (1, 2, 3)
    ]


def test_gains_beyond_the_syntax_are_refused() -> None:
    for gain in (0, 4):
        with pytest.raises(ValueError, match=r"1\.\.3"):
            Restorer(network_of(0)[0], gain)


def changed_node(number: int, **changes: Any) -> Callable[[Network], Network]:
    def change(network: Network) -> Network:
        nodes = list(network.nodes)
        nodes[number] = replace(nodes[number], **changes)
        return replace(network, nodes=tuple(nodes))

    return change


def changed_input(**changes: Any) -> Callable[[Network], Network]:
    return lambda network: replace(network, inputs=(replace(network.inputs[0], **changes),))


DEFECTS: dict[str, tuple[str, Callable[[Network], Network]]] = {
    "another input": ("HYP-E-NET-09", lambda n: renamed(n, "luma", "picture")),
    "another output": ("HYP-E-NET-09", lambda n: renamed(n, "detail", "residual")),
    "a narrow input": ("HYP-E-NET-09", changed_input(lo=-100)),
    "detail of half the size": ("HYP-E-NET-09", lambda _: halved()),
    "wide detail": (
        "HYP-E-NET-09",
        lambda n: changed_node(-1, hi=300)(changed_node(-2, hi=300)(n)),
    ),
    "too many multiplications": ("HYP-E-NET-08", lambda _: random_network(0, 24)),
}


def renamed(network: Network, old: str, new: str) -> Network:
    def name(tensor: str) -> str:
        return new if tensor == old else tensor

    return replace(
        network,
        inputs=tuple(replace(item, name=name(item.name)) for item in network.inputs),
        nodes=tuple(
            replace(n, inputs=tuple(map(name, n.inputs)), output=name(n.output))
            for n in network.nodes
        ),
        outputs=tuple(map(name, network.outputs)),
        channels={name(tensor): count for tensor, count in network.channels.items()},
    )


def halved() -> Network:
    builder = Builder(NETWORK, np.random.default_rng(0))
    x = builder.shuffle("space_to_depth", builder.input("luma", 1, -128, 127), 2)
    return builder.build([builder.conv("conv3x3", x, 1, -128, 127, name="detail")])


@pytest.mark.parametrize(("error_id", "defect"), DEFECTS.values(), ids=DEFECTS)
def test_each_defect_has_its_error(
    tmp_path: Path, error_id: str, defect: Callable[[Network], Network]
) -> None:
    path = tmp_path / "restoration.safetensors"
    write_model_file(path, NETWORK, {NETWORK: random_network(0)}, {}, {})
    load_restoration(path)
    write_model_file(path, NETWORK, {NETWORK: defect(random_network(0))}, {}, {})
    with pytest.raises(errors.CLASSES[error_id]):
        load_restoration(path)


def test_a_generator_is_no_restoration_network() -> None:
    from refcodec.intnet.installed import MODELS

    with pytest.raises(errors.CLASSES["HYP-E-NET-09"]):
        load_restoration(MODELS / "core.safetensors")


def test_networks_are_found_by_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = write_random_restoration(tmp_path / "restoration-test.safetensors", 5)
    with pytest.raises(errors.CLASSES["HYP-E-SEQ-19"]):
        find_restoration(digest)
    monkeypatch.setenv("HYP_MODELS", str(tmp_path))
    assert find_restoration(digest).digest == digest
    shipped = find_restoration()
    assert find_restoration(shipped.digest) is shipped
    write_random_restoration(tmp_path / "restoration.safetensors", 6)
    assert find_restoration().digest == shipped.digest
    (tmp_path / "restoration-broken.safetensors").write_bytes(b"not a model")
    assert find_restoration(digest).digest == digest
    with pytest.raises(errors.HypError) as found:
        find_restoration(bytes(32))
    assert found.value.source == str(tmp_path / "restoration-broken.safetensors")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("presentation", [(32, 32), (49, 33)])
def test_decoded_pictures_are_restored_after_upscaling(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    backend: str,
    presentation: tuple[int, int],
) -> None:
    stream = tiny_stream.build(
        tmp_path / "tiny.hyp",
        presentation=presentation,
        generated=(True, False),
        restoration_gain=2,
    )
    with pytest.raises(errors.CLASSES["HYP-E-SEQ-19"]):
        list(decode(stream.path, model=stream.model, backend=backend))
    coded = list(decode(stream.path, model=stream.model, backend=backend, presentation=False))
    monkeypatch.setenv("HYP_MODELS", str(tmp_path))
    shown = list(decode(stream.path, model=stream.model, backend=backend))
    assert len(shown) == len(coded) == stream.picture_count
    upscaler = Upscaler(32, 32, *presentation)
    restorer = Restorer(load_restoration(tmp_path / "restoration-random.safetensors"), 2)
    for ours, theirs in zip(shown, coded, strict=True):
        upscaled = upscaler.upscale(theirs.picture.planes)
        assert not ours.picture.same_as(upscaled)
        assert ours.picture.same_as(restorer.restore(upscaled))


def test_memory_of_restoration_is_granted_or_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYP_MODELS", str(tmp_path))
    needed = {}
    for gain in (0, 2):
        stream = tiny_stream.build(
            tmp_path / f"{gain}.hyp", presentation=(64, 64), generated=False, restoration_gain=gain
        )
        with pytest.raises(errors.CLASSES["HYP-E-LVL-09"]) as refused:
            list(decode(stream.path, threads=2, memory=1))
        needed[gain] = refused.value.value
        assert len(list(decode(stream.path, threads=2, memory=needed[gain]))) == 8
    assert needed[2] - needed[0] == 2 * 64 * 64 * 64


def test_decodes_for_the_choice_have_the_model_that_was_encoded_with(tmp_path: Path) -> None:
    """It need not be installed."""
    stream = tiny_stream.build(tmp_path / "tiny.hyp", segments=1)
    shown = [each.picture for each in decode(stream.path, model=stream.model)]
    (tmp_path / "pictures").write_bytes(b"".join(picture.tobytes() for picture in shown))
    pictures = StoredPictures(tmp_path / "pictures", CodedSize(32, 32), len(shown))
    job = RestorationJob(stream.path.read_bytes(), pictures, 32, 32, Fraction(1), stream.model_path)
    unrestored, *restored = run_restoration_job(job)
    assert unrestored == 0
    assert min(restored) > 0


@pytest.mark.parametrize(
    ("distances", "gain"),
    [
        ([[0.5, 0.4, 0.3, 0.35]], 2),
        ([[0.5, 0.4, 0.39, 0.38]], 3),
        ([[0.5, 0.51, 0.495, 0.6]], 2),
        ([[0.5, 0.4, 0.6, 0.7], [0.2, 0.35, 0.5, 0.6]], 0),
        ([[0.5, 0.3, 0.6, 0.7], [0.2, 0.25, 0.5, 0.6]], 1),
    ],
)
def test_gain_suits_all_segments_together(distances: list[list[float]], gain: int) -> None:
    assert best_gain(distances) == gain


@pytest.mark.parametrize("wanted", [0, 3, "auto"])
def test_encoder_writes_the_gain_that_was_asked_for_or_that_measures_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: Any
) -> None:
    source = write_source(tmp_path / "source.mkv", count=6, cut=6)
    encoder = import_module("refcodec.encoder.encode")
    monkeypatch.setattr(encoder, "SMALLEST_RESTORED", 100)
    monkeypatch.setattr(encoder, "best_gain", lambda distances: len(distances[0]) - 2)
    report = encode(
        source,
        tmp_path / "coded.hyp",
        EncoderSettings(bitrate=80_000, preset="fast", workers=1, restoration=wanted),
    )
    expected = 2 if wanted == "auto" else wanted
    assert report.restoration_gain == expected
    reader = open_reader(tmp_path / "coded.hyp")
    try:
        header = reader.sequence_header
    finally:
        reader.close()
    assert header.restoration_gain == expected
    assert bytes(header.restoration_digest) == (
        network_for(report.rung).digest if expected else b""
    )


def test_small_files_are_not_made_larger_by_a_digest(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source.mkv", count=6, cut=6)
    settings = EncoderSettings(bitrate=80_000, preset="fast", workers=1)
    assert encode(source, tmp_path / "coded.hyp", settings).restoration_gain == 0


def test_without_the_network_that_ships_nothing_is_restored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its absence is no reason to refuse an encode."""
    source = write_source(tmp_path / "source.mkv", count=6, cut=6)
    monkeypatch.setattr("refcodec.intnet.installed.MODELS", tmp_path)
    settings = EncoderSettings(bitrate=80_000, preset="fast", workers=1, keyframes="coded")
    report = encode(source, tmp_path / "coded.hyp", settings)
    assert report.restoration_gain == 0
    assert any("restor" in note for note in report.notes)
