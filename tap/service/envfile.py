"""Environment files of systemd, read as it reads them; and in which line of one a wrong setting stands.

The values that count are those of the environment; the unit's file is only looked into for the place. A service of its
own user cannot read it, so systemd passes a copy on as the credential ``environment``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar, NamedTuple, Self

__all__ = ["Assignment", "EnvFile", "assignments", "read_environment"]

_LARGEST = 1_000_000
_LINE = re.compile(
    r"""
      [ \t\r\n]*                                    # between two assignments
      (?: [#;] (?: \\. | [^\\\n] )* (?: \n | $ )    # a comment, which a backslash lengthens as well
        | (?P<name> [^=\n]+? ) [ \t]* =
          (?P<value> (?: [ \t]* (?: '[^']*' | "(?:\\.|[^"\\])*" ) )* (?: \\. | [^\\\n] )* )
        | (?P<none> [^=\n]+ )                         # no assignment
      )
    """,
    re.VERBOSE | re.DOTALL,
)
_PART = re.compile(r"""[ \t]*(?: '(?P<single>[^']*)' | "(?P<double>(?:\\.|[^"\\])*)" )""", re.VERBOSE | re.DOTALL)


class Assignment(NamedTuple):
    """One assignment of an environment file, and the line (from 1) that it begins in."""

    line: int
    name: str
    value: str
    valid: bool
    """False where systemd passes it over."""


def assignments(text: str) -> Iterator[Assignment]:
    r"""What stands in an environment file, in order.

    ``#`` and ``;`` begin comments at the start of a line only; ``\`` at its end joins the next one; quotes count where
    a value begins with them, and between single ones nothing is special.
    """
    for found in _LINE.finditer(text):
        group = "none" if found["name"] is None else "name"
        if found[group] is not None and found[group].strip():
            number = text.count("\n", 0, found.start(group)) + 1
            valid = group == "name" and re.fullmatch(r"[A-Za-z_]\w*", found[group]) is not None
            yield Assignment(number, found[group], _value(found["value"] or ""), valid)


def read_environment(text: str) -> dict[str, str]:
    """The variables that systemd makes of an ``EnvironmentFile=``; lines that are none are passed over, as it does."""
    return {found.name: found.value for found in assignments(text) if found.valid}


def _value(written: str) -> str:
    parts, position = [], 0
    while part := _PART.match(written, position):
        position = part.end()
        parts.append(part["single"] if part["double"] is None else re.sub(r'\\(["\\$`\n])', _literal, part["double"]))
    rest = written[position:].strip(" \t\r")
    return "".join(parts) + re.sub(r"\\(.)", _literal, rest, flags=re.DOTALL)


def _literal(escaped: re.Match[str]) -> str:
    return "" if escaped[1] == "\n" else escaped[1]


class EnvFile:
    """What stands where in the environment file of a unit; empty where there is none, or it may not be read."""

    VARIABLE: ClassVar = "MULTICAM_TAP_ENV_FILE"
    """Names the file; set by the unit. No setting, so not one of ``TAP_*``."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self._found = list(assignments(text))

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Self:
        """The file that ``environ`` names."""
        path, directory = environ.get(cls.VARIABLE, ""), environ.get("CREDENTIALS_DIRECTORY")
        places = [Path(path), *([Path(directory, "environment")] if directory else [])] if path else []
        for place in places:
            try:
                with place.open("rb") as file:
                    return cls(path, file.read(_LARGEST).decode("utf-8", "replace"))
            except OSError:
                continue
        return cls(path, "")

    def at(self, name: str, environ: Mapping[str, str]) -> str:
        """``FILE:LINE: `` before a complaint about a variable whose value stands there, else nothing."""
        last = next((found for found in reversed(self._found) if found.valid and found.name == name), None)
        return f"{self.path}:{last.line}: " if last is not None and last.value == environ.get(name) else ""

    def problems(self, prefix: str) -> list[str]:
        """Lines that were meant to set something with ``prefix``, and that systemd passes over."""
        return [
            f"{self.path}:{found.line}: systemd reads no setting here → NAME=VALUE, without 'export'"
            for found in self._found
            if not found.valid and prefix in found.name
        ]

    def given(self, *names: str) -> list[str]:
        """Which of these variables it sets to something."""
        values = {found.name: found.value for found in self._found if found.valid}
        return [name for name in names if values.get(name)]
