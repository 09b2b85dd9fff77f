"""A venue on a table: what a server says goes through a real pipeline, journal and flight recorder, on virtual time."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import orjson

from tap.adapters.clock import Clock
from tap.adapters.dialects import load_dialect
from tap.adapters.journal import Journal
from tap.adapters.tape import TapeHeader
from tap.core.mapping import Dialect
from tap.core.model import FRAMES_LOST, Alive, Closed, Entry, Frame, Opened, Policy, SourceItem, Stamp
from tap.core.pipeline import Pipeline
from tap.rehearsal.performance import perform
from tap.rehearsal.truth import Down, Heard, Up
from tap.rehearsal.world import Shoot
from tap.service.running.flight_recorder import FlightRecorder

T0 = 1_795_000_000_000
RIGHT = load_dialect("multicam/1")
TAP = "0123456789ab"
_ALIVE_MS = 5_000
_SAVE_MS = 4_000


_OPEN: list[Journal] = []


def close_journals() -> None:
    """Those of the houses that a test has made; a house that was killed closes nothing itself."""
    while _OPEN:
        _OPEN.pop().close()


class House:
    """``folder`` is the state directory. Times are ms since T0; every item is kept or lost as a real tap's would be."""

    def __init__(self, folder: Path, dialect: Dialect = RIGHT, *, segment_bytes: int | None = None) -> None:
        self.folder = folder
        self.tapes = folder / "tapes"
        self.journal = Journal.open(folder / "journal.db", owner=True)
        _OPEN.append(self.journal)
        self.dialect = dialect
        self.now = 0
        self.connection = 0
        self._segment_bytes = segment_bytes
        self._alive_at = _ALIVE_MS
        self._saved_at = 0
        self._seq = 0
        self._checkpoint: bytes | None = None
        self.recording = True
        self.deaf = False
        """The service lets frames go, and its tapes get them all the same."""
        self.losing = False
        """The disk takes no tape."""
        self._begin()

    # ------------------------------------------------------------------ the tap

    def _begin(self) -> None:
        self.pipeline = Pipeline(self.dialect, venue="hall", tap=TAP, policy=Policy(), checkpoint=self._checkpoint)
        start = self.pipeline.resume(T0 + self.now)
        self._offset = start.mono - self.now
        header = TapeHeader(dialect=self.dialect.name, venue="hall", policy=Policy(), tap=TAP)
        self.recorder = FlightRecorder(
            self.tapes,
            header,
            Clock(),
            clean=self.dialect.clean,
            gather=False,
            max_bytes=10**9 if self.recording else 0,
            max_days=3_650,
            max_waiting=10**9,
            segment_bytes=self._segment_bytes,
        )

    def stop(self) -> None:
        """In order: the goodbye is heard and kept."""
        if self.connection:
            self.feed(Closed(self.stamp(), self.connection, "tap stopped"))
        self._save([])
        assert self.recorder.stop(300)

    def kill(self) -> None:
        """What was not saved is forgotten; the tape has what was written by then, all of it."""
        assert self.recorder.stop(300)

    def start(self, dialect: Dialect | None = None, *, recording: bool = True) -> None:
        assert self.recorder.stop(300)
        self.dialect = dialect or self.dialect
        self.recording = recording
        self._begin()

    def stamp(self) -> Stamp:
        return Stamp(T0 + self.now, self.now + self._offset)

    def feed(self, item: SourceItem) -> list[Entry]:
        entries = [] if self.deaf else self.pipeline.feed(item)
        self._record(item)
        if entries or not isinstance(item, Frame) or self.now - self._saved_at >= _SAVE_MS:
            self._save(entries)
        if self._segment_bytes is not None:
            # So that segments end where they are full, and not where the recorder's thread happens to look.
            self.written()
        return entries

    def written(self) -> None:
        """Wait until the tapes have what was recorded."""
        while self.recorder.waiting_bytes:
            time.sleep(0.0005)

    def _record(self, item: SourceItem) -> None:
        if self.losing:
            self.recorder._lost += isinstance(item, Frame)
        elif isinstance(item, Frame) and not self.deaf:
            self.recorder.on_item(item, self.pipeline.verdict, self.pipeline.kind)
        else:
            self.recorder.on_item(item)

    def lets_go(self) -> None:
        """From here on memory has no room for frames."""
        self._save(self.pipeline.feed(Closed(self.stamp(), self.connection, FRAMES_LOST)))
        self.deaf = True

    def takes_again(self) -> None:
        self.deaf = False
        self._save(self.pipeline.feed(Opened(self.stamp(), self.connection)))

    def _save(self, entries: list[Entry]) -> None:
        self._checkpoint, self._saved_at = self.pipeline.checkpoint(), self.now
        self.journal.append(entries, self._checkpoint, T0 + self.now)

    # ------------------------------------------------------------------ the server

    def open(self) -> None:
        self.connection += 1
        self.feed(Opened(self.stamp(), self.connection))
        self.say("hello", server="s", version="1.2", boot_id="b1")

    def drop(self) -> None:
        self.feed(Closed(self.stamp(), self.connection, "gone"))

    def say(self, kind: str, **body: Any) -> None:
        self._seq += 1
        data = orjson.dumps({"type": kind, "ts": T0 + self.now, "seq": self._seq, **body})
        self.feed(Frame(data, self.stamp(), self.connection))

    def state(self, session: str | None = "s1", program: str | None = "c1", **more: Any) -> None:
        cameras = [{"id": "c1", "name": "Wide", "role": "host"}, {"id": "c2", "name": "Close", "role": "guest"}]
        shown = None if session is None else {"id": session, "title": "Autumn"}
        mode = "idle" if session is None else "photoshoot"
        body: dict[str, Any] = {"session": shown, "program": program, "mode": mode, "hold": None, "cameras": cameras}
        self.say("state", **(body | more))

    def later(self, ms: int) -> None:
        """Time passes; the recorder notes now and then that the tap is there."""
        end = self.now + ms
        while self._alive_at <= end:
            self.now = max(self.now, self._alive_at)
            self._alive_at += _ALIVE_MS
            self.feed(Alive(self.stamp()))
        self.now = end

    def shoot(self, session: str = "s1", cuts: int = 4) -> None:
        """A session from its start to its end."""
        self.state(None)
        self.later(1_000)
        self.say("session_started", session={"id": session, "title": "Autumn"})
        self.state(session)
        for cut in range(cuts):
            self.later(2_000)
            self.say("cut", to=f"c{(cut + 1) % 2 + 1}", cut_id=f"{session}-{cut}", **{"from": f"c{cut % 2 + 1}"})
            self.state(session, f"c{(cut + 1) % 2 + 1}")
        self.later(1_000)
        self.say("session_ended", session_id=session, reason="operator")
        self.state(None)
        self.later(6_000)

    def perform(self, shoot: Shoot, *, kills: int = 0, seed: int = 0) -> None:
        """A whole shoot; ``kills`` times the tap dies at some instant, and is away for a while."""
        items = [item for item in perform(shoot) if isinstance(item, Up | Down | Heard)]
        rng = random.Random(seed)
        dies = set(rng.sample(range(10, len(items) - 10), kills))
        deaf_until = 0
        for index, item in enumerate(items):
            at = item.wall - T0
            self.later(max(0, at - self.now)) if self.now >= deaf_until else None
            self.now = max(self.now, at)
            if index in dies:
                self.kill()
                deaf_until = self.now + rng.choice((500, 3_000, 20_000))
                self._alive_at = deaf_until + _ALIVE_MS
                there = False
            if self.now < deaf_until:
                continue
            if deaf_until:
                deaf_until, there = 0, isinstance(item, Up)
                self.start()
                if not there:
                    self.open_quietly()
            self._item(item)
        self.stop()

    def open_quietly(self) -> None:
        self.connection += 1
        self.feed(Opened(self.stamp(), self.connection))

    def _item(self, item: Up | Down | Heard) -> None:
        if isinstance(item, Up):
            self.open_quietly()
        elif isinstance(item, Down):
            self.feed(Closed(self.stamp(), self.connection, item.why))
        else:
            data = item.data.encode() if isinstance(item.data, str) else item.data
            self.feed(Frame(data, self.stamp(), self.connection, 0, isinstance(item.data, bytes)))


def entries_of(journal: Journal) -> list[Entry]:
    return [kept.entry for kept in journal.entries()]
