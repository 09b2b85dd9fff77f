"""Phrases for events and names for cameras, the same on a terminal and on a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import tzinfo
from typing import Any, Protocol

from tap.core.kinds import KINDS, said_of
from tap.history.formatting import duration_text, plain, time_of_day
from tap.history.timeline import ClockStep, Event, Lane

__all__ = ["Naming", "camera_names", "clock_step_phrase", "event_phrase"]


class Naming(Protocol):
    """Gives the name to show for a camera id. ``name`` is what an event called it, used where nothing else is known."""

    def __call__(self, camera: str | None, name: str | None = None, /) -> str: ...


def camera_names(lanes: Iterable[Lane]) -> dict[str, str]:
    """The name to show for each camera, by id; where two cameras have one name, the id is added."""
    called = {lane.camera_id: lane.name or lane.camera_id for lane in lanes}
    often = Counter(called.values())
    return {camera: plain(f"{name} ({camera})" if often[name] > 1 else name) for camera, name in called.items()}


def clock_step_phrase(step: ClockStep, zone: tzinfo | None) -> str:
    """Says that the server's clock was set, and what that means for the times that are shown in ``zone``."""
    way = "back" if step.by_ms < 0 else "forward"
    by = f"{way} by {duration_text(abs(step.by_ms))}"
    at = time_of_day(step.moment, zone)
    return f"the server's clock was set {by} before {at}; times here continue by the first clock"


def event_phrase(event: Event, camera: Naming) -> str:
    """What there is to say of an event beside its time, kind and camera; empty if there is nothing."""
    told = _TELL.get(event.kind, _other)(event, camera)
    by = "its upload" if event.kind == "still_capture" else "a state"
    inferred = f"known by {by}" if (event.detail or {}).get("inferred") else ""
    return ", ".join(part for part in (told, inferred) if part)


def _cut(event: Event, camera: Naming) -> str:
    origin = camera(event.from_camera_id, event.from_camera_name)
    return ", ".join(part for part in (f"from {origin}" if origin else "", _how(event)) if part)


def _how(event: Event) -> str:
    """Who triggered a cut, and by which transition."""
    how = plain(event.transition or "")
    if event.duration_ms:
        how = f"{how} {duration_text(event.duration_ms)}".strip()
    return ", ".join(part for part in (plain(event.trigger or ""), how if how != "cut" else "") if part)


def _off_air(event: Event, camera: Naming) -> str:
    origin = camera(event.from_camera_id, event.from_camera_name)
    return ", ".join(part for part in (f"{origin} went off" if origin else "", _how(event)) if part)


def _release(event: Event, _: Naming) -> str:
    return "" if event.duration_ms is None else f"held for {duration_text(event.duration_ms)}"


def _mode(event: Event, _: Naming) -> str:
    detail = event.detail or {}
    return f"{plain(str(detail.get('from', '?')))} → {plain(str(detail.get('to', '?')))}"


def _asked(event: Event, camera: Naming) -> str:
    asked = [camera(one) for one in (event.detail or {}).get("cameraIds", [])]
    return f"requested from {', '.join(asked)}" if asked else ""


def _gap(event: Event, camera: Naming) -> str:
    detail = event.detail or {}
    before, after = detail.get("before") or {}, detail.get("after") or {}
    changes = [
        f"{says(before)} → {says(after)}" for says in _sides(camera) if before and after and says(before) != says(after)
    ]
    heard = (
        "first signal" if event.duration_ms is None else f"no signal for {duration_text(event.duration_ms)} until now"
    )
    if event.duration_ms is None and "before" in detail:
        heard = "no signal, for an unknown time"
    return "; ".join([heard, *changes])


def _sides(camera: Naming) -> tuple[Callable[[dict[str, Any]], str], ...]:
    """Program, mode and hold of one side of a gap, in words."""
    return (
        lambda side: camera(side.get("programCameraId")) or "nothing on air",
        lambda side: plain(str(side.get("mode", "no mode"))),
        lambda side: "held" if side.get("hold") else "not held",
    )


def _music(event: Event, _: Naming) -> str:
    detail = event.detail or {}
    confidence = detail.get("confidence")
    sure = f", {confidence:.0%} sure" if isinstance(confidence, int | float) else ""
    return plain(str(detail.get("kind", ""))) + sure


def _marker(event: Event, _: Naming) -> str:
    detail = event.detail or {}
    label, source = (plain(str(detail.get(name) or "")) for name in ("label", "source"))
    return f"{label} ({source})" if label and source else label or source


def _other(event: Event, _: Naming) -> str:
    """What a kind says that has no words of its own here; of one that is unknown, the plain values of its detail."""
    detail = event.detail or {}
    if event.kind in KINDS:
        return plain(said_of(event.kind, detail))
    return ", ".join(plain(f"{name} {value}") for name, value in detail.items() if isinstance(value, str | int | float))


_TELL: dict[str, Callable[[Event, Naming], str]] = {
    "cut": _cut,
    "release": _release,
    "mode_change": _mode,
    "still_marker": _asked,
    "still_capture": lambda _event, _camera: "",
    "gap": _gap,
    "music_moment": _music,
    "off_air": _off_air,
    "marker": _marker,
}
