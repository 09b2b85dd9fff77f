"""What the commands' arguments may be. What can never be is wrong usage, told before anything is done."""

# ruff: noqa: PLC0415

from __future__ import annotations

import math
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from tap.core.errors import SettingsInvalid

__all__ = [
    "MOST",
    "POSITIVE",
    "RATE_NAMES",
    "TEXT",
    "CameraOffset",
    "DigestDigits",
    "FiniteNumber",
    "NonEmptyText",
    "PathName",
    "ServerUrl",
    "ServerWays",
    "TimecodeOr",
    "Venue",
    "WholeNumber",
]

MOST = 2**53
"""No journal has more entries."""
RATE_NAMES = ("23.976", "24", "25", "29.97", "29.97df", "30", "50", "59.94", "59.94df", "60")
"""Frame rates that an export or a report may have, as they are typed."""


class NonEmptyText(click.ParamType[str]):
    """Words. None at all are what a script passes whose variable is not set, and never what was meant."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The words as they are."""
        if not str(value).strip():
            self.fail("is empty: name what is meant", param, ctx)
        return str(value)


class PathName(click.Path):
    """A file or folder; without a name it would be the current folder."""

    def __init__(self, *, file_okay: bool = True, dir_okay: bool = True) -> None:
        # What may not be read is told by whoever reads it, with what to do.
        super().__init__(file_okay=file_okay, dir_okay=dir_okay, readable=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path."""
        if not os.fspath(value):
            self.fail("is empty: name a file or folder", param, ctx)
        return super().convert(value, param, ctx)


class FiniteNumber(click.FloatRange):
    """A number that can be reckoned with: not infinite, not nan."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


class WholeNumber(click.IntRange):
    """A whole number that a database and a counter can take."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number."""
        number = super().convert(value, param, ctx)
        if number > MOST:
            self.fail(f"{value} is too large.", param, ctx)
        return number


class Venue(click.ParamType[str]):
    """A venue's name, by the rules of its setting."""

    name = "venue"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name."""
        from tap.service.config import load_settings

        if not value:
            self.fail("is empty: a venue has a name", param, ctx)
        try:
            return load_settings({"TAP_VENUE": str(value)}, partly=True).venue
        except SettingsInvalid as error:
            self.fail(error.problems[0].removeprefix("TAP_VENUE: "), param, ctx)


class DigestDigits(click.ParamType[str]):
    """The first digits of a key's digest."""

    name = "digits"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The digits, in small letters."""
        digits = str(value).lower()
        if not re.fullmatch(r"[0-9a-f]{8,64}", digits):
            # Not shown: it may be the key itself.
            self.fail("these are not 8 to 64 hex digits: 'multicam-tap key ls' shows them", param, ctx)
        return digits


class ServerUrl(click.ParamType[str]):
    """The address of a WebSocket."""

    name = "url"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The address as it is."""
        from tap.core.redact import redact_text

        try:
            parts = urlsplit(str(value))
            wrong = parts.scheme not in ("ws", "wss") or not parts.hostname or parts.port == 0
        except ValueError:
            wrong = True
        if wrong:
            such_as = "such as ws://127.0.0.1:9404/ws/control"
            self.fail(f"{redact_text(str(value))!r} is not the address of a WebSocket, {such_as}", param, ctx)
        return str(value)


class ServerWays(click.ParamType[Any]):
    """The ways of a rehearsal's server."""

    name = "ways"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The ways that these words are."""
        from tap.rehearsal.ways import Ways, parsed

        try:
            return value if isinstance(value, Ways) else parsed(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class TimecodeOr(click.ParamType[str]):
    """A timecode, or one of some words."""

    name = "timecode"

    def __init__(self, *words: str) -> None:
        self._words = words

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:  # noqa: ARG002 - as click asks for it
        """The words, and what a timecode looks like."""
        return f"[{'|'.join(self._words)}|HH:MM:SS:FF]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The word, or the timecode, as it is."""
        told = str(value)
        if told in self._words or re.fullmatch(r"\d{1,2}:\d\d:\d\d[:;.,]\d\d", told):
            return told
        words = ", ".join(repr(word) for word in self._words)
        return self.fail(f"{told!r} is not one of {words}, nor a timecode such as 01:00:00:00", param, ctx)


class CameraOffset(click.ParamType[tuple[str, float]]):
    """A camera and by how many seconds its files are moved: ``Cam 2=-0.12``."""

    name = "offset"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, float]:
        """The camera and the seconds."""
        if isinstance(value, tuple):
            return value
        camera, mark, seconds = str(value).rpartition("=")
        try:
            moved = float(seconds)
        except ValueError:
            moved = math.nan
        if not camera or not mark or not math.isfinite(moved):
            self.fail(f"{value!r} is not CAMERA=SECONDS, such as 'Cam 2=-0.12'", param, ctx)
        return camera, moved


TEXT, POSITIVE = NonEmptyText(), WholeNumber(1)
