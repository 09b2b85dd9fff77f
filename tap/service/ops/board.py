"""What the live page draws: the happenings of the session that runs, or of the last one, up to a bound.

It is told of entries as they are made, so it shows what the history will say and nothing else. As everywhere, a session
is read in the one order of :mod:`tap.core.reading`; here by the clock that the server has now, which the page's own
clock shows too: where that was set, what was before it moves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from msgspec import Struct, structs

from tap.core.kinds import KINDS
from tap.core.model import Entry
from tap.core.plain import plain
from tap.core.reading import NEAR_MS, number, read
from tap.core.status import Happening

__all__ = ["Board", "shown", "shown_id"]

KEPT = 1_000
"""Happenings: some hours of a busy shoot."""
_CAMERAS_WATCHED = 1_000
_TOGETHER_MS = 1_000
"""Cameras that are told so soon after the session were there with it."""
_TEXT = 120
_ID = 80


def shown(text: object) -> str | None:
    """A text as the page gets it: harmless, and not too long; None where there is none."""
    if not isinstance(text, str) or not text:
        return None
    text = plain(text[: 2 * _TEXT])
    return text if len(text) <= _TEXT else text[:_TEXT] + "…"


def shown_id(text: object) -> str | None:
    """An id as the page gets it: two that differ still do."""
    if not isinstance(text, str) or not text:
        return None
    if len(text) <= _ID:
        return plain(text)
    # Not for secrecy: only so that long ones that begin alike stay apart.
    return plain(text[:_ID]) + "…" + hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:8]


class _Line(Struct):
    """A happening as it is shown, and where its time comes from."""

    shown: Happening
    at: int
    """As the row has it."""
    event: Entry | None = None
    """Where it is an event: what orders it."""


class Board:
    """The happenings of one session."""

    def __init__(self) -> None:
        self.session: str | None = None
        self._lines: dict[str, _Line] = {}
        self._row: Mapping[str, Any] = {}
        self._started = self._seen = 0
        self._present: dict[str, bool] = {}
        self._newest = 0
        self._lead: int | None = None
        """How far the server's clock was ahead of ours at the last event."""
        self._uneven = False
        """What came since the session was read last does not just go on."""
        self._was_set = False
        """The server's clock was."""
        self._held_at = 0

    @property
    def happenings(self) -> list[Happening]:
        """All of them, as they came."""
        return [line.shown for line in self._lines.values()]

    def take(self, entries: Iterable[Entry]) -> list[Happening]:
        """What these entries add; begins anew with another session that is live."""
        news: dict[str, Happening] = {}
        for entry in entries:
            if entry.op == "session" and entry.session_key != self.session and entry.fields.get("status") == "live":
                self._begin(entry)
            if entry.session_key == self.session:
                happening = _TELLS[entry.op](self, entry.key, entry.fields, entry.version)
                if happening is not None:
                    self._keep(happening, entry)
                    news[happening.key] = happening
        return list(news.values())

    def settle(self) -> list[Happening]:
        """Read the session anew where that may put something to another moment: what it has moved."""
        if not self._uneven:
            return []
        self._uneven = False
        reading = read((line.event for line in self._lines.values() if line.event is not None), self._row)
        shift = reading.last_shift
        self._was_set = bool(reading.steps)
        moments = {entry.key: moment - shift for entry, moment in zip(reading.rows, reading.moments, strict=True)}
        moved = []
        for line in self._lines.values():
            if line.event is not None:
                at = moments[line.event.key]
            elif line.shown.kind == "end":
                at = line.at
            else:
                at = reading.moment_of(line.at, last=line.shown.kind != "start") - shift
            if at != line.shown.at:
                line.shown = structs.replace(line.shown, at=at)
                moved.append(line.shown)
        return moved

    def _begin(self, entry: Entry) -> None:
        self.session = entry.session_key
        self._started = _time(entry.fields, "startedAt", entry.version)
        # It may have run for long before it was first seen.
        self._seen = max(self._started, _time(entry.fields.get("startState") or {}, "at", 0))
        self._present, self._lines = {}, {}
        self._newest, self._held_at, self._lead, self._uneven, self._was_set = 0, 0, None, False, False

    def _keep(self, happening: Happening, entry: Entry) -> None:
        event = entry if entry.op == "event" else None
        self._lines.pop(happening.key, None)
        self._lines[happening.key] = _Line(happening, happening.at, event)
        while len(self._lines) > KEPT:
            del self._lines[next(iter(self._lines))]
        if event is None:
            self._uneven = self._uneven or self._was_set
        elif happening.kind in KINDS and KINDS[happening.kind].at_once:
            self._uneven = not self._goes_on(happening, number(event.fields.get("observedAt"))) or self._uneven

    def _goes_on(self, happening: Happening, heard: int | None) -> bool:
        """Whether an event follows the one before it by both clocks, and a hold is as long as is said."""
        lead = happening.at - (happening.at if heard is None else heard)
        even = self._lead is None or abs(lead - self._lead) <= NEAR_MS
        follows = happening.at >= self._newest
        length = happening.at - self._held_at
        if happening.kind == "hold":
            self._held_at = happening.at
        elif happening.kind == "release" and happening.duration_ms is not None:
            even = even and abs(length - happening.duration_ms) <= NEAR_MS
        self._newest, self._lead = max(self._newest, happening.at), lead
        return even and follows

    # ------------------------------------------------------------------------------------------ by kind of row

    def _session(self, key: str, fields: Mapping[str, Any], version: int) -> Happening | None:
        self._row = fields
        if fields.get("status") != "live":
            words = " ".join(str(word) for word in (fields.get("status"), fields.get("endReason")) if word)
            return Happening("end", f"end/{key}", _time(fields, "completedAt", version), words=shown(words))
        start = fields.get("startState") or {}
        program = start.get("programCameraId")
        return Happening("start", f"start/{key}", self._started, camera=shown_id(program), words=_title(fields))

    def _camera(self, key: str, fields: Mapping[str, Any], version: int) -> Happening | None:
        online = fields.get("status") != "offline"
        known = self._present.get(key)
        if len(self._present) < _CAMERAS_WATCHED:
            self._present[key] = online
        if online and (known is None or known):
            # Those that were there from the beginning are no news, and nor is a change of a name.
            joined = _time(fields, "joinedAt", version)
            if known is not None or joined <= self._seen + _TOGETHER_MS:
                return None
        if not online and known is False:
            return None
        at = _time(fields, "joinedAt" if online and known is None else "leftAt", version)
        words = "joined" if online else "left"
        return Happening("camera", f"{words}/{key}/{version}", at, *_camera_of(fields), words=words)

    def _event(self, key: str, fields: Mapping[str, Any], version: int) -> Happening | None:
        kind = str(fields.get("kind"))
        detail = fields.get("detail") or {}
        camera, name = _camera_of(fields)
        from_camera = shown_id(fields.get("fromCameraId"))
        if kind == "gap":
            # What stood before it is shown no further than it, whatever is told after.
            camera = shown_id((detail.get("after") or {}).get("programCameraId"))
            from_camera = shown_id((detail.get("before") or {}).get("programCameraId"))
        elif kind in ("still_marker", "still_capture"):
            key = fields.get("stillKey") or key
        return Happening(
            kind,
            key if kind not in ("still_marker", "still_capture") else f"{kind}/{key}",
            _time(fields, "at", version),
            camera=camera,
            name=name,
            from_camera=from_camera,
            from_name=shown(fields.get("fromCameraName")) or from_camera,
            words=shown(_WORDS.get(kind, _nothing)(fields, detail)),
            duration_ms=_number(fields.get("durationMs")),
        )

    def _still(self, key: str, fields: Mapping[str, Any], version: int) -> Happening | None:
        at = next((_time(fields, name, 0) for name in ("capturedAt", "requestedAt", "uploadedAt") if name in fields), 0)
        status = shown(fields.get("status"))
        words = shown(fields.get("failReason"))
        return Happening("still", key, at or version, *_camera_of(fields), words=words, status=status)


def _time(fields: Mapping[str, Any], name: str, otherwise: int) -> int:
    value = fields.get(name)
    return int(value) if isinstance(value, (int, float)) else otherwise


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None


def _title(fields: Mapping[str, Any]) -> str | None:
    return shown(fields.get("title"))


def _camera_of(fields: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Id and name, the id where there is no name."""
    camera = shown_id(fields.get("cameraId"))
    return camera, shown(fields.get("cameraName") or fields.get("name")) or camera


def _nothing(_: Mapping[str, Any], __: Mapping[str, Any]) -> str:
    return ""


def _cut(fields: Mapping[str, Any], _: Mapping[str, Any]) -> str:
    told = (fields.get("transition"), fields.get("trigger"))
    return " · ".join(str(word) for word in told if word and word not in ("cut", "unknown"))


def _cameras(number: int) -> str:
    return {0: "", 1: "1 camera"}.get(number, f"{number} cameras")


_WORDS: Mapping[str, Callable[[Mapping[str, Any], Mapping[str, Any]], str]] = {
    "cut": _cut,
    "mode_change": lambda _, detail: f"{detail.get('from', '?')} → {detail.get('to', '?')}",
    "gap": lambda _, detail: str(detail.get("cause", "")),
    "still_marker": lambda _, detail: _cameras(len(detail.get("cameraIds") or [])),
    "music_moment": lambda _, detail: str(detail.get("kind", "")),
    "off_air": _cut,
    "marker": lambda _, detail: str(detail.get("label") or detail.get("source") or ""),
}

_TELLS: Mapping[str, Callable[[Board, str, Mapping[str, Any], int], Happening | None]] = {
    "session": Board._session,  # noqa: SLF001 - the table of this class
    "camera": Board._camera,  # noqa: SLF001
    "event": Board._event,  # noqa: SLF001
    "still": Board._still,  # noqa: SLF001
}
