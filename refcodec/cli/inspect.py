"""`hyp inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from refcodec import errors
from refcodec.cli.files import check_input, check_output
from refcodec.cli.reporting import print_json

if TYPE_CHECKING:
    from refcodec.inspection.coded_pictures import InspectedPicture

SUFFIXES = (".png", ".html")


def inspect(
    file: Annotated[Path, typer.Argument(help="HYP file or plain H.264 (Annex B, MP4, MKV).")],
    frame: Annotated[
        int, typer.Option("--frame", "-n", help="Picture in output order, from 0.", min=0)
    ] = 0,
    target: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Image (.png) or page with layers (.html) to write."),
    ] = None,
    layers: Annotated[
        str | None,
        typer.Option(
            help="Layers of the image, comma-separated: picture, types, quantiser, levels, "
            "coefficients, bits, grid, partitions, slices, vectors. "
            "[default: picture,types,partitions,slices,vectors]"
        ),
    ] = None,
    scale: Annotated[
        int, typer.Option(help="Pixels of the image for each luma sample.", min=1, max=16)
    ] = 2,
    model: Annotated[
        Path | None, typer.Option(help="Generator model file. [default: the installed one]")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Facts as one JSON object.")] = False,
) -> None:
    """Show how a picture was coded: partitions, vectors, types, quantisers, bits.

    Prints the facts; with -o also draws them. A page has each layer behind a switch and tells about
    the macroblock under the pointer.

    \b
    Examples:
      hyp inspect film.hyp --frame 30
      hyp inspect film.hyp --frame 30 -o page.html
      hyp inspect film.264 -o bits.png --layers picture,bits --scale 1
    """
    check_input(file)
    if target is not None:
        if target.suffix.lower() not in SUFFIXES:
            raise errors.error(
                "HYP-E-CLI-03",
                element="--output",
                value=str(target),
                allowed="a .png or .html file",
            )
        check_output(target, file)
    from refcodec.inspection.drawing import DEFAULT_LAYERS, LAYERS

    wanted = tuple(layers.split(",")) if layers else DEFAULT_LAYERS
    for name in wanted:
        if name not in LAYERS:
            raise errors.error(
                "HYP-E-CLI-03", element="--layers", value=name, allowed=", ".join(LAYERS)
            )
    if model is not None:
        check_input(model)

    from refcodec.container import output_file
    from refcodec.inspection.coded_pictures import inspect_picture

    generator = None
    if model is not None:
        from refcodec.generator import load_model

        generator = load_model(model)
    found = inspect_picture(file, frame, generator)
    if target is not None:
        with output_file(target) as stream:
            stream.write(_content(found, target, wanted, scale, file.name))
    facts = _facts(found)
    if json:
        print_json(facts)
    else:
        print("\n".join(f"{name:<14}{_text(value)}" for name, value in facts.items()))


def _content(
    found: InspectedPicture, target: Path, wanted: tuple[str, ...], scale: int, name: str
) -> bytes:
    """Return the bytes of the image or page."""
    import io

    from refcodec.inspection import drawing, layered_page
    from refcodec.inspection.colours import rgb

    samples = rgb(found.planes)
    if target.suffix.lower() == ".html":
        facts = ", ".join(
            f"{key} {_text(value)}" for key, value in list(_facts(found).items())[1:6]
        )
        return layered_page.page(
            samples,
            found.layers,
            title=f"{name}: picture {found.number}",
            facts=facts,
            crop=found.crop,
            zoom=scale,
        ).encode()
    image = drawing.draw(samples, found.layers, wanted, crop=found.crop, scale=scale)
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def _facts(found: InspectedPicture) -> dict[str, object]:
    import numpy as np

    layers = found.layers
    quantiser, bits = layers.heat["quantiser"], layers.heat["bits"]
    rows, columns = found.planes[0].shape
    facts: dict[str, object] = {
        "picture": found.number,
        "size": f"{columns} x {rows}",
        "slices": found.slice_types,
        "order count": found.order_count,
        "quantiser": f"{quantiser.mean():.2f}, {quantiser.min():.0f} to {quantiser.max():.0f}",
        "bits": int(np.nansum(bits)),
        "coefficients": int(layers.heat["coefficients"].sum()),
        "vectors": len(layers.vectors),
    }
    return facts | {"types": layers.type_counts()}


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {count}" for name, count in value.items())
    return str(value)
