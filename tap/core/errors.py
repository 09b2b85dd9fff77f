"""Every error that the tap raises on purpose, in one tree.

    TapError                      what happened, where, and what to do next
    ├── SettingsInvalid           one line for each wrong setting            (exit 78)
    ├── UsageInvalid              what was asked for can never be            (exit 2)
    ├── MappingInvalid            a dialect file with a mistake              (exit 1)
    ├── TapeInvalid               a file that is not a tape                     (exit 1)
    ├── JournalError              the journal cannot be used as asked        (exit 1)
    │   ├── JournalBusy           another process owns it
    │   ├── JournalDamaged        SQLite says that the file is not whole
    │   ├── JournalForeign        the database of another program
    │   └── JournalVersion        written by a later version of the tap
    ├── ServerError               the server cannot be reached or is none    (exit 1)
    │   └── HandshakeRefused      it will not have us, or we it, as things are set
    └── LedgerError               Convex, as the rest of the tap sees it
        ├── LedgerUnavailable     maybe later: retry for ever
        └── LedgerRejected        never: set the entry aside

Foreign errors (sqlite3, websockets, aiohttp) stop at the adapter that knows them.
"""

from __future__ import annotations

import posixpath

__all__ = [
    "HandshakeRefused",
    "JournalBusy",
    "JournalDamaged",
    "JournalError",
    "JournalForeign",
    "JournalVersion",
    "LedgerError",
    "LedgerRejected",
    "LedgerUnavailable",
    "MappingInvalid",
    "ServerError",
    "SettingsInvalid",
    "TapError",
    "TapeInvalid",
    "UsageInvalid",
    "cannot_write",
    "folder_missing",
]


class TapError(Exception):
    """Something that a person has to know.

    ``str()`` gives one line: what, where, and (after "→") what to do next.
    """

    def __init__(self, what: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        text = self.what if self.where is None else f"{self.where}: {self.what}"
        return text if self.hint is None else f"{text} → {self.hint}"


def folder_missing(folder: str) -> TapError:
    """A file cannot be written, since its folder does not exist."""
    return TapError("the folder does not exist", where=folder, hint="make it, or name another")


def cannot_write(path: str, error: OSError) -> TapError:
    """A file cannot be written; where its folder does not exist, it says so."""
    if isinstance(error, FileNotFoundError):
        return folder_missing(posixpath.dirname(path) or ".")
    hint = "make room, or name a file in a folder where you can write"
    return TapError(f"cannot be written: {error.strerror}", where=path, hint=hint)


class SettingsInvalid(TapError):
    """Settings that cannot be used; ``problems`` holds one line for each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class UsageInvalid(TapError):
    """What was asked for can never be, whatever runs or is recorded: a name or a number that there is not."""


class MappingInvalid(TapError):
    """A dialect file with a mistake; ``where`` names file, rule and key (or the line)."""


class TapeInvalid(TapError):
    """A file that is not a tape; ``where`` names file and line."""


class JournalError(TapError):
    """The journal cannot be used as asked; ``where`` is its path."""


class JournalBusy(JournalError):
    """Another process owns this journal."""


class JournalDamaged(JournalError):
    """SQLite says that this journal's file is not whole."""


class JournalForeign(JournalError):
    """What stands in the journal's place is the database of another program; it is not touched."""


class JournalVersion(JournalError):
    """This file was written by a version of the tap that this one cannot read."""


class ServerError(TapError):
    """The server cannot be reached, refuses, or does not speak the dialect."""


class HandshakeRefused(ServerError):
    """The server cannot be listened to as it is: somebody has to change a setting, here or there."""


class LedgerError(TapError):
    """Convex did not take what was sent."""


class LedgerUnavailable(LedgerError):
    """The ledger may take it later."""


class LedgerRejected(LedgerError):
    """The ledger will never take this."""
