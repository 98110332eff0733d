"""Random but valid restoration networks, the same from a seed on every machine. They restore nothing."""

from __future__ import annotations

import os

import numpy as np

from refcodec.intnet.graph import Network
from refcodec.intnet.model_file import write_model_file
from refcodec.intnet.random_graph import Builder
from refcodec.restoration.model import DETAIL, LUMA, NETWORK


def random_network(seed: int, width: int = 8, factor: int = 2) -> Network:
    """Return a network of the form that is trained, with two layers of `width` channels."""
    builder = Builder(NETWORK, np.random.default_rng(seed))
    x = builder.shuffle("space_to_depth", builder.input(LUMA, 1, -128, 127), factor)
    x = builder.conv("conv3x3", x, width, 0, 255)
    x = builder.conv("conv3x3", x, width, 0, 255)
    x = builder.conv("conv3x3", x, factor**2, -128, 127)
    return builder.build([builder.shuffle("pixel_shuffle", x, factor, name=DETAIL)])


def write_random_restoration(path: str | os.PathLike[str], seed: int, factor: int = 2) -> bytes:
    """Write a model file with a random network and return its digest."""
    return write_model_file(path, NETWORK, {NETWORK: random_network(seed, factor=factor)}, {}, {})
