"""The tap beside what people would use instead: at saturation one after the other, at a real rate side by side.

``python -m bench.side_by_side [--rounds 5] [--frames 300000] [--rate 1000]`` on an idle machine. For Node and Node-RED:
``npm ci`` in ``bench/node`` first. CPU is user and system of the whole process; ratios are to the bare loop of the same
round, and only they hold on another machine. "bare again" is the control: how far two of the same lie apart.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack

from msgspec import Struct, field

from bench.contestants import CONTESTANTS, NODE, started
from bench.server import Server, serving

__all__ = ["Figures", "contestants", "saturation", "steady"]

_SETTLE_S = 0.5
"""For what goes on behind the last frame: commits, the recorder."""
_SLICE_S = 8.0


class Figures(Struct):
    """What was measured of one contestant, round by round."""

    cpu_us: list[float] = field(default_factory=list)
    """Microseconds of CPU a frame."""
    share: list[float] = field(default_factory=list)
    """CPU seconds a second."""
    ratio: list[float] = field(default_factory=list)
    """To the bare loop of the same round."""
    rss_mb: list[float] = field(default_factory=list)
    grown_mb: list[float] = field(default_factory=list)
    """Of memory, over the frames of one round."""

    def middle(self, name: str) -> float:
        """The median."""
        values: list[float] = getattr(self, name)
        return statistics.median(values) if values else float("nan")


def contestants() -> list[str]:
    """Who can be measured here."""
    names = ["bare", "tap", "bare again"]
    return [*names, "node", "node-red"] if NODE.exists() else names


def saturation(
    rounds: int, count: int, names: Iterable[str], say: Callable[[str], None], *, cores: tuple[int, int] = (0, 1)
) -> dict[str, Figures]:
    """As fast as each takes them: CPU a frame, in interleaved rounds."""
    figures = {name: Figures() for name in names}
    with serving(count, core=cores[1]) as server:
        for number in range(rounds):
            for name, each in figures.items():
                _one_burst(server, name, each, count, cores[0])
            bare = figures["bare"].cpu_us[-1]
            for each in figures.values():
                each.ratio.append(each.cpu_us[-1] / bare)
            told = ", ".join(f"{name} {each.cpu_us[-1]:.2f}" for name, each in figures.items())
            say(f"saturation, round {number + 1} of {rounds}: µs a frame: {told}")
    return figures


def _one_burst(server: Server, name: str, figures: Figures, count: int, core: int) -> None:
    with started(name, server.url, core=core) as running:
        server.accept()
        time.sleep(_SETTLE_S)
        cpu, rss = running.cpu, running.rss
        server.burst()
        time.sleep(_SETTLE_S)
        figures.cpu_us.append((running.cpu - cpu) / count * 1e6)
        figures.rss_mb.append(running.rss / 1e6)
        figures.grown_mb.append((running.rss - rss) / 1e6)
        server.part()


def steady(
    rounds: int, rate: int, names: Iterable[str], say: Callable[[str], None], *, cores: tuple[int, int] = (0, 1)
) -> dict[str, Figures]:
    """At ``rate`` frames a second, all at once on one core, in slices of 8 s."""
    figures = {name: Figures() for name in names}
    with serving(20_000, core=cores[1]) as server, ExitStack() as stack:
        running = {}
        for name in figures:
            running[name] = stack.enter_context(started(name, server.url, core=cores[0]))
            server.accept()
        server.steady(rate, _SLICE_S)  # to warm up
        for number in range(rounds):
            before = {name: one.cpu for name, one in running.items()}
            server.steady(rate, _SLICE_S)
            for name, one in running.items():
                each = figures[name]
                each.share.append((one.cpu - before[name]) / _SLICE_S)
                each.rss_mb.append(one.rss / 1e6)
            for each in figures.values():
                each.ratio.append(each.share[-1] / figures["bare"].share[-1])
            told = ", ".join(f"{name} {each.share[-1]:.2%}" for name, each in figures.items())
            say(f"{rate} frames/s, slice {number + 1} of {rounds}: of a core: {told}")
        server.part()
    return figures


def _table(title: str, figures: dict[str, Figures]) -> None:
    print(f"\n{title}")
    for name, each in figures.items():
        ratios = f"{each.middle('ratio'):.2f} ({min(each.ratio):.2f} to {max(each.ratio):.2f})"
        print(f"  {CONTESTANTS[name]:<38} ratio {ratios:<22} {each.middle('rss_mb'):6.0f} MB")


def main() -> None:
    """Measure, and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--frames", type=int, default=300_000)
    parser.add_argument("--rate", type=int, default=1_000)
    options = parser.parse_args()
    names = contestants()
    burst = saturation(options.rounds, options.frames, names, print)
    even = steady(options.rounds, options.rate, names, print)
    _table(f"CPU a frame at saturation ÷ bare loop; {options.rounds} rounds of {options.frames} frames", burst)
    _table(f"CPU at {options.rate} frames/s ÷ bare loop; {options.rounds} slices of {_SLICE_S:g} s, side by side", even)


if __name__ == "__main__":
    main()
