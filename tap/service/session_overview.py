"""What the journal has of its newest sessions: kept, delivered, set aside, and the stills that never arrived."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from tap.adapters.journal import Journal
from tap.core.merge import Row, fold
from tap.core.status import MissingStill, SessionKept

__all__ = ["SHOWN", "sessions_in"]

SHOWN = 10
_PATIENCE_MS = 120_000
"""How long a still may be on its way since it was heard of last."""
_MISSING_NAMED = 50
_LONGEST = 200


def sessions_in(journal: Journal, now: int, running: str | None, limit: int = SHOWN) -> list[SessionKept]:
    """The newest sessions. ``running`` is the one that is heard now (its key), ``now`` wall ms.

    Raises ``JournalError``.
    """
    return [_session(journal, key, now, running) for key in islice(journal.sessions(), limit)]


def _session(journal: Journal, key: str, now: int, running: str | None) -> SessionKept:
    rows = fold(kept.entry for kept in journal.entries(key, op="session"))
    row = rows.get(key)
    fields = {} if row is None else row.fields
    counts = journal.counts(key)
    last = journal.last_entry(key)
    status = "forgotten" if not fields else str(fields.get("status"))
    if row is not None and row.retracted is not None:
        status = "retracted"
    live = status == "live" and key == running
    missing = _missing(journal, key, now)
    return SessionKept(
        key=key,
        title=_text(fields.get("title")),
        status=status,
        started_at=fields.get("startedAt"),
        last_entry=0 if last is None else last.committed_at,
        kept=sum(counts.values()),
        shipped=counts["shipped"],
        waiting=counts["pending"],
        dead=counts["dead"],
        stills_missing=list(islice(missing, _MISSING_NAMED)),
        left_live=status == "live" and not live,
    )


def _missing(journal: Journal, key: str, now: int) -> Iterator[MissingStill]:
    """Stills that failed, and those that are not there although their time is up.

    Where nothing was ever uploaded, uploads are not told at all: what was taken is not missed then.
    """
    stills = [
        row for row in fold(kept.entry for kept in journal.entries(key, op="still")).values() if not row.retracted
    ]
    there = ("uploaded",) if any(row.fields.get("status") == "uploaded" for row in stills) else ("uploaded", "captured")
    for row in stills:
        fields = row.fields
        heard = fields.get("capturedAt", fields.get("requestedAt"))
        late = fields.get("status") == "failed" or heard is None or now - heard > _PATIENCE_MS
        if fields.get("status") not in there and late:
            yield _still(row, fields.get("requestedAt", heard))


def _still(row: Row, asked: int | None) -> MissingStill:
    fields = row.fields
    camera = _text(fields.get("cameraName") or fields.get("cameraId"))
    return MissingStill(
        _text(fields.get("stillId")), camera, str(fields.get("status")), asked, _text(fields.get("failReason"))
    )


def _text(value: object) -> str | None:
    return value[:_LONGEST] if isinstance(value, str) else None
