"""What it costs to be looked at is judged by the frames and cuts of one tap beside those of another."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from bench.onlookers import served_at
from bench.parts import pages
from bench.results import Results
from bench.targets import TARGETS, it_must, verdict
from tests.bench.figures import lines, results, with_samples

WAIT = next(target for target in TARGETS if target.words.startswith("p99 wait of a frame, 16 pages"))
TO_DISK = next(target for target in TARGETS if target.words.startswith("p99 of a cut's way to the disk, 16 pages and"))
EVEN = [[8.0] * 95 + [10.0] * 5] * 6
"""What six rounds saw of 100 cuts each."""


def seen(place: str = pages.ON_DISK, **who: list[list[float]]) -> Results:
    names = {"alone": pages.ALONE, "again": pages.ALONE_AGAIN, "pages": pages.PAGES, "files": pages.FILES}
    cuts = {(names[one], pages.cut_to(place)): each for one, each in ({"alone": EVEN} | who).items()}
    return results(with_samples(lines("pages", {}), cuts))


def slower(by: float) -> list[list[float]]:
    return [[ms * by for ms in each] for each in EVEN]


@pytest.mark.parametrize(("by", "said"), [(1.0, "aim met"), (1.09, "met"), (1.15, "**not met**")])
def test_the_way_to_the_disk_is_judged_by_the_cuts_of_all_rounds(by: float, said: str) -> None:
    assert verdict(TO_DISK, seen(again=EVEN, files=slower(by))) == said


STALLED = [*EVEN[:-1], [8.0] * 50 + [900.0] * 50]
"""A disk that hangs in one of them."""


def test_where_the_control_differs_as_much_nothing_can_be_told() -> None:
    """Neither that it costs something, nor that it costs nothing."""
    for files in (EVEN, STALLED):
        assert verdict(TO_DISK, seen(again=STALLED, files=files)) == "too much noise"
    told = "\n".join(it_must(seen(again=STALLED, files=EVEN)))
    assert "90.0 (1.00 to 90.0) | too much noise |" in told, "the page shows why"


def test_what_is_dearer_than_all_that_the_control_shows_is_not_met() -> None:
    assert verdict(TO_DISK, seen(again=STALLED, files=slower(3))) == "too much noise"
    assert verdict(TO_DISK, seen(again=slower(1.2), files=slower(3))) == "**not met**"


def test_pages_without_files_are_judged_by_themselves_and_each_disk_too() -> None:
    told = seen(pages.QUIET, again=EVEN, pages=slower(9))
    judged = {target.words: verdict(target, told) for target in TARGETS if target.part == "pages"}
    assert judged["p99 of a cut's way to a quiet disk, 16 pages ÷ nobody looks"] == "**not met**"
    assert judged["p99 of a cut's way to the disk, 16 pages ÷ nobody looks"] == "not measured"
    assert judged[TO_DISK.words] == "not measured"
    (row,) = [line for line in pages.tell(told.parts["pages"]) if line.startswith(f"| {pages.PAGES} ")]
    assert row.count("9.00 (9.00 to 9.00)") == 3


def test_whoever_looks_is_measured_in_each_place_and_follows_each_of_the_others_as_often() -> None:
    """What one leaves behind, another has: no one always the same one's."""
    orders = pages._ORDERS
    assert {tuple(sorted(order)) for order in orders} == {(0, 1, 2, 3)}
    assert all(sorted(each) == [0, 1, 2, 3] for each in zip(*orders, strict=True))
    followed = [pair for order in orders for pair in pairwise(order)]
    assert len(set(followed)) == len(followed) == 12


def test_the_wait_of_a_frame_is_judged_round_by_round() -> None:
    values = {(pages.ALONE, pages.WAIT): [2.0] * 5, (pages.FILES, pages.WAIT): [2.1, 2.1, 2.1, 9.0, 2.1]}
    assert verdict(WAIT, results(lines("pages", values))) == "met"


def test_every_frame_that_is_lost_stands_in_the_table() -> None:
    values = {
        (pages.FILES, pages.WAIT): [2.0] * 2,
        (pages.FILES, pages.LOST): [3.0, 4.0],
    }
    (row, *_) = [line for line in pages.tell(results(lines("pages", values)).parts["pages"]) if pages.FILES in line]
    assert row.split("|")[2].strip() == "7"


def test_where_a_tap_is_looked_at_is_read_from_its_log(tmp_path: Path) -> None:
    output = tmp_path / "output"
    output.write_text('{"server": "ws://127.0.0.1:1/", "message": "listening"}\n')
    assert served_at(output) is None
    with output.open("a") as file:
        file.write('{"url": "http://127.0.0.1:39993/", "level": "info", "message": "the live page is served"}\n')
    assert served_at(output) == "http://127.0.0.1:39993/"
