"""Worlds whose history is known to be wrong: one file, so that it is seen how many they are, and which.

Each line of ``known.txt`` is a seed and, for people, what is wrong with it first. It is strict: a seed that fails and
is not listed fails its test, and so does one that is listed and fails no more. ``python -m tests.world --known`` plays
all of them and writes the file anew; a longer file is a step back.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

__all__ = ["known_wrong", "write_known"]

_FILE = Path(__file__).with_name("known.txt")


def known_wrong() -> frozenset[int]:
    """The seeds of the worlds that are known to be wrong."""
    return frozenset(int(line.split(maxsplit=1)[0]) for line in _FILE.read_text("utf-8").splitlines() if line.strip())


def write_known(wrong: Mapping[int, str]) -> None:
    """``wrong``: seeds, each with what is wrong first."""
    _FILE.write_text("".join(f"{seed} {wrong[seed]}\n" for seed in sorted(wrong)), encoding="utf-8")
