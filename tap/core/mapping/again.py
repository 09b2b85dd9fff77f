"""What a server says once more: most of what it says, and that is not read again.

A server sends its whole state every few moments. Mostly nothing has changed in it but its time and its number. Every
frame is decoded. If an object, decoded and without its time and number, equals the last one of its kind, it says the
same. If only a part of it (its cameras, its session, its hold) equals the last one in its place, that part says the
same. Reading is a pure function of the decoded value, so this is always right. Where a key is in the frame, what is
beside it, and how it is written (spaces, escapes) play no role.

Values are compared as MessagePack, in which any two that differ are written in different ways: 1, 1.0 and true, null
and what is no number at all, two objects whose keys are in another order. To Python some of these are equal.

``tests/core/test_shortcuts.py`` holds this against reading every part of every frame.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Generic, TypeVar

import msgspec

from tap.core.mapping.values import Reader

__all__ = ["AGAIN", "Last", "reads_again"]

AGAIN = frozenset({"cameras", "session", "hold"})
"""The kinds of values that are worth remembering: objects that a server repeats."""

_LARGEST = 2**18
"""Bytes, written, of the largest value that is remembered."""

T = TypeVar("T")
_encode = msgspec.msgpack.Encoder().encode


def _written(value: Any) -> bytes:
    """A decoded value as bytes that no other value has; none where it is too large, or too deep, to be remembered."""
    try:
        written = _encode(value)
    except (RecursionError, OverflowError, ValueError):
        return b""
    return written if len(written) <= _LARGEST else b""


def reads_again(read: Reader) -> Reader:
    """``read``, remembering its last value: for one source, as those of several would only push each other out."""
    last: tuple[bytes, Any] = b"", None

    def read_again(value: Any) -> Any:
        nonlocal last
        if value.__class__ is not list and value.__class__ is not dict:
            return read(value)
        written = _written(value)
        if not written:
            return read(value)
        if written != last[0]:
            last = written, read(value)
        return last[1]

    return read_again


class Last(Generic[T]):
    """The last object of one kind, and what was made of it."""

    def __init__(self, apart: Collection[object]) -> None:
        """``apart``: the keys of the object that play no role in what is made of it."""
        self._apart = frozenset(apart)
        self._last: tuple[bytes, T] | None = None

    def made(self, item: dict[str, Any], make: Callable[[], T]) -> T:
        """What ``make`` gives for this object; what it gave for the last one, if that was the same."""
        apart = self._apart
        written = _written({name: value for name, value in item.items() if name not in apart})
        if not written:
            return make()
        if self._last is None or self._last[0] != written:
            self._last = written, make()
        return self._last[1]
