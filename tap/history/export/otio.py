"""OpenTimelineIO: the edit with everything that is known, for tools that read it.

``multicam``, which it has no word for, is a stack: the program on top, and below it each camera whole and switched off.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import opentimelineio as otio
from msgspec.structs import replace
from opentimelineio.opentime import RationalTime, TimeRange

from tap.core.formats import Layout
from tap.core.kinds import colour_of
from tap.history.export.edit import EditMarker
from tap.history.export.layouts import LaidOut, TrackItem, track_of, whole_camera
from tap.history.export.rates import Rate
from tap.history.export.sources import Angle, Source, file_url

__all__ = ["otio_file"]

_OURS = "multicam-tap"
_INDENT = 1
_NO_TRACKS = '"children": []'


def otio_file(laid: LaidOut, layout: Layout) -> list[str]:
    """The document, in pieces: of one track after the other, so that never more than one is held as objects."""
    edit = laid.edit
    timeline = otio.schema.Timeline(edit.title, global_start_time=RationalTime(edit.start_frame, edit.rate.exact))
    for marker in edit.markers:
        timeline.tracks.markers.append(_marker(edit.rate, marker))
    timeline.metadata[_OURS] = {
        "frameRate": edit.rate.name,
        "layout": layout,
        "reels": {reel.reel: {"cameraId": reel.camera_id, "name": reel.name} for reel in edit.reels.values()},
    }
    head, _, tail = str(timeline.to_json_string(_INDENT)).rpartition(_NO_TRACKS)
    tracks = [part for track in _tracks(laid, layout) for part in (",\n", track.to_json_string(_INDENT))]
    return [head, _NO_TRACKS[:-1], *tracks[1:], "]", tail, "\n"]


def _tracks(laid: LaidOut, layout: Layout) -> Iterator[otio.schema.Track]:
    """The lowest first."""
    writer = _Writer(laid)
    if layout == "angles":
        for angle in laid.media.angles:
            yield from writer.tracks(angle.name, list(track_of(angle, laid)), angle)
        return
    for angle in laid.media.angles if layout == "multicam" else ():
        for track in writer.tracks(angle.name, list(whole_camera(angle, laid)), angle):
            track.enabled = False
            yield track
    yield from writer.tracks("Program", laid.track)


class _Writer:
    def __init__(self, laid: LaidOut) -> None:
        self._rate = laid.edit.rate.exact
        self._linked = laid.media.linked

    def tracks(self, name: str, items: Sequence[TrackItem], angle: Angle | None = None) -> Iterator[otio.schema.Track]:
        """A track of pictures, and one of their sound where there is any."""
        video = otio.schema.Track(name, kind=otio.schema.TrackKind.Video)
        for item in items:
            if item.dissolve:
                video.append(self._transition(item))
            video.append(self._item(item))
        if angle is not None and angle.camera_id is not None:
            video.metadata[_OURS] = {"cameraId": angle.camera_id}
        yield video
        if not any(item.source is not None and item.source.channels for item in items):
            return
        del video
        audio = otio.schema.Track(name, kind=otio.schema.TrackKind.Audio)
        audio.extend([self._sound(item) for item in _joined(items)])
        yield audio

    def _item(self, item: TrackItem) -> otio.core.Item:
        if item.source is None:
            return self._black(item)
        clip = otio.schema.Clip(item.name, self._reference(item.source), self._range(item, item.source))
        clip.enabled = item.live
        reel = item.clip.reel
        if self._linked is False and reel is not None:
            clip.metadata[_OURS] = {"cameraId": reel.camera_id, "reel": reel.reel}
        return clip

    def _sound(self, item: TrackItem) -> otio.core.Item:
        if item.source is None or not item.source.channels:
            return self._black(item)
        clip = otio.schema.Clip(item.name, self._reference(item.source), self._range(item, item.source))
        clip.enabled = item.live
        return clip

    def _black(self, item: TrackItem) -> otio.schema.Gap:
        black = otio.schema.Gap(
            source_range=TimeRange(RationalTime(0, self._rate), RationalTime(item.length, self._rate))
        )
        black.metadata[_OURS] = {"what": item.clip.what}
        return black

    def _range(self, item: TrackItem, source: Source) -> TimeRange:
        start = RationalTime(source.first + item.frame, source.rate.exact)
        return TimeRange(start, RationalTime(item.length, self._rate))

    def _reference(self, source: Source) -> otio.core.MediaReference:
        rate = source.rate.exact
        available = TimeRange(RationalTime(source.first, rate), RationalTime(source.frames, rate))
        if source.path is None:
            return otio.schema.MissingReference(source.reel, available)
        reference = otio.schema.ExternalReference(file_url(source.path), available)
        reference.name = source.name
        return reference

    def _transition(self, item: TrackItem) -> otio.schema.Transition:
        return otio.schema.Transition(
            item.clip.transition or "dissolve",
            transition_type=otio.schema.TransitionTypes.SMPTE_Dissolve,
            in_offset=RationalTime(0, self._rate),
            out_offset=RationalTime(item.dissolve, self._rate),
        )


def _joined(items: Iterable[TrackItem]) -> list[TrackItem]:
    """Items that go on where the one before ends, as one: what is heard needs no cut in between."""
    joined: list[TrackItem] = []
    for item in items:
        last = joined[-1] if joined else None
        if last is not None and _goes_on(last, item):
            joined[-1] = replace(last, end=item.end)
        else:
            joined.append(item)
    return joined


def _goes_on(last: TrackItem, item: TrackItem) -> bool:
    if last.source is not item.source or last.live is not item.live:
        return False
    return item.source is None or last.frame + last.length == item.frame


def _marker(rate: Rate, marker: EditMarker) -> otio.schema.Marker:
    return otio.schema.Marker(
        name=marker.name,
        marked_range=TimeRange(RationalTime(marker.at, rate.exact), RationalTime(marker.length, rate.exact)),
        color=colour_of(marker.kind),
        comment=marker.note,
        metadata={_OURS: {"kind": marker.kind}},
    )
