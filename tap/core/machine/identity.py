"""Which event is this? When an explicit frame is a repetition of an earlier one, and what is remembered for that.

A server repeats things: at once, after a reconnect, or in a batch of its last thousand events. The first question is
whether a frame is a repetition, the second whether it is newer. The first is decided by the best that the frame has:

1. **Its own id**, within one era of the server and one session, whatever its time says. After a restart ids start
   again: then it is the same only if the time is the same, too. Without times, it is the same if its number is, or if
   it comes as a connection begins, when a server may tell its last events again.
2. **Its time and what it is about**, if it has no id. It is another event if ``seq`` says that it is newer, or if its
   other content differs and it is no history.
3. **Its number and what it is about**, if it has no time either.

A frame that has none of the three may be a repetition. If it changes what is on air, it counts as new, and as doubtful.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple, assert_never

from tap.core.kinds import KINDS
from tap.core.machine.state import SeenFrame, Session, State
from tap.core.model import (
    CameraLeft,
    CameraTold,
    Coming,
    Cut,
    Envelope,
    Hello,
    HoldOn,
    ModeChanged,
    Moment,
    Observation,
    ProgramLost,
    Recording,
    Release,
    SessionEnded,
    SessionStarted,
    SessionUpdated,
    SetUp,
    Snapshot,
    StillCaptured,
    StillFailed,
    StillRequested,
    StillUploaded,
)

__all__ = ["Identity", "Name", "name_of", "words_of"]

_STILLS = frozenset({"asked", "captured", "uploaded", "failed"})
"""No camera takes two stills in one ms: with these, a newer number only means that the frame was sent again."""
_OUTSIDE = 64
"""Explicit frames that are remembered while no session runs."""
MOST_SEEN = 100_000
"""Explicit frames that are remembered of one session."""
_LOOKED_BACK = 8
"""In how many of the last sessions that are over a frame is looked up, too."""
_AGAIN_MS = 10_000
"""Within this time, a frame without id, time and number may be a repetition of an equal one."""
_MOST_WORDS = 8
"""How many different contents are remembered of frames with the same time that are about the same thing."""
_SHORT = 80
"""Characters. A longer text is remembered by its digest."""


class Name(NamedTuple):
    """What identifies an explicit frame, apart from its time and number."""

    kind: str
    own_id: str | None
    subject: str
    """What it is about: a camera, a mode, a still."""


def name_of(o: Observation | Moment) -> Name | None:  # noqa: C901, PLR0912 - a table
    """The name of an explicit frame; None for a frame that shows a state."""
    match o:
        case Cut():
            return Name("cut", o.cut_id, f"{o.to}")
        case HoldOn():
            return Name("hold", o.hold_id, f"{o.camera_id}")
        case Release():
            return Name("release", o.hold_id, "")
        case ModeChanged():
            return Name("mode", None, f"{o.to}")
        case Moment():
            return Name(KINDS[o.event].word, o.own_id, f"{o.at}/{o.subject}")
        case Recording():
            return Name("recording", None, f"{o.active}/{o.path}")
        case SessionStarted():
            return Name("started", None, f"{o.session.id}")
        case SessionEnded():
            return Name("ended", None, f"{o.session_id}")
        # A still's id does not identify a frame: three cameras may share it.
        case StillRequested():
            return Name("asked", None, f"{o.still_id}/{'/'.join(o.camera_ids)}")
        case StillCaptured():
            return Name("captured", None, f"{o.still_id}/{o.camera_id}")
        case StillUploaded():
            return Name("uploaded", None, f"{o.still_id}/{o.camera_id}/{o.storage_key}/{o.sha256}")
        case StillFailed():
            return Name("failed", None, f"{o.still_id}/{o.camera_id}")
        case Hello() | Snapshot() | SessionUpdated() | CameraTold() | CameraLeft() | SetUp() | Coming() | ProgramLost():
            return None
        case _:
            assert_never(o)


def ident_of(name: Name, envelope: Envelope, scope: str | None, numbering: int) -> str | None:
    """A text by which this frame is recognized: its own id, else its time, else its number, with what it is about.

    Args:
        scope: Within what its number can be compared.
        numbering: How often the numbers started again at the beginning of a connection.

    Returns:
        None if it has none of these.
    """
    if name.own_id is not None:
        return f"{name.kind}#{brief(name.own_id)}"
    if envelope.at is not None:
        return f"{name.kind}@{envelope.at}/{brief(name.subject)}"
    if scope is not None and envelope.seq is not None:
        # Without the epoch: even if the numbers seem to start again, the same number with the same content is the same.
        return f"{name.kind}:{_line(scope)}%{numbering}:{envelope.seq}/{brief(name.subject)}"
    return None


def words_of(o: Observation | Moment) -> int:
    """A checksum of what a change says beside its name; 0 if there is nothing more.

    If two changes have the same time and camera, but differ in this, they are two events.
    """
    match o:
        case Cut():
            said: tuple[object, ...] = (o.from_, o.trigger, o.transition, o.duration_ms)
        case HoldOn():
            said = (o.by, o.reason)
        case Release():
            said = (o.by,)
        case ModeChanged():
            said = (o.from_,)
        case Moment():
            said = tuple(o.detail.items())
        case _:
            return 0
    return zlib.crc32(repr(said).encode("utf-8", "surrogatepass"))


def brief(text: str) -> str:
    """``text`` as it is remembered: a text of more than 80 characters by its digest."""
    if len(text) <= _SHORT:
        return text
    return "~" + hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


class Identity:
    """Remembers explicit frames, and recognizes repetitions of them."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.noted: Callable[[Session, str], None] = lambda _session, _ident: None
        """Called with what a session has to remember from now on."""
        self.is_ahead: Callable[[Envelope], bool] = lambda _told: False
        """Whether this frame's number is higher than any before it in the present epoch."""
        self.in_history: Callable[[Envelope], bool] = lambda _told: False
        """Whether a frame may be history, which the server sends when a connection begins."""
        self.is_history: Callable[[Envelope], bool] = lambda _told: False
        """Whether it is, by its time."""

    def known(self, name: Name, envelope: Envelope, scope: str | None, *, counted: bool = False) -> bool:
        """Whether this frame has come before: in the present session, outside of sessions, or in one of the last eight.

        Args:
            counted: If a frame has only a time, and a newer number, it is another event.
        """
        ident = ident_of(name, envelope, scope, self._state.numbering)
        if ident is None:
            return False
        return any(
            self._is_same(seen, name, envelope, scope, own)
            and not (counted and self._is_later(seen, name, envelope, scope))
            for seen, own in self._found(ident)
        )

    def differs(self, name: Name, envelope: Envelope, scope: str | None, words: int) -> bool:
        """Whether all earlier frames with this name and time said something else: then this is another event."""
        ident = ident_of(name, envelope, scope, self._state.numbering)
        if ident is None or name.own_id is not None:
            return False
        return all(seen.words and words not in seen.words for seen, _ in self._found(ident))

    def further(self, name: Name, envelope: Envelope, scope: str | None) -> int | None:
        """How far this frame's number is from the nearest earlier one with its name and time, in any epoch.

        Above 0 it is another event, at 0 a repetition; None if they cannot all be compared.
        """
        ident = ident_of(name, envelope, scope, self._state.numbering)
        found = [] if ident is None else [_further(seen, envelope, scope) for seen, _ in self._found(ident)]
        compared = [further for further in found if further is not None]
        if 0 in compared:
            return 0
        return min(compared) if compared and len(compared) == len(found) else None

    def is_numbered_otherwise(self, name: Name, envelope: Envelope, scope: str | None) -> bool:
        """Whether this frame has a number, and no earlier one with its name and time had: they are not one frame."""
        ident = ident_of(name, envelope, scope, self._state.numbering)
        return scope is not None and ident is not None and all(seen.scope is None for seen, _ in self._found(ident))

    def is_coarse(self, name: Name, envelope: Envelope) -> bool:
        """Whether only a time in whole seconds identifies this frame: another frame may have the same."""
        return (
            name.own_id is None
            and envelope.at is not None
            and envelope.at % 1000 == 0
            and not self._state.has_fine_times
        )

    def remember(
        self,
        name: Name,
        envelope: Envelope,
        scope: str | None,
        session: Session | None,
        *,
        changes: bool = False,
        words: int = 0,
    ) -> None:
        """Remember this frame, to recognize a repetition of it.

        Args:
            session: The session that remembers it. None: outside of sessions, where the last 64 are remembered.
            changes: It counts as a change. If nothing identifies it, that is doubtful, and counted.
            words: A checksum of its other content (``words_of``).
        """
        ident = ident_of(name, envelope, scope, self._state.numbering)
        if ident is None:
            if changes:
                self._remember_bare(name, envelope)
            return
        state = self._state
        about = "" if name.own_id is None else brief(name.subject)
        if changes and about and envelope.at is None and any(seen.at is None for seen, _ in self._found(ident)):
            state.doubts.believed += 1  # an id of an earlier life of the server, and no time
        said: list[int] = []
        if words:
            before = (word for seen, _ in self._found(ident) for word in seen.words)
            said = list(dict.fromkeys([*before, words]))[-_MOST_WORDS:]
        at = envelope.at
        if at is None and about:
            # Its id led elsewhere before: what has a time from then on is newer than that, or a repetition.
            at = next((seen.at for seen, _ in self._found(ident) if seen.subject != about), None)
        seen = SeenFrame(state.era, at, None if scope is None else envelope.seq, scope, state.boots, about, said)
        if session is not None:
            session.seen[ident] = seen
            self.noted(session, ident)
            if len(session.seen) > MOST_SEEN:
                self._forget_half(session)
            return
        outside = state.seen_outside_sessions
        outside.pop(ident, None)
        outside[ident] = seen
        if len(outside) > _OUTSIDE:
            del outside[next(iter(outside))]

    def _remember_bare(self, name: Name, envelope: Envelope) -> None:
        """Note a frame without id, time and number: if an equal one came lately, it may be a repetition."""
        bare, ident = self._state.nameless_frames, f"{name.kind}/{brief(name.subject)}"
        last = bare.pop(ident, None)
        if last is not None and envelope.stamp.mono - last <= _AGAIN_MS:
            self._state.doubts.believed += 1
        bare[ident] = envelope.stamp.mono
        if len(bare) > _OUTSIDE:
            del bare[next(iter(bare))]

    def _forget_half(self, session: Session) -> None:
        """Forget the older half of a session's frames, because there are too many, and count them."""
        for ident in list(session.seen)[: MOST_SEEN // 2]:
            del session.seen[ident]
            self.noted(session, ident)
        self._state.doubts.forgotten += MOST_SEEN // 2

    def _found(self, ident: str) -> Iterator[tuple[SeenFrame, bool]]:
        """The frames that are remembered under this text, and whether each is of the present session."""
        state = self._state
        session = state.session
        if session is not None and (seen := session.seen.get(ident)) is not None:
            yield seen, True
        if (seen := state.seen_outside_sessions.get(ident)) is not None:
            yield seen, False
        for over in state.ended[: -_LOOKED_BACK - 1 : -1]:
            if (seen := over.seen.get(ident)) is not None:
                yield seen, False

    def _is_same(self, seen: SeenFrame, name: Name, envelope: Envelope, scope: str | None, own: bool) -> bool:
        """Whether the remembered frame is this one.

        Within one era of the server and one session, an equal id is enough, whatever the times say. In a later era the
        times must be equal, too; without times, the boot and the subject.

        Args:
            own: The present session remembers it.
        """
        if name.own_id is not None:
            if seen.subject and seen.subject != brief(name.subject) and self._is_news(seen, envelope):
                return False  # an id that is used again, for another camera
            # The era may have gone back since, because a new one was a mistake: its frames belong to the present one.
            if own and seen.era >= self._state.era:
                return True
            # In a later era, another time shows that it is another event. So does another boot.
            if envelope.at is not None or seen.at is not None:
                return seen.at == envelope.at
            alike = seen.boot == self._state.boots and seen.subject == brief(name.subject)
            again = _further(seen, envelope, scope) == 0 and not self._is_counted_anew(seen, envelope, scope)
            return alike and (again or self.in_history(envelope))
        return envelope.at is not None or not self._is_counted_anew(seen, envelope, scope)

    def _is_counted_anew(self, seen: SeenFrame, envelope: Envelope, scope: str | None) -> bool:
        """Whether the numbers started again since, and have only now come to this one: a repetition would have a lower
        number than others.
        """
        return seen.scope != scope and self.is_ahead(envelope)

    def _is_news(self, seen: SeenFrame, envelope: Envelope) -> bool:
        """Whether a frame is surely no history."""
        if envelope.at is None:
            return not self.in_history(envelope)
        return not self.is_history(envelope) if seen.at is None else envelope.at > seen.at

    def _is_later(self, seen: SeenFrame, name: Name, envelope: Envelope, scope: str | None) -> bool:
        """Whether ``seq`` says that this is another event of the same second."""
        if name.own_id is not None or name.kind == "uploaded" or (name.kind in _STILLS and self._state.has_fine_times):
            return False
        if scope is None or seen.scope != scope or seen.seq is None or envelope.seq is None:
            return False
        return envelope.seq > seen.seq


def _further(seen: SeenFrame, envelope: Envelope, scope: str | None) -> int | None:
    """How far this frame's number is from a remembered one of the same scope; None if they cannot be compared."""
    if (
        scope is None
        or seen.scope is None
        or seen.seq is None
        or envelope.seq is None
        or _line(seen.scope) != _line(scope)
    ):
        return None
    return envelope.seq - seen.seq


def _line(scope: str) -> str:
    """A scope without its epoch."""
    return scope.partition("#")[0]
