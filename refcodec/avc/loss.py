"""What errors cost."""

from __future__ import annotations

from dataclasses import dataclass

from refcodec.errors import HypError


@dataclass(slots=True)
class Loss:
    """What an error cost: the access units from `number` to before the next IDR picture, `pictures`
    of them with a picture."""

    number: int
    pictures: int
    error: HypError
