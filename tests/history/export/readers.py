"""Readers of exported files that are not ours: pycmx, OpenTimelineIO, and a parser of XML; each gives the same shape.

What an editing system would show: items on tracks, each so many frames of a file from a frame of it on.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any, NamedTuple
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import opentimelineio as otio
import pycmx
from opentimelineio import opentime

__all__ = ["Item", "Mix", "Read", "read_edl", "read_fcp7", "read_fcpxml", "read_otio"]


class Item(NamedTuple):
    """On a track, from ``start`` up to ``end`` (frames of the edit): a file from its ``frame`` on."""

    track: int
    start: int
    end: int
    file: str
    """Its base name."""
    frame: int
    fps: Fraction
    """The file's."""
    enabled: bool = True

    def frame_at(self, at: int, rate: Fraction) -> int:
        """Which picture of the file a player shows at a frame of the edit."""
        return self.frame + int((at - self.start) * self.fps // rate)


class Mix(NamedTuple):
    """From ``start`` on, for ``length`` frames, one picture goes over into the next."""

    start: int
    length: int


class Read(NamedTuple):
    """What was read of one file."""

    items: list[Item]
    mixes: list[Mix]
    sounds: list[Item]


def _base(url: str) -> str:
    return unquote(url).rpartition("/")[2]


def _whole(value: float) -> int:
    assert abs(value - round(value)) < 1e-4, f"{value} is no whole frame"
    return int(value + 0.5)


# ---------------------------------------------------------------------------------------------- CMX3600


def read_edl(text: str, rate: Fraction, known: Mapping[str, tuple[Fraction, Fraction]], start: int = 0) -> Read:
    """By pycmx. ``known``: of each file the number of its first frame's timecode as the list counts, and its rate."""

    def number(timecode: str) -> int:
        # By its own count, so that drop-frame marks are read as marks.
        return int(opentime.from_timecode(timecode, float(rate)).value)

    items, mixes, sounds = [], [], []
    for event in pycmx.parse_cmx3600(io.StringIO(text)).events:
        edit = event.edits[-1]
        begin, end = number(edit.record_in) - start, number(edit.record_out) - start
        if edit.transition.dissolve:
            mixes.append(Mix(begin, int(edit.transition.operand)))
        if edit.black:
            continue
        name = edit.clip_name
        first, fps = known[name]
        came = number(edit.source_in) - first
        assert number(edit.source_out) - number(edit.source_in) == end - begin
        item = Item(0, begin, end, name, int(came * fps // rate), fps)
        items.append(item)
        if edit.channels.audio:
            sounds.append(item)
    return Read(items, mixes, sounds)


# ---------------------------------------------------------------------------------------------- OpenTimelineIO


def read_otio(timeline: Any, rate: Fraction) -> Read:
    """Of a timeline as OpenTimelineIO has it, whatever adapter read it."""
    items: list[Item] = []
    mixes: list[Mix] = []
    sounds: list[Item] = []
    numbers = {"Video": 0, "Audio": 0}
    for track in timeline.tracks:
        number, at = numbers[track.kind], 0
        numbers[track.kind] += 1
        for part in track:
            if isinstance(part, otio.schema.Transition):
                length = _whole((part.in_offset + part.out_offset).rescaled_to(float(rate)).value)
                mixes.append(Mix(at - _whole(part.in_offset.rescaled_to(float(rate)).value), length))
                continue
            lasts = _whole(part.source_range.duration.rescaled_to(float(rate)).value)
            if isinstance(part, otio.schema.Clip):
                item = _clip(part, number, at, lasts)
                (items if track.kind == "Video" else sounds).append(
                    item._replace(enabled=item.enabled and track.enabled)
                )
            at += lasts
    return Read(items, mixes, sounds)


def _clip(part: Any, number: int, at: int, lasts: int) -> Item:
    reference = part.media_reference
    available = reference.available_range
    came = part.source_range.start_time - available.start_time
    name = _base(reference.target_url) if isinstance(reference, otio.schema.ExternalReference) else part.name
    fps = Fraction(available.start_time.rate).limit_denominator(1001)
    frame = _whole(came.rescaled_to(available.start_time.rate).value)
    enabled = part.enabled and part.metadata.get("fcp_xml", {}).get("enabled", "TRUE") == "TRUE"
    return Item(number, at, at + lasts, name, frame, fps, enabled)


# ---------------------------------------------------------------------------------------------- xmeml


def _fps7(element: ET.Element) -> Fraction:
    base = int(element.findtext("rate/timebase", ""))
    return Fraction(base * 1000, 1001) if element.findtext("rate/ntsc") == "TRUE" else Fraction(base)


def read_fcp7(text: str) -> Read:
    """By a parser of XML. Of a multiclip, what its chosen angle shows."""
    sequence = ET.fromstring(text).find("sequence")  # noqa: S314 - our own
    assert sequence is not None
    told = _Told(
        {file.get("id", ""): file for file in sequence.iter("file") if len(file)},
        {clip.get("id", ""): clip for clip in sequence.iter("clip") if len(clip)},
        _fps7(sequence),
    )
    items: list[Item] = []
    mixes: list[Mix] = []
    sounds: list[Item] = []
    for number, track in enumerate(sequence.findall("media/video/track")):
        found, mixed = _track7(track, number, told, "video")
        items += found
        mixes += mixed
    for number, track in enumerate(sequence.findall("media/audio/track")):
        sounds += _track7(track, number, told, "audio")[0]
    return Read(items, mixes, sounds)


class _Told(NamedTuple):
    """What is told once, and referred to after that."""

    files: dict[str, ET.Element]
    angles: dict[str, ET.Element]
    rate: Fraction
    """Of the sequence."""


def _track7(track: ET.Element, number: int, told: _Told, kind: str) -> tuple[list[Item], list[Mix]]:
    clips: list[tuple[ET.Element, int, int]] = []
    mixes: list[Mix] = []
    for element in track:
        begin, end = (int(element.findtext(name, "0")) for name in ("start", "end"))
        if element.tag == "transitionitem":
            mixes.append(Mix(begin, end - begin))
            # A clip ends where its transition begins; one that goes into black lies under it to its end.
            if clips and (clips[-1][2] == -1 or element.findtext("alignment") == "end-black"):
                clips[-1] = (clips[-1][0], clips[-1][1], begin)
        elif element.tag == "clipitem":
            clips.append((element, mixes[-1].start if begin == -1 else begin, end))
    return [item for clip in clips for item in _items7(*clip, number, told, kind)], mixes


def _items7(element: ET.Element, begin: int, end: int, number: int, told: _Told, kind: str) -> Iterator[Item]:
    first, last = int(element.findtext("in", "")), int(element.findtext("out", ""))
    assert last > first
    file, multiclip = element.find("file"), element.find("multiclip")
    if file is not None:
        whole = told.files[file.get("id", "")]
        assert last <= int(whole.findtext("duration", "")), "beyond the end of its file"
        enabled = element.findtext("enabled") == "TRUE"
        yield Item(number, begin, end, whole.findtext("name", ""), first, _fps7(whole), enabled)
        return
    assert multiclip is not None
    flag = "activevideoangle" if kind == "video" else "activeaudioangle"
    chosen = [angle for angle in multiclip.findall("angle") if angle.findtext(flag) == "TRUE"]
    assert len(chosen) == 1
    clip = told.angles[chosen[0].find("clip").get("id", "")]  # type: ignore[union-attr]
    channel = int(element.findtext("sourcetrack/trackindex", "1")) - 1
    inside = clip.findall(f"media/{kind}/track")
    for part in _track7(inside[channel], number, told, kind)[0] if channel < len(inside) else []:
        start, stop = max(part.start, first), min(part.end, first + end - begin)
        if start < stop:
            frame = part.frame_at(start, told.rate)
            yield Item(number, begin + start - first, begin + stop - first, part.file, frame, part.fps)


# ---------------------------------------------------------------------------------------------- FCPXML


def _s(text: str | None) -> Fraction:
    assert text is None or text.endswith("s"), text
    return Fraction((text or "0s")[:-1])


def read_fcpxml(text: str) -> Read:
    """By a parser of XML, in exact fractions. Of an ``mc-clip``, what its chosen angle shows."""
    return _OfFcpxml(ET.fromstring(text)).read()  # noqa: S314 - our own


class _OfFcpxml:
    def __init__(self, root: ET.Element) -> None:
        self._root = root
        self._formats = {one.get("id", ""): 1 / _s(one.get("frameDuration")) for one in root.iter("format")}
        self._assets = {one.get("id", ""): one for one in root.iter("asset")}
        sequence = root.find("library/event/project/sequence")
        assert sequence is not None
        self._sequence = sequence
        self._rate = self._formats[sequence.get("format", "")]
        self._items: list[Item] = []
        self._sounds: list[Item] = []

    def read(self) -> Read:
        begin, at = _s(self._sequence.get("tcStart")), 0
        mixes: list[Mix] = []
        for element in self._sequence.findall("spine/*"):
            offset, length = self._frames(_s(element.get("offset")) - begin), self._frames(_s(element.get("duration")))
            if element.tag == "transition":
                mixes.append(Mix(offset, length))
                continue
            assert offset == at, f"{element.tag} lies at {offset}, not {at}"
            at += length
            if element.tag == "asset-clip":
                self._take(self._clip(element, offset, 0), element)
            elif element.tag == "mc-clip":
                self._multicam(element, offset, length)
            else:
                assert element.tag == "gap"
                for inner in element.findall("asset-clip"):
                    begun = self._frames(_s(inner.get("offset")) - _s(element.get("start"))) + offset
                    self._take(self._clip(inner, begun, int(inner.get("lane", "0")) - 1), inner)
        assert at == self._frames(_s(self._sequence.get("duration")))
        return Read(self._items, mixes, self._sounds)

    def _frames(self, seconds: Fraction) -> int:
        assert (seconds * self._rate).denominator == 1, f"{seconds} is no whole frame"
        return int(seconds * self._rate)

    def _take(self, item: Item, element: ET.Element) -> None:
        self._items.append(item)
        if self._assets[element.get("ref", "")].get("hasAudio") == "1":
            self._sounds.append(item)

    def _clip(self, element: ET.Element, at: int, track: int) -> Item:
        asset = self._assets[element.get("ref", "")]
        fps = self._formats[asset.get("format", "")]
        came = (_s(element.get("start")) - _s(asset.get("start"))) * fps
        assert came.denominator == 1
        length = self._frames(_s(element.get("duration")))
        assert came + length * fps / self._rate <= _s(asset.get("duration")) * fps + 1, "beyond the end of its file"
        conformed = element.find("conform-rate") is not None
        assert conformed is (fps != self._rate)
        return Item(track, at, at + length, _base(asset.get("src", "")), int(came), fps, element.get("enabled") != "0")

    def _multicam(self, element: ET.Element, offset: int, length: int) -> None:
        multicam = next(one for one in self._root.iter("multicam"))
        first = self._frames(_s(element.get("start")) - _s(multicam.get("tcStart")))
        (source,) = element.findall("mc-source")
        assert source.get("srcEnable") == "all"
        for part, inner in self._angle(source.get("angleID", "")):
            start, stop = max(part.start, first), min(part.end, first + length)
            if start < stop:
                begun, frame = offset + start - first, part.frame_at(start, self._rate)
                self._take(Item(0, begun, begun + stop - start, part.file, frame, part.fps), inner)

    def _angle(self, angle_id: str) -> Iterator[tuple[Item, ET.Element]]:
        found = next(one for one in self._root.iter("mc-angle") if one.get("angleID") == angle_id)
        at = 0
        for part in found:
            assert self._frames(_s(part.get("offset"))) == at
            if part.tag == "asset-clip":
                yield self._clip(part, at, 0), part
            at += self._frames(_s(part.get("duration")))
