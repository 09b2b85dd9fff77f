"""Over many shoots: what is chosen afterwards is what would have been heard, and every step can be taken back."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from tap.adapters.journal import Journal
from tap.core.codec import session_key
from tap.service.tools.session_editing import merge, rename, split, trim, undo
from tap.service.tools.session_making import make
from tests.service.chosen import NOW, RIGHT, done, heard, rows, tape_of, told

FEW = range(20)
MANY = [pytest.param(seed, marks=pytest.mark.slow) for seed in range(20, 200)]


def over(journal: Journal) -> list[tuple[str, int, int]]:
    """The sessions whose beginning and end were heard, and when these were."""
    own = [row for row in rows(journal).values() if row.op == "session" and row.fields["status"] == "complete"]
    return [(row.key, row.fields["startedAt"], row.fields["completedAt"]) for row in own]


def as_of(journal: Journal, key: str) -> dict[str, dict[str, Any]]:
    """The rows of a session under no key, without what its words alone say: its name, and who began and ended it."""
    found = {}
    for name, fields in told(journal, key, made=False).items():
        bare = json.loads(json.dumps(fields).replace(key, "KEY"))
        if name == key:
            for word in ("sessionId", "title", "notes", "endReason"):
                bare.pop(word, None)
        found[name[len(key) :]] = bare
    return found


@pytest.mark.parametrize("seed", [*FEW, *MANY])
def test_a_shoot_without_a_word_of_its_session_is_made_again(tmp_path: Path, seed: int) -> None:
    """Every row is that which the full tape gives: cameras, cuts, holds, modes, stills, gaps, state at both ends."""
    full = heard(tape_of(tmp_path / "full", seed))
    bare = heard(tape_of(tmp_path / "bare", seed, bare=True))
    assert rows(bare) == {}
    for key, since, until in over(full):
        plan = make(tmp_path / "bare/tapes", bare, RIGHT, venue="hall", since=since, until=until, names={}, now=NOW)
        done(bare, plan)
        assert as_of(bare, session_key("hall", None, since)) == as_of(full, key)
    full.close()
    bare.close()


@pytest.mark.parametrize("seed", [*FEW, *MANY])
def test_steps_give_the_rows_back(tmp_path: Path, seed: int) -> None:
    """Split then merge: the rows as before. Each step taken back: the rows as before, with who made them before."""
    journal = heard(tape_of(tmp_path, seed))
    dice = random.Random(seed)
    for key, since, until in over(journal):
        before, bare = told(journal), told(journal, made=False)
        at = dice.randint(since + 1, until - 1)
        done(journal, split(journal, key, at=at))
        parts = told(journal)
        assert len({row.session_key for row in rows(journal).values()} - {row_key(before, key)}) >= 1
        done(journal, merge(journal, [key, f"{key}@{at}"]))
        assert told(journal, made=False) == bare
        done(journal, trim(journal, key, since=at, until=None))
        trimmed = told(journal)
        assert trimmed != before
        done(journal, rename(journal, key, names={"title": "Other"}))
        assert told(journal, key)[key]["title"] == "Other"
        done(journal, undo(journal, key))
        assert told(journal) == trimmed
        done(journal, undo(journal, key))
        done(journal, undo(journal, key))
        assert told(journal) == parts
        done(journal, undo(journal, key))
        assert told(journal) == before
    journal.close()


def row_key(before: dict[str, dict[str, Any]], key: str) -> str:
    assert key in before
    return key
