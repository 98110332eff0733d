"""(#gen.model) What the networks and tables of a generator of profile core look like.

    network    inputs (name: channels)                       outputs: channels, scale
    hyper      hyper_latents: Cz, [qplane: 1]                one: any, 4 times the hyper grid
    context_a  hyper_features: of hyper, [qplane: 1]         one: 2 C, latent grid
    context_b  hyper_features, first_pass_values: C, [qplane]  one: 2 C, latent grid
    stage1     latents: C, [qplane: 1]                       features: any; low_picture: 3, 4 times the latent grid
    stage2     features, [low_picture], [qplane]             planes: 24, 4 times the latent grid, within 0..255

Inputs in brackets may be absent. The order of the inputs is free: they are known by name. Parameters:
latent_channels C 1..1024, hyper_channels Cz 1..1024, scale_count 64. Tables: gain int32 (64, C), each
1..2^20 - 1; hyper_scale_index int8 | int16 | int32 (Cz), each 0..39. Every input's declared range
contains all that it can be given.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from refcodec import errors
from refcodec.entropy import tables
from refcodec.intnet.graph import Network, infer_scales, multiplications
from refcodec.intnet.model_file import ModelFile

SCALE_COUNT = 64
LATENT_LIMIT = tables.MAX_MAGNITUDE
MEAN_LIMIT = tables.LARGEST_MEAN
SCALE_INDEX_LIMIT = tables.SCALE_INDEX_COUNT - 1
GAIN_LIMIT = (1 << 20) - 1
HYPER_FACTOR = 4
PLANE_COUNT = 24
LUMA_PER_LATENT = 256

QPLANE = "qplane"


def _broken(element: str, value: object, allowed: object) -> errors.HypError:
    return errors.error("HYP-E-NET-09", element=element, value=value, allowed=allowed)


def _parameter(file: ModelFile, name: str, lo: int, hi: int) -> int:
    value = file.parameters.get(name)
    if value is None or not lo <= value <= hi:
        raise _broken(f"parameters.{name}", value, (lo, hi))
    return value


def _table(
    file: ModelFile, name: str, shape: tuple[int, ...], lo: int, hi: int
) -> NDArray[np.int32]:
    table = file.tables.get(name)
    if table is None or table.shape != shape:
        raise _broken(f"tables.{name}", None if table is None else table.shape, str(shape))
    values = table.astype(np.int32)
    if int(values.min()) < lo or int(values.max()) > hi:
        raise _broken(f"tables.{name}", f"{values.min()}..{values.max()}", (lo, hi))
    return values


def _inputs(
    network: Network,
    required: Mapping[str, tuple[int, int, int]],
    optional: Mapping[str, tuple[int, int, int]],
) -> None:
    """Check names, channels and ranges; the mappings give (channels, lo, hi) of what will be put in."""
    allowed = dict(required) | dict(optional)
    names = {item.name for item in network.inputs}
    if not set(required) <= names <= set(allowed):
        raise _broken(
            f"inputs of {network.name}", ", ".join(sorted(names)), ", ".join(sorted(allowed))
        )
    for item in network.inputs:
        channels, lo, hi = allowed[item.name]
        if item.channels != channels:
            raise _broken(f"channels of {network.name}.{item.name}", item.channels, channels)
        if item.lo > lo or item.hi < hi:
            raise _broken(
                f"range of {network.name}.{item.name}",
                f"{item.lo}..{item.hi}",
                f"contains {lo}..{hi}",
            )


def _output(
    network: Network, tensor: str, scales: Mapping[str, int], scale: int, channels: int | None
) -> tuple[int, int, int]:
    """Check one output and return (channels, lo, hi)."""
    if scales[tensor] != scale:
        raise _broken(f"scale of {network.name}.{tensor}", scales[tensor], scale)
    if channels is not None and network.channels[tensor] != channels:
        raise _broken(f"channels of {network.name}.{tensor}", network.channels[tensor], channels)
    lo, hi = network.declared(tensor)
    return network.channels[tensor], lo, hi


def _scales(network: Network, inputs: Mapping[str, int]) -> dict[str, int]:
    try:
        return infer_scales(
            network, {item.name: inputs.get(item.name, 1) for item in network.inputs}
        )
    except ValueError as error:
        raise errors.error("HYP-E-NET-03", element=network.name, detail=f"{error}.") from error


def _outputs(network: Network, names: tuple[str, ...] | None, count: int) -> None:
    if len(network.outputs) != count or (names is not None and set(network.outputs) != set(names)):
        raise _broken(
            f"outputs of {network.name}", ", ".join(network.outputs), names or f"{count} output"
        )


class Contract:
    """The checked sizes and tables of a generator.

    `latent_channels`, `hyper_channels`, `feature_channels`; `feature_scale` of the stage 1 features;
    `gain` int32 (64, C); `hyper_scale_index` int32 (Cz); `cost` multiplications for each luma sample.
    """

    def __init__(self, file: ModelFile, max_cost: int) -> None:
        missing = {"hyper", "context_a", "context_b", "stage1", "stage2"} ^ set(file.networks)
        if missing:
            raise _broken(
                "networks",
                ", ".join(sorted(file.networks)),
                "hyper, context_a, context_b, stage1, stage2",
            )
        c = self.latent_channels = _parameter(file, "latent_channels", 1, 1024)
        cz = self.hyper_channels = _parameter(file, "hyper_channels", 1, 1024)
        _parameter(file, "scale_count", SCALE_COUNT, SCALE_COUNT)
        self.gain = _table(file, "gain", (SCALE_COUNT, c), 1, GAIN_LIMIT)
        self.hyper_scale_index = _table(file, "hyper_scale_index", (cz,), 0, SCALE_INDEX_LIMIT)
        networks = file.networks
        q = {QPLANE: (1, 0, SCALE_COUNT - 1)}

        hyper = networks["hyper"]
        hyper_input = next((i for i in hyper.inputs if i.name == "hyper_latents"), None)
        # hyper-latents and first pass values are clamped to what the network declares
        own = (cz, 0, 0) if hyper_input is None else (cz, hyper_input.lo, hyper_input.hi)
        _inputs(hyper, {"hyper_latents": own}, q)
        _outputs(hyper, None, 1)
        features = _output(hyper, hyper.outputs[0], _scales(hyper, {}), HYPER_FACTOR, None)

        context_a = networks["context_a"]
        _inputs(context_a, {"hyper_features": features}, q)
        _outputs(context_a, None, 1)
        _output(context_a, context_a.outputs[0], _scales(context_a, {}), 1, 2 * c)

        context_b = networks["context_b"]
        values = next((i for i in context_b.inputs if i.name == "first_pass_values"), None)
        own = (c, 0, 0) if values is None else (c, values.lo, values.hi)
        if values is not None and not values.lo <= 0 <= values.hi:
            raise _broken(
                "range of context_b.first_pass_values", f"{values.lo}..{values.hi}", "contains 0"
            )
        _inputs(context_b, {"hyper_features": features, "first_pass_values": own}, q)
        _outputs(context_b, None, 1)
        _output(context_b, context_b.outputs[0], _scales(context_b, {}), 1, 2 * c)

        stage1 = networks["stage1"]
        _inputs(stage1, {"latents": (c, -LATENT_LIMIT, LATENT_LIMIT)}, q)
        _outputs(stage1, ("features", "low_picture"), 2)
        scales = _scales(stage1, {})
        self.feature_scale = scales["features"]
        stage1_features = _output(stage1, "features", scales, self.feature_scale, None)
        low = _output(stage1, "low_picture", scales, 4, 3)
        self.feature_channels = stage1_features[0]

        stage2 = networks["stage2"]
        sizes = {"features": self.feature_scale, "low_picture": 4, QPLANE: 4}
        _inputs(stage2, {"features": stage1_features}, {"low_picture": low} | q)
        _outputs(stage2, ("planes",), 1)
        planes = _output(stage2, "planes", _scales(stage2, sizes), 4, PLANE_COUNT)
        if planes[1] < 0 or planes[2] > 255:
            raise _broken("range of stage2.planes", f"{planes[1]}..{planes[2]}", (0, 255))

        per_latent = multiplications(hyper, _ones(hyper)) / HYPER_FACTOR**2
        per_latent += sum(
            multiplications(net, _ones(net)) for net in (context_a, context_b, stage1)
        )
        per_latent += multiplications(stage2, sizes)
        self.cost = per_latent / LUMA_PER_LATENT
        if self.cost > max_cost:
            raise errors.error(
                "HYP-E-NET-08",
                element="multiplications per luma sample",
                value=round(self.cost),
                allowed=(0, max_cost),
            )


def _ones(network: Network) -> dict[str, int]:
    return {item.name: 1 for item in network.inputs}
