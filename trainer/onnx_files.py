"""A model file as ONNX models, one for each network."""

from collections.abc import Iterator
from pathlib import Path

from refcodec import generator
from refcodec.container.atomic import output_file
from refcodec.intnet.onnx_export import require_packages, to_onnx


def write_onnx(folder: Path, model: Path | None) -> Iterator[Path]:
    """Write the networks of `model`, or of the model that ships, to `folder`; yields each path when it is written.

    Raises HYP-E-CLI-04 when the packages of the extra `onnx` are absent.
    """
    require_packages("onnx")
    loaded = generator.load_model(model) if model else generator.bundled(1)
    folder.mkdir(parents=True, exist_ok=True)
    for name, network in loaded.file.networks.items():
        path = folder / f"{name}.onnx"
        with output_file(path) as file:
            file.write(
                to_onnx(network, {"hyp.model_digest": loaded.digest.hex()}).SerializeToString()
            )
        yield path
