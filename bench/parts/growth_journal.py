"""What a large journal costs: 1,000 to 1,000,000 entries, all of them pending.

The start is measured as in the part ``start``, and a cut's way to the disk as in the part ``latency``.
"""

from __future__ import annotations

import os
import shutil
import statistics
from pathlib import Path

from bench.contestants import TAP, folder_for
from bench.context import Context
from bench.journals import journals
from bench.parts.start import many, timed_start
from bench.results import Measured
from bench.server import Server, serving
from bench.tables import ranged, table
from bench.watch import commits, waits_ms

__all__ = ["run", "tell"]

_START, _COMMIT, _RSS = "s to listening", "ms to the disk, median", "MB"
_SECONDS = 4.0


def run(context: Context) -> None:
    """Each journal once a round."""
    sizes = context.sizes
    frames = round(sizes.rate * _SECONDS)
    with (
        serving([("mixed", frames)], core=context.cores[1]) as server,
        journals(sizes.journals, context.say) as made,
    ):
        for round_ in range(sizes.growth_rounds):
            for size, state in made.items():
                with folder_for("journal") as folder:
                    # Each time as it was made: what was told once is not kept again.
                    shutil.copytree(state, folder / "state")
                    os.sync()
                    told = _one(context, server, folder)
                for what, value in told.items():
                    context.note(many(size), what, round_, value)
                words = ", ".join(f"{what} {value:.2f}" for what, value in told.items())
                context.say(f"{many(size)}, round {round_ + 1} of {sizes.growth_rounds}: {words}")


def _one(context: Context, server: Server, folder: Path) -> dict[str, float]:
    with timed_start(TAP, server.url, folder, context.cores[0]) as (running, seconds):
        server.accept(running.lives)
        running.settle()
        with commits(running.journal) as committed:
            waits = waits_ms(server.steady(context.sizes.rate, _SECONDS).sent, committed)
        running.settle()
        server.part()
        return {_START: seconds, _COMMIT: statistics.median(waits), _RSS: running.rss / 1e6}


def tell(measured: Measured) -> list[str]:
    """The table of it."""
    whats = (_START, _COMMIT, _RSS)
    rows = [(who, *(ranged(measured.spread(who, what)) for what in whats)) for who in measured.whos(_START)]
    return table(("a journal of", *whats), rows)
