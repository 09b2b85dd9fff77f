"""Stills: rows that only move forward, whatever order the frames come in (docs/how-it-works.md, rule 6).

One row is one still of one camera. Its status only rises: requested, failed, captured, uploaded. A frame about it fills
empty columns, and never overwrites one.

*Which still is it?* A still's id is valid in one era of the server and one session. If it comes again for a still that
was captured already, at another time or in another era, it is another still: another *take* of that id, whose keys end
in its number. Without ids, captures and uploads are matched with requests first in, first out, by camera and time.

*Which session has it?* The session in which it was requested, even if it arrives long after that ended. The known
sessions are searched, newest first: first for a still that waits for this frame, then for one of which the frame is a
repetition. If there is none, it is a new still of the present session, unless it surely belongs to an older one. Then
it counts as unplaced, and no other session gets it.

*When was it taken?* The camera's own time counts, unless it is later than the frame, or further outside its session
than clocks explain. Then the frame's time counts, and ``detail.takenAt`` has the camera's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tap.core.codec import MAX_KEY, key_part, sub_key
from tap.core.machine.identity import name_of
from tap.core.machine.live import program_at
from tap.core.machine.memory import Memory
from tap.core.machine.rows import RowWriter, time_of
from tap.core.machine.staleness import Staleness
from tap.core.machine.state import Session, Still, StillUse
from tap.core.model import Envelope, StillCaptured, StillFailed, StillRequested, StillUploaded

__all__ = ["RANK", "Stills"]

RANK = {"requested": 0, "failed": 1, "captured": 2, "uploaded": 3}
"""A still's ``status`` never falls."""

_COLUMNS = (
    *("stillId", "cameraId", "cameraName", "status", "requestedAt", "capturedAt", "uploadedAt", "storageKey", "url"),
    *("width", "height", "bytes", "sha256", "failReason", "programCameraId", "programCameraName"),
)

_AGAIN_MS = 2_000
"""A capture without a time of its own that is reported again so soon is the same."""
_CLOCKS_MS = 10_000
"""How far clocks of cameras and server may lie apart before a camera's time is not believed."""
_NO_CLOCK_MS = 600_000
"""The same, where the server's clock is not known at all, only the tap's."""
_ANSWER_MS = 60_000
"""A request without an id that has waited longer than this for its capture gets none any more."""

_MOST = 20_000
"""Stills of one session whose rows can still change; the oldest uploaded ones are forgotten first."""
_HEAVY = 2_000
"""Characters of a still beyond which its session's stills are weighed, not only counted."""
_HEAVIEST = 2_000_000


class Stills:
    """The rules for stills, and their rows and events."""

    def __init__(self, rows: RowWriter, staleness: Staleness, memory: Memory) -> None:
        self._rows = rows
        self._staleness = staleness
        self._memory = memory

    def requested(self, o: StillRequested) -> None:
        """Somebody asked for a still: one ``still_marker``, and a row for each camera that was asked."""
        at = time_of(o.envelope)
        name = o.still_id if o.still_id is not None else f"@{at}"
        if self._told_before(o):
            return
        session = self._asking(o, name, at)
        if session is None:
            return
        if not self._staleness.is_history(o.envelope):
            self._staleness.set_clock(o.envelope)  # asked just now: by it the server's clock is known
        take = session.takes.get(_brief(name))
        if take is None:
            take = self._take(session, name, at)
        elif self._asks_anew(take, o, at):
            take = self._take(session, name, at, take.number + 1)
        if take.requested is None:
            take.requested = at
            self._memory.note(session, "u", _brief(name))
            detail: dict[str, Any] = {"stillId": name, "cameraIds": list(o.camera_ids)}
            if o.by is not None:
                detail["by"] = o.by
            key = _numbered(sub_key(session.key, "still_marker", name), take.number)
            self._rows.event("still_marker", o.envelope, key=key, session=session, detail=detail)
        for camera_id in o.camera_ids:
            facts = {"requestedAt": at}
            self._move(
                session, name, take.number, camera_id, o.envelope, "requested", facts, anonymous=o.still_id is None
            )

    def captured(self, o: StillCaptured) -> None:
        """A camera took it."""
        self._arrived(o, "captured", {"width": o.width, "height": o.height})

    def uploaded(self, o: StillUploaded) -> None:
        """The file is safe; where no capture was reported, this tells it too."""
        facts = {"storageKey": o.storage_key, "url": o.url, "bytes": o.bytes, "sha256": o.sha256}
        self._arrived(o, "uploaded", {"uploadedAt": time_of(o.envelope), **facts})

    def _arrived(self, o: StillCaptured | StillUploaded, status: str, facts: dict[str, Any]) -> None:
        """A still came as far as ``status``.

        Args:
            facts: Columns that the frame tells.
        """
        found = self._place(o, status)
        if found is None:
            return
        session, name, number = found
        taken, doubted = self._taken(o, session)
        if taken is not None or status == "captured":
            facts["capturedAt"] = time_of(o.envelope) if taken is None else taken
        anonymous = o.still_id is None
        still = self._move(session, name, number, o.camera_id, o.envelope, status, facts, anonymous=anonymous)
        how = "inferred" if taken is None and status == "uploaded" else "seen"
        at = time_of(o.envelope) if taken is None else taken
        self._capture(session, still, name, number, o.camera_id, o.envelope, at, how, doubted)

    def failed(self, o: StillFailed) -> None:
        """A camera could not take it. It may still arrive: ``failed`` is no end."""
        found = self._place(o, "failed")
        if found is not None:
            session, name, number = found
            facts = {"failReason": o.reason}
            self._move(session, name, number, o.camera_id, o.envelope, "failed", facts, anonymous=o.still_id is None)

    def unplaced(self) -> None:
        """A still that belongs to no session that is still known: counted, and never given to the one that runs."""
        self._rows.state.doubts.unplaced += 1

    # ------------------------------------------------------------------ when it was taken

    def _taken(self, o: StillCaptured | StillUploaded, session: Session) -> tuple[int | None, int | None]:
        """When the camera took it, as far as that is believed; and what was said, where it is not.

        How far clocks may lie apart depends on what is known: nothing (or the rest of a second) where the frame has a
        time of the server's, 10 s where only the server's clock is known, 10 minutes where there is but the tap's.
        """
        said = o.taken_at
        if said is None:
            return None, None
        state, envelope = self._rows.state, o.envelope
        now, slack = envelope.at, 0
        if now is not None:
            slack = 0 if state.has_fine_times else 999
        elif state.clock_offset is not None:
            now, slack = envelope.stamp.mono + state.clock_offset, _CLOCKS_MS
        else:
            now, slack = envelope.stamp.wall, _NO_CLOCK_MS
        early = min(session.started_at, session.start.get("at", now), now) - max(slack, _CLOCKS_MS)
        if said > now + slack or said < early:
            return None, said
        return said, None

    # ------------------------------------------------------------------ where a still belongs

    def _sessions(self) -> list[Session]:
        """The sessions that a still may belong to, newest first."""
        state = self._rows.state
        current = [] if state.session is None else [state.session]
        return current + state.ended[::-1]

    def _told_before(self, o: StillRequested | StillCaptured | StillUploaded | StillFailed) -> bool:
        """Whether this very frame was reported before; it is remembered if not."""
        name = name_of(o)
        if name is None:
            return False
        scope = self._staleness.scope(o.envelope)
        history = self._staleness.is_history(o.envelope)
        known = self._staleness.identity.known(name, o.envelope, scope, counted=not history)
        if not known and not history:
            self._staleness.no_earlier(o.envelope)
        if not known:
            self._staleness.identity.remember(name, o.envelope, scope, self._rows.running())
        return known

    def _asking(self, o: StillRequested, name: str, at: int) -> Session | None:
        """The session that a request belongs to: the one that runs, unless an older one's request is only repeated."""
        running = self._rows.running()
        for session in self._sessions():
            take = session.takes.get(_brief(name))
            if take is not None and session is not running and take.requested == at:
                return session
        if running is not None and o.envelope.at is not None and self._is_older(o.envelope, running):
            return None
        brief = _brief(name)
        if self._may_be_history(o.envelope) and any(
            brief in session.takes for session in self._sessions() if session is not running
        ):
            self._rows.state.doubts.undated += 1  # as well the request of then, told again
            return None
        return running

    def _is_older(self, envelope: Envelope, session: Session) -> bool:
        """Whether this was reported after a reconnect, of a time before the session."""
        return self._staleness.is_history(envelope) and time_of(envelope) < session.started_at

    def _asks_anew(self, take: StillUse, o: StillRequested, at: int) -> bool:
        """Whether a request with an id that is known is for another still."""
        if take.requested == at:
            return o.still_id is None  # without an id, the same second names two
        if take.requested is not None and self._may_be_history(o.envelope):
            return False
        if take.era != self._rows.state.era:
            # An earlier time may be that of a clock that was set back; if it is no history, it is news all the same.
            news = o.envelope.at is not None and not self._staleness.is_history(o.envelope)
            return take.requested is None or at > take.requested or news
        if take.captured is None or o.envelope.at is None:
            return False
        return take.requested is not None or at > take.captured

    def _may_be_history(self, envelope: Envelope) -> bool:
        """Whether a frame has no time, and may be one of those that are told again when a connection begins."""
        return envelope.at is None and self._staleness.in_history(envelope)

    def _take(self, session: Session, name: str, at: int, number: int = 1) -> StillUse:
        """Begin a take of a still's id: the first, or the one with that number."""
        take = StillUse(number, self._rows.state.era, at)
        session.takes[_brief(name)] = take
        self._memory.note(session, "u", _brief(name))
        return take

    def _place(self, o: StillCaptured | StillUploaded | StillFailed, before: str) -> tuple[Session, str, int] | None:
        """Which still a frame is about.

        Args:
            before: The status that the frame leads to: a still that has it already is not waiting for it.

        Returns:
            Session, name and number of the take; None where it was sent before, or belongs to no session that is known.
        """
        if self._told_before(o) or (isinstance(o, StillUploaded) and self._is_stored(o)):
            return None
        if o.still_id is None:
            return self._anonymous_place(o, before)
        found = self._by_id(o, o.still_id, before)
        if found is None:
            return None
        session, number = found
        return session, o.still_id, number

    def _is_stored(self, o: StillUploaded) -> bool:
        """Whether an upload that may be history is of a file that a still of this id and camera has already."""
        name = o.still_id
        if name is None or o.storage_key is None or not self._may_be_history(o.envelope):
            return False
        file = {"storageKey": o.storage_key, "sha256": o.sha256}
        for session in self._sessions():
            take = session.takes.get(_brief(name))
            for number in range(1, 0 if take is None else take.number + 1):
                still = session.stills.get(self._key(session, name, number, o.camera_id))
                if still is not None and {column: still.row.fields.get(column) for column in file} == file:
                    return True
        return False

    def _by_id(
        self, o: StillCaptured | StillUploaded | StillFailed, name: str, before: str
    ) -> tuple[Session, int] | None:
        """Session and number of the take of a still that has an id.

        First whoever waits for it; then whoever knows it already, so that it is only sent again; else a new take in the
        session that runs.
        """
        running = self._rows.running()
        for session in self._sessions():
            number = self._fits(session, name, o, before)
            if number is not None:
                return session, number
            if session is running and self._may_be_repeated(o) and self._is_known(session, name, o):
                return None
        # Nobody waits for it: reported again, or another still under an id that was used before.
        for session in self._sessions():
            if self._is_known(session, name, o):
                return None
        if running is None or self._cannot_be_of(running, o, name):
            self.unplaced()
            return None
        take = running.takes.get(_brief(name))
        return running, self._take(running, name, time_of(o.envelope), 1 if take is None else take.number + 1).number

    def _may_be_repeated(self, o: StillCaptured | StillUploaded | StillFailed) -> bool:
        """Whether nothing but its words tells this capture from one before it: history may have another number."""
        unnumbered = o.envelope.seq is None or self._staleness.in_history(o.envelope)
        return not isinstance(o, StillUploaded) and o.envelope.at is None and unnumbered

    def _cannot_be_of(self, session: Session, o: StillCaptured | StillUploaded | StillFailed, name: str) -> bool:
        """Whether a still that nobody knows is surely, or may well be, an older session's."""
        if _brief(name) in session.takes:
            return False
        taken = None if isinstance(o, StillFailed) else o.taken_at
        if taken is not None and taken < session.started_at - _CLOCKS_MS and o.envelope.at is not None:
            # A phone's clock may be off; what is known to have been given up may be anything's.
            return isinstance(o, StillUploaded)
        if self._is_older(o.envelope, session):
            return True
        return isinstance(o, StillUploaded) and self._rows.state.doubts.forgotten > 0

    def _fits(
        self, session: Session, name: str, o: StillCaptured | StillUploaded | StillFailed, before: str
    ) -> int | None:
        """The number of the take of this id that waits for what is reported, the newest first; None: none does."""
        take = session.takes.get(_brief(name))
        if take is None:
            return None
        running = session is self._rows.running()
        for number in range(take.number, 0, -1):
            still = session.stills.get(self._key(session, name, number, o.camera_id))
            if still is None:
                # Another camera's, under one id: of the newest take only, and while its session may be meant.
                if number == take.number and self._may_join(session, take, o, running=running):
                    return number
            elif self._waits(still, o, before):
                return number
        return None

    def _may_join(
        self, session: Session, take: StillUse, o: StillCaptured | StillUploaded | StillFailed, *, running: bool
    ) -> bool:
        """Whether a camera that was not asked for may belong to a take: of one life of the server and one session."""
        # Numbers that start again on an open connection are no restart, so ids go on.
        connection = self._rows.state.connection
        if take.era < (self._rows.state.era if connection is None else connection.era):
            return False
        if isinstance(o, StillUploaded) and self._rows.running() is None:
            return True  # uploads come late, and no other session can be meant
        return running or (session.completed_at or 0) >= time_of(o.envelope)

    def _waits(self, still: Still, o: StillCaptured | StillUploaded | StillFailed, before: str) -> bool:
        """Whether what is reported moves this still on."""
        fields = still.row.fields
        if isinstance(o, StillUploaded):
            return bool(fields["status"] != "uploaded")
        if isinstance(o, StillFailed):
            return RANK[fields["status"]] < RANK[before]
        if still.capture is None:
            return True
        if still.capture == "inferred":
            return self._of_one_life(still, o.envelope) or self._taken_by(o, fields.get("uploadedAt", 0))
        return False

    def _of_one_life(self, still: Still, envelope: Envelope) -> bool:
        """Whether frame and still are of one life of the server, in which an id means one thing."""
        return still.era == self._rows.state.era or envelope.at is None

    @staticmethod
    def _taken_by(o: StillCaptured, at: int) -> bool:
        """Whether the camera says that it was taken by then."""
        return o.taken_at is not None and o.taken_at <= at

    def _is_known(self, session: Session, name: str, o: StillCaptured | StillUploaded | StillFailed) -> bool:
        """Whether this was reported before, of any take of that id; none of them waits for it (``_fits``)."""
        take = session.takes.get(_brief(name))
        if take is None:
            return False
        running = session is self._rows.running()
        stills = (
            session.stills.get(self._key(session, name, number, o.camera_id)) for number in range(take.number, 0, -1)
        )
        return any(still is not None and self._is_again(still, o, running=running) for still in stills)

    def _is_again(self, still: Still, o: StillCaptured | StillUploaded | StillFailed, *, running: bool) -> bool:
        """Whether this only repeats what is known of a still that has come so far.

        Within one life of the server an id is enough. Else what is reported has to agree with the row: the file of an
        upload, the time of a capture.
        """
        fields = still.row.fields
        if isinstance(o, StillFailed):
            return True
        same_life = running and (still.era == self._rows.state.era or self._may_be_history(o.envelope))
        if isinstance(o, StillUploaded):
            for value, column in ((o.sha256, "sha256"), (o.storage_key, "storageKey"), (o.url, "url")):
                if value is not None and column in fields:
                    return bool(value == fields[column]) or same_life
            return same_life or fields.get("uploadedAt") == time_of(o.envelope)
        at = time_of(o.envelope) if o.taken_at is None else o.taken_at
        captured = fields.get("capturedAt", 0)
        if o.taken_at is not None:
            return bool(at == captured) or fields.get("uploadedAt") == at or self._is_doubted(still, o)
        near = o.envelope.at is None or abs(at - captured) <= _AGAIN_MS
        return (same_life and near) or bool(at == captured)

    @staticmethod
    def _is_doubted(still: Still, o: StillCaptured) -> bool:
        """Whether this repeats a frame whose own time counted, because the still's time was not plausible."""
        return o.taken_at is not None and still.row.fields.get("capturedAt") == time_of(o.envelope)

    # ------------------------------------------------------------------ without ids

    def _anonymous_place(
        self, o: StillCaptured | StillUploaded | StillFailed, before: str
    ) -> tuple[Session, str, int] | None:
        """Which still a frame without an id is about: the oldest of its camera that waits; else a new one, named by its
        time.
        """
        at = time_of(o.envelope)
        taken = at if isinstance(o, StillFailed) or o.taken_at is None else o.taken_at
        for session in self._sessions():
            waiting = next(self._waiting(session, o.camera_id, before, at, taken), None)
            if waiting is not None:
                return session, waiting[0], waiting[1]
        running = self._rows.running()
        if running is None:
            self.unplaced()
            return None
        name = f"@{taken}"
        take = running.takes.get(_brief(name))
        if take is None:
            return running, name, self._take(running, name, at).number
        key = self._key(running, name, take.number, o.camera_id)
        if key in running.stills:
            take = self._take(running, name, at, take.number + 1)
        return running, name, take.number

    @staticmethod
    def _waiting(session: Session, camera_id: str, before: str, at: int, taken: int) -> Iterator[tuple[str, int]]:
        """The stills of this camera without an id that have not come as far as ``before``, the oldest first."""
        for key, still in session.stills.items():
            fields = still.row.fields
            if not still.anonymous or fields["cameraId"] != camera_id or RANK[fields["status"]] >= RANK[before]:
                continue
            known = fields.get("capturedAt") if before == "uploaded" else None
            begun = fields.get("requestedAt", known if known is not None else 0)
            if before != "uploaded" and not 0 <= taken - begun <= _ANSWER_MS:
                continue
            if before == "uploaded" and (known is None or known > at):
                continue
            yield fields["stillId"], _number_in(key, session, fields["stillId"], camera_id)

    # ------------------------------------------------------------------ rows and events

    @staticmethod
    def _key(session: Session, name: str, number: int, camera_id: str) -> str:
        """The key of a still's row."""
        return _numbered(sub_key(session.key, "still", name, camera_id), number)

    def _move(
        self,
        session: Session,
        name: str,
        number: int,
        camera_id: str,
        envelope: Envelope,
        status: str,
        facts: dict[str, Any],
        *,
        anonymous: bool,
    ) -> Still:
        """Bring a still's row on: its status if that rises, and the columns that are still empty.

        Which camera was live is reported by the best known time of the moment: its capture, else its request, else this
        frame.

        Args:
            facts: Columns that the frame tells.
            anonymous: The server gave no id.
        """
        key = self._key(session, name, number, camera_id)
        still = session.stills.get(key)
        old = still.row.fields if still is not None else {"stillId": name, "cameraId": camera_id, "status": status}
        fields = dict(old)
        info = self._rows.info(camera_id)
        if info is not None and info.name:
            fields.setdefault("cameraName", info.name)
        for column, value in facts.items():
            if value is not None:
                fields.setdefault(column, value)
        if RANK[status] > RANK[fields["status"]]:
            fields["status"] = status
        if RANK[fields["status"]] > RANK["failed"]:
            fields.pop("failReason", None)
        moment, at = _moment(status, fields, envelope)
        if moment > (still.moment if still is not None else -1):
            fields.update(self._live_then(envelope, at))
        ordered = {column: fields[column] for column in _COLUMNS if column in fields}
        row = self._rows.row(session, "still", key, None if still is None else still.row, ordered, time_of(envelope))
        if still is None:
            still = Still(row, anonymous=anonymous)
            session.stills[key] = still
            self._bound(session, still)
        still.row = row
        still.moment = max(still.moment, moment)
        still.era = self._rows.state.era
        self._memory.note(session, "t", key)
        return still

    def _capture(
        self,
        session: Session,
        still: Still,
        name: str,
        number: int,
        camera_id: str,
        envelope: Envelope,
        at: int,
        how: str,
        doubted: int | None,
    ) -> None:
        """Write the ``still_capture`` of a camera, once. One that only an upload sent gives way to one that was seen.

        Args:
            at: When it was taken.
            how: ``seen`` or ``inferred``.
            doubted: What the camera said, where that is not believed.
        """
        if still.capture in {"seen", how}:
            return
        detail: dict[str, Any] = {"stillId": name}
        if how == "inferred":
            detail["inferred"] = True
        if doubted is not None:
            detail["takenAt"] = doubted
        key = _numbered(sub_key(session.key, "still_capture", name, camera_id), number)
        self._rows.event(
            "still_capture",
            envelope,
            key=key,
            at=at,
            session=session,
            again=still.capture is not None,
            camera_id=camera_id,
            still_key=self._key(session, name, number, camera_id),
            detail=detail,
        )
        still.capture = how
        take = session.takes.get(_brief(name))
        if take is not None and take.number == number:
            take.captured = max(at, take.captured or at)
            self._memory.note(session, "u", _brief(name))

    def _live_then(self, envelope: Envelope, at: int) -> dict[str, Any]:
        """Which camera was live at ``at``, a time that ``envelope`` speaks of."""
        camera_id = program_at(self._rows.state, envelope, at)
        if camera_id is None:
            return {}
        info = self._rows.info(camera_id)
        name = info.name if info is not None else None
        return {"programCameraId": camera_id, **({"programCameraName": name} if name else {})}

    def _bound(self, session: Session, newest: Still) -> None:
        """Forget a still where there are too many of a session, uploaded ones first: its row stays in the ledger, and
        can no longer change.
        """
        weight = sum(map(_weight, session.stills.values())) if _weight(newest) > _HEAVY else 0
        if len(session.stills) > _MOST or weight > _HEAVIEST:
            done = (key for key, still in session.stills.items() if still.row.fields["status"] == "uploaded")
            gone = next(done, next(iter(session.stills)))
            del session.stills[gone]
            self._memory.note(session, "t", gone)
            self._rows.state.doubts.forgotten += 1


def _numbered(key: str, number: int) -> str:
    """A key of the first take as it is; of a later one with its number."""
    return key if number == 1 else f"{key}/{number}"


def _number_in(key: str, session: Session, name: str, camera_id: str) -> int:
    """The number of the take that a row's key tells."""
    first = sub_key(session.key, "still", name, camera_id)
    return 1 if key == first else int(key[len(first) + 1 :])


def _brief(name: str) -> str:
    """A still's name as it is remembered: a long one by its digest."""
    return name if len(name) <= MAX_KEY else key_part(name)


def _weight(still: Still) -> int:
    """How many characters its row holds."""
    return sum(len(value) for value in still.row.fields.values() if isinstance(value, str))


def _moment(status: str, fields: dict[str, Any], envelope: Envelope) -> tuple[int, int]:
    """The best known time of the moment itself, and how good it is: its capture, the request, else this frame's."""
    if status in {"captured", "uploaded"} and "capturedAt" in fields:
        return 2, fields["capturedAt"]
    if status == "requested":
        return 1, fields["requestedAt"]
    return 0, time_of(envelope)
