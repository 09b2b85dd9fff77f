"""A session's timeline in the terminal: a lane for each camera, marks below, the event log, and the totals.

Every meaning of a colour also has a character, so the picture reads the same in a pipe.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import tzinfo
from typing import Any

from msgspec import Struct
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tap.core.kinds import KINDS, MARK_ROWS
from tap.core.palette import WARNING
from tap.history.formatting import counted, date_text, duration_text, plain, time_of_day, zone_name
from tap.history.phrases import camera_names, clock_step_phrase, event_phrase
from tap.history.timeline import Lane, Span, StillMark, Timeline

__all__ = ["print_timeline"]

_COLOURS = ("#3b82d0", "#d06a10", "#1e9a70", "#b0609c", "#2e97b5", "#d0453f", "#8f6ae0", "#938a35")
"""Each can be read on a black terminal and on a white one: 3:1 at least to both."""

_ON, _LEFT_HALF, _RIGHT_HALF = "█", "▌", "▐"
_HEIGHTS = "▁▂▃▅█"
"""By its share of a cell, where several shots are in it."""
_THERE, _BLIND, _HOLD = "·", "░", "━"
_STILLS = {"uploaded": "◆", "captured": "◇", "requested": "○", "failed": "✕"}
_STATUS_COLOURS = {"live": "bold red", "complete": "green", "interrupted": WARNING, "unknown": "dim"}
_BLIND_STYLE = "red"
_STEPS_MS = [
    *(1000 * step for step in (1, 2, 5, 10, 15, 30)),
    *(60_000 * step for step in (1, 2, 5, 10, 15, 30)),
    *(3_600_000 * step for step in (1, 2, 3, 6, 12, 24)),
]
_LONGEST_LABEL = 120
"""Cells for a camera's name where the drawing is as wide as it likes: the table below it has the whole name."""
_LABEL_CELLS = 10
"""Cells for the label of one tick of the clock, with some air."""


def print_timeline(timeline: Timeline, console: Console, zone: tzinfo | None, *, width: int | None = None) -> None:
    """Print the timeline as wide as the console is.

    Args:
        zone: The time zone of the times of day; None: the machine's.
        width: The width of the chart in cells, where the console has more room. Names are not cut short then.
    """
    view = _View(timeline, zone, min(width or console.width, console.width), whole=width is not None)
    for line in view.heading():
        console.print(line, overflow="fold")
    console.print()
    for row in view.chart():
        console.print(row, no_wrap=True, overflow="crop")
    console.print()
    for text in view.legend():
        console.print(text, style="dim")
    console.print()
    console.print(view.events())
    console.print()
    console.print(view.cameras())
    for text in view.totals():
        console.print(text, style="bold")


class _Scale(Struct, frozen=True):
    """Converts moments to cells of the chart, which has ``cells`` of them from ``start`` to ``end``."""

    start: int
    end: int
    cells: int

    def place(self, at: int) -> int:
        """The cell of a moment; for a moment outside, the nearest cell."""
        length = max(1, self.end - self.start)
        return min(self.cells - 1, max(0, (at - self.start) * self.cells // length))

    def cover(self, span: Span) -> range:
        """The cells of a span; at least one."""
        first = self.place(span.start)
        return range(first, max(first, self.place(span.end - 1)) + 1)


class _View:
    """Everything that is printed of one timeline."""

    def __init__(self, timeline: Timeline, zone: tzinfo | None, width: int, *, whole: bool) -> None:
        self._timeline = timeline
        self._zone = zone
        self._width = width
        self._names = camera_names(timeline.lanes)
        widest = max((cell_len(name) for name in self._names.values()), default=0)
        self._marked = timeline.marks()
        wanted = max(widest, *(len(name) for name in ("mode", *self._marked)))
        fits = min(wanted, max(8, width // 4))
        self._label = min(wanted, _LONGEST_LABEL) if whole else fits
        self._time = max((len(duration_text(lane.on_air_ms)) for lane in timeline.lanes), default=0)
        cells = max(10, width - fits - self._time - 2)
        self._scale = _Scale(timeline.start, timeline.end, cells)
        self._colours = {lane.camera_id: _COLOURS[index % len(_COLOURS)] for index, lane in enumerate(timeline.lanes)}

    # ------------------------------------------------------------------------------------------ what it is

    def heading(self) -> Iterator[Text]:
        timeline, zone = self._timeline, self._zone
        yield Text(plain(timeline.title or timeline.session_key), style="bold")
        status = Text(timeline.status, style=_STATUS_COLOURS.get(timeline.status, ""))
        if timeline.end_reason is not None:
            status.append(f" ({plain(timeline.end_reason)})", style="default")
        yield Text(" · ").join([Text(plain(timeline.session_key)), status])
        until = f"{time_of_day(timeline.end, zone)} {zone_name(timeline.start, zone)}"
        so_far = " so far" if timeline.status == "live" else ""
        when = f"{date_text(timeline.start, zone)} {time_of_day(timeline.start, zone)} to {until}"
        yield Text(f"{when} · {duration_text(timeline.totals.length_ms)}{so_far}")
        for step in timeline.clock_steps:
            yield Text(clock_step_phrase(step, zone), style=WARNING)
        if timeline.notes:
            yield Text(f"notes: {plain(timeline.notes)}", style="italic")

    # ------------------------------------------------------------------------------------------ the chart

    def chart(self) -> Iterator[Text]:
        yield from self._axis()
        for lane in self._timeline.lanes:
            time = Text(f" {duration_text(lane.on_air_ms):>{self._time}}", style="" if lane.on_air_ms else "dim")
            name = self._names[lane.camera_id]
            yield self._row(name, self._lane(lane), style=self._colours[lane.camera_id]) + time
        yield from self._marks()

    def _row(self, name: str, cells: Text, style: str = "") -> Text:
        return Text(_fitted(name, self._label), style=style) + Text(" ", style="default") + cells

    def _axis(self) -> Iterator[Text]:
        labels, line = [" "] * self._scale.cells, ["─"] * self._scale.cells
        for at in _ticks(self._scale, self._zone):
            place = self._scale.place(at)
            line[place] = "┬"
            text = time_of_day(at, self._zone)
            if place + len(text) <= self._scale.cells:
                labels[place : place + len(text)] = text
        yield self._row("", Text("".join(labels), style="dim"))
        yield self._row("", Text("".join(line), style="dim"))

    def _lane(self, lane: Lane) -> Text:
        cells = [(" ", "")] * self._scale.cells
        for index in self._scale.cover(self._presence(lane)):
            cells[index] = (_THERE, "dim")
        for span in self._timeline.unknown:
            for index in self._scale.cover(span):
                cells[index] = (_BLIND, _BLIND_STYLE)
        colour = self._colours[lane.camera_id]
        for index, character in _bars(lane.on_air, self._scale):
            cells[index] = (character, colour)
        for still in lane.stills:
            index = self._scale.place(still.moment)
            style = f"bold black on {colour}" if cells[index][0] == _ON else f"bold {colour}"
            cells[index] = (_STILLS.get(still.status, "?"), style)
        return _assembled(cells)

    def _presence(self, lane: Lane) -> Span:
        timeline = self._timeline
        since = timeline.start if lane.joined_at is None else max(lane.joined_at, timeline.start)
        until = timeline.end if lane.left_at is None else min(lane.left_at, timeline.end)
        return Span(start=since, end=max(since, until))

    def _marks(self) -> Iterator[Text]:
        """Marks that belong to no camera; a line for each kind that occurs."""
        timeline, scale = self._timeline, self._scale
        if timeline.modes:
            yield self._row("mode", _words(timeline.modes, scale), style="dim")
        if timeline.holds:
            yield self._row("hold", _drawn(timeline.holds, scale, _HOLD, "bold"), style="dim")
        gaps = [Span(start=timeline.start if gap.start is None else gap.start, end=gap.at) for gap in timeline.gaps]
        if gaps:
            yield self._row("gap", _drawn(gaps, scale, _BLIND, _BLIND_STYLE), style="dim")
        for name, look in MARK_ROWS.items():
            if events := self._marked.get(name):
                moments = [Span(start=event.moment, end=event.moment) for event in events]
                colour = KINDS[events[0].kind].colour.lower()
                yield self._row(name, _drawn(moments, scale, look.sign, colour), style="dim")

    def _is_dense(self) -> bool:
        bars = (mark for lane in self._timeline.lanes for _, mark in _bars(lane.on_air, self._scale))
        return any(mark in _HEIGHTS[:-1] for mark in bars)

    def legend(self) -> Iterator[str]:
        """The meaning of the characters that occur."""
        statuses = {still.status for still in self._timeline.stills}
        known: list[tuple[str, str, Any]] = [
            (_ON, "on air", any(lane.on_air for lane in self._timeline.lanes)),
            (_HEIGHTS[1], "several shots, height: their share", self._is_dense()),
            (_THERE, "there", self._timeline.lanes),
            (_BLIND, "no signal", self._timeline.gaps),
            (_HOLD, "held", self._timeline.holds),
            *((mark, f"still {status}", status in statuses) for status, mark in _STILLS.items()),
            *((look.sign, name, name in self._marked) for name, look in MARK_ROWS.items()),
        ]
        yield from _lines((f"{mark} {says}" for mark, says, occurs in known if occurs), "   ", self._width)

    # ------------------------------------------------------------------------------------------ the tables

    def events(self) -> Table:
        table = _table("time", "event", "camera", "what")
        timeline = self._timeline
        marks = {still.key: still.status for still in timeline.stills}
        for event in timeline.events:
            still = marks.get(event.still_key or "")
            told = ", ".join(
                part for part in (f"now {still}" if still else "", event_phrase(event, self.camera)) if part
            )
            table.add_row(
                time_of_day(event.moment, self._zone, fraction=True),
                plain(event.kind.replace("_", " ")),
                Text(self.camera(event.camera_id, event.camera_name), self._colours.get(event.camera_id or "", "")),
                Text(told),
            )
        return table

    def cameras(self) -> Table:
        table = _table("camera", "role", "on air", "", "cuts", "stills")
        for name in ("on air", "", "cuts"):
            next(column for column in table.columns if column.header == name).justify = "right"
        length = max(1, self._timeline.totals.length_ms)
        for lane in self._timeline.lanes:
            table.add_row(
                Text(self._names[lane.camera_id], self._colours[lane.camera_id]),
                Text(plain(lane.role or "")),
                duration_text(lane.on_air_ms),
                f"{100 * lane.on_air_ms / length:.0f} %",
                str(lane.cuts),
                _by_status(lane.stills),
            )
        return table

    def totals(self) -> Iterator[str]:
        totals = self._timeline.totals
        parts = [counted(totals.cuts, "cut"), f"stills: {_by_status(self._timeline.stills) or 'none'}"]
        if totals.holds or totals.hold_ms:
            parts.append(f"{counted(totals.holds, 'hold')} ({duration_text(totals.hold_ms)})")
        if totals.gaps:
            parts.append(f"{counted(totals.gaps, 'gap')} ({duration_text(totals.gap_ms)} without signal)")
        return _lines(parts, " · ", self._width)

    # ------------------------------------------------------------------------------------------ names

    def camera(self, camera: str | None, name: str | None = None) -> str:
        """The name of a camera; for one without a lane, the name that the event has."""
        if camera is None:
            return ""
        return self._names.get(camera) or plain(name or camera)


# ---------------------------------------------------------------------------------------------- drawing


def _fitted(text: str, cells: int) -> str:
    """``text`` in so many cells exactly, with an ellipsis where it is too long."""
    return set_cell_size(text, cells) if cell_len(text) <= cells else set_cell_size(text, cells - 1) + "…"


def _assembled(cells: Iterable[tuple[str, str]]) -> Text:
    text = Text()
    for character, style in cells:
        text.append(character, style=style)
    return text


def _lines(items: Iterable[str], between: str, width: int) -> Iterator[str]:
    """The items in lines that break between two of them."""
    line = ""
    for item in items:
        if line and cell_len(line) + cell_len(between) + cell_len(item) > width:
            yield line
            line = item
        else:
            line = f"{line}{between}{item}" if line else item
    yield line


def _bars(spans: Iterable[Span], scale: _Scale) -> Iterator[tuple[int, str]]:
    """The cells in which a camera is on air: half a cell where a shot begins or ends, and as high as its share of the
    cell where several shots, or a short one, are in it."""
    fine = _Scale(scale.start, scale.end, scale.cells * 2)
    length = max(1, scale.end - scale.start)
    halves: set[int] = set()
    shares: dict[int, float] = {}
    shots: Counter[int] = Counter()
    for span in spans:
        halves.update(fine.cover(span))
        covered = scale.cover(span)
        for index in covered:
            begin, end = scale.start + index * length / scale.cells, scale.start + (index + 1) * length / scale.cells
            share = (min(span.end, end) - max(span.start, begin)) / (end - begin)
            shares[index] = shares.get(index, 0.0) + max(0.0, share)
            # One that goes on beyond the cell is drawn by its edge.
            shots[index] += 1 if len(covered) > 1 else 2
    for index in sorted(shares):
        both = (2 * index in halves, 2 * index + 1 in halves)
        whole = _ON if all(both) else _LEFT_HALF if both[0] else _RIGHT_HALF
        yield index, whole if shots[index] == 1 else _HEIGHTS[min(4, int(shares[index] * 5))]


def _drawn(spans: Iterable[Span], scale: _Scale, character: str, style: str) -> Text:
    covered = {index for span in spans for index in scale.cover(span)}
    return _assembled((character if index in covered else " ", style) for index in range(scale.cells))


def _words(spans: Iterable[Span], scale: _Scale) -> Text:
    """Each span by its name, as far as it fits between its beginning and its end."""
    cells = [" "] * scale.cells
    for span in spans:
        covered = scale.cover(span)
        text = f"│{plain(span.mode or '')}"
        room = len(covered)
        if cell_len(text) > room:
            text = _fitted(text, room) if room > 2 else "│"
        # One character a cell: what is wider would push the rest aside.
        narrow = text if cell_len(text) == len(text) else "│"
        cells[covered.start : covered.start + len(narrow)] = narrow
    return Text("".join(cells)[: scale.cells], style="dim")


def _ticks(scale: _Scale, zone: tzinfo | None) -> Iterator[int]:
    """Round moments of the local clock, as many as have room for their label."""
    length = max(1, scale.end - scale.start)
    most = max(1, scale.cells // _LABEL_CELLS)
    step = next((step for step in _STEPS_MS if length // step <= most - 1), _STEPS_MS[-1])
    hours, minutes, seconds = (int(part) for part in time_of_day(scale.start, zone).split(":"))
    since_midnight = (hours * 3600 + minutes * 60 + seconds) * 1000 + scale.start % 1000
    first = scale.start - since_midnight % step
    at = first if first >= scale.start else first + step
    while at <= scale.end:
        yield at
        at += step


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", show_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in ("time", "event", "on air", ""))
    return table


# ---------------------------------------------------------------------------------------------- telling


def _by_status(stills: Iterable[StillMark]) -> str:
    statuses = [still.status for still in stills]
    return ", ".join(f"{statuses.count(status)} {status}" for status in _STILLS if status in statuses)
