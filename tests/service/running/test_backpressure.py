"""What waits for a disk that takes nothing is bounded: telemetry goes first, then control frames, told as a gap."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import structlog.testing
from websockets.asyncio.server import ServerConnection

from tap.adapters.clock import Clock
from tap.adapters.dialects import load_dialect
from tap.adapters.journal import Journal, JournalWriter
from tap.core.errors import JournalError
from tap.core.mapping import Verdict
from tap.core.merge import fold
from tap.core.model import Alive, Closed, Entry, Frame, Opened, SourceItem
from tap.core.pipeline import Pipeline
from tap.service.running.daemon import Service
from tap.service.running.ingest import Ingest
from tap.service.running.journal_pruner import JournalPruner
from tests.service.running.test_daemon import kinds, look_until, serve_in_process, server, settings

MOST = 1_000_000
POSE = b'{"type":"pose","data":1}'


class Disk:
    """A disk that takes what it is told to."""

    waiting_bytes = 0
    stalled_for = 0.0
    wants_all = False


class Desk:
    def __init__(self) -> None:
        self.disk = Disk()
        self.clock = Clock()
        self.entries: list[Entry] = []
        self.recorded: list[tuple[SourceItem, Verdict | None]] = []
        self.pipeline = Pipeline(load_dialect("multicam/1"), venue="hall", tap="tap")
        self.ingest = Ingest(
            self.pipeline,
            lambda entries, _: self.entries.extend(entries),
            self.clock,
            record=lambda item, verdict, _: self.recorded.append((item, verdict)),
            backlog=self.disk,
            most_waiting=MOST,
        )

    def says(self, **fields: Any) -> None:
        self.raw(json.dumps(fields).encode())

    def raw(self, data: bytes) -> None:
        self.ingest.on_item(Frame(data, self.clock.stamp(), 1))

    def state(self, program: str = "c1") -> None:
        self.says(type="state", session={"id": "s1"}, program=program, mode="performance", cameras=[{"id": "c1"}])

    async def begins(self) -> None:
        self.ingest.on_item(Opened(self.clock.stamp(), 1))
        self.says(type="state", session=None, mode="performance", cameras=[])
        self.says(type="session_started", session={"id": "s1"})
        self.state()
        await self.turn()

    async def turn(self) -> None:
        self.ingest.flush()
        await asyncio.sleep(0)

    async def fills(self, part: float, stalled_for: float = 60.0) -> None:
        self.disk.waiting_bytes, self.disk.stalled_for = int(MOST * part), stalled_for
        await self.turn()

    def kinds(self) -> list[str]:
        return [str(row.fields["kind"]) for row in fold(self.entries).values() if row.op == "event"]

    @property
    def gaps(self) -> list[Any]:
        return [row.fields["detail"] for row in fold(self.entries).values() if row.fields.get("kind") == "gap"]


async def test_telemetry_goes_first_and_only_while_much_waits() -> None:
    """Half way to the bound telemetry is let go and counted; cuts are not, and nothing is a gap."""

    desk = Desk()
    await desk.begins()
    desk.raw(POSE)
    assert (desk.ingest.dropped_telemetry, desk.pipeline.tally.telemetry) == (0, 1)
    await desk.fills(0.6)
    desk.raw(POSE)
    desk.says(type="cut", to="c2")
    assert (desk.ingest.dropped_telemetry, desk.pipeline.tally.telemetry) == (1, 1)
    desk.disk.waiting_bytes = 0
    await look_until(lambda: not desk.ingest._crowded)
    desk.raw(POSE)
    await desk.turn()
    assert (desk.ingest.dropped_telemetry, desk.ingest.dropped_control) == (1, 0)
    assert desk.kinds() == ["cut"]


async def test_control_frames_stay_while_the_disk_takes_anything() -> None:
    """A burst beyond the bound is no loss, as long as commits get through."""

    desk = Desk()
    await desk.begins()
    await desk.fills(3.0, stalled_for=0.2)
    desk.says(type="cut", to="c2")
    await desk.turn()
    assert (desk.ingest.dropped_control, desk.kinds()) == (0, ["cut"])


@pytest.mark.parametrize("meanwhile", ["nothing", "another connection", "no connection"])
async def test_what_is_let_go_is_one_gap_of_its_own(meanwhile: str) -> None:
    """Frames that memory had no room for are counted; once the disk takes again, exactly one gap tells both sides."""

    desk = Desk()
    await desk.begins()
    await desk.fills(1.0)
    for camera in ("c2", "c3", "c2"):
        desk.says(type="cut", to=camera)
    if meanwhile != "nothing":
        desk.ingest.on_item(Closed(desk.clock.stamp(), 1, "gone"))
    if meanwhile == "another connection":
        desk.ingest.on_item(Opened(desk.clock.stamp(), 2))
    desk.state("c2")
    assert desk.ingest.dropped_control == 4
    assert desk.kinds() == []
    await desk.fills(0.0)
    await look_until(lambda: not desk.ingest._blind)
    if meanwhile == "no connection":
        desk.ingest.on_item(Opened(desk.clock.stamp(), 2))
    desk.state("c2")
    desk.says(type="cut", to="c4")
    await desk.turn()
    assert desk.kinds() == ["gap", "cut"]
    (gap,) = desk.gaps
    assert gap["cause"] == "overflow"
    assert gap["before"]["programCameraId"] == "c1"
    assert gap["after"]["programCameraId"] == "c2"
    assert desk.ingest.dropped_control == 4


async def test_a_disk_that_fails_again_before_anything_was_heard_is_the_same_gap() -> None:
    desk = Desk()
    await desk.begins()
    for _ in range(3):
        await desk.fills(1.0)
        desk.says(type="cut", to="c2")
        await desk.fills(0.0)
        await look_until(lambda: not desk.ingest._blind)
    desk.state()
    await desk.turn()
    assert desk.kinds() == ["gap"]


async def test_the_tapes_get_what_the_journal_cannot() -> None:
    """What is let go is still given to the flight recorder, whose disk may be another; time goes on meanwhile."""

    desk = Desk()
    await desk.begins()
    await desk.fills(1.0)
    before = len(desk.recorded)
    desk.says(type="cut", to="c2")
    desk.raw(POSE)
    desk.ingest.on_item(Alive(desk.clock.stamp()))
    desk.ingest.on_item(Closed(desk.clock.stamp(), 1, "gone"))
    told = desk.recorded[before:]
    assert [type(item) for item, _ in told] == [Frame, Closed]
    assert not any(getattr(item, "reason", None) == "frames lost" for item, _ in desk.recorded)


# ---------------------------------------------------------------------------------------------- the journal's size


async def test_a_journal_beyond_its_bound_lets_go_of_what_the_ledger_has(tmp_path: Path) -> None:
    """Shipped entries go early; what the ledger has not stays, turns the state red, and is told once."""
    given = settings(tmp_path, TAP_JOURNAL_MEGABYTES="1")
    entries = [Entry(f"v/s/{n}", "event", "v/s", n, {"kind": "cut", "pad": "x" * 1000}) for n in range(1, 3_001)]
    with Journal.open(given.journal_path, owner=True) as journal:
        journal.append(entries, None, 1)
        journal.settle([(n, "shipped", None) for n in range(1, 2_801)], 10**13)
        writer = JournalWriter(journal)
        upkeep = JournalPruner(writer, given)
        with structlog.testing.capture_logs() as log:
            await upkeep.tidy()
            assert (upkeep.full, log) == (None, [])
            assert 100_000 < upkeep.size < 10**6
            kept = writer.run_in_writer(lambda journal: journal.counts()).result(300)
            assert kept["pending"] == 200
            assert 0 < kept["shipped"] < 2_800

            writer.submit([Entry(f"v/t/{n}", "event", "v/t", n, {"pad": "x" * 1000}) for n in range(2_000)], None)
            await upkeep.tidy()
            await upkeep.tidy()
            assert "MB that the ledger does not have" in (upkeep.full or "")
            assert writer.run_in_writer(lambda journal: journal.counts()).result(300)["pending"] == 2_200
            writer.run_in_writer(
                lambda journal: journal.settle([(one.seq, "shipped", None) for one in journal.pending(5_000)], 10**13)
            ).result(300)
            await upkeep.tidy()
        assert upkeep.full is None
        assert [line["event"] for line in log] == [
            "the journal is over its size limit",
            "the journal is below its size limit again",
        ]
        assert writer.stop(300)


# ---------------------------------------------------------------------------------------------- the whole service

SHOOT = (
    '{"type":"hello","server":"s","boot_id":"b1"}',
    '{"type":"state","seq":1,"session":null,"program":"c1","mode":"idle","cameras":[{"id":"c1"},{"id":"c2"}]}',
    '{"type":"session_started","seq":2,"session":{"id":"s1","title":"Film"}}',
)


async def test_the_service_on_a_disk_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames go on being read and memory stays within its bound; then all that was taken is kept, with one gap."""
    append = Journal.append
    hangs = False

    def appended(*what: Any) -> int:
        if hangs:
            raise JournalError("the disk is full", where="journal.db")
        return append(*what)

    monkeypatch.setattr(Journal, "append", appended)
    cuts = 0
    told: list[int] = []

    begin, enough, again = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def handler(connection: ServerConnection) -> None:
        nonlocal cuts
        for frame in SHOOT:
            await connection.send(frame)
        await begin.wait()
        while not enough.is_set():
            cuts += 1
            camera = f"{'x' * 300}{cuts % 2}"
            await connection.send(f'{{"type":"cut","seq":{cuts + 2},"to":"{camera}","cut_id":{cuts}}}')
            await asyncio.sleep(0.001)
        await again.wait()
        await connection.send(f'{{"type":"state","seq":{cuts + 3},"session":{{"id":"s1"}},"program":"c1"}}')
        await connection.send(f'{{"type":"cut","seq":{cuts + 4},"to":"c2","cut_id":"last"}}')
        await connection.wait_closed()

    async def until(service: Service) -> None:
        nonlocal hangs
        await look_until(lambda: service.pipeline.tally.frames == 3 and service.writer.waiting == 0)
        hangs = True
        begin.set()
        await look_until(lambda: service.ingest.dropped_control > 200)
        told.append(service.writer.waiting_bytes)
        enough.set()
        await look_until(lambda: service.pipeline.tally.frames + service.ingest.dropped_control == 3 + cuts)
        hangs = False
        await look_until(lambda: service.writer.waiting == 0 and not service.ingest._blind)
        again.set()
        await look_until(lambda: service.pipeline.state.program.value == "c2" and service.writer.waiting == 0)

    async with server(handler) as url:
        given = settings(tmp_path, url, TAP_MEMORY_MEGABYTES="1", TAP_OPS_LISTEN="off")
        assert await serve_in_process(given, until) == 0
    assert told[0] < 2_000_000
    with Journal.open(tmp_path / "state" / "journal.db", readonly=True) as journal:
        entries = list(journal.entries())
    counts = kinds(entries)
    assert counts["gap"] == 1
    assert 50 < counts["cut"] < cuts
    (gap,) = (one.entry.fields for one in entries if one.entry.fields.get("kind") == "gap")
    assert gap["detail"]["cause"] == "overflow"


ON_A_SMALL_DISK = """
import asyncio, os, sys
from pathlib import Path
sys.path.insert(0, os.getcwd())
from tests.service.running.test_backpressure import on_a_small_disk
asyncio.run(asyncio.wait_for(on_a_small_disk(Path(sys.argv[1])), 300))
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Callable[[str], subprocess.CompletedProcess[str]]:
    """Runs a program in a mount namespace of its own, with a disk of 2 MB at ``tmp_path/disk``."""
    if shutil.which("unshare") is None or os.geteuid() != 0:
        pytest.skip("a small disk is mounted by root, with unshare")
    disk = tmp_path / "disk"
    disk.mkdir()
    probe = ["unshare", "-m", "mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not allowed here")

    def run(program: str) -> subprocess.CompletedProcess[str]:
        script = f'mount -t tmpfs -o size=2m tmpfs "{disk}" && exec "{sys.executable}" -c "$PROGRAM" "{disk}"'
        command = ["unshare", "-m", "sh", "-c", script]
        environ = os.environ | {"PROGRAM": program}
        return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=300, check=False)

    return run


def test_a_disk_that_is_really_full_for_a_while(small_disk: Callable[[str], subprocess.CompletedProcess[str]]) -> None:
    """Everything waits in memory, the state says why, and all of it is kept once there is room."""
    done = small_disk(ON_A_SMALL_DISK)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "kept 300 cuts" in done.stdout


async def on_a_small_disk(disk: Path) -> None:
    """In the namespace with the small disk: a shoot, in the middle of which somebody fills it."""
    full, sent = asyncio.Event(), asyncio.Event()

    async def handler(connection: ServerConnection) -> None:
        for frame in SHOOT:
            await connection.send(frame)
        await full.wait()
        for n in range(300):
            await connection.send(f'{{"type":"cut","seq":{n + 3},"to":"c{n % 2 + 2}","cut_id":{n}}}')
        await (await connection.ping())
        sent.set()
        await connection.wait_closed()

    async def until(service: Service) -> None:
        await look_until(lambda: service.pipeline.tally.frames == 3 and service.writer.waiting == 0)
        filler = disk / "somebody-elses-film"
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 4096)
            except OSError:
                pass
        full.set()
        await sent.wait()
        await look_until(lambda: service.writer.failing is not None and service.flight.failing is not None)
        assert "full" in str(service.writer.failing)
        assert service.ingest.dropped_control == 0
        filler.unlink()
        await look_until(lambda: service.writer.waiting == 0 and service.flight.failing is None)
        await look_until(lambda: service.flight.waiting_bytes == 0)
        assert (service.writer.failing, service.flight.dropped) == (None, 0)

    async with server(handler) as url:
        given = settings(disk, url, TAP_OPS_LISTEN="off", TAP_LOG_LEVEL="error")
        assert await serve_in_process(given, until) == 0
    with Journal.open(given.journal_path, readonly=True) as journal:
        counts = kinds(list(journal.entries()))
    assert counts["gap"] == 0
    print(f"kept {counts['cut']} cuts")
