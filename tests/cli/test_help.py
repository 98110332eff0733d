"""The help teaches: every option is named and explained, every command has examples."""

from __future__ import annotations

import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from refcodec.cli.app import app


def commands() -> dict[str, typer.core.TyperCommand]:
    """Return every command by its words, except `train`, whose options are the trainer's."""
    found = {}

    def walk(command: typer.core.TyperCommand, words: tuple[str, ...]) -> None:
        if words != ("train",):
            found[" ".join(words)] = command
        for name, child in getattr(command, "commands", {}).items():
            walk(child, (*words, name))

    walk(typer.main.get_command(app), ())
    return found


@pytest.mark.parametrize("words", list(commands()))
def test_help_names_every_option(words: str) -> None:
    result = CliRunner().invoke(app, [*words.split(), "--help"], prog_name="hyp")
    assert result.exit_code == 0
    for parameter in commands()[words].params:
        for name in (*parameter.opts, *parameter.secondary_opts):
            assert name.lower() in result.stdout.lower(), f"{words}: {name}"
        # Options without an explanation teach nothing; typer's own completion options have theirs.
        assert getattr(parameter, "help", None), f"{words}: {parameter.name} is not explained"


@pytest.mark.parametrize("words", [words for words in commands() if words])
def test_help_has_examples(words: str) -> None:
    result = CliRunner().invoke(app, [*words.split(), "--help"], prog_name="hyp")
    assert f"hyp {words.split()[0]}" in result.stdout.split("Example", 1)[1]


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from refcodec.cli.app import app; app(['--help'], standalone_mode=False);"
        "heavy = {'numpy', 'numba', 'av', 'torch', 'matplotlib', 'rich'} & set(sys.modules);"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_version() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert result.exit_code == 0
    assert "hybridprompt 0.1.0" in result.stdout


def test_unknown_command_is_wrong_use() -> None:
    result = CliRunner().invoke(app, ["enocde"])
    assert result.exit_code == 2
    assert "encode" in result.stderr
