"""Writing entries: which session a thing belongs to, its key, its version, its columns.

The machine decides what happened; this is how that is written. Two taps on one server have to write the same rows, so a
key is made only of what the server sent (and of receive times where it sent nothing), never of counters of this tap's
own. A whole row (session, camera, still) has a version: its source time, raised above the last one, so that a later one
wins wherever both arrive. An event is written once, and its version is its time.

Columns come in the order of the ledger's own (``convex/functions/ledger/columns.ts``); one that is None is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tap.core.codec import sub_key, version_above
from tap.core.machine.identity import brief
from tap.core.machine.memory import Memory
from tap.core.machine.state import Camera, RowState, Session, Side, State
from tap.core.mapping import Dialect
from tap.core.media import files_of, rows_of, title_of
from tap.core.model import CameraInfo, Entry, Envelope, Op

__all__ = ["RowWriter", "side_columns", "time_of"]


def time_of(envelope: Envelope) -> int:
    """When something happened: the server's time of the frame, else the time at which it was received (wall ms)."""
    return envelope.stamp.wall if envelope.at is None else envelope.at


def side_columns(side: Side) -> dict[str, Any]:
    """What was on, as columns: absent where it is not known."""
    fields = {"programCameraId": side.program_camera_id, "mode": side.mode, "hold": side.hold}
    return {name: value for name, value in fields.items() if value is not None}


def _present(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _made_of(session: Session, mode: str | None, server_version: str | None) -> tuple[Any, ...]:
    """All that the columns of a session's row are made of, but for its files."""
    return (
        session.id,
        session.status,
        session.title,
        session.notes,
        mode,
        session.started_at,
        session.start,
        session.completed_at,
        session.end_reason,
        session.final,
        session.profile,
        session.collection,
        server_version,
    )


class RowWriter:
    """Collects the entries of one step, and knows the session that runs."""

    def __init__(self, state: State, memory: Memory, dialect: Dialect, *, tap: str, clock_step_ms: int) -> None:
        self.state = state
        self._memory = memory
        self._dialect = dialect
        self._clock_step_ms = clock_step_ms
        self.tap = tap
        self.is_ahead: Callable[[Envelope], bool] = lambda _told: False
        """Whether this frame's number is higher than any before it."""
        self.entries: list[Entry] = []
        self._told: tuple[RowState | None, tuple[Any, ...]] = None, ()
        """A session's row as it was last looked at, and all that its columns were made of."""

    def take(self) -> list[Entry]:
        """The entries since the last call."""
        taken, self.entries = self.entries, []
        return taken

    # ------------------------------------------------------------------ rows

    def row(
        self, session: Session, op: Op, key: str, last: RowState | None, fields: dict[str, Any], at: int
    ) -> RowState:
        """Write a whole row, unless it would say what it said before.

        Args:
            last: The row as it was last written; None where it never was.
            fields: Its columns; those that are None are left out.
            at: Its source time (ms). The version is that, raised above the last one.

        Returns:
            The row as it is now.
        """
        fields = _present(fields)
        if last is not None and last.fields == fields:
            return last
        version = version_above(None if last is None else last.version, at)
        self.entries.append(Entry(key, op, session.key, version, fields))
        return RowState(version, fields)

    def session_row(self, session: Session, at: int) -> None:
        """Write the session as it is known now, if anything changed.

        Args:
            at: The source time of what changed.
        """
        before = None if session.row is None else session.row.fields.get("mode")
        if session.status == "live":
            mode = self.state.mode.value if self.state.mode.known else before
        else:
            mode = (session.final or {}).get("mode", before)
        # Mostly nothing has changed. To find that out by the columns would cost more than the rest of a snapshot.
        row, made_of = self._told
        known = _made_of(session, mode, self.state.server_version)
        if row is not None and row is session.row and known == made_of and not session.media:
            return
        files = files_of(session.media)
        session.row = self.row(
            session,
            "session",
            session.key,
            session.row,
            {
                "sessionId": session.id,
                "sessionType": "photoshoot_performance",
                "status": session.status,
                "title": session.title or title_of(files) or session.collection,
                "notes": session.notes,
                "mode": mode,
                "startedAt": session.started_at,
                "startState": session.start,
                "completedAt": session.completed_at,
                "endReason": session.end_reason,
                "finalState": session.final,
                "media": rows_of(files),
                "source": self._source(session),
            },
            at,
        )
        self._told = session.row, known

    def _source(self, session: Session) -> dict[str, Any]:
        """By which server and which mapping a session was reported."""
        known = {
            "serverVersion": self.state.server_version,
            "profile": session.profile,
            "collection": session.collection,
        }
        return {"dialect": self._dialect.name, "mappingDigest": self._dialect.digest, **_present(known)}

    def camera_row(self, session: Session, camera: Camera, at: int, *, left_at: int | None = None) -> None:
        """Write what is known of a camera in this session.

        Args:
            at: When it was first seen, or what changed.
            left_at: When it left, where it is gone for good; within the grace time it still counts as there.
        """
        info = camera.info
        last = session.cameras.get(info.id)
        online = camera.present
        if camera.leaving is not None and left_at is None:
            online = True  # within the grace time nothing has happened yet
        status = None if online is None else ("online" if online else "offline")
        if left_at is None and online is False and last is not None:
            left_at = last.fields.get("leftAt")
        session.cameras[info.id] = self.row(
            session,
            "camera",
            sub_key(session.key, "camera", info.id),
            last,
            {
                "cameraId": info.id,
                "name": info.name or None,
                "role": info.role or None,
                "device": info.device or None,
                "lens": info.lens or None,
                "placement": info.placement or None,
                "status": status,
                "joinedAt": at if last is None else last.fields["joinedAt"],
                "leftAt": None if online else left_at,
            },
            at,
        )

    def go_above(self, key: str, version: int) -> None:
        """The ledger holds this row in a later version: what is written of it from now on goes above that.

        Nothing is written for it now: the ledger's row may be another tap's, which knew better.
        """
        sessions = [*self.state.ended, *([self.state.session] if self.state.session is not None else [])]
        for session in sessions:
            if key != session.key and not key.startswith(f"{session.key}/"):
                continue
            rows = [session.row] if key == session.key else []
            rows += [row for name, row in session.cameras.items() if sub_key(session.key, "camera", name) == key]
            rows += [still.row for name, still in session.stills.items() if name == key]
            for row in rows:
                if row is not None:
                    row.version = max(row.version, version)
            if session is not self.state.session:
                self._memory.note_over(session)
            if key in session.stills:
                self._memory.note(session, "t", key)

    # ------------------------------------------------------------------ events

    def event(  # one argument a column: a dict would hide a misspelt one
        self,
        kind: str,
        envelope: Envelope,
        *,
        key: str,
        at: int | None = None,
        session: Session | None = None,
        again: bool = False,
        shared: bool = False,
        camera_id: str | None = None,
        from_camera_id: str | None = None,
        trigger: str | None = None,
        transition: str | None = None,
        duration_ms: int | None = None,
        still_key: str | None = None,
        detail: dict[str, Any] | None = None,
    ) -> None:
        """Write one thing that happened, into ``session`` or the one that runs; without a session nothing is written.

        Args:
            again: It was written before under this key, with less knowledge.
            shared: Another event may have this key: the second one's ends in ``/2``, in the order reported.
        """
        session = session or self.running()
        if session is None:
            return
        if shared:
            key = self._own_key(session, key)
        when = time_of(envelope) if at is None else at
        camera = self.info(camera_id)
        from_camera = self.info(from_camera_id)
        fields = {
            "kind": kind,
            "at": when,
            "observedAt": envelope.stamp.wall,
            "cameraId": camera_id,
            "cameraName": (camera.name or None) if camera else None,
            "role": (camera.role or None) if camera else None,
            "fromCameraId": from_camera_id,
            "fromCameraName": (from_camera.name or None) if from_camera else None,
            "trigger": trigger,
            "transition": transition,
            "durationMs": duration_ms,
            "stillKey": still_key,
            "detail": detail or None,
        }
        self.entries.append(Entry(key, "event", session.key, when, _present(fields)))
        if not again:
            session.counts[kind] = session.counts.get(kind, 0) + 1
            if session is not self.state.session:
                self._memory.note_over(session)

    def _own_key(self, session: Session, key: str) -> str:
        """``key`` with how many had it before, where any did: a clock may be coarse, missing, or stop."""
        name = brief(key[len(session.key) :])
        number = session.keys[name] = session.keys.get(name, 0) + 1
        self._memory.note(session, "k", name)
        return key if number == 1 else f"{key}/{number}"

    def event_key(
        self,
        kind: str,
        envelope: Envelope,
        *,
        own_id: str | None,
        subject: str | None,
        at: int | None = None,
        session: Session | None = None,
    ) -> str:
        """The key of an event within its session.

        By its own id and time, else by time and what it is about, else by the receive time, which two taps do not
        share.

        Args:
            own_id: The id that the server gave it.
            subject: What it is about: a camera, a mode.
            at: Its own time, where that is another than the frame's.
            session: Whose event it is; None: of the session that runs.
        """
        session = session or self.running()
        if session is None:
            return ""
        at = envelope.at if at is None else at
        if own_id is not None:
            # Ids may start again with each boot; a server time tells such namesakes apart, else the boot does.
            time = at if at is not None else f"b{self.state.boot}" if self.state.boot else None
            parts: tuple[str | int, ...] = (own_id,) if time is None else (own_id, time)
        else:
            parts = (f"r{envelope.stamp.wall}" if at is None else at, *([] if subject is None else [subject]))
        return sub_key(session.key, kind, *parts)

    # ------------------------------------------------------------------ look-ups

    def running(self) -> Session | None:
        """The session that runs now, as far as is known."""
        session = self.state.session
        return session if session is not None and session.status == "live" else None

    def info(self, camera_id: str | None) -> CameraInfo | None:
        """What is known of a camera; None where nothing is."""
        if camera_id is None:
            return None
        camera = self.state.cameras.get(camera_id)
        return None if camera is None else camera.info

    def note_running(self, envelope: Envelope) -> None:
        """This frame showed that the session runs: if its end is missed, that is when it was there last.

        An older frame that came late does not take the time back. A server's clock that was set does, and so does a
        frame that was made later by its number: then that clock was set by a little.
        """
        session = self.running()
        if session is None:
            return
        by_server = envelope.at is not None
        behind = session.shown_at - time_of(envelope)
        late = by_server and session.shown_by_server and 0 < behind <= self._clock_step_ms
        if late and not self.is_ahead(envelope):
            return
        session.shown_at, session.shown_by_server = time_of(envelope), by_server
