"""Values on the wire: calls as Convex reads them, and what is in its answers.

The ``convex`` package supplies how values are written; its own clients are not used: one freezes the whole process
while Convex is away, the other can be neither cancelled nor given a deadline.
"""

from __future__ import annotations

import importlib
import json
import re
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from tap.adapters.ledger.answers import Answer
from tap.core.codec import entry_json
from tap.core.model import Entry

__all__ = [
    "EXACT",
    "MAX_BYTES",
    "MAX_ENTRIES",
    "CallFailed",
    "Packed",
    "body_of",
    "convex",
    "decode",
    "pack",
    "small_texts",
]


MAX_ENTRIES = 300
"""Entries a call: the ledger takes 500, and far fewer index reads than a Convex mutation may make."""
MAX_BYTES = 700_000
"""Bytes of JSON a call: what the ledger does in well under the second of CPU that a mutation has."""
EXACT = 2.0**53
"""Up to here a float holds every whole number; beyond it, it is none of ours."""
_WORDS = 300
_PLAIN = 1024
"""Bytes of JSON in which no name is too long for Convex."""
_ODD = re.compile(rb'[^ -~]|\\|"\$|\d{16}|-0')
"""What may be in JSON that Convex's codec refuses or writes otherwise: names that it does not take, numbers that no
float holds. Without any of it, the codec only makes floats of whole numbers, and to Convex both are floats."""
_FEW, _SMALL = 8, 8 * 1024
"""Entries, and bytes of all their JSON, that are packed on the spot."""


class Packed(NamedTuple):
    """A batch as it goes out."""

    body: bytes
    sent: list[str]
    """The keys of the entries in it."""
    refused: dict[int, Answer]
    """Those that cannot even be sent, by their place."""
    taken: int
    """Entries that are answered by this call, from the first on."""


def small_texts(entries: Sequence[Entry]) -> list[bytes] | None:
    """The JSON of these entries, where packing it takes well under a millisecond; None where it may take longer."""
    if len(entries) > _FEW:
        return None
    try:
        texts = [entry_json(entry) for entry in entries]
    except (ValueError, TypeError, RecursionError):
        return None
    return texts if sum(map(len, texts)) <= _SMALL else None


def pack(path: str, entries: Sequence[Entry], key: str | None, texts: Sequence[bytes] | None = None) -> Packed:
    """A call with the first of the entries. ``texts``: the JSON of each, where that is there already."""
    parts: list[bytes] = []
    sent: list[str] = []
    refused: dict[int, Answer] = {}
    size = taken = 0
    for place, entry in enumerate(entries):
        encoded = _encode(entry, None if texts is None else texts[place])
        if isinstance(encoded, Answer):
            refused[taken] = encoded
        else:
            size += len(encoded)
            if parts and size > MAX_BYTES:
                break
            parts.append(encoded)
            sent.append(entry.key)
        taken += 1
    access = b"" if key is None else b'"accessKey":' + orjson.dumps(key) + b","
    head = b'{"path":' + orjson.dumps(path) + b',"format":"convex_encoded_json","args":{'
    return Packed(head + access + b'"entries":[' + b",".join(parts) + b"]}}", sent, refused, taken)


def _encode(entry: Entry, text: bytes | None) -> bytes | Answer:
    """One entry as Convex takes it, or why it never will."""
    try:
        plain = entry_json(entry) if text is None else text
        if len(plain) > MAX_BYTES:
            return Answer(entry.key, "rejected", "size", f"{len(plain)} bytes are more than a call may have", "fields")
        if len(plain) <= _PLAIN and not _ODD.search(plain):
            return plain
        encoded = orjson.dumps(convex().convex_to_json(orjson.loads(plain)))
    except (ValueError, TypeError, RecursionError) as error:
        return Answer(entry.key, "rejected", "encoding", f"Convex cannot carry this: {error}"[:_WORDS], "fields")
    return encoded


def body_of(path: str, args: Mapping[str, Any]) -> bytes:
    said = {"path": path, "format": "convex_encoded_json", "args": convex().convex_to_json(dict(args))}
    return orjson.dumps(said)


class CallFailed(Exception):
    """The call failed, and this is what was said of it."""

    def __init__(self, said: Mapping[str, Any]) -> None:
        super().__init__("no value")
        self.said = said


def decode(data: bytes) -> Any:
    """The value in an answer. ``ValueError`` where it is none, ``CallFailed`` where the call failed."""
    # A bare integer is nothing that Convex writes, but harmless; its codec would refuse the whole answer for it.
    said = _read(data.decode())
    if not isinstance(said, dict):
        raise ValueError("no answer")  # noqa: TRY004 - the same to callers as no JSON
    # What JSON cannot hold stands under names that begin so.
    from_json = convex().json_to_convex if b"$" in data else _as_it_is
    if said.get("status") == "success" and "value" in said:
        return _whole(from_json(said["value"]))
    if said.get("status") == "error":
        if "errorData" in said:
            said = said | {"errorData": _whole(from_json(said["errorData"]))}
        raise CallFailed(said)
    raise ValueError("no answer")


_read = json.JSONDecoder(parse_int=float).decode


def _as_it_is(value: Any) -> Any:
    return value


def _whole(value: Any) -> Any:
    """Whole numbers as ``int``: Convex has only floats, our rows have both, and JSON shows them alike."""
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) <= EXACT else value
    if isinstance(value, list):
        return [_whole(item) for item in value]
    if isinstance(value, dict):
        return {name: _whole(item) for name, item in value.items()}
    return value


_importing = threading.Lock()


def convex() -> Any:
    """The convex package, without the logger that it installs: that writes to stdout, which belongs to the commands."""
    loaded = sys.modules.get("convex")
    if loaded is not None and hasattr(loaded, "ConvexError"):
        return loaded
    with _importing:
        native: Any = importlib.import_module("_convex")
        kept, native.init_logging = native.init_logging, lambda: None
        try:
            return importlib.import_module("convex")
        finally:
            native.init_logging = kept
