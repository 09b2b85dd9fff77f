"""What more cameras cost: 1 to 500, at saturation. Only snapshots grow with them, because each lists all cameras."""

from __future__ import annotations

from bench.contestants import TAP, started
from bench.context import Context
from bench.load import Section
from bench.results import Measured
from bench.server import AT_ONCE, serving
from bench.tables import ranged, table

__all__ = ["run", "tell"]

_RSS = "MB"
_WHATS = ("the load", "telemetry", "a cut", "a snapshot")


def run(context: Context) -> None:
    """Each number of cameras once a round."""
    sizes = context.sizes
    count = sizes.camera_frames
    sections: list[Section] = [
        ("mixed", count),
        ("telemetry", 2 * count),
        ("cuts", max(count // 10, 1)),
        ("snapshots", max(count // 20, 1)),
    ]
    for cameras in sizes.cameras:
        load = [("mixed", count), *sections]
        with serving(load, core=context.cores[1], cameras=cameras, frames_a_ms=AT_ONCE) as server:
            for round_ in range(sizes.growth_rounds):
                who, told = _who(cameras), []
                with started(TAP, server.url, core=context.cores[0]) as running:
                    server.accept(running.lives)
                    server.burst(count)
                    running.settle()
                    for what, (_, frames) in zip(_WHATS, sections, strict=True):
                        cpu = running.cpu
                        server.burst(frames)
                        running.settle()
                        took = (running.cpu - cpu) / frames * 1e6
                        context.note(who, what, round_, took)
                        told.append(f"{what} {took:.2f}")
                    context.note(who, _RSS, round_, running.rss / 1e6)
                    server.part()
                context.say(f"{who}, round {round_ + 1} of {sizes.growth_rounds}: µs a frame: {', '.join(told)}")


def _who(cameras: int) -> str:
    return "1 camera" if cameras == 1 else f"{cameras} cameras"


def tell(measured: Measured) -> list[str]:
    """The table of it."""
    rows = [
        (who, *(ranged(measured.spread(who, what)) for what in (*_WHATS, _RSS))) for who in measured.whos(_WHATS[0])
    ]
    return table(("µs of CPU a frame", *_WHATS, _RSS), rows)
