"""The journal: an outbox on the venue's disk, in which entries wait for the ledger and the machine's state is saved.

SQLite with a write-ahead log and ``synchronous=FULL``: once ``append`` returns, entries and checkpoint are on the disk,
together or not at all. One service owns a journal (a lock that dies with its process); the command line may read it
and add to it meanwhile. Whatever goes wrong is a ``JournalError``.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias

from tap.adapters.journal import reading, removing
from tap.adapters.journal.batch import insert_new, keep_checkpoint
from tap.adapters.journal.chosen import as_chosen
from tap.adapters.journal.errors import nothing_yet
from tap.adapters.journal.file import JournalFile
from tap.adapters.journal.lock import is_locked
from tap.adapters.journal.rows import INSERT, Kept, State, added_of, row_of, sealed
from tap.adapters.journal.session_steps import forgotten_in, keep_step, steps_in
from tap.adapters.journal.tapid import keep_tap_id, tap_id_in
from tap.adapters.journal.unfit import unfit_among
from tap.adapters.journal.verify import problems_in
from tap.core.errors import JournalDamaged, JournalError
from tap.core.machine.memory import Checkpoint
from tap.core.model import Entry, Op
from tap.core.session_steps import Step

__all__ = ["Journal"]

_Settled: TypeAlias = tuple[Literal["shipped", "dead"], str | None, int, int]
"""What became of an entry: state, reason, when (wall ms), ``seq``."""
_SETTLE = (
    # Only what still waits: a late answer does not undo what a person or another answer has settled.
    "UPDATE entries SET state = ?, reason = ?, settled_at = ? WHERE seq = ? AND state = 'pending'"
)


class Journal:
    """One journal file; used by one thread at a time. Made by ``Journal.open``."""

    def __init__(self, path: Path, *, owner: bool, readonly: bool) -> None:
        self._file = JournalFile(path, owner=owner, readonly=readonly)
        self._added: tuple[list[tuple[Any, ...]], int] | None = None
        """What the last ``append`` saved, and the last number of it."""
        self._added_to: Any = None
        """The connection that it was saved by."""

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, owner: bool = False, readonly: bool = False) -> Journal:
        """Open the journal at ``path`` (``…/journal.db``), made if missing unless ``readonly``.

        ``owner`` is for the service: it keeps every other service away, and moves a damaged file aside to start again.
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
        self._file.close()

    @property
    def path(self) -> Path:
        """Where the journal lies."""
        return self._file.path

    @property
    def moved_aside(self) -> list[Path]:
        """Files that were found damaged and given another name, by the owner; nothing is deleted."""
        return self._file.moved_aside

    @property
    def wants_all(self) -> bool:
        """Another file was begun: the next checkpoint has to hold all that is remembered, and no difference."""
        return self._file.wants_all

    @wants_all.setter
    def wants_all(self, wants: bool) -> None:
        self._file.wants_all = wants

    @property
    def amiss(self) -> Counter[str]:
        """What else was found that should not be, and got over, in words; how often."""
        return self._file.amiss

    @property
    def commits(self) -> int:
        """How many transactions this connection has made."""
        return self._file.commits

    # ------------------------------------------------------------------------------------------ what is recorded

    def append(
        self,
        entries: Iterable[Entry],
        checkpoint: Checkpoint | bytes | None,
        now_ms: int,
        shipped: Sequence[tuple[int, int]] = (),
    ) -> int:
        """Keep entries and the machine's checkpoint, in one transaction, on the disk. How many entries were new.

        A checkpoint in bytes is a state with all its memory in it. ``shipped``: which entries the ledger has
        taken, and when (wall ms), is noted on the same way.

        An entry that is saved already, byte for byte, is not saved twice, so a batch may be given again after an error.
        What the owner adds to a session that was repaired is saved at the repair's revision, or nobody would see it.
        The owner begins a new file where this one is damaged or gone, and keeps the batch there. Raises
        ``JournalError`` (disk full, not writable, …), and then nothing of the batch was saved.
        """
        given = list(entries)
        rows = [row_of(entry, now_ms) for entry in given]
        if not rows and checkpoint is None and not shipped:
            return 0
        if isinstance(checkpoint, bytes):
            checkpoint = Checkpoint(checkpoint, {})
        settled: list[_Settled] = [("shipped", None, at, seq) for seq, at in shipped]
        try:
            return self._insert(given, rows, checkpoint, settled)
        except JournalDamaged:
            if not self.begin_anew():
                raise
            return self._insert(given, rows, checkpoint, settled)

    def begin_anew(self) -> bool:
        """Move this file aside, since it is damaged, and begin another; False for who does not own it.

        What the other keeps has numbers above all that were seen here: an answer of the ledger that is still on its way
        must not settle an entry that it is not for.
        """
        return self._file.begin_anew()

    def unfit(self, entries: Sequence[Entry], now_ms: int) -> dict[int, str]:
        """Those of the entries that this journal can never keep, by their place, and why. Nothing is saved by asking.

        Raises ``JournalError`` where nothing can be saved now: then it is not the entries.
        """
        with self._file.reading():
            return unfit_among(self._file.db, self.path, entries, now_ms)

    def checkpoint(self) -> bytes | None:
        """The machine's state as it was committed last; None before the first."""
        return reading.checkpoint(self._file)

    def memory(self) -> list[tuple[str, bytes]]:
        """What the machine remembers beside its state: (name, data), record by record."""
        return reading.memory(self._file)

    def tap_id(self) -> str:
        """The id of this tap, 12 hex digits, made once for the state directory.

        It is in a file of its own too (``tap-id``), so that it outlives a journal that was moved aside.
        """
        in_file, in_meta = tap_id_in(self._file.id_file), self._meta("tap")
        known = in_file or in_meta
        if known is not None and (in_file == in_meta or self._file.readonly):
            return known
        if self._file.readonly:
            raise nothing_yet(self.path)
        try:
            return self._keep_tap_id()
        except JournalDamaged:
            raise
        except JournalError:
            if known is None:
                raise
            # The disk takes nothing now: it is in one of the two places, and comes into the other later.
            return known

    def _keep_tap_id(self) -> str:
        # Inside the transaction, so that two processes cannot make two.
        with self._file.changing():
            known = tap_id_in(self._file.id_file) or self._meta("tap") or os.urandom(6).hex()
            self._file.db.execute("INSERT OR REPLACE INTO meta VALUES ('tap', ?)", (known,))
            keep_tap_id(self._file.id_file, known)
        return known

    def remembered(self, name: str) -> str | None:
        """What ``remember`` saved under this name."""
        return self._meta(name)

    def remember(self, name: str, text: str) -> None:
        """Keep a few words under a name, in the place of what was saved under it before."""
        with self._file.changing():
            self._file.db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, text))

    # ------------------------------------------------------------------------------------------ on the way out

    def pending(self, limit: int, after_seq: int = 0) -> list[Kept]:
        """The next entries that the ledger has not taken, in order."""
        return reading.pending(self._file, limit, after_seq)

    def added(self) -> list[Kept] | None:
        """What the last ``append`` saved, as ``pending`` would give it; None where more may have come with it."""
        if self._added is None:
            return None
        rows, last = self._added
        return [added_of(row, last - len(rows) + number) for number, row in enumerate(rows, 1)]

    def settle(self, results: Iterable[tuple[int, Literal["shipped", "dead"], str | None]], now_ms: int) -> None:
        """Note what became of pending entries: (seq, state, reason). In one transaction."""
        rows: list[_Settled] = [(state, reason, now_ms, seq) for seq, state, reason in results]
        with self._file.changing():
            self._file.db.executemany(_SETTLE, rows)

    def note(self, reasons: Iterable[tuple[int, str]]) -> None:
        """Note why pending entries wait by themselves: (seq, reason)."""
        rows = [(reason, seq) for seq, reason in reasons]
        if rows:
            with self._file.changing():
                self._file.db.executemany("UPDATE entries SET reason = ? WHERE seq = ? AND state = 'pending'", rows)

    def retry_dead(self, seqs: Iterable[int] | None = None) -> int:
        """Let entries that were set aside (all, where none are named) wait for the ledger again. How many did."""
        update = "UPDATE entries SET state = 'pending', reason = NULL, settled_at = NULL WHERE state = 'dead'"
        with self._file.changing():
            if seqs is None:
                return self._file.db.execute(update).rowcount
            return self._file.db.executemany(update + " AND seq = ?", [(seq,) for seq in seqs]).rowcount

    def depth(self) -> tuple[int, int | None]:
        """How many entries wait for the ledger, and when (wall ms) the first of them was committed."""
        oldest = self.pending(1)
        return self.counts()["pending"], oldest[0].committed_at if oldest else None

    # ------------------------------------------------------------------------------------------ reading

    def entries(
        self, session_key: str | None = None, state: State | None = None, after: int = 0, op: Op | None = None
    ) -> Iterator[Kept]:
        """The saved entries in order, read page by page; those added meanwhile come too."""
        return reading.entries(self._file, session_key, state, after, op)

    def session_entries(self, session_key: str) -> Iterator[Kept]:
        """All that is saved of one session, in order."""
        return self.entries(session_key)

    def session_rows(self, venue_prefix: str | None = None) -> Iterator[Kept]:
        """Of each session the entries of its own row, session by session, however many events there are.

        ``venue_prefix``: only of sessions whose key starts with it.
        """
        return reading.session_rows(self._file, venue_prefix or "")

    def last_entry(self, session_key: str) -> Kept | None:
        """What was saved last of one session."""
        return reading.last_entry(self._file, session_key)

    def last_seq(self) -> int:
        """The number of the entry that was saved last; 0 where there is none."""
        return int(self._file.all("SELECT coalesce(max(seq), 0) FROM entries")[0][0])

    def sessions(self, venue_prefix: str | None = None) -> Iterator[str]:
        """The keys of the saved sessions, newest first by source time; those whose key starts with the prefix."""
        return reading.sessions(self._file, venue_prefix or "")

    def counts(self, session_key: str | None = None) -> dict[State, int]:
        """How many entries are pending, shipped and dead: of the whole journal, or of one session."""
        return reading.counts(self._file, session_key)

    def verify(self) -> list[str]:
        """What is wrong with the file, in words; an empty list where nothing is. Takes seconds for a large one."""
        problems: list[str] = []
        try:
            problems += problems_in(self._file.all, self._file.select)
        except JournalDamaged as error:
            problems.append(str(error))
        return problems

    def revision(self, session_key: str) -> int:
        """The highest revision that this session was repaired to; 0: never."""
        with self._file.reading():
            return reading.revision(self._file, session_key)

    @property
    def size(self) -> int:
        """Bytes that the saved entries take, without the log beside the file."""
        return removing.size_of(self._file)

    # ------------------------------------------------------------------------------------------ what is repaired

    def repair(self, entries: Sequence[Entry], seen: Mapping[str, int], now_ms: int, step: Step | None = None) -> bool:
        """Keep the entries of a repaired history, unless one of its sessions has got more since they were made.

        ``seen``: for each session the highest ``seq`` that the repair knows. ``step``: what somebody chose by it.
        False: nothing was saved, look again.
        """
        with self._file.changing():
            for session_key, seq in seen.items():
                last = self._file.db.execute("SELECT max(seq) FROM entries WHERE session_key = ?", (session_key,))
                if (last.fetchone()[0] or 0) > seq:
                    return False
            if step is not None and not keep_step(self._file.db, step):
                return False
            self._file.db.executemany(INSERT, (sealed(row_of(entry, now_ms)) for entry in entries))
        return True

    def steps(self) -> list[Step]:
        """What people did to sessions afterwards, in order."""
        with self._file.reading():
            return steps_in(self._file.db)

    def forgotten(self) -> list[tuple[str, int, int]]:
        """Sessions that were forgotten here, and from when to when each ran."""
        with self._file.reading():
            return forgotten_in(self._file.db)

    # ------------------------------------------------------------------------------------------ what goes

    def prune(self, before_ms: int, limit: int | None = None) -> int:
        """Delete entries that the ledger took before ``before_ms``, at most ``limit``; how many went.

        Pending and dead ones stay. Works in pages, so that other processes never wait long for their turn; on the
        writer's thread use a ``limit``, and call again while it deletes that many.
        """
        return removing.prune(self._file, before_ms, limit)

    def shrink(self, to_bytes: int, limit: int) -> int:
        """Where the journal is larger, delete at most ``limit`` entries that the ledger has, the oldest first."""
        return removing.shrink(self._file, to_bytes, limit)

    def forget(self, session_key: str) -> int:
        """Delete every entry of a session, its traces in the file and what was set aside beside it; how many went."""
        return removing.forget(self._file, session_key)

    # ------------------------------------------------------------------------------------------ inside

    def _insert(
        self,
        entries: Sequence[Entry],
        rows: list[tuple[Any, ...]],
        checkpoint: Checkpoint | None,
        settled: list[_Settled],
    ) -> int:
        file = self._file
        new: list[tuple[Any, ...]] = []
        last = 0
        with file.changing():
            if settled:
                file.db.executemany(_SETTLE, settled)
            if rows:
                new, last = insert_new(file.db, as_chosen(file, entries, rows))
            if checkpoint is not None:
                keep_checkpoint(file.db, checkpoint)
        file.name_the_log()
        if checkpoint is not None and checkpoint.whole:
            file.wants_all = False
        file.saw(last)
        # Another file may have got what waited in the one before.
        self._added, self._added_to = (new, last) if file.db is self._added_to else None, file.db
        return len(new)

    def _meta(self, name: str) -> str | None:
        rows = self._file.all("SELECT value FROM meta WHERE name = ?", (name,))
        return str(rows[0][0]) if rows else None
