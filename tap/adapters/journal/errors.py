"""SQLite's errors in our words, and the errors that a journal's file gives rise to."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tap.core.errors import JournalDamaged, JournalError

__all__ = ["NEXT_RUN_MOVES_IT", "Unfit", "errors_in_words", "nothing_yet", "place_hint"]


NEXT_RUN_MOVES_IT = "the next 'multicam-tap run' moves it aside and begins a new one"
"""What follows where a journal is damaged."""


class Unfit(JournalError):
    """What was to be saved is nothing that SQLite keeps, however well the disk is. Never leaves the journal."""


@contextmanager
def errors_in_words(path: Path) -> Iterator[None]:
    """Turns SQLite's errors, of the journal at ``path``, into a ``JournalError`` that says what to do."""
    try:
        yield
    except sqlite3.Error as error:
        raise _in_words(error, path) from error


def nothing_yet(path: Path) -> JournalError:
    """The error for a journal that is not there, or has nothing in it, for who only reads."""
    hint = f"the tap makes it when it runs; is {path.parent} the state directory (TAP_STATE_DIR)?"
    return JournalError("nothing has been recorded yet", where=str(path), hint=hint)


def place_hint(path: Path) -> str:
    """The next step where a file of the state directory cannot be made or written."""
    return f"is {path.parent} the state directory (TAP_STATE_DIR), and can the tap's user write there?"


_WORDS = {
    sqlite3.SQLITE_FULL: ("the disk is full", "free some space; unsaved entries wait in memory"),
    sqlite3.SQLITE_READONLY: ("no permission to write", "give the tap's user the right to write the state directory"),
    sqlite3.SQLITE_IOERR: ("the disk fails", "see the system's log (dmesg) about the disk"),
    sqlite3.SQLITE_CANTOPEN: ("cannot be opened", "check who can read and write the state directory"),
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
        return JournalDamaged(f"is damaged ({error})", where=str(path), hint=NEXT_RUN_MOVES_IT)
    if primary in _OF_A_VALUE or isinstance(error, sqlite3.ProgrammingError | sqlite3.InterfaceError):
        return Unfit(f"cannot save this ({error})", where=str(path))
    what, hint = _WORDS.get(primary, ("cannot be used", None))
    return JournalError(f"{what} ({error})", where=str(path), hint=hint)
