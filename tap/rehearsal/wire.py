"""How the rehearsal's frames read: ``multicam/1`` (``docs/multicam-1.md``), its other dialects, its telemetry."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from random import Random
from typing import Any, Literal

import msgspec
from msgspec import Struct

from tap.rehearsal.world import Fact, ServerCamera, ServerSession, ShootPlan, World, random_source

__all__ = [
    "STYLES",
    "TELEMETRY_TYPES",
    "TIMES",
    "Between",
    "Telemetry",
    "Wire",
    "WireStyle",
    "camera_fields",
    "encode",
    "greeting",
    "iso",
    "restyle",
    "session_fields",
    "state_fields",
]

TELEMETRY_TYPES = (
    "heartbeat",
    "pose",
    "device_stats",
    "preview_stats",
    "hero_feed_offer",
    "hero_feed_answer",
    "hero_feed_ice",
)

# The names under which times stand in frames.
TIMES = frozenset({"ts", "started_at", "taken_at", "at", "expires_at", "since"})
_IDS = frozenset({"id", "to", "from", "camera_id", "camera_ids", "program", "preview"})


def encode(value: object) -> str:
    """Compact JSON, with names as people write them."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def iso(ms: int) -> str:
    """Unix ms as ISO 8601 in UTC, to the millisecond."""
    moment = datetime.fromtimestamp(ms // 1000, tz=UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}Z"


# ---------------------------------------------------------------------------------------------- multicam/1


def camera_fields(camera: ServerCamera) -> dict[str, Any]:
    """A camera as in frames; unknown fields are left out."""
    fields: dict[str, Any] = msgspec.to_builtins(camera)
    return fields


def session_fields(session: ServerSession) -> dict[str, Any]:
    """A session as in frames."""
    return {
        "id": session.id,
        "title": session.title,
        "notes": session.notes,
        "kind": "photoshoot_performance",
        "started_at": session.started_at,
    }


def state_fields(world: World, now: int) -> dict[str, Any]:
    """The world at a moment, as in a ``state`` frame."""
    hold = world.hold
    return {
        "mode": world.mode,
        "session": None if world.session is None else session_fields(world.session),
        "program": world.shown(now),
        "preview": world.preview,
        "hold": {"active": False} if hold is None else {"active": True, "by": hold.by, "since": hold.since},
        "cameras": [camera_fields(camera) for camera in world.cameras],
    }


class Between:
    """Numbers the frames that no plan foresees (greetings, telemetry): above the last scripted one, below the next."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._after: tuple[str, int] | None = None
        self._next = 0

    def seq(self, world: World) -> int | None:
        """The next free number of this boot; None if there is none left, since ``seq`` may be missing."""
        if self._after != (world.boot, world.seq):
            self._after = (world.boot, world.seq)
            self._next = 1 if world.seq else 0
        if self._next >= self._limit:
            return None
        self._next += 1
        return world.seq + self._next - 1


def greeting(plan: ShootPlan, world: World, now: int, between: Between) -> list[tuple[str, int, Fact]]:
    """The first frames on a connection: ``hello``, then ``state`` 3 ms later, each with its server time and fact."""
    said: list[tuple[str, int, Fact]] = []
    hello = {"server": "multicam-server", "version": "0.9.3-rehearsal", "boot_id": world.boot, "protocol": "multicam/1"}
    for later, kind, fields in ((0, "hello", hello), (3, "state", state_fields(world, now + 3))):
        at = world.clock.at(now + later)
        frame: dict[str, Any] = {"type": kind, "ts": at, "seq": between.seq(world), **fields}
        if frame["seq"] is None:
            del frame["seq"]
        if "other_dialect" in plan.faults:
            frame = restyle(frame, STYLES[now % len(STYLES)])
        fact = Fact(kind="hello", at=at) if kind == "hello" else Fact(kind="state", at=at, world=world)
        said.append((encode(frame), at, fact))
    return said


# ---------------------------------------------------------------------------------------------- other dialects


class WireStyle(Struct, frozen=True, kw_only=True):
    """One way in which another version of the server may write the same frame."""

    camel: bool = False
    """camelCase, and ``deviceId`` for ``camera_id``."""
    envelope: Literal["flat", "event", "event_all", "payload"] = "flat"
    """``{event, data}`` or ``{type, payload}``; ``event_all`` has ``ts`` and ``seq`` within ``data`` too."""
    time: Literal["ms", "s", "iso"] = "ms"
    numeric: bool = False
    """Ids that look like numbers are numbers."""


STYLES = (
    WireStyle(camel=True, numeric=True),
    WireStyle(envelope="event", camel=True),
    WireStyle(envelope="payload", time="s"),
    WireStyle(time="iso"),
    WireStyle(envelope="event_all", numeric=True),
    WireStyle(time="s", numeric=True),
    WireStyle(envelope="payload", camel=True, time="iso"),
)


def restyle(frame: dict[str, Any], style: WireStyle) -> dict[str, Any]:
    """The same frame as another dialect of the server writes it."""
    dressed: dict[str, Any] = _values(frame, style)
    if style.envelope == "flat":
        return dressed
    outer = {"type", "ts", "seq"} if style.envelope != "event_all" else {"type"}
    head = {key: value for key, value in dressed.items() if key in outer}
    body = {key: value for key, value in dressed.items() if key not in outer}
    if style.envelope == "payload":
        return {**head, "payload": body}
    kind = head.pop("type")
    return {"event": kind, **head, "data": body}


def _values(value: Any, style: WireStyle, key: str = "") -> Any:
    if isinstance(value, dict):
        return {_key(name, style): _values(part, style, name) for name, part in value.items()}
    if isinstance(value, list):
        return [_values(part, style, key) for part in value]
    if key in TIMES and isinstance(value, int):
        return _time(value, style)
    if style.numeric and key in _IDS and isinstance(value, str) and value.isdecimal():
        return int(value)
    return value


def _key(name: str, style: WireStyle) -> str:
    if not style.camel:
        return name
    if name == "camera_id":
        return "deviceId"
    first, *rest = name.split("_")
    return first + "".join(part.title() for part in rest)


def _time(ms: int, style: WireStyle) -> int | float | str:
    if style.time == "ms":
        return ms
    return ms / 1000 if style.time == "s" else iso(ms)


class Wire:
    """Applies the faults that change how a frame is written, but not what it means."""

    def __init__(self, plan: ShootPlan) -> None:
        self._faults = plan.faults
        self._rng = random_source(plan.seed, "wire")
        self._ways = plan.ways
        self._styles: list[int] = []
        self._stripped = 0
        self._batched = False

    def strip(self, frame: dict[str, Any]) -> dict[str, Any]:
        """Leave out ``ts`` or ``seq``, never both: without any order, the truth would depend on luck."""
        loose = [key for key, fault in (("ts", "missing_ts"), ("seq", "missing_seq")) if fault in self._faults]
        if not loose or (self._stripped >= 4 and self._rng.random() > 0.25):
            return frame
        self._stripped += 1
        gone = loose[self._stripped % len(loose)]
        return {key: value for key, value in frame.items() if key != gone}

    def style(self) -> int | None:
        """Which of ``STYLES`` a frame is written in; now and then another than the usual one."""
        if "other_dialect" not in self._faults or self._rng.random() > 0.4:
            return None
        if not self._styles:
            self._styles = list(range(len(STYLES)))
            self._rng.shuffle(self._styles)
        return self._styles.pop()

    def batches(self) -> bool:
        """Whether a change and the state after it go out as one array."""
        if self._ways.batch != "usual":
            return self._rng.random() < 0.5
        if "other_dialect" not in self._faults or (self._batched and self._rng.random() > 0.15):
            return False
        self._batched = True
        return True

    def repeats(self) -> bool:
        """Whether an explicit frame goes out twice."""
        return "repeats" in self._faults and self._rng.random() < 0.2


# ---------------------------------------------------------------------------------------------- telemetry


class Telemetry:
    """Telemetry: heartbeats, poses, statistics, signalling. It is more than 95 % of the frames, and never history.

    Bodies come from a small pool that is made once, so that a thousand a second cost little.
    """

    def __init__(self, plan: ShootPlan) -> None:
        self._rng = random_source(plan.seed, "telemetry")
        self._gap = 1000 / plan.telemetry_rate if plan.telemetry_rate > 0 else None
        self._due = 0.0
        self._pool = [self._body() for _ in range(48)] if self._gap else []

    def until(self, now: int) -> Iterator[tuple[int, Callable[[World, int | None], str]]]:
        """The frames that are due up to ``now`` (virtual ms): the moment of each, and how to write it."""
        while self._gap is not None and self._due <= now:
            at = int(self._due)
            body = self._rng.choice(self._pool)
            yield at, self._writer(at, body)
            self._due += self._gap

    @staticmethod
    def _writer(at: int, body: tuple[str, str]) -> Callable[[World, int | None], str]:
        kind, rest = body

        def write(world: World, seq: int | None) -> str:
            numbered = "" if seq is None else f'"seq":{seq},'
            return f'{{"type":"{kind}","ts":{world.clock.at(at)},{numbered}{rest}}}'

        return write

    def _body(self) -> tuple[str, str]:
        kind = self._rng.choices(TELEMETRY_TYPES, weights=(20, 50, 10, 12, 2, 2, 4))[0]
        size = self._rng.randint(400, 4000) if self._rng.random() > 0.03 else self._rng.randint(16_000, 64_000)
        return kind, f'"camera_id":"cam-{self._rng.randint(1, 6)}",{_filler(self._rng, kind, size)}'


def _filler(rng: Random, kind: str, size: int) -> str:
    """Members of a JSON object, about ``size`` bytes of them."""
    if kind.startswith("hero_feed"):
        return f'"sdp":"{"v=0 a=candidate:" + "".join(rng.choices("abcdef0123456789", k=size))}"'
    numbers = ",".join(f"{rng.uniform(-1, 1):.6f}" for _ in range(size // 10))
    return f'"values":[{numbers}]'
