"""Reading objects: a camera, a list of them, a session, a hold, in any frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import UNSET, UnsetType

from tap.core import model
from tap.core.codec import parse_id
from tap.core.mapping.fields import Field
from tap.core.mapping.paths import at
from tap.core.mapping.values import MAX_CAMERAS, Reader

__all__ = ["flat_session_reader", "shape_readers"]


def shape_readers(shapes: Mapping[str, tuple[Field, ...]]) -> dict[str, Reader]:
    """A reader for each kind of object, by the fields that the mapping's tables give them."""
    return {
        "camera": _camera_reader(shapes["camera"]),
        "cameras": _cameras_reader(shapes["camera"]),
        "session": _session_reader(shapes["session"]),
        "hold": _hold_reader(shapes["hold"]),
    }


def _shape(fields: tuple[Field, ...], value: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for spec in fields:
        item = spec.find((value,))
        if item is UNSET or (item is None and not spec.says_none):
            continue
        found[spec.name] = item
    return found


def _camera_reader(fields: tuple[Field, ...]) -> Reader:
    def read(value: Any) -> model.CameraInfo | UnsetType:
        if isinstance(value, dict):
            found = _shape(fields, value)
            return model.CameraInfo(**found) if "id" in found else UNSET
        bare = parse_id(value)
        return UNSET if bare is None else model.CameraInfo(bare)

    return read


def _cameras_reader(fields: tuple[Field, ...]) -> Reader:
    one = _camera_reader(fields)

    def keyed(name: str, item: dict[str, Any]) -> model.CameraInfo:
        """One of ``{"cam1": {"name": …}}``: its own id where it has one, else its key."""
        return model.CameraInfo(**{"id": parse_id(name), **_shape(fields, item)})

    def read(value: Any) -> tuple[model.CameraInfo, ...] | UnsetType:
        if not isinstance(value, (dict, list)) or len(value) > MAX_CAMERAS:
            return UNSET
        if isinstance(value, dict):
            items = value.items()
            told = (keyed(name, item) for name, item in items if isinstance(item, dict) and parse_id(name) is not None)
            return tuple({camera.id: camera for camera in told}.values())
        cameras = {camera.id: camera for item in value if (camera := one(item)) is not UNSET}
        return tuple(cameras.values())

    return read


def _session_reader(fields: tuple[Field, ...]) -> Reader:
    whole = _whole_session_reader(fields)

    def read(value: Any) -> model.SessionInfo | UnsetType | None:
        if value is False or value in ({}, ""):
            return None  # as a server says "none" that has no null for it
        if isinstance(value, dict):
            told: model.SessionInfo | UnsetType | None = whole(value)
            return told
        bare = parse_id(value)
        return UNSET if bare is None else model.SessionInfo(bare)

    return read


def flat_session_reader(fields: tuple[Field, ...], *, snapshot: bool) -> Reader:
    """A session whose fields are in the frame itself: in a snapshot, its id alone tells whether there is one."""
    whole = _whole_session_reader(fields)
    ids = _ids(fields)

    def read(value: Any) -> model.SessionInfo | UnsetType | None:
        return whole(value) if ids is not None and ids.stands(value) else UNSET

    return read if snapshot else whole


def _whole_session_reader(fields: tuple[Field, ...]) -> Reader:
    ids = _ids(fields)

    def read(value: dict[str, Any]) -> model.SessionInfo | UnsetType | None:
        found = _shape(fields, value)
        if "id" not in found and ids is not None and ids.stands(value):
            # An id that is there and cannot be read is no session without an id: it says nothing.
            return None if _is_none(ids, value) else UNSET
        return model.SessionInfo(**found)

    return read


def _ids(fields: tuple[Field, ...]) -> Field | None:
    return next((spec for spec in fields if spec.name == "id"), None)


def _is_none(ids: Field, value: dict[str, Any]) -> bool:
    """Whether an id that cannot be read is a word for "none": null, the server's own, or an empty text."""
    return ids.find((value,)) is None or any(at(value, path) == "" for path in ids.paths)


def _hold_reader(fields: tuple[Field, ...]) -> Reader:
    def read(value: Any) -> model.HoldInfo | UnsetType:
        if isinstance(value, bool):
            return model.HoldInfo(value)
        if not isinstance(value, dict):
            return UNSET
        found = _shape(fields, value)
        return model.HoldInfo(**found) if "active" in found else UNSET

    return read
