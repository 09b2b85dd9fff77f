"""What a server's numbers count: by boot, by connection, by type, or nothing at all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from tap.core.mapping.numbering import Numbering, order_in_words

TYPES = ("state", "state", "state", "cut", "hold")


def seen(numbers: Iterable[tuple[int, int, str | None, str]]) -> Numbering:
    """(number, connection, boot, type)."""
    numbering = Numbering()
    for seq, connection, boot, kind in numbers:
        numbering.see(seq, connection=connection, boot=boot, type=kind)
    return numbering


def server(counts: Any, *, connections: int = 3, boots: int = 1, frames: int = 40, told: bool = True) -> Numbering:
    """A server whose number is ``counts(boot, connection, type)``'s next one."""
    last: dict[Any, int] = {}
    said = []
    for connection in range(connections):
        boot = connection * boots // connections
        for at in range(frames):
            kind = TYPES[at % len(TYPES)]
            key = counts(boot, connection, kind)
            last[key] = last.get(key, 0) + 1
            said.append((last[key], connection, f"b{boot}" if told else None, kind))
    return seen(said)


@pytest.mark.parametrize(
    ("numbering", "fits"),
    [
        (server(lambda boot, *_: boot), "boot"),
        (server(lambda boot, *_: boot, boots=3), "connection"),  # with one connection each they are the same
        (server(lambda boot, *_: boot, boots=2), "boot"),
        (server(lambda boot, *_: boot, told=False), "connection"),
        (server(lambda boot, *_: boot, connections=1), "connection"),
        (server(lambda _, connection, __: connection), "connection"),
        (server(lambda _, connection, kind: (connection, kind)), "type"),
        (server(lambda _, __, kind: kind), "type"),
        (server(lambda *_: None, connections=1, frames=9), None),
        (server(lambda *_: None, connections=1, frames=10), "connection"),
    ],
)
def test_the_widest_count_that_the_numbers_are(numbering: Numbering, fits: str | None) -> None:
    assert numbering.fits == fits


@pytest.mark.parametrize(("late", "fits"), [(2, "connection"), (10, "connection"), (11, "nothing")])
def test_a_few_frames_may_be_late(late: int, fits: str) -> None:
    """That is what the order is for; but not more than one in ten."""
    numbers: list[int] = []
    for at in range(100 - late):
        numbers += [10 * at, 10 * at - 25] if at % 8 == 5 and len(numbers) - at < late else [10 * at]
    assert len(numbers) == 100
    assert seen((number, 1, "b", "state") for number in numbers).fits == fits


@pytest.mark.parametrize(("lower", "fits"), [(2, "connection"), (3, "nothing")])
def test_a_count_that_begins_anew_in_silence(lower: int, fits: str) -> None:
    """Three in a row that stay below are another count; two may be late."""
    numbers = [*range(100, 200), *range(lower), *range(200, 300)]
    assert seen((number, 1, "b", "state") for number in numbers).fits == fits


def test_numbers_that_wrap_order_nothing() -> None:
    assert seen((number % 256, 1, "b", TYPES[number % 5]) for number in range(1_000)).fits == "nothing"


def test_numbers_at_random_order_nothing() -> None:
    assert seen((number * 7919 % 1009, 1, "b", TYPES[number % 5]) for number in range(200)).fits == "nothing"


def test_frames_that_share_a_number_are_no_contradiction() -> None:
    """A change and the state after it, say."""
    assert seen((number // 3, 1, "b", TYPES[number % 5]) for number in range(100)).fits == "connection"


@pytest.mark.parametrize(
    ("numbering", "declared", "fits"),
    [
        (server(lambda boot, *_: boot), "boot", None),
        (server(lambda boot, *_: boot), "connection", None),
        (server(lambda boot, *_: boot), "type", None),
        (server(lambda _, connection, __: connection), "boot", "connection"),
        (server(lambda _, connection, __: connection, told=False), "boot", None),
        (server(lambda _, connection, __: connection), "connection", None),
        (server(lambda _, connection, kind: (connection, kind)), "boot", "type"),
        (server(lambda _, connection, kind: (connection, kind)), "connection", "type"),
        (server(lambda _, connection, kind: (connection, kind)), "type", None),
        (server(lambda _, connection, kind: (connection, kind)), "nothing", None),
        (server(lambda *_: None, connections=1, frames=9), "boot", None),
        (seen((number % 50, 1, "b", "state") for number in range(200)), "type", "nothing"),
        (seen((number % 50, 1, "b", "state") for number in range(200)), "nothing", None),
    ],
)
def test_what_contradicts_a_dialect(numbering: Numbering, declared: Any, fits: str | None) -> None:
    assert numbering.contradicts(declared) == fits


@pytest.mark.parametrize(
    ("declared", "first", "after", "fits"),
    [
        ("boot", True, server(lambda *_: None, connections=1), "connection"),
        ("boot", False, server(lambda *_: None, connections=1), "nothing"),
        ("boot", False, server(lambda _, __, kind: kind, connections=1), "type"),
        ("connection", False, server(lambda _, __, kind: kind, connections=1), "type"),
        ("type", False, server(lambda _, __, kind: kind, connections=1), "nothing"),
        ("boot", True, server(lambda *_: None, connections=1, frames=9), None),
    ],
)
def test_what_was_contradicted_before_counts(declared: Any, first: bool, after: Numbering, fits: str | None) -> None:
    """Whoever looks only from the first contradiction on knows of that one."""
    after.began_anew(declared, first=first)
    assert after.contradicts(declared) == fits


def test_a_server_that_makes_up_types_fills_no_memory() -> None:
    numbering = seen((number, 1, "b", f"t{number}") for number in range(3_000))
    assert len(numbering.types.counts) <= 500
    assert numbering.fits == "connection"


def test_it_says_which_line_to_change() -> None:
    words, step = order_in_words("multicam/1", "boot", "type")
    assert words == "multicam/1 says that the frames' numbers count by boot, and they count by type"
    assert 'seq_orders = "type" in [frame]' in step
    assert "order nothing" in order_in_words("x", "type", "nothing")[0]
