"""Files and directories for their owner alone, whatever umask the process was started with."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

__all__ = ["make_private_directory", "open_private", "sync_directory", "tighten"]


def make_private_directory(path: Path) -> None:
    """Make ``path``, and what is missing above it, with mode 0700, on the disk. What is there stays as it is.

    Raises ``OSError``.
    """
    missing = [place for place in (path, *path.parents) if not place.exists()]
    for place in reversed(missing):
        place.mkdir(mode=0o700, exist_ok=True)
        # The umask may have taken the owner's own rights away.
        place.chmod(0o700)
    if not path.is_dir():
        raise NotADirectoryError(20, os.strerror(20))
    # Also where it was there: whoever made it may have been stopped before its name was safe.
    for place in missing or [path]:
        sync_directory(place.parent)


def open_private(path: Path, flags: int) -> int:
    """A descriptor of ``path``, made with mode 0600 where it is missing. Raises ``OSError``."""
    try:
        descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        if flags & os.O_EXCL:
            raise
        return os.open(path, flags | os.O_CREAT, 0o600)
    os.fchmod(descriptor, 0o600)
    return descriptor


def sync_directory(path: Path) -> None:
    """Bring the names in a directory onto the disk: a file is only there after a power cut if its name is.

    Where a filesystem does not do that for directories, it is left to it. Raises ``OSError`` where the disk fails.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except PermissionError:
        return  # a directory that may be used, and not be listed
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(descriptor)


def tighten(path: Path) -> None:
    """Take from everybody else what they may do with a file of ours; one that belongs to somebody else is left."""
    status = path.stat()
    if stat.S_ISREG(status.st_mode) and stat.S_IMODE(status.st_mode) & 0o077 and status.st_uid == os.geteuid():
        path.chmod(0o600)
