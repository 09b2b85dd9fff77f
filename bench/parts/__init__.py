"""The parts of the bench. Each file says at its head how it measures, and tells its own table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import ModuleType

from msgspec import Struct

from bench.context import Context
from bench.parts import (
    deflate,
    growth_cameras,
    growth_journal,
    growth_session,
    latency,
    pages,
    saturation,
    slow_disk,
    start,
    steady,
)
from bench.results import Measured

__all__ = ["PARTS", "Part", "chosen"]


class Part(Struct, frozen=True):
    """One of them."""

    words: str
    run: Callable[[Context], None]
    tell: Callable[[Measured], list[str]]
    how: str
    """What its file says of itself."""


def _part(words: str, module: ModuleType) -> Part:
    return Part(words, module.run, module.tell, (module.__doc__ or "").strip())


PARTS: Mapping[str, Part] = {
    "saturation": _part("CPU and memory at saturation", saturation),
    "steady": _part("CPU and memory at 1,000 frames a second", steady),
    "latency": _part("From the server to the disk and to the ledger", latency),
    "slow-disk": _part("The wait of a frame while the disk is slow", slow_disk),
    "pages": _part("What it costs to be looked at", pages),
    "deflate": _part("Compression", deflate),
    "growth-cameras": _part("Growth: cameras", growth_cameras),
    "growth-session": _part("Growth: length of a session", growth_session),
    "growth-journal": _part("Growth: size of the journal", growth_journal),
    "start": _part("Start", start),
}
"""In the order in which they are measured and told."""


def chosen(names: Sequence[str]) -> list[str]:
    """The parts of these names, or whose names begin so (``growth``); all where none are named.

    Raises ``KeyError``, with the names that there are, for one that there is not.
    """
    found = [part for part in PARTS if not names or any(part == name or part.startswith(f"{name}-") for name in names)]
    for name in names:
        if not any(part == name or part.startswith(f"{name}-") for part in found):
            raise KeyError(f"there is no part {name}; there are growth (all three), {', '.join(PARTS)}")
    return found
