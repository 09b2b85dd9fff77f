"""Times, ids, keys and secrets."""

from __future__ import annotations

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap.core.codec import MAX_ID, composed, iso, key_part, parse_id, parse_time, session_key, sub_key, venue_of
from tap.core.lenient_json import ODD
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


@pytest.mark.parametrize("length", [MAX_ID, MAX_ID + 1])
def test_how_long_an_id_may_be(length: int) -> None:
    """Before and after it is composed: an id that was read is one."""
    assert (parse_id("x" * length) is None) == (length > MAX_ID)
    assert (parse_id("\u00e9" * length) is None) == (length > MAX_ID)
    grows = "\u0958" * length  # one letter, which NFC writes as two
    assert parse_id(grows) is None
    assert parse_id("\u0958" * (MAX_ID // 2)) is not None


@pytest.mark.parametrize(
    ("value", "ident"),
    [
        ("e\u0301", "\u00e9"), ("\u00e9", "\u00e9"), ("\u1100\u1161", "\uac00"), ("\u212b", "\u00c5"),
        (5, "5"), ("5", "5"), (5.0, "5"), (-0.0, "0"), (0, "0"), (5.5, "5.5"), ("5.0", "5.0"),
        (2**64 - 1, "18446744073709551615"), (1e14, "100000000000000"),
        (1e15, None), (-1e15, None), (ODD, None), ("", None), (None, None), (True, None), (False, None), ([], None),
        ({}, None), (" ", " "), ("\ufeffc1", "\ufeffc1"),
    ],
)  # fmt: skip
def test_what_is_an_id(value: object, ident: str | None) -> None:
    """Texts and numbers; in NFC, so that a name that was typed on a Mac is the one that was typed on a PC."""
    assert parse_id(value) == ident


@given(st.text(max_size=40))
def test_an_id_that_was_read_reads_the_same(text: str) -> None:
    """However often."""
    ident = parse_id(text)
    assert ident == composed(text) or ident is None
    assert ident is None or parse_id(ident) == ident


@pytest.mark.parametrize(
    ("value", "ms"),
    [
        (946_684_800_000, 946_684_800_000), (946_684_799_999, None), (4_102_444_799_999, 4_102_444_799_999),
        (4_102_444_800_000, None), (946_684_800, 946_684_800_000), (946_684_799.999, None), (99_999_999_999.0, None),
        (1e11, None), (4_102_444_799, 4_102_444_799_000), (4_102_444_800, None), (1_795_000_000.0005, T - 123),
        (1_795_000_000.0006, T - 122), (1_795_000_000_000.6, T - 122), ("2026-11-18T11:06:40.1239Z", T),
        ("2026-11-18T11:06:40" + " " * 30, None), ("2100-01-01T00:00:00Z", None), ("1999-12-31T23:59:59.999Z", None),
        ("2000-01-01T00:00:00Z", 946_684_800_000), ("9999-12-31T23:59:59-23:59", None), ("2026-13-18T11:06:40Z", None),
    ],
)  # fmt: skip
def test_times_at_their_bounds(value: object, ms: int | None) -> None:
    """From 2000 on, before 2100; below 1e11 they are seconds."""
    assert parse_time(value) == ms


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
    """By name, deep down, behind escapes, in text that is not JSON; ids that the dialect maps stay."""
    frame = {"a": [{"apiKey": "k1"}], "authentication": {"challenge": "c"}, "storage_key": "ok", "u": "ws://h/?t=s3"}
    clean = orjson.loads(redact_bytes(orjson.dumps(frame), {"storage_key"}))
    assert clean == {"a": [{"apiKey": REDACTED}], "authentication": REDACTED, "storage_key": "ok", "u": "ws://h/"}
    assert b"s3cret" not in redact_bytes(b'{"p\\u0061ssword":"s3cret"}')
    assert b"s3cret" not in redact_bytes(b'{"password":"s3cret","to":')
    assert b"s3cret" not in redact_bytes(b"\x82\xffpassword=s3cret")


@pytest.mark.parametrize(
    "data",
    [
        b'{ "type": "cut",  "to": "c1" }', '{"name":"Größe"}'.encode(), b'{"to":NaN}', b'{"a":"\xef\xbb\xbf"}',
        b"\x82\xff", b"\xff{}", b'{"nothing":"to://hide"}',
    ],
)  # fmt: skip
def test_a_frame_without_secrets_stays_as_it_came(data: bytes) -> None:
    """Byte for byte."""
    assert redact_bytes(data) == data


def test_text_that_is_no_utf8_is_kept_as_text() -> None:
    """What a tape could otherwise keep only as a binary frame, which nobody reads."""
    assert redact_bytes(b'{"name":"Gr\xf6\xdfe"}') == '{"name":"Gr\ufffd\ufffde"}'.encode()
    assert (
        redact_bytes(b'{"name":"Gr\xf6\xdfe","token":"s3cret"}')
        == b'{"name":"Gr\xef\xbf\xbd\xef\xbf\xbde","token":"[redacted]"}'
    )


def test_what_is_odd_stays_odd() -> None:
    """It does not turn into null, which would say that there is none."""
    clean = redact_bytes(b'{"program":NaN,"token":"s3cret","cameras":[Infinity,null]}')
    assert clean == b'{"program":NaN,"token":"[redacted]","cameras":[NaN,null]}'
    assert redact_bytes(b'{"token":"s3cret"}{"a":1}') == b'{"token":"[redacted]"}\n{"a":1}'


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_secrets_leave_json_within_json(levels: int) -> None:
    """It can be read afterwards, as what stands around it can."""
    text = '{"to":"c1","apiKey":"s3cret","url":"https://u:s3cret@h/p?sig=s3cret","n":[NaN]}'
    for _ in range(levels):
        text = json.dumps({"type": "cut", "data": text})
    for data in (text.encode(), text.replace("apiKey", "api\\u004bey").encode()):
        said = redact_bytes(data)
        assert b"s3cret" not in said
        for _ in range(levels):
            said = orjson.loads(said)["data"].encode()
        assert said == b'{"to":"c1","apiKey":"[redacted]","url":"https://h/p","n":[NaN]}'


def test_text_that_only_begins_like_json_loses_its_secrets_as_text() -> None:
    """And what nobody could unpack is looked through all the same."""
    for inside in ('{"password": s3cret}', "[password=s3cret", "{password=s3cret}"):
        assert b"s3cret" not in redact_bytes(orjson.dumps({"notes": inside}))
    text = '{"password":"s3cret"}'
    for _ in range(8):
        text = json.dumps([text])
    assert b"s3cret" not in redact_bytes(text.encode())
