"""Frames and timecode: known values, and what holds for every rate."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentimelineio import opentime

from tap.history.export.rates import RATES

KNOWN = [
    ("25", 0, "00:00:00:00"),
    ("25", 90_000, "01:00:00:00"),
    ("23.976", 86_400, "01:00:00:00"),
    ("29.97", 108_000, "01:00:00:00"),
    ("29.97df", 1_799, "00:00:59;29"),
    ("29.97df", 1_800, "00:01:00;02"),
    ("29.97df", 17_981, "00:09:59;29"),
    ("29.97df", 17_982, "00:10:00;00"),
    ("29.97df", 107_892, "01:00:00;00"),
    ("59.94df", 3_600, "00:01:00;04"),
    ("59.94df", 215_784, "01:00:00;00"),
    ("59.94", 215_784, "00:59:56:24"),
    ("50", 49, "00:00:00:49"),
    ("60", 60 * 86_400, "00:00:00:00"),
    ("29.97df", 2_589_408, "00:00:00;00"),
]


@pytest.mark.parametrize(("name", "frame", "timecode"), KNOWN)
def test_timecode_is_as_the_standard_has_it(name: str, frame: int, timecode: str) -> None:
    """Numbers are dropped at each minute but every tenth, and a day begins anew."""
    assert RATES[name].timecode(frame) == timecode


@pytest.mark.parametrize("name", RATES)
@given(ms=st.integers(0, 86_399_999))
def test_the_time_of_day_shows_in_the_timecode(name: str, ms: int) -> None:
    """The timecode at a time of day reads as that time, to the frame; where numbers are dropped, within two."""
    rate = RATES[name]
    hours, minutes, seconds, frames = (
        int(part) for part in rate.timecode(rate.at_clock(ms)).replace(";", ":").split(":")
    )
    shown = ((hours * 60 + minutes) * 60 + seconds) * 1000 + frames * 1000 / rate.nominal
    off = abs(shown - ms)
    # Drop frame follows the clock to within the numbers it drops; over a day it loses 86 ms.
    assert min(off, 86_400_000 - off) < (180 if rate.drop else 1001 / rate.nominal)


@pytest.mark.parametrize("name", RATES)
@given(ms=st.integers(0, 12 * 3_600_000))
def test_an_instant_is_rounded_to_the_nearest_frame(name: str, ms: int) -> None:
    """Never more than half a frame away, however long the session."""
    rate = RATES[name]
    assert abs(rate.frames(ms) * 1000 / rate.exact - ms) <= 500 / rate.exact + 1e-6


@pytest.mark.parametrize("name", ["29.97df", "59.94df"])
@given(frame=st.integers(0, 5_178_815))
def test_drop_frame_is_as_opentimelineio_counts(name: str, frame: int) -> None:
    """Two implementations, one timecode, over a whole day."""
    rate = RATES[name]
    moment = opentime.RationalTime(frame % rate.day, rate.exact)
    assert rate.timecode(frame) == opentime.to_timecode(moment, rate.exact, drop_frame=True)
