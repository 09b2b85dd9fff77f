"""What ``check`` says: one finding for each thing that was tried."""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct, field

__all__ = ["Finding", "Result", "at"]

Result: TypeAlias = Literal["ok", "note", "failed"]


class Finding(Struct, frozen=True, omit_defaults=True):
    """What was tried, what was found, and what to do. A ``note`` is nothing that stops a shoot."""

    tried: str
    result: Result
    found: str
    to_do: str | None = field(default=None, name="toDo")


def at(where: str | None, what: str) -> str:
    """What is wrong, behind the place where it is."""
    return what if where is None else f"{where}: {what}"
