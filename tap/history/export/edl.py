"""CMX3600: the edit decision list that every editing system reads; and one of markers, for DaVinci Resolve.

At most 999 events a file: a longer edit goes on in a next one, with the same timecode. A dissolve is one event of two
lines. ASCII only; the table beside it (``reels.csv``) has the names as they are. Clips are found again by their file's
own name, and by the file's own timecode.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

from tap.core.errors import TapError
from tap.core.kinds import colour_of
from tap.history.export.angles import SessionMedia
from tap.history.export.edit import Edit, EditMarker
from tap.history.export.layouts import LaidOut, TrackItem
from tap.history.export.reels import ascii_name
from tap.history.export.sources import Source

__all__ = ["EVENTS_AT_MOST", "NO_REEL", "edl_files", "marker_files", "source_timecode"]

EVENTS_AT_MOST = 999
_TITLE = 70
_NAME = 255
"""As long as a file's name may be: what is cut short is not found again."""
_LONGEST_DISSOLVE = 999
"""Three digits; at 60 frames a second that is 16 s."""
NO_REEL = "AX"
"""What every system takes for a source without a reel."""
_HOURS = 100
_RESOLVE = {"MAGENTA": "Purple", "WHITE": "Cream", "BLACK": "Cream"}
"""What Resolve has other names for."""
_BLACK = {"gap": "GAP - NO SIGNAL", "nothing": "NOTHING ON AIR", "camera": "NO FILE"}


def edl_files(laid: LaidOut) -> list[str]:
    """The text of each file, in order. Raises ``TapError`` for a session that no timecode can tell."""
    edit, track = laid.edit, laid.track
    _bounded(edit)
    writer = _Writer(edit, laid.media)
    parts = [track[at : at + EVENTS_AT_MOST] for at in range(0, len(track), EVENTS_AT_MOST)]
    before: TrackItem | None = None
    files = []
    for number, items in enumerate(parts, 1):
        lines = _head(edit, number, len(parts))
        for event, item in enumerate(items, 1):
            lines += writer.event(event, item, before)
            lines += [writer.locator(marker) for marker in _inside(edit.markers, item)]
            before = item
        files.append("\r\n".join(lines) + "\r\n")
    edit.notes += writer.notes()
    return files


def marker_files(edit: Edit) -> list[str]:
    """Events of one frame, each with a marker as Resolve imports them ('Timeline Markers from EDL')."""
    _bounded(edit)
    parts = [edit.markers[at : at + EVENTS_AT_MOST] for at in range(0, len(edit.markers), EVENTS_AT_MOST)] or [[]]
    files = []
    for number, markers in enumerate(parts, 1):
        lines = [*_head(edit, number, len(parts)), ""]
        for event, marker in enumerate(markers, 1):
            at = " ".join((edit.record(marker.at), edit.record(marker.at + 1)))
            words = _joined(marker).replace("|", "/")
            colour = _RESOLVE.get(colour_of(marker.kind), colour_of(marker.kind).capitalize())
            lines += [
                f"{event:03d}  001      V     C        {at} {at}  ",
                f" |C:ResolveColor{colour} |M:{words} |D:{max(1, marker.length)}",
                "",
            ]
        files.append("\r\n".join(lines) + "\r\n")
    return files


def _bounded(edit: Edit) -> None:
    last = edit.rate.timecode(edit.start_frame + edit.length, running=True)
    if len(last.partition(":")[0]) > 2:
        hint = "begin at zero (--start zero), or take fcp7xml, fcpxml or otio"
        raise TapError(f"an EDL has room for {_HOURS} hours, and this one would end at {last}", hint=hint)
    if edit.start_frame + edit.length > edit.rate.day:
        edit.notes.append(
            f"the timecode continues past midnight, to {last}; for a system that needs less than 24 hours:"
            " --start 01:00:00:00"
        )


def _head(edit: Edit, number: int, of: int) -> list[str]:
    title = ascii_name(edit.title, _TITLE - 8) or "SESSION"
    counted = "DROP FRAME" if edit.rate.drop else "NON-DROP FRAME"
    return [f"TITLE: {title}" if of == 1 else f"TITLE: {title} {number}-{of}", f"FCM: {counted}"]


def source_timecode(edit: Edit, source: Source, frame: int, length: int) -> tuple[str, str]:
    """The timecode of a file's frame, and of the one that lies so many frames of the edit after it.

    A list has one rate: what a file of another one counts is shown as the edit would count at the same second.
    """
    first = source.first + frame
    if source.rate.nominal == edit.rate.nominal:
        return source.rate.timecode(first, running=True), source.rate.timecode(first + length, running=True)
    same = first * edit.rate.nominal // source.rate.nominal
    return edit.rate.timecode(same, running=True), edit.rate.timecode(same + length, running=True)


class _Writer:
    """The events of one edit."""

    def __init__(self, edit: Edit, media: SessionMedia) -> None:
        self._edit = edit
        self._odd: set[str] = set()
        # One word for all events: a reader makes tracks of the channels, and a track begins with its first event.
        channels = max((source.channels for source in media.sources), default=0)
        self._channels = "V" if not channels else "B" if channels == 1 else "AA/V"

    def event(self, number: int, item: TrackItem, before: TrackItem | None) -> Iterator[str]:
        mixed = min(item.dissolve, _LONGEST_DISSOLVE)
        if mixed and before is not None:
            yield self._line(number, before, "C", before.length, 0, item.start)
            yield self._line(number, item, f"D    {mixed:03d}", 0, item.length, item.start)
            yield f"* FROM CLIP NAME: {self._name(before)}"
            yield f"* TO CLIP NAME: {self._name(item)}"
        else:
            yield self._line(number, item, "C", 0, item.length, item.start)
            yield f"* FROM CLIP NAME: {self._name(item)}"
        source = item.source
        if source is not None and source.path is not None:
            if _plain(source.name):
                yield f"* SOURCE FILE: {source.name}"
            else:
                self._odd.add(source.path)
            yield f"* COMMENT: {self._camera(item)}"
        if item.clip.transition is not None and item.start == item.clip.start:
            yield f"* TRANSITION: {ascii_name(item.clip.transition, _NAME)}"

    def _line(self, number: int, item: TrackItem, how: str, skipped: int, length: int, at: int) -> str:
        edit = self._edit
        if item.source is None:
            source = (edit.rate.timecode(0), edit.rate.timecode(length, running=True))
        else:
            frame = item.frame + skipped * item.source.rate.fps // edit.rate.fps
            source = source_timecode(edit, item.source, int(frame), length)
        times = " ".join((*source, edit.record(at), edit.record(at + length)))
        return f"{number:03d}  {_reel(item):<8} {self._channels:<5} {how:<8} {times}"

    def _name(self, item: TrackItem) -> str:
        if item.source is None:
            return _BLACK[item.clip.what]
        if item.source.path is not None and _plain(item.source.name):
            return item.source.name
        return self._camera(item)

    @staticmethod
    def _camera(item: TrackItem) -> str:
        """What a camera is called in ASCII; the reel that is made of its name, where nothing of that is."""
        reel = item.clip.reel
        return ascii_name(item.name, _NAME) or ("" if reel is None else reel.reel)

    def locator(self, marker: EditMarker) -> str:
        words = ascii_name(_joined(marker), _NAME)
        return f"* LOC: {self._edit.record(marker.at)} {colour_of(marker.kind):<7} {words}"

    def notes(self) -> Iterator[str]:
        if self._odd:
            odd = f"{len(self._odd)} files have names that an EDL cannot have"
            yield f"{odd}: they have no SOURCE FILE line; a pattern with {{reel}} or {{camera}} has one"


def _plain(name: str) -> bool:
    return name.isascii() and name.isprintable()


def _reel(item: TrackItem) -> str:
    """The file's own, or none; a camera without a file goes by the reel that is made of its name."""
    source = item.source
    if source is None:
        return "BL"
    return "".join(ascii_name(source.reel, _NAME).split()) or NO_REEL


def _joined(marker: EditMarker) -> str:
    return " - ".join(part for part in (marker.name, marker.note) if part)


def _inside(markers: list[EditMarker], item: TrackItem) -> list[EditMarker]:
    """The markers that lie in an item; markers are in order of time."""
    first = bisect_left(markers, item.start, key=_at)
    return markers[first : bisect_left(markers, item.end, key=_at)]


def _at(marker: EditMarker) -> int:
    return marker.at
