"""A terse server: numbers for ids and words, seconds for times, 0 for none, and what happens at once in one batch."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, ClassVar

from tap.rehearsal.styles.style import Frame, Style
from tap.rehearsal.wire import TELEMETRY_TYPES

__all__ = ["Numeric"]

_MODES = {"idle": 0, "rehearsal": 1, "photoshoot": 2, "performance": 3, "ghost": 4}
_TRIGGERS = {"operator": 1, "ai": 2, "ghost_approved": 3}


class Numeric(Style):
    """``{"n": 7, "t": 1795000000.25, "m": [{"k": "PGM", "t": 1795000000.21, "c": 3, "was": 1}, …]}``."""

    name: ClassVar[str] = "numeric"
    batch_ms: ClassVar[int] = 60
    renames: ClassVar[re.Pattern[str]] = re.compile(
        r"(cam|cut|pending|moment)-\d+|(shoot|still)-[0-9a-f]{6}-\d+|boot-\d+-[0-9a-f]{8}"
    )

    def ident(self, ident: str) -> str:
        """``cam-3`` is 3, ``shoot-00a1f2-1`` is 41330001."""
        parts = ident.split("-")
        return parts[1] if len(parts) == 2 else str(int(parts[1], 16) * 1000 + int(parts[2], 16) % 1000)

    def frame(self, frame: Frame) -> Frame | None:
        kind = frame["type"]
        if kind in TELEMETRY_TYPES:
            word = "POSE" if kind == "pose" else "STAT"
            return {"k": word, "t": _seconds(frame.get("ts")), "v": frame.get("values", [])}
        if kind not in _WRITERS:
            return None
        word, write = _WRITERS[kind]
        out: Frame = {"k": word}
        if "ts" in frame:
            out["t"] = _seconds(frame["ts"])
        return {**out, **write(self._numbered(frame))}

    def message(self, frames: list[Frame]) -> Any:
        # A part that has no time of its own must not borrow that of its neighbours.
        sent = {"t": max(frame["t"] for frame in frames)} if all("t" in frame for frame in frames) else {}
        return {"n": len(frames), **sent, "m": frames}

    def _numbered(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self._numbered(part) for name, part in value.items()}
        if isinstance(value, list):
            return [self._numbered(part) for part in value]
        if isinstance(value, str) and self.renames.fullmatch(value):
            return int(self.ident(value))
        return value


def _seconds(ms: Any) -> Any:
    return ms / 1000 if isinstance(ms, int) else ms


def _job(session: Frame | None) -> Frame | int:
    if session is None:
        return 0
    out = {"no": session["id"], "name": session["title"], "memo": session["notes"]}
    return {**out, "t0": _seconds(session["started_at"])}


def _camera(camera: Frame) -> Frame:
    names = {"id": "c", "name": "nm", "role": "rl", "device": "hw", "lens": "ln", "battery": "bat"}
    out: Frame = {names[name]: value for name, value in camera.items() if name in names}
    if "placement" in camera:
        out["pos"] = camera["placement"]["label"]
    if "online" in camera:
        out["up"] = int(camera["online"])
    return out


def _full(state: Frame) -> Frame:
    return {
        "md": _MODES[state["mode"]],
        "job": _job(state["session"]),
        "pgm": state["program"] or 0,
        "pvw": state["preview"] or 0,
        "lock": int(state["hold"]["active"]),
        "cams": [_camera(camera) for camera in state["cameras"]],
    }


def _program(cut: Frame) -> Frame:
    out: Frame = {"c": cut["to"] or 0, "was": cut["from"] or 0, "by": _TRIGGERS.get(cut.get("trigger", ""), 0)}
    if "cut_id" in cut:
        out["id"] = cut["cut_id"]
    if "transition" in cut:
        out["fx"] = int(cut["transition"] != "cut")
    if "duration_ms" in cut:
        out["len"] = cut["duration_ms"] / 1000
    return out


def _picture(still: Frame) -> Frame:
    names = {"camera_id": "c", "still_id": "pic", "width": "w", "height": "h", "storage_key": "file", "sha256": "sha"}
    names |= {"url": "url", "bytes": "size", "reason": "why", "camera_ids": "cs"}
    out: Frame = {names[name]: value for name, value in still.items() if name in names}
    if "taken_at" in still:
        out["shot"] = _seconds(still["taken_at"])
    return out


def _moment(moment: Frame) -> Frame:
    return {
        "id": moment["moment_id"],
        "what": moment["kind"],
        "sure": moment["confidence"],
        "heard": _seconds(moment["at"]),
    }


_WRITERS: dict[str, tuple[str, Callable[[Frame], Frame]]] = {
    "hello": ("BOOT", lambda f: {"life": f["boot_id"], "ver": f["version"]}),
    "state": ("FULL", _full),
    "session_started": ("JOB_ON", lambda f: {"job": _job(f["session"])}),
    "session_updated": ("JOB_TXT", lambda f: {"job": _job(f["session"])}),
    "session_ended": ("JOB_OFF", lambda f: {"no": f["session_id"], "why": f.get("reason")}),
    "camera_joined": ("CAM_ON", lambda f: _camera(f["camera"])),
    "camera_updated": ("CAM_TXT", lambda f: _camera(f["camera"])),
    "camera_left": ("CAM_OFF", lambda f: {"c": f["camera_id"], "why": f.get("reason")}),
    "cut": ("PGM", _program),
    "pending_cut": ("HINT", lambda f: {"id": f["pending_id"], "c": f["to"]}),
    "pending_cut_resolved": ("HINT_END", lambda f: {"id": f["pending_id"], "res": f["outcome"]}),
    "hold": ("LOCK", lambda f: {"on": 1, "c": f["camera_id"]}),
    "release": ("LOCK", lambda _: {"on": 0}),
    "mode_changed": ("MODE", lambda f: {"md": _MODES[f["to"]], "was": _MODES[f["from"]]}),
    "still_requested": ("PIC_ASK", _picture),
    "still_captured": ("PIC_GOT", _picture),
    "still_uploaded": ("PIC_SAVED", _picture),
    "still_failed": ("PIC_ERR", _picture),
    "music_moment": ("BEAT", _moment),
}
