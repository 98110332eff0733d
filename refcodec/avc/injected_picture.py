"""A generated picture as a decoded one, without going through an I_PCM slice."""

from __future__ import annotations

from refcodec import errors
from refcodec.avc.frame_slots import SlotLease, SlotPool
from refcodec.avc.margins import extend_margins
from refcodec.avc.side_information import I_PCM
from refcodec.picture import Picture


def write_injected(pool: SlotPool, lease: SlotLease, picture: Picture) -> None:
    """(#dec.injection) Write samples and motion of the IDR picture that `picture` is decoded as.

    Raises HYP-E-INJ-02 when it does not cover the macroblock grid.
    """
    store = pool.store
    width, height = 16 * store.geometry.width_mbs, 16 * store.geometry.height_mbs
    if (picture.width, picture.height) != (width, height):
        raise errors.error(
            "HYP-E-INJ-02",
            element="generated picture",
            value=f"{picture.width}x{picture.height}",
            allowed=f"{width}x{height}",
        )
    motion = pool.place(lease)
    for target, source in zip(store.planes(lease.slot), picture.planes, strict=True):
        target[...] = source
    extend_margins(store, lease.slot)
    motion.mb_type[...] = I_PCM
    motion.mv[...] = 0
    motion.ref_idx[...] = motion.ref_picture[...] = -1
