"""Checkpoints as models."""

from __future__ import annotations

from pathlib import Path

import torch

from trainer.networks import Architecture, Generator


def load_averaged(path: Path) -> Generator:
    """Return the averaged model of a checkpoint written by `trainer.train`, on the CPU, in evaluation mode."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    model = Generator(Architecture(**state["architecture"]))
    model.load_state_dict(state["averaged"])
    return model.eval()
