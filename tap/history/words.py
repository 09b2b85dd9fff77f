"""How things are said to people: text that cannot harm a terminal, times of day, lengths of time."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, tzinfo

__all__ = ["clock", "day", "lasting", "plain", "plain_json", "zone_name"]

_HARMLESS = frozenset("\u200c\u200d")
"""Joiners: format characters that names in many scripts, and emoji, are made of."""

_HARMFUL = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
"""Control, format (bidi among them), half a surrogate pair, line and paragraph separators."""


def plain(text: str) -> str:
    """``text`` so that a terminal shows it and does nothing else: what is harmful is spelt out (``\\x1b``)."""
    return "".join(_spelt(character) if _is_harmful(character) else character for character in text)


def plain_json(text: str) -> str:
    """JSON that means the same and is harmless on a terminal; its line ends stay."""
    return "".join(
        "".join(f"\\u{unit:04x}" for unit in _units(character))
        if character != "\n" and _is_harmful(character)
        else character
        for character in text
    )


def _is_harmful(character: str) -> bool:
    # Whatever ASCII shows is harmless: the quick way for nearly all text.
    if " " <= character <= "~" or character in _HARMLESS:
        return False
    return unicodedata.category(character) in _HARMFUL


def _spelt(character: str) -> str:
    named = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
    code = ord(character)
    return named.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


def _units(character: str) -> tuple[int, ...]:
    """The UTF-16 code units of a character: what ``\\u`` of JSON counts in."""
    packed = character.encode("utf-16-be", "surrogatepass")
    return tuple(int.from_bytes(packed[at : at + 2], "big") for at in range(0, len(packed), 2))


def _local(ms: int, zone: tzinfo | None) -> datetime:
    """A moment (Unix ms) in ``zone``; None is the machine's own."""
    return datetime.fromtimestamp(ms // 1000, UTC).astimezone(zone)


def clock(ms: int, zone: tzinfo | None, *, fraction: bool = False) -> str:
    """The time of day of a moment (Unix ms): ``20:39:35``, or ``20:39:35.250``."""
    return f"{_local(ms, zone):%H:%M:%S}" + (f".{ms % 1000:03d}" if fraction else "")


def day(ms: int, zone: tzinfo | None) -> str:
    """The date of a moment (Unix ms): ``2026-11-22``."""
    return f"{_local(ms, zone):%Y-%m-%d}"


def zone_name(ms: int, zone: tzinfo | None) -> str:
    """What the zone calls itself at a moment: ``CET``, ``UTC``."""
    return _local(ms, zone).tzname() or ""


def lasting(ms: int) -> str:
    """A length of time: ``0.4 s``, ``12.3 s``, ``4:05``, ``1:02:03``."""
    if ms < 59_950:
        return f"{ms / 1000:.1f} s"
    minutes, seconds = divmod(round(ms / 1000), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
