"""A realistic shoot, made up from a seed: rehearsal before, one or more sessions with faults in them, and the after.

Virtual time only, no clock and no I/O. The length is the least: a shoot goes on until every fault that was asked for
has had its moment.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import structs

from tap.core.errors import UsageInvalid
from tap.rehearsal.director import Director
from tap.rehearsal.faults import FAULTS, Act, around, parse_faults
from tap.rehearsal.oddities import odd_acts
from tap.rehearsal.ways import PLAIN, Ways
from tap.rehearsal.world import ServerCamera, Shoot, ShootPlan

__all__ = ["plan_shoot"]


def plan_shoot(
    seed: int,
    *,
    cameras: int = 5,
    length_s: float = 120.0,
    faults: Iterable[str] = (),
    sessions: int = 1,
    telemetry_rate: float = 0.0,
    id_prefix: str | None = None,
    start_wall_ms: int = 1_795_000_000_000,
    pace: float = 1.0,
    real_clock: bool = False,
    ways: Ways = PLAIN,
) -> Shoot:
    """Plan a shoot. The same arguments give the same one, byte for byte.

    ``pace`` is the speed at which it will be played to a tap whose clock is real. What the tap's own times decide
    (grace 5 s, settle 2 s) is planned so that it stays clear at that speed; above 1 no camera leaves for long.
    Raises UsageInvalid for a plan that cannot be: an unknown fault, no cameras, no length.
    """
    plan = ShootPlan(
        seed=seed,
        cameras=cameras,
        length_s=length_s,
        faults=parse_faults(faults),
        sessions=sessions,
        telemetry_rate=telemetry_rate,
        id_prefix=id_prefix,
        start_wall_ms=start_wall_ms,
        pace=pace,
        real_clock=real_clock,
        ways=ways,
    )
    _check(plan)
    director = Director(plan)
    _Script(director).run()
    return Shoot(plan=plan, steps=tuple(director.steps))


def _check(plan: ShootPlan) -> None:
    limits = (
        ("cameras", plan.cameras, 1, 64),
        ("length", plan.length_s, 1, 24 * 3600),
        ("sessions", plan.sessions, 1, 100),
        ("telemetry rate", plan.telemetry_rate, 0, 5000),
        ("speed", plan.pace, 0.01, 1000),
    )
    for name, value, least, most in limits:
        if not least <= value <= most:
            raise UsageInvalid(f"{name} is {value:g}", hint=f"{least} to {most} are allowed")


class _Script:
    """The order of events of one shoot."""

    def __init__(self, director: Director) -> None:
        self._d = director
        self._plan = director.plan
        self._acts = [
            act for name, fault in FAULTS.items() if name in self._plan.faults for act in fault.acts(director)
        ]
        director.rng.shuffle(self._acts)

    def run(self) -> None:
        d, length = self._d, int(self._plan.length_s * 1000)
        spare = min(6000, length // 10)
        self._before(spare)
        for index in range(self._plan.sessions):
            share = len(self._acts) // (self._plan.sessions - index)
            todo, self._acts = self._acts[:share], self._acts[share:]
            todo += _everyday(d) + odd_acts(d, first=index == 0)
            d.rng.shuffle(todo)
            until = spare + (length - 2 * spare) * (index + 1) // self._plan.sessions
            self._session(todo, until)
            d.pay()
            d.advance(d.between(1500, 4000))
        d.advance(max(5000, length - d.now))
        d.pay(all_of_it=True)
        d.state()

    def _before(self, spare: int) -> None:
        """Cameras come in, and the crew rehearses: nothing of it is part of a session."""
        d = self._d
        for _ in range(max(1, self._plan.cameras - 1)):
            d.put(d.new_camera())
        d.accept()
        d.quiet(500)
        d.keep_telling()
        d.advance(spare // 3)
        d.mode("rehearsal")
        for _ in range(2):
            d.advance(spare // 4)
            d.cut()

    def _session(self, todo: list[Act], until: int) -> None:
        d = self._d
        self._begin()
        if len(d.roster) < self._plan.cameras:
            todo.insert(len(todo) // 2, lambda d: d.join(d.new_camera()))
        while todo or d.now < until:
            if d.world.session is None:  # a restart has lost it: people notice, and start another
                d.advance(d.between(2000, 4000))
                self._begin()
            d.advance(min(8000, int(d.rng.expovariate(1 / 1700)) + 200))
            self._beat(todo, until)
        if d.world.session is not None:
            self._finish()

    def _beat(self, todo: list[Act], until: int) -> None:
        """Does what is due, spread over the session; what lies between are cuts."""
        d = self._d
        beats = max(1, (until - d.now) // 2500)
        if todo and d.rng.random() < min(0.6, len(todo) / beats):
            todo.pop()(d)
        else:
            d.cut()

    def _begin(self) -> None:
        d = self._d
        if d.world.mode not in ("photoshoot", "performance") and d.rng.random() < 0.8:
            d.mode("photoshoot", keep=True)
            d.advance(d.between(400, 1200))
        luck = d.rng.random()
        if "reconnect" in d.plan.faults and luck < 0.25:
            d.blackout("network", self._start_unseen)
        elif "snapshot_only" in d.plan.faults and luck < 0.5 and d.ordered("state", "started", "ended"):
            d.quiet(300)
            d.start(silent=True)
            d.quiet(300)
        elif "stale_state" in d.plan.faults and luck < 0.8:
            around(d, lambda d: d.start(), d.rng.randrange(4))
        else:
            d.start()

    def _start_unseen(self) -> None:
        self._d.quiet(800)
        self._d.start()
        self._d.quiet(400)

    def _finish(self) -> None:
        d = self._d
        d.release()
        if d.rng.random() < 0.5:
            d.still(slow=True)
            d.advance(300)
        luck = d.rng.random()
        if luck < 0.3:
            d.mode("rehearsal", keep=True)
            d.advance(500)
        self._end(d.rng.random())
        d.advance(d.between(300, 900))
        d.mode("idle", keep=True)

    def _end(self, luck: float) -> None:
        d = self._d
        if "reconnect" in d.plan.faults and luck < 0.15:
            d.blackout("network", self._end_unseen)
        elif "snapshot_only" in d.plan.faults and luck < 0.5 and d.ordered("state", "started", "ended"):
            d.quiet(300)
            d.end(silent=True)
            d.quiet(300)
        elif "stale_state" in d.plan.faults and luck < 0.8:
            around(d, lambda d: d.end(), d.rng.randrange(4))
        else:
            d.end()

    def _end_unseen(self) -> None:
        self._d.quiet(self._d.between(500, 1500))
        self._d.end()
        self._d.quiet(self._d.between(500, 1500))


# ---------------------------------------------------------------------------------------------- everyday life


def _everyday(d: Director) -> list[Act]:
    """What every session has, whatever its length."""
    acts: list[Act] = [_held, _ghost, _still, _still, _titled, _placed, _turn, _music, _black]
    if d.plan.pace <= 1:
        acts.append(_away)
    return acts


def _held(d: Director) -> None:
    d.hold()
    d.advance(d.between(1500, 7000))
    d.release()


def _ghost(d: Director) -> None:
    """Ghost mode proposes; one proposal comes true, two do not."""
    before = d.world.mode
    d.mode("ghost")
    d.propose("approved")
    d.advance(d.between(200, 900))
    d.propose("rejected")
    d.advance(d.between(200, 900))
    d.propose("expired")
    d.mode(before)


def _still(d: Director) -> None:
    d.still()


def _titled(d: Director) -> None:
    d.retitle()


def _turn(d: Director) -> None:
    d.mode(d.other_mode())


def _music(d: Director) -> None:
    for _ in range(3):
        d.music()
        d.advance(d.between(200, 900))


def _black(d: Director) -> None:
    d.black()
    d.advance(d.between(400, 1500))
    d.cut()


def _placed(d: Director) -> None:
    """Somebody says where a camera stands that had no place yet."""
    bare = [camera for camera in d.world.cameras if camera.placement is None and camera.online and camera.name]
    if bare:
        camera = d.rng.choice(bare)
        d.describe(_with_place(d, camera.id))


def _with_place(d: Director, camera_id: str) -> ServerCamera:
    return structs.replace(d.roster[camera_id], placement=d.new_place())


def _away(d: Director) -> None:
    """A camera is away for longer than the grace time; most come back."""
    idle = [camera for camera in d.present if camera != d.world.program]
    if len(idle) < 2:
        return
    camera = d.rng.choice(idle)
    d.leave(camera)
    for _ in range(3):  # past the grace time before anything else, so that nobody can be half there
        d.advance(d.between(2100, 2600))
        d.cut()
    if d.rng.random() < 0.7:
        d.later(d.between(1000, 8000), lambda: _back(d, camera))


def _back(d: Director, camera: str) -> None:
    if camera not in d.present:
        d.join(d.roster[camera])
