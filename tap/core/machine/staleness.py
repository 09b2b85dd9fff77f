"""Which of two frames is older: order needs evidence.

A server says the same thing several times, late, and out of order, and numbers and dates frames as it likes. Only these
rules decide:

- ``seq`` orders two frames within the scope that the dialect names (a boot, a connection, a type), as long as the
  frames do not contradict that. A new scope starts if a lower number has a newer time, if it comes first on a new
  connection, if it was passed more than 5 s ago (no frame takes that long while others come), or if ``seq`` alone would
  throw away three explicit frames in a row. Late frames of the count before are told by their high numbers for another
  5 s.
- The dialect is wrong about what the numbers count if such a frame has a lower number than a state, and yet the highest
  of its own type (then each type has numbers of its own), or if the numbers start again three times in a row, and never
  go on for 5 s. From then on ``seq`` orders only frames of one type.
- If ``seq`` does not order two frames, ``ts`` does. Equal times order nothing. Neither do times before and after the
  server's clock was set.
- If neither orders two explicit frames, the one that came later is newer. If neither orders a snapshot and an explicit
  frame, the snapshot changes nothing until the settle time is over.

``identity.py`` decides before that whether a frame is a repetition of an earlier one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum

from tap.core.machine.identity import Identity, Name, name_of, words_of
from tap.core.machine.marks import by_seq, is_stale, marked
from tap.core.machine.state import Aspect, Connection, EndedCount, LastSaid, SeqTrack, State
from tap.core.mapping import SeqOrders
from tap.core.model import Envelope, Hello, Observation, Policy, SessionInfo, Snapshot, Stamp

__all__ = ["Place", "Staleness"]

_REFUSED = 3
"""If ``seq`` alone would throw away this many explicit frames in a row, a new scope starts."""
_BEHIND = 6
"""The same for frames of any kind."""
_CONTRADICTED = 3
"""How often in a row ``seq`` may start again on one connection without going on for long. Then the dialect is wrong."""
_LATEST_MS = 60_000
"""After a silence of this length, a frame with a lower number did not come late: no frame takes that long."""
_LATE_MS = 5_000
"""No frame is later than this while others come: if a number was passed before that, the numbers start again."""
_NO_STALL_MS = 2_000
"""A longer silence may be that of a tap that was stopped: then the frames after it waited, and are not late."""
_OFFSET_MS = 500
"""How exactly the server's clock is known by the last frame with a time."""
_BACK_MS = 2_000
"""How exactly a clock is that of before it was set."""
_TRACKS = 200
_STATES = ""
"""The name for the type of states, whatever a server calls it, in ``Connection.type_seqs``."""
_HISTORY_PARTS = 3
"""If so many parts of a message have a time, and all are history, the message is history."""
_HISTORY_MS = 5_000
"""How long after a connection began a frame that is older than it is history, which the server sends again."""
_START_MS = 1_000
"""How exactly a server says when a session began."""
_PAUSE_MS = 2_000
"""History comes in one go: after a longer pause, and once a state has come, an old time is that of a clock set back."""


class Place(StrEnum):
    """Where an explicit frame belongs among those that came before."""

    NEWEST = "newest"
    AFTERWARDS = "told afterwards"
    """It is the newest one known, but happened before this connection, or before this session."""
    LATE = "late"
    """It came after later ones: it becomes a row at its own time, and does not change what is on air now."""
    SAME = "the same"
    """It is a repetition."""


class Staleness:
    """Watches how a server numbers and dates its frames, and places explicit frames."""

    def __init__(self, state: State, orders: SeqOrders, policy: Policy) -> None:
        self._state = state
        self._orders: SeqOrders = orders
        self._policy = policy
        self.identity = Identity(state)
        self.identity.in_history = self.in_history
        self.identity.is_history = self.is_history
        self.identity.is_ahead = lambda envelope: envelope is self._ahead
        self._ahead: Envelope | None = None
        self._set_back: Envelope | None = None
        """The frame that has the time of a clock as it was before it was set last."""
        self._history: Stamp | None = None
        """The stamp of a message that is history."""
        self.began_anew: Callable[[int], None] = lambda _below: None
        """Called when numbers start again, with the number that the new ones are lower than."""
        self.is_news = True
        """Whether the present frame says what is true now, and not history. Set by the code that places it."""
        # The present frame and its scope, which is needed several times.
        self._envelope: Envelope | None = None
        self._scope: str | None = None
        self._marked: tuple[LastSaid | None, tuple[object, ...], LastSaid] = None, (), LastSaid()
        """What was marked last, by what, and the mark after it."""

    # ------------------------------------------------------------------ what every frame shows

    def watch(self, o: Observation, connection: Connection) -> None:
        """Take note of a frame's time and number, before its content is looked at.

        This shows whether times are finer than seconds, what the server's clock says, and whether the numbers continue.
        """
        envelope, state, kind = o.envelope, self._state, type(o)
        explicit = kind is not Snapshot and kind is not Hello
        at = envelope.at
        if at is not None:
            if at % 1000 and not state.has_fine_times:
                state.has_fine_times = True
            if explicit:
                if self.is_history(envelope):
                    connection.history_mono = envelope.stamp.mono
            else:
                self.set_clock(envelope, back=kind is Snapshot and self._is_before_its_session(o))
                if connection.began_at is None:
                    connection.began_at, connection.began_clock = at, state.clock
        if envelope.seq is not None and self._orders != "nothing" and not (explicit and self.may_be_history(envelope)):
            self._count(o, envelope, connection, explicit=explicit)
            if connection.seq is None or envelope.seq > connection.seq:
                connection.seq = envelope.seq
            about = _STATES if kind is Snapshot else envelope.type
            if about not in connection.type_seqs or envelope.seq > connection.type_seqs[about]:
                connection.type_seqs[about] = envelope.seq

    def foresee(self, batch: Sequence[Observation]) -> None:
        """Look at all parts of one message, before the first of them.

        If ``seq`` would throw away three of them, a new scope starts. If they came one by one, the first two would be
        thrown away. Here none is. If all that have a time are history, so are those without.
        """
        connection = self._state.connection
        began = None if connection is None else connection.began_at
        dated = [o.envelope for o in batch if o.envelope.at not in {None, began} and type(o) is not Hello]
        history = len(dated) >= _HISTORY_PARTS and all(map(self.is_history, dated))
        self._history = batch[0].envelope.stamp if history else None
        if connection is None or self._orders == "nothing" or any(type(o) is Hello for o in batch):
            return
        behind = [o for o in batch if type(o) is not Snapshot and o.envelope.seq is not None]
        if len(behind) >= _REFUSED and all(self._is_refused(o) for o in behind):
            self._begin_anew(behind[0].envelope, connection)

    def _is_refused(self, o: Observation) -> bool:
        """Whether ``seq``, and nothing else, says that this explicit frame is an old one."""
        envelope, scope = o.envelope, self.scope(o.envelope)
        track = None if scope is None else self._state.seq_tracks.get(scope)
        if scope is None or track is None or envelope.seq is None or envelope.seq >= track.seq:
            return False
        old = (
            envelope.at is not None
            and track.at is not None
            and envelope.at < track.at
            and track.clock == self._state.clock
        )
        return not old and not self._is_told_again(o, envelope, scope)

    def _is_before_its_session(self, o: Observation) -> bool:
        """Whether a snapshot is dated before the beginning of the session that it shows, and that was seen to begin.

        Then the server's clock was set back since, by however little.
        """
        session, at = self._state.session, o.envelope.at
        if session is None or at is None or not session.start_told or session.clock != self._state.clock:
            return False
        if not isinstance(o, Snapshot) or not isinstance(o.session, SessionInfo) or o.session.id != session.id:
            return False
        seen: int = session.start.get("at", at)
        return at + _START_MS < min(session.started_at, seen)

    def set_clock(self, envelope: Envelope, *, back: bool = False) -> None:
        """This frame says what is true now, so its time is the present time of the server's clock.

        If that clock jumps by more than ``Policy.clock_step_ms`` against the tap's own, somebody has set it: times from
        before and after that cannot be compared.

        Args:
            back: Something else shows that it was set.
        """
        state = self._state
        if envelope.at is None:
            return
        offset = envelope.at - envelope.stamp.mono
        known = state.clock_offset
        if back or (known is not None and abs(offset - known) > self._policy.clock_step_ms):
            state.clock += 1
            before, state.offset_before = state.offset_before, known
            self._set_back = envelope if before is not None and abs(offset - before) <= _BACK_MS else None
            track = state.seq_tracks.get(self.scope(envelope) or "")
            if track is not None and track.seq == envelope.seq:
                track.clock = state.clock
        state.clock_offset = offset

    def no_earlier(self, envelope: Envelope) -> None:
        """A frame may come late, but never before it was made: the server's clock shows at least its time."""
        known = self._state.clock_offset
        if envelope.at is not None and known is not None and envelope.at - envelope.stamp.mono > known:
            self.set_clock(envelope)

    def _count(self, o: Observation, envelope: Envelope, connection: Connection, *, explicit: bool) -> None:
        """Note how far ``seq`` has come within its scope, and whether it continues."""
        scope, state = self.scope(envelope), self._state
        if scope is None or envelope.seq is None:
            return
        if connection.controlled:
            state.lived += min(envelope.stamp.mono - connection.controlled, _NO_STALL_MS)
        track = state.seq_tracks.get(scope)
        if track is None:
            if len(state.seq_tracks) >= _TRACKS:
                state.seq_tracks.clear()
            state.seq_tracks[scope] = self._track_from(envelope, envelope.seq, connection)
        elif envelope.seq > track.seq:
            if type(o) is Hello:
                return  # it says nothing that another frame could be older than
            self._ahead = envelope
            if state.lived - track.passed_at >= _LATE_MS:
                track.long_ago, track.passed, track.passed_at = track.passed, envelope.seq, state.lived
                connection.contradicted = 0  # what goes on for so long did start
            if envelope.at != track.at or track.clock != state.clock:
                later = envelope.at is not None and track.at is not None and envelope.at > track.at
                track.earlier = track.seq if later and track.clock == state.clock else None
            track.seq, track.at, track.clock = envelope.seq, envelope.at, state.clock
            track.connection, track.behind = connection.number, 0
            if explicit:
                track.refused = 0
        # The low number of a repetition proves nothing.
        elif envelope.seq < track.seq and not (explicit and self._is_told_again(o, envelope, scope)):
            self._behind(track, envelope, connection, explicit=explicit)

    def _is_told_again(self, o: Observation, envelope: Envelope, scope: str) -> bool:
        """Whether an explicit frame is a repetition with the same content: then its low number proves nothing."""
        name = name_of(o)
        return (
            name is not None
            and self.identity.known(name, envelope, scope, counted=True)
            and not self.identity.differs(name, envelope, scope, words_of(o))
        )

    def _behind(self, track: SeqTrack, envelope: Envelope, connection: Connection, *, explicit: bool) -> None:
        """Judge a number that is lower than an earlier one: the frame came late, or the numbers started again.

        They started again if its time is newer, if it comes first on a new connection or after a long silence, if too
        many frames in a row have low numbers, or if its number was passed so long ago that no frame takes that long.
        """
        dated = envelope.at is not None and track.at is not None and track.clock == self._state.clock
        ahead = envelope.at - track.at if dated and envelope.at is not None and track.at is not None else 0
        newer, old = ahead > 0, ahead < 0  # equal times prove nothing, but by one before them
        if dated and not ahead and track.earlier is not None and envelope.seq is not None:
            newer = envelope.seq < track.earlier
        newer = newer or (track.at is None and self._is_made_since(envelope, connection))
        waited = connection.controlled > 0 and envelope.stamp.mono - connection.controlled > _LATEST_MS
        first = (track.connection != connection.number and not (explicit and old)) or (waited and not old)
        if not old:  # an old time confirms the number: then the frame came late
            track.behind += 1
            track.refused += explicit
        told_again = explicit and (old or self.is_maybe_history(envelope))
        passed = None if told_again else self._long_passed(track)
        long_ago = passed is not None and envelope.seq is not None and envelope.seq <= passed
        if newer or first or long_ago or track.refused >= _REFUSED or track.behind >= _BEHIND:
            self._begin_anew(envelope, connection, first=first)

    def _is_made_since(self, envelope: Envelope, connection: Connection) -> bool:
        """Whether a frame's time is one at which the frame before it, which may have none, had been received."""
        offset = self._state.clock_offset
        if envelope.at is None or offset is None or not connection.controlled:
            return False
        slack = _OFFSET_MS + (0 if self._state.has_fine_times else 1_000)
        return envelope.at - (connection.controlled + offset) > slack

    def is_maybe_history(self, envelope: Envelope) -> bool:
        """Whether an explicit frame is, or without a time may be, history that is sent as a connection begins."""
        return self.in_history(envelope) if envelope.at is None else self.is_history(envelope)

    def _long_passed(self, track: SeqTrack) -> int | None:
        """The highest number that was passed so long ago that no frame with it can come any more."""
        lately = self._state.lived - track.passed_at < _LATE_MS
        return track.long_ago if lately else track.passed

    def _begin_anew(self, envelope: Envelope, connection: Connection, *, first: bool = False) -> None:
        """The numbers start again: from here on they are a scope of their own. Earlier ones cannot be compared with it.

        That looks like a restart of the server, so ids may start again, too: a new era begins. If each type is counted
        by itself, or if it happens again and again on one connection, it is no restart: the dialect is wrong about what
        the numbers count. From then on they are compared only within one type.

        Args:
            first: It is the first frame of its connection.
        """
        state = self._state
        last, middle = self._note_end(envelope, connection)
        self._envelope = None
        state.epoch += 1
        state.doubts.scopes += 1
        state.eras += 1
        state.era = state.eras
        state.seq_tracks.clear()
        if first:
            state.numbering += 1
            connection.era = state.era
        else:
            connection.contradicted += 1
            if connection.contradicted >= _CONTRADICTED or self._is_counted_by_type(envelope, connection):
                # None of these was a restart: the dialect is wrong about what the numbers count.
                self._envelope, state.doubts.untrusted = None, True
                state.era = connection.era
                self.began_anew(last)
                return
        connection.type_seqs.clear()
        scope = self.scope(envelope)
        if scope is not None and envelope.seq is not None:
            state.seq_tracks[scope] = self._track_from(envelope, envelope.seq, connection)
        self.began_anew(middle)

    @staticmethod
    def _is_counted_by_type(envelope: Envelope, connection: Connection) -> bool:
        """Whether a number is lower than that of a state, and yet higher than all of its own type: so none of them
        started again, and each type has numbers of its own.

        What is lower only than other types than states proves nothing: these may be history.
        """
        before, states = connection.type_seqs.get(envelope.type), connection.type_seqs.get(_STATES, 0)
        return before is not None and envelope.seq is not None and before < envelope.seq < states

    def _note_end(self, envelope: Envelope, connection: Connection) -> tuple[int, int]:
        """Remember the last numbers of a count that ends: frames with these may still come late.

        Returns:
            The last of them, and the middle between where that count ended and where the new one begins.
        """
        scope, state = self.scope(envelope), self._state
        track = None if scope is None else state.seq_tracks.get(scope)
        connection.ended_count = None
        if scope is None or track is None or envelope.seq is None:
            return 0, 0
        passed, middle = self._long_passed(track), (envelope.seq + track.seq) // 2
        if passed is not None and track.connection == connection.number:
            connection.ended_count = EndedCount(scope, max(passed, middle), state.lived + _LATE_MS)
        return track.seq, middle

    def _track_from(self, envelope: Envelope, seq: int, connection: Connection) -> SeqTrack:
        """A count that begins with this frame."""
        state = self._state
        return SeqTrack(seq, envelope.at, state.clock, connection.number, passed=seq, passed_at=state.lived)

    def new_boot(self, connection: Connection) -> None:
        """The server was restarted: a new era begins, in which ids and numbers start again."""
        state = self._state
        self._envelope = None
        state.boots += 1
        state.eras += 1
        state.era = connection.era = state.eras
        state.doubts.untrusted = False

    # ------------------------------------------------------------------ two frames

    def scope(self, envelope: Envelope) -> str | None:
        """The name of the scope within which this frame's ``seq`` can be compared, or None."""
        if envelope is not self._envelope:
            scope = self._scope_of(envelope)
            self._envelope = envelope
            # Frames that are remembered share one text.
            self._scope = self._scope if scope == self._scope else scope
        return self._scope

    def _scope_of(self, envelope: Envelope) -> str | None:
        state, connection = self._state, self._state.connection
        if envelope.seq is None or self._orders == "nothing" or connection is None:
            return None
        # Even if the dialect is wrong, numbers within one type rise: that is true for nearly every way of counting.
        if self._orders == "type" or state.doubts.untrusted:
            name = f"c{connection.number}:{envelope.type}"
        elif self._orders == "boot" and connection.boot is not None:
            name = f"b{connection.boot}"
        else:
            # Without a boot id, the server may start to count again with each connection.
            name = f"c{connection.number}"
        ended = connection.ended_count
        if ended is not None and envelope.seq > ended.above and state.lived < ended.until and ended.line == name:
            return ended.scope  # it was sent before the numbers started again, and came late
        return f"{name}#{state.epoch}" if state.epoch else name

    def place(
        self,
        name: Name,
        envelope: Envelope,
        aspect: Aspect,
        *,
        changes: bool,
        follows: bool | None = None,
        words: int = 0,
    ) -> Place:
        """Where this explicit frame belongs among those that came before.

        Args:
            name: What identifies it (``identity.name_of``).
            aspect: What it is about.
            changes: It would change what is known of that.
            follows: It says that it follows what is on air now (True), or something else (False). None: neither.
            words: A digest of its other content (``identity.words_of``).
        """
        scope = self.scope(envelope)
        if self.identity.known(name, envelope, scope):
            other = words and not self.is_history(envelope) and self.identity.differs(name, envelope, scope, words)
            if not other and not (changes and self._may_be_another(name, envelope, aspect, scope)):
                return Place.SAME
        return self._placed(name, envelope, aspect, scope, follows)

    def _may_be_another(self, name: Name, envelope: Envelope, aspect: Aspect, scope: str | None) -> bool:
        """Whether a change with the same time as the newest one is a second change at that time, and no repetition.

        ``seq`` may show it. If nothing does, and the clock is coarse, it counts as a second one, and as doubtful.
        """
        last = aspect.last_change
        if (
            name.own_id is not None
            or last is None
            or last.at is None
            or last.at != envelope.at
            or self.is_history(envelope)
        ):
            return False
        further = self.identity.further(name, envelope, scope)
        if further is not None:
            return further != 0  # told again, it has the same number, or is dated before its connection
        if self.identity.is_numbered_otherwise(name, envelope, scope):
            return True
        ahead = by_seq(aspect.mark, envelope, scope)
        if ahead:
            return ahead > 0
        if not self.identity.is_coarse(name, envelope):
            return False
        self._state.doubts.believed += 1
        return True

    def _placed(self, name: Name, envelope: Envelope, aspect: Aspect, scope: str | None, follows: bool | None) -> Place:
        """The same for a frame that is no repetition: by its number if that orders the two, else by its time.

        Equal times order nothing. If its time is older by more than ``Policy.clock_step_ms``, somebody has set the
        clock, and the frame is the newest. If nothing orders two frames, the one that came later is the newer one.
        """
        mark, last, state = aspect.mark, aspect.last_change, self._state
        if self.is_told_with_history(envelope):
            return Place.LATE  # its number is that of the message
        ahead = by_seq(mark, envelope, scope)
        if ahead > 0:
            return Place.NEWEST
        if ahead < 0 and not (follows and mark is not None and self._is_tied(mark, last, envelope, scope)):
            return Place.LATE
        if envelope.at is None:
            return Place.LATE if self._is_counted_past(envelope, scope) else Place.NEWEST
        history = self.is_history(envelope)
        if last is None or last.at is None or last.clock != state.clock:
            return Place.AFTERWARDS if history else Place.NEWEST
        back = last.at - envelope.at
        if history:
            return Place.AFTERWARDS if back < 0 else Place.LATE
        if back <= 0:
            return Place.NEWEST
        if back > self._policy.clock_step_ms or follows:
            return Place.NEWEST
        return Place.LATE if name.own_id is not None or follows is False else Place.NEWEST

    def _is_tied(self, mark: LastSaid, last: LastSaid | None, envelope: Envelope, scope: str | None) -> bool:
        """Whether a change has the time of a snapshot that shows what it leads away from: then the change is the newer
        one, whatever their numbers say, unless they say so of the last change too.
        """
        one_time = envelope.at is not None and envelope.at == mark.at and mark.clock == self._state.clock
        return one_time and by_seq(last, envelope, scope) >= 0

    def _is_counted_past(self, envelope: Envelope, scope: str | None) -> bool:
        """Whether the server has already sent higher numbers than this one."""
        track = None if scope is None else self._state.seq_tracks.get(scope)
        return track is not None and envelope.seq is not None and envelope.seq < track.seq

    def behind(self, mark: LastSaid | None, envelope: Envelope) -> bool:
        """Whether ``seq`` says that this frame is older than what is known; or whether it is history."""
        if mark is None:
            return False
        ahead = by_seq(mark, envelope, self.scope(envelope))
        if ahead:
            return ahead < 0
        dated = envelope.at is not None and mark.at is not None and envelope.at < mark.at
        return dated and self.is_history(envelope)

    def is_history(self, envelope: Envelope) -> bool:
        """Whether this frame happened before its connection: the server repeats it, or sends it afterwards.

        This is asked only within 5 s after the connection began, and only if the server's clock was not set since.
        Later on, a frame with an old time only came late. Before the first snapshot, a time far ahead of the server's
        clock is also of the past: of a time before somebody set that clock back.
        """
        state, connection = self._state, self._state.connection
        if connection is None or connection.began_at is None or envelope.at is None:
            return False
        if envelope.stamp.mono - connection.first_mono > _HISTORY_MS or connection.began_clock != state.clock:
            return False
        since = max(connection.first_mono, connection.history_mono)
        if connection.snapshot_seen and envelope.stamp.mono - since > _PAUSE_MS:
            return False
        ahead = envelope.at - connection.began_at
        return ahead < 0 or (ahead > self._policy.clock_step_ms and not connection.snapshot_seen)

    def may_be_history(self, envelope: Envelope) -> bool:
        """Whether this explicit frame may as well be history that the server sends when a connection begins.

        It has no time, and no state has come yet. Then its number says when it was sent first, and orders nothing that
        comes after it.
        """
        connection = self._state.connection
        fresh = envelope.at is None and connection is not None and not connection.snapshot_seen
        return (fresh and self.in_history(envelope)) or self.is_told_with_history(envelope)

    def is_told_with_history(self, envelope: Envelope) -> bool:
        """Whether this frame has no time, and is a part of a message of which all the others are history."""
        return self._history is not None and envelope.at is None and envelope.stamp is self._history

    def is_long_past(self, envelope: Envelope, aspect: Aspect) -> bool:
        """Whether a late frame is too old to say what is true now."""
        last = aspect.last_change
        if envelope.at is None:
            return self.may_be_history(envelope)
        if last is None or last.at is None:
            return False
        one_clock = last.clock == self._state.clock
        return self.is_history(envelope) or (one_clock and last.at - envelope.at > self._policy.clock_step_ms)

    def in_history(self, envelope: Envelope) -> bool:
        """Whether a frame without a time may be history: it came soon after its connection began."""
        connection = self._state.connection
        return connection is not None and envelope.stamp.mono - connection.first_mono <= self._policy.settle_ms

    def stale(self, mark: LastSaid | None, envelope: Envelope, connection: Connection) -> bool:
        """Whether a snapshot that contradicts something is older than the frame that said it; see :func:`is_stale`."""
        return is_stale(
            mark,
            envelope,
            self.scope(envelope),
            connection=connection,
            policy=self._policy,
            clock=self._state.clock,
            set_back=envelope is self._set_back,
        )

    def marked(self, mark: LastSaid | None, envelope: Envelope, *, explicit: bool) -> LastSaid:
        """The mark after ``envelope`` changed (``explicit``) or confirmed something; see :func:`marked`."""
        connection, clock = self._state.connection, self._state.clock
        scope = self._scope if envelope is self._envelope else self.scope(envelope)
        number = 0 if connection is None else connection.number
        # A snapshot confirms several things by one frame, and mostly their marks were one before it, too.
        before, facts = self._marked[0], (envelope, scope, number, explicit, clock)
        if mark is not before or facts != self._marked[1]:
            after = marked(mark, envelope, scope, connection=number, explicit=explicit, clock=clock)
            self._marked = mark, facts, after
        return self._marked[2]
