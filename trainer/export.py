"""From a checkpoint to the shipped files: the integer model file and the encoder's analysis weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save
from torch import nn

from refcodec.container.atomic import output_file
from refcodec.fitting.trade import Trade
from refcodec.intnet.graph import Network, NetworkInput, Node
from refcodec.intnet.model_file import write_model_file
from trainer.graph import Conv, Range, Step, Value
from trainer.networks import SCALE_INDEX_LIMIT, Generator

ACCUMULATOR_LIMIT = 2**24 - 1
REQUANTISE_LIMIT = 2**31 - 1
MULTIPLIER_LIMIT = 2**15 - 1
SCALE_INDICES = 64


def step_of(step: Step) -> float:
    """Return a step as a Python float."""
    return float(step.value().detach())


def scale_to_integers(ratio: np.ndarray, bound: np.ndarray) -> tuple[np.ndarray, int]:
    """Return multipliers and a common shift with multiplier / 2^shift near `ratio` (both per channel).

    The shift is the largest for which bound * multiplier + half stays below 2^31.
    """
    for shift in range(30, -1, -1):
        multiplier = np.maximum(1, np.floor(ratio * 2.0**shift + 0.5)).astype(np.int64)
        half = 1 << (shift - 1) if shift else 0
        if (
            bound * multiplier + half <= REQUANTISE_LIMIT
        ).all() and multiplier.max() <= MULTIPLIER_LIMIT:
            return multiplier, shift
    raise ValueError("no shift keeps the requantisation inside 32 bits")


class GraphBuilder:
    """Writes one network as integer nodes; an executor in the sense of `trainer.graph`."""

    def __init__(self, name: str, inputs: Sequence[Value]) -> None:
        self.name = name
        self.nodes: list[Node] = []
        self.inputs = tuple(
            NetworkInput(str(v.data), v.channels, v.range.lo, v.range.hi) for v in inputs
        )
        self.channels = {item.name: item.channels for item in self.inputs}

    def _emit(
        self, op: str, inputs: Sequence[Value], channels: int, out: Range, **rest: Any
    ) -> Value:
        name = f"t{len(self.nodes)}"
        self.nodes.append(
            Node(op, tuple(str(v.data) for v in inputs), name, out.lo, out.hi, **rest)
        )
        self.channels[name] = channels
        return Value(name, channels, out)

    def conv(self, layer: Conv, x: Value, out: Range) -> Value:
        """Write a convolution whose weights absorb the rounding of the multipliers."""
        weight = layer.weight.detach().double().cpu().numpy()
        bias = layer.bias.detach().double().cpu().numpy()
        step_in, step_out = step_of(x.range.step), step_of(out.step)
        largest = max(-x.range.lo, x.range.hi)
        axes = (1, 2, 3)
        step_weight = np.maximum(np.abs(weight).max(axes), 1e-8) / 127
        # wide inputs or many of them: coarser weights rather than a sum that could pass 2^24
        total = np.abs(weight).sum(axes) * largest + np.abs(bias) / step_in
        step_weight = np.maximum(step_weight, total / (0.98 * ACCUMULATOR_LIMIT - 200 * largest))
        ratio = step_in * step_weight / step_out
        rough = np.abs(np.rint(weight / step_weight[:, None, None, None])).sum(axes) * largest
        rough += np.abs(np.rint(bias / (step_in * step_weight)))
        multiplier, shift = scale_to_integers(ratio, (rough * 1.02 + 1024).astype(np.int64))
        exact = step_out * multiplier / 2.0**shift / step_in
        integer = np.rint(weight / exact[:, None, None, None])
        integer = np.clip(integer, -127, 127).astype(np.int8)
        shape = {"conv1x1": (layer.outputs, layer.inputs), "depthwise3x3": (layer.outputs, 3, 3)}
        return self._emit(
            layer.kind, [x], layer.outputs, out,
            weight=integer.reshape(shape.get(layer.kind, integer.shape)),
            bias=np.rint(bias / (exact * step_in)).astype(np.int32),
            multiplier=multiplier.astype(np.int32), shift=shift,
        )  # fmt: skip

    def requantise(self, x: Value, out: Range) -> Value:
        """Write a requantisation with one multiplier for all channels."""
        ratio = np.full(x.channels, step_of(x.range.step) / step_of(out.step))
        bound = np.full(x.channels, max(-x.range.lo, x.range.hi), np.int64)
        multiplier, shift = scale_to_integers(ratio, bound)
        while shift and not (multiplier % 2).any():
            multiplier, shift = multiplier // 2, shift - 1
        return self._emit(
            "requantise", [x], x.channels, out, multiplier=multiplier.astype(np.int32), shift=shift
        )

    def add(self, a: Value, b: Value) -> Value:
        """Write a saturating addition."""
        return self._emit("add", [a, b], a.channels, a.range)

    def concat(self, values: Sequence[Value]) -> Value:
        """Write a concatenation of channels."""
        lo, hi = min(v.range.lo for v in values), max(v.range.hi for v in values)
        return self._emit(
            "concat",
            values,
            sum(v.channels for v in values),
            replace(values[0].range, lo=lo, hi=hi),
        )

    def gather(self, x: Value, index: Sequence[int]) -> Value:
        """Write a selection of channels."""
        return self._emit("gather_channels", [x], len(index), x.range, index=tuple(index))

    def pixel_shuffle(self, x: Value, r: int) -> Value:
        """Write a depth-to-space node."""
        return self._emit("pixel_shuffle", [x], x.channels // (r * r), x.range, factor=r)

    def space_to_depth(self, x: Value, r: int) -> Value:
        """Write a space-to-depth node."""
        return self._emit("space_to_depth", [x], x.channels * r * r, x.range, factor=r)

    def crop_like(self, x: Value, like: Value) -> Value:
        """Write a crop."""
        return self._emit("crop_like", [x, like], x.channels, x.range)

    def network(self, outputs: Mapping[str, Value]) -> Network:
        """Return the finished network with its outputs under their names in the specification."""
        names = {str(v.data): name for name, v in outputs.items()}
        nodes = tuple(
            replace(
                n,
                inputs=tuple(names.get(i, i) for i in n.inputs),
                output=names.get(n.output, n.output),
            )
            for n in self.nodes
        )
        channels = {names.get(key, key): count for key, count in self.channels.items()}
        return Network(self.name, self.inputs, nodes, tuple(outputs), channels)


def build_networks(model: Generator) -> dict[str, Network]:
    """Return the five normative networks."""
    a = model.architecture
    z = Value("hyper_latents", a.hyper_channels, model.z_range)
    q = Value("qplane", 1, model.q_range)
    h = Value("hyper_features", a.context_width, model.stream)
    values = Value("first_pass_values", a.latent_channels, model.value_range)
    latents = Value("latents", a.latent_channels, model.latent_range)
    features = Value("features", a.narrow, model.stream)
    low = Value("low_picture", 3, model.picture_range)
    calls: dict[str, tuple[nn.Module, list[Value], list[str]]] = {
        "hyper": (model.hyper, [z, q], ["hyper_features"]),
        "context_a": (model.context_a, [h], ["statistics"]),
        "context_b": (model.context_b, [h, values], ["statistics"]),
        "stage1": (model.stage1, [latents, q], ["low_picture", "features"]),
        "stage2": (model.stage2, [features, low], ["planes"]),
    }
    networks = {}
    for name, (network, inputs, outputs) in calls.items():
        builder = GraphBuilder(name, inputs)
        result = network(builder, *inputs)
        results = result if isinstance(result, tuple) else (result,)
        networks[name] = builder.network(dict(zip(outputs, results, strict=True)))
    return networks


@torch.no_grad()
def export_model(model: Generator, path: Path, name: str = "core") -> bytes:
    """Write the integer model file (#net.file) and return its digest.

    Raises HypError when the networks break a bound of the format.
    """
    gain = torch.round(model.gain(torch.arange(SCALE_INDICES))[:, :, 0, 0].double() * 4096)
    index = torch.round(model.hyper_scale.clamp(1, SCALE_INDEX_LIMIT))
    a = model.architecture
    return write_model_file(
        path,
        name,
        build_networks(model),
        {
            "latent_channels": a.latent_channels,
            "hyper_channels": a.hyper_channels,
            "scale_count": SCALE_INDICES,
        },
        {
            "gain": gain.numpy().astype(np.int32),
            "hyper_scale_index": index.numpy().astype(np.int32),
        },
    )


def export_analysis(model: Generator, path: Path, trade: Trade) -> None:
    """Write the analysis networks' weights, float16, under their module names, with the trade of the training."""
    tensors = {}
    for part in ("analysis", "hyper_analysis"):
        for key, value in getattr(model, part).state_dict().items():
            tensors[f"{part}.{key}"] = value.detach().cpu().numpy().astype(np.float16)
    with output_file(path) as file:
        metadata = {name: repr(value) for name, value in asdict(trade).items()}
        file.write(save({k: tensors[k] for k in sorted(tensors)}, metadata))
