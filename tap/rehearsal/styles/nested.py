"""A server that writes camelCase, wraps everything twice, and tells times as ISO 8601."""

from __future__ import annotations

from typing import Any, ClassVar

from tap.rehearsal.styles.style import Frame, Style
from tap.rehearsal.wire import iso

__all__ = ["Nested"]

_TYPES = {
    "hello": "stageHello",
    "state": "stageStatus",
    "session_started": "shootBegan",
    "session_updated": "shootEdited",
    "session_ended": "shootFinished",
    "camera_joined": "deviceAttached",
    "camera_updated": "deviceChanged",
    "camera_left": "deviceDetached",
    "cut": "programSwitched",
    "pending_cut": "switchProposed",
    "pending_cut_resolved": "proposalClosed",
    "hold": "holdEngaged",
    "release": "holdReleased",
    "mode_changed": "modeSelected",
    "still_requested": "stillOrdered",
    "still_captured": "stillTaken",
    "still_uploaded": "stillStored",
    "still_failed": "stillLost",
    "music_moment": "musicCue",
    "heartbeat": "keepAlive",
    "pose": "devicePose",
    "device_stats": "deviceVitals",
    "preview_stats": "previewVitals",
    "hero_feed_offer": "feedOffer",
    "hero_feed_answer": "feedAnswer",
    "hero_feed_ice": "feedCandidate",
}
_NAMES = {
    "mode": "runMode",
    "title": "headline",
    "notes": "remarks",
    "started_at": "beganAt",
    "by": "initiator",
    "trigger": "initiator",
    "cut_id": "switchId",
    "boot_id": "lifetime",
    "still_id": "stillId",
    "taken_at": "shutterAt",
    "storage_key": "storageKey",
    "moment_id": "cueId",
    "at": "heardAt",
    "expires_at": "expiresAt",
    "pending_id": "proposalId",
    "azimuth_deg": "azimuthDeg",
    "height_m": "heightM",
    "session_id": "shootId",
}
_TIMES = {"started_at", "taken_at", "at", "expires_at"}
_INITIATORS = {"operator": "human", "ai": "assistant", "ghost_approved": "approvedProposal"}


class Nested(Style):
    """``{"meta": {"eventType", "emittedAt", "sequenceNumber"}, "payload": {"data": {…}}}``."""

    name: ClassVar[str] = "nested"

    def frame(self, frame: Frame) -> Frame | None:
        kind = frame["type"]
        if kind not in _TYPES:
            return None
        meta: Frame = {"eventType": _TYPES[kind]}
        if "ts" in frame:
            meta["emittedAt"] = iso(frame["ts"])
        if "seq" in frame:
            meta["sequenceNumber"] = frame["seq"]
        rest = {name: value for name, value in frame.items() if name not in {"type", "ts", "seq"}}
        data = _WRITERS.get(kind, _plainly)(rest)
        return {"meta": meta, "payload": {"data": data}}


def _plainly(fields: Frame) -> Frame:
    out: Frame = {}
    for name, value in fields.items():
        if name in {"camera_id", "camera"}:
            out["device"] = _device(value) if isinstance(value, dict) else {"deviceId": value}
        elif name == "camera_ids":
            out["deviceIds"] = value
        elif name == "session":
            out["shoot"] = None if value is None else _shoot(value)
        else:
            out[_NAMES.get(name, name)] = iso(value) if name in _TIMES and isinstance(value, int) else value
    return out


def _reference(camera: str | None) -> Frame | None:
    return None if camera is None else {"deviceId": camera}


def _shoot(session: Frame) -> Frame:
    return {
        "shootId": session["id"],
        "headline": session["title"],
        "remarks": session["notes"],
        "beganAt": iso(session["started_at"]),
    }


def _device(camera: Frame) -> Frame:
    names = {"id": "deviceId", "name": "displayName", "role": "job", "online": "attached", "battery": "batteryLevel"}
    device: Frame = {names[name]: value for name, value in camera.items() if name in names}
    hardware = {name: camera[name] for name in ("device", "lens") if name in camera}
    if hardware:
        device["hardware"] = {{"device": "model", "lens": "lens"}[name]: value for name, value in hardware.items()}
    if "placement" in camera:
        device["spot"] = {_NAMES.get(name, name): value for name, value in camera["placement"].items()}
    return device


def _status(state: Frame) -> Frame:
    hold = state["hold"]
    return {
        "runMode": state["mode"],
        "shoot": None if state["session"] is None else _shoot(state["session"]),
        "onAir": _reference(state["program"]),
        "upNext": _reference(state["preview"]),
        "holdState": {"engaged": hold["active"], "initiator": hold.get("by")},
        "devices": [_device(camera) for camera in state["cameras"]],
    }


def _switch(cut: Frame) -> Frame:
    trigger = cut.get("trigger")
    out: dict[str, Any] = {
        "toDevice": _reference(cut["to"]),
        "fromDevice": _reference(cut["from"]),
        "initiator": _INITIATORS.get(trigger or "", trigger),
    }
    if "cut_id" in cut:
        out["switchId"] = cut["cut_id"]
    if "transition" in cut:
        out["effect"] = {"kind": {"cut": "hardCut", "dissolve": "crossfade"}.get(cut["transition"], cut["transition"])}
        if "duration_ms" in cut:
            out["effect"]["lengthSeconds"] = cut["duration_ms"] / 1000
    return out


def _mode(change: Frame) -> Frame:
    return {"selected": change["to"], "previous": change["from"]}


def _proposed(pending: Frame) -> Frame:
    return {
        "proposalId": pending["pending_id"],
        "toDevice": _reference(pending["to"]),
        "expiresAt": iso(pending["expires_at"]),
    }


_WRITERS = {"state": _status, "cut": _switch, "mode_changed": _mode, "pending_cut": _proposed}
