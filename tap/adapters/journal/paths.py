"""The journal's files on the disk: their names, how they are made, synced and moved aside, and which file is which."""

from __future__ import annotations

import os
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import TypeAlias

from tap.adapters.clock import utc_now
from tap.adapters.journal.errors import place_hint
from tap.adapters.private import make_private_directory, open_private, sync_directory, tighten
from tap.core.errors import JournalError

__all__ = ["Identity", "beside", "identity", "make_directory", "make_file", "move_aside", "sync_file"]


_COMPANIONS = ("-wal", "-shm", "-journal")
_ALL = ("", *_COMPANIONS)
Identity: TypeAlias = tuple[int, int] | None
"""Device and inode of a file; None where there is none."""


def identity(path: Path | str) -> Identity:
    """Which file this is, whatever it is called; None where there is none."""
    try:
        status = os.stat(path)  # noqa: PTH116 - asked for at each commit, by names that are made once
    except OSError:
        return None
    return status.st_dev, status.st_ino


def beside(path: Path, end: str) -> Path:
    """A file that SQLite keeps beside the database (``-wal``, ``-shm``)."""
    return path.with_name(path.name + end)


def make_directory(path: Path) -> None:
    """Make the state directory, for its owner alone, where there is none."""
    try:
        make_private_directory(path)
    except OSError as error:
        raise JournalError(f"cannot be made: {error.strerror}", where=str(path), hint=place_hint(path)) from None


def make_file(path: Path) -> None:
    """Make an empty journal, for its owner alone, where there is none, and see that its name is on the disk."""
    try:
        # Never opened again but by SQLite: closing another descriptor of the file would drop SQLite's own locks.
        os.close(open_private(path, os.O_WRONLY | os.O_EXCL))
    except FileExistsError:
        if not path.is_file():
            raise JournalError("is not a file", where=str(path), hint=place_hint(path)) from None
        with suppress(OSError):
            tighten(path)  # SQLite gives its own files beside it the same mode
    except OSError as error:
        raise JournalError(f"cannot be made: {error.strerror}", where=str(path), hint=place_hint(path)) from None
    try:
        # SQLite does so for its log, but not for a file that was there before it came.
        sync_directory(path.parent)
    except OSError as error:
        raise JournalError(f"cannot be synced: {error.strerror}", where=str(path), hint=place_hint(path)) from None


def sync_file(path: Path) -> None:
    """Bring a file beside the journal onto the disk, if it is there; never the journal itself (see ``make_file``)."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        raise JournalError(f"cannot be synced: {error.strerror}", where=str(path), hint=place_hint(path)) from None
    finally:
        os.close(descriptor)


def move_aside(path: Path, why: str = "damaged", *, log_only: bool = False) -> Path:
    """Give a journal that cannot be used, with all that belongs to it, another name. Nothing is deleted.

    With ``log_only`` only what belonged to a file that is gone. The new name of the journal.
    """
    stamp = utc_now().strftime("%Y%m%dT%H%M%SZ")
    names = (f"{path.stem}.{why}-{stamp}{'-' * bool(n)}{n or ''}{path.suffix}" for n in count())
    target = next(new for new in map(path.with_name, names) if not any(beside(new, e).exists() for e in _ALL))
    try:
        for end in _COMPANIONS if log_only else _ALL:
            with suppress(FileNotFoundError):
                beside(path, end).rename(beside(target, end))
    except OSError as error:
        what = f"is {why}, and cannot be moved aside: {error.strerror}"
        raise JournalError(what, where=str(path), hint=place_hint(path)) from None
    with suppress(OSError):  # whoever makes another in its place syncs the names of both
        sync_directory(path.parent)
    return target
