"""A server with somebody's hand on every key: it says one thing at a time, and knows what it said and when.

For faults in which a single event counts; where a whole shoot goes on, the simulator plays it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from collections import Counter
from collections.abc import Iterable
from types import TracebackType
from typing import Any

from msgspec import Struct
from websockets.asyncio.server import Server, ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosed

from tap.core.merge import Row
from tests.faults.judge import SLACK_MS
from tests.faults.outcome import Outcome

__all__ = ["Desk", "Said"]

_QUIET = logging.getLogger("tests.faults.desk")
_QUIET.addHandler(logging.NullHandler())
_QUIET.propagate = False


class Said(Struct):
    """A cut that was told: its id, and when (wall ms)."""

    cut_id: str
    wall: float


class Desk:
    """An async context manager; ``url`` is where it listens. One session with two cameras is on.

    ``bare``: its frames have no time, no number and no ids.
    """

    def __init__(self, *, port: int = 0, clock_off_ms: int = 0, bare: bool = False) -> None:
        self.port = port
        self.bare = bare
        self.boot = f"boot-{os.urandom(4).hex()}"
        self.session: str | None = "s-1"
        self.cuts: list[Said] = []
        self.received = 0
        """Data frames from clients: a tap leaves it at 0."""
        self.connections = 0
        self.clock_off_ms = clock_off_ms
        self.short_lived = False
        """Let in whoever comes, say how things stand, and close at once."""
        self.there: set[ServerConnection] = set()
        self._first = 0
        self._seq = 0
        self._server: Server | None = None

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws/control"

    async def __aenter__(self) -> Desk:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self) -> None:
        self._server = await serve(
            self._attend, "127.0.0.1", self.port, compression=None, ping_interval=None, logger=_QUIET, close_timeout=1
        )
        self.port = next(iter(self._server.sockets)).getsockname()[1]

    async def close(self) -> None:
        """Goodbye, and nobody listens here any more."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    async def drop(self) -> None:
        """Every connection breaks; who comes again is let in."""
        there, self.there = self.there, set()
        for connection in there:
            await connection.close(1012)

    async def listened(self, within: float = 300) -> None:
        """Until somebody is there."""
        async with asyncio.timeout(within):
            while not self.there:  # noqa: ASYNC110 - a client may come and go, and come again
                await asyncio.sleep(0.005)

    async def _attend(self, connection: ServerConnection) -> None:
        self.connections += 1
        hello = {"type": "hello", "server": "desk", "version": "1", "boot_id": self.boot, "protocol": "multicam/1"}
        for frame in (hello, self._state()):
            broadcast([connection], self._frame(frame))
        if self.short_lived:
            await connection.close(1011)
            return
        self.there.add(connection)
        try:
            async for _ in connection:
                self.received += 1
        except ConnectionClosed:
            pass
        finally:
            self.there.discard(connection)

    # ------------------------------------------------------------------------------------------ what it says

    def now(self) -> int:
        return time.time_ns() // 1_000_000 + self.clock_off_ms

    def _state(self) -> dict[str, Any]:
        session = (
            None if self.session is None else {"id": self.session, "title": "A shoot", "started_at": 1_790_000_000_000}
        )
        cameras = [{"id": camera, "name": camera.title(), "online": True} for camera in ("cam-0", "cam-1")]
        program = f"cam-{len(self.cuts) % 2}"
        return {"type": "state", "session": session, "program": program, "mode": "performance", "cameras": cameras}

    def _frame(self, fields: dict[str, Any]) -> str:
        self._seq += 1
        if self.bare:
            return json.dumps({name: value for name, value in fields.items() if name != "cut_id"})
        return json.dumps({"ts": self.now(), "seq": self._seq, **fields})

    def say(self, fields: dict[str, Any]) -> None:
        """To whoever is there."""
        broadcast(self.there, self._frame(fields))

    def state(self) -> None:
        self.say(self._state())

    def count_from(self, number: int) -> None:
        """The next cut is the so-and-so-many-th, so that it has no id of a desk before this one."""
        self._first = number

    @property
    def queue(self) -> int:
        """Bytes that wait on this side, of the client that has most of them."""
        return max((one.transport.get_write_buffer_size() for one in self.there), default=0)

    async def taken(self, at_most: int = 256 * 1024) -> None:
        """Until no client has more than that to take."""
        while self.queue > at_most:  # noqa: ASYNC110 - of any client
            await asyncio.sleep(0.005)

    async def cut(self) -> Said:
        """The other camera goes live."""
        said = Said(f"cut-{self._first + len(self.cuts):05d}", time.time_ns() / 1e6)
        self.cuts.append(said)
        self.say({"type": "cut", "cut_id": said.cut_id, "to": f"cam-{len(self.cuts) % 2}", "trigger": "operator"})
        await asyncio.sleep(0)
        return said

    # ------------------------------------------------------------------------------------------ the judgement

    def judge(self, rows: Iterable[Row], *, without: Iterable[str] = (), clock: bool = True) -> Outcome:
        """Every cut once, but those in a told gap, and no other. ``clock``: the tap's clock is the true one.

        Of a bare desk's cuts only the rows can be counted.
        """
        rows = list(rows)
        outcome = Outcome()
        if self.bare:
            count = sum(row.fields.get("kind") == "cut" for row in rows)
            outcome.lost, outcome.invented = max(len(self.cuts) - count, 0), max(count - len(self.cuts), 0)
            outcome.notes += [f"{count} of {len(self.cuts)} cuts have a row"] if count != len(self.cuts) else []
            return outcome
        told = Counter(self._named(row) for row in rows if row.fields.get("kind") == "cut")
        spans = list(_spans(rows)) if clock else []
        for cut in self.cuts:
            times = told.pop(cut.cut_id, 0)
            outcome.doubled += max(times - 1, 0)
            covered = any(since - SLACK_MS <= cut.wall <= until + SLACK_MS for since, until in spans)
            if not times and cut.cut_id not in without and not covered:
                outcome.lost += 1
                outcome.notes.append(f"lost: {cut.cut_id}")
            if times and cut.cut_id in without:
                outcome.invented += 1
        for name, times in told.items():
            outcome.invented += times
            outcome.notes.append(f"invented: {name}")
        outcome.promise(self.received == 0, "the tap has sent data frames")
        return outcome

    @staticmethod
    def _named(row: Row) -> str:
        """The id of a cut stands in its key."""
        at = row.key.find("cut-")
        return row.key[at : at + len("cut-00000")] if at >= 0 else row.key


def _spans(rows: Iterable[Row]) -> Iterable[tuple[float, float]]:
    for row in rows:
        if row.fields.get("kind") == "gap" and "durationMs" in row.fields:
            until = float(row.fields["observedAt"])
            yield until - float(row.fields["durationMs"]), until
