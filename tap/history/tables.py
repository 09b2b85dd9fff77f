"""Tables for a terminal: sessions one a line, and the events that were asked for."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import tzinfo
from typing import Any

import msgspec
from rich.table import Table
from rich.text import Text

from tap.core.merge import Row
from tap.history.telling import camera_names, tell
from tap.history.timeline import Event, Timeline
from tap.history.words import clock, day, lasting, plain

__all__ = ["event_object", "events_table", "sessions_table"]


def sessions_table(rows: Iterable[Row], zone: tzinfo | None) -> Table:
    """When each began, how long it was, how it stands, what is in it, and its key, which is never cut off."""
    table = _table("started", "length", "status", "cuts", "stills", "gaps", "title", "key")
    for row in rows:
        fields = row.fields
        started = fields.get("startedAt", row.version)
        over = fields.get("completedAt")
        # Where the server's clock was set back by more than the session lasted, its row does not tell how long it was.
        over = None if over is not None and over < started else over
        final = fields.get("finalState", {})
        counts = final.get("counts", {})
        known = bool(final)
        table.add_row(
            f"{day(started, zone)} {clock(started, zone)}",
            "" if over is None else lasting(over - started),
            Text("taken back" if row.retracted else plain(str(fields.get("status", "?")))),
            str(counts.get("cut", 0)) if known else "",
            str(counts.get("still_capture", 0)) if known else "",
            str(final.get("gaps", 0)) if known else "",
            Text(plain(str(fields.get("title", "")))),
            Text(plain(row.key)),
        )
    return table


def events_table(found: Iterable[tuple[Timeline, Iterable[Event]]], zone: tzinfo | None) -> Table:
    """One line an event: its time, what it is, its camera, what it says, and the session that it is of."""
    table = _table("time", "event", "camera", "", "session")
    for timeline, events in found:
        names = camera_names(timeline.lanes)

        def named(camera: str | None, name: str | None = None, names: dict[str, str] = names) -> str:
            return names.get(camera or "", plain(name or camera or ""))

        for event in events:
            table.add_row(
                f"{day(event.moment, zone)} {clock(event.moment, zone, fraction=True)}",
                plain(event.kind.replace("_", " ")),
                Text(named(event.camera_id, event.camera_name)),
                Text(tell(event, named)),
                Text(plain(timeline.title or timeline.session_key)),
            )
    return table


def event_object(timeline: Timeline, event: Event) -> dict[str, Any]:
    """An event for programs, with the session that it is of."""
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
