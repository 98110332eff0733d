"""What validation finds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from refcodec.errors import HypError, requirements

LONGEST_REPORT = 1000
"""Findings that a report keeps; it goes on counting after them."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A broken requirement: its id, and the error with place, value and what is allowed."""

    requirement: str
    error: HypError

    @property
    def bit_offset(self) -> int | None:
        """Place in the file, in bits, or None."""
        return self.error.bit_offset

    def as_dict(self) -> dict[str, Any]:
        """Return the finding as plain values (for JSON)."""
        text = requirements().get(self.requirement, {}).get("text", "")
        return {**self.error.as_dict(), "requirement": self.requirement, "rule": text}

    def __str__(self) -> str:
        return f"{self.requirement}: {self.error}"


class ValidationReport(list[Finding]):
    """The findings in the order of the file; empty when it conforms.

    The first LONGEST_REPORT are kept; `total` counts all.
    """

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    @property
    def conforming(self) -> bool:
        """Whether no requirement is broken."""
        return not self.total

    def add(self, error: HypError) -> None:
        """Add the finding of `error`."""
        self.total += 1
        if len(self) < LONGEST_REPORT:
            self.append(Finding(requirement_of(error), error))


def requirement_of(error: HypError) -> str:
    """Return the id of the requirement that `error` stands for: its own, else the one that its
    detail names, else the first that reports this error; the error's id when none does."""
    if error.requirement is not None:
        return error.requirement
    named = re.search(r"\bHYP-[A-Z]+-\d{3}\b", error.detail or "")
    if named is not None and named.group() in requirements():
        return named.group()
    return _by_error().get(error.id, error.id)


@cache
def _by_error() -> dict[str, str]:
    table: dict[str, str] = {}
    for requirement, row in requirements().items():
        if "error" in row:
            table.setdefault(row["error"], requirement)
    return table
