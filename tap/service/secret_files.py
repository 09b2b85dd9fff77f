"""Secrets that stand in files: read only where nobody else can, and read again once another was put there."""

from __future__ import annotations

import os
import stat
from pathlib import Path

__all__ = ["KeyFile", "SecretFileInvalid", "fits_header", "read_secret"]

_LONGEST = 65_536
_A_FILE = "a file with the secret"
_NO_TEXT = {True: "it contains more than printable ASCII", False: "it is not UTF-8 text"}


class SecretFileInvalid(Exception):
    """A file that cannot be used for a secret: what is wrong with it, and what to do."""


def fits_header(secret: str) -> bool:
    """Whether a secret can stand in a header of HTTP as it is."""
    return secret.isascii() and secret.isprintable() and " " not in secret


def read_secret(path: Path, *, guarded: bool = False, ascii_only: bool = True) -> str:
    """The secret in a file; spaces and line ends around it do not count.

    Only its owner may have rights to the file; where that is root, a group may read it, so that a service's own group
    can. ``guarded``: whoever put it there keeps it from others (systemd's credentials). ``ascii_only`` False: it is a
    password that somebody chose, and may hold any letters (UTF-8). Raises ``SecretFileInvalid``.
    """
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            text = file.read(_LONGEST).decode("ascii" if ascii_only else "utf-8").strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else _NO_TEXT[ascii_only]
        raise SecretFileInvalid(f"cannot be read: {reason} → {_A_FILE}") from None
    if not guarded and _open_to_others(status):
        mode = stat.S_IMODE(status.st_mode)
        raise SecretFileInvalid(f"can be read or written by other users (mode {mode:04o}) → chmod 600 {path}")
    if not text:
        raise SecretFileInvalid(f"is empty → {_A_FILE}")
    return text


def _open_to_others(status: os.stat_result) -> bool:
    if not stat.S_ISREG(status.st_mode):
        return False  # a pipe that a shell made: nobody finds it by name
    return bool(status.st_mode & (0o037 if status.st_uid == 0 else 0o077))


class KeyFile:
    """A key that stands in a file, and may be put right there while the service runs."""

    def __init__(self, path: Path, key: str, *, guarded: bool = False, password: bool = False) -> None:
        """``guarded``: whoever put it there keeps it from others; ``password``: it may hold any letters."""
        self.path = path
        self._key = key
        self._guarded = guarded
        self._password = password

    def __repr__(self) -> str:
        return f"KeyFile({str(self.path)!r})"

    def get_secret_value(self) -> str:
        """The key as it was read last."""
        return self._key

    def read_again(self) -> bool:
        """Whether another key stands there now, which is taken. A file that cannot be used changes nothing."""
        try:
            key = read_secret(self.path, guarded=self._guarded, ascii_only=not self._password)
        except SecretFileInvalid:
            return False
        fits = key.isprintable() if self._password else fits_header(key)
        changed = key != self._key and fits
        if changed:
            self._key = key
        return changed

    def another(self) -> str | None:
        """The key that stands there now, where it is another than before."""
        return self._key if self.read_again() else None
