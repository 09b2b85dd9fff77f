"""Frame rates: from milliseconds to frames, and from frames to timecode and back.

An instant is rounded to the nearest frame once, counted from the start of the session; everything else is whole frames,
so that what one clip leaves the next one takes.
"""

from __future__ import annotations

import re
from fractions import Fraction

from msgspec import Struct

__all__ = ["RATES", "Grid", "Rate", "counting", "rate_near"]

_DAY_S = 86_400
_LABEL = re.compile(r"(\d{1,2}):(\d{2}):(\d{2})([:;.,])(\d{2,3})")
_NEAR = Fraction(1, 2000)
"""How far a measured rate may be from the real one, as a fraction: half the difference of 24 and 23.976."""
_NEXT = Fraction(17, 20)
"""Added to a moment, in frames, so that rounding gives the frame after it: see :meth:`Grid.onset`."""


class Rate(Struct, frozen=True):
    """A frame rate. ``nominal`` is what timecode counts to; NTSC rates run slower than that by 1000 to 1001."""

    name: str
    nominal: int
    ntsc: bool = False
    drop: bool = False

    @property
    def exact(self) -> float:
        """Frames a second."""
        return self.nominal * 1000 / 1001 if self.ntsc else float(self.nominal)

    @property
    def fps(self) -> Fraction:
        """Frames a second, exactly."""
        return Fraction(self.nominal * 1000, 1001) if self.ntsc else Fraction(self.nominal)

    def keeps_step(self, other: Rate) -> bool:
        """Whether both have the same pictures a second, however they number them."""
        return self.nominal == other.nominal and self.ntsc == other.ntsc

    def frames(self, ms: int | Fraction) -> int:
        """The frame nearest to so many milliseconds; half a frame counts as one."""
        frames, second = self.nominal * ms * (1000 if self.ntsc else 1), 1000 * (1001 if self.ntsc else 1)
        return int((2 * frames + second) // (2 * second))

    @property
    def day(self) -> int:
        """Frames in 24 hours of timecode, after which it begins anew."""
        if not self.drop:
            return self.nominal * _DAY_S
        dropped = self.nominal // 15
        return self.nominal * _DAY_S - dropped * 9 * 6 * 24

    def timecode(self, frame: int, *, running: bool = False) -> str:
        """``HH:MM:SS:FF``, with ``;`` before the frames where numbers are dropped.

        ``running``: it does not begin anew at midnight (``24:00:05:00``), so that what is later is more.
        Not OpenTimelineIO's: at NTSC rates without dropped numbers that begins the day anew 86 s too early.
        """
        days, number = divmod(frame, self.day)
        if self.drop:
            number += self._dropped_before(number)
        seconds, frames = divmod(number, self.nominal)
        minutes, hours = seconds // 60 % 60, seconds // 3600 + (24 * days if running else 0)
        return f"{hours:02d}:{minutes:02d}:{seconds % 60:02d}{';' if self.drop else ':'}{frames:02d}"

    def _dropped_before(self, frame: int) -> int:
        """How many numbers were left out up to here: the first of each minute, but of every tenth none."""
        dropped = self.nominal // 15
        tens, rest = divmod(frame, self.nominal * 600 - 9 * dropped)
        minutes = max(0, rest - dropped) // (self.nominal * 60 - dropped)
        return dropped * (9 * tens + minutes)

    def frame_of(self, timecode: str) -> int:
        """The frame that has this timecode; a number that is left out means the next one that is not.

        Raises ``ValueError`` for what is not a timecode at this rate.
        """
        found = _LABEL.fullmatch(timecode.strip())
        if found is None:
            raise ValueError(f"{timecode!r} is not a timecode")
        hours, minutes, seconds, frames = (int(found[part]) for part in (1, 2, 3, 5))
        if minutes > 59 or seconds > 59 or frames >= self.nominal:
            raise ValueError(f"{timecode!r} is not a timecode at {self.name} frames a second")
        frame = ((hours * 60 + minutes) * 60 + seconds) * self.nominal + frames
        if not self.drop:
            return frame
        dropped, whole = self.nominal // 15, hours * 60 + minutes
        if minutes % 10 and not seconds:
            frame += max(0, dropped - frames)
        return frame - dropped * (whole - whole // 10)

    def at_clock(self, ms_of_day: int) -> int:
        """The frame whose timecode shows this time of day.

        Where numbers are dropped timecode keeps pace with the clock; elsewhere its seconds and the clock's are the same
        at this one moment, and drift apart after it by 3.6 s an hour at NTSC rates.
        """
        if self.drop:
            return self.frames(ms_of_day) % self.day
        seconds, ms = divmod(ms_of_day, 1000)
        return seconds * self.nominal + ms * self.nominal // 1000

    def clock(self, frame: int) -> Fraction:
        """The time of day (ms) that a frame's timecode shows: the other way round than :meth:`at_clock`."""
        if self.drop:
            return Fraction(frame * 1000) / self.fps
        return Fraction(frame * 1000, self.nominal)


class Grid(Struct, frozen=True):
    """Where the frames of an edit lie in time: its first begins at ``origin`` (Unix ms)."""

    rate: Rate
    origin: Fraction
    recorder: bool = False
    """The frames are a recorder's pictures. They begin when the server reports a cut."""

    def frame(self, at: int | Fraction) -> int:
        """The frame nearest to a moment (Unix ms).

        Of a recorder, a cut may be told late and never early: up to three quarters of a frame late it is still its own.
        """
        late = Fraction(250) / self.rate.fps if self.recorder else 0
        return self.rate.frames(at - self.origin - late)

    def onset(self, at: int | Fraction) -> int:
        """The frame of the first picture that shows what began at a moment, and was told then.

        A recorder shows nothing of it before its next picture, however soon that comes; and what is told within a tenth
        of a frame after one may have begun before it.
        """
        return self.frame(at + Fraction(1000) * _NEXT / self.rate.fps) if self.recorder else self.frame(at)

    def moment(self, frame: int) -> Fraction:
        """When a frame begins (Unix ms)."""
        return self.origin + Fraction(frame * 1000) / self.rate.fps


RATES = {
    rate.name: rate
    for rate in (
        Rate("23.976", 24, ntsc=True),
        Rate("24", 24),
        Rate("25", 25),
        Rate("29.97", 30, ntsc=True),
        Rate("29.97df", 30, ntsc=True, drop=True),
        Rate("30", 30),
        Rate("50", 50),
        Rate("59.94", 60, ntsc=True),
        Rate("59.94df", 60, ntsc=True, drop=True),
        Rate("60", 60),
    )
}
"""By the name that ``--fps`` takes; ``df`` is drop frame."""


def rate_near(fps: Fraction, *, drop: bool = False) -> Rate | None:
    """The rate of an edit that so many frames a second mean; None where it is none of those that editing systems know.

    A recorder's own figure may be off by a little (29.9698).
    """
    fits = [rate for rate in RATES.values() if abs(rate.fps - fps) <= _NEAR * rate.fps]
    chosen = [rate for rate in fits if rate.drop == drop] or fits
    return min(chosen, key=lambda rate: abs(rate.fps - fps), default=None)


def counting(fps: Fraction, *, drop: bool = False) -> Rate:
    """How the timecode of a file counts that has so many frames a second, whatever number that is."""
    known = rate_near(fps, drop=drop)
    if known is not None:
        return known
    nominal = max(1, -(-fps.numerator // fps.denominator) if fps.denominator == 1001 else round(fps))
    return Rate(f"{float(fps):.5g}", nominal, ntsc=fps.denominator == 1001)
