"""As at a venue: 1,000 frames a second, all programs side by side on one core, in slices of 8 s.

They run side by side, because a single program does too little work to be measured well. So other work of the machine
disturbs all of them alike.
"""

from __future__ import annotations

from contextlib import ExitStack

from bench.contestants import BARE, NAMES, present, started
from bench.context import Context
from bench.results import Measured
from bench.server import serving
from bench.tables import ranged, table

__all__ = ["RSS", "SHARE", "run", "tell"]

SHARE, RSS = "% of a core", "MB"


def run(context: Context) -> None:
    """One slice to warm up, then those that count."""
    sizes = context.sizes
    frames = (sizes.slices + 1) * round(sizes.rate * sizes.slice_s)
    with serving([("mixed", frames)], core=context.cores[1]) as server, ExitStack() as stack:
        running = []
        for name in present():
            running.append(stack.enter_context(started(name, server.url, core=context.cores[0])))
            server.accept(running[-1].lives)
        server.steady(sizes.rate, sizes.slice_s)
        for round_ in range(sizes.slices):
            before = [one.cpu for one in running]
            server.steady(sizes.rate, sizes.slice_s)
            shares = [(one.cpu - cpu) / sizes.slice_s * 100 for one, cpu in zip(running, before, strict=True)]
            for one, share in zip(running, shares, strict=True):
                context.note(one.name, SHARE, round_, share)
                context.note(one.name, RSS, round_, one.rss / 1e6)
            told = ", ".join(f"{one.name} {share:.2f}" for one, share in zip(running, shares, strict=True))
            context.say(f"slice {round_ + 1} of {sizes.slices}: % of a core: {told}")
        server.part()


def tell(measured: Measured) -> list[str]:
    """The table of it."""
    rows = [
        (
            NAMES[name],
            ranged(measured.spread(name, SHARE)),
            ranged(measured.ratio(name, BARE, SHARE)),
            ranged(measured.spread(name, RSS)),
        )
        for name in NAMES
        if name in measured.whos(SHARE)
    ]
    return table(("", "% of a core", "÷ bare loop", "MB"), rows)
