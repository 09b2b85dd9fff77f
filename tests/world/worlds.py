"""A world: a server with its ways, a shoot with its faults, a tap that hears it. All of it drawn from one seed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from random import Random

from msgspec import Struct

from tap.adapters.dialects import load_dialect
from tap.core.model import Alive, Closed, Entry, Frame, Opened, SourceItem, Stamp
from tap.core.pipeline import Pipeline
from tap.rehearsal.faults import FAULTS
from tap.rehearsal.performance import perform
from tap.rehearsal.shoot import plan_shoot
from tap.rehearsal.truth import Down, Heard, Item, Missed, Up
from tap.rehearsal.ways import Ways, drawn, written
from tap.rehearsal.world import Shoot, ShootPlan

__all__ = ["DIALECT", "FEW", "MANY", "World", "draw", "fed", "heard", "items_of", "pipeline", "plan_of"]

DIALECT = load_dialect("multicam/1")
FEW, MANY = 200, 2_000
"""How many worlds every change has to pass, from seed 0 on, and how many more the long tests play."""
_ALIVE_MS = 5_000
_FAULTS = sorted(name for name, fault in FAULTS.items() if fault.in_all and name != "garbage")


class World(Struct, frozen=True):
    """What is drawn from a seed, and can be made smaller piece by piece."""

    seed: int
    ways: Ways
    faults: tuple[str, ...]
    sessions: int
    cameras: int
    length_s: int
    origin: int
    """What the tap's own monotonic clock shows when it all begins."""

    def __str__(self) -> str:
        odd = written(self.ways) or "plain"
        return f"seed {self.seed}: {odd}; faults {','.join(self.faults) or 'none'}; {self.sessions} sessions"


def draw(seed: int) -> World:
    """The world of a seed."""
    rng = Random(f"world/{seed}")
    ways = drawn(rng)
    share = rng.choice((0.0, 0.2, 0.5))
    return World(
        seed=seed,
        ways=ways,
        faults=tuple(name for name in _FAULTS if rng.random() < share),
        sessions=rng.choice((1, 1, 2, 3)),
        cameras=rng.randint(2, 6),
        length_s=rng.choice((10, 25, 50)),
        origin=rng.choice((0, 1, rng.randrange(10**6), rng.randrange(10**10))),
    )


def plan_of(world: World) -> Shoot:
    """The shoot of a world."""
    return plan_shoot(
        world.seed,
        cameras=world.cameras,
        length_s=world.length_s,
        faults=world.faults,
        sessions=world.sessions,
        ways=world.ways,
        id_prefix="s",
    )


def items_of(world: World) -> tuple[ShootPlan, list[Item]]:
    """What is performed in a world."""
    shoot = plan_of(world)
    return shoot.plan, list(perform(shoot))


def heard(items: Iterable[Item], origin: int, *, off_ms: int = 0) -> Iterator[SourceItem]:
    """The same as a tap takes it in. ``off_ms``: how far its own clock is off."""
    connection, ordinal, start, alive = 0, 0, None, 0
    for item in items:
        if isinstance(item, Missed):
            continue
        if start is None:
            start = item.wall
            alive = start + _ALIVE_MS
        while alive < item.wall:
            yield Alive(Stamp(alive + off_ms, origin + alive - start))
            alive += _ALIVE_MS
        stamp = Stamp(item.wall + off_ms, origin + item.wall - start)
        match item:
            case Up():
                connection, ordinal = connection + 1, 0
                yield Opened(stamp, connection)
            case Down():
                yield Closed(stamp, connection, item.why)
            case Heard():
                ordinal += 1
                data = item.data.encode() if isinstance(item.data, str) else item.data
                yield Frame(data, stamp, connection, ordinal, binary=isinstance(item.data, bytes))


def pipeline(
    *, tap: str = "tap-a", checkpoint: bytes | None = None, memory: Iterable[tuple[str, bytes]] = ()
) -> Pipeline:
    """A tap's pipeline, from the beginning or from what was saved."""
    return Pipeline(DIALECT, venue="hall", tap=tap, checkpoint=checkpoint, memory=memory)


def fed(items: Sequence[SourceItem], *, tap: str = "tap-a") -> list[Entry]:
    """The entries that a tap makes of it."""
    line = pipeline(tap=tap)
    return [entry for item in items for entry in line.feed(item)]
