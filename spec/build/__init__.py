"""The builder of the specification document: `build`, `lint` and `cite`.

It reads spec/chapters, spec/syntax, spec/requirements.toml, spec/errors.toml, spec/tables and
spec/model and writes one searchable HTML file and one PDF.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from spec import SPEC_DIR
from spec.build.citation import citation
from spec.build.document import Document, assemble
from spec.build.lint import findings
from spec.build.sources import Finding, Sources, load_sources

__all__ = ["BuildError", "Finding", "build", "cite", "lint"]


class BuildError(Exception):
    """The sources have findings; `findings` lists them."""

    def __init__(self, problems: list[Finding]) -> None:
        self.findings = problems
        shown = "\n".join(str(problem) for problem in problems[:20])
        more = f"\n… and {len(problems) - 20} more" if len(problems) > 20 else ""
        super().__init__(f"{len(problems)} findings in the specification:\n{shown}{more}")


def _write(path: Path, content: bytes) -> Path:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
    return path


def _load(spec_dir: Path | None) -> tuple[Sources, Document]:
    sources = load_sources(spec_dir or SPEC_DIR)
    return sources, assemble(sources)


def lint(spec_dir: Path | None = None) -> list[Finding]:
    """Return all findings of the sources below `spec_dir` (default: this package's folder)."""
    sources, document = _load(spec_dir)
    return findings(sources, document)


def build(out_dir: Path, pdf: bool = True, spec_dir: Path | None = None) -> list[Path]:
    """Write the HTML document, and the PDF when `pdf`, into `out_dir`; return the paths written.

    Raises BuildError, and writes nothing, when the sources have findings.
    """
    from spec.build.page import render_page

    sources, document = _load(spec_dir)
    problems = findings(sources, document)
    if problems:
        raise BuildError(problems)
    out_dir = Path(out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    name = sources.info["file_name"]
    written = [_write(out_dir / f"{name}.html", render_page(sources, document).encode())]
    if pdf:
        from spec.build.pdf import render_pdf

        written.append(_write(out_dir / f"{name}.pdf", render_pdf(sources, document)))
    return written


def cite(identifier: str, spec_dir: Path | None = None) -> str:
    """Return a text citation and BibTeX, with anchor and version, for a place of the document.

    `identifier` is an anchor, an element (`keyframe.prompt_data`), a requirement id or an error id.
    Raises KeyError, with suggestions, when the document has no such place.
    """
    sources, document = _load(spec_dir)
    return citation(sources, document, identifier)
