"""What it costs the recording to be looked at: 16 live pages are open, and something fetches a report and an FCP7 XML
every second, ÷ the same tap while nobody looks. 1,000 frames a second, 49 of them cuts, behind a session of 1,000 cuts.

All are measured in the same tap, for four seconds each, in another order in each round; each round has a new tap. In
its four seconds, the tap makes both files. That is the worst case: of a running session it makes each file once in 20
seconds, and sends the same file again until then. The processes that make them share the tap's core.

The server sees how long a frame waits, as in "The wait of a frame while the disk is slow"; another reader of the
journal sees when a cut is on the disk. Half of the rounds have the journal on this machine's disk. The others have it
on a quiet disk: an ext4 on a file in memory, which syncs and has a journal as every ext4 has, and which nobody else
uses. (Who may not mount one has only memory there: then a sync costs nothing.) Those who look on get what the server
leaves of the other core. Frames lost are those that the server has sent and the tap has not counted, or has counted as
dropped.

Figures of frames are those of single rounds: the median of all rounds, and their range. Of cuts, a round has too few
for its slowest to say anything. So those of all rounds are taken together, and none is left out. The tables show the
median, 90 % and 99 % of them, and the ratio to the same of nobody. In brackets is the 95 % interval (a bootstrap:
rounds are drawn again 1,000 times). Where the interval of the control is wider than 10 % to either side, this disk
is too noisy for such a difference. Then the target counts as missed only if the ratio is above the control's interval
and the ratio's own interval is above the target; else it counts as neither met nor missed.

What holds up a cut is the processor, not the disk. (Measured by hand on 2026-11-28 on a quiet disk, with files made all
the time on the tap's core: 1,524 cuts each way, 3,048 without.) With files made by a process that is only nice, 99 % of
the cuts took 1.29 times as long (1.13 to 1.53). Files on the journal's file system, ÷ files in memory, was 1.00 (0.77
to 1.36). With files made by a process of the class SCHED_IDLE, it was 1.00 (0.94 to 1.16). The control was 1.03 (0.96
to 1.12). The tap uses SCHED_IDLE since 23:00 UTC of that day.
"""

from __future__ import annotations

import json
import re
import statistics
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

from msgspec import Struct

from bench.contestants import MEMORY, TAP, Running, folder_for, started
from bench.context import Context
from bench.onlookers import looking_on, served_at
from bench.quiet_disk import quiet_disk
from bench.results import Measured
from bench.server import Server, serving
from bench.tables import ranged, table
from bench.watch import commits, waits_ms

__all__ = [
    "ALONE",
    "ALONE_AGAIN",
    "FILES",
    "IN_MEMORY",
    "LOST",
    "ON_DISK",
    "PAGES",
    "PLACES",
    "QUIET",
    "WAIT",
    "cut_to",
    "run",
    "tell",
]

ALONE, PAGES = "nobody looks", "16 pages"
FILES, ALONE_AGAIN = "16 pages, a report and an XML a second", "nobody looks again (control)"
_LOOKED_AT = {ALONE: (0, False), PAGES: (16, False), FILES: (16, True), ALONE_AGAIN: (0, False)}
"""How many pages, and whether files are asked for."""
_ORDERS = ((0, 1, 3, 2), (1, 2, 0, 3), (2, 3, 1, 0), (3, 0, 2, 1))
"""Of those who look, one a round: each is in each place once, and follows each of the others once."""
ON_DISK, QUIET, IN_MEMORY = "this disk", "quiet disk", "memory"
PLACES = (ON_DISK, QUIET, IN_MEMORY)
"""Where the journal is."""
WAIT, LOST, CPU = "ms, 99 % of frames", "frames lost", "% of a core"
PERCENTS = (50, 90, 99)
"""So many of 100 cuts are in the journal by then."""
_PING_EVERY = 5
_CUTS_BEFORE = 1_000
_WARM_S = 0.5
_WITHIN_S = 60.0
_COUNTED_WITHIN_S = 2.0
"""The last frame may be on its way when all else is done."""
_NOBODY = re.compile(r"^multicam_tap_ops_clients 0(\.0)?$", re.MULTILINE)
_DROPPED = re.compile(r'^multicam_tap_dropped_frames_total\{what="(?:telemetry|control)"\} (\d+)', re.MULTILINE)


def run(context: Context) -> None:
    """Each crowd once a round, in another order each time; then the same with the journal elsewhere."""
    sizes = context.sizes
    each = round(sizes.rate * (sizes.pages_s + _WARM_S)) * len(_LOOKED_AT)
    before = [("cuts", _CUTS_BEFORE), ("busy", each)]
    crowds = list(_LOOKED_AT)
    with quiet_disk() as quiet, serving(before, core=context.cores[1]) as server:  # type: ignore[arg-type]  # right
        places = {ON_DISK: None, **({IN_MEMORY: MEMORY} if quiet is None else {QUIET: quiet})}
        for number, place in enumerate(place for _ in range(sizes.pages_rounds) for place in places):
            order = _ORDERS[number // len(places) % len(_ORDERS)]
            told = _round(context, server, (place, places[place]), number, [crowds[at] for at in order])
            context.say(f"round {number + 1} of {sizes.pages_rounds * len(places)}, {place}: {told}")


def _round(context: Context, server: Server, where: tuple[str, Path | None], number: int, crowds: list[str]) -> str:
    """A new tap, and every crowd once; how long a cut took with each."""
    place, within = where
    with folder_for("pages", within) as folder, ExitStack() as stack:
        running = stack.enter_context(started(TAP, server.url, core=context.cores[0], folder=folder))
        server.accept(running.lives)
        server.burst(_CUTS_BEFORE)
        looked_at = _LookedAt(running, _address(running), stack.enter_context(commits(running.journal)))
        told = []
        for who in crowds:
            figures, cuts = _measure(context, server, looked_at, who)
            for what, value in figures.items():
                context.note(who, what, number, value)
            context.note_each(who, cut_to(place), number, cuts)
            told.append(f"{who} {statistics.median(cuts):.2f}")
        server.part()
    return f"a cut takes ms: {', '.join(told)}"


class _LookedAt(Struct):
    """A tap, and where it is looked at."""

    running: Running
    url: str
    committed: dict[str, float]
    """When each cut was in its journal."""


def _measure(context: Context, server: Server, tap: _LookedAt, who: str) -> tuple[dict[str, float], list[float]]:
    """What is found while these look on, and how long each cut took."""
    rate, seconds = context.sizes.rate, context.sizes.pages_s
    pages, files = _LOOKED_AT[who]
    _await_nobody(tap.url)
    tap.running.settle()
    with ExitStack() as stack:
        looking = None
        if pages:
            paths = [f"/made/{name}?session={quote(_session(tap.url), safe='')}" for name in ("report", "fcp7xml")]
            crowd = looking_on(tap.url, pages, paths if files else (), core=context.cores[1])
            looking = stack.enter_context(crowd)
        handled = _handled(tap.url)
        server.steady(rate, _WARM_S)
        cpu = tap.running.cpu
        seen = server.steady(rate, seconds, ping_every=_PING_EVERY)
        share = (tap.running.cpu - cpu) / seconds * 100
        cuts = waits_ms(seen.sent, tap.committed)
        if looking is not None:
            answers = looking.leave()
            if not all(answers.happened) or (files and not answers.files[200]):
                raise RuntimeError(f"{who}: pages or files were not there: {answers}")
    sent = round(rate * _WARM_S) + round(rate * seconds)
    last = time.monotonic() + _COUNTED_WITHIN_S
    while (counted := _handled(tap.url) - handled) < sent and time.monotonic() < last:
        time.sleep(0.05)
    wait = statistics.quantiles(seen.waits_ms, n=100)[98]
    return {WAIT: wait, CPU: share, LOST: float(sent - counted)}, cuts


def cut_to(place: str) -> str:
    """The name, among what was seen, of how long each cut takes to a journal there."""
    return f"a cut, ms, {place}"


def _handled(url: str) -> int:
    """Frames that the tap has counted, and has not dropped."""
    return int(_ask(url)["now"]["server"]["frames"]) - _dropped(url)


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
    return sum(map(int, _DROPPED.findall(_metrics(url))))


def _await_nobody(url: str) -> None:
    """Wait until the tap knows that the pages of the last crowd are closed: it accepts only so many at once."""
    last = time.monotonic() + _WITHIN_S
    while not _NOBODY.search(_metrics(url)):
        if time.monotonic() > last:
            raise TimeoutError("the tap does not notice that its pages are closed")
        time.sleep(0.05)


def _metrics(url: str) -> str:
    with urllib.request.urlopen(f"{url}metrics", timeout=_WITHIN_S) as answer:  # noqa: S310 - loopback
        return str(answer.read(), "utf-8")


def tell(measured: Measured) -> list[str]:
    """Two tables: of frames, and of cuts."""
    frames = [
        (
            who,
            f"{sum(measured.values(who, LOST)):,.0f}",
            ranged(measured.spread(who, WAIT)),
            ranged(measured.ratio(who, ALONE, WAIT)),
            ranged(measured.spread(who, CPU)),
        )
        for who in _LOOKED_AT
        if who in measured.whos(WAIT)
    ]
    return [
        *table(("", "frames lost", "wait of a frame, 99 % ms", "÷ nobody", CPU), frames),
        *(line for place in PLACES for line in _cuts(measured, place)),
    ]


def _cuts(measured: Measured, place: str) -> list[str]:
    what = cut_to(place)
    rows = [
        (
            who,
            *(
                cell
                for percent in PERCENTS
                for cell in (
                    ranged(measured.pooled(who, what, percent)),
                    ranged(measured.pooled_ratio(who, ALONE, what, percent)),
                )
            ),
        )
        for who in _LOOKED_AT
        if who in measured.whos(what)
    ]
    words = ("a cut, median, ms", *(f"a cut, {percent} %, ms" for percent in PERCENTS[1:]))
    heads = [head for word in words for head in (word, "÷ nobody")]
    return ["", *table((f"journal: {place}", *heads), rows)] if rows else []
