"""What a session can be exported as: the names, for whoever takes them and whoever writes them."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

__all__ = ["FORMATS", "LAYOUTS", "Layout", "layouts_of"]

Layout: TypeAlias = Literal["program", "angles", "multicam"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)

FORMATS: dict[str, tuple[str, ...]] = {
    "edl": (".edl",),
    "fcp7xml": (".xml",),
    "fcpxml": (".fcpxml",),
    "otio": (".otio",),
    "resolve-markers": (".markers.edl",),
    "webvtt": (".vtt",),
    "srt": (".srt",),
    "ffmetadata": (".ffmeta", ".ffmetadata"),
    "youtube": (".txt",),
    "shots": (".shots.csv",),
    "csv": (".csv",),
    "jsonl": (".jsonl", ".ndjson"),
}
"""Each format, and the file name endings that mean it; the first is what the service gives it."""

_TRACKS = frozenset(("fcp7xml", "fcpxml", "otio"))


def layouts_of(format_name: str) -> tuple[Layout, ...]:
    """The layouts that a format knows: those without tracks only have the program."""
    return LAYOUTS if format_name in _TRACKS else LAYOUTS[:1]
