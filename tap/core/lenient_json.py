"""JSON that is not quite JSON, read as far as it can be: an odd value costs its field, and not the frame it stands in.

Servers write ``NaN``, begin with a byte order mark, end with a zero byte, cut a name in the middle of an emoji, leave a
comma behind, or put one object after the other into a frame. None of that says anything wrong, so what stands beside it
is read. What cannot be read at all is :data:`ODD`: no word, no number, no id, no time, and above all not null, which
would say that there is none.

NB: text that is cut off or whose brackets do not fit stays unreadable: what is left of ``"to":"c12`` would be ``c1``.

Only what a strict parser refused comes here, so that it may take its time; how much of it is bounded.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator

__all__ = ["LEVELS", "LONGEST", "ODD", "read_values", "utf8", "write_values"]

ODD = math.nan
"""Stands for a value that cannot be read. Like no other it is a float that is equal to nothing."""

LONGEST = 1 << 18
"""Bytes: what is longer is not gone through, so that no frame holds the others up."""

LEVELS = 100
"""Nesting that is read; what lies deeper is odd."""

_AROUND = " \t\r\n\0\x1e\ufeff"
"""What may stand around a value: spaces, the zero byte at the end of C's texts, separators, a byte order mark."""

_TOKEN = re.compile(
    r"""(?P<text>"(?:[^"\\]|\\.)*+") | (?P<open>[{\[]) | (?P<close>[}\]]) | (?P<comma>,) | (?P<colon>:)
      | (?P<word>[^\s\0\ufeff"{}\[\],:]++) | (?P<quote>") | (?P<space>[\s\0\ufeff]++)""",
    re.VERBOSE | re.DOTALL,
)
"""One of these stands at every place of any text."""

_PLAIN = re.compile(r"-?(?:0|[1-9]\d*+)(?:\.\d++)?(?:[eE][+-]?\d++)?|true|false|null", re.ASCII)

_ESCAPE = re.compile(
    r"""\\(?: ["\\/bfnrt] | u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}
        | (?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2}) | u[0-9a-fA-F]{4} | (?P<none>.) )""",
    re.VERBOSE | re.DOTALL,
)
"""One escape of a JSON text, a surrogate pair as one; ``half`` a pair that stands alone, ``none`` what is no escape."""

_HALF = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")
"""Half a surrogate pair, written as if it were a character."""


def read_values(data: bytes) -> list[object]:
    """The values that stand in these bytes, one after the other: mostly one.

    Half a surrogate pair and bytes that are no UTF-8 read as U+FFFD: one odd letter costs that letter. Raises
    ``ValueError`` where there is none, or where one is cut off.
    """
    if len(data) > LONGEST:
        raise ValueError(f"longer than {LONGEST} bytes")
    text = utf8(data).decode().strip(_AROUND)
    # Cheap, and most garbage is just cut off.
    if not text or text[0] not in "{[" or text[-1] not in "}]":
        raise ValueError("no object")
    strict, values, end = _strict(text), [], 0
    while end < len(strict):
        value, end = _DECODER.raw_decode(strict, end)
        values.append(value)
    return values


def write_values(values: list[object]) -> bytes:
    """The bytes that :func:`read_values` reads as these values."""
    return "\n".join(json.dumps(value, ensure_ascii=False, separators=(",", ":")) for value in values).encode()


def utf8(data: bytes) -> bytes:
    """These bytes as UTF-8: what is none is U+FFFD."""
    return _HALF.sub(b"\xef\xbf\xbd", data).decode("utf-8", "replace").encode()


def _strict(text: str) -> str:
    """The same values as the decoder takes them: what is odd as ``NaN``, and nothing between the values."""
    parts: list[str] = []
    before = ""
    for kind, said in _shallow(text):
        if before == "colon" and kind in {"comma", "close"}:
            parts.append("NaN")  # nothing was written for it
        if kind == "comma" and before in {"", "open", "comma"}:
            raise ValueError("nothing before a comma")
        if before == "comma" and kind != "close":
            parts.append(",")
        if before == kind == "word":
            parts.append(" ")  # which the decoder refuses
        if kind != "comma":
            parts.append(said)
        before = kind
    return "".join(parts)


def _shallow(text: str) -> Iterator[tuple[str, str]]:
    """The tokens of a text, with what each stands for; of what lies too deep, one odd word for the whole of it."""
    depth = 0
    for token in _TOKEN.finditer(text):
        kind, said = str(token.lastgroup), token[0]
        if kind == "quote":
            raise ValueError("a text has no end")
        if kind == "open":
            depth += 1
            if depth == LEVELS + 1:
                yield "word", "NaN"
        if depth <= LEVELS and kind != "space":
            yield kind, _mended(kind, said)
        if kind == "close":
            depth -= 1
            if depth < 0:
                raise ValueError("a bracket too many")


def _mended(kind: str, said: str) -> str:
    if kind == "text" and "\\" in said:
        return _ESCAPE.sub(_escape, said)
    return "NaN" if kind == "word" and not _PLAIN.fullmatch(said) else said


def _escape(escape: re.Match[str]) -> str:
    if escape["half"] is not None:
        return "\\ufffd"
    return escape[0] if escape["none"] is None else f"\\\\{escape['none']}"


def _whole(digits: str) -> int | float:
    """A whole number; one beyond 64 bits as a float, as the strict parser has it."""
    number = int(digits) if len(digits) <= 20 else 2**64
    return number if -(2**63) <= number < 2**64 else _fraction(digits)


def _fraction(digits: str) -> float:
    number = float(digits)
    return number if math.isfinite(number) else ODD


_DECODER = json.JSONDecoder(strict=False, parse_constant=lambda _: ODD, parse_int=_whole, parse_float=_fraction)
