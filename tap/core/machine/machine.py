"""What happened? The state machine that turns observations into entries.

Its policy for sessions is the table :data:`RULES`; docs/how-it-works.md has its picture. The machine is
total: reality is never refused. It is pure: no clock (time comes with the observation), no I/O, no randomness, no
logging.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from msgspec import UNSET, structs

from tap.core.codec import session_key, sub_key
from tap.core.confirming import Confirming
from tap.core.machine.cameras import Cameras
from tap.core.machine.identity import name_of, words_of
from tap.core.machine.memory import Memory
from tap.core.machine.rows import Book, side_fields, told_at
from tap.core.machine.staleness import Order, Place
from tap.core.machine.state import (
    Aspect,
    Connection,
    Cover,
    Heading,
    Held,
    Live,
    Mark,
    PendingGap,
    Phase,
    Session,
    Side,
    State,
    flat,
    told_aspects,
)
from tap.core.machine.stills import Stills, program_at
from tap.core.mapping import Dialect
from tap.core.media import files_of, tell
from tap.core.model import (
    CameraLeft,
    CameraTold,
    Coming,
    Cut,
    Entry,
    Hello,
    HoldInfo,
    HoldOn,
    Marker,
    ModeChanged,
    MusicMoment,
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
    Told,
)

__all__ = ["FIRST_SIGHT", "RULES", "TAP_RESTART", "Machine", "Signal"]


class Signal(StrEnum):
    """What can befall a session."""

    STARTED = "another starts"
    """A frame says that a session starts which is not the known one."""
    SAME = "snapshot shows the same"
    OTHER = "snapshot shows another"
    NONE = "snapshot shows none"
    ENDED = "ended"
    """A frame says that it is over."""
    CHANGED = "explicit change"
    """A cut, hold, release or mode change was told before any snapshot."""
    LOST = "server lost"
    HEARD = "server heard"
    IDLE = "out of sight too long"


class Do(StrEnum):
    """What the machine does about it."""

    START = "start"
    RESUME = "resume"
    GO_ON = "go on"
    COMPLETE = "complete"
    UNSEEN = "interrupt (unseen)"
    REPLACED = "interrupt (replaced)"
    IDLED = "interrupt (idle)"
    GO_BLIND = "remember what was on"
    NOTE_GAP = "note gap"
    TELL_GAP = "tell gap"


RULES: Mapping[tuple[Phase, Signal], tuple[tuple[Do, ...], Phase]] = {
    (Phase.WAITING, Signal.STARTED): ((Do.START,), Phase.LIVE),
    (Phase.WAITING, Signal.OTHER): ((Do.START,), Phase.LIVE),
    (Phase.LIVE, Signal.STARTED): ((Do.COMPLETE, Do.START), Phase.LIVE),
    (Phase.LIVE, Signal.OTHER): ((Do.COMPLETE, Do.START), Phase.LIVE),
    (Phase.LIVE, Signal.NONE): ((Do.COMPLETE,), Phase.WAITING),
    (Phase.LIVE, Signal.ENDED): ((Do.COMPLETE,), Phase.WAITING),
    (Phase.LIVE, Signal.LOST): ((Do.GO_BLIND,), Phase.BLIND),
    (Phase.BLIND, Signal.IDLE): ((Do.IDLED,), Phase.IDLED),
    (Phase.BLIND, Signal.HEARD): ((Do.NOTE_GAP,), Phase.RETURNING),
    (Phase.IDLED, Signal.HEARD): ((Do.NOTE_GAP,), Phase.RETURNING),
    (Phase.RETURNING, Signal.CHANGED): ((Do.TELL_GAP, Do.GO_ON), Phase.UNSURE),
    (Phase.RETURNING, Signal.SAME): ((Do.TELL_GAP, Do.RESUME), Phase.LIVE),
    (Phase.RETURNING, Signal.NONE): ((Do.TELL_GAP, Do.UNSEEN), Phase.WAITING),
    (Phase.RETURNING, Signal.OTHER): ((Do.TELL_GAP, Do.REPLACED, Do.START), Phase.LIVE),
    (Phase.RETURNING, Signal.STARTED): ((Do.TELL_GAP, Do.REPLACED, Do.START), Phase.LIVE),
    (Phase.RETURNING, Signal.ENDED): ((Do.TELL_GAP, Do.COMPLETE), Phase.WAITING),
    (Phase.RETURNING, Signal.LOST): ((Do.TELL_GAP, Do.GO_BLIND), Phase.BLIND),
    (Phase.UNSURE, Signal.SAME): ((Do.RESUME,), Phase.LIVE),
    (Phase.UNSURE, Signal.NONE): ((Do.UNSEEN,), Phase.WAITING),
    (Phase.UNSURE, Signal.OTHER): ((Do.REPLACED, Do.START), Phase.LIVE),
    (Phase.UNSURE, Signal.STARTED): ((Do.REPLACED, Do.START), Phase.LIVE),
    (Phase.UNSURE, Signal.ENDED): ((Do.COMPLETE,), Phase.WAITING),
    (Phase.UNSURE, Signal.LOST): ((Do.GO_BLIND,), Phase.BLIND),
}
"""The whole policy for sessions. A pair that is not here changes nothing."""

_TRIGGERS = frozenset({"operator", "ai", "ghost_approved", "collection_switch"})
TAP_RESTART = "tap restart"
"""Why the server was lost, where it was the tap that was away."""
FIRST_SIGHT = "first sight"
"""The cause of a gap before which the tap had never heard the session."""

_TOLD = frozenset({Phase.LIVE, Phase.UNSURE})
"""Phases in which the program is known not to have changed, as long as the server can be seen."""

_MODE_STARTS = "photoshoot"
_MODE_ENDS = frozenset({"idle", "rehearsal"})
_CLOCK_SET_MS = 5_000
_HISTORY_KEPT = 64
_OFF_ENDS_MS = 10_000
"""For so long nothing may be on before a session by ``program`` is over."""
_COVER_MORE_MS = 500
"""A snapshot may still show the old program for so long after a dissolve was to end."""
_LATE_MS = 10_000
"""For so long a change that was told late may turn out to be the newest."""
_REGULAR = 10
"""A server is regular by its last ten snapshots …"""
_NOTHING_NEW = 5
"""… of which so many said nothing new …"""
_PROMPTED_MS = 1_000
"""A snapshot that comes so soon after a change comes because of it."""
_APART_MS = 60_000
"""… and which came so close together."""


class _Cause:
    """What makes a signal: when, by which session, and what the new side of a gap is."""

    def __init__(
        self,
        told: Told,
        *,
        info: SessionInfo | None = None,
        by: str = "frames",
        reason: str | None = None,
        snapshot: dict[str, Any] | None = None,
        first_sight: bool = False,
        at: int | None = None,
    ) -> None:
        self.told = told
        self.at = told_at(told) if at is None else at
        self.info = info
        self.by = by
        self.reason = reason
        self.snapshot = snapshot
        self.first_sight = first_sight


class Machine:
    """One server's history as it unfolds.

    ``step`` takes an observation and gives the entries that it causes; ``opened``, ``closed`` and ``tick`` tell it
    about the connection and about time. ``shortcuts`` False asks every snapshot everything.
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
        shortcuts: bool = True,
    ) -> None:
        self.state = State() if state is None else state
        self.memory = Memory(self.state) if memory is None else memory
        self._dialect = dialect
        self._policy = policy
        self._venue = venue
        self._book = Book(self.state, self.memory, tap=tap, clock_step_ms=policy.clock_step_ms)
        self._order = Order(self.state, dialect.seq_orders, policy)
        self._order.identity.noted = lambda session, ident: self.memory.note(session, "i", ident)
        self._cameras = Cameras(self._book, self._order, policy, shortcuts=shortcuts)
        self._stills = Stills(self._book, self._order, self.memory)
        self._shortcuts = shortcuts
        self._confirming = Confirming(self.state, self._book, self._cameras, self._order)
        self._do: Mapping[Do, Callable[[_Cause], None]] = {
            Do.START: self._start,
            Do.RESUME: self._resume,
            Do.GO_ON: self._go_on,
            Do.COMPLETE: self._complete,
            Do.UNSEEN: lambda _: self._interrupt("unseen"),
            Do.REPLACED: lambda _: self._interrupt("replaced"),
            Do.IDLED: lambda _: self._interrupt("idle"),
            Do.GO_BLIND: self._go_blind,
            Do.NOTE_GAP: self._note_gap,
            Do.TELL_GAP: self._tell_gap,
        }
        self._on: Mapping[type[Any], Callable[[Any], None]] = {
            Hello: self._hello,
            Snapshot: self._snapshot,
            SessionStarted: self._session_started,
            SessionUpdated: self._session_updated,
            SessionEnded: self._session_ended,
            CameraTold: self._cameras.told,
            CameraLeft: self._cameras.left,
            Cut: self._cut,
            HoldOn: self._hold_on,
            Release: self._release,
            ModeChanged: self._mode_changed,
            StillRequested: self._stills.requested,
            StillCaptured: self._stills.captured,
            StillUploaded: self._stills.uploaded,
            StillFailed: self._stills.failed,
            MusicMoment: self._music_moment,
            Marker: self._marker,
            Recording: self._recording,
            SetUp: self._set_up,
            Coming: self._coming,
            ProgramLost: self._program_lost,
        }
        self.is_news = True
        """Whether the last observation told what is so now, and no history."""
        self._silent = self._silent_after()
        self.next_deadline: int | None = None
        self._set_deadline()

    # ------------------------------------------------------------------ the source: connections and time

    def opened(self, stamp: Stamp) -> list[Entry]:
        """A connection stands; what was known before it is known no more for sure."""
        self._pass(stamp)
        self._connect(greeted=False).told_open = True
        return self._done()

    def closed(self, stamp: Stamp, *, cause: str = "connection", heard: int | None = None) -> list[Entry]:
        """The connection is gone. A frame that still comes, without another opening, belongs to it all the same."""
        self._pass(stamp)
        state = self.state
        if heard is not None:
            state.heard = max(state.heard, min(heard, stamp.mono))
        if state.connection is not None and state.connection.open:
            state.connection.open = False
            state.cause = cause
            # A gap that no snapshot told the new side of is told by the next loss.
            if state.phase is Phase.RETURNING:
                self._tell_gap(_Cause(Told(stamp)))
                state.phase = Phase.UNSURE
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
        """Time went on."""
        self._pass(stamp)
        return self._done()

    def begin(self, told: Told, info: SessionInfo) -> list[Entry]:
        """A session that somebody chose begins, whatever the server says; its first row is as of ``told``."""
        self._pass(told.stamp)
        self._signal(Signal.STARTED, _Cause(told, info=info))
        self._book.shown(told)
        return self._done()

    def finish(self, told: Told, *, lost: bool) -> list[Entry]:
        """The session that somebody chose is over; ``lost``: nobody heard its end, which is told as a gap."""
        self._pass(told.stamp)
        cause = _Cause(told, reason="made")
        if lost and self.state.phase not in {Phase.BLIND, Phase.IDLED}:
            self._lose()
        self._signal(Signal.HEARD, cause)
        self._signal(Signal.ENDED, cause)
        return self._done()

    def step(self, observation: Observation) -> list[Entry]:
        """What this observation adds to the history."""
        told = observation.told
        self._pass(told.stamp, told=told)
        state = self.state
        self.is_news = True
        if type(observation) is Hello:
            self._greet(observation)
        # Only now: a greeting may have found out that the server had been away.
        state.heard = state.mono
        connection = state.connection
        if connection is None or (not connection.open and state.cause == TAP_RESTART):
            connection = self._connect(greeted=True)
        connection.frames += 1
        self._order.watch(observation, connection)
        if connection.first_at is None:
            connection.first_at, connection.first_wall = told_at(told), told.stamp.wall
            connection.first_mono = told.stamp.mono
            self._signal(Signal.HEARD, _Cause(told))
        connection.controlled, connection.controlled_at, connection.silent = told.stamp.mono, told.at, False
        snapshot = type(observation) is Snapshot
        confirmed = type(observation) is Snapshot and self._confirming.again(observation)
        if not confirmed:
            self._confirming.forget()
            self._on[type(observation)](observation)
        if snapshot:
            self._keep_time(told, news=bool(self._book.entries))
        elif type(observation) is not Hello:
            state.explicit_mono = told.stamp.mono
        if confirmed and connection.open and self._only_silence_is_due():
            silent = self._silent
            self.next_deadline = None if silent is None else max(connection.controlled, connection.excused) + silent
            return []
        return self._done()

    def _only_silence_is_due(self) -> bool:
        """Whether a snapshot that changed nothing can have moved no other deadline."""
        session = self.state.session
        by_frames = session is not None and session.by != "program" and self.state.phase is Phase.LIVE
        return by_frames and self._dialect.heartbeat_ms is None and not self._cameras.any_leaving

    def _keep_time(self, told: Told, *, news: bool) -> None:
        """How regular snapshots are, by the last ten; one that only follows a change shows nothing of it."""
        state = self.state
        prompted = state.explicit_mono is not None and told.stamp.mono - state.explicit_mono <= _PROMPTED_MS
        state.explicit_mono = None
        before, state.snapshot_mono = state.snapshot_mono, told.stamp.mono
        state.news.append(news or prompted)
        del state.news[:-_REGULAR]
        if before is not None:
            state.intervals.append(told.stamp.mono - before)
            del state.intervals[: 1 - _REGULAR]
        self._silent = self._silent_after()

    def _silent_after(self) -> int | None:
        """For how long (ms) the server may tell nothing before it is out of sight; None where that cannot be said."""
        beat, state = self._dialect.heartbeat_ms, self.state
        if beat is not None:
            return beat
        longest = max(state.intervals, default=0)
        regular = len(state.news) == _REGULAR and len(state.intervals) == _REGULAR - 1 and longest <= _APART_MS
        if not regular or state.news.count(False) < _NOTHING_NEW:
            return None
        return _APART_MS + 10 * longest

    def go_above(self, key: str, version: int) -> None:
        """The ledger holds this row in a later version: what is written of it from now on goes above that.

        Nothing is written for it now: the ledger's row may be another tap's, which knew better.
        """
        sessions = [*self.state.ended, *([self.state.session] if self.state.session is not None else [])]
        for session in sessions:
            if key != session.key and not key.startswith(f"{session.key}/"):
                continue
            rows = [session.row] if key == session.key else []
            rows += [row for name, row in session.cameras.items() if sub_key(session.key, "camera", name) == key]
            rows += [still.row for name, still in session.stills.items() if name == key]
            for row in rows:
                if row is not None:
                    row.version = max(row.version, version)
            if session is not self.state.session:
                self.memory.note_over(session)
            if key in session.stills:
                self.memory.note(session, "t", key)

    def _done(self) -> list[Entry]:
        self._set_deadline()
        return self._book.take()

    # ------------------------------------------------------------------ deadlines

    def _set_deadline(self) -> None:
        self.next_deadline = min((due for due, _ in self._deadlines()), default=None)

    def _deadlines(self) -> list[tuple[int, Callable[[], None]]]:
        found: list[tuple[int, Callable[[], None]]] = list(self._cameras.deadlines())
        session = self._book.running()
        if session is not None:
            unseen_since = self._unseen_since()
            if unseen_since is not None:
                found.append((unseen_since + self._policy.idle_ms, self._idle))
            connection = self.state.connection
            if connection is not None and connection.open and self.state.phase in _TOLD:
                silent = self._silent
                if silent is not None:
                    since = max(self._last_told(connection), connection.excused)
                    found.append((since + silent, self._out_of_sight))
                if session.by == "program":
                    program = self.state.program
                    off = program.known and program.value is None
                    length = _OFF_ENDS_MS if off else self._policy.unchanged_ms
                    found.append((self.state.program_since[1] + length, self._off if off else self._unchanged))
        return found

    def _last_told(self, connection: Connection) -> int:
        """When (``mono``) the server last showed that it is there: by a beat, any frame does."""
        return connection.controlled if self._dialect.heartbeat_ms is None else self.state.heard

    def _out_of_sight(self) -> None:
        """A regular server has told nothing for too long, though the connection stands."""
        state, connection = self.state, self.state.connection
        if connection is not None:
            connection.silent = True
            state.heard = min(state.heard, self._last_told(connection))
        state.cause = "silence"
        self._lose()

    def _unseen_since(self) -> int | None:
        """Since when (``mono``) the server cannot be seen; None while it can. Quiet is not unseen."""
        connection = self.state.connection
        beat = self._dialect.heartbeat_ms
        if connection is None or not connection.open:
            return self.state.heard
        session = self.state.session
        if connection.silent and session is not None:
            return session.blind_since
        return None if beat is None else self.state.heard + beat

    def _pass(self, stamp: Stamp, *, told: Told | None = None, heard: bool = False) -> None:
        """Time goes on to ``stamp``: what was due before it happens first, in the order of its deadlines.

        That the server is out of sight is not to be said while it is heard (``heard``: telemetry), nor where the next
        frame's own time shows that it told on, and the tap itself stood still (``told``).
        """
        if told is not None or heard:
            self._excuse(stamp, told)
        while self.next_deadline is not None and self.next_deadline <= stamp.mono:
            due, act = min(self._deadlines(), key=lambda item: item[0])
            if due > stamp.mono:
                break  # it moved on since it was set
            self.state.wall += max(0, due - self.state.mono)
            self.state.mono = max(self.state.mono, due)
            self._confirming.forget()
            act()
            self._set_deadline()
        self.state.wall = stamp.wall
        self.state.mono = max(self.state.mono, stamp.mono)

    def _excuse(self, stamp: Stamp, told: Told | None) -> None:
        """Let a silence pass that was none, or that is not over yet."""
        connection = self.state.connection
        if self.next_deadline is None or self.next_deadline > stamp.mono or connection is None or not connection.open:
            return
        silent = self._silent
        if silent is None or self._dialect.heartbeat_ms is not None:
            return
        if told is not None:
            at, before = told.at, connection.controlled_at
            if at is None or before is None or not 0 <= at - before < silent:
                return
        if self._last_told(connection) + silent <= stamp.mono:
            connection.excused = stamp.mono - silent + 1

    def _silence(self) -> Told:
        """What a deadline is told by: nobody, at the deadline."""
        return Told(Stamp(self.state.wall, self.state.mono))

    def _idle(self) -> None:
        self._lose()
        self._signal(Signal.IDLE, _Cause(self._silence()))

    def _unchanged(self) -> None:
        cause = _Cause(self._silence(), reason="unchanged", at=self.state.program_since[0])
        self._signal(Signal.ENDED, cause)

    def _off(self) -> None:
        """Nothing has been on for so long that the show is over; it ended when it went off."""
        self._signal(Signal.ENDED, _Cause(self._silence(), at=self.state.program_since[0]))

    # ------------------------------------------------------------------ connections

    def _greet(self, hello: Hello) -> None:
        """A greeting without an ``open`` opens a connection too, and closes the one before; one told again does not."""
        connection = self.state.connection
        seq, at = hello.told.seq, hello.told.at
        name = f"{hello.server}/{hello.version}/{hello.boot}/{seq}/{at}"
        if connection is not None and connection.open and connection.greeted:
            again = not hello.once and hello.boot == connection.boot and self._goes_on(hello, connection, name)
            if again:
                return
        if connection is None or not connection.open or connection.greeted:
            connection = self._connect(greeted=True)
        connection.greeted = True
        connection.hello = name
        if hello.boot is not None:
            if self.state.boot is not None and self.state.boot != hello.boot:
                connection.rebooted = True
                self._order.new_boot(connection)
            connection.boot = self.state.boot = hello.boot

    @staticmethod
    def _goes_on(hello: Hello, connection: Connection, name: str) -> bool:
        """Whether a greeting of the same boot, on a line that was greeted, is only told again."""
        seq, at = hello.told.seq, hello.told.at
        if connection.hello == name and (seq is not None or at is not None or connection.frames == 1):
            return True
        # Whoever is told when a connection opens need not guess it from a greeting, where that says anything at all.
        if connection.told_open and (hello.boot is not None or at is not None):
            return True
        return seq is not None and connection.seq is not None and seq > connection.seq

    def _connect(self, *, greeted: bool) -> Connection:
        state = self.state
        self._confirming.forget()
        if state.connection is not None:
            self._lose()
        state.connections += 1
        state.connection = Connection(state.connections, greeted=greeted, era=state.era)
        return state.connection

    def _lose(self) -> None:
        """From here on nothing is sure until it is told anew."""
        state = self.state
        self._signal(Signal.LOST, _Cause(self._silence()))
        for aspect in (state.program, state.hold, state.mode, state.recording):
            aspect.sure = False
            aspect.guessed = aspect.late = None
        state.held = state.cover = state.chain_broken = state.snapshot_mono = None
        state.heading = None
        self._program_history(Live(None, state.heard, None, known=False))
        if state.connection is not None:
            state.connection.first_at = None
            state.connection.began_at = None
            state.connection.snapshot_seen = state.connection.session_seen = False

    def _hello(self, o: Hello) -> None:
        state = self.state
        if state.connection is None:
            return
        if state.connection.rebooted and state.session is not None and state.session.gap is not None:
            state.session.gap.cause = "server restart"
        state.server_version = o.version or state.server_version

    # ------------------------------------------------------------------ the session: table and actions

    def _signal(self, signal: Signal, cause: _Cause) -> None:
        actions, phase = RULES.get((self.state.phase, signal), ((), self.state.phase))
        # The phase first: what an action writes belongs to the session as the rule sees it.
        self.state.phase = phase
        for action in actions:
            self._do[action](cause)

    def _source(self, session: Session) -> dict[str, Any]:
        known = {
            "serverVersion": self.state.server_version,
            "profile": session.profile,
            "collection": session.collection,
        }
        return {"dialect": self._dialect.name, "mappingDigest": self._dialect.digest, **_detail(**known)}

    def _start(self, cause: _Cause) -> None:
        state = self.state
        info = cause.info or SessionInfo()
        if cause.snapshot is not None and (cause.by == "frames" or cause.first_sight):
            self._learn(cause.snapshot, cause.told)
        started_at = cause.at if info.started_at is None else info.started_at
        anew = info.id is None or self._dialect.ids_start_anew
        key = session_key(self._venue, info.id, started_at if anew else None)
        known = next(
            (over for over in reversed(state.ended) if over.key == key or self._shows_again(over, cause)), None
        )
        if known is not None:
            self.memory.revive(known)
            state.session = known
            self._name(known, info)
            if cause.first_sight:
                self._first_sight(known, cause)
            self._resume(cause)
            return
        start = {"at": cause.at, **side_fields(self._side())}
        told = info.started_at is not None
        session = Session(key, cause.by, info.id, started_at, told, start, shown_at=cause.at)
        session.clock = state.clock
        session.connection = state.connection.number if state.connection is not None else 0
        self.memory.number(session)
        state.session = session
        self._name(session, info)
        self._set_up_of(session)
        if state.recording.sure and state.recording.value:
            session.media = [*state.files]
        self._book.session_row(session, self._source(session), cause.at)
        self._cameras.join_session(session, cause.at)
        self._cameras.on_program(self._known_program(), cause.at)
        if cause.first_sight:
            self._first_sight(session, cause)

    def _shows_again(self, over: Session, cause: _Cause) -> bool:
        """Whether a snapshot that does not say when its session began shows one that was over."""
        info = cause.info
        if info is None or cause.snapshot is None or info.id is None or info.started_at is not None:
            return False
        return self._dialect.ids_start_anew and over.id == info.id

    def _first_sight(self, session: Session, cause: _Cause) -> None:
        """The session ran already: what came before is one gap, without an old side and without a length."""
        connection = self.state.connection
        if connection is None or connection.first_at is None:
            return
        gap = PendingGap(connection.first_at, connection.first_wall, None, Side(), FIRST_SIGHT)
        self._write_gap(session, gap, self._side(), cause.told)

    def _name(self, session: Session, info: SessionInfo) -> None:
        if session.id is None:
            session.id = info.id
        if info.title is not UNSET:
            session.title = info.title or None
        if info.notes is not UNSET:
            session.notes = info.notes or None

    def _resume(self, cause: _Cause) -> None:
        """The same session shows again: it is never started twice."""
        session = self.state.session
        if session is None:
            return
        was_over = session.status != "live"
        session.status, session.completed_at, session.end_reason, session.final = "live", None, None, None
        session.shown_at, session.shown_by_server = cause.at, cause.told.at is not None
        if was_over:
            self._book.session_row(session, self._source(session), cause.at)
            self._cameras.join_session(session, cause.at)

    def _go_on(self, cause: _Cause) -> None:
        """A change that is told as such, before any snapshot, belongs to the session, also to one closed as idle."""
        if cause.snapshot is None:
            self._resume(cause)

    def _complete(self, cause: _Cause) -> None:
        session = self.state.session
        if session is not None:
            self._close(session, "complete", cause.reason, cause.at, self._side())

    def _interrupt(self, reason: str) -> None:
        """The end was not seen: the session is dated by the last frame that showed it."""
        session = self.state.session
        if session is None:
            return
        if session.status == "live":
            before = self._side(sure_only=False)
            self._close(session, "interrupted", reason, session.shown_at, before, keep=reason == "idle")
        else:
            # It was closed as idle before; the gap that ended it is counted now.
            if session.final is not None:
                session.final = {**session.final, **_gap_columns(session)}
            self._book.session_row(session, self._source(session), session.completed_at or session.shown_at)
            self._retire(session)

    def _close(
        self, session: Session, status: str, reason: str | None, at: int, side: Side, *, keep: bool = False
    ) -> None:
        self._cameras.settle_leaving()
        session.status, session.end_reason, session.completed_at = status, reason, at
        session.final = {
            **side_fields(side),
            "camerasOnline": self._cameras.online_in(session),
            "counts": dict(sorted(session.counts.items())),
            **_gap_columns(session),
        }
        self._book.session_row(session, self._source(session), at)
        if not keep:
            self._retire(session)

    def _retire(self, session: Session) -> None:
        self.state.session = None
        self.memory.retire(session)

    # ------------------------------------------------------------------ gaps

    def _go_blind(self, _: _Cause) -> None:
        session = self.state.session
        if session is not None:
            session.before = self._side()
            session.blind_since = self.state.heard

    def _note_gap(self, cause: _Cause) -> None:
        session = self.state.session
        if session is None:
            return
        blind = None if session.away_unknown else max(0, cause.told.stamp.mono - session.blind_since)
        session.away_unknown = False
        session.gap = PendingGap(cause.at, cause.told.stamp.wall, blind, session.before or Side(), self.state.cause)

    def _tell_gap(self, cause: _Cause) -> None:
        session = self.state.session
        if session is None or session.gap is None:
            return
        gap, session.gap = session.gap, None
        told = cause.snapshot or {}
        hold: HoldInfo | None = told.get("hold")
        after = Side(told.get("program"), told.get("mode"), hold.active if hold is not None else None)
        if "hold" in told and hold is None:
            after.hold = False
        self._write_gap(session, gap, after, cause.told)

    def _write_gap(self, session: Session, gap: PendingGap, after: Side, told: Told) -> None:
        detail: dict[str, Any] = {"after": side_fields(after), "tap": self._book.tap, "cause": gap.cause}
        if gap.cause != FIRST_SIGHT:
            detail["before"] = side_fields(gap.before)
            if gap.blind_ms is None:
                detail["unknown"] = "durationMs"
        session.gaps += 1
        session.gap_ms += gap.blind_ms or 0
        self._book.event(
            "gap",
            Told(Stamp(gap.observed, told.stamp.mono)),
            key=sub_key(session.key, "gap", self._book.tap, gap.at),
            at=gap.at,
            session=session,
            shared=True,
            duration_ms=gap.blind_ms,
            detail=detail,
        )

    # ------------------------------------------------------------------ session frames

    def _is_known(self, info: SessionInfo) -> bool:
        """Whether the known session is the one that a frame speaks of."""
        session = self.state.session
        if session is None:
            return False
        told_both = info.started_at is not None and session.start_told
        if self._dialect.ids_start_anew and told_both and info.started_at != session.started_at:
            return False
        return info.id is None or session.id is None or info.id == session.id

    def _session_started(self, o: SessionStarted) -> None:
        if self._session_repeated(o) or self._is_over(o):
            return
        self.state.frames_seen = True
        if self._is_known(o.session):
            self._rename(self._unknown_of(o), o.told)
            if self.state.session is not None and self.state.session.status != "live":
                self._resume(_Cause(o.told))
        else:
            self._signal(Signal.STARTED, _Cause(o.told, info=o.session))
        self._book.shown(o.told)

    def _is_over(self, o: SessionStarted) -> bool:
        """Whether this start, told again after a reconnect, is of a session that was seen to end."""
        info, at = o.session, o.told.at
        if at is None:
            again = self._order.in_history(o.told) and info.id is not None
            return again and any(over.id == info.id and over.status == "complete" for over in self.state.ended)
        if not self._order.is_history(o.told):
            return False
        return any(over.id == info.id and at <= (over.completed_at or 0) for over in self.state.ended)

    def _session_updated(self, o: SessionUpdated) -> None:
        if self._is_known(o.session) and not self._session_repeated(o):
            self._rename(o.session, o.told)

    def _unknown_of(self, o: SessionStarted) -> SessionInfo:
        """What a start says of a session that runs: without a time it may be old, and changes no name that is known."""
        session, info = self.state.session, o.session
        if o.told.at is not None or session is None:
            return info
        title = UNSET if session.title is not None else info.title
        notes = UNSET if session.notes is not None else info.notes
        return structs.replace(info, title=title, notes=notes)

    def _rename(self, info: SessionInfo, told: Told) -> None:
        session = self._book.running()
        if session is not None:
            self._name(session, info)
            self._book.shown(told)
            self._book.session_row(session, self._source(session), told_at(told))

    def _session_ended(self, o: SessionEnded) -> None:
        if self._session_repeated(o):
            return
        self.state.frames_seen = True
        session = self.state.session
        if session is not None and (o.session_id is None or session.id is None or session.id == o.session_id):
            self._signal(Signal.ENDED, _Cause(o.told, reason=o.reason))
            return
        # The end of one that was taken for interrupted: now it was seen.
        for over in self.state.ended:
            if o.session_id is not None and over.id == o.session_id and over.status == "interrupted":
                over.status, over.end_reason, over.completed_at = "complete", o.reason, told_at(o.told)
                self._book.session_row(over, self._source(over), told_at(o.told))
                self.memory.note_over(over)

    def _session_repeated(self, o: SessionStarted | SessionUpdated | SessionEnded) -> bool:
        """Whether a session's frame was told before, or is older than what is known of the session."""
        state, name = self.state, name_of(o)
        session = state.session_seen
        if name is None:
            behind = self._order.behind(session.mark, o.told)
            if not behind:
                session.mark = session.last = self._mark(session.mark, o.told, explicit=True)
            return behind
        place = self._order.place(name, o.told, session, changes=False)
        # A start or an end that only its number calls old is believed: it was never told, and a state may correct it.
        if place is Place.SAME or (place is Place.LATE and o.told.at is not None):
            self.is_news = False
            return True
        self._order.identity.remember(name, o.told, self._order.scope(o.told), None)
        session.mark = session.last = self._mark(session.mark, o.told, explicit=True)
        return False

    # ------------------------------------------------------------------ snapshots

    def _snapshot(self, o: Snapshot) -> None:
        state = self.state
        connection = state.connection
        if connection is None:
            return
        told = self._fresh(o)
        signal, cause = self._session_relation(o, told)
        by_policy = cause.by != "frames" and signal is Signal.OTHER and not cause.first_sight
        if signal is Signal.NONE and cause.by != "frames" and state.phase is Phase.LIVE:
            self._tell(told, o.told)  # the change that ends a session by policy belongs to it
        if signal is not None:
            self._signal(signal, cause)
        if signal is Signal.NONE or (signal is Signal.OTHER and not by_policy):
            self._learn(told, o.told)
        else:
            self._tell(told, o.told)
        if signal is Signal.SAME:
            self._book.shown(o.told)
            if cause.info is not None:
                self._rename(cause.info, o.told)
        running = self._book.running()
        if running is not None and running.row is not None and running.row.fields.get("mode") != state.mode.value:
            self._book.session_row(running, self._source(running), told_at(o.told))
        if o.cameras is not UNSET:
            self._cameras.listed(o.cameras or (), o.told, connection)
            self._cameras.on_program(self._known_program(), told_at(o.told))
        connection.snapshot_seen = True
        connection.session_seen = connection.session_seen or o.session is not UNSET
        if self._shortcuts and signal is Signal.SAME and cause.info is not None:
            self._confirming.settle(o)

    def _fresh(self, o: Snapshot) -> dict[str, Any]:
        """What the snapshot says of program, hold, mode and recording, without what is stale in it."""
        fresh: dict[str, Any] = {}
        for name, value, aspect in told_aspects(o, self.state):
            differs = aspect.known and aspect.value != flat(name, value)
            covered = name == "program" and self._covered(value, o.told)
            if not (differs and (covered or self._stale(aspect.mark, o.told))):
                fresh[name] = value
        return fresh

    def _covered(self, program: str | None, told: Told) -> bool:
        """Whether a dissolve that was told explains that a snapshot still shows what was on before, or nothing."""
        cover = self.state.cover
        if cover is None or program not in {cover.before, None}:
            return False
        # By both clocks: the server's may be coarse, and ours stands still for frames that are read together.
        dated = told.at is not None and cover.at is not None and cover.clock == self.state.clock
        over = dated and told.at is not None and cover.at is not None and told.at >= cover.at
        return told.stamp.mono < cover.mono and not over

    def _stale(self, mark: Mark | None, told: Told) -> bool:
        connection = self.state.connection
        return connection is not None and self._order.stale(mark, told, connection)

    def _session_relation(self, o: Snapshot, told: dict[str, Any]) -> tuple[Signal | None, _Cause]:
        """What a snapshot means for the session: by its own word, or by the venue's policy."""
        state = self.state
        first = state.connection is not None and not state.connection.snapshot_seen
        # Without a word on the session, a gap is told all the same.
        seen = Signal.CHANGED if told else None
        state.frames_seen = state.frames_seen or isinstance(o.session, SessionInfo)
        by = self._policy.session
        session = state.session
        if o.session is not UNSET and (state.frames_seen or by == "frames"):
            first = first or self._ran_already(o.session)
            return self._frames_relation(o.session, _Cause(o.told, info=o.session, snapshot=told, first_sight=first))
        cause = _Cause(o.told, snapshot=told, by=by, first_sight=first)
        if by == "frames" or (state.frames_seen and (session is None or session.by == "frames")):
            return seen, cause
        return self._policy_relation(by, told, first) or seen, cause

    def _ran_already(self, info: SessionInfo | None) -> bool:
        """Whether this is the connection's first word on its session, which began before it."""
        connection = self.state.connection
        if connection is None or connection.session_seen or connection.first_at is None or info is None:
            return False
        return info.started_at is not None and info.started_at < connection.first_at

    def _frames_relation(self, info: SessionInfo | None, cause: _Cause) -> tuple[Signal | None, _Cause]:
        """What a snapshot means for the session by its own word, unless that word is stale."""
        state = self.state
        signal = Signal.NONE
        if info is not None:
            signal = Signal.SAME if self._is_known(info) else Signal.OTHER
        if self._stale(state.session_seen.mark, cause.told):
            # Stale it may still confirm, but neither contradict nor rename.
            cause.info = None
            agrees = signal is (Signal.NONE if state.session is None else Signal.SAME)
            return (signal if agrees else Signal.CHANGED), cause
        state.session_seen.mark = self._mark(state.session_seen.mark, cause.told, explicit=False)
        return signal, cause

    def _policy_relation(self, by: str, told: dict[str, Any], first: bool) -> Signal | None:
        """Whether the condition of a session by policy holds, going by a snapshot; None where it does not say."""
        runs: bool | None = None
        has_session = self.state.session is not None
        if by == "mode" and told.get("mode") is not None:
            runs = told["mode"] not in _MODE_ENDS if has_session else told["mode"] == _MODE_STARTS
        elif by == "record" and "recording" in told:
            runs = bool(told["recording"])
        elif by == "program" and "program" in told:
            runs = told["program"] is not None
            # Nothing is on: it may be a fade to black. After a loss nobody knows since when.
            if has_session and not runs and not first:
                runs = None
            # Only a change makes a session: what is live at first sight may have been so for days.
            if not has_session and (first or not self._would_change(self.state.program, told["program"])):
                runs = None
        if runs is None:
            return None
        if has_session:
            return Signal.SAME if runs else Signal.NONE
        return Signal.OTHER if runs else None

    @staticmethod
    def _would_change(aspect: Aspect, value: Any) -> bool:
        return aspect.known and aspect.sure and aspect.value != value

    def _learn(self, told: dict[str, Any], by: Told) -> None:
        """Take over what a snapshot says, without making events of it."""
        state = self.state
        if "program" in told:
            self._set_program(told["program"], by, explicit=False)
        if "mode" in told:
            self._set(state.mode, told["mode"], by, explicit=False)
        if "recording" in told:
            self._set_recording(told["recording"], by)
        if "hold" in told:
            active = flat("hold", told["hold"])
            if not (active and state.hold.sure and state.hold.value):
                state.held = None
            self._set(state.hold, active, by, explicit=False)

    def _tell(self, told: dict[str, Any], by: Told) -> None:
        """What a snapshot says that nobody told before becomes an event; what follows a loss only becomes known."""
        state = self.state
        if "mode" in told:
            changed = self._would_change(state.mode, told["mode"]) and not self._turned_out(state.mode, told["mode"])
            if changed:
                self._turn_mode(told["mode"], state.mode.value, by, inferred=True)
            self._set(state.mode, told["mode"], by, explicit=False)
            if changed:
                state.mode.guessed = told_at(by)
        if "program" in told:
            if self._would_change(state.program, told["program"]):
                self._inferred_cut(told["program"], by)
            else:
                self._set_program(told["program"], by, explicit=False)
        if "hold" in told:
            self._tell_hold(told["hold"], by)
        if "recording" in told:
            self._set_recording(told["recording"], by)

    def _set_recording(self, active: bool, by: Told) -> None:
        if not active:
            self.state.files = []  # where the last one ended nobody saw
        self._set(self.state.recording, active, by, explicit=False)

    def _tell_hold(self, hold: HoldInfo | None, by: Told) -> None:
        aspect = self.state.hold
        active = flat("hold", hold)
        changed = self._would_change(aspect, active)
        if changed and self._turned_out(aspect, active):
            changed = False
            self.state.held = self.state.late_held if active else None
        if changed:
            if active:
                o = HoldOn(by, by=hold.by if hold is not None else None)
                self._turn_hold(o, inferred=True)
            else:
                self._turn_release(Release(by), inferred=True)
        self._set(aspect, active, by, explicit=False)
        if changed:
            aspect.guessed = told_at(by)

    # ------------------------------------------------------------------ aspects

    def _mark(self, mark: Mark | None, told: Told, *, explicit: bool) -> Mark:
        return self._order.marked(mark, told, self.state.connection, explicit=explicit)

    def _set(self, aspect: Aspect, value: Any, told: Told, *, explicit: bool) -> None:
        if explicit and self._order.is_history(told):
            # Told afterwards: its number says when it was told, and orders nothing that comes now.
            told = Told(told.stamp, told.at, None, told.type)
        aspect.mark = self._mark(aspect.mark, told, explicit=explicit)
        changed = not (aspect.known and aspect.sure and aspect.value == value)
        if explicit or changed:
            aspect.last = aspect.mark
        if explicit or changed:
            aspect.guessed = aspect.late = None
        elif aspect.late is not None and told.stamp.mono - aspect.late[1] >= self._policy.settle_ms:
            aspect.late = None  # what was told late is shown not to be so
        aspect.value, aspect.known, aspect.sure = value, True, True

    def _set_program(self, value: str | None, told: Told, *, explicit: bool) -> None:
        program = self.state.program
        self.state.heading = None
        if not (program.sure and program.value == value):
            self._program_history(Live(told.at, told.stamp.mono, value, known=True))
            self.state.program_since = (told_at(told), told.stamp.mono)
        self._set(program, value, told, explicit=explicit)

    def _program_history(self, change: Live) -> None:
        history = self.state.history
        history.append(change)
        del history[:-_HISTORY_KEPT]

    def _known_program(self) -> str | None:
        program = self.state.program
        return program.value if program.known and program.sure else None

    def _side(self, *, sure_only: bool = True) -> Side:
        state = self.state

        def value(aspect: Aspect) -> Any:
            return aspect.value if aspect.known and (aspect.sure or not sure_only) else None

        return Side(value(state.program), value(state.mode), value(state.hold))

    def _place(
        self, aspect: Aspect, o: Observation, *, value: Any, follows: bool | None = None, late: bool = True
    ) -> Place:
        """Where an explicit change belongs; the newest is made known as such. ``late``: a late one becomes a row."""
        name, told = name_of(o), o.told
        if name is None:
            return Place.NEWEST
        changes = not (aspect.known and aspect.sure and aspect.value == value)
        words = words_of(o)
        place = self._order.place(name, told, aspect, changes=changes, follows=follows, words=words)
        if place is Place.SAME:
            self.is_news = False
            return place
        if not changes and (place is Place.AFTERWARDS or (place is Place.NEWEST and self._order.is_history(told))):
            place = Place.LATE  # it led to what is on: a row at its own time, and nothing changes now
        if place is Place.LATE and not changes and self._guessed(aspect, told):
            place = Place.SAME  # a snapshot told it first
            aspect.guessed = None
        scope, running = self._order.scope(told), self._book.running()
        self._order.identity.remember(name, told, scope, running, changes=changes, words=words)
        if place is Place.NEWEST:
            before = aspect.late
            if before is not None and (before[2] != self.state.epoch or self._follows_late(o, before)):
                # It was no older than this: the numbers began anew since, or this goes on from it.
                aspect.value, aspect.late = before[0], None
                if aspect is self.state.hold:
                    self.state.held = self.state.late_held if before[0] else None
            self._order.current(told)
            self._signal(Signal.CHANGED, _Cause(told))
        else:
            self.is_news = False
            if late and place is Place.LATE:
                self.state.doubts.late += 1
                past = self._order.is_long_past(told, aspect)
                aspect.late = None if past else (value, told.stamp.mono, self.state.epoch)
        return place

    def _follows_late(self, o: Observation, late: tuple[Any, int, int]) -> bool:
        """Whether this newest change leads away from what a frame told that was only taken for late."""
        return isinstance(o, ModeChanged) and o.from_ == late[0] != o.to and self.state.mono - late[1] <= _LATE_MS

    @staticmethod
    def _turned_out(aspect: Aspect, value: Any) -> bool:
        """Whether a snapshot shows what was told by a frame that was only taken for late: it was the change itself."""
        late = aspect.late
        if late is None or late[0] != value:
            return False
        if aspect.mark is not None:
            # One mark may be that of several aspects.
            aspect.mark = structs.replace(aspect.mark, explicit=late[1])
        return True

    @staticmethod
    def _guessed(aspect: Aspect, told: Told) -> bool:
        """Whether what is told is the change that a snapshot told before."""
        return aspect.guessed is not None and (told.at is None or told.at <= aspect.guessed)

    def _home(self, told: Told, *, known: bool = True) -> Session | None:
        """The session that an event of the past belongs to: the one that ran at its time.

        Without a time it is the one that runs, unless it may be any old event told again (not ``known`` by an id).
        """
        running, at, state = self._book.running(), told.at, self.state
        if at is None:
            began_here = running is not None and self._is_first_seen_here(running)
            return None if self._order.in_history(told) and (began_here or not known) else running
        slack = 0 if state.fine else 999
        if running is not None:
            set_since = running.clock != state.clock
            if set_since or at >= min(running.started_at, running.start["at"]) - slack:
                return running
        for over in reversed(state.ended):
            if over.started_at - slack <= at <= (over.completed_at or over.shown_at) + slack:
                return over
        return None

    def _is_first_seen_here(self, session: Session) -> bool:
        """Whether nothing is known of a session from before this connection."""
        connection = self.state.connection
        return connection is not None and session.connection == connection.number

    def _is_of_now(self, told: Told) -> bool:
        """Whether what is told afterwards happened in the session that runs."""
        running = self._book.running()
        return running is not None and self._home(told) is running

    def _write_late(
        self, kind: str, o: Observation, *, own_id: str | None, subject: str | None, **columns: Any
    ) -> None:
        """A row for what was told after later things: at its own time, and nothing that is on now changes."""
        home = self._home(o.told, known=own_id is not None)
        if home is None:
            self.state.doubts.undated += o.told.at is None
            return
        key = self._book.event_key(kind, o.told, own_id=own_id, subject=subject, session=home)
        shared = own_id is None or o.told.at is None
        self._book.event(kind, o.told, key=key, session=home, shared=shared, **columns)
        if home is not self._book.running() and home.final is not None:
            home.final = {**home.final, "counts": dict(sorted(home.counts.items()))}
            self._book.session_row(home, self._source(home), home.completed_at or home.shown_at)
            self.memory.note_over(home)

    # ------------------------------------------------------------------ cuts

    def _cut(self, o: Cut) -> None:
        state, program = self.state, self.state.program
        place = self._place(program, o, value=o.to, follows=self._follows(o))
        if place is Place.SAME:
            return
        told_from = o.from_ if o.from_ is not UNSET else None
        if place is Place.LATE and self._shown_before_it_began(o):
            place = Place.NEWEST
        if place is Place.LATE:
            self._write_cut(o, told_from, late=True)
            if program.late is not None:  # it may yet be what is on
                self._cover(o, told_from)
            if self._is_of_now(o.told):
                self._cameras.on_program(o.to, told_at(o.told))
            return
        if program.known and program.sure and program.value == o.to and not self._is_own(o, program):
            self._cover(o, told_from)
            self._set(program, o.to, o.told, explicit=True)
            return
        if place is Place.NEWEST:
            self._start_by_program(o.told, o.to)
        was = told_from if o.from_ is not UNSET else self._was_on()
        broken = isinstance(told_from, str) and program.sure and program.known and told_from != program.value
        state.chain_broken = told_from if broken else None
        self._cover(o, was)
        self._set_program(o.to, o.told, explicit=True)
        if o.to is not None:
            self._cameras.on_program(o.to, told_at(o.told))
        self._write_cut(o, was, late=place is Place.AFTERWARDS)
        if place is Place.NEWEST:
            self._book.shown(o.told)

    @staticmethod
    def _is_own(o: Cut, program: Aspect) -> bool:
        """Whether a cut to what is on already is one all the same: it has an id, and says that something else was on.

        What went before it was not told yet. Where a snapshot showed this very cut, it is no other.
        """
        guessed = program.guessed is not None and (o.told.at is None or o.told.at <= program.guessed)
        return o.cut_id is not None and o.from_ is not UNSET and o.from_ != o.to and not guessed

    def _shown_before_it_began(self, o: Cut) -> bool:
        """Whether the snapshot that makes this dissolve late only shows what it leads away from, within its length."""
        program, length = self.state.program, o.duration_ms
        if not length or o.transition in {None, "cut"} or self._order.is_history(o.told):
            return False
        mark = program.mark
        if (
            mark is None
            or mark.explicit is not None
            or program.value is None
            or program.value != o.from_
            or not program.sure
        ):
            return False
        return mark.at is not None and o.told.at is not None and 0 <= mark.at - o.told.at <= length

    def _follows(self, o: Cut) -> bool | None:
        """Whether a cut comes from what is on (True), or fills a hole in the chain (False); None: it does not say."""
        program = self.state.program
        if not isinstance(o.from_, str) or not (program.known and program.sure):
            return None
        if self.state.chain_broken is not None and o.to == self.state.chain_broken:
            return False
        return True if o.from_ == program.value and o.to != program.value else None

    def _was_on(self) -> str | None:
        """What was on until now, as far as is known for sure."""
        program = self.state.program
        late = program.late
        if late is not None and self.state.mono - late[1] <= _LATE_MS:
            return None if late[0] is None else str(late[0])
        return program.value if program.sure else None

    def _cover(self, o: Cut, was: str | None) -> None:
        """A dissolve covers its own length."""
        state = self.state
        state.cover = None
        length = o.duration_ms
        if not length or length <= 0 or o.transition in {None, "cut"}:
            return
        begun = o.told.stamp.mono if o.at is None else o.told.stamp.mono - max(0, o.told.stamp.wall - o.at)
        more = length + _COVER_MORE_MS
        coarse = 0 if state.fine else 1000
        at = None if o.told.at is None else o.told.at + more + coarse
        state.cover = Cover(was, at, state.clock, begun + more)

    def _write_cut(self, o: Cut, was: str | None, *, late: bool) -> None:
        """The row of a cut; where program turned to nothing, of what went off."""
        if o.to is None and was is None:
            return
        kind, subject = ("cut", o.to) if o.to is not None else ("off_air", was)
        trigger = o.trigger if o.trigger in _TRIGGERS else "unknown"
        columns: dict[str, Any] = {
            "camera_id": o.to,
            "from_camera_id": was,
            "trigger": trigger,
            "transition": o.transition,
            "duration_ms": o.duration_ms if o.transition not in {None, "cut"} else None,
            "detail": {"trigger": o.trigger} if o.trigger is not None and trigger == "unknown" else None,
        }
        if late:
            self._write_late(kind, o, own_id=o.cut_id, subject=subject, **columns)
            return
        begun = o.told if o.at is None else Told(Stamp(o.at, o.told.stamp.mono), o.told.at)
        key = self._book.event_key(kind, begun, own_id=o.cut_id, subject=subject)
        shared = o.cut_id is None or begun.at is None
        self._book.event(kind, o.told, key=key, at=told_at(begun), shared=shared, **columns)

    def _inferred_cut(self, to: str | None, told: Told) -> None:
        """A snapshot tells a change that no cut told."""
        state = self.state
        was, told_late = state.program.value, self._turned_out(state.program, to)
        state.cover = state.chain_broken = None
        self._set_program(to, told, explicit=False)
        if told_late:
            return
        kind, subject = ("cut", to) if to is not None else ("off_air", was)
        if to is None and was is None:
            return
        state.program.guessed = told_at(told)
        self._cameras.on_program(to, told_at(told))
        self._book.event(
            kind,
            told,
            key=self._book.event_key(kind, told, own_id=None, subject=subject),
            shared=True,
            camera_id=to,
            from_camera_id=was,
            trigger="unknown",
            detail={"inferred": True},
        )
        self._book.shown(told)

    def _by_policy(self, policy: str) -> bool:
        return self._policy.session == policy and not self.state.frames_seen

    def _start_by_program(self, told: Told, to: str | None) -> None:
        if self._by_policy("program") and self.state.session is None and to is not None:
            self._signal(Signal.STARTED, _Cause(told, by="program"))

    # ------------------------------------------------------------------ holds

    def _hold_on(self, o: HoldOn) -> None:
        hold = self.state.hold
        place = self._place(hold, o, value=True)
        if place is Place.SAME:
            return
        if place is Place.LATE:
            detail = _detail(by=o.by, reason=o.reason)
            self.state.late_held = Held(told_at(o.told), o.told.stamp.mono, o.told.at is not None, o.camera_id)
            self._write_late("hold", o, own_id=o.hold_id, subject=o.camera_id, camera_id=o.camera_id, detail=detail)
            return
        if not (hold.known and hold.sure and hold.value) and (place is Place.NEWEST or self._is_of_now(o.told)):
            self._turn_hold(o)
        self._set(hold, True, o.told, explicit=True)

    def _turn_hold(self, o: HoldOn, *, inferred: bool = False) -> None:
        at = told_at(o.told)
        camera_id = o.camera_id if o.camera_id is not None else self._known_program()
        self.state.held = Held(at, o.told.stamp.mono, o.told.at is not None, camera_id)
        self._book.event(
            "hold",
            o.told,
            key=self._book.event_key("hold", o.told, own_id=o.hold_id, subject=camera_id),
            shared=o.hold_id is None or o.told.at is None,
            camera_id=camera_id,
            detail=_detail(by=o.by, reason=o.reason, inferred=inferred or None),
        )
        self._book.shown(o.told)

    def _release(self, o: Release) -> None:
        hold = self.state.hold
        place = self._place(hold, o, value=False)
        if place is Place.SAME:
            return
        if place is Place.LATE:
            held = self.state.held
            after = held is not None and o.told.at is not None and held.from_server and o.told.at >= held.at
            length = _held_ms(held, o.told) if held is not None and after else None
            detail = _detail(by=o.by)
            self._write_late("release", o, own_id=o.hold_id, subject=None, duration_ms=length, detail=detail)
            return
        if not (hold.known and hold.sure and not hold.value) and (place is Place.NEWEST or self._is_of_now(o.told)):
            self._turn_release(o)
        self._set(hold, False, o.told, explicit=True)

    def _turn_release(self, o: Release, *, inferred: bool = False) -> None:
        held, self.state.held = self.state.held, None
        camera_id = held.camera_id if held is not None else None
        self._book.event(
            "release",
            o.told,
            key=self._book.event_key("release", o.told, own_id=o.hold_id, subject=None),
            shared=o.hold_id is None or o.told.at is None,
            camera_id=camera_id,
            duration_ms=None if held is None else _held_ms(held, o.told),
            detail=_detail(by=o.by, inferred=inferred or None),
        )
        self._book.shown(o.told)

    # ------------------------------------------------------------------ modes

    def _mode_changed(self, o: ModeChanged) -> None:
        mode = self.state.mode
        place = self._place(mode, o, value=o.to)
        told_from = o.from_ if o.from_ is not UNSET else None
        if place is Place.SAME:
            return
        if place is Place.LATE:
            detail = _detail(to=o.to, **{"from": told_from})
            self._write_late("mode_change", o, own_id=None, subject=o.to, detail=detail)
            return
        if mode.known and mode.sure and mode.value == o.to:
            self._set(mode, o.to, o.told, explicit=True)
            return
        newest = place is Place.NEWEST
        if newest and self._by_policy("mode") and o.to == _MODE_STARTS and self.state.session is None:
            self._signal(Signal.STARTED, _Cause(o.told, by="mode"))
        was = told_from if o.from_ is not UNSET else mode.value if mode.sure else None
        if newest or self._is_of_now(o.told):
            self._turn_mode(o.to, was, o.told)
        self._set(mode, o.to, o.told, explicit=True)
        session = self.state.session
        if newest and session is not None and session.by == "mode" and o.to in _MODE_ENDS:
            self._signal(Signal.ENDED, _Cause(o.told))

    def _turn_mode(self, to: str | None, was: str | None, told: Told, *, inferred: bool = False) -> None:
        self._book.event(
            "mode_change",
            told,
            key=self._book.event_key("mode_change", told, own_id=None, subject=to),
            shared=True,
            detail=_detail(to=to, inferred=inferred or None, **{"from": was}),
        )
        self._book.shown(told)
        self.state.mode.value, self.state.mode.known = to, True
        session = self._book.running()
        if session is not None:
            self._book.session_row(session, self._source(session), told_at(told))

    # ------------------------------------------------------------------ the rest

    def _moment(self, kind: str, o: MusicMoment | Marker, own_id: str | None, subject: str | None) -> dict[str, Any]:
        """Where and when a moment is written that changes nothing: key, session and time; empty where it was told."""
        name, told = name_of(o), o.told
        scope = self._order.scope(told)
        counted = not self._order.is_history(told)
        if name is None or self._order.identity.known(name, told, scope, counted=counted):
            self.is_news = False
            return {}
        at = told.at if o.at is None else o.at
        home = self._home(told) if self._order.is_history(told) else self._book.running()
        self._order.identity.remember(name, told, scope, self._book.running())
        if home is None:
            return {}
        key = self._book.event_key(kind, told, own_id=own_id, subject=subject, at=o.at, session=home)
        shared = own_id is None or at is None
        return {"key": key, "session": home, "shared": shared, "at": told_at(told) if at is None else at}

    def _music_moment(self, o: MusicMoment) -> None:
        where = self._moment("music_moment", o, o.moment_id, o.kind)
        if where:
            detail = _detail(momentId=o.moment_id, kind=o.kind, confidence=o.confidence)
            self._book.event("music_moment", o.told, detail=detail, **where)

    def _marker(self, o: Marker) -> None:
        where = self._moment("marker", o, o.marker_id, o.label)
        if where:
            live = program_at(self.state, o.told, where["at"])
            detail = _detail(label=o.label, source=o.source, by=o.by)
            self._book.event("marker", o.told, camera_id=live, detail=detail, **where)

    def _recording(self, o: Recording) -> None:
        aspect = self.state.recording
        if self._place(aspect, o, value=o.active) in {Place.SAME, Place.LATE}:
            return
        if o.active and self._by_policy("record") and self.state.session is None:
            info = SessionInfo(started_at=o.started_at)
            self._signal(Signal.STARTED, _Cause(o.told, by="record", info=info))
        self._set(aspect, o.active, o.told, explicit=True)
        self._files(o)
        session = self._book.running()
        if session is not None and session.by == "record" and not o.active:
            self._signal(Signal.ENDED, _Cause(o.told))

    def _files(self, o: Recording) -> None:
        """What the recorder says of its files, into the rows of the sessions that they belong to."""
        state, at = self.state, told_at(o.told) if o.at is None else o.at
        current, state.files = state.files, tell(state.files, o, at)[-1:]
        running = self._book.running()
        if running is not None:
            running.media = [*tell(files_of(running.media), o, at)]
            self._book.session_row(running, self._source(running), at)
        for over in state.ended[-1:]:
            files = files_of(over.media)
            if current and files and files[-1].from_ == current[-1].from_:
                over.media = [*tell(files, o, at, begins=False)]
                if o.started_at is not None and not o.active:
                    over.started_at = min(over.started_at, o.started_at)
                self._book.session_row(over, self._source(over), at)
                self.memory.note_over(over)

    def _set_up(self, o: SetUp) -> None:
        state, session = self.state, self._book.running()
        state.profile, state.collection = o.profile or state.profile, o.collection or state.collection
        if session is not None:
            self._set_up_of(session)
            self._book.session_row(session, self._source(session), told_at(o.told))

    def _set_up_of(self, session: Session) -> None:
        """A session keeps the settings by which it began."""
        session.profile = session.profile or self.state.profile
        session.collection = session.collection or self.state.collection

    def _coming(self, o: Coming) -> None:
        self.state.heading = None if o.to is None else Heading(o.to, o.transition)

    def _program_lost(self, o: ProgramLost) -> None:
        state = self.state
        if state.program.sure:
            state.program.sure, state.program.guessed, state.program.late = False, None, None
            state.cover = state.chain_broken = None
            self._program_history(Live(o.told.at, o.told.stamp.mono, None, known=False))


def _gap_columns(session: Session) -> dict[str, Any]:
    return {"gaps": session.gaps, "gapMs": session.gap_ms}


def _held_ms(held: Held, told: Told) -> int | None:
    """How long the hold lasted: by the server's clock where it told both ends, else by our own."""
    ours = max(0, told.stamp.mono - held.mono)
    if held.from_server and told.at is not None:
        length = told.at - held.at
        # Further apart than delays and drift explain: the server's clock was set meanwhile.
        return length if length >= 0 and abs(length - ours) <= _CLOCK_SET_MS else ours
    return ours


def _detail(**parts: Any) -> dict[str, Any]:
    return {name: value for name, value in parts.items() if value is not None}
