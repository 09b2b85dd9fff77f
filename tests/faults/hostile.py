"""Servers that mean no good: one that pings without end and reads no answer, one that lets in and closes at once."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import time
from contextlib import suppress
from functools import partial

from tap.core.merge import Row, fold
from tests.faults.desk import Desk
from tests.faults.outcome import Outcome
from tests.faults.rig import Rig
from tests.faults.stage import Tap, lone_tap, look_until, workshop

__all__ = ["briefly_flapping", "flapping", "pings"]

_FLAT = 16 * 2**20
"""Bytes that memory may grow by: the answers that wait, and what they are made of."""
_PINGS = b"\x89\x00" * 2_000
_FLAPS_S = 60.0
_LINES_A_MINUTE = 10
_CUTS = 20


def _rows(tap: Tap) -> list[Row]:
    """What the ledger would have of its journal."""
    return list(fold(kept.entry for kept in tap.kept()).values())


async def _well_again(desk: Desk, tap: Tap, outcome: Outcome) -> None:
    """The server is as it should be: what happens now is kept."""
    since = time.monotonic()
    await desk.listened()
    outcome.recovered((time.monotonic() - since) * 1000)
    for _ in range(_CUTS):
        await desk.cut()
    last = desk.cuts[-1].cut_id
    await look_until(lambda: any(last in key for key in tap.newest()), lambda: f"the last cut: {tap.messages()[-3:]}")
    outcome.promise(await tap.stop() == 0, f"it did not end in order: {tap.messages()[-3:]}")
    outcome.stalled(tap.longest_stall_ms)


# ---------------------------------------------------------------------------------------------- pings without end


async def pings(count: int, _seed: int) -> Outcome:
    """``count`` servers that ping as fast as they can and read nothing: the connection ends, with the reason."""
    outcome = Outcome()
    for _ in range(count):
        with workshop() as place:
            server = await asyncio.start_server(_ping_for_ever, "127.0.0.1", 0)
            port = server.sockets[0].getsockname()[1]
            tap = Tap(place / "tap", f"ws://127.0.0.1:{port}/ws/control", None, "venue", Rig(patience=25))
            async with lone_tap(tap):
                await look_until(lambda: "connected" in tap.messages(), "a connection")  # noqa: B023
                before, most = tap.rss(), 0
                while not _said_why(tap):
                    most = max(most, tap.rss())
                    await asyncio.sleep(0.02)
                    outcome.promise(tap.lives_on, "it did not outlive the pings")
                grown = max(most, tap.rss()) - before
                outcome.promise(grown < _FLAT, f"memory grew by {grown / 2**20:.1f} MB")
                outcome.notes.append(f"memory grew by {grown / 2**20:.1f} MB")
                server.close()
                async with Desk(port=port) as desk:
                    await _well_again(desk, tap, outcome)
            outcome.tried += 1
            outcome.add(desk.judge(_rows(tap)))
    return outcome


def _said_why(tap: Tap) -> bool:
    return any("does not read the answers to its pings" in str(line.get("why")) for line in tap.said())


async def _ping_for_ever(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    request = (await reader.readuntil(b"\r\n\r\n")).decode()
    key = next(line.split(": ")[1] for line in request.split("\r\n") if line.lower().startswith("sec-websocket-key"))
    accept = base64.b64encode(hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest())  # noqa: S324
    writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
    writer.write(b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
    with suppress(ConnectionError):
        while not writer.is_closing():
            writer.write(_PINGS)
            await writer.drain()
            await asyncio.sleep(0)
    writer.transport.abort()


# ---------------------------------------------------------------------------------------------- in, and out at once


async def _flapping(faster: float, count: int, _seed: int) -> Outcome:
    """Each server lets in, says hello and how things stand, and closes, for a minute; then it stays."""
    outcome = Outcome()
    for _ in range(count):
        with workshop() as place:
            async with Desk() as desk:
                tap = Tap(place / "tap", desk.url, None, "venue", Rig(patience=faster))
                desk.short_lived = True
                async with lone_tap(tap):
                    await look_until(lambda: desk.connections > 1, "connections")
                    await asyncio.sleep(_FLAPS_S / faster)
                    came, lines = desk.connections, [line for line in tap.said() if line.get("level") != "debug"]
                    gaps = sum(row.fields.get("kind") == "gap" for row in _rows(tap))
                    # 0.25, 0.5, 1, 2, 4, 8 and then 15 s, each cut by up to half.
                    outcome.promise(came <= 16, f"{came} connections in a minute")
                    outcome.promise(gaps <= came, f"{gaps} gaps for {came} connections")
                    most = _LINES_A_MINUTE
                    outcome.promise(len(lines) <= most, f"{len(lines)} lines: {[line['message'] for line in lines]}")
                    outcome.notes.append(f"{came} connections, {gaps} gaps and {len(lines)} lines of log in a minute")
                    desk.short_lived = False
                    await _well_again(desk, tap, outcome)
            outcome.tried += 1
            outcome.add(desk.judge(_rows(tap)))
    return outcome


flapping = partial(_flapping, 1.0)
briefly_flapping = partial(_flapping, 20.0)
