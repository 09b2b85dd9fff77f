"""The kinds of director events: the one table of them that everybody reads who shows, colours, counts or checks them.

Their names are the ledger's contract. A view may have a phrase of its own for a kind (``from cam-1, dissolve 400 ms``);
for one that it has none for it says what stands here. How to add a kind: CONTRIBUTING.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

__all__ = ["KINDS", "MARK_ROWS", "WORDS", "Kind", "MarkRow", "Row", "Turns", "colour_of", "label_of", "said_of"]

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
    fields: tuple[str, ...] = ()
    """Columns of its row beside those that each has (kind, times, how it was known); ``detail.`` and names inside."""
    says: tuple[str, ...] = ()
    """Names in its detail: the first that was told is what people read beside its time and its camera."""
    titled: str = ""
    """Name in its detail that people gave it: what its marker in an editing system and its chapter are called."""


class MarkRow(NamedTuple):
    """A row of its own, in each picture of a session, for moments that change nothing of what is on."""

    label: str
    """What a report calls it."""
    sign: str
    """Of each moment, in a chart of characters."""
    by_people: bool = False
    """People mean these: they are drawn so that they are seen first."""


_CAMERA = ("cameraId", "cameraName", "role")
_TURN = ("fromCameraId", "fromCameraName", "trigger", "transition", "durationMs", "detail.inferred")

KINDS: dict[str, Kind] = {
    "cut": Kind("Cut", "cut", "WHITE", "program", "program", style="cut", fields=(*_CAMERA, *_TURN)),
    "hold": Kind(
        "Hold", "hold", "YELLOW", "hold", "hold",
        fields=(*_CAMERA, "detail.by", "detail.reason", "detail.inferred"),
        says=("reason",),
    ),
    "release": Kind(
        "Release", "hold", "YELLOW", "hold", "hold",
        fields=(*_CAMERA, "durationMs", "detail.by", "detail.inferred"),
    ),
    "mode_change": Kind(
        "Mode", "mode", "BLUE", "mode", "mode",
        fields=("detail.from", "detail.to", "detail.inferred"),
        says=("to",),
    ),
    "still_marker": Kind(
        "Still requested", "still", "GREEN", "camera", style="still-row",
        fields=("detail.stillId", "detail.cameraIds", "detail.by"),
        says=("stillId",),
    ),
    "still_capture": Kind(
        "Still taken", "still", "GREEN", "camera", at_once=False, style="still-row",
        fields=(*_CAMERA, "stillKey", "detail.stillId", "detail.inferred", "detail.takenAt"),
        says=("stillId",),
    ),
    "gap": Kind(
        "Gap", "gap", "RED", "gap", "gap", style="gap-row",
        fields=("durationMs", "detail.before", "detail.after", "detail.tap", "detail.cause", "detail.unknown"),
        says=("cause",),
    ),
    "music_moment": Kind(
        "Music", "music", "MAGENTA", "music", at_once=False,
        fields=("detail.momentId", "detail.kind", "detail.confidence"),
        says=("kind",),
    ),
    "off_air": Kind("Off air", "off-air", "BLACK", "program", "program", style="cut", fields=_TURN),
    "marker": Kind(
        "Marker", "marker", "CYAN", "marker", at_once=False, style="marker-row",
        fields=(*_CAMERA, "detail.label", "detail.source", "detail.by"),
        says=("label", "source"),
        titled="label",
    ),
}  # fmt: skip

MARK_ROWS: dict[Row, MarkRow] = {
    "music": MarkRow("Music", "♪"),
    "marker": MarkRow("Marked", "▾", by_people=True),
}
"""From above. An event of a kind in such a row is a marker in an editing system too."""

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


def said_of(name: str, detail: Mapping[str, Any]) -> str:
    """What people read of an event of this kind beside its time and its camera; empty where it says nothing."""
    kind = KINDS.get(name)
    return next((str(detail[one]) for one in (kind.says if kind is not None else ()) if detail.get(one)), "")
