"""FCPXML 1.8, for Final Cut Pro and DaVinci Resolve; with angles that can be switched later (``mc-clip``).

Times are seconds as fractions, always whole frames of the sequence, since some readers round other times. A file is an
``asset`` that begins at its own timecode. Here, a transition is centred on its cut, so the cut of a dissolve is half
its length later than in other formats; the dissolve itself is at the same time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from msgspec.structs import replace

from tap.core.formats import Layout
from tap.history.export.edit import EditMarker
from tap.history.export.layouts import LaidOut, TrackItem, angle_of, shots_of_multicam, track_of, whole_camera
from tap.history.export.rates import Rate
from tap.history.export.sources import Source, file_url, in_step
from tap.history.export.xml_text import opened

__all__ = ["fcpxml_file"]

_VERSION = "1.8"
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n'
_MULTICAM = "multicam"
_SEQUENCE_FORMAT = "r1"


def fcpxml_file(laid: LaidOut, layout: Layout) -> list[str]:
    """The document, in pieces."""
    return list(_Document(laid).lines(layout))


class _Document:
    def __init__(self, laid: LaidOut) -> None:
        self._laid = laid
        self._edit = laid.edit
        self._media = laid.media
        self._assets = {source.key: f"a{number}" for number, source in enumerate(laid.media.sources, 1)}
        self._formats: dict[tuple[int, bool, int, int], tuple[str, str]] = {}
        self._start = _time(laid.edit.start_frame, laid.edit.rate)
        # The sequence's own is the first.
        self._format(laid.edit.rate, laid.media.width, laid.media.height)

    def lines(self, layout: Layout) -> Iterator[str]:
        edit = self._edit
        body = list({"program": self._program, "angles": self._angles, "multicam": self._shots}[layout]())
        yield f'{_HEAD}<fcpxml version="{_VERSION}">\n<resources>\n'
        assets = list(self._asset_lines())
        for (*_, width, height), (own_id, duration) in self._formats.items():
            yield f"<{opened('format', id=own_id, frameDuration=duration, width=width, height=height)}/>\n"
        yield from assets
        if layout == "multicam":
            yield from self._multicam()
        yield "</resources>\n<library>\n"
        yield f"<{opened('event', name=edit.title)}>\n<{opened('project', name=edit.title)}>\n"
        counted = "DF" if edit.rate.drop else "NDF"
        sequence = opened(
            "sequence",
            format=_SEQUENCE_FORMAT,
            duration=_time(edit.length, edit.rate),
            tcStart=self._start,
            tcFormat=counted,
            audioLayout="stereo",
            audioRate="48k",
        )
        yield f"<{sequence}>\n<spine>\n"
        yield from body
        yield "</spine>\n</sequence>\n</project>\n</event>\n</library>\n</fcpxml>\n"

    # ------------------------------------------------------------------ layouts

    def _program(self) -> Iterator[str]:
        yield from self._spine(_in_the_middle(self._laid.track))

    def _shots(self) -> Iterator[str]:
        yield from self._spine(_in_the_middle(shots_of_multicam(self._laid)))

    def _angles(self) -> Iterator[str]:
        """A gap as long as the session, and over it each camera in a lane of its own."""
        edit = self._edit
        gap = opened("gap", name="Gap", offset=self._start, start="0s", duration=_time(edit.length, edit.rate))
        yield f"<{gap}>\n"
        for lane, angle in enumerate(self._media.angles, 1):
            for item in track_of(angle, self._laid):
                if item.source is not None:
                    yield self._clip(item, item.source, _time(item.start, edit.rate), lane=lane)
        yield from (self._marker(marker, _time(marker.at, edit.rate)) for marker in edit.markers)
        yield "</gap>\n"

    def _spine(self, items: Sequence[TrackItem]) -> Iterator[str]:
        edit, at = self._edit, 0
        for item in items:
            if item.dissolve:
                half = item.dissolve // 2
                times = {"offset": self._at(item.start - half), "duration": _time(item.dissolve, edit.rate)}
                yield f"<{opened('transition', name='Cross Dissolve', **times)}/>\n"
            inside = []
            while at < len(edit.markers) and edit.markers[at].at < item.end:
                marker = edit.markers[at]
                inside.append(self._marker(marker, self._local(item, marker.at)))
                at += 1
            offset, marked = self._at(item.start), "".join(inside)
            if item.source is not None:
                yield self._clip(item, item.source, offset, marked)
            elif item.name:
                yield self._multicam_clip(item, offset, marked)
            else:
                yield self._gap(item, offset, marked)

    def _gap(self, item: TrackItem, offset: str, inside: str = "") -> str:
        gap = opened("gap", name="Gap", offset=offset, start="0s", duration=self._length(item))
        return f"<{gap}>{inside}</gap>\n" if inside else f"<{gap}/>\n"

    def _at(self, frame: int) -> str:
        return _time(self._edit.start_frame + frame, self._edit.rate)

    def _length(self, item: TrackItem) -> str:
        return _time(item.length, self._edit.rate)

    def _local(self, item: TrackItem, at: int) -> str:
        """A moment of the session by the clock of the item that it lies in."""
        rate = self._edit.rate
        if not item.name:
            return _time(at - item.start, rate)
        if item.source is None:
            return _time(at, rate)  # the multicam's own, which begins with the session
        source = item.source
        return _time(source.first + item.frame + in_step(at - item.start, rate, source.rate), source.rate)

    # ------------------------------------------------------------------ items

    def _clip(self, item: TrackItem, source: Source, offset: str, inside: str = "", lane: int | None = None) -> str:
        conform = "" if source.rate.keeps_step(self._edit.rate) else _CONFORM.format(_conformed(source.rate))
        clip = opened(
            "asset-clip",
            ref=self._assets[source.key],
            lane=lane,
            offset=offset,
            name=item.name,
            start=_time(source.first + item.frame, source.rate),
            duration=self._length(item),
            enabled=None if item.live else 0,
            format=self._format(source.rate, source.width, source.height),
            tcFormat="DF" if source.rate.drop else "NDF",
        )
        return f"<{clip}>{conform}{inside}</asset-clip>\n" if conform or inside else f"<{clip}/>\n"

    def _multicam_clip(self, item: TrackItem, offset: str, inside: str) -> str:
        chosen = angle_of(item.clip, self._media)
        number = next(number for number, angle in enumerate(self._media.angles, 1) if angle is chosen)
        times = {"offset": offset, "start": _time(item.start, self._edit.rate), "duration": self._length(item)}
        clip = opened("mc-clip", ref=_MULTICAM, name=item.name, **times)
        source = opened("mc-source", angleID=f"angle-{number}", srcEnable="all")
        return f"<{clip}><{source}/>{inside}</mc-clip>\n"

    def _multicam(self) -> Iterator[str]:
        edit, counted = self._edit, "DF" if self._edit.rate.drop else "NDF"
        yield f"<{opened('media', id=_MULTICAM, name=f'{edit.title} multicam')}>\n"
        yield f"<{opened('multicam', format=_SEQUENCE_FORMAT, tcStart='0s', tcFormat=counted)}>\n"
        for number, angle in enumerate(self._media.angles, 1):
            yield f"<{opened('mc-angle', name=angle.name, angleID=f'angle-{number}')}>\n"
            for item in whole_camera(angle, self._laid):
                offset = _time(item.start, edit.rate)
                yield self._gap(item, offset) if item.source is None else self._clip(item, item.source, offset)
            yield "</mc-angle>\n"
        yield "</multicam>\n</media>\n"

    def _marker(self, marker: EditMarker, start: str) -> str:
        rate = self._edit.rate
        lasting = _time(max(1, marker.length), rate)
        return f"<{opened('marker', start=start, duration=lasting, value=marker.name, note=marker.note or None)}/>"

    # ------------------------------------------------------------------ resources

    def _asset_lines(self) -> Iterator[str]:
        for source in self._media.sources:
            yield self._asset(source, self._assets[source.key])

    def _asset(self, source: Source, own_id: str) -> str:
        heard = bool(source.channels)
        asset = opened(
            "asset",
            id=own_id,
            name=source.name,
            src=file_url(source.path if source.path is not None else f"./{source.name}"),
            start=_time(source.first, source.rate),
            duration=_time(source.frames, source.rate),
            hasVideo=1,
            format=self._format(source.rate, source.width, source.height),
            hasAudio=1 if heard else None,
            audioSources=1 if heard else None,
            audioChannels=source.channels if heard else None,
            audioRate=source.sample_rate if heard else None,
        )
        return f"<{asset}/>\n"

    def _format(self, rate: Rate, width: int, height: int) -> str:
        key = (rate.nominal, rate.ntsc, width, height)
        if key not in self._formats:
            self._formats[key] = (f"r{len(self._formats) + 1}", _time(1, rate))
        return self._formats[key][0]


_CONFORM = '<conform-rate scaleEnabled="0" srcFrameRate="{}"/>'
_CONFORMED = {
    Fraction(24_000, 1001): "23.98",
    Fraction(24): "24",
    Fraction(25): "25",
    Fraction(30_000, 1001): "29.97",
    Fraction(30): "30",
    Fraction(60_000, 1001): "59.94",
    Fraction(60): "60",
    Fraction(48_000, 1001): "47.95",
    Fraction(48): "48",
}


def _conformed(rate: Rate) -> str:
    return _CONFORMED.get(rate.fps, rate.name)


def _in_the_middle(items: Sequence[TrackItem]) -> list[TrackItem]:
    """The same items with each cut in the middle of its dissolve."""
    moved = []
    for item in items:
        start, end = item.start + item.dissolve // 2, item.end + item.lead // 2
        frame = item.frame if item.part is None else item.part.frame_at(start)
        moved.append(replace(item, start=start, end=end, frame=frame))
    return moved


def _time(frames: int, rate: Rate) -> str:
    """So many frames, as seconds: a fraction as editing systems write it (``2002/24000s``, never ``1001/12000s``)."""
    above, below = (frames * 1001, rate.nominal * 1000) if rate.ntsc else (frames * 100, rate.nominal * 100)
    return f"{above}/{below}s" if above % below else f"{above // below}s"
