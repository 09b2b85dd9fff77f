"""What a session has to remember is saved by what changed of it, and comes back as it was."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import Struct, structs

from tap.adapters.dialects import load_dialect
from tap.adapters.tape import open_tape
from tap.core.machine.memory import ALL_OF_IT, Checkpoint
from tap.core.machine.state import Aspect, State, decode_state, encode_state
from tap.core.model import Policy
from tap.core.pipeline import Pipeline
from tests.core.stage import T0, Stage

TAPES = sorted(Path(__file__).parent.parent.parent.glob("fixtures/multicam-1/*.tape.jsonl"))


class Disk:
    """Keeps what is saved, as a journal does."""

    def __init__(self) -> None:
        self.state = b""
        self.records: dict[str, bytes] = {}

    def keep(self, saved: Checkpoint) -> None:
        self.state = saved.state
        if saved.whole:
            self.records.clear()
        for name, record in saved.memory.items():
            if record is not None:
                self.records[name] = record
            elif name.endswith(ALL_OF_IT):
                self.records = {key: kept for key, kept in self.records.items() if not key.startswith(name[:-1])}
            else:
                self.records.pop(name, None)


@pytest.mark.parametrize("path", TAPES, ids=lambda path: path.name.removesuffix(".tape.jsonl"))
def test_whatever_is_saved_comes_back(path: Path) -> None:
    """At every fifth item of a tape, what was saved so far gives the very state that the machine has."""
    with open_tape(path) as tape:
        dialect = load_dialect(tape.header.dialect or "multicam/1")
        pipeline = Pipeline(dialect, venue="hall", tap="tap", policy=tape.header.policy or Policy())
        disk = Disk()
        for number, item in enumerate(tape):
            pipeline.feed(item)
            disk.keep(pipeline.save())
            if number % 5 == 0:
                back = Pipeline(
                    dialect,
                    venue="hall",
                    tap="tap",
                    policy=tape.header.policy or Policy(),
                    checkpoint=disk.state,
                    memory=disk.records.items(),
                )
                assert back.state == pipeline.state
                assert not back.save().memory


def test_a_session_that_is_over_takes_its_late_upload_after_a_restart() -> None:
    """However many sessions later: its stills lie in records of their own."""
    stage = Stage().shoot()
    stage.say("still_captured", still_id="a1", camera_id="c1")
    stage.later(1000).say("session_ended", session_id="s1")
    for number in range(2, 30):
        stage.later(1000).say("session_started", session={"id": f"s{number}"})
        stage.later(1000).say("session_ended", session_id=f"s{number}")
    disk = Disk()
    disk.keep(stage.pipeline.save(everything=True))
    assert len(disk.state) < 10_000
    stage.pipeline = Pipeline(
        load_dialect("multicam/1"), venue="studio", tap="tap-a", checkpoint=disk.state, memory=disk.records.items()
    )
    stage.say("still_uploaded", still_id="a1", camera_id="c1", storage_key="k")
    assert stage.still("a1", "c1")["status"] == "uploaded"
    assert stage.still("a1", "c1")["storageKey"] == "k"


def test_the_oldest_sessions_are_given_up_with_all_their_records() -> None:
    """Past two hundred, and the operator can see that there were too many."""
    stage, disk = Stage(), Disk()
    for number in range(205):
        stage.later(1000).say("session_started", session={"id": f"s{number}"})
        stage.say("still_captured", still_id=f"a{number}", camera_id="c1")
        stage.later(1000).say("session_ended", session_id=f"s{number}")
        disk.keep(stage.pipeline.save())
    assert len(stage.pipeline.state.ended) == 200
    assert {name.split(":")[1] for name in disk.records} == {str(number) for number in range(6, 206)}
    assert stage.pipeline.state.doubts.forgotten > 0
    # And what may be theirs is given to nobody.
    stage.later(1000).say("session_started", session={"id": "now"})
    before = len(stage.entries)
    stage.say("still_uploaded", still_id="a0", camera_id="c1", storage_key="k")
    assert len(stage.entries) == before
    assert stage.pipeline.state.doubts.unplaced == 1


def test_sessions_of_last_month_are_given_up_one_at_a_time() -> None:
    """So that a clock that was set cannot make the tap forget them all."""
    stage = Stage()
    for number in range(5):
        stage.later(1000).say("session_started", session={"id": f"s{number}"})
        stage.later(1000).say("session_ended", session_id=f"s{number}")
    stage.later(40 * 86_400_000)
    stage.say("session_started", session={"id": "later"})
    stage.later(1000).say("session_ended", session_id="later")
    assert [over.id for over in stage.pipeline.state.ended] == ["s1", "s2", "s3", "s4", "later"]
    assert stage.pipeline.state.doubts.forgotten == 0


def test_a_checkpoint_of_0_1_0_goes_on() -> None:
    """Its stills and the ids that were asked for are taken over, and saved as records from then on."""
    stage = Stage().shoot()
    stage.say("still_requested", still_id="a1", camera_ids=["c1"])
    state = decode_state(stage.pipeline.checkpoint())
    assert state.session is not None
    state.session.markers = {"a1": T0 + 2000}
    state.session.asked = {"a1": T0 + 2000}
    state.session.takes, state.session.number, state.sessions_begun = {}, 0, 0
    old = Pipeline(load_dialect("multicam/1"), venue="studio", tap="tap-a", checkpoint=encode_state(state))
    saved = old.save()
    assert saved.whole
    assert {name.split(":")[2] for name in saved.memory} >= {"t", "u"}
    stage.pipeline = old
    before = len(stage.events("still_marker"))
    stage.later(500).say("still_requested", still_id="a1", camera_ids=["c1"], ts=2000)
    assert len(stage.events("still_marker")) == before


def test_a_still_that_0_1_0_saw_captured_is_another_when_it_is_asked_for_again() -> None:
    """0.1.0 kept the time of the capture in the still's row alone."""
    stage = Stage().shoot()
    stage.say("still_requested", still_id="a1", camera_ids=["c1"])
    stage.later(300).say("still_captured", still_id="a1", camera_id="c1", taken_at=T0 + stage.now)
    state = decode_state(stage.pipeline.checkpoint())
    assert state.session is not None
    state.session.markers, state.session.asked = {"a1": T0 + 2000}, {"a1": T0 + 2000}
    state.session.takes = {}
    stage.pipeline = Pipeline(load_dialect("multicam/1"), venue="studio", tap="tap-a", checkpoint=encode_state(state))
    stage.later(5_000).say("still_requested", still_id="a1", camera_ids=["c1"])
    assert len(stage.events("still_marker")) == 2


@pytest.mark.parametrize(
    ("kept", "names"),
    [
        (
            State,
            "ended session phase program hold mode recording session_mark session_seen titled frames_seen held"
            " late_held cameras history program_since recent seen bare tracks epoch numbering era eras boots clock"
            " chain_broken left_out cover intervals news snapshot_mono explicit_mono fine numbers doubts connection"
            " connections boot server_version profile collection files heading cause wall mono heard lived reader"
            " clock_offset offset_before",
        ),
        (Aspect, "value known sure mark guessed late last late_seq"),
    ],
)
def test_names_inside_a_checkpoint_are_a_format(kept: type[Struct], names: str) -> None:
    """A field may be called otherwise in the code; what was saved under a name is read under that name."""
    assert [field.encode_name for field in structs.fields(kept)] == names.split()
