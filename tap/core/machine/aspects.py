"""What program, hold, mode and recorder share: where an explicit change belongs, and what is known after it.

Each of the four is an *aspect* of the desk: a snapshot shows its value, and explicit frames report its changes. Frames
come late, twice and out of order. So each explicit change is asked three questions, in this order:

1. Is it a repetition? Then it does nothing (``Place.SAME``).
2. Is it newer than what is known? Then it becomes a row, and the aspect changes (``Place.NEWEST``).
3. If it is older, it still becomes a row, at its own time, but the present value does not change (``Place.LATE``). If
   it happened before this connection or session, but is the newest change that is known, it becomes a row and the
   aspect changes. But it may belong to an earlier session, or to none (``Place.AFTERWARDS``).

The answer "late" may be wrong. So an ``Aspect`` remembers the change in ``late_change``. If a snapshot shows that value
within :data:`LATE_MS`, the change was the newest after all.
"""

from __future__ import annotations

from typing import Any

from msgspec import structs

from tap.core.machine.identity import name_of, words_of
from tap.core.machine.live import note_change
from tap.core.machine.marks import by_seq
from tap.core.machine.memory import Memory
from tap.core.machine.rows import RowWriter
from tap.core.machine.rules import Cause, Rules, Signal
from tap.core.machine.staleness import Place, Staleness
from tap.core.machine.state import Aspect, LastSaid, ProgramChange, Session, State
from tap.core.model import Envelope, ModeChanged, Observation, Policy

__all__ = ["LATE_MS", "Aspects", "detail_of"]

LATE_MS = 10_000
"""How long a change that came late may turn out to be the newest."""


class Aspects:
    """The rules that hold for program, hold, mode and recorder alike."""

    def __init__(
        self, state: State, *, rows: RowWriter, staleness: Staleness, rules: Rules, memory: Memory, policy: Policy
    ) -> None:
        self._state = state
        self._rows = rows
        self._staleness = staleness
        self._rules = rules
        self._memory = memory
        self._policy = policy

    # ------------------------------------------------------------------ what is known

    def mark(self, mark: LastSaid | None, envelope: Envelope, *, explicit: bool) -> LastSaid:
        """The mark after ``envelope`` changed or confirmed something (see ``marks.marked``).

        Args:
            mark: The mark before; None if there was none yet.
            explicit: An explicit frame reported it as a change. False: a snapshot showed it.
        """
        return self._staleness.marked(mark, envelope, explicit=explicit)

    def set(self, aspect: Aspect, value: Any, envelope: Envelope, *, explicit: bool) -> None:
        """From now on the aspect has this value, for sure.

        Args:
            explicit: An explicit frame reported it as a change. False: a snapshot shows it. That gives a new mark, but
                is no change if the value was known already.
        """
        sure = True
        if explicit and (self._staleness.is_history(envelope) or self._staleness.may_be_history(envelope)):
            # History: its number says when the server sent it first, and orders nothing that comes now. What was
            # unsure stays so: the first state may show another value, and that is no change that anybody saw.
            # A server that dates and numbers nothing (OBS) sends no history.
            connection, plain = self._state.connection, envelope.at is None and envelope.seq is None
            sure = plain or aspect.sure or connection is None or connection.snapshot_seen
            envelope = Envelope(envelope.stamp, envelope.at, None, envelope.type)
        aspect.mark = self.mark(aspect.mark, envelope, explicit=explicit)
        changed = not (aspect.known and aspect.sure and aspect.value == value)
        if explicit or changed:
            aspect.last_change = aspect.mark
        if explicit or changed:
            aspect.inferred_at = aspect.late_change = None
        elif aspect.late_change is not None and envelope.stamp.mono - aspect.late_change[1] >= self._policy.settle_ms:
            aspect.late_change = None  # the snapshot shows another value: the late change was not the newest
        aspect.value, aspect.known, aspect.sure = value, True, sure

    @staticmethod
    def would_change(aspect: Aspect, value: Any) -> bool:
        """Whether ``value`` differs from what is known for sure.

        After the server was lost nothing is sure. A difference then is no change that anybody saw: it only becomes
        known.
        """
        return aspect.known and aspect.sure and aspect.value != value

    def turned_out(self, aspect: Aspect, value: Any) -> bool:
        """Whether a snapshot shows the value of a change that counted as late: then that was the newest change.

        Its row is already written.
        """
        late = aspect.late_change
        if late is None or late[0] != value:
            return False
        self._said_late(aspect, late[1])
        return True

    # ------------------------------------------------------------------ where a change belongs

    def place(
        self, aspect: Aspect, o: Observation, *, value: Any, follows: bool | None = None, late: bool = True
    ) -> Place:
        """Where an explicit change belongs among earlier ones. Remembers it, and signals it if it is the newest.

        Args:
            aspect: What it changes.
            value: The new value.
            follows: It says that it follows what is on air now (True), or something else (False); None: it does not
                say.
            late: Whether a late change becomes a row.

        Returns:
            What the caller has to do: nothing (``SAME``), write a row (``LATE``), or write a row and change the aspect.
        """
        name, envelope = name_of(o), o.envelope
        if name is None:
            return Place.NEWEST
        words = words_of(o)
        # After a loss nothing is sure; but what says again what was known last is no second change of that moment.
        another = not (aspect.known and aspect.value == value)
        changes = another or not aspect.sure
        place = self._staleness.place(name, envelope, aspect, changes=another, follows=follows, words=words)
        if place is Place.SAME:
            self._staleness.is_news = False
            return place
        if not changes and (
            place is Place.AFTERWARDS or (place is Place.NEWEST and self._staleness.is_history(envelope))
        ):
            place = Place.LATE  # it led to the present value: a row at its own time, and nothing changes now
        if place is Place.LATE and not changes and self._guessed(aspect, envelope):
            place = Place.SAME  # a snapshot has shown it already
            aspect.inferred_at = None
        scope, running = self._staleness.scope(envelope), self._rows.running()
        early = running is not None and envelope.at is not None and envelope.at < running.started_at
        if early and place is Place.NEWEST and self._is_before_session(envelope, scope):
            place = Place.AFTERWARDS
        self._staleness.identity.remember(name, envelope, scope, running, changes=changes, words=words)
        if place is Place.NEWEST:
            before = aspect.late_change
            if before is not None and (before[2] != self._state.epoch or self._follows_late(o, before)):
                # The late change was the newest: the numbers have started again since, or this change follows it.
                self._believe_late(aspect, before)
            self._staleness.set_clock(envelope)
            self._rules.signal(Signal.CHANGED, Cause(envelope))
        else:
            self._staleness.is_news = False
            if late and place is Place.LATE:
                self._state.doubts.late += 1
                # What follows what is on air now may yet be the newest, whatever its time says.
                followed = follows and (running is None or self.is_of_now(envelope))
                past = self._staleness.is_long_past(envelope, aspect) and not followed
                aspect.late_change = None if past else (value, envelope.stamp.mono, self._state.epoch)
                old = _is_dated_before(envelope, aspect.last_change) or self._staleness.is_maybe_history(envelope)
                aspect.late_seq = None if old else envelope.seq
        return place

    def began_anew(self, below: int) -> None:
        """Numbers started again. A change that nothing but its number called late, and that has one of the new numbers,
        was the newest: nobody has to wait until a snapshot or another change says so.

        Args:
            below: The new numbers are lower than this.
        """
        state = self._state
        for aspect in (state.program, state.hold, state.mode):
            late = aspect.late_change
            if late is not None and aspect.late_seq is not None and aspect.late_seq < below and aspect.sure:
                self._believe_late(aspect, late)
                self._said_late(aspect, late[1])
                if aspect is state.program:
                    note_change(state, ProgramChange(None, late[1], late[0], known=True))

    def _believe_late(self, aspect: Aspect, late: tuple[Any, int, int]) -> None:
        """A change that counted as late was the newest: so it is known."""
        aspect.value, aspect.late_change = late[0], None
        if aspect is self._state.hold:
            self._state.hold_start = self._state.late_hold_start if late[0] else None

    @staticmethod
    def _said_late(aspect: Aspect, mono: int) -> None:
        """It counts as explicit from then on, so that an older snapshot cannot undo it."""
        if aspect.mark is not None:
            # One mark may be that of several aspects.
            aspect.mark = structs.replace(aspect.mark, explicit=mono)

    def _is_before_session(self, envelope: Envelope, scope: str | None) -> bool:
        """Whether number and time both say that a change was made before the frame that began this session."""
        return by_seq(self._state.session_seen.last_change, envelope, scope) < 0 and not self.is_of_now(envelope)

    def _follows_late(self, o: Observation, late: tuple[Any, int, int]) -> bool:
        """Whether this newest change follows one that counted as late."""
        return isinstance(o, ModeChanged) and o.from_ == late[0] != o.to and self._state.mono - late[1] <= LATE_MS

    @staticmethod
    def _guessed(aspect: Aspect, envelope: Envelope) -> bool:
        """Whether a snapshot has already shown this change."""
        return aspect.inferred_at is not None and (envelope.at is None or envelope.at <= aspect.inferred_at)

    # ------------------------------------------------------------------ what belongs to the past

    def home(self, envelope: Envelope, *, known: bool = True) -> Session | None:
        """The session that an event of the past belongs to: the one that ran at the event's time.

        Without a time it is the present session. But soon after a connection began, an event without a time may be
        history: then it belongs nowhere, unless its own id shows that it is new, and its session ran before that
        connection.

        Args:
            known: It has an id of its own.

        Returns:
            None if no known session ran then. Times in whole seconds may be off by 999 ms.
        """
        running, at, state = self._rows.running(), envelope.at, self._state
        if at is None:
            began_here = running is not None and self._is_first_seen_here(running)
            return None if self._staleness.in_history(envelope) and (began_here or not known) else running
        slack = 0 if state.has_fine_times else 999
        if running is not None:
            set_since = running.clock != state.clock
            if set_since or at >= min(running.started_at, running.start["at"]) - slack:
                return running
        for over in reversed(state.ended):
            if over.started_at - slack <= at <= (over.completed_at or over.shown_at) + slack:
                return over
        return None

    def _is_first_seen_here(self, session: Session) -> bool:
        """Whether nothing is known of a session from before this connection."""
        connection = self._state.connection
        return connection is not None and session.connection == connection.number

    def is_of_now(self, envelope: Envelope) -> bool:
        """Whether an event that was sent afterwards happened in the present session."""
        running = self._rows.running()
        return running is not None and self.home(envelope) is running

    def write_late(
        self, kind: str, envelope: Envelope, *, own_id: str | None, subject: str | None, **columns: Any
    ) -> bool:
        """Write a row for an event that came after later ones, at its own time. Nothing else changes.

        If it belongs to a session that is over, that session's final counts are written again. If it belongs to none,
        it is left out; if it has no time, it counts as doubtful.

        Args:
            kind: The event's kind, as in its row.
            own_id: The id that the server gave the event itself.
            subject: What it is about (a camera, a mode), for its key.
            columns: As for ``RowWriter.event``.

        Returns:
            Whether it was written.
        """
        home = self.home(envelope, known=own_id is not None)
        if home is None:
            self._state.doubts.undated += envelope.at is None
            return False
        key = self._rows.event_key(kind, envelope, own_id=own_id, subject=subject, session=home)
        shared = own_id is None or envelope.at is None
        self._rows.event(kind, envelope, key=key, session=home, shared=shared, **columns)
        if home is not self._rows.running() and home.final is not None:
            home.final = {**home.final, "counts": dict(sorted(home.counts.items()))}
            self._rows.session_row(home, home.completed_at or home.shown_at)
            self._memory.note_over(home)
        return True


def _is_dated_before(envelope: Envelope, last: LastSaid | None) -> bool:
    """Whether its time, too, says that a frame is older than the last change."""
    return envelope.at is not None and last is not None and last.at is not None and envelope.at < last.at


def detail_of(**parts: Any) -> dict[str, Any]:
    """A row's ``detail`` column, without the parts that were not reported."""
    return {name: value for name, value in parts.items() if value is not None}
