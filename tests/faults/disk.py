"""Disks that fail for a while: full, read-only, or a journal that somebody else holds."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from tap.adapters.journal import Journal
from tests.faults.outcome import Outcome, together
from tests.faults.rig import Rig
from tests.faults.stage import House, Performance, look_until, perform, workshop

__all__ = ["full", "locked", "missing", "owned", "read_only", "stays_full"]

_RIG = Rig(patience=20)
_SIZE = "16m"
_FAILS = "the journal cannot be written; entries wait in memory"
_AGAIN = "the journal can be written again"
_WAITS = "cannot open the journal; recording is paused until it opens"


def missing() -> str | None:
    """Why there can be no small disk on this machine, if so."""
    if shutil.which("mount") is None or os.geteuid() != 0:
        return "a disk of its own needs mount, and root"
    with workshop() as place:
        tried = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], capture_output=True, check=False
        )
        if tried.returncode:
            return "a disk of its own needs the right to mount one"
        subprocess.run(["umount", str(place)], check=True)
    return None


@contextmanager
def small_disk() -> Iterator[Path]:
    """A place that is soon full."""
    with workshop() as place:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "tmpfs", str(place)], check=True)
        try:
            yield place
        finally:
            subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(place: Path) -> Callable[[], None]:
    """Leave not a byte; what makes room again, for two that filled it one after the other, too."""
    ballast = place / "ballast"
    with ballast.open("ab", buffering=0) as file, suppress(OSError):
        for size in (2**20, 4096, 1):
            with suppress(OSError):
                while file.write(b"\0" * size):
                    pass
    return partial(ballast.unlink, missing_ok=True)


async def _failing(performance: Performance) -> None:
    tap = performance.tap
    await look_until(lambda: _FAILS in tap.messages(), lambda: f"the tap to say so: {tap.messages()[-3:]}")


async def _shoots(
    count: int, seed: int, drama: Callable[[Performance], Awaitable[None]], *, length_s: float = 60
) -> Outcome:
    outcomes = []
    with House() as house:
        for shoot in range(count):
            with small_disk() as place:
                outcomes.append(
                    await perform(
                        house, seed + shoot, drama, folder=place, exact=True, rig=_RIG, speed=10, length_s=length_s,
                    )
                )  # fmt: skip
                outcomes[-1].tried = 1
    return together(outcomes)


# ---------------------------------------------------------------------------------------------- while it runs


async def full(count: int, seed: int) -> Outcome:
    """The disk is full for a second or two: what comes meanwhile waits, and is kept."""
    rng = random.Random(seed)

    async def drama(performance: Performance) -> None:
        tap, outcome = performance.tap, performance.outcome
        await look_until(lambda: performance.heard and tap.count("shipped"), "entries")
        await asyncio.sleep(rng.random())
        empty = fill(performance.folder.parent)
        await _failing(performance)
        await asyncio.sleep(rng.random())
        outcome.promise(tap.lives_on, "the tap did not outlive a full disk")
        empty()
        outcome.recovered(await look_until(lambda: _AGAIN in tap.messages(), "the journal to be written again"))

    return await _shoots(count, seed, drama)


async def locked(count: int, seed: int) -> Outcome:
    """Another process writes to the journal and does not come to an end, for longer than SQLite waits."""

    async def drama(performance: Performance) -> None:
        tap, outcome = performance.tap, performance.outcome
        await look_until(lambda: performance.heard and tap.count("shipped"), "entries")
        other = sqlite3.connect(tap.journal, isolation_level=None)
        try:
            other.execute("BEGIN IMMEDIATE")
            await _failing(performance)
            outcome.promise(tap.lives_on, "the tap did not outlive a locked journal")
            other.execute("ROLLBACK")
        finally:
            other.close()
        outcome.recovered(await look_until(lambda: _AGAIN in tap.messages(), "the journal to be written again"))

    # Longer than SQLite waits, whenever the lock is taken.
    return await _shoots(count, seed, drama, length_s=160)


# ---------------------------------------------------------------------------------------------- while it starts


async def _starts_badly(
    spoil: Callable[[Performance], Callable[[], None]], rng: random.Random, performance: Performance
) -> None:
    """Killed, and started anew where it cannot have its journal; after a while it can."""
    tap, outcome, rehearsal = performance.tap, performance.outcome, performance.rehearsal
    await look_until(lambda: performance.heard and tap.count("shipped"), "entries")
    await asyncio.sleep(rng.random())
    await tap.kill()
    await look_until(lambda: rehearsal.listeners == 0, "the server to see it go")
    mend = spoil(performance)
    try:
        tap.start()
        await look_until(lambda: _WAITS in tap.messages(), lambda: f"the tap to say so: {tap.messages()[-3:]}")
        await asyncio.sleep(0.5 + rng.random())
        outcome.promise(tap.lives_on, f"the tap ended instead of waiting: {tap.messages()[-3:]}")
        told = tap.messages().count(_WAITS)
        outcome.promise(told == 1, f"it was told {told} times, not once")
    finally:
        mend()
    since = time.monotonic()
    await look_until(lambda: performance.heard, lambda: f"a connection: {tap.messages()[-3:]}")
    outcome.recovered((time.monotonic() - since) * 1000)


def _made_read_only(performance: Performance) -> Callable[[], None]:
    folder = str(performance.tap.folder)
    subprocess.run(["mount", "--bind", folder, folder], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)

    def mend() -> None:
        subprocess.run(["umount", folder], check=True)

    return mend


def _owned_by_another(performance: Performance) -> Callable[[], None]:
    other = Journal.open(performance.tap.journal, owner=True)
    return other.close


def _full_at_the_start(performance: Performance) -> Callable[[], None]:
    # Not even the small files that SQLite puts beside a journal find room.
    for end in ("-wal", "-shm"):
        performance.tap.journal.with_name(f"journal.db{end}").unlink(missing_ok=True)
    return fill(performance.folder.parent)


async def _start_faults(spoil: Callable[[Performance], Callable[[], None]], count: int, seed: int) -> Outcome:
    # Impatient: the shoot goes on while the tap cannot record.
    outcomes = []
    drama = partial(_starts_badly, spoil, random.Random(seed))
    with House() as house:
        for shoot in range(count):
            with small_disk() as place:
                outcomes.append(
                    await perform(
                        house, seed + shoot, drama, folder=place, rig=_RIG, speed=10, length_s=60, patient=False
                    )
                )
                outcomes[-1].tried = 1
    return together(outcomes)


read_only = partial(_start_faults, _made_read_only)
owned = partial(_start_faults, _owned_by_another)
stays_full = partial(_start_faults, _full_at_the_start)
