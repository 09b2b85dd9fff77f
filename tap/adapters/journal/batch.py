"""How a batch goes into the file, in few statements however long it is.

A statement costs more than a row does (each opens the counter of ``seq``, and keeps what its triggers may have to
undo). So many rows share one statement. The text of a statement depends on its number of rows. Only a few numbers are
used, so that each is prepared once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain
from typing import Any

from tap.adapters.journal.rows import CONTENT, INSERT, digest_of, sealed
from tap.core.machine.memory import ALL_OF_IT, Checkpoint

__all__ = ["insert_new", "keep_checkpoint", "known_among", "unpadded"]

_MOST = 64
"""Rows of the longest statement."""
_STEP = 16
"""Above this number of rows, statements have a multiple of it."""

_PAGE = 4096
"""Bytes of one of SQLite's pages."""
_KEEP_CHECKPOINT = (
    # No REPLACE: that would give the pages back and take them again, each of them written whatever changed.
    "INSERT INTO checkpoint VALUES (?, ?) ON CONFLICT (part) DO UPDATE SET data = excluded.data"
)


def insert_new(db: sqlite3.Connection, rows: Sequence[tuple[Any, ...]]) -> tuple[list[tuple[Any, ...]], int]:
    """Insert what ``row_of`` gave, without what is saved already: the new rows, and the last one's ``seq`` (or 0).

    The others have the numbers before it, without a gap.
    """
    seen = known_among(db, rows)
    new = []
    for row in rows:
        content = row[:CONTENT]
        if content not in seen:
            seen.add(content)
            new.append(sealed(row))
    last = 0
    for part in _parts(new):
        last = db.execute(_insert(len(part)), list(chain.from_iterable(part))).lastrowid or 0
    return new, last


def known_among(db: sqlite3.Connection, rows: Sequence[tuple[Any, ...]]) -> set[tuple[Any, ...]]:
    """The content of those rows that are saved already, and of some that are like them."""
    seen: set[tuple[Any, ...]] = set()
    for part in _parts(rows):
        seen.update(db.execute(_known(len(part)), [value for row in part for value in (row[0], row[3])]))
    return seen


def keep_checkpoint(db: sqlite3.Connection, checkpoint: Checkpoint) -> None:
    """Put the state in the place of the last one, with its digest, and what changed of the memory beside it."""
    data = _padded(checkpoint.state)
    db.executemany(_KEEP_CHECKPOINT, [("machine", data), ("digest", digest_of(data))])
    if checkpoint.whole:
        db.execute("DELETE FROM checkpoint WHERE part >= 'm:' AND part < 'm;'")
    gone = [name for name, record in checkpoint.memory.items() if record is None]
    for name in gone:
        if name.endswith(f":{ALL_OF_IT}"):
            begin = name[: -len(ALL_OF_IT)]
            # From "m:3:" up to "m:3;", which is the next text after all that begin so.
            db.execute("DELETE FROM checkpoint WHERE part >= ? AND part < ?", (begin, f"{begin[:-1]};"))
        else:
            db.execute("DELETE FROM checkpoint WHERE part = ?", (name,))
    db.executemany(
        _KEEP_CHECKPOINT, [(name, record) for name, record in checkpoint.memory.items() if record is not None]
    )


def _padded(checkpoint: bytes) -> bytes:
    """JSON with spaces behind it, up to whole pages.

    One of the same length is written where the last one is, and of its pages only those that differ.
    """
    short = -len(checkpoint) % _PAGE
    return checkpoint + b" " * short if len(checkpoint) > _PAGE else checkpoint


def unpadded(data: bytes) -> bytes:
    """The checkpoint that was saved as ``data``."""
    return data.rstrip(b" ") if len(data) % _PAGE == 0 else data


def _parts(rows: Sequence[tuple[Any, ...]]) -> Iterator[Sequence[tuple[Any, ...]]]:
    """The rows in as many parts as there are statements."""
    at = 0
    while left := len(rows) - at:
        size = min(left, _MOST)
        size -= size % _STEP if size > _STEP else 0
        yield rows[at : at + size]
        at += size


@cache
def _insert(rows: int) -> str:
    head, values = INSERT.split("VALUES")
    return f"{head}VALUES {', '.join([values.strip()] * rows)}"


@cache
def _known(rows: int) -> str:
    # By the index, one look for each: without statistics SQLite may take the session's, and read a whole shoot.
    if rows == 1:
        columns = "key, op, session_key, version, revision, fields, retracted"
        return f"SELECT {columns} FROM entries INDEXED BY entries_by_key WHERE key = ? AND version = ?"  # noqa: S608
    return (
        f"WITH given (key, version) AS (VALUES {', '.join(['(?, ?)'] * rows)})"  # noqa: S608 - the values are bound
        " SELECT one.key, op, session_key, one.version, revision, fields, retracted"
        " FROM given CROSS JOIN entries AS one INDEXED BY entries_by_key"
        " ON one.key = given.key AND one.version = given.version"
    )
