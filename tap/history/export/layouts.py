"""How an edit is laid out: what every track shows, piece by piece.

    program    one track: each shot from the file that shows it
    angles     a track for each camera, in sync and cut at each shot; only what was on air is enabled
    multicam   the same cameras, uncut, and one track of shots that choose among them

Each format writes the layouts that it knows. A piece comes from one file, so it never goes on after that file's end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from msgspec import Struct
from msgspec.structs import replace

from tap.history.export.angles import SessionMedia
from tap.history.export.edit import Clip, Edit, EditMarker
from tap.history.export.sources import Angle, AnglePart, Piece, Source

__all__ = ["LaidOut", "TrackItem", "angle_of", "lay_out", "shots_of_multicam", "track_of", "whole_camera"]


class TrackItem(Struct, frozen=True, kw_only=True):
    """One item of a track: from ``start`` up to ``end`` (frames of the edit) a file from its ``frame`` on, or black."""

    start: int
    end: int
    name: str
    """The camera's; empty for black."""
    clip: Clip
    """The shot that it belongs to, or in which it lies."""
    part: AnglePart | None = None
    """The part of the angle that it shows."""
    source: Source | None = None
    frame: int = 0
    dissolve: int = 0
    """Frames from its start in which the item before it dissolves into this one."""
    lead: int = 0
    """Frames after ``end`` in which this item dissolves into the next one. Its file goes on at least as long."""
    into_black: bool = False
    """Whether black follows."""
    live: bool = True
    """Whether it was on air."""

    @property
    def length(self) -> int:
        """Frames of the edit."""
        return self.end - self.start


class LaidOut(Struct, frozen=True, kw_only=True):
    """An edit with its files: every format is written from it."""

    edit: Edit
    media: SessionMedia
    track: list[TrackItem]
    """The program in one track, without a hole."""


def angle_of(clip: Clip, media: SessionMedia) -> Angle | None:
    """The angle that shows a shot; None for black, and where no file shows it."""
    return None if clip.reel is None else media.angle(clip.reel.camera_id)


def lay_out(edit: Edit, media: SessionMedia) -> LaidOut:
    """The program, shot after shot. Where no file shows a shot, a marker and a note of the edit say so."""
    track = _Track(edit, media)
    for clip in edit.clips:
        track.add(clip)
    return LaidOut(edit=edit, media=media, track=track.done())


def track_of(angle: Angle, laid: LaidOut) -> Iterator[TrackItem]:
    """One camera's files in sync, cut at each shot, and enabled where the camera was on air."""
    for clip in laid.edit.clips:
        live = angle_of(clip, laid.media) is angle
        for piece in angle.cut(clip.start, clip.end):
            yield _shown(piece, angle.name, clip, live=live)


def whole_camera(angle: Angle, laid: LaidOut) -> Iterator[TrackItem]:
    """One camera in sync from the start to the end of the session, cut only between its files.

    It is also cut where a file of another rate would begin within a frame: otherwise everything after that would be
    late by a part of a frame.
    """
    session = Clip(start=0, end=laid.edit.length, what="camera")
    for piece in angle.cut(session.start, session.end):
        step = piece.start if piece.part is None else piece.part.whole_near(piece.start)
        if step > piece.start:
            yield _shown(replace(piece, end=step), angle.name, session, live=True)
        yield _shown(replace(piece, start=step), angle.name, session, live=True)


def shots_of_multicam(laid: LaidOut) -> list[TrackItem]:
    """The program as shots of one clip that has all angles: cut at the shots, but not at the ends of files.

    Dissolves always have material: an angle goes on after each shot, if only as black.
    """
    media, shown = laid.media, []
    before: Clip | None = None
    for clip in laid.edit.clips:
        angle = angle_of(clip, media)
        name = "" if angle is None or clip.reel is None else clip.reel.name
        mixed = clip.dissolve and (angle is not None or _is_shown(before, media))
        shown.append(
            TrackItem(start=clip.start, end=clip.end, name=name, clip=clip, dissolve=clip.dissolve if mixed else 0)
        )
        before = clip
    return _with_leads(shown)


def _is_shown(clip: Clip | None, media: SessionMedia) -> bool:
    return clip is not None and angle_of(clip, media) is not None


def _shown(piece: Piece, name: str, clip: Clip, *, live: bool, dissolve: int = 0) -> TrackItem:
    return TrackItem(
        start=piece.start,
        end=piece.end,
        name=name if piece.source is not None else "",
        clip=clip,
        part=piece.part,
        source=piece.source,
        frame=piece.frame,
        dissolve=dissolve,
        live=live,
    )


def _with_leads(shown: list[TrackItem]) -> list[TrackItem]:
    led = [
        replace(one, lead=after.dissolve, into_black=not after.name) if after.dissolve else one
        for one, after in pairwise(shown)
    ]
    return [*led, *shown[-1:]]


class _Track:
    """The program, shot after shot."""

    def __init__(self, edit: Edit, media: SessionMedia) -> None:
        self._edit = edit
        self._media = media
        self._shown: list[TrackItem] = []
        self._after = 0
        """How many frames the last item's file goes on after its end."""
        self._missing: Counter[str] = Counter()
        self._shorter = 0

    def add(self, clip: Clip) -> None:
        angle = angle_of(clip, self._media)
        name = "" if clip.reel is None else clip.reel.name
        pieces = [Piece(start=clip.start, end=clip.end)] if angle is None else angle.cut(clip.start, clip.end)
        for piece in pieces:
            dissolve = self._dissolve(clip, angle, piece) if piece.start == clip.start else 0
            self._shown.append(_shown(piece, name, clip, live=True, dissolve=dissolve))
            self._after = piece.after
            if piece.source is None and clip.what == "camera":
                self._miss(piece, name, angle)

    def _dissolve(self, clip: Clip, angle: Angle | None, piece: Piece) -> int:
        """The length of a dissolve, as far as there are pictures on both sides."""
        before = self._shown[-1] if self._shown else None
        if not clip.dissolve or before is None:
            return 0
        if self._is_recorded(angle, before) or (before.source is None and piece.source is None):
            return 0
        if (piece.source is None and clip.what == "camera") or (before.source is None and before.clip.what == "camera"):
            possible = 0
        else:
            possible = min(clip.dissolve, piece.length, *([] if before.source is None else [self._after]))
        self._shorter += possible < clip.dissolve
        return possible

    def _is_recorded(self, angle: Angle | None, before: TrackItem) -> bool:
        """Whether both sides show the recorded program, whose picture has the transition already."""
        program = self._media.program
        sides = (angle, angle_of(before.clip, self._media))
        return program is not None and program in sides and all(side in (program, None) for side in sides)

    def _miss(self, piece: Piece, name: str, angle: Angle | None) -> None:
        self._missing[name] += piece.length
        program = angle is not None and angle is self._media.program
        words = "not recorded" if program else "no file shows it"
        self._edit.markers.append(
            EditMarker(at=piece.start, length=piece.length, kind="file", name=f"No picture: {name}", note=words)
        )

    def done(self) -> list[TrackItem]:
        edit, rate = self._edit, self._edit.rate
        if self._missing:
            edit.markers.sort(key=lambda marker: (marker.at, marker.kind, marker.name))
        for name, frames in self._missing.items():
            whole = all(one.source is None for one in self._shown if one.clip.reel and one.clip.reel.name == name)
            what = "it has no file" if whole else "it has no file at that time"
            edit.notes.append(f"{name}: {float(frames / rate.fps):.1f} s on air are black: {what}")
        if self._shorter:
            edit.notes.append(
                f"{self._shorter} transitions are shorter than the server says, or cuts: a file begins or ends in them"
            )
        return _with_leads(self._shown)
