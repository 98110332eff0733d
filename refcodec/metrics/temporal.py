"""Error of the change between consecutive pictures: flicker that no single picture shows."""

from __future__ import annotations

import numpy as np

from refcodec.picture import Picture


def temporal_error(
    source_before: Picture, source: Picture, decoded_before: Picture, decoded: Picture
) -> float:
    """Return the RMS difference of the two luma frame differences, in 8-bit code values; 0 is best.

    With s the source and d the decoded video: sqrt(mean(((s_t - s_(t-1)) - (d_t - d_(t-1)))²)).
    """
    error = source.y.astype(np.int32)
    error -= source_before.y
    error -= decoded.y
    error += decoded_before.y
    return float(np.sqrt(np.einsum("ij,ij->", error, error, dtype=np.int64) / error.size))
