"""multicam-tap: lets a live multi-camera shoot write its own history.

The names below are the Python face (:mod:`tap.api`), loaded when one of them is first used: the service, which never
does, must not pay for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tap.api import (
        Changed,
        ClockStep,
        Event,
        Gap,
        History,
        Lane,
        Row,
        Session,
        Span,
        StillMark,
        TapError,
        Timeline,
        Totals,
        asked_events,
        cameras_frame,
        changes,
        frame,
        open_journal,
        open_ledger,
        shots_frame,
        stills_frame,
    )

__all__ = [
    "Changed",
    "ClockStep",
    "Event",
    "Gap",
    "History",
    "Lane",
    "Row",
    "Session",
    "Span",
    "StillMark",
    "TapError",
    "Timeline",
    "Totals",
    "asked_events",
    "cameras_frame",
    "changes",
    "frame",
    "open_journal",
    "open_ledger",
    "shots_frame",
    "stills_frame",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'tap' has no attribute {name!r}")
    import tap.api  # noqa: PLC0415

    return getattr(tap.api, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
