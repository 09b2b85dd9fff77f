"""A change is tried on the tests that run its statement, the quickest first, and what was found is kept."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from tests.mutants.copies import CAUGHT, SURVIVED, Mutant, Verdict
from tests.mutants.kept import Kept
from tests.mutants.processes import named
from tests.mutants.reach import Reach, statement
from tests.mutants.sites import Site

QUICK, SLOW, OTHER, RED = "tests/a.py::quick", "tests/b.py::slow", "tests/a.py::other", "tests/a.py::red"
REACH = Reach(
    by_line={("m.py", 1): frozenset(), ("m.py", 2): frozenset({SLOW, QUICK, RED}), ("m.py", 5): frozenset({OTHER})},
    by_file={"m.py": frozenset({QUICK, SLOW, OTHER})},
    seconds={QUICK: 1.0, SLOW: 9.0, OTHER: 2.0},
    red=frozenset({RED}),
)
MUTANT = Mutant("tap/api.py", Site(1, 0, "1 becomes 2", 0))


def test_of_the_tests_that_run_a_line_the_quickest_comes_first_and_one_that_is_red_anyway_not_at_all() -> None:
    assert REACH.tests_of("m.py", [2]) == [QUICK, SLOW]


def test_a_line_that_runs_at_import_is_tried_on_all_tests_of_its_module() -> None:
    assert REACH.tests_of("m.py", [1]) == [QUICK, OTHER, SLOW]


def test_a_line_that_nothing_runs_has_no_tests() -> None:
    assert REACH.tests_of("m.py", [3, 4]) == []


def test_the_tests_of_later_parts_are_those_that_the_first_had_no_time_for() -> None:
    assert REACH.shared([QUICK, OTHER, SLOW], (3.0, 100.0)) == [[QUICK, OTHER], [SLOW]]
    assert REACH.shared([SLOW], (3.0, 5.0)) == [[SLOW], []]


def test_in_a_part_the_tests_of_one_file_are_next_to_each_other() -> None:
    assert REACH.shared([QUICK, SLOW, OTHER], (100.0,)) == [[QUICK, OTHER, SLOW]]


@pytest.mark.parametrize(
    ("line", "lines"),
    [(1, [1]), (2, [2, 3, 4]), (3, [2, 3, 4]), (5, [5]), (6, [6, 7]), (7, [6, 7]), (9, [9])],
)
def test_a_part_of_a_statement_over_several_lines_runs_where_the_statement_does(line: int, lines: list[int]) -> None:
    source = "def f(a):\n    if (\n        a\n    ):\n        b()\n    return (a +\n        1)\n\nc = 2\n"
    assert list(statement(source, line)) == lines


def test_what_a_test_starts_is_measured_in_its_name() -> None:
    settings = base64.b64encode(json.dumps({"branch": True, "context": None}).encode()).decode()
    assert json.loads(base64.b64decode(named(settings, QUICK))) == {"branch": True, "context": QUICK}


def test_a_change_that_was_caught_is_not_tried_again_and_one_that_survived_on_other_tests_is(tmp_path: Path) -> None:
    for verdict, again in ((Verdict(CAUGHT, QUICK), False), (Verdict(SURVIVED), True)):
        Kept(tmp_path / "found.jsonl").add(MUTANT, verdict, "these tests", 30.0)
        kept = Kept(tmp_path / "found.jsonl")
        assert kept.found(MUTANT, "these tests", 30.0) == verdict
        assert (kept.found(MUTANT, "other tests", 30.0) is None) is again
        assert (kept.found(MUTANT, "these tests", 600.0) is None) is again


def test_nothing_is_known_of_another_change(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "found.jsonl")
    kept.add(MUTANT, Verdict(CAUGHT), "these tests", 30.0)
    assert kept.found(Mutant("tap/api.py", Site(1, 0, "1 becomes 2", 1)), "these tests", 30.0) is None
