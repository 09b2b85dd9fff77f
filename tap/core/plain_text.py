"""Text that harms no terminal and no page: whoever names a camera may put anything into the name."""

from __future__ import annotations

import unicodedata

__all__ = ["plain", "plain_json"]

_HARMLESS = frozenset("\u200c\u200d")
"""Joiners: format characters that names in many scripts, and emoji, are made of."""

_HARMFUL = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
"""Control, format (bidi among them), half a surrogate pair, line and paragraph separators."""


def plain(text: str) -> str:
    """``text`` so that a terminal shows it and does nothing else: what is harmful is spelt out (``\\x1b``)."""
    if text.isascii() and text.isprintable():
        return text
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
