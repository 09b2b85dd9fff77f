"""What was measured: every single figure as a line of a file, written down as it is measured, and read back from there.

A part begins with a ``Begun`` (what was measured, where, how much of it), goes on with a ``Figure`` a line, and ends
with a ``Done``. A part that was measured again replaces what was there of it; one that was broken off does not count.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeAlias, TypeVar

import msgspec
import numpy as np
from msgspec import Struct, field

from bench.machine import Machine

__all__ = ["Begun", "Done", "Figure", "Line", "Measured", "Results", "Samples", "Spread", "Writer", "read"]

_RESAMPLED = 1_000
_SEED = 9404
_Round = TypeVar("_Round")


class Begun(Struct, tag="begun", kw_only=True):
    """A part begins."""

    part: str
    when: str
    """UTC."""
    machine: Machine
    load: float
    """Load average of the last minute, before."""
    code: str
    """A digest of the tap's own code."""
    quick: bool = False
    sizes: dict[str, float] = field(default_factory=dict)
    """How much is measured."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Contestants that are not there, and why."""


class Figure(Struct, tag="figure"):
    """One measurement."""

    part: str
    who: str
    what: str
    """Name and unit."""
    round: int
    value: float


class Samples(Struct, tag="samples"):
    """All that was seen of one thing in one round, one by one."""

    part: str
    who: str
    what: str
    """Name and unit."""
    round: int
    values: list[float]


class Done(Struct, tag="done"):
    """A part is complete."""

    part: str
    seconds: float


Line: TypeAlias = Begun | Figure | Samples | Done


class Spread(Struct, frozen=True):
    """Median and range of what several rounds gave; or a figure of all of them together, and its 95 % interval."""

    median: float
    least: float
    most: float
    rounds: int

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread | None:
        """None where nothing was measured."""
        known = list(values)
        return cls(statistics.median(known), min(known), max(known), len(known)) if known else None


class Measured(Struct):
    """What a part has found."""

    begun: Begun
    figures: list[Figure] = field(default_factory=list)
    samples: list[Samples] = field(default_factory=list)
    seconds: float | None = None
    """How long it took; None: it has not come to its end."""

    def values(self, who: str, what: str) -> list[float]:
        """In the order of the rounds."""
        return [figure.value for figure in self.figures if (figure.who, figure.what) == (who, what)]

    def spread(self, who: str, what: str) -> Spread | None:
        """Of all that was measured of this."""
        return Spread.of(self.values(who, what))

    def ratios(self, who: str, to: str, what: str) -> list[float]:
        """Round by round; rounds that lack one of the two count for nothing."""
        by_round: dict[int, dict[str, float]] = defaultdict(dict)
        for figure in self.figures:
            if figure.what == what:
                by_round[figure.round][figure.who] = figure.value
        return [told[who] / told[to] for _, told in sorted(by_round.items()) if who in told and told.get(to)]

    def ratio(self, who: str, to: str, what: str) -> Spread | None:
        """Of ``who`` to ``to``, each in the same round."""
        return Spread.of(self.ratios(who, to, what))

    def pooled(self, who: str, what: str, percent: float) -> Spread | None:
        """Below which so many of 100 samples are, those of all rounds together; and its 95 % interval."""
        return _resampled(list(self._by_round(who, what).values()), lambda ours: _quantile(ours, percent))

    def pooled_ratio(self, who: str, to: str, what: str, percent: float) -> Spread | None:
        """The same of ``who``, to the same of ``to``; rounds that lack one of the two count for nothing."""
        ours, theirs = self._by_round(who, what), self._by_round(to, what)
        rounds = [(ours[number], theirs[number]) for number in sorted(ours.keys() & theirs.keys())]

        def ratio(drawn: Sequence[tuple[list[float], list[float]]]) -> float:
            one, other = zip(*drawn, strict=True)
            return _quantile(one, percent) / _quantile(other, percent)

        return _resampled(rounds, ratio)

    def _by_round(self, who: str, what: str) -> dict[int, list[float]]:
        return {one.round: one.values for one in self.samples if (one.who, one.what) == (who, what) and one.values}

    def whos(self, what: str) -> list[str]:
        """Who was measured, in the order of measuring."""
        all_of_it: list[Figure | Samples] = [*self.figures, *self.samples]
        return list(dict.fromkeys(one.who for one in all_of_it if one.what == what))


def _quantile(rounds: Iterable[Sequence[float]], percent: float) -> float:
    return float(np.percentile(np.concatenate([np.asarray(values) for values in rounds]), percent))


def _resampled(rounds: Sequence[_Round], of: Callable[[Sequence[_Round]], float]) -> Spread | None:
    """What all rounds give together, and the 95 % interval of a bootstrap: of rounds, since a disk stalls in some."""
    if not rounds:
        return None
    draws = np.random.default_rng(_SEED).integers(len(rounds), size=(_RESAMPLED, len(rounds)))
    least, most = np.percentile([of([rounds[at] for at in draw]) for draw in draws], (2.5, 97.5))
    return Spread(of(rounds), float(least), float(most), len(rounds))


class Results(Struct):
    """The last complete measurement of each part."""

    parts: dict[str, Measured] = field(default_factory=dict)

    @classmethod
    def of(cls, lines: Iterable[Line]) -> Results:
        """A part that was broken off does not replace a complete one before it."""
        results, open_parts = cls(), dict[str, Measured]()
        for line in lines:
            match line:
                case Begun():
                    open_parts[line.part] = Measured(line)
                case Figure():
                    open_parts[line.part].figures.append(line)
                case Samples():
                    open_parts[line.part].samples.append(line)
                case Done():
                    whole = open_parts.pop(line.part)
                    whole.seconds = line.seconds
                    results.parts[line.part] = whole
        return results


class Writer:
    """Adds to the file, line by line."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path

    def write(self, line: Line) -> None:
        """It is in the file from here on."""
        with self._path.open("ab") as file:
            file.write(msgspec.json.encode(line) + b"\n")


def read(path: Path) -> Results:
    """What the file holds; lines that cannot be read (a bench that was killed, another version) count for nothing."""
    lines: list[Line] = []
    for raw in path.read_bytes().splitlines() if path.exists() else []:
        try:
            lines.append(msgspec.json.decode(raw, type=Line))
        except msgspec.DecodeError:
            continue
    known = {line.part for line in lines if isinstance(line, Begun)}
    return Results.of(line for line in lines if line.part in known)
