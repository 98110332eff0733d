"""A writer of H.264 bit strings, for the few headers that the injection builds."""

from __future__ import annotations


class BitWriter:
    """Collects bits, most significant first, as one Python integer."""

    def __init__(self) -> None:
        self._value = 0
        self._length = 0

    @property
    def bit_length(self) -> int:
        """Number of bits written."""
        return self._length

    def u(self, width: int, value: int) -> None:
        """(#avc.9.1) Append `value` as an unsigned integer of `width` bits; 0 <= value <
        2**width."""
        if not 0 <= value < 1 << width:
            raise ValueError(f"{value} does not fit {width} bits")
        self._value = self._value << width | value
        self._length += width

    def ue(self, value: int) -> None:
        """(#avc.9.1) Append `value` >= 0 as an unsigned Exp-Golomb code (H.264, 9.1)."""
        self.u(2 * (value + 1).bit_length() - 1, value + 1)

    def se(self, value: int) -> None:
        """(#avc.9.1) Append `value` as a signed Exp-Golomb code (H.264, 9.1.1)."""
        self.ue(2 * value - 1 if value > 0 else -2 * value)

    def align_with_zeros(self) -> None:
        """Append zero bits up to a byte boundary."""
        self.u(-self._length % 8, 0)

    def trailing_bits(self) -> None:
        """(#avc.9.1) Append rbsp_trailing_bits: a one bit and zero bits up to a byte
        boundary."""
        self.u(1, 1)
        self.align_with_zeros()

    def to_bytes(self) -> bytes:
        """Return the bytes. Raises ValueError unless the length is a multiple of 8 bits."""
        if self._length % 8:
            raise ValueError(f"{self._length} bits are not whole bytes")
        return self._value.to_bytes(self._length // 8, "big")
