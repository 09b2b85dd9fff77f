"""A tap that lives on the loop of who plays a shoot to it, in virtual time (``virtual.py``), as the stage knows one."""

from __future__ import annotations

import asyncio
import importlib
import itertools
import logging
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TextIO, cast

from anyio import to_thread

from tap.adapters.dialects import load_dialect
from tap.adapters.journal import Journal, JournalWriter
from tap.core.errors import JournalError
from tap.rehearsal import simulator
from tap.service.config import load_settings, make_state_dir
from tap.service.logs import configure_logs
from tap.service.running import clock_trust as clocks
from tap.service.running.daemon import Service
from tests.faults import rig, seeds, stage
from tests.faults.outcome import Outcome
from tests.faults.virtual import TIME, Loop, Task, lives, real_time

__all__ = ["is_virtual", "play"]

_ENDS = ("journal-end", "flight-end")
"""Threads of which the end of a life waits for what must still reach the disk."""
_OURS = ("_Cutter", "WebsocketsLine", "ResponseHandler")
"""Protocols of the connections that a tap makes."""


class Offset(rig.Offset):
    """Of the tap in here."""

    @property
    def ms(self) -> int:
        return TIME.off_ms

    @ms.setter
    def ms(self, value: int) -> None:
        TIME.off_ms = value
        self._furthest: int = max(self._furthest, abs(value))


class _Process:
    """What a life looks like from outside."""

    pid = 0

    def __init__(self) -> None:
        self.exitcode: int | None = None

    def is_alive(self) -> bool:
        return self.exitcode is None


class Tap(stage.Tap):
    """Its lives are tasks."""

    _life: _Life | None = None

    def start(self) -> None:
        self.lives += 1
        process = _Process()
        self._process = process  # type: ignore[assignment]
        self._life = _Life(self.environ, self.log, process)

    async def kill(self) -> None:
        if self._life is not None:
            await self._life.kill()
        self.look()

    def signal(self, _: signal.Signals) -> None:
        assert self._life is not None
        self._life.stop()

    def abandon(self) -> None:
        if self.lives_on and self._life is not None:
            self._life.end()

    def rss(self) -> int:
        """Of all that is in here: the tap, its server, its ledger and who looks at them."""
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096


_LOG: ContextVar[TextIO] = ContextVar("log")


class _Logs:
    """What is said goes to the log of whose life it is said in; what a thread says, which has none, to nobody's."""

    def isatty(self) -> bool:
        return False

    def fileno(self) -> int:
        raise OSError("there is no file behind it")

    def write(self, text: str) -> None:
        with suppress(LookupError):
            _LOG.get().write(text)

    def flush(self) -> None:
        with suppress(LookupError):
            _LOG.get().flush()


class _Life:
    """One life of a tap: from the settings on, as the command makes it."""

    _numbers = itertools.count(1)

    def __init__(self, environ: dict[str, str], log: Path, process: _Process) -> None:
        self._number = next(self._numbers)
        self._process = process
        self._service: Any = None
        self._stopped = asyncio.Event()
        self._log = log.open("a", encoding="utf-8")
        self._task = Task(self._live(dict(environ)), loop=asyncio.get_running_loop())
        self._task.life = self._number

    async def _live(self, environ: dict[str, str]) -> None:
        _LOG.set(self._log)
        configure_logs(environ["TAP_LOG_LEVEL"], "json", cast(TextIO, _Logs()))
        try:
            self._process.exitcode = await self._lived(environ)
        except Exception:
            # As a process says it that ends so.
            self._log.write(traceback.format_exc())
            self._process.exitcode = 1
            raise

    async def _lived(self, environ: dict[str, str]) -> int:
        settings = load_settings(environ)
        make_state_dir(settings)
        journal = await self._journal(settings.journal_path)
        if journal is None:
            return 0
        service = self._service = Service(settings, load_dialect(settings.dialect), journal)
        busy = _watched(service.writer)
        TIME.threads.append(busy)
        try:
            if self._stopped.is_set():
                service.stop()
            return await service.run()
        finally:
            TIME.threads.remove(busy)

    async def _journal(self, path: Path) -> Journal | None:
        """As ``open_journal`` waits for it, which holds the loop."""
        delay = 0.25
        while not self._stopped.is_set():
            with suppress(JournalError):
                journal = Journal.open(path, owner=True)
                journal.tap_id()
                return journal
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), delay)
            delay = min(2 * delay, 2.0)
        return None

    def stop(self) -> None:
        self._stopped.set()
        if self._service is not None:
            self._service.stop()

    async def kill(self) -> None:
        """Between two commits: those in the midst of one are for processes."""
        if self._service is not None and self._process.is_alive():
            await asyncio.to_thread(_between_commits, self._service.writer)
        self.end()
        await asyncio.sleep(0)

    def end(self) -> None:
        """From here on nothing of it is written, and nobody hears of it any more."""
        service = self._service
        if service is not None:
            service.writer._journal.append = _killed
            service.writer.run_in_writer = service.writer.run_after_commit = _killed
            service.writer._given_up.set()
            service.writer._stopping.set()
            service.flight._stopping.set()
            service._changes.silent = True
            service._save_what_is_left = _kept
            service.journal._file.release()
            _hang_up()
        for task in [self._task, *lives.pop(self._number, ())]:
            task.cancel()
        if self._process.exitcode is None:
            self._process.exitcode = -signal.SIGKILL


def _hang_up() -> None:
    """Nobody hears a goodbye of who was killed."""
    for transport in list(asyncio.get_running_loop()._transports.values()):  # type: ignore[attr-defined]
        if type(transport.get_protocol()).__name__ in _OURS:
            transport.abort()


async def _kept() -> bool:
    return True


def _killed(*_: object, **__: object) -> Any:
    raise RuntimeError("this life was killed")


def _between_commits(writer: JournalWriter) -> None:
    with suppress(Exception):
        writer.run_in_writer(lambda _: None, anyway=True).result(300)


def _watched(writer: Any) -> Callable[[], bool]:
    """Whether the journal's thread has something at hand that it can do now."""
    calls: set[Any] = set()
    run = writer.run_in_writer

    def run_in_writer(*args: Any, **more: Any) -> Any:
        future = run(*args, **more)
        calls.add(future)
        future.add_done_callback(calls.discard)
        return future

    writer.run_in_writer = run_in_writer

    def busy() -> bool:
        # Who asks to be called after a commit is among these once it is their turn.
        asked = bool(calls or writer._new_calls or writer._calls)
        return writer.failing is None and (writer._since is not None or asked or writer.waiting > 0)

    return busy


# ---------------------------------------------------------------------------------------------- playing


class _TapTime:
    """The module ``time`` as the tap sees it: its wall clock may be off."""

    time_ns = staticmethod(TIME.wall_of_the_tap)

    @staticmethod
    def time() -> float:
        return TIME.wall_of_the_tap() / 1e9

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)


async def _command(environ: dict[str, str], said: Path, words: Sequence[str], *_: object) -> int | None:
    """Another process, whose clock is as far on as ours."""
    offset = rig.Offset()
    offset.ms = TIME.ahead_ms
    process = rig.begin(environ, said, rig.Rig(), offset, words)
    with real_time():
        await stage.look_until(lambda: process.exitcode is not None, f"the end of {' '.join(words)}", 90)
    return process.exitcode


_AT_WORK = 0
"""Functions that worker threads have at hand."""
_run_sync = to_thread.run_sync


async def _counted(*args: Any, **more: Any) -> Any:
    """A worker thread that is waited for: time stands still for as long."""
    global _AT_WORK  # noqa: PLW0603 - there is one of it in a process
    _AT_WORK += 1
    try:
        return await _run_sync(*args, **more)
    finally:
        _AT_WORK -= 1


def _a_thread_works() -> bool:
    return _AT_WORK > 0 or any(thread.name in _ENDS for thread in threading.enumerate())


def _move_in() -> None:
    """Once a process."""
    put = rig.put
    put(to_thread, "run_sync", _counted)
    TIME.threads.append(_a_thread_works)
    put(simulator, "_TICK_S", 2.0)
    put(clocks, "boot_id", lambda: "boot-1")
    put(clocks, "is_set_by_ntp", lambda: None)
    logging.getLogger("tap.rehearsal.server").setLevel(logging.WARNING)
    for late in ("tap.service.running.publishing.publisher", "tap.adapters.ledger"):
        importlib.import_module(late)  # whoever has no ledger does not load them
    for name, module in list(sys.modules.items()):
        if name.startswith(("tap.service.", "tap.adapters.")) and getattr(module, "time", None) is time:
            put(module, "time", _TapTime())
    # The server's own clock is right: the tap's, which may be set, is none by which anything could be judged.
    put(simulator, "wall_ms", lambda: TIME.wall() // 1_000_000)
    for module in (stage, seeds):
        put(module, "Tap", Tap)
    put(seeds, "Offset", Offset)
    put(seeds, "command", _command)
    put(stage, "SLOWER", seeds.PATIENCE)
    put(seeds, "SPEED", 1.0)
    put(seeds, "TELEMETRY", 0.1)
    put(seeds, "FASTER", 1.0)


_move_in()


def is_virtual(number: int) -> bool:
    """Whether all that a seed plays is on this loop; the local ledger is a process of its own."""
    return seeds.plan_of(number).paper


def play(number: int) -> Outcome:
    """What comes of one seed."""
    TIME.off_ms = 0
    with asyncio.Runner(loop_factory=Loop) as runner:
        return runner.run(seeds.one(number))
