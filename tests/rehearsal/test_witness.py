"""What the witness says of a handful of frames: which events a history has to have, and which it may have or not.

A rule that leaves something open is an excuse for whoever has only the frames. So each stands beside the case in which
the frames do tell, and nothing is excused.
"""

from __future__ import annotations

import json
from typing import Any, Self

import pytest
from msgspec import UNSET, structs

from tap.rehearsal.truth import Down, EventTruth, Heard, Item, Missed, StillTruth, Truth, Up
from tap.rehearsal.witness import truth_of
from tap.rehearsal.world import Fact, ServerClock, ServerHold, ServerSession, ShootPlan, World

T0 = 1_795_000_000_000
SESSION = ServerSession(id="s1", title="Autumn", notes="", started_at=T0)


class Telling:
    """A server that runs a session with a program on c1, and what a receiver hears of it. Times are ms from T0."""

    def __init__(self, *, ts: bool = True, seq: bool = True) -> None:
        self.ts, self.seq = ts, seq
        self.now = 7
        self.made = 0
        self.boot = "b1"
        self.items: list[Item] = [Up(now=0, wall=T0)]
        self.world = World(clock=ServerClock(T0), boot="b1", mode="photoshoot", session=SESSION, program="c1")
        self._hear({"type": "hello", "boot_id": self.boot}, Fact(kind="hello"))
        self.state()

    def later(self, ms: int) -> Self:
        self.now += ms
        return self

    def connect(self, *, boot: str | None = None) -> Self:
        """The connection is lost for a second, and perhaps the server began anew."""
        self.items.append(Down(now=self.now, wall=T0 + self.now, why="network"))
        self.later(1_000)
        self.boot = boot or self.boot
        self.items.append(Up(now=self.now, wall=T0 + self.now))
        self._hear({"type": "hello", "boot_id": self.boot}, Fact(kind="hello"))
        return self

    def tell(self, kind: str, frame: dict[str, Any], *, missed: bool = False, **more: Any) -> Fact:
        """A frame and what it means; ``missed``: nobody is there to hear it."""
        self.made += 1
        fact = Fact(kind=kind, ident=self.made, at=T0 + self.now, timed=self.ts, **more)  # type: ignore[arg-type]
        if missed:
            self.items.append(Missed(now=self.now, facts=(fact,), world=self.world))
        else:
            self._hear(frame, fact)
        return fact

    def again(self, fact: Fact, frame: dict[str, Any], *, at: int | None = None) -> None:
        """The same once more, with the time that it had."""
        self._hear(frame, structs.replace(fact, retold=True), at=at)

    def state(self, *, old: int | None = None, shows: World | None = None, **numbered: int) -> None:
        """A snapshot; ``old``: made right after that fact, and delivered only now."""
        world = shows or self.world
        if old is None:
            self.made += 1
        fact = Fact(kind="state" if old is None else "stale", ident=self.made if old is None else old, world=world)
        program = world.program if world.veil is None else world.veil.shows
        hold = {"active": world.hold is not None}
        frame = {"type": "state", "program": program, "mode": world.mode, "hold": hold, "session": {"id": "s1"}}
        self._hear({**frame, **numbered}, structs.replace(fact, at=T0 + self.now, timed=self.ts))

    def cut(self, to: str, **more: Any) -> Fact:
        before = self.world.program
        self.world = structs.replace(self.world, program=to)
        frame = {"type": "cut", "to": to, **more}
        length = more.get("duration_ms")
        return self.tell(
            "cut", frame, camera=to, before=before, duration_ms=length, transition="dissolve" if length else "cut"
        )

    def _hear(self, frame: dict[str, Any], fact: Fact, *, at: int | None = None) -> None:
        ts = T0 + (self.now if at is None else at)
        said = dict(frame)
        if self.ts:
            said.setdefault("ts", ts)
        if self.seq:
            said.setdefault("seq", 10 * max(self.made, 1))
        said = {name: value for name, value in said.items() if value is not None}
        self.items.append(Heard(wall=T0 + self.now, now=self.now, ts=ts, data=json.dumps(said), facts=(fact,)))

    def truth(self) -> Truth:
        return truth_of(ShootPlan(seed=1), self.items)

    def events(self, *kinds: str) -> list[EventTruth]:
        return [event for event in self.truth().events if event.kind in kinds and event.carried]

    def required(self, *kinds: str) -> int:
        return sum(not event.doubtful for event in self.events(*kinds))

    def stills(self) -> list[StillTruth]:
        return self.truth().stills


def doubts(telling: Telling, *kinds: str) -> list[tuple[int, int]]:
    """From when until when (ms from T0) rows of these kinds may be there or not."""
    return [
        (doubt.since - T0, doubt.until - T0)
        for doubt in telling.truth().doubts
        if any(kind in doubt.kinds for kind in kinds)
    ]


# ---------------------------------------------------------------------------------------------- changes


def test_a_cut_that_is_told_is_required() -> None:
    telling = Telling()
    telling.later(1_000).cut("c2", cut_id="x")
    assert telling.required("cut") == 1


def test_a_change_that_only_a_snapshot_showed_is_required_where_the_snapshot_is_surely_newer() -> None:
    telling = Telling()
    telling.world = structs.replace(telling.world, program="c2")
    telling.later(1_000).state()
    assert telling.required("cut") == 1


def cut_and_two_snapshots_that_nothing_orders() -> Telling:
    """A cut to c2; half a second later a snapshot that shows c3, then one that shows c1: no times, no numbers."""
    telling = Telling(ts=False, seq=False)
    telling.later(3_000).cut("c2")
    for program in ("c3", "c1"):
        telling.world = structs.replace(telling.world, program=program)
        telling.later(500).state()
    return telling


def test_a_snapshot_that_nothing_orders_proves_only_after_the_settle_time() -> None:
    """Without time and number it may have been made before the cut: until another shows it, both may be so."""
    telling = cut_and_two_snapshots_that_nothing_orders()
    assert telling.required("cut") == 1


def test_where_a_proved_change_came_from_is_open_where_what_came_between_is_not_proved() -> None:
    """A snapshot shows c3, which may be old; the next one that is surely newer shows c1: that comes from c2 or c3."""
    telling = cut_and_two_snapshots_that_nothing_orders()
    telling.later(3_000).state()
    back = telling.events("cut")[-1]
    assert (back.camera_id, back.doubtful, back.from_camera_id) == ("c1", False, UNSET)


def test_where_a_change_came_from_is_required_where_all_of_it_was_told() -> None:
    telling = Telling()
    telling.later(1_000).cut("c2", cut_id="x")
    telling.later(1_000).cut("c3", cut_id="y")
    assert [event.from_camera_id for event in telling.events("cut")] == ["c1", "c2"]


def test_a_doubt_ends_with_a_snapshot_that_is_newer_than_each_frame_that_raised_it() -> None:
    """Two old snapshots that do not look so: the one that is only newer than the first ends nothing."""
    telling = Telling()
    cut = telling.later(1_000).cut("c2", cut_id="x")
    before = structs.replace(telling.world, program="c1")
    telling.later(1_000).state(old=cut.ident - 1, shows=before, seq=50)
    telling.later(1_000).state(old=cut.ident - 1, shows=before, seq=70)
    telling.made = 6
    telling.later(1_000).state(seq=60, ts=T0 + 2_500)
    telling.later(1_000).state(seq=80)
    assert doubts(telling, "cut") == [(2_007, 5_007)]


def test_an_old_snapshot_that_looks_so_raises_no_doubt() -> None:
    """Its number says that it was made before."""
    telling = Telling()
    cut = telling.later(1_000).cut("c2", cut_id="x")
    telling.later(1_000).state(
        old=cut.ident - 1, shows=structs.replace(telling.world, program="c1"), seq=1, ts=T0 + 999
    )
    assert doubts(telling, "cut") == []


# ---------------------------------------------------------------------------------------------- dissolves


@pytest.mark.parametrize(("after", "required"), [(900, 0), (1_600, 1)])
def test_a_snapshot_within_a_dissolve_proves_nothing_of_the_old_camera(after: int, required: int) -> None:
    """A director sees both cameras then; half a second after its end a snapshot of the old one is news."""
    telling = Telling()
    telling.later(1_000).cut("c2", cut_id="x", duration_ms=1_000)
    telling.world = structs.replace(telling.world, program="c1")
    telling.later(after).state()
    telling.later(10).state()
    assert telling.required("cut") == 1 + required


@pytest.mark.parametrize(("ago", "required"), [(2_000, 1), (700, 0)])
def test_a_dissolve_that_is_told_afterwards_ran_when_its_time_says(ago: int, required: int) -> None:
    """It is read together with the first state; by the server's clock it was long over then, or not."""
    telling = Telling()
    telling.connect()
    began = telling.now - ago
    frame = {"type": "cut", "to": "c2", "cut_id": "x", "transition": "dissolve", "duration_ms": 500, "seq": 5}
    fact = Fact(kind="cut", ident=1, at=T0 + began, camera="c2", before="c1", duration_ms=500, retold=True)
    telling.again(fact, frame, at=began)
    telling.state(seq=1_000)
    telling.later(3_000).state(seq=1_010)
    found = [event for event in telling.events("cut") if event.camera_id == "c1"]
    assert len(found) == 1 - required


def test_a_dissolve_that_is_told_afterwards_without_a_time_may_have_run_at_any_time() -> None:
    """The first state shows what was on before it: the dissolve may hide what came of it, or be long over."""
    telling = Telling(ts=False)
    telling.connect()
    frame = {"type": "cut", "to": "c2", "cut_id": "x", "transition": "dissolve", "duration_ms": 500, "seq": 5}
    fact = Fact(kind="cut", ident=1, at=T0, timed=False, camera="c2", before="c1", duration_ms=500, retold=True)
    telling.again(fact, frame)
    telling.later(1).state(seq=1_000)
    first = telling.now
    telling.later(3_000).state(seq=1_010)
    assert telling.required("cut") == 0
    assert any(since <= first <= until for since, until in doubts(telling, "cut"))


def cuts_of_one_message_that_nothing_orders(telling: Telling) -> None:
    """A cut to c2, and the dissolve back to c1 that came before it: both of one second."""
    first = {"type": "cut", "to": "c1", "cut_id": "y", "transition": "dissolve", "duration_ms": 1_000}
    then = {"type": "cut", "to": "c2", "cut_id": "z", "transition": "cut"}
    at = (T0 + telling.now) // 1_000
    facts = (
        Fact(kind="cut", ident=telling.made + 2, at=at * 1_000, camera="c2", before="c1", transition="cut"),
        Fact(
            kind="cut",
            ident=telling.made + 1,
            at=at * 1_000,
            camera="c1",
            before="c2",
            duration_ms=1_000,
            transition="dissolve",
            part=1,
        ),
    )
    telling.made += 2
    data = json.dumps([{**then, "ts": at}, {**first, "ts": at}])
    telling.items.append(Heard(wall=T0 + telling.now, now=telling.now, ts=at * 1_000, data=data, facts=facts))


def test_a_snapshot_within_a_dissolve_of_a_message_that_nothing_orders_settles_nothing() -> None:
    """Who believes the order of the message has the dissolve running: the camera before it is no news then."""
    telling = Telling(seq=False)
    telling.later(993).cut("c2", cut_id="x")
    telling.later(1_000)
    cuts_of_one_message_that_nothing_orders(telling)
    telling.later(1_000).state()
    telling.later(3_000).state()
    assert max(until for _, until in doubts(telling, "cut")) == 6_000


@pytest.mark.parametrize(("length", "required"), [(None, 1), (5_000, 0)])
def test_a_dissolve_that_nobody_heard_may_have_run_as_the_first_snapshot_came(
    length: int | None, required: int
) -> None:
    """That snapshot shows nothing on air, the next one what the dissolve leads to: one cut, or two."""
    telling = Telling()
    telling.items.append(Down(now=telling.now, wall=T0 + telling.now, why="network"))
    fact = telling.later(1_000).tell(
        "cut",
        {},
        missed=True,
        camera="c2",
        before="c1",
        duration_ms=length,
        transition="dissolve" if length else "cut",
    )
    made = T0 + telling.now
    telling.later(500).connect()
    telling.world = structs.replace(telling.world, program=None)
    telling.state()
    more = {"transition": "dissolve", "duration_ms": length} if length else {"transition": "cut"}
    telling.again(fact, {"type": "cut", "to": "c2", "cut_id": "x", **more, "ts": made, "seq": 5}, at=made - T0)
    telling.world = structs.replace(telling.world, program="c2")
    telling.later(3_000).state()
    assert sum(not event.doubtful and event.inferred for event in telling.events("cut")) == required


# ---------------------------------------------------------------------------------------------- ids that are used again


def heard_before(*cameras: str) -> Telling:
    """A server without numbers whose cuts to these cameras have the ids 1, 2, …, and come again with other times."""
    telling = Telling(seq=False)
    for number, camera in enumerate(cameras, 1):
        telling.later(3_000).cut(camera, cut_id=str(number))
        telling.later(3_000).state()
    return telling


@pytest.mark.parametrize(("after", "required"), [(300, 3), (3_000, 4)])
def test_a_snapshot_without_a_time_proves_nothing_soon_after_a_cut_that_another_one_proved(
    after: int, required: int
) -> None:
    """Its id was used before, but a snapshot showed it: so it is a change, and what comes soon after may be old."""
    telling = heard_before("c2", "c1")
    telling.later(3_000).cut("c2", cut_id="1")
    telling.later(100).state()
    telling.later(after).cut("c1", cut_id="2")
    telling.later(20).state(ts=None)  # type: ignore[arg-type]
    assert telling.required("cut") == required


def test_a_snapshot_does_not_say_which_of_two_cuts_to_its_camera_happened() -> None:
    """Their ids were used before, so none of them is proved: there, away and back again, or only there."""
    telling = heard_before("c2", "c3", "c1")
    for camera, name in (("c2", "1"), ("c3", "2"), ("c2", "1")):
        telling.later(3_000).cut(camera, cut_id=name)
    telling.later(3_000).state()
    assert telling.required("cut") == 3


def test_a_hold_of_a_new_id_is_no_other_one_where_the_release_before_it_is_not_proved() -> None:
    """Two holds in a row are one; the release between them has an id that was used before."""
    telling = Telling(seq=False)
    held = structs.replace(telling.world, hold=ServerHold(camera="c1", by="operator", since=T0))
    free = telling.world
    for kind, name, world in (
        ("hold", "1", held),
        ("release", "2", free),
        ("hold", "3", held),
        ("release", "2", free),
        ("hold", "4", held),
    ):
        telling.world = world
        telling.later(3_000).tell(kind, {"type": kind, "hold_id": name}, camera="c1")
    assert telling.required("hold") == 2


# ---------------------------------------------------------------------------------------------- the same words


def test_the_same_words_dated_and_wrapped_otherwise_are_one_event_told_twice() -> None:
    """A server that speaks two dialects: without id and number nothing tells the second frame from the first."""
    telling = Telling(seq=False)
    telling.ts = False
    at = T0 + telling.later(1_000).now
    telling.world = structs.replace(telling.world, hold=ServerHold(camera="c1", by="operator", since=at))
    for frame in ({"type": "hold", "ts": at, "by": "x"}, {"event": "hold", "data": {"by": "x"}, "clock": at / 1000}):
        telling.tell("hold", frame, camera="c1")
        telling.tell("release", {"type": "release", "ts": at, "by": str(frame)})
    assert telling.required("hold") == 1
    assert len(telling.events("hold")) == 2


# ---------------------------------------------------------------------------------------------- stills


def upload(
    telling: Telling, *, still: str = "x", thing: str = "1", missed: bool = False
) -> tuple[Fact, dict[str, Any]]:
    frame = {"type": "still_uploaded", "still_id": still, "camera_id": "c1", "storage_key": thing, "sha256": thing}
    more: dict[str, Any] = {"still_id": still, "thing": thing, "camera": "c1", "storage_key": thing, "sha256": thing}
    return telling.tell("uploaded", frame, missed=missed, **more), frame


def capture(telling: Telling, *, still: str = "x", thing: str = "1") -> tuple[Fact, dict[str, Any]]:
    frame = {"type": "still_captured", "still_id": still, "camera_id": "c1"}
    return telling.tell("captured", frame, still_id=still, thing=thing, camera="c1"), frame


@pytest.mark.parametrize(("other", "status"), [(False, "uploaded"), (True, "captured")])
def test_an_upload_told_afterwards_moves_the_only_still_of_its_name(other: bool, status: str) -> None:
    """It was sent while nobody heard. Where another still had that id too, whose it is stays open."""
    telling = Telling()
    capture(telling)
    if other:
        capture(telling.later(1_000), thing="2")
    telling.items.append(Down(now=telling.now, wall=T0 + telling.now, why="network"))
    fact, frame = upload(telling.later(500), missed=True)
    telling.connect()
    telling.state(seq=900)
    telling.again(fact, frame, at=telling.now - 900)
    still = telling.stills()[0]
    assert (still.status, still.doubtful) == (status, other)


def test_a_still_that_is_told_again_is_no_other_still() -> None:
    """Not after a restart either, and not without times: its row and its capture are required as before."""
    telling = Telling(ts=False)
    fact, frame = capture(telling)
    telling.connect(boot="b2")
    telling.again(fact, frame)
    telling.state(seq=900)
    assert [still.doubtful for still in telling.stills()] == [False]
    assert telling.required("still_capture") == 1


@pytest.mark.parametrize(("known", "doubtful"), [(False, 0), (True, 1)])
def test_a_still_while_no_session_runs_may_be_another_of_its_name_only_where_there_is_one(
    known: bool, doubtful: int
) -> None:
    """An id that nobody ever heard is of no session: a row of it is invented."""
    telling = Telling()
    if known:
        capture(telling)
    telling.later(1_000).tell("ended", {"type": "session_ended", "session_id": "s1"}, session_id="s1")
    telling.world = structs.replace(telling.world, session=None)
    capture(telling.later(1_000), thing="2")
    assert len(doubts(telling, "still")) == doubtful


@pytest.mark.parametrize(("before", "live"), [(10, "c3"), (80, "c2"), (1_080, "c1")])
def test_what_was_on_when_a_still_was_taken_is_what_was_on_then(before: int, live: str) -> None:
    """The frame comes after the camera took it: the cuts in between are of no account."""
    telling = Telling()
    telling.later(1_000).cut("c2")
    telling.later(1_000).cut("c3")
    telling.later(50)
    fact = Fact(
        kind="captured", ident=90, at=T0 + telling.now - before, timed=True, still_id="x", thing="1", camera="c1"
    )
    telling._hear({"type": "still_captured", "still_id": "x", "camera_id": "c1"}, fact)
    assert telling.stills()[0].program_camera_id == live


def test_what_was_on_before_the_first_state_is_left_open_of_a_still() -> None:
    telling = Telling()
    fact = Fact(kind="captured", ident=90, at=T0 - 60, timed=True, still_id="x", thing="1", camera="c1")
    telling._hear({"type": "still_captured", "still_id": "x", "camera_id": "c1"}, fact)
    assert telling.stills()[0].program_camera_id is UNSET


@pytest.mark.parametrize(("same", "doubtful"), [(True, [True, True]), (False, [False, False])])
def test_an_upload_of_an_id_that_a_still_of_another_session_has_may_be_of_that(
    same: bool, doubtful: list[bool]
) -> None:
    """No frame carried its own request: the one that waits may be meant, or not. Under an id of its own it is sure."""
    telling = Telling()
    frame = {"type": "still_requested", "still_id": "x", "camera_ids": ["c1"]}
    telling.tell("asked", frame, still_id="x", thing="1", camera_ids=("c1",))
    telling.later(1_000).tell("ended", {"type": "session_ended", "session_id": "s1"}, session_id="s1")
    session = structs.replace(SESSION, id="s2")
    telling.world = structs.replace(telling.world, session=session)
    telling.later(1_000).tell("started", {"type": "session_started", "session": {"id": "s2"}}, session=session)
    upload(telling.later(1_000), still="x" if same else "y", thing="2")
    assert [still.doubtful for still in telling.stills()] == doubtful


# ---------------------------------------------------------------------------------------------- a silent server


@pytest.mark.parametrize(("asked", "gaps"), [(0, 2), (12, 1)])
def test_a_server_that_of_late_only_answered_changes_is_not_missed(asked: int, gaps: int) -> None:
    """Snapshots by a clock, then some that each follow a change, and two minutes of silence.

    It may have had nothing to say. The first sight is a gap as well.
    """
    telling = Telling()
    for number in range(12 + asked):
        telling.later(3_000)
        if number >= 12:
            telling.tell("marker", {"type": "marker", "label": f"m{number}"}, label=f"m{number}")
        telling.later(20).state()
    telling.later(120_000).state()
    assert telling.required("gap") == gaps
