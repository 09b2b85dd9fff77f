"""The policy for sessions, as a table: what can happen to a session, and what the machine does about it.

Theory of operation
===================

The machine follows one server, and knows one session or none. It is always in one *phase* (``state.Phase``). What
happens to the session comes as a *signal*: a frame starts or ends a session, a snapshot shows one, the connection
closes, time runs out. For each phase and signal, :data:`RULES` has the *actions*, in their order, and the next phase.
A pair that is not in the table changes nothing. So the table is the policy, and :meth:`Rules.signal` is the only line
that changes the phase.

h11 raises an error for a pair that its table lacks. A tap only listens, and cannot refuse what happened.

While the tap has a signal from the server, there are two phases: ``waiting`` (no session) and ``live``. The other
phases are for a server without a signal. They follow each other in this order:

- The connection closes: ``disconnected``. Nothing is lost yet: frames that were read before that may still come, and
  they belong to the connection that closed. With one of them the session is ``live`` again.
- The server is lost: ``blind``. This is so once another connection opens, the server has been silent for too long on
  an open one, or the idle time is over. The machine remembers what was on air, the hold and the mode: this is what the
  coming gap has as "before".
- The server stays away for the idle time (``Policy.idle_ms``, 30 minutes): ``idled``. The session is closed as
  interrupted, at the time of the last frame that showed it. The machine still remembers it, since it may go on later.
- A first frame comes: ``returning``. There is a gap, whose row has ``at`` and key from this frame. The row is not
  written yet, since only the first snapshot shows what is on air after the gap.
- A snapshot shows the session: the gap is written, and the phase is ``live``.
- A cut, hold, release or mode change comes before any snapshot, or the connection closes again: the gap is written
  without its "after", and the phase is ``unsure``: nobody knows whether the session still runs. The next snapshot, or
  the next frame of a session, says so.

How a session ends depends on whether the tap saw its end. In ``live``, nothing was missed: whatever ends the session
*completes* it, at the time of that frame. In ``returning`` and ``unsure``, a snapshot without the session only shows
that it ended at some time without a signal: it is *interrupted*, at the time of the last frame that showed it. Only a
frame that says "ended" completes it even then.

The order of actions matters. The phase changes before the first of them. A gap is written before a session is closed
(its row belongs to the old session, whose final state counts it), and a session is closed before another starts.

What the table does not say
---------------------------

The code marks each exception with "NB".

1. *What makes a signal.* A snapshot makes one signal at most. ``Snapshots`` decides by what it says of the session; if
   the server has no session frames, by the venue's policy (``Policy.session``). A stale part of it only signals that a
   frame came. Under a policy, a cut, a change of mode or the start of a recorder also signals ``STARTED``. It does so
   before its own row is written, so that the row belongs to the session that it makes (``Program``, ``Mode``,
   ``Recorder``).
2. *A repetition makes no signal*: neither a repeated frame, nor history that a server sends again after a reconnect.
   There is one exception: a start of the session that was closed as idle resumes it (``Sessions.started``).
3. ``START`` *may resume.* If a session that is over shows again under the same key, it goes on. It is never started
   twice (``Sessions.start``).
4. ``GO_ON`` *resumes only for an explicit change.* If a snapshot does not mention the session, the gap is written, but
   that does not prove that the session runs (``Sessions.go_on``).
5. *A late end.* The end of a session may be reported when it is already closed as interrupted. Then its row becomes
   complete, in every phase (``Sessions.ended``).
6. *First sight.* A session that ran before the tap's first frame starts with a gap of its own, without the phase
   ``returning`` (``Gaps.first_sight``).
7. *A session that a person makes afterwards* begins and ends when that person says: ``Machine.begin`` and
   ``Machine.finish``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Self

from tap.core.machine.rows import time_of
from tap.core.machine.state import Phase, State
from tap.core.model import Envelope, Policy, SessionInfo, Stamp

__all__ = ["RULES", "Action", "Cause", "Rules", "Signal"]


class Signal(StrEnum):
    """What can happen to a session."""

    STARTED = "another starts"
    """A frame says that a session starts which is not the known one."""
    SAME = "snapshot shows the same"
    OTHER = "snapshot shows another"
    NONE = "snapshot shows none"
    ENDED = "ended"
    """A frame says that it is over."""
    CHANGED = "explicit change"
    """A cut, hold, release or mode change came before any snapshot."""
    CLOSED = "connection closed"
    """The connection ended. Frames that were read before that may still come."""
    LOST = "server lost"
    """Another connection opens, or the server has been silent: nothing is sure until a frame says it again."""
    HEARD = "server heard"
    """The first frame after a loss, or one that still comes after the end of its connection."""
    IDLE = "out of sight too long"
    """The server has been away for ``Policy.idle_ms``."""


class Action(StrEnum):
    """What the machine does about it."""

    START = "start"
    """Write the session's first row, and its cameras."""
    RESUME = "resume"
    """It is live again. A row is written only if it had been closed."""
    GO_ON = "go on"
    """Resume it, if an explicit change says so."""
    COMPLETE = "complete"
    """Close it as ``complete``: the tap saw its end."""
    UNSEEN = "interrupt (unseen)"
    """Close it as ``interrupted``: it has ended at an unknown time."""
    REPLACED = "interrupt (replaced)"
    """The same, because another session runs instead."""
    IDLED = "interrupt (idle)"
    """The same, because the server stays away. The machine still remembers the session: it may go on."""
    GO_BLIND = "remember what was on"
    """Remember the "before" of the gap that will follow."""
    NOTE_GAP = "note gap"
    """A gap ends here. Its row is not written until its "after" is known."""
    WRITE_GAP = "write gap"
    """Write the gap that was noted."""


RULES: Mapping[tuple[Phase, Signal], tuple[tuple[Action, ...], Phase]] = {
    (Phase.WAITING, Signal.STARTED): ((Action.START,), Phase.LIVE),
    (Phase.WAITING, Signal.OTHER): ((Action.START,), Phase.LIVE),
    (Phase.LIVE, Signal.STARTED): ((Action.COMPLETE, Action.START), Phase.LIVE),
    (Phase.LIVE, Signal.OTHER): ((Action.COMPLETE, Action.START), Phase.LIVE),
    (Phase.LIVE, Signal.NONE): ((Action.COMPLETE,), Phase.WAITING),
    (Phase.LIVE, Signal.ENDED): ((Action.COMPLETE,), Phase.WAITING),
    (Phase.LIVE, Signal.CLOSED): ((), Phase.DISCONNECTED),
    (Phase.LIVE, Signal.LOST): ((Action.GO_BLIND,), Phase.BLIND),
    (Phase.DISCONNECTED, Signal.HEARD): ((), Phase.LIVE),
    (Phase.DISCONNECTED, Signal.LOST): ((Action.GO_BLIND,), Phase.BLIND),
    (Phase.BLIND, Signal.IDLE): ((Action.IDLED,), Phase.IDLED),
    (Phase.BLIND, Signal.HEARD): ((Action.NOTE_GAP,), Phase.RETURNING),
    (Phase.IDLED, Signal.HEARD): ((Action.NOTE_GAP,), Phase.RETURNING),
    (Phase.RETURNING, Signal.CHANGED): ((Action.WRITE_GAP, Action.GO_ON), Phase.UNSURE),
    (Phase.RETURNING, Signal.SAME): ((Action.WRITE_GAP, Action.RESUME), Phase.LIVE),
    (Phase.RETURNING, Signal.NONE): ((Action.WRITE_GAP, Action.UNSEEN), Phase.WAITING),
    (Phase.RETURNING, Signal.OTHER): ((Action.WRITE_GAP, Action.REPLACED, Action.START), Phase.LIVE),
    (Phase.RETURNING, Signal.STARTED): ((Action.WRITE_GAP, Action.REPLACED, Action.START), Phase.LIVE),
    (Phase.RETURNING, Signal.ENDED): ((Action.WRITE_GAP, Action.COMPLETE), Phase.WAITING),
    (Phase.RETURNING, Signal.CLOSED): ((Action.WRITE_GAP,), Phase.UNSURE),
    (Phase.RETURNING, Signal.LOST): ((Action.WRITE_GAP, Action.GO_BLIND), Phase.BLIND),
    (Phase.UNSURE, Signal.SAME): ((Action.RESUME,), Phase.LIVE),
    (Phase.UNSURE, Signal.NONE): ((Action.UNSEEN,), Phase.WAITING),
    (Phase.UNSURE, Signal.OTHER): ((Action.REPLACED, Action.START), Phase.LIVE),
    (Phase.UNSURE, Signal.STARTED): ((Action.REPLACED, Action.START), Phase.LIVE),
    (Phase.UNSURE, Signal.ENDED): ((Action.COMPLETE,), Phase.WAITING),
    (Phase.UNSURE, Signal.LOST): ((Action.GO_BLIND,), Phase.BLIND),
}
"""For each phase and signal: the actions, in order, and the next phase. Other pairs change nothing."""


class Cause:
    """What caused a signal: when, which session it is about, and the "after" of a gap."""

    def __init__(
        self,
        envelope: Envelope,
        *,
        info: SessionInfo | None = None,
        by: str = "frames",
        reason: str | None = None,
        snapshot: dict[str, Any] | None = None,
        first_sight: bool = False,
        at: int | None = None,
    ) -> None:
        self.envelope = envelope
        self.at = time_of(envelope) if at is None else at
        self.info = info
        self.by = by
        self.reason = reason
        self.snapshot = snapshot
        self.first_sight = first_sight

    @property
    def is_bare(self) -> bool:
        """Whether it is a snapshot that has neither a time nor a number: it may be old."""
        return self.snapshot is not None and self.envelope.at is None and self.envelope.seq is None

    @classmethod
    def of_time(cls, state: State, *, reason: str | None = None, at: int | None = None) -> Self:
        """A cause without a frame: a deadline passed, or the source itself said that the server was lost."""
        return cls(Envelope(Stamp(state.wall, state.mono)), reason=reason, at=at)


class Rules:
    """Looks a signal up in the table, changes the phase, and calls the actions."""

    def __init__(self, state: State, policy: Policy) -> None:
        self._state = state
        self._policy = policy
        self.actions: Mapping[Action, Callable[[Cause], None]] = {}
        """The function for each action. The machine fills it in when all its parts exist."""

    def signal(self, signal: Signal, cause: Cause) -> None:
        """Something happened to the session."""
        actions, phase = RULES.get((self._state.phase, signal), ((), self._state.phase))
        # Change the phase first: the actions write their rows for the session as it is after this rule.
        self._state.phase = phase
        for action in actions:
            self.actions[action](cause)

    def by_policy(self, policy: str) -> bool:
        """Whether ``policy`` makes the sessions here: only if the server itself has no session frames."""
        return self._policy.session == policy and not self._state.has_session_frames
