"""As at a venue: 1,000 frames a second, all programs side by side on one core, in slices of 8 s.

They run side by side, because a single program does too little work to be measured well. So other work of the machine
disturbs all of them alike. They also disturb each other, so the Python programs are first measured without Node. On our
machine, that makes no difference beyond the noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from bench.contestants import AGAIN, BARE, NAMES, PICOWS, TAP, present, started
from bench.context import Context
from bench.results import Measured
from bench.server import serving
from bench.tables import ranged, table

__all__ = ["RSS", "SHARE", "WITHOUT_NODE", "run", "tell"]

SHARE, RSS = "% of a core", "MB"
WITHOUT_NODE = "% of a core, without Node"
_PYTHON = (BARE, TAP, PICOWS, AGAIN)


def run(context: Context) -> None:
    """First the Python programs, then all."""
    _side_by_side(context, present(_PYTHON), WITHOUT_NODE)
    _side_by_side(context, present(), SHARE)


def _side_by_side(context: Context, names: Sequence[str], what: str) -> None:
    """One slice to warm up, then those that count."""
    sizes = context.sizes
    frames = (sizes.slices + 1) * round(sizes.rate * sizes.slice_s)
    with serving([("mixed", frames)], core=context.cores[1]) as server, ExitStack() as stack:
        running = []
        for name in names:
            running.append(stack.enter_context(started(name, server.url, core=context.cores[0])))
            server.accept(running[-1].lives)
        server.steady(sizes.rate, sizes.slice_s)
        for round_ in range(sizes.slices):
            before = [one.cpu for one in running]
            server.steady(sizes.rate, sizes.slice_s)
            shares = [(one.cpu - cpu) / sizes.slice_s * 100 for one, cpu in zip(running, before, strict=True)]
            for one, share in zip(running, shares, strict=True):
                context.note(one.name, what, round_, share)
                if what == SHARE:
                    context.note(one.name, RSS, round_, one.rss / 1e6)
            told = ", ".join(f"{one.name} {share:.2f}" for one, share in zip(running, shares, strict=True))
            context.say(f"slice {round_ + 1} of {sizes.slices}: {what}: {told}")
        server.part()


def tell(measured: Measured) -> list[str]:
    """The table of it."""
    rows = [
        (
            NAMES[name],
            ranged(measured.spread(name, WITHOUT_NODE)),
            ranged(measured.ratio(name, BARE, WITHOUT_NODE)),
            ranged(measured.spread(name, SHARE)),
            ranged(measured.ratio(name, BARE, SHARE)),
            ranged(measured.spread(name, RSS)),
        )
        for name in NAMES
        if name in measured.whos(SHARE)
    ]
    return table(("", WITHOUT_NODE, "÷ bare loop", "% of a core, all together", "÷ bare loop", "MB"), rows)
