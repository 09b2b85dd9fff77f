"""Secrets leave here: before a tape, before the machine, before a log.

By key name (``token``, ``password`` …), by pattern (bearer tokens, ``key=value`` pairs, JSON web tokens), and the query
and userinfo of every URL. Fields that the dialect maps keep their names' innocence: a ``storage_key`` is no secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from typing import Any

import orjson

from tap.core.loosely import read_values, utf8, write_values

__all__ = ["REDACTED", "redact_bytes", "redact_json", "redact_text", "suspect"]

REDACTED = "[redacted]"

_NAMES = (
    r"pass(?:word|wd|phrase|code)|secret|token|authori[sz]ation|authentication|api_?key|access_?key|ingest_?key"
    r"|private_?key|credential|cookie|signature|jwt"
)
_SECRET_NAME = re.compile(_NAMES, re.IGNORECASE)
_NEEDLES = (
    *("pass", "secret", "token", "authori", "authentication", "api_key", "apikey", "access_key", "accesskey"),
    *("ingest_key", "ingestkey", "private_key", "privatekey", "credential", "cookie", "signature", "jwt"),
)
"""One of these stands, in lower case, wherever one of the names does: found many times faster."""
# Cheap test on the raw frame: without one of these there is nothing to redact, and the frame stays as it came.
_SUSPECT = tuple(needle.encode() for needle in (*_NEEDLES, "bearer", "basic", "://", "eyj", "\\u00"))
_DIGITS = b"0123456789"
_SUSPECT_REST = tuple(needle.translate(None, _DIGITS) for needle in _SUSPECT)


class _Rests:
    """What is left of frames without their digits, where nothing suspect stands in it: the last of these.

    A state is told again and again, and mostly only its numbers change. Whatever a frame holds, its rest holds less
    the digits; so what is not in the rest is not in the frame either, and need not be looked for again.
    """

    _MOST, _BYTES = 64, 512 * 2**10

    def __init__(self) -> None:
        self.innocent: set[bytes] = set()
        self._bytes = 0

    def add(self, rest: bytes) -> None:
        if len(self.innocent) >= self._MOST or self._bytes + len(rest) > self._BYTES:
            self.innocent = set()
            self._bytes = 0
        if len(rest) <= self._BYTES:
            self.innocent.add(rest)
            self._bytes += len(rest)


_rests = _Rests()

_DEEPEST = 100
"""Levels of nesting that are looked into; what lies deeper is blanked whole, since nobody reads it either."""
_LONGEST = 65_536
"""Characters of the longest text that is looked into, and that anything reads."""
_UNREAD = REDACTED.ljust(_LONGEST + 1)
"""What stands for a longer one: as unreadable as the text itself."""
_WITHIN = 20
"""Levels that a text counts for which holds JSON itself; where so few are left, it is blanked whole."""

# A server may send 32 MB of what nearly fits. So that no pattern takes more than linear time on it, whatever can repeat
# is possessive (++), and either bounded or kept from beginning again inside the same run.
_URL = re.compile(r"\b([a-z][a-z0-9+.\-]{1,15}://)([^\s\"'<>\\]*+)", re.IGNORECASE)
_WEB_TOKEN = re.compile(r"(?<![\w\-])([\w\-]{3,}+)\.[\w\-]{4,}+\.[\w\-]*+")
_WEB_TOKEN_BEGIN = re.compile(r"\beyJ[\w\-]{8}")
_BEARER = re.compile(r"\b(bearer)\s++[\w.~+/=\-]{6,}+", re.IGNORECASE)
_BASIC = re.compile(r"\b(basic)\s++[A-Za-z0-9+/]{12,}+={0,2}", re.IGNORECASE)
# In text that could not be parsed, and in notes: name=value, name: value, "name":"value". For text in lower case.
_PAIR = re.compile(rf"((?:{_NAMES})\w{{0,40}}+[\"']?\s*+[=:]\s*+)(?:\"(?:[^\"\\]|\\.)*+\"?|[^\s,;&}}\"']++)")
_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
"""Unlike ``str.lower``, it leaves every character where it is."""


def _clean_url(match: re.Match[str]) -> str:
    scheme, rest = match.groups()
    rest = rest.split("?", 1)[0].split("#", 1)[0]
    authority, slash, path = rest.partition("/")
    return scheme + authority.rpartition("@")[2] + slash + path


def _clean_web_token(match: re.Match[str]) -> str:
    begun = _WEB_TOKEN_BEGIN.search(match[1])
    return match[0] if begun is None else match[1][: begun.start()] + REDACTED


def redact_text(text: str) -> str:
    """``text`` without the query and userinfo of its URLs and without what looks like a secret."""
    if "://" in text:
        text = _URL.sub(_clean_url, text)
    if "eyJ" in text:
        text = _WEB_TOKEN.sub(_clean_web_token, text)
    lower = text.translate(_LOWER)
    if "bearer" in lower or "basic" in lower:
        text = _BASIC.sub(rf"\1 {REDACTED}", _BEARER.sub(rf"\1 {REDACTED}", text))
        lower = text.translate(_LOWER)
    if any(needle in lower for needle in _NEEDLES):
        text = _clean_pairs(text, lower)
    return text


def _clean_pairs(text: str, lower: str) -> str:
    parts, end = [], 0
    for match in _PAIR.finditer(lower):
        parts += [text[end : match.end(1)], REDACTED]
        end = match.end()
    return "".join([*parts, text[end:]])


def suspect(data: bytes) -> bool:
    """Whether a raw frame can hold anything that has to be redacted."""
    rest = data.translate(None, _DIGITS)
    if rest in _rests.innocent:
        return False
    if _holds(rest, _SUSPECT_REST):
        return _holds(data, _SUSPECT)
    _rests.add(rest)
    return False


def _holds(data: bytes, needles: Iterable[bytes]) -> bool:
    lower = data.lower()
    return any(needle in lower for needle in needles)


def redact_json(value: Any, mapped: Collection[str] = ()) -> Any:
    """``value`` (parsed JSON) without its secrets.

    ``mapped``: the names of fields that the dialect reads; these lose only a URL's query and userinfo.
    """
    return _redacted(value, mapped, _DEEPEST)


def _redacted(value: Any, mapped: Collection[str], levels: int) -> Any:
    if isinstance(value, str):
        return _redacted_text(value, mapped, levels)
    if isinstance(value, (dict, list)) and not levels:
        return REDACTED
    if isinstance(value, dict):
        return {name: _redact_field(name, item, mapped, levels - 1) for name, item in value.items()}
    if isinstance(value, list):
        return [_redacted(item, mapped, levels - 1) for item in value]
    return value


def _redacted_text(value: str, mapped: Collection[str], levels: int) -> str:
    if value.lstrip()[:1] in {"{", "[", '"'}:
        # JSON within JSON: with its secrets taken out of the text as it stands, nobody could read it any more.
        if levels <= _WITHIN:
            return REDACTED
        clean = _redacted_values(value.encode(), mapped, levels - _WITHIN)
        if clean is not None:
            return clean.decode()
    return redact_text(value) if len(value) <= _LONGEST else _UNREAD


def _redact_field(name: str, value: Any, mapped: Collection[str], levels: int) -> Any:
    if name == "authentication":
        return REDACTED
    if name in mapped:
        return _mapped_text(value) if isinstance(value, str) else _redacted(value, mapped, levels)
    if _SECRET_NAME.search(name) and value is not None and not isinstance(value, bool):
        return REDACTED
    return _redacted(value, mapped, levels)


def _mapped_text(value: str) -> str:
    return _URL.sub(_clean_url, value) if len(value) <= _LONGEST else _UNREAD


def redact_bytes(data: bytes, mapped: Collection[str] = ()) -> bytes:
    """A raw frame as a tape may keep it: itself where nothing in it is suspect.

    What is JSON but for a few bytes that are no UTF-8 is kept as text, since a tape has no other way to keep text.
    """
    clean = _redacted_values(data, mapped, _DEEPEST) if suspect(data) else data
    if clean is None:
        # Latin-1 gives every byte back as it was, whatever the frame is.
        return redact_text(data.decode("latin-1")).encode("latin-1")
    return clean if clean.isascii() else _as_text(clean)


def _redacted_values(data: bytes, mapped: Collection[str], levels: int) -> bytes | None:
    """JSON without its secrets, as it came where it has none; None where it is no JSON."""
    read: tuple[list[Any], Callable[[list[Any]], bytes]]
    try:
        read = [orjson.loads(data)], lambda values: orjson.dumps(values[0])
    except ValueError:
        try:
            read = read_values(data), write_values
        except ValueError:
            return None
    values, write = read
    clean = [_redacted(value, mapped, levels) for value in values]
    return data if clean == values else write(clean)


def _as_text(data: bytes) -> bytes:
    try:
        data.decode()
    except UnicodeDecodeError:
        with suppress(ValueError):
            read_values(data)
            return utf8(data)
    return data
