"""Two taps that heard one shoot, each with gaps of its own: a choice given to both, in any order, or to one alone."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC
from itertools import permutations
from pathlib import Path

import pytest

from tap.adapters.journal import Journal
from tap.adapters.tape import Tapes
from tap.core.merge import Row, fold
from tap.core.model import Closed, Entry, Opened, Policy, SourceItem
from tap.core.pipeline import Pipeline
from tap.history.export import RATES
from tap.history.report import page, report_of
from tap.service.tools.deliver import deliver
from tap.service.tools.session_editing import Plan, carry_out, merge, rename, split, trim, undo
from tests.contract.local import local_ledger
from tests.contract.test_contract import _kept
from tests.service.chosen import NOW, RIGHT, tape_of

T0 = 1_795_000_000_000
ONE, TWO = "aaaaaaaaaaaa", "bbbbbbbbbbbb"
DEAF: Mapping[str, Sequence[tuple[int, int]]] = {
    ONE: [(12_000, 15_000), (44_000, 47_000), (80_000, 82_000)],
    TWO: [(24_000, 27_000), (52_000, 55_000), (90_000, 92_000)],
}
"""From when to when each of them had no connection, in ms of the tape: twice in the first session, once in the next."""
FIRST, NEXT = "hall/shoot-6861c6-1", "hall/shoot-6861c6-2"
MIDDLE = T0 + 35_000
SECOND = f"{FIRST}@{MIDDLE}"


class Machine:
    """A tap, its journal, and the commands that somebody gives there."""

    def __init__(self, folder: Path, tap: str, items: Iterable[SourceItem], deaf: Sequence[tuple[int, int]]) -> None:
        pipeline = Pipeline(RIGHT, venue="hall", tap=tap, policy=Policy())
        entries = [entry for item in _with_gaps(items, deaf) for entry in pipeline.feed(item)]
        (folder / tap).mkdir()
        self.tap = tap
        self.journal = Journal.open(folder / tap / "journal.db", owner=True)
        self.journal.append(entries, pipeline.checkpoint(), NOW - 1)
        self._now = NOW + (tap == TWO)

    def give(self, *commands: str) -> None:
        for command in commands:
            self._now += 1_000
            carry_out(self.journal, self._plan(command), apply=True, by=self.tap[0], now=lambda: self._now)

    def _plan(self, command: str) -> Callable[[], Plan]:
        plans: Mapping[str, Callable[[], Plan]] = {
            "split": lambda: split(self.journal, FIRST, at=MIDDLE, names={"title": "Second"}),
            "merge": lambda: merge(self.journal, [FIRST, NEXT]),
            "merge the second": lambda: merge(self.journal, [SECOND, NEXT]),
            "trim": lambda: trim(self.journal, FIRST, since=T0 + 20_000, until=T0 + 50_000),
            "trim the first": lambda: trim(self.journal, FIRST, since=T0 + 20_000, until=None),
            "rename": lambda: rename(self.journal, FIRST, names={"title": "Winter"}),
            "undo": lambda: undo(self.journal, FIRST),
        }
        return plans[command]

    def entries(self) -> list[Entry]:
        return [kept.entry for kept in self.journal.entries()]


def _with_gaps(items: Iterable[SourceItem], deaf: Sequence[tuple[int, int]]) -> Iterator[SourceItem]:
    """What is heard where the connection is away for some spans."""
    away = False
    for item in items:
        if away != any(since <= item.stamp.wall - T0 < until for since, until in deaf):
            away = not away
            yield Closed(item.stamp, 1, "cable") if away else Opened(item.stamp, 1)
        if not away:
            yield item


@contextmanager
def machines(folder: Path, deaf: Mapping[str, Sequence[tuple[int, int]]] = DEAF) -> Iterator[tuple[Machine, Machine]]:
    with Tapes(sorted((tape_of(folder, 0, sessions=2, length_s=60) / "tapes").iterdir())) as tape:
        items = list(tape)
    one, two = (Machine(folder, tap, items, deaf[tap]) for tap in (ONE, TWO))
    try:
        yield one, two
    finally:
        one.journal.close()
        two.journal.close()


def standing(entries: Iterable[Entry]) -> dict[str, Row]:
    return {key: row for key, row in fold(entries).items() if row.retracted is None}


def gaps(rows: Mapping[str, Row], tap: str) -> list[tuple[str, int]]:
    """In which session each of a tap's gaps is, in the order of time."""
    own = [row for row in rows.values() if row.fields.get("kind") == "gap" and row.fields["detail"]["tap"] == tap]
    return sorted(((row.session_key, int(row.fields["at"])) for row in own), key=lambda gap: gap[1])


def things(rows: Iterable[Row]) -> list[tuple[str, object]]:
    """Each thing that happened, once for each row that tells it: by what is in its key after that of its session."""
    return sorted(
        (row.key[len(row.session_key) :], row.fields.get("at", ""))
        for row in rows
        if row.op in ("event", "still") and row.fields.get("kind") != "gap"
    )


GIVEN = [
    ("split",),
    ("merge",),
    ("trim",),
    ("rename",),
    ("split", "rename"),
    ("split", "merge the second"),
    ("split", "trim the first", "rename"),
    ("split", "undo"),
    ("merge", "undo"),
]


@pytest.mark.parametrize("commands", GIVEN, ids=" ".join)
def test_a_choice_given_to_both_taps_is_one_choice(tmp_path: Path, commands: tuple[str, ...]) -> None:
    """Each gap is in its part; nothing is there twice; no order gives other rows, nor does giving it again."""
    with machines(tmp_path) as (one, two):
        before = standing([*one.entries(), *two.entries()])
        for machine in (one, two):
            machine.give(*commands)
        rows = fold([*one.entries(), *two.entries()])
        if commands[-1] != "undo":
            one.give(commands[-1])
            two.give(commands[-1])
        dice = random.Random(1)
        entries = [*one.entries(), *two.entries()]
        for told in ([*two.entries(), *one.entries()], dice.sample(entries, len(entries)), [*entries, *entries]):
            assert fold(told) == rows
        left = {key: row for key, row in rows.items() if row.retracted is None}
        happened = things(left.values())
        assert set(happened) <= set(things(before.values()))
        assert len(happened) == len(set(happened))
        if "trim" not in " ".join(commands):
            assert happened == things(before.values())
        for tap in (ONE, TWO):
            assert gaps(left, tap) == [home for home in map(_home(left), gaps(before, tap)) if home is not None]


def _home(rows: Mapping[str, Row]) -> Callable[[tuple[str, int]], tuple[str, int] | None]:
    """The session in whose span a gap ends, the later where two meet; none: it was cut off."""
    spans = [
        (int(row.fields["startedAt"]), int(row.fields["completedAt"]), row.key)
        for row in rows.values()
        if row.op == "session"
    ]

    def home(gap: tuple[str, int]) -> tuple[str, int] | None:
        found = [(began, key) for began, ended, key in spans if began <= gap[1] <= ended]
        return (max(found)[1], gap[1]) if found else None

    return home


def test_what_is_given_to_one_tap_alone_moves_what_that_tap_knows(tmp_path: Path) -> None:
    """The other's own rows stay under the old key, until it is given there too; then all is where it belongs."""
    with machines(tmp_path) as (one, two):
        before = standing([*one.entries(), *two.entries()])
        both = {row.key for row in standing(one.entries()).values()} & {
            row.key for row in standing(two.entries()).values()
        }
        one.give("split")
        for entries in permutations([one.entries(), two.entries()]):
            rows = standing(entry for told in entries for entry in told)
            events = {key: row for key, row in rows.items() if row.op == "event"}
            for key in both:
                row = before[key]
                if row.op == "event" and row.session_key == FIRST and row.fields["at"] >= MIDDLE:
                    assert key not in events
                    assert SECOND + key[len(FIRST) :] in events
            assert {key for key, at in gaps(rows, ONE) if MIDDLE <= at < T0 + 60_000} == {SECOND}
            assert {key for key, at in gaps(rows, TWO) if at < T0 + 60_000} == {FIRST}
            assert things(rows.values()) == things(before.values())
        two.give("split")
        rows = standing([*one.entries(), *two.entries()])
        assert [key for key, _ in gaps(rows, TWO)] == [FIRST, SECOND, NEXT]
        assert things(rows.values()) == things(before.values())


def test_what_both_hear_later_is_in_one_place_once_both_were_asked(tmp_path: Path) -> None:
    """Until then the other tap writes it where it was; after that it is where the choice has it, once."""
    with machines(tmp_path) as (one, two):
        stills = [row for row in standing(one.entries()).values() if row.op == "still" and row.session_key == FIRST]
        still = max(stills, key=lambda row: int(row.fields["requestedAt"]))
        assert still.fields["requestedAt"] >= MIDDLE
        key = f"{FIRST}/still_capture/late/cam-1"
        fields = {"kind": "still_capture", "at": T0 + 60_000, "observedAt": NOW, "stillKey": still.key}
        one.give("split")
        for machine in (one, two):
            machine.journal.append([Entry(key, "event", FIRST, NOW, fields)], None, NOW)
        moved = SECOND + key[len(FIRST) :]
        assert {key, moved} <= standing([*one.entries(), *two.entries()]).keys()
        two.give("split")
        rows = standing([*two.entries(), *one.entries()])
        assert key not in rows
        assert rows[moved].fields["stillKey"] == SECOND + still.key[len(FIRST) :]


def test_a_tap_that_came_after_the_cut_takes_nothing_from_one_that_was_there(tmp_path: Path) -> None:
    """It knows nothing of the first part: who was there, and what was on, is as the other tap has it."""
    with machines(tmp_path, {**DEAF, TWO: [(-(10**9), 40_000)]}) as (one, two):
        before = standing([*one.entries(), *two.entries()])
        one.give("split")
        alone = standing(one.entries())
        two.give("split")
        rows = standing([*one.entries(), *two.entries()])
        cameras = {key: row.fields for key, row in alone.items() if row.op == "camera"}
        assert {row.session_key for row in alone.values() if row.op == "camera"} == {FIRST, SECOND, NEXT}
        assert {key: row.fields for key, row in rows.items() if row.op == "camera"} == cameras
        assert rows[SECOND].fields["startState"] == alone[SECOND].fields["startState"]
        assert things(rows.values()) == things(before.values())
        (late,) = (row for row in standing(two.entries()).values() if row.key == SECOND)
        assert late.fields["startState"]["at"] > T0 + 40_000, "it says nothing of a moment that it did not see"
        part = [row for row in standing(two.entries()).values() if row.session_key == FIRST]
        assert page(report_of(part, zone=UTC, rate=RATES["25"], pictures={}, made_at=NOW))


@pytest.mark.parametrize("app", ["ledger", "a", "b"])
async def test_the_tables_hold_what_both_chose(app: str, tmp_path: Path) -> None:
    """One tap's choice first or the other's, and all of it again: the tables hold the rows that the rule gives."""
    with machines(tmp_path) as (one, two):
        heard = [one.entries(), two.entries()]
        for machine in (one, two):
            machine.give("split", "merge the second", "trim the first", "rename")
        chosen = [machine.entries() for machine in (one, two)]
    expected = fold(entry for told in chosen for entry in told)

    for first, last in ((0, 1), (1, 0)):
        with local_ledger(["hall"], app=app) as local:
            async with local.ledger("hall") as ledger:
                for told in (heard[first], heard[last], chosen[first], chosen[last], chosen[first]):
                    assert not (await deliver(ledger, told, lambda _: None)).rejected
                assert await _kept(ledger) == expected
