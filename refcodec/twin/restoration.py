"""Restoration with gradients: they pass through the network and through the rounding of what it adds."""

from __future__ import annotations

import torch
from torch.nn import functional

from refcodec.restoration import RestorationModel
from refcodec.restoration.model import DETAIL, LUMA, UNIT
from refcodec.restoration.restorer import MIDDLE
from refcodec.twin.integer_network import Arithmetic, NetworkTwin
from refcodec.twin.planes import Mode, Planes, clip, shift_right

_SHIFT = 2


class RestorationTwin:
    """(#dec.restoration) Restores pictures of presentation size with `gain`, restoration_gain 1..3."""

    def __init__(
        self,
        model: RestorationModel,
        gain: int,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self._network = NetworkTwin(model.network, device, dtype)
        self._gain = gain

    def __call__(self, planes: Planes, mode: Mode = Mode.EXACT) -> Planes:
        """Return planes (H, W), (H/2, W/2) with luma restored. Exact mode: the result is that of the integer
        process. Smooth mode: nothing is rounded."""
        luma = planes.y[None, None]
        height, width = luma.shape[2:]
        whole = functional.pad(luma, (0, -width % UNIT, 0, -height % UNIT), mode="replicate")
        arithmetic = Arithmetic.SMOOTH if mode is Mode.SMOOTH else Arithmetic.EXACT
        detail = self._network({LUMA: whole - MIDDLE}, arithmetic=arithmetic)[DETAIL]
        added = shift_right(self._gain * detail[0, 0, :height, :width], _SHIFT, mode)
        return planes._replace(y=clip(planes.y + added, mode))
