"""Snapshots: what is fresh in one, what it means for the session, and what it tells that nothing else told.

A snapshot shows all that is so at one moment, but it may be old: one that was made before a cut and read after it would
undo that cut. So each of its values is weighed against what it contradicts (``staleness.is_stale``). What is stale is
passed over; a value that confirms what is known is never stale.

What is fresh then goes two ways. Its word on the session, or what the venue's policy makes of it, is one signal for the
table; what it shows of the desk becomes known, or becomes events where nothing else told of the change.
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
from tap.core.machine.state import Mark, Phase, State, comparable, snapshot_values
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
        """Take a snapshot in.

        The order matters: first the signal, so that what is shown belongs to the session that the snapshot shows; but a
        change that ends a session by policy belongs to the session that it ends.
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
        if signal is Signal.SAME:
            self._rows.note_running(o.envelope)
            if cause.info is not None:
                self._sessions.rename(cause.info, o.envelope)
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
        for name, value, aspect in snapshot_values(o, self._state):
            differs = aspect.known and aspect.value != comparable(name, value)
            covered = name == "program" and self._desk.program.covered(value, o.envelope)
            if not (differs and (covered or self._stale(aspect.mark, o.envelope))):
                fresh[name] = value
        return fresh

    def _stale(self, mark: Mark | None, envelope: Envelope) -> bool:
        """Whether this snapshot was made before what ``mark`` stands for."""
        connection = self._state.connection
        return connection is not None and self._staleness.stale(mark, envelope, connection)

    # ------------------------------------------------------------------ what it means for the session

    def _session_relation(self, o: Snapshot, fresh: dict[str, Any]) -> tuple[Signal | None, Cause]:
        """What a snapshot means for the session: by its own word, or by the venue's policy.

        The server's word counts wherever it has session frames; only a server that never told a session is judged by
        policy.

        Args:
            fresh: What is fresh in it.

        Returns:
            The signal, or None where it means nothing; and the cause that goes with it.
        """
        state = self._state
        first = state.connection is not None and not state.connection.snapshot_seen
        # Without a word on the session, a gap is told all the same.
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
        """Whether this is the connection's first word on its session, which began before it: then what came before is a
        gap.
        """
        connection = self._state.connection
        if connection is None or connection.session_seen or connection.first_at is None or info is None:
            return False
        return info.started_at is not None and info.started_at < connection.first_at

    def _frames_relation(self, info: SessionInfo | None, cause: Cause) -> tuple[Signal | None, Cause]:
        """What a snapshot means for the session by its own word.

        A word that is stale may still confirm what is known, but neither contradicts nor renames it.
        """
        state = self._state
        signal = Signal.NONE
        if info is not None:
            signal = Signal.SAME if self._sessions.is_known(info) else Signal.OTHER
        if self._stale(state.session_seen.mark, cause.envelope):
            # Stale it may still confirm, but neither contradict nor rename.
            cause.info = None
            agrees = signal is (Signal.NONE if state.session is None else Signal.SAME)
            return (signal if agrees else Signal.CHANGED), cause
        state.session_seen.mark = self._aspects.mark(state.session_seen.mark, cause.envelope, explicit=False)
        if signal is Signal.SAME and self._stale(state.titled, cause.envelope):
            cause.info = None
        return signal, cause

    def _policy_relation(self, by: str, fresh: dict[str, Any], first: bool) -> Signal | None:
        """Whether the condition of a session by policy holds, going by a snapshot.

        Args:
            by: ``mode``, ``record`` or ``program``.
            fresh: What is fresh in the snapshot.
            first: It is the first of its connection.

        Returns:
            ``SAME`` or ``NONE`` where a session is known, ``OTHER`` where one begins; None where the snapshot does not
            say.
        """
        runs: bool | None = None
        has_session = self._state.session is not None
        if by == "mode" and fresh.get("mode") is not None:
            runs = fresh["mode"] not in MODE_ENDS if has_session else fresh["mode"] == MODE_STARTS
        elif by == "record" and "recording" in fresh:
            runs = bool(fresh["recording"])
        elif by == "program" and "program" in fresh:
            runs = fresh["program"] is not None
            # Nothing is on: it may be a fade to black. After a loss nobody knows since when.
            if has_session and not runs and not first:
                runs = None
            # Only a change makes a session: what is live at first sight may have been so for days.
            if not has_session and (first or not self._aspects.would_change(self._state.program, fresh["program"])):
                runs = None
        if runs is None:
            return None
        if has_session:
            return Signal.SAME if runs else Signal.NONE
        return Signal.OTHER if runs else None
