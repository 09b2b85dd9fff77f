"""Connections: when one opens, is lost, or stands while the server is out of sight (docs/how-it-works.md, rule 7).

The server is *lost* once the next connection opens, or once it tells nothing for too long on one that stands. How long
that is, a dialect may say (a heartbeat). Without one, only a regular server can be missed: its last ten snapshots came
at most a minute apart, and five of them told nothing new, so they came by a clock and not because something changed.
Then it is out of sight after 60 s plus ten times the longest of those intervals.

*Quiet is not unseen*: a take of two hours without a cut says nothing of the connection. The idle time, after which a
session is closed, counts only while the server cannot be seen.
"""

from __future__ import annotations

from tap.core.machine.desk import Desk
from tap.core.machine.rules import Cause, Rules, Signal
from tap.core.machine.staleness import Staleness
from tap.core.machine.state import Connection, State
from tap.core.model import Envelope, Hello

__all__ = ["Connections"]

_REGULAR = 10
"""A server is regular by its last ten snapshots …"""
_NOTHING_NEW = 5
"""… of which so many said nothing new …"""
_APART_MS = 60_000
"""… and which came so close together."""
_PROMPTED_MS = 1_000
"""A snapshot that comes so soon after a change comes because of it."""


class Connections:
    """The rules for the line to the server, and for its silence."""

    def __init__(
        self, state: State, desk: Desk, *, staleness: Staleness, rules: Rules, heartbeat_ms: int | None
    ) -> None:
        """``heartbeat_ms``: how often a server of this dialect is heard at least; None: the dialect does not say."""
        self._state = state
        self._desk = desk
        self._staleness = staleness
        self._rules = rules
        self._heartbeat_ms = heartbeat_ms
        self.silent_after = self._silent_after()
        """For how long (ms) the server may tell nothing before it is out of sight; None where that cannot be said."""

    # ------------------------------------------------------------------ one opens, greets, is lost

    def connect(self, *, greeted: bool) -> Connection:
        """A connection stands: what was known before it is not sure any more.

        Args:
            greeted: A greeting opened it, not the source: another greeting on it opens another.
        """
        state = self._state
        if state.connection is not None:
            self.lose()
        state.connections += 1
        state.connection = Connection(state.connections, greeted=greeted, era=state.era)
        return state.connection

    def lose(self) -> None:
        """The server is lost: from here on nothing is sure until it is told anew.

        The table is asked first, so that it can remember what was on as the old side of the gap.
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
        """A greeting comes. On a line that nobody opened it opens a connection, and closes the one before.

        A greeting that is only told again, on a line that stands, does neither. Another boot id than before is another
        life of the server: ids and sequence numbers may begin anew.
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
        """Whether a greeting of the same boot, on a line that was greeted, is only told again.

        Args:
            name: All that it says, in one text, to compare it with the one before.
        """
        seq, at = hello.envelope.seq, hello.envelope.at
        if connection.hello == name and (seq is not None or at is not None or connection.frames == 1):
            return True
        # Whoever is told when a connection opens need not guess it from a greeting, where that says anything at all.
        if connection.told_open and (hello.boot is not None or at is not None):
            return True
        return seq is not None and connection.seq is not None and seq > connection.seq

    def hello(self, o: Hello) -> None:
        """What a greeting says of the server; ``greet`` has seen to the connection before."""
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
            news: It changed something. So does one that follows a change within a second: it came because of that, and
                shows nothing of a clock.
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
        """For how long (ms) the server may tell nothing before it is out of sight; None where that cannot be said."""
        beat, state = self._heartbeat_ms, self._state
        if beat is not None:
            return beat
        longest = max(state.snapshot_intervals, default=0)
        regular = (
            len(state.snapshot_news) == _REGULAR
            and len(state.snapshot_intervals) == _REGULAR - 1
            and longest <= _APART_MS
        )
        if not regular or state.snapshot_news.count(False) < _NOTHING_NEW:
            return None
        return _APART_MS + 10 * longest

    # ------------------------------------------------------------------ out of sight

    def last_told(self, connection: Connection) -> int:
        """When (``mono``) the server last showed that it is there.

        Without a heartbeat only control frames count: telemetry may come from elsewhere than what tells the cuts.
        """
        return connection.controlled if self._heartbeat_ms is None else self._state.heard

    def out_of_sight(self) -> None:
        """A regular server has told nothing for too long, though the connection stands."""
        state, connection = self._state, self._state.connection
        if connection is not None:
            connection.silent = True
            state.heard = min(state.heard, self.last_told(connection))
        state.loss_cause = "silence"
        self.lose()

    def unseen_since(self) -> int | None:
        """Since when (``mono``) the server cannot be seen; None while it can.

        From here the idle time counts (``Policy.idle_ms``): from the last frame where the connection is gone, from the
        silence where it stands, and from the first beat that is missing where the dialect declares a heartbeat.
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
        """Let a silence pass that was none, or that is not over yet.

        Two things look like silence and are not: telemetry that still comes, and a tap that itself stood still (a
        machine that slept), which then reads what waited for it. The server's own times show the latter: they go on
        without a hole.

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
