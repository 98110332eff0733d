"""Each lint of the specification finds the mistake that it is for, in a copy with that mistake."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from spec import SPEC_DIR
from spec.build import BuildError, build, lint

Change = Callable[[Path], None]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    target = tmp_path / "spec"
    ignored = shutil.ignore_patterns("build", "__pycache__")
    shutil.copytree(SPEC_DIR, target, ignore=ignored)
    return target


def replaced(name: str, old: str, new: str) -> Change:
    def change(root: Path) -> None:
        path = root / name
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{name} has no {old!r}"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    return change


def appended(name: str, text: str) -> Change:
    def change(root: Path) -> None:
        path = root / name
        path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")

    return change


KEYFRAME_SEMANTICS = "{#sem.keyframe.picture_count} **picture_count** is"
MISTAKES: dict[str, tuple[str, Change]] = {
    "a shall without an id": (
        "shall-without-id",
        appended("chapters/01-scope.md", "\nA decoder shall be fast.\n"),
    ),
    "a shall without an id in a list": (
        "shall-without-id",
        appended("chapters/01-scope.md", "\n- one\n- it shall be two;\n"),
    ),
    "a shall without an id in a table": (
        "shall-without-id",
        replaced("chapters/03-terms.md", "a set of limits on", "it shall limit"),
    ),
    "a requirement that nobody defined": (
        "unknown-id",
        appended("chapters/01-scope.md", "\nA decoder shall be fast. [HYP-DEC-999]\n"),
    ),
    "an error that nobody defined": (
        "unknown-id",
        appended("chapters/01-scope.md", "\nThis is wrong [HYP-E-DEC-99].\n"),
    ),
    "a requirement of a syntax row that nobody defined": (
        "unknown-id",
        replaced("syntax/hyp.syn", "HYP-KF-004", "HYP-KF-904"),
    ),
    "a requirement that no clause states": (
        "unused-id",
        appended(
            "requirements.toml",
            '\n[HYP-DEC-900]\ntext = "It shall."\nkind = "decoder"\nclause = "#dec"\ntests = []\n',
        ),
    ),
    "a requirement of no kind": (
        "requirement-kind",
        replaced("requirements.toml", 'kind = "bitstream"', 'kind = "wish"'),
    ),
    "a requirement that requires nothing": (
        "requirement-text",
        replaced("requirements.toml", "A file shall begin", "A file begins"),
    ),
    "a requirement of the stream without an error": (
        "requirement-error",
        replaced("requirements.toml", 'error = "HYP-E-FILE-01"', 'error = ""'),
    ),
    "a requirement with an unknown error": (
        "unknown-id",
        replaced("requirements.toml", 'error = "HYP-E-FILE-01"', 'error = "HYP-E-FILE-77"'),
    ),
    "a requirement with an unknown clause": (
        "broken-link",
        replaced("requirements.toml", 'clause = "#file.signature"', 'clause = "#file.nothing"'),
    ),
    "an error with an unknown clause": (
        "broken-link",
        replaced("errors.toml", 'clause = "#unit.crc"', 'clause = "#unit.crcs"'),
    ),
    "an error of no class": (
        "error-class",
        replaced("errors.toml", 'class = "malformed"', 'class = "bad"'),
    ),
    "an error without a reaction": (
        "error-field",
        replaced("errors.toml", 'reaction = "Ignore them."', 'reaction = ""'),
    ),
    "two errors of one name": (
        "error-name",
        replaced("errors.toml", 'name = "EndMissing"', 'name = "NoSegment"'),
    ),
    "an id of no area": ("id-form", replaced("errors.toml", "[HYP-E-FILE-08]", "[HYP-E-FOO-08]")),
    "an element without semantics": (
        "element-without-semantics",
        replaced("chapters/07-semantics.md", KEYFRAME_SEMANTICS, "**picture_count** is"),
    ),
    "a new element without semantics": (
        "element-without-semantics",
        replaced("syntax/hyp.syn", "  keyframe_mode  ", "  extra_element u(8)\n  keyframe_mode  "),
    ),
    "an element with two paragraphs": (
        "element-with-two-semantics",
        replaced(
            "chapters/07-semantics.md",
            KEYFRAME_SEMANTICS,
            f"{KEYFRAME_SEMANTICS} it.\n\n{KEYFRAME_SEMANTICS}",
        ),
    ),
    "semantics of an element that is not there": (
        "semantics-unknown-element",
        appended("chapters/07-semantics.md", "\n{#sem.end.nothing} **nothing** is nothing.\n"),
    ),
    "semantics out of order": (
        "semantics-out-of-order",
        replaced(
            "syntax/hyp.syn",
            "  index_offset              u(64)                            HYP-END-001\n"
            "  segment_count             u(32)                            HYP-END-002\n",
            "  segment_count             u(32)                            HYP-END-002\n"
            "  index_offset              u(64)                            HYP-END-001\n",
        ),
    ),
    "a table that is not shown": (
        "syntax-not-shown-once",
        replaced("chapters/06-syntax.md", "{{syntax keyframe}}", ""),
    ),
    "a table that is shown twice": (
        "syntax-not-shown-once",
        appended("chapters/06-syntax.md", "\n{{syntax keyframe}}\n"),
    ),
    "a table that does not exist": (
        "unknown-syntax",
        appended("chapters/06-syntax.md", "\n{{syntax nothing}}\n"),
    ),
    "a syntax file that does not parse": (
        "syntax-unreadable",
        replaced("syntax/hyp.syn", "syntax end()", "syntax end("),
    ),
    "a link to nowhere": (
        "broken-link",
        appended("chapters/01-scope.md", "\nSee [](#no.such.clause).\n"),
    ),
    "a link that is no anchor": (
        "broken-link",
        appended("chapters/01-scope.md", "\nSee [this](other.html).\n"),
    ),
    "one anchor twice": (
        "duplicate-anchor",
        appended("chapters/01-scope.md", "\n## Again {#scope}\n"),
    ),
    "a heading without an anchor": (
        "heading-without-anchor",
        appended("chapters/01-scope.md", "\n## A clause\n"),
    ),
    "a table without a number": (
        "table-without-caption",
        appended("chapters/01-scope.md", "\n| a | b |\n|---|---|\n| 1 | 2 |\n"),
    ),
    "pseudo-code that is not there": (
        "unknown-model",
        appended("chapters/01-scope.md", "\n{{model injection.nothing}}\n"),
    ),
    "pseudo-code that no clause shows": (
        "model-not-shown",
        appended(
            "model/injection.py", '\n\ndef unseen() -> int:\n    """Nothing."""\n    return 0\n'
        ),
    ),
    "pseudo-code that cites a missing clause": (
        "broken-link",
        replaced("model/injection.py", "(#dec.injection.slice)", "(#dec.injection.slices)"),
    ),
    "a directive that does not exist": (
        "unknown-directive",
        appended("chapters/01-scope.md", "\n{{nothing}}\n"),
    ),
    "a figure that is not there": (
        "unknown-figure",
        appended("chapters/01-scope.md", "\n{{figure nothing.svg | fig.nothing | Nothing}}\n"),
    ),
    "an image, which the document does not use": (
        "unknown-markup",
        appended("chapters/01-scope.md", "\n![picture](picture.png)\n"),
    ),
    "a file of data that does not parse": (
        "unreadable-file",
        appended("errors.toml", "\n[HYP-E-FILE-01\n"),
    ),
}


def test_a_copy_without_mistakes_has_no_findings(copy: Path) -> None:
    assert [str(finding) for finding in lint(copy)] == []


@pytest.mark.parametrize("mistake", MISTAKES)
def test_lint_finds(mistake: str, copy: Path) -> None:
    rule, change = MISTAKES[mistake]
    change(copy)
    found = lint(copy)
    assert rule in {finding.rule for finding in found}, [str(finding) for finding in found[:5]]


@pytest.mark.parametrize(
    ("file", "message"), [("test_gone.py", "no test file"), ("test_here.py", "has no test")]
)
def test_lint_finds_tests_that_are_gone(copy: Path, file: str, message: str) -> None:
    (copy.parent / "tests").mkdir()
    (copy.parent / "tests" / "test_here.py").write_text("def test_other(): ...\n")
    text = (
        f'\n[HYP-DEC-900]\ntext = "It shall."\nkind = "decoder"\nclause = "#dec"\n'
        f'tests = ["tests/{file}::test_this"]\n'
    )
    appended("requirements.toml", text)(copy)
    found = [f for f in lint(copy) if f.rule == "unknown-test" and "HYP-DEC-900" in f.place]
    assert [message in finding.message for finding in found] == [True]


def test_build_with_a_finding_fails_and_writes_nothing(copy: Path, tmp_path: Path) -> None:
    MISTAKES["a shall without an id"][1](copy)
    out = tmp_path / "out"
    with pytest.raises(BuildError, match="shall-without-id"):
        build(out, pdf=False, spec_dir=copy)
    assert not out.exists()


def test_finding_names_the_place(copy: Path) -> None:
    MISTAKES["a shall without an id"][1](copy)
    (finding,) = lint(copy)
    assert finding.place.startswith("01-scope.md#scope.precedence")
    assert "A decoder shall be fast." in str(finding)
