"""What was measured outlives the run, and is read as it was meant."""

from __future__ import annotations

from pathlib import Path

from bench.results import Done, Spread, Writer, read
from tests.bench.figures import lines, results, with_samples

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


def test_what_was_seen_one_by_one_is_taken_together_with_nothing_left_out() -> None:
    """Of 10 x 10 samples, one round's worth is slow: that is a tenth of them, whatever the other rounds say."""
    seen = [[1.0] * 10] * 9 + [[100.0] * 10]
    measured = results(with_samples(lines("pages", {}), {("a", "ms"): seen})).parts["pages"]
    assert [measured.pooled("a", "ms", percent).median for percent in (50, 89, 95)] == [1.0, 1.0, 100.0]  # type: ignore[union-attr]
    assert measured.pooled("a", "ms", 50) == Spread(1.0, 1.0, 1.0, 10)
    assert measured.whos("ms") == ["a"]
    assert measured.pooled("b", "ms", 50) is None


def test_the_interval_is_wide_where_one_round_decides_and_narrow_where_all_agree() -> None:
    """Rounds are drawn, and not samples: those of a round in which the disk stalled are all slow together."""
    even, stalled = [[1.0, 2.0] * 50] * 8, [[1.0, 2.0] * 50] * 7 + [[1.0] * 90 + [500.0] * 10]
    values = {("even", "ms"): even, ("again", "ms"): even, ("stalled", "ms"): stalled}
    measured = results(with_samples(lines("pages", {}), values)).parts["pages"]
    assert measured.pooled_ratio("again", "even", "ms", 99) == Spread(1.0, 1.0, 1.0, 8)
    spread = measured.pooled_ratio("stalled", "even", "ms", 99)
    assert spread is not None
    assert (spread.least, spread.median, spread.most) == (1.0, 250.0, 250.0)


def test_a_ratio_of_what_was_seen_is_of_rounds_that_have_both() -> None:
    values = {("a", "ms"): [[4.0], [400.0]], ("b", "ms"): [[2.0]]}
    measured = results(with_samples(lines("pages", {}), values)).parts["pages"]
    assert measured.pooled_ratio("a", "b", "ms", 99) == Spread(2.0, 2.0, 2.0, 1)
    assert measured.pooled_ratio("a", "c", "ms", 99) is None


def test_what_was_seen_one_by_one_is_written_and_read(tmp_path: Path) -> None:
    written = with_samples(lines("pages", {("a", "frames lost"): [0]}), {("a", "ms"): [[1.5, 2.5]]})
    writer = Writer(tmp_path / "results.jsonl")
    for line in written:
        writer.write(line)
    assert read(tmp_path / "results.jsonl") == results(written)
