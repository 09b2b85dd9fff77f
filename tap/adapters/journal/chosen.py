"""New entries of a session that people or a repair have changed: they have to be changed in the same way.

Somebody may split a session, join two or rename one while the tap still hears it; a repair may have written it again.
An entry that the owner adds then is saved under the keys that were chosen, and at the repair's revision, or nobody
would see it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from tap.adapters.journal.file import JournalFile
from tap.adapters.journal.reading import revision, session_fields
from tap.adapters.journal.rows import raised, row_of
from tap.adapters.journal.session_steps import steps_in
from tap.core.model import Entry
from tap.core.session_steps import Step, effective, follow

__all__ = ["as_chosen"]


def as_chosen(file: JournalFile, entries: Sequence[Entry], rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The rows to keep for these entries, of which ``rows`` are the plain ones. Inside a transaction of ``file``."""
    if not file.owned:
        return rows
    repaired = _revisions(file, {entry.session_key for entry in entries})
    if not any(repaired.values()):
        return rows
    # Only of a session that was repaired can anybody have chosen something.
    now_ms = rows[0][-1]
    followed = _followed(file, entries)
    repaired = _revisions(file, {entry.session_key for entry in followed})
    return [raised(row_of(entry, now_ms), repaired[entry.session_key]) for entry in followed]


def _revisions(file: JournalFile, sessions: Iterable[str]) -> dict[str, int]:
    """The highest revision of each session."""
    return {key: revision(file, key) for key in sessions}


def _followed(file: JournalFile, entries: Sequence[Entry]) -> Sequence[Entry]:
    """The entries as what was chosen of their sessions has them."""
    steps = effective(steps_in(file.db))
    if not steps:
        return entries
    followed = (_followed_one(file, steps, entry) for entry in entries)
    return [entry for entry in followed if entry is not None]


def _followed_one(file: JournalFile, steps: Sequence[Step], entry: Entry) -> Entry | None:
    try:
        return follow(steps, entry, partial(session_fields, file))
    except Exception:  # noqa: BLE001 - whatever is odd about a choice, what is received has to be written all the same
        return entry
