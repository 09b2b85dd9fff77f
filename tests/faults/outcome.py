"""What came of a fault: the columns of the table, and how two of them make one."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct, field

__all__ = ["Outcome", "together"]

_WORDS_KEPT = 12


class Outcome(Struct):
    """``tried`` times; then what is wrong in the ledger, and how long things took."""

    tried: int = 0
    lost: int = 0
    """Entries that were committed and are not in the ledger, and events that no told gap covers."""
    doubled: int = 0
    invented: int = 0
    longest_stall_ms: float = 0.0
    """The longest time from a frame's receipt to the commit of what it told."""
    recovery_ms: float = 0.0
    """The longest time from the end of the fault to things going on as before."""
    late_ms: float = 0.0
    """By how much whoever played it was late at worst."""
    failures: list[str] = field(default_factory=list)
    """Other promises that were broken, in words."""
    notes: list[str] = field(default_factory=list)
    """What else was measured, in words; the last ones."""

    @property
    def ok(self) -> bool:
        """Nothing lost, doubled or invented, and every other promise kept."""
        return not (self.lost or self.doubled or self.invented or self.failures)

    def promise(self, kept: bool, otherwise: str) -> None:
        """Something that has to be so; ``otherwise`` says how it is not."""
        if not kept:
            self.failures.append(otherwise)

    def stalled(self, ms: float) -> None:
        self.longest_stall_ms = max(self.longest_stall_ms, ms)

    def recovered(self, ms: float) -> None:
        self.recovery_ms = max(self.recovery_ms, ms)

    def add(self, other: Outcome) -> None:
        """What came of more of the same."""
        self.tried += other.tried
        self.lost += other.lost
        self.doubled += other.doubled
        self.invented += other.invented
        self.stalled(other.longest_stall_ms)
        self.recovered(other.recovery_ms)
        self.late_ms = max(self.late_ms, other.late_ms)
        self.failures += other.failures
        self.notes = [*self.notes, *(note for note in other.notes if note not in self.notes)][-_WORDS_KEPT:]

    def explain(self) -> str:
        """For whoever has to find out why."""
        counts = f"{self.tried} tried, {self.lost} lost, {self.doubled} doubled, {self.invented} invented"
        return "\n".join([counts, *self.failures, *self.notes])


def together(outcomes: Iterable[Outcome]) -> Outcome:
    """All of them as one."""
    whole = Outcome()
    for outcome in outcomes:
        whole.add(outcome)
    return whole
