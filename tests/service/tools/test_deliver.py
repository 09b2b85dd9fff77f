"""Entries of tapes go into the ledger in order, whatever a call takes of them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from tap.adapters.ledger import MAX_ENTRIES, Answer, LedgerAway, LedgerRefused
from tap.core.backoff import Backoff
from tap.core.deployment import CONTRACT, OLDEST, Deployment
from tap.core.errors import LedgerError
from tap.core.model import Entry
from tap.service.tools import deliver as delivering
from tap.service.tools.deliver import Delivered, deliver

ENTRIES = [Entry(f"v/s/{number}", "event", "v/s", 1, {"kind": "cut"}) for number in range(2 * MAX_ENTRIES + 7)]
AWAY = LedgerAway("timeout", "does not answer", where="here")


class Target:
    """Takes at most so many entries a call, after these failures."""

    def __init__(self, most: int, *failures: LedgerError, takes: Deployment | None = None) -> None:
        self.takes = replace(OLDEST, contract=CONTRACT) if takes is None else takes
        self.most = most
        self.failures = list(failures)
        self.taken: list[Entry] = []

    async def about(self) -> Deployment:
        return self.takes

    async def ingest(self, entries: Sequence[Entry]) -> list[Answer]:
        if self.failures:
            raise self.failures.pop(0)
        taken = entries[: self.most]
        self.taken += taken
        return [Answer(entry.key, "applied") for entry in taken]


async def delivered_to(target: Target) -> tuple[Delivered, list[Entry]]:
    shown: list[Entry] = []
    return await deliver(target, ENTRIES, shown.append), shown


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivering, "_BACKOFF", Backoff(0.001, 60.0))


@pytest.mark.parametrize("most", [1000, 300, 7, 1])
async def test_every_entry_goes_once_and_in_order(most: int) -> None:
    target = Target(most)
    delivered, shown = await delivered_to(target)
    assert target.taken == shown == ENTRIES
    assert delivered.words() == f"{len(ENTRIES)} applied, 0 duplicate, 0 stale, 0 rejected"


async def test_a_ledger_that_is_away_for_a_moment_is_waited_for() -> None:
    target = Target(1000, AWAY, AWAY, AWAY)
    await delivered_to(target)
    assert target.taken == ENTRIES


async def test_one_that_stays_away_is_not_waited_for_for_ever() -> None:
    with pytest.raises(LedgerAway):
        await delivered_to(Target(1000, *[AWAY] * 10))


async def test_a_refusal_is_not_tried_again() -> None:
    target = Target(1000, LedgerRefused("key_wrong", "does not know this key", where="here"))
    with pytest.raises(LedgerRefused):
        await delivered_to(target)
    assert not target.taken


@pytest.mark.parametrize("most", [1000, 7, 1])
async def test_an_older_deployment_gets_what_it_knows_and_the_rest_is_counted(most: int) -> None:
    entries = [
        Entry("v/s/1", "event", "v/s", 1, {"kind": "cut"}),
        Entry("v/s/2", "event", "v/s", 1, {"kind": "marker"}),
        Entry("v/s/3", "event", "v/s", 1, {"kind": "off_air"}),
        Entry("v/s/4", "event", "v/s", 1, {"kind": "cut", "trigger": "collection_switch"}),
        Entry("v/s/5", "event", "v/s", 1, {"kind": "marker"}),
    ]
    target = Target(most, takes=OLDEST)
    delivered = await deliver(target, entries, lambda _: None)
    assert target.taken == [entries[0], Entry("v/s/4", "event", "v/s", 1, {"kind": "cut"})]
    assert (delivered.applied, delivered.in_part, delivered.held, delivered.whole) == (2, 1, 3, False)
