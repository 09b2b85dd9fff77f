"""What a long session costs: telemetry and cuts at saturation, early and late in a session of 100,000 cuts."""

from __future__ import annotations

from bench.contestants import TAP, Running, started
from bench.context import Context
from bench.load import Section
from bench.results import Measured
from bench.server import AT_ONCE, Server, serving
from bench.tables import ranged, table

__all__ = ["run", "tell"]

_TELEMETRY, _CUT, _RSS = "telemetry", "a cut", "MB"


def run(context: Context) -> None:
    """One session a round, measured when it has had so many cuts."""
    sizes = context.sizes
    cuts = min(sizes.cuts) // 2
    telemetry = 2 * sizes.camera_frames
    sections: list[Section] = []
    at = 0
    for length in sizes.cuts:
        sections += [("cuts", length - at - cuts), ("telemetry", telemetry), ("cuts", cuts)]
        at = length
    with serving([("telemetry", telemetry), *sections], core=context.cores[1], frames_a_ms=AT_ONCE) as server:
        for round_ in range(sizes.growth_rounds):
            with started(TAP, server.url, core=context.cores[0]) as running:
                server.accept(running.lives)
                server.burst(telemetry)
                for number, length in enumerate(sizes.cuts):
                    before, then, last = (frames for _, frames in sections[3 * number : 3 * number + 3])
                    server.burst(before)
                    running.settle()
                    told = {_TELEMETRY: _cost(server, running, then), _CUT: _cost(server, running, last)}
                    for what, took in told.items():
                        context.note(_who(length), what, round_, took)
                    context.note(_who(length), _RSS, round_, running.rss / 1e6)
                    words = ", ".join(f"{what} {took:.2f}" for what, took in told.items())
                    context.say(f"{_who(length)}, round {round_ + 1} of {sizes.growth_rounds}: µs a frame: {words}")
                server.part()


def _cost(server: Server, running: Running, frames: int) -> float:
    cpu = running.cpu
    server.burst(frames)
    running.settle()
    return (running.cpu - cpu) / frames * 1e6


def _who(length: int) -> str:
    return f"{length:,} cuts"


def tell(measured: Measured) -> list[str]:
    """The table of it."""
    whats = (_TELEMETRY, _CUT, _RSS)
    rows = [(who, *(ranged(measured.spread(who, what)) for what in whats)) for who in measured.whos(_CUT)]
    return table(("µs of CPU a frame, in a session of", *whats), rows)
