"""What was measured outlives the run, and is read as it was meant."""

from __future__ import annotations

from pathlib import Path

from bench.results import Done, Spread, Writer, read
from tests.bench.figures import lines, results

CPU = "µs a frame"


def test_a_ratio_is_of_one_round() -> None:
    """A machine that is slow for a round slows both."""
    measured = results(lines("saturation", {("bare", CPU): [4, 8, 2], ("tap", CPU): [2, 4, 1]})).parts["saturation"]
    assert measured.ratios("tap", "bare", CPU) == [0.5, 0.5, 0.5]
    assert measured.ratio("tap", "bare", CPU) == Spread(0.5, 0.5, 0.5, 3)


def test_a_round_that_lacks_one_of_the_two_does_not_count() -> None:
    measured = results(lines("saturation", {("bare", CPU): [4, 8], ("tap", CPU): [2]})).parts["saturation"]
    assert measured.ratios("tap", "bare", CPU) == [0.5]
    assert measured.ratio("node", "bare", CPU) is None


def test_what_was_written_is_read(tmp_path: Path) -> None:
    written = lines("steady", {("tap", "MB"): [30.5, 31]})
    writer = Writer(tmp_path / "folder" / "results.jsonl")
    for line in written:
        writer.write(line)
    assert read(tmp_path / "folder" / "results.jsonl") == results(written)
    assert read(tmp_path / "nothing") == results()


def test_the_last_complete_measurement_counts() -> None:
    first, second = lines("start", {("tap", "s"): [3]}), lines("start", {("tap", "s"): [2]})
    broken_off = [line for line in lines("start", {("tap", "s"): [1]}) if not isinstance(line, Done)]
    assert results(first, second, broken_off).parts["start"].values("tap", "s") == [2]


def test_a_line_that_was_cut_off_costs_only_its_part(tmp_path: Path) -> None:
    """As a bench that is killed leaves it."""
    path = tmp_path / "results.jsonl"
    writer = Writer(path)
    for line in [*lines("start", {("tap", "s"): [2]}), *lines("steady", {("tap", "MB"): [30]})[:-1]]:
        writer.write(line)
    path.write_bytes(path.read_bytes()[:-5])
    assert list(read(path).parts) == ["start"]
