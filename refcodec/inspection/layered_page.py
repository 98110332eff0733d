"""The layers of a picture as an HTML page of one file, with a switch for each layer."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from refcodec.inspection.colours import (
    LIST_COLOURS,
    TYPE_COLOURS,
    Colour,
    heat_colours,
    type_colours,
)
from refcodec.inspection.drawing import DEFAULT_LAYERS, SHARE
from refcodec.inspection.picture_layers import HEAT_MAPS, TYPE_NAMES, PictureLayers

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class _Overlay:
    x: int
    y: int
    width: int
    height: int
    opacity: float
    uri: str


@dataclass(frozen=True)
class _Path:
    data: str
    colour: str
    width: float = 1.0
    dots: bool = False


@dataclass(frozen=True)
class _Layer:
    name: str
    shown: bool
    range: str = ""
    images: list[_Overlay] = field(default_factory=list)
    paths: list[_Path] = field(default_factory=list)


def page(
    samples: NDArray[np.uint8],
    layers: PictureLayers,
    *,
    title: str,
    facts: str,
    crop: tuple[int, int, int, int] = (0, 0, 0, 0),
    zoom: float = 1.0,
) -> str:
    """Return the page. samples: uint8 (rows, columns, 3), the cropped picture; crop: luma samples
    cut off left, above, right, below; facts: a line under the title."""
    width, height = layers.size
    left, top = crop[:2]
    shown_width, shown_height = width - left - crop[2], height - top - crop[3]
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, autoescape=True
    )
    return environment.get_template("picture.html.j2").render(
        title=title,
        facts=facts,
        zoom=zoom,
        box=f"{left} {top} {shown_width} {shown_height}",
        width=shown_width,
        height=shown_height,
        layers=_layers(samples, layers, left, top),
        legend=_legend(layers),
        macroblocks=Markup(_facts(layers)),
    )


def _layers(samples: NDArray[np.uint8], layers: PictureLayers, left: int, top: int) -> list[_Layer]:
    width, height = layers.size

    def over(values: NDArray[np.uint8]) -> list[_Overlay]:
        return [_Overlay(0, 0, width, height, SHARE, _uri(values))]

    picture = _Overlay(left, top, samples.shape[1], samples.shape[0], 1.0, _uri(samples))
    found = [_Layer("picture", True, images=[picture])]
    found.append(_Layer("types", True, images=over(type_colours(layers.mb_type))))
    for name in HEAT_MAPS:
        if name in layers.heat:
            values = layers.heat[name]
            limits = f"{np.nanmin(values):g} to {np.nanmax(values):g}"
            found.append(_Layer(name, False, limits, images=over(heat_colours(values))))
    grid = "".join(f"M{x} 0V{height}" for x in range(0, width + 1, 16))
    grid += "".join(f"M0 {y}H{width}" for y in range(0, height + 1, 16))
    found.append(_Layer("grid", False, paths=[_Path(grid, "#888")]))
    for name, lines, colour in (
        ("partitions", layers.lines, "#eee"),
        ("slices", layers.slice_lines, "#f22"),
    ):
        data = "".join(f"M{a} {b}L{c} {d}" for a, b, c, d in lines.tolist())
        found.append(_Layer(name, name in DEFAULT_LAYERS, paths=[_Path(data, colour)]))
    for which in range(2):
        rows = layers.vectors[layers.vectors[:, 0] == which].tolist()
        if not rows:
            continue
        colour = _css(LIST_COLOURS[which])
        lines_data = "".join(
            f"M{x / 2:g} {y / 2:g}l{dx / 4:g} {dy / 4:g}" for _, _, x, y, dx, dy in rows if dx or dy
        )
        dots = "".join(f"M{x / 2:g} {y / 2:g}h0" for _, _, x, y, _, _ in rows)
        paths = [_Path(lines_data, colour), _Path(dots, colour, 3.0, dots=True)]
        found.append(_Layer(f"vectors of list {which}", True, paths=paths))
    return found


def _legend(layers: PictureLayers) -> list[dict[str, str]]:
    counts = layers.type_counts()
    numbers = {name: number for number, name in TYPE_NAMES.items()}
    return [
        {"name": f"{name}: {count}", "colour": _css(TYPE_COLOURS[numbers[name]])}
        for name, count in counts.items()
    ]


def _facts(layers: PictureLayers) -> str:
    heat: dict[str, list[Any]] = {
        name: [None if np.isnan(value) else round(float(value)) for value in values.reshape(-1)]
        for name, values in layers.heat.items()
    }
    facts = {
        "columns": layers.mb_type.shape[1],
        "names": TYPE_NAMES,
        "types": layers.mb_type.reshape(-1).tolist(),
        "heat": heat,
    }
    return json.dumps(facts, separators=(",", ":")).replace("<", "\\u003c")


def _uri(samples: NDArray[np.uint8]) -> str:
    target = io.BytesIO()
    Image.fromarray(samples).save(target, "PNG", optimize=False)
    return "data:image/png;base64," + base64.b64encode(target.getvalue()).decode()


def _css(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
