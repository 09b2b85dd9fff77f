"""What a mapping makes of one value: its unit, and the server's own words."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tap.core.mapping import parse_mapping
from tap.core.model import Cut, Frame, Stamp

CUT = 'dialect = "x/1"\n[[rule]]\nwhen.type = "go"\nemit = "cut"\nto = ["to"]\n'


def said(mapping: str, told: dict[str, Any]) -> Cut:
    """The cut that a frame with these fields says."""
    frame = {"type": "go", "to": "c", **told}
    (reading,) = parse_mapping(mapping, "x.toml").read(Frame(orjson.dumps(frame), Stamp(0, 0)))
    (cut,) = reading.observations
    assert isinstance(cut, Cut)
    return cut


@pytest.mark.parametrize(
    ("unit", "value", "ms"),
    [
        ("us", 1_500_000, 1_500),
        ("ms", 1_500, 1_500),
        ("s", 1.5, 1_500),
        ("min", 2, 120_000),
        ("frames24", 12, 500),
        ("frames25", 10, 400),
        ("frames30", 15, 500),
        ("frames50", 10, 200),
        ("frames60", 15, 250),
    ],
)
def test_a_length_is_in_milliseconds_whatever_its_unit(unit: str, value: float, ms: int) -> None:
    text = CUT + f'duration_ms = {{ from = "length", unit = "{unit}" }}'
    assert said(text, {"length": value}).duration_ms == ms


@pytest.mark.parametrize(("unit", "a_second"), [("ns", 10**9), ("us", 10**6), ("ms", 1_000), ("s", 1)])
def test_a_time_is_in_milliseconds_whatever_its_unit(unit: str, a_second: int) -> None:
    text = CUT.replace("[[rule]]", f'[frame]\ntime = {{ from = "t", unit = "{unit}" }}\n[[rule]]')
    assert said(text, {"t": 1_795_000_001 * a_second}).envelope.at == 1_795_000_001_000


@pytest.mark.parametrize(
    ("value", "trigger"),
    [("human", "operator"), ("", "ai"), ([], None), ({}, None), (["human"], None), ("robot", "robot")],
)
def test_only_a_word_stands_for_another(value: Any, trigger: str | None) -> None:
    """The empty word may; an empty list or object is no word."""
    text = CUT + 'trigger = { from = ["by"], values = { human = "operator", "" = "ai" } }'
    assert said(text, {"by": value}).trigger == trigger


@pytest.mark.parametrize(
    ("value", "holds"), [("", True), ([], False), ({}, False), ("x", False), (True, False), (None, False)]
)
def test_a_condition_asks_for_a_word(value: Any, holds: bool) -> None:
    """The empty word may be one; an empty list or object is none."""
    dialect = parse_mapping(CUT.replace('when.type = "go"', 'when = { type = "go", by = "" }'), "x.toml")
    (reading,) = dialect.read(Frame(orjson.dumps({"type": "go", "to": "c", "by": value}), Stamp(0, 0)))
    assert bool(reading.observations) is holds
