"""Evaluation of a generator on still pictures at equal rates beside intra pictures of the peers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from refcodec.twin.colour import planes_to_rgb, rgb_to_planes
from trainer.coding import code, planes_from, planes_to
from trainer.graph import TorchExecutor
from trainer.lpips import LPIPS
from trainer.networks import Generator
from trainer.still_peers import PeerScores, Samples, Yuv, first_picture, peer

_REFINED_PART = 0.82
"""Bits of a refined prompt, of those of the plain one, before any is known."""
_MOST_REFINED = 4
"""Prompts that are refined to come near a rate, where one of them is small enough."""
_NEAR = 0.94
"""Part of a rate from which a prompt is near it: indices are a twentieth apart."""

Coder = Callable[[Yuv, int], tuple[float, Yuv]]
"""A still-picture coder: planes (y, u, v) and prompt_scale_index to bits and decoded planes."""


@dataclass(frozen=True)
class Score:
    """Rate and quality of one coded picture."""

    bits_per_pixel: float
    lpips_alex: float
    lpips_squeeze: float
    psnr_y: float


@dataclass(frozen=True)
class Row:
    """One picture: ours and the peers' by name."""

    picture: str
    ours: Score
    peers: dict[str, Score]

    @property
    def best_peer(self) -> float:
        """The lowest LPIPS-alex among the peers."""
        return min(score.lpips_alex for score in self.peers.values())


def read_picture(path: Path) -> Yuv:
    """Read a picture as 8-bit BT.709 limited-range 4:2:0, cropped to multiples of 16."""
    rgb = np.asarray(Image.open(path).convert("RGB"))
    rgb = rgb[: rgb.shape[0] // 16 * 16, : rgb.shape[1] // 16 * 16]
    y, c = rgb_to_planes(torch.from_numpy(rgb.copy()).permute(2, 0, 1)[None].float() / 255)
    return _samples(y[0, 0]), _samples(c[0, 0]), _samples(c[0, 1])


def _samples(plane: Tensor) -> Samples:
    return torch.floor(plane * 255 + 0.5).clamp(0, 255).byte().numpy()


def _tensors(picture: Yuv) -> tuple[Tensor, Tensor]:
    y, u, v = (torch.from_numpy(np.ascontiguousarray(p)).float() / 255 for p in picture)
    return y[None, None], torch.stack([u, v])[None]


class Scorer:
    """Scores decoded planes against the source's."""

    def __init__(self, weights: Path) -> None:
        self.nets = {
            net: LPIPS(weights / f"lpips_{net}_v0.1.npz", net) for net in ("alex", "squeeze")
        }

    @torch.no_grad()
    def score(self, source: Yuv, decoded: Yuv, bits: float) -> Score:
        """Return the scores; LPIPS on RGB by the common test conditions."""
        a, b = (planes_to_rgb(*_tensors(p)).clamp(0, 1) for p in (source, decoded))
        error = (source[0].astype(np.float64) - decoded[0]) ** 2
        return Score(
            bits / source[0].size,
            float(self.nets["alex"](a, b)),
            float(self.nets["squeeze"](a, b)),
            10 * float(np.log10(255**2 / max(error.mean(), 1e-9))),
        )


def checkpoint_coder(model: Generator, mode: str = "quantised") -> Coder:
    """Return a coder that runs a model in torch (rate estimated, picture not integer-exact)."""

    @torch.no_grad()
    def run(picture: Yuv, q: int) -> tuple[float, Yuv]:
        planes = planes_from(*_tensors(picture))
        coded = code(model, planes, torch.tensor([q]), TorchExecutor(mode), noise=False)
        y, c = planes_to(coded.planes)
        return float(coded.bits), (_samples(y[0, 0]), _samples(c[0, 0]), _samples(c[0, 1]))

    return run


def shipped_coder(model_path: Path, refine: int = 0, lpips: Path | None = None) -> Coder:
    """Return the coder that the product runs: numpy analysis, real prompts, the integer decoder. Prompts are refined in
    `refine` steps by the LPIPS networks in the folder `lpips`."""
    from refcodec.encoder.prompts import Prompter, Refinement
    from refcodec.metrics.lpips_weights import find_judges
    from refcodec.picture import Picture

    prompter = Prompter(model_path)
    refinement = Refinement(refine, find_judges(lpips)) if refine else None

    def run(picture: Yuv, q: int) -> tuple[float, Yuv]:
        prompt = prompter.prompt(
            Picture(*(np.ascontiguousarray(plane) for plane in picture)), q, refinement
        )
        out = prompt.picture
        return 8.0 * len(prompt.data), (out.y, out.u, out.v)

    return run


def at_rate(coder: Coder, picture: Yuv, bits_per_pixel: float) -> tuple[float, Yuv]:
    """Return bits and planes at the scale index whose rate is the largest not above the target."""
    return coder(picture, _index(coder, picture, bits_per_pixel * picture[0].size))


def _index(coder: Coder, picture: Yuv, bits: float) -> int:
    """Return the smallest prompt_scale_index with at most `bits` bits, 63 where there is none."""
    lo, hi = 0, 63
    while lo < hi:
        middle = (lo + hi) // 2
        if coder(picture, middle)[0] <= bits:
            hi = middle
        else:
            lo = middle + 1
    return hi


def at_rate_refined(
    coder: Coder, refined: Coder, picture: Yuv, bits_per_pixel: float
) -> tuple[float, Yuv]:
    """Return bits and planes of the refined prompt with the largest rate found that is not above the target.

    Refining is slow, and takes much the same part of the bits at neighbouring indices: the plain coder says at which
    one to try next. Raises ValueError where no prompt is small enough.
    """
    goal = bits_per_pixel * picture[0].size
    part = _REFINED_PART
    best: tuple[float, Yuv] | None = None
    tried: dict[int, float] = {}
    while best is None or (best[0] < _NEAR * goal and len(tried) < _MOST_REFINED):
        q = _index(coder, picture, goal / part)
        # Next to what was too large there may be nothing smaller by the plain coder's account.
        while tried.get(q, 0.0) > goal:
            q += 1
        if q > 63:
            raise ValueError(f"no prompt has at most {goal:.0f} bits")
        if q in tried:
            break
        result = refined(picture, q)
        tried[q] = result[0]
        part = result[0] / coder(picture, q)[0]
        if result[0] <= goal and (best is None or result[0] > best[0]):
            best = result
    assert best is not None
    return best


def evaluate(
    coder: Coder,
    pictures: Iterable[tuple[str, Yuv]],
    scorer: Scorer,
    bits_per_pixel: float,
    peers: Sequence[str],
    refined: Coder | None = None,
) -> Iterator[Row]:
    """Compare a coder, at no more than the given rate, with intra pictures of the peers at the rate; `refined` is the
    same coder with prompts refined, and is compared in its place."""
    peer_scores = PeerScores(lambda a, b, bits: asdict(scorer.score(a, b, bits)))
    for name, picture in pictures:
        if refined is None:
            bits, decoded = at_rate(coder, picture, bits_per_pixel)
        else:
            bits, decoded = at_rate_refined(coder, refined, picture, bits_per_pixel)
        others = {n: Score(**peer_scores.of(picture, peer(n), bits_per_pixel)) for n in peers}
        yield Row(name, scorer.score(picture, decoded, bits), others)


def read_any(path: Path) -> Yuv:
    """Read a picture, or the first one of a video."""
    return read_picture(path) if path.suffix == ".png" else first_picture(path)


def mean(scores: list[Score]) -> Score:
    """Return the mean of each score."""
    columns = np.array(
        [(s.bits_per_pixel, s.lpips_alex, s.lpips_squeeze, s.psnr_y) for s in scores]
    ).mean(0)
    return Score(*(float(v) for v in columns))
