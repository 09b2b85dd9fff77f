"""What the fields of frames prove: the rule by which a history is judged, case by case."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from tap.rehearsal.doubts import DissolveCover, FrameDoubts, PendingChange
from tap.rehearsal.evidence import FrameFields, Order, RestingOn, Runs, SeenFrames, envelopes, order_of
from tap.rehearsal.silence import SnapshotRhythm
from tap.rehearsal.truth import EventTruth

T0 = 1_795_000_000_000


def frame(
    kind: str = "cut", *, ts: int | None = None, seq: int | None = None, wall: int = 0, **more: Any
) -> FrameFields:
    """A frame of boot b1 on connection 1; ``ts`` in ms from the shoot's zero."""
    said: dict[str, Any] = {"boot": "b1", "connection": 1, **more}
    return FrameFields(type=kind, ts=None if ts is None else T0 + ts, seq=seq, wall=wall, **said)


def resting_on(*frames: FrameFields) -> RestingOn:
    """The first is an explicit change, the others confirmed it."""
    mark = RestingOn()
    for number, one in enumerate(frames):
        mark.rest(one, explicit=number == 0)
    return mark


# ---------------------------------------------------------------------------------------------- which is newer


@pytest.mark.parametrize(
    ("new", "known", "newer"),
    [
        (frame(seq=7, ts=10), frame(seq=6, ts=99), "after"),  # seq goes before ts
        (frame(seq=5, ts=99), frame(seq=6, ts=10), "before"),
        (frame(seq=6, ts=20), frame(seq=6, ts=10), "after"),  # equal numbers order nothing
        (frame(ts=20), frame(seq=6, ts=10), "after"),
        (frame(ts=10), frame(ts=10), "unknown"),  # equal times order nothing
        (frame(ts=9), frame(ts=10), "before"),
        (frame(ts=-10_001), frame(ts=0), "after"),  # a clock that was set
        (frame(ts=-10_000), frame(ts=0), "before"),
        (frame(), frame(seq=6, ts=10), "unknown"),
        (frame(seq=1, boot="b2", ts=20), frame(seq=6, ts=10), "after"),  # another boot: only ts is left
        (frame(seq=1, run=2, ts=10), frame(seq=6, run=1, ts=10), "after"),  # the counter started anew
        (frame("state", seq=9, loose=True), frame("cut", seq=6), "unknown"),  # refuted: types count by themselves
        (frame("state", seq=9, loose=True), frame("state", seq=6), "after"),
    ],
)
def test_which_of_two_frames_is_newer(new: FrameFields, known: FrameFields, newer: Order) -> None:
    assert order_of(new, resting_on(known)) == newer


def test_an_explicit_change_rests_on_nothing_older() -> None:
    """A number from before it orders nothing that comes after it."""
    mark = resting_on(frame(seq=6), frame("state", seq=7))
    mark.rest(frame(ts=50), explicit=True)
    assert order_of(frame("state", seq=5), mark) == "unknown"


# ---------------------------------------------------------------------------------------------- the counter


def placed(*frames: FrameFields) -> list[FrameFields]:
    runs = Runs()
    runs.connect()
    return [runs.place(one, wall=number) for number, one in enumerate((frame("hello", boot="b1"), *frames))][1:]


def test_a_lower_number_with_a_later_time_starts_a_new_run() -> None:
    one, two, three = placed(frame(seq=50, ts=10), frame(seq=3, ts=20), frame(seq=4, ts=30))
    assert one.run < two.run == three.run
    assert (one.loose, two.loose) == (False, True)


def test_a_lower_number_alone_starts_none() -> None:
    """It may be a frame that comes late."""
    one, two, three = placed(frame(seq=50, ts=10), frame(seq=49, ts=10), frame(seq=3))
    assert one.run == two.run == three.run


def test_a_lower_number_that_comes_first_on_a_connection_starts_a_new_run() -> None:
    runs = Runs()
    runs.connect()
    first = runs.place(frame(seq=50), wall=0)
    runs.connect()
    assert runs.place(frame(seq=3), wall=1).run > first.run
    assert not runs.refuted


# ---------------------------------------------------------------------------------------------- identity


def seen(*frames: FrameFields, session: str = "s1") -> SeenFrames:
    known = SeenFrames()
    for one in frames:
        known.add(one, session)
    return known


def test_an_id_that_was_seen_is_the_same_event_whatever_its_time() -> None:
    assert seen(frame(own_id="c1", ts=10)).told_before(frame(own_id="c1", ts=999), "s1")


def test_an_id_is_good_for_one_boot_one_session_and_one_run() -> None:
    known = seen(frame(own_id="c1", ts=10))
    for again in (frame(own_id="c1", ts=999, boot="b2"), frame(own_id="c1", ts=999, run=1)):
        assert not known.told_before(again, "s1")
        assert known.new(again, "s1")
    assert known.new(frame(own_id="c1", ts=999), "s2")


def test_an_id_with_the_time_that_it_had_is_the_same_event_in_any_boot() -> None:
    assert seen(frame(own_id="c1", ts=10)).told_before(frame(own_id="c1", ts=10, boot="b2"), "s1")


def test_without_id_a_time_that_has_gone_by_tells_a_retelling() -> None:
    """As long as it is the newest time, the same frame may be another event: a change that it makes is believed."""
    known = seen(frame(subject="c2", ts=10))
    assert not known.told_before(frame(subject="c2", ts=10), "s1")
    known.clock(frame("state", ts=11))
    assert known.told_before(frame(subject="c2", ts=10), "s1")
    assert not known.told_before(frame(subject="c3", ts=10), "s1")


def test_without_anything_nothing_is_known_again() -> None:
    known = seen(frame(subject="c2"))
    assert not known.told_before(frame(subject="c2"), "s1")
    assert not known.new(frame(subject="c2"), "s1")


# ---------------------------------------------------------------------------------------------- what is in doubt


def cut(doubts: FrameDoubts, one: FrameFields) -> EventTruth:
    """An explicit frame that changes program."""
    event = EventTruth(session_id="s1", kind="cut", at=0)
    doubts.env = doubts.runs.place(one, one.wall)
    doubts.take("program", event, was=None)
    doubts.frames.add(doubts.env, "s1")
    return event


def test_the_third_change_in_a_row_that_seq_calls_old_refutes_it_for_all_three() -> None:
    doubts = FrameDoubts()
    doubts.session = "s1"
    doubts.runs.connect()
    cut(doubts, frame(seq=100, subject="c1"))
    doubts.read("{}", 0)
    one, two = cut(doubts, frame(seq=1, subject="c2")), cut(doubts, frame(seq=2, subject="c3"))
    assert (one.doubtful, two.doubtful) == (True, True)
    three = cut(doubts, frame(seq=3, subject="c1"))
    assert [event.doubtful for event in (one, two, three)] == [False, False, False]


def test_a_change_that_only_a_snapshot_told_is_proved_by_a_newer_one() -> None:
    """Within two seconds of an explicit change, and with nothing to order them, it may be an old snapshot."""
    doubts, event = FrameDoubts(), EventTruth(session_id="s1", kind="cut", at=0)
    cut(doubts, frame(subject="c1", wall=0))
    doubts.env = frame("state", wall=1_999)
    doubts.shown_otherwise("program", event, "c1", hidden=False)
    assert event.doubtful
    assert doubts.unsure("program")
    doubts.env = frame("state", wall=2_000)
    doubts.shown_again("program", "b", hidden=False)
    assert not event.doubtful
    assert event.also == [2_000]


def test_a_snapshot_that_a_number_orders_proves_at_once() -> None:
    doubts, event = FrameDoubts(), EventTruth(session_id="s1", kind="cut", at=0)
    cut(doubts, frame(subject="c1", seq=5))
    doubts.env = structs.replace(doubts.env, type="state", seq=6)
    doubts.shown_otherwise("program", event, "c1", hidden=False)
    assert not event.doubtful


def test_a_told_dissolve_covers_its_length_by_either_clock() -> None:
    """What shows the old camera or none within it says nothing; another camera does, and so does what comes later."""
    cover = DissolveCover("c1", "c2", frame(ts=0, wall=0), length=2_000)
    assert cover.hides("c1", frame("state", ts=1_900, wall=9_000))
    assert cover.hides(None, frame("state", wall=1_900))
    assert not cover.hides("c3", frame("state", ts=100, wall=100))
    assert not cover.hides("c1", frame("state", ts=3_100, wall=3_100))


@pytest.mark.parametrize(
    ("told", "state", "open_"),
    [
        (frame(ts=0, coarse=True), frame("state", ts=2_000, coarse=True, wall=4_000), True),
        (frame(ts=0, coarse=True), frame("state", ts=2_000, coarse=True, wall=2_700), False),  # received within it
        (frame(ts=0, coarse=True), frame("state", ts=1_000, coarse=True, wall=4_000), False),  # surely made within it
        (frame(ts=0), frame("state", ts=2_001, wall=4_000), False),  # exact times say it
    ],
)
def test_whole_seconds_may_leave_open_whether_a_dissolve_was_over(
    told: FrameFields, state: FrameFields, open_: bool
) -> None:
    """By the receiver's clock it was."""
    assert DissolveCover("c1", "c2", told, length=2_240).may_be_over(state) == open_


# ---------------------------------------------------------------------------------------------- silence


def regular(*, every_ms: int = 2_000, new: bool = False, count: int = 10) -> SnapshotRhythm:
    server = SnapshotRhythm()
    for number in range(count):
        server.came(number * every_ms, new=new, session=True, prompted=False)
    return server


def test_a_regular_server_is_out_of_sight_after_a_minute_and_ten_times_its_longest_interval() -> None:
    last = 9 * 2_000
    assert regular().out_of_sight(last + 79_999) is None
    assert regular().out_of_sight(last + 80_000) is False
    assert regular().out_of_sight(last + 81_000) is True


@pytest.mark.parametrize("server", [regular(count=9), regular(every_ms=60_001), regular(new=True), SnapshotRhythm()])
def test_who_is_not_regular_may_be_silent(server: SnapshotRhythm) -> None:
    assert server.out_of_sight(10**9) is None


# ---------------------------------------------------------------------------------------------- reading


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"type":"cut","ts":1795000000000,"seq":4,"to":"c2","cut_id":7}', FrameFields("cut", T0, True, 4, "7", "c2")),
        (
            '{"event":"cut","data":{"ts":1795000000.5,"to":3,"cutId":"x"}}',
            FrameFields("cut", T0 + 500, False, None, "x", "3"),
        ),
        (
            '{"type":"hold","payload":{"deviceId":"c1"},"ts":"2026-11-18T11:06:40Z"}',
            FrameFields("hold", T0, True, subject="c1"),
        ),
        ('{"type":"state","ts":true,"seq":"5"}', FrameFields("state")),
        ("5", FrameFields()),
    ],
)
def test_an_envelope_is_read_in_every_dialect_of_the_server(text: str, expected: FrameFields) -> None:
    assert [structs.replace(read, words="") for read in envelopes(text)] == [expected]


def test_a_batch_has_an_envelope_for_each_part_and_rubbish_has_none() -> None:
    assert [one.type for one in envelopes('[5,{"type":"cut"},null,{"type":"state"}]')] == ["", "cut", "", "state"]
    assert envelopes("{") == envelopes(b"\xff\x00") == envelopes("[" * 5_000) == []


def test_the_same_words_at_the_same_millisecond_prove_no_second_event() -> None:
    """A hold, a release and the same hold within one ms: without ids and numbers it may only be told again."""
    said = '{"type":"hold","ts":1795000000123,"camera_id":"c1","by":"operator"}'
    doubts = FrameDoubts()
    proved = []
    for data in (said, said.replace('"operator"', '"ghost"'), said):
        (doubts.env,) = doubts.read(data, 0)
        proved.append(doubts.take("hold", EventTruth(session_id="s1", kind="hold", at=0), None))
        doubts.frames.add(doubts.env, "s1")
    assert proved == [True, True, False]


def test_a_change_and_its_way_back_that_nothing_proves_are_both_in_doubt() -> None:
    """A snapshot that shows what was before both shows neither."""
    doubts, event = FrameDoubts(), EventTruth(session_id="s1", kind="release", at=0)
    doubts.pending["hold"] = PendingChange(event, RestingOn(), was=False)
    event.doubtful = True
    doubts.env = frame("state", wall=9_000)
    doubts.shown_again("hold", False, hidden=False)
    assert event.doubtful


def test_a_change_that_is_pending_as_its_session_ends_stays_without_proof() -> None:
    """A snapshot after the end shows it, too; whether it was before the end, it does not say."""
    doubts, event = FrameDoubts(), EventTruth(session_id="s1", kind="release", at=0)
    doubts.pending["hold"] = PendingChange(event, RestingOn(), was=True)
    event.doubtful = True
    doubts.session_over()
    doubts.env = frame("state", wall=9_000)
    doubts.shown_again("hold", False, hidden=False)
    assert event.doubtful
