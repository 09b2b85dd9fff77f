"""The judge itself: it sees what is lost, doubled and invented, and what a told gap excuses."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

import pytest
from msgspec import structs

from tap.core.merge import Row
from tap.rehearsal.performance import perform, truth_of_shoot
from tap.rehearsal.shoot import plan_shoot
from tap.rehearsal.truth import Down, Heard, Item, Missed, Truth, Up
from tap.rehearsal.ways import PLAIN, Ways
from tap.rehearsal.witness import truth_of
from tests.faults.judge import Committed, judge, judge_committed
from tests.faults.outcome import Outcome, together
from tests.faults.servers import SERVERS
from tests.rehearsal import perfect

SEED = 3


@cache
def _played(*faults: str, server: Ways = PLAIN) -> tuple[Truth, tuple[Item, ...]]:
    shoot = plan_shoot(SEED, faults=faults, ways=server)
    return truth_of_shoot(shoot), tuple(perform(shoot))


def _rows(truth: Truth, items: tuple[Item, ...]) -> list[Row]:
    """The right ones; each gap is as long as the server knows that nobody was there."""
    rows = [
        Row(entry["key"], entry["op"], entry["sessionKey"], entry["version"], 0, entry["fields"])
        for entry in copy.deepcopy(perfect.entries(truth))
    ]
    ups = [item.wall for item in items if isinstance(item, Up)]
    downs = [item.wall for item in items if isinstance(item, Down)]
    spans = [(max((wall for wall in downs if wall <= up), default=None), up) for up in ups]
    for row in rows:
        if row.fields.get("kind") == "gap":
            down, up = min(spans, key=lambda span: abs(span[1] - row.fields["at"]))
            row.fields["observedAt"] = up
            if down is not None:
                row.fields["durationMs"] = up - down
    return rows


def _judged(*faults: str, spoil: Any = None, server: Ways = PLAIN, **options: Any) -> Outcome:
    truth, items = _played(*faults, server=server)
    rows = _rows(truth, items)
    return judge(truth, items, rows if spoil is None else spoil(rows), **options)


def _index(rows: list[Row], kind: str) -> int:
    return next(at for at, row in enumerate(rows) if row.fields.get("kind") == kind)


@pytest.mark.parametrize("faults", [(), ("reconnect",), ("restart",)])
def test_what_is_right_is_right(faults: tuple[str, ...]) -> None:
    """The very truth is neither lost nor doubled nor invented, also where the connection was lost."""
    outcome = _judged(*faults)
    assert outcome.ok, outcome.explain()


@pytest.mark.parametrize("kind", ["cut", "hold", "mode_change", "music_moment", "still_marker"])
def test_what_is_missing_is_lost(kind: str) -> None:
    def without(rows: list[Row]) -> list[Row]:
        del rows[_index(rows, kind)]
        return rows

    assert _judged(spoil=without).lost == 1


@pytest.mark.parametrize(("why", "lost"), [("client gone", 0), ("server closes", 1)])
def test_what_happened_when_nobody_came_back_is_nobody_s_loss(why: str, lost: int) -> None:
    """A tap that was not there again before the end of all could tell neither of it nor of a gap."""
    truth, played = _played()
    at = next(event.at for event in truth.events if event.kind == "cut")
    heard = next(number for number, item in enumerate(played) if isinstance(item, Heard) and item.ts >= at)
    items: list[Item] = []
    for item in played[:-1]:
        if len(items) == heard + 1:
            items.append(Down(wall=items[-1].wall, now=item.now, why=why))  # type: ignore[union-attr]
        gone = len(items) > heard and isinstance(item, Heard)
        items.append(Missed(item.now, item.facts, item.world) if gone else item)  # type: ignore[union-attr, arg-type]
    rows = _rows(truth, played)
    first = _index(rows, "cut")
    outcome = judge(truth, items, [row for number, row in enumerate(rows) if number != first])
    assert outcome.lost == lost


@pytest.mark.parametrize("server", SERVERS)
def test_servers_that_say_less_are_judged_as_strictly(server: str) -> None:
    """Without times, ids or numbers, a cut that is missing, or there once more, counts."""
    ways, _ = SERVERS[server]

    def without(rows: list[Row]) -> list[Row]:
        del rows[_index(rows, "cut")]
        return rows

    def twice(rows: list[Row]) -> list[Row]:
        again = copy.deepcopy(rows[_index(rows, "cut")])
        again.key += "/2"
        return [*rows, again]

    assert _judged(server=ways).ok
    assert _judged(server=ways, spoil=without).lost == 1
    assert _judged(server=ways, spoil=twice).doubled == 1


@pytest.mark.parametrize("server", ["no-ts", "bare"])
def test_where_no_frame_has_a_time_a_gap_is_where_its_loss_was(server: str) -> None:
    """Its time is the receiver's, also in a shoot that is played fast to a tap that took long to start."""
    shoot = plan_shoot(SEED, faults=["restart"], ways=SERVERS[server][0])
    played = list(perform(shoot))
    first = min(item.wall for item in played if not isinstance(item, Missed))
    items: list[Item] = [
        item if isinstance(item, Missed) else structs.replace(item, wall=first + 10_000 + (item.wall - first) // 20)
        for item in played
    ]
    truth = truth_of(shoot.plan, items, venue="rehearsal")
    rows = _rows(truth, tuple(items))
    at = _index(rows, "gap")
    assert judge(truth, items, rows).ok, judge(truth, items, rows).explain()
    last = max(item.wall for item in items if isinstance(item, Heard))
    elsewhere = structs.replace(rows[at], fields={**rows[at].fields, "at": last, "observedAt": last})
    assert judge(truth, items, [*rows[:at], elsewhere, *rows[at + 1 :]]).invented == 1


def test_what_is_there_twice_is_doubled() -> None:
    """A row with another key that tells the same."""

    def twice(rows: list[Row]) -> list[Row]:
        row = copy.deepcopy(rows[_index(rows, "cut")])
        row.key += "-again"
        return [*rows, row]

    assert _judged(spoil=twice).doubled == 1


def test_what_never_happened_is_invented() -> None:
    def more(rows: list[Row]) -> list[Row]:
        row = copy.deepcopy(rows[_index(rows, "cut")])
        row.key += "-else"
        row.fields["at"] += 77
        return [*rows, row]

    assert _judged(spoil=more).invented == 1


def test_a_loss_that_is_not_told_is_a_loss() -> None:
    def silent(rows: list[Row]) -> list[Row]:
        return [row for row in rows if row.fields.get("kind") != "gap"]

    assert _judged("reconnect", spoil=silent).lost > 0


def test_a_gap_where_nothing_was_lost_is_invented() -> None:
    def more(rows: list[Row]) -> list[Row]:
        cut = rows[_index(rows, "cut") + 3]
        fields = {"kind": "gap", "at": cut.fields["at"], "observedAt": cut.fields["at"], "durationMs": 50}
        return [*rows, Row("gap-of-nothing", "event", cut.session_key, 1, 0, fields)]

    assert _judged(spoil=more).invented == 1


def test_what_lies_in_a_told_gap_is_no_loss() -> None:
    """The tap heard from a moment before a cut to the next connection nothing: that cut is in the gap."""

    def blind_for_longer(rows: list[Row]) -> list[Row]:
        gap = next(row for row in rows if "durationMs" in row.fields and row.fields["kind"] == "gap")
        since = gap.fields["observedAt"] - gap.fields["durationMs"]
        before = [row for row in rows if row.fields.get("kind") == "cut" and row.fields["at"] < since]
        last = max(before, key=lambda row: row.fields["at"])
        gap.fields["durationMs"] = gap.fields["observedAt"] - last.fields["at"] + 100
        rows.remove(last)
        return rows

    outcome = _judged("reconnect", spoil=blind_for_longer)
    assert outcome.lost == 0, outcome.explain()


def test_a_wrong_column_counts_where_nothing_was_missed() -> None:
    def wrong(rows: list[Row]) -> list[Row]:
        rows[_index(rows, "cut")].fields["trigger"] = "nobody"
        return rows

    assert _judged(spoil=wrong, exact=True).failures
    assert _judged(spoil=wrong).ok


def test_what_was_committed_has_to_be_there() -> None:
    """Each key, and rows no older than they were."""
    rows = [Row("s", "session", "s", 5, 0, {}), Row("e", "event", "s", 5, 0, {})]
    assert judge_committed({"s": Committed("session", 5), "e": Committed("event", 9)}, rows).ok
    assert judge_committed({"s": Committed("session", 6)}, rows).lost == 1
    assert judge_committed({"gone": Committed("event", 1)}, rows).lost == 1


def test_outcomes_add_up() -> None:
    """Counts are summed, times are the longest."""
    one = Outcome(tried=2, lost=1, longest_stall_ms=5, recovery_ms=50, failures=["a"], notes=["n"])
    whole = together([one, Outcome(tried=3, longest_stall_ms=9, notes=["n"])])
    assert (whole.tried, whole.lost, whole.longest_stall_ms, whole.recovery_ms) == (5, 1, 9, 50)
    assert whole.notes == ["n"]
    assert not whole.ok
