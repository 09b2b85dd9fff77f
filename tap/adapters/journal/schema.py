"""The file, its schema, its lock, and SQLite's errors in our words."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote

from tap.adapters.private import make_private_directory, open_private, sync_directory, tighten
from tap.core.errors import JournalBusy, JournalDamaged, JournalError, JournalForeign, JournalVersion

__all__ = [
    "VERSION",
    "Identity",
    "Lock",
    "Unfit",
    "beside",
    "connect",
    "errors_in_words",
    "identity",
    "is_locked",
    "make_directory",
    "make_file",
    "move_aside",
    "nothing_yet",
    "prepare",
    "refuse_foreign",
    "sync_file",
    "transaction",
    "version_of",
]

_APPLICATION_ID = 0x6D635470  # "mcTp": tells our files from other SQLite databases
_BUSY_TIMEOUT_S = 5.0
_COMPANIONS = ("-wal", "-shm", "-journal")
_ALL = ("", *_COMPANIONS)
_DAMAGED = "the next 'multicam-tap run' moves it aside, keeps it, and begins a new one"

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
    # Of what an entry says; NULL for those kept before.
    "ALTER TABLE entries ADD COLUMN digest INTEGER",
    "CREATE INDEX entries_revised ON entries (session_key, revision) WHERE revision > 0",
)

_MIGRATIONS: tuple[tuple[str, ...], ...] = (_FIRST, _SECOND)
"""What makes version n + 1 of version n. The next change of the schema is one more line here."""

VERSION = len(_MIGRATIONS)

Identity: TypeAlias = tuple[int, int] | None


class Unfit(JournalError):
    """What was to be kept is nothing that SQLite keeps, however well the disk is. Never leaves the journal."""


class Lock:
    """The right to be the one service on a journal. The kernel lets go of it when the process dies.

    Two locks are one: on a file, which names its owner, and on the directory, which nobody can take away from under a
    running service as the file can. Where a filesystem locks no directories, the file alone has to do.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = -1
        self._identity: Identity = None
        self._directory = _locked_directory(path)
        try:
            self._take()
        except BaseException:
            self.release()
            raise

    def _take(self) -> None:
        path = self._path
        try:
            descriptor = open_private(path, os.O_RDWR)
        except OSError as error:
            raise JournalError(f"cannot be locked: {error.strerror}", where=str(path), hint=_place_hint(path)) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            who = _owner_in(descriptor)
            os.close(descriptor)
            raise _busy(path, who) from None
        with suppress(OSError):  # a full disk takes no name, and needs none
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        status = os.fstat(descriptor)
        before, self._file, self._identity = self._file, descriptor, (status.st_dev, status.st_ino)
        if before >= 0:
            os.close(before)

    def hold(self) -> bool:
        """See that it still keeps everybody else away; whether its file was gone, and had to be made anew.

        Raises ``JournalBusy`` where another service has it by now: it was let in while the file was gone.
        """
        if identity(self._path) == self._identity:
            return False
        try:
            self._take()
        except JournalBusy:
            raise
        except JournalError:  # a disk that takes no file: the directory is locked all the same
            return False
        return True

    @property
    def in_place(self) -> bool:
        """False once the directory that it is in was taken away: then it keeps nobody away any more."""
        if self._directory < 0:
            return identity(self._path) == self._identity
        status = os.fstat(self._directory)
        return identity(self._path.parent) == (status.st_dev, status.st_ino)

    def release(self) -> None:
        for descriptor in (self._file, self._directory):
            if descriptor >= 0:
                with suppress(OSError):
                    os.close(descriptor)
        self._file = self._directory = -1


def _locked_directory(path: Path) -> int:
    """The lock's directory, locked; -1 where that cannot be. Raises ``JournalBusy`` where another service has it."""
    try:
        descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return -1
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            raise _busy(path, _owner_named_in(path)) from None
        return -1
    return descriptor


def _owner_named_in(path: Path) -> str:
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return ""
    try:
        return _owner_in(file)
    finally:
        os.close(file)


def _busy(path: Path, who: str) -> JournalBusy:
    owner = who and f" (process {who}: 'ps -fp {who}')"
    hint = f"another tap owns this journal{owner}: stop it, or give this one a TAP_STATE_DIR of its own"
    return JournalBusy("is in use", where=str(path.with_suffix(".db")), hint=hint)


def _owner_in(descriptor: int) -> str:
    """The process that says in the lock's file that it holds it; empty where nothing readable stands there."""
    try:
        said = os.pread(descriptor, 20, 0)
    except OSError:
        return ""
    return said.decode() if said.isdigit() else ""


def is_locked(path: Path) -> bool:
    """Whether a process holds this lock. It only looks: to try the lock would keep away a service that starts."""
    try:
        held = Path("/proc/locks").read_text("ascii", "replace").splitlines()
    except OSError:
        return False
    places = [_in_proc(found) for found in (identity(path), identity(path.parent)) if found is not None]
    return any("FLOCK" in line and place in line.split() for line in held for place in places)


def _in_proc(found: tuple[int, int]) -> str:
    device, inode = found
    return f"{os.major(device):02x}:{os.minor(device):02x}:{inode}"


def beside(path: Path, end: str) -> Path:
    """A file that SQLite keeps beside the database (``-wal``, ``-shm``)."""
    return path.with_name(path.name + end)


def make_directory(path: Path) -> None:
    """Make the state directory, for its owner alone, where there is none."""
    try:
        make_private_directory(path)
    except OSError as error:
        raise JournalError(f"cannot be made: {error.strerror}", where=str(path), hint=_place_hint(path)) from None


def make_file(path: Path) -> None:
    """Make an empty journal, for its owner alone, where there is none, and see that its name is on the disk."""
    try:
        # Never opened again but by SQLite: closing another descriptor of the file would drop SQLite's own locks.
        os.close(open_private(path, os.O_WRONLY | os.O_EXCL))
    except FileExistsError:
        if not path.is_file():
            raise JournalError("is not a file", where=str(path), hint=_place_hint(path)) from None
        with suppress(OSError):
            tighten(path)  # SQLite gives its own files beside it the same mode
    except OSError as error:
        raise JournalError(f"cannot be made: {error.strerror}", where=str(path), hint=_place_hint(path)) from None
    try:
        # SQLite does so for its log, but not for a file that was there before it came.
        sync_directory(path.parent)
    except OSError as error:
        raise JournalError(f"cannot be synced: {error.strerror}", where=str(path), hint=_place_hint(path)) from None


def sync_file(path: Path) -> None:
    """Bring a file beside the journal onto the disk, if it is there; never the journal itself (see ``make_file``)."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        raise JournalError(f"cannot be synced: {error.strerror}", where=str(path), hint=_place_hint(path)) from None
    finally:
        os.close(descriptor)


def identity(path: Path | str) -> Identity:
    """Which file this is, whatever it is called; None where there is none."""
    try:
        status = os.stat(path)  # noqa: PTH116 - asked for at each commit, by names that are made once
    except OSError:
        return None
    return status.st_dev, status.st_ino


def refuse_foreign(path: Path) -> None:
    """Raise for what must not be touched: a journal of a newer version, a database that is not ours.

    Nothing is written for that, and ``JournalDamaged`` where the file cannot even be asked.
    """
    log = beside(path, "-wal")
    if path.stat().st_size == 0:
        # SQLite would delete the log of a database that it finds empty.
        if log.exists() and log.stat().st_size:
            raise JournalDamaged("is empty, but its log is not", where=str(path), hint=_DAMAGED)
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


def move_aside(path: Path, why: str = "damaged", *, log_only: bool = False) -> Path:
    """Give a journal that cannot be used, with all that belongs to it, another name. Nothing is deleted.

    With ``log_only`` only what belonged to a file that is gone. The new name of the journal.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    names = (f"{path.stem}.{why}-{stamp}{'-' * bool(n)}{n or ''}{path.suffix}" for n in count())
    target = next(new for new in map(path.with_name, names) if not any(beside(new, e).exists() for e in _ALL))
    try:
        for end in _COMPANIONS if log_only else _ALL:
            with suppress(FileNotFoundError):
                beside(path, end).rename(beside(target, end))
    except OSError as error:
        what = f"is {why}, and cannot be moved aside: {error.strerror}"
        raise JournalError(what, where=str(path), hint=_place_hint(path)) from None
    with suppress(OSError):  # whoever makes another in its place syncs the names of both
        sync_directory(path.parent)
    return target


def nothing_yet(path: Path) -> JournalError:
    hint = f"the tap makes it when it runs; is {path.parent} the state directory (TAP_STATE_DIR)?"
    return JournalError("nothing has been recorded yet", where=str(path), hint=hint)


@contextmanager
def errors_in_words(path: Path) -> Iterator[None]:
    """SQLite's errors stop here."""
    try:
        yield
    except sqlite3.Error as error:
        raise _in_words(error, path) from error


_WORDS = {
    sqlite3.SQLITE_FULL: ("the disk is full", "free some space; unsaved entries wait in memory"),
    sqlite3.SQLITE_READONLY: ("no permission to write", "give the tap's user the right to write the state directory"),
    sqlite3.SQLITE_IOERR: ("the disk fails", "see the system's log (dmesg) about the disk"),
    sqlite3.SQLITE_CANTOPEN: ("cannot be opened", "see who may read and write the state directory"),
    sqlite3.SQLITE_BUSY: ("another process is writing to it", "try again when that one is done"),
}
"""What SQLite's primary result codes mean to an operator, and what to do next."""
_OF_A_VALUE = (sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH)
"""Result codes that blame what was to be written."""


def _in_words(error: sqlite3.Error, path: Path) -> JournalError:
    # Errors of the Python module itself (a closed connection) carry no code.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    primary = code & 0xFF
    # A schema with a hole in it, or text that is none, though SQLite finds the file in order.
    incomplete = primary == sqlite3.SQLITE_ERROR and str(error).startswith(("no such", "Could not decode"))
    if primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or incomplete:
        return JournalDamaged(f"is damaged ({error})", where=str(path), hint=_DAMAGED)
    if primary in _OF_A_VALUE or isinstance(error, sqlite3.ProgrammingError | sqlite3.InterfaceError):
        return Unfit(f"cannot save this ({error})", where=str(path))
    what, hint = _WORDS.get(primary, ("cannot be used", None))
    return JournalError(f"{what} ({error})", where=str(path), hint=hint)


def _place_hint(path: Path) -> str:
    return f"is {path.parent} the state directory (TAP_STATE_DIR), and may the tap's user write there?"


def _uri(path: Path, option: str) -> str:
    return f"file:{quote(str(path.absolute()))}?{option}"


@contextmanager
def _brief(path: Path, option: str) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(_uri(path, option), uri=True, isolation_level=None, timeout=_BUSY_TIMEOUT_S)
    try:
        yield connection
    finally:
        connection.close()


def version_of(connection: sqlite3.Connection) -> int:
    """By which version of the schema this journal is made."""
    return _pragma(connection, "user_version")


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    value: int = connection.execute(f"PRAGMA {name}").fetchone()[0]
    return value
