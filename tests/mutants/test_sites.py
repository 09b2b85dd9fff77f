"""The changes that are tried on the code: each is one place, and each kind of slip is among them."""

from __future__ import annotations

import ast

import pytest

from tests.mutants.__main__ import drawn
from tests.mutants.sites import changed, sites


@pytest.mark.parametrize(
    ("source", "what", "after"),
    [
        ("a < b", "Lt becomes LtE", "a <= b"),
        ("a < b", "Lt becomes Gt", "a > b"),
        ("a is None", "Is becomes IsNot", "a is not None"),
        ("a in b", "In becomes NotIn", "a not in b"),
        ("a + b", "Add becomes Sub", "a - b"),
        ("a += b", "Add becomes Sub", "a -= b"),
        ("-a", "- is left out", "+a"),
        ("a and b", "And becomes Or", "a or b"),
        ("a and b", "part 1 of 2 is left out", "b"),
        ("a = 7", "7 becomes 8", "a = 8"),
        ("a = True", "True becomes False", "a = False"),
        ("min(a)", "min becomes max", "max(a)"),
        ("sorted(a)", "sorted becomes list", "list(a)"),
        ("f(a, b, c)", "the first two arguments are swapped", "f(b, a, c)"),
        ("if a:\n    b = 1", "the condition is turned round", "if not a:\n    b = 1"),
        ("[a for a in b if c]", "the filter is turned round", "[a for a in b if not c]"),
        ("def f():\n    return a", "returns None", "def f():\n    return None"),
        ("def f():\n    self.a = b", "left out: self.a = b", "def f():\n    pass"),
        ("def f():\n    g(a)", "left out: g(a)", "def f():\n    pass"),
    ],
)
def test_a_slip_is_one_change(source: str, what: str, after: str) -> None:
    (site,) = [site for site in sites(source) if site.what == what]
    assert ast.dump(ast.parse(changed(source, site))) == ast.dump(ast.parse(after))


@pytest.mark.parametrize(
    "source",
    [
        '"""words"""',
        "a: int = b",
        "if TYPE_CHECKING:\n    import a",
        "raise ValueError(1 + 1)",
        "assert a < b",
        "assert_never(a)",
        "class A(Struct, frozen=True): pass",
    ],
)
def test_what_no_test_can_see_is_left_alone(source: str) -> None:
    assert sites(source) == []


def test_the_order_of_what_the_least_is_taken_of_is_left_alone_for_it_changes_nothing() -> None:
    assert [site.what for site in sites("min(a, b)")] == ["min becomes max"]


def test_each_change_of_a_module_is_another_and_can_be_read() -> None:
    source = "def f(a, b):\n    if a < 1 and b:\n        self.c = min(a, b) + 2\n    return g(b, a)\n"
    after = [changed(source, site) for site in sites(source)]
    assert len(after) == len(set(after)) > 10
    assert source not in after


def test_the_same_seed_draws_the_same_changes_of_that_folder_alone() -> None:
    one = drawn("tap/core", 1, 20)
    assert one == drawn("tap/core", 1, 20) != drawn("tap/core", 2, 20)
    assert all(mutant.path.startswith("tap/core/") for mutant in one)
