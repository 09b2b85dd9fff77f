"""The program: which camera is on air, each cut of it, and what a dissolve hides (docs/how-it-works.md, rule 3).

A cut is a change of the program, however it was sent, once. Where it turns to nothing (black, a camera that died), that
is an ``off_air`` row of the camera that was on, and no cut.

*A chain.* A cut may say which camera it comes from. As a rule that is the one that is on: the cut follows. Where it is
another, something in between was not sent: the cut counts, the chain is broken (``State.chain_broken``), and a cut to
that camera that comes now fills the hole, so that it changes nothing that is on.

*A cover.* A dissolve takes time, and servers differ in what a snapshot shows meanwhile: the old camera, the new one, or
none. So a dissolve that was reported covers its own length and half a second: a snapshot within it that shows the old
program, or none, says nothing. One that is older than that says nothing either. A dissolve that may be history covers
nothing: nobody knows when it ran.
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from tap.core.machine.aspects import LATE_MS, Aspects
from tap.core.machine.cameras import Cameras
from tap.core.machine.live import note_change
from tap.core.machine.rows import RowWriter, time_of
from tap.core.machine.rules import Cause, Rules, Signal
from tap.core.machine.staleness import Place, Staleness
from tap.core.machine.state import Aspect, DissolveCover, LeftOut, ProgramChange, RunningTransition, State
from tap.core.model import Coming, Cut, Envelope, ProgramLost, Stamp

__all__ = ["Program"]

_TRIGGERS = frozenset({"operator", "ai", "ghost_approved", "collection_switch"})
_COVER_MORE_MS = 500
"""How long after the end of a dissolve a snapshot may still show the old program."""
_ONE_CLOCK_MS = 500
"""How far two times of one clock may lie apart, as frames take unlike time to come."""


class Program:
    """The rules for what is on air."""

    def __init__(
        self, state: State, aspects: Aspects, *, rows: RowWriter, staleness: Staleness, rules: Rules, cameras: Cameras
    ) -> None:
        self._state = state
        self._aspects = aspects
        self._rows = rows
        self._staleness = staleness
        self._rules = rules
        self._cameras = cameras

    # ------------------------------------------------------------------ what frames say

    def cut(self, o: Cut) -> None:
        """An explicit frame says that the program changed.

        A repetition does nothing. A late cut only becomes a row. Any other becomes a row and changes the program. A cut
        to the camera that is already on air is no row, unless it proves to be a cut of its own (``_is_own``).
        """
        state, program = self._state, self._state.program
        place = self._aspects.place(program, o, value=o.to, follows=self._follows(o))
        if place is Place.SAME:
            return
        told_from = o.from_ if o.from_ is not UNSET else None
        if place is Place.LATE and self._shown_before_it_began(o):
            place = Place.NEWEST
        if place is Place.LATE:
            self._write_cut(o, told_from, late=True)
            if program.late_change is not None or o.envelope.at is None:  # it may yet be what is on
                self._cover(o, told_from)
            if self._aspects.is_of_now(o.envelope):
                self._cameras.on_program(o.to, time_of(o.envelope))
            return
        if program.known and program.sure and program.value == o.to and not self._is_own(o, program):
            self._cover(o, told_from)
            self._aspects.set(program, o.to, o.envelope, explicit=True)
            return
        if place is Place.NEWEST:
            self._start_by_program(o.envelope, o.to)
        was = told_from if o.from_ is not UNSET else self._was_on()
        broken = isinstance(told_from, str) and program.sure and program.known and told_from != program.value
        state.chain_broken = told_from if broken else None
        state.left_out = None
        self._cover(o, was)
        self._set(o.to, o.envelope, explicit=True)
        if o.to is not None:
            self._cameras.on_program(o.to, time_of(o.envelope))
        self._write_cut(o, was, late=place is Place.AFTERWARDS)
        if place is Place.NEWEST:
            self._rows.note_running(o.envelope)

    def coming(self, o: Coming) -> None:
        """A transition that runs leads to a camera that is not on air yet, or no transition runs any more."""
        self._state.heading = None if o.to is None else RunningTransition(o.to, o.transition)

    def lost(self, o: ProgramLost) -> None:
        """What was on air is there no more, and what is instead is not sent yet: nothing is sure, and it is no cut."""
        state = self._state
        if state.program.sure:
            state.program.sure, state.program.inferred_at, state.program.late_change = False, None, None
            state.dissolve_cover = state.chain_broken = None
            note_change(state, ProgramChange(o.envelope.at, o.envelope.stamp.mono, None, known=False))

    # ------------------------------------------------------------------ what snapshots show

    def take_over(self, value: str | None, by: Envelope) -> None:
        """A snapshot shows it: it is known, and no cut."""
        self._set(value, by, explicit=False)

    def infer(self, value: str | None, by: Envelope) -> None:
        """A snapshot shows it: an inferred cut where it differs from what was known for sure."""
        if self._aspects.would_change(self._state.program, value):
            self._inferred_cut(value, by)
        else:
            self._set(value, by, explicit=False)

    def covered(self, program: str | None, envelope: Envelope) -> bool:
        """Whether a dissolve explains that a snapshot still shows what was on before it, or nothing.

        Both clocks decide: the server's may count in whole seconds, and the tap's does not move between frames that are
        read together. A snapshot that is read late was made during the dissolve if its own time says so, or if its
        number is lower than that of another snapshot which the dissolve hid.

        Args:
            program: What the snapshot shows.
        """
        cover = self._state.dissolve_cover
        if cover is None:
            return False
        scope = self._staleness.scope(envelope)
        seq = envelope.seq if scope is not None else None
        if seq is not None and cover.seq is not None and cover.scope == scope and seq < cover.seq:
            return True  # it is older than that one, whatever it shows
        if program not in {cover.before, None}:
            return False
        hides = self._runs(cover, envelope)
        if hides and seq is not None:
            cover.scope, cover.seq = scope, seq
        return hides

    def _runs(self, cover: DissolveCover, envelope: Envelope) -> bool:
        """Whether a snapshot is of a moment at which this dissolve may still have run."""
        at = envelope.at if cover.clock == self._state.clock else None
        if at is not None and cover.at is not None and at >= cover.at:
            return False
        return envelope.stamp.mono < cover.mono or (at is not None and self._ran_at(at, cover))

    def _ran_at(self, at: int, cover: DissolveCover) -> bool:
        """Whether the dissolve surely ran at this time of the server's.

        In whole seconds its beginning and this may each be a second later than they say. A clock that was set back, to
        before the dissolve, shows nothing.
        """
        change = self._state.program.last_change
        if cover.at is None or change is None or change.explicit is None or change.at is None:
            return False
        return change.at <= at < cover.at - (0 if self._state.has_fine_times else 2000)

    # ------------------------------------------------------------------ what is known

    def known(self) -> str | None:
        """The camera that is on air, where that is known for sure; None: none is, or it is not known."""
        program = self._state.program
        return program.value if program.known and program.sure else None

    def _set(self, value: str | None, envelope: Envelope, *, explicit: bool) -> None:
        """The program is this now; its history gets a line where that is new."""
        program = self._state.program
        self._state.heading = None
        if not (program.sure and program.value == value):
            note_change(self._state, ProgramChange(envelope.at, envelope.stamp.mono, value, known=True))
            self._state.program_since = (time_of(envelope), envelope.stamp.mono)
        self._aspects.set(program, value, envelope, explicit=explicit)

    def _was_on(self) -> str | None:
        """What was on until now, as far as is known for sure: where a cut was taken for late, what that one sent."""
        program = self._state.program
        late = program.late_change
        if late is not None and self._state.mono - late[1] <= LATE_MS:
            return None if late[0] is None else str(late[0])
        return program.value if program.sure else None

    # ------------------------------------------------------------------ what a cut says of what went before

    @staticmethod
    def _is_own(o: Cut, program: Aspect) -> bool:
        """Whether a cut to what is on already is one all the same: it has an id, and says that something else was on
        before it.

        What led away in between was not reported. Where a snapshot showed this very cut already, it is no other one.
        """
        guessed = program.inferred_at is not None and (o.envelope.at is None or o.envelope.at <= program.inferred_at)
        return o.cut_id is not None and o.from_ is not UNSET and o.from_ != o.to and not guessed

    def _shown_before_it_began(self, o: Cut) -> bool:
        """Whether a dissolve seems late only by a snapshot that shows what it leads away from, within its length.

        A server may tell a dissolve at its end, with the time at which it began: a snapshot in between is newer by its
        time, and yet says nothing against it.
        """
        program, length = self._state.program, o.duration_ms
        if not length or o.transition in {None, "cut"} or self._staleness.is_history(o.envelope):
            return False
        mark = program.mark
        if (
            mark is None
            or mark.explicit is not None
            or program.value is None
            or program.value != o.from_
            or not program.sure
        ):
            return False
        return mark.at is not None and o.envelope.at is not None and 0 <= mark.at - o.envelope.at <= length

    def _follows(self, o: Cut) -> bool | None:
        """Whether a cut comes from what is on (True), or fills a hole in the chain (False); None: it does not say."""
        program = self._state.program
        if not isinstance(o.from_, str) or not (program.known and program.sure):
            return None
        if self._state.chain_broken is not None and o.to == self._state.chain_broken:
            return False
        return True if o.from_ == program.value and o.to != program.value else None

    def _cover(self, o: Cut, was: str | None) -> None:
        """Let a dissolve cover its own length; anything else ends a cover.

        Args:
            was: What was on before it.
        """
        state = self._state
        state.dissolve_cover = None
        length = o.duration_ms
        if not length or length <= 0 or o.transition in {None, "cut"}:
            return
        if self._staleness.may_be_history(o.envelope):
            return  # nobody knows when it ran: the first snapshot is news
        begun = o.envelope.stamp.mono if o.at is None else o.envelope.stamp.mono - max(0, o.envelope.stamp.wall - o.at)
        more = length + _COVER_MORE_MS
        coarse = 0 if state.has_fine_times else 1000
        at = None if o.envelope.at is None else o.envelope.at + more + coarse
        state.dissolve_cover = DissolveCover(was, at, state.clock, begun + more)

    # ------------------------------------------------------------------ rows

    def _write_cut(self, o: Cut, was: str | None, *, late: bool) -> None:
        """Write a cut; where the program turned to nothing, an ``off_air`` row of what went off.

        A trigger that is not one of the ledger's is ``unknown``, and its own word is in ``detail.trigger``.

        Args:
            was: What was on before, where that is known or was reported.
            late: The row belongs to the session of its own time.
        """
        if o.to is None and was is None:
            return
        kind, subject = ("cut", o.to) if o.to is not None else ("off_air", was)
        trigger = o.trigger if o.trigger in _TRIGGERS else "unknown"
        columns: dict[str, Any] = {
            "camera_id": o.to,
            "from_camera_id": was,
            "trigger": trigger,
            "transition": o.transition,
            "duration_ms": o.duration_ms if o.transition not in {None, "cut"} else None,
            "detail": {"trigger": o.trigger} if o.trigger is not None and trigger == "unknown" else None,
        }
        if late:
            written = self._aspects.write_late(kind, o.envelope, own_id=o.cut_id, subject=subject, **columns)
            self._state.left_out = None
            if not written and o.envelope.at is not None and self._rows.running() is not None:
                stamp = o.envelope.stamp
                self._state.left_out = LeftOut(kind, o.envelope.at, stamp.wall, stamp.mono, o.cut_id, subject, columns)
            return
        begun = o.envelope if o.at is None else Envelope(Stamp(o.at, o.envelope.stamp.mono), o.envelope.at)
        key = self._rows.event_key(kind, begun, own_id=o.cut_id, subject=subject)
        shared = o.cut_id is None or begun.at is None
        self._rows.event(kind, o.envelope, key=key, at=time_of(begun), shared=shared, **columns)

    def _inferred_cut(self, to: str | None, envelope: Envelope) -> None:
        """A snapshot shows a change that no cut reported: a row marked as inferred, with the snapshot's time."""
        state = self._state
        was = state.program.value
        told_late = self._aspects.turned_out(state.program, to) or self._is_left_out_by_clock(to)
        state.dissolve_cover = state.chain_broken = None
        self._set(to, envelope, explicit=False)
        if told_late:
            self._write_left_out(to)
            return
        kind, subject = ("cut", to) if to is not None else ("off_air", was)
        if to is None and was is None:
            return
        state.program.inferred_at = time_of(envelope)
        self._cameras.on_program(to, time_of(envelope))
        self._rows.event(
            kind,
            envelope,
            key=self._rows.event_key(kind, envelope, own_id=None, subject=subject),
            shared=True,
            camera_id=to,
            from_camera_id=was,
            trigger="unknown",
            detail={"inferred": True},
        )
        self._rows.note_running(envelope)

    def _is_left_out_by_clock(self, to: str | None) -> bool:
        """Whether a cut to this was left out as history, and is none: a clock that was set back in this session dated
        it, and dates this snapshot too.
        """
        left, running, offset = self._state.left_out, self._rows.running(), self._state.clock_offset
        if left is None or left.columns["camera_id"] != to or running is None or offset is None:
            return False
        if self._state.mono - left.mono > LATE_MS:
            return False
        slack = _ONE_CLOCK_MS + (0 if self._state.has_fine_times else 1_000)
        return running.clock != self._state.clock and abs(left.at - left.mono - offset) <= slack

    def _write_left_out(self, to: str | None) -> None:
        """A cut was left out because no session ran at its time. Write it if a snapshot has shown since that the clock
        had been set back: then that was no time before the session.
        """
        left, self._state.left_out = self._state.left_out, None
        if left is not None and left.columns["camera_id"] == to and self._state.mono - left.mono <= LATE_MS:
            envelope = Envelope(Stamp(left.wall, left.mono), left.at)
            self._aspects.write_late(left.kind, envelope, own_id=left.own_id, subject=left.subject, **left.columns)

    def _start_by_program(self, envelope: Envelope, to: str | None) -> None:
        # NB: exception 1 in rules: the cut belongs to the session that it makes.
        """Where a venue makes sessions by the program, the first cut starts one."""
        if self._rules.by_policy("program") and self._state.session is None and to is not None:
            self._rules.signal(Signal.STARTED, Cause(envelope, by="program"))
