"""What one frame of obs-websocket is, by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from tap.core.codec import parse_id
from tap.core.mapping import Reading, Verdict

__all__ = [
    "ASKED",
    "IDENTIFIED",
    "MASK",
    "RPC_VERSION",
    "TRANSITION_ASKED",
    "Message",
    "message_of",
    "text",
    "whole",
]

RPC_VERSION = 1
"""All of obs-websocket 5 speaks it."""

_GENERAL, _CONFIG, _SCENES, _TRANSITIONS, _OUTPUTS, _UI = 1, 2, 4, 16, 64, 1024
MASK = _GENERAL | _CONFIG | _SCENES | _TRANSITIONS | _OUTPUTS | _UI
"""The kinds of event that make history. Volume meters alone would be twenty frames a second."""

ASKED = ("GetSceneList", "GetStudioModeEnabled", "GetRecordStatus", "GetStreamStatus")
"""What is asked for the state, which OBS does not tell unasked: together a snapshot."""
TRANSITION_ASKED = ("GetSceneTransitionList", "GetCurrentSceneTransition")
"""What is asked to tell a hard cut, by whatever name, from a fade."""

_HELLO, IDENTIFIED = "Hello", "Identified"

_NEEDS: Mapping[str, tuple[str, ...]] = {
    "CurrentProgramSceneChanged": ("sceneName",),
    "SceneTransitionStarted": ("transitionName",),
    "SceneTransitionVideoEnded": ("transitionName",),
    "CurrentSceneTransitionDurationChanged": ("transitionDuration",),
    "RecordStateChanged": ("outputState",),
    "StreamStateChanged": ("outputState",),
    "RecordFileChanged": ("newOutputPath",),
    "SceneCreated": ("sceneName",),
    "SceneRemoved": ("sceneName",),
    "SceneNameChanged": ("oldSceneName", "sceneName"),
    "StudioModeStateChanged": ("studioModeEnabled",),
    "ScreenshotSaved": ("savedScreenshotPath",),
    "CurrentSceneCollectionChanging": (),
    "CurrentSceneCollectionChanged": (),
    "ExitStarted": (),
}
"""The events that say something, and what each says nothing without."""

_FLAGS = frozenset({"studioModeEnabled"})
_NUMBERS = frozenset({"transitionDuration"})

_QUIET = frozenset(
    (
        *("CustomEvent", "VendorEvent"),
        *("SceneCollectionListChanged", "CurrentProfileChanging", "CurrentProfileChanged", "ProfileListChanged"),
        *("CurrentPreviewSceneChanged", "SceneListChanged", "CurrentSceneTransitionChanged", "SceneTransitionEnded"),
        *("ReplayBufferStateChanged", "ReplayBufferSaved", "VirtualcamStateChanged"),
        *("CanvasCreated", "CanvasRemoved", "CanvasNameChanged"),
    )
)
"""Known, and none of the history."""


class Message(Struct, frozen=True):
    """A frame that says something: ``kind`` is ``Hello``, ``Identified``, an event's type or a request's."""

    kind: str
    data: dict[str, Any]
    reply: bool = False


def message_of(parsed: Any) -> Message | Reading:
    """What a parsed frame is; a :class:`Reading` where it says nothing."""
    if not isinstance(parsed, dict):
        return Reading(Verdict.UNREADABLE, "", reason=f"no object but {type(parsed).__name__}")
    op, body = parsed.get("op"), parsed.get("d")
    if not isinstance(op, int) or isinstance(op, bool) or not isinstance(body, dict):
        if "update-type" in parsed or "message-id" in parsed:
            return Reading(Verdict.UNREADABLE, "", reason="obs-websocket 4.x: only version 5 is read (OBS 28 or newer)")
        return Reading(Verdict.UNREADABLE, "", reason="no message of obs-websocket 5: 'op' or 'd' is missing")
    match op:
        case 0:
            return Message(_HELLO, body)
        case 2:
            return Message(IDENTIFIED, {})
        case 5:
            return _event(body)
        case 7:
            return _reply(body)
        case 9:
            return Reading(Verdict.QUIET, "RequestBatchResponse")
        case _:
            return Reading(Verdict.UNKNOWN, f"op {op}")


def _event(body: dict[str, Any]) -> Message | Reading:
    kind = body.get("eventType")
    if not isinstance(kind, str):
        return Reading(Verdict.INCOMPLETE, "event", reason="'eventType' is missing")
    kind = kind[:200]
    needs = _NEEDS.get(kind)
    if needs is None:
        intent = body.get("eventIntent")
        if kind in _QUIET:
            return Reading(Verdict.QUIET, kind)
        # What we never subscribe to says nothing of the program, whatever later versions add to it.
        foreign = isinstance(intent, int) and not intent & MASK
        return Reading(Verdict.IGNORED if foreign else Verdict.UNKNOWN, kind)
    data = body.get("eventData")
    data = data if isinstance(data, dict) else {}
    for name in needs:
        if not _readable(name, data.get(name)):
            return Reading(Verdict.INCOMPLETE, kind, reason=f"'{name}' is missing or cannot be read")
    return Message(kind, data)


def _readable(name: str, value: Any) -> bool:
    if name in _FLAGS:
        return isinstance(value, bool)
    if name in _NUMBERS:
        return whole(value) is not None
    return isinstance(value, str) and parse_id(value) is not None


def _reply(body: dict[str, Any]) -> Message | Reading:
    kind = body.get("requestType")
    if not isinstance(kind, str):
        return Reading(Verdict.INCOMPLETE, "reply", reason="'requestType' is missing")
    if kind not in ASKED and kind not in TRANSITION_ASKED:
        return Reading(Verdict.QUIET, kind[:200])
    status, data = body.get("requestStatus"), body.get("responseData")
    if not isinstance(status, dict) or status.get("result") is not True or not isinstance(data, dict):
        code = status.get("code") if isinstance(status, dict) else None
        return Reading(Verdict.INCOMPLETE, kind, reason=f"OBS could not say (code {code})")
    return Message(kind, data, reply=True)


def text(data: Mapping[str, Any], name: str) -> str | None:
    """A name, path or uuid; None where there is none that can be read."""
    value = data.get(name)
    return parse_id(value) if isinstance(value, str) else None


def whole(value: Any) -> int | None:
    """Milliseconds, as OBS says durations."""
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e11
    return round(value) if good else None
