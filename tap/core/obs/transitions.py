"""Which transition led to which program event, and how long it took.

OBS tells a transition's start, the end of its picture and the new program, without saying which belong together;
only events of one kind keep their order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tap.core.model import Stamp
from tap.core.obs.messages import text, whole
from tap.core.obs.state import Begun, ObsState

__all__ = ["HARD_CUT", "Transitions"]

HARD_CUT = "cut"
"""What the ledger calls a change without a transition, by whatever name OBS has it in its language."""

_CUT_KIND, _FIXED_KIND = "cut_transition", "obs_stinger_transition"
_STALE_MS = 1_000
"""A transition that ended this long ago, with no program event, led nowhere (a T-bar pulled back)."""
_LATE_MS = 250
"""How late after the last picture a program event comes, on a machine that has too much to do."""
_JITTER_MS = 120
"""How far receive times may make a transition look longer or shorter than what is set."""
_SHORTEST_MS = 50
"""OBS takes no shorter length for a transition."""
_KEPT = 8
_KINDS_KEPT = 1_000


class Transitions:
    """The transitions that run, on the reader's state."""

    def __init__(self, state: ObsState) -> None:
        self._state = state

    def started(self, data: Mapping[str, Any], stamp: Stamp) -> None:
        self._state.transitions_seen = True
        begun = self._state.begun
        begun.append(Begun(text(data, "transitionName") or "", stamp.wall, stamp.mono))
        del begun[:-_KEPT]

    def ended(self, data: Mapping[str, Any], stamp: Stamp, waiting: Begun | None) -> None:
        """The picture of a transition is over; ``waiting`` is one that a program event was told for already."""
        name = text(data, "transitionName")
        begun = self._state.begun
        running = [item for item in begun if item.ended is None and item.name == name]
        if running:
            running[-1].ended = stamp.mono
            # Those that ran when it began were cut short: they never get a program event.
            short = begun.index(running[-1])
            begun[:short] = [item for item in begun[:short] if item.ended is not None]
        elif waiting is not None and waiting.ended is None and waiting.name == name:
            waiting.ended = stamp.mono

    def take(self, stamp: Stamp) -> Begun | None:
        """The transition that this program event ended; it can end no other."""
        begun = self._state.begun
        ages = [(item, None if item.ended is None else stamp.mono - item.ended) for item in begun]
        begun[:] = [item for item, age in ages if age is None or age <= _STALE_MS]
        if not begun:
            return None
        over = [item for item, age in ages if age is not None and age <= _STALE_MS]
        # Of two that are just over, this is the first one's event, since events of one kind keep their order.
        just = [item for item, age in ages if age is not None and age <= _LATE_MS]
        found = (just or over[-1:] or begun[-1:])[0]
        del begun[: begun.index(found) + 1]
        return found

    def forget(self) -> None:
        """Another connection: what ran on the one before is not known any more."""
        self._state.begun.clear()

    def listed(self, data: Mapping[str, Any]) -> None:
        """OBS lists its transitions: what kind stands behind each name."""
        items = data.get("transitions")
        for item in items[:_KINDS_KEPT] if isinstance(items, list) else ():
            if isinstance(item, dict):
                self._kind(item)

    def current(self, data: Mapping[str, Any]) -> None:
        """OBS says which transition is set, and what length."""
        self._kind(data)
        self._state.duration_ms = whole(data.get("transitionDuration")) or self._state.duration_ms

    def length_set(self, data: Mapping[str, Any]) -> None:
        self._state.duration_ms = whole(data.get("transitionDuration"))

    def words(self, begun: Begun | None, program: int) -> tuple[str | None, int | None]:
        """Name and length (ms) of the transition that a program event, told at ``program`` (``mono``), ended."""
        if begun is None:
            return None, None
        seen = max(0, (program if begun.ended is None else begun.ended) - begun.mono)
        kind = self._state.kinds.get(begun.name)
        if kind == _CUT_KIND or (kind is None and (begun.name.casefold() == HARD_CUT or seen < _SHORTEST_MS)):
            return HARD_CUT, None
        wanted = self._state.duration_ms
        if wanted is not None and kind != _FIXED_KIND and abs(seen - wanted) <= _JITTER_MS:
            return begun.name, wanted
        return begun.name, seen

    def _kind(self, item: Mapping[str, Any]) -> None:
        name, kind, kinds = text(item, "transitionName"), text(item, "transitionKind"), self._state.kinds
        if name is not None and kind is not None and (name in kinds or len(kinds) < _KINDS_KEPT):
            kinds[name] = kind
