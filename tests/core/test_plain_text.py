"""Text that harms no terminal, whoever wrote it."""

from __future__ import annotations

import json

import pytest

from tap.core.plain_text import plain, plain_json


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Close 2", "Close 2"),
        ("カメラ三 — Zoë 👩\u200d🎤", "カメラ三 — Zoë 👩\u200d🎤"),
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("a\r\n\tb", "a\\r\\n\\tb"),
        ("a\u202eb\u2028c", "a\\u202eb\\u2028c"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_harms_is_spelt_out(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_json_keeps_its_lines_and_its_meaning() -> None:
    """A character beyond the first plane is two escapes, as JSON has it."""
    text = '{\n  "name": "a\u202eb\U000e0001c"\n}'
    shown = plain_json(text)
    assert shown == '{\n  "name": "a\\u202eb\\udb40\\udc01c"\n}'
    assert json.loads(shown) == json.loads(text)
