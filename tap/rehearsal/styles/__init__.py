"""Servers that were never seen: the same shoots, told in the frames of made-up servers unlike multicam/1.

A style turns each frame of a planned shoot into its own; what it cannot say is left out, together with the facts that
only such a frame would have told. So the truth of a shoot stays the truth, whoever tells it. To rehearse the first day
at a new venue: ``multicam-tap simulate --style NAME``.
"""

from __future__ import annotations

from collections.abc import Iterator

import orjson
from msgspec import structs

from tap.core.errors import UsageInvalid
from tap.rehearsal.styles.nested import Nested
from tap.rehearsal.styles.numeric import Numeric
from tap.rehearsal.styles.snapshots import Snapshots
from tap.rehearsal.styles.style import Frame, Style
from tap.rehearsal.wire import Between, encode, greeting
from tap.rehearsal.world import Fact, Send, Shoot, Step, World

__all__ = ["NAMES", "greeted", "restyled", "said"]

_STYLES: dict[str, Style] = {style.name: style for style in (Nested(), Snapshots(), Numeric())}

NAMES = tuple(_STYLES)
"""The styles that there are."""

_DRESSED = frozenset({"other_dialect", "missing_ts", "missing_seq", "garbage"})
"""Faults that are ways of writing multicam/1, or of spoiling its frames."""


def restyled(shoot: Shoot, name: str) -> Shoot:
    """The same shoot, told by another server.

    Raises UsageInvalid for a style that there is not, or that cannot tell it.
    """
    style = _STYLES.get(name)
    if style is None:
        raise UsageInvalid(f"unknown style: {name}", hint=f"known: {', '.join(NAMES)}")
    if shoot.plan.faults & _DRESSED:
        alone = ", ".join(sorted(shoot.plan.faults & _DRESSED))
        raise UsageInvalid(f"faults of multicam/1 alone: {alone}", hint=f"leave them out, or the style {name}")
    return structs.replace(shoot, style=name, steps=tuple(_steps(shoot.steps, style)))


def greeted(shoot: Shoot, world: World, now: int, between: Between) -> list[tuple[str, int, Fact]]:
    """What a new connection hears first, in the words of the shoot's server."""
    plain = greeting(shoot.plan, world, now, between)
    style = _STYLES.get(shoot.style)
    if style is None:
        return plain
    told = [(style.one(data), ts, style.fact(fact)) for data, ts, fact in plain]
    return [(data, ts, fact) for data, ts, fact in told if data is not None]


def said(shoot: Shoot, data: str) -> str | None:
    """A frame of multicam/1 in the words of the shoot's server; None where it has none for it."""
    style = _STYLES.get(shoot.style)
    return data if style is None else style.one(data)


def _steps(steps: tuple[Step, ...], style: Style) -> Iterator[Step]:
    waiting: list[Send] = []
    for step in steps:
        alone = not isinstance(step, Send) or not isinstance(step.data, str)
        if waiting and (alone or not style.batch_ms or step.at - waiting[0].at > style.batch_ms):
            yield from _together(waiting, style)
            waiting = []
        if isinstance(step, Send) and not alone:
            waiting.append(step)
        else:
            yield step
    yield from _together(waiting, style)


def _together(sends: list[Send], style: Style) -> Iterator[Send]:
    """One message of what was sent within a moment, or, where a server does not wait, a message each."""
    frames: list[Frame] = []
    facts: list[Fact] = []
    for send in sends:
        parts = _frames(send.data)
        if parts is None:
            yield send  # no frame: garbage is garbage in every style
            continue
        made = [frame for part in parts if (frame := style.frame(part)) is not None]
        if made:
            frames += made
            facts += [style.fact(fact) for fact in send.facts if style.tells(fact)]
    if frames:
        last = sends[-1]
        yield structs.replace(last, data=encode(style.message(frames)), facts=tuple(facts))


def _frames(data: str | bytes) -> list[Frame] | None:
    """The multicam/1 frames of a message; None where it is none."""
    try:
        value = orjson.loads(data)
    except ValueError:
        return None
    parts = value if isinstance(value, list) else [value]
    return parts if all(isinstance(part, dict) and isinstance(part.get("type"), str) for part in parts) else None
