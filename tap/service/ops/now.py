"""The current state of the service, as the structs of ``tap.core.status``. It only reads what others count."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from tap.adapters.clock import utc_now
from tap.core.doubts import doubts_in_words
from tap.core.lane_order import counted_key, lane_order
from tap.core.machine.state import Session, State
from tap.core.palette import looks
from tap.core.reading import NEAR_MS, number
from tap.core.status import (
    CameraNow,
    HeadingNow,
    HoldNow,
    JournalNow,
    LedgerNow,
    Now,
    ProgramNow,
    ServerNow,
    SessionKept,
    SessionNow,
    Status,
)
from tap.service.ops.session_board import SessionBoard, shown, shown_id
from tap.service.running.health import health
from tap.service.running.parts import Parts

__all__ = ["bounded_types", "now_of", "status_of", "version"]

_CAMERAS = 48
"""More cameras than fit on any screen; a server may name thousands."""
_TYPES = 20
_LAST = 2**62
"""A time later than that at which any camera joins."""
OTHER = "other"

_WAITS = {
    "frames": "multicam-server starts one",
    "mode": "multicam-server goes into the mode photoshoot",
    "program": "a camera goes on air",
    "record": "the recorder runs",
    "stream": "the stream runs",
}


def status_of(parts: Parts, board: SessionBoard, sessions: list[SessionKept]) -> Status:
    """The whole status, with ``sessions`` from the journal."""
    settings = parts.settings
    return Status(
        version=version(),
        venue=settings.venue,
        dialect=parts.dialect.name,
        timezone=settings.timezone,
        pid=os.getpid(),
        started_at=parts.meters.started_at,
        now=now_of(parts, board),
        sessions=sessions,
        tapes_since=parts.flight.since,
        zone=settings.timezone or machine_zone(),
        pictures=settings.stills_dir is not None or settings.stills_fetch,
    )


def now_of(parts: Parts, board: SessionBoard) -> Now:
    """What changes from second to second. Only for the loop's thread."""
    stamp, state = parts.clock.stamp(), parts.pipeline.state
    session = state.session if state.session is not None and state.session.status == "live" else None
    cameras = list(_cameras(state, session))
    return Now(
        now=stamp.wall if state.clock_offset is None else stamp.mono + state.clock_offset,
        wall=stamp.wall,
        health=health(parts),
        server=_server(parts),
        journal=_journal(parts),
        ledger=_ledger(parts),
        waits_for=None if session is not None else _waits_for(parts),
        session=None if session is None else _session(session, seen=parts.socket.connected),
        program=_program(state),
        hold=_hold(state),
        heading=_heading(state),
        mode=shown(state.mode.value) if state.mode.known else None,
        cameras=cameras[:_CAMERAS],
        more_cameras=max(0, len(cameras) - _CAMERAS),
        doubts=doubts_in_words(state.doubts),
        totals=None if session is None else board.totals(_told_until(parts)),
        summary_until=board.summary_until,
        totals_unsure=board.unsure and session is not None,
    )


def _told_until(parts: Parts) -> int:
    """Until when it is known what is on air (server time, ms): now, or the last frame if the server is away."""
    stamp, state = parts.clock.stamp(), parts.pipeline.state
    mono = stamp.mono if parts.socket.connected else min(stamp.mono, state.heard or stamp.mono)
    return stamp.wall - (stamp.mono - mono) if state.clock_offset is None else mono + state.clock_offset


def bounded_types(unknown: Mapping[str, int]) -> dict[str, int]:
    """Counts of the first types that the dialect does not know, with harmless names. The rest is one count."""
    told: Counter[str] = Counter()
    for index, (name, count) in enumerate(unknown.items()):
        told[(shown(name[:60]) or "(none)") if index < _TYPES else OTHER] += count
    return dict(told)


def _server(parts: Parts) -> ServerNow:
    socket, state, stamp = parts.socket, parts.pipeline.state, parts.clock.stamp()
    tally = parts.pipeline.tally
    # From the checkpoint too: after a restart, the time of the last frame is still true.
    last_heard = stamp.wall - (stamp.mono - state.heard) if state.wall and state.heard else None
    return ServerNow(
        url=socket.shown,
        connected=socket.connected,
        since=parts.meters.server_since,
        problem=socket.problem,
        remark=socket.remark,
        connections=socket.connection,
        last_heard=last_heard,
        version=shown(state.server_version),
        clock_offset_ms=tally.drift_ms,
        frames=tally.frames,
        unknown_types=bounded_types(tally.unknown),
    )


def _journal(parts: Parts) -> JournalNow:
    look, writer = parts.journal_gauge, parts.writer
    return JournalNow(
        path=str(parts.settings.journal_path),
        problem=writer.failing,
        in_memory=writer.waiting,
        pending=look.counts["pending"],
        shipped=look.counts["shipped"],
        dead=look.counts["dead"],
        oldest_pending=look.oldest_pending,
        bytes=look.bytes,
        looked_at=look.at,
    )


def _ledger(parts: Parts) -> LedgerNow:
    if parts.shipping is None:
        return LedgerNow("none", None, None, None, None, 0)
    shipping = parts.shipping
    return LedgerNow(
        state=shipping.state,
        url=parts.settings.convex_url,
        since=shipping.since,
        problem=shown(shipping.reason),
        last_success=shipping.last_success,
        waiting=parts.journal_gauge.counts["pending"],
    )


def _waits_for(parts: Parts) -> str:
    return _WAITS.get(parts.settings.session_by or parts.dialect.policy, _WAITS["frames"])


def _session(session: Session, *, seen: bool) -> SessionNow:
    return SessionNow(
        key=session.key,
        title=shown(session.title if session.row is None else session.row.fields.get("title")),
        started_at=session.started_at,
        seen=seen,
        counts=dict(session.counts),
        gaps=session.gaps,
        gap_ms=session.gap_ms,
        stills=dict(Counter(str(still.row.fields.get("status")) for still in session.stills.values())),
    )


def _program(state: State) -> ProgramNow | None:
    program = state.program
    if not program.known:
        return None
    camera = None if program.value is None else str(program.value)
    return ProgramNow(shown_id(camera), _name(state, camera), _since(state, *state.program_since), program.sure)


def _heading(state: State) -> HeadingNow | None:
    heading = state.heading
    if heading is None:
        return None
    name = _name(state, heading.camera_id)
    return HeadingNow(shown_id(heading.camera_id), name, shown(heading.transition))


def _name(state: State, camera: str | None) -> str | None:
    known = None if camera is None else state.cameras.get(camera)
    return (None if known is None else shown(known.info.name or None)) or shown_id(camera)


def _hold(state: State) -> HoldNow | None:
    held = state.hold_start
    return None if held is None else HoldNow(shown_id(held.camera_id), _since(state, held.at, held.mono))


def _since(state: State, at: int, mono: int) -> int:
    """When something began, by the server's clock of now, which may have been set since."""
    now = at if state.clock_offset is None else mono + state.clock_offset
    return at if abs(now - at) <= NEAR_MS else now


def _cameras(state: State, session: Session | None) -> Iterable[CameraNow]:
    """The cameras of the session, as in its rows, in the order of their lanes; without a session, those online."""
    if session is not None:
        rows = [(ident, row.fields) for ident, row in session.cameras.items()]
        rows.sort(key=lambda row: _lane(session, *row))
        told = [(ident, row.get("name"), row.get("role"), row.get("status")) for ident, row in rows]
        for index, (ident, name, role, status) in enumerate(told):
            online = None if status is None else status == "online"
            yield _camera(index, ident, shown(name), shown(role), online)
        return
    there = [(ident, camera) for ident, camera in state.cameras.items() if camera.present is not False]
    there.sort(key=lambda one: counted_key(one[1].info.name or one[0]))
    for index, (ident, camera) in enumerate(there):
        info = camera.info
        yield _camera(index, ident, shown(info.name or None), shown(info.role or None), camera.present)


def _lane(session: Session, ident: str, fields: Mapping[str, Any]) -> tuple[int, list[tuple[int, str]]]:
    joined = number(fields.get("joinedAt"))
    name = fields.get("name")
    return lane_order(session.started_at, joined, _LAST, name if isinstance(name, str) and name else ident)


def _camera(index: int, ident: str, name: str | None, role: str | None, online: bool | None) -> CameraNow:
    colour, texture = looks(index)
    return CameraNow(shown_id(ident) or "", name, role, online, colour, texture)


@cache
def machine_zone() -> str:
    """The machine's time zone: its name if it has one, else its offset from UTC now."""
    named = os.environ.get("TZ", "").removeprefix(":")
    with suppress(OSError):
        named = named or str(Path("/etc/localtime").readlink()).rpartition("zoneinfo/")[2]
    with suppress(OSError, ValueError, LookupError):
        return str(ZoneInfo(named))
    told = f"{utc_now().astimezone():%z}"
    return f"{told[:3]}:{told[3:5]}"


@cache
def version() -> str:
    """The version of the running tap."""
    try:
        return metadata.version("multicam-tap")
    except metadata.PackageNotFoundError:
        return "unknown"
