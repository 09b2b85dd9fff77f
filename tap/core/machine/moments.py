"""Moments that change nothing: an operator's marks, and moments of the music.

They have no place among changes, so that it does not matter whether they come late: each is a row at its own time,
once.
"""

from __future__ import annotations

from typing import Any

from tap.core.machine.aspects import Aspects, detail_of
from tap.core.machine.identity import name_of
from tap.core.machine.rows import RowWriter, time_of
from tap.core.machine.staleness import Staleness
from tap.core.machine.state import State
from tap.core.machine.stills import program_at
from tap.core.model import Marker, MusicMoment

__all__ = ["Moments"]


class Moments:
    """A row for each, in the session that ran at its time."""

    def __init__(self, state: State, aspects: Aspects, *, rows: RowWriter, staleness: Staleness) -> None:
        self._state = state
        self._aspects = aspects
        self._rows = rows
        self._staleness = staleness

    def music_moment(self, o: MusicMoment) -> None:
        """Something happened in the music: a drop, a break, as the server names it."""
        where = self._where("music_moment", o, o.moment_id, o.kind)
        if where:
            detail = detail_of(momentId=o.moment_id, kind=o.kind, confidence=o.confidence)
            self._rows.event("music_moment", o.envelope, detail=detail, **where)

    def marker(self, o: Marker) -> None:
        """An operator marked this moment; the row has the camera that was live then."""
        where = self._where("marker", o, o.marker_id, o.label)
        if where:
            live = program_at(self._state, o.envelope, where["at"])
            detail = detail_of(label=o.label, source=o.source, by=o.by)
            self._rows.event("marker", o.envelope, camera_id=live, detail=detail, **where)

    def _where(self, kind: str, o: MusicMoment | Marker, own_id: str | None, subject: str | None) -> dict[str, Any]:
        """Where and when a moment is written: key, session and time, as arguments for ``RowWriter.event``.

        Args:
            kind: The row's kind.
            own_id: The moment's own id.
            subject: What it is about, for its key where it has no id.

        Returns:
            Nothing (an empty dict) where it was told before, or no session ran then.
        """
        name, envelope = name_of(o), o.envelope
        scope = self._staleness.scope(envelope)
        counted = not self._staleness.is_history(envelope)
        if name is None or self._staleness.identity.known(name, envelope, scope, counted=counted):
            self._staleness.is_news = False
            return {}
        at = envelope.at if o.at is None else o.at
        home = self._aspects.home(envelope) if self._staleness.is_history(envelope) else self._rows.running()
        self._staleness.identity.remember(name, envelope, scope, self._rows.running())
        if home is None:
            return {}
        key = self._rows.event_key(kind, envelope, own_id=own_id, subject=subject, at=o.at, session=home)
        shared = own_id is None or at is None
        return {"key": key, "session": home, "shared": shared, "at": time_of(envelope) if at is None else at}
