"""Rows: an entry as SQLite stores it and gives it back."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import msgspec

from tap.core.model import Entry

__all__ = [
    "CONTENT",
    "INSERT",
    "KNOWN",
    "SELECT",
    "SELECT_1",
    "Kept",
    "State",
    "added_of",
    "digest_of",
    "fields_of",
    "kept_object",
    "kept_of",
    "raised",
    "row_of",
    "sealed",
]

State: TypeAlias = Literal["pending", "shipped", "dead"]
"""Waiting for the ledger, taken by it, or set aside because it will never be taken."""


# The index is named: without statistics SQLite may take the session's, and read a whole shoot for each new entry.
KNOWN = """
    SELECT 1 FROM entries INDEXED BY entries_by_key
    WHERE key = ? AND op = ? AND session_key = ? AND version = ? AND revision = ? AND fields = ? AND retracted IS ?"""
"""Takes what ``row_of`` gives, without the time."""
INSERT = """
    INSERT INTO entries (key, op, session_key, version, revision, fields, retracted, committed_at, digest)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"""
"""Takes what ``row_of`` gives, ``sealed``."""

SELECT = (
    "SELECT seq, key, op, session_key, version, revision, fields, retracted, state, reason, committed_at, digest"
    " FROM entries "
)
"""What ``kept_of`` takes."""

SELECT_1 = SELECT.replace("retracted", "NULL").replace("digest", "NULL")
"""The same of a journal of version 1, which who only reads must not migrate."""


class Kept(msgspec.Struct, frozen=True):
    """An entry as the journal keeps it."""

    seq: int
    """Its place in the order in which entries were committed; never used twice."""
    entry: Entry
    state: State
    reason: str | None
    """Why the ledger refused it, where it is dead; why it waits by itself, where it is pending and others go before."""
    committed_at: int
    """Wall clock, ms."""


def kept_object(kept: Kept) -> dict[str, Any]:
    """An entry as ``journal ls --json`` prints it: the entry's shape, with ``seq``, ``state`` and any ``reason``."""
    entry = kept.entry
    said = {"key": entry.key, "op": entry.op, "sessionKey": entry.session_key, "version": entry.version}
    said |= {"revision": entry.revision} if entry.revision else {}
    said |= {} if entry.retracted is None else {"retracted": entry.retracted}
    reason = {} if kept.reason is None else {"reason": kept.reason}
    return said | {"fields": entry.fields, "seq": kept.seq, "state": kept.state} | reason


def row_of(entry: Entry, now_ms: int) -> tuple[Any, ...]:
    """The columns of an entry that is committed at ``now_ms`` (wall): those of ``CONTENT``, and that time."""
    retracted = None if entry.retracted is None else _text(entry.retracted)
    text = _text(entry.fields)
    return entry.key, entry.op, entry.session_key, entry.version, entry.revision, text, retracted, now_ms


def _text(fields: Mapping[str, Any]) -> str:
    try:
        return msgspec.json.encode(fields).decode()
    except (TypeError, ValueError):
        # Half a surrogate pair in a camera's name, say: one odd value must not hold up all that is behind it.
        return json.dumps(dict(fields), default=str)


def raised(row: tuple[Any, ...], revision: int) -> tuple[Any, ...]:
    """What ``row_of`` gave, at this revision at least."""
    return (*row[:4], max(row[4], revision), *row[5:])


def sealed(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """What ``row_of`` gave, with its digest: a disk that gives back something else must not make history."""
    return (*row, _digest(row[:CONTENT]))


CONTENT = 7
"""The first columns of a row, those that say what is saved."""


def _digest(content: Sequence[Any]) -> int:
    return zlib.crc32(repr(tuple(content)).encode("utf-8", "backslashreplace"))


def digest_of(checkpoint: bytes) -> bytes:
    """What is saved beside a checkpoint, to know it again."""
    return b"%d" % zlib.crc32(checkpoint)


def fields_of(text: str | bytes) -> dict[str, Any]:
    """The JSON object that a column holds; ``ValueError`` where it holds none."""
    try:
        fields = msgspec.json.decode(text)
    except ValueError:
        fields = json.loads(text)
    except TypeError:
        raise ValueError("no text") from None
    if not isinstance(fields, dict):
        raise ValueError("no object")  # noqa: TRY004 - the same to callers as no JSON
    return fields


def added_of(row: tuple[Any, ...], seq: int) -> Kept:
    """The entry of a row that was just inserted: what ``row_of`` gave, ``sealed``."""
    return kept_of((seq, *row[:CONTENT], "pending", None, row[CONTENT], None))


def kept_of(row: tuple[Any, ...]) -> Kept:
    """A row of ``SELECT``; ``ValueError`` where it differs from what was saved, or its fields are not a JSON object."""
    seq, key, op, session_key, version, revision, text, back, state, reason, committed_at, digest = row
    if digest is not None and digest != _digest(row[1 : CONTENT + 1]):
        raise ValueError("its digest is another")
    retracted = None if back is None else fields_of(back)
    if not (isinstance(key, str) and isinstance(session_key, str) and type(version) is type(revision) is int):
        raise ValueError("a column of another type")  # where there is no digest to tell
    entry = Entry(key, op, session_key, version, fields_of(text), revision, retracted)
    # When it was committed is not what was saved: the entry is whole without it.
    return Kept(seq, entry, state, reason, committed_at if type(committed_at) is int else 0)
