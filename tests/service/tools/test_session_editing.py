"""Sessions made, cut, joined and named afterwards: beside the service that records, across a kill, for ever."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from datetime import UTC
from itertools import pairwise
from pathlib import Path

import pytest
from msgspec import structs

from tap.adapters.journal import Journal
from tap.adapters.tape import read_tapes
from tap.api import open_journal
from tap.core.errors import TapError
from tap.core.merge import fold
from tap.core.model import Frame
from tap.core.session_steps import encode_step
from tap.history.export import RATES, export
from tap.history.report import page, report_of
from tap.service.running.flight_recorder import segments
from tap.service.session_overview import sessions_in
from tap.service.tools import chosen_tapes as chosentapes
from tap.service.tools.erase_tapes import erase
from tap.service.tools.forget import _spans as spans_to_forget
from tap.service.tools.rederive import rederive
from tap.service.tools.session_editing import Plan, log, merge, rename, split, trim, undo
from tap.service.tools.session_making import find, make
from tests.service.chosen import NOW, done, rows, told
from tests.service.house import RIGHT, T0, House

ROOT = Path(__file__).parents[3]
LATER = T0 + 10**9


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path / "state")
    yield made
    made.recorder.stop(300)
    made.journal.close()


def beside(house: House) -> Journal:
    """The journal as a command opens it, while the service has it."""
    house.written()
    return Journal.open(house.journal.path)


def unstarted(house: House, cuts: int = 6) -> tuple[int, int]:
    """A shoot for which nobody pressed Start: from when to when."""
    house.state(None)
    house.later(20_000)
    since = T0 + house.now
    house.later(1_000)
    for cut in range(cuts):
        house.later(3_000)
        house.say("cut", to=f"c{(cut + 1) % 2 + 1}", cut_id=f"u{cut}", **{"from": f"c{cut % 2 + 1}"})
        house.state(None, f"c{(cut + 1) % 2 + 1}")
    house.later(2_000)
    until = T0 + house.now
    house.later(30_000)
    return since, until


def make_it(house: House, journal: Journal, since: int, until: int, *, now: int = LATER, **names: str) -> Plan:
    house.written()
    return make(house.tapes, journal, RIGHT, venue="hall", since=since, until=until, names=names, now=now)


def heard_session(house: House, *, open_it: bool = True) -> None:
    """Session s1 with a still that is asked for in each half, and not uploaded yet."""
    if open_it:
        house.open()
    house.state(None)
    house.later(1_000)
    house.say("session_started", session={"id": "s1", "title": "Autumn"})
    house.state()
    for half in ("a", "b"):
        house.later(4_000)
        house.say("still_requested", still_id=half, camera_ids=["c1"])
        house.say("cut", to="c2", cut_id=f"to-{half}", **{"from": "c1"})
        house.later(4_000)
        house.say("cut", to="c1", cut_id=f"from-{half}", **{"from": "c2"})
    house.say("session_ended", session_id="s1", reason="operator")
    house.state(None)
    house.later(8_000)


MIDDLE = T0 + 1_000 + 8_000 + 500


# ---------------------------------------------------------------------------------------------- made beside the service


def test_a_shoot_is_made_while_the_service_records(house: House) -> None:
    """It has its cuts, says who made it and when, and the service goes on as if nothing had been."""
    house.open()
    since, until = unstarted(house)
    with beside(house) as journal:
        picture = done(journal, make_it(house, journal, since, until, title="Late one"))
    assert [(one.key, one.cuts, one.cameras) for one in picture.after] == [(f"hall/@{since}", 6, 2)]
    own = told(house.journal)[f"hall/@{since}"]
    assert (own["title"], own["status"], own["startedAt"], own["completedAt"]) == ("Late one", "complete", since, until)
    assert own["source"]["made"] == {"how": "make", "at": NOW, "by": "anna"}
    assert {row.revision for row in rows(house.journal).values()} == {1}
    house.shoot("s1")
    assert told(house.journal, "hall/s1")["hall/s1"]["status"] == "complete"
    house.stop()


def test_the_same_command_twice_changes_nothing(house: House) -> None:
    house.open()
    since, until = unstarted(house)
    with beside(house) as journal:
        done(journal, make_it(house, journal, since, until))
        before = journal.last_seq(), journal.steps()
        assert done(journal, make_it(house, journal, since, until)).changes == []
        assert (journal.last_seq(), journal.steps()) == before
    house.stop()


def test_made_again_it_gains_what_came_since(house: House) -> None:
    """A still that is uploaded days later is in it once it is made again; its name stays."""
    house.open()
    house.state(None)
    house.later(5_000)
    since = T0 + house.now
    house.say("still_requested", still_id="a", camera_ids=["c1"])
    house.later(3_000)
    until = T0 + house.now
    house.later(60_000)
    with beside(house) as journal:
        done(journal, make_it(house, journal, since, until, title="Late one"))
        key = f"hall/@{since}"
        assert told(journal)[f"{key}/still/a/c1"]["status"] == "requested"
        house.later(3_600_000)
        house.say("still_captured", still_id="a", camera_id="c1")
        house.say("still_uploaded", still_id="a", camera_id="c1", storage_key="k")
        done(journal, make_it(house, journal, since, until))
        assert told(journal)[f"{key}/still/a/c1"]["status"] == "uploaded"
        assert told(journal)[key]["title"] == "Late one"
    house.stop()


def test_missing_tapes_are_gaps(tmp_path: Path) -> None:
    """A tape that is gone is a gap: what happened on it is not made up, and the state is known again after it."""
    house = House(tmp_path / "state", segment_bytes=1_500)
    house.open()
    since, until = unstarted(house, cuts=12)
    house.stop()
    paths = segments(house.tapes)
    paths[len(paths) // 2].unlink()
    with beside(house) as journal:
        (one,) = done(journal, make_it(house, journal, since, until)).after
        gaps = [row.fields for row in rows(journal).values() if row.fields.get("kind") == "gap"]
    assert one.gaps == len(gaps) == 1
    assert one.cuts < 12
    assert gaps[0]["detail"]["cause"] == "overflow"
    house.journal.close()


def test_a_line_that_cannot_be_read_is_a_gap(house: House) -> None:
    """A disk that gave back something else: what stood there is not known, and the rest is."""
    house.open()
    since, until = unstarted(house)
    house.stop()
    (path,) = segments(house.tapes)
    lines = path.read_bytes().splitlines(keepends=True)
    place = next(number for number, line in enumerate(lines) if b"u2" in line)
    path.write_bytes(b"".join([*lines[:place], b"@" * 80 + b"\n", *lines[place + 1 :]]))
    with beside(house) as journal:
        (one,) = done(journal, make_it(house, journal, since, until)).after
    assert (one.cuts, one.gaps) == (5, 1)


def test_an_odd_choice_stops_nobody(house: House) -> None:
    """A step that this tap cannot read or follow: what the service hears is written all the same."""
    heard_session(house)
    with beside(house) as journal:
        done(journal, split(journal, "hall/s1", at=MIDDLE))
        (step,) = journal.steps()
        broken = encode_step(structs.replace(step, args={}, names={})).decode()
        journal.remember("step:000000001", broken)
        late(house, "b")
        assert told(house.journal)["hall/s1/still/b/c1"]["status"] == "uploaded"
        journal.remember("step:000000001", '{"number": 1, "how": "juggle"}')
        assert journal.steps() == []
    house.stop()


def test_a_session_that_is_live_is_refused(house: House) -> None:
    """Nothing is made over it, and nothing is done to it."""
    house.open()
    house.state(None)
    house.later(5_000)
    since = T0 + house.now
    house.say("session_started", session={"id": "s1"})
    house.state()
    house.later(5_000)
    with beside(house) as journal:
        with pytest.raises(TapError, match="a session is live then: hall/s1"):
            make_it(house, journal, since - 2_000, T0 + house.now)
        with pytest.raises(TapError, match="is live"):
            trim(journal, "hall/s1", since=since + 1, until=None)
        with pytest.raises(TapError, match="is live"):
            rename(journal, "hall/s1", names={"title": "x"})
        with pytest.raises(TapError, match="is live"):
            split(journal, "hall/s1", at=since + 1)
        with pytest.raises(TapError, match="is live"):
            merge(journal, ["hall/s1", "hall/s2"])


# ---------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("since", "until", "says"),
    [
        (5_000, 4_000, "before it begins"),
        (-60_000, 10_000, "the oldest tape begins at"),
        (5_000, 10**10, "lies in the future"),
        (24_500, 24_600, "no frame"),
    ],
)
def test_times_that_cannot_be(house: House, since: int, until: int, says: str) -> None:
    house.open()
    unstarted(house)
    with beside(house) as journal, pytest.raises(TapError, match=says):
        make_it(house, journal, T0 + since, T0 + until)


def test_what_overlaps_is_told_with_both_keys(house: House) -> None:
    house.open()
    house.shoot("s1")
    since, until = T0 + 500, T0 + house.now
    with beside(house) as journal, pytest.raises(TapError) as told_:
        make_it(house, journal, since, until)
    assert "hall/s1" in str(told_.value)
    assert f"hall/@{since}" in str(told_.value)


def test_a_session_of_a_server_without_ids_is_not_made_over(house: House) -> None:
    """Its key is made of its start as well: one that begins in the same instant is that session, not a new one."""
    house.open()
    since, until = unstarted(house)
    with beside(house) as journal:
        done(journal, make_it(house, journal, since, until))
        told_by_server = [
            structs.replace(kept.entry, revision=0) for kept in journal.entries() if kept.entry.op == "session"
        ]
    with Journal.open(house.folder / "other.db") as other:
        other.append(told_by_server, None, NOW)
        with pytest.raises(TapError, match=f"it overlaps hall/@{since}"):
            make_it(house, other, since, until)
    house.stop()


def test_keys_that_cannot_be(house: House) -> None:
    """Of another venue, of nobody, of one that was joined to another."""
    heard_session(house)
    with beside(house) as journal:
        with pytest.raises(TapError, match="is of another venue, hall"):
            rename(journal, "hall/s1", names={"title": "x"}, venue="attic")
        with pytest.raises(TapError, match="no session has this key"):
            rename(journal, "hall/s9", names={"title": "x"})
        with pytest.raises(TapError, match="lasted from"):
            split(journal, "hall/s1", at=T0)
        with pytest.raises(TapError, match="lasted from"):
            trim(journal, "hall/s1", since=T0, until=None)
        with pytest.raises(TapError, match="two or more"):
            merge(journal, ["hall/s1", "hall/s1"])
        done(journal, split(journal, "hall/s1", at=MIDDLE))
        done(journal, merge(journal, ["hall/s1", f"hall/s1@{MIDDLE}"]))
        with pytest.raises(TapError, match="was taken back"):
            rename(journal, f"hall/s1@{MIDDLE}", names={"title": "x"})


# ---------------------------------------------------------------------------------------------- what comes later


def late(house: House, still: str) -> None:
    house.say("still_captured", still_id=still, camera_id="c1")
    house.say("still_uploaded", still_id=still, camera_id="c1", storage_key=f"k/{still}")


def test_a_late_still_goes_where_its_still_went(house: House) -> None:
    """After a split and after a merge; taken back, it is where it would have been."""
    heard_session(house)
    second = f"hall/s1@{MIDDLE}"
    with beside(house) as journal:
        done(journal, split(journal, "hall/s1", at=MIDDLE))
        late(house, "a")
        late(house, "b")
        stills = {key: row.fields["status"] for key, row in rows(journal).items() if row.op == "still"}
        assert stills == {"hall/s1/still/a/c1": "uploaded", f"{second}/still/b/c1": "uploaded"}
        captures = {key: row.fields for key, row in rows(journal).items() if row.fields.get("kind") == "still_capture"}
        assert captures[f"{second}/still_capture/b/c1"]["stillKey"] == f"{second}/still/b/c1"
        assert set(captures) == {"hall/s1/still_capture/a/c1", f"{second}/still_capture/b/c1"}
        done(journal, undo(journal, second))
        stills = {key: row.fields["status"] for key, row in rows(journal).items() if row.op == "still"}
        assert stills == {"hall/s1/still/a/c1": "uploaded", "hall/s1/still/b/c1": "uploaded"}
    house.stop()


def test_a_late_still_of_a_joined_session_goes_with_it(house: House) -> None:
    """And its capture, and once that is taken back it is where it would have been."""
    heard_session(house)
    house.say("session_started", session={"id": "s2", "title": "Evening"})
    house.state("s2")
    house.later(2_000)
    house.say("still_requested", still_id="c", camera_ids=["c1"])
    house.later(2_000)
    house.say("session_ended", session_id="s2")
    house.state(None)
    house.later(6_000)
    with beside(house) as journal:
        done(journal, merge(journal, ["hall/s2", "hall/s1"]))
        late(house, "c")
        late(house, "a")
        found = rows(journal)
        assert {row.session_key for row in found.values()} == {"hall/s1"}
        stills = {key: row.fields["status"] for key, row in found.items() if row.op == "still"}
        assert stills == {
            "hall/s1/still/a/c1": "uploaded",
            "hall/s1/still/b/c1": "requested",
            "hall/s1/still/c/c1": "uploaded",
        }
        gaps = [row.fields for row in found.values() if row.fields.get("kind") == "gap"]
        assert [gap["detail"]["cause"] for gap in gaps] == ["between sessions"]
        done(journal, undo(journal, "hall/s1"))
        statuses = {key: row.fields["status"] for key, row in rows(journal).items() if row.op == "still"}
        assert statuses["hall/s2/still/c/c1"] == "uploaded"
        assert statuses["hall/s1/still/a/c1"] == "uploaded"
    house.stop()


def test_stills_of_one_name_stay_two(house: House) -> None:
    """Two sessions that are joined both had a still of that name: the second one's keys end in its number."""
    heard_session(house)
    house.say("session_started", session={"id": "s2"})
    house.state("s2")
    house.later(2_000)
    house.say("still_requested", still_id="a", camera_ids=["c1"])
    house.later(2_000)
    house.say("session_ended", session_id="s2")
    house.state(None)
    house.later(6_000)
    with beside(house) as journal:
        before = told(journal)
        done(journal, merge(journal, ["hall/s1", "hall/s2"]))
        late(house, "a")
        found = told(journal)
        assert found["hall/s1/still/a/c1"]["status"] == "requested"
        assert found["hall/s1/still/a/c1/2"]["status"] == "uploaded"
        assert found["hall/s1/still_capture/a/c1/2"]["stillKey"] == "hall/s1/still/a/c1/2"
        done(journal, undo(journal, "hall/s1"))
        after = told(journal)
        assert {key for key in after if key not in before} == {"hall/s2/still_capture/a/c1"}
        assert {key for key in before if after[key] != before[key]} == {"hall/s2/still/a/c1"}
    house.stop()


def test_a_name_stays_when_the_session_shows_again(house: House) -> None:
    """The server tells the old title once more; who was asked last was a person."""
    heard_session(house)
    with beside(house) as journal:
        done(journal, rename(journal, "hall/s1", names={"title": "Winter", "notes": ""}))
    house.say("session_started", session={"id": "s1", "title": "Autumn"})
    house.state()
    assert told(house.journal)["hall/s1"]["status"] == "live"
    assert told(house.journal)["hall/s1"]["title"] == "Winter"
    house.later(2_000)
    house.say("session_ended", session_id="s1")
    house.state(None)
    assert told(house.journal)["hall/s1"]["title"] == "Winter"
    house.stop()


def test_the_last_part_ends_with_its_session(house: House) -> None:
    """A session that was split goes on: the second part does, and has its end."""
    heard_session(house)
    second = f"hall/s1@{MIDDLE}"
    with beside(house) as journal:
        done(journal, split(journal, "hall/s1", at=MIDDLE))
    first = told(house.journal, "hall/s1")
    house.say("session_started", session={"id": "s1", "title": "Autumn"})
    house.state()
    house.later(2_000)
    house.say("cut", to="c2", cut_id="more", **{"from": "c1"})
    house.later(2_000)
    house.say("session_ended", session_id="s1")
    house.state(None)
    own = told(house.journal, second)
    assert own[second]["completedAt"] == T0 + house.now
    assert own[second]["finalState"]["counts"]["cut"] == 3
    assert f"{second}/cut/more/{T0 + house.now - 2_000}" in own
    assert told(house.journal, "hall/s1") == first
    house.stop()


def test_what_was_cut_off_stays_off(house: House) -> None:
    heard_session(house)
    with beside(house) as journal:
        done(journal, trim(journal, "hall/s1", since=MIDDLE, until=None))
        marks = [row.retracted for row in fold(kept.entry for kept in journal.entries()).values() if row.retracted]
        assert marks
        assert all(mark == {"at": NOW, "reason": "trim: outside of what was chosen"} for mark in marks)
        before = told(journal)
        late(house, "a")
        assert told(journal) == before
        late(house, "b")
        assert told(journal)["hall/s1/still/b/c1"]["status"] == "uploaded"
    house.stop()


def test_rederive_does_not_undo_a_choice(house: House) -> None:
    """What was made or cut is left out, and told so; a name stays, and the rest of that session is repaired."""
    house.open()
    since, until = unstarted(house)
    heard_session(house, open_it=False)
    at = T0 + house.now - 13_000
    house.shoot("s2")
    with beside(house) as journal:
        done(journal, make_it(house, journal, since, until))
        done(journal, split(journal, "hall/s1", at=at))
        done(journal, rename(journal, "hall/s2", names={"title": "Winter"}))
        before = told(journal)
        result = rederive(house.tapes, journal, RIGHT, apply=True)
        assert result.changes == {}
        assert set(result.left_out) == {f"hall/@{since}", "hall/s1", f"hall/s1@{at}"}
        assert told(journal) == before
        with pytest.raises(TapError, match="was chosen afterwards"):
            rederive(house.tapes, journal, RIGHT, session="hall/s1")
    house.stop()


# ---------------------------------------------------------------------------------------------- taking back


def test_what_was_changed_since_is_taken_back_first(house: House) -> None:
    heard_session(house)
    second = f"hall/s1@{MIDDLE}"
    with beside(house) as journal:
        done(journal, split(journal, "hall/s1", at=MIDDLE))
        done(journal, rename(journal, second, names={"title": "Second"}))
        with pytest.raises(TapError, match=f"{second} was changed since"):
            undo(journal, "hall/s1")
        assert [step.how for step in log(journal, second)] == ["split", "rename"]
        done(journal, undo(journal, second))
        done(journal, undo(journal, second))
        assert [(step.how, step.undone) for step in log(journal, second)] == [
            ("split", True),
            ("rename", True),
            ("undo", False),
            ("undo", False),
        ]
    house.stop()


def test_a_made_session_is_taken_back_whole(house: House) -> None:
    """Marked, not deleted; made once more it is there again under the same key."""
    house.open()
    since, until = unstarted(house)
    with beside(house) as journal:
        done(journal, make_it(house, journal, since, until))
        before = told(journal, made=False)
        done(journal, undo(journal, f"hall/@{since}"))
        assert rows(journal) == {}
        back = {row.key: row.retracted for row in fold(kept.entry for kept in journal.entries()).values()}
        assert set(back) == set(before)
        assert all(mark == {"at": NOW, "reason": "undo of make"} for mark in back.values())
        done(journal, make_it(house, journal, since, until))
        assert told(journal, made=False) == before
    house.stop()


# ---------------------------------------------------------------------------------------------- forgetting


def test_forget_reaches_a_made_session(house: House) -> None:
    """Its frames go from the tapes, those beside it stay; and it cannot be made again."""
    house.open()
    house.shoot("s1")
    since, until = unstarted(house)
    house.shoot("s2")
    house.stop()
    key = f"hall/@{since}"
    with Journal.open(house.journal.path) as journal:
        done(journal, make_it(house, journal, since, until, title="Secret"))
    spans, chosen = spans_to_forget(house.journal.path, key)
    assert (spans, chosen) == ([], [(since, until)])
    assert erase(house.tapes, key, [], "multicam/1", chosen=chosen) > 6
    on_tape = b"".join(path.read_bytes() for path in segments(house.tapes))
    assert b'\\"cut_id\\":\\"u' not in on_tape
    assert on_tape.count(b"s1-") == on_tape.count(b"s2-") == 4
    with Journal.open(house.journal.path) as journal:
        journal.forget(key)
        assert b"Secret" not in house.journal.path.read_bytes()
        with pytest.raises(TapError, match="was forgotten, which cannot be undone"):
            make_it(house, journal, since, until)


def test_forget_of_a_part_leaves_nothing_of_it_in_the_other(house: House) -> None:
    """Of rows that went elsewhere the first keeps no more than it must; their entries go with the second."""
    heard_session(house)
    house.stop()
    second = f"hall/s1@{MIDDLE}"
    with Journal.open(house.journal.path) as journal:
        done(journal, split(journal, "hall/s1", at=MIDDLE))
        assert spans_to_forget(journal.path, second) == ([], [(MIDDLE, T0 + 17_000)])
        assert spans_to_forget(journal.path, "hall/s1") == ([], [(T0 + 1_000, MIDDLE - 1)])
        kept = told(journal, "hall/s1")
        journal.append([], house.pipeline.save(everything=True), NOW)
        assert any("/still/b/" in name for name, _ in journal.memory())
        journal.forget(second)
        assert not any("/still/b/" in name for name, _ in journal.memory())
        assert any("/still/a/" in name for name, _ in journal.memory())
        left = fold(one.entry for one in journal.session_entries("hall/s1"))
        assert told(journal, "hall/s1") == kept
        moved = [row for row in left.values() if row.retracted is not None and row.op == "event"]
        assert moved
        assert all(set(row.fields) == {"kind", "at", "observedAt"} for row in moved)
        assert all(row.retracted == {"at": NOW, "reason": f"split: it is in {second} now"} for row in moved)
        with pytest.raises(TapError, match="was forgotten"):
            undo(journal, "hall/s1")


# ---------------------------------------------------------------------------------------------- a kill

_DIES = """
    import os, signal, sys
    from pathlib import Path
    from tap.adapters.journal import outbox
    from tap.service.tools.session_editing import carry_out, split

    sealed, left = outbox.sealed, int(sys.argv[2])

    def dying(row):
        global left
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        return sealed(row)

    outbox.sealed = dying
    with outbox.Journal.open(Path(sys.argv[1])) as journal:
        plan = lambda: split(journal, "hall/s1", at=int(sys.argv[3]))
        carry_out(journal, plan, apply=True, by="anna", now=lambda: 1)
"""


@pytest.mark.parametrize("entry", [1, 4, 9])
def test_a_kill_in_the_middle_leaves_a_step_not_begun(house: House, entry: int) -> None:
    """All of it or nothing; the same command does it afterwards."""
    heard_session(house)
    house.stop()
    before = told(house.journal)
    command = [sys.executable, "-c", textwrap.dedent(_DIES), str(house.journal.path), str(entry), str(MIDDLE)]
    died = subprocess.run(command, cwd=ROOT, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert died.returncode == -signal.SIGKILL
    with Journal.open(house.journal.path) as journal:
        assert told(journal) == before
        assert journal.steps() == []
        done(journal, split(journal, "hall/s1", at=MIDDLE))
        assert f"hall/s1@{MIDDLE}" in told(journal)


def test_a_journal_that_goes_on_meanwhile_is_looked_at_again(house: House) -> None:
    """A still that comes between looking and writing is in the new session, too."""
    heard_session(house)
    with beside(house) as journal:
        plans = 0

        def plan() -> Plan:
            nonlocal plans
            plans += 1
            made = split(journal, "hall/s1", at=MIDDLE)
            if plans == 1:
                late(house, "b")
            return made

        from tap.service.tools.session_editing import carry_out  # noqa: PLC0415 - the name is short for what this file does else

        carry_out(journal, plan, apply=True, by="anna", now=lambda: NOW)
        assert plans == 2
        assert told(journal)[f"hall/s1@{MIDDLE}/still/b/c1"]["status"] == "uploaded"
    house.stop()


# ---------------------------------------------------------------------------------------------- what looks like one


def test_what_looks_like_a_shoot_is_found_longest_first(house: House) -> None:
    """Cuts outside of sessions; what lies in one, and a single cut, are none."""
    house.open()
    long = unstarted(house, cuts=8)
    house.later(3_600_000)
    house.shoot("s1")
    house.later(3_600_000)
    house.say("cut", to="c2", cut_id="lonely")
    house.later(2_000)
    house.say("cut", to="c1", cut_id="back")
    house.later(3_600_000)
    short = unstarted(house, cuts=4)
    with beside(house) as journal:
        house.written()
        found = find(house.tapes, journal, RIGHT, venue="hall", since=T0 + 10_000, until=LATER, now=LATER)
    assert [one.cuts for one in found] == [8, 4]
    for one, (since, until) in zip(found, (long, short), strict=True):
        assert since <= one.since < one.until <= until
    house.stop()


# ---------------------------------------------------------------------------------------------- seen as any other


def test_everybody_sees_it_as_any_other_session(house: House) -> None:
    """Python, timeline, report, exports, the past sessions of the live page; one that was taken back says so."""
    house.open()
    since, until = unstarted(house)
    house.stop()
    key = f"hall/@{since}"
    with beside(house) as journal:
        done(journal, make_it(house, journal, since, until, title="Late one"))
        done(journal, split(journal, key, at=since + 10_000))
        (second, first) = sessions_in(journal, LATER, None)
        assert [(one.key, one.status, one.left_live) for one in (first, second)] == [
            (key, "complete", False),
            (f"hall/@{since + 10_000}", "complete", False),
        ]
    with open_journal(house.journal.path) as history:
        assert [one.key for one in history.sessions(venue="hall")] == [f"hall/@{since + 10_000}", key]
        timeline = history.timeline(key)
        assert timeline.totals.cuts == 2
        rows_ = history.rows(key)
    made = report_of(rows_, zone=UTC, rate=RATES["25"], pictures={}, made_at=LATER)
    assert "Late one" in page(made)
    for name in ("edl", "csv", "shots", "otio", "webvtt"):
        assert "".join(piece for pieces in export(rows_, name, zone=UTC).pieces.values() for piece in pieces)
    with beside(house) as journal:
        done(journal, undo(journal, key))
        done(journal, undo(journal, key))
        assert {one.status for one in sessions_in(journal, LATER, None)} == {"retracted"}


def test_outside_of_sessions_the_recorder_saves_all_that_it_needs(house: House) -> None:
    """Every control frame and every state, the greeting too, and not one frame of telemetry."""
    house.open()
    said = 1
    for minute in range(3):
        for _ in range(6):
            house.later(10_000)
            house.state(None)
            said += 1
        house.say("cut", to=f"c{minute % 2 + 1}", cut_id=f"u{minute}")
        house.say("heartbeat", camera="c1", level=0.5)
        said += 1
    house.stop()
    with read_tapes(segments(house.tapes)) as tapes:
        frames = [item for item in tapes if isinstance(item, Frame)]
    assert len(frames) == said
    states = [frame.stamp.wall for frame in frames if b'"state"' in frame.data]
    assert max(after - before for before, after in pairwise(states)) <= 60_000
    assert house.recorder.since == T0


def test_a_state_that_was_told_long_before_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server tells its state only when the tap connects: what was on when the shoot began is known all the same."""
    monkeypatch.setattr(chosentapes, "_LEAD_BYTES", 3_000)
    house = House(tmp_path / "state", segment_bytes=1_500)
    house.open()
    house.state(None, "c2")
    for moment in range(60):
        house.later(1_000)
        house.say("music_moment", moment_id=f"{moment}")
    since = T0 + house.now
    house.later(2_000)
    house.say("cut", to="c1", cut_id="u", **{"from": "c2"})
    house.later(2_000)
    until = T0 + house.now
    house.later(30_000)
    house.stop()
    assert len(segments(house.tapes)) > 5
    with beside(house) as journal:
        done(journal, make_it(house, journal, since, until))
        own = told(journal)[f"hall/@{since}"]
    assert own["startState"] == {"at": since, "programCameraId": "c2", "mode": "idle", "hold": False}
    house.journal.close()


def test_a_still_that_was_requested_before_is_not_its_own(house: House) -> None:
    """Its upload comes while the chosen span runs; nobody gives it to a session that did not ask for it."""
    house.open()
    house.state(None)
    house.say("still_requested", still_id="early", camera_ids=["c1"])
    house.later(10_000)
    since = T0 + house.now
    house.say("cut", to="c2", cut_id="u1", **{"from": "c1"})
    house.later(1_000)
    late(house, "early")
    house.say("still_requested", still_id="own", camera_ids=["c1"])
    house.later(1_000)
    late(house, "own")
    until = T0 + house.now
    house.later(20_000)
    with beside(house) as journal:
        done(journal, make_it(house, journal, since, until))
        stills = [row.key for row in rows(journal).values() if row.op == "still"]
    assert stills == [f"hall/@{since}/still/own/c1"]
    house.stop()
