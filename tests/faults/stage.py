"""The stage: taps as processes, a ledger, and a simulator in this process, so that the truth is at hand."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from msgspec import Struct, field, structs

from tap.adapters.journal import Journal, Kept
from tap.adapters.ledger import Ledger
from tap.core.errors import JournalError
from tap.core.merge import Row, fold
from tap.rehearsal.shoot import plan_shoot
from tap.rehearsal.simulator import Rehearsal, serve
from tap.rehearsal.truth import Truth
from tests.contract.local import Local, key_of, local_ledger
from tests.faults.judge import Committed, Loss, judge, judge_committed, plain
from tests.faults.outcome import Outcome
from tests.faults.paper import Paper
from tests.faults.rig import Offset, Rig, begin
from tests.faults.servers import SERVER

__all__ = ["House", "Performance", "Tap", "look_until", "perform", "rows_of", "workshop"]

SLOWER = 1.0
"""How many times longer all that is waited for takes; in virtual time the tap's own waits are those of a venue."""
TIMES_LATER = 1.0
"""How many times later than at a venue something may come: a machine that runs other tests beside is none."""
PATIENCE_S = 300.0
"""For whatever comes within a second on a machine with nothing else to do."""
_ROWS_OF_A_HOUSE = 2_500
_SHIPPED_WITHIN_S = 300.0


async def look_until(enough: Callable[[], object], what: str | Callable[[], str], within: float = PATIENCE_S) -> float:
    """Look again and again until it is so; how many ms that took. ``TimeoutError`` says what is missing."""
    since, pause = time.monotonic(), 0.01 * SLOWER
    while not enough():
        if time.monotonic() - since > within * SLOWER:
            raise TimeoutError(f"not within {within:g} s: {what if isinstance(what, str) else what()}")
        await asyncio.sleep(pause)
        # A look costs something, too: what does not come at once is looked for less often.
        pause = min(0.05 * SLOWER, pause * 1.2)
    return (time.monotonic() - since) * 1000


@contextmanager
def workshop(where: Path | None = None) -> Iterator[Path]:
    """A folder for one round; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="tap-faults-", dir=where, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


# ---------------------------------------------------------------------------------------------- the tap


class Tap:
    """One tap: its state directory, and the processes that lived on it, one after another."""

    def __init__(
        self,
        folder: Path,
        server: str,
        ledger: str | None,
        venue: str,
        rig: Rig | None = None,
        offset: Offset | None = None,
        log: Path | None = None,
        **environ: str,
    ) -> None:
        self.folder = folder
        self.log = log or folder.parent / f"{folder.name}.log"
        self.committed: dict[str, Committed] = {}
        """Every row that was ever seen on its disk."""
        self.longest_stall_ms = 0.0
        self.lives = 0
        self.environ = {
            "TAP_VENUE": venue,
            "TAP_STATE_DIR": str(folder),
            "TAP_SERVER_URL": server,
            "TAP_OPS_LISTEN": "off",
            "TAP_LOG_FORMAT": "json",
            # Here every connection counts, also those of which a log in real life says no more.
            "TAP_LOG_LEVEL": "debug",
            **(
                {} if ledger is None else {"TAP_CONVEX_URL": ledger, "TAP_INGEST_KEY": key_of(venue).get_secret_value()}
            ),
            **environ,
        }
        self._rig = rig or Rig()
        self._offset = offset
        self._process: ForkServerProcess | None = None
        self._seen = 0

    def start(self) -> None:
        self.lives += 1
        self._process = begin(self.environ, self.log, self._rig, self._offset)

    @property
    def process(self) -> ForkServerProcess:
        assert self._process is not None
        return self._process

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    @property
    def lives_on(self) -> bool:
        return self._process is not None and self._process.is_alive()

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    async def kill(self) -> None:
        """Kill -9, and look at what it left."""
        self.process.kill()
        await self.ended()
        self.look()

    async def ended(self, within: float = PATIENCE_S) -> int:
        """Its exit code, once it has ended."""
        await look_until(lambda: self.process.exitcode is not None, "the tap's end", within)
        code = self.process.exitcode
        assert code is not None
        return code

    async def stop(self) -> int:
        """SIGTERM; the exit code."""
        if self.lives_on:
            self.signal(signal.SIGTERM)
        code = await self.ended()
        self.look()
        return code

    def abandon(self) -> None:
        """Whatever it does now: it is not there any more."""
        if self.lives_on:
            self.process.kill()
            self.process.join(300)

    # ------------------------------------------------------------------------------------------ what is seen of it

    @property
    def journal(self) -> Path:
        return self.folder / "journal.db"

    def kept(self, after: int = 0) -> list[Kept]:
        """What stands in its journal."""
        try:
            with Journal.open(self.journal, readonly=True) as journal:
                return list(journal.entries(after=after))
        except JournalError:
            return []  # not made yet

    def count(self, state: str) -> int:
        """How many entries of the journal are in a state."""
        try:
            with Journal.open(self.journal, readonly=True) as journal:
                return dict[Any, int](journal.counts()).get(state, 0)
        except JournalError:
            return 0

    def newest(self, count: int = 50) -> list[str]:
        """The keys of what was kept last, the newest first."""
        try:
            with Journal.open(self.journal, readonly=True) as journal:
                highest = sum(journal.counts().values())
                return [kept.entry.key for kept in journal.entries(after=max(highest - count, 0))][::-1]
        except JournalError:
            return []

    def look(self) -> None:
        """Remember what is on the disk now: it has to reach the ledger, whatever comes."""
        for kept in self.kept():
            entry = kept.entry
            before = self.committed.get(entry.key)
            version = entry.version if before is None else max(entry.version, before.version)
            self.committed[entry.key] = Committed(entry.op, version)
            if entry.op == "event" and entry.fields.get("kind") != "gap":
                waited = float(kept.committed_at - int(str(entry.fields.get("observedAt", kept.committed_at))))
                if self._offset is not None:
                    waited = self._offset.without(waited)
                self.longest_stall_ms = max(self.longest_stall_ms, waited)

    def said(self) -> list[dict[str, Any]]:
        """Its log so far, of all its lives; what is not JSON is a message too."""
        if not self.log.exists():
            return []
        lines = []
        for line in self.log.read_text(errors="replace").splitlines():
            try:
                said = json.loads(line)
            except ValueError:
                said = line
            lines.append(said if isinstance(said, dict) else {"message": line, "level": "raw"})
        return lines

    def messages(self) -> list[str]:
        return [str(line.get("message")) for line in self.said()]

    def rss(self) -> int:
        """Bytes of memory that it has."""
        status = Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii")
        return int(status.split()[1]) * os.sysconf("SC_PAGE_SIZE")


# ---------------------------------------------------------------------------------------------- the ledger


class House:
    """Local ledgers, one at a time, each with many venues; a fresh one before the last gets slow with rows.

    ``paper``: one that runs already, in their place. ``evidence``: where all there is of a shoot in which something
    was harmed is kept.
    """

    def __init__(self, paper: Paper | None = None, evidence: Path | None = None) -> None:
        self._paper = paper
        self.evidence = evidence
        self._stack = ExitStack()
        self._local: Local | None = None
        self._rows = 0

    def __enter__(self) -> House:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def ledger(self) -> Local | Paper:
        """One that has room for another shoot."""
        if self._paper is not None:
            return self._paper
        if self._local is None or self._rows > _ROWS_OF_A_HOUSE:
            self._stack.close()
            self._local, self._rows = self._stack.enter_context(local_ledger(venues=400)), 0
        return self._local

    def took(self, rows: int) -> None:
        self._rows += rows

    async def rows(self, local: Local | Paper, venue: str) -> list[Row]:
        """What a ledger of it has of a venue."""
        if isinstance(local, Paper):
            return local.rows(venue)
        rows = await rows_of(local.url, venue)
        self.took(len(rows))
        return rows


async def rows_of(url: str, venue: str) -> list[Row]:
    """Every row that a ledger has of a venue."""
    async with Ledger(url, key_of(venue)) as ledger:
        sessions = [row.key async for row in ledger.sessions()]
        return [row for session in sessions for row in await ledger.timeline(session)]


async def shipped(tap: Tap) -> float:
    """Wait until the ledger has answered for all that the tap has kept; ms."""
    return await look_until(
        lambda: tap.journal.exists() and not tap.count("pending"),
        lambda: f"all shipped: {tap.messages()[-4:]}",
        _SHIPPED_WITHIN_S,
    )


async def finish(tap: Tap, outcome: Outcome) -> None:
    """Let a tap keep and ship all that it has, and end it in order."""
    if tap.lives_on:
        code = await tap.stop()
        outcome.promise(code == 0, f"the tap ended with exit code {code}: {tap.messages()[-3:]}")
    if "TAP_CONVEX_URL" in tap.environ and tap.count("pending"):
        tap.start()
        await shipped(tap)
        await tap.stop()
    outcome.promise(tap.count("dead") == 0, f"{tap.count('dead')} entries were rejected")
    slips = [line for line in tap.said() if "bug of the tap" in str(line)]
    outcome.promise(not slips, f"a bug of the tap: {slips[:2]}")
    raw = [line["message"] for line in tap.said() if line.get("level") == "raw"]
    outcome.promise(not raw, f"the tap said more than its log: {raw[-3:]}")
    outcome.stalled(tap.longest_stall_ms)


# ---------------------------------------------------------------------------------------------- one shoot


class Performance(Struct):
    """A shoot that is being played to taps."""

    rehearsal: Rehearsal
    playing: asyncio.Task[None]
    taps: list[Tap]
    local: Local | Paper
    venue: str
    folder: Path
    outcome: Outcome = field(default_factory=Outcome)
    losses: list[Loss] = field(default_factory=list)
    """What the server's side does not see."""
    forgotten: set[str] = field(default_factory=set)
    """Keys of sessions that were taken out again everywhere."""
    late_ms: float = 0.0
    """By how much this loop was late at worst, where somebody watched."""

    @property
    def tap(self) -> Tap:
        return self.taps[0]

    @property
    def heard(self) -> bool:
        """Somebody listens, or there is nothing to listen to any more."""
        return self.rehearsal.listeners > 0 or self.playing.done()


async def perform(
    house: House,
    seed: int,
    drama: Callable[[Performance], Awaitable[None]] | None = None,
    *,
    faults: Iterable[str] = (),
    length_s: float = 60.0,
    speed: float = 20.0,
    telemetry_rate: float = 40.0,
    sessions: int = 1,
    clients: int = 1,
    exact: bool = False,
    patient: bool = True,
    rig: Rig | None = None,
    offset: Offset | None = None,
    environ: Mapping[str, str] | None = None,
    between: Callable[[int, Performance], Awaitable[tuple[str, str]]] | None = None,
    folder: Path | None = None,
    ledger: bool = True,
    server_off_ms: int = 0,
) -> Outcome:
    """Play one shoot to ``clients`` taps while ``drama`` happens to them; what came of it, read in the ledger.

    ``exact``: nothing may differ from the truth at all. ``between`` is given the server's port, and gives the addresses
    of server and ledger as the taps are to know them. Without ``ledger`` the journal's entries are merged as it would.
    """
    local = house.ledger()
    venue = local.venue()
    # A log on a disk that is full would be torn, and is not what is tried.
    with workshop(folder) as place, workshop() as desk:
        shoot = plan_shoot(
            seed,
            length_s=length_s,
            faults=faults,
            pace=speed,
            telemetry_rate=telemetry_rate,
            sessions=sessions,
            start_wall_ms=time.time_ns() // 1_000_000 + server_off_ms,
            ways=SERVER.get(),
        )
        async with serve(shoot, speed=speed, clients=clients, patient=patient) as (rehearsal, port):
            playing = asyncio.create_task(rehearsal.play())
            performance = Performance(rehearsal, playing, [], local, venue, place)
            server, address = f"ws://127.0.0.1:{port}/ws/control", local.url if ledger else None
            if between is not None:
                server, address = await between(port, performance)
            performance.taps += [
                Tap(
                    place / f"tap-{number}",
                    server,
                    address,
                    venue,
                    rig,
                    offset,
                    desk / f"{number}.log",
                    **(environ or {}),
                )
                for number in range(clients)
            ]
            try:
                return await _played(performance, drama, house, exact=exact)
            finally:
                playing.cancel()
                await asyncio.gather(playing, return_exceptions=True)
                for tap in performance.taps:
                    tap.abandon()


async def _played(
    performance: Performance, drama: Callable[[Performance], Awaitable[None]] | None, house: House, *, exact: bool
) -> Outcome:
    outcome, rehearsal = performance.outcome, performance.rehearsal
    for tap in performance.taps:
        tap.start()
    if drama is not None:
        await drama(performance)
    await performance.playing
    for tap in performance.taps:
        await _all_heard(tap)
        await finish(tap, outcome)
    outcome.promise(rehearsal.received_from_clients == 0, "a tap has sent data frames")
    if "TAP_CONVEX_URL" in performance.tap.environ:
        rows = await house.rows(performance.local, performance.venue)
    else:
        rows = list(fold(kept.entry for kept in performance.tap.kept()).values())
    outcome.promise(bool(rows) or bool(performance.forgotten), "nothing is in the ledger")
    truth = rehearsal.truth(venue=performance.venue)
    if performance.forgotten:
        rows, truth = without(performance.forgotten, rows, truth, outcome)
    alone = len(performance.taps) == 1
    losses, late = performance.losses, performance.late_ms
    outcome.add(judge(truth, rehearsal.items, rows, losses=losses, exact=exact, gaps=alone, late_ms=late))
    for tap in performance.taps:
        kept = {key: row for key, row in tap.committed.items() if not _is_of(performance.forgotten, key)}
        outcome.add(judge_committed(kept, rows))
    if not outcome.ok and house.evidence is not None:
        _keep(performance, rows, truth, house.evidence)
    return outcome


def _keep(performance: Performance, rows: list[Row], truth: Truth, place: Path) -> None:
    """All there is, for whoever has to find out why."""
    place.mkdir(parents=True, exist_ok=True)
    for tap in performance.taps:
        shutil.copytree(tap.folder, place / tap.folder.name, dirs_exist_ok=True)
        shutil.copy(tap.log, place)
    told = {
        "items.jsonl": (f"{type(item).__name__} {item}" for item in performance.rehearsal.items),
        "rows.jsonl": (json.dumps(plain(row), default=str) for row in rows),
        "losses.txt": map(str, performance.losses),
        "truth.jsonl": truth.lines(),
    }
    for name, lines in told.items():
        (place / name).write_text("\n".join(map(str, lines)))


def _is_of(sessions: set[str], key: str) -> bool:
    return any(key == session or key.startswith(f"{session}/") for session in sessions)


def without(forgotten: set[str], rows: list[Row], truth: Truth, outcome: Outcome) -> tuple[list[Row], Truth]:
    """The rest of the rows and of the truth; of what was forgotten, no row may say anything."""
    left = [row.key for row in rows if _is_of(forgotten, row.key) and row.retracted is None]
    outcome.promise(not left, f"forgotten, and still there: {left[:3]}")
    ids = {unquote(key.split("/", 1)[1]) for key in forgotten}
    parts = {
        name: [row for row in getattr(truth, name) if row.session_id not in ids]
        for name in ("sessions", "cameras", "stills", "events")
    }
    return [row for row in rows if not _is_of(forgotten, row.key)], structs.replace(truth, **parts)


async def _all_heard(tap: Tap) -> None:
    """The server has said goodbye; the tap, where it lives, has heard it once it says so."""

    def heard() -> bool:
        lines = [message for message in tap.messages() if message in ("connected", "not connected")]
        return not tap.lives_on or lines[-1:] == ["not connected"]

    await look_until(heard, lambda: f"the goodbye: {tap.messages()[-3:]}")


@asynccontextmanager
async def lone_tap(tap: Tap) -> AsyncIterator[Tap]:
    """A tap that runs in here."""
    tap.start()
    try:
        yield tap
    finally:
        tap.abandon()


def spread(count: int, sizes: Sequence[int]) -> list[int]:
    """So many tries over places of these sizes, the first ones first."""
    given = []
    for size in sizes:
        given.append(min(size, count))
        count -= given[-1]
    return given
