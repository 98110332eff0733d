"""A device that is not there: tensors that say that they are on a GPU, and compute on the host.

They refuse what a GPU's tensors refuse: to meet tensors of the host in one operation, and to be arrays.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

DEVICE = torch.device("cuda", 0)
_BETWEEN_DEVICES = (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)


class MixedDevicesError(RuntimeError):
    """Tensors of the host and of the device in one operation."""


class DeviceTensor(Tensor):
    """A tensor `held` by the device."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> DeviceTensor:
        made: DeviceTensor = Tensor._make_wrapper_subclass(
            cls,
            held.size(),
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            layout=held.layout,
            device="meta",  # the engine of autograd wants a device that it has
        )
        made.held = held
        return made

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return DEVICE

    @property
    def is_cuda(self) -> bool:  # type: ignore[override]
        return True

    def __repr__(self, *, tensor_contents: object = None) -> str:
        return f"DeviceTensor({self.held!r})"

    @classmethod
    def __torch_dispatch__(
        cls, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return _computed(function, args, kwargs or {})


class _Mode(TorchDispatchMode):
    """Sends what is asked for on the device there."""

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return _computed(function, args, kwargs or {})


def _computed(function: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    tensors = [each for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)]
    on_device = any(isinstance(each, DeviceTensor) for each in tensors)
    if on_device and function not in _BETWEEN_DEVICES:
        for each in tensors:
            if not isinstance(each, DeviceTensor) and each.dim():
                raise MixedDevicesError(f"{function}: a tensor of the host, {tuple(each.shape)}")
    asked = kwargs.get("device")
    if asked is not None:
        on_device = torch.device(asked).type != "cpu"
        kwargs = kwargs | {"device": torch.device("cpu")}
    result = function(*tree_map(_held, args), **tree_map(_held, kwargs))
    written = _written(function, args, kwargs)
    if written is not None:
        return written
    return tree_map(_sent, result) if on_device else result


def _written(function: Any, args: Any, kwargs: dict[str, Any]) -> Tensor | None:
    """Return the tensor that an operation writes to and returns."""
    for number, argument in enumerate(function._schema.arguments):
        alias = argument.alias_info
        if alias is not None and alias.is_write:
            found = args[number] if number < len(args) else kwargs.get(argument.name)
            return found if isinstance(found, Tensor) else None
    return None


def _held(value: Any) -> Any:
    return value.held if isinstance(value, DeviceTensor) else value


def _sent(value: Any) -> Any:
    plain = isinstance(value, Tensor) and not isinstance(value, DeviceTensor)
    return DeviceTensor(value) if plain else value


@contextmanager
def pretended_device() -> Iterator[str]:
    """While this lasts torch has the device whose name it gives, without bfloat16."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "_lazy_init", lambda: None)
        patch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: False)
        with _Mode():
            yield str(DEVICE)
