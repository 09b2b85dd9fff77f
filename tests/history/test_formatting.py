"""Words for people: harmless on a terminal, and times as they are read on the spot."""

from __future__ import annotations

import json
import unicodedata
from datetime import timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap.history.formatting import date_text, duration_text, plain, plain_json, time_of_day, zone_name

ZONE = timezone(timedelta(hours=-5), "EST")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Anna’s iPhone カメラ三 🎥", "Anna’s iPhone カメラ三 🎥"),
        ("👩‍🎤", "👩‍🎤"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("\x1b[31mred\x07\x7f", "\\x1b[31mred\\x07\\x7f"),
        ("\u009b31m", "\\x9b31m"),
        ("\u202egnp.exe\u2066", "\\u202egnp.exe\\u2066"),
        ("\u2028\ud800", "\\u2028\\ud800"),
    ],
)
def test_what_could_harm_a_terminal_is_spelt_out(text: str, shown: str) -> None:
    assert plain(text) == shown


anything = st.text(st.characters(exclude_categories=()))


@given(anything)
def test_nothing_harmful_is_left(text: str) -> None:
    shown = plain(text)
    left = {unicodedata.category(letter) for letter in shown if letter not in "\u200c\u200d"}
    assert not left & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    shown.encode()


@given(anything)
def test_json_means_the_same_after_it_was_made_harmless(text: str) -> None:
    line = json.dumps({"name": text}, ensure_ascii=False)
    assert json.loads(plain_json(line)) == {"name": text}
    assert "\x1b" not in plain_json(line)
    assert "\u009b" not in plain_json(line)


@pytest.mark.parametrize(
    ("ms", "said"),
    [(0, "0.0 s"), (400, "0.4 s"), (59_949, "59.9 s"), (59_950, "1:00"), (245_000, "4:05"), (3_723_000, "1:02:03")],
)
def test_a_length_of_time_is_as_short_as_it_can_be(ms: int, said: str) -> None:
    assert duration_text(ms) == said


def test_a_moment_is_told_by_the_clock_of_its_zone() -> None:
    moment = 1_795_000_000_123
    assert time_of_day(moment, ZONE) == "06:06:40"
    assert time_of_day(moment, ZONE, fraction=True) == "06:06:40.123"
    assert date_text(moment, ZONE) == "2026-11-18"
    assert zone_name(moment, ZONE) == "EST"
