"""What one frame of obs-websocket is, by itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from tap.core.codec import parse_id
from tap.core.mapping import Reading, Verdict
from tap.core.obs.marks import mark_of

__all__ = [
    "ASKED",
    "IDENTIFIED",
    "ITEMS",
    "ITEMS_ASKED",
    "MASK",
    "RPC_VERSION",
    "SETTINGS_ASKED",
    "TRANSITION_ASKED",
    "Message",
    "is_chatter",
    "message_of",
    "question",
    "text",
    "whole",
]

RPC_VERSION = 1
"""All of obs-websocket 5 speaks it."""

_GENERAL, _CONFIG, _SCENES, _TRANSITIONS, _OUTPUTS, _VENDORS, _UI = 1, 2, 4, 16, 64, 512, 1024
MASK = _GENERAL | _CONFIG | _SCENES | _TRANSITIONS | _OUTPUTS | _VENDORS | _UI
"""The kinds of event that make history. Volume meters alone would be twenty frames a second."""
ITEMS = 128
"""Those of the sources inside scenes: only for who switches these."""

ASKED = ("GetSceneList", "GetStudioModeEnabled", "GetRecordStatus", "GetStreamStatus")
"""What is asked for the state, which OBS does not tell unasked: together a snapshot."""
TRANSITION_ASKED = ("GetSceneTransitionList", "GetCurrentSceneTransition")
"""What is asked to tell a hard cut, by whatever name, from a fade."""
SETTINGS_ASKED = ("GetProfileList", "GetSceneCollectionList", "GetVideoSettings")
"""What is asked for how it was recorded."""
ITEMS_ASKED = "GetSceneItemList"
"""What is asked of each scene whose sources are cameras."""

_READ = frozenset((*ASKED, *TRANSITION_ASKED, *SETTINGS_ASKED, ITEMS_ASKED))
_NO_SUCH_SCENE = 600

_HELLO, IDENTIFIED = "Hello", "Identified"

_MAIN_CANVAS = "6c69626f-6273-4c00-9d88-c5136d61696e"
"""The canvas that is recorded and streamed; libobs gives it the same uuid everywhere. All others are another show."""

_NEEDS: Mapping[str, tuple[str, ...]] = {
    "CurrentProgramSceneChanged": ("sceneName",),
    "SceneTransitionStarted": ("transitionName",),
    "SceneTransitionVideoEnded": ("transitionName",),
    "SceneTransitionEnded": ("transitionName",),
    "CurrentSceneTransitionDurationChanged": ("transitionDuration",),
    "RecordStateChanged": ("outputState",),
    "StreamStateChanged": ("outputState",),
    "RecordFileChanged": ("newOutputPath",),
    "SceneCreated": ("sceneName",),
    "SceneRemoved": ("sceneName",),
    "SceneNameChanged": ("oldSceneName", "sceneName"),
    "SceneListChanged": (),
    "StudioModeStateChanged": ("studioModeEnabled",),
    "ScreenshotSaved": ("savedScreenshotPath",),
    "ReplayBufferSaved": ("savedReplayPath",),
    "CurrentSceneCollectionChanging": (),
    "CurrentSceneCollectionChanged": (),
    "CurrentProfileChanged": ("profileName",),
    "SceneItemEnableStateChanged": ("sceneName", "sceneItemId", "sceneItemEnabled"),
    "ExitStarted": (),
}
"""The events that say something, and what each says nothing without."""

_FLAGS = frozenset({"studioModeEnabled", "sceneItemEnabled"})
_NUMBERS = frozenset({"transitionDuration", "sceneItemId"})

_QUIET = frozenset(
    (
        *("SceneCollectionListChanged", "CurrentProfileChanging", "ProfileListChanged"),
        *("CurrentPreviewSceneChanged", "CurrentSceneTransitionChanged"),
        *("ReplayBufferStateChanged", "VirtualcamStateChanged"),
        *("CanvasCreated", "CanvasRemoved", "CanvasNameChanged"),
        *("SceneItemCreated", "SceneItemRemoved", "SceneItemListReindexed"),
        *("SceneItemLockStateChanged", "SceneItemSelected"),
    )
)
"""Known, and none of the history."""


class Message(Struct, frozen=True):
    """A frame that says something: ``kind`` is ``Hello``, ``Identified``, an event's type or a request's."""

    kind: str
    data: dict[str, Any]
    reply: bool = False
    why: str | None = None
    """Of a reply to a question of ours: what it was asked for; None for the state at the beginning."""
    number: int | None = None
    """And of which of several."""


# ---------------------------------------------------------------------------------------------- our own questions

_OURS = "multicam-tap"
_ID = re.compile(rf"{_OURS} \w+(?: ([a-z]+)(?: (\d+))?)?")


def question(kind: str, why: str | None = None, number: int | None = None) -> str:
    """The id of a question, by which its answer tells what it was asked for."""
    return " ".join(str(part) for part in (_OURS, kind, why, number) if part is not None)


def _asked_for(request_id: Any) -> tuple[str | None, int | None]:
    ours = _ID.fullmatch(request_id) if isinstance(request_id, str) and len(request_id) < 100 else None
    if ours is None:
        return None, None
    return ours[1], None if ours[2] is None else int(ours[2])


# ---------------------------------------------------------------------------------------------- what a frame is


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


def is_chatter(parsed: Any) -> bool:
    """Whether a parsed frame holds what a plugin or a script says, and no mark."""
    body = parsed.get("d") if isinstance(parsed, dict) and parsed.get("op") == 5 else None
    if not isinstance(body, dict) or body.get("eventType") not in ("CustomEvent", "VendorEvent"):
        return False
    return isinstance(_event(body), Reading)


def _event(body: dict[str, Any]) -> Message | Reading:
    kind = body.get("eventType")
    if not isinstance(kind, str):
        return Reading(Verdict.INCOMPLETE, "event", reason="'eventType' is missing")
    kind = kind[:200]
    data = body.get("eventData")
    data = data if isinstance(data, dict) else {}
    if kind in {"CustomEvent", "VendorEvent"}:
        # Anybody may put anything into these, and a megabyte of it: only a mark is taken on.
        mark = mark_of(kind, data)
        return Message(kind, mark) if mark is not None else Reading(_UNMARKED[kind], kind)
    needs = _NEEDS.get(kind)
    if needs is None:
        intent = body.get("eventIntent")
        if kind in _QUIET:
            return Reading(Verdict.QUIET, kind)
        # What we never subscribe to says nothing of the program, whatever later versions add to it.
        foreign = isinstance(intent, int) and not intent & (MASK | ITEMS)
        return Reading(Verdict.IGNORED if foreign else Verdict.UNKNOWN, kind)
    canvas = text(data, "canvasUuid")
    if canvas is not None and canvas != _MAIN_CANVAS:
        return Reading(Verdict.QUIET, kind)
    for name in needs:
        if not _readable(name, data.get(name)):
            return Reading(Verdict.INCOMPLETE, kind, reason=f"'{name}' is missing or cannot be read")
    return Message(kind, data)


_UNMARKED = {"CustomEvent": Verdict.QUIET, "VendorEvent": Verdict.IGNORED}
"""A plugin may chatter: what it says beyond marks is counted, and not put onto tapes."""


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
    if kind not in _READ:
        return Reading(Verdict.QUIET, kind[:200])
    why, number = _asked_for(body.get("requestId"))
    status, data = body.get("requestStatus"), body.get("responseData")
    if not isinstance(status, dict) or status.get("result") is not True or not isinstance(data, dict):
        code = status.get("code") if isinstance(status, dict) else None
        if kind == ITEMS_ASKED and code == _NO_SUCH_SCENE:
            return Message(kind, {"sceneItems": []}, reply=True, why=why, number=number)
        return Reading(Verdict.INCOMPLETE, kind, reason=f"OBS could not say (code {code})")
    return Message(kind, data, reply=True, why=why, number=number)


def text(data: Mapping[str, Any], name: str) -> str | None:
    """A name, path or uuid; None where there is none that can be read."""
    value = data.get(name)
    return parse_id(value) if isinstance(value, str) else None


def whole(value: Any) -> int | None:
    """Milliseconds, as OBS says durations."""
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e11
    return round(value) if good else None
