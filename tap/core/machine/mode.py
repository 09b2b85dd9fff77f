"""The mode: what the show is doing, and the sessions that a venue makes by it (rules 1 and 5 of the design).

Under ``Policy.session`` = ``mode`` a session starts when the mode turns to ``photoshoot``, and ends when it turns to
``idle`` or ``rehearsal``. Both changes belong to the session.
"""

from __future__ import annotations

from msgspec import UNSET

from tap.core.machine.aspects import Aspects, detail_of
from tap.core.machine.rows import RowWriter, time_of
from tap.core.machine.rules import Cause, Rules, Signal
from tap.core.machine.staleness import Place
from tap.core.machine.state import State
from tap.core.model import Envelope, ModeChanged

__all__ = ["MODE_ENDS", "MODE_STARTS", "Mode"]

MODE_STARTS = "photoshoot"
MODE_ENDS = frozenset({"idle", "rehearsal"})


class Mode:
    """The rules for changes of the mode."""

    def __init__(self, state: State, aspects: Aspects, *, rows: RowWriter, rules: Rules) -> None:
        self._state = state
        self._aspects = aspects
        self._rows = rows
        self._rules = rules

    def changed(self, o: ModeChanged) -> None:
        """An explicit frame says that the mode changed: a row, if it really did."""
        mode = self._state.mode
        follows = True if mode.known and mode.sure and o.from_ == mode.value != o.to else None
        place = self._aspects.place(mode, o, value=o.to, follows=follows)
        told_from = o.from_ if o.from_ is not UNSET else None
        if place is Place.SAME:
            return
        if place is Place.LATE:
            detail = detail_of(to=o.to, **{"from": told_from})
            self._aspects.write_late("mode_change", o.envelope, own_id=None, subject=o.to, detail=detail)
            return
        if mode.known and mode.sure and mode.value == o.to:
            self._aspects.set(mode, o.to, o.envelope, explicit=True)
            return
        newest = place is Place.NEWEST
        # NB: exception 1 in rules: the change belongs to the session that it makes, and to the one that it ends.
        if newest and self._rules.by_policy("mode") and o.to == MODE_STARTS and self._state.session is None:
            self._rules.signal(Signal.STARTED, Cause(o.envelope, by="mode"))
        was = told_from if o.from_ is not UNSET else mode.value if mode.sure else None
        if newest or self._aspects.is_of_now(o.envelope):
            self._turn(o.to, was, o.envelope)
        self._aspects.set(mode, o.to, o.envelope, explicit=True)
        session = self._state.session
        if newest and session is not None and session.by == "mode" and o.to in MODE_ENDS:
            self._rules.signal(Signal.ENDED, Cause(o.envelope))

    def take_over(self, value: str | None, by: Envelope) -> None:
        """A snapshot shows it: it is known, and no change."""
        self._aspects.set(self._state.mode, value, by, explicit=False)

    def infer(self, value: str | None, by: Envelope) -> None:
        """A snapshot shows it: an inferred change where it differs from what was known for sure."""
        mode = self._state.mode
        changed = self._aspects.would_change(mode, value) and not self._aspects.turned_out(mode, value)
        if changed:
            self._turn(value, mode.value, by, inferred=True)
        self._aspects.set(mode, value, by, explicit=False)
        if changed:
            mode.inferred_at = time_of(by)

    def _turn(self, to: str | None, was: str | None, envelope: Envelope, *, inferred: bool = False) -> None:
        """Write the change, and the session's row with its new mode."""
        self._rows.event(
            "mode_change",
            envelope,
            key=self._rows.event_key("mode_change", envelope, own_id=None, subject=to),
            shared=True,
            detail=detail_of(to=to, inferred=inferred or None, **{"from": was}),
        )
        self._rows.note_running(envelope)
        self._state.mode.value, self._state.mode.known = to, True
        session = self._rows.running()
        if session is not None:
            self._rows.session_row(session, time_of(envelope))
