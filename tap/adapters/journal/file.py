"""The journal's file: who owns it, and what happens where it is damaged, emptied, replaced or taken away.

A file can lose its name, its log or its lock while the tap runs. Each use of it therefore begins with a look at what
is on the disk now; ``JournalFile.reading`` and ``changing`` are the only ways to the database.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tap.adapters.journal.errors import errors_in_words, nothing_yet
from tap.adapters.journal.lock import Lock
from tap.adapters.journal.paths import Identity, beside, identity, make_directory, make_file, move_aside
from tap.adapters.journal.rescue import checkpoint_in, rescue
from tap.adapters.journal.rows import SELECT, SELECT_1, Kept, kept_of
from tap.adapters.journal.schema import connect, prepare, refuse_foreign, transaction, version_of
from tap.adapters.journal.tapid import tap_id_in
from tap.adapters.private import sync_directory
from tap.core.errors import JournalDamaged, JournalError, JournalVersion

__all__ = ["JournalFile"]

_GONE = "the journal's file was missing: a new one was started, without the pending entries of the old one"
_EMPTY = "the journal was empty, although this tap has recorded before: a new one was started"
_TAKEN = "the journal's file was removed or replaced while the tap ran: its pending entries were moved to the new one"
_UNLOCKED = "the journal's lock file was removed while the tap ran: a new one was made"
"""What may be found amiss."""

_UNUSABLE: dict[type[BaseException], str] = {JournalDamaged: "damaged", JournalVersion: "newer"}
"""What the owner puts aside to start again, and the word for it in the new name."""


class JournalFile:
    """The file at ``path``, its lock where ``owner``, and the connection to it; used by one thread at a time.

    Raises, on opening and on any use, ``JournalBusy`` (another service owns it), ``JournalVersion`` (written by a newer
    tap; it is not touched), ``JournalDamaged`` (for who does not own it) or ``JournalError``.
    """

    def __init__(self, path: Path, *, owner: bool, readonly: bool) -> None:
        self.path = path
        self.moved_aside: list[Path] = []
        """Files that were found damaged and given another name, in order; nothing is deleted."""
        self.wants_all = False
        """Another file was begun: what is saved in it next has to be all there is, and no difference."""
        self.amiss: Counter[str] = Counter()
        """What else was found that should not be, and got over, in words; how often."""
        self.commits = 0
        """Transactions of this connection."""
        self.readonly = readonly
        self.select = SELECT
        """The beginning of a query for entries, as this version of the file has them."""
        self._names = (str(path), str(beside(path, "-wal")), str(beside(path, "-shm")))
        self._log: tuple[Identity, Identity] | None = None
        self._named: Identity = None
        """The log file whose name is on the disk for sure."""
        self._highest = 0
        """The highest ``seq`` that was seen here, by who may ask for it again."""
        self._lock: Lock | None = None
        if not readonly:
            make_directory(path.parent)
        if owner:
            self._lock = Lock(path.with_suffix(".lock"))
        try:
            if owner and self._has_recorded() and not self._holds_something():
                self._found(_GONE if identity(path) is None else _EMPTY)
            self.db = self._connected()
        except BaseException:
            self.release()
            raise

    @property
    def owned(self) -> bool:
        """Whether this is the service's own journal: only its owner moves it aside, or follows what was chosen."""
        return self._lock is not None

    @property
    def id_file(self) -> Path:
        """Where the tap's id is beside the journal."""
        return self.path.with_name("tap-id")

    def close(self) -> None:
        """Close the file and let go of the lock; more than once does no harm."""
        self.db.close()
        self._log = None
        self.release()

    def release(self) -> None:
        """Let go of the lock alone, as a process that dies does."""
        if self._lock is not None:
            self._lock.release()

    def begin_anew(self) -> bool:
        """Move this file aside, since it is damaged, and begin another; False for who does not own it.

        What the other keeps has numbers above all that were seen here: an answer of the ledger that is still on its way
        must not settle an entry that it is not for.
        """
        if self._lock is None:
            return False
        self.moved_aside.append(move_aside(self.path))
        self._reopen()
        return True

    # ------------------------------------------------------------------------------------------ the ways to it

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Use ``db`` inside, after a look whether it still is what is at the path; SQLite's errors in our words."""
        if identity(self._names[0]) != self._identity:
            self._reopen()
            self._found(_TAKEN)
        else:
            self._hold()
            if self._lock is not None and self._log is not None and self._log_there() != self._log:
                self._follow_log()
        with errors_in_words(self.path):
            yield

    @contextmanager
    def changing(self) -> Iterator[None]:
        """A transaction: all of it is on the disk at the end, or nothing is saved."""
        with self.reading():
            with transaction(self.db):
                yield
            self.commits += 1

    def all(self, sql: str, parameters: Sequence[Any] | dict[str, Any] = ()) -> list[Any]:
        """All rows of a query."""
        # Whole pages at once: a cursor left open would hold the log of the writer.
        with self.reading():
            return self.db.execute(sql, parameters).fetchall()

    def kept(self, row: tuple[Any, ...]) -> Kept:
        """A row that begins as ``select`` does. Raises ``JournalDamaged`` where it is not what was saved."""
        self.saw(row[0])
        try:
            return kept_of(row)
        except (ValueError, TypeError):
            hint = "see 'multicam-tap journal verify'"
            raise JournalDamaged(f"entry {row[0]} cannot be read", where=str(self.path), hint=hint) from None

    def saw(self, seq: int) -> None:
        """An entry of this number was given out: no other file of this journal may use it again."""
        self._highest = max(self._highest, seq)

    def name_the_log(self) -> None:
        """Sync the name of the log, which the first commit makes: SQLite does not say if it did not reach the disk.

        Raises ``JournalError``: the batch is given again, and is not saved twice.
        """
        log = identity(self._names[1])
        if log == self._named:
            return
        try:
            sync_directory(self.path.parent)
        except OSError as error:
            raise JournalError(f"cannot be written: {error.strerror}", where=str(self.path.parent)) from None
        self._named = log

    # ------------------------------------------------------------------------------------------ opening

    def _connected(self, *, again: bool = True) -> sqlite3.Connection:
        path = self.path
        if self.readonly and not path.exists():
            raise nothing_yet(path)
        if self.readonly:
            self._refuse_emptied()
        else:
            make_file(path)
        db: sqlite3.Connection | None = None
        try:
            refuse_foreign(path)
            with errors_in_words(path):
                db = connect(path, readonly=self.readonly)
                self._look_over(db)
        except BaseException as error:
            why = _UNUSABLE.get(type(error)) if again and self._lock is not None else None
            fresh = None if why is None else self._instead(why, db)
            # Only now: SQLite tidies up a file as it closes it, but not one that was moved meanwhile.
            if db is not None:
                db.close()
            if fresh is None:
                raise
            return fresh
        self._identity, self._log = identity(path), self._log_there()
        return db

    def _look_over(self, db: sqlite3.Connection) -> None:
        """Set it up, and look at the places that every run needs, before it relies on them."""
        prepare(db, self.path, readonly=self.readonly)
        self.select = SELECT if version_of(db) > 1 else SELECT_1
        for sql in ("SELECT * FROM tally", "SELECT max(seq) FROM entries", "SELECT * FROM meta"):
            db.execute(sql).fetchall()
        try:
            checkpoint_in(db)
        except ValueError as error:
            if self._lock is not None:
                what = f"has a checkpoint that differs from what was saved ({error})"
                raise JournalDamaged(what, where=str(self.path)) from None
        if self._lock is not None:
            self._begin_the_log_anew(db)

    @staticmethod
    def _begin_the_log_anew(db: sqlite3.Connection) -> None:
        """Bring what the log holds into the file itself, before anything relies on it.

        Where a sync failed before, the system may show what never reached the disk, and not write it again: after a
        power cut the log would end there, and all that was committed behind it with it. A reader that is in the way, or
        a full disk, leaves the log as it is.
        """
        try:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_IOERR:
                raise

    def _instead(self, why: str, damaged: sqlite3.Connection | None) -> sqlite3.Connection:
        """Another journal in the place of one that cannot be used, with what can still be read of that."""
        self.moved_aside.append(move_aside(self.path, why))
        fresh = self._connected(again=False)
        if damaged is not None:
            rescue(damaged, fresh, SELECT)
        return fresh

    def _has_recorded(self) -> bool:
        """Whether a tap had this state directory before."""
        return tap_id_in(self.id_file) is not None

    def _holds_something(self) -> bool:
        """Whether there is a journal, or the log of one."""
        return any(place.exists() and place.stat().st_size for place in (self.path, beside(self.path, "-wal")))

    def _refuse_emptied(self) -> None:
        if self._has_recorded() and not self._holds_something():
            raise JournalDamaged(
                "is empty, although this tap has recorded before",
                where=str(self.path),
                hint="restore it from a copy if you have one; the next 'multicam-tap run' begins a new one",
            )

    # ------------------------------------------------------------------------------------------ while it runs

    def _log_there(self) -> tuple[Identity, Identity]:
        """Which log is beside the file, and which index of the log, by which connections share their locks."""
        _, log, shared = self._names
        return identity(log), identity(shared)

    def _reopen(self) -> None:
        """Leave a file that is no longer the one at the path, and bring over what waits in it."""
        self.wants_all = True
        if self._lock is not None:
            self._clear_what_is_left(self._lock)
            self._hold()
        # The old file can be read as long as it is open, though it has no name any more.
        old, self.db = self.db, self._connected()
        if self._lock is not None:
            with self.changing():
                number = (self._highest,)
                self.db.execute("DELETE FROM sqlite_sequence WHERE name = 'entries' AND seq < ?", number)
                known = "SELECT 1 FROM sqlite_sequence WHERE name = 'entries'"
                self.db.execute(f"INSERT INTO sqlite_sequence SELECT 'entries', ? WHERE NOT EXISTS ({known})", number)
            rescue(old, self.db, SELECT)
        old.close()

    def _clear_what_is_left(self, lock: Lock) -> None:
        """Take away what belonged to the file that is gone, so that the one that comes does not use it."""
        log, shared = self._log_there()
        if self._log is not None and log is not None and log == self._log[0]:
            # Else the log of the file that is gone would be taken for the log of the one that is there now.
            self.moved_aside.append(beside(move_aside(self.path, log_only=True), "-wal"))
        elif self._log is not None and shared is not None and shared == self._log[1]:
            # Nor may two files share their locks.
            beside(self.path, "-shm").unlink(missing_ok=True)
        if not lock.in_place:
            lock.release()
            make_directory(self.path.parent)
            self._lock = Lock(self.path.with_suffix(".lock"))

    def _follow_log(self) -> None:
        """Somebody deleted the log or its index: what is written there goes with this process. Leave it."""
        with suppress(sqlite3.Error):
            self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        # First: SQLite tidies up as it closes, and would take the next log for this one.
        self.db.close()
        self.db = self._connected()

    def _hold(self) -> None:
        """See that no other service was let in. Raises ``JournalBusy`` where one was: then nothing is written here."""
        if self._lock is not None and self._lock.hold():
            self._found(_UNLOCKED)

    def _found(self, words: str) -> None:
        if self._lock is not None:
            self.amiss[words] += 1
