"""Stills: rows that only move forward, whatever order the frames come in."""

from __future__ import annotations

from typing import Any

from tap.core.book import Book, told_at
from tap.core.codec import MAX_KEY, key_part, sub_key
from tap.core.model import StillCaptured, StillFailed, StillRequested, StillUploaded, Told
from tap.core.state import Session, State, Still

__all__ = ["RANK", "Stills"]

RANK = {"requested": 0, "failed": 1, "captured": 2, "uploaded": 3}
"""A still's ``status`` never falls."""

_COLUMNS = (
    *("stillId", "cameraId", "cameraName", "status", "requestedAt", "capturedAt", "uploadedAt", "storageKey", "url"),
    *("width", "height", "bytes", "sha256", "failReason", "programCameraId", "programCameraName"),
)

_CLOCK_SET_MS = 2_000
"""A server's clock that is off by this much more or less than before was set meanwhile."""

_MOST = 1_000
"""Stills of one session whose rows can still change; the oldest uploaded ones are forgotten first."""
_HEAVY = 2_000
"""Characters of a still beyond which its session's stills are weighed, not only counted."""


class Stills:
    """The rules for stills (rule 6 of the design)."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def requested(self, o: StillRequested) -> None:
        """Somebody asked: a marker, and a row for each camera that was asked."""
        at = told_at(o.told)
        name = o.still_id if o.still_id is not None else f"@{at}"
        session = self._asking(name, at)
        if session is None:
            return
        if _brief(name) not in session.markers:
            _keep(session.markers, name, at)
            _keep(session.asked, name, at)
            detail: dict[str, Any] = {"stillId": name, "cameraIds": list(o.camera_ids)}
            if o.by is not None:
                detail["by"] = o.by
            key = sub_key(session.key, "still_marker", name)
            self._book.event("still_marker", o.told, key=key, session=session, detail=detail)
        for camera_id in o.camera_ids:
            self._move(session, name, camera_id, o.told, "requested", {"requestedAt": at}, anonymous=o.still_id is None)

    def captured(self, o: StillCaptured) -> None:
        """A camera has it."""
        at = told_at(o.told) if o.taken_at is None else o.taken_at
        found = self._place(o.still_id, o.camera_id, at, before="captured")
        if found is None:
            return
        session, name = found
        sizes = {"capturedAt": at, "width": o.width, "height": o.height}
        still = self._move(session, name, o.camera_id, o.told, "captured", sizes, anonymous=o.still_id is None)
        self._capture(session, still, name, o.camera_id, o.told, at, "seen")

    def uploaded(self, o: StillUploaded) -> None:
        """The file is safe; where no capture was told, this tells it too."""
        at = told_at(o.told)
        found = self._place(o.still_id, o.camera_id, at if o.taken_at is None else o.taken_at, before="uploaded")
        if found is None:
            return
        session, name = found
        facts = {"uploadedAt": at, "storageKey": o.storage_key, "url": o.url, "bytes": o.bytes, "sha256": o.sha256}
        if o.taken_at is not None:
            facts["capturedAt"] = o.taken_at
        still = self._move(session, name, o.camera_id, o.told, "uploaded", facts, anonymous=o.still_id is None)
        how = "inferred" if o.taken_at is None else "seen"
        self._capture(session, still, name, o.camera_id, o.told, at if o.taken_at is None else o.taken_at, how)

    def failed(self, o: StillFailed) -> None:
        """A camera could not take it."""
        found = self._place(o.still_id, o.camera_id, told_at(o.told), before="failed")
        if found is not None:
            session, name = found
            facts = {"failReason": o.reason}
            self._move(session, name, o.camera_id, o.told, "failed", facts, anonymous=o.still_id is None)

    # ------------------------------------------------------------------ where a still belongs

    def _sessions(self) -> list[Session]:
        state = self._book.state
        current = [] if state.session is None else [state.session]
        return current + state.ended[::-1]

    def _asking(self, name: str, at: int) -> Session | None:
        """The session that a request belongs to: the one that runs, unless an older one's request is only repeated."""
        known, running = self._asked_in(name), self._book.running()
        if known is None or known is running:
            return running
        return known if running is None or known.markers.get(_brief(name), at) == at else running

    def _asked_in(self, still_id: str | None) -> Session | None:
        """The session that knows this still: the one that asked for it, even if it is over."""
        if still_id is None:
            return None
        return next((session for session in self._sessions() if _brief(still_id) in session.asked), None)

    def _place(self, still_id: str | None, camera_id: str, at: int, *, before: str) -> tuple[Session, str] | None:
        """The session and name of a still; None where there is no session that it could belong to."""
        if still_id is not None:
            session = self._asked_in(still_id) or self._book.running()
            if session is None:
                return None
            _keep(session.asked, still_id, at)
            return session, still_id
        ident = f"still/{before}/{camera_id}/{at}"
        if ident in self._book.state.recent:
            return None
        self._book.remember(ident)
        for session in self._sessions():
            waiting = self._anonymous(session, camera_id, before)
            if waiting is not None:
                return session, waiting
        running = self._book.running()
        return None if running is None else (running, f"@{at}")

    def _anonymous(self, session: Session, camera_id: str, before: str) -> str | None:
        """The latest still of this camera that has no id and has not come as far as ``before``."""
        for still in reversed(session.stills.values()):
            fields = still.row.fields
            if still.anonymous and fields["cameraId"] == camera_id and RANK[fields["status"]] < RANK[before]:
                name: str = fields["stillId"]
                return name
        return None

    # ------------------------------------------------------------------ rows and events

    def _move(
        self,
        session: Session,
        name: str,
        camera_id: str,
        told: Told,
        status: str,
        facts: dict[str, Any],
        *,
        anonymous: bool,
    ) -> Still:
        key = sub_key(session.key, "still", name, camera_id)
        still = session.stills.get(key)
        old = still.row.fields if still is not None else {"stillId": name, "cameraId": camera_id, "status": status}
        fields = dict(old)
        info = self._book.info(camera_id)
        if info is not None and info.name:
            fields.setdefault("cameraName", info.name)
        for column, value in facts.items():
            if value is not None:
                fields.setdefault(column, value)
        if RANK[status] > RANK[fields["status"]]:
            fields["status"] = status
        if RANK[fields["status"]] > RANK["failed"]:
            fields.pop("failReason", None)
        moment, at = _moment(status, fields, told)
        if moment > (still.moment if still is not None else -1):
            fields.update(self._live_then(told, at))
        ordered = {column: fields[column] for column in _COLUMNS if column in fields}
        row = self._book.row(session, "still", key, None if still is None else still.row, ordered, told_at(told))
        if still is None:
            still = Still(row, anonymous=anonymous)
            session.stills[key] = still
            self._bound(session, still)
        still.row = row
        still.moment = max(still.moment, moment)
        return still

    def _capture(
        self, session: Session, still: Still, name: str, camera_id: str, told: Told, at: int, how: str
    ) -> None:
        """One ``still_capture`` a camera; one that an upload told gives way to one that was seen."""
        if still.capture in {"seen", how}:
            return
        detail: dict[str, Any] = {"stillId": name}
        if how == "inferred":
            detail["inferred"] = True
        self._book.event(
            "still_capture",
            told,
            key=sub_key(session.key, "still_capture", name, camera_id),
            at=at,
            session=session,
            again=still.capture is not None,
            camera_id=camera_id,
            still_key=sub_key(session.key, "still", name, camera_id),
            detail=detail,
        )
        still.capture = how

    def _live_then(self, told: Told, at: int) -> dict[str, Any]:
        """Which camera was live at ``at``, a time that ``told`` speaks of."""
        camera_id = program_at(self._book.state, told, at)
        if camera_id is None:
            return {}
        info = self._book.info(camera_id)
        name = info.name if info is not None else None
        return {"programCameraId": camera_id, **({"programCameraName": name} if name else {})}

    @staticmethod
    def _bound(session: Session, newest: Still) -> None:
        weight = sum(map(_weight, session.stills.values())) if _weight(newest) > _HEAVY else 0
        if len(session.stills) > _MOST or weight > _MOST * _HEAVY:
            done = (key for key, still in session.stills.items() if still.row.fields["status"] == "uploaded")
            del session.stills[next(done, next(iter(session.stills)))]


def _brief(name: str) -> str:
    """A still's name as it is remembered: a long one by its digest."""
    return name if len(name) <= MAX_KEY else key_part(name)


def _weight(still: Still) -> int:
    """How many characters its row holds."""
    return sum(len(value) for value in still.row.fields.values() if isinstance(value, str))


def _keep(known: dict[str, int], name: str, at: int) -> None:
    known.setdefault(_brief(name), at)
    if len(known) > _MOST:
        del known[next(iter(known))]


def _moment(status: str, fields: dict[str, Any], told: Told) -> tuple[int, int]:
    """The best known time of the moment itself, and how good it is: its capture, the request, else this frame's."""
    if status in {"captured", "uploaded"} and "capturedAt" in fields:
        return 2, fields["capturedAt"]
    if status == "requested":
        return 1, fields["requestedAt"]
    return 0, told_at(told)


def program_at(state: State, told: Told, at: int) -> str | None:
    """The camera that was live at ``at``, as far as the last changes tell; None: none, or not known.

    Compared by the server's clock, except with changes from before that clock was set: there by our own.
    """
    by_server = told.at is not None or at != told.stamp.wall
    offset = told.stamp.wall - told.stamp.mono
    if told.at is not None:
        offset = told.at - told.stamp.mono
    elif by_server and state.clock_offset is not None:
        offset = state.clock_offset  # a frame without a time of its own that names one by the server's clock
    mono = min(told.stamp.mono, at - offset)
    live: str | None = None
    for change in state.history:
        if by_server and change.at is not None and abs(change.at - change.mono - offset) < _CLOCK_SET_MS:
            later = change.at > at
        else:
            later = change.mono > mono
        if later:
            break
        live = change.camera_id if change.known else None
    return live
