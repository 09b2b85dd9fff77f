"""The journal: an outbox on the venue's disk, in which entries wait for the ledger and the machine's state is kept.

SQLite with a write-ahead log and ``synchronous=FULL``: once ``append`` returns, entries and checkpoint are on the disk,
together or not at all. One service owns a journal (a lock that dies with its process); the command line may read it
and add to it meanwhile. Whatever goes wrong is a ``JournalError``.
"""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, Self, get_args

import msgspec

from tap.adapters.journal.batch import insert_new, keep_checkpoint, unpadded
from tap.adapters.journal.rescue import checkpoint_in, rescue
from tap.adapters.journal.rows import (
    INSERT,
    SELECT,
    SELECT_1,
    Kept,
    State,
    keep_tap_id,
    kept_object,
    kept_of,
    raised,
    row_of,
    sealed,
    tap_id_in,
)
from tap.adapters.journal.schema import (
    Identity,
    Lock,
    beside,
    connect,
    errors_in_words,
    identity,
    is_locked,
    make_directory,
    make_file,
    move_aside,
    nothing_yet,
    prepare,
    refuse_foreign,
    sync_file,
    transaction,
    version_of,
)
from tap.adapters.journal.steps import forget_steps, forgotten_in, keep_step, steps_in
from tap.adapters.journal.unfit import aside_of, forget_aside, unfit_among
from tap.adapters.journal.verify import problems_in
from tap.adapters.journal.writer import JournalWriter
from tap.adapters.private import sync_directory
from tap.core.errors import JournalDamaged, JournalError, JournalVersion
from tap.core.machine.memory import Checkpoint, records_of
from tap.core.merge import fold
from tap.core.model import Entry, Op
from tap.core.steps import Step, effective, follow

__all__ = ["Journal", "JournalWriter", "Kept", "State", "kept_object"]

_PAGE = 1_000
"""Rows a transaction deletes and a page reads at most: some milliseconds, so that nobody waits long."""
_IN_STATE: dict[State | None, str] = {
    # Literals, since SQLite uses no partial index for a parameter; named, since without statistics it may choose ill.
    None: "WHERE true",
    "pending": "INDEXED BY entries_pending WHERE state = 'pending'",
    "shipped": "WHERE state = 'shipped'",
    "dead": "INDEXED BY entries_dead WHERE state = 'dead'",
}
_IN_SESSION = "INDEXED BY entries_by_session WHERE session_key = :session"
_REVISION = (
    "SELECT coalesce(max(revision), 0) FROM entries INDEXED BY entries_revised WHERE session_key = ? AND revision > 0"
)

_GONE = "the journal was gone: a new one was started; entries of the old one that the ledger did not have are not in it"
_EMPTY = "the journal was empty, though this tap has recorded before: a new one was started"
_TAKEN = "the journal's file was removed or replaced while the tap ran: its pending entries were moved to the new one"
_UNLOCKED = "the journal's lock file was removed while the tap ran: a new one was made"
"""What may be found amiss."""

_UNUSABLE: dict[type[BaseException], str] = {JournalDamaged: "damaged", JournalVersion: "newer"}
"""What the owner puts aside to begin anew, and the word for it in the new name."""


class Journal:
    """One journal file; used by one thread at a time. Made by ``Journal.open``.

    ``moved_aside`` names the files that were found damaged and given another name (owner only; nothing is deleted),
    ``amiss`` says in words what else was found that should not be, and got over, and how often; ``commits`` counts the
    transactions of this connection.
    """

    def __init__(self, path: Path, *, owner: bool, readonly: bool) -> None:
        self.path = path
        self._names = (str(path), str(beside(path, "-wal")), str(beside(path, "-shm")))
        self.moved_aside: list[Path] = []
        self.wants_all = False
        """Another file was begun: what is kept in it next has to be all there is, and no difference."""
        self.amiss: Counter[str] = Counter()
        self.commits = 0
        self._readonly = readonly
        self._select = SELECT
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
            self._db = self._connected()
        except BaseException:
            self._release()
            raise

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, owner: bool = False, readonly: bool = False) -> Journal:
        """Open the journal at ``path`` (``…/journal.db``), made if missing unless ``readonly``.

        ``owner`` is for the service: it keeps every other service away, and moves a damaged file aside to begin anew.
        Raises ``JournalBusy`` (another service owns it), ``JournalVersion`` (written by a newer tap; it is not
        touched), ``JournalDamaged`` (for who does not own it) or ``JournalError``.
        """
        if owner and readonly:
            raise ValueError("who only reads cannot own a journal")
        return cls(Path(path), owner=owner, readonly=readonly)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @staticmethod
    def is_owned(path: str | os.PathLike[str]) -> bool:
        """Whether a service owns the journal at ``path`` now; False also where the machine does not tell."""
        return is_locked(Path(path).with_suffix(".lock"))

    def close(self) -> None:
        """Close the file and let go of the lock; more than once does no harm."""
        self._db.close()
        self._log = None
        self._release()

    # ------------------------------------------------------------------------------------------ what is recorded

    def append(self, entries: Iterable[Entry], checkpoint: Checkpoint | bytes | None, now_ms: int) -> int:
        """Keep entries and the machine's checkpoint, in one transaction, on the disk. How many entries were new.

        A checkpoint in bytes is a state with all its memory in it.

        An entry that is kept already, byte for byte, is not kept twice, so a batch may be given again after an error.
        What the owner adds to a session that was repaired is kept at the repair's revision, or nobody would see it.
        The owner begins a new file where this one is damaged or gone, and keeps the batch there. Raises
        ``JournalError`` (disk full, not writable, …), and then nothing of the batch was kept.
        """
        given = list(entries)
        rows = [row_of(entry, now_ms) for entry in given]
        if not rows and checkpoint is None:
            return 0
        if isinstance(checkpoint, bytes):
            checkpoint = Checkpoint(checkpoint, {})
        try:
            return self._insert(given, rows, checkpoint)
        except JournalDamaged:
            if not self.begin_anew():
                raise
            return self._insert(given, rows, checkpoint)

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

    def unfit(self, entries: Sequence[Entry], now_ms: int) -> dict[int, str]:
        """Those of the entries that this journal can never keep, by their place, and why. Nothing is kept by asking.

        Raises ``JournalError`` where nothing can be kept now: then it is not the entries.
        """
        with self._reading():
            return unfit_among(self._db, self.path, entries, now_ms)

    def checkpoint(self) -> bytes | None:
        """The machine's state as it was committed last; None before the first."""
        rows = self._all("SELECT data FROM checkpoint WHERE part = 'machine'")
        return unpadded(bytes(rows[0][0])) if rows else None

    def memory(self) -> list[tuple[str, bytes]]:
        """What the machine remembers beside its state, record by record."""
        rows = self._all("SELECT part, data FROM checkpoint WHERE part >= 'm:' AND part < 'm;'")
        return [(str(name), bytes(data)) for name, data in rows if data is not None]

    def tap_id(self) -> str:
        """The id of this tap, 12 hex digits, made once for the state directory.

        It stands in a file of its own too (``tap-id``), so that it outlives a journal that was moved aside.
        """
        in_file, in_meta = tap_id_in(self._id_file), self._meta("tap")
        known = in_file or in_meta
        if known is not None and (in_file == in_meta or self._readonly):
            return known
        if self._readonly:
            raise nothing_yet(self.path)
        try:
            return self._keep_tap_id()
        except JournalDamaged:
            raise
        except JournalError:
            if known is None:
                raise
            # The disk takes nothing now: it stands in one of the two places, and comes into the other later.
            return known

    def _keep_tap_id(self) -> str:
        # Inside the transaction, so that two processes cannot make two.
        with self._changing():
            known = tap_id_in(self._id_file) or self._meta("tap") or os.urandom(6).hex()
            self._db.execute("INSERT OR REPLACE INTO meta VALUES ('tap', ?)", (known,))
            keep_tap_id(self._id_file, known)
        return known

    def remembered(self, name: str) -> str | None:
        """What ``remember`` kept under this name."""
        return self._meta(name)

    def remember(self, name: str, text: str) -> None:
        """Keep a few words under a name, in the place of what was kept under it before."""
        with self._changing():
            self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, text))

    # ------------------------------------------------------------------------------------------ on the way out

    def pending(self, limit: int, after_seq: int = 0) -> list[Kept]:
        """The next entries that the ledger has not taken, in order."""
        sql = f"{self._select}{_IN_STATE['pending']} AND seq > ? ORDER BY seq LIMIT ?"
        return [self._kept(row) for row in self._all(sql, (after_seq, limit))]

    def settle(self, results: Iterable[tuple[int, Literal["shipped", "dead"], str | None]], now_ms: int) -> None:
        """Note what became of pending entries: (seq, state, reason). In one transaction."""
        rows = [(state, reason, now_ms, seq) for seq, state, reason in results]
        with self._changing():
            # Only what still waits: a late answer does not undo what a person or another answer has settled.
            self._db.executemany(
                "UPDATE entries SET state = ?, reason = ?, settled_at = ? WHERE seq = ? AND state = 'pending'", rows
            )

    def note(self, reasons: Iterable[tuple[int, str]]) -> None:
        """Note why pending entries wait by themselves: (seq, reason)."""
        rows = [(reason, seq) for seq, reason in reasons]
        if rows:
            with self._changing():
                self._db.executemany("UPDATE entries SET reason = ? WHERE seq = ? AND state = 'pending'", rows)

    def retry_dead(self, seqs: Iterable[int] | None = None) -> int:
        """Let entries that were set aside (all, where none are named) wait for the ledger again. How many did."""
        update = "UPDATE entries SET state = 'pending', reason = NULL, settled_at = NULL WHERE state = 'dead'"
        with self._changing():
            if seqs is None:
                return self._db.execute(update).rowcount
            return self._db.executemany(update + " AND seq = ?", [(seq,) for seq in seqs]).rowcount

    def depth(self) -> tuple[int, int | None]:
        """How many entries wait for the ledger, and when (wall ms) the first of them was committed."""
        oldest = self.pending(1)
        return self.counts()["pending"], oldest[0].committed_at if oldest else None

    # ------------------------------------------------------------------------------------------ reading

    def entries(
        self, session_key: str | None = None, state: State | None = None, after: int = 0, op: Op | None = None
    ) -> Iterator[Kept]:
        """The kept entries in order, read page by page; those added meanwhile come too."""
        where = _IN_STATE[state]
        if session_key is not None:
            where = _IN_SESSION if state is None else _IN_SESSION + " AND state = :state"
        if op is not None:
            where += " AND op = :op"
        sql = f"{self._select}{where} AND seq > :after ORDER BY seq LIMIT {_PAGE}"
        while rows := self._all(sql, {"session": session_key, "state": state, "after": after, "op": op}):
            for row in rows:
                yield self._kept(row)
            after = rows[-1][0]

    def session_entries(self, session_key: str) -> Iterator[Kept]:
        """All that is kept of one session, in order."""
        return self.entries(session_key)

    def session_rows(self, venue_prefix: str | None = None) -> Iterator[Kept]:
        """Of each session the entries of its own row, session by session, however many events there are.

        ``venue_prefix``: only of sessions whose key starts with it.
        """
        sql = (
            f"{self._select}INDEXED BY entries_of_sessions WHERE op = 'session' AND session_key > :key"
            f" AND substr(session_key, 1, length(:prefix)) = :prefix ORDER BY session_key, version LIMIT {_PAGE}"
        )
        rest = (
            f"{self._select}INDEXED BY entries_of_sessions WHERE op = 'session' AND session_key = :key ORDER BY version"
        )
        key, prefix = "", venue_prefix or ""
        while rows := [self._kept(row) for row in self._all(sql, {"key": key, "prefix": prefix})]:
            key = rows[-1].entry.session_key
            # The page's last session may go on behind it: it is read whole.
            yield from (kept for kept in rows if kept.entry.session_key != key)
            yield from (self._kept(row) for row in self._all(rest, {"key": key}))

    def last_entry(self, session_key: str) -> Kept | None:
        """What was kept last of one session."""
        rows = self._all(f"{self._select}{_IN_SESSION} ORDER BY seq DESC LIMIT 1", {"session": session_key})
        return self._kept(rows[0]) if rows else None

    def last_seq(self) -> int:
        """The number of the entry that was kept last; 0 where there is none."""
        return int(self._all("SELECT coalesce(max(seq), 0) FROM entries")[0][0])

    def sessions(self, venue_prefix: str | None = None) -> Iterator[str]:
        """The keys of the kept sessions, newest first by source time; those whose key starts with the prefix."""
        prefix = venue_prefix or ""
        rows = self._all(
            "SELECT session_key FROM entries INDEXED BY entries_of_sessions WHERE op = 'session'"
            " AND substr(session_key, 1, length(?1)) = ?1 GROUP BY session_key ORDER BY min(version) DESC, session_key",
            (prefix,),
        )
        return (key for (key,) in rows)

    def counts(self, session_key: str | None = None) -> dict[State, int]:
        """How many entries are pending, shipped and dead: of the whole journal, or of one session."""
        if session_key is None:
            rows = self._all("SELECT state, n FROM tally")
        else:
            rows = self._all("SELECT state, count(*) FROM entries WHERE session_key = ? GROUP BY state", (session_key,))
        known = dict(rows)
        return {state: known.get(state, 0) for state in get_args(State)}

    def verify(self) -> list[str]:
        """What is wrong with the file, in words; an empty list where nothing is. Takes seconds for a large one."""
        problems: list[str] = []
        try:
            problems += problems_in(self._all, self._select)
        except JournalDamaged as error:
            problems.append(str(error))
        return problems

    def revision(self, session_key: str) -> int:
        """The highest revision that this session was repaired to; 0: never."""
        if self._select is SELECT_1:
            return 0
        return int(self._all(_REVISION, (session_key,))[0][0])

    @property
    def size(self) -> int:
        """Bytes that the kept entries take, without the log beside the file."""
        with self._reading():
            pages, free, page = (
                int(self._db.execute(f"PRAGMA {name}").fetchone()[0])
                for name in ("page_count", "freelist_count", "page_size")
            )
        return (pages - free) * page

    # ------------------------------------------------------------------------------------------ what is repaired

    def repair(self, entries: Sequence[Entry], seen: Mapping[str, int], now_ms: int, step: Step | None = None) -> bool:
        """Keep the entries of a repaired history, unless one of its sessions has got more since they were made.

        ``seen``: for each session the highest ``seq`` that the repair knows. ``step``: what somebody chose by it.
        False: nothing was kept, look again.
        """
        with self._changing():
            for session_key, seq in seen.items():
                last = self._db.execute("SELECT max(seq) FROM entries WHERE session_key = ?", (session_key,))
                if (last.fetchone()[0] or 0) > seq:
                    return False
            if step is not None and not keep_step(self._db, step):
                return False
            self._db.executemany(INSERT, (sealed(row_of(entry, now_ms)) for entry in entries))
        return True

    def steps(self) -> list[Step]:
        """What people did to sessions afterwards, in order."""
        with self._reading():
            return steps_in(self._db)

    def forgotten(self) -> list[tuple[str, int, int]]:
        """Sessions that were forgotten here, and from when to when each ran."""
        with self._reading():
            return forgotten_in(self._db)

    # ------------------------------------------------------------------------------------------ what goes

    def prune(self, before_ms: int, limit: int | None = None) -> int:
        """Delete entries that the ledger took before ``before_ms``, at most ``limit``; how many went.

        Pending and dead ones stay. Works in pages, so that other processes never wait long for their turn; on the
        writer's thread use a ``limit``, and call again while it deletes that many.
        """
        where = "state = 'shipped' AND settled_at < ? ORDER BY settled_at"
        return self._delete(where, (before_ms,), limit)

    def shrink(self, to_bytes: int, limit: int) -> int:
        """Where the journal is larger, delete at most ``limit`` entries that the ledger has, the oldest first."""
        if self.size <= to_bytes:
            return 0
        return self._delete("state = 'shipped' ORDER BY settled_at", (), limit)

    def forget(self, session_key: str) -> int:
        """Delete every entry of a session, its traces in the file and what was set aside beside it; how many went."""
        with self._reading():
            self._db.execute("PRAGMA secure_delete = ON").fetchall()
        moved = list(self._moved_to(session_key))
        self._forget_steps(session_key)
        with self._changing():
            self._db.executemany("DELETE FROM entries WHERE seq = ?", moved)
        gone = len(moved) + self._delete("session_key = ? ORDER BY seq", (session_key,), None)
        self._forget_memory(session_key)
        with self._reading():
            self._db.execute("PRAGMA secure_delete = OFF").fetchall()
            # The log still has what the pages held; and SQLite does not sync that it is cut.
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        sync_file(beside(self.path, "-wal"))
        try:
            return gone + forget_aside(self.path, session_key)
        except OSError as error:
            hint = "run it again"
            where = str(aside_of(self.path))
            raise JournalError(f"cannot be rewritten: {error.strerror}", where=where, hint=hint) from None

    def _moved_to(self, session_key: str) -> Iterator[tuple[int]]:
        """Entries of other sessions that went to this one: what they say of it is still there."""
        for step in self.steps():
            if step.how == "split" and step.keys[1] == session_key:
                for kept in self.session_entries(step.keys[0]):
                    if kept.entry.op not in ("event", "still") or kept.entry.retracted is not None:
                        continue
                    whose = follow([step], kept.entry, lambda _: None)
                    if whose is not None and whose.session_key == session_key:
                        yield (kept.seq,)

    def _forget_memory(self, session_key: str) -> None:
        """What the tap remembers of a session that is over, to know again what comes late."""
        try:
            memory = self.memory()
            names = records_of(memory, session_key)
        except msgspec.MsgspecError:
            return  # of a newer version, or damaged: the next start sets it aside
        # Of a part that somebody split off, the tap remembers the stills under the session that it was heard in.
        stills = {old for step in self.steps() for old, new in step.names.items() if new.startswith(f"{session_key}/")}
        names = [*names, *(name for name, _ in memory if name.partition(":t:")[2] in stills)]
        with self._changing():
            self._db.executemany("DELETE FROM checkpoint WHERE part = ?", [(name,) for name in names])

    def _forget_steps(self, session_key: str) -> None:
        fields: Mapping[str, Any] = {}
        with suppress(ValueError, TypeError), self._reading():  # what cannot be read has to go all the same
            fields = self._session_fields(session_key) or {}
        began, ended = fields.get("startedAt"), fields.get("completedAt")
        span = (began, ended) if isinstance(began, int) and isinstance(ended, int) else None
        with self._changing():
            forget_steps(self._db, session_key, span)

    # ------------------------------------------------------------------------------------------ inside

    def _connected(self, *, again: bool = True) -> sqlite3.Connection:
        path = self.path
        if self._readonly and not path.exists():
            raise nothing_yet(path)
        if self._readonly:
            self._refuse_emptied()
        else:
            make_file(path)
        db: sqlite3.Connection | None = None
        try:
            refuse_foreign(path)
            with errors_in_words(path):
                db = connect(path, readonly=self._readonly)
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
        prepare(db, self.path, readonly=self._readonly)
        self._select = SELECT if version_of(db) > 1 else SELECT_1
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

    @property
    def _id_file(self) -> Path:
        return self.path.with_name("tap-id")

    def _has_recorded(self) -> bool:
        """Whether a tap had this state directory before."""
        return tap_id_in(self._id_file) is not None

    def _holds_something(self) -> bool:
        """Whether there is a journal, or the log of one."""
        return any(place.exists() and place.stat().st_size for place in (self.path, beside(self.path, "-wal")))

    def _refuse_emptied(self) -> None:
        if self._has_recorded() and not self._holds_something():
            raise JournalDamaged(
                "is empty, though this tap has recorded before",
                where=str(self.path),
                hint="bring it back from a copy if there is one; the next 'multicam-tap run' begins a new one",
            )

    def _log_there(self) -> tuple[Identity, Identity]:
        """Which log stands beside the file, and which index of the log, by which connections share their locks."""
        _, log, shared = self._names
        return identity(log), identity(shared)

    def _reopen(self) -> None:
        """Leave a file that is no longer the one at the path."""
        self.wants_all = True
        if self._lock is not None:
            log, shared = self._log_there()
            if self._log is not None and log is not None and log == self._log[0]:
                # Else the log of the file that is gone would be taken for the log of the one that is there now.
                self.moved_aside.append(beside(move_aside(self.path, log_only=True), "-wal"))
            elif self._log is not None and shared is not None and shared == self._log[1]:
                # Nor may two files share their locks.
                beside(self.path, "-shm").unlink(missing_ok=True)
            if not self._lock.in_place:
                self._release()
                make_directory(self.path.parent)
                self._lock = Lock(self.path.with_suffix(".lock"))
            self._hold()
        # The old file can be read as long as it is open, though it has no name any more.
        old, self._db = self._db, self._connected()
        if self._lock is not None:
            with self._changing():
                number = (self._highest,)
                self._db.execute("DELETE FROM sqlite_sequence WHERE name = 'entries' AND seq < ?", number)
                known = "SELECT 1 FROM sqlite_sequence WHERE name = 'entries'"
                self._db.execute(f"INSERT INTO sqlite_sequence SELECT 'entries', ? WHERE NOT EXISTS ({known})", number)
            rescue(old, self._db, SELECT)
        old.close()

    def _follow_log(self) -> None:
        """Somebody deleted the log or its index: what is written there goes with this process. Leave it."""
        with suppress(sqlite3.Error):
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        # First: SQLite tidies up as it closes, and would take the next log for this one.
        self._db.close()
        self._db = self._connected()

    def _hold(self) -> None:
        """See that no other service was let in. Raises ``JournalBusy`` where one was: then nothing is written here."""
        if self._lock is not None and self._lock.hold():
            self._found(_UNLOCKED)

    def _found(self, words: str) -> None:
        if self._lock is not None:
            self.amiss[words] += 1

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.release()

    @contextmanager
    def _reading(self) -> Iterator[None]:
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
    def _changing(self) -> Iterator[None]:
        with self._reading():
            with transaction(self._db):
                yield
            self.commits += 1

    def _all(self, sql: str, parameters: Sequence[Any] | dict[str, Any] = ()) -> list[Any]:
        # Whole pages at once: a cursor left open would hold the log of the writer.
        with self._reading():
            return self._db.execute(sql, parameters).fetchall()

    def _insert(self, entries: Sequence[Entry], rows: list[tuple[Any, ...]], checkpoint: Checkpoint | None) -> int:
        inserted = last = 0
        with self._changing():
            if rows:
                inserted, last = insert_new(self._db, self._at_its_revision(entries, rows))
            if checkpoint is not None:
                keep_checkpoint(self._db, checkpoint)
        self._name_the_log()
        if checkpoint is not None and checkpoint.whole:
            self.wants_all = False
        self._highest = max(self._highest, last)
        return inserted

    def _name_the_log(self) -> None:
        """The first commit makes the log file: SQLite does not say if its name did not reach the disk.

        Raises ``JournalError``: the batch is given again, and is not kept twice.
        """
        log = identity(self._names[1])
        if log == self._named:
            return
        try:
            sync_directory(self.path.parent)
        except OSError as error:
            raise JournalError(f"cannot be written: {error.strerror}", where=str(self.path.parent)) from None
        self._named = log

    def _at_its_revision(self, entries: Sequence[Entry], rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        if self._lock is None:
            return rows
        repaired = self._repaired({entry.session_key for entry in entries})
        if not any(repaired.values()):
            return rows
        # Only of a session that was repaired can anybody have chosen something.
        now_ms = rows[0][-1]
        followed = self._followed(entries)
        repaired = self._repaired({entry.session_key for entry in followed})
        return [raised(row_of(entry, now_ms), repaired[entry.session_key]) for entry in followed]

    def _repaired(self, sessions: Iterable[str]) -> dict[str, int]:
        """The highest revision of each session."""
        return {key: self._db.execute(_REVISION, (key,)).fetchone()[0] for key in sessions}

    def _followed(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        """The entries as what was chosen of their sessions has them."""
        steps = effective(steps_in(self._db))
        if not steps:
            return entries
        followed = (self._followed_one(steps, entry) for entry in entries)
        return [entry for entry in followed if entry is not None]

    def _followed_one(self, steps: Sequence[Step], entry: Entry) -> Entry | None:
        try:
            return follow(steps, entry, self._session_fields)
        except Exception:  # noqa: BLE001 - whatever is odd about a choice, what is heard has to be written all the same
            return entry

    def _session_fields(self, key: str) -> Mapping[str, Any] | None:
        sql = f"{self._select}{_IN_SESSION} AND op = 'session' ORDER BY seq"
        row = fold(kept_of(row).entry for row in self._db.execute(sql, {"session": key})).get(key)
        return None if row is None or row.retracted is not None else row.fields

    def _delete(self, where: str, parameters: tuple[Any, ...], limit: int | None) -> int:
        # The words come from the two callers above, the values are bound.
        sql = f"DELETE FROM entries WHERE seq IN (SELECT seq FROM entries WHERE {where} LIMIT ?)"  # noqa: S608
        gone = 0
        while (page := _PAGE if limit is None else min(_PAGE, limit - gone)) > 0:
            with self._changing():
                deleted = self._db.execute(sql, (*parameters, page)).rowcount
            with self._reading():
                # As a script: execute() takes one step of it only, and each step frees one page.
                self._db.executescript(f"PRAGMA incremental_vacuum({_PAGE})")
            gone += deleted
            if deleted < page:
                break
        return gone

    def _meta(self, name: str) -> str | None:
        rows = self._all("SELECT value FROM meta WHERE name = ?", (name,))
        return str(rows[0][0]) if rows else None

    def _kept(self, row: tuple[Any, ...]) -> Kept:
        self._highest = max(self._highest, row[0])
        try:
            return kept_of(row)
        except (ValueError, TypeError):
            hint = "see 'multicam-tap journal verify'"
            raise JournalDamaged(f"entry {row[0]} cannot be read", where=str(self.path), hint=hint) from None
