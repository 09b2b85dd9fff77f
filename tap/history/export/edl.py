"""CMX3600: the edit decision list that every editing system reads.

At most 999 events a file: a longer edit goes on in a next one, with the same timecode. A dissolve is one event of two
lines. ASCII only; the table beside it (``reels.csv``) has the names as they are.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

from tap.core.kinds import colour_of
from tap.history.export.edit import Clip, Edit, Marker
from tap.history.export.reels import Reel, ascii_name

__all__ = ["EVENTS_AT_MOST", "edl_files"]

EVENTS_AT_MOST = 999
_TITLE = 70
_NAME = 60
_LONGEST_DISSOLVE = 999
"""Three digits; at 60 frames a second that is 16 s."""


def edl_files(edit: Edit, media: dict[str, str]) -> list[str]:
    """The text of each file, in order. ``media``: file names by camera id, for the source comments."""
    parts = [edit.clips[at : at + EVENTS_AT_MOST] for at in range(0, len(edit.clips), EVENTS_AT_MOST)]
    before: Clip | None = None
    files = []
    for number, clips in enumerate(parts, 1):
        title = ascii_name(edit.title, _TITLE - 8) or "SESSION"
        lines = [f"TITLE: {title}" if len(parts) == 1 else f"TITLE: {title} {number}-{len(parts)}"]
        lines.append(f"FCM: {'DROP FRAME' if edit.rate.drop else 'NON-DROP FRAME'}")
        for event, clip in enumerate(clips, 1):
            lines += _event(edit, event, clip, before, media)
            lines += [_locator(edit, marker) for marker in _inside(edit.markers, clip)]
            before = clip
        files.append("\r\n".join(lines) + "\r\n")
    return files


def _event(edit: Edit, number: int, clip: Clip, before: Clip | None, media: dict[str, str]) -> Iterator[str]:
    if clip.dissolve and before is not None and before.reel is not None:
        yield _line(edit, number, before.reel, "C", clip.start, clip.start)
        yield _line(edit, number, clip.reel, f"D    {min(clip.dissolve, _LONGEST_DISSOLVE):03d}", clip.start, clip.end)
        yield f"* FROM CLIP NAME: {_name(before.reel)}"
        yield f"* TO CLIP NAME: {_name(clip.reel)}"
    else:
        yield _line(edit, number, clip.reel, "C", clip.start, clip.end)
        yield f"* FROM CLIP NAME: {_name(clip.reel) if clip.what == 'camera' else _BLACK[clip.what]}"
    if clip.reel is not None and clip.reel.camera_id in media:
        yield f"* SOURCE FILE: {ascii_name(media[clip.reel.camera_id], 200)}"
    if clip.transition is not None:
        yield f"* TRANSITION: {ascii_name(clip.transition, _NAME)}"


_BLACK = {"gap": "GAP - NOT HEARD", "nothing": "NOTHING ON AIR"}


def _inside(markers: list[Marker], clip: Clip) -> list[Marker]:
    """The markers that lie in a clip; markers are in order of time."""
    first = bisect_left(markers, clip.start, key=_at)
    return markers[first : bisect_left(markers, clip.end, key=_at)]


def _at(marker: Marker) -> int:
    return marker.at


def _line(edit: Edit, number: int, reel: Reel | None, transition: str, start: int, end: int) -> str:
    source = (edit.source(start), edit.source(end))
    if reel is None:
        source = (edit.rate.timecode(0), edit.rate.timecode(end - start))
    times = " ".join((*source, edit.record(start), edit.record(end)))
    return f"{number:03d}  {'BL' if reel is None else reel.reel:<8} V     {transition:<8} {times}"


def _name(reel: Reel | None) -> str:
    return "" if reel is None else ascii_name(reel.name, _NAME) or reel.reel


def _locator(edit: Edit, marker: Marker) -> str:
    words = ascii_name(" - ".join(part for part in (marker.name, marker.note) if part), _NAME)
    return f"* LOC: {edit.record(marker.at)} {colour_of(marker.kind):<7} {words}"
