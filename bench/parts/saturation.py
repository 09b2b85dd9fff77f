"""As fast as each program can read: 300,000 frames without a pause, one program after the other, in interleaved rounds.

CPU is user and system time of the whole process with all its threads, until it has nothing left to do. That includes
commits and the flight recorder. The start and the first 50,000 frames (to warm up) do not count. The server's clock
goes as fast as the frames are sent.
"""

from __future__ import annotations

from bench.contestants import AGAIN, BARE, NAMES, present, started
from bench.context import Context
from bench.results import Measured
from bench.server import AT_ONCE, Server, serving
from bench.tables import number, ranged, table

__all__ = ["CPU", "GROWN", "RSS", "run", "tell"]

CPU, RSS, GROWN, PEAK = "µs a frame", "MB", "MB grown", "MB at most"


def run(context: Context) -> None:
    """Every contestant once a round, each time beginning with another one."""
    sizes, names = context.sizes, present()
    with serving([("mixed", sizes.warm + sizes.frames)], core=context.cores[1], frames_a_ms=AT_ONCE) as server:
        for round_ in range(sizes.rounds):
            first = round_ % len(names)
            told = [
                f"{name} {_one_burst(context, server, name, round_):.2f}" for name in (*names[first:], *names[:first])
            ]
            context.say(f"round {round_ + 1} of {sizes.rounds}: µs a frame: {', '.join(told)}")


def _one_burst(context: Context, server: Server, name: str, round_: int) -> float:
    count = context.sizes.frames
    with started(name, server.url, core=context.cores[0]) as running:
        server.accept(running.lives)
        running.settle()
        server.burst(context.sizes.warm)
        running.settle()
        cpu, rss = running.cpu, running.rss
        server.burst(count)
        running.settle()
        took = (running.cpu - cpu) / count * 1e6
        context.note(name, CPU, round_, took)
        context.note(name, RSS, round_, running.rss / 1e6)
        context.note(name, GROWN, round_, (running.rss - rss) / 1e6)
        context.note(name, PEAK, round_, running.peak / 1e6)
        server.part()
    return took


def tell(measured: Measured) -> list[str]:
    """The table of it."""
    rows = []
    for name in (name for name in NAMES if name in measured.whos(CPU)):
        cpu = measured.spread(name, CPU)
        rows.append(
            (
                NAMES[name],
                number(None if cpu is None else cpu.median),
                ranged(measured.ratio(name, BARE, CPU)),
                ranged(measured.spread(name, RSS)),
                ranged(measured.spread(name, GROWN)),
            )
        )
    frames = measured.begun.sizes["frames"]
    head = ("", "µs of CPU a frame", "÷ bare loop", "MB", f"MB grown over {frames:,.0f} frames")
    return [*table(head, rows), "", f"`{NAMES[AGAIN]}` shows how much two runs of the same program differ."]
