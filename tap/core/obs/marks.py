"""Marks: what an operator, a button or a plugin wants to find again. Bounded in length and in rate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tap.core.codec import parse_id

__all__ = ["LABEL", "MARKS_A_MINUTE", "file_name", "is_too_many", "mark_of"]

LABEL = 200
"""Characters of the longest label."""
MARKS_A_MINUTE = 30
"""What is more than that in a minute is no person's doing."""
_MINUTE_MS = 60_000

_WORDS = ("marker", "label", "text")
"""What makes an event a mark, and what it is called: the first that is text."""


def mark_of(kind: str, data: Mapping[str, Any]) -> dict[str, Any] | None:
    """The mark in the data of a CustomEvent or a VendorEvent: ``label`` and ``source``; None where it is no mark."""
    source, said = "custom event", data
    if kind == "VendorEvent":
        inner = data.get("eventData")
        said = inner if isinstance(inner, dict) else {}
        source = _short(data.get("vendorName")) or "plugin"
    values = [said.get(word) for word in _WORDS]
    if not any(value is True or _is_text(value) for value in values):
        return None
    label = next((short for value in values if (short := _short(value))), None)
    return {"label": label, "source": source}


def is_too_many(marks: list[int], now: int) -> bool:
    """Whether a mark at ``now`` (``mono``) is one too many; if not, it is kept among ``marks``."""
    marks[:] = [mark for mark in marks if now - mark < _MINUTE_MS]
    if len(marks) >= MARKS_A_MINUTE:
        return True
    marks.append(now)
    return False


def file_name(path: str | None) -> str | None:
    """The last part of a path of any system, as a label."""
    return None if path is None else _short(path.replace("\\", "/").rpartition("/")[2])


def _is_text(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, (int, float)) and not isinstance(value, bool))


def _short(value: Any) -> str | None:
    words = value if isinstance(value, str) else parse_id(value)
    if words is None:
        return None
    words = " ".join(words[: 4 * LABEL].split())
    return (words if len(words) <= LABEL else f"{words[: LABEL - 1]}…") or None
