"""What it costs to be looked at is judged by the frames and cuts of one tap beside those of another."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.onlookers import served_at
from bench.parts import pages
from bench.targets import TARGETS, verdict
from tests.bench.figures import lines, results

WAIT = next(target for target in TARGETS if target.words.startswith("p99 wait of a frame, 16 pages"))
P99 = pages.cut_to(pages.ON_DISK, 99)
TO_DISK = next(target for target in TARGETS if target.words.startswith("p99 of a cut's way to the disk, 16 pages and"))


@pytest.mark.parametrize(("usual", "said"), [(10.0, "aim met"), (10.9, "met"), (11.5, "**not met**")])
def test_the_way_to_the_disk_is_judged_by_the_median_of_the_rounds(usual: float, said: str) -> None:
    """A disk that hangs in one of them says nothing about the pages."""
    values = {(pages.ALONE, P99): [10.0] * 5, (pages.FILES, P99): [usual, usual, 900.0, usual, usual]}
    assert verdict(TO_DISK, results(lines("pages", values))) == said


def test_pages_without_files_are_judged_by_themselves() -> None:
    whats = [pages.cut_to(pages.ON_DISK, percent) for percent in (50, 99)]
    values = {(who, what): [ms] * 5 for who, ms in ((pages.ALONE, 10.0), (pages.PAGES, 90.0)) for what in whats}
    told = results(lines("pages", values))
    judged = {target.words: verdict(target, told) for target in TARGETS if target.part == "pages"}
    assert judged["p99 of a cut's way to the disk, 16 pages ÷ nobody looks"] == "**not met**"
    assert judged[TO_DISK.words] == "not measured"
    assert any("9.00 (9.00 to 9.00)" in line for line in pages.tell(told.parts["pages"]))


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
