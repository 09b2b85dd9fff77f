"""Writes the script of a shoot: virtual time, frames that are made and sent, and connections that drop.

Virtual time only moves in ``advance`` and ``quiet``. What was scheduled (an upload, a camera's return, the periodic
``state``) happens while it moves. Nothing here reads a clock, so a seed gives the same shoot everywhere.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any, Literal

from msgspec import structs

from tap.rehearsal.wire import STYLES, Wire, encode, restyle, state_fields
from tap.rehearsal.world import (
    STRIDE,
    Accept,
    Drop,
    Fact,
    MessagePart,
    Send,
    ServerCamera,
    ServerClock,
    ShootPlan,
    Step,
    World,
    random_source,
)

__all__ = ["ScriptWriter"]


class ScriptWriter:
    """Writes the script of one shoot, step by step: on virtual time, frames to send and connections to drop."""

    def __init__(self, plan: ShootPlan) -> None:
        self.plan = plan
        self.ways = plan.ways
        self.odd = random_source(plan.seed, "ways")
        """Chance for what a plain server does not do: it leaves the script of a plain one as it is."""
        self.rng = random_source(plan.seed, "script")
        self.wire = Wire(plan)
        self.steps: list[Step] = []
        self.now = 0
        self.dark = False
        self.tied = False
        """Whether things happen within one millisecond."""
        self.owed: list[tuple[str, str]] = []
        """Stills that are safe much later: id and camera."""
        self.roster: dict[str, ServerCamera] = {}
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._order = 0
        self._counts: dict[str, int] = {}
        self._prefix = plan.id_prefix or f"shoot-{self.rng.getrandbits(24):06x}"
        self._lists_offline = self.rng.random() < 0.5
        self._boots = 0
        self._made = 0
        self._types: dict[str, int] = {}
        self._last: dict[str, tuple[str, bool, int]] = {}
        self.world = World(
            clock=ServerClock(start=plan.start_wall_ms, offset=self.rng.randint(-400, 900), ppm=plan.ppm),
            boot=self._new_boot(),
        )

    # ------------------------------------------------------------------------------------------ time

    def advance(self, ms: int) -> None:
        """Let time pass; what was scheduled until then happens."""
        end = self.now + ms
        while self._queue and self._queue[0][0] <= end:
            due, _, happens = heapq.heappop(self._queue)
            self.now = max(self.now, due)
            happens()
        self.now = max(self.now, end)

    def quiet(self, ms: int) -> None:
        """Let time pass in which nothing happens; what was scheduled waits until afterwards."""
        self.now += ms

    def later(self, ms: int, happens: Callable[[], None]) -> None:
        """Schedule something."""
        self._order += 1
        heapq.heappush(self._queue, (self.now + ms, self._order, happens))

    def soon(self, ms: int) -> int:
        """A delay that stays below one of the tap's own times (grace, settle) at any speed of the playback."""
        return max(1, int(ms * min(1.0, self.plan.pace)))

    def between(self, low: int, high: int) -> int:
        """A time in ms, by chance."""
        return self.rng.randint(low, high)

    @property
    def clock(self) -> int:
        """The server's clock now, in Unix ms."""
        return self.world.clock.at(self.now)

    def keep_telling(self) -> None:
        """Send the periodic ``state`` from now on, every one to five seconds."""
        self.state()
        self.later(self.between(1000, 5000), self.keep_telling)

    # ------------------------------------------------------------------------------------------ frames

    def emit(self, kind: str, fields: dict[str, Any], fact: Fact | None = None, *, keep: bool = False) -> None:
        """Send one explicit frame. ``keep`` leaves out what would make its order uncertain."""
        self._send(self._part(kind, fields, fact, keep=keep))
        if self.wire.repeats():
            self.repeat(self.between(3, 200))

    def repeat(self, ms: int) -> None:
        """Send the last message again, word for word."""
        self.quiet(ms)
        last = next(step for step in reversed(self.steps) if isinstance(step, Send))
        self.steps.append(structs.replace(last, at=self.now, world=self.world))

    def retell(self, send: Send) -> None:
        """Send an old message again, word for word: it has nothing new."""
        parts = tuple(
            part if part.fact is None else structs.replace(part, fact=structs.replace(part.fact, retold=True))
            for part in send.parts
        )
        self.say(send.data, parts=parts)

    def change(self, kind: str, fields: dict[str, Any], fact: Fact | None = None, *, keep: bool = False) -> None:
        """Send an explicit frame and the ``state`` that follows each change, sometimes as one batch."""
        if self.wire.batches() and not keep:
            parts = [self._part(kind, fields, fact), self._part("state", *self._telling())]
            if self.ways.batch == "shuffled":
                self.odd.shuffle(parts)
            self._send(*parts, batch=True)
            return
        self.emit(kind, fields, fact, keep=keep)
        if not self.tied:
            self.quiet(self.between(8, 60))
        self.state(keep=keep)

    def state(self, *, keep: bool = False) -> None:
        """Send the whole ``state`` of this moment."""
        self._send(self._part("state", *self._telling(), keep=keep))

    def withhold(self) -> MessagePart:
        """A ``state`` that is made now, and can be delivered later, when it is stale."""
        part = self._part("state", state_fields(self.world, self.now), keep=True)
        return structs.replace(
            part, fact=Fact(kind="stale", at=self.clock, world=self.world.as_of(self.now), ident=self._made)
        )

    def deliver(self, part: MessagePart, form: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """Send a frame that is not true (any more), in another form."""
        self._send(structs.replace(part, frame=form(part.frame)))

    def say(self, data: str | bytes, facts: tuple[Fact, ...] = (), parts: tuple[MessagePart, ...] = ()) -> None:
        """Send exactly this."""
        self.steps.append(Send(at=self.now, data=data, ts=self.clock, facts=facts, world=self.world, parts=parts))

    def together(self, *makes: Callable[[], None]) -> None:
        """Send the frames of all of these as one batch, in any order if the server does so."""
        before = len(self.steps)
        for make in makes:
            make()
        sends, self.steps[before:] = self.steps[before:], []
        parts = [part for send in sends if isinstance(send, Send) for part in send.parts]
        if self.ways.batch == "shuffled":
            self.odd.shuffle(parts)
        self._send(*parts, batch=True, dressed=True)

    def _telling(self) -> tuple[dict[str, Any], Fact]:
        return state_fields(self.world, self.now), Fact(kind="state", world=self.world.as_of(self.now))

    def _part(self, kind: str, fields: dict[str, Any], fact: Fact | None = None, *, keep: bool = False) -> MessagePart:
        self.world = structs.replace(self.world, seq=self.world.seq + STRIDE)
        self._types[kind] = self._types.get(kind, 0) + 1
        self._made += 1
        frame: dict[str, Any] = {"type": kind, "ts": self.clock, "seq": self.world.seq, **fields}
        if not keep:
            frame = self.wire.strip(frame)
        if fact is not None:
            self._last[fact.kind] = (self.world.boot, "seq" in frame, self.clock)
            fact = structs.replace(fact, ident=self._made)
            if not fact.at:  # else it has a time of its own, which its frame carries in any case
                fact = structs.replace(fact, at=self.clock, timed="ts" in frame)
        session = None if self.world.session is None else self.world.session.id
        return MessagePart(frame, fact, None, self._types[kind], self.world.life, self.now, session)

    def _send(self, *parts: MessagePart, batch: bool = False, dressed: bool = False) -> None:
        if not dressed:
            parts = tuple(structs.replace(part, style=self.wire.style()) for part in parts)
        frames = [part.frame if part.style is None else restyle(part.frame, STYLES[part.style]) for part in parts]
        facts = tuple(
            structs.replace(part.fact, part=number)
            for number, part in enumerate(parts)
            if part.fact is not None and part.fact.kind != "stale"
        )
        self.say(encode(frames if batch else frames[0]), facts, parts)

    def ordered(self, *kinds: str) -> bool:
        """Whether a snapshot made now is certainly newer than the last frames of these kinds, by ``ts`` too."""
        if self.ways.seq != "boot" and self.ways.clock != "steady":
            return False
        known = [self._last[kind] for kind in kinds if kind in self._last]
        return all((boot == self.world.boot and numbered) or at <= self.clock for boot, numbered, at in known)

    def set(self, **changes: Any) -> None:
        """Change the world without a frame."""
        self.world = structs.replace(self.world, **changes)

    def number(self, of: str) -> int:
        """The next number of something, from 1."""
        self._counts[of] = self._counts.get(of, 0) + 1
        return self._counts[of]

    # ------------------------------------------------------------------------------------------ the connection

    def accept(self) -> None:
        """Accept connections from now on."""
        self.dark = False
        self.steps.append(Accept(at=self.now, world=self.world))

    def blackout(self, why: Literal["network", "restart"], during: Callable[[], None]) -> None:
        """Drop every connection. Nothing happens around it, so that each frame is clearly before or after it."""
        veil = self.world.veil
        self.quiet(1200 if veil is None else max(1200, veil.until - self.now))
        self.steps.append(Drop(at=self.now, why=why, world=self.world))
        self.dark = True
        during()
        self.accept()
        self.quiet(1500)

    def reboot(self) -> None:
        """Restart the server: ``seq`` and cut ids begin again."""
        self._counts.pop("cut", None)
        self._types.clear()
        boot = self._new_boot()
        if self.ways.boot == "kept":
            boot = self.world.boot
        self.set(boot=boot, life=self._boots, seq=0, veil=None)

    def _new_boot(self) -> str:
        self._boots += 1
        return f"boot-{self._boots}-{self.rng.getrandbits(32):08x}"
