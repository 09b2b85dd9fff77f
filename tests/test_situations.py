"""Situations that real servers make: each tape gives what a director expects of the history.

The expectations are written by hand, from what was on the desk; nothing here is computed by the code under test.
Times are seconds after ``ZERO``.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tap.adapters.dialects import load_dialect
from tap.adapters.tape import open_tape
from tap.core.machine.state import Doubts
from tap.core.merge import Row, fold
from tap.core.model import Policy
from tap.core.pipeline import Pipeline
from tap.history.timeline import Timeline, timeline_of

FOLDER = Path(__file__).parent.parent / "fixtures" / "situations"
ZERO = 1_795_000_000_000


class Told:
    """What the tap makes of a tape."""

    def __init__(self, name: str) -> None:
        (path,) = FOLDER.glob(f"{name}.tape.jsonl*")
        with open_tape(path) as tape:
            header = tape.header
            self.pipeline = Pipeline(
                load_dialect(header.dialect or "multicam/1"),
                venue="local",
                tap="tape",
                policy=header.policy or Policy(),
            )
            entries = [entry for item in tape for entry in self.pipeline.feed(item)]
        self.rows: dict[str, Row] = fold(entries)

    @property
    def doubts(self) -> Doubts:
        return self.pipeline.state.doubts

    def events(self, *kinds: str) -> list[dict[str, Any]]:
        """In the order told."""
        found = [row.fields for row in self.rows.values() if row.op == "event"]
        return [fields for fields in found if fields["kind"] in kinds]

    def cuts(self) -> list[tuple[float, str]]:
        return [(_s(fields["at"]), fields["cameraId"]) for fields in self.events("cut")]

    def count(self) -> Counter[str]:
        return Counter(row.fields["kind"] for row in self.rows.values() if row.op == "event")

    def sessions(self) -> dict[str, dict[str, Any]]:
        return {row.key: row.fields for row in self.rows.values() if row.op == "session"}

    def stills(self) -> list[dict[str, Any]]:
        return [row.fields for row in self.rows.values() if row.op == "still"]

    def timeline(self, key: str) -> Timeline:
        timeline = timeline_of([row for row in self.rows.values() if row.session_key == key])
        assert timeline is not None
        return timeline

    def on_air(self, key: str) -> list[tuple[float, float, str]]:
        """From, to, camera: as the timeline draws it."""
        lanes = self.timeline(key).lanes
        return sorted((_s(span.start), _s(span.end), lane.camera_id) for lane in lanes for span in lane.on_air)


def _s(ms: int) -> float:
    return (ms - ZERO) / 1000


def test_a_server_that_restarts_under_its_old_boot_id() -> None:
    """Its numbers start anew: all that it tells afterwards counts, to the end."""
    told = Told("restart-same-boot-id")
    after = [cut for cut in told.cuts() if cut[0] > 13]
    assert [at for at, _ in after] == [16 + 10 * number for number in range(120)]
    assert [_s(fields["at"]) for fields in told.events("release")] == [1220]
    session = told.sessions()["local/S1"]
    assert (session["status"], _s(session["completedAt"])) == ("complete", 1230)
    assert told.doubts.scopes == 1


def test_numbers_that_count_each_type_by_itself() -> None:
    """What is told as such stays so: nothing is only inferred, and the contradiction is said once."""
    told = Told("seq-counts-per-type")
    assert told.count() == {"cut": 8, "hold": 1, "release": 1}
    assert {fields["trigger"] for fields in told.events("cut")} == {"operator"}
    assert told.doubts.untrusted


def test_a_state_with_the_time_of_the_cut_that_it_does_not_know() -> None:
    """Equal times order nothing: one cut, and none back."""
    assert Told("stale-state-same-second-ts").cuts() == [(5, "c2")]


def test_changes_within_one_second_of_a_coarse_clock() -> None:
    """Each has a row of its own, and the last one is on air."""
    told = Told("seconds-ts-same-second")
    assert told.count() == {"cut": 3, "hold": 2, "release": 2}
    assert [camera for _, camera in told.cuts()] == ["c2", "c1", "c2"]
    assert told.on_air("local/S1")[-1][2] == "c2"


def test_the_last_hundred_events_told_again_on_connect() -> None:
    """Nothing is counted twice, and the gap knows what is on now."""
    told = Told("burst-on-reconnect-ts-only")
    (session,) = told.sessions().values()
    assert session["finalState"]["counts"]["cut"] == 101
    (gap,) = told.events("gap")
    assert gap["detail"]["after"]["programCameraId"] == "c2"
    assert told.pipeline.tally.drift_ms is None


def test_a_greeting_every_ten_seconds_is_no_loss() -> None:
    """Same boot, one socket, and the numbers go on."""
    assert Told("hello-keepalive-every-10s").count() == {"cut": 6}


def test_ids_of_stills_that_start_again_with_a_boot() -> None:
    """Four stills were asked for and taken."""
    told = Told("still-ids-reused-after-server-restart")
    assert told.count() == {"still_marker": 4, "still_capture": 4, "gap": 1}
    assert [still["status"] for still in told.stills()] == ["uploaded"] * 4
    assert sorted(still["storageKey"] for still in told.stills()) == [
        *("s/1/c1/20.heic", "s/1/c1/5.heic", "s/2/c1/24.heic", "s/2/c1/8.heic"),
    ]


def test_an_upload_nine_sessions_later() -> None:
    """It belongs to the session that asked for it, and the one that runs gets nothing."""
    told = Told("upload-after-9-sessions")
    (still,) = told.stills()
    assert still["status"] == "uploaded"
    assert [row.session_key for row in told.rows.values() if row.op == "still"] == ["local/S1"]


def test_twelve_hundred_stills_uploaded_late() -> None:
    """All of them arrive."""
    told = Told("1200-stills-late-uploads")
    assert Counter(still["status"] for still in told.stills()) == {"uploaded": 1200}


def test_a_phone_that_tells_its_local_time() -> None:
    """A time later than the frame that tells it, or long before the session, is not believed, and kept beside."""
    told = Told("taken_at-phone-local-time")
    captures = told.events("still_capture")
    assert [_s(fields["at"]) for fields in captures] == [5.2, 9]
    assert [_s(fields["detail"]["takenAt"]) for fields in captures] == [7205, -86]
    assert told.stills()[0]["programCameraId"] == "c2"


def test_the_program_turns_to_nothing_and_back() -> None:
    """The camera was on until it was told off; that is a row, and no cut."""
    told = Told("program-to-none-and-back")
    assert told.count() == {"cut": 2, "off_air": 1}
    (off,) = told.events("off_air")
    assert (_s(off["at"]), off["fromCameraId"], off["trigger"]) == (10, "c2", "operator")
    assert told.on_air("local/S1") == [(1, 5, "c1"), (5, 10, "c2"), (20, 25, "c2")]


def test_states_that_show_the_old_program_until_a_dissolve_ends() -> None:
    """One dissolve, two seconds long."""
    (cut,) = Told("dissolve-state-shows-old-until-end").events("cut")
    assert (_s(cut["at"]), cut["cameraId"], cut["transition"], cut["durationMs"]) == (5, "c2", "dissolve", 2000)


def test_a_clock_that_steps_back_five_seconds() -> None:
    """Rows keep the server's times; they are read in the order in which it happened."""
    told = Told("ntp-step-back-5s-cut-soon")
    assert [camera for _, camera in told.cuts()] == ["c2", "c1", "c3", "c2"]
    assert [camera for _, _, camera in told.on_air("local/S1")] == ["c1", "c2", "c1", "c3", "c2"]
    assert told.on_air("local/S1")[-2][:2] == (31, 33)


def test_states_by_another_clock_than_cuts() -> None:
    """Three seconds behind: c2, then c3, and c2 was on until then."""
    told = Told("state-older-clock-3s-noseq")
    events = told.timeline("local/S1").events
    assert [event.camera_id for event in events if event.kind == "cut"] == ["c2", "c3"]
    assert all(event.moment >= ZERO + 5000 for event in events if event.kind == "cut")
    assert told.pipeline.state.program.value == "c3"


def test_a_clock_set_back_a_minute_during_a_hold() -> None:
    """The hold lasted forty seconds, and c2 was on for 145."""
    told = Told("clock-set-back-60s")
    timeline = told.timeline("local/S1")
    assert [hold.length for hold in timeline.holds] == [40_000]
    lengths = {camera: end - start for start, end, camera in told.on_air("local/S1")}
    assert lengths["c2"] == 145


def test_a_batch_that_tells_the_newer_cut_first() -> None:
    """Both are rows, at their own times."""
    told = Told("batch-out-of-order")
    assert sorted(told.cuts()) == [(5, "c2"), (5.4, "c3")]
    assert told.pipeline.state.program.value == "c3"


def test_a_cut_told_again_under_its_id_with_a_new_time() -> None:
    """It is the same cut."""
    assert Told("re-told-with-new-ts-same-cut_id").cuts() == [(5, "c2"), (9, "c3")]


@pytest.mark.parametrize("name", ["session-empty-object-for-none", "session-id-empty-string"])
def test_other_words_for_no_session(name: str) -> None:
    """One session, from 3 to 9."""
    sessions = Told(name).sessions()
    assert list(sessions) == ["local/S1"]
    assert (_s(sessions["local/S1"]["startedAt"]), _s(sessions["local/S1"]["completedAt"])) == (3, 9)


def test_json_within_json() -> None:
    """S1 with its cut, as the frames inside say; never a session without id."""
    told = Told("nested-json-string")
    assert list(told.sessions()) == ["local/S1"]
    assert told.cuts() == [(5, "c2")]


def test_a_null_and_a_missing_mode() -> None:
    """No change of mode."""
    told = Told("null-vs-missing")
    assert "mode_change" not in told.count()
    assert told.cuts() == [(5, "c2")]


def test_a_show_that_fades_to_black_for_two_seconds() -> None:
    """One show."""
    told = Told("program-policy-fade-to-black")
    assert len(told.sessions()) == 1
    assert told.count() == {"cut": 4, "off_air": 1}


@pytest.mark.parametrize("name", ["words-first", "ts-first"])
def test_the_order_of_the_keys_in_a_frame(name: str) -> None:
    """The same states, however they are written."""
    assert [at for at, _ in Told(name).cuts()] == [10, 20, 30, 40]
