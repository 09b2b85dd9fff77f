"""How long a frame waits while the disk is slow: 1,000 frames a second, 10 ms a sync, ÷ the same tap without a journal.

The server sends a ping after each fifth frame. The tap answers it when it has handled the frame before it. So the time
to the answer is how long the frame waits, as the server sees it. A program that commits while it reads frames would
answer 10 ms late.
"""

from __future__ import annotations

import statistics

from bench.contestants import TAP, folder_for, started
from bench.context import Context
from bench.results import Measured
from bench.server import Server, serving
from bench.tables import ranged, table

__all__ = ["NONE", "NONE_AGAIN", "P99", "SLOW", "run", "tell"]

NONE, AS_IT_IS, SLOW, NONE_AGAIN = "no journal", "this disk", "10 ms a sync", "no journal again (control)"
_BENEATH = {
    NONE: ("--no-journal",),
    AS_IT_IS: ("--sync-ms", "0"),
    SLOW: ("--sync-ms", "10"),
    NONE_AGAIN: ("--no-journal",),
}
MEDIAN, P99, LONGEST = "ms, median", "ms, 99 %", "ms, longest"
_PING_EVERY = 5


def run(context: Context) -> None:
    """Each disk once a round."""
    sizes = context.sizes
    frames = round(sizes.rate * (sizes.disk_s + 1))
    with serving([("mixed", frames)], core=context.cores[1]) as server:
        for round_ in range(sizes.disk_rounds):
            told = [f"{disk} {_one_disk(context, server, disk, round_):.2f}" for disk in _BENEATH]
            context.say(f"round {round_ + 1} of {sizes.disk_rounds}: 99 % of frames within ms: {', '.join(told)}")


def _one_disk(context: Context, server: Server, disk: str, round_: int) -> float:
    sizes = context.sizes
    with folder_for("disk") as folder:
        commits = folder / "commits"
        beneath = (str(commits), *_BENEATH[disk])
        with started(TAP, server.url, core=context.cores[0], folder=folder, beneath=beneath) as running:
            server.accept(running.lives)
            running.settle()
            server.steady(sizes.rate, 1.0)
            waits = server.steady(sizes.rate, sizes.disk_s, ping_every=_PING_EVERY).waits_ms
            server.part()
        if int(commits.read_text()) < sizes.disk_s:
            raise RuntimeError(f"{disk}: next to nothing was committed, so nothing was measured")
    p99 = statistics.quantiles(waits, n=100)[98]
    context.note(disk, MEDIAN, round_, statistics.median(waits))
    context.note(disk, P99, round_, p99)
    context.note(disk, LONGEST, round_, max(waits))
    return p99


def tell(measured: Measured) -> list[str]:
    """The table of it."""
    rows = [
        (
            disk,
            *(ranged(measured.spread(disk, what)) for what in (MEDIAN, P99, LONGEST)),
            ranged(measured.ratio(disk, NONE, P99)),
        )
        for disk in measured.whos(P99)
    ]
    return table(("multicam-tap, on", "median ms", "99 % ms", "longest ms", "99 % ÷ no journal"), rows)
