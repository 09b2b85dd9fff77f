"""What a ledger answers, as the rest of the tap has it."""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol

import msgspec

from tap.core.deployment import Deployment
from tap.core.merge import Row

__all__ = ["Answer", "Changed", "Outcome", "Ping", "Secret"]


class Secret(Protocol):
    """What holds a key without showing it, such as pydantic's ``SecretStr``."""

    def get_secret_value(self) -> str:
        """The key itself."""
        ...


Outcome = Literal["applied", "duplicate", "stale", "rejected"]


class Answer(msgspec.Struct, frozen=True):
    """What became of one entry."""

    key: str
    outcome: Outcome
    code: str | None = None
    """Why it was rejected, for programs."""
    reason: str | None = None
    field: str | None = None
    version: int | None = None
    """The version of the newer row, if the answer is ``stale``."""

    @property
    def reasoned(self) -> bool:
        """It says what is wrong with the entry: only that ends its way."""
        return bool(self.code and self.reason)

    @property
    def words(self) -> str:
        """Why it was rejected, in one line that names the field."""
        said = ": ".join(part for part in (self.code, self.reason) if part)
        return said if self.field is None else f"{said} ({self.field})"


class Changed(NamedTuple):
    """Some of what was written, in the order of the commits."""

    rows: list[Row]
    """As they are now; of a session that was forgotten, one that says so."""
    cursor: str
    """Where to go on; it stays good."""
    done: bool
    """There was no more when this was asked."""


class Ping(NamedTuple):
    """How the ledger answered when asked whether it would take entries."""

    code: str
    """``ok``, or what is wrong: ``unreachable``, ``timeout``, ``garbage``, ``no_function``, ``key_wrong`` …"""
    words: str
    hint: str | None = None
    deployment: Deployment | None = None
    """What it said of itself, where it got so far."""

    @property
    def ok(self) -> bool:
        """It would."""
        return self.code == "ok"
