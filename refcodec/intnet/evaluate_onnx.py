"""Evaluation by onnxruntime of the exported ONNX model (`onnx_export`), on the CPU; imported only on request."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from threading import Lock

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from refcodec.intnet.graph import Network
from refcodec.intnet.onnx_export import to_onnx

Tensor = NDArray[np.int16]

_sessions: weakref.WeakKeyDictionary[Network, dict[int, onnxruntime.InferenceSession]] = (
    weakref.WeakKeyDictionary()
)
_lock = Lock()


def _session(network: Network, threads: int) -> onnxruntime.InferenceSession:
    with _lock:
        known = _sessions.setdefault(network, {})
        if threads not in known:
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = threads
            options.inter_op_num_threads = 1
            # threads that wait by spinning take the processors from those that work
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
            known[threads] = onnxruntime.InferenceSession(
                to_onnx(network).SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        return known[threads]


def evaluate(network: Network, inputs: Mapping[str, Tensor], threads: int = 1) -> dict[str, Tensor]:
    """(#net.evaluation) Evaluate a checked network; see `evaluate_numpy.evaluate`."""
    given = {name: value[None].astype(np.float32) for name, value in inputs.items()}
    found = _session(network, threads).run(list(network.outputs), given)
    return {
        name: np.asarray(value)[0].astype(np.int16)
        for name, value in zip(network.outputs, found, strict=True)
    }
