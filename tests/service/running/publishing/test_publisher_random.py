"""A ledger whose answers are drawn at random, absurd numbers among them: ten thousand calls, and nothing comes of it.

The whole way is real: a server's frames through the pipeline, the journal with its writer, the publisher, the client.
The stub is no ledger; what counts is what the tap does with what it says.
"""

from __future__ import annotations

import json
import random
import resource
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from tap.adapters.dialects import load_dialect
from tap.adapters.journal import Journal
from tap.adapters.ledger import Ledger
from tap.core.codec import LATEST_VERSION
from tap.core.model import Closed, Entry, Frame, Opened, Stamp
from tap.core.pipeline import Pipeline
from tap.service.running.publishing.shipping import Pace
from tests.adapters.test_ledger import KEY, NOW
from tests.contract.stub import Stub, stubbed
from tests.service.running.publishing.test_publisher import Venue, until

PACE = Pace().faster(20_000)._replace(worrying=60.0, postponed=0.01, longest_postponed=0.1, look_every=0.02)
END = 4_102_444_800_000
DIALECT = load_dialect("multicam/1")
CODES = (
    "shape",
    "key",
    "venue",
    "op",
    "type",
    "value",
    "null",
    "time",
    "size",
    "forgotten",
    "key_wrong",
    "x",
    "",
    7,
    None,
)
WORDS = ("Odd.", "", None, "\ud800", "\x1b[2J", "x" * 5_000, 1e308, ["a"])


def number(rng: random.Random) -> Any:
    """Of any size, and what is none."""
    return rng.choice(
        [
            rng.randrange(-(10**6), 10**6),
            NOW + rng.randrange(10**9),
            float(NOW),
            END - rng.randrange(3),
            LATEST_VERSION - rng.randrange(3),
            1e19,
            1e308,
            -1e308,
            10.0 ** rng.uniform(0, 308),
            2.0**63,
            True,
            None,
            "7",
            {"$float": "AAAAAAAA8H8="},
            {"$integer": "AAAA"},
        ]
    )


class Liar:
    """Answers whatever the dice say; ``honest`` it is a stub as any other."""

    def __init__(self, stub: Stub, seed: int) -> None:
        self.stub = stub
        self.rng = random.Random(seed)
        self.honest = False
        self.said: Counter[str] = Counter()

    def __bool__(self) -> bool:
        return not self.honest

    def pop(self, _: object = 0) -> Any:
        return self.answer

    async def answer(self, stub: Stub, request: web.Request, body: bytes) -> web.StreamResponse:
        ways = (self.honestly, self.drawn, self.drawn, self.drawn, self.status, self.refuses, self.noise, self.breaks)
        way = self.rng.choice(ways)
        self.said[way.__name__] += 1
        return await way(stub, request, body)

    async def honestly(self, stub: Stub, _: web.Request, body: bytes) -> web.StreamResponse:
        if b"getSession" in body:
            return _json({"status": "success", "value": self._row()})
        return stub.answer(body)

    async def drawn(self, _: Stub, __: web.Request, body: bytes) -> web.StreamResponse:
        sent = orjson.loads(body)["args"].get("entries", [])
        answers = [self._answer(entry["key"]) for entry in sent]
        if self.rng.random() < 0.1:
            answers = answers[:-1] if self.rng.random() < 0.5 else [*answers, self._answer("v/1")]
        return _json({"status": "success", "value": answers})

    def _answer(self, key: str) -> Any:
        rng = self.rng
        said: dict[str, Any] = {
            "key": key,
            "outcome": rng.choice(("applied", "duplicate", "stale", "stale", "rejected")),
        }
        for name, values in (("code", CODES), ("reason", WORDS), ("field", WORDS)):
            if rng.random() < 0.5:
                said[name] = rng.choice(values)
        if rng.random() < 0.8:
            said["version"] = number(rng)
        if rng.random() < 0.01:
            said["outcome"] = rng.choice((None, "done", 7, ["applied"]))
        if rng.random() < 0.01:
            said["key"] = rng.choice(("v/other", None, 7))
        return said

    def _row(self) -> Any:
        rng = self.rng
        row = {"sessionKey": "v/s1", "version": number(rng), "revision": number(rng)}
        return rng.choice(
            (None, row, {**row, "retracted": rng.choice((None, "x", {"reason": "no"}, {"reason": 7}))}, 7)
        )

    async def status(self, *_: Any) -> web.StreamResponse:
        code = self.rng.choice((204, 301, 400, 401, 403, 404, 408, 413, 429, 500, 502, 503, 560, 599))
        after = str(self.rng.choice(("1e999", "-1", "9" * 400, "0", "Fri, 31 Dec 9999 23:59:59 GMT", "x")))
        return web.Response(status=code, headers={"Retry-After": after} if self.rng.random() < 0.3 else {})

    async def refuses(self, *_: Any) -> web.StreamResponse:
        data = {"code": self.rng.choice(CODES), "reason": self.rng.choice(WORDS)}
        said: dict[str, Any] = {"status": "error", "errorMessage": self.rng.choice(("Server Error", None, 7))}
        return _json(said | ({"errorData": data} if self.rng.random() < 0.6 else {}))

    async def noise(self, *_: Any) -> web.StreamResponse:
        rng = self.rng
        text = rng.choice(
            (b"", b"{", b"[" * 5_000, rng.randbytes(200), b"null", b'{"status":"success"}', b"<html>", b"1e999")
        )
        return web.Response(body=text)

    async def breaks(self, stub: Stub, request: web.Request, body: bytes) -> web.StreamResponse:
        # Taken, or not, and nothing said of it.
        if self.rng.random() < 0.5 and b"getSession" not in body:
            stub.answer(body)
        assert request.transport is not None
        request.transport.abort()
        return web.Response()


def _json(said: Any) -> web.Response:
    # As JavaScript writes numbers: Python's own writer has another name for what is infinite.
    return web.Response(text=json.dumps(said).replace("Infinity", "1e999"), content_type="application/json")


class Shoot:
    """A session that goes on: its row and its cameras change, and cuts are told."""

    def __init__(self, venue: Venue) -> None:
        self.pipeline = Pipeline(DIALECT, venue="v", tap="0123456789ab")
        self.submitted: list[Entry] = []
        self._venue = venue
        self._at = 0
        self.feed(Opened(self._stamp(), 1))
        self.say(type="hello", server="s", boot_id="b1")

    def _stamp(self) -> Stamp:
        return Stamp(NOW + self._at, self._at)

    def feed(self, item: Any) -> None:
        entries = self.pipeline.feed(item)
        self.submitted += entries
        self._venue.writer.submit(entries, self.pipeline.save(), self._venue.publisher.notify)

    def say(self, **fields: Any) -> None:
        self._at += 50
        self.feed(Frame(orjson.dumps({"ts": NOW + self._at, "seq": self._at, **fields}), self._stamp(), 1))

    def go_on(self, turn: int) -> None:
        cameras = [{"id": f"c{one}", "name": f"Camera {one} {turn // 7}", "online": True} for one in (0, 1)]
        shown = {"id": "s1", "title": f"Take {turn // 5}"}
        self.say(type="state", session=shown, program=f"c{turn % 2}", mode="performance", cameras=cameras)
        self.say(type="cut", to=f"c{turn % 2}", cut_id=f"cut-{turn}")

    def end(self) -> None:
        self.say(type="session_ended", session_id="s1", reason="operator")
        self.feed(Closed(self._stamp(), 1, "tap stopped"))


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@pytest.mark.parametrize(
    ("calls", "seed"),
    [(1_000, 1), pytest.param(10_000, 2, marks=[pytest.mark.slow, pytest.mark.timeout(1200)])],
)
async def test_nothing_comes_of_ten_thousand_lies(tmp_path: Path, calls: int, seed: int) -> None:
    """Every entry is kept, sent on or set aside; the journal goes on, after a restart too; the rest arrives at last.

    Nothing grows: neither memory, nor what waits by itself, nor the log.
    """
    grown = 0
    submitted: list[Entry] = []

    async def body() -> None:
        nonlocal grown
        async with stubbed() as (stub, url):
            liar = Liar(stub, seed)
            venue = Venue(tmp_path / "journal.db", Ledger(url, KEY, deadline=5.0), pace=PACE)
            shoot = Shoot(venue)
            venue.publisher._on_stale = shoot.pipeline.raise_version
            stub.faults = liar  # type: ignore[assignment]
            venue.start()
            try:
                turn, warm = 0, 0
                while stub.calls < calls:
                    turn += 1
                    shoot.go_on(turn)
                    before = stub.calls
                    await venue.counts()
                    await until(lambda before=before: stub.calls > before)  # type: ignore[misc]
                    if stub.calls > calls // 4:
                        warm = warm or resident()
                        grown = max(grown, resident() - warm)
                    assert venue.shipping.postponed <= 1_000
                assert venue.writer.failing is None
                assert all(count > calls // 50 for count in liar.said.values()), liar.said
                # Now it is well again: what was not taken or refused with a reason arrives, to the last row.
                liar.honest = True
                shoot.end()
                submitted.extend(shoot.submitted)
                counts = await venue.settled()
                assert sum(counts.values()) == len(submitted)
                assert (venue.shipping.forgotten, venue.writer.set_aside) == (0, 0)
            finally:
                await venue.end()

    with capture_logs() as logs:
        await body()
    versions = [entry.version for entry in submitted if entry.key == "v/s1"]
    assert versions == sorted(set(versions))
    assert max(entry.version for entry in submitted) < END
    with Journal.open(tmp_path / "journal.db", owner=True) as journal:
        assert journal.verify() == []
        kept = [one.entry for one in journal.entries()]
        assert kept == submitted
        again = Pipeline(
            DIALECT, venue="v", tap="0123456789ab", checkpoint=journal.checkpoint(), memory=journal.memory()
        )
        last = next(row for row in reversed(kept) if row.key == "v/s1")
        assert last.fields["status"] == "complete"
        assert again.state.ended[-1].key == "v/s1"
    print(f"{calls} calls, {len(submitted)} entries, {grown / 2**20:.1f} MB more, {len(logs)} lines")
    assert grown < 60 * 2**20
    assert len(logs) <= 100, Counter(log["event"] for log in logs)
    assert "a bug of the tap" not in str(logs)
