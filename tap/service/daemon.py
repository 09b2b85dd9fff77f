"""``run``: the service. It wires socket, pipeline and journal together, and ends in order.

One event loop listens; one thread commits. What is durable is durable at once, so a kill costs nothing that was
committed, and a stop only has to wait for what is on its way.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import os
import signal
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from tap.adapters.dialects import load_dialect
from tap.adapters.journal import Journal, JournalWriter
from tap.adapters.socket import Clock, ServerSocket
from tap.core.errors import JournalError, MappingInvalid, SettingsInvalid
from tap.core.mapping import Dialect, Verdict
from tap.core.model import Entry
from tap.core.pipeline import Pipeline
from tap.service.config import Settings
from tap.service.ingest import Ingest
from tap.service.logs import configure_logs

if TYPE_CHECKING:
    from tap.service.publish import Publisher

__all__ = ["Service", "run"]

_WATCH_EVERY_S = 1.0
_PRUNE_EVERY_S = 3600.0
_PRUNED_AT_ONCE = 1_000
_COMMIT_WITHIN_S = 2.0
"""For what is on its way at the end: with a goodbye of 1 s and the writer's own second, under the 5 s of a stop."""
_DAY_MS = 86_400_000
_SESSIONS_WATCHED = 100

_log = structlog.stdlib.get_logger(__name__)


def run(settings: Settings, *, on_ready: Callable[[Service], None] | None = None) -> int:
    """Run the service until SIGTERM or SIGINT; the exit code. 0 where all that was heard is kept.

    ``on_ready`` is called on the event loop once the service listens. Raises ``SettingsInvalid`` for a dialect with
    a mistake and ``JournalError`` for a journal that cannot be had.
    """
    configure_logs(settings.log_level, settings.log_format)
    if not settings.enabled:
        _log.info("this venue is switched off", venue=settings.venue, setting="TAP_ENABLED")
        return 0
    try:
        dialect = load_dialect(settings.dialect)
    except MappingInvalid as error:
        raise SettingsInvalid([f"TAP_DIALECT: {error}"]) from None
    service = Service(settings, dialect, Journal.open(settings.journal_path, owner=True))
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(service.run(on_ready))


class Service:
    """The running service, and what there is to see of it. ``run`` it once."""

    socket: ServerSocket
    ingest: Ingest
    publisher: Publisher | None = None
    """None where no Convex is configured: the journal keeps."""

    def __init__(self, settings: Settings, dialect: Dialect, journal: Journal) -> None:
        self.settings = settings
        self.dialect = dialect
        self.journal = journal
        try:
            self.pipeline = self._resumed()
            self.clock = Clock(self.pipeline.resume(_wall()))
        except BaseException:
            journal.close()
            raise
        self.writer = JournalWriter(journal)
        self._stopping = asyncio.Event()
        self._changes = _Changes(self)

    def stop(self) -> None:
        """End in order; on the event loop's thread."""
        self._stopping.set()

    async def run(self, on_ready: Callable[[Service], None] | None = None) -> int:
        """Listen until ``stop`` or a signal; the exit code."""
        with suppress(NotImplementedError):  # no signals on this loop: whoever runs it has to call stop
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, self.stop)
        try:
            await self._listen(on_ready)
        finally:
            kept = self._settle()
        return 0 if kept else 1

    async def _listen(self, on_ready: Callable[[Service], None] | None) -> None:
        settings = self.settings
        token = settings.server_token
        self.publisher = self._make_publisher()
        self.ingest = Ingest(self.pipeline, self._submit, self.clock, on_entries=self._changes.entries)
        self.socket = ServerSocket(
            settings.server_url,
            self.ingest.on_item,
            self.clock,
            token=None if token is None else token.get_secret_value(),
            compression=settings.compression,
            on_change=self._changes.connection,
        )
        self._say_hello()
        stages = [asyncio.create_task(stage) for stage in self._stages()]
        stopping = asyncio.create_task(self._stopping.wait())
        # What was loaded stays: a full collection over it would hold the loop for tens of milliseconds.
        gc.collect()
        gc.freeze()
        if on_ready is not None:
            on_ready(self)
        await asyncio.wait([*stages, stopping], return_when=asyncio.FIRST_COMPLETED)
        self._changes.silent = True
        for task in (*stages, stopping):
            task.cancel()
        ends = await asyncio.gather(*stages, stopping, return_exceptions=True)
        for end in ends:
            if isinstance(end, Exception):
                raise end

    def _stages(self) -> list[Coroutine[Any, Any, None]]:
        """What runs side by side."""
        stages = [self.socket.run(), self._watch(), self._prune()]
        return stages if self.publisher is None else [*stages, self.publisher.run()]

    def _submit(self, entries: Sequence[Entry], checkpoint: bytes | None) -> None:
        """To the journal; once it is durable, the publisher hears of it."""
        publisher = self.publisher if entries else None
        self.writer.submit(entries, checkpoint, None if publisher is None else publisher.notify)

    def _make_publisher(self) -> Publisher | None:
        settings = self.settings
        if settings.convex_url is None:
            return None
        # Only here: a venue without Convex does not pay for what speaks with it.
        publish = importlib.import_module("tap.service.publish")
        ledger = importlib.import_module("tap.adapters.ledger")
        publisher: Publisher = publish.Publisher(
            self.writer,
            ledger.Ledger(settings.convex_url, settings.ingest_key),
            venue=settings.venue,
            on_stale=self.pipeline.raise_version,
        )
        return publisher

    def _say_hello(self) -> None:
        _log.info(
            "listening",
            server=self.socket.shown,
            venue=self.settings.venue,
            dialect=self.dialect.name,
            journal=str(self.settings.journal_path),
            ledger=self.settings.convex_url or "none (TAP_CONVEX_URL is not set): the journal keeps every entry",
        )

    def _settle(self) -> bool:
        """Commit what was heard, and let go of the journal. False where something could not be kept."""
        if hasattr(self, "ingest"):
            self.ingest.flush()
        kept = self.writer.stop(_COMMIT_WITHIN_S)
        if not kept:
            _log.error(
                "the end of the recording could not be kept", entries=self.writer.waiting, why=self.writer.failing
            )
        # A disk that hangs would keep us here; the lock dies with the process in any case.
        closing = threading.Thread(target=self.journal.close, name="journal-close", daemon=True)
        closing.start()
        closing.join(0.4)
        _log.info("stopped", frames=self.pipeline.tally.frames, entries=self.pipeline.tally.entries)
        return kept

    def _resumed(self) -> Pipeline:
        journal, settings = self.journal, self.settings
        for path in journal.moved_aside:
            _log.warning("a damaged journal was moved aside, and a new one begun", file=str(path))
        checkpoint = journal.checkpoint()
        try:
            return self._pipeline(checkpoint)
        except JournalError as error:
            aside = settings.state_dir / f"checkpoint-unreadable-{_wall()}.json"
            _keep(aside, checkpoint or b"")
            _log.warning("the checkpoint was moved aside: the tap starts anew", why=error.what, file=str(aside))
            return self._pipeline(None)

    def _pipeline(self, checkpoint: bytes | None) -> Pipeline:
        return Pipeline(
            self.dialect,
            venue=self.settings.venue,
            tap=self.journal.tap_id(),
            policy=self.settings.policy(),
            checkpoint=checkpoint,
        )

    # ------------------------------------------------------------------------------------------ beside the hot loop

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_WATCH_EVERY_S)
            self._changes.look()

    async def _prune(self) -> None:
        """Let go of what the ledger has had for long enough, a little at a time between commits."""
        while True:
            before = _wall() - self.settings.keep_days * _DAY_MS
            gone = _PRUNED_AT_ONCE
            try:
                while gone == _PRUNED_AT_ONCE:
                    pruning = self.writer.run_in_writer(lambda journal: journal.prune(before, _PRUNED_AT_ONCE))  # noqa: B023
                    gone = await asyncio.wrap_future(pruning)
            except JournalError as error:
                _log.warning("old entries could not be pruned", why=str(error))
            await asyncio.sleep(_PRUNE_EVERY_S)


class _Changes:
    """Tells the log what changed, each thing once; attempts and repetitions are for the counters."""

    def __init__(self, service: Service) -> None:
        self.silent = False
        """The service ends: that its own connection goes is no news."""
        self._service = service
        self._failing: str | None = None
        self._aside = len(service.journal.moved_aside)
        self._types: set[str] = set()
        self._samples = 0
        self._drifted = False
        self._sessions: dict[str, str] = {}

    def connection(self, problem: str | None) -> None:
        server = self._service.socket.shown
        if problem is None:
            _log.info("connected", server=server)
        elif not self.silent:
            _log.warning("not connected", server=server, why=problem)

    def entries(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if entry.op == "session":
                self._session(entry)
            elif entry.fields.get("kind") == "gap":
                _log.warning("gap", session=entry.session_key, blind_ms=entry.fields.get("durationMs"))

    def look(self) -> None:
        """What changed since the last look."""
        self._journal()
        tally = self._service.pipeline.tally
        for name in [name for name in tally.unknown if name not in self._types]:
            self._types.add(name)
            _log.warning("the dialect does not know this type of frame", type=name, dialect=self._service.dialect.name)
        for sample in tally.samples[self._samples :]:
            if sample.verdict is not Verdict.UNKNOWN:
                _log.warning(
                    "a frame says nothing that can be used", type=sample.type, why=sample.reason, frame=sample.text
                )
        self._samples = len(tally.samples)
        if tally.drift_ms is not None and not self._drifted:
            self._drifted = True
            _log.warning("the server's clock and this machine's differ; times are the server's", ms=tally.drift_ms)

    def _session(self, entry: Entry) -> None:
        status = str(entry.fields.get("status"))
        if self._sessions.pop(entry.session_key, None) != status:
            _log.info("session", session=entry.session_key, status=status, title=entry.fields.get("title"))
        self._sessions[entry.session_key] = status
        while len(self._sessions) > _SESSIONS_WATCHED:
            del self._sessions[next(iter(self._sessions))]

    def _journal(self) -> None:
        failing, waiting = self._service.writer.failing, self._service.writer.waiting
        if failing is not None and self._failing is None:
            _log.error("the journal cannot be written; entries wait in memory", why=failing, waiting=waiting)
        elif failing is None and self._failing is not None:
            _log.info("the journal can be written again")
        self._failing = failing
        for path in self._service.journal.moved_aside[self._aside :]:
            self._aside += 1
            _log.error("the journal was damaged: it was moved aside, and a new one begun", file=str(path))


def _wall() -> int:
    return time.time_ns() // 1_000_000


def _keep(path: Path, data: bytes) -> None:
    """A file of its own for what is set aside. That it cannot be made is no reason not to record."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where there is one: at a real rate it halves what waking up for a frame costs."""
    try:
        uvloop = importlib.import_module("uvloop")
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
