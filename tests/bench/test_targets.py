"""What it must is judged from what was measured, never typed."""

from __future__ import annotations

import pytest

from bench.contestants import AGAIN, BARE, NODE_RED, TAP
from bench.parts import PARTS, saturation, start, steady
from bench.targets import TARGETS, Target, it_must, verdict
from tests.bench.figures import lines, results

PLAIN, GROWTH = TARGETS[0], next(target for target in TARGETS if target.words.startswith("growth"))
MILLION = next(target for target in TARGETS if "million" in target.words)


def saturated(ratio: float, rounds: int = 7) -> list[object]:
    values = {(BARE, saturation.CPU): [4.0] * rounds, (TAP, saturation.CPU): [4.0 * ratio] * rounds}
    return list(lines("saturation", values))


@pytest.mark.parametrize(
    ("ratio", "said"),
    [(0.5, "aim met"), (0.85, "aim met"), (0.86, "met"), (1.15, "met"), (1.16, "**not met**"), (3.0, "**not met**")],
)
def test_a_verdict_follows_from_the_median(ratio: float, said: str) -> None:
    assert verdict(PLAIN, results(saturated(ratio))) == said  # type: ignore[arg-type]


def test_one_bad_round_of_seven_changes_nothing() -> None:
    values = {(BARE, saturation.CPU): [4.0] * 7, (TAP, saturation.CPU): [2.0] * 6 + [40.0]}
    measured = results(lines("saturation", values))
    assert verdict(PLAIN, measured) == "aim met"
    assert "0.50 (0.50 to 10.0)" in it_must(measured)[2]


def test_one_good_round_of_seven_changes_nothing_either() -> None:
    values = {(BARE, saturation.CPU): [4.0] * 7, (TAP, saturation.CPU): [6.0] * 6 + [1.0]}
    assert verdict(PLAIN, results(lines("saturation", values))) == "**not met**"


def test_too_few_rounds_are_told() -> None:
    assert verdict(PLAIN, results(saturated(0.5, rounds=2))) == "aim met (2 rounds only)"  # type: ignore[arg-type]


def test_too_few_frames_are_told() -> None:
    few = results(lines("saturation", {(TAP, saturation.GROWN): [6.0] * 5}, frames=60_000))
    assert verdict(GROWTH, few) == "**not met** (60,000 frames only)"
    enough = results(lines("saturation", {(TAP, saturation.GROWN): [3.0] * 5}))
    assert verdict(GROWTH, enough) == "met"


def test_a_smaller_journal_is_no_million() -> None:
    measured = results(lines("start", {(start.who(TAP, start.many(1_000)), start.SECONDS): [0.1] * 5}))
    assert verdict(MILLION, measured) == "smaller journals only"


def test_what_was_not_measured_is_not_judged() -> None:
    assert {verdict(target, results()) for target in TARGETS} == {"not measured"}
    assert len(it_must(results())) == 2 + len(TARGETS)


def test_the_control_stands_beside_what_it_controls() -> None:
    values = {
        (who, steady.SHARE): [share] * 5 for who, share in ((BARE, 5.0), (AGAIN, 5.05), (TAP, 2.0), (NODE_RED, 8.0))
    }
    rows = it_must(results(lines("steady", values)))
    (row,) = [row for row in rows if "CPU at 1,000 frames/s ÷ Node-RED" in row]
    assert [cell.strip() for cell in row.split("|")[2:-1]] == ["0.6", "0.33", "0.25 (0.25 to 0.25)", "1.01", "aim met"]


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.words)
def test_every_target_is_of_a_part_and_its_aim_is_more(target: Target) -> None:
    assert target.part in PARTS
    assert target.aim < target.at_least
