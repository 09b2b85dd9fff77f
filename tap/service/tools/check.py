"""``check``: tries everything that a shoot needs, and says what to do about each thing that does not work.

It changes nothing: it only reads the journal, calls the ledger with no entries, and sends the server nothing. So it can
run beside the service, and as another user.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from typing import TypeVar

from anyio import Event, create_task_group, move_on_after, sleep

from tap.adapters.clock import Clock
from tap.adapters.dialects import load_dialect
from tap.adapters.ledger import Ledger, LedgerAway, LedgerRefused, Ping
from tap.adapters.scopes import own_error
from tap.adapters.server import ServerSocket, Timing
from tap.adapters.threads import on_daemon
from tap.core.codec import iso
from tap.core.deployment import DEPLOY
from tap.core.errors import MappingInvalid, ServerError
from tap.core.mapping import Dialect, Verdict
from tap.core.mapping.numbering import Numbering, order_in_words
from tap.core.model import Frame, Hello, Observation, SourceItem
from tap.service.config import Settings
from tap.service.finding import Finding, at
from tap.service.tools.check_machine import clock, disk, environment_file, journal, unit
from tap.service.tools.chosen_tapes import oldest
from tap.service.venue.export_folder import drop_ins_of, exports_finding

__all__ = ["Finding", "check", "wrong_settings"]

_CONNECT_WITHIN_S = 8.0
_LISTEN_S = 3.0
"""Seconds. A server sends its state on connecting, and telemetry many times a second."""
_LEDGER_WITHIN_S = 8.0
_TYPES_NAMED = 5
_KEY_CODES = ("key_missing", "key_wrong", "key_rights", "venue", "key")
_THERE = "it answers, and has our functions"
_T = TypeVar("_T")


async def check(settings: Settings, environ: Mapping[str, str] | None = None) -> AsyncIterator[Finding]:
    """Try one thing after the other. That ``settings`` could be read is the first finding.

    ``environ``: the environment that they came from, which says which systemd unit this is. None skips the unit.
    """
    yield _settings(settings)
    for finding in () if environ is None else await _aside(_systemd, settings, environ):
        yield finding
    heard: _Heard | None = None
    try:
        dialect = load_dialect(settings.dialect)
    except MappingInvalid as error:
        yield Finding("dialect", "failed", at(error.where, error.what), error.hint)
        yield Finding("server", "note", "was not tried")
    else:
        heard = _Heard(dialect)
        yield await _server(settings, heard)
    yield await _aside(clock, [] if heard is None else heard.offsets)
    yield await _aside(journal, settings.journal_path)
    yield disk(settings.state_dir)
    yield await _aside(_tapes, settings)
    exports = await _aside(exports_finding, settings, None if environ is None else drop_ins_of(environ))
    if exports is not None:
        yield exports
    async for finding in _ledger(settings):
        yield finding


async def _aside(function: Callable[..., _T], *given: object) -> _T:
    """Run a function that reads the disk, on a thread: a disk may hang, and Ctrl-C does not wait for it."""
    return await on_daemon(partial(function, *given), "check")


def wrong_settings(problems: list[str]) -> list[Finding]:
    """The findings for invalid settings, with which nothing else can be tried."""
    parts = [problem.partition(" → ") for problem in problems]
    return [Finding("settings", "failed", what, to_do or "correct it") for what, _, to_do in parts]


def _systemd(settings: Settings, environ: Mapping[str, str]) -> list[Finding]:
    of_unit = unit(settings.venue, environ, on=settings.enabled)
    return [found for found in (environment_file(environ), of_unit) if found is not None]


def _settings(settings: Settings) -> Finding:
    found = f"venue {settings.venue}, dialect {settings.dialect}, state in {settings.state_dir}"
    if not settings.enabled:
        return Finding("settings", "note", f"{found}; the venue is switched off", "set TAP_ENABLED=1 to record here")
    return Finding("settings", "ok", found)


def _tapes(settings: Settings) -> Finding:
    """How far back a shoot that nobody started can still be made."""
    if not settings.tape_megabytes:
        words = "the flight recorder is off: no session can be made or repaired afterwards"
        return Finding("tapes", "note", words, "set TAP_TAPE_MEGABYTES to a few hundred")
    try:
        since = oldest(settings.tapes_path)
    except PermissionError:
        return Finding("tapes", "note", f"{settings.tapes_path}: no permission to read", "run this as the tap's user")
    if since is None:
        return Finding("tapes", "ok", "none yet; with them a session can be made afterwards")
    return Finding("tapes", "ok", f"a session can be made afterwards back to {iso(since)[:16]}Z")


# ---------------------------------------------------------------------------------------------- the server


class _Heard:
    """What the server sends while ``check`` listens, and how much of it the dialect understands."""

    def __init__(self, dialect: Dialect) -> None:
        self.frames = 0
        self.telemetry = 0
        self.verdicts: Counter[Verdict] = Counter()
        self.unknown: Counter[str] = Counter()
        self.offsets: list[int] = []
        """For frames with the server's time: that time minus ours, in ms."""
        self.numbering = Numbering()
        self.first = Event()
        self.dialect = dialect
        self._boot: str | None = None

    def on_item(self, item: SourceItem) -> None:
        if not isinstance(item, Frame):
            return
        self.frames += 1
        self.first.set()
        if not item.binary and self.dialect.is_telemetry(item.data):
            self.telemetry += 1
            return
        for reading in self.dialect.read(item):
            self.verdicts[reading.verdict] += 1
            if reading.verdict is Verdict.UNKNOWN:
                self.unknown[reading.type] += 1
            dated = (seen.envelope.at for seen in reading.observations if seen.envelope.at is not None)
            self.offsets += [moment - item.stamp.wall for moment in dated]
            for seen in reading.observations:
                self._number(seen, item.connection)

    def _number(self, seen: Observation, connection: int) -> None:
        if isinstance(seen, Hello):
            self._boot = seen.boot
        if seen.envelope.seq is not None:
            self.numbering.see(seen.envelope.seq, connection=connection, boot=self._boot, type=seen.envelope.type)

    @property
    def understood(self) -> int:
        return self.verdicts[Verdict.MAPPED] + self.verdicts[Verdict.QUIET]

    def words(self) -> str:
        verdicts = self.verdicts
        ignored = self.telemetry + verdicts[Verdict.IGNORED]
        unread = verdicts[Verdict.UNREADABLE] + verdicts[Verdict.INCOMPLETE]
        parts = [
            (self.understood, "understood"),
            (ignored, "telemetry"),
            (sum(self.unknown.values()), f"of unknown types ({self._types()})"),
            (unread, "that cannot be used"),
        ]
        told = ", ".join(f"{number} {what}" for number, what in parts if number)
        return f"{self.frames} frame{'' if self.frames == 1 else 's'}: {told or 'empty ones'}"

    def _types(self) -> str:
        named = [name or "without one" for name, _ in self.unknown.most_common(_TYPES_NAMED)]
        return ", ".join([*named, "…"] if len(self.unknown) > _TYPES_NAMED else named)


async def _server(settings: Settings, heard: _Heard) -> Finding:
    token = None if settings.server_token is None else settings.server_token.get_secret_value()
    timing = Timing(open_timeout=_CONNECT_WITHIN_S, close_timeout=0.5)
    try:
        socket = ServerSocket(
            settings.server_url,
            heard.on_item,
            Clock(),
            token=token,
            dialect=heard.dialect,
            policy=settings.policy(),
            timing=timing,
        )
    except ServerError as error:
        return Finding("server", "failed", at(error.where, error.what), error.hint)
    with own_error():
        async with create_task_group() as listening:
            listening.start_soon(socket.run)
            with move_on_after(_CONNECT_WITHIN_S):
                await heard.first.wait()
            if heard.frames:
                await sleep(_LISTEN_S)
            problem, connections, remark = socket.problem, socket.connection, socket.remark
            refused = socket.refused
            listening.cancel_scope.cancel()
    if refused and not connections:
        to_do = "correct that, then run this again"
        return Finding("server", "failed", f"{socket.shown}: {problem}", to_do)
    finding = _judged(heard, socket.shown, problem, connections, heard.dialect)
    return finding if remark is None else Finding("server", "note", f"{finding.found}; {remark}", finding.to_do)


def _judged(heard: _Heard, shown: str, problem: str | None, connections: int, dialect: Dialect) -> Finding:
    if not connections:
        to_do = f"start {dialect.speaker}, or check TAP_SERVER_URL and the network"
        return Finding("server", "failed", f"{shown}: no connection: {problem}", to_do)
    if not heard.frames:
        what = "connected, but no frame arrived" if problem is None else f"connected, then: {problem}"
        return Finding("server", "failed", f"{shown}: {what}", "is this the path of its control WebSocket?")
    found = f"{shown}: {heard.words()}"
    to_do = f"'multicam-tap record {shown} -o first.tape.gz' records it; then set TAP_DIALECT to a mapping for it"
    if not heard.understood and not heard.telemetry:
        return Finding("server", "failed", f"{found}; {dialect.name} understands none of it", to_do)
    if heard.unknown:
        return Finding("server", "note", found, to_do)
    fits = heard.numbering.contradicts(heard.dialect.seq_orders)
    if fits is not None:
        words, step = order_in_words(dialect.name, heard.dialect.seq_orders, fits)
        return Finding("server", "note", f"{found}; {words}", step)
    if heard.understood and not heard.offsets:
        # Without times of the server's, keys come from the receiver's clock: whoever taps twice has to know it.
        return Finding("server", "note", f"{found}; no frame has the server's time, so two taps make two histories")
    return Finding("server", "ok", found)


# ---------------------------------------------------------------------------------------------- the ledger


async def _ledger(settings: Settings) -> AsyncIterator[Finding]:
    if settings.convex_url is None:
        to_do = "set TAP_CONVEX_URL later, and the tap sends everything"
        yield Finding("convex", "ok", "not configured: the journal saves everything", to_do)
        return
    async with Ledger(
        settings.convex_url, settings.ingest_key, module=settings.convex_module, deadline=_LEDGER_WITHIN_S
    ) as ledger:
        ping = await ledger.ping(settings.venue)
        yield _deployment(ledger.shown, ping)
        yield await _key(ledger, ping, settings.venue)


def _deployment(shown: str, ping: Ping) -> Finding:
    if ping.code not in ("ok", *_KEY_CODES):
        return Finding("convex", "failed", f"{shown}: {ping.words}", ping.hint)
    if ping.deployment is not None and ping.deployment.older:
        words = f"{shown}: it answers; its functions are older than this tap: what they do not know stays pending"
        return Finding("convex", "note", words, DEPLOY)
    return Finding("convex", "ok", f"{shown}: {_THERE}")


async def _key(ledger: Ledger, ping: Ping, venue: str) -> Finding:
    if ping.code in _KEY_CODES:
        return await _wrong_key(ledger, ping, venue)
    if not ping.ok:
        return Finding("key", "note", "was not tried")
    return Finding("key", "ok", f"it writes and reads venue {venue}")


async def _wrong_key(ledger: Ledger, ping: Ping, venue: str) -> Finding:
    if ping.code in ("key_wrong", "key_rights") and await _reads(ledger, venue):
        words = f"it can only read venue {venue}; the tap needs one that writes"
        return Finding("key", "failed", words, ping.hint)
    return Finding("key", "failed", f"the ledger {ping.words}", ping.hint)


async def _reads(ledger: Ledger, venue: str) -> bool:
    page = {"numItems": 1, "cursor": None}
    try:
        await ledger.query("listSessions", {"venue": venue, "paginationOpts": page})
    except (LedgerAway, LedgerRefused):
        return False
    return True
