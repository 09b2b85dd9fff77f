"""Tables for people and programs: events as CSV, every row as JSON lines, chapters as WebVTT, reels as CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, tzinfo

import orjson

from tap.core.merge import Row
from tap.history.export.edit import Edit
from tap.history.export.reels import Reel, printable
from tap.history.listing import row_object
from tap.history.timeline import Event, Timeline

__all__ = ["csv_file", "jsonl_file", "reels_file", "webvtt_file"]

_COLUMNS = (
    *("time", "atMs", "timecode", "kind", "cameraId", "cameraName", "fromCameraId", "fromCameraName", "trigger"),
    *("transition", "durationMs", "stillKey", "detail", "eventKey"),
)
_ORDER = {"session": 0, "camera": 1, "event": 2, "still": 3}
_TABLES = {
    "session": "productionSessions",
    "camera": "productionCameras",
    "event": "productionDirectorEvents",
    "still": "productionStills",
}
_FORMULA = ("=", "+", "-", "@")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def csv_file(timeline: Timeline, edit: Edit, zone: tzinfo | None) -> str:
    """One line an event, in order of time; times in ``zone``, and the record timecode at the edit's rate."""
    return _table(_COLUMNS, (_event(event, timeline, edit, zone) for event in timeline.events))


def _event(event: Event, timeline: Timeline, edit: Edit, zone: tzinfo | None) -> tuple[object, ...]:
    return (
        _local(event.at, zone),
        event.at,
        edit.record(edit.rate.frames(event.moment - timeline.start)),
        *(event.kind, event.camera_id, event.camera_name, event.from_camera_id, event.from_camera_name),
        *(event.trigger, event.transition, event.duration_ms, event.still_key),
        None if event.detail is None else orjson.dumps(event.detail).decode(),
        event.key,
    )


def reels_file(reels: Iterable[Reel]) -> str:
    """Which camera is which reel."""
    return _table(("reel", "cameraId", "name", "role"), ((r.reel, r.camera_id, r.name, r.role) for r in reels))


def _table(columns: tuple[str, ...], lines: Iterable[tuple[object, ...]]) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows([_cell(value) for value in line] for line in lines)
    return text.getvalue()


def _cell(value: object) -> object:
    """A name that begins like a formula must not become one in a spreadsheet; JSON lines have it as it is.

    Nor may it steer a terminal: control characters become spaces.
    """
    if not isinstance(value, str):
        return value
    text = _CONTROL.sub(" ", value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def jsonl_file(rows: Iterable[Row], timeline: Timeline) -> str:
    """Every row of the session as the ledger has it, with its ``table``: the session first, then in order of time."""
    places = {event.key: place for place, event in enumerate(timeline.events)}
    kept = sorted(rows, key=lambda row: (_ORDER[row.op], places.get(row.key, row.version), row.key))
    return "".join(orjson.dumps({"table": _TABLES[row.op], **row_object(row)}).decode() + "\n" for row in kept)


def webvtt_file(timeline: Timeline) -> str:
    """A chapter for each shot, and one for each time that was not seen; times from the start of the session."""
    lines = ["WEBVTT", ""]
    for number, (start, end, name) in enumerate(sorted(_chapters(timeline)), 1):
        lines += [str(number), f"{_clock(start)} --> {_clock(end)}", name, ""]
    return "\n".join(lines)


def _chapters(timeline: Timeline) -> Iterator[tuple[int, int, str]]:
    for lane in timeline.lanes:
        name = _cue(lane.name or lane.camera_id)
        for span in lane.on_air:
            yield span.start - timeline.start, span.end - timeline.start, name
    for span in timeline.unknown:
        yield span.start - timeline.start, span.end - timeline.start, "(gap: nothing was heard)"


def _cue(name: str) -> str:
    return printable(name).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _clock(ms: int) -> str:
    seconds, rest = divmod(ms, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{rest:03d}"


def _local(at: int, zone: tzinfo | None) -> str:
    moment = datetime.fromtimestamp(at // 1000, UTC).replace(microsecond=at % 1000 * 1000).astimezone(zone)
    return moment.isoformat(timespec="milliseconds")
