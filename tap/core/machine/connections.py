"""Connections: when one opens, when the server is lost, and when it is silent too long (docs/how-it-works.md, rule 7).

The server is *lost* once the next connection opens, or once it sends nothing for too long on an open one. A dialect may
say how long that is (a heartbeat). Without a heartbeat, silence means something only if the server is regular: its last
ten snapshots came at most a minute apart, and five of them said nothing new. So they came by a clock, and not because
something changed. Then the server is lost after 60 s plus ten times the longest of those intervals.

*No event does not mean no signal*: in a take of two hours without a cut, the connection may be fine. The idle time,
after which a session is closed, counts only while there is no signal.
"""

from __future__ import annotations

from tap.core.machine.desk import Desk
from tap.core.machine.rules import Cause, Rules, Signal
from tap.core.machine.staleness import Staleness
from tap.core.machine.state import Connection, State
from tap.core.model import Envelope, Hello

__all__ = ["Connections"]

_REGULAR = 10
"""How many of the last snapshots show whether a server is regular."""
_NOTHING_NEW = 5
"""How many of these must have said nothing new."""
_APART_MS = 60_000
"""How far apart these may be."""
_PROMPTED_MS = 1_000
"""A snapshot within this time after a change comes because of the change."""


class Connections:
    """The rules for the line to the server, and for its silence."""

    def __init__(
        self, state: State, desk: Desk, *, staleness: Staleness, rules: Rules, heartbeat_ms: int | None
    ) -> None:
        """``heartbeat_ms``: how often a server of this dialect sends something, at least; None if it does not say."""
        self._state = state
        self._desk = desk
        self._staleness = staleness
        self._rules = rules
        self._heartbeat_ms = heartbeat_ms
        self.silent_after = self._silent_after()
        """How long (ms) the server may be silent before it is lost; None if silence means nothing."""

    # ------------------------------------------------------------------ one opens, greets, is lost

    def connect(self, *, greeted: bool) -> Connection:
        """A connection opens: what was known before is not sure any more.

        Args:
            greeted: A greeting opened it, not the source. Then another greeting on it opens another connection.
        """
        state = self._state
        if state.connection is not None:
            self.lose()
        state.connections += 1
        state.connection = Connection(state.connections, greeted=greeted, era=state.era)
        return state.connection

    def lose(self) -> None:
        """The server is lost: nothing is sure until a frame says it again.

        The table comes first, so that it can remember what was on air as the "before" of the gap.
        """
        state = self._state
        self._rules.signal(Signal.LOST, Cause.of_time(state))
        state.snapshot_mono = None
        self._desk.lose()
        if state.connection is not None:
            state.connection.first_at = None
            state.connection.began_at = None
            state.connection.snapshot_seen = state.connection.session_seen = False

    def greet(self, hello: Hello) -> None:
        """A greeting comes. If the source did not open a connection for it, it opens one, and closes the one before.

        A repeated greeting on an open connection does neither. If the boot id is new, the server was restarted: ids and
        sequence numbers may start again.
        """
        connection = self._state.connection
        seq, at = hello.envelope.seq, hello.envelope.at
        name = f"{hello.server}/{hello.version}/{hello.boot}/{seq}/{at}"
        if connection is not None and connection.open and connection.greeted:
            again = not hello.once and hello.boot == connection.boot and self._goes_on(hello, connection, name)
            if again:
                return
        if connection is None or not connection.open or connection.greeted:
            connection = self.connect(greeted=True)
        connection.greeted = True
        connection.hello = name
        if hello.boot is not None:
            if self._state.boot is not None and self._state.boot != hello.boot:
                connection.rebooted = True
                self._staleness.new_boot(connection)
            connection.boot = self._state.boot = hello.boot

    @staticmethod
    def _goes_on(hello: Hello, connection: Connection, name: str) -> bool:
        """Whether a greeting of the same boot, on a connection that was greeted, is a repetition.

        Args:
            name: All that it says, in one text, to compare it with the one before.
        """
        seq, at = hello.envelope.seq, hello.envelope.at
        if connection.hello == name and (seq is not None or at is not None or connection.frames == 1):
            return True
        # The source said when this connection opened. So a greeting that says anything at all opens no other.
        if connection.told_open and (hello.boot is not None or at is not None):
            return True
        return seq is not None and connection.seq is not None and seq > connection.seq

    def hello(self, o: Hello) -> None:
        """What a greeting says of the server. ``greet`` was called before, and has set the connection."""
        state = self._state
        if state.connection is None:
            return
        if state.connection.rebooted and state.session is not None and state.session.gap is not None:
            state.session.gap.cause = "server restart"
        state.server_version = o.version or state.server_version

    # ------------------------------------------------------------------ how regular the server is

    def keep_time(self, envelope: Envelope, *, news: bool) -> None:
        """Note when this snapshot came: the last ten say whether the server is regular.

        Args:
            news: It changed something. A snapshot within a second after a change counts as such, too: it came because
                of the change, not by a clock.
        """
        state = self._state
        prompted = state.explicit_mono is not None and envelope.stamp.mono - state.explicit_mono <= _PROMPTED_MS
        state.explicit_mono = None
        before, state.snapshot_mono = state.snapshot_mono, envelope.stamp.mono
        state.snapshot_news.append(news or prompted)
        del state.snapshot_news[:-_REGULAR]
        if before is not None:
            state.snapshot_intervals.append(envelope.stamp.mono - before)
            del state.snapshot_intervals[: 1 - _REGULAR]
        self.silent_after = self._silent_after()

    def _silent_after(self) -> int | None:
        """How long (ms) the server may be silent before it is lost; None if silence means nothing."""
        beat, state = self._heartbeat_ms, self._state
        if beat is not None:
            return beat
        enough = len(state.snapshot_news) == _REGULAR and len(state.snapshot_intervals) == _REGULAR - 1
        if not enough or state.snapshot_news.count(False) < _NOTHING_NEW:
            return None
        longest = max(state.snapshot_intervals)
        return _APART_MS + 10 * longest if longest <= _APART_MS else None

    # ------------------------------------------------------------------ silence

    def last_told(self, connection: Connection) -> int:
        """When (``mono``) the server last showed that it is there.

        Without a heartbeat only control frames count: another part of the server may send the telemetry.
        """
        return connection.controlled if self._heartbeat_ms is None else self._state.heard

    def out_of_sight(self) -> None:
        """A regular server has sent nothing for too long on an open connection."""
        state, connection = self._state, self._state.connection
        if connection is not None:
            connection.silent = True
            state.heard = min(state.heard, self.last_told(connection))
        state.loss_cause = "silence"
        self.lose()

    def unseen_since(self) -> int | None:
        """Since when (``mono``) there is no signal from the server; None while there is one.

        The idle time (``Policy.idle_ms``) counts from here: from the last frame if the connection is closed, from the
        silence if it is open, and from the first missing beat if the dialect declares a heartbeat.
        """
        connection = self._state.connection
        beat = self._heartbeat_ms
        if connection is None or not connection.open:
            return self._state.heard
        session = self._state.session
        if connection.silent and session is not None:
            return session.blind_since
        return None if beat is None else self._state.heard + beat

    def excuse(self, connection: Connection, envelope: Envelope | None, mono: int) -> None:
        """Ignore a silence that was not the server's.

        Two things look like silence: a server that sends only telemetry, and a tap that was stopped itself (say, on a
        machine that slept) and now reads the frames that waited for it. The server's own times show the latter: they
        go on without a hole.

        Args:
            envelope: That of the frame that comes now; None for telemetry.
            mono: Now.
        """
        silent = self.silent_after
        if silent is None or self._heartbeat_ms is not None:
            return
        if envelope is not None:
            at, before = envelope.at, connection.controlled_at
            if at is None or before is None or not 0 <= at - before < silent:
                return
        if self.last_told(connection) + silent <= mono:
            connection.excused = mono - silent + 1
