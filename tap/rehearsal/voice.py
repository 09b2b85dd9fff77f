"""How one server writes a shoot: with its own numbers, dates, names and order.

A plain server sends the script word for word. Any other one writes each frame in its own way. The facts that go with
the frame say what it still contains (for example a time in whole seconds, or no time).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from msgspec import Struct, structs

from tap.rehearsal.styles import greeted, said
from tap.rehearsal.ways import PLAIN
from tap.rehearsal.wire import STYLES, TIMES, Between, encode, iso, restyle, state_fields
from tap.rehearsal.world import STRIDE, Fact, MessagePart, Send, ServerSession, Shoot, World, random_source

__all__ = ["SaidMessage", "Voice"]

_EVENTS = frozenset({"cut", "hold", "release", "mode_changed", "music_moment", "marker"}) | {
    f"still_{step}" for step in ("requested", "captured", "uploaded", "failed")
}
_SESSIONS = frozenset({"session_started", "session_ended"})
_NOTHING: dict[str, Any] = {"null": None, "empty": {}, "empty_id": {"id": ""}, "null_id": {"id": None}, "false": False}
_KEPT = {"none": 0, "last100": 100, "last1000": 1_000}
_HELLO_MS = 10_000
_WRAP = 40 * STRIDE
_NAMES = ("cut_id", "hold_id", "still_id", "moment_id")


class SaidMessage(Struct, frozen=True):
    """One message as it is sent."""

    data: str | bytes
    ts: int
    """The server's clock when it was made."""
    facts: tuple[Fact, ...]


class Voice:
    """How one server writes frames. It gets everything that the script sends, even while no client is connected."""

    def __init__(self, shoot: Shoot) -> None:
        self._shoot = shoot
        self._ways = shoot.plan.ways
        self._between = Between(STRIDE)
        self._rng = random_source(shoot.plan.seed, "voice")
        self._log: list[MessagePart] = []
        self._life = 1
        self._base = 0
        self._types: dict[str, int] = {}
        self._free: dict[str, int] = {}
        self._names: dict[tuple[Any, ...], str] = {}
        self._given: dict[tuple[Any, ...], int] = {}
        self._hello_at = 0
        self._turn_at = int(shoot.ends * self._rng.uniform(0.3, 0.7))
        """When the counter starts again without a new connection."""
        self._turned: int | None = None
        self._history_first = self._rng.random() < 0.5
        self._history_batched = self._rng.random() < 0.5
        self._kinds = _EVENTS | (_SESSIONS if self._rng.random() < 0.5 else set())

    @property
    def plain(self) -> bool:
        """Whether everything is sent as in the script."""
        return self._ways == PLAIN

    # ------------------------------------------------------------------------------------------ what is said

    def greet(self, world: World, now: int) -> list[SaidMessage]:
        """The first messages on a new connection: a greeting, a snapshot, and history if the server has any."""
        if self.plain:
            greeting = greeted(self._shoot, world, now, self._between)
            return [SaidMessage(data, ts, (fact,)) for data, ts, fact in greeting]
        self._lives(world.life)
        self._base = world.seq
        says = [self._hello(world, now)]
        if self._history_first:
            says += self._history(world)
        says.append(self._message([self._own("state", state_fields(world, now + 3), world, now + 3)], world))
        if not self._history_first:
            says += self._history(world)
        return says

    def say(self, send: Send) -> list[SaidMessage]:
        """The messages for one step of the script."""
        if self.plain:
            return [SaidMessage(send.data, send.ts, send.facts)]
        self._note(send)
        says = []
        if self._ways.hello == "often" and send.at - self._hello_at >= _HELLO_MS:
            says.append(self._hello(send.world, send.at))
        if not send.parts:
            return [*says, SaidMessage(send.data, send.ts, send.facts)]
        return [*says, self._message(list(send.parts), send.world, batch=str(send.data).startswith("["))]

    def miss(self, send: Send) -> tuple[Fact, ...]:
        """The facts of a step while no client is connected."""
        if self.plain:
            return send.facts
        self._note(send)
        return tuple(self._fact(part, number) for number, part in enumerate(send.parts) if part.fact is not None)

    def murmur(self, write: Callable[[World, int | None], str], world: World) -> str | None:
        """One frame of telemetry; None if this server sends none."""
        if self.plain:
            return said(self._shoot, write(world, self._between.seq(world)))
        number = self._between.seq(world) if self._ways.seq == "boot" else None
        return encode(self._dated(json.loads(write(world, number))))

    # ------------------------------------------------------------------------------------------ messages

    def _hello(self, world: World, now: int) -> SaidMessage:
        self._hello_at = now
        fields = {"server": "multicam-server", "version": "0.9.3-rehearsal", "boot_id": world.boot}
        return self._message([self._own("hello", {**fields, "protocol": "multicam/1"}, world, now)], world)

    def _own(self, kind: str, fields: dict[str, Any], world: World, now: int) -> MessagePart:
        """The server's own form of a frame that is not in the script."""
        at = world.clock.at(now)
        frame: dict[str, Any] = {"type": kind, "ts": at, "seq": self._between.seq(world), **fields}
        if frame["seq"] is None:
            del frame["seq"]
        style = now % len(STYLES) if "other_dialect" in self._shoot.plan.faults else None
        fact = Fact(kind="hello", at=at) if kind == "hello" else Fact(kind="state", at=at, world=world.as_of(now))
        session = None if world.session is None else world.session.id
        return MessagePart(frame, fact, style, 0, world.life, now, session)

    def _message(
        self, parts: list[MessagePart], world: World, *, batch: bool = False, again: bool = False
    ) -> SaidMessage:
        texts = [part.rubbish or encode(self._written(part, world, again=again)) for part in parts]
        facts = tuple(self._fact(part, number) for number, part in enumerate(parts) if part.fact is not None)
        data = f"[{','.join(texts)}]" if batch else texts[0]
        return SaidMessage(data, world.clock.at(parts[-1].made), facts)

    def _history(self, world: World) -> Iterator[SaidMessage]:
        """The last events, as history."""
        kept = self._log[-_KEPT[self._ways.history] :] if self._ways.history != "none" else []
        parts = [structs.replace(part, fact=structs.replace(part.fact, retold=True)) for part in kept if part.fact]
        if self._history_batched and parts:
            yield self._message(parts, world, batch=True, again=True)
            return
        for part in parts:
            yield self._message([part], world, again=True)

    def _note(self, send: Send) -> None:
        for part in send.parts:
            if part.rubbish:
                continue
            self._lives(part.life)
            kind = part.frame["type"]
            self._types[kind] = max(self._types.get(kind, 0), part.number)
            told = part.fact is not None and not part.fact.retold and kind in self._kinds
            if told and part not in self._log[-8:]:
                self._log.append(part)
                self._called(part)

    def _lives(self, life: int) -> None:
        """The server restarts, and forgets what it only remembered."""
        if life == self._life:
            return
        self._life = life
        self._types.clear()
        self._free.clear()
        if self._ways.history == "last100":
            self._log.clear()

    # ------------------------------------------------------------------------------------------ frames

    def _written(self, part: MessagePart, world: World, *, again: bool) -> dict[str, Any]:
        frame = dict(part.frame)
        number = self._seq(part, world, again=again) if "seq" in frame else None
        frame.pop("seq", None)
        if number is not None:
            frame["seq"] = number
        frame.update(self._called(part))
        if self._ways.ids == "none":
            for name in _NAMES:
                frame.pop(name, None)
        if "session" in frame and frame["session"] is None:
            frame["session"] = _NOTHING[self._ways.nothing]
        frame = self._dated(frame)
        if part.style is not None:
            style = STYLES[part.style]
            frame = restyle(frame, style if self._ways.ts == "ms" else structs.replace(style, time="ms"))
        return _shuffled(frame, self._rng) if self._ways.keys == "shuffled" else frame

    def _dated(self, value: Any) -> Any:
        """The same value, with times in the server's format."""
        if self._ways.ts == "ms":
            return value
        if isinstance(value, list):
            return [self._dated(part) for part in value]
        if not isinstance(value, dict):
            return value
        dated: dict[str, Any] = {}
        for name, part in value.items():
            if name not in TIMES or not isinstance(part, int):
                dated[name] = self._dated(part)
            elif self._ways.ts == "seconds":
                dated[name] = part // 1000
            elif self._ways.ts == "iso":
                dated[name] = iso(part)[:19] + "Z"
        return dated

    def _seq(self, part: MessagePart, world: World, *, again: bool) -> int | None:
        way, seq = self._ways.seq, part.frame["seq"]
        kind = part.frame["type"]
        if way == "none":
            return None
        if again and (self._ways.retold == "renumbered" or way == "connection"):
            fresh = self._between.seq(world)
            if fresh is None:
                return None
            part = structs.replace(part, frame={**part.frame, "seq": fresh}, number=0, made=self._hello_at)
            seq = fresh
        if way == "type":
            if part.number:
                return part.number * STRIDE
            self._free[kind] = max(self._free.get(kind, 0), self._types.get(kind, 0) * STRIDE) + 1
            return self._free[kind]
        if way == "connection":
            return seq - self._base if seq >= self._base else None
        if way == "wrapping":
            return int(seq % _WRAP)
        if way == "silent" and part.life == 1 and part.made >= self._turn_at:
            if self._turned is None:
                self._turned = seq - STRIDE
            return int(seq - self._turned)
        return int(seq)

    # ------------------------------------------------------------------------------------------ names

    def _called(self, part: MessagePart) -> dict[str, str]:
        """The ids of a frame in this server's form. The same thing always has the same id."""
        way = self._ways.ids
        if way in ("usual", "none"):
            return {}
        called = {}
        for name in _NAMES:
            original = part.frame.get(name)
            if original is not None:
                called[name] = self._name(name, original, part)
        return called

    def _name(self, of: str, original: str, part: MessagePart) -> str:
        way = self._ways.ids
        thing: tuple[Any, ...] = (of, original) if of == "still_id" else (of, original, part.life)
        if thing not in self._names:
            within: tuple[Any, ...] = {"unique": (), "boot": (part.life,), "session": (part.session,)}[way]
            count = self._given[of, *within] = self._given.get((of, *within), 0) + 1
            word = "moment" if of == "moment_id" else of.removesuffix("_id")
            self._names[thing] = f"u{count:05d}-{word}" if way == "unique" else str(count)
        return self._names[thing]

    # ------------------------------------------------------------------------------------------ facts

    def _fact(self, part: MessagePart, number: int) -> Fact:
        """What a frame still contains in this server's form."""
        fact = part.fact
        assert fact is not None  # noqa: S101 (asked by the callers)
        still = fact.still_id
        if fact.thing is not None:
            still = None if self._ways.ids == "none" else self._called(part).get("still_id", fact.still_id)
        session, world = self._session(fact.session), fact.world
        if world is not None:
            world = structs.replace(world, session=self._session(world.session))
        timed = fact.timed and self._ways.ts != "none"
        return structs.replace(
            fact, at=self._time(fact.at), timed=timed, still_id=still, session=session, world=world, part=number
        )

    def _session(self, session: ServerSession | None) -> ServerSession | None:
        return None if session is None else structs.replace(session, started_at=self._time(session.started_at))

    def _time(self, at: int) -> int:
        """A time as it stands in frames; where none stands there, the fact is not timed, and this is the true one."""
        return at // 1000 * 1000 if self._ways.ts in ("seconds", "iso") else at


def _shuffled(value: Any, rng: Any) -> Any:
    if isinstance(value, list):
        return [_shuffled(part, rng) for part in value]
    if not isinstance(value, dict):
        return value
    names = list(value)
    rng.shuffle(names)
    return {name: _shuffled(value[name], rng) for name in names}
