"""What goes from the journal: entries that the ledger has had for long, and sessions that somebody wants forgotten."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import msgspec

from tap.adapters.journal.file import JournalFile
from tap.adapters.journal.paths import beside, sync_file
from tap.adapters.journal.reading import entries, memory, session_fields
from tap.adapters.journal.session_steps import forget_steps, steps_in
from tap.adapters.journal.unfit import aside_of, forget_aside
from tap.core.errors import JournalError
from tap.core.machine.memory import records_of
from tap.core.session_steps import Step, follow

__all__ = ["forget", "prune", "shrink", "size_of"]

_PAGE = 1_000
"""Rows that a transaction deletes at most: some milliseconds, so that nobody waits long."""


def prune(file: JournalFile, before_ms: int, limit: int | None) -> int:
    """Delete entries that the ledger took before ``before_ms`` (wall), at most ``limit``; how many went."""
    return _delete(file, "state = 'shipped' AND settled_at < ? ORDER BY settled_at", (before_ms,), limit)


def shrink(file: JournalFile, to_bytes: int, limit: int) -> int:
    """Where the journal is larger, delete at most ``limit`` entries that the ledger has, the oldest first."""
    if size_of(file) <= to_bytes:
        return 0
    return _delete(file, "state = 'shipped' ORDER BY settled_at", (), limit)


def size_of(file: JournalFile) -> int:
    """Bytes that the saved entries take, without the log beside the file."""
    with file.reading():
        pages, free, page = (
            int(file.db.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("page_count", "freelist_count", "page_size")
        )
    return (pages - free) * page


def forget(file: JournalFile, session_key: str) -> int:
    """Delete every entry of a session, its traces in the file and what was set aside beside it; how many went."""
    with file.reading():
        file.db.execute("PRAGMA secure_delete = ON").fetchall()
    moved = list(_moved_to(file, session_key))
    _forget_steps(file, session_key)
    with file.changing():
        file.db.executemany("DELETE FROM entries WHERE seq = ?", moved)
    gone = len(moved) + _delete(file, "session_key = ? ORDER BY seq", (session_key,), None)
    _forget_memory(file, session_key)
    with file.reading():
        file.db.execute("PRAGMA secure_delete = OFF").fetchall()
        # The log still has what the pages held; and SQLite does not sync that it is cut.
        file.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    sync_file(beside(file.path, "-wal"))
    try:
        return gone + forget_aside(file.path, session_key)
    except OSError as error:
        hint = "run it again"
        where = str(aside_of(file.path))
        raise JournalError(f"cannot be rewritten: {error.strerror}", where=where, hint=hint) from None


def _steps(file: JournalFile) -> list[Step]:
    with file.reading():
        return steps_in(file.db)


def _moved_to(file: JournalFile, session_key: str) -> Iterator[tuple[int]]:
    """Entries of other sessions that went to this one: what they say of it is still there."""
    for step in _steps(file):
        if step.how == "split" and step.keys[1] == session_key:
            for kept in entries(file, step.keys[0], None, 0, None):
                if kept.entry.op not in ("event", "still") or kept.entry.retracted is not None:
                    continue
                whose = follow([step], kept.entry, lambda _: None)
                if whose is not None and whose.session_key == session_key:
                    yield (kept.seq,)


def _forget_memory(file: JournalFile, session_key: str) -> None:
    """What the tap remembers of a session that is over, to know again what comes late."""
    try:
        remembered = memory(file)
        names = records_of(remembered, session_key)
    except msgspec.MsgspecError:
        return  # of a newer version, or damaged: the next start sets it aside
    # Of a part that somebody split off, the tap remembers the stills under the session that it was received in.
    stills = {old for step in _steps(file) for old, new in step.names.items() if new.startswith(f"{session_key}/")}
    names = [*names, *(name for name, _ in remembered if name.partition(":t:")[2] in stills)]
    with file.changing():
        file.db.executemany("DELETE FROM checkpoint WHERE part = ?", [(name,) for name in names])


def _forget_steps(file: JournalFile, session_key: str) -> None:
    fields: Mapping[str, Any] = {}
    with suppress(ValueError, TypeError), file.reading():  # what cannot be read has to go all the same
        fields = session_fields(file, session_key) or {}
    began, ended = fields.get("startedAt"), fields.get("completedAt")
    span = (began, ended) if isinstance(began, int) and isinstance(ended, int) else None
    with file.changing():
        forget_steps(file.db, session_key, span)


def _delete(file: JournalFile, where: str, parameters: tuple[Any, ...], limit: int | None) -> int:
    # The words come from the callers above, the values are bound.
    sql = f"DELETE FROM entries WHERE seq IN (SELECT seq FROM entries WHERE {where} LIMIT ?)"  # noqa: S608
    gone = 0
    while (page := _PAGE if limit is None else min(_PAGE, limit - gone)) > 0:
        with file.changing():
            deleted = file.db.execute(sql, (*parameters, page)).rowcount
        with file.reading():
            # As a script: execute() takes one step of it only, and each step frees one page.
            file.db.executescript(f"PRAGMA incremental_vacuum({_PAGE})")
        gone += deleted
        if deleted < page:
            break
    return gone
