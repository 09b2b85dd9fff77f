"""Tapes by today's dialect: a mapping mended on Monday repairs Saturday's history, and nothing else."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tap import core
from tap.adapters.journal import Journal
from tap.core.errors import TapError
from tap.core.mapping import Dialect, parse_mapping
from tap.core.merge import Row, fold
from tap.core.model import Entry
from tap.rehearsal.score import score
from tap.rehearsal.shoot import plan_shoot
from tap.rehearsal.simulator import serve
from tap.service.running.daemon import Service
from tap.service.running.flight_recorder import segments
from tap.service.tools.rederive import Rederived, _is_near, lines, rederive
from tests.contract.local import key_of, local_ledger
from tests.service.house import RIGHT, T0, House, entries_of
from tests.service.running.test_daemon import look_until, serve_in_process, settings


def mapping(*changes: tuple[str, str]) -> Dialect:
    return parse_mapping(mapping_text(*changes), "wrong.toml")


def mapping_text(*changes: tuple[str, str]) -> str:
    text = (Path(core.__file__).parent / "dialects" / "multicam-1.toml").read_text()
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


CUTS = 'when.type = "cut"\nemit = "cut"'
NAME = 'name = ["name", "label", "camera_name"]'
WRONG_NAME = (NAME, 'name = ["role"]')
NO_CUTS = (CUTS, 'when.type = "switched"\nemit = "cut"')


def read(house: House, dialect: Dialect = RIGHT, *, apply: bool = False, session: str | None = None) -> Rederived:
    house.written()
    with Journal.open(house.journal.path, readonly=not apply) as journal:
        return rederive(house.tapes, journal, dialect, apply=apply, session=session)


def rows(house: House) -> dict[str, Row]:
    """What the ledger would have; what was taken back aside."""
    return {key: row for key, row in fold(entries_of(house.journal)).items() if row.retracted is None}


def shown(house: House) -> dict[str, dict[str, object]]:
    return {key: dict(row.fields) for key, row in rows(house).items()}


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def house(state: Path) -> Iterator[House]:
    made = House(state)
    yield made
    made.recorder.stop(300)
    made.journal.close()


def as_it_should_be(folder: Path) -> dict[str, dict[str, object]]:
    """The rows of ``House.shoot`` by the right mapping."""
    right = House(folder)
    right.open()
    right.shoot()
    right.stop()
    told = shown(right)
    right.journal.close()
    return told


# ---------------------------------------------------------------------------------------------- nothing to repair


@pytest.mark.parametrize("seed", range(4))
def test_the_same_dialect_finds_no_difference(state: Path, seed: int) -> None:
    """Whatever happened to server and tap, over however many tapes: the tapes give what the journal has."""
    house = House(state, segment_bytes=30_000)
    faults = ("reconnect", "restart", "garbage", "stale_state", "flap", "still_disorder")
    shoot = plan_shoot(seed, length_s=100, faults=faults, sessions=2, start_wall_ms=T0)
    house.perform(shoot, kills=seed * 2, seed=seed)
    result = read(house)
    assert (list(lines(result, applied=False)), result.left_out, result.partly) == ([], {}, {})
    assert result.sessions >= 2
    assert result.tapes > 3
    gaps = [row for row in rows(house).values() if row.fields.get("kind") == "gap"]
    assert gaps
    house.journal.close()


def test_a_mapping_that_reads_the_same_is_no_news(house: House) -> None:
    """Another digest alone repairs nothing."""
    house.open()
    house.shoot()
    house.stop()
    assert read(house, mapping((NAME, 'name = ["name", "label"]'))).changes == {}


def test_without_tapes_it_says_so(house: House) -> None:
    with pytest.raises(TapError, match="no tapes of the flight recorder"):
        read(house)


# ---------------------------------------------------------------------------------------------- a repair


def test_what_was_missed_and_misread_is_repaired(state: Path, tmp_path: Path) -> None:
    """Rows are added and changed under the same keys at a higher revision; a second time changes nothing."""
    house = House(state, mapping(NO_CUTS, WRONG_NAME))
    house.open()
    house.shoot()
    house.stop()
    before = entries_of(house.journal)
    told = read(house)
    assert told.count("hall/s1") == {"added": 4, "changed": 3, "gone": 4}
    assert entries_of(house.journal) == before
    assert read(house, apply=True).revisions == {"hall/s1": 1}
    assert shown(house) == as_it_should_be(tmp_path / "right")
    repaired = entries_of(house.journal)
    assert repaired[: len(list(before))] == before
    assert read(house, apply=True).changes == {}
    assert entries_of(house.journal) == repaired
    house.journal.close()


def test_what_never_happened_is_taken_back_with_its_reason(state: Path, tmp_path: Path) -> None:
    """A mapping that made cuts of proposals: they are marked, not deleted, and may come back by another mending."""
    wrong = mapping((CUTS, 'when.type = ["cut", "pending_cut"]\nemit = "cut"'), ('"pending_cut",', ""))
    house = House(state, wrong)
    house.open()
    house.state(None)
    house.say("session_started", session={"id": "s1"})
    house.state()
    house.later(5_000)
    house.say("pending_cut", pending_id="p", to="c2")
    house.later(5_000)
    house.say("session_ended", session_id="s1")
    house.state(None)
    house.later(6_000)
    house.stop()
    assert [row.fields["cameraId"] for row in rows(house).values() if row.fields.get("kind") == "cut"] == ["c2"]
    read(house, apply=True)
    assert [row for row in rows(house).values() if row.fields.get("kind") == "cut"] == []
    (taken,) = [row for row in fold(entries_of(house.journal)).values() if row.retracted is not None]
    assert taken.fields["cameraId"] == "c2"
    assert "not on the tapes as multicam/1 reads them" in str((taken.retracted or {})["reason"])
    assert read(house, wrong, apply=True).revisions == {"hall/s1": 2}
    assert [row.fields["cameraId"] for row in rows(house).values() if row.fields.get("kind") == "cut"] == ["c2"]
    house.journal.close()


def test_a_session_under_a_wrong_key_is_taken_back_whole(state: Path, tmp_path: Path) -> None:
    """The mapping took the title for the id: the right session is added, the wrong one retracted."""
    house = House(state, mapping(('id = ["id", "session_id"]', 'id = ["title"]')))
    house.open()
    house.shoot()
    house.stop()
    assert {row.session_key for row in rows(house).values()} == {"hall/Autumn"}
    result = read(house, apply=True)
    assert set(result.changes) == {"hall/s1", "hall/Autumn"}
    assert shown(house) == as_it_should_be(tmp_path / "right")
    assert read(house, apply=True).changes == {}
    house.journal.close()


def test_later_rows_of_a_repaired_session_go_on_at_its_revision(state: Path) -> None:
    """A still that is uploaded after the repair is seen: the service writes it where the repair stands."""
    house = House(state, mapping(WRONG_NAME))
    house.open()
    house.state(None)
    house.say("session_started", session={"id": "s1"})
    house.state()
    house.say("still_requested", still_id="a", camera_ids=["c1"])
    house.say("still_captured", still_id="a", camera_id="c1", taken_at=T0 + house.now)
    house.later(1_000)
    house.say("session_ended", session_id="s1")
    house.state(None)
    house.later(6_000)
    read(house, apply=True)
    assert house.journal.revision("hall/s1") == 1
    house.say("still_uploaded", still_id="a", camera_id="c1", storage_key="k")
    still = rows(house)["hall/s1/still/a/c1"]
    assert (still.revision, still.fields["status"]) == (1, "uploaded")
    house.stop()
    house.journal.close()


# ---------------------------------------------------------------------------------------------- what is left alone


def test_a_live_session_is_left_out_and_refused_by_name(state: Path) -> None:
    """It can be repaired once it is over; another beside it is repaired at once."""
    house = House(state, mapping(NO_CUTS))
    house.open()
    house.shoot("s1")
    house.say("session_started", session={"id": "s2"})
    house.state("s2")
    house.say("cut", to="c2", cut_id="x")
    house.later(2_000)
    result = read(house, apply=True)
    assert (set(result.changes), result.left_out) == ({"hall/s1"}, {"hall/s2": "is live"})
    with pytest.raises(TapError, match="is live"):
        read(house, session="hall/s2")
    with pytest.raises(TapError, match="neither tapes nor journal"):
        read(house, session="hall/s3")
    house.stop()
    house.journal.close()


def test_a_beginning_that_is_not_on_the_tapes(state: Path) -> None:
    """Its own row is left alone, cameras are only added, events repaired as far as the tapes go; no gap is made."""
    house = House(state, mapping(NO_CUTS, WRONG_NAME), segment_bytes=1_500)
    house.open()
    house.shoot(cuts=12)
    house.stop()
    before = shown(house)
    for path in segments(house.tapes)[:4]:
        path.unlink()
    result = read(house, apply=True)
    assert result.partly == {"hall/s1": "its beginning is not on the tapes"}
    after = shown(house)
    for key, fields in before.items():
        if fields.get("kind") != "cut":
            assert after[key] == fields
    told = [fields for fields in after.values() if fields.get("kind") == "cut" and "detail" not in fields]
    assert 2 < len(told) < 12
    cuts = [fields for fields in after.values() if fields.get("kind") == "cut"]
    assert len(cuts) == 12
    assert not [fields for fields in after.values() if fields.get("kind") == "gap"]
    assert read(house, apply=True).changes == {}
    house.journal.close()


def test_what_the_recorder_lost_is_not_taken_back(state: Path) -> None:
    """Cuts were heard and not recorded: with the same dialect nothing changes, and no gap of the tapes' own is made."""
    house = House(state)
    house.open()
    house.state(None)
    house.say("session_started", session={"id": "s1"})
    house.state()
    for number in range(9):
        house.later(2_000)
        house.losing = 3 <= number < 6
        house.say("cut", to=f"c{number % 2 + 1}", cut_id=number)
        house.state(program=f"c{number % 2 + 1}")
    house.say("session_ended", session_id="s1")
    house.state(None)
    house.later(6_000)
    house.stop()
    result = read(house)
    assert list(lines(result, applied=False)) == []
    added = read(house, mapping(WRONG_NAME))
    assert added.partly == {"hall/s1": "frames are missing on the tapes"}
    assert added.count("hall/s1")["gone"] == 0
    house.journal.close()


def test_a_loss_in_which_nothing_happened_is_no_gap(state: Path) -> None:
    """Only snapshots are missing on the tapes: the service heard them, so no gap is made of it."""
    house = House(state)
    house.open()
    house.state(None)
    house.say("session_started", session={"id": "s1"})
    for number in range(9):
        house.later(2_000)
        house.losing = 3 <= number < 6
        house.state()
    house.say("session_ended", session_id="s1")
    house.state(None)
    house.later(6_000)
    house.stop()
    assert list(lines(read(house), applied=False)) == []
    house.journal.close()


def test_a_run_without_tapes_is_no_evidence(state: Path) -> None:
    """The recorder was switched off for a while: what was heard then stays."""
    house = House(state)
    house.open()
    house.shoot("s1")
    house.stop()
    house.start(recording=False)
    house.open()
    house.shoot("s2")
    house.stop()
    house.start()
    house.open()
    house.shoot("s3")
    house.stop()
    result = read(house)
    assert list(lines(result, applied=False)) == []
    assert "hall/s2" in {row.session_key for row in rows(house).values()}
    house.journal.close()


def test_what_was_put_into_the_journal_by_hand_stays(state: Path, tmp_path: Path) -> None:
    """``replay --to-journal`` of an old tape: it was not heard while the tapes ran, and is not taken back."""
    other = House(tmp_path / "other")
    other.open()
    other.shoot("old")
    other.stop()
    house = House(state)
    house.now = 10**9
    house._alive_at = house.now
    house.open()
    house.journal.append(entries_of(other.journal), None, T0 + house.now + 500)
    house.shoot("s1")
    house.stop()
    assert list(lines(read(house), applied=False)) == []
    for one in (other, house):
        one.journal.close()


def test_a_journal_that_changes_meanwhile_is_compared_again(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that the service writes between the look and the repair is not lost under it."""
    house = House(state, mapping(WRONG_NAME))
    house.open()
    house.shoot()
    house.stop()
    repair, calls = Journal.repair, 0

    def meddled(self: Journal, *arguments: Any) -> bool:
        nonlocal calls
        calls += 1
        if calls == 1:
            last = list(entries_of(house.journal))[-1]
            house.journal.append([type(last)("hall/s1/x", "event", "hall/s1", 1, {"kind": "cut"})], None, T0)
        return repair(self, *arguments)

    monkeypatch.setattr(Journal, "repair", meddled)
    assert read(house, apply=True).changes
    assert calls == 2
    house.journal.close()


def test_an_overflow_is_healed_by_the_tapes(state: Path) -> None:
    """Frames that memory had no room for are on the tapes: their cuts are added, and the gap is taken back."""
    house = House(state)
    house.open()
    house.state(None)
    house.say("session_started", session={"id": "s1"})
    house.state()
    house.later(2_000)
    house.lets_go()
    house.say("cut", to="c2", cut_id="lost", **{"from": "c1"})
    house.later(1_000)
    house.takes_again()
    house.state(program="c2")
    house.say("session_ended", session_id="s1")
    house.state(None)
    house.later(6_000)
    house.stop()
    assert [row.fields["kind"] for row in rows(house).values() if row.op == "event"].count("gap") == 1
    read(house, apply=True)
    kinds = [row.fields["kind"] for row in rows(house).values() if row.op == "event"]
    assert (kinds.count("gap"), kinds.count("cut")) == (0, 1)
    assert rows(house)["hall/s1"].fields["finalState"]["gaps"] == 0
    house.journal.close()


# ---------------------------------------------------------------------------------------------- the whole way


@pytest.mark.slow
async def test_a_shoot_by_a_wrong_mapping_is_right_in_the_ledger_after_the_repair(tmp_path: Path) -> None:
    """Simulator, service, command line and ledger: what the right mapping would have told, and F1 1.0."""
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(mapping_text(NO_CUTS, WRONG_NAME, ('when.type = "still_captured"', 'when.type = "still_took"')))
    state = tmp_path / "state"
    right = ("--dialect", "multicam/1", "--state-dir", str(state))

    shoot = plan_shoot(3, length_s=60, faults=("reconnect",), pace=20)
    spoilt: list[float] = []
    with local_ledger(["rehearsal"]) as local:
        async with serve(shoot, speed=20, patient=True) as (rehearsal, port):
            url = f"ws://127.0.0.1:{port}/ws/control"

            async def until(service: Service) -> None:
                await rehearsal.play()
                await look_until(lambda: not rehearsal._there or service.pipeline.state.session is None)
                assert service.publisher is not None
                await look_until(lambda: service.writer.waiting == 0 and _shipped(service))
                spoilt.append(score(rehearsal.truth(), _told(state)).f1)
                done = await asyncio.to_thread(_rederive, "--apply", *right)
                assert (done.returncode, "repaired" in done.stderr) == (0, True), done.stderr
                # The running service sends what the command line put there.
                await look_until(lambda: _shipped(service))

            given = settings(
                tmp_path,
                url,
                TAP_VENUE="rehearsal",
                TAP_DIALECT=str(wrong),
                TAP_CONVEX_URL=local.url,
                TAP_INGEST_KEY=key_of("rehearsal").get_secret_value(),
                TAP_OPS_LISTEN="off",
            )
            assert await serve_in_process(given, until) == 0
            truth = rehearsal.truth()
        async with local.ledger("rehearsal") as ledger:
            sessions = [row.key async for row in ledger.sessions()]
            in_ledger = [row for session in sessions for row in await ledger.timeline(session)]
    assert spoilt[0] < 0.7
    result = score(truth, [_as_entry(row) for row in in_ledger])
    assert (result.f1, result.differences) == (1.0, []), result.explain()
    # Row for row what the same tapes give a tap that has never read them otherwise.
    again = await asyncio.to_thread(_rederive, *right, "--json")
    assert (again.returncode, again.stdout) == (0, ""), again.stdout
    assert "no difference" in again.stderr


def _shipped(service: Service) -> bool:
    return service.writer.run_in_writer(lambda journal: journal.counts()["pending"]).result(300) == 0


def _told(state: Path) -> list[Entry]:
    with Journal.open(state / "journal.db", readonly=True) as journal:
        return entries_of(journal)


def _rederive(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tap.cli", "rederive", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def _as_entry(row: Row) -> dict[str, object]:
    told = {"key": row.key, "op": row.op, "sessionKey": row.session_key, "version": row.version, "fields": row.fields}
    return told | {"revision": row.revision, "retracted": row.retracted}


def test_the_command_line_shows_the_difference(house: House) -> None:
    """For people a line a row, for programs an object a row; nothing is written without --apply."""
    house.start(mapping(NO_CUTS))
    house.open()
    house.shoot()
    house.stop()
    where = ("--state-dir", str(house.folder), "--dialect", "multicam/1")
    done = _rederive(*where)
    assert done.returncode == 0, done.stderr
    assert "hall/s1  4 added, 1 changed, 4 no longer there" in done.stdout
    assert "rows differ; --apply repairs them" in done.stderr
    objects = [json.loads(line) for line in _rederive(*where, "--json").stdout.splitlines()]
    assert sorted(told["change"] for told in objects) == ["added"] * 4 + ["changed"] + ["gone"] * 4
    (changed,) = [told for told in objects if told["change"] == "changed"]
    assert (changed["sessionKey"], set(changed["columns"])) == ("hall/s1", {"source"})
    refused = _rederive(*where, "--session", "hall/none")
    assert (refused.returncode, "neither tapes nor journal" in refused.stderr) == (1, True)


GAP = {"kind": "gap", "at": 5, "durationMs": 4_000, "detail": {"cause": "tap restart"}}
NEAR = {
    "a gap a second longer": (GAP, {**GAP, "durationMs": 5_000}, {"durationMs"}, True),
    "a gap that differs in more": (GAP, {**GAP, "durationMs": 5_000, "at": 6}, {"durationMs", "at"}, False),
    "a gap without a length": (GAP, {**GAP, "durationMs": None}, {"durationMs"}, False),
    "a gap of another length altogether": (GAP, {**GAP, "durationMs": 60_000}, {"durationMs"}, False),
    "a dissolve": ({"kind": "cut", "durationMs": 400}, {"kind": "cut", "durationMs": 500}, {"durationMs"}, False),
}


@pytest.mark.parametrize("case", NEAR)
def test_a_kill_explains_how_long_a_gap_is_and_nothing_else(case: str) -> None:
    """When the server was heard last is saved only now and then."""
    was, is_, columns, near = NEAR[case]
    assert _is_near("event", was, is_, {name: (was.get(name), is_.get(name)) for name in columns}) is near
