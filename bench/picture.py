"""The picture: what each contestant costs, beside one another."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# Before matplotlib: it needs no screen, and no folder in anybody's home.
os.environ.setdefault("MPLBACKEND", "svg")

import matplotlib as mpl
from matplotlib.figure import Figure as Canvas

from bench.contestants import AGAIN, BARE, NAMES, NODE, NODE_RED, PICOWS, TAP
from bench.parts import saturation, steady
from bench.results import Measured, Results, Spread

__all__ = ["draw"]

_SHOWN = (TAP, PICOWS, BARE, NODE, NODE_RED)
# Okabe and Ito's: told apart by everybody, and in grey too.
_COLOURS = {TAP: "#0072B2", PICOWS: "#8A8A8A", BARE: "#8A8A8A", NODE: "#BDBDBD", NODE_RED: "#BDBDBD", AGAIN: "#8A8A8A"}
_INK, _FAINT = "#222222", "#DDDDDD"
_BEHIND: Any = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
"""Of a figure that stands on a line."""
_STYLE: Any = {
    "svg.hashsalt": "multicam-tap",
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
}

Bars = dict[str, Spread]


def draw(results: Results, to: Path) -> bool:
    """Write the picture, as its ending says (.svg, .png). False where nothing of it was measured yet."""
    panels = [panel for panel in _panels(results) if panel[2]]
    if not panels:
        return False
    with mpl.rc_context(_STYLE):
        canvas = Canvas(figsize=(10.5, 3.3), facecolor="white")
        names = [name for name in _SHOWN if any(name in bars for _, _, bars in panels)]
        axes = canvas.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axis, (title, unit, bars) in zip(axes, panels, strict=True):
            _bars(axis, title, unit, names, bars)
        axes[0].set_yticks(range(len(names)), [NAMES[name] for name in names])
        for label, name in zip(axes[0].get_yticklabels(), names, strict=True):
            label.set_fontweight("bold" if name == TAP else "normal")
        axes[0].invert_yaxis()
        _words(canvas, results)
        canvas.subplots_adjust(left=0.21, right=0.975, top=0.785, bottom=0.2, wspace=0.12)
        to.parent.mkdir(parents=True, exist_ok=True)
        canvas.savefig(to, metadata={"Date": None} if to.suffix == ".svg" else None, dpi=160)
    return True


def _panels(results: Results) -> list[tuple[str, str, Bars]]:
    """Title, unit and bars."""
    at_most, at_rate = results.parts.get("saturation"), results.parts.get("steady")
    return [
        ("CPU at saturation ÷ bare loop", "", _ratios(at_most, saturation.CPU)),
        ("CPU at 1,000 frames/s ÷ bare loop", "", _ratios(at_rate, steady.SHARE)),
        ("memory at 1,000 frames/s", " MB", _plain(at_rate, steady.RSS)),
    ]


def _ratios(measured: Measured | None, what: str) -> Bars:
    found = {} if measured is None else {name: measured.ratio(name, BARE, what) for name in _SHOWN}
    return {name: spread for name, spread in found.items() if spread is not None}


def _plain(measured: Measured | None, what: str) -> Bars:
    found = {} if measured is None else {name: measured.spread(name, what) for name in _SHOWN}
    return {name: spread for name, spread in found.items() if spread is not None}


def _bars(axis: Any, title: str, unit: str, names: Sequence[str], bars: Bars) -> None:
    top = max(spread.most for spread in bars.values())
    for place, name in enumerate(names):
        spread = bars.get(name)
        if spread is None:
            continue
        axis.barh(place, spread.median, height=0.62, color=_COLOURS[name], zorder=2)
        away = [[spread.median - spread.least], [spread.most - spread.median]]
        axis.errorbar(spread.median, place, xerr=away, color=_INK, linewidth=0.8, capsize=2.5, zorder=3)
        said = f"{spread.median:.0f}{unit}" if unit else f"{spread.median:.2f}"
        weight = "bold" if name == TAP else "normal"
        axis.text(spread.most + top * 0.03, place, said, va="center", fontweight=weight, bbox=_BEHIND, zorder=4)
    axis.set_title(title, fontsize=9.5, loc="left", pad=8)
    axis.set_xlim(0, top * 1.22)
    axis.grid(axis="x", color=_FAINT, linewidth=0.7, zorder=0)
    axis.tick_params(length=0)
    if not unit:
        axis.axvline(1, color=_INK, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    for side in axis.spines.values():
        side.set_visible(False)


def _words(canvas: Canvas, results: Results) -> None:
    begun = max((measured.begun for measured in results.parts.values()), key=lambda begun: begun.when)
    rough = "A rough look: what" if begun.quick else "What"
    canvas.text(
        0.012, 0.945, f"{rough} a listener costs: ratios, not absolutes", fontsize=12.5, fontweight="bold", va="center"
    )
    lines = (
        "Medians of interleaved rounds in one run, whiskers from the least to the most; shorter is better. "
        "The tap with journal and flight recorder on.",
        f"{begun.machine.brief()}; {begun.when[:10]}",
    )
    canvas.text(0.012, 0.07, "\n".join(lines), fontsize=7.5, color="#555555", va="center", linespacing=1.5)
