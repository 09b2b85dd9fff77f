"""Entries that SQLite will never keep, and where they go instead.

There should be none: what comes in is bounded. But one that slips through must not hold up all that is behind it, nor
be lost without a trace, so it goes as a line of JSON into a file of its own beside the journal.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tap.adapters.journal.batch import insert_new
from tap.adapters.journal.errors import Unfit, errors_in_words
from tap.adapters.journal.rows import row_of
from tap.adapters.private import open_private
from tap.core.errors import JournalError
from tap.core.model import Entry

__all__ = ["aside_of", "forget_aside", "keep_aside", "line_of", "unfit_among"]

_SURELY_FIT = Entry("probe", "event", "probe", 0, {})
_LARGEST = 16 * 2**20
"""The limit of the file in bytes. A cause that fills it is known by then."""


def aside_of(journal: Path) -> Path:
    """The file for what this journal cannot keep."""
    return journal.with_name("set-aside.jsonl")


def unfit_among(db: sqlite3.Connection, path: Path, entries: Sequence[Entry], now_ms: int) -> dict[int, str]:
    """Those of the entries that can never be saved, by their place, and why. Nothing is saved by asking.

    Raises ``JournalError`` where nothing can be saved now, or asked: then it is not the entries.
    """
    with errors_in_words(path), _undone(db, "BEGIN IMMEDIATE", "ROLLBACK"):
        why = _why_unfit(db, path, _SURELY_FIT, now_ms)
        if why is not None:
            raise JournalError(f"cannot be used ({why})", where=str(path))
        tried = ((place, _why_unfit(db, path, entry, now_ms)) for place, entry in enumerate(entries))
        return {place: why for place, why in tried if why is not None}


def _why_unfit(db: sqlite3.Connection, path: Path, entry: Entry, now_ms: int) -> str | None:
    try:
        with errors_in_words(path), _undone(db, "SAVEPOINT one", "ROLLBACK TO one; RELEASE one"):
            insert_new(db, [row_of(entry, now_ms)])
    except Unfit as error:
        return error.what
    except JournalError:
        raise
    except Exception as error:  # noqa: BLE001 - what Python's own module says of a value: OverflowError and the like
        return f"{type(error).__name__}: {error}"
    return None


@contextmanager
def _undone(db: sqlite3.Connection, begin: str, undo: str) -> Iterator[None]:
    db.execute(begin)
    try:
        yield
    finally:
        # Where the disk is full, SQLite has undone all of it by itself.
        if db.in_transaction:
            for statement in undo.split(";"):
                db.execute(statement)


def line_of(entry: Entry, reason: str, now_ms: int) -> bytes:
    """What is written of an entry that cannot be saved; whatever is in it."""
    said = {
        "reason": reason,
        "at": now_ms,
        "key": entry.key,
        "op": entry.op,
        "sessionKey": entry.session_key,
        "version": entry.version,
        "revision": entry.revision,
        "retracted": entry.retracted,
        "fields": entry.fields,
    }
    try:
        text = json.dumps(said, default=repr)
    except (ValueError, TypeError, RecursionError):
        text = json.dumps({name: _shown(value) for name, value in said.items()})
    return text.encode("ascii") + b"\n"


def _shown(value: object) -> object:
    """A value as far as it can be written."""
    try:
        return value if isinstance(value, str | int) else repr(value)[:100_000]
    except RecursionError:
        return f"{type(value).__name__}, nested too deeply"


def keep_aside(journal: Path, lines: Iterable[bytes]) -> None:
    """Write the lines behind those that are there, on the disk. Raises ``OSError``."""
    descriptor = open_private(aside_of(journal), os.O_RDWR | os.O_APPEND)
    with os.fdopen(descriptor, "r+b", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        size = os.fstat(descriptor).st_size
        # A line that a crash has cut in the middle must not spoil the next.
        torn = size and os.pread(descriptor, 1, size - 1) != b"\n"
        for line in [b"\n", *lines] if torn else lines:
            if size + len(line) <= _LARGEST:
                size += len(line)
                file.write(line)
        os.fsync(descriptor)


def forget_aside(journal: Path, session_key: str) -> int:
    """Take what belongs to a session out of the file, in its place; how many lines went. Raises ``OSError``."""
    path = aside_of(journal)
    if not path.exists():
        return 0
    with path.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        lines = file.readlines()
        kept = [line for line in lines if not _is_of(line, session_key)]
        file.seek(0)
        file.writelines(kept)
        file.truncate()
        file.flush()
        os.fsync(file.fileno())
    return len(lines) - len(kept)


def _is_of(line: bytes, session_key: str) -> bool:
    """Whether a line tells of a session; one that cannot be read does where its key is in it."""
    try:
        said: Any = json.loads(line)
        return bool(said["sessionKey"] == session_key)
    except (ValueError, TypeError, KeyError):
        return session_key.encode() in line
