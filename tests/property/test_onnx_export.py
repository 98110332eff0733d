"""Exported ONNX models give the same integers as the reference, by onnxruntime and by the standard's own evaluator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from refcodec import errors, generator
from refcodec.intnet import evaluate_numpy, onnx_export
from refcodec.intnet.bounds import ACCUMULATOR_LIMIT, check_bounds
from refcodec.intnet.graph import Network
from refcodec.intnet.random_graph import Builder, random_network

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from onnx.reference import ReferenceEvaluator  # noqa: E402

from refcodec.intnet import evaluate_onnx  # noqa: E402


def random_inputs(network: Network, seed: int, side: int, ends: bool) -> dict[str, np.ndarray]:
    """Values over the declared ranges, or only their ends, which drive sums to their bounds."""
    rng = np.random.default_rng(seed)
    found = {}
    for item in network.inputs:
        shape = (item.channels, side, side + 4)
        whole = rng.choice([item.lo, item.hi], shape) if ends else None
        if whole is None:
            whole = rng.integers(item.lo, item.hi + 1, shape)
        found[item.name] = whole.astype(np.int16)
    return found


def as_pictures(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: value[None].astype(np.float32) for name, value in inputs.items()}


networks = st.builds(
    random_network, st.integers(0, 2**32), st.integers(1, 16), extreme=st.booleans()
)


@given(networks, st.integers(0, 2**32), st.sampled_from([4, 8, 20]), st.booleans())
@settings(max_examples=80, deadline=None)
def test_onnxruntime_agrees_with_the_reference(
    network: Network, seed: int, side: int, ends: bool
) -> None:
    inputs = random_inputs(network, seed, side, ends)
    expected = evaluate_numpy.evaluate(network, inputs)
    found = evaluate_onnx.evaluate(network, inputs)
    assert list(found) == list(expected)
    for name, tensor in expected.items():
        np.testing.assert_array_equal(found[name], tensor)


@given(networks, st.integers(0, 2**32), st.booleans())
@settings(max_examples=25, deadline=None)
def test_the_evaluator_of_the_onnx_standard_agrees_with_the_reference(
    network: Network, seed: int, ends: bool
) -> None:
    inputs = random_inputs(network, seed, 4, ends)
    expected = evaluate_numpy.evaluate(network, inputs)
    session = ReferenceEvaluator(onnx_export.to_onnx(network))
    found = session.run(list(network.outputs), as_pictures(inputs))
    for name, tensor in zip(network.outputs, found, strict=True):
        np.testing.assert_array_equal(tensor[0], expected[name])


@pytest.mark.parametrize("op", ["conv1x1", "conv3x3", "depthwise3x3"])
def test_sums_at_the_accumulator_bound_are_exact(op: str) -> None:
    # inputs of the weights' signs, so that the sums themselves, not only their bounds, come near 2^24
    builder = Builder("bound", np.random.default_rng(8))
    lo, hi = (-32767, 32767) if op == "depthwise3x3" else (-2047, 2047)
    x = builder.input("x", 60, lo, hi)
    network = builder.build([builder.conv(op, x, 8, -32768, 32767, extreme=True)])
    (node,) = network.nodes
    assert check_bounds(network).nodes[node.output].accumulator == ACCUMULATOR_LIMIT - 1
    assert node.weight is not None and node.bias is not None
    weight = node.weight.astype(np.int64).reshape(len(node.weight), -1)
    height = 3 if weight.shape[1] != 60 else 1
    sums = []
    for channel in range(len(weight)):
        sign = 1 if node.bias[channel] > 0 else -1
        taps = weight[channel].reshape(-1, height, height)
        worst = np.where(sign * taps > 0, hi, lo).astype(np.int16)
        given_x = np.broadcast_to(worst, (60, height, height)).copy()
        sums.append(
            abs(int((np.broadcast_to(taps, worst.shape) * worst).sum() + node.bias[channel]))
        )
        expected = evaluate_numpy.evaluate(network, {"x": given_x})
        found = evaluate_onnx.evaluate(network, {"x": given_x})
        np.testing.assert_array_equal(found[node.output], expected[node.output])
    assert max(sums) == ACCUMULATOR_LIMIT - 1


def test_the_command_writes_models_that_generate_the_same_picture(tmp_path: Path) -> None:
    from trainer.__main__ import app

    assert CliRunner().invoke(app, ["onnx", str(tmp_path)]).exit_code == 0
    model = generator.bundled(1)
    assert {path.stem for path in tmp_path.iterdir()} == set(model.file.networks)
    for name, network in model.file.networks.items():
        inputs = random_inputs(network, 5, 4, False)
        expected = evaluate_numpy.evaluate(network, inputs)
        session = onnxruntime.InferenceSession(
            tmp_path / f"{name}.onnx", providers=["CPUExecutionProvider"]
        )
        properties = session.get_modelmeta().custom_metadata_map
        assert properties["hyp.model_digest"] == model.digest.hex()
        assert [item.name for item in session.get_outputs()] == list(network.outputs)
        found = session.run(None, as_pictures(inputs))
        for output, tensor in zip(network.outputs, found, strict=True):
            np.testing.assert_array_equal(tensor[0], expected[output])
            lo, hi = map(int, properties[f"hyp.range.{output}"].split(".."))
            assert lo <= tensor.min() and tensor.max() <= hi


def test_a_missing_package_is_a_typed_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_export, "find_spec", lambda name: None)
    with pytest.raises(errors.CLASSES["HYP-E-CLI-04"]):
        onnx_export.to_onnx(random_network(1))
