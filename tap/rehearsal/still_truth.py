"""The truth about stills: rows that only move forward, and what an id can mean.

An id is valid for one boot of the server and one session. If frames could also mean another still with that id, both
rows are uncertain. Without ids, captures have to be paired with requests, so all rows are uncertain.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

from msgspec import UNSET, Struct, UnsetType, field

from tap.rehearsal.doubts import FrameDoubts
from tap.rehearsal.truth import EventTruth, StillTruth
from tap.rehearsal.world import Fact

__all__ = ["StillTruths", "When"]

_NAMELESS = "stills without ids"
_Status: TypeAlias = Literal["requested", "failed", "captured", "uploaded"]
_RANK: tuple[_Status, ...] = ("requested", "failed", "captured", "uploaded")


class When(Struct, frozen=True):
    """A time as a row has it, and as the receiver's clock had it."""

    at: int
    exact: bool
    """Whether the frame had ``at``."""
    wall: int
    now: int = 0
    """Virtual time."""


class _Still(Struct):
    """A still's row, its capture, and what was on air at each frame about it."""

    row: StillTruth
    thing: str | None = None
    event: EventTruth | None = None
    live: set[str | UnsetType | None] = field(default_factory=set)

    def climb(self, status: _Status) -> None:
        """The status only moves forward."""
        if _RANK.index(status) > _RANK.index(self.row.status):
            self.row.status = status

    def doubt(self) -> None:
        """Its row, and its capture, may be in the history or not."""
        self.row.doubtful = True
        if self.event is not None:
            self.event.doubtful = True

    def settled(self) -> StillTruth:
        """The row, with the program camera if that is certain."""
        only = next(iter(self.live)) if len(self.live) == 1 else None
        if only is not None and only is not UNSET:
            self.row.program_camera_id = only
        return self.row


class _Name(Struct, frozen=True):
    """The name of a still in frames, with its session and boot."""

    thing: str
    session: str
    boot: str | None


class StillTruths:
    """The rules for stills (docs/how-it-works.md, rule 6).

    ``add`` adds an event to a session. ``live`` gives what was on air at a moment, UNSET if that is uncertain.
    """

    def __init__(
        self,
        doubts: FrameDoubts,
        add: Callable[[EventTruth, When, str], EventTruth | None],
        live: Callable[[When], str | UnsetType | None],
    ) -> None:
        self._doubts = doubts
        self._add = add
        self._live = live
        self._stills: dict[tuple[str | None, str, int], _Still] = {}
        self._owner: dict[str, str] = {}
        """The session that requested each still."""
        self._marked: set[str] = set()
        self._wanted: set[tuple[str, str]] = set()
        """Pairs of still and requested camera."""
        self._names: dict[str, list[_Name]] = {}
        self._late: set[str] = set()
        """Stills with late frames only."""

    @property
    def rows(self) -> list[StillTruth]:
        """All of them, as they are known by now."""
        nameless = any(doubt.why == _NAMELESS for doubt in self._doubts.told)
        for still in self._stills.values():
            still.row.doubtful |= nameless and still.row.still_id is None
        return [still.settled() for still in self._stills.values()]

    def told_late(self, fact: Fact) -> None:
        """Something of it happened in blind time, and is told now: a row that is known already moves forward."""
        if fact.thing is None:
            return
        self._late.add(fact.thing)
        for still in self._of(fact):
            if fact.kind == "uploaded" and self._is_only(fact) and not still.row.doubtful:
                still.climb("uploaded")
                still.row.storage_key = fact.storage_key or UNSET
                still.row.sha256 = fact.sha256 or UNSET
            else:
                still.doubt()

    def _of(self, fact: Fact) -> list[_Still]:
        """The rows that are known of what this frame is about."""
        cameras = fact.camera_ids or (fact.camera,)
        found = (self._stills.get((fact.thing, camera, 0)) for camera in cameras if camera is not None)
        return [still for still in found if still is not None]

    def _is_only(self, fact: Fact) -> bool:
        """Whether no other still had its id, and no other start of the server gave it."""
        names = self._names.get(fact.still_id or "", ())
        return all(one.thing == fact.thing and one.boot == self._doubts.runs.boot for one in names)

    # ------------------------------------------------------------------------------------------ what frames tell

    def asked(self, fact: Fact, when: When) -> None:
        thing = fact.thing or fact.still_id
        assert thing is not None  # noqa: S101 (a request is for something)
        owner = self._owner.get(thing, self._doubts.session)
        if owner is None or thing in self._marked:
            return
        self._marked.add(thing)
        marker = EventTruth(session_id="", kind="still_marker", at=0, camera_ids=list(fact.camera_ids))
        if fact.still_id is not None:
            marker.still_id = fact.still_id
        taken = self._name_is_taken(fact.still_id, thing, owner)
        marker.doubtful = taken or self._doubts.told_before()
        self._add(marker, when, owner)
        for camera in fact.camera_ids:
            still = self._still(fact, camera, when)
            if still is not None and marker.doubtful:
                still.row.doubtful = True

    def captured(self, fact: Fact, when: When) -> None:
        still = self._still(fact, fact.camera, when)
        if still is not None:
            still.row.captured_at, still.row.exact = when.at, when.exact
            self._take(still, when, inferred=False)
            still.climb("captured")

    def uploaded(self, fact: Fact, when: When) -> None:
        still = self._still(fact, fact.camera, when)
        if still is not None:
            self._take(still, when, inferred=True)
            still.climb("uploaded")
            still.row.storage_key = fact.storage_key or UNSET
            still.row.sha256 = fact.sha256 or UNSET

    def failed(self, fact: Fact, when: When) -> None:
        still = self._still(fact, fact.camera, when)
        if still is not None:
            still.climb("failed")

    def _take(self, still: _Still, when: When, *, inferred: bool) -> None:
        """A capture is told once; what an upload alone told gives way to the frame that tells it properly."""
        named = still.row.still_id is not None
        if still.event is None:
            event = EventTruth(session_id="", kind="still_capture", at=0, camera_id=still.row.camera_id)
            event.inferred = inferred
            event.doubtful = still.row.doubtful and (named or inferred)
            still.event = self._add(event, when, still.row.session_id)
        elif still.event.inferred and not inferred:
            still.event.at, still.event.exact, still.event.inferred = when.at, when.exact, False
        if still.event is not None and still.row.doubtful and named:
            still.event.doubtful = True

    def _still(self, fact: Fact, camera: str | None, when: When) -> _Still | None:
        """The still's row; it belongs to the session that asked for it, whatever runs now."""
        assert camera is not None  # noqa: S101 (every still is some camera's)
        thing = fact.thing or fact.still_id
        owner = self._doubts.session if thing is None else self._owner.get(thing, self._doubts.session)
        if owner is None:
            if fact.still_id in self._names:
                self._doubts.doubt_once("stills", "a still of an id that another may have, and no session runs")
            return None
        if thing is not None:
            self._owner[thing] = owner
        still = self._known(fact, thing, owner, camera, when)
        if thing is not None:
            self._ask_whose(fact, thing, owner, camera, still)
        still.live.add(self._live(when))
        return still

    def _known(self, fact: Fact, thing: str | None, owner: str, camera: str, when: When) -> _Still:
        key = (thing, camera, when.at if thing is None else 0)
        still = self._stills.get(key)
        if still is None:
            row = StillTruth(session_id=owner, still_id=fact.still_id, camera_id=camera)
            still = self._stills[key] = _Still(row, thing)
            if fact.thing is not None and fact.still_id is None:
                row.doubtful = True
                self._doubts.doubt("stills", _NAMELESS)
        return still

    # ------------------------------------------------------------------------------------------ whose it is

    def _ask_whose(self, fact: Fact, thing: str, owner: str, camera: str, still: _Still) -> None:
        """Whether frames of this id could mean another still, or none that anybody heard of."""
        if thing in self._late:
            still.row.doubtful = True
        if fact.kind == "asked":
            self._wanted.update((thing, one) for one in fact.camera_ids)
        elif (thing, camera) not in self._wanted and self._is_anothers(fact.still_id, thing):
            still.row.doubtful = True
            self._doubts.doubt_once("stills", "a still whose request no frame carried")
            for one in self._names.get(fact.still_id or "", ()):
                rival = self._stills.get((one.thing, camera, 0))
                if rival is not None and rival is not still:
                    rival.doubt()
        if fact.still_id is not None:
            self._name(fact.still_id, thing, owner, camera, still)

    def _name_is_taken(self, name: str | None, thing: str, owner: str) -> bool:
        """Whether another still of this session and boot has this id, and none of it was captured yet."""
        boot = self._doubts.runs.boot
        earlier = {
            other.thing
            for other in self._names.get(name or "", ())
            if other.session == owner and other.boot == boot and other.thing != thing
        }
        waiting = [
            still
            for still in self._stills.values()
            if still.thing in earlier and still.row.status in ("requested", "failed")
        ]
        for still in waiting:
            still.row.doubtful = True
        return bool(waiting)

    def _is_anothers(self, name: str | None, thing: str) -> bool:
        """Whether an id was given to another still, in another session or by another start of the server."""
        known = self._names.get(name or "", ())
        return any(one.thing != thing or one.boot != self._doubts.runs.boot for one in known)

    def _name(self, name: str, thing: str, owner: str, camera: str, still: _Still) -> None:
        """Frames call it so; where a later still of that name could be meant too, neither is sure."""
        names = self._names.setdefault(name, [])
        if all(one.thing != thing for one in names):
            names.append(_Name(thing, owner, self._doubts.runs.boot))
        later = names[[one.thing for one in names].index(thing) + 1 :]
        for one in later:
            still.doubt()
            rival = self._stills.get((one.thing, camera, 0))
            if rival is not None:
                rival.doubt()
        if later:
            self._doubts.doubt_once("stills", "an id that several stills had")
