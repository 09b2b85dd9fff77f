"""The data of a rehearsal: the server's world, what a frame says about it, and the script of a shoot.

Everything here is plain data on *virtual* time: ``now`` counts milliseconds from the start of the shoot.
``ServerClock`` gives the server's own clock at that moment. Times in frames are always by that clock.
"""

from __future__ import annotations

from random import Random
from typing import Any, Literal, TypeAlias

from msgspec import Struct, structs

from tap.rehearsal.ways import PLAIN, Ways

__all__ = [
    "STRIDE",
    "Accept",
    "Drop",
    "Fact",
    "FactKind",
    "MessagePart",
    "Send",
    "ServerCamera",
    "ServerClock",
    "ServerHold",
    "ServerSession",
    "Shoot",
    "ShootPlan",
    "Step",
    "Veil",
    "World",
    "random_source",
]

STRIDE = 10_000
"""How far ``seq`` moves with each scripted frame, so that telemetry and greetings, which nobody plans, fit between."""


def random_source(seed: int, name: str) -> Random:
    """A random generator for one purpose, the same for a seed on every machine."""
    return Random(f"multicam-rehearsal/{seed}/{name}")  # noqa: S311 (a rehearsal has to be repeatable, not secret)


class ServerClock(Struct, frozen=True):
    """The server's clock: where it started, how far it is off (ms), how fast it drifts (parts per million)."""

    start: int
    offset: int = 0
    ppm: int = 0

    def at(self, now: int) -> int:
        """Server time in Unix ms at a moment of virtual time."""
        return self.start + self.offset + now + now * self.ppm // 1_000_000


class ServerCamera(Struct, frozen=True, omit_defaults=True):
    """A camera as a frame describes it; a field that is None is not in the frame."""

    id: str
    name: str | None = None
    role: str | None = None
    device: str | None = None
    lens: str | None = None
    placement: dict[str, Any] | None = None
    online: bool | None = None
    battery: float | None = None


class ServerSession(Struct, frozen=True):
    """A shoot as the server knows it; ``started_at`` by the server's clock."""

    id: str
    title: str
    notes: str
    started_at: int


class ServerHold(Struct, frozen=True):
    """The program camera is held."""

    camera: str
    by: str
    since: int


class Veil(Struct, frozen=True):
    """A dissolve whose new camera snapshots do not show before its end."""

    until: int
    """In virtual ms."""
    shows: str | None
    ident: int
    """The frame that reports it."""


class World(Struct, frozen=True):
    """Everything that is true on the server at one moment."""

    clock: ServerClock
    boot: str
    life: int = 1
    """Which start of the server this is, whatever ``boot`` says."""
    seq: int = 0
    mode: str = "idle"
    session: ServerSession | None = None
    program: str | None = None
    preview: str | None = None
    hold: ServerHold | None = None
    cameras: tuple[ServerCamera, ...] = ()
    veil: Veil | None = None

    def as_of(self, now: int) -> World:
        """The world at a moment of virtual time: without a dissolve that is over by then."""
        return structs.replace(self, veil=None) if self.veil is not None and now >= self.veil.until else self

    def shown(self, now: int) -> str | None:
        """The program camera as a snapshot of that moment shows it."""
        return self.veil.shows if self.veil is not None and now < self.veil.until else self.program


FactKind: TypeAlias = Literal[
    "hello",
    "state",
    "started",
    "updated",
    "ended",
    "camera",
    "left",
    "cut",
    "hold",
    "release",
    "mode",
    "asked",
    "captured",
    "uploaded",
    "failed",
    "music",
    "marker",
    "stale",
]


class Fact(Struct, frozen=True, kw_only=True):
    """What one frame really says, known without parsing it.

    A stale, late or invalid frame says nothing, and has no fact.
    """

    kind: FactKind
    at: int = 0
    """When it happened, by the server's clock."""
    timed: bool = True
    """Whether the frame carries that time. If not, a tap can only take its own."""
    world: World | None = None
    session: ServerSession | None = None
    session_id: str | None = None
    info: ServerCamera | None = None
    camera: str | None = None
    trigger: str | None = None
    transition: str | None = None
    duration_ms: int | None = None
    mode: str | None = None
    still_id: str | None = None
    camera_ids: tuple[str, ...] = ()
    reason: str | None = None
    moment: str | None = None
    storage_key: str | None = None
    sha256: str | None = None
    label: str | None = None
    before: str | None = ""
    """For a cut: what was on air before, if its frame says so."""
    ident: int = 0
    """The number of what happened: the same in every frame about it, whatever ids those have."""
    thing: str | None = None
    """The still, if ``still_id`` is only its name in the frame."""
    retold: bool = False
    """It was sent before, when it happened; this frame repeats it."""
    part: int = 0
    """The index of its object in the message."""


class MessagePart(Struct, frozen=True):
    """One object of a message, before it is written in the server's own form."""

    frame: dict[str, Any]
    """In plain multicam/1; empty for invalid data, which is in ``rubbish``."""
    fact: Fact | None = None
    style: int | None = None
    """Which of ``wire.STYLES`` it is written in."""
    number: int = 0
    """Which frame of its type it is, within its life of the server."""
    life: int = 1
    made: int = 0
    """When, in virtual ms."""
    session: str | None = None
    """The session that ran then."""
    rubbish: str = ""


class Send(Struct, frozen=True):
    """A message to every client that is connected."""

    at: int
    data: str | bytes
    ts: int
    """The server's clock when it was sent, whether the message says so or not."""
    facts: tuple[Fact, ...]
    world: World
    parts: tuple[MessagePart, ...] = ()
    """The objects of the message; none if it is always sent as it is."""


class Drop(Struct, frozen=True):
    """Every connection drops, and new ones are refused from now on."""

    at: int
    why: Literal["network", "restart"]
    world: World


class Accept(Struct, frozen=True):
    """Connections are accepted from now on."""

    at: int
    world: World


Step: TypeAlias = Send | Drop | Accept


class ShootPlan(Struct, frozen=True, kw_only=True):
    """What a shoot was planned from: the same plan gives the same shoot."""

    seed: int
    cameras: int = 5
    length_s: float = 120.0
    faults: frozenset[str] = frozenset()
    sessions: int = 1
    telemetry_rate: float = 0.0
    """Telemetry frames a virtual second."""
    id_prefix: str | None = None
    start_wall_ms: int = 1_795_000_000_000
    pace: float = 1.0
    """How many virtual seconds pass in a second of the tap's clock: the ``speed`` it will be played at."""
    real_clock: bool = False
    """The server's clock goes as fast as the tap's, not as fast as virtual time."""
    ways: Ways = PLAIN
    """How the server counts, dates, names and tells."""

    @property
    def ppm(self) -> int:
        """The rate of the server's clock, against virtual time."""
        return round((1 / self.pace - 1) * 1_000_000) if self.real_clock else 0


class Shoot(Struct, frozen=True):
    """A planned shoot: its script, in order of virtual time."""

    plan: ShootPlan
    steps: tuple[Step, ...]
    style: str = "multicam/1"
    """The style of its frames: multicam/1, or that of a made-up server (see ``tap.rehearsal.styles``)."""

    @property
    def ends(self) -> int:
        """The virtual time of the last step, in ms."""
        return self.steps[-1].at
