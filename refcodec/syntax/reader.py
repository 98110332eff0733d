"""Reference reader: the interpreter over a bitstring, one element at a time."""

from __future__ import annotations

from collections.abc import Mapping

from bitstring import Bits, Reader, ReadError

from refcodec import errors
from refcodec.syntax import tree
from refcodec.syntax.bits import LONGEST_PREFIX, last_one_bit
from refcodec.syntax.interpreter import Frame, Interpreter, Listener, Observer
from refcodec.syntax.values import Structure, Value


class BitReader(Interpreter):
    """Reads a structure from bytes; the plain counterpart of `refcodec.syntax.fast`."""

    def __init__(
        self,
        syntax: tree.Syntax,
        data: bytes | bytearray | memoryview,
        bit_offset: int = 0,
        *,
        listener: Listener | None = None,
        observer: Observer | None = None,
        origin: int = 0,
    ) -> None:
        super().__init__(syntax, listener=listener, observer=observer, origin=origin)
        self.data = memoryview(data).cast("B")
        self.bits = Reader(Bits.from_bytes(self.data), bit_offset)
        self.end = 8 * len(self.data)

    @property
    def position(self) -> int:
        return self.bits.pos

    def obtain(self, frame: Frame, element: tree.Element, path: str, width: int) -> Value:
        start = self.position
        try:
            return self.value(element.descriptor.kind, width, path)
        except ReadError:
            raise self.fault("data_ends", path, position=start) from None
        except errors.HypError as cause:
            cause.bit_offset = self.origin + start
            raise

    def value(self, kind: str, width: int, path: str) -> Value:
        """Read one value; ReadError where the data ends first."""
        match kind:
            case "u" | "f" | "b":
                return self.unsigned(width)
            case "i":
                return int(self.take(width).i)
            case "leb128":
                return self.leb128(width, path)
            case "sleb128":
                code = self.leb128(width, path)
                return (code >> 1) ^ -(code & 1)
            case "ue":
                return self.exp_golomb(path)
            case "se":
                code = self.exp_golomb(path)
                return (code + 1) >> 1 if code & 1 else -(code >> 1)
            case "utf8":
                content = self.bytes(width, path)
                try:
                    return str(content, "utf-8")
                except UnicodeDecodeError as cause:
                    raise self.fault("text_utf8", path, detail=str(cause.reason)) from None
        return self.bytes(width, path)

    def take(self, width: int) -> Bits:
        if width > self.end - self.position:
            raise ReadError("past the end of the structure")
        return self.bits.read_bits(width)

    def unsigned(self, width: int) -> int:
        return int(self.take(width).u) if width else 0

    def leb128(self, width: int, path: str) -> int:
        if self.position % 8:
            raise self.fault("alignment", path)
        value = shift = 0
        while True:
            byte = self.unsigned(8)
            value |= (byte & 127) << shift
            shift += 7
            if value >> width:
                raise self.fault("leb128_length", path, allowed=f"at most {width} bits")
            if byte < 128:
                if byte == 0 and shift > 7:
                    raise self.fault("leb128_minimal", path)
                return value
            if shift >= width:
                raise self.fault("leb128_length", path, allowed=f"at most {width} bits")

    def exp_golomb(self, path: str) -> int:
        zeros = 0
        while not self.unsigned(1):
            zeros += 1
            if zeros > LONGEST_PREFIX:
                raise self.fault("exp_golomb_length", path)
        return (1 << zeros) - 1 + self.unsigned(zeros)

    def bytes(self, size: int, path: str) -> memoryview:
        """Return the next `size` bytes of the data itself, not a copy."""
        if self.position % 8:
            raise self.fault("alignment", path)
        if 8 * size > self.end - self.position:
            left = (self.end - self.position) // 8
            raise self.fault("length_inflated", path, value=size, allowed=(0, left))
        first = self.position // 8
        self.bits.pos += 8 * size
        return self.data[first : first + size]

    def commit(self, element: tree.Element, path: str, width: int, value: Value) -> None:
        """A value that was read needs nothing more."""

    def presence(self, frame: Frame, function: str, body: tuple[tree.Statement, ...]) -> int:
        if function == "more_data_in_file":
            return 1 if self.position < self.end else 0
        return 1 if self.position < last_one_bit(self.data, self.end // 8) else 0

    def enter(self, frame: Frame, path: str, size: int) -> object:
        end = self.position + 8 * size
        if end > self.end:
            left = (self.end - self.position) // 8
            raise self.fault("length_inflated", path, value=size, allowed=(0, left))
        before, self.end = self.end, end
        return before

    def leave(self, frame: Frame, path: str, size: int, state: object) -> None:
        if self.position != self.end:
            left = self.end - self.position
            raise self.fault("structure_size", path, detail=f"{left} bits are left")
        assert isinstance(state, int)
        self.end = state


def read_reference(
    syntax: tree.Syntax,
    name: str,
    data: bytes | bytearray | memoryview,
    bit_offset: int = 0,
    params: Mapping[str, object] | None = None,
    listener: Listener | None = None,
    *,
    observer: Observer | None = None,
    origin: int = 0,
) -> Structure:
    """Read structure `name` with the reference reader; see `refcodec.syntax.read`."""
    reader = BitReader(
        syntax, data, bit_offset, listener=listener, observer=observer, origin=origin
    )
    return reader.run(name, params or {})
