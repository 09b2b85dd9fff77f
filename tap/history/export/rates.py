"""Frame rates: from milliseconds to frames, and from frames to timecode.

An instant is rounded to the nearest frame once, counted from the start of the session; everything else is whole frames,
so that what one clip leaves the next one takes.
"""

from __future__ import annotations

from msgspec import Struct

__all__ = ["RATES", "Rate"]

_DAY_S = 86_400


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

    def frames(self, ms: int) -> int:
        """The frame nearest to so many milliseconds; half a frame counts as one."""
        frames, second = self.nominal * ms * (1000 if self.ntsc else 1), 1000 * (1001 if self.ntsc else 1)
        return (2 * frames + second) // (2 * second)

    @property
    def day(self) -> int:
        """Frames in 24 hours of timecode, after which it begins anew."""
        if not self.drop:
            return self.nominal * _DAY_S
        dropped = self.nominal // 15
        return self.nominal * _DAY_S - dropped * 9 * 6 * 24

    def timecode(self, frame: int) -> str:
        """``HH:MM:SS:FF``, with ``;`` before the frames where numbers are dropped.

        Not OpenTimelineIO's: at NTSC rates without dropped numbers that begins the day anew 86 s too early.
        """
        number = frame % self.day
        if self.drop:
            number += self._dropped_before(number)
        seconds, frames = divmod(number, self.nominal)
        minutes, hours = seconds // 60 % 60, seconds // 3600
        return f"{hours:02d}:{minutes:02d}:{seconds % 60:02d}{';' if self.drop else ':'}{frames:02d}"

    def _dropped_before(self, frame: int) -> int:
        """How many numbers were left out up to here: the first of each minute, but of every tenth none."""
        dropped = self.nominal // 15
        tens, rest = divmod(frame, self.nominal * 600 - 9 * dropped)
        minutes = max(0, rest - dropped) // (self.nominal * 60 - dropped)
        return dropped * (9 * tens + minutes)

    def at_clock(self, ms_of_day: int) -> int:
        """The frame whose timecode shows this time of day.

        Where numbers are dropped timecode keeps pace with the clock; elsewhere its seconds and the clock's are the same
        at this one moment, and drift apart after it by 3.6 s an hour at NTSC rates.
        """
        if self.drop:
            return self.frames(ms_of_day) % self.day
        seconds, ms = divmod(ms_of_day, 1000)
        return seconds * self.nominal + ms * self.nominal // 1000


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
