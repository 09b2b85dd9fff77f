"""Moments that change nothing: an operator's marks, and moments of the music.

They have no place among changes, so that it does not matter whether they come late: each is a row at its own time,
once.
"""

from __future__ import annotations

from typing import Any

from tap.core.kinds import KINDS
from tap.core.machine.aspects import Aspects, detail_of
from tap.core.machine.identity import name_of, words_of
from tap.core.machine.live import program_at
from tap.core.machine.rows import RowWriter, time_of
from tap.core.machine.staleness import Staleness
from tap.core.machine.state import State
from tap.core.model import Moment

__all__ = ["Moments"]


class Moments:
    """A row for each, in the session that ran at its time."""

    def __init__(self, state: State, aspects: Aspects, *, rows: RowWriter, staleness: Staleness) -> None:
        self._state = state
        self._aspects = aspects
        self._rows = rows
        self._staleness = staleness

    def take(self, o: Moment) -> None:
        """A moment of any kind; where its row has a camera, it is the one that was live then."""
        where = self._where(o)
        if where:
            live = program_at(self._state, o.envelope, where["at"]) if "cameraId" in KINDS[o.event].fields else None
            self._rows.event(o.event, o.envelope, camera_id=live, detail=detail_of(**o.detail), **where)

    def _where(self, o: Moment) -> dict[str, Any]:
        """Where and when a moment is written: key, session and time, as arguments for ``RowWriter.event``.

        Returns:
            Nothing (an empty dict) where it was reported before, or no session ran then.
        """
        name, envelope = name_of(o), o.envelope
        scope = self._staleness.scope(envelope)
        identity, words = self._staleness.identity, words_of(o)
        news = not (self._staleness.is_history(envelope) or self._staleness.is_told_with_history(envelope))
        if name is None or (
            identity.known(name, envelope, scope, counted=news)
            and not (news and identity.differs(name, envelope, scope, words))
        ):
            self._staleness.is_news = False
            return {}
        at = envelope.at if o.at is None else o.at
        home = self._rows.running() if news else self._aspects.home(envelope, known=o.own_id is not None)
        identity.remember(name, envelope, scope, self._rows.running(), words=words)
        if home is None:
            return {}
        key = self._rows.event_key(o.event, envelope, own_id=o.own_id, subject=o.subject, at=o.at, session=home)
        shared = o.own_id is None or at is None
        return {"key": key, "session": home, "shared": shared, "at": time_of(envelope) if at is None else at}
