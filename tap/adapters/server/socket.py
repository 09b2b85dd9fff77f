"""The live source: one connection to multicam-server after another, for ever, each frame stamped and handed on.

It listens and nothing else: no data frame ever leaves it, only pings, pongs and the goodbye of the WebSocket protocol,
and what the handshake of a dialect has to say (OBS tells nothing to who does not identify and ask; multicam/1 has
none).
It never makes the server wait: frames go from the read callback straight to ``on_item``, with no queue between that
could fill up. Proxies from the environment are not asked: the server is in the venue's own network, and the
control traffic of a shoot is not for a machine that somebody set up for web pages.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address
from typing import Any, NamedTuple, cast
from urllib.parse import urlsplit, urlunsplit

from anyio import (
    Event,
    create_task_group,
    fail_after,
    get_cancelled_exc_class,
    move_on_after,
    sleep,
)
from websockets.asyncio.client import connect
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed, InvalidURI

from tap.adapters.aligned_sleep import sleep_aligned
from tap.adapters.clock import Clock
from tap.adapters.names import look_up
from tap.adapters.server.disposition import Disposition, Retry, SilentError, disposition, is_too_big
from tap.adapters.server.line import Line
from tap.adapters.server.websockets_line import WebsocketsLine
from tap.core.backoff import Backoff
from tap.core.errors import HandshakeRefused, ServerError
from tap.core.mapping import Dialect, Sniff
from tap.core.model import Closed, Frame, Opened, Policy, Sent, SourceItem, Stamp
from tap.core.protocols import Handshake, Speaking
from tap.core.redact import redact_text

__all__ = ["MAX_FRAME", "ServerSocket", "Timing"]

MAX_FRAME = 32 * 2**20
"""Bytes of the largest frame that is taken. A state with every still of a long shoot is some MB; beyond this it is no
control traffic, and would only fill the memory of a small machine."""

_ASK_AGAIN_S = 1.0
"""How often a handshake is asked whether it has something to say."""

_PART_WITHIN = 1.5
"""How many times ``Timing.close_timeout`` a goodbye may take at the end, whatever it waits for."""

_MOST_EARLY = 2**20
"""Bytes that a server may say before its handshake is through; what a handshake takes is some hundred."""
_EARLY_FRAMES = 1_000


# At DEBUG websockets writes the request's headers, and with them the token. The root logger's level must not reach it.
_LOG = logging.getLogger("tap.adapters.server.websockets")
_LOG.setLevel(logging.WARNING)


class Timing(NamedTuple):
    """How patient the socket is; seconds. The answer is due before the next ping: ``answer_within <= ping_every``."""

    ping_every: float = 15.0
    answer_within: float = 15.0
    open_timeout: float = 10.0
    close_timeout: float = 1.0
    """How long a goodbye may take. Short, since SIGTERM waits for it."""
    first_delay: float = 0.25
    longest_delay: float = 15.0
    steady_after: float = 20.0
    """If a connection was open this long, the next attempt comes soon again. It is longer than ``answer_within``: by
    then the server has sent something."""

    def backoff(self, retry: Retry) -> Backoff:
        """How long to wait before the next attempt."""
        return Backoff(self.longest_delay if retry is Retry.SLOWLY else self.first_delay, self.longest_delay)

    def faster(self, factor: float) -> Timing:
        """All of it shorter by ``factor``, for rehearsals."""
        return Timing(*(seconds / factor for seconds in self))


# ---------------------------------------------------------------------------------------------- the connections


class ServerSocket:
    """Listens to one server, reconnecting for ever. ``run`` it; cancel that to stop.

    ``on_item`` is called from the read callback with ``Opened``, ``Frame`` and ``Closed``. It has to be quick; if it
    raises, ``run`` ends. If there is an ``on_telemetry``, frames that ``dialect`` recognizes as telemetry by their
    bytes are only counted: it is called with their time and their number. ``on_change`` is called with None when a
    connection is open, and with the reason when there is none, once for each reason and not for each attempt.
    ``token`` is sent as a bearer token, and shown nowhere. ``read_token_again`` returns another one after a refusal,
    or None.

    If ``dialect`` has a handshake, ``token`` is the password for that instead. A connection that fails the handshake
    does not count: nothing of it is passed on. ``on_sent`` is called with each frame that was sent.

    Raises ``ServerError`` if ``url`` is not the address of a WebSocket, or ``token`` is no bearer token.
    """

    connected = False
    """Whether a connection is open, and its handshake is through."""
    connection = 0
    """How many connections there were, the present one included."""
    frames = 0
    """How many frames were handed on or counted, on all connections."""
    heard: Stamp | None = None
    """When the last frame was received."""
    problem: str | None = "not connected yet"
    """Why there is no connection, in words; None while one is open."""
    remark: str | None = None
    """What people should know of the server although it can be listened to."""
    refused = False
    """Somebody has to mend something (address, token) before there can be a connection again."""
    too_big = 0
    """How many connections a frame beyond the limit has cost."""

    _ordinal = 0
    """Of the last frame on its connection."""
    _number = 0
    """Of the connection that is being made, or is open."""
    _since = 0
    """Since when the present connection has been open (mono ms)."""
    _failure: BaseException | None = None
    """What a listener raised; ``run`` raises it."""
    _is_in = False
    """The handshake has let us in: ``_let_in`` at a glance, since it is asked for every frame."""
    _silence: SilentError | None = None
    """Why the present connection was given up, where it was too long without a sign of life."""
    _line: Line | None = None
    """The present connection, from its first byte on."""

    def __init__(
        self,
        url: str,
        on_item: Callable[[SourceItem], None],
        clock: Clock,
        *,
        token: str | None = None,
        read_token_again: Callable[[], str | None] | None = None,
        dialect: Dialect | None = None,
        policy: Policy | None = None,
        compression: bool = False,
        timing: Timing | None = None,
        max_frame: int = MAX_FRAME,
        on_telemetry: Callable[[Stamp, int], None] | None = None,
        on_sent: Callable[[Sent], None] | None = None,
        on_change: Callable[[str | None], None] | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.shown = redact_text(url)
        """The address as it may be shown: without userinfo and query."""
        # A token takes the place of what the URL says of who we are: two of them would be none.
        self._url = url if token is None else _without_userinfo(url)
        self._on_item = on_item
        self._on_telemetry = on_telemetry
        self._on_change = on_change
        self._clock = clock
        self._speaking = _speaking(dialect)
        self._policy = policy
        self._read_token_again = read_token_again
        self._password = token
        # A password is no bearer token: it must not go over the line as it is, and may hold any letter.
        if token is not None and not self._speaking and not (token.isascii() and token.isprintable()):
            raise ServerError("the token cannot be sent in a header", where=self.shown, hint="printable ASCII only")
        self._headers = {} if token is None or self._speaking else {"Authorization": f"Bearer {token}"}
        self._on_sent = on_sent
        self._handshake: Handshake | None = None
        self._let_in = Event()
        self._asking = Event()
        """A question of the handshake has no answer yet."""
        self._early: list[SourceItem | Sent] = []
        self._early_bytes = 0
        self._refusal: ServerError | None = None
        # A handshake gets everything that comes before it is complete.
        telemetry = dialect is not None and on_telemetry is not None and self._speaking is None
        self.sniff: Sniff | None = dialect.sniff if dialect is not None and telemetry else None
        self._now = clock.stamp()
        """When the bytes of the present frames came."""
        self._compression = "deflate" if compression else None
        self._timing = timing or Timing()
        self._max_frame = max_frame
        self._jitter = jitter
        self._connect()

    @property
    def frames_here(self) -> int:
        """Frames that came on the present connection, or on the last one."""
        return self._ordinal

    def part(self) -> None:
        """The end has begun: what comes from here on is heard no more, while ``run`` says goodbye once it is cancelled.

        A server that sends without end would have the loop busy with its frames for each step of the end.
        """
        if self._line is not None:
            self._line.hush()

    async def run(self) -> None:
        """Connect, listen, and connect again, until cancelled; then say goodbye, and tell ``on_item`` so."""
        try:
            await self._for_ever()
        finally:
            self._tell_lost("tap stopped")

    async def _for_ever(self) -> None:
        failures = 0
        while True:
            error = await self._listen()
            verdict = self._judged(error)
            if self._failure is not None:
                raise self._failure
            self.refused = verdict.retry is Retry.SLOWLY
            stood = self._stood()
            self._tell_lost(verdict.words)
            self.too_big += is_too_big(error)
            # By standing, and not by a frame: a server may let in, say one, and close, for ever.
            if verdict.retry is Retry.SOON and stood >= self._timing.steady_after:
                failures = 0
            if self.refused and self._take_other_token():
                continue
            failures += 1
            await sleep(self._timing.backoff(verdict.retry).spread(failures, self._jitter()))

    def _take_other_token(self) -> bool:
        """Somebody may have put the token right where it is read from: try with that at once."""
        token = None if self._read_token_again is None else self._read_token_again()
        if token is None:
            return False
        self._password = token
        if self._headers:
            self._headers["Authorization"] = f"Bearer {token}"
        return True

    def _stood(self) -> float:
        """Seconds for which the present connection has been open."""
        return (self._clock.stamp().mono - self._since) / 1000 if self.connected else 0.0

    async def _dial(self) -> Line:
        """The first address of the server at which somebody answers."""
        with fail_after(self._timing.open_timeout):
            addresses = await _addresses(self._url)
        for address in addresses[:-1]:
            with suppress(OSError):
                return _line(await self._connect(address))
        return _line(await self._connect(addresses[-1]))

    def _connect(self, address: str | None = None) -> connect:
        where: dict[str, Any] = {} if address is None else {"host": address}
        try:
            return connect(
                self._url,
                **where,
                additional_headers=self._headers,
                user_agent_header="multicam-tap",
                compression=self._compression,
                proxy=None,
                open_timeout=self._timing.open_timeout,
                close_timeout=self._timing.close_timeout,
                ping_interval=None,  # ours counts frames as answers: see _keep_alive
                max_size=self._max_frame,
                max_queue=None,  # nothing is queued
                logger=_LOG,
                create_connection=self._made,  # type: ignore[arg-type]  # "a wrapper or a subclass", says its page
            )
        except (InvalidURI, ValueError) as error:
            what = redact_text(f"is not the address of a WebSocket: {error}")
            raise ServerError(what, where=self.shown, hint="for example ws://127.0.0.1:9404/ws/control") from None

    def _made(self, protocol: ClientProtocol, **options: Any) -> WebsocketsLine:
        self._line = line = WebsocketsLine(protocol, self, **options)
        return line

    def _judged(self, error: BaseException) -> Disposition:
        refusal, self._refusal = self._refusal, None
        code = error.rcvd.code if isinstance(error, ConnectionClosed) and error.rcvd is not None else 0
        if refusal is None and self._speaking is not None and code in self._speaking.refusals:
            refusal = HandshakeRefused(f"{self._speaking.refusals[code]} ({code})")
        return disposition(error if refusal is None else refusal)

    async def _listen(self) -> BaseException:
        """One connection from its beginning to its end; why it ended, or did not come about."""
        try:
            line = await self._dial()
        except Exception as error:  # noqa: BLE001 - whatever it is that a library trips over: the next attempt may do
            return error
        ended = await self._attended(line)
        silence, self._silence = self._silence, None
        return silence or ended

    async def _attended(self, line: Line) -> BaseException:
        """An open connection, with what has to be done beside it; why it ended."""
        try:
            async with create_task_group() as beside:
                beside.start_soon(self._keep_alive, line)
                beside.start_soon(self._drive_handshake, line)
                ended = await self._ended(line)
                beside.cancel_scope.cancel()
        except ExceptionGroup as errors:
            # A bug of the tap: it ends this connection, and is reported as the reason.
            return errors.exceptions[0]
        finally:
            self._line = None
        return ended

    async def _ended(self, line: Line) -> BaseException:
        """Wait for the line's end; say goodbye where the tap ends before."""
        try:
            return await line.ended()
        except get_cancelled_exc_class():
            line.hush()
            # Shielded, since each wait within a cancelled scope is cancelled again.
            with move_on_after(_PART_WITHIN * self._timing.close_timeout, shield=True):
                await line.say_goodbye()
            # One that does not answer the goodbye would be read on and on.
            line.abort()
            raise

    async def _keep_alive(self, line: Line) -> None:
        """Ping; where neither an answer nor a whole frame came in time, the line is dead, whatever TCP believes."""
        timing = self._timing
        while True:
            heard = line.heard
            try:
                await line.send_ping()
            except ConnectionClosed:
                return  # the line itself reports its end
            await sleep(timing.answer_within)
            if line.heard == heard:
                # Perhaps it was us who was stopped, and the answer waits in the kernel: read before judging.
                await sleep(timing.answer_within / 100)
            if line.heard == heard:
                words = f"no signal for {timing.answer_within:g} s, not even an answer to a ping"
                self._silence = SilentError(words)
                line.abort()
                return
            await sleep(timing.ping_every - timing.answer_within)

    async def _drive_handshake(self, line: Line) -> None:
        """What a handshake does by the clock: give up on a server that stays silent, and then ask again and again."""
        handshake = self._handshake
        if handshake is None:
            return
        with move_on_after(self._timing.open_timeout):
            await self._let_in.wait()
        if not self._is_in:
            self._refusal = handshake.overdue()
            line.abort()
            return
        while True:
            # Mostly every question has its answer: then nobody has to wake up for this.
            await self._asking.wait()
            await sleep_aligned(_ASK_AGAIN_S)
            self._send(line, handshake.tick())
            self._tell_remark(handshake.remark)
            if not handshake.waits:
                self._asking = Event()

    # ------------------------------------------------------------------------------------------ what happens on it

    def reading(self) -> None:
        """Bytes came. All that is in them came now, however long it takes to tell it."""
        self._now = self._clock.stamp()

    def opened(self) -> bool:
        """A handshake was completed; called before any of its frames. False where nobody wants them."""
        self._number = self.connection + 1
        self._ordinal = 0
        opened = Opened(self._now, self._number)
        if self._speaking is None:
            self._tell_connected()
            return self._give(opened)
        self._handshake = self._speaking.handshake(self._password, self._policy)
        self._let_in, self._is_in, self._asking = Event(), False, Event()
        self._early, self._early_bytes = [opened], 0
        return True

    def passed(self, frames: int) -> bool:
        """This many frames of telemetry came, one after the other. False if nobody wants more."""
        self._ordinal += frames
        self.frames += frames
        self.heard = self._now
        assert self._on_telemetry is not None  # noqa: S101 - without it there is no sniff
        return self._tell(self._on_telemetry, self._now, frames)

    def received(self, data: bytes, binary: bool, line: Line) -> bool:
        """A whole frame was received. False where nobody wants more."""
        self.heard = stamp = self._now
        self._ordinal += 1
        frame = Frame(data, stamp, self._number, self._ordinal, binary)
        handshake = self._handshake
        if handshake is None:
            self.frames += 1
            return self._give(frame)
        wanted = self._hand_on(frame)
        if not binary:
            try:
                answers = handshake.received(data)
            except HandshakeRefused as error:
                self._refusal = error
                return False
            if handshake.done and not self._is_in:
                wanted = self._enter(handshake)
            self._send(line, answers)
            if handshake.waits:
                self._asking.set()
        return wanted

    def _enter(self, handshake: Handshake) -> bool:
        """The server has let us in: what was said up to here is handed on."""
        self._is_in = True
        self._let_in.set()
        self.remark = handshake.remark
        self._tell_connected()
        early, self._early = self._early, []
        wanted = [self._hand_on(item) for item in early]
        return all(wanted)

    def _hand_on(self, item: SourceItem | Sent) -> bool:
        if not self._is_in:
            return self._keep_early(item)
        if isinstance(item, Sent):
            if self._on_sent is not None:
                self._on_sent(item)
            return True
        self.frames += isinstance(item, Frame)
        return self._give(item)

    def _keep_early(self, item: SourceItem | Sent) -> bool:
        self._early.append(item)
        self._early_bytes += len(item.data) if isinstance(item, Frame) else 0
        if self._early_bytes <= _MOST_EARLY and len(self._early) <= _EARLY_FRAMES:
            return True
        self._refusal = HandshakeRefused("it keeps sending, and does not finish the handshake")
        return False

    def _send(self, line: Line, frames: list[bytes]) -> None:
        for data in frames:
            line.send_text(data)
            self._hand_on(Sent(data, self._clock.stamp()))

    def _tell_remark(self, remark: str | None) -> None:
        if remark != self.remark:
            self.remark = remark
            self._tell_change()

    def _tell_connected(self) -> None:
        self.connected, self.problem, self.connection = True, None, self._number
        self._since = self._now.mono
        self._tell_change()

    def _tell_lost(self, words: str) -> None:
        # A connection that did not get through the handshake was none.
        self._handshake = None
        self._early.clear()
        changed = self.problem != words
        self.problem = words
        if self.connected:
            self.connected = False
            heard = None if self.heard is None else self.heard.mono
            self._give(Closed(self._clock.stamp(), self.connection, words, heard))
        if changed:
            self._tell_change()

    def _tell_change(self) -> None:
        if self._on_change is not None:
            self._on_change(self.problem)

    def _give(self, item: SourceItem) -> bool:
        return self._tell(self._on_item, item)

    def _tell(self, listener: Callable[..., None], *what: object) -> bool:
        try:
            listener(*what)
        except Exception as error:  # noqa: BLE001 - the event loop would swallow it here; run() raises it
            self._failure = self._failure or error
            return False
        return True


def _line(made: object) -> Line:
    """What ``connect`` gives is what ``_made`` gave it."""
    return cast(Line, made)


def _speaking(dialect: object) -> Speaking | None:
    return dialect if isinstance(dialect, Speaking) else None


async def _addresses(url: str) -> list[str | None]:
    """Where to connect, in order; None: as the URL says, which names an address itself."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    with suppress(ValueError):
        ip_address(host)
        return [None]
    infos = await look_up(host, parts.port or 0)
    found: list[str | None] = [str(info[4][0]) for info in infos]
    return list(dict.fromkeys(found)) or [None]


def _without_userinfo(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
