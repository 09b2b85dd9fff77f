"""OpenTimelineIO: the edit with everything that is known, for tools that read it."""

from __future__ import annotations

import opentimelineio as otio
from opentimelineio.opentime import RationalTime, TimeRange

from tap.core.kinds import colour_of
from tap.history.export.edit import Clip, Edit, Marker

__all__ = ["otio_file"]

_OURS = "multicam-tap"


def otio_file(edit: Edit, media: dict[str, str]) -> str:
    """The document. ``media``: the URL of each camera's file, by camera id."""
    timeline = otio.schema.Timeline(edit.title, global_start_time=_time(edit, edit.start_frame))
    track = otio.schema.Track("Program", kind=otio.schema.TrackKind.Video)
    for clip in edit.clips:
        if clip.dissolve:
            track.append(_transition(edit, clip))
        track.append(_clip(edit, clip, media))
    timeline.tracks.append(track)
    for marker in edit.markers:
        timeline.tracks.markers.append(_marker(edit, marker))
    timeline.metadata[_OURS] = {
        "frameRate": edit.rate.name,
        "reels": {reel.reel: {"cameraId": reel.camera_id, "name": reel.name} for reel in edit.reels.values()},
    }
    return str(otio.adapters.write_to_string(timeline, "otio_json")) + "\n"


def _clip(edit: Edit, clip: Clip, media: dict[str, str]) -> otio.core.Item:
    if clip.reel is None:
        black = otio.schema.Gap(source_range=TimeRange(_time(edit, 0), _time(edit, clip.length)))
        black.metadata[_OURS] = {"what": clip.what}
        return black
    whole = TimeRange(_time(edit, edit.day_frame), _time(edit, edit.length))
    if clip.reel.camera_id in media:
        reference = otio.schema.ExternalReference(media[clip.reel.camera_id], available_range=whole)
    else:
        reference = otio.schema.MissingReference(name=clip.reel.reel, available_range=whole)
    item = otio.schema.Clip(
        clip.reel.name,
        media_reference=reference,
        source_range=TimeRange(_time(edit, edit.day_frame + clip.start), _time(edit, clip.length)),
    )
    item.metadata[_OURS] = {"cameraId": clip.reel.camera_id, "reel": clip.reel.reel}
    return item


def _transition(edit: Edit, clip: Clip) -> otio.schema.Transition:
    return otio.schema.Transition(
        clip.transition or "dissolve",
        transition_type=otio.schema.TransitionTypes.SMPTE_Dissolve,
        in_offset=_time(edit, 0),
        out_offset=_time(edit, clip.dissolve),
    )


def _marker(edit: Edit, marker: Marker) -> otio.schema.Marker:
    return otio.schema.Marker(
        name=marker.name,
        marked_range=TimeRange(_time(edit, marker.at), _time(edit, marker.length)),
        color=colour_of(marker.kind),
        comment=marker.note,
        metadata={_OURS: {"kind": marker.kind}},
    )


def _time(edit: Edit, frames: int) -> RationalTime:
    return RationalTime(frames, edit.rate.exact)
