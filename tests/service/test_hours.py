"""When a server should be there: days and hours as people write them, also past midnight."""

from __future__ import annotations

from datetime import datetime

import pytest

from tap.core.errors import SettingsInvalid
from tap.service.config import load_settings
from tap.service.hours import hours_of

MONDAY = "2026-11-23"


def there(text: str, moment: str) -> bool:
    return any(hours.hold(datetime.fromisoformat(moment)) for hours in hours_of(text))


@pytest.mark.parametrize(
    ("text", "moment", "expected"),
    [
        ("always", f"{MONDAY} 03:00", True),
        ("08:00-23:00", f"{MONDAY} 08:00", True),
        ("08:00-23:00", f"{MONDAY} 07:59", False),
        ("08:00-23:00", f"{MONDAY} 23:00", False),
        ("08:00-24:00", f"{MONDAY} 23:59", True),
        ("18:00-02:00", f"{MONDAY} 01:59", True),
        ("18:00-02:00", f"{MONDAY} 02:00", False),
        ("Mon 18:00-02:00", "2026-11-24 01:00", True),
        ("mon 18:00-02:00", f"{MONDAY} 01:00", False),
        ("tue-fri 08:00-23:00, mon", f"{MONDAY} 04:00", True),
        ("tue-fri", f"{MONDAY} 12:00", False),
        ("sat-mon", f"{MONDAY} 12:00", True),
        ("sat-mon", "2026-11-24 12:00", False),
    ],
)
def test_hours_hold_as_they_are_written(text: str, moment: str, expected: bool) -> None:
    assert there(text, moment) is expected


@pytest.mark.parametrize(
    "text", ["", "now and then", "25:00-26:00", "08:00", "mon-", "08:70-09:00", "08:00-23:00,", "x"]
)
def test_what_says_no_hours_is_refused_with_its_name(text: str) -> None:
    if text:
        with pytest.raises(SettingsInvalid, match="TAP_SERVER_HOURS"):
            load_settings({"TAP_SERVER_HOURS": text}, partly=True)
    with pytest.raises(ValueError, match="has "):
        hours_of(text)


def test_hours_are_those_of_the_venue() -> None:
    """18:30 UTC is 19:30 in Berlin."""
    at = 1_795_285_800_000
    hours = {"TAP_SERVER_HOURS": "19:00-20:00"}
    assert load_settings(hours | {"TAP_TIMEZONE": "Europe/Berlin"}, partly=True).server_expected(at)
    assert not load_settings(hours | {"TAP_TIMEZONE": "UTC"}, partly=True).server_expected(at)
    assert not load_settings({}, partly=True).server_expected(at)
