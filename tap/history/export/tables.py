"""Tables for people and programs: shots, events and reels as CSV, every row as JSON lines.

NB what a camera is called may be anything, and a spreadsheet computes what begins like a formula. Which character parts
the cells is for the reader's machine to say, not for us: so no part of a text may begin like one, whatever parts it.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from datetime import UTC, datetime, tzinfo

import orjson

from tap.core.merge import Row
from tap.history.export.edit import Edit, begin_of
from tap.history.export.edl import source_timecode
from tap.history.export.layouts import LaidOut
from tap.history.export.sources import Piece
from tap.history.shots import Shot, shots_of
from tap.history.terminal.lines import row_object
from tap.history.timeline import Event, Timeline

__all__ = ["csv_file", "jsonl_file", "reels_file", "shots_file"]

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
_SHOT_COLUMNS = (
    *("in", "out", "length", "camera", "from", "transition", "timecode", "file", "position", "fileTimecode"),
    *("cameraId", "fromCameraId", "durationMs", "atMs"),
)
_BOM = "\ufeff"
"""Without it Excel takes UTF-8 for something else."""
_FORMULA = re.compile(r"(?<![^\W_])([=+\-@＝＋－＠﹢﹣﹦﹫−](?!\s)|(?<!\s)[=+\-@＝＋－＠﹢﹣﹦﹫−])")
"""What begins a formula, in any width, where a cell may begin: anywhere but in a word. A dash amid words does not."""
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def csv_file(timeline: Timeline, edit: Edit, zone: tzinfo | None) -> str:
    """One line an event, in order of time; times in ``zone``, and the record timecode at the edit's rate."""
    return _BOM + _table(_COLUMNS, (_event(event, edit, zone) for event in timeline.events))


def _event(event: Event, edit: Edit, zone: tzinfo | None) -> tuple[object, ...]:
    return (
        _local(event.at, zone),
        event.at,
        edit.record(edit.grid.frame(event.moment)),
        *(event.kind, event.camera_id, event.camera_name, event.from_camera_id, event.from_camera_name),
        *(event.trigger, event.transition, event.duration_ms, event.still_key),
        None if event.detail is None else _Json(_harmless_json(event.detail)),
        event.key,
    )


class _Json(str):
    """Text that is harmless already, and has to stay JSON."""

    __slots__ = ()


def _harmless_json(detail: object) -> str:
    """JSON that means the same, and has nothing in its texts that could begin a formula."""

    def spelt(found: re.Match[str]) -> str:
        return f"\\u{ord(found[0]):04x}"

    return _STRING.sub(lambda text: _FORMULA.sub(spelt, text[0]), orjson.dumps(detail).decode())


def reels_file(laid: LaidOut) -> str:
    """Which camera is which source: the reel that the list names (AX: the file has none), and the file."""
    lines = []
    for reel in laid.edit.reels.values():
        angle = laid.media.cameras.get(reel.camera_id)
        for source in [] if angle is None else angle.sources:
            path = source.path
            lines.append(
                (source.reel if path is None else source.reel or "AX", reel.camera_id, reel.name, reel.role, path)
            )
        if angle is None:
            lines.append(("", reel.camera_id, reel.name, reel.role, None))
    return _table(("reel", "cameraId", "name", "role", "file"), lines)


def shots_file(timeline: Timeline, laid: LaidOut, zone: tzinfo | None) -> str:
    """One line a shot, the first included: when, how long, of which camera, and where in which file it stands."""
    names = {camera_id: reel.name for camera_id, reel in laid.edit.reels.items()}
    shots = [shot for shot in shots_of(timeline) if shot.camera_id is not None]
    return _BOM + _table(_SHOT_COLUMNS, (_shot(shot, laid, names, zone) for shot in shots))


def _shot(shot: Shot, laid: LaidOut, names: dict[str, str], zone: tzinfo | None) -> tuple[object, ...]:
    edit = laid.edit
    first, last = max(0, begin_of(shot, edit.grid)), edit.grid.frame(shot.end)
    piece = _piece(laid, shot.camera_id or "", first, max(last, first + 1))
    return (
        _local(shot.start, zone),
        _local(shot.end, zone),
        _lasting(shot.length),
        names.get(shot.camera_id or ""),
        names.get(shot.from_camera_id or "", shot.from_camera_id),
        shot.transition,
        edit.record(first),
        *_place(piece, edit),
        *(shot.camera_id, shot.from_camera_id, shot.duration_ms or None, shot.start),
    )


def _piece(laid: LaidOut, camera_id: str, first: int, last: int) -> Piece | None:
    angle = laid.media.angle(camera_id) if laid.media.linked else None
    return (
        None if angle is None else next((piece for piece in angle.cut(first, last) if piece.source is not None), None)
    )


def _place(piece: Piece | None, edit: Edit) -> tuple[str | None, str | None, str | None]:
    """The file, where in it (time from its first picture), and its timecode there."""
    source = None if piece is None else piece.source
    if piece is None or source is None:
        return None, None, None
    timecode, _ = source_timecode(edit, source, piece.frame, piece.length)
    return source.name, _lasting(round(piece.frame * 1000 / source.rate.fps)), timecode


def _lasting(ms: int) -> str:
    seconds, rest = divmod(ms, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{rest:03d}"


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
    if not isinstance(value, str) or isinstance(value, _Json):
        return value
    return _FORMULA.sub(r"'\1", _CONTROL.sub(" ", value))


def jsonl_file(rows: Iterable[Row], timeline: Timeline) -> str:
    """Every row of the session as the ledger has it, with its ``table``: the session first, then in order of time."""
    places = {event.key: place for place, event in enumerate(timeline.events)}
    kept = sorted(rows, key=lambda row: (_ORDER[row.op], places.get(row.key, row.version), row.key))
    return "".join(orjson.dumps({"table": _TABLES[row.op], **row_object(row)}).decode() + "\n" for row in kept)


def _local(at: int, zone: tzinfo | None) -> str:
    moment = datetime.fromtimestamp(at // 1000, UTC).replace(microsecond=at % 1000 * 1000).astimezone(zone)
    return moment.isoformat(timespec="milliseconds")
