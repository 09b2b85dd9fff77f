"""``simulate``: a multicam-server to rehearse with. It plays a planned shoot to its clients, on loopback only.

Every client gets the same frames; a new one first gets ``hello`` and ``state``. Connections drop when the plan says so,
and new ones are refused (503) until it accepts them again. Times in frames are *virtual* server time: they start with
the script, and run ``speed`` times as fast as the wall clock. It remembers what was really sent, and what happened
while no client was connected, so the truth is that of this performance.

At a speed above 1 the tap's own times (grace 5 s, settle 2 s) do not shrink: plan with ``pace=speed``, and no camera
is away for long, while flaps and stale states stay below them anyway.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import signal
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from pathlib import Path

from anyio import CancelScope, create_task_group, current_time
from msgspec import Struct
from websockets.asyncio.server import Server, ServerConnection, broadcast
from websockets.asyncio.server import serve as websocket_server
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from tap.adapters.clock import wall_ms
from tap.adapters.names import is_loopback
from tap.adapters.scopes import own_error, stop_signals
from tap.core.errors import TapError, UsageInvalid
from tap.rehearsal.performance import tape_lines
from tap.rehearsal.shoot import plan_shoot
from tap.rehearsal.styles import restyled
from tap.rehearsal.truth import Down, Heard, Item, Missed, Truth, Up
from tap.rehearsal.voice import Voice
from tap.rehearsal.ways import PLAIN, Ways
from tap.rehearsal.wire import Telemetry
from tap.rehearsal.witness import truth_of
from tap.rehearsal.world import Accept, Drop, Send, Shoot, World

__all__ = ["Rehearsal", "SimulatorOptions", "run_simulator", "serve"]

_PATIENCE_S = 60.0
_LOG = logging.getLogger("tap.rehearsal.server")
_LOG.addHandler(logging.NullHandler())
_LOG.propagate = False  # clients that come and go are what a rehearsal is made of
_TICK_S = 0.005
"""How often telemetry goes out while the script waits."""


class Rehearsal:
    """One performance of a shoot over real sockets."""

    def __init__(
        self,
        shoot: Shoot | Callable[[int], Shoot],
        *,
        speed: float = 1.0,
        clients: int = 1,
        wait_for_client: bool = True,
        patient: bool = False,
    ) -> None:
        """``shoot`` may be a function of the wall clock (Unix ms) at which the first client comes.

        ``patient``: time stands still (a minute at most) while fewer than ``clients`` are there and could be.
        """
        if speed <= 0:
            raise UsageInvalid(f"speed is {speed:g}", hint="it has to be above 0")
        self.items: list[Item] = []
        """What was sent and what was missed, in order, without telemetry."""
        self.received_from_clients = 0
        """Data frames that ever came from a client. A passive tap leaves it at 0."""
        self.telemetry_sent = 0
        self._make = shoot
        self._shoot: Shoot | None = None
        self._speed = speed
        self._clients = clients
        self._waits = wait_for_client
        self._patient = patient
        self._there: set[ServerConnection] = set()
        self._arrival = asyncio.Event()
        self._open = True
        self._world: World | None = None
        self._now = 0
        self._due = 0
        """The moment of the next step."""
        self._paused_at = 0
        """The virtual time at which the clock stood still last."""
        self._origin: float | None = None
        self._voice: Voice | None = None

    @property
    def shoot(self) -> Shoot:
        """The shoot that is played. It is made now if it was not made yet."""
        if self._shoot is None:
            self._shoot = self._make(wall_ms()) if callable(self._make) else self._make
        return self._shoot

    @property
    def voice(self) -> Voice:
        """How that shoot's server writes frames."""
        if self._voice is None:
            self._voice = Voice(self.shoot)
        return self._voice

    @property
    def world(self) -> World:
        """What is true on the server now."""
        return self._world or self.shoot.steps[0].world

    @property
    def listeners(self) -> int:
        """How many clients are connected, as far as the server knows."""
        return len(self._there)

    @property
    def played_ms(self) -> int:
        """How much of the script has been played."""
        return self._now

    def wait_for_listeners(self, patient: bool) -> None:
        """From now on, wait for disconnected clients, too, if ``patient``; never wait less than at first."""
        self._patient = self._patient or patient

    # ------------------------------------------------------------------------------------------ clients

    def admit(self, connection: ServerConnection, request: Request, path: str) -> Response | None:
        """Refuse requests for another path, and all requests during a blackout."""
        if request.path.partition("?")[0] != path:
            return connection.respond(HTTPStatus.NOT_FOUND, "no such path\n")
        if not self._open:
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "the server is away\n")
        return None

    async def attend(self, connection: ServerConnection) -> None:
        """Greet a client, then count what it sends. A tap sends nothing."""
        if not self._open:
            await connection.close(1013)
            return
        self._greet(connection)
        try:
            async for _ in connection:
                self.received_from_clients += 1
        except ConnectionClosed:
            pass
        finally:
            self._leave(connection)

    def _greet(self, connection: ServerConnection) -> None:
        first = not self._there
        if first:
            self.items.append(Up(wall=wall_ms(), now=self._now))
        for say in self.voice.greet(self.world, self._virtual()):
            broadcast([connection], say.data)
            if first:
                self.items.append(Heard(wall=wall_ms(), now=self._now, ts=say.ts, data=say.data, facts=say.facts))
        self._there.add(connection)
        self._arrival.set()

    def _leave(self, connection: ServerConnection) -> None:
        if connection in self._there:
            self._there.discard(connection)
            if not self._there:
                self.items.append(Down(wall=wall_ms(), now=self._now, why="client gone"))

    # ------------------------------------------------------------------------------------------ the play

    async def play(self) -> None:
        """Plays the script to its end, then closes every connection with 1001 once all has been sent."""
        if self._waits:
            await self._gather(None)
        steps, telemetry = self.shoot.steps, Telemetry(self.shoot.plan)
        self._origin = current_time()
        for step in steps:
            self._due = step.at
            await self._until(step.at, telemetry)
            if self._patient and self._open:
                await self._pause()
            await self._do(step)
        await self.close()

    async def close(self) -> None:
        """Send what is still to be sent, and close every connection."""
        self._open = False
        there, self._there = self._there, set()
        if there:
            self.items.append(Down(wall=wall_ms(), now=self._now, why="server closes"))
        await asyncio.gather(*(connection.close(1001, "the rehearsal is over") for connection in there))

    def truth(self, *, venue: str = "rehearsal") -> Truth:
        """The truth of what has been performed so far."""
        return truth_of(self.shoot.plan, self.items, venue=venue)

    async def _do(self, step: Send | Drop | Accept) -> None:
        self._world, self._now = step.world, step.at
        match step:
            case Accept():
                self._open = True
            case Drop():
                await self._drop(step)
            case Send():
                self._send(step)

    def _send(self, step: Send) -> None:
        if not self._there or self._is_from_before_the_pause(step):
            self.items.append(Missed(now=step.at, facts=self.voice.miss(step), world=step.world))
            return
        for say in self.voice.say(step):
            broadcast(self._there, say.data)
            self.items.append(Heard(wall=wall_ms(), now=step.at, ts=say.ts, data=say.data, facts=say.facts))

    def _is_from_before_the_pause(self, step: Send) -> bool:
        """A stale state is late by little. Once the clock has stood still, it would be as late as that was long."""
        return any(
            part.fact is not None and part.fact.kind == "stale" and part.made < self._paused_at for part in step.parts
        )

    async def _drop(self, step: Drop) -> None:
        """A restart says 1012; a network that fails says nothing. Either way what was sent before arrives."""
        self._open = False
        there, self._there = self._there, set()
        if there:
            self.items.append(Down(wall=wall_ms(), now=step.at, why=step.why))
        if step.why == "restart":
            await asyncio.gather(*(connection.close(1012, "restart") for connection in there))
            return
        for connection in there:
            connection.transport.close()

    # ------------------------------------------------------------------------------------------ time

    def _virtual(self) -> int:
        """Virtual time now, between the last step and the next: a script that is late makes the whole server late."""
        if self._origin is None:
            return 0
        return max(self._now, min(self._due, int((current_time() - self._origin) * 1000 * self._speed)))

    async def _until(self, at: int, telemetry: Telemetry) -> None:
        """Waits for a moment of the script, with telemetry meanwhile."""
        assert self._origin is not None  # noqa: S101 (play() sets it)
        while True:
            left = self._origin + at / 1000 / self._speed - current_time()
            self._noise(telemetry, at if left <= 0 else min(at, self._virtual()))
            if left <= 0:
                break
            await asyncio.sleep(min(left, _TICK_S) if self.shoot.plan.telemetry_rate else left)
        await asyncio.sleep(0)  # a script that is late must not keep clients from being heard

    def _noise(self, telemetry: Telemetry, until: int) -> None:
        for _, write in telemetry.until(until):
            data = self.voice.murmur(write, self.world) if self._there else None
            if data is not None:
                broadcast(self._there, data)
                self.telemetry_sent += 1

    async def _pause(self) -> None:
        """Stop the virtual clock until every client is connected again."""
        assert self._origin is not None  # noqa: S101 (play() sets it)
        since = current_time()
        if len(self._there) < self._clients:
            await self._gather(_PATIENCE_S)
            self._origin += current_time() - since
            self._paused_at = self._due

    async def _gather(self, patience_s: float | None) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                while len(self._there) < self._clients:
                    self._arrival.clear()
                    await self._arrival.wait()


@contextlib.asynccontextmanager
async def serve(
    shoot: Shoot | Callable[[int], Shoot],
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    speed: float = 1.0,
    path: str = "/ws/control",
    clients: int = 1,
    wait_for_client: bool = True,
    patient: bool = False,
) -> AsyncIterator[tuple[Rehearsal, int]]:
    """A server that is ready to play a shoot; gives the rehearsal and the real port. ``await rehearsal.play()`` plays.

    Raises TapError for an address that is not loopback, or cannot be bound.
    """
    if not is_loopback(host):
        raise UsageInvalid(f"a rehearsal does not listen on {host}", hint="loopback only: 127.0.0.1, ::1, localhost")
    rehearsal = Rehearsal(shoot, speed=speed, clients=clients, wait_for_client=wait_for_client, patient=patient)

    def admit(connection: ServerConnection, request: Request) -> Response | None:
        return rehearsal.admit(connection, request, path)

    server = await _listen(rehearsal, admit, host, port)
    try:
        yield rehearsal, next(iter(server.sockets)).getsockname()[1]
        await rehearsal.close()
    finally:
        server.close()
        await server.wait_closed()


async def _listen(
    rehearsal: Rehearsal, admit: Callable[[ServerConnection, Request], Response | None], host: str, port: int
) -> Server:
    try:
        return await websocket_server(
            rehearsal.attend,
            host,
            port,
            process_request=admit,
            compression=None,
            logger=_LOG,
            ping_interval=None,  # a client that is busy or frozen is for the tap's tests to judge, not for us
            close_timeout=2,
            max_size=2**20,
        )
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        why = "another program listens there" if taken else error.strerror or str(error)
        raise TapError(f"cannot listen on {host}:{port}: {why}", hint="choose another --port, or 0 for any") from None


# ---------------------------------------------------------------------------------------------- the command


class SimulatorOptions(Struct, frozen=True, kw_only=True):
    """The options of ``multicam-tap simulate``."""

    cameras: int = 5
    seed: int = 1
    speed: float = 1.0
    length_s: float = 120.0
    faults: tuple[str, ...] = ()
    style: str | None = None
    """Write frames like a made-up server (a name of ``tap.rehearsal.styles``); None: multicam/1."""
    ways: Ways = PLAIN
    """How the server counts, dates, names and sends."""
    sessions: int = 1
    telemetry_rate: float = 40.0
    host: str = "127.0.0.1"
    port: int = 0
    path: str = "/ws/control"
    truth: Path | None = None
    tape: Path | None = None
    venue: str = "rehearsal"
    id_prefix: str | None = None
    start_wall_ms: int | None = None
    """Where the server's clock starts; None: at the wall clock of the first client's arrival."""
    real_clock: bool = False
    """The server's clock runs at normal speed, whatever ``speed`` is: so events are closer together."""
    clients: int = 1
    wait_for_client: bool = True
    patient: bool = False
    on_ready: Callable[[int], None] | None = None
    """Called with the real port once clients may connect."""

    def __post_init__(self) -> None:
        if not self.path.startswith("/"):
            raise UsageInvalid(
                f"{self.path!r} is not the path of a WebSocket", hint="it begins with a slash: /ws/control"
            )
        if self.style is not None and self.ways != PLAIN:
            raise UsageInvalid("a made-up server has ways of its own", hint="leave out --style, or --server")

    def shoot(self, start_wall_ms: int) -> Shoot:
        """The shoot that these options ask for; ``start_wall_ms`` is when it begins, unless they say so themselves."""
        made = plan_shoot(
            self.seed,
            cameras=self.cameras,
            length_s=self.length_s,
            faults=self.faults,
            sessions=self.sessions,
            telemetry_rate=self.telemetry_rate,
            id_prefix=self.id_prefix,
            start_wall_ms=start_wall_ms if self.start_wall_ms is None else self.start_wall_ms,
            pace=self.speed,
            real_clock=self.real_clock,
            ways=self.ways,
        )
        return made if self.style is None else restyled(made, self.style)


async def run_simulator(options: SimulatorOptions) -> int:
    """Plays one shoot to its end, or until SIGTERM or SIGINT; then writes truth and tape, where asked. Returns 0.

    Raises UsageInvalid for options that cannot be, before anything listens.
    """
    options.shoot(0)  # wrong options have to be known now, not when a client comes
    async with serve(
        options.shoot,
        host=options.host,
        port=options.port,
        speed=options.speed,
        path=options.path,
        clients=options.clients,
        wait_for_client=options.wait_for_client,
        patient=options.patient,
    ) as (rehearsal, port):
        if options.on_ready is not None:
            options.on_ready(port)
        await _play_until_stopped(rehearsal)
    _write(rehearsal, options)
    return 0


async def _play_until_stopped(rehearsal: Rehearsal) -> None:
    with own_error(), stop_signals() as signals:
        async with create_task_group() as playing:
            if signals is not None:
                playing.start_soon(_stopped_by, signals, playing.cancel_scope)
            await rehearsal.play()
            playing.cancel_scope.cancel()


async def _stopped_by(signals: AsyncIterator[signal.Signals], scope: CancelScope) -> None:
    async for _ in signals:
        scope.cancel()


def _write(rehearsal: Rehearsal, options: SimulatorOptions) -> None:
    try:
        if options.truth is not None:
            options.truth.write_text("".join(rehearsal.truth(venue=options.venue).lines()), encoding="utf-8")
        if options.tape is not None:
            started = next((item.wall for item in rehearsal.items if isinstance(item, Up)), wall_ms())
            lines = tape_lines(rehearsal.items, started, venue=options.venue)
            options.tape.write_text("".join(lines), encoding="utf-8")
    except OSError as error:
        raise TapError(f"cannot write: {error.strerror}", where=str(error.filename)) from None
