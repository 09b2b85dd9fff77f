"""The recorder: whether it runs, the files that it writes, and the settings by which the server works.

Files are columns of the session's row (``media``), never events. Under ``Policy.session`` = ``record`` a session is
what the recorder records.
"""

from __future__ import annotations

from tap.core.machine.aspects import Aspects
from tap.core.machine.memory import Memory
from tap.core.machine.rows import RowWriter, time_of
from tap.core.machine.rules import Cause, Rules, Signal
from tap.core.machine.staleness import Place
from tap.core.machine.state import Session, State
from tap.core.media import files_of, tell
from tap.core.model import Envelope, Recording, SessionInfo, SetUp

__all__ = ["Recorder"]


class Recorder:
    """The rules for what is recorded, and where."""

    def __init__(self, state: State, aspects: Aspects, *, rows: RowWriter, rules: Rules, memory: Memory) -> None:
        self._state = state
        self._aspects = aspects
        self._rows = rows
        self._rules = rules
        self._memory = memory

    def recording(self, o: Recording) -> None:
        """The recorder starts or stops, goes on in another file, or tells the name of the one that it wrote."""
        aspect = self._state.recording
        if self._aspects.place(aspect, o, value=o.active) in {Place.SAME, Place.LATE}:
            return
        # NB: exception 1 in rules: the session begins before the recorder's files are written into it.
        if o.active and self._rules.by_policy("record") and self._state.session is None:
            info = SessionInfo(started_at=o.started_at)
            self._rules.signal(Signal.STARTED, Cause(o.envelope, by="record", info=info))
        self._aspects.set(aspect, o.active, o.envelope, explicit=True)
        self._files(o)
        session = self._rows.running()
        if session is not None and session.by == "record" and not o.active:
            self._rules.signal(Signal.ENDED, Cause(o.envelope))

    def take_over(self, active: bool, by: Envelope) -> None:
        """A snapshot shows whether it runs. That it stopped meanwhile ends a file whose end nobody saw."""
        if not active:
            self._state.recorder_files = []  # where the last one ended nobody saw
        self._aspects.set(self._state.recording, active, by, explicit=False)

    def _files(self, o: Recording) -> None:
        """What the recorder says of its files, into the rows of the sessions that they belong to.

        That is the session that runs, and the last one that is over, if its last file is this one: a name may be sent
        only once the file is closed, after the session ended.
        """
        state, at = self._state, time_of(o.envelope) if o.at is None else o.at
        current, state.recorder_files = state.recorder_files, tell(state.recorder_files, o, at)[-1:]
        running = self._rows.running()
        if running is not None:
            running.media = [*tell(files_of(running.media), o, at)]
            self._rows.session_row(running, at)
        for over in state.ended[-1:]:
            files = files_of(over.media)
            if current and files and files[-1].from_ == current[-1].from_:
                over.media = [*tell(files, o, at, begins=False)]
                if o.started_at is not None and not o.active:
                    over.started_at = min(over.started_at, o.started_at)
                self._rows.session_row(over, at)
                self._memory.note_over(over)

    def set_up(self, o: SetUp) -> None:
        """By what settings the server works from now on."""
        state, session = self._state, self._rows.running()
        state.profile, state.collection = o.profile or state.profile, o.collection or state.collection
        if session is not None:
            self.set_up_of(session)
            self._rows.session_row(session, time_of(o.envelope))

    def set_up_of(self, session: Session) -> None:
        """A session keeps the settings by which it began."""
        session.profile = session.profile or self._state.profile
        session.collection = session.collection or self._state.collection
