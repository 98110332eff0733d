"""HybridPrompt: encode, decode, inspect and compare HYP video.

    import hybridprompt as hyp

    hyp.encode("film.mp4", "film.hyp", bitrate=200_000)
    for decoded in hyp.decode("film.hyp"):
        decoded.picture.y  # numpy array (height, width), uint8

The functions are those of the command line; `hybridprompt.api` documents them. Everything that can be
wrong with a file or an option raises a `HypError` with an id, a place and a reason.
"""

from typing import TYPE_CHECKING, Any

from hybridprompt import api
from hybridprompt.api import compare, decode, encode, export, info, trace, validate

if TYPE_CHECKING:
    from hybridprompt.api import (
        Comparison,
        DamageReport,
        DecodedPicture,
        DecodeReport,
        EncodeReport,
        ExportReport,
        FileInfo,
        Finding,
        HypError,
        Picture,
        TracedElement,
        TracedFault,
        ValidationReport,
    )

__version__ = "0.1.0"

__all__ = [
    "Comparison",
    "DamageReport",
    "DecodeReport",
    "DecodedPicture",
    "EncodeReport",
    "ExportReport",
    "FileInfo",
    "Finding",
    "HypError",
    "Picture",
    "TracedElement",
    "TracedFault",
    "ValidationReport",
    "__version__",
    "compare",
    "decode",
    "encode",
    "export",
    "info",
    "trace",
    "validate",
]


def __getattr__(name: str) -> Any:
    """Load a type when it is asked for, so that importing the package costs nothing."""
    if name in api.TYPES:
        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
