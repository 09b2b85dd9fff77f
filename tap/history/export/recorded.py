"""What the server recorded, as the session's row tells it: files, pauses, and the beat of its pictures.

A recorder's clock ticks once a frame. It is told by nobody, but every hard cut lies on it: the event comes a moment
after the tick of its first picture, always the same moment. So the cuts of a recording say where between two events its
ticks are, and with that each pause is as many whole frames long as the recorder left out, and each cut falls on its
picture. Where cuts do not agree (a server that dates them otherwise, or too few of them) the told times stand as they
are. Measured on OBS: the cuts of one recording agree within 0.1 frames; its first tick lies anywhere between 0.3 frames
before the told begin and 1.05 after it.

So a word near a tick may mean the one before it or the one behind it. Where the files are here, the number of their
pictures says whether all words together are right; if they are not, the most doubtful of them gives way.
"""

from __future__ import annotations

import cmath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from math import ceil, pi
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from tap.history.export.rates import rate_near
from tap.history.timeline import Event, Timeline

__all__ = [
    "Recording",
    "RecordingPause",
    "Run",
    "Settled",
    "beat_of",
    "on_session_clock",
    "recorded_in",
    "runs_of",
    "settled",
]

_LEAST_CUTS = 4
_AGREEING = 0.8
"""How many of the cuts, as a part, must lie on the beat."""
_OFF = 0.2
"""How far from the beat (frames) a cut may be that lies on it; others were told late."""
_EARLY = 0.6
"""From here on it is taken for the tick before the recorder told that it had begun, which it tells a moment late. Where
that is wrong, a cut falls on the picture after its first; the other way round it would fall on the one before it.
"""
_TOLD_MS = 3
"""How long after its tick a cut is told: on OBS 2 to 4 ms. Pauses and stops are told when they are asked for."""
_DOUBTFUL = 0.35
"""So far (frames) a word may be off, at most, for the number of pictures to change what it means."""
_FIRST = (-0.3, 1.05)
"""Where a first tick lies, in frames after the told begin."""
_MOST_CHANGED = 2


class RecordingPause(Struct, frozen=True):
    """From ``start`` up to ``end`` (Unix ms) nothing was recorded; ``end`` None: until the recording was over."""

    start: int
    end: int | None = None


class Recording(Struct, frozen=True, kw_only=True):
    """One recorded file, as the server's words give it; what it did not say is None. Times are Unix ms."""

    path: str
    start: int | None = None
    end: int | None = None
    pauses: tuple[RecordingPause, ...] = ()
    fps: Fraction | None = None
    width: int | None = None
    height: int | None = None


class Run(Struct, frozen=True):
    """Pictures without a break: from ``at`` (Unix ms) on the file's pictures from ``frame`` on, ``frames`` of them."""

    at: Fraction
    frame: int
    frames: int


def recorded_in(media: Iterable[Any]) -> list[Recording]:
    """The column ``media`` of a session's row; version 0.1.0 wrote bare paths into it. What cannot be read is left."""
    found = (_recorded({"path": one} if isinstance(one, str) else one) for one in media)
    return [one for one in found if one is not None]


def _recorded(said: Any) -> Recording | None:
    if not isinstance(said, Mapping) or not isinstance(said.get("path"), str) or not said["path"]:
        return None
    return Recording(
        path=said["path"],
        start=_ms(said.get("from")),
        end=_ms(said.get("to")),
        pauses=tuple(_pauses(said.get("pauses"))),
        fps=_fps(said.get("rate")),
        width=_ms(said.get("width")),
        height=_ms(said.get("height")),
    )


def _pauses(said: Any) -> Iterator[RecordingPause]:
    listed = said if isinstance(said, Sequence) and not isinstance(said, str) else ()
    told = [one for one in listed if isinstance(one, Mapping) and _ms(one.get("from")) is not None]
    until = 0
    for one in sorted(told, key=lambda one: float(one["from"])):
        start, end = int(one["from"]), _ms(one.get("to"))
        if start >= until and (end is None or end > start):
            yield RecordingPause(start, end)
            if end is None:
                return
            until = end


def _ms(value: Any) -> int | None:
    known = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e15
    return round(value) if known else None


def _fps(value: Any) -> Fraction | None:
    """Frames a second as a number, or as it is often written: ``30000/1001``."""
    try:
        fps = Fraction(value) if isinstance(value, str) else Fraction(str(value))
    except (ValueError, ZeroDivisionError, TypeError):
        return None
    if not 1 <= fps <= 1000:
        return None
    near = rate_near(fps)
    return fps if near is None else near.fps


def on_session_clock(recorded: Recording, timeline: Timeline) -> Recording:
    """Its times as moments of the timeline: where the clock of the rows was set, those of the events around them."""
    if not timeline.clock_steps:
        return recorded

    def moment(at: int | None) -> int | None:
        near = min(timeline.events, key=lambda event: abs(event.at - (at or 0)), default=None)
        return at if at is None or near is None else at + near.shift_ms

    return replace(
        recorded,
        start=moment(recorded.start),
        end=moment(recorded.end),
        pauses=tuple(
            RecordingPause(moment(pause.start) or pause.start, moment(pause.end)) for pause in recorded.pauses
        ),
    )


# ---------------------------------------------------------------------------------------------- its beat


def beat_of(recorded: Recording, start: Fraction, fps: Fraction, events: Iterable[Event]) -> float | None:
    """Where its ticks lie, in frames after ``start`` (Unix ms), by the hard cuts told within it.

    None where they do not agree.
    """
    turns = [float((event.moment - start) * fps / 1000) % 1 for event in events if _is_hard(event, recorded, start)]
    if len(turns) < _LEAST_CUTS:
        return None
    beat = _middle(turns)
    near = [turn for turn in turns if _apart(turn, beat) <= _OFF]
    if len(near) < _LEAST_CUTS or len(near) < _AGREEING * len(turns):
        return None
    beat = _middle(near)
    return beat - 1 if beat >= _EARLY else beat


def _is_hard(event: Event, recorded: Recording, start: Fraction) -> bool:
    if event.kind != "cut" or event.duration_ms or (event.transition or "cut").casefold() != "cut":
        return False
    if (event.detail or {}).get("inferred") or event.moment <= start:
        return False
    if recorded.end is not None and event.moment >= recorded.end:
        return False
    return not any(
        pause.start <= event.moment and (pause.end is None or event.moment <= pause.end) for pause in recorded.pauses
    )


def _middle(turns: Sequence[float]) -> float:
    """The mean of what goes round and round from 0 to 1."""
    return cmath.phase(sum(cmath.exp(2j * pi * turn) for turn in turns)) / (2 * pi) % 1


def _apart(one: float, other: float) -> float:
    return abs((one - other + 0.5) % 1 - 0.5)


def runs_of(recorded: Recording, start: Fraction, fps: Fraction, until: int) -> list[Run]:
    """The runs of pictures between its pauses, for a file whose first picture is of ``start`` (Unix ms).

    ``until``: when it ended, where the server did not tell.
    """
    frame_ms = 1000 / fps

    def ticks(ms: int) -> int:
        """How many pictures come before a moment, were nothing left out."""
        return max(0, ceil((ms - start) / frame_ms))

    runs, tick, frame = [], 0, 0
    for pause in recorded.pauses:
        last = ticks(pause.start)
        if last > tick:
            runs.append(Run(start + tick * frame_ms, frame, last - tick))
            frame += last - tick
        if pause.end is None:
            return runs
        tick = max(last, ticks(pause.end))
    length = max(0, ticks(recorded.end or until) - tick)
    return [*runs, Run(start + tick * frame_ms, frame, length)]


# ---------------------------------------------------------------------------------------------- by their number


class Settled(Struct, frozen=True):
    """Where the first tick lies, in frames after the told begin, and when each pause was by the beat of the cuts."""

    beat: float
    pauses: Mapping[RecordingPause, RecordingPause]


class _Word(Struct):
    """A told moment as a place among ticks; ``sign``: -1 where there are fewer pictures, the later it is."""

    at: float
    sign: int

    def doubt(self, more: int) -> float:
        """How far it is from meaning one picture more (1), or one fewer (-1)."""
        return ceil(self.at) - self.at if more == self.sign else self.at - ceil(self.at) + 1

    def give_way(self, more: int) -> None:
        """Mean the middle between the two ticks behind, or before."""
        self.at = ceil(self.at) + (0.5 if more == self.sign else -1.5)


def settled(
    pauses: Sequence[RecordingPause], start: Fraction, end: int | None, fps: Fraction, beat: float, frames: int | None
) -> Settled:
    """What the words of a recording mean whose files have ``frames`` pictures together (None: they are not here).

    Where the words come to another number, the most doubtful ones give way; the first tick may be one further, too.
    Where none is doubtful enough, all stand as they are.
    """

    def word(ms: int, sign: int) -> _Word:
        return _Word(float((ms + _TOLD_MS - start) * fps / 1000) - beat, sign)

    def moment(word: _Word) -> int:
        return round(start + Fraction(word.at + beat) * 1000 / fps)

    told = [(word(pause.start, 1), None if pause.end is None else word(pause.end, -1)) for pause in pauses]
    words = [one for pair in told for one in pair if one is not None]
    further = 0
    if end is not None and frames is not None and all(pause.end is not None for pause in pauses):
        further = _fit([*words, word(end, 1)], beat, frames)
    meant = [RecordingPause(moment(begun), None if ended is None else moment(ended)) for begun, ended in told]
    return Settled(beat + further, dict(zip(pauses, meant, strict=True)))


def _fit(words: list[_Word], beat: float, frames: int) -> int:
    """Let the most doubtful words give way until they come to this number; by how much the first tick is further."""
    missing = frames - sum(word.sign * ceil(word.at) for word in words)
    if abs(missing) > _MOST_CHANGED:
        return 0
    more, further = (1 if missing > 0 else -1), 0
    giving: list[_Word] = []
    for _ in range(abs(missing)):
        word = min((word for word in words if word not in giving), key=lambda word: word.doubt(more))
        first = beat + further - more
        strange = max(0.0, _FIRST[0] - first, first - _FIRST[1])
        if min(strange, word.doubt(more)) > _DOUBTFUL:
            return 0
        if strange < word.doubt(more):
            further -= more
        else:
            giving.append(word)
    for word in giving:
        word.give_way(more)
    return further
