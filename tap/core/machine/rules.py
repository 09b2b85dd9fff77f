"""The policy for sessions, as a table: what can befall a session, and what the machine does about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Self

from tap.core.machine.rows import told_at
from tap.core.machine.state import Phase, State
from tap.core.model import Policy, SessionInfo, Stamp, Told

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
    LOST = "server lost"
    HEARD = "server heard"
    IDLE = "out of sight too long"


class Action(StrEnum):
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


RULES: Mapping[tuple[Phase, Signal], tuple[tuple[Action, ...], Phase]] = {
    (Phase.WAITING, Signal.STARTED): ((Action.START,), Phase.LIVE),
    (Phase.WAITING, Signal.OTHER): ((Action.START,), Phase.LIVE),
    (Phase.LIVE, Signal.STARTED): ((Action.COMPLETE, Action.START), Phase.LIVE),
    (Phase.LIVE, Signal.OTHER): ((Action.COMPLETE, Action.START), Phase.LIVE),
    (Phase.LIVE, Signal.NONE): ((Action.COMPLETE,), Phase.WAITING),
    (Phase.LIVE, Signal.ENDED): ((Action.COMPLETE,), Phase.WAITING),
    (Phase.LIVE, Signal.LOST): ((Action.GO_BLIND,), Phase.BLIND),
    (Phase.BLIND, Signal.IDLE): ((Action.IDLED,), Phase.IDLED),
    (Phase.BLIND, Signal.HEARD): ((Action.NOTE_GAP,), Phase.RETURNING),
    (Phase.IDLED, Signal.HEARD): ((Action.NOTE_GAP,), Phase.RETURNING),
    (Phase.RETURNING, Signal.CHANGED): ((Action.TELL_GAP, Action.GO_ON), Phase.UNSURE),
    (Phase.RETURNING, Signal.SAME): ((Action.TELL_GAP, Action.RESUME), Phase.LIVE),
    (Phase.RETURNING, Signal.NONE): ((Action.TELL_GAP, Action.UNSEEN), Phase.WAITING),
    (Phase.RETURNING, Signal.OTHER): ((Action.TELL_GAP, Action.REPLACED, Action.START), Phase.LIVE),
    (Phase.RETURNING, Signal.STARTED): ((Action.TELL_GAP, Action.REPLACED, Action.START), Phase.LIVE),
    (Phase.RETURNING, Signal.ENDED): ((Action.TELL_GAP, Action.COMPLETE), Phase.WAITING),
    (Phase.RETURNING, Signal.LOST): ((Action.TELL_GAP, Action.GO_BLIND), Phase.BLIND),
    (Phase.UNSURE, Signal.SAME): ((Action.RESUME,), Phase.LIVE),
    (Phase.UNSURE, Signal.NONE): ((Action.UNSEEN,), Phase.WAITING),
    (Phase.UNSURE, Signal.OTHER): ((Action.REPLACED, Action.START), Phase.LIVE),
    (Phase.UNSURE, Signal.STARTED): ((Action.REPLACED, Action.START), Phase.LIVE),
    (Phase.UNSURE, Signal.ENDED): ((Action.COMPLETE,), Phase.WAITING),
    (Phase.UNSURE, Signal.LOST): ((Action.GO_BLIND,), Phase.BLIND),
}
"""The whole policy for sessions. A pair that is not here changes nothing."""


class Cause:
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

    @classmethod
    def of_time(cls, state: State, *, reason: str | None = None, at: int | None = None) -> Self:
        """What no frame told: a deadline passed, or the source itself said that the server was lost."""
        return cls(Told(Stamp(state.wall, state.mono)), reason=reason, at=at)


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
        return self._policy.session == policy and not self._state.frames_seen
