"""`hyp train onnx`: a model file as ONNX models, one for each network."""

from pathlib import Path

import typer

from refcodec import generator
from refcodec.container.atomic import output_file
from refcodec.intnet.onnx_export import require_packages, to_onnx


def onnx(
    folder: Path = typer.Argument(help="Folder for hyper.onnx, context_a.onnx, ... stage2.onnx."),
    model: Path | None = typer.Option(None, help="Model file; without it the one that ships."),
) -> None:
    """Write the networks of a model file as ONNX models that give the same integers."""
    require_packages("onnx")
    loaded = generator.load_model(model) if model else generator.bundled(1)
    folder.mkdir(parents=True, exist_ok=True)
    for name, network in loaded.file.networks.items():
        path = folder / f"{name}.onnx"
        with output_file(path) as file:
            file.write(
                to_onnx(network, {"hyp.model_digest": loaded.digest.hex()}).SerializeToString()
            )
        print(path)
