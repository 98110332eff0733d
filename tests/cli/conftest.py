"""Files for the tests of the command line: tiny streams, made once, and how to call the commands."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from conformance.generators import tiny_stream
from refcodec.cli.app import app

Hyp = Callable[..., Result]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tiny_stream.TinyStream:
    """A conforming file: two generated segments, audio, presented larger than coded."""
    folder = tmp_path_factory.mktemp("tiny")
    return tiny_stream.build(folder / "tiny.hyp", audio=True, pictures=3, presentation=(48, 40))


@pytest.fixture(autouse=True)
def _models(
    tiny: tiny_stream.TinyStream, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[None]:
    """Install the model of the tiny streams for one test, through the variable that adds a folder."""
    assert tiny.model_path is not None
    folder = tmp_path / "models"
    folder.mkdir()
    shutil.copy(tiny.model_path, folder / "core-tiny.safetensors")
    monkeypatch.setenv("HYP_MODELS", str(folder))
    yield


@pytest.fixture
def hyp() -> Hyp:
    """Call the command line in this process: `hyp("info", path)` gives exit_code, stdout, stderr."""
    runner = CliRunner()

    def call(*arguments: object, input: bytes | None = None) -> Result:
        return runner.invoke(app, [str(argument) for argument in arguments], input=input)

    return call
