"""Kept syntax trees: the same tree again, and nothing where the file cannot be trusted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from refcodec import syntax
from refcodec.syntax import loading, tree_cache
from spec import data

NAMES = ("avc", "hyp")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "hybridprompt" / tree_cache.FOLDER


def shown(tree: syntax.Syntax) -> tuple[str, ...]:
    """All of a tree: lines and texts take no part in comparison."""
    return tuple(
        repr(each) for each in (tree.constants, tree.enumerations, tree.structures, tree.general)
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_kept_tree_is_the_parsed_one(name: str, folder: Path) -> None:
    parsed = loading.parsed(name, data(f"syntax/{name}.syn").read_text(encoding="utf-8"))
    assert tree_cache.kept(name, "key") is None
    tree_cache.keep(name, "key", parsed)
    kept = tree_cache.kept(name, "key")
    assert kept is not None
    assert (kept, shown(kept)) == (parsed, shown(parsed))
    assert [each.name for each in folder.iterdir()] == [f"{name}.json"]


def test_another_key_is_another_tree(folder: Path) -> None:
    tree_cache.keep("avc", "one", syntax.load("avc"))
    assert tree_cache.kept("avc", "two") is None
    tree_cache.keep("avc", "two", syntax.load("avc"))
    assert tree_cache.kept("avc", "one") is None
    assert tree_cache.kept("avc", "two") == syntax.load("avc")


@pytest.mark.parametrize("change", ["cut", "bit", "empty", "longer", "noise"])
def test_a_damaged_file_counts_as_none(change: str, folder: Path) -> None:
    tree_cache.keep("avc", "key", syntax.load("avc"))
    path = folder / "avc.json"
    content = bytearray(path.read_bytes())
    if change == "bit":
        content[len(content) // 2] ^= 1
    changed = {
        "cut": content[: len(content) // 2],
        "empty": b"",
        "longer": content + b" " * tree_cache.MOST_BYTES,
        "noise": bytes(range(256)) * 9,
    }
    path.write_bytes(changed.get(change, content))
    assert tree_cache.kept("avc", "key") is None


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"[]",
        b"[[],[],[],[]]",
        b'[[["system","true"]],[],[],{}]',
        b'[[],[],[["Structure"]],{}]',
        b"[[],[],[7],{}]",
        b'[[],[],[],{"a":7}]',
        b"[" * 100_000 + b"]" * 100_000,
    ],
)
def test_a_made_up_file_counts_as_none(body: bytes, folder: Path) -> None:
    """Its digest is right, so somebody means it."""
    folder.mkdir(parents=True)
    content = b"\n".join((tree_cache._digest(b"key", body), b"key", body))
    (folder / "avc.json").write_bytes(content)
    assert tree_cache.kept("avc", "key") is None


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="permissions as POSIX has them")
def test_a_file_that_others_may_write_counts_as_none(folder: Path) -> None:
    tree_cache.keep("avc", "key", syntax.load("avc"))
    (folder / "avc.json").chmod(0o622)
    assert tree_cache.kept("avc", "key") is None


def test_a_cache_that_cannot_be_written_changes_nothing(folder: Path) -> None:
    folder.parent.write_text("a file where the folder would be")
    tree_cache.keep("avc", "key", syntax.load("avc"))
    assert tree_cache.kept("avc", "key") is None


def test_no_home_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> Path:
        raise RuntimeError("no home")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", none)
    tree_cache.keep("avc", "key", syntax.load("avc"))
    assert tree_cache.kept("avc", "key") is None


def test_the_key_changes_with_the_text() -> None:
    assert loading._key(b"a") != loading._key(b"b")


def test_a_later_start_parses_nothing(folder: Path) -> None:
    program = (
        "import sys; from refcodec import syntax; syntax.load('avc');"
        "print('lark' in sys.modules, 'bitstring' in sys.modules)"
    )
    found = [
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        ).stdout.split()
        for _ in range(2)
    ]
    assert found == [["True", "False"], ["False", "False"]]
    first = json.loads((folder / "avc.json").read_bytes().split(b"\n", 2)[2])
    assert len(first) == 4
