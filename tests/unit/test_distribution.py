"""What is installed: the data files are in the wheel, and decoding needs no torch."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from conformance.generators import tiny_stream

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("conformance", "hybridprompt", "refcodec", "spec", "trainer")
DATA = {
    ".toml",
    ".syn",
    ".lark",
    ".md",
    ".css",
    ".js",
    ".html",
    ".j2",
    ".jinja",
    ".svg",
    ".json",
    ".csv",
    ".safetensors",
}


@pytest.mark.skipif(importlib.util.find_spec("setuptools") is None, reason="setuptools is absent")
def test_wheel_has_every_data_file(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for package in PACKAGES:
        shutil.copytree(
            ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "--no-deps",
            "--no-build-isolation",
            "-w",
            str(tmp_path),
            str(source),
        ],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    inside = set(zipfile.ZipFile(wheel).namelist())
    wanted = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.suffix in DATA | {".py"} and "__pycache__" not in path.parts
    }
    assert wanted - inside == set()
    assert not any(name.startswith(("tests/", "demo/", "docs/")) for name in inside)


def test_decoding_imports_no_torch(tmp_path: Path) -> None:
    tiny = tiny_stream.build(tmp_path / "tiny.hyp", pictures=2)
    assert tiny.model_path is not None
    code = (
        "import sys\n"
        "from refcodec.decoder import decode\n"
        "from refcodec.generator import load_model\n"
        f"pictures = list(decode({str(tiny.path)!r}, model=load_model({str(tiny.model_path)!r})))\n"
        f"assert len(pictures) == {tiny.picture_count}\n"
        "sys.exit('torch was imported' if 'torch' in sys.modules else 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr


def test_plain_install_needs_no_torch() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert not any(name.startswith("torch") for name in project["dependencies"])
    # Exactly one release: an open range can pull gigabytes.
    torch = [
        name for name in project["optional-dependencies"]["trainer"] if name.startswith("torch")
    ]
    assert [name.count("==") for name in torch] == [1]
