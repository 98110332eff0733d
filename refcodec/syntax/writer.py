"""Writer: the interpreter takes each value from what it was given and puts its bits."""

from __future__ import annotations

from collections.abc import Mapping

from refcodec import errors
from refcodec.syntax import tree
from refcodec.syntax.interpreter import Frame, Interpreter, Listener, Observer
from refcodec.syntax.lint import value_limits
from refcodec.syntax.values import Structure, Value


class BitSink:
    """Collects bits into bytes; a byte-aligned run of bytes is appended as it is."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._pending = 0
        self._count = 0

    @property
    def position(self) -> int:
        """Number of bits put so far."""
        return 8 * len(self._bytes) + self._count

    def put(self, value: int, width: int) -> None:
        """Append `value`, 0 <= value < 2**width, most significant bit first."""
        self._pending = (self._pending << width) | value
        self._count += width
        whole, self._count = divmod(self._count, 8)
        if whole:
            self._bytes += (self._pending >> self._count).to_bytes(whole, "big")
            self._pending &= (1 << self._count) - 1

    def put_bytes(self, content: bytes | bytearray | memoryview) -> None:
        """Append whole bytes; the position must be a multiple of 8."""
        self._bytes += content

    def finished(self) -> bytes:
        """Return what was put, zero bits filling the last byte."""
        rest = bytes([self._pending << (8 - self._count)]) if self._count else b""
        return bytes(self._bytes) + rest


class BitWriter(Interpreter):
    """Writes a structure from given values; each is used once, and none may be left."""

    def __init__(
        self,
        syntax: tree.Syntax,
        values: Mapping[str, object],
        *,
        listener: Listener | None = None,
        observer: Observer | None = None,
    ) -> None:
        super().__init__(syntax, listener=listener, observer=observer)
        self.sink = BitSink()
        self._values = values

    @property
    def position(self) -> int:
        return self.sink.position

    def begin(self, frame: Frame) -> None:
        frame.given = dict(self._values)

    # ------------------------------------------------------------------ values

    def obtain(self, frame: Frame, element: tree.Element, path: str, width: int) -> Value:
        present, given = self.given(frame, element.name, element.subscripts)
        if not present:
            if element.fixed is not None:
                return self.evaluate(frame, element.fixed)
            raise self.usage("HYP-E-SYN-20", path)
        return self.converted(element, path, given)

    def given(
        self, frame: Frame, name: str, subscripts: tuple[tree.Expression, ...]
    ) -> tuple[bool, object]:
        """Take one given value: whether there is one, and it."""
        if name not in frame.given:
            return False, None
        if not subscripts:
            return True, frame.given.pop(name)
        value: object = frame.given[name]
        for subscript in subscripts:
            index = self.evaluate(frame, subscript)
            if not isinstance(value, (list, tuple)) or not 0 <= index < len(value):
                return False, None
            value = value[index]
        return True, value

    def converted(self, element: tree.Element, path: str, given: object) -> Value:
        """Return `given` as a value of its element's type."""
        match element.descriptor.kind:
            case "bytes":
                if isinstance(given, (bytes, bytearray, memoryview)):
                    return memoryview(given).cast("B")
            case "utf8":
                if isinstance(given, str):
                    return given
            case _:
                if isinstance(given, int):
                    return int(given)
        raise self.usage("HYP-E-SYN-22", path, given)

    def inferred(self, frame: Frame, statement: tree.Inference, path: str, value: int) -> None:
        present, given = self.given(frame, statement.name, statement.subscripts)
        if present and given != value:
            raise self.usage("HYP-E-SYN-22", path, given, allowed=value)

    def noted_presence(self, frame: Frame, statement: tree.Inference) -> int:
        given = frame.given.get(statement.name, 0)
        if not isinstance(given, int):
            raise self.usage("HYP-E-SYN-22", f"{frame.path}.{statement.name}", given)
        return 1 if given else 0

    def descend(self, frame: Frame, call: tree.Invocation, inner: Frame) -> None:
        given = frame.given.get(call.label)
        if frame.loops:
            number = len(list_of(frame.values.get(call.label)))
            entries = list_of(given)
            given = entries[number] if number < len(entries) else None
        else:
            frame.given.pop(call.label, None)
        if given is None:
            given = {}
        if not isinstance(given, Mapping):
            raise self.usage("HYP-E-SYN-22", inner.path, given)
        inner.given = dict(given)

    def finish(self, frame: Frame) -> None:
        for name, given in frame.given.items():
            placed = frame.values.get(name)
            if not isinstance(placed, list) or not same_shape(placed, given):
                raise self.usage("HYP-E-SYN-21", f"{frame.path}.{name}", given)

    # ------------------------------------------------------------------ bits

    def commit(self, element: tree.Element, path: str, width: int, value: Value) -> None:
        kind = element.descriptor.kind
        if isinstance(value, str):
            self.bytes(path, width, value.encode("utf-8", "surrogatepass"), value)
        elif isinstance(value, memoryview):
            self.bytes(path, width, value, value)
        elif isinstance(value, int):
            limits = value_limits(kind, width)
            if limits is None or not limits[0] <= value <= limits[1]:
                raise self.usage("HYP-E-SYN-22", path, value, allowed=limits)
            if kind in ("leb128", "sleb128") and self.position % 8:
                raise self.fault("alignment", path)
            self.number(kind, width, value)

    def number(self, kind: str, width: int, value: int) -> None:
        match kind:
            case "leb128":
                self.leb128(value)
            case "sleb128":
                self.leb128(2 * value if value >= 0 else -2 * value - 1)
            case "ue":
                self.exp_golomb(value)
            case "se":
                self.exp_golomb(2 * value - 1 if value > 0 else -2 * value)
            case _:
                self.sink.put(value & ((1 << width) - 1), width)

    def leb128(self, value: int) -> None:
        while value >= 128:
            self.sink.put(value & 127 | 128, 8)
            value >>= 7
        self.sink.put(value, 8)

    def exp_golomb(self, value: int) -> None:
        width = (value + 1).bit_length()
        self.sink.put(value + 1, 2 * width - 1)

    def bytes(self, path: str, width: int, content: bytes | memoryview, value: Value) -> None:
        if len(content) != width:
            detail = f"it has {len(content)} bytes"
            raise self.usage("HYP-E-SYN-22", path, value, allowed=width, detail=detail)
        if self.position % 8:
            raise self.fault("alignment", path)
        self.sink.put_bytes(content)

    # ------------------------------------------------------------------ shape

    def presence(self, frame: Frame, function: str, body: tuple[tree.Statement, ...]) -> int:
        for name in tree.value_names(body):
            if name in frame.given:
                placed = frame.values.get(name)
                done = len(placed) if isinstance(placed, list) else 0
                given = frame.given[name]
                if not isinstance(given, (list, tuple)) or done < len(given):
                    return 1
        return 0

    def enter(self, frame: Frame, path: str, size: int) -> object:
        return self.position

    def leave(self, frame: Frame, path: str, size: int, state: object) -> None:
        assert isinstance(state, int)
        taken = self.position - state
        if taken != 8 * size:
            raise self.fault(
                "structure_size", path, position=state, value=size, detail=f"it takes {taken} bits"
            )

    def usage(
        self,
        error_id: str,
        path: str,
        value: object = None,
        *,
        allowed: object = None,
        detail: str | None = None,
    ) -> errors.HypError:
        return errors.error(error_id, element=path, value=value, allowed=allowed, detail=detail)


def list_of(value: object) -> list[object] | tuple[object, ...]:
    """Return `value` if it is a list, else an empty one."""
    return value if isinstance(value, (list, tuple)) else []


def same_shape(placed: list[Value], given: object) -> bool:
    """Tell whether every entry of `given` was placed."""
    if not isinstance(given, (list, tuple)) or len(given) < len(placed):
        return False
    for number, entry in enumerate(given):
        there = placed[number] if number < len(placed) else []
        if isinstance(there, list) and isinstance(entry, (list, tuple)):
            if not same_shape(there, entry):
                return False
        elif number >= len(placed):
            return False
    return True


def write(
    syntax: tree.Syntax,
    name: str,
    values: Mapping[str, object],
    params: Mapping[str, object] | None = None,
    *,
    listener: Listener | None = None,
    observer: Observer | None = None,
) -> bytes:
    """Return the bytes of structure `name` with `values`; zero bits fill the last byte.

    `values` has the form that `read` returns.  Elements with a fixed value and inferred elements
    may be left out.  Raises the error of a requirement that a value breaks, ValueMissing,
    ValueUnused, ValueUnfit or StructureUnknown (HYP-E-SYN-20 to -23).
    """
    writer = BitWriter(syntax, values, listener=listener, observer=observer)
    writer.run(name, params or {})
    return writer.sink.finished()


def written(
    syntax: tree.Syntax,
    name: str,
    values: Mapping[str, object],
    params: Mapping[str, object] | None = None,
) -> tuple[bytes, Structure]:
    """Return the bytes and the values as a reader would give them, derived variables included."""
    writer = BitWriter(syntax, values)
    result = writer.run(name, params or {})
    return writer.sink.finished(), result
