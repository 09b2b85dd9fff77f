"""How long a start takes: from the command to READY=1 (which systemd waits for), and the memory at that moment.

Measured without a journal, so that the tap has to make one, and with a journal of a million pending entries.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.contestants import NAMES, TAP, Running, folder_for, started
from bench.context import Context
from bench.journals import journals
from bench.results import Measured
from bench.tables import ranged, table

__all__ = ["EMPTY", "SECONDS", "many", "run", "tell", "timed_start"]

SECONDS, RSS = "s to listening", "MB then"
EMPTY = "no journal yet"
_NOBODY = "ws://127.0.0.1:9/ws/control"
_WITHIN_S = 120


def many(entries: float) -> str:
    """What a journal of so many is called."""
    return f"{entries:,.0f} entries"


def run(context: Context) -> None:
    """Each tap with each journal once a round."""
    sizes = context.sizes
    with journals(sizes.journals[-1:], context.say) as made:
        ((size, state),) = made.items()
        with folder_for("start") as folder:
            state.rename(folder / "state")
            # Twice: a journal that a tap has had in hand before.
            for round_ in range(-1, sizes.starts):
                told = []
                for name in (TAP,):
                    with folder_for("start") as fresh:
                        seconds = {EMPTY: _one(context, name, fresh), many(size): _one(context, name, folder)}
                    for journal, (took, rss) in seconds.items():
                        if round_ >= 0:
                            context.note(who(name, journal), SECONDS, round_, took)
                            context.note(who(name, journal), RSS, round_, rss)
                        told.append(f"{name} with {journal} {took:.2f}")
                if round_ >= 0:
                    context.say(f"round {round_ + 1} of {sizes.starts}: s to listening: {', '.join(told)}")


def who(name: str, journal: str) -> str:
    """A tap with a journal."""
    return f"{NAMES[name]}, {journal}"


def _one(context: Context, name: str, folder: Path) -> tuple[float, float]:
    with timed_start(name, _NOBODY, folder, context.cores[0]) as (running, seconds):
        return seconds, running.rss / 1e6


@contextmanager
def timed_start(name: str, url: str, folder: Path, core: int) -> Iterator[tuple[Running, float]]:
    """A tap that listens, and the seconds that it took to; ended after that."""
    address = f"multicam-tap-bench-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0{address}")
        manager.settimeout(_WITHIN_S)
        since = time.monotonic()
        with started(name, url, core=core, env={"NOTIFY_SOCKET": f"@{address}"}, folder=folder) as running:
            while b"READY=1" not in manager.recv(4096):
                pass
            yield running, time.monotonic() - since


def tell(measured: Measured) -> list[str]:
    """The table of it."""
    rows = [
        (one, ranged(measured.spread(one, SECONDS)), ranged(measured.spread(one, RSS)))
        for one in measured.whos(SECONDS)
    ]
    return table(("", SECONDS, RSS), rows)
