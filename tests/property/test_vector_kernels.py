"""The vector kernels agree with the plain ones at every width, with and without the instructions' special cases."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refcodec.intnet import evaluate_numpy
from refcodec.intnet.backends import available, evaluator, resolve
from refcodec.intnet.graph import Network, Node
from refcodec.intnet.plan import make_groups
from refcodec.intnet.programs import find_shortcuts
from refcodec.intnet.random_graph import Builder
from refcodec.intnet.store import Store

VECTOR = [name for name in ("avx2", "avxvnni", "vnni") if name in available()]
RANGES = [(-128, 127), (0, 255), (-2047, 2047), (-32768, 32767), (-300, -60), (32512, 32767)]


@st.composite
def layers(draw: st.DrawFn) -> Network:
    """One convolution: widths around the lanes of a vector, inputs of 8 and of 16 bits, sums up to the bound."""
    builder = Builder("layer", np.random.default_rng(draw(st.integers(0, 2**32))))
    op = draw(st.sampled_from(["conv1x1", "conv3x3", "depthwise3x3"]))
    channels = draw(st.sampled_from([1, 2, 3, 4, 15, 16, 17, 32, 48, 64, 80]))
    x = builder.input("x", channels, *draw(st.sampled_from(RANGES)))
    outputs = draw(st.sampled_from([1, 7, 8, 9, 15, 16, 17, 33, 48, 64, 65, 80, 128]))
    lo, hi = draw(st.sampled_from(RANGES))
    return builder.build([builder.conv(op, x, outputs, lo, hi, extreme=draw(st.booleans()))])


@pytest.mark.parametrize("backend", VECTOR)
@given(layers(), st.integers(0, 2**32), st.integers(1, 7), st.integers(1, 9), st.booleans())
@settings(max_examples=150, deadline=None)
def test_products_and_filters_agree_with_the_reference(
    backend: str, network: Network, seed: int, height: int, width: int, ends: bool
) -> None:
    rng = np.random.default_rng(seed)
    item = network.inputs[0]
    shape = (item.channels, height, width)
    x = rng.choice([item.lo, item.hi], shape) if ends else rng.integers(item.lo, item.hi + 1, shape)
    given_x = {"x": x.astype(np.int16)}
    (expected,) = evaluate_numpy.evaluate(network, given_x).values()
    (found,) = evaluator(backend)(network, given_x, 1).values()
    np.testing.assert_array_equal(found, expected)


@st.composite
def chains(draw: st.DrawFn) -> Network:
    """Layers as those that are fused: 8-bit tensors between products, sums of a product and another tensor,
    requantisations that change nothing; some read twice or kept as outputs, which forbids it."""
    builder = Builder("chain", np.random.default_rng(draw(st.integers(0, 2**32))))
    channels = st.sampled_from([16, 24, 32, 48, 80])
    extreme = draw(st.booleans())
    x = builder.input("x", draw(channels), *draw(st.sampled_from(RANGES)))
    narrow = st.sampled_from([(-128, 127), (0, 255), (-5, 3), (-400, -145), (32512, 32767)])
    tensors, inner = [x], []
    for _ in range(draw(st.integers(1, 7))):
        kind = draw(
            st.sampled_from(["block", "requantise", "filter", "mix", "expand", "sum", "same"])
        )
        source = draw(st.sampled_from(tensors[-3:]))
        if kind == "block":
            tensors.append(builder.block(source, draw(st.sampled_from([1, 2]))))
        elif kind == "requantise":
            tensors.append(builder.requantise(source, *draw(narrow)))
        elif kind == "filter":
            tensors.append(builder.conv("depthwise3x3", source, 0, *draw(narrow), extreme=extreme))
        elif kind == "mix":
            given_x = builder.requantise(source, *draw(narrow)) if draw(st.booleans()) else source
            y = builder.conv("conv3x3", given_x, draw(channels), *draw(narrow), extreme=extreme)
            tensors.append(y)
        elif kind == "expand":
            tensors.append(
                builder.conv("conv1x1", source, draw(channels), *draw(narrow), extreme=extreme)
            )
        elif kind == "sum":
            wide = draw(st.sampled_from(RANGES))
            count = builder.channels[source]
            y = builder.conv("conv1x1", source, count, *wide, extreme=extreme)
            inner.append(y)
            both = [source, y] if draw(st.booleans()) else [y, source]
            tensors.append(builder.add(*both, *draw(st.sampled_from(RANGES))))
        else:
            tensors.append(
                builder.conv("conv1x1", source, draw(channels), -300, 300, extreme=extreme)
            )
            node = Node(
                "requantise",
                (tensors[-1],),
                f"same{len(tensors)}",
                -draw(st.sampled_from([200, 300, 2047])),
                2047,
                multiplier=np.ones(builder.channels[tensors[-1]], np.int32),
            )
            builder.nodes.append(node)
            builder.channels[node.output] = builder.channels[tensors[-1]]
            builder.ranges[node.output] = node.lo, node.hi
            tensors.append(node.output)
    also = draw(st.lists(st.sampled_from(tensors[1:] + inner), max_size=2, unique=True))
    return builder.build(list(dict.fromkeys([tensors[-1], *also])))


@pytest.mark.parametrize("backend", VECTOR)
@given(chains(), st.integers(0, 2**32), st.integers(1, 9), st.integers(1, 9), st.booleans())
@settings(max_examples=150, deadline=None)
def test_fused_layers_agree_with_the_reference(
    backend: str, network: Network, seed: int, height: int, width: int, ends: bool
) -> None:
    rng = np.random.default_rng(seed)
    item = network.inputs[0]
    shape = (item.channels, height, width)
    x = rng.choice([item.lo, item.hi], shape) if ends else rng.integers(item.lo, item.hi + 1, shape)
    given_x = {"x": x.astype(np.int16)}
    expected = evaluate_numpy.evaluate(network, given_x)
    for threads in (1, 2):
        found = evaluator(backend)(network, given_x, threads)
        for name, tensor in expected.items():
            np.testing.assert_array_equal(found[name], tensor)


@pytest.mark.parametrize("packs", [False, True])
def test_blocks_use_the_shortcuts(packs: bool) -> None:
    builder = Builder("blocks", np.random.default_rng(2))
    x = builder.input("x", 32, -2047, 2047)
    network = builder.build([builder.block(builder.block(x))])
    found = [find_shortcuts(network, group, packs) for group in make_groups(network)]
    assert [len(short.sums) for short in found] == [1, 1]
    assert [len(short.packed) for short in found] == [2 if packs else 0] * 2


def test_memory_in_use_is_never_given_out_again() -> None:
    store = Store()
    first, second = store.take((2, 3, 4)), store.take((24,))
    assert not np.shares_memory(first, second)
    place = first.ctypes.data
    view = first.transpose(2, 0, 1)[:1]
    del first
    assert store.take((24,)).ctypes.data not in (place, second.ctypes.data)
    del view
    assert store.take((24,)).ctypes.data == place


def test_auto_is_the_fastest_that_runs_without_torch() -> None:
    assert resolve("auto") == ["float32", *VECTOR][-1]


def test_unknown_backends_are_refused() -> None:
    with pytest.raises(ValueError, match="no backend"):
        evaluator("abacus")
