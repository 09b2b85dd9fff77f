"""Which transition led to which program event, how long it took, and where an interrupted one had got to.

OBS tells a transition's start, the end of its picture and the new program, without saying which belong together;
only events of one kind keep their order. What a transition leads to is asked at its start, by its number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tap.core.model import Stamp
from tap.core.obs.messages import text, whole
from tap.core.obs.state import Begun, ObsState
from tap.core.obs.versions import puts_interrupted_targets_on_air

__all__ = ["HARD_CUT", "Transitions", "is_sure", "leads_to"]

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


def is_sure(begun: Begun) -> bool:
    """Whether it is known where this transition leads: an answer named it, and nothing speaks against that."""
    return begun.target is not None and not begun.doubtful


def leads_to(begun: Begun, name: str, uuid: str | None) -> bool:
    """Whether this transition is known to lead to that scene."""
    if not is_sure(begun):
        return False
    if begun.uuid is not None and uuid is not None:
        return begun.uuid == uuid
    return begun.target == name


class Transitions:
    """The transitions that run, on the reader's state.

    OBS tells that one begins, that its picture is over, and that a scene is on air, each in an event of its own and
    none with the others' names. Here they are put together, to know of a cut how it was made and how long it took.
    """

    def __init__(self, state: ObsState) -> None:
        self._state = state

    def started(self, data: Mapping[str, Any], stamp: Stamp) -> list[Begun]:
        """Another begins.

        Returns:
            Those that it interrupts, and whose targets so may have been on air.
        """
        state, begun = self._state, self._state.begun
        state.transitions_seen = True
        state.started += 1
        running = [item for item in begun if item.ended is None and item.cut_short is None and not self.is_hard(item)]
        for item in running:
            item.cut_short = stamp.mono
        landed = [item for item in running if self._may_land(item, stamp)]
        begun[:] = [item for item in begun if item not in landed and not self._led_nowhere(item, stamp)]
        begun.append(Begun(text(data, "transitionName") or "", stamp.wall, stamp.mono, number=state.started))
        del begun[:-_KEPT]
        return landed

    def ended(self, data: Mapping[str, Any], stamp: Stamp, waiting: Begun | None) -> None:
        """The picture of a transition is over.

        Args:
            waiting: One whose program event was told already, before its end.
        """
        name = text(data, "transitionName")
        begun = self._state.begun
        running = [item for item in begun if item.ended is None and item.name == name]
        going = [item for item in running if item.cut_short is None and self._can_be_over(item, stamp)]
        found = (going or [item for item in running if item.cut_short is not None])[-1:]
        if found:
            found[0].ended = stamp.mono
            # Those that ran when it began were cut short: they never get a program event.
            short = begun.index(found[0])
            begun[:short] = [item for item in begun[:short] if item.ended is not None]
        elif waiting is not None and waiting.ended is None and waiting.name == name:
            waiting.ended = stamp.mono

    def stopped(self, data: Mapping[str, Any], stamp: Stamp, interrupted: Iterator[Begun]) -> Begun | None:
        """A transition is over, which needs no last picture.

        Args:
            interrupted: Those that another interrupted, and whose landing waits.

        Returns:
            The one that was taken back by that (a T-bar pulled back), if it was.
        """
        name = text(data, "transitionName")
        for item in interrupted:
            if item.name == name and item.stopped is None:
                item.stopped = stamp.mono
                return None
        running = [item for item in self._state.begun if item.ended is None and item.name == name]
        if not running or running[0].stopped is not None or self.is_hard(running[0]):
            return None
        if not self._can_be_over(running[0], stamp):
            return None  # a last word of the one that it interrupted
        running[0].stopped = stamp.mono
        return running[0]

    def after(self, begun: Begun) -> Begun | None:
        """The transition that interrupted this one, where it is known where that leads."""
        waiting = (item.begun for item in self._state.waiting if item.begun is not None)
        after = (other for other in (*self._state.begun, *waiting) if other.number == begun.number + 1)
        return next((other for other in after if other.target is not None), None)

    def take(self, stamp: Stamp, name: str, uuid: str | None) -> Begun | None:
        """The transition that the program event of this scene ended; from now on it can end no other, nor can any
        before it.
        """
        begun = self._state.begun
        begun[:] = [item for item in begun if not self._led_nowhere(item, stamp)]
        found = self._led_there(name, uuid) or self._likely(stamp)
        if found is not None:
            del begun[: begun.index(found) + 1]
        return found

    def named(self, number: int | None, interrupted: Iterator[Begun]) -> Begun | None:
        """The transition that an answer is about: by its number, else the one that runs and is not known yet."""
        begun = self._state.begun
        if number is not None:
            return next((item for item in (*begun, *interrupted) if item.number == number), None)
        return next((item for item in reversed(begun) if item.ended is None and not is_sure(item)), None)

    def forget(self) -> None:
        """Another connection, or another collection: what ran before is not known any more."""
        self._state.begun.clear()

    def begin_anew(self) -> None:
        """Another connection: OBS is asked by new numbers."""
        self.forget()
        state = self._state
        state.started, state.changes, state.counted, state.transitions_seen = 0, 0, True, False

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
        """Somebody set another length for transitions."""
        self._state.duration_ms = whole(data.get("transitionDuration"))

    def is_hard(self, begun: Begun) -> bool:
        """Whether it is a cut, by whatever name."""
        kind = self._state.kinds.get(begun.name)
        return kind == _CUT_KIND or (kind is None and begun.name.casefold() == HARD_CUT)

    def words(self, begun: Begun | None, over: int) -> tuple[str | None, int | None]:
        """Name and length (ms) of a transition, for the row of its cut.

        What is set counts where what was seen is within jitter of it, so that the same dissolve always has the same
        length. A stinger has a length of its own.

        Args:
            over: ``mono`` at which its program event was told.
        """
        if begun is None:
            return None, None
        seen = max(0, (over if begun.ended is None else begun.ended) - begun.mono)
        kind = self._state.kinds.get(begun.name)
        if self.is_hard(begun) or (kind is None and seen < _SHORTEST_MS and begun.cut_short is None):
            return HARD_CUT, None
        wanted = self._state.duration_ms
        if wanted is not None and kind != _FIXED_KIND and abs(seen - wanted) <= _JITTER_MS:
            return begun.name, wanted
        return begun.name, seen

    def _may_land(self, item: Begun, stamp: Stamp) -> bool:
        """Whether a transition that is interrupted now puts its target on air: just stopped, or by this OBS's way."""
        if item.stopped is not None:
            return stamp.mono - item.stopped <= _LATE_MS
        return puts_interrupted_targets_on_air(self._state) is not False

    @staticmethod
    def _led_nowhere(item: Begun, stamp: Stamp) -> bool:
        """Whether it was interrupted or taken back, longer ago than a last word of it may be late."""
        since = [at for at in (item.cut_short, item.stopped) if at is not None]
        if item.ended is not None:
            return stamp.mono - item.ended > _STALE_MS
        return bool(since) and stamp.mono - min(since) > _LATE_MS

    def _can_be_over(self, item: Begun, stamp: Stamp) -> bool:
        """Whether it has run long enough to be over: OBS takes no shorter length."""
        return self.is_hard(item) or stamp.mono - item.mono >= _SHORTEST_MS

    def _led_there(self, name: str, uuid: str | None) -> Begun | None:
        """The transition that is known to lead to this scene, one that is over before one that runs."""
        led = [item for item in self._state.begun if leads_to(item, name, uuid)]
        return next((item for item in led if item.ended is not None), led[-1] if led else None)

    def _likely(self, stamp: Stamp) -> Begun | None:
        """One that is not known to lead elsewhere, if there is one; an answer may have been about another."""
        begun = self._state.begun
        open_ = [item for item in begun if not is_sure(item)]
        return self._over(open_, stamp) or self._over(begun, stamp)

    def _over(self, begun: list[Begun], stamp: Stamp) -> Begun | None:
        """The first one that is just over, else the last that is over, else the last that still runs."""
        over = [item for item in begun if item.ended is not None]
        # Of two that are just over, this is the first one's event, since events of one kind keep their order.
        just = [item for item in over if item.ended is not None and stamp.mono - item.ended <= _LATE_MS]
        going = [item for item in begun if item.ended is None and item.cut_short is None]
        going = [item for item in going if self._can_be_over(item, stamp)]
        return next(iter(just or over[-1:] or going[-1:]), None)

    def _kind(self, item: Mapping[str, Any]) -> None:
        """Remember what kind of transition stands behind a name."""
        name, kind, kinds = text(item, "transitionName"), text(item, "transitionKind"), self._state.kinds
        if name is not None and kind is not None and (name in kinds or len(kinds) < _KINDS_KEPT):
            kinds[name] = kind
