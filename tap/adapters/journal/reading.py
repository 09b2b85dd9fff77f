"""What the journal's tables hold: entries page by page, sessions, counts, and the checkpoint."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from tap.adapters.journal.batch import unpadded
from tap.adapters.journal.file import JournalFile
from tap.adapters.journal.rows import SELECT_1, Kept, State, kept_of
from tap.core.merge import fold
from tap.core.model import Op

__all__ = [
    "checkpoint",
    "counts",
    "entries",
    "last_entry",
    "memory",
    "pending",
    "revision",
    "session_fields",
    "session_rows",
    "sessions",
]

_PAGE = 1_000
"""Rows that are read at once at most: some milliseconds, so that nobody waits long."""
_IN_STATE: dict[State | None, str] = {
    # Literals, since SQLite uses no partial index for a parameter; named, since without statistics it may choose ill.
    None: "WHERE true",
    "pending": "INDEXED BY entries_pending WHERE state = 'pending'",
    "shipped": "WHERE state = 'shipped'",
    "dead": "INDEXED BY entries_dead WHERE state = 'dead'",
}
_IN_SESSION = "INDEXED BY entries_by_session WHERE session_key = :session"
"""The part of a query that narrows it to one session."""
_REVISION = (
    "SELECT coalesce(max(revision), 0) FROM entries INDEXED BY entries_revised WHERE session_key = ? AND revision > 0"
)


def entries(
    file: JournalFile, session_key: str | None, state: State | None, after: int, op: Op | None
) -> Iterator[Kept]:
    """The entries behind the number ``after``, in order, read page by page; those added meanwhile come too."""
    where = _IN_STATE[state]
    if session_key is not None:
        where = _IN_SESSION if state is None else _IN_SESSION + " AND state = :state"
    if op is not None:
        where += " AND op = :op"
    sql = f"{file.select}{where} AND seq > :after ORDER BY seq LIMIT {_PAGE}"
    while rows := file.all(sql, {"session": session_key, "state": state, "after": after, "op": op}):
        for row in rows:
            yield file.kept(row)
        after = rows[-1][0]


def pending(file: JournalFile, limit: int, after_seq: int) -> list[Kept]:
    """The next ``limit`` entries behind a number that the ledger has not taken, in order."""
    sql = f"{file.select}{_IN_STATE['pending']} AND seq > ? ORDER BY seq LIMIT ?"
    return [file.kept(row) for row in file.all(sql, (after_seq, limit))]


def session_rows(file: JournalFile, venue_prefix: str) -> Iterator[Kept]:
    """Of each session whose key starts with the prefix the entries of its own row, session by session."""
    sql = (
        f"{file.select}INDEXED BY entries_of_sessions WHERE op = 'session' AND session_key > :key"
        f" AND substr(session_key, 1, length(:prefix)) = :prefix ORDER BY session_key, version LIMIT {_PAGE}"
    )
    rest = f"{file.select}INDEXED BY entries_of_sessions WHERE op = 'session' AND session_key = :key ORDER BY version"
    key = ""
    while rows := [file.kept(row) for row in file.all(sql, {"key": key, "prefix": venue_prefix})]:
        key = rows[-1].entry.session_key
        # The page's last session may go on behind it: it is read whole.
        yield from (kept for kept in rows if kept.entry.session_key != key)
        yield from (file.kept(row) for row in file.all(rest, {"key": key}))


def last_entry(file: JournalFile, session_key: str) -> Kept | None:
    """What was saved last of one session."""
    rows = file.all(f"{file.select}{_IN_SESSION} ORDER BY seq DESC LIMIT 1", {"session": session_key})
    return file.kept(rows[0]) if rows else None


def sessions(file: JournalFile, venue_prefix: str) -> Iterator[str]:
    """The keys of the sessions that start with the prefix, newest first by source time."""
    rows = file.all(
        "SELECT session_key FROM entries INDEXED BY entries_of_sessions WHERE op = 'session'"
        " AND substr(session_key, 1, length(?1)) = ?1 GROUP BY session_key ORDER BY min(version) DESC, session_key",
        (venue_prefix,),
    )
    return (key for (key,) in rows)


def counts(file: JournalFile, session_key: str | None) -> dict[State, int]:
    """How many entries are pending, shipped and dead: of the whole journal (None), or of one session."""
    if session_key is None:
        rows = file.all("SELECT state, n FROM tally")
    else:
        rows = file.all("SELECT state, count(*) FROM entries WHERE session_key = ? GROUP BY state", (session_key,))
    known = dict(rows)
    return {state: known.get(state, 0) for state in get_args(State)}


def revision(file: JournalFile, session_key: str) -> int:
    """The highest revision that this session was repaired to; 0: never."""
    if file.select is SELECT_1:
        return 0
    return int(file.db.execute(_REVISION, (session_key,)).fetchone()[0])


def session_fields(file: JournalFile, session_key: str) -> Mapping[str, Any] | None:
    """The session's own row as all its entries together have it; None where there is none, or it was taken back."""
    sql = f"{file.select}{_IN_SESSION} AND op = 'session' ORDER BY seq"
    rows = file.db.execute(sql, {"session": session_key})
    row = fold(kept_of(row).entry for row in rows).get(session_key)
    return None if row is None or row.retracted is not None else row.fields


def checkpoint(file: JournalFile) -> bytes | None:
    """The machine's state as it was committed last; None before the first."""
    rows = file.all("SELECT data FROM checkpoint WHERE part = 'machine'")
    return unpadded(bytes(rows[0][0])) if rows else None


def memory(file: JournalFile) -> list[tuple[str, bytes]]:
    """What the machine remembers beside its state: (name, data), record by record."""
    rows = file.all("SELECT part, data FROM checkpoint WHERE part >= 'm:' AND part < 'm;'")
    return [(str(name), bytes(data)) for name, data in rows if data is not None]
