"""The hold: when it begins and ends, and how long it lasted (rule 4 of the design).

A hold freezes the program: automation may not cut. It is one flag that turns, so that two holds in a row are one, and
its release carries how long it lasted.
"""

from __future__ import annotations

from collections.abc import Callable

from tap.core.machine.aspects import Aspects, detail_of
from tap.core.machine.rows import Book, told_at
from tap.core.machine.staleness import Place
from tap.core.machine.state import Held, State, flat
from tap.core.model import HoldInfo, HoldOn, Release, Told

__all__ = ["Hold"]

_CLOCK_SET_MS = 5_000


class Hold:
    """The rules for holds and releases."""

    def __init__(self, state: State, aspects: Aspects, *, book: Book, on_air: Callable[[], str | None]) -> None:
        """``on_air`` gives the camera that is live, where that is known: a hold that names none is of that one."""
        self._state = state
        self._aspects = aspects
        self._book = book
        self._on_air = on_air

    # ------------------------------------------------------------------ what frames say

    def held(self, o: HoldOn) -> None:
        """The program is held, told as such."""
        hold = self._state.hold
        place = self._aspects.place(hold, o, value=True)
        if place is Place.SAME:
            return
        if place is Place.LATE:
            detail = detail_of(by=o.by, reason=o.reason)
            self._state.late_held = Held(told_at(o.told), o.told.stamp.mono, o.told.at is not None, o.camera_id)
            self._aspects.write_late(
                "hold", o, own_id=o.hold_id, subject=o.camera_id, camera_id=o.camera_id, detail=detail
            )
            return
        newest = place is Place.NEWEST
        if not (hold.known and hold.sure and hold.value) and (newest or self._aspects.is_of_now(o.told)):
            self._turn_on(o)
        self._aspects.set(hold, True, o.told, explicit=True)

    def released(self, o: Release) -> None:
        """The hold ended, told as such.

        A release that is told late has a length only where the hold began before it, by the server's own clock.
        """
        hold = self._state.hold
        place = self._aspects.place(hold, o, value=False)
        if place is Place.SAME:
            return
        if place is Place.LATE:
            held = self._state.held
            after = held is not None and o.told.at is not None and held.from_server and o.told.at >= held.at
            length = _held_ms(held, o.told) if held is not None and after else None
            detail = detail_of(by=o.by)
            self._aspects.write_late("release", o, own_id=o.hold_id, subject=None, duration_ms=length, detail=detail)
            return
        newest = place is Place.NEWEST
        if not (hold.known and hold.sure and not hold.value) and (newest or self._aspects.is_of_now(o.told)):
            self._turn_off(o)
        self._aspects.set(hold, False, o.told, explicit=True)

    # ------------------------------------------------------------------ what snapshots show

    def take_over(self, hold: HoldInfo | None, by: Told) -> None:
        """A snapshot shows it: it is known, and neither hold nor release.

        When the hold began stays known only where it is the one that was known for sure already.
        """
        aspect, active = self._state.hold, flat("hold", hold)
        if not (active and aspect.sure and aspect.value):
            self._state.held = None
        self._aspects.set(aspect, active, by, explicit=False)

    def infer(self, hold: HoldInfo | None, by: Told) -> None:
        """A snapshot shows it: an inferred hold or release where it differs from what was known for sure."""
        aspect = self._state.hold
        active = flat("hold", hold)
        changed = self._aspects.would_change(aspect, active)
        if changed and self._aspects.turned_out(aspect, active):
            changed = False
            self._state.held = self._state.late_held if active else None
        if changed:
            if active:
                o = HoldOn(by, by=hold.by if hold is not None else None)
                self._turn_on(o, inferred=True)
            else:
                self._turn_off(Release(by), inferred=True)
        self._aspects.set(aspect, active, by, explicit=False)
        if changed:
            aspect.guessed = told_at(by)

    # ------------------------------------------------------------------ rows

    def _turn_on(self, o: HoldOn, *, inferred: bool = False) -> None:
        """Write the hold, and remember when it began, for its release."""
        at = told_at(o.told)
        camera_id = o.camera_id if o.camera_id is not None else self._on_air()
        self._state.held = Held(at, o.told.stamp.mono, o.told.at is not None, camera_id)
        self._book.event(
            "hold",
            o.told,
            key=self._book.event_key("hold", o.told, own_id=o.hold_id, subject=camera_id),
            shared=o.hold_id is None or o.told.at is None,
            camera_id=camera_id,
            detail=detail_of(by=o.by, reason=o.reason, inferred=inferred or None),
        )
        self._book.shown(o.told)

    def _turn_off(self, o: Release, *, inferred: bool = False) -> None:
        """Write the release, with the camera and the length of the hold that it ends, where that is known."""
        held, self._state.held = self._state.held, None
        camera_id = held.camera_id if held is not None else None
        self._book.event(
            "release",
            o.told,
            key=self._book.event_key("release", o.told, own_id=o.hold_id, subject=None),
            shared=o.hold_id is None or o.told.at is None,
            camera_id=camera_id,
            duration_ms=None if held is None else _held_ms(held, o.told),
            detail=detail_of(by=o.by, inferred=inferred or None),
        )
        self._book.shown(o.told)


def _held_ms(held: Held, told: Told) -> int | None:
    """How long the hold lasted (ms): by the server's clock where it told both ends, else by the tap's own.

    Where the two are more than 5 s apart, the server's clock was set meanwhile, and the tap's counts.
    """
    ours = max(0, told.stamp.mono - held.mono)
    if held.from_server and told.at is not None:
        length = told.at - held.at
        # Further apart than delays and drift explain: the server's clock was set meanwhile.
        return length if length >= 0 and abs(length - ours) <= _CLOCK_SET_MS else ours
    return ours
