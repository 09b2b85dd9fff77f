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
