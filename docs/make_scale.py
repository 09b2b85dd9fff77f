"""Writes docs/scale.md: what a shoot costs on Convex, and what a thousand venues would need. ``make scale``.

What can be counted is counted: a simulated shoot goes through the tap's own rules, its entries through the ledger's
own functions (on convex-test), and bytes, documents and ranges of indexes are added up on the way. The rest is
multiplication, and is shown. No time is measured, and nothing was run on Convex itself.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tap.adapters.dialects import load_dialect
from tap.adapters.tape import open_tape
from tap.core.codec import entry_json
from tap.core.pipeline import Pipeline
from tap.rehearsal.performance import shoot_to_tape
from tap.rehearsal.shoot import plan_shoot

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "scale.md"

SEED, SECONDS = 1, 900
"""The shoot that is counted: long enough that each kind of call comes."""

HOURS = 8
SHOOT: Mapping[str, tuple[int, str]] = {
    "cuts, holds, marks": (3000, "event"),
    "stills requested (one call for each: its mark, and a row for each camera)": (200, "event still"),
    "stills taken, by 2 cameras": (400, "event still"),
    "stills uploaded, by 2 cameras": (400, "still"),
    "cameras that joined, left or changed": (60, "camera"),
    "the session's own row": (30, "session"),
}
"""What happens in the shoot that is reckoned: how often, and which kind of call tells it."""

FREE = {"calls": 1_000_000, "storage": 500_000_000, "io": 1_000_000_000, "egress": 1_000_000_000}
"""A month on Convex's free plan, by its own page of limits (2026-08)."""
WRITE_RATE, MUTATIONS, SESSIONS, DATASET = 4 * 2**20, 16, 1_000, 10**12
"""The smallest class (S16): bytes written a second, mutations at a time, sessions, and the largest dataset."""
VENUES, DAYS, PEAK_S = 1_000, 20, 2.0
"""Venues on one deployment, days with a shoot in a month, and seconds from cut to cut while all of them are busy."""


def main() -> int:
    PAGE.write_text(page(), encoding="utf-8")
    return 0


def page() -> str:
    """The whole page; the same each time."""
    with tempfile.TemporaryDirectory() as folder:
        calls = list(_calls(Path(folder) / "shoot.jsonl"))
    own, owner = Reckoning(_measured(calls, "ledger")), Reckoning(_measured(calls, "a"))
    return _TEXT.format(**_words(own, owner, calls))


def _calls(path: Path) -> Iterator[bytes]:
    """The entries of a simulated shoot, those of each frame together: so the publisher sends them."""
    path.write_text("".join(shoot_to_tape(plan_shoot(SEED, length_s=SECONDS))), encoding="utf-8")
    pipeline = Pipeline(load_dialect("multicam/1"), venue="stage-1", tap="one")
    with open_tape(path) as tape:
        for item in tape:
            if entries := pipeline.feed(item):
                yield b"[" + b",".join(map(entry_json, entries)) + b"]"


def _measured(calls: Sequence[bytes], app: str) -> Any:
    node = shutil.which("node")
    if node is None:
        raise SystemExit("this needs node 20, and the packages of convex/ (make ledger)")
    command = [node, str(ROOT / "convex" / "scripts" / "scale.mjs"), app]
    done = subprocess.run(command, input=b"\n".join(calls), stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


class Reckoning:
    """What was counted, a call of each kind, and what the shoot comes to."""

    def __init__(self, said: Any) -> None:
        self.said = said
        groups: dict[str, list[Any]] = defaultdict(list)
        for call in said["calls"]:
            groups[call["ops"]].append(call)
        self._groups = groups

    def of(self, kind: str, what: str) -> float:
        """The mean of one kind of call."""
        counted = self._groups[kind]
        return float(sum(call[what] for call in counted) / len(counted))

    def shoot(self, what: str) -> float:
        """The whole shoot."""
        return sum(count * self.of(kind, what) for count, kind in SHOOT.values())

    def stored(self, what: str = "bytes") -> float:
        """What stands in the tables after the shoot: each event and still of it once, with every index as a copy."""
        tables = self.said["tables"]
        names = {"event": "productionDirectorEvents", "still": "productionStills"}
        rows = {"event": 3000 + 200 + 400, "still": 400}
        total = 0.0
        for kind, count in rows.items():
            table = tables[names[kind]]
            each = table["bytes"] / table["documents"]
            total += count * each * (1 + table["indexes"] if what == "copies" else 1)
        return total

    def latest(self, what: str) -> float:
        return float(self.said["latest"][-1][what])


CALLS = sum(count for count, _ in SHOOT.values())


def _words(own: Reckoning, owner: Reckoning, calls: Sequence[bytes]) -> dict[str, str]:
    io = own.shoot("readBytes") + own.shoot("writtenWithIndexes")
    viewer = CALLS * own.latest("answerBytes")
    shoots = {
        "calls": FREE["calls"] / CALLS,
        "storage": FREE["storage"] / own.stored("copies"),
        "io": FREE["io"] / (io + CALLS * own.latest("readBytes")),
    }
    first = min(shoots, key=lambda name: shoots[name])
    peak = VENUES / PEAK_S
    month = VENUES * DAYS
    return {
        "seed": str(SEED),
        "seconds_apart": f"{PEAK_S:g}",
        "days": str(DAYS),
        "seconds": str(SECONDS),
        "counted": str(len(calls)),
        "hours": str(HOURS),
        "kinds": "\n".join(_kind(own, owner, kind) for kind in ("event", "event still", "still", "camera", "session")),
        "shoot": "\n".join(f"| {what} | {count:,} | `{kind}` |" for what, (count, kind) in SHOOT.items()),
        "calls": f"{CALLS:,}",
        "rate": f"{CALLS / HOURS / 3600:.2f}",
        "totals": "\n".join(_total(*row) for row in _totals(own, owner)),
        "ranges": f"{own.of('event', 'ranges'):.0f}",
        "owner_ranges": f"{owner.of('event', 'ranges'):.0f}",
        "latest": _bytes(own.latest("answerBytes")),
        "latest_read": _bytes(own.latest("readBytes")),
        "two_hundred": _bytes(200 * own.latest("answerBytes")),
        "viewer": _bytes(viewer),
        "viewer_read": _bytes(CALLS * own.latest("readBytes")),
        "timeline": _bytes(own.said["timeline"]["answerBytes"]),
        "timeline_all": _bytes(CALLS * own.said["timeline"]["answerBytes"]),
        "followed": _bytes(CALLS * own.said["followed"][-1]["answerBytes"] / own.said["followed"][-1]["rows"]),
        "free_calls": f"{shoots['calls']:.0f}",
        "free_storage": f"{shoots['storage']:.0f}",
        "free_io": f"{shoots['io']:.0f}",
        "first": {"calls": "function calls", "storage": "storage", "io": "database I/O"}[first],
        "first_shoots": f"{shoots[first]:.0f}",
        "peak_calls": f"{peak:,.0f}",
        "peak_bytes": _bytes(peak * own.of("event", "writtenBytes")),
        "peak_copies": _bytes(peak * own.of("event", "writtenWithIndexes")),
        "peak_share": f"{peak * own.of('event', 'writtenBytes') / WRITE_RATE:.0%}",
        "peak_share_copies": f"{peak * own.of('event', 'writtenWithIndexes') / WRITE_RATE:.0%}",
        "mutation_ms": f"{1000 * MUTATIONS / peak:.0f}",
        "month_calls": f"{month * CALLS / 1e6:,.0f} million",
        "month_storage": _bytes(month * own.stored("copies")),
        "month_io": _bytes(month * io),
        "months": f"{DATASET / (month * own.stored('copies')):.0f}",
    }


def _kind(own: Reckoning, owner: Reckoning, kind: str) -> str:
    names = ("bodyBytes", "answerBytes", "readBytes", "writtenBytes", "writtenWithIndexes")
    ours = [f"{own.of(kind, name):,.0f}" for name in names]
    return f"| `{kind}` | {' | '.join(ours)} | {owner.of(kind, 'writtenBytes'):,.0f} |"


def _totals(own: Reckoning, owner: Reckoning) -> list[tuple[str, float, float]]:
    def io(reckoned: Reckoning) -> float:
        return reckoned.shoot("readBytes") + reckoned.shoot("writtenWithIndexes")

    return [
        ("sent by the tap", own.shoot("bodyBytes"), owner.shoot("bodyBytes")),
        ("answered", own.shoot("answerBytes"), owner.shoot("answerBytes")),
        ("database I/O: read, and written with every index", io(own), io(owner)),
        ("storage: the rows", own.stored(), owner.stored()),
        ("storage as it is priced: the rows, and each index as a copy", own.stored("copies"), owner.stored("copies")),
    ]


def _total(what: str, own: float, owner: float) -> str:
    return f"| {what} | {_bytes(own)} | {_bytes(owner)} |"


def _bytes(count: float) -> str:
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:,.3g} {unit}" if count < 1000 * size else f"{count / size:,.0f} {unit}"
    return f"{count:.0f} B"


_TEXT = """\
# What it costs on Convex, and what a thousand venues would need

`docs/make_scale.py` (`make scale`) writes this page. Anybody with Python and Node can run it.

- **Counted**: a simulated shoot (seed {seed}, {seconds} s) went through the tap's own rules. Its {counted} calls went
  through the ledger's own functions on convex-test, which added up bytes, documents and ranges of indexes.
- **Calculated**: everything that is multiplied from these counts. Limits and prices are from Convex's own page of
  limits (2026-08).

Nothing ran on Convex itself, and no time was measured. MB and GB are powers of ten.

## One call

The table has bytes, as the mean of each kind of call. Each call is one function call. Usually a call has the entries of
one frame. If frames come faster than answers, a call has those of several. The last column is for an app with its own
tables (example `a`).

| a call with | sent | answered | read | written | written with every index | written, in an app's own tables |
| --- | --- | --- | --- | --- | --- | --- |
{kinds}

A cut reads {ranges} ranges of indexes (in an app's own tables {owner_ranges}). A mutation may read 4,096.

## A shoot of {hours} h with 3,000 cuts

| what happens | how often | kind of call |
| --- | --- | --- |
{shoot}

These are {calls} function calls, {rate} a second. This is their data:

| | in the ledger's tables | in an app's own tables |
| --- | --- | --- |
{totals}

## Who looks on

| | sent | read |
| --- | --- | --- |
| a subscriber of `latestEvents` (20 rows), for one change | {latest} | {latest_read} |
| … for 200 cuts | {two_hundred} | |
| … for the shoot ({calls} changes, each by itself) | {viewer} | {viewer_read} |
| a pipeline that follows `changes`: each row once | {followed} | |
| for comparison, `sessionTimeline` once, at its first 200 events | {timeline} | |
| … for the shoot | {timeline_all} | |

Each update is one more function call for each subscriber. Subscribers with the same question and the same key share one
read.

## Which limit is reached first

A month on the **free plan** is enough for these shoots:

- 1 million function calls: {free_calls} shoots;
- 1 GB of database I/O: {free_io} shoots, with one viewer;
- 0.5 GB of storage, with each index priced as a copy: {free_storage} shoots.

So **{first}** ends first, after {first_shoots} shoots. On a paid plan these are prices, not limits.

## A thousand venues on one deployment

All of them are busy at once, with a cut every {seconds_apart} s at each:

| | they need | the smallest class (S16) has |
| --- | --- | --- |
| mutations | {peak_calls} a second | 16 at a time: enough if one takes under {mutation_ms} ms |
| written | {peak_bytes} a second | 4 MiB a second: {peak_share} of it |
| written with every index, if those count | {peak_copies} a second | {peak_share_copies} of it |
| subscribers | one session each | 1,000 sessions |
| conflicts | none between venues: no two venues write the same row or counter | |
| keys | 1,000 rows, found by an index | an environment variable holds about 100 |

So the limit of **mutations at a time** is reached first, then that of sessions. The next class (S256) has 256 and
10,000. If each venue has a shoot on {days} days of a month, these are {month_calls} function calls, {month_io} of
database I/O, and {month_storage} of new storage (as priced). The largest dataset, 1 TB, is then full after {months}
months. Before that, move old shoots elsewhere (with `changes`), and forget them here. `changes` reads only what is new,
for all venues or for up to 50 by name, by indexes of its own.
"""


if __name__ == "__main__":
    sys.exit(main())
