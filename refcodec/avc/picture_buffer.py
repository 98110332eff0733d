"""(#avc.C.4) The decoded picture buffer, with output by bumping."""

from __future__ import annotations

from refcodec.avc.active_parameters import SequenceParameters
from refcodec.avc.stored_picture import UNUSED, StoredPicture


class PictureBuffer:
    """Holds the pictures that are used for reference or wait for output."""

    def __init__(self, parameters: SequenceParameters) -> None:
        self._capacity = parameters.dpb_frames
        self._reorder = parameters.reorder_frames
        self._pictures: list[StoredPicture] = []

    @property
    def pictures(self) -> list[StoredPicture]:
        """All pictures in the buffer."""
        return self._pictures

    @property
    def references(self) -> list[StoredPicture]:
        """The pictures that are used for reference, in the order in which they came."""
        return [each for each in self._pictures if each.marking != UNUSED]

    def store(self, picture: StoredPicture) -> list[StoredPicture]:
        """(#avc.C.4.5) Put a marked picture into the buffer, after the marking it caused; `waiting`
        says whether it has to be output. Return the pictures that are output, in order.

        A picture goes out when there is no empty frame buffer, and as soon as more pictures wait
        than are ever reordered.
        """
        output: list[StoredPicture] = []
        self._remove_unused()
        # C.4.5.2: a non-reference picture that is output at once is not stored.
        self._pictures.append(picture)
        while self._waiting() and (
            len(self._pictures) > self._capacity or self._waiting() > self._reorder
        ):
            output.append(self._bump())
        self._remove_unused()
        return output

    def flush(self) -> list[StoredPicture]:
        """(#avc.C.4.4) Return all pictures that wait for output, in order."""
        output: list[StoredPicture] = []
        while self._waiting():
            output.append(self._bump())
        self._remove_unused()
        return output

    def drop(self) -> None:
        """(#avc.C.4.4) Empty the buffer without output."""
        self._pictures.clear()

    def _waiting(self) -> int:
        return sum(each.waiting for each in self._pictures)

    def _bump(self) -> StoredPicture:
        """(#avc.C.4.5.3) Output the picture with the smallest order count."""
        first = min(
            (each for each in self._pictures if each.waiting), key=lambda each: each.order_count
        )
        first.waiting = False
        self._remove_unused()
        return first

    def _remove_unused(self) -> None:
        self._pictures = [each for each in self._pictures if each.in_use]
