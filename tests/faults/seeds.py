"""Faults of all kinds together, drawn from one seed: server, network, disk, ledger, clock and operator.

Each seed is a shoot of ten to twenty minutes, and whatever the seed draws for it, one thing after the other and some at
once. At the end the ledger has the truth of it, and on the way memory, disk, log and connections stay within bounds.
Most are played in virtual time and to a ledger on paper (``virtual.py``), one of ten by real clocks, with taps that are
processes and the local ledger with the functions themselves. A seed that breaks something is named:
``python -m tests.faults.seeds SEED`` plays it again, and ``--seeds FROM:TO`` those from one up to another. The plan of
a seed is always the same; when exactly its faults strike is up to the machine, though little so in virtual time.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import random
import shutil
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import cache, partial
from pathlib import Path

import msgspec
from msgspec import Struct, field

from tests.contract.local import ADMIN
from tests.faults import disk, stage
from tests.faults.judge import Loss
from tests.faults.ledgers import missing
from tests.faults.link import Relay
from tests.faults.outcome import Outcome, together
from tests.faults.paper import Paper
from tests.faults.rig import Offset, Rig, begin
from tests.faults.stage import House, Performance, Tap, look_until, perform

__all__ = ["ACTS", "Plan", "missing", "plan_of", "play", "run"]

SPEED = 60.0
PATIENCE = FASTER = 20.0
"""How many times shorter the tap's own waits are."""
MOST_MEMORY = 250 * 2**20
MOST_STATE = 64 * 2**20
"""Bytes of a state directory after an hour: a few thousand entries, and tapes within their bound."""
TAPE_MEGABYTES = 4
_PATIENT_FROM = 0.6
"""Of a shoot: from there on it waits for a tap that is away, in every seed."""
_LATE_MS = 500.0
"""A harness that is later than this may be what is wrong where something is: that seed is played once more."""
TELEMETRY = 1.0
"""Frames of it a second; in virtual time fewer."""
_LOOK_S = 0.3
_MOST_LATE_MS = 1_600.0
_LINES_AT_FIRST = 12
_LINES_AN_ACT = 14
"""Of the log: each change is told once, with its beginning and its end, and a restart says hello."""
_LINES_A_MINUTE = 10
_NOT_SAVED = "the end of the recording could not be saved"
_CONNECTIONS_AN_ACT = 12
_SERVER = (
    *(
        "reconnect",
        "restart_kept",
        "restart_lost",
        "restart_replaced",
        "clock",
        "repeats",
        "stale_state",
        "told_thrice",
    ),
    *("snapshot_only", "garbage"),
)
"""Faults of the server that the simulator plays by itself."""
_SPOILT = ("reset", "hang", "status", "error", "garbage", "lost", "hang_after", "half", "slow")
"""What the ledger may do with a call; see ``convex/local/faults.ts``."""
_MINUTE_MS, _HOUR_MS = 60_000, 3_600_000
_CLOCKS_MS = (-_HOUR_MS, -90_000, -2_000, 5_000, 30 * _MINUTE_MS, _HOUR_MS, 26 * _HOUR_MS)


class Plan(Struct, frozen=True):
    """What a seed draws."""

    seed: int
    length_s: float
    sessions: int
    server: tuple[str, ...]
    patient: bool
    """The shoot waits for the tap."""
    acts: tuple[str, ...]
    rig: Rig
    small_disk: bool
    environ: dict[str, str]
    paper: bool
    """The ledger is a stub."""

    def words(self) -> str:
        server = "+".join(self.server) or "a server that is well"
        return f"{self.length_s / 60:.0f} min, {self.sessions} sessions, {server}: {', '.join(self.acts)}"


def plan_of(seed: int) -> Plan:
    """The same for the same seed, on whatever machine."""
    rng = random.Random(seed)
    kinds = rng.sample(sorted(_KINDS), rng.randint(2, len(_KINDS)))
    # Several of a kind in a row are as likely as all of them once.
    pool = [act for kind in kinds for act in _KINDS[kind]]
    acts = tuple(rng.choice(pool) for _ in range(rng.randint(4, 9)))
    return Plan(
        seed=seed,
        length_s=rng.choice((600.0, 900.0, 1200.0)),
        sessions=rng.choice((1, 2, 3)),
        server=tuple(sorted(rng.sample(_SERVER, rng.choice((0, 1, 1, 2, 3))))),
        patient=rng.random() < 0.5,
        acts=acts,
        rig=Rig(
            patience=PATIENCE,
            least_deadline_s=2.0,
            least_answer_s=0.0,
            prune_every_s=rng.choice((None, None, 0.1)),
            sync_ms=rng.choice((0.0, 0.0, 0.0, 3.0)),
        ),
        small_disk=any(act in _KINDS["disk"] for act in acts),
        environ={
            "TAP_TAPE_MEGABYTES": str(rng.choice((0, 1, TAPE_MEGABYTES))),
            "TAP_COMPRESSION": rng.choice(("0", "1")),
            "TAP_MEMORY_MEGABYTES": str(rng.choice((1, 64))),
        },
        paper=rng.random() < 0.9,
    )


# ---------------------------------------------------------------------------------------------- what is going on


class Scene(Struct):
    """A shoot that is being played, and what can be done to it."""

    performance: Performance
    plan: Plan
    rng: random.Random
    offset: Offset
    to_server: list[Relay] = field(default_factory=list)
    to_ledger: list[Relay] = field(default_factory=list)
    mend: list[Callable[[], object]] = field(default_factory=list)
    """What ends the faults that still go on."""
    most_memory: int = 0
    most_state: int = 0
    done: int = 0

    @property
    def tap(self) -> Tap:
        return self.performance.tap

    @property
    def over(self) -> bool:
        return self.performance.playing.done()

    async def a_while(self, most: float = 0.6) -> None:
        await pause(self.rng.random() * most)

    async def heard(self) -> None:
        """The tap listens; or it does not come about, which is for the end to judge."""
        with suppress(TimeoutError):
            await look_until(lambda: self.performance.heard, "a connection", 20)

    def heal(self) -> None:
        """Whatever still goes on is over."""
        while self.mend:
            self.mend.pop()()

    async def watch(self) -> None:
        """How much it takes, again and again; and how late this machine is with looking."""
        while True:
            since = time.monotonic()
            with suppress(OSError, ValueError):
                self.most_memory = max(self.most_memory, self.tap.rss())
            self.most_state = max(self.most_state, _size(self.tap.folder))
            rehearsal = self.performance.rehearsal
            # Whoever is not there for the end can tell of nothing, and nobody could judge that.
            rehearsal.wait_for_listeners(rehearsal.played_ms > _PATIENT_FROM * 1000 * self.plan.length_s)
            await pause(_LOOK_S)
            late = 1000 * (time.monotonic() - since - _LOOK_S * stage.SLOWER)
            self.performance.late_ms = min(_MOST_LATE_MS, max(self.performance.late_ms, late))


def _size(folder: Path) -> int:
    size = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            size += path.stat().st_blocks * 512
    return size


# ---------------------------------------------------------------------------------------------- the operator


async def _kill(scene: Scene) -> None:
    await scene.tap.kill()
    await scene.a_while(0.3)
    scene.tap.start()


async def _stop(scene: Scene) -> None:
    """Where the disk is full it says what it could not save, and exits with 1."""
    code = await scene.tap.stop()
    in_order = code == 0 or (code == 1 and _NOT_SAVED in scene.tap.messages())
    scene.performance.outcome.promise(in_order, f"it did not end in order: {code}, {scene.tap.messages()[-3:]}")
    await scene.a_while(0.5)
    scene.tap.start()


async def _kill_at_the_start(scene: Scene) -> None:
    """Several times, each a moment later."""
    for number in range(3):
        await scene.tap.kill()
        scene.tap.start()
        await pause(0.05 * number + scene.rng.random() * 0.1)


async def _second_tap(scene: Scene) -> None:
    """Somebody starts it by hand as well: the second waits, and does nothing."""
    tap = scene.tap
    second = Tap(tap.folder, tap.environ["TAP_SERVER_URL"], None, "venue", Rig(patience=PATIENCE, least_answer_s=0.0))
    second.environ = dict(tap.environ)
    second.log = tap.log.with_name("second.log")
    second.start()
    await pause(0.5 + scene.rng.random())
    second.abandon()


async def _command(scene: Scene, *words: str, code: int | None = 0, **more: str) -> int | None:
    """A command of the tap's own, on its state directory; beside the service, as an operator would."""
    environ = {name: value for name, value in scene.tap.environ.items() if name != "TAP_LOG_LEVEL"} | more
    said = scene.tap.log.with_name(f"command-{time.monotonic_ns()}.txt")
    ended = await command(environ, said, words, scene.plan.rig, scene.offset)
    if code is not None:
        text = said.read_text("utf-8", "replace") if said.exists() else ""
        scene.performance.outcome.promise(ended == code, f"{' '.join(words)}: {ended}: {text[-300:]}")
    return ended


async def command(environ: dict[str, str], said: Path, words: Sequence[str], rig: Rig, offset: Offset) -> int | None:
    """Its exit code; what it says stands in a file."""
    process = begin(environ, said, rig, offset, words)
    try:
        await look_until(lambda: process.exitcode is not None, f"the end of {' '.join(words)}", 90)
    finally:
        process.kill()
    return process.exitcode


async def pause(seconds: float) -> None:
    """By the clock of whoever plays."""
    await asyncio.sleep(seconds * stage.SLOWER)


async def _retry(scene: Scene) -> None:
    await _command(scene, "journal", "retry")


async def _prune(scene: Scene) -> None:
    """All that the ledger has, however young."""
    scene.tap.look()
    await _command(scene, "journal", "prune", "--older-than", "0")


async def _verify(scene: Scene) -> None:
    await _command(scene, "journal", "verify", code=None)


async def _forget(scene: Scene) -> None:
    """A shoot that is over, if there is one: it is gone everywhere, and stays so."""
    performance = scene.performance
    over = [
        kept.entry.session_key
        for kept in scene.tap.kept()
        if kept.entry.op == "session" and kept.entry.fields.get("status") == "complete"
    ]
    live = {
        kept.entry.session_key
        for kept in scene.tap.kept()
        if kept.entry.op == "session" and kept.entry.fields.get("status") == "live"
    } - set(over)
    for key in over[:1]:
        if key in live or key in performance.forgotten:
            continue
        code = await _command(scene, "forget", key, "--yes", code=None, TAP_ADMIN_KEY=ADMIN.get_secret_value())
        if not code:  # else the ledger was away, or the session shows again
            performance.forgotten.add(key)


async def _upgrade(scene: Scene) -> None:
    """Stopped; what it left is as an older version had it; the new one goes on, with other settings."""
    await scene.tap.stop()
    with suppress(sqlite3.Error), sqlite3.connect(scene.tap.journal) as db:
        if db.execute("SELECT count(*) FROM entries WHERE retracted IS NOT NULL").fetchone() == (0,):
            db.execute("DROP INDEX IF EXISTS entries_revised")
            db.execute("ALTER TABLE entries DROP COLUMN digest")
            db.execute("ALTER TABLE entries DROP COLUMN retracted")
            db.execute("PRAGMA user_version = 1")
    with suppress(UnboundLocalError):
        db.close()
    # And its state moved to another disk, as whoever upgrades may do.
    moved = scene.tap.folder.with_name("moved")
    with suppress(OSError, shutil.Error):
        shutil.copytree(scene.tap.folder, moved)
        shutil.rmtree(scene.tap.folder)
        moved.rename(scene.tap.folder)
    scene.tap.environ["TAP_COMPRESSION"] = scene.rng.choice(("0", "1"))
    scene.tap.start()


# ---------------------------------------------------------------------------------------------- the network


async def _cut_off(scene: Scene) -> None:
    """Every connection to the server breaks."""
    scene.to_server[0].hang_up()


async def _drip(scene: Scene) -> None:
    """The line is as good as dead, for as long as it takes to notice, and longer."""
    wall = time.time() * 1000
    scene.to_server[0].drip(1.0, hang_up=False)
    await pause(40 / PATIENCE + scene.rng.random())
    scene.to_server[0].flow()
    await scene.heard()
    scene.performance.losses.append(Loss(wall, time.time() * 1000))


async def _let_in_and_close(scene: Scene) -> None:
    """Whoever comes is let in, hears a little, and is let go at once."""
    wall = time.time() * 1000
    relay = scene.to_server[0]
    relay.short_lived = True
    relay.hang_up()
    await pause(1.0 + scene.rng.random())
    relay.short_lived = False
    await scene.heard()
    scene.performance.losses.append(Loss(wall, time.time() * 1000))


async def _ledger_unreachable(scene: Scene) -> None:
    relay = scene.to_ledger[0]
    relay.refusing = True
    relay.hang_up()
    scene.mend.append(partial(setattr, relay, "refusing", False))
    await scene.a_while(1.5)


async def _ledger_drips(scene: Scene) -> None:
    relay = scene.to_ledger[0]
    relay.drip(0.05, hang_up=False)
    scene.mend.append(relay.flow)
    await scene.a_while(1.5)


# ---------------------------------------------------------------------------------------------- server and ledger


async def _pings(scene: Scene) -> None:
    """Thousands of pings at once, from a server that reads the answers."""
    for connection in list(scene.performance.rehearsal._there):
        for _ in range(20):
            connection.transport.write(b"\x89\x00" * 150)
            await asyncio.sleep(0)


async def _nonsense(scene: Scene) -> None:
    """Frames that are none, and types that nobody knows."""
    for connection in list(scene.performance.rehearsal._there):
        for number in range(30):
            text = scene.rng.choice((f'{{"type":"novel-{number}","pin":4711}}', "{", "null", '{"type":"cut"}', "[]"))
            with suppress(Exception):
                await connection.send(text)


async def _spoilt(scene: Scene) -> None:
    """The next calls of the ledger go wrong in some way, or all of them for a while."""
    local = scene.performance.local
    kind = scene.rng.choice(_SPOILT)
    times = scene.rng.choice((1, 2) if "hang" in kind else (1, 2, 5, 20))
    more = (
        {"ms": 300}
        if kind == "slow"
        else {"status": scene.rng.choice((429, 500, 502, 503))}
        if kind == "status"
        else {}
    )
    local.fault(kind, times=times, match="production:ingest", **more)
    scene.mend.append(local.clear)
    await scene.a_while(1.0)


async def _fails_at_random(scene: Scene) -> None:
    """Two of three calls fail, and which of them is nobody's choice."""
    local = scene.performance.local
    for _ in range(12):
        if scene.rng.random() < 2 / 3:
            local.fault(scene.rng.choice(("error", "reset", "half")), times=1, match="production:ingest")
        await pause(0.08)
    scene.mend.append(local.clear)


# ---------------------------------------------------------------------------------------------- disk and clock


async def _disk_full(scene: Scene) -> None:
    empty = disk.fill(scene.performance.folder.parent)
    scene.mend.append(empty)
    await scene.a_while(1.5)
    if scene.rng.random() < 0.7:
        scene.heal()


async def _disk_full_and_killed(scene: Scene) -> None:
    """What nobody could keep is in a gap."""
    empty = disk.fill(scene.performance.folder.parent)
    await scene.a_while(0.5)
    await scene.tap.kill()
    scene.tap.start()
    await scene.a_while(0.5)
    empty()


async def _journal_locked(scene: Scene) -> None:
    """Somebody else writes to it, for a moment."""
    with suppress(sqlite3.Error):
        other = sqlite3.connect(scene.tap.journal, isolation_level=None, timeout=2)
        try:
            other.execute("BEGIN IMMEDIATE")
            await scene.a_while(1.0)
            other.execute("ROLLBACK")
        finally:
            other.close()


async def _clock_set(scene: Scene) -> None:
    """The tap's own clock is set, and once in a while back again."""
    await scene.heard()
    before = scene.tap.newest(1)
    scene.offset.ms = scene.rng.choice((0, *_CLOCKS_MS))
    # What it keeps from here on is dated by the new clock; a kill before that is another fault than this one.
    with suppress(TimeoutError):
        await look_until(lambda: scene.over or scene.tap.newest(1) != before, "an entry by the new clock", 10)


Act = Callable[[Scene], Awaitable[None]]

ACTS: dict[str, Act] = {
    "kill": _kill,
    "stop": _stop,
    "kill-at-start": _kill_at_the_start,
    "second-tap": _second_tap,
    "retry": _retry,
    "prune": _prune,
    "verify": _verify,
    "forget": _forget,
    "upgrade": _upgrade,
    "cut-off": _cut_off,
    "drip": _drip,
    "let-in-and-close": _let_in_and_close,
    "ledger-unreachable": _ledger_unreachable,
    "ledger-drips": _ledger_drips,
    "pings": _pings,
    "nonsense": _nonsense,
    "ledger-spoilt": _spoilt,
    "ledger-at-random": _fails_at_random,
    "disk-full": _disk_full,
    "disk-full-and-killed": _disk_full_and_killed,
    "journal-locked": _journal_locked,
    "clock": _clock_set,
}

_KINDS = {
    "operator": ("kill", "stop", "kill-at-start", "second-tap", "retry", "prune", "verify", "forget", "upgrade"),
    "network": ("cut-off", "drip", "let-in-and-close"),
    "server": ("pings", "nonsense", "let-in-and-close"),
    "ledger": ("ledger-unreachable", "ledger-drips", "ledger-spoilt", "ledger-at-random"),
    "disk": ("disk-full", "disk-full-and-killed", "journal-locked"),
    "clock": ("clock",),
}


# ---------------------------------------------------------------------------------------------- one seed


async def play(house: House, plan: Plan) -> Outcome:
    """One seed, from the first frame to the judgement."""
    scenes: list[Scene] = []

    async def between(port: int, performance: Performance) -> tuple[str, str]:
        scene = Scene(performance, plan, random.Random(plan.seed + 1), Offset() if offset is None else offset)
        scenes.append(scene)
        scene.to_server.append(await Relay(port).open("127.0.0.1"))
        scene.to_ledger.append(await Relay(int(performance.local.url.rpartition(":")[2])).open("127.0.0.1"))
        ledger = f"http://127.0.0.1:{scene.to_ledger[0].port}"
        return f"ws://127.0.0.1:{scene.to_server[0].port}/ws/control", ledger

    async def drama(_: Performance) -> None:
        await _storm(scenes[0])

    offset = Offset() if "clock" in plan.acts else None
    with _disk(plan) as place:
        try:
            outcome = await perform(
                house, plan.seed, drama, faults=plan.server, length_s=plan.length_s, speed=SPEED,
                telemetry_rate=TELEMETRY, sessions=plan.sessions, rig=plan.rig, offset=offset, environ=plan.environ,
                between=between, folder=place, patient=plan.patient,
            )  # fmt: skip
        finally:
            for scene in scenes:
                scene.heal()
                for relay in (*scene.to_server, *scene.to_ledger):
                    await relay.close()
    outcome.tried, outcome.late_ms = 1, scenes[0].performance.late_ms
    return _named(outcome, plan)


_no_disk = cache(disk.missing)


@contextmanager
def _disk(plan: Plan) -> Iterator[Path | None]:
    if not plan.small_disk or _no_disk() is not None:
        yield None
        return
    with disk.small_disk() as place:
        yield place


async def _storm(scene: Scene) -> None:
    """What the seed draws, one thing after the other, while the shoot goes on; then all of it is over."""
    watching = asyncio.create_task(scene.watch())
    begin = time.monotonic()
    try:
        for name in scene.plan.acts:
            if name in _KINDS["disk"] and name != "journal-locked" and _no_disk() is not None:
                continue
            await scene.heard()
            if scene.over:
                break
            await scene.a_while()
            await ACTS[name](scene)
            scene.done += 1
            if scene.rng.random() < 0.6:
                scene.heal()
        scene.heal()
        if not scene.tap.lives_on:
            scene.tap.start()
        await scene.performance.playing
        # The server may see the next connection before it sees the end of the last; what is nearer to the tap does not.
        scene.performance.losses += [Loss(*silent) for silent in scene.to_server[0].silent]
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    _bounds(scene, time.monotonic() - begin)


def _bounds(scene: Scene, seconds: float) -> None:
    """Whatever happened, it took no more than this."""
    outcome, tap = scene.performance.outcome, scene.tap
    outcome.promise(scene.most_memory <= MOST_MEMORY, f"{scene.most_memory / 2**20:.0f} MB of memory")
    outcome.promise(scene.most_state <= MOST_STATE, f"{scene.most_state / 2**20:.0f} MB of files")
    lines = [line for line in tap.said() if line.get("level") != "debug"]
    faults = len(scene.plan.acts) + 2 * len(scene.plan.server) + scene.plan.sessions
    most = _LINES_AT_FIRST + _LINES_AN_ACT * faults + _LINES_A_MINUTE * seconds / 60
    outcome.promise(len(lines) <= most, f"{len(lines)} lines of log, {most:.0f} at most: {_commonest(lines)}")
    came, often = scene.to_server[0].connections, _CONNECTIONS_AN_ACT * (1 + faults) + seconds * FASTER / 15
    outcome.promise(came <= often, f"{came} connections, {often:.0f} at most")
    outcome.notes.append(
        f"{scene.most_memory / 2**20:.0f} MB of memory, {scene.most_state / 2**20:.1f} MB of files, {len(lines)} lines,"
        f" {came} connections at {scene.done} faults"
    )


def _commonest(lines: list[dict[str, object]]) -> list[tuple[int, str]]:
    said = [str(line.get("message")) for line in lines]
    return sorted(((said.count(text), text) for text in set(said)), reverse=True)[:4]


def _named(outcome: Outcome, plan: Plan) -> Outcome:
    """With the seed, where it broke something."""
    if not outcome.ok:
        outcome.failures.insert(0, f"seed {plan.seed} ({plan.words()}): python -m tests.faults.seeds {plan.seed}")
    return outcome


EVIDENCE = Path(".faults") / "seeds"
_TIMES = 3
"""That a seed is played at most by real clocks, where a busy machine may have been at fault."""
BESIDE = os.cpu_count() or 2
"""How many are played at once."""
_CHUNK = 10
"""Seeds that one process plays, one after the other, in virtual time."""
_ROOT = Path(__file__).parents[2]


async def run(count: int, seed: int, beside: int = BESIDE) -> Outcome:
    """``count`` seeds, from ``seed`` on."""
    return together([outcome async for _, outcome, _ in played(range(seed, seed + count), beside)])


async def one(number: int) -> Outcome:
    """A seed, whatever comes of it: one that breaks the harness has to be named, too."""
    plan = plan_of(number)
    outcome = Outcome()
    for _ in range(_TIMES):
        try:
            async with _house(plan) as house:
                outcome = await play(house, plan)
        except Exception as error:  # noqa: BLE001 - see above
            outcome = _named(Outcome(tried=1, failures=[f"{type(error).__name__}: {error}"]), plan)
        if outcome.ok or outcome.late_ms < _LATE_MS:
            break
    return outcome


@asynccontextmanager
async def _house(plan: Plan) -> AsyncIterator[House]:
    evidence = EVIDENCE / str(plan.seed)
    if not plan.paper:
        with House(evidence=evidence) as house:
            yield house
        return
    paper = await Paper().open()
    try:
        yield House(paper, evidence)
    finally:
        await paper.close()


Result = tuple[int, Outcome, float]


async def played(numbers: Iterable[int], beside: int = BESIDE) -> AsyncIterator[Result]:
    """Each seed, what came of it, and the seconds that it took: as they are done.

    Those with a ledger on paper in virtual time, some at once; the others by real clocks, one at a time beside them.
    """
    plans = [plan_of(number) for number in numbers]
    virtual, real = ([plan.seed for plan in plans if plan.paper is paper] for paper in (True, False))
    done: asyncio.Queue[Result] = asyncio.Queue()
    chunks = [virtual[at : at + _CHUNK] for at in range(0, len(virtual), _CHUNK)]
    room = asyncio.Semaphore(beside)
    tasks = [asyncio.create_task(_in_virtual_time(chunk, room, done)) for chunk in chunks]
    tasks.append(asyncio.create_task(_by_real_clocks(real, done)))
    for _ in plans:
        yield await done.get()
    await asyncio.gather(*tasks)


async def _by_real_clocks(numbers: Iterable[int], done: asyncio.Queue[Result]) -> None:
    for number in numbers:
        begun = time.monotonic()
        done.put_nowait((number, await one(number), time.monotonic() - begun))


async def _in_virtual_time(numbers: list[int], room: asyncio.Semaphore, done: asyncio.Queue[Result]) -> None:
    """In a process of their own, whose clocks are changed."""
    left = dict.fromkeys(numbers)
    async with room:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.faults.virtual", *map(str, numbers), cwd=_ROOT, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        async for line in process.stdout:
            said = msgspec.json.decode(line, type=_Line)
            del left[said.seed]
            done.put_nowait((said.seed, said.outcome, said.took))
        code = await process.wait()
    for number in left:
        broken = Outcome(tried=1, failures=[f"its process ended with {code}"])
        done.put_nowait((number, _named(broken, plan_of(number)), 0.0))


class _Line(Struct):
    """What a process says of a seed."""

    seed: int
    took: float
    outcome: Outcome


async def _main(numbers: list[int], beside: int) -> int:
    failed, tried, begun = list[int](), 0, time.monotonic()
    async for number, outcome, took in played(numbers, beside):
        tried += 1
        print(f"{number}: {'ok' if outcome.ok else 'HARM'} in {took:.0f} s: {plan_of(number).words()}", flush=True)
        if not outcome.ok or len(numbers) == 1:
            print(outcome.explain(), flush=True)
        failed += [] if outcome.ok else [number]
    print(f"{tried} seeds in {time.monotonic() - begun:.0f} s, harm in {len(failed)}: {sorted(failed)}")
    return 1 if failed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.seeds", description="Plays seeds")
    parser.add_argument("seed", nargs="*", type=int)
    parser.add_argument("--seeds", metavar="FROM:TO", help="all from one up to another")
    parser.add_argument("--beside", type=int, default=BESIDE, help="how many at once")
    return parser.parse_args()


if __name__ == "__main__":
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    asked = _options()
    drawn = range(*map(int, asked.seeds.split(":"))) if asked.seeds else ()
    sys.exit(asyncio.run(_main([*asked.seed, *drawn], asked.beside)))
