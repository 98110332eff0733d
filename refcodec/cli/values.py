"""Values that options take: rates, times, fractions."""

from __future__ import annotations

import re
from fractions import Fraction

from refcodec import errors

_RATE = re.compile(r"(\d+(?:\.\d+)?)\s*([kKmM]?)(?:bit/s|bps)?")
_CLOCK = re.compile(r"(?:(\d+):)?(?:(\d+):)?(\d+(?:\.\d+)?)")
_FRACTION = re.compile(r"(\d+)(?:/(\d+))?")


def _invalid(option: str, text: str, allowed: str) -> errors.HypError:
    return errors.error("HYP-E-CLI-03", element=option, value=text, allowed=allowed)


def bit_rate(text: str, option: str = "--bitrate") -> int:
    """Return the bits per second that `text` says: `200k`, `1.5M`, `200000`.

    Raises HYP-E-CLI-03 for anything else and for rates outside 1 kbit/s to 1 Gbit/s.
    """
    match = _RATE.fullmatch(text.strip())
    if match is None:
        raise _invalid(option, text, "a number of bits per second, with k or M if you like: 200k")
    scale = {"": 1, "k": 1000, "m": 1_000_000}[match[2].lower()]
    rate = int(Fraction(match[1]) * scale)
    if not 1000 <= rate <= 1_000_000_000:
        raise _invalid(option, text, "1k..1000M")
    return rate


def seconds(text: str, option: str) -> Fraction:
    """Return the seconds that `text` says: `12.5`, `1:30`, `1:02:03.25`.

    Raises HYP-E-CLI-03 for anything else.
    """
    match = _CLOCK.fullmatch(text.strip())
    if match is None:
        raise _invalid(option, text, "seconds, minutes:seconds or hours:minutes:seconds")
    first, second, rest = match[1], match[2], Fraction(match[3])
    if second is not None:
        return int(first) * 3600 + int(second) * 60 + rest
    return (int(first) * 60 if first is not None else 0) + rest


def fraction(text: str, option: str) -> Fraction:
    """Return the fraction in 0 < f <= 1 that `text` says: `1`, `2/3`.

    Raises HYP-E-CLI-03 for anything else.
    """
    match = _FRACTION.fullmatch(text.strip())
    if match is not None and int(match[2] or 1) > 0:
        value = Fraction(int(match[1]), int(match[2] or 1))
        if 0 < value <= 1:
            return value
    raise _invalid(option, text, "a fraction in 0 < f <= 1: 1, 2/3, 1/2")


def gain(text: str, option: str) -> int:
    """Return the restoration_gain that `text` says: one digit.

    Raises HYP-E-CLI-03 for anything else.
    """
    if text not in ("0", "1", "2", "3"):
        raise _invalid(option, text, "auto, or 0 (none) to 3")
    return int(text)


def whole_number(text: str, option: str) -> int:
    """Return the number that `text` says, decimal or hexadecimal (0x…), not negative.

    Raises HYP-E-CLI-03 for anything else.
    """
    try:
        value = int(text, 0)
    except ValueError:
        value = -1
    if value < 0:
        raise _invalid(option, text, "a byte offset: 4096 or 0x1000")
    return value


def clock(value: float) -> str:
    """Return `value` seconds as 0:07, 12:34 or 1:02:03."""
    whole = max(0, round(value))
    hours, rest = divmod(whole, 3600)
    minutes, rest = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def rate_text(bits_per_second: float) -> str:
    """Return a bit rate as 199.8 kbit/s or 2.41 Mbit/s."""
    if bits_per_second >= 1e6:
        return f"{bits_per_second / 1e6:.2f} Mbit/s"
    return f"{bits_per_second / 1e3:.1f} kbit/s"
