"""How many entries go with one call."""

from __future__ import annotations

from typing import Any

from tap.adapters.ledger import MAX_ENTRIES
from tap.service.running.publishing.pending_batches import PendingBatches


class Endless:
    """A journal that always has as many as it is asked for."""

    def pending(self, limit: int, after: int) -> list[Any]:
        return [type("Kept", (), {"seq": after + number}) for number in range(1, limit + 1)]


def test_a_slow_ledger_is_given_half_as_much_and_twice_as_much_after_each_call_that_went_through() -> None:
    batches = PendingBatches(lambda _: False, 1e9, lambda: 0.0)

    def size() -> int:
        return len(batches.next(Endless()))  # type: ignore[arg-type]

    sizes = [size()]
    for change in (batches.smaller, batches.smaller, batches.larger, batches.larger, batches.larger):
        change()
        sizes.append(size())
    assert sizes == [MAX_ENTRIES // part for part in (1, 2, 4, 2, 1, 1)]
    for _ in range(20):
        batches.smaller()
    assert size() >= 1


class Committed:
    """A journal that has just got these, and holds nothing else."""

    def __init__(self, added: list[Any] | None) -> None:
        self._added = added

    def added(self) -> list[Any] | None:
        return self._added

    def pending(self, _: int, __: int) -> list[Any]:
        return []


def test_what_was_committed_is_all_there_is_only_where_a_look_saw_all_before_it() -> None:
    """Not before the first look, nor where it is time for another, nor where a slow ledger is to get less at once."""
    now = 0.0
    batches = PendingBatches(lambda _: False, 5.0, lambda: now)
    two = [object(), object()]

    def committed(added: list[Any] | None) -> Any:
        return batches.committed(Committed(added))  # type: ignore[arg-type]

    assert committed(two) is None
    assert batches.next(Committed([])) == []  # type: ignore[arg-type]
    assert committed(two) is two
    assert committed([]) == []
    assert committed(None) is None
    many = two * MAX_ENTRIES
    assert committed(many) is None
    now = 5.0
    assert committed(two) is None
    assert batches.next(Committed([])) == []  # type: ignore[arg-type]
    assert committed(two) is two
    batches.saw_all = False
    assert committed(two) is None
