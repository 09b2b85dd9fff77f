"""Who has to go for one connection more: whoever loses least by it, and an open page never."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tap.service.ops import pages
from tap.service.ops.pages import Pages

MOST = 4
IDLE, SENT, MADE, PAGE = pages._IDLE, pages._BEING_SENT, pages._BEING_MADE, pages._OPEN_PAGE


class Connection:
    """One that says when it was ended."""

    def __init__(self, place: int, ended: list[int]) -> None:
        self.transport = self
        self.abort = lambda: ended.append(place)


def crowd(*stages: int) -> tuple[Pages, list[int]]:
    """Pages with connections that are so far, the oldest first; and the places of those that were ended."""
    ended: list[int] = []
    there: list[Any] = [Connection(place, ended) for place in range(len(stages))]
    made = Pages.__new__(Pages)
    made._at = {one: stage for one, stage in zip(there, stages, strict=True) if stage != IDLE}
    made._leaving = set()
    runner: Any = SimpleNamespace(server=SimpleNamespace(connections=there))
    made._runner = runner
    return made, ended


@pytest.mark.parametrize(
    ("stages", "goes"),
    [
        ((PAGE, MADE, SENT, IDLE), 3),
        ((PAGE, IDLE, IDLE, SENT), 1),
        ((PAGE, MADE, SENT, SENT), 2),
        ((PAGE, MADE, MADE, PAGE), 1),
    ],
)
def test_for_one_connection_more_the_oldest_of_the_least_goes(stages: tuple[int, ...], goes: int) -> None:
    """First who asks for nothing, then who does not read, then who waits for a file."""
    made, ended = crowd(*stages)
    assert made.room(MOST)
    assert ended == [goes]


def test_where_there_are_only_open_pages_nobody_has_to_go() -> None:
    made, ended = crowd(*[PAGE] * MOST)
    assert not made.room(MOST)
    assert ended == []


def test_who_is_leaving_already_is_not_asked_again() -> None:
    """Its connection lasts a moment longer than what ended it."""
    made, ended = crowd(IDLE, IDLE, PAGE, PAGE, PAGE)
    assert made.room(MOST)
    assert made.room(MOST)
    assert ended == [0, 1]


def test_while_there_is_room_nobody_has_to_go() -> None:
    made, ended = crowd(IDLE, SENT, MADE)
    assert made.room(MOST)
    assert ended == []
