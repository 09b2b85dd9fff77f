"""What a part of the bench is given: how much to measure, on which cores, and where to put what it finds."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

__all__ = ["FULL", "QUICK", "Context", "Sizes"]


class Sizes(Struct, frozen=True, kw_only=True):
    """How much is measured. Rounds are interleaved: each contestant once a round."""

    rounds: int
    frames: int
    """At saturation, a round."""
    warm: int
    """Frames before those that count."""
    rate: int = 1_000
    """Frames a second, where it is like at a venue."""
    slices: int
    slice_s: float
    latency_rounds: int
    latency_s: float
    disk_rounds: int
    disk_s: float
    """A round, for each disk."""
    deflate_frames: int
    pages_rounds: int
    pages_s: float
    """A round, for each crowd of onlookers, at each place of the journal."""
    growth_rounds: int
    cameras: tuple[int, ...] = (1, 8, 50, 500)
    camera_frames: int
    cuts: tuple[int, ...]
    """Lengths of a session at which it is measured."""
    journals: tuple[int, ...]
    """Entries of journals, the largest last."""
    starts: int


FULL = Sizes(
    rounds=5,
    frames=300_000,
    warm=50_000,
    slices=9,
    slice_s=8.0,
    latency_rounds=3,
    latency_s=20.0,
    disk_rounds=5,
    disk_s=8.0,
    pages_rounds=12,
    pages_s=4.0,
    deflate_frames=100_000,
    growth_rounds=3,
    camera_frames=20_000,
    cuts=(1_000, 10_000, 100_000),
    journals=(1_000, 10_000, 100_000, 1_000_000),
    starts=9,
)
QUICK = Sizes(
    rounds=2,
    frames=40_000,
    warm=5_000,
    slices=3,
    slice_s=3.0,
    latency_rounds=1,
    latency_s=5.0,
    disk_rounds=1,
    disk_s=3.0,
    pages_rounds=1,
    pages_s=2.0,
    deflate_frames=10_000,
    growth_rounds=1,
    camera_frames=5_000,
    cuts=(1_000, 5_000),
    journals=(1_000, 100_000),
    starts=3,
)


class Context(Struct):
    """One run of one part."""

    sizes: Sizes
    note: Callable[[str, str, int, float], None]
    """Takes down who, what (name and unit), the round and the value."""
    note_each: Callable[[str, str, int, list[float]], None]
    """The same of all that was seen in the round, one by one."""
    say: Callable[[str], None]
    """Tells a person how far it is."""
    cores: tuple[int, int] = (0, 1)
    """That of who is measured, and that of the server and all the rest."""
