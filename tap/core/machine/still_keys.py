"""What a still's key, name and row say: the small functions behind ``stills``."""

from __future__ import annotations

from typing import Any

from tap.core.codec import MAX_KEY, key_part, sub_key
from tap.core.machine.rows import time_of
from tap.core.machine.state import Session, Still
from tap.core.model import Envelope

__all__ = ["brief", "moment_of", "number_in", "numbered", "still_key", "weight_of"]


def still_key(session: Session, name: str, number: int, camera_id: str) -> str:
    """The key of a still's row, of the take with that number."""
    return numbered(sub_key(session.key, "still", name, camera_id), number)


def numbered(key: str, number: int) -> str:
    """A key of the first take as it is; of a later one with its number."""
    return key if number == 1 else f"{key}/{number}"


def number_in(key: str, session: Session, name: str, camera_id: str) -> int:
    """The number of the take that a row's key tells."""
    first = sub_key(session.key, "still", name, camera_id)
    return 1 if key == first else int(key[len(first) + 1 :])


def brief(name: str) -> str:
    """A still's name as it is remembered: a long one by its digest."""
    return name if len(name) <= MAX_KEY else key_part(name)


def weight_of(still: Still) -> int:
    """How many characters its row holds."""
    return sum(len(value) for value in still.row.fields.values() if isinstance(value, str))


def moment_of(status: str, fields: dict[str, Any], envelope: Envelope) -> tuple[int, int]:
    """The best known time of the moment itself, and how good it is: its capture, the request, else this frame's."""
    if status in {"captured", "uploaded"} and "capturedAt" in fields:
        return 2, fields["capturedAt"]
    if status == "requested":
        return 1, fields["requestedAt"]
    return 0, time_of(envelope)
