"""What people ask: moments in their words, and which sessions and events that means."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tap.core.merge import Row
from tap.history.queries import SessionFilter, asked_events, moment_of
from tap.history.timeline import timeline_of
from tests.history.export.sessions import T0, gap, row, session

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 23, 14, 5, tzinfo=BERLIN)  # a Monday

MOMENTS = [
    ("now", "2026-11-23T14:05:00+01:00"),
    ("today", "2026-11-23T00:00:00+01:00"),
    (" Yesterday ", "2026-11-22T00:00:00+01:00"),
    ("saturday", "2026-11-21T00:00:00+01:00"),
    ("last Friday", "2026-11-20T00:00:00+01:00"),
    ("monday", "2026-11-16T00:00:00+01:00"),
    ("3 days", "2026-11-20T14:05:00+01:00"),
    ("2h ago", "2026-11-23T12:05:00+01:00"),
    ("90 min", "2026-11-23T12:35:00+01:00"),
    ("1 week", "2026-11-16T14:05:00+01:00"),
    ("5 m", "2026-11-23T14:00:00+01:00"),
    ("30 d", "2026-10-24T15:05:00+02:00"),
    ("14:30", "2026-11-23T14:30:00+01:00"),
    ("9:30", "2026-11-23T09:30:00+01:00"),
    ("9:30:15", "2026-11-23T09:30:15+01:00"),
    ("2026-11-21", "2026-11-21T00:00:00+01:00"),
    ("2026-07-01 14:30", "2026-07-01T14:30:00+02:00"),
    ("2026-07-01T14:30:00Z", "2026-07-01T14:30:00+00:00"),
]


@pytest.mark.parametrize(("text", "moment"), MOMENTS)
def test_a_moment_is_what_a_person_means(text: str, moment: str) -> None:
    """In the venue's time zone, across a change of its clocks."""
    assert moment_of(text, NOW) == datetime.fromisoformat(moment)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("yesterday", "2026-11-23T00:00:00+01:00"),
        ("2026-10-25", "2026-10-26T00:00:00+01:00"),
        ("14:30", "2026-11-23T14:30:00+01:00"),
    ],
)
def test_until_a_day_means_to_its_end(text: str, moment: str) -> None:
    """Of a day with 25 hours too."""
    assert moment_of(text, NOW, end=True) == datetime.fromisoformat(moment)


@pytest.mark.parametrize(
    "text", ["", "soon", "tomorrow", "31:30", "2026-13-01", "99999 w", "9999-01-01 00:00", "-3 days"]
)
def test_what_is_no_moment_is_refused_with_what_is(text: str) -> None:
    """Never guessed."""
    with pytest.raises(ValueError, match="cannot be parsed as a time"):
        moment_of(text, NOW)


def a_session(**fields: Any) -> Row:
    return session(60_000, **fields)


@pytest.mark.parametrize(
    ("asked", "fits"),
    [
        (SessionFilter(), True),
        (SessionFilter(venue="hall"), True),
        (SessionFilter(venue="hal"), False),
        (SessionFilter(since=T0 + 59_000), True),
        (SessionFilter(since=T0 + 61_000), False),
        (SessionFilter(until=T0 + 1), True),
        (SessionFilter(until=T0), False),
        (SessionFilter(status="complete"), True),
        (SessionFilter(status="live"), False),
        (SessionFilter(title="zoë"), True),
        (SessionFilter(title="anna"), False),
    ],
)
def test_a_session_fits_where_it_ran_at_that_time(asked: SessionFilter, fits: bool) -> None:
    """By venue, time, status and title."""
    assert asked.fits(a_session()) is fits


def test_a_session_that_still_runs_is_never_over() -> None:
    """Whenever it began."""
    assert SessionFilter(since=T0 + 10**9).fits(session(None))


EVENTS = [
    session(60_000, {"programCameraId": "a"}),
    row("camera", "camera/a", cameraId="a", name="Anna", joinedAt=T0),
    row("camera", "camera/b", cameraId="b", name="Bo", joinedAt=T0),
    row("event", "1", T0 + 1, kind="cut", at=T0 + 1, observedAt=T0 + 1, cameraId="b", fromCameraId="a"),
    row("event", "2", T0 + 2, kind="hold", at=T0 + 2, observedAt=T0 + 2, cameraId="b"),
    row("event", "3", T0 + 3, kind="still_marker", at=T0 + 3, observedAt=T0 + 3, detail={"cameraIds": ["a"]}),
    row("event", "4", T0 + 4, kind="still_capture", at=T0 + 4, observedAt=T0 + 4, cameraId="a"),
    gap(T0 + 30_000, 1000, "b", "b"),
]


@pytest.mark.parametrize(
    ("camera", "kinds", "found"),
    [
        (None, (), "1 2 3 4 gap/t/0"),
        (None, ("still",), "3 4"),
        (None, ("cut", "gap"), "1 gap/t/0"),
        ("a", (), "1 3 4"),
        ("ANN", ("still",), "3 4"),
        ("b", ("hold",), "2"),
        ("nobody", (), ""),
    ],
)
def test_events_are_found_by_camera_and_kind(camera: str | None, kinds: tuple[str, ...], found: str) -> None:
    """A cut is of the camera it goes to and of the one it leaves; a marker of those it asked."""
    events = asked_events(timeline_of(EVENTS), camera=camera, kinds=kinds)
    assert " ".join(event.key.removeprefix("hall/shoot-1/") for event in events) == found


def test_a_kind_that_is_none_is_told() -> None:
    """With those that there are."""
    with pytest.raises(
        ValueError, match="'cuts' is not a kind of event → cut, hold, mode, still, gap, music, off-air, marker"
    ):
        asked_events(timeline_of(EVENTS), kinds=["cuts"])
