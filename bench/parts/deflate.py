"""What compression costs: the tap with ``TAP_COMPRESSION`` on and off, at a server that offers permessage-deflate.

The table has CPU per frame at saturation. On loopback compression is of no use. By default it is off.
"""

from __future__ import annotations

from bench.contestants import NAMES, TAP, started
from bench.context import Context
from bench.load import Section
from bench.results import Measured
from bench.server import AT_ONCE, Server, serving
from bench.tables import ranged, table

__all__ = ["run", "tell"]

OFF, ON = "µs a frame", "µs a frame, compressed"
_SETTING = {OFF: "0", ON: "1"}


def run(context: Context) -> None:
    """Each tap with and without, once a round."""
    sizes = context.sizes
    load: list[Section] = [("mixed", sizes.warm), ("mixed", sizes.deflate_frames)]
    core = context.cores[1]
    with (
        serving(load, core=core, frames_a_ms=AT_ONCE) as plain,
        serving(load, core=core, frames_a_ms=AT_ONCE, deflate=True) as packed,
    ):
        for round_ in range(sizes.rounds):
            told = [
                f"{name} {_one(context, plain, name, OFF, round_):.2f}, "
                f"compressed {_one(context, packed, name, ON, round_):.2f}"
                for name in (TAP,)
            ]
            context.say(f"round {round_ + 1} of {sizes.rounds}: µs a frame: {'; '.join(told)}")


def _one(context: Context, server: Server, name: str, what: str, round_: int) -> float:
    sizes = context.sizes
    env = {"TAP_COMPRESSION": _SETTING[what]}
    with started(name, server.url, core=context.cores[0], env=env) as running:
        server.accept(running.lives)
        server.burst(sizes.warm)
        running.settle()
        cpu = running.cpu
        server.burst(sizes.deflate_frames)
        running.settle()
        took = (running.cpu - cpu) / sizes.deflate_frames * 1e6
        context.note(name, what, round_, took)
        server.part()
    return took


def tell(measured: Measured) -> list[str]:
    """The table of it."""
    rows = []
    for name in measured.whos(OFF):
        off, on = measured.values(name, OFF), measured.values(name, ON)
        more = sorted(with_ - without for with_, without in zip(on, off, strict=True))
        middle = f"{more[len(more) // 2]:.1f}"
        rows.append((NAMES[name], ranged(measured.spread(name, OFF)), ranged(measured.spread(name, ON)), middle))
    return table(("µs of CPU a frame", "without", "compressed", "more"), rows)
