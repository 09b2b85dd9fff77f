"""Entries and sessions as lines of text, for a person who looks through many of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import tzinfo
from difflib import SequenceMatcher
from typing import Any

from tap.core.codec import iso, venue_of
from tap.core.kinds import said_of
from tap.core.merge import Row
from tap.core.model import Entry
from tap.history.formatting import iso_moment, plain

__all__ = ["change_line", "change_object", "entry_line", "near_keys", "row_object", "session_line"]


def entry_line(entry: Entry, refused: str | None = None) -> str:
    """One entry as a line: its time (in UTC, so that the line is the same everywhere), kind, key and content.

    ``refused``: why the ledger rejected it, if it did.
    """
    fields = entry.fields
    at = fields.get("at", entry.version)
    said = _SAYS[entry.op](fields)
    taken_back = "" if entry.retracted is None else "  (taken back)"
    why = "" if refused is None else f"  refused: {refused}"
    return plain(f"{iso(at)}  {entry.op:<7}  {said}{taken_back}  [{entry.session_key}]{why}")


def session_line(row: Row, zone: tzinfo | None) -> str:
    """One session as a line: when it began (in ``zone``; None: the machine's), its status, key and title."""
    fields = row.fields
    title = fields.get("title") or "(no title)"
    started = iso_moment(fields.get("startedAt", row.version), zone)
    taken_back = "" if row.retracted is None else "  (taken back)"
    return plain(f"{started}  {fields.get('status', '?'):<11}  {row.key}  {title}{taken_back}")


def row_object(row: Row) -> dict[str, Any]:
    """A row as the ledger has it: the columns of every row, then its own."""
    common = {"sessionKey": row.session_key, "venue": venue_of(row.session_key), "version": row.version}
    revision = {"revision": row.revision} if row.revision else {}
    retracted = {} if row.retracted is None else {"retracted": row.retracted}
    return {**common, **revision, **retracted, **row.fields}


def change_object(row: Row, cursor: str | None) -> dict[str, Any]:
    """A row that changed, with its kind and key, and the cursor from which to go on after it."""
    resume = {} if cursor is None else {"cursor": cursor}
    return {"op": row.op, "key": row.key, **row_object(row), **resume}


def change_line(row: Row) -> str:
    """A row that changed, as a line for people."""
    what = str(row.fields.get("kind") or row.fields.get("status") or row.fields.get("name") or "")
    if row.retracted is not None:
        what = str(row.retracted.get("reason") or "retracted")
    return plain(f"{row.op:<7}  {what:<14}  {row.key}")


_NEAR = 0.6
_MOST_NEAR = 3


def near_keys(wanted: str, keys: Iterable[str]) -> list[str]:
    """The few session keys that are most like ``wanted``, nearest first: what somebody may have meant."""
    asked = wanted.casefold()

    def nearness(key: str) -> float:
        have = key.casefold()
        # Mostly it is a part of the key: the id without the venue, or a beginning.
        return 1.0 if asked and asked in have else SequenceMatcher(None, asked, have).ratio()

    ranked = sorted(((nearness(key), key) for key in keys), key=lambda pair: -pair[0])
    return [key for near, key in ranked[:_MOST_NEAR] if near >= _NEAR]


def _named(fields: Mapping[str, Any], prefix: str = "camera") -> str:
    """A camera's name, else its id."""
    return str(fields.get(f"{prefix}Name") or fields.get(f"{prefix}Id") or "nothing")


def _session(fields: Mapping[str, Any]) -> str:
    reason = f" ({fields['endReason']})" if "endReason" in fields else ""
    return f"{fields.get('status', '?')}{reason}  {fields.get('title', '')}".rstrip()


def _camera(fields: Mapping[str, Any]) -> str:
    words = (fields.get("name") or fields.get("cameraId"), fields.get("role"), fields.get("status"))
    return "  ".join(str(word) for word in words if word)


def _event(fields: Mapping[str, Any]) -> str:
    kind, detail = str(fields.get("kind")), fields.get("detail", {})
    says = _SAYS_EVENT.get(kind)
    return f"{kind:<13}  {said_of(kind, detail) if says is None else says(fields, detail)}".rstrip()


def _cut(fields: Mapping[str, Any], _: Mapping[str, Any]) -> str:
    to = _named(fields) if fields["kind"] == "cut" else "nothing"
    return f"{_named(fields, 'fromCamera')} → {to}  {fields.get('trigger', '')}"


def _gap(fields: Mapping[str, Any], detail: Mapping[str, Any]) -> str:
    if "durationMs" in fields:
        return f"{fields['durationMs']} ms"
    return "length unknown" if "before" in detail else "first signal"


_SAYS_EVENT: Mapping[str, Callable[[Mapping[str, Any], Mapping[str, Any]], str]] = {
    "cut": _cut,
    "hold": lambda fields, _: _named(fields),
    "release": lambda fields, _: f"after {fields['durationMs']} ms" if "durationMs" in fields else "",
    "mode_change": lambda _, detail: f"{detail.get('from', '?')} → {detail.get('to', '?')}",
    "still_marker": lambda _, detail: f"{detail.get('stillId', '')} of {', '.join(detail.get('cameraIds', []))}",
    "still_capture": lambda fields, detail: f"{detail.get('stillId', '')} by {_named(fields)}",
    "gap": _gap,
    "off_air": _cut,
}
"""Of those kinds that say it in other words here than :func:`said_of` does: each as its row's columns and detail."""


def _still(fields: Mapping[str, Any]) -> str:
    return f"{fields['status']:<13}  {fields.get('stillId', '')} by {_named(fields)}"


_SAYS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "session": _session,
    "camera": _camera,
    "event": _event,
    "still": _still,
}
