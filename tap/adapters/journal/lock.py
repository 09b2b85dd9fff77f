"""The right to be the one service on a journal."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from tap.adapters.journal.errors import place_hint
from tap.adapters.journal.paths import Identity, identity
from tap.adapters.private import open_private
from tap.core.errors import JournalBusy, JournalError

__all__ = ["Lock", "is_locked"]


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
            raise JournalError(f"cannot be locked: {error.strerror}", where=str(path), hint=place_hint(path)) from None
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
        """See that it still keeps everybody else away; whether its file was gone, and had to be made again.

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
        """Let go of it; more than once does no harm."""
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
    """The process that says in the lock's file that it holds it; empty where nothing readable is there."""
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
