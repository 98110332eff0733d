"""What can be wrong with a syntax description, and what changed between two of them.

`problems` are the faults that `load` refuses; `lint` adds the advice that `hyp spec lint` reports.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass

from refcodec.syntax import tree
from refcodec.syntax.expressions import FUNCTIONS
from refcodec.syntax.rows import Row, heading
from refcodec.syntax.rows import rows as table_rows

_MAXIMUM_WIDTH: dict[str, int] = {"u": 64, "f": 64, "i": 64, "b": 8, "leb128": 64, "sleb128": 64}


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault: `rule` names the kind, `place` the structure or declaration, `line` the line."""

    rule: str
    place: str
    line: int
    text: str


def problems(syntax: tree.Syntax) -> list[Finding]:
    """Return the faults that make `syntax` unusable, in file order."""
    found: list[Finding] = []
    for structure in syntax.structures.values():
        found += _Scope(syntax, structure).check()
    found += _recursion(syntax)
    return found


def lint(syntax: tree.Syntax, requirement_ids: Collection[str] | None = None) -> list[Finding]:
    """Return `problems` and everything else worth telling.

    With `requirement_ids`, ids that are not in it are reported as unknown.
    """
    found = problems(syntax)
    found += _duplicates(syntax)
    found += _unused(syntax)
    for structure in syntax.structures.values():
        found += _ranges(syntax, structure)
        if requirement_ids is not None:
            for line, requirement in _requirements(structure):
                if requirement not in requirement_ids:
                    text = f"{requirement} is not in the table of requirements"
                    found.append(Finding("unknown-requirement", structure.name, line, text))
    return sorted(found, key=lambda finding: finding.line)


# --------------------------------------------------------------------------- names


class _Scope:
    """Follows one structure and knows which names exist at each statement."""

    def __init__(self, syntax: tree.Syntax, structure: tree.Structure) -> None:
        self.syntax = syntax
        self.structure = structure
        self.found: list[Finding] = []
        self.parameters = {parameter.name: parameter for parameter in structure.parameters}
        self.labels: dict[str, str] = {}

    def report(self, rule: str, line: int, text: str) -> None:
        self.found.append(Finding(rule, self.structure.name, line, text))

    def check(self) -> list[Finding]:
        line = self.structure.line
        for parameter in self.structure.parameters:
            if parameter.structure and parameter.structure not in self.syntax.structures:
                text = f"parameter {parameter.name} is of the unknown structure "
                self.report("undefined-name", line, text + parameter.structure)
            if parameter.name in self.syntax.constants:
                self.report("duplicate-name", line, f"{parameter.name} is a constant too")
        self.block(self.structure.body, set(), set(), 0)
        return self.found

    def block(
        self, body: tuple[tree.Statement, ...], read: set[str], known: set[str], loops: int
    ) -> tuple[set[str], set[str]]:
        """Check `body`; return the names it may have read and the names known after it."""
        read, known = set(read), set(known)
        for statement in body:
            self.statement(statement, read, known, loops)
        return read, known

    def statement(
        self, statement: tree.Statement, read: set[str], known: set[str], loops: int
    ) -> None:
        if isinstance(statement, tree.CountedLoop):
            self.expression(statement.start, known, statement.line)
            inner = known | {statement.variable}
            self.expression(statement.condition, inner, statement.line)
            self.expression(statement.step, inner, statement.line)
        elif not isinstance(statement, tree.DoLoop):
            for expression in tree.expressions(statement):
                self.expression(expression, known, statement.line)
        match statement:
            case tree.Element() | tree.Inference():
                self.assign(statement, read, loops)
                if isinstance(statement, tree.Element):
                    self.element(statement)
                known.add(statement.name)
            case tree.Derivation():
                if statement.name in read or statement.name in self.parameters:
                    self.report("duplicate-name", statement.line, f"{statement.name} has a value")
                if not statement.name[:1].isupper():
                    text = f"{statement.name} is derived, so it is written in CamelCase"
                    self.report("name-form", statement.line, text)
                known.add(statement.name)
            case tree.Invocation():
                self.invocation(statement, known)
                if statement.label in read:
                    text = f"{statement.label} is read twice; name one with `as`"
                    self.report("duplicate-name", statement.line, text)
                read.add(statement.label)
                known.add(statement.label)
            case tree.Selection():
                after_read, after_known = set(read), set(known)
                for branch in statement.branches:
                    names, visible = self.block(branch.body, read, known, loops)
                    after_read |= names
                    after_known |= visible
                if statement.otherwise is not None:
                    names, visible = self.block(statement.otherwise, read, known, loops)
                    after_read |= names
                    after_known |= visible
                read |= after_read
                known |= after_known
            case tree.CountedLoop():
                inner = known | {statement.variable}
                names, visible = self.block(statement.body, read, inner, loops + 1)
                read |= names
                known |= visible - {statement.variable}
            case tree.WhileLoop():
                names, visible = self.block(statement.body, read, known, loops + 1)
                read |= names
                known |= visible
            case tree.DoLoop():
                names, visible = self.block(statement.body, read, known, loops + 1)
                self.expression(statement.condition, visible, statement.line)
                read |= names
                known |= visible
            case tree.Bounded():
                names, visible = self.block(statement.body, read, known, loops)
                read |= names
                known |= visible

    def assign(self, statement: tree.Element | tree.Inference, read: set[str], loops: int) -> None:
        name, line = statement.name, statement.line
        if name in read:
            self.report("duplicate-name", line, f"{name} is read twice")
        elif name in self.parameters or name in self.syntax.constants:
            self.report("duplicate-name", line, f"{name} is a parameter or a constant")
        elif loops and not statement.subscripts:
            self.report("repeated-element", line, f"{name} stands in a loop without a subscript")
        elif len(statement.subscripts) > 2:
            self.report("repeated-element", line, f"{name} has more than two subscripts")
        if not name[:1].islower():
            self.report("name-form", line, f"{name} is an element, so it is written in snake_case")
        read.add(name)

    def element(self, element: tree.Element) -> None:
        argument = element.descriptor.argument
        limit = _MAXIMUM_WIDTH.get(element.descriptor.kind)
        if limit and isinstance(argument, tree.Number) and not 1 <= argument.value <= limit:
            text = f"{element.name}: the width is not in 1..{limit}"
            self.report("descriptor-width", element.line, text)
        if element.descriptor.kind == "f" and element.fixed is None:
            self.report("fixed-value", element.line, f"{element.name}: f(n) needs `= value`")
        if element.descriptor.kind in ("bytes", "utf8") and (element.allowed or element.fixed):
            text = f"{element.name}: a range belongs to the size, not to the bytes"
            self.report("descriptor-range", element.line, text)

    def invocation(self, call: tree.Invocation, known: set[str]) -> None:
        target = self.syntax.structures.get(call.structure)
        if target is None:
            text = f"there is no structure {call.structure}"
            self.report("undefined-name", call.line, text)
            return
        if len(call.arguments) != len(target.parameters):
            text = f"{call.structure} takes {len(target.parameters)} arguments"
            self.report("argument-count", call.line, text)
        for argument, parameter in zip(call.arguments, target.parameters, strict=False):
            given = self.structure_of(argument)
            if given != parameter.structure:
                text = f"{call.structure}: argument {parameter.name} is not of the declared kind"
                self.report("argument-kind", call.line, text)
        self.labels[call.label] = call.structure

    def structure_of(self, expression: tree.Expression) -> str | None:
        """Return the structure whose values `expression` names, or None for a number."""
        if not isinstance(expression, tree.Reference) or expression.member:
            return None
        if expression.name in self.parameters:
            return self.parameters[expression.name].structure
        return self.labels.get(expression.name)

    def expression(self, expression: tree.Expression, known: set[str], line: int) -> None:
        for reference in tree.references(expression):
            name = reference.name
            if (
                name not in known
                and name not in self.parameters
                and name not in self.syntax.constants
            ):
                self.report("undefined-name", line, f"{name} has no value here")
            elif reference.member is not None:
                holder = self.structure_of(tree.Reference(name))
                target = self.syntax.structures.get(holder or "")
                if target is None:
                    self.report("undefined-name", line, f"{name} is no structure")
                elif reference.member not in _names(target):
                    text = f"{holder} has no {reference.member}"
                    self.report("undefined-name", line, text)
        for call in tree.calls(expression):
            if FUNCTIONS.get(call.function) != len(call.arguments):
                text = f"there is no function {call.function} of {len(call.arguments)} arguments"
                self.report("undefined-name", line, text)


def _names(structure: tree.Structure) -> set[str]:
    derived = {s.name for s in tree.walk(structure.body) if isinstance(s, tree.Derivation)}
    return derived | set(tree.value_names(structure.body))


def _recursion(syntax: tree.Syntax) -> Iterator[Finding]:
    def invoked(structure: tree.Structure) -> Iterator[tree.Invocation]:
        return (s for s in tree.walk(structure.body) if isinstance(s, tree.Invocation))

    finished: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> Iterator[Finding]:
        structure = syntax.structures.get(name)
        if structure is None or name in finished:
            return
        for call in invoked(structure):
            if call.structure in (*path, name):
                text = f"{name} contains itself through {call.structure}"
                yield Finding("recursion", name, call.line, text)
            else:
                yield from visit(call.structure, (*path, name))
        finished.add(name)

    for name in syntax.structures:
        yield from visit(name, ())


# --------------------------------------------------------------------------- advice


def _requirements(structure: tree.Structure) -> Iterator[tuple[int, str]]:
    for statement in tree.walk(structure.body):
        if isinstance(statement, (tree.Element, tree.Requirement)) and statement.requirement:
            yield statement.line, statement.requirement


def _duplicates(syntax: tree.Syntax) -> Iterator[Finding]:
    anchors: dict[str, str] = {}
    requirements: dict[str, tuple[str, str]] = {}
    for structure in syntax.structures.values():
        if structure.anchor in anchors:
            text = f"{structure.anchor} is the anchor of {anchors[structure.anchor]} too"
            yield Finding("duplicate-anchor", structure.name, structure.line, text)
        anchors[structure.anchor] = structure.name
        for statement in tree.walk(structure.body):
            if isinstance(statement, tree.Element):
                owner = f"{structure.name}.{statement.name}"
                if anchors.get(statement.anchor, owner) != owner:
                    text = f"{statement.anchor} is the anchor of {anchors[statement.anchor]} too"
                    yield Finding("duplicate-anchor", structure.name, statement.line, text)
                anchors[statement.anchor] = owner
                place = (structure.name, statement.name)
                if statement.requirement:
                    if requirements.get(statement.requirement, place) != place:
                        text = f"{statement.requirement} stands at another element too"
                        yield Finding("duplicate-requirement", structure.name, statement.line, text)
                    requirements[statement.requirement] = place


def _unused(syntax: tree.Syntax) -> Iterator[Finding]:
    used: set[str] = set()
    labels: set[str] = set()
    for structure in syntax.structures.values():
        for statement in tree.walk(structure.body):
            for expression in tree.expressions(statement):
                for reference in tree.references(expression):
                    used.add(reference.name)
                    if reference.member:
                        used.add(reference.member)
    for enumeration in syntax.enumerations.values():
        labels.update(row.label for row in enumeration.rows)
    for constant in syntax.constants.values():
        if constant.name not in used and constant.name not in labels:
            text = f"{constant.name} is used nowhere"
            yield Finding("unused-name", constant.name, constant.line, text)
    elements: set[str] = set()
    for structure in syntax.structures.values():
        own = {
            reference.name
            for statement in tree.walk(structure.body)
            for expression in tree.expressions(statement)
            for reference in tree.references(expression)
        }
        for parameter in structure.parameters:
            if parameter.name not in own:
                text = f"parameter {parameter.name} is used nowhere"
                yield Finding("unused-name", structure.name, structure.line, text)
        for statement in tree.walk(structure.body):
            if isinstance(statement, (tree.Element, tree.Inference)):
                elements.add(statement.name)
    for enumeration in syntax.enumerations.values():
        if enumeration.name not in elements:
            text = f"enum {enumeration.name} belongs to no element"
            yield Finding("unused-name", enumeration.name, enumeration.line, text)


def _ranges(syntax: tree.Syntax, structure: tree.Structure) -> Iterator[Finding]:
    """Elements that steer a size or a loop need a range; ranges must fit their descriptor."""
    steering: set[str] = set()
    for statement in tree.walk(structure.body):
        expression: tree.Expression | None = None
        if isinstance(statement, tree.Element) and statement.descriptor.kind in ("bytes", "utf8"):
            expression = statement.descriptor.argument
        elif isinstance(statement, tree.CountedLoop):
            expression = statement.condition
        if expression is not None:
            steering.update(reference.name for reference in tree.references(expression))
    for statement in tree.walk(structure.body):
        if not isinstance(statement, tree.Element):
            continue
        limits = descriptor_limits(statement.descriptor)
        bare = not statement.allowed and statement.fixed is None
        if statement.name in steering and bare and (limits is None or limits[1] > 255):
            text = f"{statement.name} steers a size or a loop and has no range"
            yield Finding("range-missing", structure.name, statement.line, text)
        for interval in statement.allowed:
            low, high = interval.low, interval.high
            if not (isinstance(low, tree.Number) and isinstance(high, tree.Number)):
                continue
            if low.value > high.value:
                text = f"{statement.name}: the range {low.value}..{high.value} is empty"
                yield Finding("range-empty", structure.name, statement.line, text)
            elif limits is not None and not limits[0] <= low.value <= high.value <= limits[1]:
                text = f"{statement.name}: the descriptor cannot carry the whole range"
                yield Finding("range-too-wide", structure.name, statement.line, text)


def descriptor_limits(descriptor: tree.Descriptor) -> tuple[int, int] | None:
    """Return the least and greatest value that a descriptor of constant width can carry."""
    if descriptor.kind == "ue":
        return 0, (1 << 32) - 2
    if descriptor.kind == "se":
        return -(1 << 31) + 1, (1 << 31) - 1
    if not isinstance(descriptor.argument, tree.Number):
        return None
    return value_limits(descriptor.kind, descriptor.argument.value)


def value_limits(kind: str, width: int) -> tuple[int, int] | None:
    """Return the least and greatest value of `width` bits; None for bytes and text."""
    match kind:
        case "u" | "f" | "b" | "leb128":
            return 0, (1 << width) - 1
        case "i" | "sleb128":
            return (-(1 << (width - 1)), (1 << (width - 1)) - 1) if width else (0, 0)
        case "ue":
            return 0, (1 << 32) - 2
        case "se":
            return -(1 << 31) + 1, (1 << 31) - 1
    return None


# --------------------------------------------------------------------------- versions


@dataclass(frozen=True, slots=True)
class Change:
    """One difference: `kind` is added, removed or changed; `old` and `new` are table text."""

    kind: str
    place: str
    old: str
    new: str


def diff(old: tree.Syntax, new: tree.Syntax) -> list[Change]:
    """Return what changed from `old` to `new`, element by element.

    Constants and enumerations are compared by value, structures by heading, elements by descriptor,
    range, requirement and anchor, and the conditions around them as table text.
    """
    changes: list[Change] = []

    def compare(place: str, before: dict[str, str], after: dict[str, str]) -> None:
        for name in before | after:
            a, b = before.get(name), after.get(name)
            if a == b:
                continue
            kind = "added" if a is None else "removed" if b is None else "changed"
            changes.append(Change(kind, f"{place}{name}", a or "", b or ""))

    compare(
        "constant ",
        {c.name: str(c.value) for c in old.constants.values()},
        {c.name: str(c.value) for c in new.constants.values()},
    )
    compare("enum ", _enum_text(old.enumerations.values()), _enum_text(new.enumerations.values()))
    compare(
        "syntax ",
        {name: heading(s) for name, s in old.structures.items()},
        {name: heading(s) for name, s in new.structures.items()},
    )
    for name in old.structures:
        if name in new.structures:
            compare(f"{name}.", _row_text(old, name), _row_text(new, name))
    return changes


def _enum_text(enumerations: Iterable[tree.Enumeration]) -> dict[str, str]:
    return {
        e.name: "; ".join(f"{row.low}..{row.high} {row.meaning}" for row in e.rows)
        for e in enumerations
    }


def _row_text(syntax: tree.Syntax, name: str) -> dict[str, str]:
    """Return the rows of a table by element, or by text and running number for the others."""
    texts: dict[str, str] = {}
    key: Callable[[Row], str] = lambda row: row.element or row.code  # noqa: E731
    conditions: list[str] = []
    for row in table_rows(syntax, name):
        del conditions[row.indent :]
        if row.kind in ("if", "else if", "else", "for", "while", "do", "within"):
            conditions.append(row.code)
            continue
        fixed = f"= {row.fixed}" if row.fixed else ""
        cells = (row.code, row.descriptor, fixed, row.range_text, row.requirement, row.anchor)
        text = " ".join(cell for cell in cells if cell)
        where = " in " + " / ".join(conditions) if conditions else ""
        label, number = key(row), 2
        while label in texts:
            label, number = f"{key(row)} ({number})", number + 1
        texts[label] = text + where
    return texts
