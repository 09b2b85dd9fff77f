"""The service: it starts, resumes after any end, says what changed, and stops in order with everything kept."""

from __future__ import annotations

import asyncio
import json
import logging
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as websocket_server

from tap.adapters.dialects import load_dialect
from tap.adapters.journal import Journal, Kept
from tap.core.errors import JournalError, SettingsInvalid
from tap.core.model import Entry, Frame, Opened, Stamp
from tap.core.pipeline import Pipeline
from tap.rehearsal.score import score
from tap.rehearsal.shoot import plan_shoot
from tap.rehearsal.simulator import Rehearsal, serve
from tap.service.config import Settings, load_settings
from tap.service.logs import configure_logs
from tap.service.running import daemon
from tap.service.running.daemon import Service
from tap.service.running.flight_recorder import segments
from tap.service.running.health import health

OPS_OFF = {"TAP_OPS_LISTEN": "off"}
KILLS = 20
SPEED = 20.0
RUN = """
import os, sys
from tap.service.config import load_settings
from tap.service.running.daemon import run
sys.exit(run(load_settings(os.environ)))
"""
SHOOT = (
    '{"type":"hello","server":"s","boot_id":"b1"}',
    '{"type":"state","seq":1,"session":{"id":"s1","title":"Film"},"program":"c1","mode":"performance",'
    '"cameras":[{"id":"c1"},{"id":"c2"}]}',
)


def settings(tmp_path: Path, url: str = "ws://127.0.0.1:1/", **more: str) -> Settings:
    return load_settings(environment(tmp_path, url, **more))


def environment(tmp_path: Path, url: str, **more: str) -> dict[str, str]:
    return {"TAP_STATE_DIR": str(tmp_path / "state"), "TAP_SERVER_URL": url, "TAP_LOG_FORMAT": "json", **OPS_OFF} | more


def kept(tmp_path: Path) -> list[Kept]:
    with Journal.open(tmp_path / "state" / "journal.db", readonly=True) as journal:
        assert journal.verify() == []
        return list(journal.entries())


def kinds(entries: list[Kept]) -> Counter[str]:
    return Counter(str(item.entry.fields["kind"]) for item in entries if item.entry.op == "event")


def told(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


@asynccontextmanager
async def server(handler: Callable[[ServerConnection], Coroutine[Any, Any, None]]) -> AsyncIterator[str]:
    # Its own log is not the tap's.
    quiet = logging.getLogger("tests.server")
    quiet.propagate = False
    async with websocket_server(handler, "127.0.0.1", 0, compression=None, ping_interval=None, logger=quiet) as running:
        yield f"ws://127.0.0.1:{next(iter(running.sockets)).getsockname()[1]}/ws/control"


async def serve_in_process(given: Settings, until: Callable[[Service], Coroutine[Any, Any, None]]) -> int:
    """The service on this very loop, until ``until`` returns."""
    service = Service(given, load_dialect(given.dialect), Journal.open(given.journal_path, owner=True))
    ready: asyncio.Future[Service] = asyncio.get_running_loop().create_future()
    running = asyncio.create_task(service.run(ready.set_result))
    await until(await ready)
    service.stop()
    return await running


async def look_until(enough: Callable[[], bool]) -> None:
    """For what another thread brings about."""
    while not enough():  # noqa: ASYNC110 - there is no event to wait for
        await asyncio.sleep(0.01)


async def tell_shoot(connection: ServerConnection) -> None:
    """A server that says how a shoot is, and then nothing more."""
    for frame in SHOOT:
        await connection.send(frame)
    await connection.wait_closed()


async def until_told(service: Service) -> None:
    """Until the tap has all that ``tell_shoot`` says."""
    await look_until(lambda: service.pipeline.tally.frames == len(SHOOT))


# ---------------------------------------------------------------------------------------------- starting and stopping


def test_a_venue_that_is_switched_off(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says so, exits 0, and touches nothing."""
    assert daemon.run(settings(tmp_path, TAP_ENABLED="0")) == 0
    (line,) = told(capsys)
    assert line["message"] == "this venue is switched off"
    assert list(tmp_path.iterdir()) == []


def test_a_dialect_that_is_none_touches_nothing(tmp_path: Path) -> None:
    """The mistake is told before a journal is made."""
    with pytest.raises(SettingsInvalid):
        daemon.run(settings(tmp_path, TAP_DIALECT="no/such/file.toml"))
    assert list(tmp_path.iterdir()) == []


def test_a_journal_has_one_service(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The second says that another owns it, and waits without listening; a signal ends it as always."""
    ending = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM))
    with Journal.open(tmp_path / "state" / "journal.db", owner=True):
        ending.start()
        assert daemon.run(settings(tmp_path)) == 0
        ending.join()
    (line,) = told(capsys)
    assert line["message"] == "cannot open the journal; recording is paused until it opens"
    assert "is in use" in line["why"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_it_with_everything_kept(tmp_path: Path, number: signal.Signals) -> None:
    """Exit code 0; what was heard is on the disk, the journal is free, and not a word was said."""
    said: list[str | bytes] = []

    heard = asyncio.Event()

    async def handler(connection: ServerConnection) -> None:
        for frame in SHOOT:
            await connection.send(frame)
        for n in range(500):
            await connection.send(f'{{"type":"cut","seq":{n + 2},"to":"c{n % 2 + 2}","cut_id":{n}}}')
        # The answer to a ping comes after all that was sent before has been taken in.
        await (await connection.ping())
        heard.set()
        said.extend([message async for message in connection])

    async with server(handler) as url:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", RUN, env=os.environ | environment(tmp_path, url), stderr=subprocess.PIPE
        )
        await heard.wait()
        process.send_signal(number)
        _, log = await process.communicate()
        assert process.returncode == 0, log.decode()
    lines = [json.loads(line) for line in log.splitlines()]
    assert [line["message"] for line in lines] == ["listening", "connected", "session", "gap", "stopped"]
    assert lines[-1]["frames"] == 502
    assert kinds(kept(tmp_path))["cut"] == 500
    assert said == []
    Journal.open(tmp_path / "state" / "journal.db", owner=True).close()


async def test_a_stop_while_the_server_is_away(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It does not wait for the next attempt; the reason was logged once."""

    configure_logs("info", "json")

    async def until(service: Service) -> None:
        await look_until(lambda: service.socket.problem == "nothing listens there (connection refused)")

    assert await serve_in_process(settings(tmp_path), until) == 0
    assert [line["message"] for line in told(capsys)] == ["listening", "not connected", "stopped"]


def test_run_ends_on_a_signal_in_its_own_loop(tmp_path: Path) -> None:
    """`run` itself, with uvloop where there is one."""
    stopped: list[str] = []

    def on_ready(service: Service) -> None:
        stopped.append(type(asyncio.get_running_loop()).__module__)
        os.kill(os.getpid(), signal.SIGTERM)

    assert daemon.run(settings(tmp_path), on_ready=on_ready) == 0
    assert stopped == ["uvloop"]


def test_without_uvloop_it_runs_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert daemon.run(settings(tmp_path), on_ready=Service.stop) == 0


def test_a_stage_that_fails_ends_the_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its own error, and what was heard is kept all the same."""

    async def fail(_: Service) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Service, "_watch", fail)
    with pytest.raises(ZeroDivisionError):
        daemon.run(settings(tmp_path))
    Journal.open(tmp_path / "state" / "journal.db", owner=True).close()


# ---------------------------------------------------------------------------------------------- what it says


async def test_changes_are_logged_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connects, drops with their reason, sessions, unknown types, useless frames and a clock that is off."""
    monkeypatch.setattr(daemon, "_WATCH_EVERY_S", 0.01)
    lives = 0

    async def handler(connection: ServerConnection) -> None:
        nonlocal lives
        lives += 1
        for frame in SHOOT:
            await connection.send(frame)
        if lives == 1:
            for frame in ('{"type":"telepathy"}', "{truncated", '{"type":"cut","token":"hush"}') * 3:
                await connection.send(frame)
            await connection.send('{"type":"cut","seq":2,"to":"c2","ts":1000000000000}')
            await connection.close(1012, "update")
        await connection.wait_closed()

    configure_logs("info", "json")

    async def until(service: Service) -> None:
        await look_until(lambda: service.socket.connection == 2 and service.pipeline.tally.frames == 14)
        await asyncio.sleep(0.05)

    async with server(handler) as url:
        given = settings(tmp_path, url, TAP_INGEST_KEY="hush")
        assert await serve_in_process(given, until) == 0
    lines = told(capsys)
    assert "hush" not in str(lines)
    assert Counter(line["message"] for line in lines) == Counter(
        {
            "listening": 1,
            "connected": 2,
            "not connected": 1,
            "session": 1,
            "the dialect does not know this type of frame": 1,
            "a frame has nothing that the dialect can use": 2,
            "the server's clock and this machine's differ; times are the server's": 1,
            "gap": 2,
            "stopped": 1,
        }
    )
    assert next(line for line in lines if line["message"] == "not connected")["why"] == (
        "the server restarts (1012: update)"
    )


async def test_all_that_is_heard_comes_onto_the_tape_while_the_tap_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first at once, and what is gathered from then on with the next look: a kill costs no more than that."""
    monkeypatch.setattr(daemon, "_WATCH_EVERY_S", 0.01)

    async def handler(connection: ServerConnection) -> None:
        for frame in SHOOT:
            await connection.send(frame)
        await connection.recv()

    async def until(service: Service) -> None:
        def taped(words: bytes) -> bool:
            return any(words in tape.read_bytes() for tape in segments(tmp_path / "state" / "tapes"))

        await look_until(lambda: taped(b'"dir":"in"') and service.flight._asleep)
        for words in (b"late", b"later"):
            service.flight.on_item(Frame(b'"%s"' % words, service.clock.stamp(), 1, 90))
            await look_until(partial(taped, words))

    async with server(handler) as url:
        assert await serve_in_process(settings(tmp_path, url), until) == 0


async def test_a_journal_that_fails_is_told_and_loses_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk: one line when it begins, one when it is over, and every entry is there."""
    monkeypatch.setattr(daemon, "_WATCH_EVERY_S", 0.01)
    append = Journal.append
    full = True

    def appended(*what: Any) -> int:
        if full:
            raise JournalError("disk full", where="journal.db")
        return append(*what)

    monkeypatch.setattr(Journal, "append", appended)

    async def handler(connection: ServerConnection) -> None:
        for frame in SHOOT:
            await connection.send(frame)
        await connection.send('{"type":"cut","seq":2,"to":"c2"}')
        await connection.wait_closed()

    configure_logs("info", "json")

    async def until(service: Service) -> None:
        nonlocal full
        await look_until(lambda: service.pipeline.tally.frames == 3 and service.writer.failing is not None)
        await asyncio.sleep(0.05)
        full = False
        await look_until(lambda: service.writer.waiting == 0)
        await asyncio.sleep(0.05)

    async with server(handler) as url:
        assert await serve_in_process(settings(tmp_path, url), until) == 0
    said = [line["message"] for line in told(capsys)]
    assert said.count("the journal cannot be written; entries wait in memory") == 1
    assert said.count("the journal can be written again") == 1
    assert kinds(kept(tmp_path))["cut"] == 1


async def test_what_cannot_be_kept_at_the_end_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that stays full makes the exit code 1, in time."""
    monkeypatch.setattr(daemon, "_COMMIT_WITHIN_S", 0.2)

    def appended(*_: Any) -> int:
        raise JournalError("disk full", where="journal.db")

    monkeypatch.setattr(Journal, "append", appended)

    configure_logs("info", "json")

    async with server(tell_shoot) as url:
        assert await serve_in_process(settings(tmp_path, url), until_told) == 1
    assert "the end of the recording could not be saved" in [line["message"] for line in told(capsys)]


# ---------------------------------------------------------------------------------------------- what it finds


@pytest.mark.parametrize("what", ["journal", "checkpoint"])
async def test_what_is_damaged_is_moved_aside(tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str) -> None:
    """Never deleted; told once; and recording goes on."""
    path = tmp_path / "state" / "journal.db"
    if what == "journal":
        path.parent.mkdir(mode=0o700)
        path.write_bytes(b"SQLite format 3\x00" + b"\xff" * 5000)
    else:
        with Journal.open(path, owner=True) as journal:
            journal.append([], b'{"phase":"purple"}', 1)

    configure_logs("info", "json")

    async with server(tell_shoot) as url:
        assert await serve_in_process(settings(tmp_path, url), until_told) == 0
    (line,) = [line for line in told(capsys) if "moved aside" in line["message"]]
    aside = Path(line["file"])
    assert aside.parent == path.parent
    assert (b"purple" if what == "checkpoint" else b"\xff\xff") in aside.read_bytes()
    assert what == "journal" or aside.stat().st_mode & 0o077 == 0
    assert kept(tmp_path)


async def test_damage_while_it_runs_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is spoilt under the running service: it is moved aside, told once, and recording goes on."""
    monkeypatch.setattr(daemon, "_WATCH_EVERY_S", 0.01)
    spoilt = asyncio.Event()

    async def handler(connection: ServerConnection) -> None:
        for frame in SHOOT:
            await connection.send(frame)
        await spoilt.wait()
        await connection.send('{"type":"cut","seq":2,"to":"c2"}')
        await connection.wait_closed()

    configure_logs("info", "json")

    async def until(service: Service) -> None:
        await look_until(lambda: service.pipeline.tally.entries > 0 and service.writer.waiting == 0)
        given = service.settings.journal_path
        given.rename(given.with_name("gone.db"))
        spoilt.set()
        await look_until(lambda: bool(service.journal.moved_aside) and service.writer.waiting == 0)
        await asyncio.sleep(0.05)

    async with server(handler) as url:
        assert await serve_in_process(settings(tmp_path, url), until) == 0
    said = [line["message"] for line in told(capsys)]
    assert said.count("the journal was damaged: it was moved aside, and a new one was started") == 1
    assert kinds(kept(tmp_path))["cut"] == 1


def test_a_long_run_watches_the_last_sessions_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is remembered for the log is bounded."""
    given = settings(tmp_path)
    service = Service(given, load_dialect("multicam/1"), Journal.open(given.journal_path, owner=True))
    changes = service._changes
    changes.entries([Entry(f"v/{n}", "session", f"v/{n}", n, {"status": "live"}) for n in range(500)])
    assert len(changes._sessions) <= 100
    assert anyio.run(service._save_what_is_left)


def test_a_checkpoint_that_cannot_even_be_moved_is_no_obstacle(tmp_path: Path) -> None:
    """Not to keep the old one is better than not to record."""
    daemon._keep(tmp_path / "no" / "such" / "place.json", b"{}")


async def test_old_entries_that_the_ledger_has_are_pruned(tmp_path: Path) -> None:
    """After TAP_KEEP_DAYS, in pages; what the ledger has not stays."""
    path = tmp_path / "state" / "journal.db"
    entries = [Entry(f"v/s/{n}", "event", "v/s", n, {"kind": "cut", "at": n}) for n in range(2_500)]
    with Journal.open(path, owner=True) as journal:
        journal.append(entries, None, 1)
        journal.settle([(n, "shipped", None) for n in range(1, 2_401)], 1)

    async def until(service: Service) -> None:
        await look_until(lambda: service.writer.run_in_writer(lambda j: j.counts()["shipped"]).result(300) == 0)

    assert await serve_in_process(settings(tmp_path), until) == 0
    assert len(kept(tmp_path)) == 100


async def test_a_prune_that_fails_is_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = asyncio.Event()

    def prune(*_: Any) -> int:
        failed.set()
        raise JournalError("busy", where="journal.db")

    monkeypatch.setattr(Journal, "prune", prune)

    configure_logs("info", "json")

    async def until(service: Service) -> None:
        await look_until(failed.is_set)
        await asyncio.sleep(0.02)

    assert await serve_in_process(settings(tmp_path), until) == 0
    assert "old entries could not be pruned" in [line["message"] for line in told(capsys)]


# ---------------------------------------------------------------------------------------------- kills


async def kill_again_and_again(tmp_path: Path, rehearsal: Rehearsal, url: str, rng: random.Random) -> None:
    """Start the service, kill -9 it at some instant, and look at what it left; many times. Then let it finish."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tap.service.running.daemon"])
    given = settings(tmp_path, url, TAP_VENUE="rehearsal", TAP_LOG_LEVEL="error")
    before: list[Kept] = []
    playing = asyncio.create_task(rehearsal.play())
    for life in range(KILLS + 1):
        process = context.Process(target=daemon.run, args=(given,))
        process.start()
        await look_until(lambda: bool(rehearsal._there) or playing.done())
        if life < KILLS:
            # Some right after the first frame, some in the middle of things.
            await asyncio.sleep(rng.choice((0.0, 0.02, rng.random() * 0.4)))
            process.kill()
        else:
            await playing
            assert process.pid is not None
            os.kill(process.pid, signal.SIGTERM)
        await asyncio.to_thread(process.join, 10)
        await look_until(lambda: not rehearsal._there)
        assert process.exitcode == (-signal.SIGKILL if life < KILLS else 0)
        after = kept(tmp_path) if (tmp_path / "state" / "journal.db").exists() else []
        assert after[: len(before)] == before, "what was committed is there, as it was"
        before = after


async def test_a_kill_at_any_instant_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """20 kills in one shoot: what was committed stays, no event is there twice, and it remains one session."""
    rng = random.Random(4)
    shoot = plan_shoot(5, length_s=200, pace=SPEED, telemetry_rate=40)
    async with serve(shoot, speed=SPEED, patient=True) as (rehearsal, port):
        await kill_again_and_again(tmp_path, rehearsal, f"ws://127.0.0.1:{port}/ws/control", rng)
    entries = kept(tmp_path)
    truth = rehearsal.truth()
    assert rehearsal.received_from_clients == 0

    events = [item.entry for item in entries if item.entry.op == "event"]
    assert len({entry.key for entry in events}) == len(events)
    sessions = [item.entry for item in entries if item.entry.op == "session"]
    assert len({entry.key for entry in sessions}) == 1
    assert len({entry.fields["startedAt"] for entry in sessions}) == 1
    assert sessions[-1].fields["status"] == "complete"
    versions = [entry.version for entry in sessions]
    assert versions == sorted(set(versions))

    counts = kinds(entries)
    # A life too short to hear what is on leaves its gap to the next one: how many there are depends on the machine.
    assert 1 <= counts["gap"] <= KILLS + 1
    assert sessions[-1].fields["finalState"]["gaps"] == counts["gap"]
    # What was on its way when the process died is inside a gap; nothing may be told that did not happen.
    # A still whose capture was on its way is told by its upload, at that time, and says so: it did happen.
    stills = {still.still_id for still in truth.stills}
    told_late = [
        entry
        for entry in events
        if entry.fields["kind"] == "still_capture"
        and entry.fields["detail"].get("inferred")
        and entry.fields["detail"]["stillId"] in stills
    ]
    result = score(truth, [item.entry for item in entries if item.entry not in told_late])
    wrong = {name: kind for name, kind in result.kinds.items() if name != "gap" and kind.invented + kind.doubled}
    assert wrong == {}, result.explain()
    assert sum(kind.matched for kind in result.kinds.values()) > 20


async def test_what_no_journal_can_keep_is_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With its reason and its file; the log, health, and nothing else of the recording."""
    configure_logs("info", "json")

    async def until(service: Service) -> None:
        for number in range(3):
            unfit = Entry("v/1/x", "session", "v/1", 10**19, {"n": number})
            service.writer.submit([unfit, Entry(f"v/1/{number}", "event", "v/1", 1, {})], None)
        await look_until(lambda: service.writer.set_aside == 3 and not service.writer.waiting)
        service._changes.look()
        service._changes.look()
        assert [reason.name for reason in health(service.parts).reasons if reason.name == "unkept"] == ["unkept"]

    assert await serve_in_process(settings(tmp_path), until) == 0
    lines = [line for line in told(capsys) if "cannot save" in line["message"]]
    assert [(line["entries"], line["file"]) for line in lines] == [(3, str(tmp_path / "state" / "set-aside.jsonl"))]
    assert "too large" in lines[0]["why"]
    assert [item.entry.key for item in kept(tmp_path)] == ["v/1/0", "v/1/1", "v/1/2"]


# ---------------------------------------------------------------------------------------------- found at a start


def stopped_at_once(given: Settings) -> int:
    return daemon.run(given, on_ready=Service.stop)


def test_a_state_directory_on_a_network_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """At every start, with what to do; the recording goes on."""
    monkeypatch.setattr(daemon, "network_filesystem", lambda path: f"nfs4 (nas:{path.name})")
    assert stopped_at_once(settings(tmp_path)) == 0
    (line,) = [line for line in told(capsys) if line["level"] == "warning"]
    assert (line["filesystem"], line["directory"]) == ("nfs4 (nas:state)", str(tmp_path / "state"))
    assert "TAP_STATE_DIR" in line["next_step"]


@pytest.mark.parametrize("cut", [True, False])
def test_a_journal_that_is_gone_or_empty_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str], cut: bool) -> None:
    """It is begun anew, and not without a word."""
    assert stopped_at_once(settings(tmp_path)) == 0
    capsys.readouterr()
    journal = tmp_path / "state" / "journal.db"
    os.truncate(journal, 0) if cut else journal.unlink()

    async def until(service: Service) -> None:
        service._changes.look()
        service._changes.look()

    configure_logs("info", "json")
    # The first was on a loop of its own.
    assert anyio.run(serve_in_process, settings(tmp_path), until) == 0
    (line,) = [line for line in told(capsys) if line["level"] == "warning"]
    assert line["message"].startswith("the journal was empty" if cut else "the journal's file was missing")
    assert "rederive" in line["next_step"]


def test_an_id_that_cannot_be_kept_is_no_fault_of_the_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A full disk at the start, say, and the id's file gone: the session that ran goes on where it was."""
    given = settings(tmp_path)
    before = Pipeline(load_dialect("multicam/1"), venue=given.venue, tap="0123456789ab")
    stamp = Stamp(1_795_000_000_000, 0)
    before.feed(Opened(stamp, 1))
    for text in SHOOT:
        before.feed(Frame(text.encode(), stamp, 1))
    with Journal.open(given.journal_path, owner=True) as journal:
        tap_id = journal.tap_id()
        journal.append([], before.checkpoint(), 1)
    (tmp_path / "state" / "tap-id").unlink()

    def full(*_: object) -> None:
        raise JournalError("cannot be written: No space left on device")

    monkeypatch.setattr("tap.adapters.journal.outbox.keep_tap_id", full)
    service = Service(given, load_dialect("multicam/1"), Journal.open(given.journal_path, owner=True))
    try:
        assert service.pipeline.state.session is not None
        assert service.flight._writer._header.tap == tap_id
    finally:
        service.flight.stop(300)
        service.writer.stop(300)
        service.journal.close()
    assert not list((tmp_path / "state").glob("checkpoint-*"))
    assert told(capsys) == []


@pytest.mark.parametrize(
    "data", [b'{"phase":"nowhere"}', b"no JSON", b'{"reader":[1,2,3],"phase":"waiting","wall":"x"}']
)
def test_a_checkpoint_that_cannot_be_used_is_moved_aside(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], data: bytes
) -> None:
    """The tap starts anew, says so, and keeps the file."""
    given = settings(tmp_path)
    with Journal.open(given.journal_path, owner=True) as journal:
        journal.append([], data, 1)
    assert stopped_at_once(given) == 0
    (line,) = [line for line in told(capsys) if line["level"] == "warning"]
    assert line["message"] == "the checkpoint was moved aside: the tap starts afresh"
    assert Path(line["file"]).read_bytes() == data


def test_a_checkpoint_on_which_the_tap_trips_is_moved_aside_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It reads well, and going on from it fails: else no start would ever succeed."""
    given = settings(tmp_path)
    data = Pipeline(load_dialect("multicam/1"), venue=given.venue, tap="0123456789ab").checkpoint()
    with Journal.open(given.journal_path, owner=True) as journal:
        journal.append([], data, 1)
    resume, calls = Pipeline.resume, 0

    def trips(pipeline: Pipeline, wall: int, away: int | None = None, *, doubtful: bool = False) -> Stamp:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise KeyError("program")
        return resume(pipeline, wall, away, doubtful=doubtful)

    monkeypatch.setattr(Pipeline, "resume", trips)
    assert stopped_at_once(given) == 0
    (line,) = [line for line in told(capsys) if line["level"] == "warning"]
    assert "KeyError" in line["why"]
    assert Path(line["file"]).read_bytes() == data
