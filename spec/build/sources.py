"""What the document is made of: chapters, requirements, errors, levels and the facts about itself."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

KINDS = ("bitstream", "decoder", "encoder")
CLASSES = ("malformed", "nonconforming", "unsupported", "resource", "usage")


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with the sources. `rule` names the lint, `place` says where."""

    rule: str
    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.rule}: {self.message}"


@dataclass(frozen=True)
class Requirement:
    """One numbered requirement of spec/requirements.toml."""

    id: str
    text: str
    kind: str
    clause: str
    error: str
    tests: tuple[str, ...]


@dataclass(frozen=True)
class ErrorEntry:
    """One way in which a stream (or a use of it) can be wrong, from spec/errors.toml."""

    id: str
    name: str
    klass: str
    clause: str
    text: str
    reaction: str


@dataclass(frozen=True)
class Chapter:
    """One file of spec/chapters. Files whose number is 90 or more are annexes."""

    name: str
    text: str

    @property
    def annex(self) -> bool:
        return self.name[:1] == "9"


@dataclass
class Sources:
    """Everything that the builder reads, in memory, so that lints can run on a changed copy."""

    spec_dir: Path
    info: dict[str, Any]
    chapters: list[Chapter]
    requirements: dict[str, Requirement]
    errors: dict[str, ErrorEntry]
    levels: dict[str, Any]
    findings: list[Finding] = field(default_factory=list)


def _toml(path: Path, findings: list[Finding]) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as exc:
        findings.append(Finding("unreadable-file", path.name, str(exc)))
        return {}


def _strings(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,) if value else ()
    return tuple(str(v) for v in value or ())


def load_sources(spec_dir: Path) -> Sources:
    """Read the sources of the document below `spec_dir`. Unreadable files become findings."""
    findings: list[Finding] = []
    info = _toml(spec_dir / "document.toml", findings)
    chapters = [
        Chapter(path.name, path.read_text(encoding="utf-8"))
        for path in sorted((spec_dir / "chapters").glob("*.md"))
    ]
    requirements = {
        key: Requirement(
            key,
            str(entry.get("text", "")),
            str(entry.get("kind", "")),
            str(entry.get("clause", "")),
            str(entry.get("error", "")),
            _strings(entry.get("tests")),
        )
        for key, entry in _toml(spec_dir / "requirements.toml", findings).items()
    }
    errors = {
        key: ErrorEntry(
            key,
            str(entry.get("name", "")),
            str(entry.get("class", "")),
            str(entry.get("clause", "")),
            str(entry.get("text", "")),
            str(entry.get("reaction", "")),
        )
        for key, entry in _toml(spec_dir / "errors.toml", findings).items()
    }
    levels = _toml(spec_dir / "tables" / "levels.toml", findings)
    return Sources(spec_dir, info, chapters, requirements, errors, levels, findings)
