"""Page and picture say what was measured, on which machine, and what to make of it."""

from __future__ import annotations

from pathlib import Path

from bench.contestants import AGAIN, BARE, NAMES, NODE_RED, PICOWS, TAP
from bench.page import page, remarks
from bench.parts import PARTS, saturation, steady
from bench.picture import draw
from bench.results import Line
from bench.tables import number, table
from tests.bench.figures import MACHINE, lines, results

COSTS = {BARE: 4.0, AGAIN: 4.02, TAP: 3.2, PICOWS: 0.7, NODE_RED: 20.0}


def saturated(**begun: object) -> list[Line]:
    return lines("saturation", {(who, saturation.CPU): [cost] * 5 for who, cost in COSTS.items()}, **begun)  # type: ignore[arg-type]


def even(**begun: object) -> list[Line]:
    values = {(who, what): [cost] * 5 for who, cost in COSTS.items() for what in (steady.SHARE, steady.RSS)}
    return lines("steady", values, **begun)  # type: ignore[arg-type]


def test_the_page_says_what_to_make_of_it_and_where_it_was_measured() -> None:
    text = "\n".join(page(results(saturated()), "bench.svg"))
    assert "ratios, not absolutes" in text
    assert MACHINE.words() in text
    assert all(f"{name} {version}" in text for name, version in MACHINE.versions.items())
    assert "2026-11-23 04:00 UTC, load average before 0.10" in text
    assert "](bench.svg)" in text
    assert "rough look" not in text


def test_every_part_has_a_place_on_the_page_and_says_how_to_measure_it() -> None:
    text = "\n".join(page(results(saturated()), "bench.svg"))
    for name, part in PARTS.items():
        assert f"\n## {part.words}\n" in text
        assert (f"Not measured yet: `make bench BENCH='--part {name}'`." in text) == (name != "saturation")


def test_a_rough_look_is_called_one() -> None:
    assert "**A rough look**" in "\n".join(page(results(saturated(quick=True)), "bench.svg"))


def test_a_quiet_machine_needs_no_remark() -> None:
    assert list(remarks(results(saturated(), even()))) == []


def test_whatever_makes_the_figures_doubtful_is_remarked() -> None:
    noisy = {(BARE, saturation.CPU): [4.0] * 5, (AGAIN, saturation.CPU): [4.8] * 5}
    told = "\n".join(
        remarks(
            results(
                lines("saturation", noisy, when="2026-11-22 04:00", load=3.0, left_out={NODE_RED: "no Node"}),
                even(code="another"),
            )
        )
    )
    assert "its load average was 3.00" in told
    assert "The control of the part saturation is 1.20" in told
    assert "different versions of the tap's code" in told
    assert f"{NAMES[NODE_RED]}: not measured everywhere, since no Node" in told


def test_the_picture_is_opaque_and_the_same_each_time(tmp_path: Path) -> None:
    """A README is read on dark pages too; and what did not change must not look changed in a diff."""
    measured = results(saturated(), even())
    for name in ("a.svg", "b.svg"):
        assert draw(measured, tmp_path / name)
    text = (tmp_path / "a.svg").read_text("utf-8")
    assert text == (tmp_path / "b.svg").read_text("utf-8")
    background = text.partition('id="patch_1"')[2].partition("</g>")[0]
    assert "fill: #ffffff" in background
    for words in ("ratios, not absolutes", "A CPU of 2026", "CPU at saturation", "CPU at 1,000 frames/s", "memory"):
        assert words in text, words
    assert f"<!-- {NAMES[PICOWS]} -->" in text


def test_there_is_no_picture_of_nothing(tmp_path: Path) -> None:
    assert not draw(results(), tmp_path / "none.svg")
    assert not (tmp_path / "none.svg").exists()


def test_who_was_not_measured_has_no_bar(tmp_path: Path) -> None:
    values = {(who, saturation.CPU): [cost] * 5 for who, cost in COSTS.items() if who != PICOWS}
    assert draw(results(lines("saturation", values)), tmp_path / "some.svg")
    text = (tmp_path / "some.svg").read_text("utf-8")
    assert NAMES[TAP] in text
    assert NAMES[PICOWS] not in text


def test_a_table_reads_as_text_and_as_markdown() -> None:
    assert table(("", "µs"), [("tap", "3.2"), ("Node-RED", "20.0")]) == [
        "|          |   µs |",
        "| -------- | ---: |",
        "| tap      |  3.2 |",
        "| Node-RED | 20.0 |",
    ]
    assert [number(value) for value in (None, 0.0345, 3.14159, 31.4159, 31415.9)] == [
        "–",
        "0.03",
        "3.14",
        "31.4",
        "31,416",
    ]
