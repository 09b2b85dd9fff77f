"""What a dialect may have beyond reading single frames: a memory of its own, and words of its own.

A mapping file needs neither: each of its frames speaks for itself, and nothing is said to its server. A protocol in
which a frame only makes sense with those before it has a :class:`Reader`; one that tells nothing to who does not ask
has a :class:`Handshake`. Both are pure: time and frames are arguments, and what to send is a result.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from tap.core.errors import ServerError
from tap.core.mapping import Reading
from tap.core.model import Frame, Observation, Policy, Stamp

__all__ = ["Handshake", "Reader", "Remembering", "Speaking"]


class Reader(Protocol):
    """Reads the frames of one source in order, and remembers."""

    @property
    def state(self) -> Any:
        """All that is needed to go on after a restart: a struct, which goes into the checkpoint."""

    @property
    def due(self) -> Stamp | None:
        """When something that is held back has to be let go, where nothing comes before."""

    def read(self, frame: Frame) -> list[Reading]:
        """What this frame says, with those before it."""

    def release(self, now: int) -> list[Observation]:
        """What was held back until ``now`` (``mono``)."""

    def opened(self, stamp: Stamp) -> list[Observation]:
        """A connection stands. What was held back of the one before comes first."""

    def closed(self, stamp: Stamp) -> list[Observation]:
        """The connection is gone: what was held back is told now or never."""


@runtime_checkable
class Remembering(Protocol):
    """A dialect whose frames only make sense one after the other."""

    def reader(self, policy: Policy, saved: object) -> Reader:
        """A reader that goes on from ``saved``, the decoded state of an earlier one; anew where that is no such."""


class Handshake(Protocol):
    """What is said on one connection: only what the server needs to hear before it tells anything."""

    @property
    def done(self) -> bool:
        """The server has let us in."""

    @property
    def remark(self) -> str | None:
        """What people should know although it works."""

    @property
    def waits(self) -> bool:
        """``tick`` has something to do: a question has no answer yet."""

    def received(self, data: bytes) -> list[bytes]:
        """The text frames with which to answer this one. Raises ``HandshakeRefused``."""

    def tick(self) -> list[bytes]:
        """What to send now, about a second after the last call. It need not be called while nothing ``waits``."""

    def overdue(self) -> ServerError:
        """Why the server has not let us in by now, as far as can be told."""


@runtime_checkable
class Speaking(Protocol):
    """A dialect whose server has to be spoken to."""

    refusals: Mapping[int, str]
    """Close codes by which the server refuses a client, and what to do about each."""

    def handshake(self, password: str | None, policy: Policy | None = None) -> Handshake:
        """A handshake for a new connection; ``policy`` is the venue's, where it has one."""
