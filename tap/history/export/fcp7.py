"""Final Cut Pro 7 XML (xmeml 5): what Premiere Pro, DaVinci Resolve and Avid import, with sound and as multicam.

NB what is easily got wrong, each seen in files that load as nothing or do not relink: a sequence and each file say
their rate and size (``samplecharacteristics``); a file is one ``file`` of one id, whole where it is named first and a
reference after that. ``start`` and ``end`` are frames of the sequence, ``in`` and ``out`` are the file's own and count
from its first, whose timecode is told beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tap.core.formats import Layout
from tap.history.export.edit import EditMarker
from tap.history.export.layouts import LaidOut, TrackItem, angle_of, shots_of_multicam, track_of, whole_camera
from tap.history.export.rates import Rate
from tap.history.export.sources import Angle, Source, file_url
from tap.history.export.xml_text import around, leaf, leaves

__all__ = ["fcp7_file"]

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE xmeml>\n'
_MOST_CHANNELS = 2
_MULTICAM = "multiclip-1"


def fcp7_file(laid: LaidOut, layout: Layout) -> list[str]:
    """The document, in pieces: as one text it can be large."""
    return list(_Document(laid).lines(layout))


class _Document:
    """One sequence. Files are told whole once, so what is written first has to be asked for first."""

    def __init__(self, laid: LaidOut) -> None:
        self._laid = laid
        self._edit = laid.edit
        self._media = laid.media
        self._rate = _rate(laid.edit.rate)
        self._files: dict[tuple[str, str], str] = {}
        self._names: dict[tuple[str, str], tuple[str, str]] = {}
        self._told: set[str] = set()
        self._items = 0

    def lines(self, layout: Layout) -> Iterator[str]:
        edit = self._edit
        yield f'{_HEAD}<xmeml version="5">\n<sequence id="sequence-1">\n'
        yield leaves(name=edit.title, duration=edit.length) + self._rate + _timecode(edit.rate, edit.start_frame) + "\n"
        tracks = {"program": self._program, "angles": self._angles, "multicam": self._multicam}[layout]()
        sound: list[str] = []
        yield f"<media>\n<video>\n{self._format()}\n"
        for video, audio in tracks:
            yield from video
            sound += audio
        yield "</video>\n"
        if sound:
            yield f"<audio>\n<numOutputChannels>2</numOutputChannels>{_SOUND_FORMAT}\n"
            yield from sound
            yield "</audio>\n"
        yield "</media>\n"
        yield from (_marker(marker) for marker in edit.markers)
        yield "</sequence>\n</xmeml>\n"

    # ------------------------------------------------------------------ layouts: tracks of pictures, with their sound

    def _program(self) -> Iterator[tuple[list[str], list[str]]]:
        yield self._tracks(self._laid.track, 1)

    def _angles(self) -> Iterator[tuple[list[str], list[str]]]:
        for number, angle in enumerate(self._media.angles, 1):
            yield self._tracks(list(track_of(angle, self._laid)), number, angle.name)

    def _multicam(self) -> Iterator[tuple[list[str], list[str]]]:
        yield self._tracks(shots_of_multicam(self._laid), 1)

    def _tracks(self, items: Sequence[TrackItem], number: int, name: str | None = None) -> tuple[list[str], list[str]]:
        """A track of pictures, and the tracks of the sound that is linked to them."""
        channels = min(max((self._channels(item) for item in items), default=0), _MOST_CHANNELS)
        head = "<track>" + (leaf("name", name) if name else "") + "\n"
        video, audio = [head], [["<track>" + (leaf("name", name) if name else "") + "\n"] for _ in range(channels)]
        on_track = [0] * (1 + channels)
        before: TrackItem | None = None
        for item in items:
            if item.dissolve:
                video.append(self._transition(item, before))
            before = item
            if not item.name:
                continue
            self._items += 1
            heard = min(self._channels(item), channels)
            ids = [f"clip-{self._items}", *(f"clip-{self._items}-a{part}" for part in range(1, heard + 1))]
            on_track = [count + (track <= heard) for track, count in enumerate(on_track)]
            links = self._links(ids, (number - 1) * channels, number, on_track)
            video.append(self._picture(item, ids[0], links))
            for part, track in enumerate(audio[:heard], 1):
                track.append(self._sound(item, ids[part], links, part))
        tail = leaves(enabled="TRUE", locked="FALSE") + "</track>\n"
        outputs = [leaf("outputchannelindex", part) for part in range(1, channels + 1)]
        return [*video, tail], [line for track, out in zip(audio, outputs, strict=True) for line in (*track, out, tail)]

    def _channels(self, item: TrackItem) -> int:
        if item.source is not None:
            return item.source.channels
        angle = angle_of(item.clip, self._media) if item.name else None
        return 0 if angle is None else max((source.channels for source in angle.sources), default=0)

    @staticmethod
    def _links(ids: Sequence[str], sounds_before: int, number: int, on_track: Sequence[int]) -> str:
        """Pictures and sound that move together, each with its track and its place on that."""
        if len(ids) == 1:
            return ""
        places = [("video", number), *(("audio", sounds_before + part) for part in range(1, len(ids)))]
        return "".join(
            f"<link><linkclipref>{one}</linkclipref><mediatype>{kind}</mediatype><trackindex>{track}</trackindex>"
            f"<clipindex>{index}</clipindex></link>"
            for one, (kind, track), index in zip(ids, places, on_track, strict=False)
        )

    # ------------------------------------------------------------------ items

    def _picture(self, item: TrackItem, own_id: str, links: str) -> str:
        # Where a transition meets a clip, the transition's own times say where that is; in and out reach across it.
        # Black is no clip: one that goes over into it lasts until that is done.
        start = -1 if item.dissolve else item.start
        end = item.end if not item.lead else item.end + item.lead if item.into_black else -1
        note = item.clip.transition if item.start == item.clip.start else None
        comment = "" if note is None else around("comments", leaf("mastercomment1", f"Transition: {note}"))
        common = self._common(item, start, end, item.lead)
        return f'<clipitem id="{own_id}">{common}{self._content(item)}{links}{comment}</clipitem>\n'

    def _sound(self, item: TrackItem, own_id: str, links: str, part: int) -> str:
        track = f"<sourcetrack><mediatype>audio</mediatype><trackindex>{part}</trackindex></sourcetrack>"
        common = self._common(item, item.start, item.end, 0)
        return f'<clipitem id="{own_id}">{common}{self._content(item)}{track}{links}</clipitem>\n'

    def _common(self, item: TrackItem, start: int, end: int, lead: int) -> str:
        source = item.source
        name, rate = self._name_of(item)
        if source is None:
            first, last = item.start, item.end + lead
        else:
            first = item.frame
            # At another rate a file may end within the last frame of the edit that shows it.
            last = min(first + _in_file(item.length + lead, source.rate, self._edit.rate), source.frames)
        return (
            f"{name}<enabled>{'TRUE' if item.live else 'FALSE'}</enabled>{rate}"
            f"<start>{start}</start><end>{end}</end><in>{first}</in><out>{last}</out>"
        )

    def _name_of(self, item: TrackItem) -> tuple[str, str]:
        """What the item is called, and the length and rate of what it is of: the same each time."""
        source = item.source
        key = ("", item.name) if source is None else source.key
        known = self._names.get(key)
        if known is None and source is None:
            known = leaf("name", f"{self._edit.title} {item.name}"), leaf("duration", self._edit.length) + self._rate
        elif known is None and source is not None:
            known = leaf("name", source.name), leaf("duration", source.frames) + _rate(source.rate)
        return self._names.setdefault(key, known or ("", ""))

    def _transition(self, item: TrackItem, before: TrackItem | None) -> str:
        out_of_black = before is None or not before.name
        alignment = "end-black" if not item.name else "start-black" if out_of_black else "start"
        effect = leaves(name="Cross Dissolve", effectid="Cross Dissolve", effectcategory="Dissolve")
        effect += leaves(effecttype="transition", mediatype="video")
        times = leaves(start=item.start, end=item.start + item.dissolve, alignment=alignment)
        return around("transitionitem", self._rate, times, around("effect", effect)) + "\n"

    def _content(self, item: TrackItem) -> str:
        return self._multiclip(item) if item.source is None else self._file(item.source)

    # ------------------------------------------------------------------ files and angles

    def _file(self, source: Source) -> str:
        """The clip's file: whole the first time, a reference after that."""
        own_id = self._files.setdefault(source.key, f"file-{len(self._files) + 1}")
        if own_id in self._told:
            return f'<file id="{own_id}"/>'
        self._told.add(own_id)
        path = "" if source.path is None else leaf("pathurl", file_url(source.path))
        rate = _rate(source.rate)
        sound = "" if not source.channels else around("audio", _sound_of(source))
        return (
            f'<file id="{own_id}">{leaf("name", source.name)}{path}{rate}{leaf("duration", source.frames)}'
            f"{_timecode(source.rate, source.first, source.reel)}"
            f"{around('media', around('video', leaf('duration', source.frames), _picture_of(source)), sound)}</file>"
        )

    def _multiclip(self, item: TrackItem) -> str:
        """All angles, and which of them is chosen; they are told whole the first time."""
        chosen = angle_of(item.clip, self._media)
        angles = "".join(
            self._angle(number, angle, angle is chosen) for number, angle in enumerate(self._media.angles, 1)
        )
        if _MULTICAM in self._told:
            return f'<multiclip id="{_MULTICAM}">{angles}</multiclip>'
        self._told.add(_MULTICAM)
        head = leaves(name=f"{self._edit.title} multicam", collapsed="FALSE", synctype=1)
        return f'<multiclip id="{_MULTICAM}">{head}{angles}</multiclip>'

    def _angle(self, number: int, angle: Angle, chosen: bool) -> str:
        active = "TRUE" if chosen else "FALSE"
        return around(
            "angle", leaves(activevideoangle=active, activeaudioangle=active), self._angle_clip(number, angle)
        )

    def _angle_clip(self, number: int, angle: Angle) -> str:
        """All that a camera has, in sync with the session's start."""
        own_id = f"angle-{number}"
        if own_id in self._told:
            return f'<clip id="{own_id}"/>'
        self._told.add(own_id)
        edit = self._edit
        video, audio = self._tracks([item for item in whole_camera(angle, self._laid) if item.name], 1)
        tracks = around("video", *video) + (around("audio", *audio) if audio else "")
        return (
            f'<clip id="{own_id}">{leaves(name=angle.name, duration=edit.length)}{self._rate}{leaves(in_=-1, out=-1)}'
            f"{leaf('ismasterclip', 'FALSE')}{_timecode(edit.rate, edit.start_frame)}{around('media', tracks)}</clip>\n"
        )

    def _format(self) -> str:
        characteristics = self._rate + leaves(width=self._media.width, height=self._media.height) + _PIXELS
        return around("format", around("samplecharacteristics", characteristics))


_PIXELS = leaves(anamorphic="FALSE", pixelaspectratio="square", fielddominance="none", colordepth=24)
_SOUND_FORMAT = around("format", around("samplecharacteristics", leaves(depth=16, samplerate=48_000)))


def _in_file(frames: int, theirs: Rate, ours: Rate) -> int:
    return frames if theirs.keeps_step(ours) else max(1, int(frames * theirs.fps // ours.fps))


def _picture_of(source: Source) -> str:
    characteristics = _rate(source.rate) + leaves(width=source.width, height=source.height) + _PIXELS
    return around("samplecharacteristics", characteristics)


def _sound_of(source: Source) -> str:
    characteristics = around("samplecharacteristics", leaves(depth=16, samplerate=source.sample_rate))
    return characteristics + leaf("channelcount", source.channels)


def _marker(marker: EditMarker) -> str:
    out = marker.at + marker.length if marker.length else -1
    return around("marker", leaves(comment=marker.note, name=marker.name, in_=marker.at, out=out)) + "\n"


def _timecode(rate: Rate, frame: int, reel: str = "") -> str:
    told = around("reel", leaf("name", reel)) if reel else ""
    display = "DF" if rate.drop else "NDF"
    return around(
        "timecode", _rate(rate), leaves(string=rate.timecode(frame), frame=frame, displayformat=display), told
    )


def _rate(rate: Rate) -> str:
    return around("rate", leaves(timebase=rate.nominal, ntsc="TRUE" if rate.ntsc else "FALSE"))
