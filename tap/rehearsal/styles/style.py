"""What a style is: how one made-up server writes what happens."""

from __future__ import annotations

import re
from typing import Any, ClassVar, TypeAlias

import msgspec
import orjson

from tap.rehearsal.wire import encode
from tap.rehearsal.world import Fact

__all__ = ["Frame", "Style"]

Frame: TypeAlias = dict[str, Any]


class Style:
    """How one server writes. ``frame`` is all that has to be said; the rest has a sensible default."""

    name: ClassVar[str]
    batch_ms: ClassVar[int] = 0
    """How long the server waits for more before it sends."""
    renames: ClassVar[re.Pattern[str] | None] = None
    """The ids that it gives names of its own; see ``ident``."""

    def frame(self, frame: Frame) -> Frame | None:
        """A frame of multicam/1 in this server's words; None where it has none for it."""
        raise NotImplementedError

    def message(self, frames: list[Frame]) -> Any:
        """What goes out as one message."""
        return frames[0] if len(frames) == 1 else frames

    def tells(self, fact: Fact) -> bool:  # noqa: ARG002 - this one says all that is asked of it
        """Whether a frame that is sent says this."""
        return True

    def ident(self, ident: str) -> str:
        """How the server calls what multicam/1 calls so."""
        return ident

    def one(self, data: str) -> str | None:
        """One frame of multicam/1 as a message."""
        frame = self.frame(orjson.loads(data))
        return None if frame is None else encode(self.message([frame]))

    def fact(self, fact: Fact) -> Fact:
        """The fact, with the ids that this server gives."""
        if self.renames is None:
            return fact
        return msgspec.convert(self._renamed(msgspec.to_builtins(fact)), Fact)

    def _renamed(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self._renamed(part) for name, part in value.items()}
        if isinstance(value, list | tuple):
            return [self._renamed(part) for part in value]
        if isinstance(value, str) and self.renames is not None and self.renames.fullmatch(value):
            return self.ident(value)
        return value
