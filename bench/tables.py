"""Tables of Markdown, and figures in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench.results import Spread

__all__ = ["number", "ranged", "table"]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The first column to the left, the others to the right; padded, so that it reads as text too."""
    lines = [list(head), *map(list, rows)]
    widths = [max(map(len, column), default=0) for column in zip(*lines, strict=True)]
    rule = ["-" * max(widths[0], 3), *("-" * max(width - 1, 3) + ":" for width in widths[1:])]
    padded = [[cells[0].ljust(widths[0]), *map(str.rjust, cells[1:], widths[1:])] for cells in lines]
    return [f"| {' | '.join(cells)} |" for cells in (padded[0], rule, *padded[1:])]


def number(value: float | None) -> str:
    """As many digits as mean something."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def ranged(spread: Spread | None, unit: str = "") -> str:
    """Median, and the range of all rounds."""
    if spread is None:
        return "–"
    return f"{number(spread.median)}{unit} ({number(spread.least)} to {number(spread.most)})"
