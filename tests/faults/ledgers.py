"""What a ledger may do: die at any instant, lose its answers, send half of them, and choke on one entry."""

from __future__ import annotations

import asyncio
import random
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

from tap.core.merge import Row
from tap.rehearsal.shoot import plan_shoot
from tap.rehearsal.simulator import serve
from tests.contract.local import CONVEX, Local, local_ledger
from tests.faults import disk
from tests.faults.desk import Desk
from tests.faults.judge import judge, judge_committed
from tests.faults.outcome import Outcome, together
from tests.faults.rig import Rig
from tests.faults.servers import SERVER
from tests.faults.stage import (
    House,
    Performance,
    Tap,
    finish,
    lone_tap,
    look_until,
    perform,
    rows_of,
    shipped,
    workshop,
)

__all__ = ["full", "half_answers", "killed", "lost_answers", "missing", "poison"]

_RIG = Rig(patience=25)
_A_SHOOT = 200
_POISONED_AMONG = 1_000


def missing() -> str | None:
    """Why there can be no local ledger on this machine, if so."""
    if shutil.which("node") is None:
        return "the local ledger needs node"
    return None if (CONVEX / "node_modules").is_dir() else "the local ledger needs its packages: cd convex && npm ci"


async def killed(count: int, seed: int) -> Outcome:
    """``count`` kills of the ledger, each started anew on what it had kept; the shoot goes on meanwhile."""
    rng = random.Random(seed)
    return together([await _ledger_dies(min(20, count - at), seed + at, rng, _kill) for at in range(0, count, 20)])


async def full(count: int, seed: int) -> Outcome:
    """The ledger's disk is full, in the midst of a call: it stops, and is started again once there is room."""
    rng = random.Random(seed)
    outcomes = []
    for at in range(0, count, 5):
        with disk.small_disk() as place:
            outcomes.append(await _ledger_dies(min(5, count - at), seed + at, rng, _fill, place))
    return together(outcomes)


async def _kill(local: Local, _: Path) -> None:
    local.process.kill()


async def _fill(local: Local, place: Path) -> None:
    empty = disk.fill(place)
    try:
        await look_until(lambda: local.process.poll() is not None, "the ledger to find its disk full")
    finally:
        empty()


_End = Callable[[Local, Path], Awaitable[None]]


async def _ledger_dies(count: int, seed: int, rng: random.Random, end: _End, kept: Path | None = None) -> Outcome:
    outcome = Outcome()
    shoot = plan_shoot(
        seed,
        # A disk that is full is found with the next call: there has to be one.
        length_s=80 + (16 if kept is None else 120) * count,
        pace=15,
        telemetry_rate=20,
        start_wall_ms=time.time_ns() // 1_000_000,
        ways=SERVER.get(),
    )
    with workshop() as place:
        home = kept or place
        data, port, rows = home / "ledger.jsonl", 0, list[Row]()
        async with serve(shoot, speed=15) as (rehearsal, server):
            tap = Tap(place / "tap", f"ws://127.0.0.1:{server}/ws/control", "http://127.0.0.1:1", "venue", _RIG)
            playing = asyncio.create_task(rehearsal.play())
            try:
                for life in range(count + 1):
                    async with _ledger_lives(port, data) as local:
                        port = int(local.url.rpartition(":")[2])
                        if not life:
                            tap.environ["TAP_CONVEX_URL"] = local.url
                            tap.start()
                        else:
                            outcome.recovered(await shipped(tap))
                        if life < count:
                            await asyncio.sleep(rng.choice((0.0, rng.random() * 0.2)))
                            await end(local, home)
                            outcome.tried += 1
                            continue
                        await playing
                        await finish(tap, outcome)
                        rows = await rows_of(local.url, "venue")
            finally:
                playing.cancel()
                tap.abandon()
    outcome.promise(rehearsal.received_from_clients == 0, "the tap has sent data frames")
    outcome.add(judge(rehearsal.truth(venue="venue"), rehearsal.items, rows, exact=True))
    outcome.add(judge_committed(tap.committed, rows))
    return outcome


@asynccontextmanager
async def _ledger_lives(port: int, data: Path) -> AsyncIterator[Local]:
    """Started and ended beside this loop, on which the shoot goes on."""
    with ExitStack() as stack:
        local = await asyncio.to_thread(stack.enter_context, local_ledger(["venue"], port=port, data=data))
        try:
            yield local
        finally:
            await asyncio.to_thread(stack.close)


async def lost_answers(count: int, seed: int) -> Outcome:
    """``count`` answers that never come, to calls that were carried out."""
    return await _spoilt("lost", count, seed)


async def half_answers(count: int, seed: int) -> Outcome:
    """``count`` answers of which half comes."""
    return await _spoilt("half", count, seed)


async def _spoilt(kind: str, count: int, seed: int) -> Outcome:
    rng = random.Random(seed)
    outcomes = []
    with House() as house:
        for at in range(0, count, _A_SHOOT):
            share = min(_A_SHOOT, count - at)

            async def drama(performance: Performance, share: int = share) -> None:
                left, local = share, performance.local
                await look_until(lambda: performance.heard, "a connection")
                while left:
                    times = min(left, rng.randint(1, 5))
                    local.fault(kind, times=times, match="production:ingest")
                    left -= times
                    await look_until(lambda: not local.waiting(), "a call that could be spoilt")
                    performance.outcome.tried += times
                performance.outcome.recovered(await shipped(performance.tap))

            length = 60 + 1.5 * share
            outcomes.append(await perform(house, seed + at, drama, length_s=length, exact=True, rig=_RIG, speed=15))
    return together(outcomes)


def _delivered(tap: Tap) -> bool:
    return tap.count("shipped") >= _POISONED_AMONG


def _waits(tap: Tap, bad: int) -> bool:
    """Whether that cut alone waits, and its reason stands there."""
    waiting = [kept for kept in tap.kept() if kept.state == "pending"]
    return len(waiting) == 1 and f"cut-{bad:05d}" in waiting[0].entry.key and bool(waiting[0].reason)


async def poison(count: int, seed: int) -> Outcome:
    """One entry among a thousand on which the ledger fails: it alone waits, with the reason, and arrives at last."""
    outcome, rng = Outcome(), random.Random(seed)
    for _ in range(count):
        with workshop() as place, local_ledger(["venue"]) as local:
            async with Desk() as desk:
                tap = Tap(place / "tap", desk.url, local.url, "venue", _RIG)
                bad = rng.randrange(1, _POISONED_AMONG)
                # Only the call that carries it: its id stands in its key.
                local.fault("error", times=0, match=f"cut-{bad:05d}")
                async with lone_tap(tap):
                    await desk.listened()
                    for _ in range(_POISONED_AMONG):
                        await desk.cut()
                    await look_until(partial(_delivered, tap), "the rest to be delivered")
                    await look_until(lambda: tap.count("pending") == 1, "all the others to be delivered")  # noqa: B023
                    await look_until(lambda: _waits(tap, bad), lambda: f"cut-{bad:05d} to wait, with the reason")  # noqa: B023
                    local.clear()
                    since = time.monotonic()
                    await shipped(tap)
                    outcome.recovered((time.monotonic() - since) * 1000)
                    outcome.promise(await tap.stop() == 0, "the tap did not end in order")
                outcome.tried += 1
                outcome.promise(not tap.count("dead"), f"{tap.count('dead')} entries were rejected")
                rows = await rows_of(local.url, "venue")
                outcome.stalled(tap.longest_stall_ms)
                outcome.add(desk.judge(rows))
    return outcome
