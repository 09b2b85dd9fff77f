"""Snapshots that only confirm what is known: the way of nearly every one, without the questions that change asks.

Once a snapshot has been applied in full and all that it says stands as it says, the same words again can change
nothing but by when they were told last. That holds until anything else happens: whatever does has to ``forget``.
With this and without it the machine does the same (``tests/core/test_shortcuts.py`` holds the two against each other).
"""

from __future__ import annotations

from msgspec import UNSET, Struct

from tap.core.machine.cameras import Cameras
from tap.core.machine.rows import Book, told_at
from tap.core.machine.staleness import Order
from tap.core.machine.state import Aspect, Camera, Connection, State, flat, told_aspects
from tap.core.model import Snapshot

__all__ = ["Confirming"]


class _Settled(Struct, frozen=True):
    """A snapshot whose every word stands."""

    snapshot: Snapshot
    connection: Connection
    aspects: list[Aspect]
    """What it tells of."""
    online: list[Camera]


class Confirming:
    """Remembers what the last snapshot said, for as long as nothing else can have changed it."""

    def __init__(self, state: State, book: Book, cameras: Cameras, order: Order) -> None:
        self._state = state
        self._book = book
        self._cameras = cameras
        self._order = order
        self._settled: _Settled | None = None

    def forget(self) -> None:
        """Something happened: the next snapshot is asked everything."""
        self._settled = None

    def settle(self, o: Snapshot) -> None:
        """``o`` was applied in full, and showed the session that runs: remember it, if again it would change nothing.

        What is stale in it was not taken over, and may be later, by saying it once more.
        """
        self._settled = None
        state, connection = self._state, self._state.connection
        if self._book.running() is None or connection is None:
            return
        told = list(told_aspects(o, state))
        if any(
            not (aspect.known and aspect.sure and aspect.value == flat(name, value)) for name, value, aspect in told
        ):
            return
        online = [] if o.cameras is UNSET else self._cameras.standing(o.cameras or ())
        if online is not None:
            self._settled = _Settled(o, connection, [aspect for *_, aspect in told], online)

    def again(self, o: Snapshot) -> bool:
        """Whether ``o`` only confirms what is known; then that is done."""
        settled = self._settled
        if settled is None or not _says_the_same(o, settled.snapshot):
            return False
        state, told, connection = self._state, o.told, settled.connection
        if self._order.stale(state.session_seen.mark, told, connection):
            return False
        before = state.session_seen.mark
        after = state.session_seen.mark = self._order.marked(before, told, connection, explicit=False)
        for aspect in settled.aspects:
            # Mostly all of them were told by the same frames.
            mark = aspect.mark
            aspect.mark = after if mark == before else self._order.marked(mark, told, connection, explicit=False)
        self._book.shown(told)
        at = told_at(told)
        for camera in settled.online:
            camera.shown_at = at
        return True


def _says_the_same(one: Snapshot, other: Snapshot) -> bool:
    # What was read once and remembered is the same object; comparing is for what was read anew.
    return (
        (one.cameras is other.cameras or one.cameras == other.cameras)
        and (one.session is other.session or one.session == other.session)
        and one.program == other.program
        and one.hold == other.hold
        and one.mode == other.mode
        and one.recording == other.recording
    )
