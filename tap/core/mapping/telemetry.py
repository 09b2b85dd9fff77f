"""Known telemetry, recognized by its raw bytes. Nearly every frame is, so this decides what the tap costs.

Nothing is parsed, copied or decoded. The answer is true only if parsing the frame would say the same: its type is
one of those that the dialect ignores; the frame has it once, as its first or last key, without escapes; and no other
value is behind the first. Anything else is parsed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TypeAlias

__all__ = ["Sniff", "telemetry_sniff"]

Sniff: TypeAlias = Callable[[bytes | bytearray, int, int], bool]
"""Whether the frame that is in these bytes from here to there is known telemetry."""

_RARE_FIRST = "zqxjkvbwyfgmhpucdlrnsoitae_"
"""Characters as names of keys have them, the rarest first."""


def telemetry_sniff(key: str, words: Iterable[str], *, array: bool = False, prefix: str = "") -> Sniff:
    """A sniff for frames whose ``key`` is one of ``words``; a word of digits stands for the number too.

    ``array``: so are arrays that begin with one of them. ``prefix``: a pattern of what may be before either.
    """
    texts = sorted(words)
    numbers = [word for word in texts if re.fullmatch(r"0|[1-9]\d{0,8}", word, re.ASCII)]
    name = f'"{key}"'.encode()
    match = re.compile(_beginning(key, texts, numbers, array=array, prefix=prefix).encode()).match
    forms = [*(f'"{word}"' for word in texts), *numbers]
    # As serializers write it that sort their keys: the type is last. Those with spaces at other places are parsed.
    tails = tuple(
        f',{gap}"{key}":{space}{form}}}'.encode() for form in forms for gap in ("", " ") for space in ("", " ")
    )
    letter = _rarest(key)

    def is_telemetry(data: bytes | bytearray, begin: int, end: int) -> bool:
        found = match(data, begin, end)
        if found is None:
            return (
                data.endswith(tails, begin, end)
                and data[begin] == _BRACE
                and data.find(name, begin, end) == data.rfind(name, begin, end)
                and data.find(b"\\", begin, end) < 0
                and (data.find(b"}", begin, end) == end - 1 or _more(data, begin, end) is None)
            )
        after = found.end()
        # To look for one byte is ten times as fast as to look for several: mostly there is none.
        if data.find(letter, after, end) >= 0 and data.find(name, after, end) >= 0:
            return False
        if data.find(b"\\", begin, end) >= 0:
            return False
        # Behind the first value another may follow, whose type may have another name or none. An object ends with a
        # brace, and mostly there is none but the frame's last byte.
        if data[begin] == _BRACE:
            return data.find(b"}", after - 1, end) == end - 1 or _more(data, after - 1, end) is None
        return _more_behind_any(data, after - 1, end) is None

    return is_telemetry


_BRACE = ord("{")
_more = re.compile(rb"\}[ \t\r\n]*+[^ \t\r\n,}\]]").search
"""The end of an object, and behind it what cannot follow within a value."""
_more_behind_any = re.compile(rb"[}\]][ \t\r\n]*+[^ \t\r\n,}\]]").search


def _beginning(key: str, texts: list[str], numbers: list[str], *, array: bool, prefix: str) -> str:
    """The pattern of a frame that begins with its type."""
    # Possessive: there is nothing to try again.
    gap = "[ \\t\\r\\n]*+"
    either = "|".join([f'"(?:{"|".join(map(re.escape, texts))})"', *numbers])
    begun = rf'\{{{gap}"{re.escape(key)}"{gap}:{gap}(?:{either}){gap}[,}}]'
    if array:
        begun = rf"(?:{begun}|\[{gap}(?:{either}){gap},)"
    return f"{gap}(?:{prefix})?{gap}{begun}" if prefix else f"{gap}{begun}"


def _rarest(key: str) -> bytes:
    """The first byte of that character of ``key`` that other keys have least often."""
    return min(key, key=lambda letter: _RARE_FIRST.find(letter.lower()) % 99).encode()[:1]
