"""Virtual time: nobody waits for it, it keeps its order, and what a thread does comes before what time brings."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from tests.faults import indoor_threads
from tests.faults.paper import Paper
from tests.faults.virtual import TIME, Loop, real_time


def _run(body: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(body)


def test_hours_pass_in_their_order() -> None:
    """Each timer goes off at its own time, to the millisecond; a test that waited would end by its own deadline."""
    happened: list[tuple[str, int]] = []
    since = TIME.now

    async def sleeps(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        happened.append((name, round((TIME.now - since) / 1e9)))

    async def body() -> None:
        await asyncio.gather(sleeps("day", 86_400), sleeps("second", 1), sleeps("hour", 3_600))

    _run(body())
    assert happened == [("second", 1), ("hour", 3_600), ("day", 86_400)]


def test_a_thread_that_is_waited_for_holds_time_up() -> None:
    """However long it takes, by its own clock."""
    happened: list[str] = []

    async def body() -> None:
        async def timer() -> None:
            await asyncio.sleep(1)
            happened.append("a second")

        waiting = asyncio.create_task(timer())
        await asyncio.to_thread(threading.Event().wait, 0.2)
        happened.append("the thread")
        await waiting

    _run(body())
    assert happened == ["the thread", "a second"]


def test_a_thread_that_pauses_wakes_up_in_its_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour of a thread's own costs none, and nothing later comes before it; a bell wakes it at once."""
    monkeypatch.setattr(TIME, "threads", [*TIME.threads, indoor_threads._busy])
    monkeypatch.setattr(TIME, "alarms", [*TIME.alarms, indoor_threads._next])
    happened: list[tuple[str, int]] = []
    since, bell = TIME.now, indoor_threads._Event()

    def note(what: str) -> None:
        happened.append((what, round((TIME.now - since) / 3.6e12)))

    def pauses() -> None:
        note(f"begins, {bell.wait(3_600)}")
        note(f"waits, {bell.wait(36_000)}")

    async def body() -> None:
        thread = threading.Thread(target=pauses)
        thread.start()
        while thread not in indoor_threads._asleep:
            await asyncio.to_thread(threading.Event().wait, 0.001)
        await asyncio.sleep(2 * 3_600)
        note("the loop")
        await asyncio.sleep(3_600)
        bell.set()
        await asyncio.to_thread(thread.join)

    _run(body())
    assert happened == [("begins, False", 1), ("the loop", 2), ("waits, True", 3)]


def test_a_seed_for_real_clocks_is_not_played_here() -> None:
    """Its ledger is a process, whose answers no clock of this one waits for."""
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.virtual", "31"], cwd=root, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "python -m tests.faults.seeds 31" in done.stderr


def test_beside_another_process_time_goes_as_it_does() -> None:
    """A timer of a year does not go off while a command of the operator is waited for."""
    happened: list[str] = []

    async def body() -> None:
        loop = asyncio.get_running_loop()
        year = loop.call_later(365 * 86_400, happened.append, "a year")
        with real_time():
            process = await asyncio.create_subprocess_exec(sys.executable, "-c", "")
            await process.wait()
            happened.append("the command")
        year.cancel()

    _run(body())
    assert happened == ["the command"]


def test_a_ledger_on_paper_answers_as_one_does() -> None:
    """Applied, then known; an older version is stale; a forgotten session is rejected, and its rows are gone."""
    paper = Paper()
    venue = paper._venues[paper.venue()]

    def told(version: int, **fields: Any) -> str:
        entry = {"key": "venue-0/s", "op": "session", "sessionKey": "venue-0/s", "version": version, "fields": fields}
        args = {"accessKey": next(iter(paper._keys)), "entries": [entry]}
        said = paper._answer(json.dumps({"path": "production:ingest", "args": args}).encode())
        return str(said["value"][0]["outcome"])

    assert told(5, status="live", startedAt=1) == "applied"
    assert told(5, status="live", startedAt=1) == "duplicate"
    assert told(4, status="live", startedAt=1) == "stale"
    assert [row.version for row in paper.rows("venue-0")] == [5]
    venue.rows.clear()
    venue.forgotten.add("venue-0/s")
    assert told(9, status="live", startedAt=1) == "rejected"


def test_a_seed_is_played_in_a_process_of_its_own() -> None:
    """One line of JSON, with what came of it."""
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.virtual", "8"], cwd=root, capture_output=True, text=True, check=True
    )
    (line,) = done.stdout.splitlines()
    said = json.loads(line)
    assert said["seed"] == 8
    assert (said["outcome"]["tried"], said["outcome"]["failures"]) == (1, [])
