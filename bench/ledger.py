"""The way to the ledger: how long a cut takes into it, and how fast a backlog goes. A report, not a test.

``python -m bench.ledger`` from the project's root. The first figure is against the local ledger (the real functions on
convex-test: no Convex); the second against a stub that speaks Convex's HTTP API and keeps nothing, in another process.
"""

from __future__ import annotations

import asyncio
import gc
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import uvloop
from pydantic import SecretStr

from tap.adapters.journal import Journal, JournalWriter
from tap.adapters.ledger import Answer, Ledger
from tap.core.model import Entry
from tap.service.publish import Publisher
from tests.contract.local import key_of, local_ledger
from tests.contract.stub import stub_process

CUTS = 300
BACKLOG = 100_000


class Timed(Ledger):
    """Notes when the ledger has answered for each entry."""

    answered: dict[str, float]

    async def ingest(self, entries: Sequence[Entry]) -> list[Answer]:
        answers = await super().ingest(entries)
        now = time.perf_counter()
        self.answered.update({answer.key: now for answer in answers})
        return answers


def _cut(venue: str, number: int) -> Entry:
    at = 1_795_000_000_000 + number
    fields = {"kind": "cut", "at": at, "observedAt": at, "cameraId": f"c{number % 4}", "trigger": "operator"}
    return Entry(f"{venue}/s/cut/{number}/{at}", "event", f"{venue}/s", at, fields)


async def latency(url: str, venue: str) -> list[float]:
    """Milliseconds from the machine's entry to the ledger's answer, the journal's commit included."""
    sent: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder, Journal.open(Path(folder) / "journal.db", owner=True) as journal:
        writer = JournalWriter(journal)
        ledger = Timed(url, key_of(venue))
        ledger.answered = {}
        publisher = Publisher(writer, ledger, venue=venue)
        task = asyncio.create_task(publisher.run())
        for number in range(CUTS):
            entry = _cut(venue, number)
            sent[entry.key] = time.perf_counter()
            writer.submit([entry], None, publisher.notify)
            await asyncio.sleep(0.05)
        while len(ledger.answered) < CUTS:  # noqa: ASYNC110 - the publisher tells nobody of a single answer
            await asyncio.sleep(0.01)
        await publisher.stop()
        await asyncio.gather(task, return_exceptions=True)
        writer.stop(5)
    return [(ledger.answered[key] - since) * 1000 for key, since in sent.items()]


async def backlog(url: str) -> tuple[float, float]:
    """Entries a second, and how many MB more than idle it took."""
    with tempfile.TemporaryDirectory() as folder, Journal.open(Path(folder) / "journal.db", owner=True) as journal:
        for start in range(0, BACKLOG, 5_000):
            journal.append([_cut("v", start + number) for number in range(5_000)], None, 0)
        writer = JournalWriter(journal)
        ledger = Ledger(url, SecretStr("the-stub-takes-any"))
        await ledger.ping()
        gc.collect()
        gc.freeze()
        idle, most = _resident(), 0.0
        publisher = Publisher(writer, ledger, venue="v")
        began = time.perf_counter()
        task = asyncio.create_task(publisher.run())
        while publisher.shipping.shipped < BACKLOG:
            most = max(most, _resident() - idle)
            await asyncio.sleep(0.05)
        took = time.perf_counter() - began
        await publisher.stop()
        await asyncio.gather(task, return_exceptions=True)
        writer.stop(5)
    return BACKLOG / took, most


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> None:
    """Measure and print."""
    with local_ledger() as local:
        waits = uvloop.run(latency(local.url, local.venue()))
    p99 = statistics.quantiles(waits, n=100)[98]
    print(f"a cut into the local ledger: median {statistics.median(waits):.1f} ms   p99 {p99:.1f} ms   n {len(waits)}")
    with stub_process() as url:
        rate, memory = uvloop.run(backlog(url))
    print(f"a backlog of {BACKLOG:,} to the stub: {rate:,.0f} entries/s, {memory:.1f} MB more than idle")


if __name__ == "__main__":
    main()
