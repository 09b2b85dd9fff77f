"""The ways into the machine, and what is due when.

:class:`Machine` puts the parts together and hands each observation to the one that it concerns. It is total: reality is
never refused, and nothing that a server can send raises. It is pure: no clock (time comes with each observation), no
I/O, no randomness, no logging.

Time passes in two ways. Each frame carries the tap's own time, and before it is read, everything that was due by then
happens first, in order (``_pass``). In silence somebody has to call ``tick`` at ``next_deadline``. Either way a
deadline acts as of its own time, so that a replay at any speed gives the same entries.

Deadlines are computed from the state each time. They are not part of the state: they follow from what is known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import assert_never

from tap.core.machine.aspects import Aspects
from tap.core.machine.cameras import Cameras
from tap.core.machine.connections import Connections
from tap.core.machine.desk import Desk
from tap.core.machine.gaps import Gaps
from tap.core.machine.hold import Hold
from tap.core.machine.memory import Memory
from tap.core.machine.mode import Mode
from tap.core.machine.moments import Moments
from tap.core.machine.program import Program
from tap.core.machine.recorder import Recorder
from tap.core.machine.rows import RowWriter, time_of
from tap.core.machine.rules import Action, Cause, Rules, Signal
from tap.core.machine.sessions import Sessions
from tap.core.machine.snapshots import Snapshots
from tap.core.machine.staleness import Staleness
from tap.core.machine.state import Phase, State
from tap.core.machine.stills import Stills
from tap.core.mapping import Dialect
from tap.core.model import (
    CameraLeft,
    CameraTold,
    Coming,
    Cut,
    Entry,
    Envelope,
    Hello,
    HoldOn,
    ModeChanged,
    Moment,
    Observation,
    Policy,
    ProgramLost,
    Recording,
    Release,
    SessionEnded,
    SessionInfo,
    SessionStarted,
    SessionUpdated,
    SetUp,
    Snapshot,
    Stamp,
    StillCaptured,
    StillFailed,
    StillRequested,
    StillUploaded,
)

__all__ = ["TAP_RESTART", "Machine"]

TAP_RESTART = "tap restart"
"""Why the server was lost, where it was the tap that was away."""

_IN_SIGHT = frozenset({Phase.LIVE, Phase.UNSURE})
"""Phases in which the program is known not to have changed, as long as the server can be seen."""
_OFF_ENDS_MS = 10_000
"""How long nothing may be on air before a session by ``program`` is over."""


class Machine:
    """One server's history as it unfolds.

    ``step`` takes an observation and gives the entries that it causes; ``opened``, ``closed``, ``heard`` and ``tick``
    tell of the connection and of time. All of them give entries, in the order in which they have to be written.
    """

    def __init__(
        self,
        dialect: Dialect,
        *,
        tap: str,
        policy: Policy,
        venue: str,
        state: State | None = None,
        memory: Memory | None = None,
    ) -> None:
        self.state = state = State() if state is None else state
        self.memory = memory = Memory(self.state) if memory is None else memory
        self.is_news = True
        """Whether the last observation reported what is so now, and no history."""
        self.next_deadline: int | None = None
        """``mono`` (ms) at which something is due; None where nothing is."""
        self._dialect = dialect
        self._policy = policy
        self._rows = rows = RowWriter(state, memory, dialect, tap=tap, clock_step_ms=policy.clock_step_ms)
        self._staleness = staleness = Staleness(state, dialect.seq_orders, policy)
        staleness.identity.noted = lambda session, ident: memory.note(session, "i", ident)
        rows.is_ahead = staleness.identity.is_ahead
        self._rules = rules = Rules(state, policy)
        self._cameras = cameras = Cameras(rows, staleness, policy)
        aspects = Aspects(state, rows=rows, staleness=staleness, rules=rules, memory=memory, policy=policy)
        staleness.began_anew = aspects.began_anew
        self._desk = desk = self._set_desk(aspects)
        self._connections = Connections(
            state, desk, staleness=staleness, rules=rules, heartbeat_ms=dialect.heartbeat_ms
        )
        gaps = Gaps(state, desk, rows=rows)
        sessions = Sessions(
            state,
            desk,
            aspects=aspects,
            rows=rows,
            staleness=staleness,
            rules=rules,
            memory=memory,
            cameras=cameras,
            gaps=gaps,
            dialect=dialect,
            venue=venue,
        )
        self._snapshots = Snapshots(
            state,
            desk,
            sessions=sessions,
            aspects=aspects,
            rows=rows,
            staleness=staleness,
            rules=rules,
            cameras=cameras,
            policy=policy,
        )
        rules.actions = _actions(sessions, gaps)
        self._sessions = sessions
        self._stills = Stills(rows, staleness, memory)
        self._moments = Moments(state, aspects, rows=rows, staleness=staleness)
        self._set_deadline()

    def _set_desk(self, aspects: Aspects) -> Desk:
        """Program, hold, mode and recorder, put together."""
        state, rows, rules = self.state, self._rows, self._rules
        program = Program(state, aspects, rows=rows, staleness=self._staleness, rules=rules, cameras=self._cameras)
        return Desk(
            state,
            program=program,
            hold=Hold(state, aspects, rows=rows, on_air=program.known),
            mode=Mode(state, aspects, rows=rows, rules=rules),
            recorder=Recorder(state, aspects, rows=rows, rules=rules, memory=self.memory),
        )

    def _take(self, o: Observation) -> None:  # noqa: C901, PLR0912 - a table
        """Who takes in what; a kind that is missing here is named by the type checker."""
        match o:
            case Snapshot():
                self._snapshots.shown(o)
            case Cut():
                self._desk.program.cut(o)
            case Hello():
                self._connections.hello(o)
            case SessionStarted():
                self._sessions.started(o)
            case SessionUpdated():
                self._sessions.updated(o)
            case SessionEnded():
                self._sessions.ended(o)
            case CameraTold():
                self._cameras.updated(o)
            case CameraLeft():
                self._cameras.left(o)
            case HoldOn():
                self._desk.hold.held(o)
            case Release():
                self._desk.hold.released(o)
            case ModeChanged():
                self._desk.mode.changed(o)
            case StillRequested():
                self._stills.requested(o)
            case StillCaptured():
                self._stills.captured(o)
            case StillUploaded():
                self._stills.uploaded(o)
            case StillFailed():
                self._stills.failed(o)
            case Moment():
                self._moments.take(o)
            case Recording():
                self._desk.recorder.recording(o)
            case SetUp():
                self._desk.recorder.set_up(o)
            case Coming():
                self._desk.program.coming(o)
            case ProgramLost():
                self._desk.program.lost(o)
            case _:
                assert_never(o)

    # ------------------------------------------------------------------ the source: connections and time

    def opened(self, stamp: Stamp) -> list[Entry]:
        """The source says that a connection is open; what was known before it is not sure any more."""
        self._pass(stamp)
        self._connections.connect(greeted=False).told_open = True
        return self._done()

    def closed(self, stamp: Stamp, *, cause: str = "connection", heard: int | None = None) -> list[Entry]:
        """The connection is gone. A frame that still comes, without another opening, belongs to it all the same.

        Args:
            cause: Why, for the row of the gap that follows.
            heard: ``mono`` of the last frame before, where the source knows it better (tapes leave telemetry out).
        """
        self._pass(stamp)
        state = self.state
        if heard is not None:
            state.heard = max(state.heard, min(heard, stamp.mono))
        if state.connection is not None and state.connection.open:
            state.connection.open = False
            state.loss_cause = cause
            self._rules.signal(Signal.CLOSED, Cause(Envelope(stamp)))
        return self._done()

    def heard(self, stamp: Stamp) -> list[Entry]:
        """A frame came that says nothing (telemetry): the server is there."""
        state = self.state
        if self._dialect.heartbeat_ms is None and (self.next_deadline is None or stamp.mono < self.next_deadline):
            # The way of nearly every frame: nothing is due, and hearing it moves no deadline.
            state.wall = stamp.wall
            state.heard = state.mono = max(state.mono, stamp.mono)
            return []
        self._pass(stamp, heard=True)
        state.heard = state.mono
        return self._done()

    def tick(self, stamp: Stamp) -> list[Entry]:
        """Time went on to ``stamp``, and nothing came."""
        self._pass(stamp)
        return self._done()

    def begin(self, envelope: Envelope, info: SessionInfo) -> list[Entry]:
        """A session that somebody chose begins, whatever the server says.

        Args:
            envelope: Time and stamp of its beginning; its first row is as of then.
        """
        # NB: exception 7 in rules: what the server says of sessions does not count here.
        self._pass(envelope.stamp)
        self._rules.signal(Signal.STARTED, Cause(envelope, info=info))
        self._rows.note_running(envelope)
        return self._done()

    def finish(self, envelope: Envelope, *, lost: bool) -> list[Entry]:
        """The session that somebody chose is over.

        Args:
            envelope: Time and stamp of its end.
            lost: No connection was open then, so its end is not known: a gap says so.
        """
        self._pass(envelope.stamp)
        cause = Cause(envelope, reason="made")
        if lost and self.state.phase not in {Phase.BLIND, Phase.IDLED}:
            self._connections.lose()
        self._rules.signal(Signal.HEARD, cause)
        self._rules.signal(Signal.ENDED, cause)
        return self._done()

    def foresee(self, batch: Sequence[Observation]) -> None:
        """All that one message says is about to come, in this order."""
        self._staleness.foresee(batch)

    def step(self, observation: Observation) -> list[Entry]:
        """Take in what a frame says.

        Returns:
            What this adds to the history, with what was due before it.
        """
        envelope = observation.envelope
        self._pass(envelope.stamp, envelope=envelope)
        state = self.state
        self._staleness.is_news = True
        if type(observation) is Hello:
            self._connections.greet(observation)
        # Only now: a greeting may have found out that the server had been away.
        state.heard = state.mono
        connection = state.connection
        if connection is None or (not connection.open and state.loss_cause == TAP_RESTART):
            connection = self._connections.connect(greeted=True)
        connection.frames += 1
        self._staleness.watch(observation, connection)
        if connection.first_at is None:
            connection.first_at, connection.first_wall = time_of(envelope), envelope.stamp.wall
            if not connection.silent:  # after a silence no connection begins, so nothing is told again
                connection.first_mono = envelope.stamp.mono
            self._rules.signal(Signal.HEARD, Cause(envelope))
        elif not connection.open:
            self._rules.signal(Signal.HEARD, Cause(envelope))
        connection.controlled, connection.controlled_at, connection.silent = envelope.stamp.mono, envelope.at, False
        self._take(observation)
        self.is_news = self._staleness.is_news
        if type(observation) is Snapshot:
            self._connections.keep_time(envelope, news=bool(self._rows.entries))
        elif type(observation) is not Hello:
            state.explicit_mono = envelope.stamp.mono
        return self._done()

    def go_above(self, key: str, version: int) -> None:
        """The ledger holds this row in a later version: what is written of it from now on goes above that."""
        self._rows.go_above(key, version)

    def _done(self) -> list[Entry]:
        """The entries since the last call; what is due next may have changed by what caused them."""
        self._set_deadline()
        return self._rows.take()

    # ------------------------------------------------------------------ deadlines

    def _set_deadline(self) -> None:
        self.next_deadline = min([due for due, _ in self._deadlines()], default=None)

    def _deadlines(self) -> list[tuple[int, Callable[[], None]]]:
        """All that is due some time, as the time (``mono``, ms) and what to do then.

        Cameras within their grace time; the idle time, while the server cannot be seen; the silence after which it
        cannot; and for a session by ``program``, 10 s with nothing on air, or hours without a change.
        """
        found: list[tuple[int, Callable[[], None]]] = self._cameras.deadlines()
        session = self._rows.running()
        if session is not None:
            unseen_since = self._connections.unseen_since()
            if unseen_since is not None:
                found.append((unseen_since + self._policy.idle_ms, self._idle))
            connection = self.state.connection
            if connection is not None and connection.open and self.state.phase in _IN_SIGHT:
                silent = self._connections.silent_after
                if silent is not None:
                    since = max(self._connections.last_told(connection), connection.excused)
                    found.append((since + silent, self._connections.out_of_sight))
                if session.by == "program":
                    program = self.state.program
                    off = program.known and program.value is None
                    length = _OFF_ENDS_MS if off else self._policy.unchanged_ms
                    found.append((self.state.program_since[1] + length, self._off if off else self._unchanged))
        return found

    def _pass(self, stamp: Stamp, *, envelope: Envelope | None = None, heard: bool = False) -> None:
        """Time goes on to ``stamp``. What was due before that happens first, in the order of the deadlines.

        The server is not lost as long as telemetry comes (``heard``). It is not lost either if the next frame's own
        time shows that the server went on, and that the tap itself was stopped (``envelope``).
        """
        if envelope is not None or heard:
            connection = self.state.connection
            due_now = self.next_deadline is not None and self.next_deadline <= stamp.mono
            if due_now and connection is not None and connection.open:
                self._connections.excuse(connection, envelope, stamp.mono)
        while self.next_deadline is not None and self.next_deadline <= stamp.mono:
            due, act = min(self._deadlines(), key=lambda item: item[0])
            if due > stamp.mono:
                break  # it moved on since it was set
            self.state.wall += max(0, due - self.state.mono)
            self.state.mono = max(self.state.mono, due)
            act()
            self._set_deadline()
        self.state.wall = stamp.wall
        self.state.mono = max(self.state.mono, stamp.mono)

    def _idle(self) -> None:
        """The server has been away for the idle time: the session is closed as interrupted."""
        self._connections.lose()
        self._rules.signal(Signal.IDLE, Cause.of_time(self.state))

    def _unchanged(self) -> None:
        """A session by ``program`` is over, because nothing has changed for too long. It ended at the last change."""
        self._rules.signal(Signal.ENDED, Cause.of_time(self.state, reason="unchanged", at=self.state.program_since[0]))

    def _off(self) -> None:
        """The show is over, because nothing has been on air for too long. It ended when the program went off."""
        self._rules.signal(Signal.ENDED, Cause.of_time(self.state, at=self.state.program_since[0]))


def _actions(sessions: Sessions, gaps: Gaps) -> Mapping[Action, Callable[[Cause], None]]:
    """Who does what the table says."""
    return {
        Action.START: sessions.start,
        Action.RESUME: sessions.resume,
        Action.GO_ON: sessions.go_on,
        Action.COMPLETE: sessions.complete,
        Action.UNSEEN: lambda _: sessions.interrupt("unseen"),
        Action.REPLACED: lambda _: sessions.interrupt("replaced"),
        Action.IDLED: lambda _: sessions.interrupt("idle"),
        Action.GO_BLIND: gaps.go_blind,
        Action.NOTE_GAP: gaps.note,
        Action.WRITE_GAP: gaps.write,
    }
