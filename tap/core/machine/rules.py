"""The policy for sessions, as a table: what can befall a session, and what the machine does about it.

Theory of operation
===================

The machine follows one server. At any time it stands in one *phase* (``state.Phase``) to the one session that it
knows, or to none. What befalls it comes as a *signal*: a frame starts or ends a session, a snapshot shows one, the
connection closes, time runs out. :data:`RULES` says for each phase and signal which *actions* follow, in which order,
and which phase comes after. A pair that is not in the table changes nothing. So the policy is what the table says, and
:meth:`Rules.signal` is the only line that changes the phase.

The table is total where h11's raises: a tap that only listens cannot refuse what happened.

While the server can be heard there are two phases: ``waiting`` (no session) and ``live``. All others are about not
hearing it, and they go round in a ring:

- The connection closes: ``disconnected``. Nothing is lost yet: frames that were read before the end may still be handed
  on, and they belong to the connection that closed. With one of them the session is ``live`` again.
- The server is lost: ``blind``. That is so once another connection opens, the server has been silent for too long on
  an open one, or the idle time is over. What was on air, held, and which mode it was is remembered as the old side of
  a gap.
- It stays away for the idle time (``Policy.idle_ms``, 30 minutes): ``idled``. The session is closed as interrupted, as
  of the last frame that showed it, but is kept: it may yet go on.
- A first frame comes: ``returning``. There is a gap, and ``at`` and key of its row are this frame's; it is not written
  yet, since its new side is what the first snapshot shows.
- A snapshot shows the session: the gap is written, and it is ``live``.
- A cut, hold, release or mode change comes before any snapshot, or the connection closes again: the gap is written
  without more knowledge, and it is ``unsure`` whether the session still runs. The next snapshot, or frame of a session,
  says so.

How a session ends depends on whether the end was seen. In ``live``, nothing was missed: what ends it *completes* it,
at the time of that frame. In ``returning`` and ``unsure``, a snapshot without it shows only that it ended at some time
while nobody listened: it is *interrupted*, as of the last frame that showed it. Only a frame that says "ended"
completes it even then.

The order of actions matters. The phase changes before the first of them. A gap is written before a session is closed
(its row belongs to the old session, whose final state counts it), and a session is closed before another starts.

What the table does not say
---------------------------

Each exception is marked with "NB" where it stands.

1. *Who signals.* A snapshot is one signal at most: ``Snapshots`` weighs its word on the session, or the venue's policy
   (``Policy.session``) where the server has no session frames; what is stale in it signals nothing but that something
   was told. Under a policy, a cut, a change of mode or a recorder that starts signals ``STARTED`` too, before it is
   written, so that it belongs to the session that it makes (``Program``, ``Mode``, ``Recorder``).
2. *What was told before signals nothing*: repeated frames, and history that a server tells again after a reconnect. The
   exception to that is a start of the session that is closed as idle: it resumes it (``Sessions.started``).
3. ``START`` *may resume.* A session that is over, and shows again under the same key, goes on; it is never started
   twice (``Sessions.start``).
4. ``GO_ON`` *resumes only by an explicit change.* A snapshot that says nothing of the session writes the gap, but is no
   proof that the session runs (``Sessions.go_on``).
5. *A late end.* A frame may tell the end of a session that was already closed as interrupted: its row becomes
   complete, whatever the phase (``Sessions.ended``).
6. *First sight.* A session that ran before the tap first heard of it starts with a gap of its own, for which the phase
   was never ``returning`` (``Gaps.first_sight``).
7. *A session that somebody chose* begins and ends when that person says, by ``Machine.begin`` and ``Machine.finish``.
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
    CLOSED = "connection closed"
    """The connection ended. What was read before that may still be handed on."""
    LOST = "server lost"
    """From here on nothing is sure until it is told anew: another connection opens, or the server has been silent."""
    HEARD = "server heard"
    """The first frame after a loss, or one that still comes after the end of its connection."""
    IDLE = "out of sight too long"
    """The server has been away for ``Policy.idle_ms``."""


class Action(StrEnum):
    """What the machine does about it."""

    START = "start"
    """Write the session's first row, and its cameras."""
    RESUME = "resume"
    """It is live again; a row is written only where it had been closed."""
    GO_ON = "go on"
    """Resume it, if an explicit change says so."""
    COMPLETE = "complete"
    """Close it as ``complete``: its end was seen."""
    UNSEEN = "interrupt (unseen)"
    """Close it as ``interrupted``: it is gone, and nobody saw when."""
    REPLACED = "interrupt (replaced)"
    """The same, where another runs in its place."""
    IDLED = "interrupt (idle)"
    """The same, where the server stays away; the session is kept, and may go on."""
    GO_BLIND = "remember what was on"
    """Keep the old side of the gap that will follow."""
    NOTE_GAP = "note gap"
    """A gap ends here; its row waits for its new side."""
    WRITE_GAP = "write gap"
    """Write the gap that waits."""


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
"""What each signal means in each phase: the actions, in order, and the phase after. Others change nothing."""


class Cause:
    """What makes a signal: when, by which session, and what the new side of a gap is."""

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

    @classmethod
    def of_time(cls, state: State, *, reason: str | None = None, at: int | None = None) -> Self:
        """What no frame told: a deadline passed, or the source itself said that the server was lost."""
        return cls(Envelope(Stamp(state.wall, state.mono)), reason=reason, at=at)


class Rules:
    """Looks a signal up in the table, changes the phase, and has the actions done by those who own them."""

    def __init__(self, state: State, policy: Policy) -> None:
        self._state = state
        self._policy = policy
        self.actions: Mapping[Action, Callable[[Cause], None]] = {}
        """Who does what; the machine fills it in once all of them are there."""

    def signal(self, signal: Signal, cause: Cause) -> None:
        """Something befell the session."""
        actions, phase = RULES.get((self._state.phase, signal), ((), self._state.phase))
        # The phase first: what an action writes belongs to the session as the rule sees it.
        self._state.phase = phase
        for action in actions:
            self.actions[action](cause)

    def by_policy(self, policy: str) -> bool:
        """Whether ``policy`` makes the sessions here: only where the server itself has no session frames."""
        return self._policy.session == policy and not self._state.has_session_frames
