"""The simulator is a real server: what it plays over sockets is what it planned, and it notices who speaks."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
from collections import Counter
from pathlib import Path

import pytest
from msgspec.structs import replace
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tap.core.errors import TapError
from tap.rehearsal.performance import truth_of_shoot
from tap.rehearsal.shoot import plan_shoot
from tap.rehearsal.simulator import Rehearsal, SimulatorOptions, run_simulator, serve
from tap.rehearsal.truth import Down, Missed, read_truth
from tap.rehearsal.world import Drop, Send, Shoot

FAST = 1000.0


def short(*faults: str, telemetry_rate: float = 0.0) -> Shoot:
    return plan_shoot(6, length_s=20, faults=faults, pace=FAST, telemetry_rate=telemetry_rate)


async def hear(url: str) -> list[str | bytes]:
    """Everything that one connection hears."""
    heard: list[str | bytes] = []
    async with connect(url, compression=None, max_size=None) as client:
        await _listen(client, heard)
    return heard


async def _listen(client: ClientConnection, heard: list[str | bytes]) -> None:
    with contextlib.suppress(ConnectionClosed):
        while True:
            heard.append(await client.recv())


async def hear_on(url: str, playing: asyncio.Task[None]) -> list[str | bytes]:
    """Everything that a stubborn client hears, over all its connections."""
    heard: list[str | bytes] = []
    while not playing.done():
        try:
            heard += await hear(url)
        except (InvalidStatus, OSError):
            await asyncio.sleep(0.001)
    return heard


async def test_two_clients_hear_the_same() -> None:
    """Both get hello, state and every frame of the script, garbage too; neither says a thing."""

    shoot = short("garbage", "stale_state", telemetry_rate=50)
    async with serve(shoot, speed=FAST, clients=2) as (rehearsal, port):
        url = f"ws://127.0.0.1:{port}/ws/control"
        one, two, _ = await asyncio.gather(hear(url), hear(url), rehearsal.play())
    assert one[2:] == two[2:]
    for heard in (one, two):
        assert [json.loads(frame)["type"] for frame in heard[:2]] == ["hello", "state"]
    assert [frame for frame in one if '"values"' not in str(frame) and '"sdp"' not in str(frame)][2:] == [
        step.data for step in shoot.steps if hasattr(step, "data")
    ]
    assert rehearsal.telemetry_sent > 500
    assert rehearsal.received_from_clients == 0


async def test_a_live_truth_without_drops_is_the_planned_one() -> None:
    """Nothing was missed, so events, cameras and rows are those of the tape."""

    shoot = short("ghost_program", "late_join", "still_disorder")
    async with serve(shoot, speed=FAST) as (rehearsal, port):
        await asyncio.gather(hear(f"ws://127.0.0.1:{port}/ws/control"), rehearsal.play())
    # Played so fast, the receiver's own clock does not bear out how long a hold lasted: only one truth has that.
    live, planned = (
        [re.sub(r'"durationMs":\d+,', "", line) for line in truth.lines()]
        for truth in (rehearsal.truth(), truth_of_shoot(shoot))
    )
    assert live == planned


async def test_who_speaks_is_counted() -> None:
    """A data frame from a client is noticed, so that a test can insist on silence."""

    async with serve(short()) as (rehearsal, port):
        async with connect(f"ws://127.0.0.1:{port}/ws/control") as client:
            await client.send("hello?")
            await client.ping()
        await client.wait_closed()
    assert rehearsal.received_from_clients == 1


async def test_drops_are_real() -> None:
    """Each planned drop ends the connection; a client that comes back is greeted, and every loss is a gap."""

    shoot = plan_shoot(1, length_s=10, faults=["reconnect", "restart"], pace=200)
    async with serve(shoot, speed=200, patient=True) as (rehearsal, port):
        playing = asyncio.ensure_future(rehearsal.play())
        heard = await hear_on(f"ws://127.0.0.1:{port}/ws/control", playing)
        await playing
    drops = sum(isinstance(step, Drop) for step in shoot.steps)
    greetings = [frame for frame in heard if '"type":"hello"' in str(frame)]
    assert len(greetings) == 1 + drops
    assert sum(isinstance(item, Down) for item in rehearsal.items) == 1 + drops
    assert any(isinstance(item, Missed) for item in rehearsal.items)
    planned, live = truth_of_shoot(shoot), rehearsal.truth()
    # When a client is back, and so where a gap stands among the rest, is for the machine to say, not for the plan.
    shape = Counter((e.kind, str(e.camera_id)) for e in planned.events)
    assert Counter((e.kind, str(e.camera_id)) for e in live.events) == shape
    assert [(row.status, row.end_reason) for row in live.sessions] == [
        (row.status, row.end_reason) for row in planned.sessions
    ]


async def test_a_stale_state_does_not_outlast_a_pause_of_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that waits for a client does not tell it then what was late by a moment when the clock stood still."""

    stopped = asyncio.Event()
    gather = Rehearsal._gather

    async def noted(rehearsal: Rehearsal, patience_s: float | None) -> None:
        if patience_s is not None:
            stopped.set()
        await gather(rehearsal, patience_s)

    monkeypatch.setattr(Rehearsal, "_gather", noted)
    shoot = short("stale_state")
    place = next(n for n, step in enumerate(shoot.steps) if isinstance(step, Send) and _is_stale(step))
    before, stale, after = shoot.steps[place - 1 : place + 2]
    assert isinstance(before, Send)
    assert isinstance(stale, Send)
    assert isinstance(after, Send)
    # The server notices that its client is gone before it is time for the stale state.
    later = (replace(step, at=step.at + 1_000 * int(FAST)) for step in (stale, after))
    shoot = replace(shoot, steps=(*shoot.steps[:place], *later))
    async with serve(shoot, speed=FAST, patient=True) as (rehearsal, port):
        playing = asyncio.ensure_future(rehearsal.play())
        async with connect(f"ws://127.0.0.1:{port}/ws/control") as client:
            while await client.recv() != before.data:
                pass
        await stopped.wait()
        heard = await hear(f"ws://127.0.0.1:{port}/ws/control")
        await playing
    assert after.data in heard
    assert stale.data not in heard


def _is_stale(step: Send) -> bool:
    return any(part.fact is not None and part.fact.kind == "stale" for part in step.parts)


async def test_a_server_that_is_away_or_asked_for_something_else_refuses() -> None:
    """Another path is not found; after the end nobody is let in."""

    async with serve(short(), speed=FAST, wait_for_client=False) as (rehearsal, port):
        with pytest.raises(InvalidStatus, match="404"):
            await hear(f"ws://127.0.0.1:{port}/elsewhere")
        await rehearsal.play()
        with pytest.raises(InvalidStatus, match="503"):
            await hear(f"ws://127.0.0.1:{port}/ws/control")
    assert all(not event.carried for event in rehearsal.truth().events)


async def test_a_rehearsal_stays_at_home() -> None:
    """It listens on loopback only, and says so when the port is taken."""

    with pytest.raises(TapError, match="loopback only"):
        async with serve(short(), host="0.0.0.0"):  # noqa: S104
            pass
    with pytest.raises(TapError, match="speed is -1"):
        async with serve(short(), speed=-1):
            pass
    async with serve(short()) as (_, port):
        with pytest.raises(TapError, match="cannot listen"):
            async with serve(short(), port=port):
                pass


async def test_the_command_writes_truth_and_tape(tmp_path: Path) -> None:
    """One call plays a shoot from the clock of now, and leaves both files."""

    ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    options = SimulatorOptions(
        seed=4,
        length_s=10,
        speed=FAST,
        faults=("repeats",),
        truth=tmp_path / "truth.jsonl",
        tape=tmp_path / "tape.jsonl",
        on_ready=ready.set_result,
    )
    playing = asyncio.ensure_future(run_simulator(options))
    heard = await hear(f"ws://127.0.0.1:{await ready}/ws/control")
    assert await playing == 0
    truth = read_truth((tmp_path / "truth.jsonl").read_text(encoding="utf-8").splitlines())
    assert truth.sessions[0].status == "complete"
    lines = [json.loads(line) for line in (tmp_path / "tape.jsonl").read_text(encoding="utf-8").splitlines()]
    quiet = [frame for frame in heard if '"values"' not in str(frame) and '"sdp"' not in str(frame)]
    assert [line["data"] for line in lines if "data" in line] == quiet
    assert lines[0]["venue"] == "rehearsal"


async def test_bad_options_are_refused_before_anything_listens(tmp_path: Path) -> None:
    """An unknown fault, an address that is not at home, a place that cannot be written to."""
    with pytest.raises(TapError, match="unknown fault: gremlins"):
        await run_simulator(SimulatorOptions(faults=("gremlins",)))
    with pytest.raises(TapError, match="loopback only"):
        await run_simulator(SimulatorOptions(host="192.0.2.1"))
    nowhere = tmp_path / "no" / "such"
    options = SimulatorOptions(length_s=1, speed=FAST, wait_for_client=False, truth=nowhere)
    with pytest.raises(TapError, match="cannot write"):
        await run_simulator(options)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_it_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    """Clients are told goodbye, and the truth so far is written."""

    ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    options = SimulatorOptions(truth=tmp_path / "truth.jsonl", on_ready=ready.set_result)
    playing = asyncio.ensure_future(run_simulator(options))
    async with connect(f"ws://127.0.0.1:{await ready}/ws/control") as client:
        await client.recv()
        os.kill(os.getpid(), number)
        await _listen(client, [])
        assert client.close_code == 1001
    assert await playing == 0
    assert read_truth((tmp_path / "truth.jsonl").read_text(encoding="utf-8").splitlines()).header.seed == 1
