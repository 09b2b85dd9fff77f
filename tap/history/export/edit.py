"""A session as an edit: clips one after the other in whole frames, and markers over them.

Every format that editors read is written from this one model. Frames count from the start of the session. What was not
seen is black with a marker that says so; it is never given to a camera.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, tzinfo
from typing import Literal

from msgspec import Struct, field

from tap.history.export.rates import Rate
from tap.history.export.reels import Reel, printable, reels_of
from tap.history.timeline import Event, Timeline
from tap.history.words import counted

__all__ = ["Clip", "Edit", "Marker", "Start", "edit_of"]

Start = Literal["tod", "zero"]
"""Where the record timecode begins: at the session's time of day, or at zero."""

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


class Marker(Struct, kw_only=True, frozen=True):
    """Something that happened, from ``at`` for ``length`` frames (0: a moment)."""

    at: int
    length: int = 0
    kind: str
    name: str
    note: str = ""


class Edit(Struct, kw_only=True):
    """The whole edit."""

    title: str
    rate: Rate
    start_frame: int
    """The record timecode of the first frame, as a frame number."""
    day_frame: int
    """The same by time of day: sources have it as their timecode."""
    length: int
    clips: list[Clip]
    markers: list[Marker]
    reels: dict[str, Reel]
    notes: list[str] = field(default_factory=list)
    """What a person should know about this file."""

    def record(self, frame: int) -> str:
        """The record timecode of a frame of the session."""
        return self.rate.timecode(self.start_frame + frame)

    def source(self, frame: int) -> str:
        """The source timecode of a frame of the session: time of day."""
        return self.rate.timecode(self.day_frame + frame)


def edit_of(timeline: Timeline, rate: Rate, zone: tzinfo | None, start: Start = "tod") -> Edit:
    """The edit of a session at ``rate``; time of day is that of ``zone`` (None: the machine's)."""
    day_frame = rate.at_clock(_ms_of_day(timeline.start, zone))
    length = max(rate.frames(timeline.end - timeline.start), 1)
    reels = reels_of((lane.camera_id, lane.name, lane.role) for lane in timeline.lanes)
    builder = _Builder(timeline, rate, length, reels)
    clips = list(builder.clips())
    edit = Edit(
        title=printable(timeline.title or timeline.session_key),
        rate=rate,
        start_frame=day_frame if start == "tod" else 0,
        day_frame=day_frame,
        length=length,
        clips=clips,
        markers=sorted(builder.markers(), key=lambda marker: (marker.at, marker.kind, marker.name)),
        reels=reels,
    )
    edit.notes += builder.notes
    if timeline.clock_steps:
        often = counted(len(timeline.clock_steps), "time")
        edit.notes.append(f"the server's clock was set {often}: times here go on by the clock that it had at the start")
    if timeline.status == "live":
        edit.notes.append("this session still runs: the file ends with what is known by now")
    return edit


class _Builder:
    def __init__(self, timeline: Timeline, rate: Rate, length: int, reels: dict[str, Reel]) -> None:
        self.notes: list[str] = []
        self._timeline = timeline
        self._rate = rate
        self._length = length
        self._reels = reels
        self._short: list[Marker] = []
        self._cuts: dict[tuple[int, str | None], Event] = {}
        for event in timeline.events:
            if event.kind == "cut":
                self._cuts[self._frame(event.moment), event.camera_id] = event

    def clips(self) -> Iterator[Clip]:
        """All clips, without a hole between them."""
        at = 0
        before: Clip | None = None
        for start, end, what, camera_id in self._spans():
            start = max(start, at)  # noqa: PLW2901 - rounding must not make two clips share a frame
            if end <= start:
                self._too_short(start, what, camera_id)
                continue
            if start > at:
                before = Clip(start=at, end=start, what="nothing")
                yield before
            before = self._clip(start, end, what, camera_id, before)
            yield before
            at = end
        if at < self._length:
            yield Clip(start=at, end=self._length, what="nothing")

    def markers(self) -> Iterator[Marker]:
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
        for moment in self._timeline.music:
            what = (moment.detail or {}).get("kind")
            yield self._marker(moment.moment, moment.moment, "music", f"Music {printable(str(what or ''))}".rstrip())
        for mark in self._timeline.markers:
            label, source = (printable(str((mark.detail or {}).get(name) or "")) for name in ("label", "source"))
            yield self._marker(mark.moment, mark.moment, "marker", label or "Marker", source)

    # ------------------------------------------------------------------ the parts

    def _frame(self, at: int) -> int:
        return self._rate.frames(at - self._timeline.start)

    def _spans(self) -> Sequence[tuple[int, int, What, str | None]]:
        spans: list[tuple[int, int, What, str | None]] = [
            (span.start, span.end, "camera", lane.camera_id) for lane in self._timeline.lanes for span in lane.on_air
        ]
        spans += [(span.start, span.end, "gap", None) for span in self._timeline.unknown]
        in_order = sorted(spans, key=lambda span: span[:2])
        return [(self._frame(start), self._frame(end), what, camera) for start, end, what, camera in in_order]

    def _clip(self, start: int, end: int, what: What, camera_id: str | None, before: Clip | None) -> Clip:
        if what != "camera" or camera_id is None:
            return Clip(start=start, end=end, what=what)
        cut = self._cuts.get((start, camera_id))
        dissolve, transition = 0, None
        if cut is not None and cut.duration_ms and (cut.transition or "").casefold() != "cut":
            transition = printable(cut.transition or "") or "dissolve"
            # Into what was not seen, nothing can be mixed; and the next cut ends this picture, however far it had come.
            if before is not None and before.what == "camera":
                dissolve = min(self._rate.frames(cut.duration_ms), end - start)
        return Clip(
            start=start,
            end=end,
            what="camera",
            reel=self._reels[camera_id],
            dissolve=dissolve,
            transition=transition,
        )

    def _too_short(self, at: int, what: What, camera_id: str | None) -> None:
        if what == "camera" and camera_id is not None:
            name = self._reels[camera_id].name
            self._short.append(self._at(at, 0, "cut", f"Cut {name}", "on air for less than a frame: no clip"))

    def _gap(self, start: int | None, at: int, duration_ms: int | None) -> Marker:
        if duration_ms is None:
            return self._marker(at, at, "gap", "First heard", "the session ran before the tap heard of it")
        blind = f"nothing was heard for {duration_ms / 1000:.1f} s"
        return self._marker(at - duration_ms if start is None else start, at, "gap", "Gap", blind)

    def _marker(self, start: int, end: int, kind: str, name: str, note: str = "") -> Marker:
        first, last = self._frame(start), self._frame(end)
        if first < 0 or first >= self._length:
            where = "before the session began" if first < 0 else "after the session ended"
            note = f"{note}; {where}".removeprefix("; ")
        return self._at(first, last - max(first, 0), kind, name, note)

    def _at(self, at: int, length: int, kind: str, name: str, note: str) -> Marker:
        at = min(max(at, 0), self._length - 1)
        return Marker(at=at, length=max(0, min(length, self._length - at)), kind=kind, name=name, note=note)


def _ms_of_day(at: int, zone: tzinfo | None) -> int:
    local = (
        datetime.fromtimestamp(at / 1000, zone) if zone is not None else datetime.fromtimestamp(at / 1000).astimezone()
    )
    return ((local.hour * 60 + local.minute) * 60 + local.second) * 1000 + at % 1000
