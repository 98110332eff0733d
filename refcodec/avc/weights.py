"""What is derived from picture order counts for bi-prediction: DistScaleFactor of temporal direct
prediction (8.4.1.2.3) and implicit weights (8.4.2.3.1)."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from refcodec.avc.compilation import inlined, kernel
from refcodec.avc.slice_table import LIST_SIZE

Array = NDArray[Any]

UNSCALED: Final = -1024 - 1
"""In place of DistScaleFactor where the vector of the colocated picture is used as it is."""


def implicit_weights(
    poc: int, poc0: Array, poc1: Array, long0: Array, long1: Array
) -> NDArray[np.int32]:
    """(#avc.8.4.2.3.1) Return w1 of implicit weighted prediction; w0 is 64 - w1.

    poc: PicOrderCnt of the current picture; poc0, poc1: int32 (n0,), (n1,), n <= LIST_SIZE, those
    of the entries of RefPicList0 and RefPicList1; long0, long1: uint8, whether the entries are
    long-term pictures. Result: int32 (LIST_SIZE, LIST_SIZE) by refIdxL0, refIdxL1, in the range
    -64 to 128; 32 beyond the lists.
    """
    result: NDArray[np.int32] = np.full((LIST_SIZE, LIST_SIZE), 32, np.int32)
    _implicit_weights(
        poc, _array(poc0), _array(poc1), _array(long0), _array(long1), result.reshape(-1)
    )
    return result


def dist_scale_factors(poc: int, poc0: Array, long0: Array, poc1: int) -> NDArray[np.int32]:
    """(#avc.8.4.1.2.3) Return DistScaleFactor by refIdxL0, or UNSCALED.

    poc: PicOrderCnt of the current picture; poc0: int32 (n0,), n0 <= LIST_SIZE, those of the
    entries of RefPicList0; long0: uint8 (n0,), whether they are long-term pictures; poc1: that of
    RefPicList1[0], the colocated picture. Result: int32 (LIST_SIZE,), UNSCALED for long-term
    pictures, for pictures with the colocated one's order count, and beyond the list.
    """
    result: NDArray[np.int32] = np.full(LIST_SIZE, UNSCALED, np.int32)
    for i in range(min(len(poc0), LIST_SIZE)):
        if not long0[i] and int(poc0[i]) != poc1:
            result[i] = dist_scale_factor(poc, int(poc0[i]), poc1)
    return result


def _array(values: Array) -> NDArray[np.int32]:
    return np.ascontiguousarray(values, np.int32)


@inlined
def _clip(low: int, high: int, value: int) -> int:
    return min(max(value, low), high)


@inlined
def dist_scale_factor(poc: int, poc0: int, poc1: int) -> int:
    """(#avc.8.4.1.2.3) Return DistScaleFactor; `poc0` and `poc1` must differ."""
    tb = _clip(-128, 127, poc - poc0)
    td = _clip(-128, 127, poc1 - poc0)
    # "/" truncates towards zero, and the dividend is positive
    tx = (16384 + abs(td) // 2) // abs(td)
    if td < 0:
        tx = -tx
    return _clip(-1024, 1023, (tb * tx + 32) >> 6)


@kernel
def _implicit_weights(
    poc: int, poc0: Array, poc1: Array, long0: Array, long1: Array, w1: Array
) -> None:
    for i in range(min(poc0.size, LIST_SIZE)):
        for j in range(min(poc1.size, LIST_SIZE)):
            first = int(poc0[i])
            second = int(poc1[j])
            if first == second or int(long0[i]) != 0 or int(long1[j]) != 0:
                continue
            weight = dist_scale_factor(poc, first, second) >> 2
            if -64 <= weight <= 128:
                w1[LIST_SIZE * i + j] = weight
