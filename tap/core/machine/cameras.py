"""Cameras: who is there, who left, and what is known of each (docs/how-it-works.md, rule 2).

A camera belongs to a session if it is there when the session starts, joins later, or goes on air. One that goes away
counts as gone only after the grace time (``Policy.grace_ms``, 5 s), and then as of when it went: a shorter flap leaves
no trace.

A frame may say of a camera only some of its texts; the others stay as they were known. Memory is bounded: for a new
camera beyond the bound, one that is away and belongs to nothing that runs is forgotten.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import msgspec
from msgspec import UNSET

from tap.core.machine.rows import RowWriter, time_of
from tap.core.machine.staleness import Staleness
from tap.core.machine.state import Camera, Connection, LastSaid, Leaving, Session
from tap.core.model import CameraInfo, CameraLeft, CameraTold, Envelope, Policy

__all__ = ["Cameras"]

_MOST = 1_000
"""Cameras that are remembered; for another, one that is away and belongs to nothing that runs is forgotten."""
_HEAVIEST = 4_000_000
"""Characters that are remembered of all of them; what a server says beyond that is not taken."""

_TEXTS = ("name", "role", "device", "lens", "placement")


class Cameras:
    """The rules for cameras, and their rows."""

    def __init__(self, rows: RowWriter, staleness: Staleness, policy: Policy) -> None:
        self._rows = rows
        self._staleness = staleness
        self._policy = policy
        self._weight = sum(_weight(camera.info) for camera in rows.state.cameras.values())
        # Only those on their way out, so that the work of a frame does not grow with the number of cameras.
        self._leaving = {name: camera for name, camera in rows.state.cameras.items() if camera.leaving is not None}
        self._agreed: tuple[tuple[CameraInfo, ...], list[Camera]] | None = None
        """A list that said only what was known, and the cameras that it showed; None once anything changed since."""

    # ------------------------------------------------------------------ what frames say

    def updated(self, o: CameraTold) -> None:
        """A camera joined, or something about it changed."""
        self._agreed = None
        camera = self._camera(o.camera.id)
        if camera is None or self._staleness.behind(camera.mark, o.envelope):
            return
        self._merge(camera, o.camera)
        camera.mark = self._mark(camera, o.envelope, explicit=True)
        if o.camera.online is False:
            self._leave(camera, time_of(o.envelope), o.envelope)
        elif o.joined or o.camera.online is True or camera.present is None:
            self._arrive(camera, time_of(o.envelope))
        self._row(camera, time_of(o.envelope))

    def left(self, o: CameraLeft) -> None:
        """A camera left: it counts once the grace time is over, unless it is known that it will not be back."""
        self._agreed = None
        camera = self._camera(o.camera_id)
        if camera is None or self._staleness.behind(camera.mark, o.envelope):
            return
        camera.mark = self._mark(camera, o.envelope, explicit=True)
        self._leave(camera, time_of(o.envelope), o.envelope)
        if o.for_good:
            self._gone(camera)

    def listed(self, infos: tuple[CameraInfo, ...], envelope: Envelope, connection: Connection) -> None:
        """A snapshot lists the cameras that are there; those that it lacks are away.

        After a loss nobody saw one leave: it is dated by the last frame that showed it, so that a tap that did see it
        outranks this one.
        """
        at = time_of(envelope)
        if self._agreed is not None and self._agreed[0] == infos:
            # It agrees with what is known, as it did before: nothing is asked of its age, for nothing changes.
            for camera in self._agreed[1]:
                camera.shown_at = at
            return
        self._agreed = None
        first = not connection.snapshot_seen
        missing = {name for name, camera in self._rows.state.cameras.items() if camera.present and not camera.leaving}
        missing.difference_update([info.id for info in infos])
        agreed = [self._listed(info, at, envelope, connection) for info in infos]
        for name in sorted(missing):
            camera = self._rows.state.cameras[name]
            if not self._staleness.stale(camera.mark, envelope, connection):
                # After a loss nobody saw it leave: it is dated by the last frame that showed it, so that a tap
                # that did see it outranks this one.
                camera.mark = self._mark(camera, envelope, explicit=False)
                self._leave(camera, camera.shown_at if first and camera.shown_at else at, envelope)
        if not missing and all(agreed):
            cameras = self._rows.state.cameras
            self._agreed = infos, [cameras[info.id] for info in infos if info.online is not False]

    def _listed(self, info: CameraInfo, at: int, envelope: Envelope, connection: Connection) -> bool:
        """One camera of the list, unless what it says of it is stale. True if all of it was known."""
        new = info.id not in self._rows.state.cameras
        camera = self._camera(info.id)
        if camera is None:
            return False
        online = info.online is not False
        there = camera.present is True and camera.leaving is None
        differs = online != there or self._would_change(camera, info)
        if differs and self._staleness.stale(camera.mark, envelope, connection):
            self._fill(camera, info, at)
            return False
        if differs:
            camera.mark = self._mark(camera, envelope, explicit=False)
            self._merge(camera, info)
            if online and not there:
                self._arrive(camera, at)
            elif there and not online:
                first = not connection.snapshot_seen
                self._leave(camera, camera.shown_at if first and camera.shown_at else at, envelope)
            elif camera.present is None:
                camera.present = False
            self._row(camera, at)
        if online:
            camera.shown_at = at
        return not (differs or new)

    def on_program(self, camera_id: str | None, at: int) -> None:
        """The camera that is live belongs to the session, whether or not it ever joined."""
        session = self._rows.running()
        if camera_id is None or session is None or camera_id in session.cameras:
            return
        camera = self._camera(camera_id)
        if camera is not None:
            self._rows.camera_row(session, camera, at)

    def join_session(self, session: Session, at: int) -> None:
        """Those present when a session starts or resumes belong to it."""
        for camera in self._rows.state.cameras.values():
            if camera.present or camera.info.id in session.cameras:
                self._rows.camera_row(session, camera, at)

    # ------------------------------------------------------------------ the grace time

    def deadlines(self) -> list[tuple[int, Callable[[], None]]]:
        """When a camera that went away counts as gone."""
        return [
            (camera.leaving.deadline, partial(self._gone, camera))
            for camera in self._leaving.values()
            if camera.leaving is not None
        ]

    def settle_leaving(self) -> None:
        """The session ends: who is away now stays away."""
        for camera in list(self._leaving.values()):
            self._gone(camera)

    def online_in(self, session: Session) -> list[str]:
        """The cameras of this session that are there."""
        cameras = self._rows.state.cameras
        return sorted(name for name in session.cameras if (camera := cameras.get(name)) and camera.present)

    def _gone(self, camera: Camera) -> None:
        """The grace time is over: it left, as of when it went away."""
        self._agreed = None
        leaving, camera.leaving = camera.leaving, None
        self._leaving.pop(camera.info.id, None)
        camera.present = False
        session = self._rows.running()
        if leaving is not None and session is not None and camera.info.id in session.cameras:
            self._rows.camera_row(session, camera, leaving.at, left_at=leaving.at)

    def _leave(self, camera: Camera, at: int, envelope: Envelope) -> None:
        """It went away, as of ``at``; within the grace time nothing has happened yet."""
        if camera.present and camera.leaving is None:
            camera.leaving = Leaving(at, envelope.stamp.mono + self._policy.grace_ms)
            self._leaving[camera.info.id] = camera
        elif camera.present is None:
            camera.present = False

    def _arrive(self, camera: Camera, at: int) -> None:
        """It is there; if it was on its way out, it never left."""
        camera.present, camera.leaving, camera.shown_at = True, None, at
        self._leaving.pop(camera.info.id, None)

    # ------------------------------------------------------------------ what is known of one

    def _camera(self, camera_id: str) -> Camera | None:
        """What is known of a camera, from now on; None where there is no room for another."""
        cameras = self._rows.state.cameras
        camera = cameras.get(camera_id)
        if camera is None and self._has_room(len(camera_id)):
            self._agreed = None
            camera = cameras[camera_id] = Camera(CameraInfo(camera_id))
            self._weight += len(camera_id)
        return camera

    def _has_room(self, weight: int) -> bool:
        """Room for another camera; made by forgetting, so that a server with new ids every day is no trouble."""
        cameras = self._rows.state.cameras
        while len(cameras) >= _MOST or self._weight + weight > _HEAVIEST:
            gone = next((name for name, camera in cameras.items() if self._is_idle(name, camera)), None)
            if gone is None:
                return False
            self._weight -= _weight(cameras.pop(gone).info)
        return True

    def _is_idle(self, name: str, camera: Camera) -> bool:
        """Whether it can be forgotten: it is away, not on air, and no part of the session that runs."""
        session = self._rows.running()
        program = self._rows.state.program.value
        away = not camera.present and camera.leaving is None and name != program
        return away and (session is None or name not in session.cameras)

    @staticmethod
    def _would_change(camera: Camera, info: CameraInfo) -> bool:
        """Whether a frame says anything of it that is not known."""
        # Written out for each of _TEXTS: this is asked of every camera in every snapshot.
        known = camera.info
        return (
            (info.name is not UNSET and info.name != known.name)
            or (info.role is not UNSET and info.role != known.role)
            or (info.device is not UNSET and info.device != known.device)
            or (info.lens is not UNSET and info.lens != known.lens)
            or (info.placement is not UNSET and info.placement != known.placement)
        )

    def _merge(self, camera: Camera, info: CameraInfo) -> None:
        """Take over the texts that are reported, as far as there is room."""
        news = {name: value for name in _TEXTS if (value := getattr(info, name)) is not UNSET}
        changed = msgspec.structs.replace(camera.info, **news)
        more = _weight(changed) - _weight(camera.info)
        if more <= 0 or self._weight + more <= _HEAVIEST:
            self._weight += more
            camera.info = changed

    def _fill(self, camera: Camera, info: CameraInfo, at: int) -> None:
        """Take over what nobody has said of it yet: even a state that may be old says more than nothing."""
        told = {name: getattr(info, name) for name in _TEXTS if getattr(camera.info, name) is UNSET}
        if any(value is not UNSET for value in told.values()):
            self._merge(camera, CameraInfo(camera.info.id, **told))
            self._row(camera, at)

    def _row(self, camera: Camera, at: int) -> None:
        """Write its row, if it is part of the session that runs."""
        session = self._rows.running()
        if session is not None and (camera.present or camera.info.id in session.cameras):
            self._rows.camera_row(session, camera, at)

    def _mark(self, camera: Camera, envelope: Envelope, *, explicit: bool) -> LastSaid:
        return self._staleness.marked(camera.mark, envelope, explicit=explicit)


def _weight(info: CameraInfo) -> int:
    """How many characters are known of a camera."""
    texts = (getattr(info, name) for name in _TEXTS)
    return len(info.id) + sum(len(str(text)) for text in texts if text)
