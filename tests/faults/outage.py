"""A ledger that is away for an hour of the shoot, while a hundred thousand entries pile up.

The ledger is a stub (``tests/contract/stub.py``): what counts is what arrives, in which order, and how much memory it
takes. The hour is played in half a minute: the tap's own waits are shorter in the same measure.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from aiohttp import web

from tests.contract.stub import Fault, Stub, hang, status
from tests.faults.desk import Desk
from tests.faults.outcome import Outcome, together
from tests.faults.rig import Rig
from tests.faults.stage import Tap, lone_tap, look_until, workshop

__all__ = ["BACKLOG", "briefly_hanging", "briefly_refusing", "hanging", "overloaded", "refusing", "throttled"]

BACKLOG = 100_000
_RATE = 3_500
_RIG = Rig(patience=100)
_FLAT = 80 * 2**20
"""Bytes that memory may grow by: SQLite's cache, a batch, and what a session remembers of each event to know it again
(300 to 500 bytes each, and all are of one session here). The entries themselves would be far more."""
_WARM = 0.2


class _Switch:
    """The stub at a port of its own, there or not."""

    def __init__(self) -> None:
        self.stub = Stub()
        self.port = 0
        self._runner = web.AppRunner(self.stub.app(), shutdown_timeout=0.1)
        self._site: web.TCPSite | None = None

    async def on(self) -> None:
        if self._site is None:
            await self._runner.setup()
            self._site = web.TCPSite(self._runner, "127.0.0.1", self.port)
            await self._site.start()
            self.port = self._runner.addresses[0][1]

    async def off(self) -> None:
        if self._site is not None:
            await self._runner.cleanup()
            self._runner = web.AppRunner(self.stub.app(), shutdown_timeout=0.1)
            self._site = None


@asynccontextmanager
async def _switched() -> AsyncIterator[_Switch]:
    switch = _Switch()
    await switch.on()
    try:
        yield switch
    finally:
        await switch.off()


class _Always(list[Fault]):
    """One fault, for every call."""

    def pop(self, _: object = -1) -> Fault:
        return self[0]


async def _outage(fault: Fault | None, count: int, seed: int, backlog: int = BACKLOG) -> Outcome:
    return together([await _one(fault, backlog) for _ in range(count)])


async def _one(fault: Fault | None, backlog: int) -> Outcome:
    outcome = Outcome(tried=1)
    with workshop() as place:
        async with _switched() as switch, Desk() as desk:
            tap = Tap(place / "tap", desk.url, f"http://127.0.0.1:{switch.port}", "venue", _RIG)
            async with lone_tap(tap):
                await desk.listened()
                await desk.cut()
                await look_until(lambda: tap.count("shipped") > 3, "a first cut in the ledger")
                if fault is None:
                    await switch.off()
                else:
                    switch.stub.faults = _Always([fault])
                grown = await _pile_up(desk, tap, backlog)
                outcome.promise(grown < _FLAT, f"memory grew by {grown / 2**20:.1f} MB with the backlog")
                outcome.promise(tap.count("pending") >= backlog, "entries went somewhere while the ledger was away")
                switch.stub.faults = []
                await switch.on()
                since = time.monotonic()
                await look_until(lambda: not tap.count("pending"), lambda: f"all shipped: {tap.messages()[-3:]}", 300)
                took = time.monotonic() - since
                outcome.recovered(took * 1000)
                outcome.promise(await tap.stop() == 0, f"it did not end in order: {tap.messages()[-3:]}")
            outcome.stalled(tap.longest_stall_ms)
            outcome.notes.append(
                f"memory grew by {grown / 2**20:.1f} MB over {backlog} entries, which took {took:.0f} s to be delivered"
            )
            _compare(tap, switch.stub, desk, outcome)
    return outcome


async def _pile_up(desk: Desk, tap: Tap, backlog: int) -> int:
    """Cuts at a steady rate; by how many bytes the tap's memory grew after it was warm."""
    warm, most, begin = 0, 0, time.monotonic()
    for number in range(backlog):
        await desk.cut()
        if number % 100 == 0:
            ahead = begin + number / _RATE - time.monotonic()
            await asyncio.sleep(max(0.0, ahead))
            await desk.taken()
        if number % 2_000 == 0 and number >= backlog * _WARM:
            rss = tap.rss()
            warm, most = warm or rss, max(most, rss)
    await look_until(
        lambda: tap.count("pending") >= backlog,
        lambda: f"the backlog to be kept: {tap.count('pending')} of {backlog}, {desk.connections} connections",
    )
    return max(most, tap.rss()) - (warm or most)


def _compare(tap: Tap, stub: Stub, desk: Desk, outcome: Outcome) -> None:
    kept = [item.entry.key for item in tap.kept()]
    order = list(dict.fromkeys(kept))
    outcome.promise(stub.keys == order, "the order in which entries arrived is not that in which they were kept")
    outcome.lost += len(set(order) - set(stub.keys))
    told = sum("/cut-" in key or "cut-" in key for key in stub.keys)
    outcome.lost += max(0, len(desk.cuts) - told)
    outcome.doubled += max(0, told - len(desk.cuts))
    outcome.promise(desk.received == 0, "the tap has sent data frames")


refusing = partial(_outage, None)
briefly_refusing = partial(_outage, None, backlog=5_000)
briefly_hanging = partial(_outage, hang, backlog=5_000)
hanging = partial(_outage, hang)
overloaded = partial(_outage, status(503))
throttled = partial(_outage, status(429, **{"Retry-After": "1"}))
