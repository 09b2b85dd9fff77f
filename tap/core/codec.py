"""How values are written and read: times, ids, keys, JSON.

All of it is pure, and all but ``read_json`` total: what cannot be read gives None, never an exception.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, unquote

import orjson

from tap.core.lenient_json import read_values
from tap.core.model import Entry

__all__ = [
    "LATEST_SOURCE",
    "LATEST_VERSION",
    "canonical",
    "composed",
    "entry_json",
    "iso",
    "key_part",
    "parse_id",
    "parse_time",
    "read_json",
    "session_key",
    "sub_key",
    "values_of",
    "venue_of",
    "version_above",
]

MAX_ID = 16_384
"""Characters of the longest id that is believed. OBS scene names of 10 KB are real; a megabyte is garbage."""

MAX_KEY = 120
"""Bytes of the longest part of a key; a longer one becomes a prefix and its SHA-256."""

MAX_VENUE = 40
"""Bytes of a venue's name, percent-encoded, so that it stands whole in every key."""

_EARLIEST = 946_684_800_000  # 2000-01-01
_LATEST = 4_102_444_800_000  # 2100-01-01

LATEST_SOURCE = _LATEST - 2**31
"""The latest source time that makes a version. The ledger's versions end at 2100: of one just below it, say by a clock
gone mad for one frame, no row by a right clock could go above it any more."""

LATEST_VERSION = _LATEST - 2**30
"""The highest version that is believed where a ledger tells it: above it there is room for a thousand million more."""

_SECONDS_BELOW = 100_000_000_000
_ISO = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")


def parse_id(value: object) -> str | None:
    """An id as a string. Strings and numbers are ids (``5`` is ``"5"``, and so is ``5.0``); nothing else is.

    In Unicode NFC, so that ``é`` is one camera whether it was typed on a Mac or on a PC.
    """
    if isinstance(value, str):
        if not value.isascii():
            value = composed(value)
        return value if 0 < len(value) <= MAX_ID else None
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float) and abs(value) < 1e15:
        return str(int(value)) if value.is_integer() else repr(value)
    return None


def composed(text: str) -> str:
    """``text`` in Unicode NFC. What is far too long to be anything stays as it is."""
    return text if len(text) > MAX_ID else unicodedata.normalize("NFC", text)


def parse_time(value: object) -> int | None:
    """A time as whole Unix ms: ms, seconds (below 1e11), or ISO 8601 (UTC where it names no offset).

    None where it cannot be read or lies outside 2000 to 2100.
    """
    if type(value) is int and _EARLIEST <= value < _LATEST:
        return value  # as nearly all of them come
    ms: int | None = None
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        # NaN fails both comparisons.
        if not _EARLIEST / 1000 <= value < _LATEST:
            return None
        ms = round(value * 1000) if value < _SECONDS_BELOW else round(value)
    elif isinstance(value, str) and _ISO.match(value) and len(value) <= 40:
        ms = _parse_iso(value)
    return ms if ms is not None and _EARLIEST <= ms < _LATEST else None


def _parse_iso(text: str) -> int | None:
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        whole = moment.replace(microsecond=0)
        return int(whole.timestamp()) * 1000 + moment.microsecond // 1000
    except (ValueError, OverflowError):
        return None


def read_json(data: bytes) -> Any:
    """What a frame says; raises ``ValueError``. What is odd in it costs its field alone (``lenient_json.py``)."""
    try:
        return orjson.loads(data)
    except ValueError as error:
        values = values_of(data, error)
    if len(values) > 1:
        raise ValueError(f"{len(values)} values in a row")
    return values[0]


def values_of(data: bytes, error: ValueError) -> list[Any]:
    """The values of a frame that is no strict JSON, one after the other; raises ``error`` where it is none at all."""
    try:
        return read_values(data)
    except ValueError:
        raise error from None


def version_above(last: int | None, at: int) -> int:
    """The version of a row whose source time is ``at``, above the ``last`` one; never one that a ledger refuses."""
    source = min(at, LATEST_SOURCE)
    if last is None:
        return source
    # One that no ledger takes came from a checkpoint of a tap that believed whatever it was told.
    return max(source, (last if last < _LATEST - 1 else LATEST_VERSION) + 1)


def iso(ms: int) -> str:
    """``ms`` since 1970 as ISO 8601 in UTC, to the millisecond."""
    whole, rest = divmod(ms, 1000)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03d}Z"


def canonical(value: object) -> bytes:
    """JSON with sorted keys and no spaces: the same bytes for the same value."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def key_part(text: str, limit: int = MAX_KEY) -> str:
    """``text`` percent-encoded, so that no ``/`` or ``@`` of it is mistaken for ours; bounded by ``limit`` bytes."""
    # A lone surrogate cannot come out of JSON that orjson took, but may out of other sources.
    encoded = quote(text[: MAX_ID + 1], safe="", errors="surrogatepass")
    if len(encoded) <= limit:
        return encoded
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    if limit < MAX_KEY // 2:
        digest = digest[:16]  # only a venue that breaks the settings' own rule comes here
    head = encoded[: limit - len(digest) - 1]
    # Never leave half of a "%C3" behind.
    cut = head.rfind("%", len(head) - 2)
    return f"{head if cut < 0 else head[:cut]}~{digest}"


def session_key(venue: str, session_id: str | None, started_at: int | None) -> str:
    """The key of a session: ``venue/id``, ``venue/id@startedAt`` or, without an id, ``venue/@startedAt``."""
    begin = f"{key_part(venue, MAX_VENUE)}/"
    if session_id is None:
        return f"{begin}@{started_at}"
    end = "" if started_at is None else f"@{started_at}"
    return begin + key_part(session_id, MAX_KEY - len(begin) - len(end)) + end


def sub_key(session: str, *parts: str | int) -> str:
    """A key inside ``session``: its parts are encoded and bounded each."""
    return "/".join([session, *(key_part(str(part)) for part in parts)])


def venue_of(key: str) -> str:
    """The venue that a key belongs to."""
    return unquote(key.split("/", 1)[0])


def entry_json(entry: Entry) -> bytes:
    """One entry as compact JSON, in the order ``key, op, sessionKey, version, revision?, fields``."""
    out: dict[str, Any] = {
        "key": entry.key,
        "op": entry.op,
        "sessionKey": entry.session_key,
        "version": entry.version,
    }
    if entry.revision:
        out["revision"] = entry.revision
    if entry.retracted is not None:
        out["retracted"] = entry.retracted
    out["fields"] = entry.fields
    return orjson.dumps(out)
