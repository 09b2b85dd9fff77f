"""The hold: when it begins and ends, and how long it lasted (docs/how-it-works.md, rule 4).

A hold freezes the program: automation may not cut. It is one flag that turns, so that two holds in a row are one, and
its release carries how long it lasted.
"""

from __future__ import annotations

from collections.abc import Callable

from tap.core.machine.aspects import Aspects, detail_of
from tap.core.machine.rows import RowWriter, time_of
from tap.core.machine.staleness import Place
from tap.core.machine.state import HoldStart, State, comparable
from tap.core.model import Envelope, HoldInfo, HoldOn, Release

__all__ = ["Hold"]

_CLOCK_SET_MS = 5_000


class Hold:
    """The rules for holds and releases."""

    def __init__(self, state: State, aspects: Aspects, *, rows: RowWriter, on_air: Callable[[], str | None]) -> None:
        """``on_air`` gives the camera that is live, where that is known: a hold that names none is of that one."""
        self._state = state
        self._aspects = aspects
        self._rows = rows
        self._on_air = on_air

    # ------------------------------------------------------------------ what frames say

    def held(self, o: HoldOn) -> None:
        """An explicit frame says that the program is held."""
        hold = self._state.hold
        place = self._aspects.place(hold, o, value=True)
        if place is Place.SAME:
            return
        if place is Place.LATE:
            detail = detail_of(by=o.by, reason=o.reason)
            self._state.late_hold_start = HoldStart(
                time_of(o.envelope), o.envelope.stamp.mono, o.envelope.at is not None, o.camera_id
            )
            self._aspects.write_late(
                "hold", o.envelope, own_id=o.hold_id, subject=o.camera_id, camera_id=o.camera_id, detail=detail
            )
            return
        newest = place is Place.NEWEST
        if not (hold.known and hold.sure and hold.value) and (newest or self._aspects.is_of_now(o.envelope)):
            self._turn_on(o)
        self._aspects.set(hold, True, o.envelope, explicit=True)

    def released(self, o: Release) -> None:
        """An explicit frame says that the hold ended.

        A release that comes late has a length only if the hold began before it, by the server's own clock.
        """
        hold = self._state.hold
        place = self._aspects.place(hold, o, value=False)
        if place is Place.SAME:
            return
        if place is Place.LATE:
            held = self._state.hold_start
            after = held is not None and o.envelope.at is not None and held.from_server and o.envelope.at >= held.at
            length = _held_ms(held, o.envelope) if held is not None and after else None
            detail = detail_of(by=o.by)
            self._aspects.write_late(
                "release", o.envelope, own_id=o.hold_id, subject=None, duration_ms=length, detail=detail
            )
            return
        newest = place is Place.NEWEST
        if not (hold.known and hold.sure and not hold.value) and (newest or self._aspects.is_of_now(o.envelope)):
            self._turn_off(o)
        self._aspects.set(hold, False, o.envelope, explicit=True)

    # ------------------------------------------------------------------ what snapshots show

    def take_over(self, hold: HoldInfo | None, by: Envelope) -> None:
        """A snapshot shows it: it is known, and neither hold nor release.

        When the hold began stays known only where it is the one that was known for sure already.
        """
        aspect, active = self._state.hold, comparable("hold", hold)
        if not (active and aspect.sure and aspect.value):
            self._state.hold_start = None
        self._aspects.set(aspect, active, by, explicit=False)

    def infer(self, hold: HoldInfo | None, by: Envelope) -> None:
        """A snapshot shows it: an inferred hold or release where it differs from what was known for sure."""
        aspect = self._state.hold
        active = comparable("hold", hold)
        changed = self._aspects.would_change(aspect, active)
        if changed and self._aspects.turned_out(aspect, active):
            changed = False
            self._state.hold_start = self._state.late_hold_start if active else None
        if changed:
            if active:
                o = HoldOn(by, by=hold.by if hold is not None else None)
                self._turn_on(o, inferred=True)
            else:
                self._turn_off(Release(by), inferred=True)
        self._aspects.set(aspect, active, by, explicit=False)
        if changed:
            aspect.inferred_at = time_of(by)

    # ------------------------------------------------------------------ rows

    def _turn_on(self, o: HoldOn, *, inferred: bool = False) -> None:
        """Write the hold, and remember when it began, for its release."""
        at = time_of(o.envelope)
        camera_id = o.camera_id if o.camera_id is not None else self._on_air()
        self._state.hold_start = HoldStart(at, o.envelope.stamp.mono, o.envelope.at is not None, camera_id)
        self._rows.event(
            "hold",
            o.envelope,
            key=self._rows.event_key("hold", o.envelope, own_id=o.hold_id, subject=camera_id),
            shared=o.hold_id is None or o.envelope.at is None,
            camera_id=camera_id,
            detail=detail_of(by=o.by, reason=o.reason, inferred=inferred or None),
        )
        self._rows.note_running(o.envelope)

    def _turn_off(self, o: Release, *, inferred: bool = False) -> None:
        """Write the release, with the camera and the length of the hold that it ends, where that is known."""
        held, self._state.hold_start = self._state.hold_start, None
        camera_id = held.camera_id if held is not None else None
        self._rows.event(
            "release",
            o.envelope,
            key=self._rows.event_key("release", o.envelope, own_id=o.hold_id, subject=None),
            shared=o.hold_id is None or o.envelope.at is None,
            camera_id=camera_id,
            duration_ms=None if held is None else _held_ms(held, o.envelope),
            detail=detail_of(by=o.by, inferred=inferred or None),
        )
        self._rows.note_running(o.envelope)


def _held_ms(held: HoldStart, envelope: Envelope) -> int | None:
    """How long the hold lasted (ms): by the server's clock where it reported both ends, else by the tap's own.

    Where the two are more than 5 s apart, the server's clock was set meanwhile, and the tap's counts.
    """
    ours = max(0, envelope.stamp.mono - held.mono)
    if held.from_server and envelope.at is not None:
        length = envelope.at - held.at
        # Further apart than delays and drift explain: the server's clock was set meanwhile.
        return length if length >= 0 and abs(length - ours) <= _CLOCK_SET_MS else ours
    return ours
