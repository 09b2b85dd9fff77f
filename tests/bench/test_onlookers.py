"""What it costs to be looked at is judged by the frames and cuts of one tap beside those of another."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.onlookers import served_at
from bench.parts import pages
from bench.targets import TARGETS, verdict
from tests.bench.figures import lines, results

TO_DISK = next(target for target in TARGETS if target.words.startswith("p99 of a cut to the disk"))
WAIT = next(target for target in TARGETS if target.words.startswith("p99 wait of a frame, 16 pages"))


def measured(who: str, slowest: float) -> list[object]:
    values = {(pages.ALONE, pages.DISK): [10.0] * 98 + [20.0] * 2, (who, pages.DISK): [10.0] * 98 + [slowest] * 2}
    told = list(lines("pages", values))
    # Every figure is of one of five rounds.
    for number, figure in enumerate(told[1:-1]):
        figure.round = number % 5  # type: ignore[union-attr]
    return told  # type: ignore[return-value]


@pytest.mark.parametrize(("slowest", "said"), [(20.0, "aim met"), (21.9, "met"), (23.0, "**not met**")])
def test_the_way_to_the_disk_is_judged_over_all_rounds_together(slowest: float, said: str) -> None:
    """One round has too few cuts for a 99th percentile."""
    assert verdict(TO_DISK, results(measured(pages.FILES, slowest))) == said  # type: ignore[arg-type]


def test_pages_without_files_are_told_and_not_judged() -> None:
    assert verdict(TO_DISK, results(measured(pages.PAGES, 90.0))) == "not measured"  # type: ignore[arg-type]


def test_the_wait_of_a_frame_is_judged_round_by_round() -> None:
    values = {(pages.ALONE, pages.WAIT): [2.0] * 5, (pages.FILES, pages.WAIT): [2.1, 2.1, 2.1, 9.0, 2.1]}
    assert verdict(WAIT, results(lines("pages", values))) == "met"


def test_every_frame_that_is_lost_stands_in_the_table() -> None:
    values = {
        (pages.FILES, pages.WAIT): [2.0] * 2,
        (pages.FILES, pages.LOST): [3.0, 4.0],
        (pages.FILES, pages.DISK): [1.0] * 2,
    }
    (row,) = [line for line in pages.tell(results(lines("pages", values)).parts["pages"]) if pages.FILES in line]
    assert row.split("|")[2].strip() == "7"


def test_where_a_tap_is_looked_at_is_read_from_its_log(tmp_path: Path) -> None:
    output = tmp_path / "output"
    output.write_text('{"server": "ws://127.0.0.1:1/", "message": "listening"}\n')
    assert served_at(output) is None
    with output.open("a") as file:
        file.write('{"url": "http://127.0.0.1:39993/", "level": "info", "message": "the live page is served"}\n')
    assert served_at(output) == "http://127.0.0.1:39993/"
