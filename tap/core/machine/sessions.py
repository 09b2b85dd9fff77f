"""Sessions: how one starts, resumes and ends, and what the server's own frames say (docs/how-it-works.md, rule 1).

A session is known by its key: the venue and the server's id, or the venue and the time of its start where the server
gives no id, or gives the same ids again (``Dialect.ids_start_anew``). The same key again, after a reconnect or a
restart of either side, is the same session: it resumes, and is never started twice.

What the table in ``rules`` says is done by the first half of this file; the second half reads the server's session
frames and gives the table its signals.
"""

from __future__ import annotations

from msgspec import UNSET, structs

from tap.core.codec import session_key
from tap.core.machine.aspects import Aspects
from tap.core.machine.cameras import Cameras
from tap.core.machine.desk import Desk
from tap.core.machine.gaps import Gaps, gap_columns
from tap.core.machine.identity import name_of
from tap.core.machine.memory import Memory
from tap.core.machine.rows import RowWriter, side_columns, time_of
from tap.core.machine.rules import Cause, Rules, Signal
from tap.core.machine.staleness import Place, Staleness
from tap.core.machine.state import LastSaid, Session, Side, State
from tap.core.mapping import Dialect
from tap.core.model import Envelope, SessionEnded, SessionInfo, SessionStarted, SessionUpdated

__all__ = ["Sessions"]


class Sessions:
    """Does what the table says about sessions, and reads the server's session frames."""

    def __init__(
        self,
        state: State,
        desk: Desk,
        *,
        aspects: Aspects,
        rows: RowWriter,
        staleness: Staleness,
        rules: Rules,
        memory: Memory,
        cameras: Cameras,
        gaps: Gaps,
        dialect: Dialect,
        venue: str,
    ) -> None:
        self._state = state
        self._desk = desk
        self._aspects = aspects
        self._rows = rows
        self._staleness = staleness
        self._rules = rules
        self._memory = memory
        self._cameras = cameras
        self._gaps = gaps
        self._dialect = dialect
        self._venue = venue

    # ------------------------------------------------------------------ what the table has done

    def start(self, cause: Cause) -> None:
        """A session begins, or one that was over shows again.

        What the snapshot that shows it says of the desk becomes known first, so that it is in ``startState``. Where
        a venue's policy makes the session, the change that made it is an event of it instead, so nothing is taken over.
        """
        state = self._state
        info = cause.info or SessionInfo()
        if cause.snapshot is not None and (cause.by == "frames" or cause.first_sight):
            self._desk.take_over(cause.snapshot, cause.envelope)
        started_at = cause.at if info.started_at is None else info.started_at
        anew = info.id is None or self._dialect.ids_start_anew
        key = session_key(self._venue, info.id, started_at if anew else None)
        known = next(
            (over for over in reversed(state.ended) if over.key == key or self._shows_again(over, cause)), None
        )
        # NB: exception 3 in rules: a session that is over, and shows again, is never started twice.
        if known is not None:
            self._memory.revive(known)
            state.session = known
            _name(known, info)
            if cause.first_sight:
                self._gaps.first_sight(known, cause)
            self.resume(cause)
            return
        start = {"at": cause.at, **side_columns(self._desk.side())}
        start_told = info.started_at is not None
        session = Session(key, cause.by, info.id, started_at, start_told, start, shown_at=cause.at)
        session.clock = state.clock
        session.connection = state.connection.number if state.connection is not None else 0
        self._memory.number(session)
        state.session = session
        _name(session, info)
        self._desk.recorder.set_up_of(session)
        if state.recording.sure and state.recording.value:
            session.media = [*state.recorder_files]
        self._rows.session_row(session, cause.at)
        self._cameras.join_session(session, cause.at)
        self._cameras.on_program(self._desk.program.known(), cause.at)
        if cause.first_sight:
            self._gaps.first_sight(session, cause)

    def _shows_again(self, over: Session, cause: Cause) -> bool:
        """Whether a snapshot shows a session that was over, by its id alone.

        This is a question only if ids start again (so that a key has the time of the start), and if the snapshot does
        not have that time.
        """
        info = cause.info
        if info is None or cause.snapshot is None or info.id is None or info.started_at is not None:
            return False
        return self._dialect.ids_start_anew and over.id == info.id

    def resume(self, cause: Cause) -> None:
        """The same session shows again: it is live, whatever was thought of its end.

        A row is written only if it had been closed.
        """
        session = self._state.session
        if session is None:
            return
        was_over = session.status != "live"
        session.end_seen = None
        if session.status == "complete" and cause.is_bare and session.completed_at is not None:
            session.end_seen = session.completed_at, session.end_reason, sum(session.counts.values())
        session.status, session.completed_at, session.end_reason, session.final = "live", None, None, None
        session.shown_at, session.shown_by_server = cause.at, cause.envelope.at is not None
        if was_over:
            self._rows.session_row(session, cause.at)
            self._cameras.join_session(session, cause.at)

    def go_on(self, cause: Cause) -> None:
        """An explicit change before any snapshot belongs to the session, even if that was closed as idle."""
        # NB: exception 4 in rules: a snapshot without a word on the session is no proof that it runs.
        if cause.snapshot is None:
            self.resume(cause)

    def complete(self, cause: Cause) -> None:
        """The end was seen: the session is complete, at the time of what reported it.

        If a snapshot that nothing dates or numbers had shown it again since, that was an old one: its first end stands.
        """
        session = self._state.session
        if session is None:
            return
        at, reason = cause.at, cause.reason
        if session.end_seen is not None and cause.snapshot is not None:
            first, why, events = session.end_seen
            if events == sum(session.counts.values()):
                at, reason = first, why
        session.end_seen = None
        self._close(session, "complete", reason, at, self._desk.side())

    def interrupt(self, reason: str) -> None:
        """The end was not seen: the session is dated by the last frame that showed it.

        So a tap that did see the end writes a later version of the row, and outranks this one.

        Args:
            reason: ``unseen``, ``replaced`` or ``idle``, for the row's ``endReason``. After ``idle`` the machine still
                remembers the session: it may go on once the server sends again.
        """
        session = self._state.session
        if session is None:
            return
        if session.status == "live":
            before = self._desk.side(sure_only=False)
            self._close(session, "interrupted", reason, session.shown_at, before, keep=reason == "idle")
        else:
            # It was closed as idle before; the gap that ended it is counted now.
            if session.final is not None:
                session.final = {**session.final, **gap_columns(session)}
            self._rows.session_row(session, session.completed_at or session.shown_at)
            self._retire(session)

    def _close(
        self, session: Session, status: str, reason: str | None, at: int, side: Side, *, keep: bool = False
    ) -> None:
        """Write the session's last row, with its final state.

        Args:
            status: ``complete`` or ``interrupted``.
            at: When it ended; the row's ``completedAt`` and its version.
            side: What was on at the end.
            keep: It stays the session that is known.
        """
        self._cameras.settle_leaving()
        session.status, session.end_reason, session.completed_at = status, reason, at
        session.final = {
            **side_columns(side),
            "camerasOnline": self._cameras.online_in(session),
            "counts": dict(sorted(session.counts.items())),
            **gap_columns(session),
        }
        self._rows.session_row(session, at)
        if not keep:
            self._retire(session)

    def _retire(self, session: Session) -> None:
        """It is no longer the session that is known; it may still show again, and its stills may still arrive."""
        self._state.session = None
        self._memory.retire(session)

    # ------------------------------------------------------------------ what the server's session frames say

    def is_known(self, info: SessionInfo) -> bool:
        """Whether the known session is the one that a frame speaks of: by id, and where ids start again by the time of
        its start too.

        A frame or a session without an id fits any.
        """
        session = self._state.session
        if session is None:
            return False
        told_both = info.started_at is not None and session.start_told
        if self._dialect.ids_start_anew and told_both and info.started_at != session.started_at:
            return False
        return info.id is None or session.id is None or info.id == session.id

    def started(self, o: SessionStarted) -> None:
        """A frame says that a session starts, or says it again."""
        if self._is_repeated(o) or self._is_over(o):
            return
        self._state.has_session_frames = True
        if self.is_known(o.session):
            self.rename(self._unknown_of(o), o.envelope)
            # NB: exception 2 in rules: no signal, for it is the same session. It had only been closed as idle.
            if self._state.session is not None and self._state.session.status != "live":
                self.resume(Cause(o.envelope))
        else:
            self._rules.signal(Signal.STARTED, Cause(o.envelope, info=o.session))
        self._rows.note_running(o.envelope)

    def _is_over(self, o: SessionStarted) -> bool:
        """Whether this start, reported again after a reconnect, is of a session that was seen to end.

        By its time where it has one; without, only soon after a connection began, when a server may tell its last
        events again.
        """
        info, at = o.session, o.envelope.at
        if at is None:
            again = self._staleness.in_history(o.envelope) and info.id is not None
            return again and any(over.id == info.id for over in self._state.ended)
        if not self._staleness.is_history(o.envelope):
            return False
        return any(over.id == info.id and at <= (over.completed_at or 0) for over in self._state.ended)

    def updated(self, o: SessionUpdated) -> None:
        """A frame tells another title or other notes of the session that is known."""
        if self.is_known(o.session) and not self._is_repeated(o):
            self.rename(o.session, o.envelope)

    def _unknown_of(self, o: SessionStarted) -> SessionInfo:
        """What a start says of a session that runs already: without a time it may be old, so it changes no name that is
        known.
        """
        session, info = self._state.session, o.session
        if o.envelope.at is not None or session is None:
            return info
        title = UNSET if session.title is not None else info.title
        notes = UNSET if session.notes is not None else info.notes
        return structs.replace(info, title=title, notes=notes)

    def rename(self, info: SessionInfo, envelope: Envelope) -> None:
        """The session that runs is called this from now on."""
        session = self._rows.running()
        if session is not None:
            _name(session, info)
            self._rows.note_running(envelope)
            self._rows.session_row(session, time_of(envelope))

    def ended(self, o: SessionEnded) -> None:
        """A frame says that a session is over: the one that runs, or one that was taken for interrupted."""
        if self._is_repeated(o):
            return
        self._state.has_session_frames = True
        session = self._state.session
        if session is not None and (o.session_id is None or session.id is None or session.id == o.session_id):
            self._rules.signal(Signal.ENDED, Cause(o.envelope, reason=o.reason))
            return
        # NB: exception 5 in rules: the end of one that was taken for interrupted; now it was seen.
        for over in self._state.ended:
            if o.session_id is not None and over.id == o.session_id and over.status == "interrupted":
                over.status, over.end_reason, over.completed_at = "complete", o.reason, time_of(o.envelope)
                self._rows.session_row(over, time_of(o.envelope))
                self._memory.note_over(over)

    def _is_repeated(self, o: SessionStarted | SessionUpdated | SessionEnded) -> bool:
        """Whether a session's frame was reported before, or is older than what is known of the session.

        An update has no name of its own (``identity.name_of``), so only its order counts.
        """
        name, session = name_of(o), self._state.session_seen
        if name is None:
            behind = self._staleness.behind(session.mark, o.envelope)
            if not behind:
                # Another title is no other session: only a snapshot of the old title may be stale by it.
                self._state.titled = self._aspects.mark(session.mark, o.envelope, explicit=True)
                session.mark = session.last_change = self._aspects.mark(session.mark, o.envelope, explicit=False)
            return behind
        place = self._staleness.place(name, o.envelope, session, changes=False)
        # A start or an end that only its number calls old is believed: it was never sent, and a state may correct it.
        if place is Place.SAME or (place is Place.LATE and _is_dated_before(o.envelope, session.mark)):
            self._staleness.is_news = False
            return True
        self._staleness.identity.remember(name, o.envelope, self._staleness.scope(o.envelope), None)
        session.mark = session.last_change = self._aspects.mark(session.mark, o.envelope, explicit=True)
        return False


def _is_dated_before(envelope: Envelope, mark: LastSaid | None) -> bool:
    """Whether its time, too, says that a frame is older than what is known."""
    return envelope.at is not None and not (mark is not None and mark.at is not None and envelope.at >= mark.at)


def _name(session: Session, info: SessionInfo) -> None:
    """Take over id, title and notes, as far as they are reported; an id that is known never changes."""
    if session.id is None:
        session.id = info.id
    if info.title is not UNSET:
        session.title = info.title or None
    if info.notes is not UNSET:
        session.notes = info.notes or None
