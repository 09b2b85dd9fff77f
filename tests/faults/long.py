"""Long shoots: memory, journal and tapes stay within their bounds, and the history is right at the end."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from tests.faults.outcome import Outcome, together
from tests.faults.rig import Rig
from tests.faults.stage import House, Performance, look_until, perform

__all__ = ["dense", "eight_hours"]

_GROWTH = 5 * 2**20
_WARM = 0.25
"""The share of the shoot after which the tap is warm: caches are full, and every kind of frame was there."""
_TAPE_MB, _JOURNAL_MB = 20, 20


async def eight_hours(count: int, seed: int) -> Outcome:
    """``count`` hours of a shoot in one life of the tap, at 60 times its speed; 150 frames a second of the shoot.

    The server's clock runs 60 times as fast as the tap's, which none does: which camera was live at a time that a frame
    only names (a still's request) cannot be told by such a clock, and is not asked.
    """
    return await _long(count * 3600.0, 60.0, 150.0, seed, count, exact=False)


async def dense(count: int, seed: int) -> Outcome:
    """``count`` times six minutes of a shoot with 1,000 frames a second, at 6 times its speed."""
    return together([await _long(360.0, 6.0, 1000.0, seed + at, 1) for at in range(count)])


async def _long(length_s: float, speed: float, rate: float, seed: int, tried: int, *, exact: bool = True) -> Outcome:
    async def drama(performance: Performance) -> None:
        tap, rehearsal, outcome = performance.tap, performance.rehearsal, performance.outcome
        await look_until(lambda: performance.heard, "a connection")
        begin, wall = time.monotonic(), length_s / speed
        await asyncio.sleep(wall * _WARM)
        samples = [tap.rss()]
        while time.monotonic() - begin < wall * 0.97 and not performance.playing.done():
            await asyncio.sleep(wall / 100)
            samples.append(tap.rss())
        # Of neighbouring samples the least: what is taken for a moment is no growth.
        grown = min(samples[-5:]) - min(samples[:5])
        outcome.promise(grown < _GROWTH, f"memory grew by {grown / 2**20:.1f} MB after the warm-up")
        files = _bytes(tap.folder)
        outcome.promise(
            files < (_TAPE_MB + 2 * _JOURNAL_MB + 20) * 2**20, f"{files / 2**20:.0f} MB in the state directory"
        )
        frames = rehearsal.telemetry_sent
        outcome.notes.append(
            f"{length_s / 3600:g} h of shoot in {wall:.0f} s, {frames} frames of telemetry, memory grew by "
            f"{grown / 2**20:.1f} MB, {files / 2**20:.1f} MB of files"
        )
        outcome.tried += tried

    environ = {"TAP_TAPE_MEGABYTES": str(_TAPE_MB), "TAP_JOURNAL_MEGABYTES": str(_JOURNAL_MB)}
    with House() as house:
        return await perform(
            house, seed, drama, length_s=length_s, speed=speed, telemetry_rate=rate, exact=exact,
            rig=Rig(), environ=environ, ledger=length_s < 3000,
        )  # fmt: skip


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
