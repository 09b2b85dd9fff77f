"""The truth of events: every row that a history has to have, or must not have, with when its frame was received."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import UNSET, UnsetType

from tap.rehearsal.doubts import FrameDoubts
from tap.rehearsal.still_truth import When
from tap.rehearsal.truth import EventTruth
from tap.rehearsal.world import Fact

__all__ = ["EventTruths", "makes_event", "missed_event"]

_MISSED_KINDS = {
    "cut": "cut",
    "hold": "hold",
    "release": "release",
    "mode": "mode_change",
    "music": "music_moment",
    "asked": "still_marker",
    "captured": "still_capture",
    "marker": "marker",
}
"""The kind of event that would have been recorded, by the kind of fact; other facts make no event."""


class EventTruths:
    """The events of all sessions. What is doubtful by the time at which it was received is marked at the end."""

    def __init__(self, doubts: FrameDoubts) -> None:
        self._doubts = doubts
        self._events: list[EventTruth] = []
        self._walls: dict[int, int] = {}
        """When the frame of an event was received, by the event's ``id()``."""
        self._moments: set[str] = set()

    def add(self, event: EventTruth, when: When, session: str | None = None) -> EventTruth | None:
        """Record an event of ``session``, else of the running one; None where there is no session to record it in."""
        owner = session or self._doubts.session
        if owner is None:
            return None
        event.session_id, event.at, event.exact = owner, when.at, when.exact
        self._events.append(event)
        self.received(event, when.wall)
        return event

    def put(self, event: EventTruth) -> None:
        """Record an event that is complete; it was not received, unless ``received`` says so."""
        self._events.append(event)

    def received(self, event: EventTruth, wall: int) -> None:
        """Say when an event's frame was received: Unix ms by the receiver's clock."""
        self._walls[id(event)] = wall

    def music(self, fact: Fact, when: When) -> None:
        """A moment of the music; one that was named before is no event."""
        if fact.moment is not None and fact.moment not in self._moments and self._doubts.session is not None:
            self._moments.add(fact.moment)
            doubtful = self._doubts.told_before()
            self.add(EventTruth(session_id="", kind="music_moment", at=0, doubtful=doubtful), when)

    def marker(self, fact: Fact, when: When) -> None:
        """An operator's mark."""
        doubtful = self._doubts.told_before()
        self.add(EventTruth(session_id="", kind="marker", at=0, label=fact.label or UNSET, doubtful=doubtful), when)

    def rows(self) -> list[EventTruth]:
        """All events in order of time, after the last frame. Marks those in a time of doubt."""
        self._doubts.mark_doubtful(
            (event, self._walls[id(event)]) for event in self._events if id(event) in self._walls
        )
        return sorted(_unrepeated(self._events), key=lambda event: event.at)


def missed_event(fact: Fact, session: str) -> EventTruth:
    """An event that happened while no client was connected. A history may have it only if a later frame reports it."""
    kind = "off_air" if fact.kind == "cut" and fact.camera is None else _MISSED_KINDS[fact.kind]
    event = EventTruth(session_id=session, kind=kind, at=fact.at, carried=False)
    event.exact = fact.timed
    if fact.camera is not None:
        event.camera_id = fact.camera
    if fact.label is not None:
        event.label = fact.label
    if fact.kind == "asked" and fact.still_id is not None:
        event.still_id = fact.still_id
    return event


def makes_event(fact: Fact) -> bool:
    """Whether a fact of this kind is recorded as an event."""
    return fact.kind in _MISSED_KINDS


def _unrepeated(events: Iterable[EventTruth]) -> Iterator[EventTruth]:
    """All events, without those that were missed twice: a repeated frame is one event."""
    missed: set[tuple[str, int, str | UnsetType | None]] = set()
    for event in events:
        name = (event.kind, event.at, event.camera_id)
        if event.carried or name not in missed:
            yield event
        if not event.carried:
            missed.add(name)
