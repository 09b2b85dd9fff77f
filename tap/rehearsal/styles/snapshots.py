"""A server that tells no event at all: every message is the state of everything, without a type.

What there is not, it leaves out: no ``shoot`` is no session, no input on air is no program.
"""

from __future__ import annotations

from typing import ClassVar

from tap.rehearsal.styles.style import Frame, Style
from tap.rehearsal.wire import TELEMETRY_TYPES
from tap.rehearsal.world import Fact

__all__ = ["Snapshots"]


class Snapshots(Style):
    """``{"clock", "revision", "phase", "shoot"?, "locked", "inputs": {"cam-1": {…, "onAir": true}}}``."""

    name: ClassVar[str] = "snapshots"

    def frame(self, frame: Frame) -> Frame | None:
        if frame["type"] in TELEMETRY_TYPES:
            return {"clock": frame.get("ts"), "meters": frame.get("values", [])}
        if frame["type"] != "state":
            return None
        out: Frame = {}
        if "ts" in frame:
            out["clock"] = frame["ts"]
        if "seq" in frame:
            out["revision"] = frame["seq"]
        out["phase"] = frame["mode"]
        session = frame["session"]
        if session is not None:
            out["shoot"] = {
                "ref": session["id"],
                "name": session["title"],
                "memo": session["notes"],
                "since": session["started_at"],
            }
        out["locked"] = frame["hold"]["active"]
        program = frame["program"]
        inputs = {camera["id"]: _input(camera, program) for camera in frame["cameras"]}
        if program is not None and program not in inputs:
            inputs[program] = {"up": False, "onAir": True}  # live, and yet it never came in
        out["inputs"] = inputs
        return out

    def tells(self, fact: Fact) -> bool:
        return fact.kind == "state"


def _input(camera: Frame, program: str | None) -> Frame:
    out: Frame = {"label": camera.get("name"), "job": camera.get("role"), "model": camera.get("device")}
    out |= {"glass": camera.get("lens"), "place": (camera.get("placement") or {}).get("label")}
    out = {name: value for name, value in out.items() if value is not None}
    return {**out, "up": camera.get("online", True), "onAir": camera["id"] == program}
