"""The kinds of director events: the one table of them that everybody reads who shows, colours, counts or checks them.

Their names are the ledger's contract. What an event of a kind says beside its time and its camera is said
by whoever shows it; everything else that depends on the kind stands here.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

__all__ = ["KINDS", "WORDS", "Kind", "Row", "Turns", "colour_of", "label_of"]

Turns = Literal["program", "hold", "mode", "gap"]
Row = Literal["program", "hold", "mode", "camera", "music", "marker", "gap"]


class Kind(NamedTuple):
    """One kind of event."""

    label: str
    """What people read."""
    word: str
    """What people ask for; kinds that are asked for together share it."""
    colour: str
    """Of its marks in an editing system, in the words that these know."""
    row: Row
    """Where it stands in a picture of the session."""
    turns: Turns | None = None
    """What is another after it; after a gap everything may be."""
    at_once: bool = True
    """It is told when it happens. Others are dated by whoever took the still, or meant the moment."""
    style: str = ""
    """Of its line in the live page's list."""


KINDS: dict[str, Kind] = {
    "cut": Kind("Cut", "cut", "WHITE", "program", "program", style="cut"),
    "hold": Kind("Hold", "hold", "YELLOW", "hold", "hold"),
    "release": Kind("Release", "hold", "YELLOW", "hold", "hold"),
    "mode_change": Kind("Mode", "mode", "BLUE", "mode", "mode"),
    "still_marker": Kind("Still requested", "still", "GREEN", "camera", style="still-row"),
    "still_capture": Kind("Still taken", "still", "GREEN", "camera", at_once=False, style="still-row"),
    "gap": Kind("Gap", "gap", "RED", "gap", "gap", style="gap-row"),
    "music_moment": Kind("Music", "music", "MAGENTA", "music", at_once=False),
    "off_air": Kind("Off air", "off-air", "BLACK", "program", "program", style="cut"),
    "marker": Kind("Marker", "marker", "CYAN", "marker", at_once=False, style="marker-row"),
}

WORDS = tuple(dict.fromkeys(kind.word for kind in KINDS.values()))
"""What people can ask for."""

_COLOURS = {kind.word: kind.colour for kind in KINDS.values()}
_SHOWN = 40


def colour_of(word: str) -> str:
    """The colour of marks that are asked for by ``word``."""
    return _COLOURS.get(word, "WHITE")


def label_of(name: str) -> str:
    """What people read for a kind; for one that another version wrote, its name in words."""
    kind = KINDS.get(name)
    return name[:_SHOWN].replace("_", " ") if kind is None else kind.label
