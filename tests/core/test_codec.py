"""Times, ids, keys and secrets."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap.core.codec import iso, key_part, parse_id, parse_time, session_key, sub_key, venue_of
from tap.core.redact import REDACTED, redact_bytes, redact_text

T = 1_795_000_000_123


@pytest.mark.parametrize(
    ("value", "ms"),
    [
        (T, T),
        (T / 1000, T),
        (1_795_000_000, T - 123),
        ("2026-11-18T11:06:40.123Z", T),
        ("2026-11-18 11:06:40.123", T),
        ("2026-11-18T12:06:40.123456789+01:00", T),
        ("2026-11-18", None),
        ("1795000000123", None),
        (946_684_799_999, None),
        (4_102_444_800_000, None),
        (float("nan"), None),
        (float("inf"), None),
        (True, None),
        (None, None),
        ({}, None),
    ],
)
def test_times(value: object, ms: int | None) -> None:
    """Milliseconds, seconds and ISO 8601 between 2000 and 2100; whatever else is no time."""
    assert parse_time(value) == ms


@given(st.integers(946_684_800_000, 4_102_444_799_999))
def test_a_time_survives_its_writing(ms: int) -> None:
    """To the millisecond."""
    assert parse_time(iso(ms)) == ms


@given(st.text(max_size=400))
def test_a_key_part_is_bounded_ascii_without_our_separators(text: str) -> None:
    """So that no name can forge a key."""
    part = key_part(text)
    assert len(part) <= 120
    assert part.isascii()
    assert not set(part) & set("/@ ")


@given(st.text(min_size=1, max_size=300), st.text(min_size=1, max_size=300))
def test_different_ids_make_different_keys(one: str, two: str) -> None:
    """Also where they are cut."""
    assert (session_key("v", one, None) == session_key("v", two, None)) == (one == two)


@given(st.text(alphabet=st.characters(codec="utf-8"), min_size=1, max_size=12), st.text(max_size=500))
def test_the_venue_stands_first_in_every_key(venue: str, session: str) -> None:
    """Whole, and a session key never exceeds 120 bytes."""
    key = session_key(venue, session or "x", None)
    assert len(key) <= 120
    if len(key_part(venue, 1000)) <= 40:
        assert venue_of(sub_key(key, "cut", "k", 5)) == venue


def test_session_keys() -> None:
    """With an id, with an id that starts anew, without one."""
    assert session_key("studio", "s1", None) == "studio/s1"
    assert session_key("studio", "a/b@c", T) == f"studio/a%2Fb%40c@{T}"
    assert session_key("studio", None, T) == f"studio/@{T}"


def test_an_absurd_id_is_none() -> None:
    """A megabyte is garbage."""
    assert parse_id("x" * 1_000_000) is None
    assert parse_id("Größe 🎬" * 1000) is not None


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("wss://u:p@h:1/x?token=abc#f", "wss://h:1/x"),
        ("Authorization: Bearer abcdefgh12345", "Authorization: [redacted] [redacted]"),
        ("see https://h/p?sig=1 now", "see https://h/p now"),
        ("password=hunter2 next", "password=[redacted] next"),
        ("nothing here", "nothing here"),
    ],
)
def test_text_loses_its_secrets(text: str, clean: str) -> None:
    """Queries, userinfo, bearer tokens and pairs."""
    assert redact_text(text) == clean


def test_a_frame_loses_its_secrets_wherever_they_stand() -> None:
    """By name, deep down, behind escapes, in text that is no JSON; ids that the dialect maps stay."""
    frame = {"a": [{"apiKey": "k1"}], "authentication": {"challenge": "c"}, "storage_key": "ok", "u": "ws://h/?t=s3"}
    clean = orjson.loads(redact_bytes(orjson.dumps(frame), {"storage_key"}))
    assert clean == {"a": [{"apiKey": REDACTED}], "authentication": REDACTED, "storage_key": "ok", "u": "ws://h/"}
    assert b"s3cret" not in redact_bytes(b'{"p\\u0061ssword":"s3cret"}')
    assert b"s3cret" not in redact_bytes(b'{"password":"s3cret","to":')
    assert b"s3cret" not in redact_bytes(b"\x82\xffpassword=s3cret")


def test_a_frame_without_secrets_stays_as_it_came() -> None:
    """Byte for byte."""
    data = b'{ "type": "cut",  "to": "c1" }'
    assert redact_bytes(data) is data
