"""Keyframes stand at cuts, not at fades, flashes or movement, and never too far apart."""

from __future__ import annotations

import numpy as np
import pytest

from refcodec.encoder.scene_cuts import FeatureExtractor, find_cuts, place_keyframes
from refcodec.picture import Picture

WIDTH, HEIGHT = 320, 192


def scene(seed: int) -> np.ndarray:
    """A picture with structure at several scales, float 0..255, twice as wide as the shown part."""
    rng = np.random.default_rng(seed)
    total = np.zeros((HEIGHT, 2 * WIDTH))
    for cell in (64, 32, 16):
        coarse = rng.uniform(-1, 1, (HEIGHT // cell + 1, 2 * WIDTH // cell + 1))
        total += cell * np.kron(coarse, np.ones((cell, cell)))[:HEIGHT, : 2 * WIDTH]
    low, high = rng.uniform(0, 60), rng.uniform(150, 255)
    total = (total - total.min()) / (total.max() - total.min())
    return low + total * (high - low)


def picture(samples: np.ndarray) -> Picture:
    y = np.ascontiguousarray(np.clip(samples, 0, 255).astype(np.uint8))
    chroma = np.full((HEIGHT // 2, WIDTH // 2), 128, np.uint8)
    return Picture(y, chroma, chroma)


def shot(seed: int, count: int, speed: int = 2) -> list[np.ndarray]:
    """A pan over a scene."""
    wide = scene(seed)
    return [wide[:, k * speed : k * speed + WIDTH] for k in range(count)]


def cuts(frames: list[np.ndarray]) -> list[int]:
    extract = FeatureExtractor()
    return find_cuts([extract(picture(frame)) for frame in frames])


@pytest.mark.parametrize("seed", range(8))
def test_cut_is_found_at_its_picture(seed: int) -> None:
    assert cuts(shot(2 * seed, 20) + shot(2 * seed + 1, 20)) == [20]


def test_cut_between_shots_of_equal_brightness_is_found() -> None:
    first = shot(0, 20)
    turned = [frame[:, ::-1] for frame in shot(0, 20)]
    assert cuts(first + turned) == [20]


@pytest.mark.parametrize("speed", [0, 1, 4, 8])
def test_movement_is_no_cut(speed: int) -> None:
    assert cuts(shot(3, 40, speed)) == []


@pytest.mark.parametrize("length", [8, 15, 30])
def test_fades_are_no_cuts(length: int) -> None:
    a, b = scene(1)[:, :WIDTH], scene(2)[:, :WIDTH]
    dissolve = [a + (b - a) * k / length for k in range(length + 1)]
    black = [a * (1 - k / length) for k in range(length + 1)]
    assert cuts([a] * 10 + dissolve + [b] * 10) == []
    assert cuts([a] * 10 + black + black[::-1] + [a] * 10) == []


def test_still_pictures_have_no_cut() -> None:
    assert cuts([scene(5)[:, :WIDTH]] * 30) == []


def place(frames: list[np.ndarray], rate: float = 25.0, **options: float) -> list[int]:
    extract = FeatureExtractor()
    features = [extract(picture(frame)) for frame in frames]
    times = [k / rate for k in range(len(frames) + 1)]
    values = {"interval": 5.0, "minimum_interval": 0.4} | options
    return place_keyframes(times, features, **values)  # type: ignore[arg-type]


def test_long_shots_are_divided_into_equal_parts() -> None:
    starts = place([scene(5)[:, :WIDTH]] * 260)
    assert starts == [0, 87, 174] or starts == [0, 86, 173]
    assert place([scene(5)[:, :WIDTH]] * 125) == [0]


def test_cut_soon_after_a_keyframe_gets_none() -> None:
    frames = shot(0, 20) + shot(1, 5) + shot(2, 20)
    starts = place(frames)
    assert 20 in starts
    assert 25 not in starts


def test_no_segment_is_longer_than_the_interval_or_has_too_many_pictures() -> None:
    frames = shot(0, 70, 1) + shot(1, 90, 1)
    starts = [*place(frames, interval=1.0), len(frames)]
    assert max(np.diff(starts)) <= 25
    assert min(np.diff(starts)) >= 10
    starts = [*place(frames, longest=7), len(frames)]
    assert max(np.diff(starts)) <= 7


def test_variable_rate_is_divided_by_time() -> None:
    times = [0.0, 0.1, 0.2, 0.3, 5.0, 5.1, 9.0, 10.0]
    extract = FeatureExtractor()
    features = [extract(picture(scene(5)[:, :WIDTH])) for _ in times[:-1]]
    starts = place_keyframes(times, features, interval=5.0, minimum_interval=0.4)
    assert starts == [0, 4]
