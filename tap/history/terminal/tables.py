"""Tables for a terminal: sessions, one a line, and events that match a query."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import tzinfo
from typing import Any

import msgspec
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from tap.core.merge import Row
from tap.history.formatting import date_text, duration_text, plain, time_of_day
from tap.history.phrases import camera_names, event_phrase
from tap.history.timeline import Event, Timeline

__all__ = ["event_object", "events_table", "print_sessions"]


def print_sessions(
    rows: Iterable[Row], console: Console, zone: tzinfo | None, live: Callable[[str], Timeline | None]
) -> None:
    """When each began, how long it was, its status, what is in it, and its key.

    A key is never folded or cut off, so that it can be copied: where a line has no room for it, it has one of its own.
    ``live`` gives the timeline of a session that runs, whose row does not tell its numbers yet.
    """
    told = [_session(row, zone, live) for row in rows]
    if not told:
        console.print("nothing saved matches")
        return
    table = _table(*_SESSION, "key")
    for cells, key in told:
        table.add_row(*(Text(cell) for cell in cells), Text(key, no_wrap=True))
    for column in table.columns:
        column.no_wrap = column.header != "title"
    needed = Measurement.get(console, console.options.update(width=10_000), table).maximum
    if needed <= console.width:
        console.print(table)
        return
    widths = [max(cell_len(name), *(cell_len(cells[at]) for cells, _ in told)) for at, name in enumerate(_SESSION[:-1])]
    room = max(8, console.width - sum(widths) - 2 * len(widths))
    console.print(Text(_line(_SESSION, widths, room), style="dim"), soft_wrap=True)
    for cells, key in told:
        console.print(Text(_line(cells, widths, room)), soft_wrap=True)
        console.print(Text(f"  {key}", style="dim"), soft_wrap=True)


_SESSION = ("started", "length", "status", "cuts", "stills", "gaps", "title")
_NUMBERS = frozenset(("cuts", "stills", "gaps", "length"))


def _line(cells: Sequence[str], widths: Sequence[int], room: int) -> str:
    """A line of cells in columns of these widths; the last takes the room that is left."""
    fitted = [
        " " * (width - cell_len(cell)) + cell if name in _NUMBERS else set_cell_size(cell, width)
        for name, cell, width in zip(_SESSION, cells, widths, strict=False)
    ]
    last = cells[-1] if cell_len(cells[-1]) <= room else set_cell_size(cells[-1], room - 1) + "…"
    return "  ".join([*fitted, last]).rstrip()


def _session(row: Row, zone: tzinfo | None, live: Callable[[str], Timeline | None]) -> tuple[tuple[str, ...], str]:
    fields = row.fields
    started = fields.get("startedAt", row.version)
    begun = f"{date_text(started, zone)} {time_of_day(started, zone)}"
    title, key = plain(str(fields.get("title", ""))), plain(row.key)
    status = "taken back" if row.retracted else plain(str(fields.get("status", "?")))
    running = live(row.session_key) if fields.get("status") == "live" and not row.retracted else None
    if running is not None:
        totals = running.totals
        counts = (totals.cuts, totals.events.get("still_capture", 0), totals.gaps)
        return (begun, f"{duration_text(totals.length_ms)} …", status, *map(str, counts), title), key
    over = fields.get("completedAt")
    # Where the server's clock was set back by more than the session lasted, its row does not tell how long it was.
    over = None if over is not None and over < started else over
    final = fields.get("finalState", {})
    counts_told = final.get("counts", {})
    numbers = (counts_told.get("cut", 0), counts_told.get("still_capture", 0), final.get("gaps", 0)) if final else ()
    length = "" if over is None else duration_text(over - started)
    return (begun, length, status, *(str(number) for number in numbers or ("", "", "")), title), key


def events_table(found: Iterable[tuple[Timeline, Iterable[Event]]], zone: tzinfo | None) -> Table:
    """A table with a line for each event: its time, kind, camera, phrase and session."""
    table = _table("time", "event", "camera", "", "session")
    for timeline, events in found:
        names = camera_names(timeline.lanes)

        def named(camera: str | None, name: str | None = None, names: dict[str, str] = names) -> str:
            return names.get(camera or "", plain(name or camera or ""))

        for event in events:
            table.add_row(
                f"{date_text(event.moment, zone)} {time_of_day(event.moment, zone, fraction=True)}",
                plain(event.kind.replace("_", " ")),
                Text(named(event.camera_id, event.camera_name)),
                Text(event_phrase(event, named)),
                Text(plain(timeline.title or timeline.session_key)),
            )
    return table


def event_object(timeline: Timeline, event: Event) -> dict[str, Any]:
    """An event as JSON for programs, with the key of its session."""
    told: dict[str, Any] = msgspec.to_builtins(event)
    return {"sessionKey": timeline.session_key, **told}


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", show_edge=False)
    for column in columns:
        numbers = column in {"cuts", "stills", "gaps", "length"}
        table.add_column(
            column,
            overflow="fold",
            no_wrap=column in {"started", "length", "status", "time", "event"},
            justify="right" if numbers else "left",
        )
    return table
