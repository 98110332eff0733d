"""Writes docs/reference/cli.md from the commands, api.md and side-information.md from the docstrings.

python -m docs.generate          write the files
python -m docs.generate --check  exit with 1 when a file differs from what would be written
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

REFERENCE = Path(__file__).resolve().parent / "reference"
WIDTH = 100

RESULTS = (
    ("refcodec.encoder", "EncoderSettings"),
    ("refcodec.encoder", "EncodeReport"),
    ("refcodec.decoder", "Decoding"),
    ("refcodec.decoder", "DecodedPicture"),
    ("refcodec.decoder", "DecodeReport"),
    ("refcodec.picture", "Picture"),
    ("refcodec.inspection.info", "FileInfo"),
    ("refcodec.inspection.coded_pictures", "InspectedPicture"),
    ("refcodec.inspection.picture_layers", "PictureLayers"),
    ("refcodec.inspection.tracing", "TracedElement"),
    ("refcodec.inspection.tracing", "TracedFault"),
    ("refcodec.validation", "ValidationReport"),
    ("refcodec.validation", "Finding"),
    ("refcodec.exporting", "ExportReport"),
    ("refcodec.comparison", "Comparison"),
    ("refcodec.errors", "HypError"),
)
"""Types that the functions take and return."""

SIDE_INFORMATION = (
    ("refcodec.avc.stream_decoder", ("AvcDecoder", "OutputPicture", "PictureDetails")),
    ("refcodec.avc.side_information", ("SideInformation", "MotionField")),
    ("refcodec.avc.slice_table", ("SliceTable",)),
    ("refcodec.avc.deblocking", ("FilterDecisions",)),
)
"""What the H.264 decoder publishes of a picture."""


def cli_reference() -> str:
    """Return docs/reference/cli.md: the help of every command, as the command prints it."""
    import typer
    from typer.testing import CliRunner

    from refcodec.cli.app import app

    runner = CliRunner()
    lines = [
        "# Command line",
        "",
        "Written by `make docs` from the commands themselves; do not edit. `hybridprompt` is the same "
        "command under its long name.",
    ]
    group = typer.main.get_command(app)
    for path in _commands(group, ()):
        # The width is fixed, so that the file does not depend on the terminal of whoever writes it.
        result = runner.invoke(
            app,
            [*path, "--help"],
            prog_name="hyp",
            env={"COLUMNS": str(WIDTH)},
            terminal_width=WIDTH,
        )
        title = " ".join(("hyp", *path))
        lines += ["", f"## {title}", "", "```text", result.output.strip(), "```"]
    return "\n".join(lines) + "\n"


def _commands(command: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    # `hyp train` belongs to the trainer, which need not be installed.
    if path != ("train",):
        yield path
    for name, child in getattr(command, "commands", {}).items():
        yield from _commands(child, (*path, name))


def api_reference() -> str:
    """Return docs/reference/api.md: signatures and docstrings of the public functions and types."""
    api = importlib.import_module("hybridprompt.api")
    lines = [
        "# Python API",
        "",
        "Written by `make docs` from the docstrings; do not edit. `import hybridprompt` offers all functions "
        "of this page.",
        "",
        inspect.cleandoc(api.__doc__ or ""),
    ]
    functions = [
        value
        for value in vars(api).values()
        if inspect.isfunction(value)
        and value.__module__ == api.__name__
        and not value.__name__.startswith("_")
    ]
    lines += ["", "## Functions"]
    for function in functions:
        lines += ["", f"### {function.__name__}", "", "```python", _signature(function), "```", ""]
        lines.append(inspect.cleandoc(function.__doc__ or ""))
    lines += ["", "## Types"]
    for module, name in RESULTS:
        lines += _type(module, name)
    return "\n".join(lines) + "\n"


def side_information_reference() -> str:
    """Return docs/reference/side-information.md: what the H.264 decoder tells of a picture."""
    lines = [
        "# Side information of H.264 pictures",
        "",
        "Written by `make docs` from the docstrings; do not edit. How to get it is in "
        "[inspect](../how-to/inspect.md), where it comes from in "
        "[the H.264 decoder](../explanation/h264-decoder.md).",
    ]
    for module, names in SIDE_INFORMATION:
        described = importlib.import_module(module)
        lines += ["", f"## {module}", "", inspect.cleandoc(described.__doc__ or "")]
        constants = [
            (name, value)
            for name, value in vars(described).items()
            if name.isupper() and isinstance(value, int)
        ]
        own = [entry for entry in constants if _defines(described, entry[0])]
        if own:
            lines += ["", "| constant | value |", "|---|---|"]
            lines += [f"| `{name}` | {value} |" for name, value in own]
        for name in names:
            lines += _type(module, name)
    return "\n".join(lines) + "\n"


def _defines(module: Any, name: str) -> bool:
    """Whether `name` is assigned in the source of `module`, not imported into it."""
    return re.search(rf"^{name}\b.*=", inspect.getsource(module), flags=re.M) is not None


def _type(module: str, name: str) -> list[str]:
    kind = getattr(importlib.import_module(module), name)
    lines = ["", f"### {name}", "", f"`{module}.{name}`", "", _prose(kind.__doc__ or "")]
    members = list(_members(kind))
    return [*lines, "", *members] if members else lines


def _prose(text: str) -> str:
    """Make a list of the lines `name: meaning` of a docstring, with what is indented under each."""
    entries = re.compile(r"^([a-z_0-9.]+(?:, [a-z_0-9.]+)*): ", flags=re.M)
    found = inspect.cleandoc(text)
    if len(entries.findall(found)) < 4:
        return found
    return entries.sub(r"- `\1`: ", found)


def _signature(function: Any) -> str:
    signature = inspect.signature(function)
    text = f"{function.__name__}{signature}".replace("'", "")
    if len(text) <= 88:
        return text
    parts = [str(parameter).replace("'", "") for parameter in signature.parameters.values()]
    keyword_only = [
        n
        for n, p in enumerate(signature.parameters.values())
        if p.kind is inspect.Parameter.KEYWORD_ONLY
    ]
    if keyword_only:
        parts.insert(keyword_only[0], "*")
    returned = str(signature.return_annotation).replace("'", "")
    return "\n".join(
        (f"{function.__name__}(", *(f"    {part}," for part in parts), f") -> {returned}")
    )


def _members(kind: Any) -> Iterator[str]:
    if dataclasses.is_dataclass(kind):
        for entry in dataclasses.fields(kind):
            if not entry.name.startswith("_"):
                yield f"- `{entry.name}`: `{str(entry.type).replace(chr(39), '')}`"
    for name, value in vars(kind).items():
        if name.startswith("_"):
            continue
        target = value.fget if isinstance(value, property) else value
        if not inspect.isfunction(target):
            continue
        summary = " ".join((inspect.getdoc(target) or "").split("\n\n")[0].split())
        call = "" if isinstance(value, property) else "()"
        yield f"- `{name}{call}`: {summary}"


def pages() -> dict[Path, str]:
    """Return the text of each generated page by its path."""
    return {
        REFERENCE / "cli.md": cli_reference(),
        REFERENCE / "api.md": api_reference(),
        REFERENCE / "side-information.md": side_information_reference(),
    }


def main(arguments: list[str]) -> int:
    """Write or check the pages; return the exit code."""
    stale = 0
    for path, text in pages().items():
        text = re.sub(r"[ \t]+$", "", text, flags=re.M)
        if "--check" in arguments:
            if not path.is_file() or path.read_text(encoding="utf-8") != text:
                stale += 1
                print(f"{path.name} is out of date: run `make docs`", file=sys.stderr)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
