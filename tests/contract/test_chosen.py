"""Sessions chosen afterwards, in the ledger: its own tables, and those of two owners; beside a second tap."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tap.core.merge import fold
from tap.core.model import Entry
from tap.service.tools.deliver import deliver
from tap.service.tools.session_editing import Plan, merge, rename, split, trim, undo
from tests.contract.local import local_ledger
from tests.contract.test_contract import _kept
from tests.service.chosen import done, heard, tape_of
from tests.service.tools.test_session_editing_seeds import over


def chosen(folder: Path, seed: int) -> list[list[Entry]]:
    """What a journal has got after each of some steps."""
    journal = heard(tape_of(folder, seed, sessions=2, length_s=60))
    (first, since, until), (second, _, ended) = over(journal)[:2]
    at = (since + until) // 2
    told = [[kept.entry for kept in journal.entries()]]
    plans: list[Callable[[], Plan]] = [
        lambda: split(journal, first, at=at, names={"title": "Second"}),
        lambda: rename(journal, first, names={"title": "First"}),
        lambda: merge(journal, [f"{first}@{at}", second]),
        lambda: undo(journal, second),
        lambda: trim(journal, second, since=None, until=ended - 1_000),
    ]
    for plan in plans:
        done(journal, plan())
        told.append([kept.entry for kept in journal.entries()])
    journal.close()
    return told


@pytest.mark.parametrize("app", ["ledger", "a", "b"])
async def test_every_step_reaches_the_tables(app: str, tmp_path: Path) -> None:
    """Step by step, twice, and shuffled: the rows are those that the journal makes of its entries."""
    steps = chosen(tmp_path, 2)
    dice = random.Random(1)

    with local_ledger(["hall"], app=app) as local:
        async with local.ledger("hall") as ledger:
            for entries in steps:
                delivered = await deliver(ledger, entries, lambda _: None)
                assert not delivered.rejected
                assert await _kept(ledger) == fold(entries)
            again = dice.sample(steps[-1], len(steps[-1]))
            assert (await deliver(ledger, again, lambda _: None)).applied == 0
            assert await _kept(ledger) == fold(steps[-1])


def test_a_second_tap_does_not_undo_a_choice(tmp_path: Path) -> None:
    """It heard the same and knows of no choice: before or after it, the rows are those of who chose."""
    steps = chosen(tmp_path, 2)
    for entries in ([*steps[0], *steps[-1]], [*steps[-1], *steps[0]]):
        assert {key: row.fields for key, row in fold(entries).items()} == {
            key: row.fields for key, row in fold(steps[-1]).items()
        }
