"""Secrets leave here: before a tape, before the machine, before a log.

By key name (``token``, ``password`` …), by pattern (bearer tokens, ``key=value`` pairs, JSON web tokens), and the query
and userinfo of every URL. Fields that the dialect maps keep their names' innocence: a ``storage_key`` is no secret.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

import orjson

__all__ = ["REDACTED", "redact_bytes", "redact_json", "redact_text", "suspect"]

REDACTED = "[redacted]"

_NAMES = (
    r"pass(?:word|wd|phrase|code)|secrets?|token|authori[sz]ation|authentication|api_?key|access_?key|ingest_?key"
    r"|private_?key|client_?secret|credentials?|cookie|signature|session_?token|\bjwt"
)
_SECRET_NAME = re.compile(_NAMES, re.IGNORECASE)
# Cheap test on the raw frame: without one of these there is nothing to redact, and the frame stays as it came.
_SUSPECT = re.compile(rf"{_NAMES}|bearer|basic\s|://|eyJ|\\u00".encode(), re.IGNORECASE)

_URL = re.compile(r"\b([a-z][a-z0-9+.\-]{1,15}://)([^\s\"'<>\\]*)", re.IGNORECASE)
_PATTERNS = (
    (re.compile(r"\b(bearer)\s+[\w.~+/=\-]{6,}", re.IGNORECASE), rf"\1 {REDACTED}"),
    (re.compile(r"\b(basic)\s+[A-Za-z0-9+/]{12,}={0,2}", re.IGNORECASE), rf"\1 {REDACTED}"),
    (re.compile(r"\beyJ[\w\-]{8,}\.[\w\-]{4,}\.[\w\-]*"), REDACTED),
    # In text that could not be parsed, and in notes: name=value, name: value, "name":"value".
    (
        re.compile(rf"((?:{_NAMES})\w*[\"']?\s*[=:]\s*)(\"(?:[^\"\\]|\\.)*\"?|[^\s,;&}}\"']+)", re.IGNORECASE),
        rf"\1{REDACTED}",
    ),
)


def _clean_url(match: re.Match[str]) -> str:
    scheme, rest = match.groups()
    rest = rest.split("?", 1)[0].split("#", 1)[0]
    authority, slash, path = rest.partition("/")
    return scheme + authority.rpartition("@")[2] + slash + path


def redact_text(text: str) -> str:
    """``text`` without the query and userinfo of its URLs and without what looks like a secret."""
    text = _URL.sub(_clean_url, text)
    for pattern, instead in _PATTERNS:
        text = pattern.sub(instead, text)
    return text


def suspect(data: bytes) -> bool:
    """Whether a raw frame can hold anything that has to be redacted."""
    return _SUSPECT.search(data) is not None


def redact_json(value: Any, mapped: Collection[str] = ()) -> Any:
    """``value`` (parsed JSON) without its secrets.

    ``mapped``: the names of fields that the dialect reads; these lose only a URL's query and userinfo.
    """
    if isinstance(value, dict):
        return {name: _redact_field(name, item, mapped) for name, item in value.items()}
    if isinstance(value, list):
        return [redact_json(item, mapped) for item in value]
    return redact_text(value) if isinstance(value, str) else value


def _redact_field(name: str, value: Any, mapped: Collection[str]) -> Any:
    if name == "authentication":
        return REDACTED
    if name in mapped:
        return _URL.sub(_clean_url, value) if isinstance(value, str) else redact_json(value, mapped)
    if _SECRET_NAME.search(name) and value is not None and not isinstance(value, bool):
        return REDACTED
    return redact_json(value, mapped)


def redact_bytes(data: bytes, mapped: Collection[str] = ()) -> bytes:
    """A raw frame as a tape may keep it: itself where nothing in it is suspect."""
    if not suspect(data):
        return data
    try:
        parsed = orjson.loads(data)
    except ValueError:
        # Latin-1 gives every byte back as it was, whatever the frame is.
        return redact_text(data.decode("latin-1")).encode("latin-1")
    clean = redact_json(parsed, mapped)
    return data if clean == parsed else orjson.dumps(clean)
