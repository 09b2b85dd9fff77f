"""What the reader of obs-websocket remembers. All of it goes into the checkpoint, as JSON."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

__all__ = ["Begun", "Gathering", "Item", "ObsState", "Removal", "Scene", "Switched", "Take", "Waiting"]


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
    """A transition that started. Which scene it leads to, an answer tells soon after, or its end."""

    name: str
    wall: int
    mono: int
    ended: int | None = None
    """``mono`` of its last picture."""
    number: int = 0
    """Which of all transitions of this connection."""
    target: str | None = None
    uuid: str | None = None
    """Name and uuid of the scene that it leads to, as an answer told them."""
    doubtful: bool = False
    """That is what it comes from: the answer may have been looked up before the transition began."""
    early: bool = False
    """That answer came before another transition began, so it cannot be about that one."""
    stopped: int | None = None
    """``mono`` at which OBS said that it is over, without a last picture."""
    cut_short: int | None = None
    """``mono`` at which another began in its midst."""


class Waiting(Struct):
    """An event that has to wait: for what tells whether it is true, or behind one that does."""

    kind: str
    data: dict[str, Any]
    wall: int
    mono: int
    due: int
    reply: bool = False
    begun: Begun | None = None
    """The transition that a program event ended, or that was interrupted."""
    switch: bool = False
    """The program event belongs to a change of the scene collection."""
    answer: dict[str, Any] | None = None
    """Of a change of the collection: the scenes of the new one."""


class Gathering(Struct):
    """The answers to the questions about the state, until they make a snapshot."""

    due: int
    wall: int
    mono: int
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)


class Take(Struct):
    """An output that runs: the recording or stream that makes the session, or the recorder."""

    started_at: int
    began: int
    """``mono`` of its beginning."""
    paused_ms: int = 0
    """How long it was paused, up to the pause that may be on."""
    seen: bool = True
    """It was seen starting."""


class Switched(Struct):
    """A collection that was changed, and whose scenes nobody has told yet."""

    wall: int
    mono: int
    was: str | None
    """The camera that was on air."""


class Item(Struct):
    """A source in a scene."""

    id: int
    source: str
    on: bool
    index: int
    """The greatest lies uppermost."""


class ObsState(Struct):
    """All that the reader knows between two frames."""

    connected: bool = False
    fresh: bool = False
    """The connection has given no frame yet."""
    heard: int = 0
    """``mono`` of the last frame."""
    blind_since: int | None = None
    """``mono`` of the last frame before this connection."""
    plugin: str | None = None
    """The version of obs-websocket."""
    program_version: str | None = None
    """The version of OBS."""
    gathering: Gathering | None = None
    missing: list[str] = field(default_factory=list)
    """The questions about the state that OBS has not answered on this connection."""
    waiting: list[Waiting] = field(default_factory=list)
    removals: list[Removal] = field(default_factory=list)
    scenes: list[Scene] = field(default_factory=list)
    departed: list[Scene] = field(default_factory=list)
    """Scenes of this session that are not there now, newest last."""
    unsure: list[Scene] = field(default_factory=list)
    """Scenes that were told of, and may be another canvas's."""
    program: str | None = None
    """Id of the scene on air."""
    pointer: str | None = None
    """The name of the scene that OBS was heard last to have on air, or to go to."""
    announced: str | None = None
    """Id of the scene that OBS announced last; in studio mode it may be wrong about what is on air."""
    air: str | None = None
    """Id of the camera on air: the scene, or the source that is shown in it."""
    coming: str | None = None
    """Id of the camera that a transition was last said to lead to."""
    take: Take | None = None
    recorder: Take | None = None
    """The recording, where the session is made by something else."""
    over: Take | None = None
    """The recording that was stopped last."""
    over_since: int = -1_000_000
    """``mono`` at which it was."""
    skew: int | None = None
    """How far (ms) the times in file names are ahead of ours, quarters of an hour aside; at most a second less."""
    paused_since: int | None = None
    studio: bool = False
    studio_until: int = -1_000_000
    """``mono`` at which studio mode was left last."""
    mode: str | None = None
    """The mode as it was last told."""
    begun: list[Begun] = field(default_factory=list)
    started: int = 0
    """Transitions that started on this connection."""
    changes: int = 0
    """Changes of the collection on this connection."""
    counted: bool = True
    """All of these were heard, so that their numbers are those of our questions."""
    transitions_seen: bool = False
    kinds: dict[str, str] = field(default_factory=dict)
    """What kind of transition stands behind a name."""
    duration_ms: int | None = None
    """The length that is set for transitions."""
    switching: bool = False
    """The scene collection is being changed."""
    stormed: bool = False
    """Events told of the scenes of the new one, as they did before 5.3."""
    switched: int = -1_000_000
    """``mono`` at which that was last done."""
    unlisted: Switched | None = None
    marks: list[int] = field(default_factory=list)
    """``mono`` of the marks of the last minute."""
    rate: float | None = None
    width: int | None = None
    height: int | None = None
    """Frames a second, and the size of the picture that is recorded."""
    items: dict[str, list[Item]] = field(default_factory=dict)
    """By the name of a scene whose sources are cameras: these sources, as far as they are in it."""
    exiting: bool = False
