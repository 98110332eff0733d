"""A network that learns to tell coded pictures from originals, and what its judgement adds to the loss.

Hinge losses as in Lim and Ye, Geometric GAN (arXiv:1705.02894); the network judges overlapping patches, as in Isola et
al., Image-to-Image Translation with Conditional Adversarial Networks (arXiv:1611.07004).
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm


class Adversary(nn.Module):
    """Judges patches of 46 x 46 samples of RGB, one for each 8 x 8: above zero means original."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        sizes = [3, width, 2 * width, 4 * width]
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(sizes):
            layers += [
                spectral_norm(nn.Conv2d(inputs, outputs, 4, stride=2, padding=1)),
                nn.LeakyReLU(0.2),
            ]
        layers.append(spectral_norm(nn.Conv2d(sizes[-1], 1, 4, padding=1)))
        self.layers = nn.Sequential(*layers)

    def forward(self, rgb: Tensor) -> Tensor:
        """Return the judgement of each patch, (N,1,h,w), of rgb (N,3,H,W) in 0..1."""
        judged: Tensor = self.layers(2 * rgb - 1)
        return judged


def deceiving(adversary: Adversary, coded: Tensor) -> Tensor:
    """Return what a coder loses where its pictures look coded, (N,)."""
    return -adversary(coded).mean((1, 2, 3))


def discerning(adversary: Adversary, coded: Tensor, original: Tensor) -> Tensor:
    """Return what the adversary loses where it errs or is undecided, ()."""
    return F.relu(1 - adversary(original)).mean() + F.relu(1 + adversary(coded)).mean()
