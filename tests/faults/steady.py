"""Faults that go on and on: so many attempts, and hardly a line of log; memory stays where it was.

What is counted is what the other side saw, in attempts, and not how long that took: a tap that says a line for each
attempt fails this on every machine.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager

from aiohttp import web

from tests.contract.stub import Fault, Stub, fails, page, says, status
from tests.faults.desk import Desk
from tests.faults.outcome import Outcome
from tests.faults.rig import Rig
from tests.faults.stage import Tap, lone_tap, look_until, workshop

__all__ = ["STEADY", "run"]

_PATIENCE = 60
MOST_LINES = 30
"""Of all attempts that are counted here; by the bound of ten a minute it could be three times as many."""
MOST_MEMORY = 250 * 2**20
_ATTEMPTS = 60
"""At a venue: with waits that grow to 15 s, ten minutes and more."""

_LEDGER: dict[str, Fault] = {
    "answers 503": status(503),
    "answers 429": status(429, **{"Retry-After": "1"}),
    "answers 401": status(401),
    "fails inside": fails(),
    "answers a web page": page(),
    "answers what is none": says({"status": "success", "value": [{"outcome": "perhaps", "version": 1e308}]}),
}
_SERVER = ("away", "closes at once", "answers 403", "says nonsense")
STEADY = (*(f"the ledger {fault}" for fault in _LEDGER), *(f"the server: {fault}" for fault in _SERVER))


async def run(count: int, seed: int) -> Outcome:
    """The first ``count`` of them, from ``seed`` on, round and round."""
    outcome = Outcome()
    for number in range(count):
        await _one(STEADY[(seed + number) % len(STEADY)], outcome)
        outcome.tried += 1
    return outcome


async def _one(name: str, outcome: Outcome) -> None:
    with workshop() as place, workshop() as desk_of_logs, ExitStack() as begun:
        async with Desk() as desk, _stub() as (stub, url):
            tap = Tap(place / "tap", desk.url, url, "venue", Rig(patience=_PATIENCE), log=desk_of_logs / "log")
            async with lone_tap(tap):
                await look_until(lambda: tap.count("shipped"), "a first entry in the ledger")
                before = len(_lines(tap))
                attempts = await _spoil(name, desk, stub, begun)
                await look_until(lambda: attempts() >= _ATTEMPTS, lambda: f"{attempts()} attempts: {name}")
                said, memory = _lines(tap)[before:], tap.rss()
                outcome.promise(len(said) <= MOST_LINES, f"{name}: {len(said)} lines: {said[:6]}")
                outcome.promise(memory <= MOST_MEMORY, f"{name}: {memory / 2**20:.0f} MB")
                outcome.notes.append(f"{name}: {len(said)} lines in {attempts()} attempts, {memory / 2**20:.0f} MB")


def _lines(tap: Tap) -> list[str]:
    return [str(line.get("message")) for line in tap.said() if line.get("level") != "debug"]


async def _spoil(name: str, desk: Desk, stub: Stub, begun: ExitStack) -> Callable[[], int]:
    """From here on it goes wrong; what counts the attempts. ``begun`` ends what was started for it."""
    fault = _LEDGER.get(name.removeprefix("the ledger "))
    if fault is not None:
        calls = stub.calls + stub.asked
        stub.spoilt = fault
        await desk.cut()
        return lambda: stub.calls + stub.asked - calls
    return await _spoil_server(name.removeprefix("the server: "), desk, begun)


async def _spoil_server(name: str, desk: Desk, begun: ExitStack) -> Callable[[], int]:
    if name == "says nonsense":
        for number in range(_ATTEMPTS * 50):
            desk.say({"type": f"novel-{number}", "pin": 4711})
            await asyncio.sleep(0)
        return lambda: _ATTEMPTS
    if name == "closes at once":
        desk.short_lived = True
        await desk.drop()
        came = desk.connections
        return lambda: desk.connections - came
    tries = 0

    async def turned_away(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal tries
        tries += 1
        if name == "answers 403":
            writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    await desk.close()
    server = await asyncio.start_server(turned_away, "127.0.0.1", desk.port)
    begun.callback(server.close)
    return lambda: tries


@asynccontextmanager
async def _stub() -> AsyncIterator[tuple[Stub, str]]:
    stub = Stub()
    runner = web.AppRunner(stub.app(), shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield stub, f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
