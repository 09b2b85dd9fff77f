"""What the tap must reach, and whether it does: judged from what was measured, by the medians."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from msgspec import Struct

from bench.contestants import AGAIN, BARE, NODE_RED, TAP
from bench.parts import pages, saturation, slow_disk, start, steady
from bench.results import Measured, Results, Spread
from bench.tables import number, ranged, table

__all__ = ["TARGETS", "Target", "it_must", "verdict"]

_ROUNDS = 5
"""Fewer say little."""
_FRAMES = 300_000
_ENTRIES = 1_000_000

Value = Callable[[Measured], Spread | None]


class Target(Struct, frozen=True):
    """One thing that it must."""

    words: str
    at_least: float
    aim: float
    part: str
    value: Value
    control: Value | None = None
    """How much two runs of the same program differ."""
    unit: str = ""
    too_little: Callable[[Measured], str | None] | None = None
    """Why what was measured is not what was asked for, if so."""
    control_tells: bool = False
    """Whether the range of the control has to be within the target, or nothing can be told."""


def _few_frames(measured: Measured) -> str | None:
    frames = measured.begun.sizes["frames"]
    return f"{frames:,.0f} frames only" if frames < _FRAMES else None


def _few_entries(measured: Measured) -> str | None:
    return None if start.who(TAP, _million) in measured.whos(start.SECONDS) else "smaller journals only"


def _ratio(what: str, who: str, to: str) -> Value:
    return lambda measured: measured.ratio(who, to, what)


def _pooled(place: str, percent: int, who: str) -> Value:
    what = pages.cut_to(place)
    return lambda measured: measured.pooled_ratio(who, pages.ALONE, what, percent)


def _plain(what: str, who: str) -> Value:
    return lambda measured: measured.spread(who, what)


_million = start.many(_ENTRIES)
_cpu = partial(_ratio, saturation.CPU)
_share = partial(_ratio, steady.SHARE)
_without_node = partial(_ratio, steady.WITHOUT_NODE)
_rss = partial(_ratio, steady.RSS)
_grown = partial(_plain, saturation.GROWN)
_wait = partial(_ratio, slow_disk.P99)
_looked_at = partial(_ratio, pages.WAIT)
_start = partial(_plain, start.SECONDS)

_AT_MOST, _AT_RATE, _MEMORY = "CPU at saturation", "CPU at 1,000 frames/s", "memory"
_EXTRA = "if the client were in C"
"""There is no such client: see "Why there is no fast extra" on the page. The tap has to reach this target, too."""
_A, _B, _C, _D, _E = "saturation", "steady", "slow-disk", "start", "pages"

TARGETS: tuple[Target, ...] = (
    Target(f"{_AT_MOST} ÷ bare loop", 1.15, 0.85, _A, _cpu(TAP, BARE), _cpu(AGAIN, BARE)),
    Target(f"{_AT_MOST} ÷ bare loop, {_EXTRA}", 0.30, 0.20, _A, _cpu(TAP, BARE), _cpu(AGAIN, BARE)),
    Target(f"{_AT_RATE} ÷ bare loop", 0.50, 0.42, _B, _without_node(TAP, BARE), _without_node(AGAIN, BARE)),
    Target(f"{_AT_RATE} ÷ bare loop, Node-RED beside it", 0.50, 0.42, _B, _share(TAP, BARE), _share(AGAIN, BARE)),
    Target(f"{_AT_RATE} ÷ bare loop, {_EXTRA}", 0.45, 0.33, _B, _without_node(TAP, BARE), _without_node(AGAIN, BARE)),
    Target(f"{_AT_MOST} ÷ Node-RED", 0.30, 0.05, _A, _cpu(TAP, NODE_RED), _cpu(AGAIN, BARE)),
    Target(f"{_AT_RATE} ÷ Node-RED", 0.60, 0.33, _B, _share(TAP, NODE_RED), _share(AGAIN, BARE)),
    Target("memory at 1,000 frames/s ÷ Node-RED", 0.60, 0.40, _B, _rss(TAP, NODE_RED), _rss(AGAIN, BARE)),
    Target("growth over 300,000 frames", 5, 2, _A, _grown(TAP), None, " MB", _few_frames),
    Target(
        "p99 wait of a frame, 10 ms a sync ÷ without journal",
        2,
        1.3,
        _C,
        _wait(slow_disk.SLOW, slow_disk.NONE),
        _wait(slow_disk.NONE_AGAIN, slow_disk.NONE),
    ),
    Target(
        "p99 wait of a frame, 16 pages and files ÷ nobody looks",
        1.1,
        1,
        _E,
        _looked_at(pages.FILES, pages.ALONE),
        _looked_at(pages.ALONE_AGAIN, pages.ALONE),
    ),
    *(
        Target(
            f"{words} of a cut's way to {where}, {crowd} ÷ nobody looks",
            1.1,
            1,
            _E,
            _pooled(place, percent, who),
            _pooled(place, percent, pages.ALONE_AGAIN),
            control_tells=True,
        )
        for crowd, who in (("16 pages", pages.PAGES), ("16 pages and files", pages.FILES))
        for where, place in (("the disk", pages.ON_DISK), ("a quiet disk", pages.QUIET))
        for words, percent in (("median", 50), ("p99", 99))
    ),
    Target("start to listening, no journal yet", 0.5, 0.4, _D, _start(start.who(TAP, start.EMPTY)), None, " s"),
    Target(
        "start to listening, a million entries",
        0.5,
        0.4,
        _D,
        _start(start.who(TAP, _million)),
        None,
        " s",
        _few_entries,
    ),
)
"""In the order in which they are told."""


def verdict(target: Target, results: Results) -> str:
    """``aim met``, ``met`` or ``**not met**``; or why that cannot be said."""
    measured = results.parts.get(target.part)
    if measured is None:
        return "not measured"
    too_little = None if target.too_little is None else target.too_little(measured)
    spread = target.value(measured)
    if spread is None:
        return too_little or "not measured"
    if target.control_tells and target.control is not None and not _tells(target, spread, target.control(measured)):
        return "too much noise"
    said = "aim met" if spread.median <= target.aim else "met" if spread.median <= target.at_least else "**not met**"
    few = [] if spread.rounds >= _ROUNDS else [f"{spread.rounds} {'round' if spread.rounds == 1 else 'rounds'} only"]
    rough = ", ".join([*few, *([too_little] if too_little else [])])
    return f"{said} ({rough})" if rough else said


def _tells(target: Target, spread: Spread, control: Spread | None) -> bool:
    """Whether the control differs by less than what is to be told; or the measured by far more than the control."""
    limit = target.at_least
    if control is None or 1 / limit <= control.least <= control.most <= limit:
        return True
    return spread.least > limit and spread.median > control.most


def it_must(results: Results) -> list[str]:
    """The table of it, computed."""
    rows = []
    for target in TARGETS:
        measured = results.parts.get(target.part)
        spread = None if measured is None else target.value(measured)
        control = None if measured is None or target.control is None else target.control(measured)
        rows.append(
            (
                target.words,
                f"{target.at_least:g}{target.unit}",
                f"{target.aim:g}{target.unit}",
                ranged(spread, target.unit),
                "–" if control is None else ranged(control) if target.control_tells else number(control.median),
                verdict(target, results),
            )
        )
    return table(("", "at least", "aim", "measured: median (range)", "A/A control", ""), rows)
