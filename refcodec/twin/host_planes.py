"""Planes between torch and the kernels of the decoder, which work on the host's memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from refcodec.twin.planes import Planes

Array = NDArray[Any]
HostPlanes = tuple[Array, Array, Array]


def host_copy(planes: Planes) -> HostPlanes:
    """Return copies (pictures, H, W), (pictures, H / 2, W / 2) of planes with any leading dimensions,
    contiguous."""

    def copied(plane: Tensor) -> Array:
        plane = plane.detach()
        flat = plane.reshape(-1, *plane.shape[-2:])
        host = flat.cpu() if flat.is_cuda else flat.clone(memory_format=torch.contiguous_format)
        result: Array = np.ascontiguousarray(host.numpy())
        return result

    y, cb, cr = planes
    return copied(y), copied(cb), copied(cr)


def host_planes(planes: Planes) -> HostPlanes:
    """Return planes (H, W), (H / 2, W / 2) as arrays, which share the tensors' memory where it is the host's."""
    y, cb, cr = (plane.detach().cpu().numpy() for plane in planes)
    return y, cb, cr


def device_planes(host: HostPlanes, like: Planes) -> tuple[Tensor, Tensor, Tensor]:
    """Return host planes as tensors of the shapes, types and device of `like`."""

    def tensor(plane: Array, other: Tensor) -> Tensor:
        return torch.from_numpy(plane).to(other.device, other.dtype).reshape(other.shape)

    return tensor(host[0], like.y), tensor(host[1], like.cb), tensor(host[2], like.cr)
