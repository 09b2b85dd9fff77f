"""A tape of a live server: what came, with connects and drops, without secrets and telemetry."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as websocket_server

from tap.adapters.dialects import load_dialect
from tap.adapters.server import ServerSocket, Timing
from tap.adapters.tape import open_tape
from tap.core.codec import entry_json
from tap.core.errors import ServerError, TapeInvalid
from tap.core.model import Alive, Closed, Entry, Frame, Opened, SourceItem
from tap.core.pipeline import Pipeline
from tap.rehearsal.shoot import plan_shoot
from tap.rehearsal.simulator import serve
from tap.service.tools import record as recording
from tap.service.tools.record import Recorded, record

DIALECT = load_dialect("multicam/1")
QUICK = Timing(first_delay=0.005)


def lines(tape: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in tape.read_text().splitlines()]


async def talk(connection: ServerConnection) -> None:
    """A server that says a bit of everything, then drops the line."""
    await connection.send('{"type":"hello","token":"hush"}')
    await connection.send('{"type":"still_uploaded","camera_id":"c1","url":"https://u:hush@h/x.jpg?sig=hush"}')
    await connection.send('{"type":"pose","x":1}')
    await connection.send(b"\x00 password=hush \xff")
    await connection.close(1012, "update")


async def test_it_records_what_came(tmp_path: Path) -> None:
    """Header, connects, drops, text and binary frames; no secret, no telemetry unless asked for."""
    tape = tmp_path / "a.jsonl"

    async def body(telemetry: bool) -> Recorded:
        stop = asyncio.Event()
        lives = 0

        async def handler(connection: ServerConnection) -> None:
            nonlocal lives
            lives += 1
            if lives == 3:
                stop.set()
            await talk(connection)

        async with websocket_server(handler, "127.0.0.1", 0) as server:
            url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/"
            return await record(
                url,
                tape,
                dialect=DIALECT,
                venue="hall",
                force=True,
                telemetry=telemetry,
                until=stop.wait,
                timing=QUICK,
            )

    recorded = await body(telemetry=False)
    assert "hush" not in tape.read_text()
    header, *rest = lines(tape)
    assert (header["tape"], header["dialect"], header["venue"]) == (1, "multicam/1", "hall")
    assert [line.get("event") or line["dir"] for line in rest[:5]] == ["open", "in", "in", "in", "close"]
    assert "data64" in rest[3]
    assert rest[4]["reason"] == "the server restarts (1012: update)"
    assert recorded.telemetry >= 2
    assert recorded.frames >= 6
    assert recorded.connections >= 2

    await body(telemetry=True)
    assert "pose" in tape.read_text()


async def test_a_tape_is_not_replaced_unless_told_to(tmp_path: Path) -> None:
    tape = tmp_path / "a.jsonl"
    tape.write_text("mine")
    with pytest.raises(TapeInvalid, match="--force"):
        await record("ws://127.0.0.1:1/", tape, dialect=DIALECT, duration=0.05)
    assert tape.read_text() == "mine"


async def test_an_address_that_is_none_makes_no_tape(tmp_path: Path) -> None:
    with pytest.raises(ServerError):
        await record("nonsense", tmp_path / "a.jsonl", dialect=DIALECT)
    assert list(tmp_path.iterdir()) == []


async def test_a_server_that_is_away_is_waited_for(tmp_path: Path) -> None:
    """After the given time there is an empty tape, and the reason in words."""
    recorded = await record("ws://127.0.0.1:1/", tmp_path / "a.jsonl", dialect=DIALECT, duration=3.0)
    assert recorded.problem == "nothing listens there (connection refused)"
    assert recorded.frames == 0
    assert len(lines(tmp_path / "a.jsonl")) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
async def test_a_full_disk_ends_it_with_a_message() -> None:
    """A tape that cannot be written is no reason to pretend."""

    async with websocket_server(talk, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/"
        with pytest.raises(TapeInvalid, match="make room"):
            await record(url, "/dev/full", dialect=DIALECT, force=True, timing=QUICK)


async def test_alive_lines_and_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it runs the tape on the disk grows, alive lines say when the server was last heard, progress is told."""
    monkeypatch.setattr(recording, "_FLUSH_EVERY_S", 0.02)
    monkeypatch.setattr(recording, "_ALIVE_EVERY_MS", 50)
    tape = tmp_path / "a.jsonl.gz"

    async def handler(connection: ServerConnection) -> None:
        await connection.send('{"type":"pose","x":1}')
        await connection.wait_closed()

    stop = asyncio.Event()
    sizes: list[int] = []
    heard: list[bool] = []

    def on_progress(recorded: Recorded) -> None:
        sizes.append(tape.stat().st_size)
        heard.append(recorded.telemetry > 0)
        if heard.count(True) > 10 and recorded.seconds > 0.3:
            stop.set()

    async with websocket_server(handler, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/"
        recorded = await record(url, tape, dialect=DIALECT, until=stop.wait, on_progress=on_progress)
    assert recorded.telemetry == 1
    assert sizes[0] > 0
    assert sizes[-1] > sizes[0]
    with open_tape(tape) as reader:
        items = list(reader)
    opened, *alive, closed = items
    while isinstance(opened, Alive):  # a busy machine connects late
        opened, *alive = alive
    assert isinstance(opened, Opened)
    lines_heard = [item.heard is not None for item in alive if isinstance(item, Alive)]
    assert lines_heard == sorted(lines_heard), "once something was heard, each of them says when"
    assert lines_heard.count(True) >= 3
    assert isinstance(closed, Closed)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_ctrl_c_ends_the_tape_in_order(tmp_path: Path, number: signal.Signals) -> None:
    """The process ends by itself, with a summary and a tape that is whole."""
    tape = tmp_path / "a.jsonl.gz"
    code = (
        "import sys\n"
        "from tap.adapters.dialects import load_dialect\n"
        "from tap.service.tools.record import record_until_stopped\n"
        "print(record_until_stopped(sys.argv[1], sys.argv[2], dialect=load_dialect('multicam/1')).frames)\n"
    )
    told: list[bytes] = []

    heard = asyncio.Event()

    async def handler(connection: ServerConnection) -> None:
        await connection.send('{"type":"hello"}')
        await (await connection.ping())
        heard.set()
        await connection.wait_closed()

    async with websocket_server(handler, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/"
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, url, str(tape), stdout=subprocess.PIPE
        )
        await heard.wait()
        os.kill(process.pid, number)
        out, _ = await process.communicate()
        told.append(out)
        assert process.returncode == 0
    assert told == [b"1\n"]
    with open_tape(tape) as reader:
        assert [type(item) for item in reader] == [Opened, Frame, Closed]
        assert not reader.torn


async def test_live_and_replay_agree(tmp_path: Path) -> None:
    """What the pipeline made of a shoot as it came, it makes again of the tape, byte for byte."""
    live: list[Entry] = []
    tape = tmp_path / "shoot.jsonl"
    pipeline = Pipeline(DIALECT, venue="hall", tap="t")

    class Tee(ServerSocket):
        """The recorder's socket, to which the pipeline listens too."""

        def __init__(self, url: str, on_item: Any, *args: Any, **options: Any) -> None:
            def both(item: SourceItem) -> None:
                on_item(item)
                live.extend(pipeline.feed(item))

            super().__init__(url, both, *args, **options)

    faults = ("reconnect", "restart", "flap", "stale_state", "garbage", "late_join", "still_disorder")

    async def body() -> None:
        stop = asyncio.Event()
        shoot = plan_shoot(11, length_s=90, faults=faults, pace=40, telemetry_rate=20)
        async with serve(shoot, speed=40, patient=True) as (rehearsal, port):
            url = f"ws://127.0.0.1:{port}/ws/control"
            recording_it = asyncio.create_task(
                record(url, tape, dialect=DIALECT, venue="hall", until=stop.wait, timing=QUICK)
            )
            await rehearsal.play()
        stop.set()
        recorded = await recording_it
        assert recorded.telemetry > 100
        assert rehearsal.received_from_clients == 0

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recording, "ServerSocket", Tee)
        await body()
    again = Pipeline(DIALECT, venue="hall", tap="t")
    with open_tape(tape) as reader:
        replayed = [entry for item in reader for entry in again.feed(item)]
        assert reader.bad_count == 0
    assert len(live) > 30
    assert [entry_json(entry) for entry in replayed] == [entry_json(entry) for entry in live]
