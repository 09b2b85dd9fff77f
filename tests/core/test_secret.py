"""Texts in which something may be secret: what is left of them can still be read."""

from __future__ import annotations

import pytest

from tap.core.secret import clean_text


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        (r"rtmp:\/\/anna:hUsh7@host\/live", "rtmp://host/live"),
        (r"https:\u002f\u002fanna:hUsh7@host\u002flive", "https://host/live"),
    ],
)
def test_an_address_within_json_keeps_its_slashes_where_its_password_is_taken(text: str, clean: str) -> None:
    """Who reads the log has to see which host it was."""
    assert clean_text(text) == clean
