"""Writes the lines of a mapping file: keys, paths and values as TOML, with a remark above doubtful lines."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from tap.core.plain_text import plain

__all__ = ["Draft"]

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_WIDTH = 110


class Draft:
    """A mapping file as it is written, line by line. Every text is quoted, whatever a server put into its names."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.doubts = 0

    def text(self) -> str:
        return "\n".join(self.lines) + "\n"

    def blank(self) -> None:
        if self.lines and self.lines[-1]:
            self.lines.append("")

    def table(self, header: str) -> None:
        self.blank()
        self.lines.append(header)

    def remark(self, text: str) -> None:
        """A comment, broken into lines."""
        line = "#"
        for word in plain(text).split():
            if len(line) + len(word) > _WIDTH:
                self.lines.append(line)
                line = "#  "
            line += f" {word}"
        self.lines.append(line)

    def doubt(self, why: str) -> None:
        """Write a remark that the next line is doubtful, and why."""
        self.doubts += 1
        self.remark(f"doubtful: {why}")

    def put(self, key: str, value: Any, doubt: str | None = None) -> None:
        if doubt is not None:
            self.doubt(doubt)
        self.lines.append(f"{key} = {toml(value)}")

    def words(self, key: str, words: Iterable[str]) -> None:
        """A list of words, over several lines where it is long."""
        told = [toml(word) for word in words]
        line = f"{key} = [{', '.join(told)}]"
        if len(line) <= _WIDTH:
            self.lines.append(line)
        else:
            self.lines += [f"{key} = [", *(f"    {word}," for word in told), "]"]


def toml(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(name)} = {toml(item)}" for name, item in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(toml(item) for item in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    # JSON's escapes are TOML's, but for what stands beyond 16 bits.
    return "".join(_escaped(character) for character in json.dumps(value, ensure_ascii=False))


def _escaped(character: str) -> str:
    """A character that TOML may hold, and that harms no terminal on which the file is read."""
    if plain(character) == character:
        return character
    return f"\\u{ord(character):04x}" if ord(character) < 0x10000 else f"\\U{ord(character):08x}"


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else toml(name)
