"""The program as shots, one after the other: what an edit is made of."""

from __future__ import annotations

from msgspec import Struct

from tap.history.statistics import Stretch, program_of
from tap.history.timeline import Event, Timeline

__all__ = ["Shot", "shots_of"]


class Shot(Struct, frozen=True, kw_only=True):
    """The program did not change from ``start`` up to, not including, ``end`` (moments of the timeline)."""

    start: int
    end: int
    camera_id: str | None = None
    """None: nothing was on air, or, if not ``known``, it is unknown."""
    known: bool = True
    from_camera_id: str | None = None
    """The camera on air before, according to the event that began this shot."""
    transition: str | None = None
    """How it began, according to that event."""
    duration_ms: int = 0
    """Length of the transition from the picture before it, in ms from its start; 0 for a cut."""

    @property
    def length(self) -> int:
        """Milliseconds."""
        return self.end - self.start


def shots_of(timeline: Timeline) -> list[Shot]:
    """All shots of a session, from its start to its end, in order, without a gap or an overlap."""
    begun = {(event.moment, event.camera_id): event for event in timeline.events if event.kind in ("cut", "off_air")}
    return [
        _shot(stretch, begun.get((stretch.start, stretch.camera_id)) if stretch.known else None)
        for stretch in program_of(timeline)
    ]


def _shot(stretch: Stretch, event: Event | None) -> Shot:
    """A shot with the event that began it. At the session's start and after a gap there is no such event."""
    if event is None:
        return Shot(start=stretch.start, end=stretch.end, camera_id=stretch.camera_id, known=stretch.known)
    plain = (event.transition or "").casefold() == "cut"
    return Shot(
        start=stretch.start,
        end=stretch.end,
        camera_id=stretch.camera_id,
        from_camera_id=event.from_camera_id,
        transition=event.transition,
        duration_ms=0 if plain else event.duration_ms or 0,
    )
