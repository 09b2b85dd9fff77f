"""One session as a timeline: which camera was on air when, and what happened beside it.

Pure: from the ledger's rows of one session to typed structs, for the terminal, for reports and for exports. Rows keep
their times, which are the server's where it told one. Everything that is drawn or added up here is in *moments*: Unix
ms on the clock that the session began with, with the steps of that clock taken out (:mod:`tap.core.reading`).

The rows are told by somebody who was not always there, so a span is one of three things: *on air* (a camera, by the
start, a cut, or the far side of a gap), *nothing on air as far as it was told*, or *not known*: inside a gap. Ledgers
of before 0.3 have no row for a program that turned to nothing; there only the next cut says that it had.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Struct, structs

from tap.core.codec import venue_of
from tap.core.kinds import KINDS
from tap.core.merge import Row
from tap.core.reading import number, read

__all__ = [
    "ClockStep",
    "Event",
    "Gap",
    "Lane",
    "Span",
    "StillMark",
    "Timeline",
    "Totals",
    "timeline_json",
    "timeline_of",
]

_COVERED_MS = 1_000
"""A change this far inside a gap was told by somebody else: another tap, or a tape."""

_STATE_KINDS = frozenset(name for name, kind in KINDS.items() if kind.turns not in (None, "gap"))


class _Plain(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Words of the timeline's JSON: camelCase, and absent where nothing is known."""


class Span(_Plain, frozen=True, kw_only=True):
    """A time in which one thing held: a camera on air, a hold, a mode; or in which nothing is known."""

    start: int
    end: int
    camera_id: str | None = None
    mode: str | None = None
    unsure: bool = False
    """It was over before ``end``, at a moment that nobody told."""

    @property
    def length(self) -> int:
        """Milliseconds."""
        return self.end - self.start


class StillMark(_Plain, frozen=True, kw_only=True):
    """One still of one camera, at the moment it was taken (or asked for, or uploaded, where no more is known)."""

    key: str
    at: int
    """The row's own time; ``at + shift_ms`` is the moment."""
    shift_ms: int = 0
    status: str
    camera_id: str | None = None
    still_id: str | None = None
    program_camera_id: str | None = None
    requested_at: int | None = None
    captured_at: int | None = None
    uploaded_at: int | None = None
    storage_key: str | None = None
    url: str | None = None
    fail_reason: str | None = None

    @property
    def moment(self) -> int:
        """When, on the session's clock."""
        return self.at + self.shift_ms


class Gap(_Plain, frozen=True, kw_only=True):
    """A time in which the tap did not hear the server; ``start`` is absent where it had never heard it before."""

    at: int
    start: int | None = None
    duration_ms: int | None = None
    covered: bool = False
    """Somebody else was there: changes are known from inside it."""
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None


class Lane(_Plain, frozen=True, kw_only=True):
    """One camera: when it was there, when it was on air, its stills."""

    camera_id: str
    name: str | None = None
    role: str | None = None
    device: str | None = None
    status: str | None = None
    joined_at: int | None = None
    left_at: int | None = None
    on_air: list[Span]
    on_air_ms: int
    cuts: int
    """How often it was cut to; a start and the far side of a gap are no cuts."""
    stills: list[StillMark]


class Event(_Plain, frozen=True, kw_only=True):
    """One thing that happened, as the ledger tells it."""

    key: str
    kind: str
    at: int
    """The row's own time; ``at + shift_ms`` is the moment."""
    shift_ms: int = 0
    camera_id: str | None = None
    camera_name: str | None = None
    from_camera_id: str | None = None
    from_camera_name: str | None = None
    trigger: str | None = None
    transition: str | None = None
    duration_ms: int | None = None
    still_key: str | None = None
    detail: dict[str, Any] | None = None

    @property
    def moment(self) -> int:
        """When, on the session's clock."""
        return self.at + self.shift_ms


class ClockStep(_Plain, frozen=True, kw_only=True):
    """The server's clock was set; nothing that is drawn moves with it."""

    moment: int
    """The first event that the new clock dates."""
    by_ms: int
    """Below 0 it was set back."""


class Totals(_Plain, frozen=True, kw_only=True):
    """The session in numbers."""

    length_ms: int
    cuts: int
    on_air_ms: dict[str, int]
    """By camera id."""
    unknown_ms: int
    """How long nobody knows what was on air."""
    holds: int
    hold_ms: int
    gaps: int
    gap_ms: int
    stills: dict[str, int]
    """By status."""
    events: dict[str, int]
    """By kind."""


class Timeline(_Plain, frozen=True, kw_only=True):
    """One session. ``start`` and ``end`` bound everything that is drawn; stills may lie behind them."""

    session_key: str
    venue: str
    status: str
    """``live``, ``complete``, ``interrupted``, or ``unknown`` where the session's own row is not there (yet)."""
    start: int
    end: int
    session_id: str | None = None
    session_type: str | None = None
    title: str | None = None
    notes: str | None = None
    started_at: int | None = None
    completed_at: int | None = None
    end_reason: str | None = None
    media: list[str] = []
    """Files that the server recorded, as it named them."""
    lanes: list[Lane]
    unknown: list[Span]
    holds: list[Span]
    modes: list[Span]
    gaps: list[Gap]
    stills: list[StillMark]
    music: list[Event]
    markers: list[Event]
    """What people have marked."""
    events: list[Event]
    """In the one order in which a session is read."""
    clock_steps: list[ClockStep] = []
    totals: Totals


def timeline_of(rows: Iterable[Row]) -> Timeline:
    """The timeline of the one session that these rows belong to; rows that were taken back are left out.

    Raises ``ValueError`` where there are no rows, or rows of more than one session.
    """
    kept = [row for row in rows if row.retracted is None]
    keys = {row.session_key for row in kept}
    if len(keys) != 1:
        raise ValueError(f"rows of {len(keys)} sessions; a timeline is of one")
    return _Builder(keys.pop(), kept).build()


# ---------------------------------------------------------------------------------------------- what held, and when


class _Track:
    """One thing that has one value at a time; None is nothing, as far as it was told."""

    def __init__(self, value: str | None, since: int) -> None:
        self.value = value
        self.since = since
        self._spans: list[tuple[str, int, int, bool]] = []

    def turn(self, value: str | None, at: int, *, unsure: bool = False) -> None:
        """From ``at`` it is ``value``. ``unsure``: what it was before had ended unseen."""
        if self.value is not None:
            self._spans.append((self.value, self.since, at, unsure))
        self.value, self.since = value, at

    def within(self, start: int, end: int) -> list[tuple[str, int, int, bool]]:
        """The spans that have a length, in order of time, inside the bounds."""
        clipped = ((value, max(a, start), min(b, end), unsure) for value, a, b, unsure in self._spans)
        return sorted((span for span in clipped if span[1] < span[2]), key=lambda span: span[1:3])


class _Builder:
    """Goes through the events once, in the order in which they came to be."""

    def __init__(self, key: str, rows: list[Row]) -> None:
        self._key = key
        self._session: Mapping[str, Any] = next((row.fields for row in rows if row.op == "session"), {})
        self._cameras = [row.fields for row in rows if row.op == "camera"]
        self._reading = read((row for row in rows if row.op == "event"), self._session)
        self._events = [
            _event(row, moment) for row, moment in zip(self._reading.rows, self._reading.moments, strict=True)
        ]
        self._stills = self._dated_stills(row for row in rows if row.op == "still")
        self._changes = [event.moment for event in self._events if event.kind in _STATE_KINDS]
        self._gaps: list[Gap] = []
        self._unknown: list[tuple[int, int]] = []
        self._dark: int | None = None
        """Since when the program is not known, where no far side of a gap has told it yet."""
        self._known_at = [row.version for row in rows if row.op != "event"]
        self._start, self._end = self._bounds()
        state = self._session.get("startState", {})
        self._program = _Track(state.get("programCameraId"), self._start)
        self._hold = _Track(_held(state), self._start)
        self._mode = _Track(state.get("mode"), self._start)

    def _bounds(self) -> tuple[int, int]:
        """Where the session lies: all that turned in it, and its own two ends."""
        changes = self._changes
        told = [event.moment for event in self._events]
        started = number(self._session.get("startedAt"))
        starts = changes if started is None else [started, *changes]
        completed = number(self._session.get("completedAt"))
        if completed is None:
            ends = [*told, *(self._reading.moment_of(at) for at in self._known_at)]
        else:
            ends = [self._reading.end_of(completed, seen=self._session.get("status") == "complete"), *changes]
        start = min(starts or told or self._known_at)
        return start, max([start, *ends])

    def _dated_stills(self, rows: Iterable[Row]) -> list[StillMark]:
        """Stills by the clock of the events that tell of them."""
        taken = {event.still_key: event.shift_ms for event in self._events if event.kind == "still_capture"}
        asked = {
            ((event.detail or {}).get("stillId"), event.at): event.shift_ms
            for event in self._events
            if event.kind == "still_marker"
        }
        marks = []
        for row in rows:
            mark = _still(row)
            shift = taken.get(mark.key) if mark.captured_at == mark.at else asked.get((mark.still_id, mark.at))
            shift = self._reading.moment_of(mark.at) - mark.at if shift is None else shift
            marks.append(structs.replace(mark, shift_ms=shift) if shift else mark)
        return sorted(marks, key=lambda still: (still.moment, still.key))

    def build(self) -> Timeline:
        for event in self._events:
            self._take(event)
        self._see(self._end)
        final = self._session.get("finalState")
        self._program.turn(None, self._end, unsure=_differs(final, "programCameraId", self._program.value))
        self._mode.turn(None, self._end, unsure=_differs(final, "mode", self._mode.value))
        self._hold.turn(None, self._end)
        on_air = self._program.within(self._start, self._end)
        lanes = self._lanes(on_air)
        unknown = _merged(self._unknown, self._start, self._end)
        holds = [
            Span(start=a, end=b, camera_id=value or None, unsure=unsure)
            for value, a, b, unsure in self._hold.within(self._start, self._end)
        ]
        return Timeline(
            session_key=self._key,
            venue=venue_of(self._key),
            status=self._session.get("status", "unknown"),
            start=self._start,
            end=self._end,
            **{_snake(name): self._session.get(name) for name in _SESSION_COLUMNS},
            media=self._session.get("media", []),
            lanes=lanes,
            unknown=unknown,
            holds=holds,
            modes=[
                Span(start=a, end=b, mode=value, unsure=unsure)
                for value, a, b, unsure in self._mode.within(self._start, self._end)
            ],
            gaps=self._gaps,
            stills=self._stills,
            music=[event for event in self._events if event.kind == "music_moment"],
            markers=[event for event in self._events if event.kind == "marker"],
            events=self._events,
            clock_steps=[ClockStep(moment=step.moment, by_ms=step.by_ms) for step in self._reading.steps],
            totals=self._totals(lanes, unknown, holds),
        )

    # ------------------------------------------------------------------------------------------ what turns

    def _take(self, event: Event) -> None:
        detail = event.detail or {}
        match event.kind:
            case "cut" | "off_air":
                # Where no row tells that program turned to nothing, the next cut says that it came from there.
                left = event.from_camera_id != self._program.value
                self._program.turn(event.camera_id if event.kind == "cut" else None, event.moment, unsure=left)
                self._see(event.moment)
            case "hold":
                self._hold.turn(event.camera_id or "", event.moment)
            case "release":
                self._hold.turn(None, event.moment)
            case "mode_change":
                left = detail.get("from", self._mode.value) != self._mode.value
                self._mode.turn(detail.get("to"), event.moment, unsure=left)
            case "gap":
                self._take_gap(event.moment, event.duration_ms, detail)

    def _take_gap(self, at: int, duration: int | None, detail: Mapping[str, Any]) -> None:
        before, after = detail.get("before"), detail.get("after")
        start = None if duration is None else at - duration
        covered = self._is_covered(at, start)
        gap = Gap(at=at, start=start, duration_ms=duration, covered=covered, before=before, after=after)
        self._gaps.append(gap)
        if covered:
            return
        blind = self._blind_from(at, start)
        self._dark = blind if self._dark is None else self._dark
        for track, name in ((self._program, "programCameraId"), (self._mode, "mode")):
            track.turn(None, blind, unsure=_differs(before, name, track.value))
            track.turn((after or {}).get(name), at)
        self._hold.turn(None, blind)
        self._hold.turn(_held(after or {}), at)
        if after:
            self._see(at)

    def _see(self, at: int) -> None:
        """From here on it is known what is on air."""
        if self._dark is not None:
            self._unknown.append((self._dark, at))
            self._dark = None

    def _blind_from(self, at: int, start: int | None) -> int:
        if start is None:
            # A first sight: what was on before it was never told, and the start state is of the moment of sight.
            self._program.value = self._mode.value = self._hold.value = None
            return self._start
        # The tap measures the gap by its own clock; what it has told before was before.
        return min(at, max(start, self._program.since, self._hold.since, self._mode.since))

    def _is_covered(self, at: int, start: int | None) -> bool:
        if start is None:
            return bool(self._session.get("startState", {}).get("at", at) < at)
        following = bisect_right(self._changes, start + _COVERED_MS)
        return following < len(self._changes) and self._changes[following] < at - _COVERED_MS

    # ------------------------------------------------------------------------------------------ what is there

    def _lanes(self, on_air: list[tuple[str, int, int, bool]]) -> list[Lane]:
        rows = {fields["cameraId"]: fields for fields in self._cameras}
        cuts = Counter(event.camera_id for event in self._events if event.kind == "cut")
        stills = [still.camera_id for still in self._stills]
        named = {
            camera: name
            for event in self._events
            for camera, name in ((event.from_camera_id, event.from_camera_name), (event.camera_id, event.camera_name))
            if name is not None
        }
        ids = dict.fromkeys([*rows, *(camera for camera, *_ in on_air), *cuts, *stills])
        lanes = [
            self._lane(camera, rows.get(camera, {"name": named.get(camera)}), on_air, cuts[camera])
            for camera in ids
            if camera is not None
        ]
        return sorted(lanes, key=self._lane_order)

    def _lane(self, camera: str, row: Mapping[str, Any], on_air: list[tuple[str, int, int, bool]], cuts: int) -> Lane:
        spans = [Span(start=a, end=b, unsure=unsure) for value, a, b, unsure in on_air if value == camera]
        stills = [still for still in self._stills if still.camera_id == camera]
        return Lane(
            camera_id=camera,
            name=row.get("name"),
            role=row.get("role"),
            device=row.get("device"),
            status=row.get("status"),
            joined_at=row.get("joinedAt"),
            left_at=row.get("leftAt"),
            on_air=spans,
            on_air_ms=sum(span.length for span in spans),
            cuts=cuts,
            stills=stills,
        )

    def _lane_order(self, lane: Lane) -> tuple[int, list[tuple[int, str]]]:
        """Those of the start first, then as they joined; among these as a person counts (2 before 10)."""
        joined = self._end if lane.joined_at is None else max(lane.joined_at, self._start + _COVERED_MS)
        return joined, _counted(lane.name or lane.camera_id)

    def _totals(self, lanes: list[Lane], unknown: list[Span], holds: list[Span]) -> Totals:
        kinds = Counter(event.kind for event in self._events)
        return Totals(
            length_ms=self._end - self._start,
            cuts=kinds["cut"],
            on_air_ms={lane.camera_id: lane.on_air_ms for lane in lanes},
            unknown_ms=sum(span.length for span in unknown),
            holds=kinds["hold"],
            hold_ms=sum(span.length for span in holds),
            gaps=kinds["gap"],
            gap_ms=sum(gap.duration_ms or 0 for gap in self._gaps),
            stills=dict(sorted(Counter(still.status for still in self._stills).items())),
            events=dict(sorted(kinds.items())),
        )


# ---------------------------------------------------------------------------------------------- reading rows

_SESSION_COLUMNS = ("sessionId", "sessionType", "title", "notes", "startedAt", "completedAt", "endReason")
_EVENT_COLUMNS = (
    *("cameraId", "cameraName", "fromCameraId", "fromCameraName", "trigger", "transition", "durationMs"),
    *("stillKey", "detail"),
)
_STILL_COLUMNS = (
    *("cameraId", "stillId", "programCameraId", "requestedAt", "capturedAt", "uploadedAt"),
    *("storageKey", "url", "failReason"),
)


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def _event(row: Row, moment: int) -> Event:
    fields = row.fields
    columns = {_snake(name): fields.get(name) for name in _EVENT_COLUMNS}
    at = number(fields.get("at"))
    at = row.version if at is None else at
    return Event(key=row.key, kind=str(fields.get("kind")), at=at, shift_ms=moment - at, **columns)


def _still(row: Row) -> StillMark:
    fields = row.fields
    times = (number(fields.get(name)) for name in ("capturedAt", "requestedAt", "uploadedAt"))
    columns: dict[str, Any] = {_snake(name): fields.get(name) for name in _STILL_COLUMNS}
    return StillMark(
        key=row.key,
        at=next((at for at in times if at is not None), row.version),
        status=fields["status"],
        **columns,
    )


def _held(state: Mapping[str, Any]) -> str | None:
    return "" if state.get("hold") else None


def _differs(side: Mapping[str, Any] | None, name: str, value: str | None) -> bool:
    """Whether a told side contradicts what the rows before it say; a side that was not told contradicts nothing."""
    return side is not None and side.get(name) != value


def _merged(spans: list[tuple[int, int]], start: int, end: int) -> list[Span]:
    """The union of some spans, inside the bounds."""
    merged: list[tuple[int, int]] = []
    for a, b in sorted((max(a, start), min(b, end)) for a, b in spans):
        if merged and a <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(b, merged[-1][1]))
        elif a < b:
            merged.append((a, b))
    return [Span(start=a, end=b) for a, b in merged]


def _counted(name: str) -> list[tuple[int, str]]:
    """A key by which ``Cam 2`` comes before ``Cam 10``."""
    parts = re.split(r"(\d+)", name)
    # A number by its length first, not as an int: names may be as long as a server likes.
    return [
        (len(digits := part.lstrip("0")), digits) if index % 2 else (-1, part.casefold())
        for index, part in enumerate(parts)
    ]


def timeline_json(timeline: Timeline) -> bytes:
    """The timeline as one JSON object."""
    return msgspec.json.encode(timeline)
