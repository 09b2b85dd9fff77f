"""How much the log is told of a fault that goes on and on: at most ten lines in any minute, and what is the matter.

Each fault lasts for minutes of virtual time (``virtual.py``), with the patience of a venue and its usual level of the
log; cuts go on meanwhile. Then it is over, and some minutes later so is the tap. The lines of all of that are counted,
from the first one on. ``python -m tests.faults.virtual lines MINUTES NAME…`` plays them; all where none is named.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import random
import sqlite3
import subprocess
import sys
from bisect import bisect_left
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web
from msgspec import Struct, field, structs
from websockets.asyncio.server import ServerConnection, serve

from tap.adapters.journal import schema
from tap.service.running import clock_trust as clocks
from tap.service.running import open_journal
from tap.service.running.background_command import BackgroundCommand, Ended
from tap.service.running.systemd_notify import Notifier
from tests.contract.stub import Fault, Stub, fails, hang, page, says, status, throws
from tests.faults import disk, indoor_threads
from tests.faults.desk import Desk
from tests.faults.link import Relay
from tests.faults.outcome import Outcome
from tests.faults.rig import put
from tests.faults.stage import workshop
from tests.faults.virtual import TIME, Loop

if TYPE_CHECKING:
    from tests.faults import indoors

__all__ = ["FAULTS", "MOST_A_MINUTE", "Heard", "listen", "main", "most_in_a_minute", "run"]

MOST_A_MINUTE = 10
_MINUTE = 60.0
_BEFORE_S = 75.0
"""The five lines of the tap's start are in a minute of their own: a fault that goes on is another matter."""
_AFTER_S = 2 * _MINUTE
_CUT_EVERY_S = 7.0
_FLOOD_S = 0.05
"""Between two frames of a flood: 1,200 a minute, where ten lines of log are allowed."""
_DAY_MS = 86_400_000


# ---------------------------------------------------------------------------------------------- what is heard


class Line(Struct):
    """One line of the log, and when it was said, in virtual seconds."""

    at: float
    level: str
    message: str


class Said(Struct):
    """What was said, by everybody in this process."""

    lines: list[Line] = field(default_factory=list)

    def hear(self, text: str) -> None:
        for line in text.splitlines():
            told = json.loads(line)
            self.lines.append(Line(TIME.now / 1e9, told["level"], told["message"]))


def most_in_a_minute(times: Sequence[float]) -> int:
    """Of times in order: how many lie within less than sixty seconds, at most."""
    return max((bisect_left(times, at + _MINUTE) - number for number, at in enumerate(times)), default=0)


class _Scene(Struct):
    """A tap with its server and its ledger, all well until a fault begins."""

    place: Path
    desk: Desk
    relay: Relay
    """Between the tap and the server."""
    stub: Stub
    ledger: Relay
    """Between the tap and the ledger."""
    tap: indoors.Tap
    heal: list[Callable[[], Any]] = field(default_factory=list)
    tasks: list[asyncio.Task[Any]] = field(default_factory=list)
    lasts: float = 0.0
    """Seconds of the fault."""
    over: bool = False

    def query_only(self, on: int) -> None:
        """Let the tap's connection to its journal write nothing, or everything again."""
        service: Any = getattr(self.tap._life, "_service")  # noqa: B009 - from outside it is a process
        service.writer.run_in_writer(lambda journal: journal._file.db.execute(f"PRAGMA query_only = {on}"), anyway=True)

    def again_and_again(self, every: float, what: Callable[[int], Awaitable[None]]) -> None:
        async def always() -> None:
            number = 0
            while not self.over:
                await what(number)
                number += 1
                await asyncio.sleep(every)

        self.tasks.append(asyncio.create_task(always()))


Begin = Callable[[_Scene], Awaitable[None]]


class Steady(Struct, frozen=True):
    """A fault that goes on, and a part of what the log has to say of it; None: it is none of the tap's business."""

    begin: Begin
    told: str | None
    small_disk: bool = False
    environ: dict[str, str] = {}
    before: Callable[[], None] | None = None
    """What is different about the machine, from before the tap starts."""


# ---------------------------------------------------------------------------------------------- ledger


def _ledger_says(fault: Fault) -> Begin:
    async def begin(scene: _Scene) -> None:
        scene.stub.spoilt = fault
        scene.heal.append(partial(setattr, scene.stub, "spoilt", None))

    return begin


async def _ledger_away(scene: _Scene) -> None:
    await scene.ledger.stop_listening()


async def _ledger_hangs_up(scene: _Scene) -> None:
    scene.ledger.refusing = True
    scene.ledger.hang_up()
    scene.heal.append(partial(setattr, scene.ledger, "refusing", False))


def _ledger_draws(draw: Callable[[random.Random], Fault | None]) -> Begin:
    rng = random.Random(15)

    def spoilt(stub: Stub, request: web.Request, body: bytes) -> Any:
        fault = draw(rng)
        well = stub.answer if b'"entries"' in body else partial(stub.about, stub, request)
        return well(body) if fault is None else fault(stub, request, body)

    async def begin(scene: _Scene) -> None:
        scene.stub.spoilt = spoilt
        scene.heal.append(partial(setattr, scene.stub, "spoilt", None))

    return begin


_LIES: tuple[Any, ...] = (
    {"status": "success", "value": [{"outcome": "perhaps", "version": 1e308}]},
    {"status": "success", "value": {"outcome": "applied"}},
    {"status": "success", "value": [{"key": "x", "outcome": "rejected", "reason": "no", "code": "odd"}] * 3},
    {"status": "success", "value": [{"key": 4, "outcome": "stale", "version": -1e19}]},
    {"status": "perhaps"},
    [],
    None,
)


def _lie(rng: random.Random) -> Fault:
    return rng.choice((*map(says, _LIES), page(), status(302, Location="/"), throws({"code": "odd"}), fails("odd")))


def _half_well(rng: random.Random) -> Fault | None:
    return rng.choice((status(500), None, None))


async def _ledger_comes_and_goes(scene: _Scene) -> None:
    async def turn(number: int) -> None:
        scene.stub.spoilt = None if number % 2 else status(503)

    scene.again_and_again(35.0, turn)
    scene.heal.append(partial(setattr, scene.stub, "spoilt", None))


async def _ledger_rejects(scene: _Scene) -> None:
    """Each entry, for good."""

    class All(dict[str, Any]):
        def __contains__(self, _: object) -> bool:
            return True

        def __getitem__(self, _: str) -> Any:
            return {"outcome": "rejected", "reason": "not this one", "code": "fields_invalid"}

    scene.stub.refused = All()
    scene.heal.append(partial(setattr, scene.stub, "refused", {}))


# ---------------------------------------------------------------------------------------------- server


async def _server_away(scene: _Scene) -> None:
    await scene.relay.stop_listening()
    scene.relay.hang_up()


async def _hangs_up(scene: _Scene) -> None:
    scene.relay.refusing = True
    scene.relay.hang_up()
    scene.heal.append(partial(setattr, scene.relay, "refusing", False))


def _answers(*texts: bytes | None) -> Begin:
    """In place of the server: one of these to each who comes, in turn; None: nothing, for ever."""

    async def begin(scene: _Scene) -> None:
        came = 0

        async def turned_away(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal came
            came += 1
            text = texts[came % len(texts)]
            if text is None:
                await reader.read()
            else:
                writer.write(text)
            writer.close()

        server = await asyncio.start_server(turned_away, "127.0.0.1", 0)
        _lead_to(scene, server.sockets[0].getsockname()[1])
        scene.heal.append(server.close)

    return begin


def _lead_to(scene: _Scene, port: int) -> None:
    before = scene.relay.lead_to(port)
    scene.heal += [lambda: scene.relay.lead_to(before)]
    scene.relay.hang_up()


def _attended(attend: Callable[[ServerConnection, int], Awaitable[None]]) -> Begin:
    """In place of the server: each connection is let in, and then this happens to it."""

    async def begin(scene: _Scene) -> None:
        came = 0

        async def one(connection: ServerConnection) -> None:
            nonlocal came
            came += 1
            await attend(connection, came)

        server = await serve(one, "127.0.0.1", 0, compression=None, ping_interval=None, close_timeout=1)
        _lead_to(scene, next(iter(server.sockets)).getsockname()[1])
        scene.heal.append(server.close)

    return begin


async def _close_at_once(connection: ServerConnection, _: int) -> None:
    await connection.close(1011)


async def _close_with_a_new_word(connection: ServerConnection, came: int) -> None:
    await connection.close(1011, f"trouble number {came}")


async def _close_after_a_minute(connection: ServerConnection, _: int) -> None:
    await asyncio.sleep(61)
    await connection.close(1011)


async def _greets_and_closes(scene: _Scene) -> None:
    scene.desk.short_lived = True
    scene.relay.hang_up()
    scene.heal.append(partial(setattr, scene.desk, "short_lived", False))


async def _another_session_each_time(scene: _Scene) -> None:
    """Each time that it lets somebody in, it was started anew, and another session is on."""

    async def again(number: int) -> None:
        scene.desk.session = f"s-{number + 2}"
        scene.desk.boot = f"boot-{number}"
        await scene.desk.drop()

    scene.again_and_again(8.0, again)


async def _drips(scene: _Scene) -> None:
    scene.relay.drip(1.0, hang_up=True)
    scene.heal.append(scene.relay.flow)


def _says(*frames: str, every: float = 0.2) -> Begin:
    """Beside what it says else."""

    async def begin(scene: _Scene) -> None:
        async def say(number: int) -> None:
            for connection in list(scene.desk.there):
                with suppress(Exception):
                    await connection.send(frames[number % len(frames)].replace("NUMBER", str(number)))

        scene.again_and_again(every, say)

    return begin


async def _short_sessions(scene: _Scene) -> None:
    """A session every few seconds: each begins and ends, and says so."""

    async def turn(number: int) -> None:
        scene.desk.session = None if number % 2 else f"s-{number + 2}"
        scene.desk.state()

    scene.again_and_again(3.0, turn)


async def _obs(connection: ServerConnection, _: int) -> None:
    challenge = {"challenge": "c2FsdA==", "salt": "c2FsdA=="}
    hello = {"obsWebSocketVersion": "5.1.0", "rpcVersion": 1, "authentication": challenge}
    await connection.send(json.dumps({"op": 0, "d": hello}))
    await connection.recv()
    await connection.close(4009, "Authentication failed.")


# ---------------------------------------------------------------------------------------------- disk


async def _disk_full(scene: _Scene) -> None:
    scene.heal.append(disk.fill(scene.place.parent))


async def _disk_full_now_and_then(scene: _Scene) -> None:
    empty: list[Callable[[], None]] = []

    async def turn(number: int) -> None:
        if number % 2:
            empty.pop()()
        else:
            empty.append(disk.fill(scene.place.parent))

    scene.again_and_again(11.0, turn)
    scene.heal.append(lambda: [one() for one in empty])


async def _read_only(scene: _Scene) -> None:
    """As SQLite tells it of a disk that lets nobody write."""
    scene.query_only(1)
    scene.heal.append(partial(scene.query_only, 0))


async def _read_only_at_the_start(scene: _Scene) -> None:
    """Of another tap, which waits for its journal."""
    place = scene.place.parent / "other"
    place.mkdir()
    _mount(place, "ro")
    scene.heal.append(lambda: subprocess.run(["umount", "--lazy", str(place)], check=True))
    _begin_to_wait(scene, place / "state" / "journal.db")


def _mount(place: Path, how: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size=1m,{how}", "tmpfs", str(place)], check=True)


async def _locked(scene: _Scene) -> None:
    other = sqlite3.connect(scene.tap.journal, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    scene.heal.append(other.close)


async def _locked_now_and_then(scene: _Scene) -> None:
    other = sqlite3.connect(scene.tap.journal, isolation_level=None)

    async def turn(number: int) -> None:
        with suppress(sqlite3.OperationalError):
            other.execute("ROLLBACK" if number % 2 else "BEGIN IMMEDIATE")

    scene.again_and_again(9.0, turn)
    scene.heal.append(other.close)


# ---------------------------------------------------------------------------------------------- clock, folder, another


async def _clock_of_another_boot(scene: _Scene) -> None:
    """Stopped, and started on a machine that was started anew meanwhile, forty days on."""
    await asyncio.sleep(60)
    await scene.tap.stop()
    TIME.off_ms = 40 * _DAY_MS
    put(clocks, "boot_id", lambda: "boot-2")
    scene.tap.start()
    scene.heal.append(lambda: setattr(TIME, "off_ms", 0))


async def _clock_back_and_forth(scene: _Scene) -> None:
    async def turn(number: int) -> None:
        TIME.off_ms = 0 if number % 2 else 40 * _DAY_MS

    scene.again_and_again(70.0, turn)
    scene.heal.append(lambda: setattr(TIME, "off_ms", 0))


def _no_export() -> None:
    put(BackgroundCommand, "call", lambda *_: Ended(1, "multicam-tap: /exports: Permission denied"))


async def _sessions_to_export(scene: _Scene) -> None:
    """One ends each minute."""

    async def turn(number: int) -> None:
        scene.desk.session = None if number % 2 else f"s-{number + 2}"
        scene.desk.state()

    scene.again_and_again(30.0, turn)


async def _another_tap(scene: _Scene) -> None:
    """On the same journal: it waits for it, beside the first."""
    _begin_to_wait(scene, scene.tap.journal)


def _begin_to_wait(scene: _Scene, journal: Path) -> None:
    scene.tasks.append(asyncio.create_task(asyncio.to_thread(_wait_for_the_journal, scene, journal)))


def _wait_for_the_journal(scene: _Scene, journal: Path) -> None:
    """As a tap at its start, but for the wait itself, which takes the time of who plays this."""
    waited = 0.0

    def passed(seconds: float) -> bool:
        nonlocal waited
        waited += seconds
        return waited < scene.lasts

    put(open_journal, "passed_unless_stopped", passed)
    assert open_journal.open_journal(journal, Notifier(None)) is None


# ---------------------------------------------------------------------------------------------- the list

_NO_JOURNAL = "the journal cannot be written"
_AWAY, _STILL_AWAY = "not connected", "the server is still away"
_LEDGER_AWAY, _BLOCKED = "the ledger is still away", "publishing is blocked"
_EXPORTS = {"TAP_EXPORT_DIR": "/nowhere", "TAP_EXPORT_FORMATS": "edl,fcpxml,otio,csv,srt,webvtt,youtube,jsonl"}
_OBS = {"TAP_DIALECT": "obs", "TAP_SERVER_TOKEN": "not-the-one", "TAP_SESSION_BY": "record"}

FAULTS: dict[str, Steady] = {
    "ledger: refuses": Steady(_ledger_away, _LEDGER_AWAY),
    "ledger: hangs up": Steady(_ledger_hangs_up, _LEDGER_AWAY),
    "ledger: hangs": Steady(_ledger_says(hang), _LEDGER_AWAY),
    "ledger: 500": Steady(_ledger_says(status(500)), _LEDGER_AWAY),
    "ledger: 429": Steady(_ledger_says(status(429, **{"Retry-After": "1"})), _LEDGER_AWAY),
    "ledger: 401": Steady(_ledger_says(status(401)), _BLOCKED),
    "ledger: a web page": Steady(_ledger_says(page()), _LEDGER_AWAY),
    "ledger: fails inside": Steady(_ledger_says(fails()), _BLOCKED),
    "ledger: lies": Steady(_ledger_draws(_lie), "ledger"),
    "ledger: four of five calls fail": Steady(
        _ledger_draws(lambda rng: fails() if rng.random() < 0.8 else None), "ledger"
    ),
    "ledger: one of three calls fails": Steady(_ledger_draws(_half_well), None),
    "ledger: comes and goes": Steady(_ledger_comes_and_goes, "the ledger is away"),
    "ledger: rejects everything": Steady(_ledger_rejects, "entries were rejected"),
    "server: away": Steady(_server_away, _STILL_AWAY),
    "server: hangs up before its first word": Steady(_hangs_up, _STILL_AWAY),
    "server: refuses (403)": Steady(_answers(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"), _AWAY),
    "server: wrong token (401)": Steady(_answers(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"), _AWAY),
    "server: says nothing": Steady(_answers(None), _STILL_AWAY),
    "server: fails in another way each time": Steady(
        _answers(
            b"",
            b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
            b"nonsense\r\n\r\n",
            b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n",
            None,
        ),
        _AWAY,
    ),
    "server: lets in and closes": Steady(_attended(_close_at_once), _AWAY),
    "server: lets in and closes, with other words each time": Steady(_attended(_close_with_a_new_word), _AWAY),
    "server: lets in and closes after a minute": Steady(_attended(_close_after_a_minute), _AWAY),
    "server: closes after its greeting": Steady(_greets_and_closes, _AWAY),
    "server: another one each time": Steady(_another_session_each_time, _AWAY),
    "server: drips": Steady(_drips, _STILL_AWAY),
    "server: floods of unreadable frames": Steady(
        _says("{", "\x00", "null", "[]", '"cut"', "NUMBER", '{"a": NUMBER', '{"type": NUMBER}', every=_FLOOD_S),
        "the traffic does not match the dialect",
    ),
    "server: floods of unknown types": Steady(
        _says('{"type": "novel-NUMBER", "seq": 1}', every=_FLOOD_S), "the dialect does not know this type of frame"
    ),
    "server: floods of frames without what they need": Steady(
        _says('{"type": "cut"}', '{"type": "state", "session": 4}', '{"type": "cut", "to": {}}', every=_FLOOD_S),
        "a frame has nothing that the dialect can use",
    ),
    "server: a session every few seconds": Steady(_short_sessions, "session"),
    "OBS: wrong password": Steady(_attended(_obs), _AWAY, environ=_OBS),
    "disk: full": Steady(_disk_full, _NO_JOURNAL, small_disk=True),
    "disk: full now and then": Steady(_disk_full_now_and_then, _NO_JOURNAL, small_disk=True),
    "disk: read-only": Steady(_read_only, _NO_JOURNAL),
    "disk: read-only at the start": Steady(_read_only_at_the_start, "cannot open the journal", small_disk=True),
    "journal: locked": Steady(_locked, _NO_JOURNAL),
    "journal: locked now and then": Steady(_locked_now_and_then, _NO_JOURNAL),
    "clock: in doubt": Steady(_clock_of_another_boot, "this machine's clock is in doubt"),
    "clock: back and forth": Steady(_clock_back_and_forth, "this machine's clock is in doubt"),
    "exports: the folder fails": Steady(
        _sessions_to_export, "could not be exported", environ=_EXPORTS, before=_no_export
    ),
    "another tap: beside it": Steady(_another_tap, "cannot open the journal"),
}


# ---------------------------------------------------------------------------------------------- playing


@asynccontextmanager
async def _stub() -> AsyncIterator[tuple[Stub, int]]:
    stub = Stub()
    runner = web.AppRunner(stub.app(), shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield stub, runner.addresses[0][1]
    finally:
        await runner.cleanup()


@contextmanager
def _disk(fault: Steady) -> Iterator[Path]:
    with disk.small_disk() if fault.small_disk else workshop() as place:
        yield place


@asynccontextmanager
async def _scene(fault: Steady) -> AsyncIterator[_Scene]:
    # Only where it is played: it moves whole modules of its process into virtual time.
    indoors = importlib.import_module("tests.faults.indoors")
    async with AsyncExitStack() as stack:
        place, logs = stack.enter_context(_disk(fault)), stack.enter_context(workshop())
        desk = await stack.enter_async_context(Desk())
        stub, port = await stack.enter_async_context(_stub())
        relay, ledger = await Relay(desk.port).open("127.0.0.1"), await Relay(port).open("127.0.0.1")
        stack.push_async_callback(relay.close)
        stack.push_async_callback(ledger.close)
        url, convex = f"ws://127.0.0.1:{relay.port}/ws/control", f"http://127.0.0.1:{ledger.port}"
        environ = {"TAP_LOG_LEVEL": "info", **fault.environ}
        tap = indoors.Tap(place / "tap", url, convex, "venue", log=logs / "log", **environ)
        yield _Scene(place / "tap", desk, relay, stub, ledger, tap)


async def _play(fault: Steady, seconds: float) -> None:
    async with _scene(fault) as scene:
        scene.lasts = seconds
        scene.tap.start()
        await asyncio.sleep(_BEFORE_S)
        cutting = asyncio.create_task(_cut(scene))
        await fault.begin(scene)
        await asyncio.sleep(seconds)
        scene.over = True
        await asyncio.gather(*scene.tasks)
        for heal in scene.heal:
            heal()
        await asyncio.sleep(_AFTER_S)
        cutting.cancel()
        await scene.tap.stop()


async def _cut(scene: _Scene) -> None:
    while True:
        await asyncio.sleep(_CUT_EVERY_S)
        await scene.desk.cut()


def _played(fault: Steady, seconds: float) -> list[Line]:
    said, logs = Said(), importlib.import_module("tests.faults.indoors")._Logs
    with ExitStack() as stack:
        for module, name in ((logs, "write"), (clocks, "boot_id"), (BackgroundCommand, "call")):
            stack.callback(put, module, name, getattr(module, name))
        put(logs, "write", lambda _, text: said.hear(text))
        if fault.before is not None:
            fault.before()
        TIME.off_ms = 0
        with asyncio.Runner(loop_factory=Loop) as runner:
            runner.run(_play(fault, seconds))
    return said.lines


def main(minutes: float, names: Sequence[str]) -> None:
    """One line of JSON for each fault, which lasts for so many minutes."""
    indoor_threads.move_in()
    for others in ("websockets.server", "aiohttp", "asyncio"):
        logging.getLogger(others).propagate = False
    # Somebody who holds the journal's lock is waited for in SQLite, by real clocks.
    put(schema, "_BUSY_TIMEOUT_S", 0.002)
    no_disk = disk.missing()
    for name in names or FAULTS:
        fault = FAULTS[name]
        heard = Heard(name, skipped=no_disk)
        if not fault.small_disk or no_disk is None:
            heard = _heard(name, fault, _played(fault, minutes * _MINUTE))
        print(json.dumps(structs.asdict(heard)), flush=True)


def _heard(name: str, fault: Steady, lines: list[Line]) -> Heard:
    often = Counter(line.message for line in lines)
    bugs = [line.message for line in lines if "bug of the tap" in line.message or line.level == "critical"]
    told = fault.told is None or any(fault.told in message for message in often)
    return Heard(name, len(lines), most_in_a_minute([line.at for line in lines]), told, bugs, often.most_common(8))


class Heard(Struct):
    """What came of one fault."""

    fault: str
    lines: int = 0
    most: int = 0
    """In any sixty seconds."""
    told: bool = False
    """The log says what is the matter."""
    bugs: list[str] = []
    often: list[tuple[str, int]] = []
    """What was said most, and how often."""
    skipped: str | None = None

    def wrong(self) -> str | None:
        """What is not as it should be, in words."""
        if self.skipped is not None or (self.most <= MOST_A_MINUTE and self.told and not self.bugs):
            return None
        return f"{self.fault}: {self.most} lines in a minute, told: {self.told}, bugs: {self.bugs}; {self.often}"


def listen(minutes: float, names: Sequence[str]) -> list[Heard]:
    """Play these in a process of their own, whose clocks are changed."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.virtual", "lines", str(minutes), *names],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return [msgspec.json.decode(line, type=Heard) for line in done.stdout.splitlines()]


async def run(count: int, seed: int) -> Outcome:
    """The first ``count`` of them, from ``seed`` on, round and round: twenty minutes each."""
    names = list(FAULTS)
    outcome = Outcome()
    for heard in await asyncio.to_thread(listen, 20, [names[(seed + at) % len(names)] for at in range(count)]):
        outcome.tried += heard.skipped is None
        wrong = heard.wrong()
        outcome.promise(wrong is None, str(wrong))
        outcome.notes.append(f"{heard.fault}: {heard.lines} lines, {heard.most} in a minute at most")
    return outcome
