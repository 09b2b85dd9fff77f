"""What it costs the recording to be looked at: 16 live pages are open, and something fetches a report and an FCP7 XML
every second, ÷ the same tap that nobody looks at. 1,000 frames a second, behind a session of 1,000 cuts.

The server sees how long a frame waits, as in "The wait of a frame while the disk is slow"; another reader of the
journal sees when a cut is on the disk. The tap's children, which make the files, share its core. Frames lost are those
that the server has sent and the tap has not counted, or has counted as dropped.
"""

from __future__ import annotations

import json
import re
import statistics
import time
import urllib.request
from collections.abc import Iterable
from contextlib import ExitStack
from typing import Any
from urllib.parse import quote

from bench.contestants import TAP, Running, folder_for, started
from bench.context import Context
from bench.onlookers import looking_on, served_at
from bench.results import Measured, Spread
from bench.server import Server, serving
from bench.tables import number, ranged, table
from bench.watch import commits, waits_ms

__all__ = ["ALONE", "ALONE_AGAIN", "FILES", "PAGES", "WAIT", "disk_ratio", "run", "tell"]

ALONE, PAGES = "nobody looks", "16 pages"
FILES, ALONE_AGAIN = "16 pages, a report and an XML a second", "nobody looks again (control)"
_LOOKED_AT = {ALONE: (0, False), PAGES: (16, False), FILES: (16, True), ALONE_AGAIN: (0, False)}
"""How many pages, and whether files are asked for."""
WAIT, DISK, LOST, CPU = "ms, 99 % of frames", "ms to the disk", "frames lost", "% of a core"
_PING_EVERY = 5
_CUTS_BEFORE = 1_000
_GREETING = 2
"""Frames that each connection begins with."""
_WITHIN_S = 60.0
_DROPPED = re.compile(r'^multicam_tap_dropped_frames_total\{what="(?:telemetry|control)"\} (\d+)', re.MULTILINE)


def run(context: Context) -> None:
    """Each crowd once a round, in another order each time."""
    sizes = context.sizes
    before = [("cuts", _CUTS_BEFORE), ("mixed", round(sizes.rate * (sizes.pages_s + 1)))]
    crowds = list(_LOOKED_AT)
    with serving(before, core=context.cores[1]) as server:  # type: ignore[arg-type]  # the literals are right
        for round_ in range(sizes.pages_rounds):
            first = round_ % len(crowds)
            told = [f"{who} {_one(context, server, who, round_):.2f}" for who in (*crowds[first:], *crowds[:first])]
            context.say(f"round {round_ + 1} of {sizes.pages_rounds}: 99 % of frames within ms: {', '.join(told)}")


def _one(context: Context, server: Server, who: str, round_: int) -> float:
    sizes = context.sizes
    pages, files = _LOOKED_AT[who]
    with folder_for("pages") as folder, ExitStack() as stack:
        running = stack.enter_context(started(TAP, server.url, core=context.cores[0], folder=folder))
        server.accept(running.lives)
        server.burst(_CUTS_BEFORE)
        running.settle()
        server.steady(sizes.rate, 1.0)
        url = _address(running)
        looking = None
        if pages:
            paths = [f"/made/{name}?session={quote(_session(url), safe='')}" for name in ("report", "fcp7xml")]
            looking = stack.enter_context(looking_on(url, pages, paths if files else (), core=context.cores[1]))
        committed = stack.enter_context(commits(running.journal))
        cpu = running.cpu
        seen = server.steady(sizes.rate, sizes.pages_s, ping_every=_PING_EVERY)
        share = (running.cpu - cpu) / sizes.pages_s * 100
        disk = waits_ms(seen.sent, committed)
        if looking is not None:
            answers = looking.leave()
            if not all(answers.happened) or (files and not answers.files[200]):
                raise RuntimeError(f"{who}: pages or files were not there: {answers}")
        sent = _GREETING + _CUTS_BEFORE + round(sizes.rate * (sizes.pages_s + 1))
        lost = sent - _ask(url)["now"]["server"]["frames"] + _dropped(url)
        server.part()
    p99 = statistics.quantiles(seen.waits_ms, n=100)[98]
    for what, value in ((WAIT, p99), (CPU, share), (LOST, float(lost)), *((DISK, one) for one in disk)):
        context.note(who, what, round_, value)
    return p99


def _address(running: Running) -> str:
    """Where the tap is looked at; it says so in its log."""
    last = time.monotonic() + _WITHIN_S
    while (url := served_at(running.folder / "output")) is None:
        if time.monotonic() > last:
            raise TimeoutError("the tap does not say where it is looked at")
        time.sleep(0.05)
    return url


def _ask(url: str) -> Any:
    with urllib.request.urlopen(f"{url}status.json", timeout=_WITHIN_S) as answer:  # noqa: S310 - loopback
        return json.load(answer)


def _session(url: str) -> str:
    return str(_ask(url)["now"]["session"]["key"])


def _dropped(url: str) -> int:
    with urllib.request.urlopen(f"{url}metrics", timeout=_WITHIN_S) as answer:  # noqa: S310 - loopback
        return sum(map(int, _DROPPED.findall(answer.read().decode())))


def disk_ratio(measured: Measured, who: str) -> Spread | None:
    """The 99th percentile of all cuts' ways to the disk, ÷ that of a tap that nobody looks at; and by rounds."""
    rounds = sorted({figure.round for figure in measured.figures if figure.what == DISK})
    every = _p99(_waits(measured, who, rounds)), _p99(_waits(measured, ALONE, rounds))
    by_round = [(_p99(_waits(measured, who, [one])), _p99(_waits(measured, ALONE, [one]))) for one in rounds]
    ratios = [mine / alone for mine, alone in by_round if mine and alone]
    if not ratios or not every[0] or not every[1]:
        return None
    return Spread(every[0] / every[1], min(ratios), max(ratios), len(ratios))


def _waits(measured: Measured, who: str, rounds: Iterable[int]) -> list[float]:
    wanted = set(rounds)
    return [one.value for one in measured.figures if (one.who, one.what) == (who, DISK) and one.round in wanted]


def _p99(values: list[float]) -> float | None:
    return statistics.quantiles(values, n=100, method="inclusive")[98] if len(values) > 1 else None


def tell(measured: Measured) -> list[str]:
    """The table of it."""
    rows = [
        (
            who,
            f"{sum(measured.values(who, LOST)):,.0f}",
            ranged(measured.spread(who, WAIT)),
            ranged(measured.ratio(who, ALONE, WAIT)),
            number(_p99(measured.values(who, DISK))),
            ranged(disk_ratio(measured, who)),
            ranged(measured.spread(who, CPU)),
        )
        for who in _LOOKED_AT
        if who in measured.whos(WAIT)
    ]
    heads = ("", "frames lost", "wait of a frame, 99 % ms", "÷ nobody", "a cut to the disk, 99 % ms", "÷ nobody", CPU)
    return table(heads, rows)
