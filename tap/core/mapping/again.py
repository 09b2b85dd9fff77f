"""Parts of a frame that are equal to those of the last one: most are, and are not read again.

A server sends its whole state every few moments. Mostly its cameras, its session and its hold have not changed.
Every frame is decoded. If such a part, decoded, is equal to the last one in its place, the result of the last reading
is
used: reading is a pure function of the value, so this is always right. The part's place in the frame, its neighbours,
and how it is written (spaces, escapes) play no role.

``tests/core/test_shortcuts.py`` holds this against reading every part of every frame.
"""

from __future__ import annotations

from typing import Any

import orjson

from tap.core.mapping.values import Reader

__all__ = ["AGAIN", "reads_again"]

AGAIN = frozenset({"cameras", "session", "hold"})
"""The kinds of values that are worth remembering: objects that a server repeats."""

_LARGEST = 2**18
"""Bytes, written, of the largest value that is remembered."""


def reads_again(read: Reader) -> Reader:
    """``read``, remembering its last value: for one source, as those of several would only push each other out."""
    last: tuple[bytes, Any, Any] = b"", None, None

    def read_again(value: Any) -> Any:
        nonlocal last
        if value.__class__ is not list and value.__class__ is not dict:
            return read(value)
        try:
            written = orjson.dumps(value)
        except TypeError:
            return read(value)  # too deep, or with a number that has no such form
        before, known, said = last
        # To Python 1, 1.0 and true are equal, and two objects whose keys are in another order: they are not written
        # alike. What is odd (NaN) or beyond all numbers is written like null: it is not equal to it.
        if written == before and value == known:
            return said
        said = read(value)
        if len(written) <= _LARGEST:
            last = written, value, said
        return said

    return read_again
