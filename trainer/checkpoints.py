"""Checkpoints as models, and models as compact weights that last."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.numpy import load_file, save

from refcodec.fitting.trade import Trade
from trainer.networks import Architecture, Generator


def load_averaged(path: Path) -> Generator:
    """Return the averaged model of a checkpoint written by `trainer.train`, on the CPU, in evaluation mode."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    model = Generator(Architecture(**state["architecture"]))
    model.load_state_dict(state["averaged"])
    return model.eval()


def load_trade(path: Path) -> Trade:
    """Return the trade of the run that wrote a checkpoint."""
    return Trade(**torch.load(path, map_location="cpu", weights_only=True)["trade"])


def save_weights(model: Generator, path: Path) -> None:
    """Write the parameters in float16 with the architecture: enough to go on training, a tenth of a checkpoint."""
    # The container's package needs more than training does.
    from refcodec.container.atomic import output_file

    tensors = {
        name: value.detach().cpu().numpy().astype(np.float16 if value.dim() else np.float32)
        for name, value in model.state_dict().items()
    }
    metadata = {"architecture": json.dumps(model.architecture.as_dict())}
    with output_file(path) as file:
        file.write(save(tensors, metadata))


def load_weights(path: Path) -> Generator:
    """Return the model of a file that `save_weights` wrote."""
    with safe_open(path, "numpy") as file:
        architecture = json.loads(file.metadata()["architecture"])
    model = Generator(Architecture(**architecture))
    state = {
        name: torch.from_numpy(value.astype(np.float32)) for name, value in load_file(path).items()
    }
    model.load_state_dict(state)
    return model.eval()
