"""The example file of the annex: how it is made, and its complete decode as lines.

`python -m spec.build.example` writes spec/example anew; a test compares what is there with what this
module makes, and decodes it. All values are fixed, so every machine makes the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FILE = "example/example.hyp"
MODEL = "example/example.safetensors"
WIDTH, HEIGHT = 32, 16
PROMPT_SCALE_INDEX = 20
HYPER_LATENTS = [[[3]]]
LATENTS = [[[5, -2]], [[1, 20]]]


@dataclass(frozen=True)
class Line:
    """One line of the decode; `heading` alone for the first line of a unit."""

    offset: str
    bits: str = ""
    element: str = ""
    value: str = ""
    meaning: str = ""
    anchor: str = ""
    heading: str = ""


# -- making -------------------------------------------------------------------------------------


def _weights(*shape: int) -> NDArray[np.int8]:
    """Return small weights of both signs: (7 n + 3) mod 11 - 5 for n = 0, 1, ..."""
    count = int(np.prod(shape))
    return ((7 * np.arange(count) + 3) % 11 - 5).astype(np.int8).reshape(shape)


def write_model(path: Path) -> bytes:
    """Write the model file of the example, a generator with one or two channels, and return its digest."""
    from refcodec.intnet.graph import Network, NetworkInput, Node
    from refcodec.intnet.model_file import write_model_file

    def conv(
        op: str,
        source: str,
        output: str,
        weight: NDArray[np.int8],
        bias: int,
        shift: int,
        lo: int,
        hi: int,
    ) -> Node:
        count = weight.shape[0]
        return Node(
            op, (source,), output, lo, hi, weight=weight,
            bias=np.full(count, bias, np.int32), multiplier=np.full(count, 3, np.int32), shift=shift,
        )  # fmt: skip

    def network(
        name: str, inputs: list[NetworkInput], nodes: list[Node], outputs: tuple[str, ...]
    ) -> Network:
        return Network(name, tuple(inputs), tuple(nodes), outputs)

    scales = np.array([[4], [-3], [2], [5]], np.int8)
    hyper = network(
        "hyper",
        [NetworkInput("hyper_latents", 1, -15, 15)],
        [
            conv("conv1x1", "hyper_latents", "mixed", _weights(16, 1), 1, 1, -100, 100),
            Node("pixel_shuffle", ("mixed",), "hyper_features", -100, 100, factor=4),
        ],
        ("hyper_features",),
    )
    context_a = network(
        "context_a",
        [NetworkInput("hyper_features", 1, -100, 100)],
        [conv("conv1x1", "hyper_features", "predicted", scales, 30, 2, -200, 200)],
        ("predicted",),
    )
    context_b = network(
        "context_b",
        [
            NetworkInput("hyper_features", 1, -100, 100),
            NetworkInput("first_pass_values", 2, -100, 100),
        ],
        [
            Node("concat", ("hyper_features", "first_pass_values"), "known", -100, 100),
            conv("conv3x3", "known", "predicted", _weights(4, 3, 3, 3), 160, 2, -200, 200),
        ],
        ("predicted",),
    )
    stage1 = network(
        "stage1",
        [NetworkInput("latents", 2, -2047, 2047)],
        [
            conv("conv1x1", "latents", "wide", _weights(80, 2), 0, 2, -2047, 2047),
            Node("pixel_shuffle", ("wide",), "quarter", -2047, 2047, factor=4),
            Node("gather_channels", ("quarter",), "features", -2047, 2047, index=(0, 1)),
            Node("gather_channels", ("quarter",), "low_picture", -2047, 2047, index=(2, 3, 4)),
        ],
        ("features", "low_picture"),
    )
    stage2 = network(
        "stage2",
        [NetworkInput("features", 2, -2047, 2047), NetworkInput("low_picture", 3, -2047, 2047)],
        [
            Node("concat", ("features", "low_picture"), "joined", -2047, 2047),
            conv("conv1x1", "joined", "planes", _weights(24, 5), 128 * 5, 4, 0, 255),
        ],
        ("planes",),
    )
    networks = {n.name: n for n in (hyper, context_a, context_b, stage1, stage2)}
    gain = np.repeat((16 + 4 * np.arange(64, dtype=np.int32))[:, None], 2, axis=1)
    parameters = {"latent_channels": 2, "hyper_channels": 1, "scale_count": 64}
    tables: dict[str, NDArray[Any]] = {"gain": gain, "hyper_scale_index": np.array([25], np.int8)}
    return write_model_file(path, "example", networks, parameters, tables)


def _parameter_sets() -> tuple[bytes, bytes]:
    from refcodec import syntax
    from refcodec.avc.injection import injected_parameter_set
    from refcodec.avc.nal import add_emulation_prevention

    data = dict.fromkeys([f"constraint_set{i}_flag" for i in range(6)], 0) | {
        "profile_idc": 100,
        "reserved_zero_2bits": 0,
        "level_idc": 10,
        "seq_parameter_set_id": 0,
        "chroma_format_idc": 1,
        "bit_depth_luma_minus8": 0,
        "bit_depth_chroma_minus8": 0,
        "qpprime_y_zero_transform_bypass_flag": 0,
        "seq_scaling_matrix_present_flag": 0,
        "log2_max_frame_num_minus4": 0,
        "pic_order_cnt_type": 2,
        "max_num_ref_frames": 1,
        "gaps_in_frame_num_value_allowed_flag": 0,
        "pic_width_in_mbs_minus1": WIDTH // 16 - 1,
        "pic_height_in_map_units_minus1": HEIGHT // 16 - 1,
        "frame_mbs_only_flag": 1,
        "direct_8x8_inference_flag": 1,
        "frame_cropping_flag": 0,
        "vui_parameters_present_flag": 0,
    }
    trailing = {"rbsp_stop_one_bit": 1, "rbsp_alignment_zero_bits": 0}
    values = {"seq_parameter_set_data": data, "rbsp_trailing_bits": trailing}
    rbsp = syntax.write(syntax.load("avc"), "seq_parameter_set_rbsp", values)
    return bytes([0x67]) + add_emulation_prevention(rbsp), injected_parameter_set(0, 0)


def _skipped_picture(frame_num: int) -> bytes:
    """Return a P slice whose macroblocks all are skipped: a copy of the picture before."""
    from refcodec.avc.bit_writer import BitWriter

    bits = BitWriter()
    for value in (0, 5, 0):  # first_mb_in_slice, slice_type, pic_parameter_set_id
        bits.ue(value)
    bits.u(4, frame_num)
    # num_ref_idx_active_override, ref_pic_list_modification, adaptive_ref_pic_marking_mode
    bits.u(3, 0)
    bits.se(0)  # slice_qp_delta
    bits.ue(1)  # disable_deblocking_filter_idc
    bits.ue(WIDTH * HEIGHT // 256)  # mb_skip_run
    bits.trailing_bits()
    return bytes([0x61]) + bits.to_bytes()


def _grey_picture(idr_pic_id: int) -> bytes:
    """Return an IDR slice of macroblocks that are predicted as their mean, without residual: grey."""
    from refcodec.avc.bit_writer import BitWriter

    bits = BitWriter()
    for value in (0, 7, 0):
        bits.ue(value)
    bits.u(4, 0)  # frame_num
    bits.ue(idr_pic_id)
    bits.u(2, 0)  # no_output_of_prior_pics_flag, long_term_reference_flag
    bits.se(0)
    bits.ue(1)
    for _ in range(WIDTH * HEIGHT // 256):
        bits.ue(3)  # mb_type I_16x16_2_0_0: mean prediction, no coefficients
        bits.ue(0)  # intra_chroma_pred_mode: mean
        bits.se(0)  # mb_qp_delta
        bits.u(1, 1)  # coeff_token: no coefficients
    bits.trailing_bits()
    return bytes([0x65]) + bits.to_bytes()


def write_example(path: Path, model_path: Path) -> None:
    """Write the example file; its model is at `model_path`."""
    import io

    from refcodec.container.structures import AccessUnit, Keyframe, Metadata, SequenceHeader
    from refcodec.container.writer import Writer
    from refcodec.generator.model import load_model
    from refcodec.generator.prompt import encode_prompt, settle

    model = load_model(model_path)
    hyper = np.array(HYPER_LATENTS, np.int16)
    values = np.array(LATENTS, np.int16)
    latents = settle(model, PROMPT_SCALE_INDEX, hyper, values, backend="numpy")
    prompt = encode_prompt(
        model, PROMPT_SCALE_INDEX, latents.hyper, latents.values, backend="numpy"
    )
    stream = io.BytesIO()
    writer = Writer(stream)
    writer.sequence_header(
        SequenceHeader(
            level=1,
            coded_width=WIDTH,
            coded_height=HEIGHT,
            presentation_width=WIDTH,
            presentation_height=HEIGHT,
            colour_primaries=1,
            transfer_characteristics=1,
            matrix_coefficients=1,
            tick_numerator=1,
            tick_denominator=25,
            picture_duration=1,
            generator_id=1,
            model_digest=model.digest,
            parameter_sets=_parameter_sets(),
        )
    )
    writer.metadata(Metadata((("title", "Example"),)))
    writer.segment(
        Keyframe(
            segment_number=0,
            segment_time=0,
            segment_duration=2,
            picture_count=2,
            keyframe_mode=0,
            prompt_scale_index=PROMPT_SCALE_INDEX,
            prompt_data=prompt,
        ),
        [AccessUnit(i, (_skipped_picture(i + 1),)) for i in range(2)],
    )
    writer.segment(
        Keyframe(
            segment_number=1,
            segment_time=2,
            segment_duration=1,
            picture_count=1,
            keyframe_mode=1,
        ),
        [AccessUnit(0, (_grey_picture(1),))],
    )
    writer.finish()
    path.write_bytes(stream.getvalue())


# -- showing ------------------------------------------------------------------------------------


def _bits(data: bytes, offset: int, length: int) -> str:
    if length == 0:
        return "-"
    if offset % 8 == 0 and length % 8 == 0:
        return data[offset // 8 : (offset + length) // 8].hex(" ").upper()
    return "".join(str(data[i // 8] >> (7 - i % 8) & 1) for i in range(offset, offset + length))


def _place(offset: int) -> str:
    return f"{offset // 8}" if offset % 8 == 0 else f"{offset // 8}.{offset % 8}"


def _value(value: object) -> str:
    if isinstance(value, bytes | memoryview):
        return f"{len(value)} bytes"
    return "" if value is None else str(value)


def example_lines(spec_dir: Path) -> Iterator[Line]:
    """Yield the lines of the complete decode of the example file, from the tracer."""
    from refcodec.container.source import open_source
    from refcodec.inspection.tracing import TracedFault, trace

    data = (spec_dir / FILE).read_bytes()
    unit = None
    for item in trace(open_source(data)):
        if isinstance(item, TracedFault):
            raise ValueError(f"the example file is damaged: {item.error}")
        if item.unit != unit:
            unit = item.unit
            title = "Signature" if unit < 0 else f"Unit {unit}: {item.unit_type}"
            yield Line(_place(item.bit_offset), heading=title)
        path = item.path.split(".")
        while path and path[0] in ("file", "unit", item.unit_type):
            path = path[1:]
        path = path or [item.name]
        inside = item.clause.startswith("#avc.")
        yield Line(
            _place(item.bit_offset),
            _bits(data, item.bit_offset, item.bit_length),
            f"\N{NO-BREAK SPACE}\N{NO-BREAK SPACE}{item.name}" if inside else ".".join(path),
            item.number or _value(item.value),
            item.meaning or "",
            item.clause.removeprefix("#"),
        )


def load_model_dictionary(path: Path) -> dict[str, Any]:
    """Return a model file as the dictionary that spec.model works on, stored tensors as nested lists."""
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    description: dict[str, Any] = json.loads(header.pop("__metadata__")["intnet"])
    tensors = {}
    for name, entry in header.items():
        first, last = entry["data_offsets"]
        kind = {"I8": "<i1", "I16": "<i2", "I32": "<i4"}[entry["dtype"]]
        values = np.frombuffer(data[8 + size + first : 8 + size + last], kind)
        tensors[name] = values.reshape(entry["shape"]).tolist()
    for network in description["networks"].values():
        for node in network["nodes"]:
            for member in ("weight", "bias", "multiplier", "table"):
                if member in node:
                    node[member] = tensors[node[member]]
    description["tables"] = {key: tensors[name] for key, name in description["tables"].items()}
    return description


@dataclass(frozen=True)
class Step:
    """One latent of the prompt: where it stands, its distribution, and the range decoder after it."""

    element: str
    mean: int
    scale_index: int
    value: int
    range: int
    code: int
    position: int


@dataclass(frozen=True)
class Walk:
    """The decode of the prompt of the example by spec.model, and the picture that it gives."""

    steps: list[Step]
    values: Any
    latents: Any
    planes: tuple[Any, Any, Any]

    def sha256(self) -> str:
        """Return the hash of the generated picture."""
        return hashlib.sha256(
            bytes(s for plane in self.planes for r in plane for s in r)
        ).hexdigest()


def load_distributions(spec_dir: Path) -> tuple[list[list[list[int]]], list[int]]:
    """Return `cdf[s][f + 4]` and `escape_order[s]` of spec/tables/latent_cdf.csv; both are empty at s = 0."""
    cdf: list[list[list[int]]] = [[[] for _ in range(8)] for _ in range(40)]
    orders = [0] * 40
    for line in (spec_dir / "tables" / "latent_cdf.csv").read_text().split()[1:]:
        s, f, order, *row = (int(field) for field in line.split(","))
        cdf[s][f + 4] = row
        orders[s] = order
    return cdf, orders


def walk_prompt(spec_dir: Path) -> Walk:
    """Decode the prompt of the example with the pseudo-code, latent by latent."""
    from refcodec.container.source import open_source
    from refcodec.inspection.tracing import Selection, TracedElement, trace
    from spec.model import generation, prompt_decoding
    from spec.model.range_decoding import RangeDecoder, check_end, decode_latent

    model = load_model_dictionary(spec_dir / MODEL)
    cdf, orders = load_distributions(spec_dir)
    source = open_source((spec_dir / FILE).read_bytes())
    (prompt,) = (
        bytes(item.value)
        for item in trace(source, Selection(element="prompt_data"))
        if isinstance(item, TracedElement) and isinstance(item.value, bytes | memoryview)
    )
    decoder = RangeDecoder(prompt)
    steps: list[Step] = []
    width, height = WIDTH // 16, HEIGHT // 16
    networks, channels = model["networks"], model["parameters"]["latent_channels"]

    def take(
        name: str, array: Any, mean: Any, scale: Any, chosen: list[tuple[int, int, int]]
    ) -> None:
        for c, y, x in chosen:
            m, s = mean[c][y][x], scale[c][y][x]
            array[c][y][x] = decode_latent(decoder, cdf, orders, m, s)
            place = f"{name}[{c}][{y}][{x}]"
            state = decoder.range, decoder.code, decoder.position
            steps.append(Step(place, m, s, array[c][y][x], *state))

    z = [[[0]]]
    take("z", z, [[[0]]], [[[model["tables"]["hyper_scale_index"][0]]]], [(0, 0, 0)])
    known = prompt_decoding.clamped_to_input(networks["hyper"], "hyper_latents", z)
    made = prompt_decoding.run(networks["hyper"], {"hyper_latents": known}, PROMPT_SCALE_INDEX)
    h = [
        [row[:width] for row in channel[:height]]
        for (whole,) in [made.values()]
        for channel in whole
    ]
    v = prompt_decoding.zeros(channels, height, width)
    cells = [(c, y, x) for c in range(channels) for y in range(height) for x in range(width)]
    first = [cell for cell in cells if prompt_decoding.in_first_pass(channels, *cell)]
    inputs: dict[str, Any] = {"hyper_features": h}
    (output,) = prompt_decoding.run(networks["context_a"], inputs, PROMPT_SCALE_INDEX).values()
    take("v", v, *prompt_decoding.means_and_scales(channels, output), first)
    inputs["first_pass_values"] = prompt_decoding.clamped_to_input(
        networks["context_b"], "first_pass_values", v
    )
    (output,) = prompt_decoding.run(networks["context_b"], inputs, PROMPT_SCALE_INDEX).values()
    second = [cell for cell in cells if cell not in first]
    take("v", v, *prompt_decoding.means_and_scales(channels, output), second)
    check_end(decoder)
    latents = generation.dequantise(v, model["tables"]["gain"][PROMPT_SCALE_INDEX])
    return Walk(steps, v, latents, generation.generate(model, v, PROMPT_SCALE_INDEX))


def main() -> None:
    """Write the files of spec/example."""
    from spec import SPEC_DIR

    (SPEC_DIR / FILE).parent.mkdir(exist_ok=True)
    write_model(SPEC_DIR / MODEL)
    write_example(SPEC_DIR / FILE, SPEC_DIR / MODEL)


if __name__ == "__main__":
    main()
