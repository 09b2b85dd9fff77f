"""The words of the mapping language: what can be emitted, the fields of it, and what kind of value each is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from tap.core import model

__all__ = ["EMITS", "LANGUAGE", "NOTHING", "NULLABLE", "SHAPES", "UNITS", "Emit", "says_none"]

LANGUAGE = 1
NOTHING = "nothing"
"""What a rule emits whose frames are known and none of the history: they are ignored."""


class Emit(NamedTuple):
    """An observation that a rule can emit: its fields with the kind of each, and those it says nothing without."""

    make: Callable[..., Any]
    fields: Mapping[str, str]
    needs: tuple[str, ...] = ()


_STILL = {"camera_id": "id", "still_id": "id"}

EMITS: Mapping[str, Emit] = {
    "hello": Emit(model.Hello, {"server": "text", "version": "text", "boot": "id"}),
    "snapshot": Emit(
        model.Snapshot,
        {
            "mode": "word",
            "session": "session",
            "program": "id",
            "hold": "hold",
            "cameras": "cameras",
            "recording": "flag",
        },
    ),
    "session_started": Emit(model.SessionStarted, {"session": "session"}, ("session",)),
    "session_updated": Emit(model.SessionUpdated, {"session": "session"}, ("session",)),
    "session_ended": Emit(model.SessionEnded, {"session_id": "id", "reason": "text"}),
    "camera_joined": Emit(model.CameraTold, {"camera": "camera"}, ("camera",)),
    "camera_updated": Emit(partial(model.CameraTold, joined=False), {"camera": "camera"}, ("camera",)),
    "camera_left": Emit(model.CameraLeft, {"camera_id": "id", "reason": "text"}, ("camera_id",)),
    "cut": Emit(
        model.Cut,
        {"to": "id", "from_": "id", "cut_id": "id", "trigger": "word", "transition": "word", "duration_ms": "duration"},
        ("to",),
    ),
    "hold": Emit(model.HoldOn, {"camera_id": "id", "hold_id": "id", "by": "text", "reason": "text"}),
    "release": Emit(model.Release, {"hold_id": "id", "by": "text"}),
    "mode_changed": Emit(model.ModeChanged, {"to": "word", "from_": "word"}, ("to",)),
    "still_requested": Emit(model.StillRequested, {"still_id": "id", "camera_ids": "ids", "by": "text"}),
    "still_captured": Emit(
        model.StillCaptured, {**_STILL, "taken_at": "time", "width": "count", "height": "count"}, ("camera_id",)
    ),
    "still_uploaded": Emit(
        model.StillUploaded,
        {**_STILL, "taken_at": "time", "storage_key": "text", "url": "text", "bytes": "count", "sha256": "text"},
        ("camera_id",),
    ),
    "still_failed": Emit(model.StillFailed, {**_STILL, "reason": "text"}, ("camera_id",)),
    "music_moment": Emit(model.MusicMoment, {"moment_id": "id", "kind": "word", "confidence": "number", "at": "time"}),
    "marker": Emit(model.Marker, {"label": "remark", "at": "time", "by": "text", "marker_id": "id", "source": "text"}),
    "recording": Emit(model.Recording, {"active": "flag", "path": "text", "started_at": "time"}, ("active",)),
}

SHAPES: Mapping[str, Mapping[str, str]] = {
    "camera": {
        "id": "id",
        "name": "text",
        "role": "text",
        "device": "text",
        "lens": "text",
        "placement": "object",
        "online": "flag",
    },
    "session": {"id": "id", "title": "text", "notes": "text", "started_at": "time"},
    "hold": {"active": "flag", "by": "text"},
}

NULLABLE = {
    *("mode", "session", "program", "hold", "cameras", "to", "from_"),
    *("name", "role", "device", "lens", "placement", "title", "notes"),
}
"""Fields that may have words of their own for "there is none"."""


def says_none(emit: str, name: str) -> bool:
    """Whether null means something in this field; elsewhere it says as little as a missing one.

    A server is always in some mode: one that says null does not know it, or leaves it for others to say.
    """
    return name in NULLABLE and name != "mode" and emit != "mode_changed"


_FRAMES = {f"frames{rate}": 1000 / rate for rate in (24, 25, 30, 50, 60)}

UNITS: Mapping[str, Mapping[str, float]] = {
    "duration": {"ms": 1.0, "s": 1000.0, "us": 0.001, "min": 60_000.0, **_FRAMES},
    "time": {"ms": 1.0, "s": 1000.0, "us": 0.001, "ns": 0.000_001},
}
"""What a unit of each kind of value is in ms. Times in seconds, ms and ISO 8601 are recognized without one."""
