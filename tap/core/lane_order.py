"""The order of cameras, wherever they are drawn: those of the start first, then as they joined."""

from __future__ import annotations

import re

__all__ = ["TOGETHER_MS", "counted_key", "lane_order"]

TOGETHER_MS = 1_000
"""Cameras that are told so soon after the session began were there with it."""


def lane_order(start: int, joined: int | None, otherwise: int, name: str) -> tuple[int, list[tuple[int, str]]]:
    """A key: when a camera joined (``otherwise`` where nobody told), and among these as a person counts."""
    return otherwise if joined is None else max(joined, start + TOGETHER_MS), counted_key(name)


def counted_key(name: str) -> list[tuple[int, str]]:
    """A key by which ``Cam 2`` comes before ``Cam 10``."""
    parts = re.split(r"(\d+)", name)
    # A number by its length first, not as an int: names may be as long as a server likes.
    return [
        (len(digits := part.lstrip("0")), digits) if index % 2 else (-1, part.casefold())
        for index, part in enumerate(parts)
    ]
