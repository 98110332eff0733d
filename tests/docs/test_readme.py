"""Every command that the README and the tutorial show is run, in their order, on a small clip."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
TUTORIAL = ROOT / "docs/tutorial/first-encode.md"
HOW_TOS = sorted((ROOT / "docs/how-to").glob("*.md"))

SHELL_ONLY = ("source ", "head ", "make ")
"""Beginnings of commands that are not ours to run here: `make` is checked by itself below."""


def console(page: Path) -> list[str]:
    """Return the commands of the console blocks of `page`."""
    blocks = re.findall(r"^```console\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def inline(page: Path) -> list[str]:
    """Return the `hyp …` commands that stand inside sentences and tables of `page`."""
    return re.findall(r"`(hyp [^`]+)`", page.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the pages start from: a small clip of a moving texture."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "out/demo").mkdir(parents=True)
    texture = (
        np.random.default_rng(5).integers(0, 256, (40, 60), np.uint8).repeat(4, 0).repeat(4, 1)
    )
    with av.open(folder / "film.mp4", "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        for number in range(40):
            grey = texture[number // 2 : number // 2 + 96, number : number + 160]
            container.mux(
                stream.encode(av.VideoFrame.from_ndarray(grey, "gray").reformat(format="yuv420p"))
            )
        container.mux(stream.encode(None))
    (folder / "out/demo/clip.mp4").symlink_to(folder / "film.mp4")
    return folder


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run one `hyp` command of a page in `folder`."""
    words = shlex.split(command)
    assert words[0] == "hyp"
    return subprocess.run(
        [sys.executable, "-c", "from refcodec.cli import main; main()", *words[1:]],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )


def test_readme_commands(folder: Path) -> None:
    commands = [line for line in console(README) if not line.startswith(SHELL_ONLY)]
    assert len(commands) >= 4
    for command in commands:
        done = run(command, folder)
        assert done.returncode == 0, f"{command}\n{done.stderr}"
    assert {"film.hyp", "film.y4m", "film-hyp.mp4"} <= set(os.listdir(folder))


def test_tutorial_commands(folder: Path) -> None:
    damaged = False
    for command in console(TUTORIAL):
        if command.startswith("head "):
            size = int(re.findall(r"-c (\d+)", command)[0])
            source, target = command.split()[3], command.split()[-1]
            content = (folder / source).read_bytes()
            # The page cuts a large file; the small one here is cut in its middle.
            (folder / target).write_bytes(content[: min(size, len(content) // 2)])
            damaged = True
        elif not command.startswith(SHELL_ONLY):
            done = run(command, folder)
            expected = 1 if damaged and command.startswith("hyp validate") else 0
            assert done.returncode == expected, f"{command}\n{done.stdout}\n{done.stderr}"
    assert (folder / "first.mp4").stat().st_size > 0


def options_of(words: list[str]) -> set[str]:
    """Return the options that the command of `words` has."""
    import typer

    from refcodec.cli.app import app

    command = typer.main.get_command(app)
    for word in words:
        command = getattr(command, "commands", {}).get(word, command)
    return {
        name
        for parameter in command.params
        for name in (*parameter.opts, *parameter.secondary_opts)
    }


@pytest.mark.parametrize("page", [*HOW_TOS, README], ids=lambda page: page.name)
def test_commands_in_sentences_have_the_options_they_use(page: Path) -> None:
    for command in [*inline(page), *console(page)]:
        words = shlex.split(command.split("|")[0])
        if words[0] != "hyp" or words[1:2] == ["train"]:
            continue
        used = {word.split("=")[0] for word in words if word.startswith("--")} - {"--help"}
        assert used <= options_of(words[1:3]), command


def test_make_targets_of_the_readme_exist() -> None:
    for command in console(README):
        if command.startswith("make "):
            target = command.split()[1]
            done = subprocess.run(
                ["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, timeout=60
            )
            assert done.returncode == 0, done.stderr


def test_ci_runs_what_the_readme_says() -> None:
    script = (ROOT / ".ci/run").read_text(encoding="utf-8")
    assert os.access(ROOT / ".ci/run", os.X_OK)
    assert "exec make test" in script and "make test" in console(README)
