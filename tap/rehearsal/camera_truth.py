"""The truth about cameras: which are online, since when others are not, and their rows in each session."""

from __future__ import annotations

from msgspec import UNSET, Struct, structs

from tap.rehearsal.doubts import FrameDoubts
from tap.rehearsal.still_truth import When
from tap.rehearsal.truth import CameraTruth
from tap.rehearsal.world import Fact, ServerCamera, World

__all__ = ["GRACE_MS", "CameraTruths"]

GRACE_MS = 5000
"""The tap's grace time; an absence within a second of it is not checked."""


class _Known(Struct):
    """What is known of one camera."""

    info: ServerCamera
    here: bool
    away: When | None = None
    told_leaving: bool = False
    """Whether a frame said that it left (or a snapshot did not list it)."""


class CameraTruths:
    """The cameras as frames and snapshots show them. A camera that is back within the grace time was never away."""

    def __init__(self, doubts: FrameDoubts) -> None:
        self.rows: dict[tuple[str, str], CameraTruth] = {}
        """By session and camera id."""
        self._doubts = doubts
        self._known: dict[str, _Known] = {}

    def described(self, fact: Fact, when: When) -> None:
        """A frame describes a camera, which is therefore online."""
        assert fact.info is not None  # noqa: S101 (it describes one)
        self._here(fact.info, when)

    def left(self, fact: Fact, when: When) -> None:
        """A frame says that a camera left."""
        assert fact.camera is not None  # noqa: S101 (it names one)
        self._gone(fact.camera, when, told=True)

    def look(self, world: World, when: When) -> None:
        """Take in which cameras a snapshot lists, and which it does not."""
        listed = {camera.id: camera for camera in world.cameras}
        for camera in listed.values():
            if camera.online is False:
                self._gone(camera.id, when, told=False)
            else:
                self._here(camera, when)
        for camera_id, known in self._known.items():
            if camera_id not in listed and known.here:
                self._gone(camera_id, when, told=False)

    def differ(self, world: World) -> bool:
        """Whether a snapshot says anything new about cameras."""
        here = {camera.id for camera in world.cameras if camera.online is not False}
        return here != {name for name, known in self._known.items() if known.here} or any(
            self._is_new(camera) for camera in world.cameras
        )

    def standing(self, program: str | None, wall: int) -> tuple[list[str], list[str]]:
        """The ids of the cameras that are online at ``wall`` (receiver's Unix ms), and of those that may be.

        ``program`` is the camera on air; if no frame described it, it is one of the second.
        """
        unsure = {program} - self._known.keys() - {None}
        unsure |= {
            name for name, known in self._known.items() if known.away is not None and _long(known, wall) is not True
        }
        online = sorted(name for name, known in self._known.items() if known.here and name not in unsure)
        return online, sorted(name for name in unsure if name is not None)

    def keep(self, program: str | None, wall: int) -> None:
        """Update the rows of the running session. The camera on air has one, even if no frame describes it."""
        session = self._doubts.session
        if session is None:
            return
        for camera_id, known in self._known.items():
            key = (session, camera_id)
            if known.here and key not in self.rows:
                self.rows[key] = CameraTruth(session_id=session, camera_id=camera_id, left_at=None)
            if key in self.rows:
                _describe(self.rows[key], known, wall)
        if program is not None and (session, program) not in self.rows:
            self.rows[session, program] = CameraTruth(
                session_id=session, camera_id=program, doubtful=self._doubts.unsure("program")
            )

    def leave_open(self, wall: int) -> None:
        """At the end of a session: leave open whether cameras that have just gone will be back."""
        for camera_id, known in self._known.items():
            row = self.rows.get((self._doubts.session or "", camera_id))
            if row is not None and known.away is not None and _long(known, wall) is not True:
                row.status = row.left_at = UNSET

    def _here(self, camera: ServerCamera, when: When) -> None:
        known, session = self._known.get(camera.id), self._doubts.session
        if known is None:
            self._known[camera.id] = _Known(info=camera, here=True)
            return
        said = {name: getattr(camera, name) for name in camera.__struct_fields__ if getattr(camera, name) is not None}
        known.info = structs.replace(known.info, **said)
        if known.away is not None and _long(known, when.wall) is not False and session is not None:
            row = self.rows.get((session, camera.id))
            if row is not None:
                row.left_at = UNSET  # it really was away: whether its row still says so is not for us to decide
        known.here, known.away = True, None

    def _gone(self, camera_id: str, when: When, *, told: bool) -> None:
        known = self._known.get(camera_id)
        if known is not None and known.here:
            known.here, known.away, known.told_leaving = False, when, told

    def _is_new(self, camera: ServerCamera) -> bool:
        known = self._known.get(camera.id)
        told = ("name", "role", "device", "lens", "placement")
        return known is None or any(getattr(camera, name) not in (None, getattr(known.info, name)) for name in told)


def _long(known: _Known, wall: int) -> bool | None:
    """Whether a camera is away for longer than the grace time; None if it is too close to say."""
    if known.away is None:
        return False
    gone = wall - known.away.wall
    return None if abs(gone - GRACE_MS) < 1000 else gone > GRACE_MS


def _describe(row: CameraTruth, known: _Known, wall: int) -> None:
    """Copies what is known of a camera into its row."""
    info = known.info
    row.name, row.role = info.name or UNSET, info.role or UNSET
    row.device, row.lens = info.device or UNSET, info.lens or UNSET
    row.place = info.placement["label"] if info.placement else UNSET
    away = _long(known, wall)
    if away is None:
        row.status = UNSET
    else:
        row.status = "offline" if away else "online"
    if away is not False and known.away is not None:
        row.left_at = known.away.at if away and known.told_leaving and known.away.exact else UNSET
