"""A session as an edit: clips one after the other in whole frames, and markers over them.

Every format that editors read is written from this one model. Frames count from the start of the session. What was not
seen is black with a marker that says so; it is never given to a camera.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from fractions import Fraction
from typing import Literal

from msgspec import Struct, field

from tap.core.kinds import KINDS
from tap.history.export.rates import Grid, Rate
from tap.history.export.reels import Reel, printable, reels_of
from tap.history.formatting import counted
from tap.history.shots import Shot, shots_of
from tap.history.timeline import Event, Timeline

__all__ = ["Clip", "Edit", "EditMarker", "begin_of", "edit_of"]

What = Literal["camera", "gap", "nothing"]


class Clip(Struct, kw_only=True, frozen=True):
    """From ``start`` up to, not including, ``end``: a camera, or black."""

    start: int
    end: int
    what: What
    reel: Reel | None = None
    dissolve: int = 0
    """For so many frames from its start, the picture before it goes over into this one."""
    transition: str | None = None
    """What the director's app called it, where it was no plain cut."""

    @property
    def length(self) -> int:
        """Frames."""
        return self.end - self.start


class EditMarker(Struct, kw_only=True, frozen=True):
    """Something that happened, from ``at`` for ``length`` frames (0: a moment)."""

    at: int
    length: int = 0
    kind: str
    name: str
    note: str = ""


class Edit(Struct, kw_only=True):
    """The whole edit."""

    title: str
    grid: Grid
    start_frame: int
    """The record timecode of the first frame, as a frame number."""
    day_frame: int
    """The same by time of day."""
    length: int
    clips: list[Clip]
    markers: list[EditMarker]
    reels: dict[str, Reel]
    notes: list[str] = field(default_factory=list)
    """What a person should know about this file."""

    @property
    def rate(self) -> Rate:
        """Of its frames."""
        return self.grid.rate

    def record(self, frame: int) -> str:
        """The record timecode of a frame of the session; past midnight it runs on (``24:00:05:00``)."""
        return self.rate.timecode(self.start_frame + frame, running=True)

    def source(self, frame: int) -> str:
        """The time of day of a frame of the session, as a timecode."""
        return self.rate.timecode(self.day_frame + frame, running=True)


def edit_of(
    timeline: Timeline, rate: Rate, zone: tzinfo | None, start: str = "tod", *, shift: Fraction | None = None
) -> Edit:
    """The edit of a session at ``rate``; time of day is that of ``zone`` (None: the machine's).

    Args:
        start: the record timecode of the first frame: ``tod`` (the time of day), ``zero``, or a timecode.
        shift: by how many ms, less than a frame, its frames lie behind the session's start: where those of the
            recording do, if that is known.

    Raises ``ValueError`` for a start that is not a timecode.
    """
    grid = Grid(rate, timeline.start + (shift or Fraction(0)), recorder=shift is not None)
    day_frame = rate.at_clock(_ms_of_day(timeline.start, zone))
    length = max(grid.frame(timeline.end), 1)
    reels = reels_of((lane.camera_id, lane.name, lane.role) for lane in timeline.lanes)
    builder = _Builder(timeline, grid, length, reels)
    clips = list(builder.clips())
    starts = {"tod": day_frame, "zero": 0}
    edit = Edit(
        title=printable(timeline.title or timeline.session_key),
        grid=grid,
        start_frame=starts[start] if start in starts else rate.frame_of(start),
        day_frame=day_frame,
        length=length,
        clips=clips,
        markers=sorted(builder.markers(), key=_in_order),
        reels=reels,
    )
    if timeline.clock_steps:
        often = counted(len(timeline.clock_steps), "time")
        edit.notes.append(f"the server's clock was set {often}: times here continue by the clock from the start")
    if timeline.status == "live":
        edit.notes.append("this session still runs: the file ends with what is known by now")
    return edit


def begin_of(shot: Shot, grid: Grid) -> int:
    """The frame on which a shot begins: with a cut the one that it was told of, else the first that can show it."""
    return grid.onset(shot.start) if shot.duration_ms else grid.frame(shot.start)


def _in_order(marker: EditMarker) -> tuple[int, str, str]:
    return marker.at, marker.kind, marker.name


class _Builder:
    def __init__(self, timeline: Timeline, grid: Grid, length: int, reels: dict[str, Reel]) -> None:
        self._timeline = timeline
        self._grid = grid
        self._length = length
        self._reels = reels
        self._short: list[EditMarker] = []

    def clips(self) -> Iterator[Clip]:
        """All clips, without a hole between them."""
        at = 0
        before: Clip | None = None
        shots = shots_of(self._timeline)
        ends = [*(begin_of(shot, self._grid) for shot in shots[1:]), self._length]
        for shot, until in zip(shots, ends, strict=False):
            start, end = max(begin_of(shot, self._grid), at), min(until, self._length)
            if end <= start:
                self._too_short(start, shot)
                continue
            before = self._clip(start, end, shot, before)
            yield before
            at = end
        if at < self._length:
            yield Clip(start=at, end=self._length, what="nothing")

    def markers(self) -> Iterator[EditMarker]:
        """Stills, holds, modes, gaps and moments; to be asked after ``clips``."""
        yield from self._short
        names = {camera_id: reel.name for camera_id, reel in self._reels.items()}
        for hold in self._timeline.holds:
            on = names.get(hold.camera_id or "")
            yield self._marker(hold.start, hold.end, "hold", f"Hold {on}" if on else "Hold")
        for mode in self._timeline.modes:
            yield self._marker(mode.start, mode.end, "mode", f"Mode {printable(mode.mode or '')}")
        for gap in self._timeline.gaps:
            yield self._gap(gap.start, gap.at, gap.duration_ms)
        for still in self._timeline.stills:
            name = names.get(still.camera_id or "", "")
            note = f"{still.status} {printable(still.still_id or '')}".rstrip()
            yield self._marker(still.moment, still.moment, "still", f"Still {name}".rstrip(), note)
        for events in self._timeline.marks().values():
            yield from map(self._mark, events)

    # ------------------------------------------------------------------ the parts

    def _frame(self, at: int) -> int:
        return self._grid.frame(at)

    def _clip(self, start: int, end: int, shot: Shot, before: Clip | None) -> Clip:
        if not shot.known:
            return Clip(start=start, end=end, what="gap")
        # Into what was not seen, and out of it, nothing can be mixed; and the next cut ends this picture, however far
        # it had come.
        mixed = shot.duration_ms > 0 and before is not None and before.what != "gap"
        return Clip(
            start=start,
            end=end,
            what="nothing" if shot.camera_id is None else "camera",
            reel=None if shot.camera_id is None else self._reels[shot.camera_id],
            dissolve=min(self._grid.rate.frames(shot.duration_ms), end - start) if mixed else 0,
            transition=(printable(shot.transition or "") or "dissolve") if shot.duration_ms else None,
        )

    def _too_short(self, at: int, shot: Shot) -> None:
        if shot.camera_id is not None:
            name = self._reels[shot.camera_id].name
            self._short.append(self._at(at, 0, "cut", f"Cut {name}", "on air for less than a frame: no clip"))

    def _gap(self, start: int | None, at: int, duration_ms: int | None) -> EditMarker:
        if duration_ms is None and start is None:
            return self._marker(at, at, "gap", "First signal", "the session was running before the tap connected")
        if duration_ms is None:
            return self._marker(start or at, at, "gap", "Gap", "no signal, for an unknown time")
        blind = f"no signal for {duration_ms / 1000:.1f} s"
        return self._marker(at - duration_ms if start is None else start, at, "gap", "Gap", blind)

    def _mark(self, event: Event) -> EditMarker:
        """A moment that changes nothing. What people called it is its name, all else that it says is beside that."""
        kind = KINDS[event.kind]
        told = {name: said for name in kind.says if (said := _said(event, name))}
        name = told.pop(kind.titled, None) or kind.label
        note = ", ".join(told.values())
        if not kind.titled:
            name, note = f"{name} {note}".rstrip(), ""
        return self._marker(event.moment, event.moment, kind.word, name, note)

    def _marker(self, start: int, end: int, kind: str, name: str, note: str = "") -> EditMarker:
        first, last = self._frame(start), self._frame(end)
        if first < 0 or first >= self._length:
            where = "before the session began" if first < 0 else "after the session ended"
            note = f"{note}; {where}".removeprefix("; ")
        return self._at(first, last - max(first, 0), kind, name, note)

    def _at(self, at: int, length: int, kind: str, name: str, note: str) -> EditMarker:
        at = min(max(at, 0), self._length - 1)
        return EditMarker(at=at, length=max(0, min(length, self._length - at)), kind=kind, name=name, note=note)


def _said(event: Event, name: str) -> str:
    return printable(str((event.detail or {}).get(name) or ""))


def _ms_of_day(at: int, zone: tzinfo | None) -> int:
    local = datetime.fromtimestamp(at // 1000, UTC).astimezone(zone)
    return ((local.hour * 60 + local.minute) * 60 + local.second) * 1000 + at % 1000
