"""A history without a mistake, written straight from the truth: what the scorer's tests then spoil."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from tap.rehearsal.truth import CameraTruth, EventTruth, SessionTruth, StillTruth, Truth

__all__ = ["entries"]


def _set(**columns: Any) -> dict[str, Any]:
    return {name: value for name, value in columns.items() if value is not UNSET and value is not None}


def _entry(op: str, key: str, session: str, fields: dict[str, Any]) -> dict[str, Any]:
    return {"key": key, "op": op, "sessionKey": f"rehearsal/{session}", "version": 1, "fields": fields}


def entries(truth: Truth) -> list[dict[str, Any]]:
    """The entries that score perfectly against this truth."""
    return [
        *(_session(row) for row in truth.sessions),
        *(_camera(row) for row in truth.cameras),
        *(_still(row, number) for number, row in enumerate(truth.stills)),
        *(_event(row, number) for number, row in enumerate(truth.carried)),
    ]


def _session(row: SessionTruth) -> dict[str, Any]:
    fields = _set(
        sessionId=row.session_id, status=row.status, endReason=row.end_reason, startedAt=row.started_at, title=row.title
    )
    if row.completed_at is not UNSET:
        fields["completedAt"] = row.completed_at[0]
    if row.final_state is not UNSET:
        state = row.final_state
        fields["finalState"] = _set(
            programCameraId=state.program_camera_id,
            hold=state.hold,
            mode=state.mode,
            camerasOnline=state.cameras_online,
        )
    return _entry("session", f"rehearsal/{row.session_id}", row.session_id, fields)


def _camera(row: CameraTruth) -> dict[str, Any]:
    fields = _set(
        cameraId=row.camera_id,
        name=row.name,
        role=row.role,
        device=row.device,
        lens=row.lens,
        status=row.status,
        leftAt=row.left_at,
    )
    if row.place is not UNSET:
        fields["placement"] = {"label": row.place}
    return _entry("camera", f"{row.session_id}/{row.camera_id}", row.session_id, fields)


def _still(row: StillTruth, number: int) -> dict[str, Any]:
    fields = _set(
        stillId=row.still_id or f"made-up-{number}",
        cameraId=row.camera_id,
        status=row.status,
        capturedAt=row.captured_at,
        storageKey=row.storage_key,
        sha256=row.sha256,
        programCameraId=row.program_camera_id,
    )
    return _entry("still", f"{row.session_id}/still/{number}", row.session_id, fields)


def _event(row: EventTruth, number: int) -> dict[str, Any]:
    fields = _set(
        kind=row.kind,
        at=row.at,
        cameraId=row.camera_id,
        fromCameraId=row.from_camera_id,
        trigger=row.trigger,
        transition=row.transition,
        durationMs=row.duration_ms,
        detail=_set(
            **{"from": row.from_mode},
            to=row.to_mode,
            stillId=row.still_id,
            cameraIds=row.camera_ids,
            inferred=row.inferred or None,
        ),
    )
    return _entry("event", f"{row.session_id}/event/{number}", row.session_id, fields)
