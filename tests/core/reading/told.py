"""Made-up shoots as they happened, and the rows that taps with clocks of their own would write of them.

The truth is made first, in ms since the shoot began, by nobody's clock. Rows come of it by four choices that are drawn
apart: what the server's clock shows, who heard it, how late it was told, and by what lengths are reckoned. Nothing here
knows how a session is read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from typing import Any

from tap.core.merge import Row

__all__ = ["KEY", "T0", "Happened", "Shoot", "World", "told"]

KEY = "hall/told"
T0 = 1_795_000_000_000


@dataclass(frozen=True)
class Happened:
    """One thing that happened."""

    at: int
    kind: str
    columns: dict[str, Any]
    since: int | None = None
    """Of a release: when the hold began."""


@dataclass(frozen=True)
class World:
    """What servers and taps are like."""

    events: int = 30
    pauses: tuple[int, int] = (300, 20_000)
    cameras: int = 4
    steps: tuple[int, ...] = ()
    """How far the server's clock is set, at moments that are drawn, in this order."""
    whole_seconds: bool = False
    second_tap: int | None = None
    """How far the clock of a second tap is ahead; each event is heard first by one of the two."""
    late: float = 0.0
    """How many of the events are told late, up to two minutes; none of the last five, after which nothing would tell
    a delay from a clock that was set back."""
    one_machine: bool = False
    """The tap runs beside the server and has its clock."""
    told: tuple[int, int] = (5, 60)
    """How late the others are told."""


@dataclass
class Shoot:
    """What happened, and what was written of it."""

    truth: list[Happened]
    ended: int
    steps: list[tuple[int, int]]
    """When the server's clock was set, and how far."""
    rows: list[Row] = field(default_factory=list)
    """One for each that happened, in that order."""
    taps: list[int] = field(default_factory=list)
    """Who has heard each of them."""
    session: dict[str, Any] = field(default_factory=dict)

    def fewest_heard(self) -> int:
        """How many events each tap has heard at least before, between and after the steps."""
        edges = [0, *(at for at, _ in self.steps), self.ended]
        return min(
            sum(begin <= one.at < end and by == tap for one, by in zip(self.truth, self.taps, strict=True))
            for begin, end in pairwise(edges)
            for tap in set(self.taps)
        )


def told(random: Random, world: World) -> Shoot:
    """One shoot in such a world."""
    truth, final = _played(random, world)
    ended = truth[-1].at + random.randrange(1_000, 20_000)
    times = sorted(random.sample(range(2_000, ended - 500), len(world.steps)))
    shoot = Shoot(truth, ended, list(zip(times, world.steps, strict=True)))
    for place, one in enumerate(truth):
        late = random.random() < world.late and place < len(truth) - 5
        tap = int(world.second_tap is not None and random.random() < 0.5)
        shoot.taps.append(tap)
        shoot.rows.append(_row(random, world, shoot, one, late=late, tap=tap))
    start = {"at": _clock(world, shoot, 0), "programCameraId": "c1", "mode": "a", "hold": False}
    shoot.session = {
        "status": "complete",
        "startedAt": _clock(world, shoot, 0),
        "startState": start,
        "completedAt": _clock(world, shoot, ended),
        "finalState": {"camerasOnline": []} if final is None else {"camerasOnline": [], "programCameraId": final},
    }
    _name_apart(shoot.rows)
    return shoot


def _played(random: Random, world: World) -> tuple[list[Happened], str | None]:
    cameras: list[str | None] = [None, *(f"c{number + 1}" for number in range(world.cameras))]
    program: str | None = "c1"
    held: int | None = None
    mode, at = "a", 1_000
    truth: list[Happened] = []
    while len(truth) < world.events:
        at += random.randrange(*world.pauses)
        luck = random.random()
        if luck < 0.6:
            to = random.choice([camera for camera in cameras if camera != program])
            known = {"fromCameraId": program, "cameraId": to}
            kind = "off_air" if to is None else "cut"
            truth.append(Happened(at, kind, {name: value for name, value in known.items() if value is not None}))
            program = to
        elif luck < 0.85 and held is None:
            held = at
            truth.append(Happened(at, "hold", {} if program is None else {"cameraId": program}))
        elif luck < 0.85:
            truth.append(Happened(at, "release", {}, since=held))
            held = None
        else:
            to = random.choice([other for other in "abc" if other != mode])
            truth.append(Happened(at, "mode_change", {"detail": {"from": mode, "to": to}}))
            mode = to
    return truth, program


def _clock(world: World, shoot: Shoot, at: int) -> int:
    """What the server's clock shows."""
    shown = T0 + at + sum(by for when, by in shoot.steps if when <= at)
    return shown // 1_000 * 1_000 if world.whole_seconds else shown


def _row(random: Random, world: World, shoot: Shoot, one: Happened, *, late: bool, tap: int) -> Row:
    at = _clock(world, shoot, one.at)
    columns = dict(one.columns)
    if one.since is not None:
        # As the tap does: by the server's clock, unless its own says that this was set meanwhile.
        theirs, ours = at - _clock(world, shoot, one.since), one.at - one.since
        columns["durationMs"] = theirs if theirs >= 0 and abs(theirs - ours) <= 10_000 else ours
    delay = random.randrange(500, 120_000) if late else random.randrange(*world.told)
    heard = T0 + one.at + delay
    if world.one_machine:
        heard += sum(by for when, by in shoot.steps if when <= one.at)
    if tap:
        heard += world.second_tap or 0
    key = f"{KEY}/{one.kind}/{at}/{columns.get('cameraId', '')}"
    return Row(key, "event", KEY, at, 0, {"kind": one.kind, "at": at, "observedAt": heard, **columns})


def _name_apart(rows: list[Row]) -> None:
    """Events that would have one key get ``/2``, ``/3`` … behind it, in the order told."""
    used: dict[str, int] = {}
    for row in rows:
        used[row.key] = used.get(row.key, 0) + 1
        if used[row.key] > 1:
            row.key = f"{row.key}/{used[row.key]}"
