"""The console that commands print on: as wide as the terminal; a pipe or a file has no width."""

from __future__ import annotations

import sys

from rich.console import Console

__all__ = ["chart_width", "stdout_console"]

_NO_END = 1_000_000
"""Cells: more than any line has, so that nothing is folded or cut."""


def stdout_console() -> Console:
    """The console for stdout: as wide as the terminal; without a terminal each row is one line, however long."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else _NO_END)


def chart_width() -> int:
    """The width of a chart in cells: that of the terminal, else ``$COLUMNS``, else 80."""
    return Console().width
