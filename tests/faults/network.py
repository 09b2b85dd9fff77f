"""Lines that are dead without saying so: half-open TCP, a server that answers byte by byte, a line that drips."""

from __future__ import annotations

import asyncio
import random
import shutil
import subprocess
import time
from contextlib import ExitStack, suppress
from functools import partial

from tests.faults import stage
from tests.faults.judge import Loss
from tests.faults.link import Link, Relay
from tests.faults.outcome import Outcome, together
from tests.faults.rig import Rig
from tests.faults.stage import House, Performance, look_until, perform

__all__ = ["drip", "drip_real", "half_open", "half_open_real", "loris", "loris_real", "missing"]

FASTER = 10
"""How many times shorter the waits are, but in the rounds at real times."""
_NOTICED_S = 40.0
_LATE_S = 3.0
"""For a machine that has other things to do."""


def missing() -> str | None:
    """Why there can be no half-open line on this machine, if so."""
    if shutil.which("ip") is None:
        return "half-open lines need the program ip (iproute2)"
    tried = subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False)
    return None if tried.returncode == 0 else "half-open lines need the right to make network namespaces (root)"


async def _noticed(performance: Performance, since: float, patience: float) -> None:
    """The tap says that it is cut off; within 40 s, by a tap as patient as in real life."""
    tap, outcome = performance.tap, performance.outcome
    before = tap.messages().count("not connected")
    limit = (_NOTICED_S / patience + _LATE_S) * stage.TIMES_LATER
    with suppress(TimeoutError):
        await look_until(lambda: tap.messages().count("not connected") > before, "the tap to notice", 3 * limit)
    took = time.monotonic() - since
    outcome.promise(took <= limit, f"noticed after {took:.1f} s, with waits {patience:g} times shorter")
    outcome.notes.append(f"noticed within {max(took, 0.1):.1f} s (waits 1/{patience:g})")


async def _back(performance: Performance, since: float, connections: int) -> None:
    """Connected again; the way was clear from ``since`` on."""
    tap = performance.tap
    await look_until(
        lambda: tap.messages().count("connected") > connections or performance.playing.done(),
        lambda: f"a connection: {tap.messages()[-3:]}",
    )
    performance.outcome.recovered((time.monotonic() - since) * 1000)


# ---------------------------------------------------------------------------------------------- half-open


async def _half_open(patience: float, speed: float, count: int, seed: int) -> Outcome:
    """Neither side is told: packets of one direction are swallowed."""
    outcomes = []
    with House() as house:
        for shoot in range(0, count, 2):
            times = min(2, count - shoot)
            with ExitStack() as stack:
                link = stack.enter_context(Link())
                relays: list[Relay] = []

                async def between(port: int, performance: Performance) -> tuple[str, str]:
                    ledger = int(performance.local.url.rpartition(":")[2])
                    relays.append(await Relay(port).open(link.here))  # noqa: B023 - of this very round
                    inside = await link.carry(ledger, performance.folder)  # noqa: B023
                    return f"ws://{link.here}:{relays[-1].port}/ws/control", f"http://127.0.0.1:{inside}"  # noqa: B023

                drama = partial(_cut_off, link, times, patience, random.Random(seed + shoot))
                try:
                    outcomes.append(
                        await perform(
                            house, seed + shoot, drama, speed=speed, length_s=speed * times * (50 / patience + 6),
                            rig=Rig(patience=patience, namespace=link.name, least_answer_s=0.0), between=between,
                        )
                    )  # fmt: skip
                finally:
                    for relay in relays:
                        await relay.close()
                    await link.leave()
    return together(outcomes)


async def _cut_off(link: Link, times: int, patience: float, rng: random.Random, performance: Performance) -> None:
    tap = performance.tap
    for _ in range(times):
        await look_until(lambda: performance.heard, lambda: f"a connection: {tap.messages()[-3:]}")
        await asyncio.sleep(0.3 + rng.random())
        connections = tap.messages().count("connected")
        since, wall = time.monotonic(), time.time() * 1000
        link.swallow()
        performance.outcome.tried += 1
        await _noticed(performance, since, patience)
        link.heal()
        since = time.monotonic()
        await _back(performance, since, connections)
        performance.losses.append(Loss(wall, time.time() * 1000))


# ---------------------------------------------------------------------------------------------- slow lines


async def _slow(mode: str, patience: float, speed: float, count: int, seed: int) -> Outcome:
    outcomes = []
    with House() as house:
        for shoot in range(0, count, 2):
            times = min(2, count - shoot)
            relays: list[Relay] = []

            async def between(port: int, performance: Performance, relays: list[Relay] = relays) -> tuple[str, str]:
                relays.append(await Relay(port).open("127.0.0.1"))
                return f"ws://127.0.0.1:{relays[0].port}/ws/control", performance.local.url

            drama = partial(_slowed, relays, mode, times, patience, random.Random(seed + shoot))
            try:
                outcomes.append(
                    await perform(
                        house, seed + shoot, drama, speed=speed, length_s=speed * times * (60 / patience + 6),
                        rig=Rig(patience=patience, least_answer_s=0.0), between=between, telemetry_rate=60,
                    )
                )  # fmt: skip
            finally:
                for relay in relays:
                    await relay.close()
    return together(outcomes)


async def _slowed(
    relays: list[Relay], mode: str, times: int, patience: float, rng: random.Random, performance: Performance
) -> None:
    relay, tap = relays[0], performance.tap
    for _ in range(times):
        await look_until(lambda: performance.heard, lambda: f"a connection: {tap.messages()[-3:]}")
        await asyncio.sleep(0.3 + rng.random())
        connections = tap.messages().count("connected")
        since, wall = time.monotonic(), time.time() * 1000
        relay.drip(1.0 / patience, hang_up=mode == "loris")
        performance.outcome.tried += 1
        await _noticed(performance, since, patience)
        if mode == "loris":
            # The handshake drips too, until the tap has given up on it.
            await asyncio.sleep(12 / patience)
        relay.flow()
        since = time.monotonic()
        await _back(performance, since, connections)
        performance.losses.append(Loss(wall, time.time() * 1000))


half_open = partial(_half_open, FASTER, 8.0)
half_open_real = partial(_half_open, 1, 1.0)
loris = partial(_slow, "loris", FASTER, 8.0)
loris_real = partial(_slow, "loris", 1, 1.0)
drip = partial(_slow, "drip", FASTER, 8.0)
drip_real = partial(_slow, "drip", 1, 1.0)
