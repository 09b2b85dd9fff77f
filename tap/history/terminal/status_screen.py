"""The tap's status on a terminal: the same as on the live page, and readable without colour."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import tzinfo

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tap.core.errors import TapError
from tap.core.palette import WARNING
from tap.core.plain_text import plain
from tap.core.status import Health, MissingStill, Now, Report, SessionKept, SessionNow, Status
from tap.history.formatting import counted, date_text, duration_text, time_of_day

__all__ = ["status_lines", "status_screen", "watch_status"]

_SIGNS = {"green": ("●", "green"), "grey": ("○", ""), "yellow": ("▲", WARNING), "red": ("■", "bold red")}
_STATES = {"ok": "green", "degraded": "yellow", "failing": "red"}
"""The colours of reasons, and of the status of an older tap, which has no standings."""
_LEDGER = {
    "none": "not configured: the journal saves everything",
    "idle": "has everything",
    "shipping": "accepts entries",
    "away": "is away",
    "blocked": "blocked",
}
_MISSED = {"requested": "requested, never taken", "failed": "failed", "captured": "taken, not uploaded"}
"""Stills that are missed, by how far they came."""
_STILLS_NAMED = 3
_JUST_NOW_MS = 5_000
_NAMED = 60


def status_screen(report: Report, zone: tzinfo | None, now: int) -> RenderableType:
    """The whole screen. ``now`` (Unix ms) is used for ages where only a journal was read."""
    return Group(*_parts(report, zone, now))


def status_lines(report: Report) -> list[str]:
    """What to print on stderr besides: why the service did not answer."""
    return [] if report.why is None else [plain(report.why)]


def watch_status(
    ask: Callable[[], Report],
    console: Console,
    zone: tzinfo | None,
    *,
    now: Callable[[], int],
    pause: Callable[[float], None] = time.sleep,
) -> bool:
    """Show the status every second until Ctrl-C, and return whether all was well at the end.

    ``now`` gives the wall clock (ms).

    On a terminal that cannot draw over what it shows, and into a pipe, one screen follows the other.
    """
    ok = False
    redraw = console.is_terminal and not console.is_dumb_terminal
    live = Live(console=console, auto_refresh=False, screen=redraw, vertical_overflow="crop") if redraw else None
    try:
        if live is not None:
            live.start()
        while True:
            ok, shown = _look(ask, zone, now())
            if live is not None:
                live.update(shown, refresh=True)
            else:
                console.print(shown)
            pause(1.0)
    except KeyboardInterrupt:
        return ok
    finally:
        if live is not None:
            live.stop()


def _look(ask: Callable[[], Report], zone: tzinfo | None, now: int) -> tuple[bool, RenderableType]:
    try:
        report = ask()
    except TapError as error:
        return False, Text(plain(str(error)), style="bold red")
    lines = [Text(line, style=WARNING) for line in status_lines(report)]
    return report.ok, Group(*lines, status_screen(report, zone, now))


def _parts(report: Report, zone: tzinfo | None, now: int) -> Iterator[RenderableType]:
    if report.status is not None:
        yield from _running(report.status, zone)
        now = report.status.now.wall
    elif report.journal is not None:
        yield from _kept(report, zone, now)
    if report.sessions:
        yield Text()
        yield _sessions(report.sessions, zone)
        yield from _notes(report.sessions, zone)


# ---------------------------------------------------------------------------------------------- the service


def _running(status: Status, zone: tzinfo | None) -> Iterator[RenderableType]:
    now = status.now
    sign, style = _SIGNS[now.health.colour or _STATES[now.health.state]]
    words = plain(now.health.words or now.health.state)
    head = Text(plain(status.venue), style="bold")
    head.append(f"   {sign} {words}", style=style)
    head.append(f"   multicam-tap {status.version}, up {duration_text(now.wall - status.started_at)}", style="dim")
    yield head
    yield from _reasons(now.health)
    yield Text()
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in _facts(status, zone):
        table.add_row(name, text)
    yield table


def _reasons(health: Health) -> Iterator[RenderableType]:
    for reason in health.reasons:
        sign, style = _SIGNS[_STATES[reason.state]]
        text = Text(f"{sign} {plain(reason.words)}", style=style)
        text.append(f" → {plain(reason.next_step)}", style="default")
        yield Padding(text, (0, 0, 0, 2), expand=False)


def _facts(status: Status, zone: tzinfo | None) -> Iterator[tuple[str, Text]]:
    now = status.now
    if now.session is None:
        yield "waiting", Text(f"a session begins when {now.waits_for}")
        if now.program is not None and now.program.camera_id is not None:
            yield "program", Text(_short(now.program.name))
    else:
        yield "on air", _on_air(now, zone)
        yield "session", _session(now, now.session)
    server, journal, ledger = now.server, now.journal, now.ledger
    heard = f"last signal {_ago(server.last_heard, now.wall)}"
    if server.connected:
        words = f"connected for {duration_text(now.wall - server.since)}, {heard}; {server.frames} frames"
        yield "server", Text(words) + _quiet(server.url)
    else:
        yield "server", Text(f"away: {plain(server.problem or '')}; {heard}", style="red") + _quiet(server.url)
    if server.connected and server.remark is not None:
        yield "", Text(plain(server.remark), style=WARNING)
    if server.unknown_types:
        named = ", ".join(f"{plain(name)} ({count})" for name, count in list(server.unknown_types.items())[:5])
        yield "", Text(f"types that the dialect does not know: {named}", style=WARNING)
    for number, doubt in enumerate(now.doubts):
        yield "" if number else "not clear", Text(plain(doubt), style=WARNING)
    kept = f"{journal.pending + journal.shipped + journal.dead} entries saved"
    more = [f"{journal.in_memory} in memory"] if journal.in_memory else []
    more += [f"{journal.dead} rejected"] if journal.dead else []
    yield "journal", Text(", ".join([kept, *more]), style="red" if journal.problem else "") + _quiet(journal.path)
    words = _LEDGER.get(ledger.state, ledger.state)
    if ledger.state != "none":
        words += f", {ledger.waiting} waiting, last answer {_ago(ledger.last_success, now.wall)}"
    yield "ledger", Text(words, style="red" if ledger.state in ("away", "blocked") else "") + _quiet(ledger.url)
    if status.tapes_since is not None:
        yield "tapes", _tapes(status.tapes_since, zone)


def _tapes(since: int, zone: tzinfo | None) -> Text:
    """How far back the tapes go: a session that nobody started can be made from there on."""
    return Text(f"a session can be made afterwards, back to {_date(since, zone)}") + _quiet("multicam-tap session make")


def _on_air(now: Now, zone: tzinfo | None) -> Text:
    program = now.program
    if program is None:
        return Text("not known yet", style=WARNING)
    name = _short(program.name) or "nothing"
    if now.session is not None and now.session.seen and program.sure:
        text = Text().append(f" {name} ", style="bold white on red" if program.camera_id is not None else "bold")
        text.append(f"  for {duration_text(now.now - program.since)}")
    else:
        text = Text(f"{name}, when it was last shown ({time_of_day(program.since, zone)})", style=WARNING)
    if now.hold is not None:
        text.append(f"   hold for {duration_text(now.now - now.hold.since)}", style="bold")
    return text


def _session(now: Now, session: SessionNow) -> Text:
    online = sum(camera.online is not False for camera in now.cameras)
    counts = session.counts
    asked = sum(session.stills.values())
    parts = [
        f"for {duration_text(now.now - session.started_at)}",
        "" if now.mode is None else plain(now.mode),
        counted(counts.get("cut", 0), "cut"),
        f"{session.stills.get('uploaded', 0)} of {counted(asked, 'still')} arrived" if asked else "",
        f"{counted(session.gaps, 'gap')} ({duration_text(session.gap_ms)})" if session.gaps else "no gaps",
        f"{online} of {counted(len(now.cameras) + now.more_cameras, 'camera')} there",
    ]
    text = Text().append(_short(session.title or session.key), style="bold")
    return text.append("  " + ", ".join(part for part in parts if part))


# ---------------------------------------------------------------------------------------------- the journal


def _kept(report: Report, zone: tzinfo | None, now: int) -> Iterator[RenderableType]:
    kept = report.journal
    assert kept is not None  # noqa: S101 - asked only where there is one
    head = Text(plain(kept.venue or "no venue yet"), style="bold")
    if report.running is None:
        head.append("   ? a tap uses this journal, but was not asked", style=WARNING)
    else:
        head.append("   ■ no tap runs here", style="bold red")
    yield head
    yield Text()
    heard = "never" if kept.last_heard is None else f"{_date(kept.last_heard, zone)}, {_ago(kept.last_heard, now)}"
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("server", f"last signal {heard}")
    if kept.session is not None:
        table.add_row("session", Text(f"{_short(kept.session)} ran then", style=WARNING))
    waiting = f"{kept.shipped} delivered, {kept.pending} pending, {kept.dead} rejected"
    table.add_row("journal", Text(waiting) + _quiet(kept.path))
    if kept.tapes_since is not None:
        table.add_row("tapes", _tapes(kept.tapes_since, zone))
    yield table


# ---------------------------------------------------------------------------------------------- the sessions


def _sessions(sessions: list[SessionKept], zone: tzinfo | None) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim", pad_edge=False)
    table.add_column("began", no_wrap=True)
    table.add_column("session", overflow="fold", ratio=1, min_width=12)
    table.add_column("status", no_wrap=True)
    for name in ("saved", "in ledger", "pending", "rejected"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in sessions:
        live = one.status == "live" and not one.left_live
        table.add_row(
            "?" if one.started_at is None else _date(one.started_at, zone),
            Text(_short(one.title or one.key)),
            Text(plain(one.status), style="bold red" if live else WARNING if one.left_live else ""),
            *(str(number) for number in (one.kept, one.shipped, one.waiting)),
            Text(str(one.dead), style=WARNING if one.dead else ""),
        )
    return table


def _notes(sessions: list[SessionKept], zone: tzinfo | None) -> Iterator[Text]:
    for one in sessions:
        name = _short(one.title or one.key)
        if one.left_live:
            words = (
                f"{name}: still says live, but there is no signal; its last entry is of {_date(one.last_entry, zone)}"
            )
            step = "start the tap: it finds out how the session ended"
            yield Text(f"▲ {words} → {step}", style=WARNING)
        for status, words in _MISSED.items():
            missed = [still for still in one.stills_missing if still.status == status]
            if missed:
                named = ", ".join(_still(still) for still in missed[:_STILLS_NAMED])
                rest = len(missed) - _STILLS_NAMED
                more = f" and {rest} more" if rest > 0 else ""
                yield Text(f"▲ {name}: {counted(len(missed), 'still')} {words}: {named}{more}", style=WARNING)
        if one.dead:
            see = "'multicam-tap journal ls --dead' says why"
            yield Text(f"▲ {name}: {one.dead} of its entries were rejected → {see}", style=WARNING)


def _still(still: MissingStill) -> str:
    camera = "" if still.camera is None else f" of {_short(still.camera)}"
    why = "" if still.reason is None else f" ({_short(still.reason)})"
    return f"{_short(still.still_id or 'one')}{camera}{why}"


# ---------------------------------------------------------------------------------------------- small words


def _short(text: str | None) -> str:
    shown = plain(text or "")
    return shown if len(shown) <= _NAMED else shown[: _NAMED - 1] + "…"


def _quiet(text: str | None) -> Text:
    return Text("" if text is None else f"  {plain(text)}", style="dim")


def _ago(at: int | None, now: int) -> str:
    if at is None:
        return "never"
    return "just now" if now - at < _JUST_NOW_MS else f"{duration_text(now - at)} ago"


def _date(at: int, zone: tzinfo | None) -> str:
    return f"{date_text(at, zone)} {time_of_day(at, zone)[:5]}"
