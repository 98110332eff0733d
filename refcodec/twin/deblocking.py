"""The deblocking filter with gradients.

What is filtered, and how, is decided by comparing samples with thresholds. The twin takes these
decisions as constants: between the values at which one changes the filter is piecewise linear, with a
matrix for each case of a line (filter_weights.py). The backward pass applies the transposes to the lines
in reverse order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from refcodec.avc.deblocking import filter_strengths
from refcodec.avc.frame_store import Geometry
from refcodec.avc.stream_decoder import PictureDetails
from refcodec.twin import filter_kernels
from refcodec.twin.components import BOTH
from refcodec.twin.filter_weights import DECISIONS, TAPS, line_weights
from refcodec.twin.host_planes import HostPlanes, device_planes, host_copy
from refcodec.twin.planes import Mode, Planes

Array = NDArray[Any]


@dataclass(frozen=True)
class Decisions:
    """What the filter decided of each line of each picture; bits as in filter_weights, of which the
    lower three are those of the integer decoder's FilterDecisions.

    luma: uint8 (pictures, mbs, 2, 4, 16), direction (vertical edges, horizontal ones), edge, sample
    chroma: uint8 (pictures, mbs, 2, 2, 2, 8), Cb and Cr, direction, edge 0 or 2, sample
    """

    luma: Array
    chroma: Array

    @classmethod
    def allocate(cls, pictures: int, mbs: int) -> Decisions:
        """Return decisions not to filter."""
        return cls(
            np.zeros((pictures, mbs, 2, 4, 16), np.uint8),
            np.zeros((pictures, mbs, 2, 2, 2, 8), np.uint8),
        )


@dataclass(frozen=True)
class FilterPlan:
    """A picture's edges; `strengths` uint8 (mbs, 2, 4, 4) as FilterDecisions.strengths."""

    details: PictureDetails
    width_mbs: int
    strengths: Array

    @classmethod
    def of(cls, details: PictureDetails, width_mbs: int) -> FilterPlan:
        """(#avc.8.7.2.1) Find the strengths of a picture."""
        geometry = Geometry(width_mbs, details.info.mbs // width_mbs)
        return cls(details, width_mbs, filter_strengths(details.info, details.slices, geometry))

    def filter(self, planes: HostPlanes, decisions: Decisions | None, mode: Mode) -> Decisions:
        """Filter planes (pictures, H, W) in place; return the case of each line."""
        pictures = len(planes[0])
        if decisions is None:
            cases = Decisions.allocate(pictures, self.details.info.mbs)
        else:
            cases = Decisions(
                np.broadcast_to(decisions.luma, (pictures, *decisions.luma.shape[1:])).copy(),
                np.broadcast_to(decisions.chroma, (pictures, *decisions.chroma.shape[1:])).copy(),
            )
        self.filter_into(planes, cases, decisions is not None, mode)
        return cases

    def filter_into(
        self,
        planes: HostPlanes,
        cases: Decisions,
        given: bool,
        mode: Mode,
        components: int = BOTH,
    ) -> None:
        """Filter planes (pictures, H, W) in place and write the case of each line; `given`: `cases` has the
        decisions. Otherwise it has been allocated for this plan, or is what a filtering by this plan left there.
        components: LUMA, CHROMA or both."""
        info = self.details.info
        for number, (y, cb, cr) in enumerate(zip(*planes, strict=True)):
            filter_kernels.filter_picture(
                y.reshape(-1),
                cb.reshape(-1),
                cr.reshape(-1),
                self.width_mbs,
                info.mbs,
                self.strengths.reshape(-1),
                info.slice_table,
                self.details.slices.parameters.reshape(-1),
                info.qp_y,
                int(given),
                int(mode is Mode.EXACT),
                cases.luma[number].reshape(-1),
                cases.chroma[number].reshape(-1),
                components,
            )

    def transpose(self, gradients: HostPlanes, cases: Decisions, components: int = BOTH) -> None:
        """Make gradients of what `filter` made those of what it was given, in place. components: LUMA, CHROMA or
        both."""
        line = np.empty(TAPS, gradients[0].dtype)
        for number, (y, cb, cr) in enumerate(zip(*gradients, strict=True)):
            filter_kernels.return_picture(
                y.reshape(-1),
                cb.reshape(-1),
                cr.reshape(-1),
                self.width_mbs,
                self.details.info.mbs,
                self.strengths.reshape(-1),
                cases.luma[number].reshape(-1),
                cases.chroma[number].reshape(-1),
                line_weights(),
                line,
                components,
            )


class _Deblock(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        y: Tensor,
        cb: Tensor,
        cr: Tensor,
        plan: FilterPlan,
        decisions: Decisions | None,
        mode: Mode,
    ) -> tuple[Tensor, Tensor, Tensor]:
        given = Planes(y, cb, cr)
        host = host_copy(given)
        ctx.plan, ctx.cases = plan, plan.filter(host, decisions, mode)
        return device_planes(host, given)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Any) -> Any:
        given = Planes(*gradients)
        host = host_copy(given)
        ctx.plan.transpose(host, ctx.cases)
        return *device_planes(host, given), None, None, None


def decide(planes: Planes, details: PictureDetails) -> Decisions:
    """(#avc.8.7.2.2) Return the decisions of the integer decoder for a picture that has the samples
    `planes`, whole numbers 0..255, before deblocking."""
    plan = FilterPlan.of(details, planes.y.shape[-1] // 16)
    cases = plan.filter(host_copy(planes), None, Mode.EXACT)
    return Decisions(cases.luma & DECISIONS, cases.chroma & DECISIONS)


def deblock(
    planes: Planes, details: PictureDetails, decisions: Decisions | None, mode: Mode
) -> Planes:
    """(#avc.8.7) Return the picture after deblocking.

    planes: (..., H, W), (..., H/2, W/2), float32 or float64, any device
    decisions: as `decide` returns them, for each picture or for all of them; None to make them from
        the samples as they are, which in exact mode is what the integer decoder does
    Exact mode: planes are whole numbers 0..255, and the result is that of the integer decoder.
        Rounding and the clipping to 0..255 have the derivative 1.
    Smooth mode: neither rounded nor clipped to 0..255.
    In both modes what -tC, tC, -tC0 and tC0 limit does not change where it has reached its limit, so
    it has the derivative 0 there. Kernels run on the host.
    """
    plan = FilterPlan.of(details, planes.y.shape[-1] // 16)
    if not plan.strengths.any():
        return planes
    apply: Any = _Deblock.apply
    return Planes(*apply(*planes, plan, decisions, mode))
