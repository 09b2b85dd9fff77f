"""The content of one session's report: numbers, words, and the data of its picture, in a compact form.

Pure. Text from servers and people (names, titles, notes) may be anything: here it is made harmless and cut to a
maximum length. The templates escape it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any

from msgspec import Struct

from tap.core.kinds import KINDS, MARK_ROWS, label_of
from tap.core.merge import Row
from tap.history.export.rates import RATES, Rate
from tap.history.formatting import duration_text, plain, time_of_day, zone_name
from tap.history.phrases import camera_names, clock_step_phrase, event_phrase
from tap.history.report.palette import looks
from tap.history.statistics import CameraStatistics, SessionStatistics, program_of, statistics_of, stills_after_cut
from tap.history.timeline import Event, Lane, StillMark, Timeline, timeline_of

__all__ = ["ReportCamera", "ReportData", "ReportStill", "SessionReport", "bounded", "report_of"]

_HOUR = 3_600_000
_MOST_LOOKS = 2_000
"""Lookups of the time zone's offset in one session, at most."""

_TITLE, _NAME, _WORDS, _NOTES = 300, 120, 240, 4_000
"""The most characters that are shown of a title, a name, an event's words, and notes."""

STATUSES = ("uploaded", "captured", "requested", "failed")
_NOTHING, _UNKNOWN = -1, -2
_MOST_STEPS = 20


class ReportCamera(Struct, frozen=True, kw_only=True):
    """One camera on the page."""

    index: int
    camera_id: str
    name: str
    """Different from the names of the session's other cameras."""
    role: str | None
    device: str | None
    colour: int
    texture: str
    figures: CameraStatistics


class ReportStill(Struct, frozen=True, kw_only=True):
    """One still on the page."""

    mark: StillMark
    number: int
    """Its index in the data, in the order of time."""
    name: str
    camera: ReportCamera | None
    after_cut_ms: int | None
    why: str
    """Why it failed, if the server said so."""
    picture: str | None
    """A ``data:`` URI."""


class ReportData(Struct, frozen=True, kw_only=True):
    """What the page draws. Times are ms since ``start``. Cameras, kinds and words are indexes of their lists."""

    start: int
    length: int
    live: bool
    fps: str
    offsets: list[tuple[int, int]]
    """The offsets of local time: since when (Unix ms), and how many ms ahead of UTC."""
    cameras: list[dict[str, Any]]
    program: list[tuple[int, int, int, int]]
    """Start, length, camera (-2: unknown; nothing on air is left out), 1 if it was over earlier, at an unknown time."""
    modes: list[tuple[int, int, str, int]]
    holds: list[tuple[int, int, int]]
    gaps: list[tuple[int, int, int, str]]
    """Start, length, 1 if another tap recorded what happened, and the words for it."""
    kinds: list[tuple[str, str, str]]
    """Name, label, and row of the picture."""
    marks: dict[str, tuple[str, bool]]
    """Rows of marks that do not change the program: label, and whether a person made the mark."""
    words: list[str]
    events: list[tuple[int, int, int, int, str, int, int, int]]
    """Kind, time, camera, camera before, timecode, words, length of a dissolve or hold, still. -1 means none."""
    stills: list[tuple[int, int, str, str, int | None, int, str]]
    """Time, camera, status, name, ms after the cut, camera on air, why it failed."""
    themes: dict[str, Any]


class SessionReport(Struct, frozen=True, kw_only=True):
    """One session, ready for the page's templates."""

    title: str
    short_title: str
    venue: str
    status: str
    status_words: str
    when: str
    zone_words: str
    notes: str
    made: str
    clock_words: list[str]
    """Sentences about steps of the server's clock, which the times on the page do not show."""
    rate: Rate
    timeline: Timeline
    figures: SessionStatistics
    cameras: list[ReportCamera]
    stills: list[ReportStill]
    names: dict[str, str]
    zone: tzinfo | None
    data: ReportData

    def camera(self, camera: str | None, name: str | None = None) -> str:
        """The name of a camera on the page."""
        if camera is None:
            return ""
        return self.names.get(camera) or bounded(name or camera, _NAME)

    def time_of_day(self, at: int, *, tenths: bool = False) -> str:
        """The time of day of a moment, where the venue is; with tenths of its second where they are asked for."""
        return time_of_day(at, self.zone, fraction=True)[:-2] if tenths else time_of_day(at, self.zone)

    def timecode(self, at: int) -> str:
        """The timecode of a moment: time of day at the start, and counted in frames from there."""
        return _timecode(self.rate, self.timeline.start, self.zone, at)


def report_of(
    rows: Iterable[Row],
    *,
    zone: tzinfo | None = None,
    rate: Rate = RATES["25"],
    pictures: Mapping[str, str] | None = None,
    made_at: int,
) -> SessionReport:
    """The report of the one session that these rows belong to.

    ``zone``: the venue's (None: the machine's); ``pictures``: ``data:`` URIs by still key; ``made_at``: now, Unix ms.
    Raises ``ValueError`` where there are no rows, or rows of more than one session.
    """
    timeline = timeline_of(rows)
    figures = statistics_of(timeline)
    names = _names(timeline.lanes)
    cameras = [_camera(index, lane, names, figures) for index, lane in enumerate(timeline.lanes)]
    stills = _stills(timeline, cameras, pictures or {})
    title = bounded(timeline.title or timeline.session_id or timeline.session_key, _TITLE)
    return SessionReport(
        title=title,
        short_title=bounded(title, 80),
        venue=bounded(timeline.venue, _NAME),
        status=timeline.status,
        status_words=_status_words(timeline, zone),
        when=_when(timeline, zone),
        zone_words=_zone_words(timeline.start, zone),
        notes=bounded(timeline.notes or "", _NOTES, lines=True),
        made=f"{_day(made_at, zone)}, {time_of_day(made_at, zone)} {zone_name(made_at, zone)}",
        clock_words=[clock_step_phrase(step, zone) for step in timeline.clock_steps[:_MOST_STEPS]],
        rate=rate,
        timeline=timeline,
        figures=figures,
        cameras=cameras,
        stills=stills,
        names=names,
        zone=zone,
        data=_Packer(timeline, names, zone, rate).data(stills),
    )


def bounded(text: str, most: int, *, lines: bool = False) -> str:
    """``text`` made harmless, and with an ellipsis where it is longer than ``most`` characters."""
    cut = text if len(text) <= most else f"{text[: most - 1]}…"
    return "\n".join(plain(line) for line in cut.splitlines()) if lines else plain(cut)


def _names(lanes: Iterable[Lane]) -> dict[str, str]:
    """Names that are short enough to read, and different for each camera."""
    found: dict[str, str] = {}
    for camera, name in camera_names(lanes).items():
        short, number = bounded(name, _NAME), 1
        while short in found.values():
            number += 1
            short = f"{bounded(name, _NAME - 6)} #{number}"
        found[camera] = short
    return found


def _camera(index: int, lane: Lane, names: Mapping[str, str], figures: SessionStatistics) -> ReportCamera:
    colour, texture = looks(index)
    return ReportCamera(
        index=index,
        camera_id=lane.camera_id,
        name=names[lane.camera_id],
        role=None if lane.role is None else bounded(lane.role, _NAME),
        device=None if lane.device is None else bounded(str(lane.device), _NAME),
        colour=colour,
        texture=texture,
        figures=figures.cameras[index],
    )


def _stills(timeline: Timeline, cameras: Iterable[ReportCamera], pictures: Mapping[str, str]) -> list[ReportStill]:
    by_id = {camera.camera_id: camera for camera in cameras}
    after = stills_after_cut(timeline)
    return [
        ReportStill(
            mark=mark,
            number=number,
            name=bounded(mark.still_id or "", _NAME),
            camera=by_id.get(mark.camera_id or ""),
            after_cut_ms=after.get(mark.key),
            why=bounded(str(mark.fail_reason or ""), _WORDS),
            picture=pictures.get(mark.key),
        )
        for number, mark in enumerate(timeline.stills)
    ]


# ---------------------------------------------------------------------------------------------- words

_ENDS = {
    "unseen": "its end was not seen",
    "replaced": "another session had begun when the signal came back",
    "idle": "no session was running when the signal came back",
}


def _status_words(timeline: Timeline, zone: tzinfo | None) -> str:
    reason = timeline.end_reason
    match timeline.status:
        case "live":
            return f"still running: as of {time_of_day(timeline.end, zone)}"
        case "complete":
            return "complete"
        case "interrupted":
            return f"interrupted: {_ENDS.get(reason or '', bounded(reason or 'its end was not seen', _NAME))}"
        case _:
            return "its own row has not come yet"


def _when(timeline: Timeline, zone: tzinfo | None) -> str:
    first, last = _day(timeline.start, zone), _day(timeline.end, zone)
    start, end = time_of_day(timeline.start, zone), time_of_day(timeline.end, zone)
    before, after = zone_name(timeline.start, zone), zone_name(timeline.end, zone)
    if before != after:
        # Clocks were put forward or back meanwhile: without this an hour would seem missing, or twice there.
        start, end = f"{start} {before}", f"{end} {after}"
    return f"{first}, {start} – {end}" if first == last else f"{first}, {start} – {last}, {end}"


def _day(ms: int, zone: tzinfo | None) -> str:
    return f"{_local(ms, zone):%A} {_local(ms, zone).day} {_local(ms, zone):%B %Y}"


def _zone_words(ms: int, zone: tzinfo | None) -> str:
    short, full = zone_name(ms, zone), getattr(zone, "key", None)
    return short if full in (None, short) else f"{short} ({full})"


def _local(ms: int, zone: tzinfo | None) -> datetime:
    return datetime.fromtimestamp(ms // 1000, UTC).astimezone(zone)


def _offset(ms: int, zone: tzinfo | None) -> int:
    """How far the local time is ahead of UTC, in ms."""
    offset = _local(ms, zone).utcoffset()
    return 0 if offset is None else round(offset.total_seconds() * 1000)


def _offsets(start: int, end: int, zone: tzinfo | None) -> list[tuple[int, int]]:
    """Every offset of the local time from start to end, and from when it holds: clocks are put forward and back."""
    step = max(_HOUR, (end - start) // _MOST_LOOKS)
    found = [(start, _offset(start, zone))]
    for at in range(start + step, end + step, step):
        if _offset(at, zone) != found[-1][1]:
            low, high = at - step, at
            while high - low > 1000:
                middle = (low + high) // 2
                low, high = (middle, high) if _offset(middle, zone) == found[-1][1] else (low, middle)
            found.append((high // 1000 * 1000, _offset(at, zone)))
    return found


def _timecode(rate: Rate, start: int, zone: tzinfo | None, at: int) -> str:
    return rate.timecode(rate.at_clock((start + _offset(start, zone)) % (24 * _HOUR)) + rate.frames(at - start))


# ---------------------------------------------------------------------------------------------- what is drawn


def _row_of(kind: str) -> str:
    return KINDS[kind].row if kind in KINDS else "program"


class _Packer:
    """Packs what the page draws of a timeline: small enough to be sent."""

    def __init__(self, timeline: Timeline, names: Mapping[str, str], zone: tzinfo | None, rate: Rate) -> None:
        self._timeline = timeline
        self._names = names
        self._zone = zone
        self._rate = rate
        self._index = {lane.camera_id: index for index, lane in enumerate(timeline.lanes)}
        self._kinds: dict[str, int] = {}
        self._words: dict[str, int] = {}
        self._numbers = {still.key: number for number, still in enumerate(timeline.stills)}

    def data(self, stills: Iterable[ReportStill]) -> ReportData:
        timeline = self._timeline
        events = [self._event(event) for event in timeline.events]
        latest = max((timeline.end, *(still.moment for still in timeline.stills)))
        return ReportData(
            start=timeline.start,
            length=timeline.end - timeline.start,
            live=timeline.status == "live",
            fps=self._rate.name,
            offsets=_offsets(timeline.start, latest, self._zone),
            cameras=[self._camera(lane, index) for index, lane in enumerate(timeline.lanes)],
            program=[
                (self._since(one.start), one.length, self._place(one.camera_id) if one.known else _UNKNOWN, one.unsure)
                for one in program_of(timeline)
                if one.camera_id is not None or not one.known
            ],
            modes=[
                (self._since(one.start), one.length, bounded(one.mode or "", _NAME), one.unsure)
                for one in timeline.modes
            ],
            holds=[(self._since(one.start), one.length, self._place(one.camera_id)) for one in timeline.holds],
            gaps=self._gaps(),
            kinds=[(bounded(kind, 40), bounded(label_of(kind), 40), _row_of(kind)) for kind in self._kinds],
            marks={row: (look.label, look.by_people) for row, look in MARK_ROWS.items()},
            words=list(self._words),
            events=events,
            stills=[self._still(still) for still in stills],
            themes={},
        )

    def _since(self, at: int) -> int:
        return at - self._timeline.start

    def _place(self, camera: str | None) -> int:
        return self._index.get(camera or "", _NOTHING)

    def _camera(self, lane: Lane, index: int) -> dict[str, Any]:
        timeline, (colour, texture) = self._timeline, looks(index)
        joined = timeline.start if lane.joined_at is None else max(lane.joined_at, timeline.start)
        left = timeline.end if lane.left_at is None else min(lane.left_at, timeline.end)
        return {
            "name": self._names[lane.camera_id],
            "role": bounded(lane.role or "", _NAME),
            "colour": colour,
            "texture": texture,
            "joined": self._since(joined),
            "left": self._since(max(joined, left)),
        }

    def _gaps(self) -> list[tuple[int, int, int, str]]:
        found = []
        for gap in self._timeline.gaps:
            start = self._timeline.start if gap.start is None else max(gap.start, self._timeline.start)
            words = "no signal, for an unknown time"
            if gap.duration_ms is not None:
                words = f"no signal for {duration_text(gap.duration_ms)}"
            elif gap.start is None:
                words = "before the first signal"
            found.append((self._since(min(start, gap.at)), max(0, gap.at - start), int(gap.covered), words))
        return sorted(found)

    def _event(self, event: Event) -> tuple[int, int, int, int, str, int, int, int]:
        kind = self._kinds.setdefault(event.kind, len(self._kinds))
        told = bounded(event_phrase(event, self._called), _WORDS)
        words = self._words.setdefault(told, len(self._words))
        return (
            kind,
            self._since(event.moment),
            self._place(event.camera_id),
            self._place(event.from_camera_id),
            _timecode(self._rate, self._timeline.start, self._zone, event.moment),
            words,
            _NOTHING if event.duration_ms is None else event.duration_ms,
            self._numbers.get(event.still_key or "", _NOTHING),
        )

    def _called(self, camera: str | None, name: str | None = None) -> str:
        return "" if camera is None else self._names.get(camera) or bounded(name or camera, _NAME)

    def _still(self, still: ReportStill) -> tuple[int, int, str, str, int | None, int, str]:
        mark = still.mark
        return (
            self._since(mark.moment),
            self._place(mark.camera_id),
            mark.status,
            still.name,
            still.after_cut_ms,
            self._place(mark.program_camera_id),
            still.why,
        )
