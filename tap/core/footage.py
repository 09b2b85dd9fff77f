"""What a recorded file says of itself: the words in which whoever reads files tells whoever places them."""

from __future__ import annotations

from fractions import Fraction

from msgspec import Struct

__all__ = ["Footage", "Unread"]


class Footage(Struct, frozen=True, kw_only=True):
    """One file with pictures in it, as it was read."""

    path: str
    """As it will be referred to."""
    rate: Fraction
    """Frames a second, on average over the file."""
    base_rate: Fraction | None = None
    """Frames a second as the container declares them; of interlaced video it may be fields."""
    frames: int | None = None
    """How many pictures; None where the container does not say."""
    seconds: Fraction
    """From the first picture to the end of the last."""
    width: int
    height: int
    channels: int = 0
    """Of its first sound; 0: it is silent."""
    sample_rate: int = 48_000
    timecode: str | None = None
    """Of the first picture, as it stands in the file: ``HH:MM:SS:FF``, with ``;`` where numbers are dropped."""
    reel: str | None = None
    created: int | None = None
    """Unix ms, as the recorder noted it: most often to the second only."""


class Unread(Struct, frozen=True, kw_only=True):
    """A file that looks like video by its name and cannot be used, and why."""

    path: str
    why: str
