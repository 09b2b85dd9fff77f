"""The tap's id in a file of its own, so that it outlives a journal that was moved aside."""

from __future__ import annotations

import os
import re
from pathlib import Path

from tap.adapters.private import open_private, sync_directory
from tap.core.errors import JournalError

__all__ = ["keep_tap_id", "tap_id_in"]


_TAP_ID = re.compile(r"[0-9a-f]{12}")


def tap_id_in(file: Path) -> str | None:
    """The id that is in the file; None where there is no file, or no id in it."""
    try:
        text = file.read_text(errors="replace").strip()
    except OSError:
        return None
    return text if _TAP_ID.fullmatch(text) else None


def keep_tap_id(file: Path, tap_id: str) -> None:
    """Write the id, whole or not at all, on the disk. Raises ``JournalError``."""
    new = file.with_name(file.name + ".new")
    try:
        descriptor = open_private(new, os.O_WRONLY | os.O_TRUNC)
        with os.fdopen(descriptor, "w") as stream:
            stream.write(tap_id + "\n")
            stream.flush()
            os.fsync(descriptor)
        new.replace(file)
        sync_directory(file.parent)
    except OSError as error:
        hint = "give the tap's user the right to write the state directory"
        raise JournalError(f"cannot be written: {error.strerror}", where=str(file), hint=hint) from None
