"""What the live page draws: the happenings and the numbers of the running session, or of the last one.

It has the newest happenings one by one, and older ones in summary: so the numbers are complete, and memory is limited.
It takes the same entries as the journal, so it shows what the history will say. Events are in the order of
:mod:`tap.core.reading`, as everywhere. Times are by the server's clock of now, like the clock on the page: if the
server's clock was set, older times are moved.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct, structs

from tap.core.kinds import KINDS, said_of
from tap.core.model import Entry
from tap.core.plain_text import plain
from tap.core.reading import NEAR_MS, Reading, number, read
from tap.core.spans import STATE_KINDS
from tap.core.status import Happening, Past, Totals
from tap.service.ops.session_totals import SessionTotals

__all__ = ["SessionBoard", "shown", "shown_id"]

KEPT = 1_000
"""At least this many happenings are drawn one by one: some hours of a busy shoot."""
_NEVER = 2**62
_FOLDED_TOGETHER = 250
_MOST_PATIENCE = 256
_CAMERAS_WATCHED = 1_000
_TURNING = STATE_KINDS | {"gap"}
"""Kinds whose order changes the numbers."""
_TOGETHER_MS = 1_000
"""Cameras that join within this many ms after the session's start were online when it began."""
_TEXT = 120
_ID = 80


def shown(text: object) -> str | None:
    """A text for the page, made harmless and not too long; None if there is no text."""
    if not isinstance(text, str) or not text:
        return None
    text = plain(text[: 2 * _TEXT])
    return text if len(text) <= _TEXT else text[:_TEXT] + "…"


def shown_id(text: object) -> str | None:
    """An id for the page, made harmless and not too long. Different ids stay different."""
    if not isinstance(text, str) or not text:
        return None
    if len(text) <= _ID:
        return plain(text)
    # Not for secrecy: only so that long ids with the same beginning stay different.
    return plain(text[:_ID]) + "…" + hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:8]


class _Line(Struct):
    """A happening, and the origin of its time."""

    shown: Happening
    at: int
    """Its time in the row (server time, ms)."""
    event: Entry | None = None
    """Its entry, if it is an event."""
    moment: int = 0
    """For an event: its time by the clock that the session began with, in ms."""
    place: int = 0
    """For an event: its place in the order of the session."""


class SessionBoard:
    """The happenings and the numbers of one session."""

    def __init__(self, kept: int = KEPT) -> None:
        self.session: str | None = None
        self._most = kept
        self._lines: dict[str, _Line] = {}
        self._row: Mapping[str, Any] = {}
        self._started = self._seen = 0
        self._present: dict[str, bool] = {}
        self._newest = 0
        self._lead: int | None = None
        """How far the server's clock was ahead of ours at the last event."""
        self._uneven = False
        """The events since the last reading do not simply follow in order."""
        self._was_set = False
        """The server's clock was set, by the last reading."""
        self._held_at = 0
        self._past = self._sums = SessionTotals({}, 0)
        self._shift = self._first_shift = 0
        """Moment minus server time, in ms: now, and at the first event that is drawn."""
        self._folded: set[str] = set()
        """Keys of events that are only in the summary."""
        self._horizon: int | None = None
        """The summary ends at this moment; None without a summary."""
        self._sealed = 0
        """An event before this moment cannot be inserted any more."""
        self.unsure = False
        """The numbers may be wrong: events came too late to be inserted, or the server's clock seems to have been set.

        The board can read only the newest part of a long session. To correct it, make a new one with :meth:`whole`.
        """
        self._count = 0
        self._certain = True
        """The events did not contradict each other in the last reading."""
        self._odd, self._patience = 0, 1
        """How many events since the last reading contradict what was before them; at how many it reads again."""

    @property
    def happenings(self) -> list[Happening]:
        """The happenings that are drawn one by one, as they came."""
        return [line.shown for line in self._lines.values()]

    @property
    def summary_until(self) -> int | None:
        """Before this time (by the server's clock of now) there is only a summary; None without a summary."""
        return None if self._horizon is None else self._horizon - self._shift

    def totals(self, now: int) -> Totals | None:
        """The session's numbers as of ``now`` (server time, ms); None before the first session."""
        if self.session is None:
            return None
        told = self._sums.totals(now + self._shift)
        return structs.replace(told, on_air_ms={shown_id(key) or "": ms for key, ms in told.on_air_ms.items()})

    def past(self) -> Past | None:
        """The summary; None without one."""
        steps, turns = self._past.steps, self._past.spans
        if self._horizon is None or steps is None:
            return None
        return Past(
            until=self._horizon - self._shift,
            start=steps.start - self._shift,
            step_ms=steps.step_ms,
            steps=[{shown_id(camera) or "": length for camera, length in step.items()} for step in steps.cameras],
            program=shown_id(turns.program.value),
            program_since=turns.program.since - self._shift,
            held=None if turns.hold.value is None else shown_id(turns.hold.value) or "",
            held_since=turns.hold.since - self._shift,
        )

    @classmethod
    def whole(cls, entries: Iterable[Entry], kept: int = KEPT) -> SessionBoard:
        """A board from all entries of a session, which are read together before the older ones are summarized."""
        board = cls(_NEVER)
        board.take(entries)
        board._most = kept
        board._fold()
        return board

    def take(self, entries: Iterable[Entry]) -> list[Happening]:
        """Add entries, and return what they add to the page. Another live session replaces this one."""
        news: dict[str, Happening] = {}
        for entry in entries:
            if entry.op == "session" and entry.session_key != self.session and entry.fields.get("status") == "live":
                self._begin(entry)
            if entry.session_key == self.session and entry.key not in self._folded:
                happening = _TELLS[entry.op](self, entry.key, entry.fields, entry.version)
                if happening is not None:
                    self._keep(happening, entry)
                    news[happening.key] = happening
                    self._fold()
        return list(news.values())

    def settle(self, *, at_once: bool = False) -> list[Happening]:
        """Read the session again if that may move something. Returns the happenings that moved.

        If a server keeps sending contradictions that change nothing, it reads less and less often, unless ``at_once``.
        """
        if not self._uneven and self._odd < (1 if at_once else self._patience):
            return []
        only_odd, self._uneven, self._odd = not self._uneven, False, 0
        before = self._sums.holds_and_lengths()
        reading = self._read()
        if self._leave_out_late():
            reading = self._read()
        last, self._certain = reading.last_shift, reading.certain
        self._was_set = bool(reading.steps)
        if self._horizon is not None and self._shift != self._first_shift + last:
            self.unsure = True
        self._shift = self._first_shift + last
        self._add_up([self._lines[entry.key] for entry in reading.rows])
        moved = []
        for line in self._lines.values():
            if line.event is not None:
                at = line.moment - self._shift
            elif line.shown.kind == "end":
                at = line.at
            else:
                at = reading.moment_of(line.at, last=line.shown.kind != "start") - last
            if at != line.shown.at:
                line.shown = structs.replace(line.shown, at=at)
                moved.append(line.shown)
        same = not moved and before == self._sums.holds_and_lengths()
        self._patience = min(2 * self._patience, _MOST_PATIENCE) if only_odd and same else 1
        return moved

    def _read(self) -> Reading[Entry]:
        """Give every event that is drawn its moment and place."""
        reading = read([line.event for line in self._lines.values() if line.event is not None], self._frame())
        for place, (entry, moment) in enumerate(zip(reading.rows, reading.moments, strict=True)):
            line = self._lines[entry.key]
            line.moment, line.place = moment + self._first_shift, place
        return reading

    def _leave_out_late(self) -> bool:
        """Remove events that would belong into the summary, which has only sums. Whether there were any."""
        late = [key for key, line in self._lines.items() if self._belongs_into_summary(line)]
        for key in late:
            del self._lines[key]
        self.unsure = self.unsure or bool(late)
        return bool(late)

    def _belongs_into_summary(self, line: _Line) -> bool:
        return line.event is not None and line.moment < self._sealed and line.shown.kind in _TURNING

    def _add_up(self, lines: Iterable[_Line]) -> None:
        """Add up the numbers again, beginning with those of the summary."""
        lines = list(lines)
        if self._horizon is None:
            begun = [line.moment for line in lines if line.shown.kind in STATE_KINDS]
            self._past = SessionTotals(self._row.get("startState") or {}, min([self._started, *begun]))
        self._sums = self._past.copy()
        for line in lines:
            self._sums.take(line.shown.kind, line.moment, _fields(line))

    def _frame(self) -> Mapping[str, Any]:
        """The session's columns; if there is a summary, with the state at its end as the start."""
        if self._horizon is None:
            return self._row
        turns = self._past.spans
        state = {"programCameraId": turns.program.value, "mode": turns.mode.value, "hold": turns.hold.value is not None}
        told = {name: value for name, value in state.items() if value is not None}
        return {**self._row, "startedAt": self._horizon - self._first_shift, "startState": told}

    def _fold(self) -> None:
        """Move the oldest events into the summary if there are too many to be drawn."""
        if len(self._lines) < self._most + _FOLDED_TOGETHER:
            return
        self.settle(at_once=True)
        events = sorted((one for one in self._lines.values() if one.event is not None), key=lambda one: one.place)
        gone = _until_one_moment_is_over(events, max(0, len(events) - self._most) or len(events) // 2)
        for line in gone:
            self._past.take(line.shown.kind, line.moment, _fields(line))
            self._folded.add(_key(line))
        if gone:
            self._horizon = gone[-1].moment
            rest = events[len(gone) :]
            first = rest[0] if rest else gone[-1]
            self._sealed = min(first.moment, self._horizon + 1)
            self._first_shift = first.moment - first.at
        away = {id(line) for line in gone}
        until = self.summary_until or 0
        self._lines = {
            key: line
            for key, line in self._lines.items()
            if id(line) not in away and (line.event is not None or line.shown.kind == "start" or line.shown.at >= until)
        }
        while len(self._lines) > 2 * self._most:
            # Only cameras and stills are left.
            del self._lines[next(key for key, line in self._lines.items() if line.shown.kind != "start")]

    def _begin(self, entry: Entry) -> None:
        self.__init__(self._most)  # type: ignore[misc]  # all of it is of one session
        self.session = entry.session_key
        self._started = _time(entry.fields, "startedAt", entry.version)
        # The session may have been running for long when the tap first saw it.
        self._seen = max(self._started, _time(entry.fields.get("startState") or {}, "at", 0))
        self._past = SessionTotals(entry.fields.get("startState") or {}, self._started)
        self._sums = self._past.copy()

    def _keep(self, happening: Happening, entry: Entry) -> None:
        event = entry if entry.op == "event" else None
        key = happening.key if event is None else event.key
        again = self._lines.pop(key, None)
        self._count += 1
        line = _Line(happening, happening.at, event, happening.at + self._shift, self._count)
        self._lines[key] = line
        if event is None:
            self._uneven = self._uneven or self._was_set
            return
        self.unsure = self.unsure or self._belongs_into_summary(line)
        if happening.kind in KINDS and KINDS[happening.kind].at_once:
            self._uneven = not self._goes_on(happening, number(event.fields.get("observedAt"))) or self._uneven
        self._uneven = self._uneven or again is not None or line.moment < self._past.spans.start
        # Only a reading shows whether another tap was connected during a gap, and what was before it.
        self._uneven = self._uneven or happening.kind == "gap"
        self._odd += not (self._certain and self._sums.spans.fits(happening.kind, event.fields))
        if not self._uneven:
            self._sums.take(happening.kind, line.moment, event.fields)

    def _goes_on(self, happening: Happening, heard: int | None) -> bool:
        """Whether an event follows the one before by both clocks, and a hold has the length that its release says."""
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
            # Cameras that were online from the beginning are no news, nor is a new name.
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
            # What was on before a gap is drawn only up to its beginning.
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
            words=shown(_WORDS[kind](fields, detail) if kind in _WORDS else said_of(kind, detail)),
            duration_ms=_number(fields.get("durationMs")),
        )

    def _still(self, key: str, fields: Mapping[str, Any], version: int) -> Happening | None:
        at = next((_time(fields, name, 0) for name in ("capturedAt", "requestedAt", "uploadedAt") if name in fields), 0)
        status = shown(fields.get("status"))
        words = shown(fields.get("failReason"))
        return Happening("still", key, at or version, *_camera_of(fields), words=words, status=status)


def _until_one_moment_is_over(events: Sequence[_Line], count: int) -> Sequence[_Line]:
    """About the first ``count`` events. Events of one moment stay together, unless all of them have the same."""
    fewer = count
    while 0 < fewer < len(events) and events[fewer - 1].moment == events[fewer].moment:
        fewer -= 1
    return events[: fewer or count]


def _fields(line: _Line) -> Mapping[str, Any]:
    return {} if line.event is None else line.event.fields


def _key(line: _Line) -> str:
    return "" if line.event is None else line.event.key


def _time(fields: Mapping[str, Any], name: str, otherwise: int) -> int:
    value = fields.get(name)
    return int(value) if isinstance(value, (int, float)) else otherwise


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None


def _title(fields: Mapping[str, Any]) -> str | None:
    return shown(fields.get("title"))


def _camera_of(fields: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """A camera's id and name; without a name, the id again."""
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
    "still_marker": lambda _, detail: _cameras(len(detail.get("cameraIds") or [])),
    "off_air": _cut,
    **dict.fromkeys(("hold", "release", "still_capture"), _nothing),
}
"""Words for those kinds that have other words here than in :func:`said_of`."""

_TELLS: Mapping[str, Callable[[SessionBoard, str, Mapping[str, Any], int], Happening | None]] = {
    "session": SessionBoard._session,  # noqa: SLF001 - the table of this class
    "camera": SessionBoard._camera,  # noqa: SLF001
    "event": SessionBoard._event,  # noqa: SLF001
    "still": SessionBoard._still,  # noqa: SLF001
}
