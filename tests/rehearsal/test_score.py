"""The scorer finds every mistake that a history can have, and none in one that has none."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from tap.core.model import Entry
from tap.rehearsal.performance import truth_of_shoot
from tap.rehearsal.score import KindScore, score
from tap.rehearsal.shoot import plan_shoot
from tap.rehearsal.truth import EventTruth, SessionTruth, StillTruth, Truth, TruthHeader
from tests.rehearsal.perfect import entries

History = list[dict[str, Any]]


@cache
def truth() -> Truth:
    """A shoot with everything in it: seed 14 completes a session and misses some of it."""
    return truth_of_shoot(plan_shoot(14, faults=["all"], sessions=2))


@pytest.fixture
def history() -> History:
    return copy.deepcopy(entries(truth()))


def first(history: History, op: str, **fields: Any) -> dict[str, Any]:
    """The first entry of an op whose fields are these."""
    return next(
        entry
        for entry in history
        if entry["op"] == op and all(entry["fields"].get(name) == value for name, value in fields.items())
    )


def exact_cut(history: History) -> dict[str, Any]:
    """A cut whose time stood in its frame."""
    times = {event.at for event in truth().carried if event.kind == "cut" and event.exact}
    return next(entry for entry in history if entry["fields"].get("kind") == "cut" and entry["fields"]["at"] in times)


def test_what_is_right_is_perfect(history: History) -> None:
    """A history made from the truth differs in nothing, as JSON and as entries."""
    result = score(truth(), history)
    assert result.perfect, result.explain()
    assert result.f1 == 1.0
    assert "nothing differs" in result.explain()
    as_entries = [
        Entry(key=e["key"], op=e["op"], session_key=e["sessionKey"], version=1, fields=e["fields"]) for e in history
    ]
    assert score(truth(), as_entries).perfect


def drop(history: History) -> None:
    history.remove(exact_cut(history))


def double(history: History) -> None:
    history.append({**exact_cut(history), "key": "another key"})


def shift(history: History) -> None:
    exact_cut(history)["fields"]["at"] += 1


def wrong_camera(history: History) -> None:
    exact_cut(history)["fields"]["cameraId"] = "cam-99"


def wrong_origin(history: History) -> None:
    exact_cut(history)["fields"]["fromCameraId"] = "cam-99"


def wrong_trigger(history: History) -> None:
    exact_cut(history)["fields"]["trigger"] = "nobody"


def wrong_session(history: History) -> None:
    exact_cut(history)["sessionKey"] = "rehearsal/other"


def wrong_mode(history: History) -> None:
    first(history, "event", kind="mode_change")["fields"]["detail"]["to"] = "ghost town"


def gap_missing(history: History) -> None:
    history.remove(first(history, "event", kind="gap"))


def gap_doubled(history: History) -> None:
    history.append({**first(history, "event", kind="gap"), "key": "again"})


def still_state(history: History) -> None:
    first(history, "still", status="uploaded")["fields"]["status"] = "captured"


def still_missing(history: History) -> None:
    history.remove(first(history, "still"))


def still_invented(history: History) -> None:
    still = copy.deepcopy(first(history, "still"))
    still["key"], still["fields"]["stillId"] = "more", "still-99"
    history.append(still)


def not_completed(history: History) -> None:
    row = first(history, "session", status="complete")["fields"]
    row["status"] = "live"


def final_program(history: History) -> None:
    first(history, "session")["fields"]["finalState"]["programCameraId"] = "cam-99"


def final_cameras(history: History) -> None:
    first(history, "session")["fields"]["finalState"]["camerasOnline"].pop()


def completed_late(history: History) -> None:
    first(history, "session", status="complete")["fields"]["completedAt"] += 1


def session_missing(history: History) -> None:
    history.remove(first(history, "session"))


def session_doubled(history: History) -> None:
    row = copy.deepcopy(first(history, "session"))
    row["key"] += "@1"
    history.append(row)


def camera_missing(history: History) -> None:
    history.remove(first(history, "camera"))


def camera_invented(history: History) -> None:
    row = copy.deepcopy(first(history, "camera"))
    row["key"], row["fields"]["cameraId"] = "more", "cam-99"
    history.append(row)


def camera_left(history: History) -> None:
    row = next(row for row in truth().cameras if row.left_at is None)
    first(history, "camera", cameraId=row.camera_id)["fields"]["leftAt"] = 5


def camera_renamed(history: History) -> None:
    next(e for e in history if e["op"] == "camera" and "name" in e["fields"])["fields"]["name"] = "?"


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (drop, "missed: cut"),
        (double, "doubled: cut"),
        (shift, "invented: cut"),
        (wrong_camera, "invented: cut cam-99"),
        (wrong_origin, "fromCameraId is 'cam-99'"),
        (wrong_trigger, "trigger is 'nobody'"),
        (wrong_session, "missed: cut"),
        (wrong_mode, "detail.to is 'ghost town'"),
        (gap_missing, "missed: gap"),
        (gap_doubled, "doubled: gap"),
        (still_state, "status is 'captured'"),
        (still_missing, "missed: still"),
        (still_invented, "invented: still"),
        (not_completed, "status is 'live'"),
        (final_program, "programCameraId is 'cam-99'"),
        (final_cameras, "camerasOnline is"),
        (completed_late, "completedAt is"),
        (session_missing, "missed: session"),
        (session_doubled, "doubled: session"),
        (camera_missing, "missed: camera"),
        (camera_invented, "invented: camera"),
        (camera_left, "leftAt is 5"),
        (camera_renamed, "name is '?'"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_each_mistake_is_found_and_named(history: History, spoil: Callable[[History], None], word: str) -> None:
    """One thing wrong in a whole history is enough, and the explanation says which."""
    spoil(history)
    result = score(truth(), history)
    assert not result.perfect
    assert word in result.explain()


def test_a_dropped_a_doubled_and_a_shifted_event_cost_f1(history: History) -> None:
    """F1 falls below 1.0 for each kind of mistake with events."""
    for spoil in (drop, double, shift):
        spoiled = copy.deepcopy(history)
        spoil(spoiled)
        assert score(truth(), spoiled).kinds["cut"].f1 < 1.0
    assert KindScore().f1 == 1.0


def test_what_nobody_could_see_is_invented(history: History) -> None:
    """A cut inside a blackout did happen, and still must not be told; the scorer says that it knows it."""
    hidden = next(event for event in truth().events if not event.carried and event.kind == "cut")
    fields = {"kind": "cut", "at": hidden.at, "cameraId": hidden.camera_id}
    session = f"rehearsal/{hidden.session_id}"
    history.append({"key": "x", "op": "event", "sessionKey": session, "version": 1, "fields": fields})
    assert "where nobody could see it" in score(truth(), history).explain()


def test_the_frame_replaces_what_a_snapshot_told(history: History) -> None:
    """Under one key, an event that is not inferred stands, whichever came first."""
    cut = exact_cut(history)
    inferred = copy.deepcopy(cut)
    inferred["fields"] |= {"trigger": "unknown", "detail": {"inferred": True}, "at": cut["fields"]["at"] + 500}
    assert score(truth(), [inferred, *history]).perfect
    assert score(truth(), [*history, inferred]).perfect


def test_the_last_version_of_a_row_stands(history: History) -> None:
    """An older version that comes later changes nothing; a newer one does."""
    row = copy.deepcopy(first(history, "session"))
    row["fields"]["status"] = "live"
    assert score(truth(), [*history, {**row, "version": 0}]).perfect
    assert not score(truth(), [*history, {**row, "version": 2}]).perfect


def test_a_time_that_only_the_receiver_knew_may_be_off_a_little(history: History) -> None:
    """Where the frame had no time, the tolerance counts; where it had one, nothing does."""
    loose = next(event for event in truth().carried if not event.exact)
    entry = next(
        entry for entry in history if entry["fields"].get("kind") == loose.kind and entry["fields"]["at"] == loose.at
    )
    entry["fields"]["at"] += 100
    assert score(truth(), history).perfect
    assert not score(truth(), history, tolerance_ms=50).perfect


def judged(*events: EventTruth, told: list[dict[str, Any]], stills: tuple[StillTruth, ...] = ()) -> list[str]:
    """What differs between a truth of these, and entries with these fields (``key`` and ``op`` apart)."""
    meant = Truth(
        header=TruthHeader(seed=0, options={}, venue="hall"),
        sessions=[SessionTruth(session_id="s1")],
        cameras=[],
        stills=list(stills),
        events=list(events),
        doubts=[],
        final=truth().final,
    )
    history = [
        {"key": "hall/s1", "op": "session", "sessionKey": "hall/s1", "version": 1, "fields": {"sessionId": "s1"}}
    ]
    for number, fields in enumerate(told):
        key, op = fields.pop("key", f"hall/s1/{number}"), fields.pop("op", "event")
        history.append({"key": key, "op": op, "sessionKey": "hall/s1", "version": 1, "fields": fields})
    return [text for text in score(meant, history).differences if "session" not in text]


def cut(at: int, **more: Any) -> EventTruth:
    return EventTruth(session_id="s1", kind="cut", at=at, camera_id="c1", **more)


def test_an_event_that_a_snapshot_told_too_leaves_that_time_to_the_event_of_it() -> None:
    """The time of the second is also a right one for the first; each has its own."""
    wanted = cut(500, also=[300]), cut(300)
    assert judged(*wanted, told=[{"kind": "cut", "cameraId": "c1", "at": at} for at in (300, 500)]) == []


def test_changes_that_only_the_receiver_dated_are_told_apart_by_what_they_say() -> None:
    """Both were read ten milliseconds late, so that the first is nearest to the time of the second."""
    wanted = [
        EventTruth(session_id="s1", kind="mode_change", at=at, exact=False, from_mode=was, to_mode=now)
        for at, was, now in ((300, "ghost", "performance"), (310, "performance", "rehearsal"))
    ]
    told = [
        {"kind": "mode_change", "at": at, "detail": {"from": was, "to": now}}
        for at, was, now in ((310, "ghost", "performance"), (320, "performance", "rehearsal"))
    ]
    assert judged(*wanted, told=told) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"transition": "cut"}, {"transition": "dissolve"}),
        ({"transition": "dissolve", "durationMs": 240}, {"transition": "dissolve", "durationMs": 680}),
    ],
)
def test_cuts_of_one_time_are_told_apart_by_what_they_say(one: dict[str, Any], other: dict[str, Any]) -> None:
    """One is doubtful, so the other is paired first."""
    wanted = [
        cut(300, transition=said["transition"], duration_ms=said.get("durationMs"), doubtful=said is one)
        for said in (one, other)
    ]
    assert judged(*wanted, told=[{"kind": "cut", "cameraId": "c1", "at": 300, **said} for said in (one, other)]) == []


def test_changes_of_the_mode_of_one_time_are_told_apart_by_where_they_came_from() -> None:
    """One of them is in a time of doubt: the other is the one that is required."""
    wanted = EventTruth(session_id="s1", kind="mode_change", at=300, from_mode="ghost", to_mode="photoshoot")
    told = [
        {"kind": "mode_change", "at": 300, "detail": {"from": was, "to": "photoshoot"}} for was in ("idle", "ghost")
    ]
    assert [text.partition(":")[0] for text in judged(wanted, told=told)] == ["doubled"]


def test_stills_that_share_an_id_are_in_the_order_of_their_keys() -> None:
    """The clock was set back: the second was asked for at an earlier time."""
    key = "hall/s1/still/1/c1"
    rows = [
        {
            "op": "still",
            "key": key,
            "stillId": "1",
            "cameraId": "c1",
            "status": "requested",
            "requestedAt": 900,
            "sha256": "a",
        },
        {
            "op": "still",
            "key": f"{key}/2",
            "stillId": "1",
            "cameraId": "c1",
            "status": "requested",
            "requestedAt": 100,
            "sha256": "b",
        },
    ]
    wanted = tuple(StillTruth(session_id="s1", still_id="1", camera_id="c1", sha256=sha) for sha in "ab")
    assert judged(told=rows, stills=wanted) == []
