"""The console that people are shown things on: as wide as their terminal; a pipe or a file has no width."""

from __future__ import annotations

import sys

from rich.console import Console

__all__ = ["chart_width", "stdout_console"]

_NO_END = 1_000_000
"""Cells: more than any line has, so that nothing is folded or cut."""


def stdout_console() -> Console:
    """For stdout: as wide as the terminal; without one, each row is a line, however long."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else _NO_END)


def chart_width() -> int:
    """How wide a drawing is made: as the terminal, ``$COLUMNS``, or 80 cells."""
    return Console().width
