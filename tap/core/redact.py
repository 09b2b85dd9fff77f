"""Secrets leave here: before a tape, before the machine, before a log.

By the name that they stand under (``token``, ``password`` …), by their shape, and the query and userinfo of every URL;
``secret`` has both lists. What a dialect reads stays: under a name that it maps to an id nothing is taken but a URL's
query and userinfo (a ``storage_key`` is no secret), and a text that it maps (a title) is treated sparingly.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from typing import Any

import orjson

from tap.core.lenient_json import read_values, utf8, write_values
from tap.core.secret import REDACTED, clean_text, clean_url_text, may_hold
from tap.core.secret_names import NEEDLES, is_secret_name, names_secret

__all__ = ["REDACTED", "redact_bytes", "redact_json", "redact_text", "suspect"]

# Cheap test on the raw frame: without one of these there is nothing to redact, and the frame stays as it came.
_SUSPECT = tuple(needle.encode() for needle in NEEDLES)
_DIGITS = b"0123456789"
_SUSPECT_REST = tuple(needle.translate(None, _DIGITS) for needle in _SUSPECT)
_QUOTED = tuple(needle for needle in _SUSPECT_REST if b'"' in needle)
"""Those that stand in no single word. All of them begin with ``"-``."""


class _Rests:
    """What is left of frames without their digits, where nothing suspect stands in it: the last of these.

    A state is told again and again, and mostly only its numbers change. Whatever a frame holds, its rest holds less
    the digits; so what is not in the rest is not in the frame either, and need not be looked for again.

    Of a frame that says something new most words are known all the same: what stands between two quotes, and with no
    quote in it. Only the others are looked through.
    """

    _MOST, _BYTES = 64, 512 * 2**10
    _MOST_WORDS, _LONGEST_WORD = 1_024, 512
    _FEW = 256
    """A frame with more words than this is looked through as a whole."""

    def __init__(self) -> None:
        self.innocent: set[bytes] = set()
        self.words: set[bytes] = set()
        self._bytes = 0

    def unknown(self, rest: bytes) -> Collection[bytes]:
        """The words of a rest that may hold something."""
        words = rest.split(b'"', self._FEW)
        if len(words) > self._FEW or (b'"-' in rest and _holds(rest, _QUOTED)):
            return (rest,)
        return set(words) - self.words

    def add(self, rest: bytes, words: Collection[bytes]) -> None:
        """Nothing stands in this one, nor in these ``words`` of it, which are new."""
        if len(self.innocent) >= self._MOST or self._bytes + len(rest) > self._BYTES:
            self.innocent = set()
            self._bytes = 0
        if len(rest) <= self._BYTES:
            self.innocent.add(rest)
            self._bytes += len(rest)
        if len(self.words) >= self._MOST_WORDS:
            self.words = set()
        self.words.update([word for word in words if len(word) <= self._LONGEST_WORD])


_rests = _Rests()


_DEEPEST = 100
"""Levels of nesting that are looked into; what lies deeper is blanked whole, since nobody reads it either."""
_WITHIN = 20
"""Levels that a text counts for which holds JSON itself; where so few are left, it is blanked whole."""
_LONGEST = 65_536
"""Characters of the longest text that is looked into, and that anything reads."""
_UNREAD = REDACTED.ljust(_LONGEST + 1)
"""What stands for a longer one: as unreadable as the text itself."""
_LONGEST_NAME = 400
_MOST = 4 * 2**20
"""Characters of suspect texts that are looked into in one frame; whoever sends more of them sends no state."""

_NAMES = frozenset(
    (
        *("name", "key", "field", "header", "param", "parameter", "variable", "var", "option", "setting", "property"),
        *("attribute", "label", "k", "id", "type", "kind"),
    )
)
_VALUES = frozenset(("value", "val", "v", "content", "contents", "data", "text", "string", "plaintext", "default"))
"""Where a name and its value stand beside each other: ``{"name": "password", "value": …}``."""
_USER_OPTIONS = frozenset(("-u", "--user", "--proxy-user", "-p"))
"""Options of commands behind which a password stands."""


def redact_text(text: str, *, sparing: bool = False) -> str:
    """``text`` without the query and userinfo of its URLs and without what looks like a secret.

    ``sparing``: only without what can hardly be anything else, for words of our own and for texts of the history.
    """
    return clean_text(text, sparing=sparing)


def suspect(data: bytes, innocent: bytes = b"") -> bool:
    """Whether a raw frame can hold anything that has to be redacted.

    Args:
        data: The frame.
        innocent: A part of it that looks suspect and is not. It ends with its strings and begins with one.
    """
    if innocent:
        data = data.replace(innocent, b"")
    rest = data.translate(None, _DIGITS)
    if rest in _rests.innocent:
        return False
    new = _rests.unknown(rest)
    if new and _holds(b'"'.join(new), _SUSPECT_REST):
        return _holds(data, _SUSPECT)
    _rests.add(rest, new)
    return False


def _holds(data: bytes, needles: Iterable[bytes]) -> bool:
    """Whether any of these stands in it, in whatever case."""
    lower = data.lower()
    for needle in needles:  # noqa: SIM110 - a generator would cost as much again as the search
        if needle in lower:
            return True
    return False


class _Job:
    """One frame: what a dialect reads in it, and how much more of it is looked into."""

    def __init__(self, mapped: Collection[str] = (), read: Collection[str] = ()) -> None:
        self.mapped = mapped
        """Names of ids and the like: they stay as they are, but for a URL's query and userinfo."""
        self.read = read
        """Names of all that is read."""
        self.left = _MOST

    def clean(self, text: str, *, sparing: bool = False) -> str:
        """A text without its secrets; ``sparing`` where the dialect reads it."""
        if len(text) > _LONGEST:
            return _UNREAD
        if not may_hold(text):
            return text
        self.left -= len(text)
        if self.left < 0:
            return clean_url_text(text) if sparing else REDACTED
        return clean_text(text, sparing=sparing)


def redact_json(value: Any, mapped: Collection[str] = (), read: Collection[str] = ()) -> Any:
    """Parsed JSON without its secrets.

    Args:
        mapped: The names of fields that the dialect reads as they are; these lose only a URL's query and userinfo.
        read: Those of all that it reads; their texts lose only what can hardly be anything but a secret.
    """
    return _redacted(value, _Job(mapped, read), _DEEPEST)


def _redacted(value: Any, job: _Job, levels: int) -> Any:
    """A value of any kind without its secrets; what lies deeper than ``levels`` is blanked whole."""
    if isinstance(value, str):
        return _text(value, job, levels)
    if isinstance(value, (dict, list)) and not levels:
        return REDACTED
    if isinstance(value, dict):
        return _object(value, job, levels - 1)
    if isinstance(value, list):
        return list(_items(value, job, levels - 1))
    return value


def _text(value: str, job: _Job, levels: int, *, sparing: bool = False) -> str:
    """A text without its secrets; where it holds JSON itself, that is read and written anew."""
    if value.lstrip()[:1] in {"{", "[", '"'}:
        # JSON within JSON: with its secrets taken out of the text as it stands, nobody could read it any more.
        if levels <= _WITHIN:
            return REDACTED
        clean = _redacted_values(value.encode("utf-8", "replace"), job, levels - _WITHIN)
        if clean is not None:
            return clean.decode()
    return job.clean(value, sparing=sparing)


def _object(value: dict[str, Any], job: _Job, levels: int) -> dict[str, Any]:
    """An object without its secrets: by the name of each field, or by a field that names what stands beside it."""
    clean = {
        name if name in job.mapped or name in job.read else _name(name): _field(name, item, job, levels)
        for name, item in value.items()
    }
    for name, item in value.items():
        if name in job.mapped or name in job.read or not isinstance(item, (str, int, float)):
            continue
        if name.lower() in _VALUES and not isinstance(item, bool) and _is_named_secret(value):
            clean[name] = REDACTED
    return clean


def _is_named_secret(value: dict[str, Any]) -> bool:
    """Whether an object says by a field of its own that its value is a secret."""
    return any(name.lower() in _NAMES and isinstance(item, str) and names_secret(item) for name, item in value.items())


@lru_cache(maxsize=4096)
def _name(name: str) -> str:
    """A name is a text, too: a server may put an address or a token there."""
    return clean_text(name) if len(name) <= _LONGEST_NAME else REDACTED


def _field(name: str, value: Any, job: _Job, levels: int) -> Any:
    """A field's value: as it is where the dialect maps it, sparing where it reads it, blanked under a secret's name."""
    if name == "authentication":
        return REDACTED
    if name in job.mapped:
        return _mapped(value, job, levels)
    if name in job.read:
        return _text(value, job, levels, sparing=True) if isinstance(value, str) else _redacted(value, job, levels)
    if value is not None and not isinstance(value, bool) and is_secret_name(name):
        return REDACTED
    return _redacted(value, job, levels)


def _mapped(value: Any, job: _Job, levels: int) -> Any:
    """What the dialect maps (ids, ``storage_key``): it loses only a URL's query and userinfo."""
    if isinstance(value, str):
        return clean_url_text(value) if len(value) <= _LONGEST else _UNREAD
    if isinstance(value, list) and levels:
        return [
            _mapped(item, job, levels) if isinstance(item, str) else _redacted(item, job, levels - 1) for item in value
        ]
    return _redacted(value, job, levels)


def _items(value: list[Any], job: _Job, levels: int) -> Iterator[Any]:
    """What stands in a list, where one item may be the name of the next, or a key go on over several."""
    before, in_key = "", False
    for number, item in enumerate(value):
        if not isinstance(item, str):
            named = isinstance(item, (int, float)) and not isinstance(item, bool) and _names_next(before, value)
            yield REDACTED if named else _redacted(item, job, levels)
            before = ""
            continue
        in_key = in_key or ("-----BEGIN" in item and "-----END" not in item)
        if in_key or (number and _names_next(before, value)):
            yield REDACTED
        else:
            yield _text(item, job, levels)
        in_key = in_key and "-----END" not in item
        before = item


def _names_next(before: str, value: list[Any]) -> bool:
    """Whether this item is the name of a secret behind it: ``["--password", …]``, or a pair of two."""
    if before.startswith("-"):
        return before in _USER_OPTIONS or names_secret(before.lstrip("-"))
    return len(value) == 2 and bool(before) and names_secret(before)


def redact_bytes(data: bytes, mapped: Collection[str] = (), read: Collection[str] = (), innocent: bytes = b"") -> bytes:
    """A raw frame as a tape may keep it: itself where nothing in it is suspect.

    What is JSON but for a few bytes that are no UTF-8 is kept as text, since a tape has no other way to keep text.
    ``mapped`` and ``read`` are those of :func:`redact_json`, ``innocent`` that of :func:`suspect`.
    """
    clean = _redacted_values(data, _Job(mapped, read), _DEEPEST) if suspect(data, innocent) else data
    if clean is None:
        return _clean_bytes(data)
    return clean if clean.isascii() else _as_text(clean)


def _redacted_values(data: bytes, job: _Job, levels: int) -> bytes | None:
    """JSON without its secrets, as it came where it has none; None where it is not JSON."""
    said: tuple[list[Any], Callable[[list[Any]], bytes]]
    try:
        said = [orjson.loads(data)], lambda values: orjson.dumps(values[0])
    except ValueError:
        try:
            said = read_values(data), write_values
        except ValueError:
            return None
    values, write = said
    clean = [_redacted(value, job, levels) for value in values]
    return data if clean == values else write(clean)


def _as_text(data: bytes) -> bytes:
    """Bytes that are no UTF-8 as text, where they are JSON but for that: a tape keeps text."""
    try:
        data.decode()
    except UnicodeDecodeError:
        with suppress(ValueError):
            read_values(data)
            return utf8(data)
    return data


def _clean_bytes(data: bytes) -> bytes:
    """What is not JSON; of a huge one the rest, which nobody reads either, is blanked."""
    # What is no UTF-8 comes out as it went in.
    text = clean_text(data[:_MOST].decode("utf-8", "surrogateescape"))
    return (text + REDACTED if len(data) > _MOST else text).encode("utf-8", "surrogateescape")
