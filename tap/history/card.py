"""A session's summary card: its numbers and what is missing, for the live page and for programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from tap.core.palette import looks
from tap.history.formatting import plain
from tap.history.phrases import camera_names
from tap.history.statistics import SessionStatistics, statistics_of
from tap.history.timeline import StillMark, Timeline

__all__ = ["Card", "card_json", "card_of"]

_NAME, _TITLE = 120, 300
_MOST_MISSING, _MOST_GAPS, _MOST_STILLS = 200, 200, 500


class _Plain(Struct, frozen=True, kw_only=True, rename="camel"):
    """Names in the card's JSON are camelCase."""


class CardCamera(_Plain, frozen=True, kw_only=True):
    """One camera, in the order of its lane."""

    camera_id: str
    name: str
    role: str | None
    colour: int
    texture: str
    on_air_ms: int
    shots: int
    cuts: int


class CardStill(_Plain, frozen=True, kw_only=True):
    """One still."""

    key: str
    name: str
    camera: str
    status: str
    at: int
    why: str
    picture: str | None = None
    """A small JPEG as a ``data:`` URI, where it was asked for and found."""


class CardMissing(_Plain, frozen=True, kw_only=True):
    """The stills of one camera that did not arrive."""

    camera: str
    stills: list[CardStill]


class CardGap(_Plain, frozen=True, kw_only=True):
    """A time without signal."""

    at: int
    duration_ms: int | None
    covered: bool


class CardShot(_Plain, frozen=True, kw_only=True):
    """The longest shot."""

    camera: str
    start: int
    length_ms: int


class Card(_Plain, frozen=True, kw_only=True):
    """One session. Moments are Unix ms on the clock that the session began with."""

    session_key: str
    title: str
    venue: str
    status: str
    end_reason: str | None
    start: int
    end: int
    length_ms: int
    cuts: int
    cuts_per_minute: float | None
    median_shot_ms: int | None
    longest_shot: CardShot | None
    pace_step_ms: int
    pace: list[int]
    """Cuts in each step."""
    unknown_ms: int
    holds: int
    hold_ms: int
    gaps: list[CardGap]
    gap_count: int
    gap_ms: int
    cameras: list[CardCamera]
    stills_asked: int
    """Those that were requested; others were taken unasked."""
    stills_asked_taken: int
    stills_taken: int
    stills_uploaded: int
    missing: list[CardMissing]
    """Failed, never taken, or taken and not uploaded where others were."""
    missing_count: int
    stills: list[CardStill]
    """The newest, as many as a card has room for."""


def card_of(timeline: Timeline, pictures: Mapping[str, str] | None = None) -> Card:
    """The card of one session. ``pictures``: ``data:`` URIs by still key."""
    figures = statistics_of(timeline)
    names = {camera: _short(name, _NAME) for camera, name in camera_names(timeline.lanes).items()}
    lost = [*figures.never_taken, *figures.not_uploaded]
    longest = figures.longest_shot
    return Card(
        session_key=timeline.session_key,
        title=_short(timeline.title or timeline.session_id or timeline.session_key, _TITLE),
        venue=_short(timeline.venue, _NAME),
        status=_short(timeline.status, _NAME),
        end_reason=None if timeline.end_reason is None else _short(timeline.end_reason, _NAME),
        start=timeline.start,
        end=timeline.end,
        length_ms=figures.length_ms,
        cuts=figures.cuts,
        cuts_per_minute=figures.cuts_per_minute,
        median_shot_ms=None if figures.shots is None else figures.shots.median,
        longest_shot=None
        if longest is None
        else CardShot(camera=names.get(longest.camera_id or "", ""), start=longest.start, length_ms=longest.length),
        pace_step_ms=figures.pace.step_ms,
        pace=figures.pace.cuts,
        unknown_ms=figures.unknown_ms,
        holds=figures.holds,
        hold_ms=figures.hold_ms,
        gaps=[
            CardGap(at=gap.at, duration_ms=gap.duration_ms, covered=gap.covered) for gap in timeline.gaps[:_MOST_GAPS]
        ],
        gap_count=figures.gaps,
        gap_ms=figures.gap_ms,
        cameras=_cameras(timeline, figures, names),
        stills_asked=figures.stills.asked,
        stills_asked_taken=figures.stills.asked_taken,
        stills_taken=figures.stills.taken,
        stills_uploaded=figures.stills.uploaded,
        missing=_missing(lost, names),
        missing_count=len(lost),
        stills=[_still(still, names, pictures or {}) for still in timeline.stills[-_MOST_STILLS:]],
    )


def card_json(card: Card) -> bytes:
    """The card as one JSON object."""
    return msgspec.json.encode(card)


def _cameras(timeline: Timeline, figures: SessionStatistics, names: Mapping[str, str]) -> list[CardCamera]:
    found = []
    for index, (lane, told) in enumerate(zip(timeline.lanes, figures.cameras, strict=True)):
        colour, texture = looks(index)
        found.append(
            CardCamera(
                camera_id=lane.camera_id,
                name=names[lane.camera_id],
                role=None if lane.role is None else _short(lane.role, _NAME),
                colour=colour,
                texture=texture,
                on_air_ms=told.on_air_ms,
                shots=told.shots,
                cuts=told.cuts,
            )
        )
    return found


def _missing(stills: list[StillMark], names: Mapping[str, str]) -> list[CardMissing]:
    by_camera: dict[str, list[CardStill]] = {}
    for still in sorted(stills, key=lambda one: one.moment)[:_MOST_MISSING]:
        told = _still(still, names, {})
        by_camera.setdefault(told.camera, []).append(told)
    return [CardMissing(camera=camera, stills=told) for camera, told in by_camera.items()]


def _still(still: StillMark, names: Mapping[str, str], pictures: Mapping[str, str]) -> CardStill:
    camera: Any = names.get(still.camera_id or "", still.camera_id or "no camera")
    return CardStill(
        key=still.key,
        name=_short(still.still_id or "a still", _NAME),
        camera=_short(camera, _NAME),
        status=_short(still.status, _NAME),
        at=still.moment,
        why=_short(still.fail_reason or "", _NAME),
        picture=pictures.get(still.key),
    )


def _short(text: str, most: int) -> str:
    """``text`` without what could harm a terminal or a page, and not too long."""
    told = plain(str(text)[: 2 * most])
    return told if len(told) <= most else told[: most - 1] + "…"
