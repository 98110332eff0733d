"""The networks of the generator `core`: the five normative ones, and the encoder's analysis networks."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainer.graph import Conv, Executor, Range, Step, Value

STREAM_LIMIT = 2047
SCALE_INDEX_LIMIT = 39
GAIN_ANCHORS = 5


@dataclass(frozen=True)
class Architecture:
    """Widths and depths; everything that a checkpoint needs to be rebuilt."""

    latent_channels: int = 96
    hyper_channels: int = 32
    hyper_width: int = 96
    context_width: int = 128
    wide: int = 192
    middle: int = 128
    narrow: int = 48
    wide_blocks: int = 4
    middle_blocks: int = 2
    stage1_narrow_blocks: int = 1
    stage2_blocks: int = 2
    expansion: int = 2
    analysis_narrow: int = 64
    analysis_middle: int = 128
    analysis_wide: int = 192
    analysis_narrow_blocks: int = 2
    analysis_middle_blocks: int = 2
    analysis_wide_blocks: int = 3

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as a plain dictionary."""
        return asdict(self)


def signed8(step: float = 1 / 16) -> Range:
    """A learned range of signed 8-bit activations."""
    return Range(Step(step, learned=True), -128, 127)


def unsigned8(step: float = 1 / 32) -> Range:
    """A learned range of rectified 8-bit activations."""
    return Range(Step(step, learned=True), 0, 255)


class Ranged(nn.Module):
    """A module that owns ranges: their steps are registered so that they are trained and saved."""

    def own(self, name: str, item: Range) -> Range:
        self.add_module(f"{name}_step", item.step)
        return item


class Block(Ranged):
    """Residual block: to 8 bits, depthwise 3x3, expansion with ReLU, projection, add to the wide stream."""

    def __init__(self, width: int, stream: Range, expansion: int = 2) -> None:
        super().__init__()
        self.stream = stream
        self.entry = self.own("entry", signed8())
        self.spatial = Conv("depthwise3x3", width, width)
        self.mixed = self.own("mixed", signed8())
        self.expand = Conv("conv1x1", width, width * expansion)
        self.hidden = self.own("hidden", unsigned8())
        self.project = Conv("conv1x1", width * expansion, width, gain=0.1)

    def forward(self, g: Executor, x: Value) -> Value:
        y = g.requantise(x, self.entry)
        y = g.conv(self.spatial, y, self.mixed)
        y = g.conv(self.expand, y, self.hidden)
        y = g.conv(self.project, y, self.stream)
        return g.add(x, y)


class Head(Ranged):
    """To 8 bits, then a 1x1 convolution into `out`."""

    def __init__(self, inputs: int, outputs: int, out: Range, gain: float = 1.0) -> None:
        super().__init__()
        self.entry = self.own("entry", signed8())
        self.conv = Conv("conv1x1", inputs, outputs, gain)
        self.out = out

    def forward(self, g: Executor, x: Value) -> Value:
        return g.conv(self.conv, g.requantise(x, self.entry), self.out)


class Hyper(Ranged):
    """Hyper-latents (1/64) and the scale plane to features at 1/16."""

    def __init__(self, a: Architecture, stream: Range) -> None:
        super().__init__()
        self.stream = stream
        self.small = self.own("small", Range(Step(1 / 32), -128, 127))
        self.first = Conv("conv1x1", a.hyper_channels + 1, a.hyper_width)
        self.block1 = Block(a.hyper_width, stream)
        self.up1 = Head(a.hyper_width, 4 * a.hyper_width, stream)
        self.block2 = Block(a.hyper_width, stream)
        self.up2 = Head(a.hyper_width, 4 * a.context_width, stream)

    def forward(self, g: Executor, z: Value, q: Value) -> Value:
        x = g.concat([g.requantise(z, self.small), g.requantise(q, self.small)])
        x = g.conv(self.first, x, self.stream)
        x = self.up1(g, self.block1(g, x))
        x = g.pixel_shuffle(x, 2)
        x = self.up2(g, self.block2(g, x))
        return g.pixel_shuffle(x, 2)


class ContextA(Ranged):
    """Hyper features to means (1/8) and scale indices of the first pass."""

    def __init__(self, a: Architecture, stream: Range, eighths: Range) -> None:
        super().__init__()
        self.block = Block(a.context_width, stream)
        self.head = Head(a.context_width, 2 * a.latent_channels, eighths, gain=0.2)

    def forward(self, g: Executor, h: Value) -> Value:
        return self.head(g, self.block(g, h))


class ContextB(Ranged):
    """Hyper features and the first pass's values to means and scale indices of the second pass."""

    def __init__(self, a: Architecture, stream: Range, eighths: Range) -> None:
        super().__init__()
        self.stream = stream
        self.from_hyper = Head(a.context_width, a.context_width, stream)
        self.from_values = Conv("conv1x1", a.latent_channels, a.context_width)
        self.block1 = Block(a.context_width, stream)
        self.block2 = Block(a.context_width, stream)
        self.head = Head(a.context_width, 2 * a.latent_channels, eighths, gain=0.2)

    def forward(self, g: Executor, h: Value, values: Value) -> Value:
        x = g.add(self.from_hyper(g, h), g.conv(self.from_values, values, self.stream))
        return self.head(g, self.block2(g, self.block1(g, x)))


class Stage1(Ranged):
    """Latents (1/16) to features and a low-resolution picture at 1/4.

    Without wide blocks the latents go to the first enlargement as they are: two linear maps in a row are one.
    """

    def __init__(self, a: Architecture, stream: Range, picture: Range) -> None:
        super().__init__()
        self.stream = stream
        inputs = a.latent_channels + 1
        if a.wide_blocks:
            self.first = Conv("conv1x1", inputs, a.wide)
            inputs = a.wide
        self.wide = nn.ModuleList(Block(a.wide, stream, a.expansion) for _ in range(a.wide_blocks))
        self.up1 = Head(inputs, 4 * a.middle, stream)
        self.middle = nn.ModuleList(
            Block(a.middle, stream, a.expansion) for _ in range(a.middle_blocks)
        )
        self.up2 = Head(a.middle, 4 * a.narrow, stream)
        self.narrow = nn.ModuleList(
            Block(a.narrow, stream, a.expansion) for _ in range(a.stage1_narrow_blocks)
        )
        self.picture = Head(a.narrow, 3, picture, gain=0.3)
        nn.init.constant_(self.picture.conv.bias, 2.0)

    def forward(self, g: Executor, latents: Value, q: Value) -> tuple[Value, Value]:
        doubled = Range(latents.range.step, latents.range.lo, latents.range.hi)
        x = g.concat([latents, g.requantise(q, doubled)])
        if self.wide:
            x = g.conv(self.first, x, self.stream)
        for block in self.wide:
            x = block(g, x)
        x = g.pixel_shuffle(self.up1(g, x), 2)
        for block in self.middle:
            x = block(g, x)
        x = g.pixel_shuffle(self.up2(g, x), 2)
        for block in self.narrow:
            x = block(g, x)
        return self.picture(g, x), x


class Stage2(Ranged):
    """Features and low-resolution picture to the 24 sample planes at 1/4."""

    def __init__(self, a: Architecture, stream: Range, difference: Range, samples: Range) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            Block(a.narrow, stream, a.expansion) for _ in range(a.stage2_blocks)
        )
        self.detail = Head(a.narrow, 24, difference, gain=0.1)
        self.difference, self.samples = difference, samples

    def forward(self, g: Executor, features: Value, low: Value) -> Value:
        for block in self.blocks:
            features = block(g, features)
        base = g.requantise(g.gather(low, [0] * 16 + [1] * 4 + [2] * 4), self.difference)
        return g.requantise(g.add(base, self.detail(g, features)), self.samples)


class FloatBlock(nn.Module):
    """The residual block of the analysis networks, in floats."""

    def __init__(self, width: int, expansion: int = 2) -> None:
        super().__init__()
        self.spatial = Conv("depthwise3x3", width, width)
        self.expand = Conv("conv1x1", width, width * expansion)
        self.project = Conv("conv1x1", width * expansion, width, gain=0.1)

    def forward(self, x: Tensor) -> Tensor:
        y = float_conv(self.spatial, x)
        return x + float_conv(self.project, F.relu(float_conv(self.expand, y)))


def float_conv(layer: Conv, x: Tensor) -> Tensor:
    """Convolve in floats."""
    depthwise = layer.kind == "depthwise3x3"
    return F.conv2d(
        x, layer.weight, layer.bias, padding=0 if layer.kind == "conv1x1" else 1,
        groups=layer.outputs if depthwise else 1,
    )  # fmt: skip


class Analysis(nn.Module):
    """Sample planes (24 channels at 1/4) and scale plane to latents at 1/16, in real units."""

    def __init__(self, a: Architecture) -> None:
        super().__init__()
        n, m, w = a.analysis_narrow, a.analysis_middle, a.analysis_wide
        self.first = Conv("conv1x1", 24, n)
        self.narrow = nn.ModuleList(FloatBlock(n) for _ in range(a.analysis_narrow_blocks))
        self.down1 = Conv("conv1x1", 4 * n, m)
        self.middle = nn.ModuleList(FloatBlock(m) for _ in range(a.analysis_middle_blocks))
        self.down2 = Conv("conv1x1", 4 * m + 1, w)
        self.wide = nn.ModuleList(FloatBlock(w) for _ in range(a.analysis_wide_blocks))
        self.last = Conv("conv1x1", w, a.latent_channels)

    def forward(self, planes: Tensor, q: Tensor) -> Tensor:
        x = float_conv(self.first, planes)
        for block in self.narrow:
            x = block(x)
        x = float_conv(self.down1, F.pixel_unshuffle(x, 2))
        for block in self.middle:
            x = block(x)
        x = F.pixel_unshuffle(x, 2)
        x = float_conv(self.down2, torch.cat([x, q.to(x.dtype).expand(-1, 1, *x.shape[2:])], 1))
        for block in self.wide:
            x = block(x)
        return float_conv(self.last, x)


class HyperAnalysis(nn.Module):
    """Scaled latents to hyper-latents at 1/64, in real units; sizes padded with zeros to a multiple of 4."""

    def __init__(self, a: Architecture) -> None:
        super().__init__()
        w = a.hyper_width
        self.first = Conv("conv1x1", a.latent_channels + 1, w)
        self.block1 = FloatBlock(w)
        self.down1 = Conv("conv1x1", 4 * w, w)
        self.block2 = FloatBlock(w)
        self.down2 = Conv("conv1x1", 4 * w, a.hyper_channels)

    def forward(self, values: Tensor, q: Tensor) -> Tensor:
        h, w = values.shape[2:]
        x = torch.cat([values / 4, q.to(values.dtype).expand(-1, 1, h, w)], 1)
        x = F.pad(x, (0, -w % 4, 0, -h % 4))
        x = self.block1(float_conv(self.first, x))
        x = self.block2(float_conv(self.down1, F.pixel_unshuffle(x, 2)))
        return float_conv(self.down2, F.pixel_unshuffle(x, 2))


class Generator(nn.Module):
    """All networks with the tables that the model file carries."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        a = self.architecture = architecture
        self.stream = Range(Step(1 / 64), -STREAM_LIMIT, STREAM_LIMIT)
        self.latent_range = Range(Step(1 / 64), -STREAM_LIMIT, STREAM_LIMIT)
        self.q_range = Range(Step(1 / 32), 0, 63)
        self.z_range = Range(Step(1 / 8), -31, 31)
        self.value_range = Range(Step(1 / 4), -31, 31)
        self.eighths = Range(Step(1 / 8), -1016, 1016)
        self.picture_range = Range(Step(1 / 1024), 0, 4095)
        self.difference = Range(Step(1 / 1024), -8191, 8191)
        self.samples = Range(Step(1 / 64), 0, 255)
        self.analysis = Analysis(a)
        self.hyper_analysis = HyperAnalysis(a)
        self.hyper = Hyper(a, self.stream)
        self.context_a = ContextA(a, self.stream, self.eighths)
        self.context_b = ContextB(a, self.stream, self.eighths)
        self.stage1 = Stage1(a, self.stream, self.picture_range)
        self.stage2 = Stage2(a, self.stream, self.difference, self.samples)
        self.log_gain = nn.Parameter(torch.zeros(GAIN_ANCHORS, a.latent_channels))
        self.hyper_scale = nn.Parameter(torch.full((a.hyper_channels,), 18.0))

    def gain(self, q: Tensor) -> Tensor:
        """Return the dequantisation gain in real units for scale indices q (N,): (N,C,1,1)."""
        position = q.float() / 63 * (GAIN_ANCHORS - 1)
        low = position.floor().clamp(max=GAIN_ANCHORS - 2).long()
        weight = (position - low)[:, None]
        log_gain = self.log_gain[low] * (1 - weight) + self.log_gain[low + 1] * weight
        return torch.exp2(q.float()[:, None] / 16 - 3 + log_gain)[:, :, None, None]

    def first_pass(self, height: int, width: int) -> Tensor:
        """Return the mask (1,C,H,W) of the elements decoded in pass A."""
        device = self.log_gain.device
        c = torch.arange(self.architecture.latent_channels, device=device)[:, None, None]
        group = (c >= self.architecture.latent_channels // 2).long()
        y = torch.arange(height, device=device)[None, :, None]
        x = torch.arange(width, device=device)[None, None, :]
        return ((y + x + group) % 2 == 0)[None]
