"""Files and directories for their owner alone, whatever umask the process was started with."""

from __future__ import annotations

import os
import stat
from pathlib import Path

__all__ = ["make_private_directory", "open_private", "tighten"]


def make_private_directory(path: Path) -> None:
    """Make ``path``, and what is missing above it, with mode 0700. What is there stays as it is. Raises ``OSError``."""
    missing = [place for place in (path, *path.parents) if not place.exists()]
    for place in reversed(missing):
        place.mkdir(mode=0o700, exist_ok=True)
        # The umask may have taken the owner's own rights away.
        place.chmod(0o700)
    if not path.is_dir():
        raise NotADirectoryError(20, os.strerror(20))


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


def tighten(path: Path) -> None:
    """Take from everybody else what they may do with a file of ours; one that belongs to somebody else is left."""
    status = path.stat()
    if stat.S_ISREG(status.st_mode) and stat.S_IMODE(status.st_mode) & 0o077 and status.st_uid == os.geteuid():
        path.chmod(0o600)
