"""Snapshots: what is fresh in one, what it means for the session, and which changes it alone shows.

A snapshot shows the whole state at one moment, but it may be old. One that was made before a cut and read after it
would undo that cut. So each value that contradicts what is known is checked (``marks.is_stale``), and ignored if it
is stale. A value that confirms what is known is never stale.

What is fresh is then used twice. What it says of the session (or what the venue's policy concludes from it) becomes one
signal for the table. What it shows of program, hold and mode becomes known; if no explicit frame reported a change, it
becomes an event.
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from tap.core.machine.aspects import Aspects
from tap.core.machine.cameras import Cameras
from tap.core.machine.desk import Desk
from tap.core.machine.mode import MODE_ENDS, MODE_STARTS
from tap.core.machine.rows import RowWriter, time_of
from tap.core.machine.rules import Cause, Rules, Signal
from tap.core.machine.sessions import Sessions
from tap.core.machine.staleness import Staleness
from tap.core.machine.state import LastSaid, Phase, State, comparable, snapshot_values
from tap.core.model import Envelope, Policy, SessionInfo, Snapshot

__all__ = ["Snapshots"]


class Snapshots:
    """The rules for what a snapshot says."""

    def __init__(
        self,
        state: State,
        desk: Desk,
        *,
        sessions: Sessions,
        aspects: Aspects,
        rows: RowWriter,
        staleness: Staleness,
        rules: Rules,
        cameras: Cameras,
        policy: Policy,
    ) -> None:
        self._state = state
        self._desk = desk
        self._sessions = sessions
        self._aspects = aspects
        self._rows = rows
        self._staleness = staleness
        self._rules = rules
        self._cameras = cameras
        self._policy = policy

    def shown(self, o: Snapshot) -> None:
        """Read a snapshot.

        The order matters. The signal comes first, so that the events belong to the session that the snapshot shows. But
        a change that ends a session by policy belongs to the session that it ends.
        """
        state = self._state
        connection = state.connection
        if connection is None:
            return
        fresh = self._fresh(o)
        signal, cause = self._session_relation(o, fresh)
        by_policy = cause.by != "frames" and signal is Signal.OTHER and not cause.first_sight
        if signal is Signal.NONE and cause.by != "frames" and state.phase is Phase.LIVE:
            self._desk.infer(fresh, o.envelope)  # the change that ends a session by policy belongs to it
        if signal is not None:
            self._rules.signal(signal, cause)
        if signal is Signal.NONE or (signal is Signal.OTHER and not by_policy):
            self._desk.take_over(fresh, o.envelope)
        else:
            self._desk.infer(fresh, o.envelope)
        if signal is Signal.SAME and cause.info is not None:
            self._sessions.rename(cause.info, o.envelope)
        elif signal is Signal.SAME:
            self._rows.note_running(o.envelope)
        running = self._rows.running()
        if running is not None and running.row is not None and running.row.fields.get("mode") != state.mode.value:
            self._rows.session_row(running, time_of(o.envelope))
        if o.cameras is not UNSET:
            self._cameras.listed(o.cameras or (), o.envelope, connection)
            self._cameras.on_program(self._desk.program.known(), time_of(o.envelope))
        connection.snapshot_seen = True
        connection.session_seen = connection.session_seen or o.session is not UNSET

    def _fresh(self, o: Snapshot) -> dict[str, Any]:
        """What the snapshot says of program, hold, mode and recording, by name, without what is stale or hidden by a
        dissolve.
        """
        fresh: dict[str, Any] = {}
        covering = self._state.dissolve_cover is not None
        for name, value, aspect in snapshot_values(o, self._state):
            differs = aspect.known and aspect.value != (value if name != "hold" else comparable(name, value))
            covered = covering and name == "program" and self._desk.program.covered(value, o.envelope)
            if differs and covered and not aspect.sure and o.envelope.at is not None:
                fresh[name] = aspect.value  # history told the dissolve that explains this state: so it is true still
            elif not (differs and (covered or self._stale(aspect.mark, o.envelope))):
                fresh[name] = value
        return fresh

    def _stale(self, mark: LastSaid | None, envelope: Envelope) -> bool:
        """Whether this snapshot is older than the frame of ``mark``."""
        connection = self._state.connection
        return connection is not None and self._staleness.stale(mark, envelope, connection)

    # ------------------------------------------------------------------ what it means for the session

    def _session_relation(self, o: Snapshot, fresh: dict[str, Any]) -> tuple[Signal | None, Cause]:
        """What a snapshot means for the session: by what it says itself, or by the venue's policy.

        If the server has session frames, its word counts. The policy only counts for a server without sessions.

        Args:
            fresh: What is fresh in it.

        Returns:
            The signal, or None if it means nothing; and its cause.
        """
        state = self._state
        first = state.connection is not None and not state.connection.snapshot_seen
        # Even if it says nothing of the session, a gap that was noted is written.
        seen = Signal.CHANGED if fresh else None
        state.has_session_frames = state.has_session_frames or isinstance(o.session, SessionInfo)
        by = self._policy.session
        session = state.session
        if o.session is not UNSET and (state.has_session_frames or by == "frames"):
            first = first or self._ran_already(o.session)
            return self._frames_relation(
                o.session, Cause(o.envelope, info=o.session, snapshot=fresh, first_sight=first)
            )
        cause = Cause(o.envelope, snapshot=fresh, by=by, first_sight=first)
        if by == "frames" or (state.has_session_frames and (session is None or session.by == "frames")):
            return seen, cause
        return self._policy_relation(by, fresh, first) or seen, cause

    def _ran_already(self, info: SessionInfo | None) -> bool:
        """Whether the first frame about the session says that it began before this connection: that time is a gap."""
        connection = self._state.connection
        if connection is None or connection.session_seen or connection.first_at is None or info is None:
            return False
        return info.started_at is not None and info.started_at < connection.first_at

    def _frames_relation(self, info: SessionInfo | None, cause: Cause) -> tuple[Signal | None, Cause]:
        """What a snapshot means for the session by what it says itself.

        If that is stale, it may confirm what is known, but neither contradict nor rename it.
        """
        state = self._state
        signal = Signal.NONE
        if info is not None:
            signal = Signal.SAME if self._sessions.is_known(info) else Signal.OTHER
        if self._stale(state.session_seen.mark, cause.envelope):
            cause.info = None
            agrees = signal is (Signal.NONE if state.session is None else Signal.SAME)
            return (signal if agrees else Signal.CHANGED), cause
        state.session_seen.mark = self._aspects.mark(state.session_seen.mark, cause.envelope, explicit=False)
        if signal is Signal.SAME and self._stale(state.titled, cause.envelope):
            cause.info = None
        return signal, cause

    def _policy_relation(self, by: str, fresh: dict[str, Any], first: bool) -> Signal | None:
        """Whether a snapshot fulfils the condition of a session by policy.

        Args:
            by: ``mode``, ``record`` or ``program``.
            fresh: What is fresh in the snapshot.
            first: It is the first of its connection.

        Returns:
            ``SAME`` or ``NONE`` if a session is known, ``OTHER`` if one begins; None if the snapshot does not say.
        """
        runs: bool | None = None
        has_session = self._state.session is not None
        if by == "mode" and fresh.get("mode") is not None:
            runs = fresh["mode"] not in MODE_ENDS if has_session else fresh["mode"] == MODE_STARTS
        elif by == "record" and "recording" in fresh:
            runs = bool(fresh["recording"])
        elif by == "program" and "program" in fresh:
            runs = fresh["program"] is not None
            # Nothing is on air: it may be a fade to black. After a loss nobody knows since when.
            if has_session and not runs and not first:
                runs = None
            # Only a change begins a session: what is live at first sight may have been so for days.
            if not has_session and (first or not self._aspects.would_change(self._state.program, fresh["program"])):
                runs = None
        if runs is None:
            return None
        if has_session:
            return Signal.SAME if runs else Signal.NONE
        return Signal.OTHER if runs else None
