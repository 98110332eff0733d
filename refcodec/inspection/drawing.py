"""Draws the layers of a picture over it, as one image."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from refcodec.inspection.colours import LIST_COLOURS, heat_colours, type_colours
from refcodec.inspection.picture_layers import HEAT_MAPS, PictureLayers

LAYERS = ("picture", "types", *HEAT_MAPS, "grid", "partitions", "slices", "vectors")
"""What can be drawn, from the bottom to the top."""

DEFAULT_LAYERS = ("picture", "types", "partitions", "slices", "vectors")

SHARE = 0.45
"""Opacity of types and heat maps over the picture."""


def draw(
    samples: NDArray[np.uint8],
    layers: PictureLayers,
    wanted: Collection[str] = DEFAULT_LAYERS,
    *,
    crop: tuple[int, int, int, int] = (0, 0, 0, 0),
    scale: int = 2,
) -> Image.Image:
    """Return an image of the cropped picture, `scale` pixels a luma sample.

    samples: uint8 (rows, columns, 3), the cropped picture; crop: luma samples cut off left, above,
    right, below; wanted: names of LAYERS.
    """
    width, height = layers.size
    left, top = crop[:2]
    image = Image.new("RGB", (width, height))
    if "picture" in wanted:
        image.paste(Image.fromarray(samples), (left, top))
    for name in ("types", *HEAT_MAPS):
        if name in wanted:
            values = type_colours(layers.mb_type) if name == "types" else None
            if values is None:
                values = heat_colours(layers.heat[name])
            cover = Image.fromarray(values).resize(image.size, Image.Resampling.NEAREST)
            image = Image.blend(image, cover, SHARE) if "picture" in wanted else cover
    image = image.resize((scale * width, scale * height), Image.Resampling.NEAREST)
    pen = ImageDraw.Draw(image)
    if "grid" in wanted:
        for x in range(0, width, 16):
            pen.line((scale * x, 0, scale * x, scale * height), fill=(90, 90, 90))
        for y in range(0, height, 16):
            pen.line((0, scale * y, scale * width, scale * y), fill=(90, 90, 90))
    for name, lines, colour in (
        ("partitions", layers.lines, (235, 235, 235)),
        ("slices", layers.slice_lines, (255, 40, 40)),
    ):
        if name in wanted:
            for line in (scale * lines).tolist():
                pen.line(tuple(line), fill=colour)
    if "vectors" in wanted:
        for which, _, x, y, dx, dy in layers.vectors.tolist():
            begin = (scale * x / 2, scale * y / 2)
            end = (begin[0] + scale * dx / 4, begin[1] + scale * dy / 4)
            pen.line((*begin, *end), fill=LIST_COLOURS[which])
            pen.ellipse(
                (begin[0] - 1, begin[1] - 1, begin[0] + 1, begin[1] + 1), LIST_COLOURS[which]
            )
    box = (left, top, width - crop[2], height - crop[3])
    return image.crop(tuple(scale * side for side in box))  # type: ignore[arg-type]
