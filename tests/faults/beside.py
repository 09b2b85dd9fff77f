"""Never in the way: what the server pays for a tap, beside what it pays for any other listener that only reads.

The server here broadcasts a thousand frames a second to two listeners. One of them is a plain reader in a process of
its own; the other is a second such reader, or a tap: well, with a slow disk, with its ledger away, or stopped.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial

from msgspec import Struct, field
from websockets.asyncio.client import connect
from websockets.asyncio.server import broadcast
from websockets.exceptions import ConnectionClosed

from tests.faults import stage
from tests.faults.desk import Desk
from tests.faults.outcome import Outcome, together
from tests.faults.rig import Rig
from tests.faults.stage import Tap, lone_tap, look_until, workshop

__all__ = ["ledger_away", "slow_disk", "stopped", "well"]

RATE = 1_000
_SECONDS = 8.0
_STOPPED_S = 5.0
_POSE = '{"type":"pose","camera_id":"cam-1","ts":%d,"values":"' + "0" * 900 + '"}'
_QUEUE = 512 * 1024
"""Bytes that may wait on the server's side for a moment in which the machine does something else."""


class Cost(Struct):
    """What was measured at the server, in microseconds a broadcast and bytes that waited."""

    times: list[float] = field(default_factory=list)
    queue: int = 0

    @property
    def median(self) -> float:
        return statistics.median(self.times)

    @property
    def p99(self) -> float:
        return statistics.quantiles(self.times, n=100)[98]

    def __str__(self) -> str:
        return (
            f"median {self.median:.0f} µs, p99 {self.p99:.0f} µs a broadcast, {self.queue / 1024:.0f} KB queued at most"
        )


def _read(url: str) -> None:
    """A listener that does nothing but read."""

    async def body() -> None:
        with suppress(ConnectionClosed, OSError):
            async with connect(url, compression=None, max_queue=None, ping_interval=None) as connection:
                async for _ in connection:
                    pass

    asyncio.run(body())


@asynccontextmanager
async def _reader(desk: Desk) -> AsyncIterator[None]:
    before = desk.connections
    process = multiprocessing.get_context("forkserver").Process(target=_read, args=(desk.url,), daemon=True)
    process.start()
    try:
        await look_until(lambda: desk.connections > before and len(desk.there) > before, "a reader")
        yield
    finally:
        process.kill()
        process.join()


async def _broadcast(desk: Desk, seconds: float, cost: Cost, meanwhile: Callable[[float], None] | None = None) -> None:
    """A thousand a second, a cut among them now and then; how long each took, and how much waited."""
    begin = time.perf_counter()
    number = 0
    while (now := time.perf_counter() - begin) < seconds:
        if meanwhile is not None:
            meanwhile(now)
        while number < now * RATE:
            number += 1
            if number % 500 == 0:
                await desk.cut()
            text = _POSE % desk.now()
            since = time.perf_counter()
            broadcast(desk.there, text)
            cost.times.append((time.perf_counter() - since) * 1e6)
        cost.queue = max(cost.queue, desk.queue)
        await asyncio.sleep(0.001)


async def _compared(
    name: str, seconds: float, rig: Rig, ledger: str | None, meanwhile: Callable[[Tap, float], None] | None
) -> Outcome:
    outcome, without, beside = Outcome(tried=1), Cost(), Cost()
    async with Desk() as desk, _reader(desk), _reader(desk):
        await _broadcast(desk, seconds, without)
    async with Desk() as desk, _reader(desk):
        with workshop() as place:
            tap = Tap(place / "tap", desk.url, ledger, "venue", rig)
            async with lone_tap(tap):
                await look_until(lambda: len(desk.there) == 2, "the tap")
                await look_until(lambda: tap.count("pending"), "what the first snapshot says")
                await _broadcast(desk, seconds, beside, None if meanwhile is None else partial(meanwhile, tap))
                last = await desk.cut()
                took = await look_until(
                    lambda: any(last.cut_id in key for key in tap.newest()),
                    lambda: f"the last cut: {tap.messages()[-3:]}",
                )
                outcome.recovered(took)
                outcome.promise(await tap.stop() == 0, f"it did not end in order: {tap.messages()[-3:]}")
            outcome.stalled(0.0 if meanwhile else tap.longest_stall_ms)
            _judge(outcome, desk, tap)
    if meanwhile is None:
        waited = f"{name}: {beside.queue / 1024:.0f} KB waited for the tap"
        outcome.promise(beside.queue < _QUEUE * stage.TIMES_LATER, waited)
    allowed = (2 * without.median + 100) * stage.TIMES_LATER
    outcome.promise(
        beside.median < allowed, f"{name}: {beside.median:.0f} µs a broadcast, {without.median:.0f} without"
    )
    outcome.notes += [f"two plain readers: {without}", f"a reader and a tap, {name}: {beside}"]
    return outcome


def _judge(outcome: Outcome, desk: Desk, tap: Tap) -> None:
    """Every cut is in the journal, or a gap covers it; not one data frame ever came."""
    told = [kept.entry for kept in tap.kept()]
    spans = [
        (
            int(str(entry.fields["observedAt"])) - int(str(entry.fields["durationMs"])),
            int(str(entry.fields["observedAt"])),
        )
        for entry in told
        if entry.fields.get("kind") == "gap" and "durationMs" in entry.fields
    ]
    for cut in desk.cuts:
        covered = any(since - 400 <= cut.wall <= until + 400 for since, until in spans)
        outcome.lost += not covered and not any(cut.cut_id in entry.key for entry in told)
    outcome.promise(desk.received == 0, "the tap has sent data frames")


def _stop_and_go(tap: Tap, now: float) -> None:
    state = _state(tap.pid)
    if 2.0 < now < 2.0 + _STOPPED_S and state != "T":
        os.kill(tap.pid, signal.SIGSTOP)
    elif now >= 2.0 + _STOPPED_S and state == "T":
        os.kill(tap.pid, signal.SIGCONT)


def _state(pid: int) -> str:
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:  # noqa: PTH123 - read for each frame
        return file.read().rpartition(")")[2].split()[0]


async def _times(
    name: str, rig: Rig, ledger: str | None, meanwhile: Callable[[Tap, float], None] | None, count: int, seed: int
) -> Outcome:
    seconds = _SECONDS if meanwhile is None else _SECONDS + _STOPPED_S
    return together([await _compared(name, seconds, rig, ledger, meanwhile) for _ in range(count)])


Run = Callable[[int, int], Awaitable[Outcome]]
_NOBODY = "http://127.0.0.1:9"
well: Run = partial(_times, "well", Rig(), None, None)
slow_disk: Run = partial(_times, "10 ms a sync", Rig(sync_ms=10), None, None)
ledger_away: Run = partial(_times, "the ledger away", Rig(), _NOBODY, None)
stopped: Run = partial(_times, f"stopped for {_STOPPED_S:g} s", Rig(), None, _stop_and_go)
