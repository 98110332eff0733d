"""`hyp decode`."""


def decode(file: str) -> None:
    """Decode."""
