"""What can still be read of a journal that is damaged or gone."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from tap.adapters.clock import monotonic
from tap.adapters.journal.rows import INSERT, KNOWN, digest_of, kept_of, sealed
from tap.adapters.journal.schema import transaction

__all__ = ["checkpoint_in", "rescue"]

_PAGE = 500
_WITHIN_S = 2.0
"""How long recording may wait for it. What is not brought over by then still lies in the file that was moved aside."""


def rescue(old: sqlite3.Connection, new: sqlite3.Connection, select: str) -> int:
    """Bring over what waits for the ledger, the checkpoint, and what else is remembered; how many entries.

    Raises nothing.
    ``old`` is still open, whatever became of its file. What cannot be read, or is not what was saved, stays behind.
    """
    brought = 0
    with suppress(sqlite3.Error):
        for rows in _readable(old, select):
            with transaction(new):
                for row in rows:
                    if new.execute(KNOWN, row[:-1]).fetchone() is None:
                        new.execute(INSERT, sealed(row))
                        brought += 1
    with suppress(sqlite3.Error, ValueError):
        checkpoint = checkpoint_in(old)
        if checkpoint is not None:
            with transaction(new):
                new.executemany("INSERT OR IGNORE INTO checkpoint VALUES (?, ?)", checkpoint)
    with suppress(sqlite3.Error):
        remembered = old.execute("SELECT name, value FROM meta").fetchall()
        with transaction(new):
            new.executemany("INSERT OR IGNORE INTO meta VALUES (?, ?)", remembered)
    return brought


def _readable(old: sqlite3.Connection, select: str) -> Iterator[list[tuple[Any, ...]]]:
    """What the ledger has not taken, as ``row_of`` gives it, in order; where a page cannot be read, entry by entry."""
    # By the table itself: an index may be what is damaged.
    page = f"{select}NOT INDEXED WHERE seq > ? AND state <> 'shipped' ORDER BY seq LIMIT {_PAGE}"
    until, after, misses = monotonic() + _WITHIN_S, 0, 0
    while misses < _PAGE and monotonic() < until:
        try:
            rows = old.execute(page, (after,)).fetchall()
            if not rows:
                return
        except sqlite3.Error:
            rows = _one(old, select, after + 1)
            misses = 0 if rows else misses + 1
            after += 1
        else:
            after = rows[-1][0]
        yield [_row(row) for row in rows if _is_whole(row)]


def _one(old: sqlite3.Connection, select: str, seq: int) -> list[Any]:
    with suppress(sqlite3.Error):
        return old.execute(f"{select}NOT INDEXED WHERE seq = ? AND state <> 'shipped'", (seq,)).fetchall()
    return []


def _is_whole(row: tuple[Any, ...]) -> bool:
    try:
        kept_of(row)
    except (ValueError, TypeError):
        return False
    return True


def _row(row: tuple[Any, ...]) -> tuple[Any, ...]:
    _, *content, _, _, committed_at, _ = row
    return (*content, committed_at)


def checkpoint_in(connection: sqlite3.Connection) -> list[tuple[str, bytes]] | None:
    """The rows of the checkpoint; None without one. Raises ``ValueError`` if it differs from what was saved."""
    rows = connection.execute("SELECT part, data FROM checkpoint").fetchall()
    if any(part is None or data is None for part, data in rows):
        raise ValueError("a record in it is empty")
    known = {part: bytes(data) for part, data in rows}
    if "machine" not in known:
        return None
    if "digest" in known and known["digest"] != digest_of(known["machine"]):
        raise ValueError("its digest is another")
    return list(known.items())
