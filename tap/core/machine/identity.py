"""Which event is this? What makes an explicit frame the same one that was told before, and what is remembered for it.

A server tells things again: at once, after a reconnect, or in a batch of its last thousand events. What is the same is
judged before what is newer, by the best that a frame carries:

1. **Its own id**, within one life of the server and one session, whatever its time says. After a new start ids begin
   anew: then it is the same only where the time is the same too.
2. **Its time and what it is about**, where it has no id. Where ``seq`` says that it is newer, or its other words differ
   though it is no history told again, it is another.
3. **Its number and what it is about**, where it has no time either.

What has none of the three cannot be told from a repetition: a change of what is on air is then believed, and counted.
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
"""No two stills of one camera in one ms: there a newer number is only the number of another telling."""
_OUTSIDE = 64
"""Explicit frames that are remembered while no session runs."""
MOST_SEEN = 100_000
"""Explicit frames that are remembered of one session."""
_LOOKED_BACK = 8
"""Sessions that are over in which a frame is looked for too."""
_AGAIN_MS = 10_000
"""What carries nothing to know it by may be a repetition of what was told so shortly before."""
_MOST_WORDS = 8
"""Different words that are remembered of frames that share a time and what they are about."""
_SHORT = 80
"""Characters: what is longer is remembered by its digest."""


class Name(NamedTuple):
    """What an explicit frame is called, apart from when it was told."""

    kind: str
    own_id: str | None
    subject: str
    """What it is about: a camera, a mode, a still."""


def name_of(o: Observation | Moment) -> Name | None:  # noqa: C901, PLR0912 - a table
    """The name of an explicit frame; None for what tells a state."""
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
        # A still's id is no frame's: three cameras share it.
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
    """By what this frame is known again: its own id, else its time, else its number, each with what it is about.

    Args:
        scope: What its number can be compared within.
        numbering: How often a connection began to count anew.

    Returns:
        None where it carries nothing to know it by.
    """
    if name.own_id is not None:
        return f"{name.kind}#{brief(name.own_id)}"
    if envelope.at is not None:
        return f"{name.kind}@{envelope.at}/{brief(name.subject)}"
    if scope is not None and envelope.seq is not None:
        # Though the count seems to have begun anew on one line: the same number with the same words is told again.
        return f"{name.kind}:{_line(scope)}%{numbering}:{envelope.seq}/{brief(name.subject)}"
    return None


def words_of(o: Observation) -> int:
    """What a change says beside its name, as a number (a checksum); 0 where it says nothing more.

    Two changes that share a time and a camera may differ in it, and then are two.
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
        case _:
            return 0
    return zlib.crc32(repr(said).encode("utf-8", "surrogatepass"))


def brief(text: str) -> str:
    """``text`` as it is remembered: what is longer than 80 characters by its digest."""
    if len(text) <= _SHORT:
        return text
    return "~" + hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


class Identity:
    """Remembers the explicit frames that were told, and knows them again."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.noted: Callable[[Session, str], None] = lambda _session, _ident: None
        """Told of what a session has to remember from now on."""
        self.is_ahead: Callable[[Envelope], bool] = lambda _told: False
        """Whether this frame's number is higher than any before it, since the count began anew."""
        self.in_history: Callable[[Envelope], bool] = lambda _told: False
        """Whether a frame may be one of those that are told again when a connection begins."""

    def known(self, name: Name, envelope: Envelope, scope: str | None, *, counted: bool = False) -> bool:
        """Whether this frame was told before, in the session that runs, outside of one, or in one of the last eight.

        Args:
            counted: A newer number makes another event of what has only a time.
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
        """Whether each frame of this name and time that was told said something else: then this is another one."""
        ident = ident_of(name, envelope, scope, self._state.numbering)
        if ident is None or name.own_id is not None:
            return False
        return all(seen.words and words not in seen.words for seen, _ in self._found(ident))

    def further(self, name: Name, envelope: Envelope, scope: str | None) -> int | None:
        """How far this frame's number is from the nearest of its name and time, though the count began anew since.

        Above 0 it is another event, at 0 the same one told again; None where not all of them can be compared.
        """
        ident = ident_of(name, envelope, scope, self._state.numbering)
        found = [] if ident is None else [_further(seen, envelope, scope) for seen, _ in self._found(ident)]
        compared = [further for further in found if further is not None]
        if 0 in compared:
            return 0
        return min(compared) if compared and len(compared) == len(found) else None

    def is_coarse(self, name: Name, envelope: Envelope) -> bool:
        """Whether what is known of this frame is only a time in whole seconds: another may share it."""
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
        """Keep this frame, to know it again.

        Args:
            session: In whose memory; None: outside of sessions, where the last 64 are kept.
            changes: It is believed to change something; if it carries nothing to know it by, that is counted as a
                doubt.
            words: What else it says (``words_of``).
        """
        ident = ident_of(name, envelope, scope, self._state.numbering)
        if ident is None:
            if changes:
                self._remember_bare(name, envelope)
            return
        state = self._state
        about = "" if name.own_id is None else brief(name.subject)
        said: list[int] = []
        if words:
            before = (word for seen, _ in self._found(ident) for word in seen.words)
            said = list(dict.fromkeys([*before, words]))[-_MOST_WORDS:]
        seen = SeenFrame(
            state.era, envelope.at, None if scope is None else envelope.seq, scope, state.boots, about, said
        )
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
        """A frame that carries nothing to know it by: told lately, it may be told again."""
        bare, ident = self._state.nameless_frames, f"{name.kind}/{brief(name.subject)}"
        last = bare.pop(ident, None)
        if last is not None and envelope.stamp.mono - last <= _AGAIN_MS:
            self._state.doubts.believed += 1
        bare[ident] = envelope.stamp.mono
        if len(bare) > _OUTSIDE:
            del bare[next(iter(bare))]

    def _forget_half(self, session: Session) -> None:
        """A session has told too many: the older half is forgotten, and counted."""
        for ident in list(session.seen)[: MOST_SEEN // 2]:
            del session.seen[ident]
            self.noted(session, ident)
        self._state.doubts.forgotten += MOST_SEEN // 2

    def _found(self, ident: str) -> Iterator[tuple[SeenFrame, bool]]:
        """What is remembered under this, and whether it is of the session that runs."""
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
        """Whether what is remembered is this very frame.

        An id within one life of the server and one session is the same whatever its time says. After a new start it is
        the same only at the same time; without times, within one boot and about the same thing.

        Args:
            own: It is remembered of the session that runs.
        """
        if name.own_id is not None:
            if seen.subject and seen.subject != brief(name.subject) and self._is_news(seen, envelope):
                return False  # an id that is used again, for another camera
            # The era falls back where a new life turned out to be none: what was noted in it is of this one then.
            if own and seen.era >= self._state.era:
                return True
            # After a new start only another time tells another event, after a new boot the boot itself does too.
            if envelope.at is not None or seen.at is not None:
                return seen.at == envelope.at
            alike = seen.boot == self._state.boots and seen.subject == brief(name.subject)
            return alike and (own or _further(seen, envelope, scope) == 0 or self.in_history(envelope))
        # A number that came round: told again it would lie behind what was counted since.
        return envelope.at is not None or seen.scope == scope or not self.is_ahead(envelope)

    def _is_news(self, seen: SeenFrame, envelope: Envelope) -> bool:
        """Whether a frame is surely none of those that are told again when a connection begins."""
        if envelope.at is None:
            return not self.in_history(envelope)
        return seen.at is not None and envelope.at > seen.at

    def _is_later(self, seen: SeenFrame, name: Name, envelope: Envelope, scope: str | None) -> bool:
        """Whether ``seq`` says that this is another event of the same second."""
        if name.own_id is not None or name.kind == "uploaded" or (name.kind in _STILLS and self._state.has_fine_times):
            return False
        if scope is None or seen.scope != scope or seen.seq is None or envelope.seq is None:
            return False
        return envelope.seq > seen.seq


def _further(seen: SeenFrame, envelope: Envelope, scope: str | None) -> int | None:
    """How far this frame's number is from the one that was seen on its line; None where they cannot be compared."""
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
    """What a scope is of, though the count seemed to begin anew on it."""
    return scope.partition("#")[0]
