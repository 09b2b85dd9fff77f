"""A server on a table: says frames to a pipeline and collects what is written. Times are ms since the shoot's zero."""

from __future__ import annotations

from typing import Any, Self

import orjson

from tap.adapters.dialects import load_dialect
from tap.core.merge import Row, fold
from tap.core.model import Alive, Closed, Entry, Frame, Opened, Policy, Stamp
from tap.core.pipeline import Pipeline

T0 = 1_795_000_000_000
DIALECT = load_dialect("multicam/1")

ONE = {"id": "c1", "name": "Wide", "role": "host"}
TWO = {"id": "c2", "name": "Close"}


class Stage:
    """Frames in, entries out. ``seq`` and ``ts`` are written into frames unless ``bare``; what is "-" is left out."""

    def __init__(self, policy: Policy | None = None, *, tap: str = "tap-a", open_first: bool = True) -> None:
        self.policy = policy
        self.tap = tap
        self.pipeline = Pipeline(DIALECT, venue="studio", tap=tap, policy=policy)
        self.entries: list[Entry] = []
        self.now = 0
        self.seq = 0
        self.boot = "b1"
        self.connection = 0
        if open_first:
            self.connect()

    # ------------------------------------------------------------------ the connection

    def stamp(self) -> Stamp:
        return Stamp(T0 + self.now, self.now)

    def connect(self, *, boot: str | None = None) -> None:
        if boot is not None:
            self.boot, self.seq = boot, 0
        self.open()
        self.say("hello", server="multicam-server", version="1.2", boot_id=self.boot)

    def open(self) -> None:
        self.connection += 1
        self.feed(Opened(self.stamp(), self.connection))

    def drop(self) -> None:
        self.feed(Closed(self.stamp(), self.connection, "gone"))

    def later(self, ms: int) -> Self:
        self.now += ms
        return self

    def wait(self, ms: int) -> Self:
        """Time passes, and the tap notices."""
        self.now += ms
        self.feed(Alive(self.stamp()))
        return self

    def restart_tap(self, away_ms: int, *, doubtful: bool = False) -> None:
        """kill -9, and another process goes on from the checkpoint; ``doubtful``: by a clock that nobody believes."""
        saved = self.pipeline.checkpoint()
        self.now += away_ms
        self.pipeline = Pipeline(DIALECT, venue="studio", tap=self.tap, policy=self.policy, checkpoint=saved)
        resumed = self.pipeline.resume(T0 + self.now, doubtful=doubtful)
        assert doubtful or resumed.mono >= self.now - 10_000
        self.now = resumed.mono

    # ------------------------------------------------------------------ frames

    def feed(self, item: Any) -> list[Entry]:
        new = self.pipeline.feed(item)
        self.entries += new
        return new

    def raw(self, data: bytes, *, binary: bool = False) -> list[Entry]:
        return self.feed(Frame(data, self.stamp(), self.connection, binary=binary))

    def say(
        self, type_: str, *, bare: bool = False, seq: int | str | None = None, ts: int | None = None, **body: Any
    ) -> list[Entry]:
        self.seq += 1
        frame: dict[str, Any] = {"type": type_, **{name.rstrip("_"): value for name, value in body.items()}}
        if not bare:
            frame["ts"] = T0 + (self.now if ts is None else ts)
            frame["seq"] = self.seq if seq is None else seq
        return self.raw(orjson.dumps({key: value for key, value in frame.items() if value != "-"}))

    def state(
        self, *, bare: bool = False, seq: int | str | None = None, ts: int | None = None, **over: Any
    ) -> list[Entry]:
        """A snapshot; by default session s1 in photoshoot, program c1, no hold, cameras c1 and c2."""
        body: dict[str, Any] = {
            "mode": "photoshoot",
            "session": {"id": "s1", "title": "Autumn"},
            "program": "c1",
            "hold": {"active": False},
            "cameras": [ONE, TWO],
        }
        return self.say("state", bare=bare, seq=seq, ts=ts, **{**body, **over})

    def idle_state(self, **over: Any) -> list[Entry]:
        return self.state(**{"session": None, "mode": "idle", **over})

    def shoot(self) -> Self:
        """A session that was seen starting, with c1 live."""
        self.idle_state()
        self.later(1000).say("session_started", session={"id": "s1", "title": "Autumn"})
        self.later(10).state(mode="idle")
        self.later(990)
        return self

    # ------------------------------------------------------------------ what was written

    @property
    def rows(self) -> dict[str, Row]:
        return fold(self.entries)

    def events(self, *kinds: str) -> list[dict[str, Any]]:
        found = [row.fields for row in self.rows.values() if row.op == "event"]
        return [fields for fields in found if not kinds or fields["kind"] in kinds]

    def cuts(self) -> list[tuple[str | None, str]]:
        return [(fields.get("fromCameraId"), fields["cameraId"]) for fields in self.events("cut")]

    def session(self, key: str = "studio/s1") -> dict[str, Any]:
        return self.rows[key].fields

    def camera(self, camera_id: str, session: str = "studio/s1") -> dict[str, Any] | None:
        row = self.rows.get(f"{session}/camera/{camera_id}")
        return None if row is None else row.fields

    def still(self, name: str, camera_id: str) -> dict[str, Any]:
        return self.rows[f"studio/s1/still/{name}/{camera_id}"].fields
