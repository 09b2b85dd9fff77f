"""Servers that nobody wrote a mapping for, and what one malformed frame among theirs looks like."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from tap.rehearsal.inspect import Inspection
from tests.rehearsal.inspect.places import shoot, tape

__all__ = ["KINDS", "SERVERS", "Line", "Spoken", "differences", "draft", "frames_of", "lines_of", "spoil", "write"]

_RENAMED = {
    "type": "event", "ts": "at", "seq": "n", "to": "liveSource", "from": "previousSource", "program": "liveSource",
    "cameras": "sources", "camera": "source", "camera_id": "sourceId", "camera_ids": "sourceIds", "session": "shoot",
    "session_id": "shootId", "still_id": "photoId", "cut_id": "cutKey", "hold": "lock", "started_at": "beganAt",
}  # fmt: skip


def _venue(frame: Any) -> Any:
    """Other names, and a body: ``{"event", "data", "at", "n"}``."""
    named = {_RENAMED.get(name, name): _names(value) for name, value in frame.items()}
    return {"event": named.pop("event", ""), "data": named, **{n: named.pop(n) for n in ("at", "n") if n in named}}


def _names(value: Any) -> Any:
    if isinstance(value, dict):
        return {_RENAMED.get(name, name): _names(part) for name, part in value.items()}
    return [_names(part) for part in value] if isinstance(value, list) else value


def _body(frame: Any) -> tuple[str, Any]:
    return frame["type"], {name: value for name, value in frame.items() if name != "type"}


def _each(change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda frame: [change(part) for part in frame] if isinstance(frame, list) else change(frame)


class Server(NamedTuple):
    """How a server tells a shoot: its style, what it makes of a frame, and how it writes it."""

    style: str | None = None
    change: Callable[[Any], Any] = lambda frame: frame
    write: Callable[[Any], str] = lambda frame: orjson.dumps(frame).decode()


def _text(value: Any) -> str:
    return orjson.dumps(value).decode()


SERVERS = {
    "plain": Server(),
    "nested": Server("nested"),
    "snapshots": Server("snapshots"),
    "numeric": Server("numeric"),
    "venue": Server(change=_each(_venue)),
    "arrays": Server(change=_each(lambda frame: list(_body(frame)))),
    "phoenix": Server(change=_each(lambda frame: ["1", None, "room:1", *_body(frame)])),
    "socket": Server(change=_each(lambda frame: list(_body(frame))), write=lambda frame: f"42{_text(frame)}"),
    "texts": Server(
        change=_each(_venue),
        write=lambda frame: _text(
            {**frame, "data": _text(frame["data"])} if isinstance(frame, dict) and "data" in frame else frame
        ),
    ),
}


class Spoken(NamedTuple):
    """A line of a tape: what stands around a frame, and the frame."""

    line: dict[str, Any]
    frame: Any
    raw: str | None = None
    """The frame as text, where it is none that can be parsed."""


def frames_of(path: Path, name: str, seed: int, *, length_s: float = 40) -> list[Spoken]:
    """A shoot as this server tells it."""
    server = SERVERS[name]
    tape(path, shoot(server.style, seed, length_s=length_s), server.change)
    found = []
    for text in path.read_text("utf-8").splitlines():
        line = orjson.loads(text)
        found.append(Spoken(line, orjson.loads(line["data"]) if "data" in line else None))
    return found


def write(path: Path, name: str, spoken: list[Spoken]) -> Path:
    server = SERVERS[name]
    texts = []
    for one in spoken:
        line = dict(one.line)
        if "data" in line:
            line["data"] = server.write(one.frame) if one.raw is None else one.raw
        texts.append(_text(line))
    path.write_text("\n".join(texts) + "\n", "utf-8")
    return path


# ---------------------------------------------------------------------------------------------- what is malformed


def _leaves(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in items:
        yield (*place, name)
        yield from _leaves(part, (*place, name))


def _put(frame: Any, place: tuple[Any, ...], value: Any) -> None:
    for name in place[:-1]:
        frame = frame[name]
    frame[place[-1]] = value


def _remove(frame: Any, place: tuple[Any, ...]) -> None:
    for name in place[:-1]:
        frame = frame[name]
    del frame[place[-1]]


_VALUES = {
    "a list": ["a"],
    "an object": {"x": 1},
    "a number": 7,
    "a word": "zzz",
    "a flag": True,
    "null": None,
    "zero": 0,
    "an empty text": "",
    "an empty object": {},
    "an empty list": [],
    "a long text": "long " * 2_000,
    "a fraction": 0.5,
    "a time": "2031-05-18T19:33:20Z",
}
KINDS = (*_VALUES, "missing", "bare", "more", "cut off", "not a number", "told twice", "twisted")


def spoil(name: str, frame: Any, kind: str, rng: random.Random, types: frozenset[str]) -> tuple[Any, str | None]:
    """A malformed copy of a frame: the frame, or the text of one that is none any more."""
    frame = copy.deepcopy(frame)
    # Its type stays what it is, or it would be another frame.
    places = [place for place in _leaves(frame) if not _holds_type(frame, place, types)]
    if not places:
        return frame, None
    if kind == "cut off":
        return frame, SERVERS[name].write(frame)[: rng.randrange(2, 40)]
    place = rng.choice(places)
    if kind == "not a number":
        _put(frame, place, "@NaN@")
        return frame, SERVERS[name].write(frame).replace('\\"@NaN@\\"', "NaN").replace('"@NaN@"', "NaN")
    if kind in _VALUES:
        _put(frame, place, copy.deepcopy(_VALUES[kind]))
    elif kind == "missing":
        _remove(frame, place)
    elif kind == "bare":
        for one in reversed([one for one in places if len(one) == 1]):
            _remove(frame, one)
    else:
        _mangle(frame, kind, places, rng)
    return frame, None


def _mangle(frame: Any, kind: str, places: list[tuple[Any, ...]], rng: random.Random) -> None:
    holder = frame if isinstance(frame, dict) else frame[-1]
    texts = [place for place in places if isinstance(_get(frame, place), str)]
    if kind == "more" and isinstance(holder, dict):
        holder.update(zzz=["q"], qqq={"w": 1})
    elif kind == "twisted" and len(texts) > 1:
        one, other = rng.sample(texts, 2)
        first, second = _get(frame, one), _get(frame, other)
        _put(frame, one, second)
        _put(frame, other, first)


def _get(frame: Any, place: tuple[Any, ...]) -> Any:
    for name in place:
        frame = frame[name]
    return frame


def _holds_type(frame: Any, place: tuple[Any, ...], types: frozenset[str]) -> bool:
    value = _get(frame, place)
    inside = [_get(value, one) for one in _leaves(value)] if isinstance(value, (dict, list)) else [value]
    return any(isinstance(one, str) and one in types for one in inside)


# ---------------------------------------------------------------------------------------------- what is drafted


class Line(NamedTuple):
    """A line of a draft: the table and type it is of, and whether it is marked doubtful."""

    of: str
    text: str
    doubtful: bool


def draft(path: Path) -> str:
    return Inspection([path], dialect="multicam/1").suggestion().text


def lines_of(text: str) -> list[Line]:
    found: list[Line] = []
    of, doubtful = "", False
    for line in text.splitlines():
        if line.startswith("#"):
            doubtful = doubtful or line.startswith("# doubtful")
        elif line.startswith("["):
            of = line
        elif line:
            of = f"{of.split(' ')[0]} {line}" if line.startswith("when") else of
            found.append(Line(of, line, doubtful))
        if not line.startswith("#"):
            # A remark above a rule is of its first line.
            doubtful = doubtful and line.startswith("[")
    return found


def differences(clean: str, spoiled: str) -> list[str]:
    """What is other in a draft without being marked there."""
    before = {(line.of, line.text) for line in lines_of(clean)}
    after = lines_of(spoiled)
    told = {(line.of, line.text) for line in after}
    doubtful = {(line.of, line.text.partition(" = ")[0]) for line in after if line.doubtful}

    def is_marked(of: str, text: str) -> bool:
        # A doubt about when a rule holds is one about all of it.
        return (of, text.partition(" = ")[0]) in doubtful or any(
            by == of and key.startswith("when") for by, key in doubtful
        )

    return [
        *(f"- {of}: {text}" for of, text in sorted(before - told) if not is_marked(of, text)),
        *(f"+ {of}: {text}" for of, text in sorted(told - before) if not is_marked(of, text)),
    ]
