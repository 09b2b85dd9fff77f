"""What a server's numbers count, judged by the numbers alone: ``seq_orders`` as the traffic has it.

A count is one in which nearly every number is higher than all before it. A late frame has a lower one, and those after
it go on above; where they do not, and three in a row stay below, the count started again. A wider count is the better
evidence: one that goes on over connections orders more than one that begins with each.
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct, field

from tap.core.mapping.dialect import SeqOrders

__all__ = ["Numbering", "order_in_words"]

_ANEW = 3
"""After this many lower numbers in a row, the numbers have started again."""
_LEAST = 10
"""Of fewer numbers nothing is said."""
_LATE = 0.1
"""The share of frames that may be late."""
_MOST = 500
"""How many counts are remembered, so that a server that makes up types does not fill the memory."""

_Key: TypeAlias = tuple[object, ...]


class _Count(Struct):
    """One count: of a boot, a connection, a type."""

    high: int
    lower: int = 0
    """Lower numbers in a row."""


class _Held(Struct):
    """What speaks for one value of ``seq_orders``, and against it."""

    counts: dict[_Key, _Count] = field(default_factory=dict)
    seen: int = 0
    late: int = 0
    anew: int = 0

    def see(self, key: _Key, seq: int) -> None:
        self.seen += 1
        known = self.counts.get(key)
        if known is None:
            if len(self.counts) >= _MOST:
                self.counts.clear()
            self.counts[key] = _Count(seq)
        elif seq >= known.high:
            known.high, known.lower = seq, 0
        else:
            known.lower += 1
            self.late += 1
            if known.lower >= _ANEW:
                self.anew += 1
                self.counts[key] = _Count(seq)

    @property
    def holds(self) -> bool:
        return self.seen >= _LEAST and not self.anew and self.late <= _LATE * self.seen


class Numbering(Struct):
    """Takes note of every number. The caller says on which connection and in which boot it came."""

    boots: _Held = field(default_factory=_Held)
    connections: _Held = field(default_factory=_Held)
    types: _Held = field(default_factory=_Held)
    goes_on: bool = False
    """On a second connection of one boot the numbers went on."""
    last: tuple[str | None, int] | None = None

    def see(self, seq: int, *, connection: int, boot: str | None, type: str) -> None:  # noqa: A002 - as in Told
        """A frame of this type had this number."""
        if self.last is not None and self.last != (boot, connection):
            before = None if boot is None else self.boots.counts.get((boot,))
            self.goes_on = self.goes_on or (before is not None and seq > before.high)
        self.last = (boot, connection)
        if boot is not None:
            self.boots.see((boot,), seq)
        self.connections.see((connection,), seq)
        self.types.see((connection, type), seq)

    def began_anew(self, declared: SeqOrders, *, first: bool) -> None:
        """Before all that is seen here, what was declared was contradicted: by the ``first`` number of a connection,
        or within one."""
        self.boots.anew += declared == "boot"
        self.connections.anew += not first
        self.types.anew += declared == "type"

    def contradicts(self, declared: SeqOrders) -> SeqOrders | None:
        """What the numbers count, where that is not what was declared; None where they go with it, or are too few."""
        held = {"boot": self._told_boots, "connection": self.connections, "type": self.types}.get(declared)
        if held is None or held.seen < _LEAST or held.holds:
            return None
        return self.fits

    @property
    def _told_boots(self) -> _Held:
        """The count of a boot, or of a connection if the boot is not known."""
        return self.boots if self.boots.seen >= (1 - _LATE) * self.connections.seen else self.connections

    @property
    def fits(self) -> SeqOrders | None:
        """The widest count that the numbers are; None where there are too few of them to say."""
        if self.connections.seen < _LEAST:
            return None
        if self.goes_on and self._told_boots is self.boots and self.boots.holds:
            return "boot"
        if self.connections.holds:
            return "connection"
        mingled = self.connections.late > _LATE * self.connections.seen
        return "type" if mingled and self.types.holds else "nothing"


def order_in_words(dialect: str, declared: SeqOrders, fits: SeqOrders) -> tuple[str, str]:
    """That the traffic contradicts a dialect's ``seq_orders``, and the line to change."""
    heard = "they order nothing" if fits == "nothing" else f"they count by {fits}"
    step = f'set seq_orders = "{fits}" in [frame] of the mapping (of a copy, where it is built in: docs/dialects.md)'
    return f"{dialect} says that the frames' numbers count by {declared}, and {heard}", step
