"""What a session has to remember to know its own: saved by what changed of it, so that a commit does not grow.

The machine's checkpoint holds what is so now, and is small. What grows with a session (explicit frames and keys that
were reported, stills and their rows) and the sessions that are over lie beside it, as records by name:

    m:3:s               session 3, which is over
    m:3:t:KEY           a still of it
    m:3:u:ID            the use of a still's id that counts now
    m:3:i:IDENT         an explicit frame that was reported
    m:3:k:KEY           how many events wanted that key
    m:3:*               (only as a change) all of session 3 is given up

Whoever keeps a checkpoint keeps the changes with it, in one transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import Struct, structs

from tap.core.machine.state import SeenFrame, Session, State, Still, StillUse

__all__ = ["ALL_OF_IT", "Checkpoint", "Memory", "records_of"]

ALL_OF_IT = "*"
_MOST_SESSIONS = 200
_MOST_ROWS = 200_000
"""Records of sessions that are over."""
_MOST_DAYS_MS = 30 * 86_400_000

_Kind = Literal["t", "u", "i", "k"]
_encode = msgspec.json.Encoder().encode
_types: Mapping[str, Any] = {"t": Still, "u": StillUse, "i": SeenFrame, "k": int}
_decoders = {kind: msgspec.json.Decoder(type_).decode for kind, type_ in _types.items()}
_session = msgspec.json.Decoder(Session).decode


class Checkpoint(NamedTuple):
    """What has to be saved so that a restart goes on from here."""

    state: bytes
    """What is so now, as JSON: it replaces the last."""
    memory: Mapping[str, bytes | None]
    """Records that changed since the last one; None where a record is gone."""
    whole: bool = False
    """The records are all there are: what was saved before is to go."""


class _Homes(Struct, frozen=True):
    """Where the records of a session lie while the machine runs."""

    t: dict[str, Still]
    u: dict[str, StillUse]
    i: dict[str, SeenFrame]
    k: dict[str, int]


def _homes(session: Session) -> _Homes:
    return _Homes(session.stills, session.takes, session.seen, session.keys)


def _rows(session: Session) -> int:
    return len(session.stills) + len(session.takes) + len(session.seen) + len(session.keys)


class Memory:
    """Knows what changed since it was last saved, and puts a state together again.

    Who changes a record of a session says so (``note``); the state itself is saved whole each time, for it is small.
    """

    def __init__(self, state: State, records: Iterable[tuple[str, bytes]] = ()) -> None:
        """Complete a state as it was decoded, with the records that were saved beside it.

        Raises:
            msgspec.MsgspecError: A record cannot be read.
            ValueError: A record's name cannot be read.
        """
        self._state = state
        self._changed: dict[str, tuple[Session, _Kind | None, str] | None] = {}
        self._rows_over = 0
        self._restore(records)
        # A checkpoint that holds all of it, as one of 0.1.0 does: the first change is everything.
        self._whole = bool(state.ended) or (state.session is not None and _rows(state.session) > 0)
        if records:
            self._whole = False
        for session in self._sessions():
            if session.number == 0:
                self.number(session)
                self._whole = True
            _modernised(session)
        self._rows_over = sum(_rows(over) for over in state.ended)

    # ------------------------------------------------------------------ what changes

    def number(self, session: Session) -> None:
        """Give a session its number."""
        self._state.sessions_begun += 1
        session.number = self._state.sessions_begun

    def note(self, session: Session, kind: _Kind, name: str) -> None:
        """This record of the session changed, or is gone.

        Args:
            kind: ``t`` a still, ``u`` the use of a still's id, ``i`` a frame that was reported, ``k`` how many wanted a
                key.
            name: Its name among those of its kind.
        """
        self._changed[f"m:{session.number}:{kind}:{name}"] = (session, kind, name)

    def note_over(self, session: Session) -> None:
        """What is known of a session that is over changed."""
        self._changed[f"m:{session.number}:s"] = (session, None, "")

    def retire(self, session: Session) -> None:
        """The session is over: it goes to those that may show again; the oldest are given up for it, if need be."""
        ended = self._state.ended
        ended.append(session)
        self._rows_over += _rows(session)
        self.note_over(session)
        # One a time is enough to stay within bounds, and a clock that was set cannot take them all.
        old = ended[0].shown_at < session.shown_at - _MOST_DAYS_MS
        while len(ended) > 1 and (old or len(ended) > _MOST_SESSIONS or self._rows_over > _MOST_ROWS):
            self._state.doubts.forgotten += _rows(ended[0]) if not old else 0
            self.give_up(ended[0])
            old = False

    def revive(self, session: Session) -> None:
        """The session goes on."""
        self._state.ended.remove(session)
        self._rows_over -= _rows(session)
        self.note_over(session)

    def give_up(self, session: Session) -> None:
        """Remember nothing of a session that is over any more."""
        self._state.ended.remove(session)
        self._rows_over -= _rows(session)
        begin = f"m:{session.number}:"
        for name in [name for name in self._changed if name.startswith(begin)]:
            del self._changed[name]
        self._changed[begin + ALL_OF_IT] = None

    # ------------------------------------------------------------------ what is saved

    def everything(self) -> None:
        """Let the next changes be all there is: what was saved before is lost."""
        self._whole = True

    def save(self, state: bytes) -> Checkpoint:
        """The records that changed since the last call, beside the state as it is now."""
        if self._whole:
            self._whole = False
            self._changed.clear()
            return Checkpoint(state, dict(self._records()), whole=True)
        if not self._changed:
            return Checkpoint(state, {})
        changed, self._changed = self._changed, {}
        over = {session.number for session in self._state.ended}
        return Checkpoint(state, {name: self._record(what, over) for name, what in changed.items()})

    def _record(self, what: tuple[Session, _Kind | None, str] | None, over: set[int]) -> bytes | None:
        """A record as it is now; None where it is gone."""
        if what is None:
            return None
        session, kind, name = what
        if kind is None:
            return _encode(stripped(session)) if session.number in over else None
        value = getattr(_homes(session), kind).get(name)
        return None if value is None else _encode(value)

    def _records(self) -> Iterator[tuple[str, bytes]]:
        """All records there are."""
        for session in self._sessions():
            begin = f"m:{session.number}:"
            if session is not self._state.session:
                yield f"{begin}s", _encode(stripped(session))
            homes = _homes(session)
            for kind in _types:
                for name, value in getattr(homes, kind).items():
                    yield f"{begin}{kind}:{name}", _encode(value)

    # ------------------------------------------------------------------ what comes back

    def _restore(self, records: Iterable[tuple[str, bytes]]) -> None:
        """Put saved records where they lie while the machine runs; one of a session that is not known is dropped."""
        state = self._state
        parts: list[tuple[int, str, str, bytes]] = []
        sessions: dict[int, Session] = {}
        for name, data in records:
            _, number, kind, *rest = name.split(":", 3)
            if kind == "s":
                sessions[int(number)] = _session(data)
            else:
                parts.append((int(number), kind, rest[0], data))
        state.ended += [sessions[number] for number in sorted(sessions)]
        if state.session is not None:
            sessions[state.session.number] = state.session
        for owner, kind, name, data in parts:
            if owner in sessions:
                getattr(_homes(sessions[owner]), kind)[name] = _decoders[kind](data)

    def _sessions(self) -> list[Session]:
        state = self._state
        return [*state.ended, *([] if state.session is None else [state.session])]


def records_of(records: Iterable[tuple[str, bytes]], session_key: str) -> list[str]:
    """The names of what is remembered of a session that is over, among these."""
    saved = dict(records)
    numbers = [name.split(":")[1] for name in saved if name.endswith(":s") and name.count(":") == 2]
    owned = [f"m:{number}:" for number in numbers if _session(saved[f"m:{number}:s"]).key == session_key]
    return [name for name in saved if name.startswith(tuple(owned))]


def stripped(session: Session) -> Session:
    """The session without what lies in records of its own."""
    return structs.replace(session, stills={}, takes={}, seen={}, keys={}, markers={}, asked={})


def slim(state: State) -> State:
    """The state without what lies in records."""
    session = state.session
    return structs.replace(state, ended=[], session=None if session is None else stripped(session))


def _modernised(session: Session) -> None:
    """Ids of stills as 0.1.0 saved them."""
    for name, at in session.asked.items():
        session.takes.setdefault(name, StillUse(1, 0, at, session.markers.get(name)))
    session.asked, session.markers = {}, {}
    for still in session.stills.values():
        take = session.takes.get(still.row.fields["stillId"])
        if take is not None and take.captured is None:
            take.captured = still.row.fields.get("capturedAt")
