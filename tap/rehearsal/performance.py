"""A shoot played without sockets, on virtual time: what a tap would receive, the tape it would record, the truth."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator

from tap.rehearsal.truth import Down, Heard, Item, Missed, Truth, Up
from tap.rehearsal.voice import Voice
from tap.rehearsal.wire import Telemetry, encode, iso
from tap.rehearsal.witness import truth_of
from tap.rehearsal.world import Accept, Drop, Send, Shoot, World, random_source

__all__ = ["perform", "shoot_to_tape", "tape_lines", "truth_of_shoot"]

_ALIVE_MS = 5000


def perform(shoot: Shoot, *, telemetry: bool = False) -> Iterator[Item]:
    """What a tap receives that reconnects at once: each message has some ms of latency, and none is lost."""
    stage = _Stage(shoot)
    noise = Telemetry(shoot.plan)
    for step in shoot.steps:
        if telemetry:
            yield from stage.noise(noise, step.at)
        match step:
            case Accept():
                yield from stage.accept(step)
            case Drop():
                stage.connected = False
                yield Down(wall=stage.wall(step.at), now=step.at, why=step.why)
            case Send():
                yield from stage.send(step)
        stage.world = step.world


class _Stage:
    """The state of a performance: the receiver's clock, and whether it is connected."""

    def __init__(self, shoot: Shoot) -> None:
        self.connected = False
        self.world: World | None = None
        self._shoot = shoot
        self._latency = random_source(shoot.plan.seed, "latency")
        self._voice = Voice(shoot)
        self._stalls = _stalls(shoot)
        self._wall = 0

    def wall(self, now: int) -> int:
        """When something sent at a virtual time arrives, by the receiver's clock; messages do not overtake."""
        arrival = now + self._latency.randint(1, 9)
        read = next((until for since, until in self._stalls if since <= arrival < until), arrival)
        self._wall = max(self._wall, self._shoot.plan.start_wall_ms + read)
        return self._wall

    def accept(self, step: Accept) -> Iterator[Item]:
        self.connected = True
        yield Up(wall=self.wall(step.at), now=step.at)
        for said in self._voice.greet(step.world, step.at):
            yield Heard(wall=self.wall(step.at), now=step.at, ts=said.ts, data=said.data, facts=said.facts)

    def send(self, step: Send) -> Iterator[Item]:
        if not self.connected:
            yield Missed(now=step.at, facts=self._voice.miss(step), world=step.world)
            return
        for said in self._voice.say(step):
            yield Heard(
                wall=self.wall(step.at), now=step.at, ts=said.ts, data=said.data, facts=said.facts, world=step.world
            )

    def noise(self, telemetry: Telemetry, until: int) -> Iterator[Item]:
        for now, write in telemetry.until(until):
            if self.connected and self.world is not None:
                data = self._voice.murmur(write, self.world)
                if data is None:
                    continue
                yield Heard(wall=self.wall(now), now=now, ts=self.world.clock.at(now), data=data, telemetry=True)


def _stalls(shoot: Shoot) -> list[tuple[int, int]]:
    """When the receiver stalls, in virtual ms. What arrives meanwhile is read together at the end."""
    if shoot.plan.ways.stall not in ("tap", "both"):
        return []
    rng = random_source(shoot.plan.seed, "stalls")
    begins = [max(0, rng.choice(shoot.steps).at - 100) for _ in range(3)]
    return [(since, since + rng.choice((300, 2_000, 7_000))) for since in begins]


def truth_of_shoot(shoot: Shoot, *, venue: str = "rehearsal") -> Truth:
    """The truth of a shoot as ``shoot_to_tape`` records it."""
    return truth_of(shoot.plan, perform(shoot), venue=venue)


def shoot_to_tape(
    shoot: Shoot, *, venue: str = "rehearsal", tap: str | None = "rehearsal-tap", telemetry: bool = False
) -> Iterator[str]:
    """The tape that a tap would have recorded of this shoot, line by line; the same bytes for the same plan."""
    yield from tape_lines(perform(shoot, telemetry=telemetry), shoot.plan.start_wall_ms, venue=venue, tap=tap)


def tape_lines(items: Iterable[Item], started_at: int, *, venue: str, tap: str | None = None) -> Iterator[str]:
    """What was performed, as a tape: header, connections, frames, and an ``alive`` every five seconds."""
    header = {"tape": 1, "dialect": "multicam/1", "startedAt": iso(started_at), "venue": venue}
    yield encode(header if tap is None else {**header, "tap": tap}) + "\n"
    alive = started_at + _ALIVE_MS
    for item in items:
        if isinstance(item, Missed):
            continue
        while alive <= item.wall:
            yield _line(alive, started_at, {"event": "alive"})
            alive += _ALIVE_MS
        yield _line(item.wall, started_at, _what(item))


def _what(item: Up | Down | Heard) -> dict[str, str]:
    match item:
        case Up():
            return {"event": "open"}
        case Down(why=why):
            return {"event": "close", "reason": why}
        case Heard(data=bytes() as data):
            return {"dir": "in", "data64": base64.b64encode(data).decode()}
        case Heard(data=str() as text):
            return {"dir": "in", "data": text}
    raise AssertionError(item)  # a message is text or bytes


def _line(wall: int, started_at: int, what: dict[str, str]) -> str:
    return encode({"t": (wall - started_at) / 1000, "wall": iso(wall), **what}) + "\n"
