"""One session as a timeline: which camera was on air when, and what happened beside it.

Pure: from the ledger's rows of one session to typed structs, for the terminal, for reports and for exports. Rows keep
their times, which are the server's where it told one. Everything that is drawn or added up here is in *moments*: Unix
ms on the clock that the session began with, with the steps of that clock taken out (:mod:`tap.core.reading`).

The tap was not always connected, so the program at a moment is one of three things: a camera *on air* (known by the
session's start, a cut, or the state after a gap), *nothing on air* as far as frames reported, or *not known*, inside a
gap. Ledgers of versions before 0.3 have no row for a program that went to nothing: only the next cut shows that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Struct, structs

from tap.core.codec import venue_of
from tap.core.kinds import KINDS, MARK_ROWS
from tap.core.lane_order import lane_order
from tap.core.merge import Row
from tap.core.reading import number, read
from tap.core.spans import STATE_KINDS, Spans, ValueSpan

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


class _Plain(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Names in the timeline's JSON are camelCase; what is not known is left out."""


class Span(_Plain, frozen=True, kw_only=True):
    """A time in which one thing lasted: a camera on air, a hold, a mode, or not knowing what was on air."""

    start: int
    end: int
    camera_id: str | None = None
    mode: str | None = None
    unsure: bool = False
    """It ended before ``end``, at a moment that no frame reported."""

    @property
    def length(self) -> int:
        """Milliseconds."""
        return self.end - self.start


class StillMark(_Plain, frozen=True, kw_only=True):
    """One still of one camera, at the moment it was taken; else the moment it was requested, or uploaded."""

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

    @property
    def asked(self) -> bool:
        """Whether it was requested: others were taken, or uploaded, without that."""
        return self.requested_at is not None or self.status == "requested"


class Gap(_Plain, frozen=True, kw_only=True):
    """A time without signal from the server. ``start`` is None for the time before the very first signal.

    With ``start`` and without ``duration_ms`` its length is not known: it began at ``start`` at the earliest.
    """

    at: int
    start: int | None = None
    duration_ms: int | None = None
    covered: bool = False
    """Another tap was connected: changes inside the gap are known."""
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
    """How often it was cut to. Being on air at the session's start or after a gap is not a cut."""
    stills: list[StillMark]


class Event(_Plain, frozen=True, kw_only=True):
    """One thing that happened, as the ledger has it."""

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
    """The server's clock was set. Moments in this timeline go on by the clock of before."""

    moment: int
    """When: the first event with a time by the new clock."""
    by_ms: int
    """By how much; negative if it was set back."""


class Totals(_Plain, frozen=True, kw_only=True):
    """The session in numbers."""

    length_ms: int
    cuts: int
    on_air_ms: dict[str, int]
    """By camera id."""
    unknown_ms: int
    """How long it is not known what was on air."""
    holds: int
    """Holds that began, or were on at the start or after a gap. A hold that lasts across a gap counts once."""
    hold_ms: int
    gaps: int
    gap_ms: int
    stills: dict[str, int]
    """By status."""
    events: dict[str, int]
    """By kind."""


class Timeline(_Plain, frozen=True, kw_only=True):
    """One session. ``start`` and ``end`` (moments) bound everything but stills, which may come later."""

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
    """In order of what happened, which is not always the order of their rows' times."""
    clock_steps: list[ClockStep] = []
    totals: Totals

    def marks(self) -> dict[str, list[Event]]:
        """The moments that change nothing of what is on, by the row that they are drawn in; rows that have some."""
        rows = {row: [event for event in self.events if _row_of(event) == row] for row in MARK_ROWS}
        return {row: events for row, events in rows.items() if events}


def _row_of(event: Event) -> str | None:
    return KINDS[event.kind].row if event.kind in KINDS else None


def timeline_of(rows: Iterable[Row]) -> Timeline:
    """The timeline of the session that these rows belong to. Retracted rows are left out.

    Raises:
        ValueError: There are no rows, or rows of more than one session.
    """
    kept = [row for row in rows if row.retracted is None]
    keys = {row.session_key for row in kept}
    if len(keys) != 1:
        raise ValueError(f"rows of {len(keys)} sessions; a timeline is of one")
    return _Builder(keys.pop(), kept).build()


# ---------------------------------------------------------------------------------------------- what held, and when


class _Builder:
    """Goes through the events once, in the order in which they happened."""

    def __init__(self, key: str, rows: list[Row]) -> None:
        self._key = key
        self._session: Mapping[str, Any] = next((row.fields for row in rows if row.op == "session"), {})
        self._cameras = [row.fields for row in rows if row.op == "camera"]
        self._reading = read((row for row in rows if row.op == "event"), self._session)
        self._events = [
            _event(row, moment) for row, moment in zip(self._reading.rows, self._reading.moments, strict=True)
        ]
        self._stills = self._dated_stills(row for row in rows if row.op == "still")
        self._changes = [event.moment for event in self._events if event.kind in STATE_KINDS]
        self._gaps: list[Gap] = []
        self._known_at = [row.version for row in rows if row.op != "event"]
        self._start, self._end = self._bounds()
        self._spans = Spans(self._session.get("startState", {}), self._start)

    def _bounds(self) -> tuple[int, int]:
        """The session's start and end: its own two times, widened by every change in it."""
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
        """Stills with their moments, by the clock of the events that report them."""
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
        for row, event in zip(self._reading.rows, self._events, strict=True):
            self._take(row, event)
        self._spans.end(self._end, self._session.get("finalState"))
        on_air = self._spans.program.within(self._start, self._end)
        lanes = self._lanes(on_air)
        unknown = _merged(self._spans.unknown, self._start, self._end)
        holds = [
            Span(start=a, end=b, camera_id=value or None, unsure=unsure)
            for value, a, b, unsure in self._spans.hold.within(self._start, self._end)
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
                for value, a, b, unsure in self._spans.mode.within(self._start, self._end)
            ],
            gaps=self._gaps,
            stills=self._stills,
            music=[event for event in self._events if event.kind == "music_moment"],
            markers=[event for event in self._events if event.kind == "marker"],
            events=self._events,
            clock_steps=[ClockStep(moment=step.moment, by_ms=step.by_ms) for step in self._reading.steps],
            totals=self._totals(lanes, unknown, holds),
        )

    # ---------------------------------------------------------------------------------------------- gaps

    def _take(self, row: Row, event: Event) -> None:
        taken = self._spans.take(event.kind, event.moment, row.fields)
        if taken is None:
            return
        detail = event.detail or {}
        gap = Gap(
            at=taken.at,
            start=taken.start,
            duration_ms=taken.duration,
            covered=taken.covered,
            before=detail.get("before"),
            after=detail.get("after"),
        )
        self._gaps.append(gap)

    # ------------------------------------------------------------------------------------------ what is there

    def _lanes(self, on_air: list[ValueSpan]) -> list[Lane]:
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

    def _lane(self, camera: str, row: Mapping[str, Any], on_air: list[ValueSpan], cuts: int) -> Lane:
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
        return lane_order(self._start, lane.joined_at, self._end, lane.name or lane.camera_id)

    def _totals(self, lanes: list[Lane], unknown: list[Span], holds: list[Span]) -> Totals:
        kinds = Counter(event.kind for event in self._events)
        return Totals(
            length_ms=self._end - self._start,
            cuts=kinds["cut"],
            on_air_ms={lane.camera_id: lane.on_air_ms for lane in lanes},
            unknown_ms=sum(span.length for span in unknown),
            holds=self._spans.holds,
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


def _merged(spans: list[tuple[int, int]], start: int, end: int) -> list[Span]:
    """The union of some spans, inside the bounds."""
    merged: list[tuple[int, int]] = []
    for a, b in sorted((max(a, start), min(b, end)) for a, b in spans):
        if merged and a <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(b, merged[-1][1]))
        elif a < b:
            merged.append((a, b))
    return [Span(start=a, end=b) for a, b in merged]


def timeline_json(timeline: Timeline) -> bytes:
    """The timeline as one JSON object."""
    return msgspec.json.encode(timeline)
