"""The range decoder inverts the encoder, agrees with the specification, and survives any bytes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.generators.plain_model import plain_tables
from refcodec import errors
from refcodec.entropy.range_coder import ALL, RangeDecoder, RangeEncoder, count_bits
from spec.model import range_decoding

CDF, ESCAPE_ORDER = plain_tables()
Case = tuple[np.ndarray, np.ndarray, np.ndarray]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Means, scale indices and values (C,H,W); values near their mean or anywhere."""
    shape = draw(st.tuples(st.integers(1, 5), st.integers(1, 6), st.integers(1, 6)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    mean = rng.integers(-1016, 1017, shape).astype(np.int16)
    scale = rng.integers(0, 40, shape).astype(np.int16)
    base = (mean + 4) >> 3
    spread = draw(st.sampled_from([0, 1, 10, 200, 5000]))
    values = np.clip(base + np.round(rng.laplace(size=shape) * spread), -2047, 2047)
    return mean, scale, np.where(scale > 0, values, base).astype(np.int16)


def encode(case: Case) -> bytes:
    encoder = RangeEncoder()
    for parity in (0, 1, ALL):
        encoder.encode(case[0], case[1], parity, case[2])
    return encoder.finish()


def decode(data: bytes, case: Case) -> tuple[np.ndarray, np.ndarray]:
    decoder = RangeDecoder(data)
    halves, whole = np.zeros_like(case[2]), np.zeros_like(case[2])
    decoder.decode(case[0], case[1], 0, halves)
    decoder.decode(case[0], case[1], 1, halves)
    decoder.decode(case[0], case[1], ALL, whole)
    decoder.finish()
    return halves, whole


@given(cases())
@settings(max_examples=150, deadline=None)
def test_decoding_inverts_encoding(case: Case) -> None:
    data = encode(case)
    halves, whole = decode(data, case)
    np.testing.assert_array_equal(halves, case[2])
    np.testing.assert_array_equal(whole, case[2])


@given(cases())
@settings(max_examples=60, deadline=None)
def test_the_estimate_is_the_length(case: Case) -> None:
    bits = sum(count_bits(case[0], case[1], parity, case[2]) for parity in (0, 1, ALL))
    # 24 bits below the top byte are never written, and a range just above 2^24 wastes at most 1/512
    assert bits - 1 <= 8 * len(encode(case)) <= bits * 1.003 + 17


@given(cases())
@settings(max_examples=60, deadline=None)
def test_a_byte_more_is_an_error(case: Case) -> None:
    data = encode(case)
    with pytest.raises(errors.CLASSES["HYP-E-ENT-02"]):
        decode(data + b"\0", case)
    with pytest.raises(
        errors.HypError
    ):  # another byte may change what is decoded before it is left over
        decode(data + b"\xff", case)


def specified(data: bytes, case: Case) -> list[list[list[int]]] | str:
    """Decode all elements in one pass as the specification does: the values or the id of the error."""
    mean, scale, _ = case
    try:
        decoder = range_decoding.RangeDecoder(data)
        values = [
            [
                [
                    range_decoding.decode_latent(decoder, CDF, ESCAPE_ORDER, int(m), int(s))
                    for m, s in zip(*rows, strict=True)
                ]
                for rows in zip(mean[c], scale[c], strict=True)
            ]
            for c in range(len(mean))
        ]
        range_decoding.check_end(decoder)
    except range_decoding.RangeError as error:
        return str(error.args[0])
    return values


def fast(data: bytes, case: Case) -> list[list[list[int]]] | str:
    mean, scale, values = case
    out = np.zeros_like(values)
    try:
        decoder = RangeDecoder(data)
        decoder.decode(mean, scale, ALL, out)
        decoder.finish()
    except errors.HypError as error:
        return error.id
    result: list[list[list[int]]] = out.tolist()
    return result


@given(cases(), st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_what_networks_give_is_clamped_while_it_is_read(case: Case, seed: int) -> None:
    """Means and scale indices beyond their ranges, and with channels last as the networks leave them."""
    rng = np.random.default_rng(seed)
    mean, scale, values = case
    raw_mean = np.where(rng.random(mean.shape) < 0.3, mean * np.int16(32), mean)
    raw_scale = np.where(rng.random(mean.shape) < 0.3, (scale - 20) * np.int16(800), scale)
    mean, scale = np.clip(raw_mean, -1016, 1016), np.clip(raw_scale, 0, 39)
    values = np.where(scale > 0, values, (mean + 4) >> 3).astype(np.int16)
    last = np.concatenate([raw_mean, raw_scale]).transpose(1, 2, 0).copy().transpose(2, 0, 1)
    given_mean, given_scale = last[: len(mean)], last[len(mean) :]
    data = encode((mean, scale, values))
    assert encode((given_mean, given_scale, values)) == data
    assert count_bits(given_mean, given_scale, ALL, values) == count_bits(mean, scale, ALL, values)
    for found in decode(data, (given_mean, given_scale, values)):
        np.testing.assert_array_equal(found, values)


@given(cases(), st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_any_bytes_decode_as_specified(case: Case, data: bytes) -> None:
    assert fast(data, case) == specified(data, case)


@given(cases(), st.data())
@settings(max_examples=200, deadline=None)
def test_damaged_prompts_decode_as_specified(case: Case, draws: st.DataObject) -> None:
    encoder = RangeEncoder()
    encoder.encode(case[0], case[1], ALL, case[2])
    data = bytearray(encoder.finish())
    assert specified(bytes(data), case) == case[2].tolist()
    if draws.draw(st.booleans()):
        data = data[: draws.draw(st.integers(0, len(data)))]
    elif data:
        data[draws.draw(st.integers(0, len(data) - 1))] ^= 1 << draws.draw(st.integers(0, 7))
    assert fast(bytes(data), case) == specified(bytes(data), case)


@given(cases())
@settings(max_examples=40, deadline=None)
def test_no_other_bytes_decode_to_the_same_latents(case: Case) -> None:
    encoder = RangeEncoder()
    encoder.encode(case[0], case[1], ALL, case[2])
    data = encoder.finish()
    for last in {(data[-1] + 1) & 255, (data[-1] - 1) & 255}:
        assert fast(data[:-1] + bytes([last]), case) != case[2].tolist()
    assert fast(data[:-1], case) != case[2].tolist()
