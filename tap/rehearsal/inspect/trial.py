"""A trial of a mapping: the entries that it gives of a tape, beside those that today's dialect gives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from tap.adapters.tape import read_tapes
from tap.core.mapping import Dialect
from tap.core.model import Entry
from tap.core.pipeline import Pipeline

__all__ = ["Trial", "TrialLine", "try_dialects"]

_MOST_ROWS = 50_000


class TrialLine(Struct, frozen=True, order=True):
    """One entry in words; ``at`` is its time (Unix ms)."""

    at: int
    what: str


class Trial(Struct):
    """What a tape gives, read by two dialects."""

    names: tuple[str, str]
    counts: tuple[Counter[str], Counter[str]]
    """Rows of the history by what they are, as read by each."""
    unknown: tuple[int, int] = (0, 0)
    """Objects of a type that it does not know, or without what makes them speak."""
    only: tuple[list[TrialLine], list[TrialLine]] = field(default_factory=lambda: ([], []))
    """What the one gives and the other does not."""
    both: int = 0
    cut_off: bool = False
    """There are more rows than are compared."""


def try_dialects(
    paths: list[Path], dialects: tuple[Dialect, Dialect], on_progress: Callable[[str, int, int], None]
) -> Trial:
    """Read these tapes with both dialects.

    Raises:
        TapeInvalid: A file is not a tape.
    """
    one, other = (_rows(paths, dialect, on_progress) for dialect in dialects)
    lines = (set(one[0].values()), set(other[0].values()))
    return Trial(
        names=(dialects[0].name, dialects[1].name),
        counts=(_counted(lines[0]), _counted(lines[1])),
        unknown=(one[1], other[1]),
        only=(sorted(lines[0] - lines[1]), sorted(lines[1] - lines[0])),
        both=len(lines[0] & lines[1]),
        cut_off=one[2] or other[2],
    )


def _rows(
    paths: list[Path], dialect: Dialect, on_progress: Callable[[str, int, int], None]
) -> tuple[dict[str, TrialLine], int, bool]:
    """The rows that the entries leave, how much could not be used, and whether there were too many."""
    rows: dict[str, TrialLine] = {}
    cut_off = False
    with read_tapes(paths) as items:
        header = items.header
        pipeline = Pipeline(dialect, venue=header.venue or "local", tap=header.tap or "tape", policy=header.policy)
        for number, item in enumerate(items):
            if number % 500 == 0:
                on_progress(f"reading by {dialect.name}", items.bytes_read, items.size)
            for entry in pipeline.feed(item):
                if entry.key in rows or len(rows) < _MOST_ROWS:
                    rows[entry.key] = _line(entry)
                else:
                    cut_off = True
    tally = pipeline.tally
    return rows, sum(tally.unknown.values()) + tally.incomplete + tally.unreadable, cut_off


def _counted(lines: set[TrialLine]) -> Counter[str]:
    return Counter(line.what.split(":", 1)[0] for line in lines)


def _line(entry: Entry) -> TrialLine:
    fields = entry.fields
    match entry.op:
        case "session":
            told = [fields.get(name) for name in ("sessionId", "title", "status", "endReason")]
            return TrialLine(int(fields.get("startedAt", 0)), _said("session", *told))
        case "camera":
            told = [fields.get(name) for name in ("cameraId", "name", "role", "device", "status")]
            return TrialLine(int(fields.get("joinedAt", 0)), _said("camera", *told))
        case "still":
            at = fields.get("requestedAt") or fields.get("capturedAt") or fields.get("uploadedAt") or 0
            told = [fields.get(name) for name in ("stillId", "cameraId", "status")]
            return TrialLine(int(at), _said("still", *told))
        case _:
            return TrialLine(int(fields.get("at", 0)), _event(fields))


def _event(fields: Any) -> str:
    detail = fields.get("detail") or {}
    was = fields.get("fromCameraId")
    parts = (
        detail.get("stillId"),
        detail.get("kind"),
        None if was is None else f"from {was}",
        None if "to" not in detail else f"{detail.get('from')} → {detail['to']}",
        fields.get("trigger"),
        fields.get("transition"),
        None if fields.get("durationMs") is None else f"{fields['durationMs']} ms",
        "only in a state" if detail.get("inferred") else None,
    )
    return _said(str(fields.get("kind")), fields.get("cameraId"), *parts)


def _said(what: str, *parts: object) -> str:
    told = [str(part) for part in parts if part is not None]
    return f"{what}: {', '.join(told)}" if told else f"{what}:"
