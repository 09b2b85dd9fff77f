"""``run``: the service. It connects socket, pipeline and journal, and stops in order.

One event loop listens; one thread commits. A commit is on the disk when it returns: so a kill loses nothing that was
committed, and a stop only has to wait for the last entries.
"""

from __future__ import annotations

import gc
import importlib
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import msgspec

from tap.adapters.aligned_sleep import sleep_aligned
from tap.adapters.clock import Clock, wall_ms
from tap.adapters.dialects import load_dialect
from tap.adapters.journal import Journal, JournalWriter
from tap.adapters.mounts import ON_A_NETWORK, network_filesystem
from tap.adapters.private import open_private
from tap.adapters.scopes import own_error, stop_signals
from tap.adapters.server import ServerSocket
from tap.adapters.tape import TapeHeader
from tap.adapters.threads import on_daemon, result_of
from tap.core.errors import JournalError, MappingInvalid, SettingsInvalid
from tap.core.machine.memory import Checkpoint
from tap.core.mapping import Dialect
from tap.core.model import Entry, Stamp
from tap.core.pipeline import Pipeline
from tap.service.config import Settings, make_state_dir
from tap.service.logs import configure_logs, get_logger
from tap.service.running.change_log import DAMAGED, NEWER, ChangeLog
from tap.service.running.clock_trust import ClockTrust, Moment, away_ms, away_unknown, moment_now, read_moment
from tap.service.running.dialect_drift import DialectDrift
from tap.service.running.end_deadline import EndDeadline
from tap.service.running.flight_recorder import FlightRecorder
from tap.service.running.ingest import Ingest
from tap.service.running.journal_gauge import JournalGauge
from tap.service.running.journal_pruner import JournalPruner
from tap.service.running.meters import Meters
from tap.service.running.open_journal import open_journal
from tap.service.running.parts import Parts
from tap.service.running.restart_delay import RestartDelay
from tap.service.running.side_thread import in_thread
from tap.service.running.systemd_notify import Notifier, status_words

if TYPE_CHECKING:
    import asyncio

    from tap.service.ops.server import OpsServer
    from tap.service.running.publishing.publisher import Publisher

__all__ = ["Service", "run"]

_WATCH_EVERY_S = 1.0
_PRUNE_EVERY_S = 60.0
_REMEMBER_EVERY_MS = 3_600_000
_SEEN, _BELIEVED = "seen", "believed"
"""Moments that the journal remembers: when this tap last ran, and when it last believed the machine's clock."""
_COMMIT_WITHIN_S = 2.0
"""How long the last commit may take. The limits of all steps of a stop add up to 6 s: the goodbye to the server, then
``_save_what_is_left``. If a busy machine takes longer, ``end_deadline`` ends the process after 8 s. systemd would kill
it after 10 s (``TimeoutStopSec``).
"""
_COMMIT_ENDS_WITHIN_S = _COMMIT_WITHIN_S + 1.5
"""How long the stop waits for the writer's thread, even if that thread does not end in its own time."""
_RECORD_WITHIN_S = 0.2
_CLOSE_WITHIN_S = 0.4
"""How long the stop waits for the journal to close. If the disk hangs, the journal's lock ends with the process."""
_MEGABYTE = 10**6

_log = get_logger(__name__)


def run(settings: Settings, *, on_ready: Callable[[Service], None] | None = None) -> int:
    """Run the service until SIGTERM or SIGINT. Returns the exit code: 0 if everything that was received is saved.

    ``on_ready`` is called on the event loop when the service listens. Raises ``SettingsInvalid`` if the dialect has a
    mistake, and ``JournalError`` for a journal that waiting does not repair.
    """
    configure_logs(settings.log_level, settings.log_format)
    notifier = Notifier.from_environment(os.environ)
    if not settings.enabled:
        _log.info("this venue is switched off", venue=settings.venue, setting="TAP_ENABLED")
        notifier.off("off: this venue is switched off (TAP_ENABLED=0)")
        return 0
    try:
        dialect = load_dialect(settings.dialect)
    except MappingInvalid as error:
        raise SettingsInvalid([f"TAP_DIALECT: {error}"]) from None
    make_state_dir(settings)
    _warn_of_a_network(settings)
    starts = RestartDelay.from_environment(os.environ)
    if not starts.wait(notifier.status):
        return 0
    journal = open_journal(settings.journal_path, notifier)
    if journal is None:
        return 0
    service = Service(settings, dialect, journal, notifier)
    code = anyio.run(service.run, on_ready, backend_options={"loop_factory": _loop_factory()})
    starts.end()
    return code


def _warn_of_a_network(settings: Settings) -> None:
    network = network_filesystem(settings.state_dir)
    if network is not None:
        words = "the state directory is on a network or a shared folder: the journal can be damaged there"
        _log.warning(words, directory=str(settings.state_dir), filesystem=network, next_step=ON_A_NETWORK)


class Service:
    """The running service. Call ``run`` once."""

    socket: ServerSocket
    ingest: Ingest
    parts: Parts
    """Its parts, for the live page, health and metrics; set when it listens."""
    publisher: Publisher | None = None
    """None if no Convex is configured: then the journal saves everything."""
    ops_server: OpsServer | None = None
    """The live page's server; None if ``TAP_OPS_LISTEN`` is off."""

    def __init__(
        self, settings: Settings, dialect: Dialect, journal: Journal, notifier: Notifier | None = None
    ) -> None:
        """``notifier`` reports the status to systemd; by default nobody does."""
        self._notifier = Notifier(None) if notifier is None else notifier
        self.settings = settings
        self.dialect = dialect
        self.journal = journal
        try:
            self.pipeline, begin = self._resumed()
            self.clock = Clock(begin)
            self.trust = self._make_trust()
        except BaseException:
            journal.close()
            raise
        self.flight = self._make_recorder()
        self.writer = JournalWriter(journal)
        self.journal_pruner = JournalPruner(self.writer, settings, believed=self._clock_is_believed)
        self.meters = Meters()
        self.journal_gauge = JournalGauge(self.writer, settings.journal_path)
        self._remembered: int | None = None
        """The machine's uptime when the moments were last saved."""
        self._stopped = False
        self._deadline = EndDeadline()
        self._running: anyio.CancelScope | None = None
        """The scope of everything that runs. Cancelling it is the shutdown."""
        self._changes = ChangeLog(journal, self.writer, dialect, self.pipeline.tally)
        self.drift = DialectDrift(self.pipeline, path=settings.state_dir / "drift.json")

    def stop(self) -> None:
        """Stop in order: cancel everything that runs. On the event loop's thread; also before ``run``, or twice."""
        if not self._stopped:
            self._stopped = True
            self._notifier.stopping()
            # The tap closes its own connection now: the log need not say so.
            self._changes.silent = True
        if self._running is not None:
            self.socket.part()
            self._running.cancel()

    async def run(self, on_ready: Callable[[Service], None] | None = None) -> int:
        """Listen until ``stop`` or a signal, and return the exit code. If a part fails, save everything, then raise."""
        with stop_signals() as signals:
            try:
                with own_error():
                    await self._listen(signals, on_ready)
            finally:
                kept = await self._save_what_is_left()
                self._deadline.end()
        return 0 if kept else 1

    async def _listen(
        self, signals: AsyncIterator[signal.Signals] | None, on_ready: Callable[[Service], None] | None
    ) -> None:
        settings = self.settings
        token, token_file = settings.server_token, settings.server_token_in_file
        self.publisher = self._make_publisher()
        self.ingest = Ingest(
            self.pipeline,
            self._submit,
            self.clock,
            on_entries=self._happened,
            record=self.flight.on_item,
            backlog=self.writer,
            most_waiting=settings.memory_megabytes * _MEGABYTE * 3 // 4,
        )
        self.socket = ServerSocket(
            settings.server_url,
            self.ingest.on_item,
            self.clock,
            token=None if token is None else token.get_secret_value(),
            read_token_again=None if token_file is None else token_file.another,
            dialect=self.dialect,
            policy=settings.policy(),
            compression=settings.compression,
            on_telemetry=self.ingest.on_telemetry,
            on_sent=self.flight.on_item,
            on_change=self._connection_changed,
        )
        self._changes.socket = self.socket
        self.parts = self._wired()
        self.ops_server = self._make_ops_server()
        self._say_hello()
        async with anyio.create_task_group() as running:
            self._running = running.cancel_scope
            for stage in self._stages():
                running.start_soon(self._for_ever, stage)
            if signals is not None:
                running.start_soon(self._obey, signals)
            # What is loaded now stays. A full garbage collection of it would block the loop for tens of milliseconds,
            # and finds little: a hundredth of it is garbage.
            gc.freeze()
            gc.enable()
            self._notifier.ready()
            if on_ready is not None:
                on_ready(self)
            if self._stopped:
                running.cancel_scope.cancel()

    async def _for_ever(self, stage: Callable[[], Awaitable[None]]) -> None:
        """Run one stage. If it ends, the whole service stops."""
        try:
            await stage()
        finally:
            self.stop()

    async def _obey(self, signals: AsyncIterator[signal.Signals]) -> None:
        async for _ in signals:
            self._deadline.begin(lambda: self.writer.waiting)
            self.stop()

    def _stages(self) -> list[Callable[[], Awaitable[None]]]:
        """The loops that run side by side."""
        stages: list[Callable[[], Awaitable[None]]] = [self.socket.run, self._watch, self._prune]
        stages += [partial(self._notifier.keep_telling, lambda: status_words(self.parts))]
        stages += [partial(self.flight.run, lambda: self.socket.heard)]
        # Only the pages of the ops server say what the gauge shows.
        stages += [] if self.ops_server is None else [self.journal_gauge.run, self.ops_server.run]
        if self.settings.exports:
            # Imported only here: a venue that exports nothing does not pay for it.
            stages.append(
                importlib.import_module("tap.service.running.automatic_exports").AutomaticExports(self.settings).run
            )
        return stages if self.publisher is None else [*stages, self.publisher.run]

    def _submit(self, entries: Sequence[Entry], checkpoint: Checkpoint | None) -> None:
        """Give entries to the journal. When they are on the disk, the publisher has asked to see them."""
        durable = partial(self.meters.committed, self.ingest.first_read) if entries else None
        self.writer.submit(entries, checkpoint, durable)
        if entries and self.writer.failing is not None and self.publisher is not None:
            # The disk will not have it soon: the publisher sends it from memory.
            self.publisher.notify()

    def _happened(self, entries: Sequence[Entry]) -> None:
        self._changes.entries(entries)
        self.drift.entries(entries)
        self.meters.entries(entries)
        if self.ops_server is not None:
            self.ops_server.happened(entries)

    def _connection_changed(self, problem: str | None) -> None:
        self._changes.connection(problem)
        self.meters.connection(problem)

    def _make_publisher(self) -> Publisher | None:
        settings = self.settings
        if settings.convex_url is None:
            return None
        # Imported only here: a venue without Convex does not pay for it.
        publish = importlib.import_module("tap.service.running.publishing.publisher")
        ledger = importlib.import_module("tap.adapters.ledger")
        key_file = settings.ingest_key_in_file
        publisher: Publisher = publish.Publisher(
            self.writer,
            ledger.Ledger(settings.convex_url, key_file or settings.ingest_key, module=settings.convex_module),
            venue=settings.venue,
            read_key_again=None if key_file is None else key_file.read_again,
            on_stale=self.pipeline.raise_version,
            on_delivered=self.meters.delivered,
        )
        return publisher

    def _wired(self) -> Parts:
        return Parts(
            settings=self.settings,
            dialect=self.dialect,
            clock=self.clock,
            socket=self.socket,
            pipeline=self.pipeline,
            ingest=self.ingest,
            journal=self.journal,
            writer=self.writer,
            journal_gauge=self.journal_gauge,
            journal_pruner=self.journal_pruner,
            flight=self.flight,
            drift=self.drift,
            meters=self.meters,
            shipping=None if self.publisher is None else self.publisher.shipping,
        )

    def _make_recorder(self) -> FlightRecorder:
        settings = self.settings
        header = TapeHeader(
            dialect=self.dialect.name, venue=settings.venue, policy=settings.policy(), tap=self.journal.tap_id()
        )
        return FlightRecorder(
            settings.tapes_path,
            header,
            self.clock,
            clean=self.dialect.clean,
            max_bytes=settings.tape_megabytes * _MEGABYTE,
            max_days=settings.tape_days,
            max_waiting=settings.memory_megabytes * _MEGABYTE // 4,
            may_age=lambda: self.trust.ok,
        )

    def _make_trust(self) -> ClockTrust:
        last = read_moment(self.journal.remembered(_BELIEVED))
        state = self.pipeline.state
        if last is None and state.wall:
            # An earlier version did not save this moment.
            last = Moment(state.wall)
        return ClockTrust(last)

    def _make_ops_server(self) -> OpsServer | None:
        if self.settings.ops_address is None:
            return None
        # Imported only here: a venue without a live page does not pay for the web server.
        server: OpsServer = importlib.import_module("tap.service.ops.server").OpsServer(self.parts)
        return server

    def _say_hello(self) -> None:
        _log.info(
            "listening",
            server=self.socket.shown,
            venue=self.settings.venue,
            dialect=self.dialect.name,
            journal=str(self.settings.journal_path),
            ledger=self.settings.convex_url or "none (TAP_CONVEX_URL is not set): the journal saves every entry",
        )

    async def _save_what_is_left(self) -> bool:
        """Commit everything that was received, and close the journal. False if something could not be saved.

        Everything that runs is cancelled by now, and anyio would cancel each wait in here, too: it does so until the
        scope is left. So each step that writes to the disk is shielded, and has a time limit of its own.
        """
        if hasattr(self, "ingest"):
            self.ingest.flush()
        self.flight.stop(0)
        kept = False
        with anyio.move_on_after(_COMMIT_ENDS_WITHIN_S, shield=True):
            kept = await on_daemon(partial(self.writer.stop, _COMMIT_WITHIN_S), "journal-end")
        with anyio.move_on_after(2 * _RECORD_WITHIN_S, shield=True):
            await on_daemon(partial(self.flight.stop, _RECORD_WITHIN_S), "flight-end")
        if not kept:
            _log.error(
                "the end of the recording could not be saved",
                entries=self.writer.waiting,
                why=self.writer.failing,
                next_step="make the state directory writable, then see 'multicam-tap check'; these entries are lost",
            )
        with anyio.move_on_after(_CLOSE_WITHIN_S, shield=True):
            await in_thread(self.journal.close)
        _log.info("stopped", frames=self.pipeline.tally.frames, entries=self.pipeline.tally.entries)
        return kept

    def _resumed(self) -> tuple[Pipeline, Stamp]:
        """The pipeline as the checkpoint has it, and the stamp from which its clock continues."""
        journal, settings = self.journal, self.settings
        for path in journal.moved_aside:
            newer = ".newer-" in path.name
            words = (
                f"a {'newer version of the' if newer else 'damaged'} journal was moved aside, and a new one was started"
            )
            _log.warning(words, file=str(path), next_step=NEWER if newer else DAMAGED)
        # Read both before the checkpoint is used: an error here is not the checkpoint's fault.
        tap, checkpoint = journal.tap_id(), journal.checkpoint()
        try:
            return self._from(tap, checkpoint)
        except Exception as error:
            if checkpoint is None:
                raise
            aside = settings.state_dir / f"checkpoint-unreadable-{wall_ms()}.json"
            _keep(aside, checkpoint)
            _log.warning(
                "the checkpoint was moved aside: the tap starts afresh",
                why=error.what if isinstance(error, JournalError) else repr(error),
                file=str(aside),
                next_step="nothing now: the session continues with the server's next state; save this file, report it",
            )
            # The memory beside it belongs to it: the next checkpoint replaces all of that, too.
            journal.wants_all = True
            return self._from(tap, None)

    def _from(self, tap: str, checkpoint: bytes | None) -> tuple[Pipeline, Stamp]:
        pipeline = Pipeline(
            self.dialect,
            venue=self.settings.venue,
            tap=tap,
            policy=self.settings.policy(),
            checkpoint=checkpoint,
            memory=() if checkpoint is None else self.journal.memory(),
        )
        state, now = pipeline.state, moment_now()
        seen, believed = (read_moment(self.journal.remembered(name)) for name in (_SEEN, _BELIEVED))
        away = away_ms(seen, now, wall=state.wall, mono=state.mono)
        why = away_unknown(believed, now, wall=state.wall) if away is None and state.wall else None
        if why is not None:
            _log.warning(
                "this machine's clock is in doubt: the length of the tap's absence is unknown",
                why=why,
                next_step="set it by NTP ('timedatectl set-ntp true'); the gap of this start has no length",
            )
        return pipeline, pipeline.resume(now.wall, away, doubtful=why is not None)

    # ------------------------------------------------------------------------------------------ beside the hot loop

    async def _watch(self) -> None:
        while True:
            # One task for all that is done once a second: a second one would cost as much again while nothing happens.
            self.meters.loop_was_late(await sleep_aligned(_WATCH_EVERY_S))
            self._changes.look()
            self.drift.look(self.clock.stamp())
            self.flight.look()

    async def _prune(self) -> None:
        """Delete old entries, so that the journal stays within its limits."""
        while True:
            await self.journal_pruner.tidy()
            await anyio.sleep(_PRUNE_EVERY_S)

    async def _clock_is_believed(self) -> bool:
        """Whether old data may be deleted now: only if this machine's clock is believed."""
        now, server_off = moment_now(self.clock.stamp().mono), self.pipeline.tally.drift_ms
        believed = await in_thread(lambda: self.trust.look(now, server_off))
        await self._remember(now)
        return bool(believed)

    async def _remember(self, now: Moment) -> None:
        """Once an hour, save for the next start what the clocks show, and when they were last believed."""
        if self._remembered is not None and now.uptime - self._remembered < _REMEMBER_EVERY_MS:
            return
        texts = {_SEEN: now} | ({} if self.trust.last is None else {_BELIEVED: self.trust.last})

        def remember(journal: Journal) -> None:
            for name, moment in texts.items():
                journal.remember(name, msgspec.json.encode(moment).decode())

        await result_of(self.writer.run_in_writer(remember))
        self._remembered = now.uptime


def _keep(path: Path, data: bytes) -> None:
    """Write a file that was moved aside. If that fails, the recording goes on all the same."""
    with suppress(OSError):
        descriptor = open_private(path, os.O_WRONLY | os.O_TRUNC)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop, if it is installed: at a venue's rate it halves what it costs to wake up for a frame."""
    try:
        uvloop = importlib.import_module("uvloop")
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
