"""The ways of a server: how it counts, dates, names and sends. Each is a choice, and all choices combine.

``multicam/1`` leaves all this open, and real servers differ in it. ``PLAIN`` is the server of
``docs/multicam-1.md``; any other is written as ``ts=seconds,seq=connection,…``.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Literal, get_args, get_type_hints

from msgspec import Struct

__all__ = ["CHOICES", "PLAIN", "WAYS", "Ways", "drawn", "parsed", "written"]


class Ways(Struct, frozen=True, kw_only=True):
    """The ways of one server. The first choice of each is the plain one."""

    ts: Literal["ms", "seconds", "iso", "none"] = "ms"
    clock: Literal["steady", "back5", "on5", "back60", "on60", "on3600"] = "steady"
    seq: Literal["boot", "connection", "type", "none", "wrapping", "silent"] = "boot"
    boot: Literal["anew", "kept"] = "anew"
    ids: Literal["usual", "unique", "boot", "session", "none"] = "usual"
    history: Literal["none", "last100", "last1000"] = "none"
    retold: Literal["as_was", "renumbered"] = "as_was"
    hello: Literal["once", "often"] = "once"
    stall: Literal["none", "tap", "server", "both"] = "none"
    batch: Literal["usual", "ordered", "shuffled"] = "usual"
    keys: Literal["usual", "shuffled"] = "usual"
    ties: Literal["apart", "together"] = "apart"
    dissolve: Literal["shown", "old", "none"] = "shown"
    dark: Literal["usual", "fade", "silent", "dead"] = "usual"
    nothing: Literal["null", "empty", "empty_id", "null_id", "false"] = "null"
    uploads: Literal["soon", "late"] = "soon"
    marks: Literal["no", "yes"] = "no"


PLAIN = Ways()

WAYS: Mapping[str, str] = {
    "ts": "the time in each frame: ms, whole seconds, ISO 8601 with whole seconds, or none",
    "clock": "the server's clock runs on, or somebody sets it: 5 s or 60 s back or on, or an hour on",
    "seq": "what the frames' numbers count, or that they are missing, wrap, or restart without a sign",
    "boot": "boot_id is new at each start of the server, or always the same",
    "ids": "the ids of cuts, holds, moments and stills: usual, unique for ever, from 1 at each boot or session, none",
    "history": "what the server repeats at each connect: nothing, the last 100, or the last 1,000 events",
    "retold": "a repeated event has its first number again, or a new one",
    "hello": "a hello comes once in a connection, or every ten seconds",
    "stall": "who stops: nobody, the tap (then reads many frames at once), the server (minutes of silence), both",
    "batch": "a change and its state come one by one, in one frame, or in one frame in any order",
    "keys": "the keys of a frame are in their usual order, or in any order",
    "ties": "changes lie apart, or several fall into one millisecond",
    "dissolve": "during a dissolve, snapshots show the new camera, the old one, or none",
    "dark": "how the program goes dark: by a cut, by a fade, in a snapshot alone, or because its camera died",
    "nothing": "what means no session: null, {}, an empty id, a null id, or false",
    "uploads": "stills are uploaded within seconds, or up to some sessions later",
    "marks": "whether the server sends the operator's own marks",
}
"""What each of them means, for people."""

CHOICES: Mapping[str, tuple[str, ...]] = {name: get_args(kind) for name, kind in get_type_hints(Ways).items()}
"""The words that each of them can have."""


def parsed(text: str) -> Ways:
    """Parse ways such as ``ts=seconds,seq=connection``.

    Raises:
        ValueError: A way or a word does not exist; its text says which are allowed.
    """
    said: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = part.partition("=")
        if name not in CHOICES:
            raise ValueError(f"a server has no {name!r}; known: {', '.join(CHOICES)}")
        if not equals or value not in CHOICES[name]:
            raise ValueError(f"{name} is {value!r}; allowed: {', '.join(CHOICES[name])}")
        said[name] = value
    return Ways(**said)  # type: ignore[arg-type] # each was looked up


def written(ways: Ways) -> str:
    """The ways as text: only what is not plain, so that plain ways give an empty text."""
    return ",".join(f"{name}={getattr(ways, name)}" for name in CHOICES if getattr(ways, name) != getattr(PLAIN, name))


def drawn(rng: Random) -> Ways:
    """Random ways. About half of the choices are the plain one, so that some worlds are odder than others."""
    oddity = rng.choice((0.2, 0.5, 0.8))
    return Ways(
        **{name: rng.choice(words) if rng.random() < oddity else words[0] for name, words in CHOICES.items()}  # type: ignore[arg-type]
    )
