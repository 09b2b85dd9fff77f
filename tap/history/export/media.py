"""Which file a camera's clips are of: by a pattern, or as the server's recorder named it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from pathlib import PurePosixPath, PureWindowsPath
from urllib.parse import quote

from tap.core.errors import TapError, UsageInvalid
from tap.history.export.edit import Edit
from tap.history.timeline import Timeline

__all__ = ["RECORDED", "check_pattern", "file_url", "media_of"]

RECORDED = "recorded"
"""In place of a pattern: the file that the session's own row names."""
_FIELDS = ("camera", "name", "reel", "role", "venue", "date")


def check_pattern(pattern: str | None) -> None:
    """Raises ``UsageInvalid`` for a pattern that no session could fill in."""
    if pattern is not None and pattern != RECORDED:
        _filled(pattern, dict.fromkeys(_FIELDS, ""))


def media_of(pattern: str | None, timeline: Timeline, edit: Edit, zone: tzinfo | None) -> dict[str, str]:
    """The path of each camera's file, by camera id.

    ``pattern`` is a path with ``{camera}`` (its id), ``{name}``, ``{reel}``, ``{role}``, ``{venue}`` or ``{date}``
    (YYYY-MM-DD) in it, or ``recorded``. Raises ``UsageInvalid`` for a pattern that cannot be filled in.
    """
    if pattern is None:
        return {}
    if pattern == RECORDED:
        return _recorded(timeline, edit)
    date = datetime.fromtimestamp(timeline.start / 1000, UTC).astimezone(zone).date().isoformat()
    paths = {}
    for camera_id, reel in edit.reels.items():
        known = {
            "camera": camera_id,
            "name": reel.name,
            "reel": reel.reel,
            "role": reel.role or "",
            "venue": timeline.venue,
            "date": date,
        }
        paths[camera_id] = _filled(pattern, known)
    return paths


def _recorded(timeline: Timeline, edit: Edit) -> dict[str, str]:
    """The recorder's file is the program itself, so every clip is of it."""
    if not timeline.media:
        raise TapError("this session's row names no recorded file", hint="give a pattern: --media '/rec/{name}.mov'")
    if len(timeline.media) > 1:
        edit.notes.append(f"{len(timeline.media)} files were recorded; the clips are linked to the first")
    return dict.fromkeys(edit.reels, timeline.media[0])


def _filled(pattern: str, known: Mapping[str, str]) -> str:
    # A camera's name must not lead to another folder.
    safe = {name: value.replace("/", "-").replace("\\", "-") for name, value in known.items()}
    try:
        return pattern.format_map(safe)
    except (ValueError, IndexError, KeyError, AttributeError, TypeError):
        hint = f"known are {', '.join('{' + name + '}' for name in _FIELDS)}, or '{RECORDED}' alone"
        raise UsageInvalid("the pattern cannot be filled in", where=pattern, hint=hint) from None


def file_url(path: str) -> str:
    """A path as editors' URLs have it; relative ones stay relative."""
    if PureWindowsPath(path).drive:
        return f"file://localhost/{quote(PureWindowsPath(path).as_posix(), safe='/:')}"
    return f"file://localhost{quote(path)}" if PurePosixPath(path).is_absolute() else quote(path)
