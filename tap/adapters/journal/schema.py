"""The tables, how an older journal is brought to them, and connections that are set up for them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from tap.adapters.journal.errors import NEXT_RUN_MOVES_IT, errors_in_words, nothing_yet
from tap.adapters.journal.paths import beside
from tap.core.errors import JournalDamaged, JournalForeign, JournalVersion

__all__ = ["VERSION", "connect", "prepare", "refuse_foreign", "transaction", "version_of"]


_APPLICATION_ID = 0x6D635470  # "mcTp": tells our files from other SQLite databases
_BUSY_TIMEOUT_S = 5.0
_CACHE_KB = 512
_FIRST = (
    """CREATE TABLE entries (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        key TEXT NOT NULL,
        op TEXT NOT NULL,
        session_key TEXT NOT NULL,
        version INTEGER NOT NULL,
        revision INTEGER NOT NULL,
        fields TEXT NOT NULL,
        state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'shipped', 'dead')),
        reason TEXT,
        committed_at INTEGER NOT NULL,
        settled_at INTEGER
    )""",
    "CREATE INDEX entries_by_key ON entries (key, version)",
    "CREATE INDEX entries_by_session ON entries (session_key, seq)",
    # Partial: a million shipped rows cost these nothing.
    "CREATE INDEX entries_pending ON entries (seq) WHERE state = 'pending'",
    "CREATE INDEX entries_dead ON entries (seq) WHERE state = 'dead'",
    "CREATE INDEX entries_to_prune ON entries (settled_at) WHERE state = 'shipped'",
    "CREATE INDEX entries_of_sessions ON entries (session_key, version, op) WHERE op = 'session'",
    "CREATE TABLE checkpoint (part TEXT PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID",
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    # How many entries each state has: asked for by every status page, and counting a long backlog takes too long.
    "CREATE TABLE tally (state TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID",
    "INSERT INTO tally VALUES ('pending', 0), ('shipped', 0), ('dead', 0)",
    """CREATE TRIGGER entries_added AFTER INSERT ON entries BEGIN
        UPDATE tally SET n = n + 1 WHERE state = new.state;
    END""",
    """CREATE TRIGGER entries_removed AFTER DELETE ON entries BEGIN
        UPDATE tally SET n = n - 1 WHERE state = old.state;
    END""",
    """CREATE TRIGGER entries_moved AFTER UPDATE OF state ON entries WHEN old.state <> new.state BEGIN
        UPDATE tally SET n = n - 1 WHERE state = old.state;
        UPDATE tally SET n = n + 1 WHERE state = new.state;
    END""",
)
_SECOND = (
    # What a repaired history takes back: {at, reason}.
    "ALTER TABLE entries ADD COLUMN retracted TEXT",
    # The digest of an entry's content; NULL for entries of earlier versions.
    "ALTER TABLE entries ADD COLUMN digest INTEGER",
    "CREATE INDEX entries_revised ON entries (session_key, revision) WHERE revision > 0",
)
_MIGRATIONS: tuple[tuple[str, ...], ...] = (_FIRST, _SECOND)
"""What makes version n + 1 of version n. The next change of the schema is one more line here."""
VERSION = len(_MIGRATIONS)


def refuse_foreign(path: Path) -> None:
    """Raise for what must not be touched: a journal of a newer version, a database that is not ours.

    Nothing is written for that, and ``JournalDamaged`` where the file cannot even be asked.
    """
    log = beside(path, "-wal")
    if path.stat().st_size == 0:
        # SQLite would delete the log of a database that it finds empty.
        if log.exists() and log.stat().st_size:
            raise JournalDamaged("is empty, but its log is not", where=str(path), hint=NEXT_RUN_MOVES_IT)
        return
    # Without a log, nobody has it open, and SQLite need not put its own files beside it to read it.
    with errors_in_words(path), _brief(path, "mode=ro" if log.exists() else "immutable=1") as probe:
        application = _pragma(probe, "application_id")
        version = _pragma(probe, "user_version")
        tables = probe.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if version > VERSION and application == _APPLICATION_ID:
        what = f"written by a newer multicam-tap (journal version {version}, this one reads up to {VERSION})"
        raise JournalVersion(what, where=str(path), hint="upgrade, or start with another TAP_STATE_DIR")
    if application != _APPLICATION_ID and (application or version or tables):
        hint = "move it away, or give the tap a TAP_STATE_DIR of its own"
        raise JournalForeign("is a database of something else", where=str(path), hint=hint)


def connect(path: Path, *, readonly: bool) -> sqlite3.Connection:
    """A connection in autocommit mode; handed from thread to thread, so not bound to one."""
    uri = _uri(path, "mode=ro" if readonly else "mode=rw")
    return sqlite3.connect(uri, uri=True, isolation_level=None, timeout=_BUSY_TIMEOUT_S, check_same_thread=False)


def prepare(connection: sqlite3.Connection, path: Path, *, readonly: bool) -> None:
    """Set the connection up, and bring the schema to this version."""
    if readonly:
        if _pragma(connection, "user_version") == 0:
            raise nothing_yet(path)
        return
    if _pragma(connection, "user_version") == 0:
        # Only an empty file takes this one, and only before the log is switched on.
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL").fetchall()
    connection.execute("PRAGMA synchronous = FULL")
    # A commit touches some tens of pages. The 2 MB that SQLite takes by itself fill up with those of earlier ones.
    connection.execute(f"PRAGMA cache_size = {-_CACHE_KB}").fetchall()
    # A burst must not leave a log of its size for ever.
    connection.execute(f"PRAGMA journal_size_limit = {16 * 2**20}").fetchall()
    if _pragma(connection, "user_version") < VERSION:
        with transaction(connection):
            # Asked again: another process may have been faster.
            for statements in _MIGRATIONS[_pragma(connection, "user_version") :]:
                for statement in statements:
                    connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {VERSION}")


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing, and synced to the disk at the end."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # SQLite has rolled back by itself where the disk was full.
        if connection.in_transaction:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
        raise


def version_of(connection: sqlite3.Connection) -> int:
    """By which version of the schema this journal is made."""
    return _pragma(connection, "user_version")


def _uri(path: Path, option: str) -> str:
    return f"file:{quote(str(path.absolute()))}?{option}"


@contextmanager
def _brief(path: Path, option: str) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(_uri(path, option), uri=True, isolation_level=None, timeout=_BUSY_TIMEOUT_S)
    try:
        yield connection
    finally:
        connection.close()


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    value: int = connection.execute(f"PRAGMA {name}").fetchone()[0]
    return value
