"""Final Cut Pro 7 XML (xmeml 5): what Premiere Pro, DaVinci Resolve and Avid import with clips, dissolves and markers.

Every file is taken to begin with the session and to carry time of day as its timecode; an editor that finds the real
file matches by that timecode. Black is what no clip covers.
"""

from __future__ import annotations

from xml.etree import ElementTree as ET

from tap.history.export.edit import Clip, Edit, Marker
from tap.history.export.reels import Reel

__all__ = ["fcp7_file"]

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE xmeml>\n'


def fcp7_file(edit: Edit, media: dict[str, str]) -> str:
    """The document. ``media``: the URL of each camera's file, by camera id."""
    root = ET.Element("xmeml", version="5")
    sequence = ET.SubElement(root, "sequence", id="sequence-1")
    _text(sequence, "name", edit.title)
    _text(sequence, "duration", edit.length)
    _rate(sequence, edit)
    _timecode(sequence, edit, edit.start_frame)
    video = ET.SubElement(ET.SubElement(sequence, "media"), "video")
    _track(ET.SubElement(video, "track"), edit, media)
    for marker in edit.markers:
        _marker(sequence, marker)
    ET.indent(root)
    return _HEAD + ET.tostring(root, encoding="unicode") + "\n"


def _track(track: ET.Element, edit: Edit, media: dict[str, str]) -> None:
    described: set[str] = set()
    for number, clip in enumerate(edit.clips, 1):
        after = edit.clips[number] if number < len(edit.clips) else None
        if clip.reel is None:
            continue
        if clip.dissolve:
            _transition(track, edit, clip)
        item = ET.SubElement(track, "clipitem", id=f"clip-{number}")
        into = after.dissolve if after is not None else 0
        _text(item, "name", clip.reel.name)
        _text(item, "enabled", "TRUE")
        _text(item, "duration", edit.length)
        _rate(item, edit)
        # Where a transition meets a clip, the transition's own times say where that is; in and out reach across it.
        _text(item, "start", -1 if clip.dissolve else clip.start)
        _text(item, "end", -1 if into else clip.end)
        _text(item, "in", clip.start)
        _text(item, "out", clip.end + into)
        _file(item, edit, clip.reel, media, described)
        if clip.transition is not None:
            _text(ET.SubElement(item, "comments"), "mastercomment1", f"Transition: {clip.transition}")
    _text(track, "enabled", "TRUE")
    _text(track, "locked", "FALSE")


def _transition(track: ET.Element, edit: Edit, clip: Clip) -> None:
    item = ET.SubElement(track, "transitionitem")
    _rate(item, edit)
    _text(item, "start", clip.start)
    _text(item, "end", clip.start + clip.dissolve)
    _text(item, "alignment", "start")
    effect = ET.SubElement(item, "effect")
    for name, value in (
        ("name", "Cross Dissolve"),
        ("effectid", "Cross Dissolve"),
        ("effectcategory", "Dissolve"),
        ("effecttype", "transition"),
        ("mediatype", "video"),
    ):
        _text(effect, name, value)


def _file(item: ET.Element, edit: Edit, reel: Reel, media: dict[str, str], described: set[str]) -> None:
    """The clip's file: whole the first time, a reference after that."""
    file = ET.SubElement(item, "file", id=f"file-{reel.reel}")
    if reel.reel in described:
        return
    described.add(reel.reel)
    _text(file, "name", reel.name)
    if reel.camera_id in media:
        _text(file, "pathurl", media[reel.camera_id])
    _rate(file, edit)
    _text(file, "duration", edit.length)
    timecode = _timecode(file, edit, edit.day_frame)
    _text(ET.SubElement(timecode, "reel"), "name", reel.reel)
    ET.SubElement(ET.SubElement(file, "media"), "video")


def _marker(sequence: ET.Element, marker: Marker) -> None:
    element = ET.SubElement(sequence, "marker")
    _text(element, "comment", marker.note)
    _text(element, "name", marker.name)
    _text(element, "in", marker.at)
    _text(element, "out", marker.at + marker.length if marker.length else -1)


def _timecode(parent: ET.Element, edit: Edit, frame: int) -> ET.Element:
    timecode = ET.SubElement(parent, "timecode")
    _rate(timecode, edit)
    _text(timecode, "string", edit.rate.timecode(frame))
    _text(timecode, "frame", frame)
    _text(timecode, "displayformat", "DF" if edit.rate.drop else "NDF")
    return timecode


def _rate(parent: ET.Element, edit: Edit) -> None:
    rate = ET.SubElement(parent, "rate")
    _text(rate, "timebase", edit.rate.nominal)
    _text(rate, "ntsc", "TRUE" if edit.rate.ntsc else "FALSE")


def _text(parent: ET.Element, name: str, value: str | int) -> None:
    ET.SubElement(parent, name).text = str(value)
