"""What the reader of obs-websocket remembers. All of it goes into the checkpoint, as JSON."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

__all__ = ["Begun", "Gathering", "ObsState", "Removal", "Scene", "Take", "Waiting"]


class Scene(Struct):
    """A scene, which is a camera: ``id`` is the name that it had first in this session."""

    id: str
    name: str
    uuid: str | None = None


class Removal(Struct):
    """A scene that was removed. It may be the storm of an exit, or of a collection that is changed."""

    name: str
    uuid: str | None
    wall: int
    mono: int
    due: int


class Begun(Struct):
    """A transition that started; which scene it leads to, its end tells."""

    name: str
    wall: int
    mono: int
    ended: int | None = None
    """``mono`` of its last picture."""


class Waiting(Struct):
    """An event that has to wait: for what tells whether it is true, or behind one that does."""

    kind: str
    data: dict[str, Any]
    wall: int
    mono: int
    due: int
    reply: bool = False
    begun: Begun | None = None
    """The transition that a program event ended."""
    switch: bool = False
    """The program event belongs to a change of the scene collection."""


class Gathering(Struct):
    """The answers to the questions at a connection's start, until they make a snapshot."""

    due: int
    wall: int
    mono: int
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)


class Take(Struct):
    """The recording or stream that makes the session."""

    started_at: int
    began: int
    """``mono`` of its beginning."""
    paused_ms: int = 0
    """How long it was paused, up to the pause that may be on."""


class ObsState(Struct):
    """All that the reader knows between two frames."""

    connected: bool = False
    fresh: bool = False
    """The connection has given no frame yet."""
    heard: int = 0
    """``mono`` of the last frame."""
    blind_since: int | None = None
    """``mono`` of the last frame before this connection."""
    gathering: Gathering | None = None
    waiting: list[Waiting] = field(default_factory=list)
    removals: list[Removal] = field(default_factory=list)
    scenes: list[Scene] = field(default_factory=list)
    program: str | None = None
    """Id of the scene on air."""
    take: Take | None = None
    paused_since: int | None = None
    studio: bool = False
    studio_until: int = -1_000_000
    """``mono`` at which studio mode was left last."""
    mode: str | None = None
    """The mode as it was last told."""
    begun: list[Begun] = field(default_factory=list)
    transitions_seen: bool = False
    kinds: dict[str, str] = field(default_factory=dict)
    """What kind of transition stands behind a name."""
    duration_ms: int | None = None
    """The length that is set for transitions."""
    switching: bool = False
    """The scene collection is being changed."""
    switched: int = -1_000_000
    """``mono`` at which that was last done."""
    exiting: bool = False
