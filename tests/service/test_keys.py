"""An ingest key is 256 random bits, and only its digest is ever configured."""

from __future__ import annotations

import hashlib
import re

from tap.core.redact import redact_text
from tap.service.keys import ROTATION, digest, new_key


def test_a_key_comes_with_the_line_that_configures_it() -> None:
    """The line holds the venue as it stands in keys, and the digest, never the key."""
    key, line = new_key("Stage 1/Süd")
    assert re.fullmatch(r"tapkey_[\w-]{43}", key)
    assert key not in line
    expected = hashlib.sha256(key.encode()).hexdigest()
    assert line == f'npx convex env set PRODUCTION_INGEST_KEYS "Stage%201%2FS%C3%BCd:{expected}"'
    assert digest(key) == expected
    assert "old" in ROTATION


def test_no_two_keys_are_alike() -> None:
    """Not even for one venue."""
    assert len({new_key("v")[0] for _ in range(100)}) == 100


def test_a_key_can_stand_in_a_setting() -> None:
    """Printable ASCII without spaces; and a log that says ``key=…`` loses it."""
    key, _ = new_key("v")
    assert key.isascii()
    assert " " not in key
    assert key not in redact_text(f"ingest_key={key}")
