"""A session is read as it happened, whatever clocks have dated it: no shot and no hold moves with a clock."""

from __future__ import annotations

import cProfile
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap.core.kinds import KINDS
from tap.core.merge import Row
from tap.core.reading import Reading, read
from tests.core.reading.told import KEY, T0, Shoot, World, told

SEEDS = 16
DELAYS_MS = 150
"""Two clocks are compared by frames that are up to 60 ms on their way, twice."""


def shoots(world: World, least: int) -> list[Shoot]:
    """Some shoots in which each tap has heard enough between two steps to prove them."""
    drawn = (told(Random(seed), world) for seed in range(10_000))
    found = []
    for shoot in drawn:
        if shoot.fewest_heard() >= least:
            found.append(shoot)
        if len(found) == SEEDS:
            break
    return found


def shuffled(rows: list[Row], seed: int) -> list[Row]:
    rows = rows[:]
    Random(seed).shuffle(rows)
    return rows


def chain_of(kind: str) -> str:
    return {"cut": "program", "off_air": "program", "hold": "hold", "release": "hold"}.get(kind, kind)


def judge(shoot: Shoot, reading: Reading[Row], tolerance: int) -> None:
    """The order of each chain is the truth's, and so is every length, up to what the clocks can show."""
    place = {row.key: at for at, row in enumerate(shoot.rows)}
    order = [place[row.key] for row in reading.rows]
    assert sorted(order) == list(range(len(shoot.truth)))
    for chain in ("program", "hold", "mode_change"):
        line = [at for at in order if chain_of(shoot.truth[at].kind) == chain]
        assert line == sorted(line), chain
    moments = dict(zip(order, reading.moments, strict=True))
    assert reading.moments == sorted(reading.moments)
    for at, one in enumerate(shoot.truth):
        assert abs(moments[at] - moments[0] - (one.at - shoot.truth[0].at)) <= tolerance, (at, one)
    ended = reading.end_of(shoot.session["completedAt"], seen=True)
    assert abs(ended - moments[0] - (shoot.ended - shoot.truth[0].at)) <= tolerance


STEPS: tuple[tuple[int, ...], ...] = (
    *((-5_000,), (5_000,), (-60_000,), (60_000,), (3_600_000,), (-3_600_000,)),
    *((-60_000, 60_000), (5_000, -5_000), (-5_000, 3_600_000)),
)


@pytest.mark.parametrize("whole_seconds", [False, True])
@pytest.mark.parametrize("steps", STEPS)
def test_a_clock_that_is_set_moves_nothing(steps: tuple[int, ...], whole_seconds: bool) -> None:
    """Back or forward, once or twice, seconds or an hour; also where times are whole seconds."""
    world = World(steps=steps, whole_seconds=whole_seconds)
    for seed, shoot in enumerate(shoots(world, 4)):
        tolerance = 2_000 + DELAYS_MS if whole_seconds else DELAYS_MS
        judge(shoot, read(shuffled(shoot.rows, seed), shoot.session), tolerance)


@pytest.mark.parametrize("ahead", [300_000, -300_000, 3_000])
@pytest.mark.parametrize("steps", [(), (-60_000,), (3_600_000,)])
def test_two_taps_whose_clocks_lie_apart_are_read_as_one(steps: tuple[int, ...], ahead: int) -> None:
    for seed, shoot in enumerate(shoots(World(steps=steps, second_tap=ahead), 3)):
        judge(shoot, read(shuffled(shoot.rows, seed), shoot.session), DELAYS_MS)


@pytest.mark.parametrize("events", [3, 5, 8])
def test_two_taps_of_which_each_heard_little_make_no_step(events: int) -> None:
    world = World(events=events, second_tap=300_000)
    for seed, shoot in enumerate(shoots(world, 1)):
        reading = read(shuffled(shoot.rows, seed), shoot.session)
        judge(shoot, reading, 0)
        assert reading.steps == []


@pytest.mark.parametrize("whole_seconds", [False, True])
def test_what_is_told_late_is_no_step(whole_seconds: bool) -> None:
    """Up to two minutes, out of order, a fifth of everything."""
    world = World(late=0.2, events=40, whole_seconds=whole_seconds)
    for seed, shoot in enumerate(shoots(world, 0)):
        reading = read(shuffled(shoot.rows, seed), shoot.session)
        judge(shoot, reading, 1_000 if whole_seconds else 0)
        assert reading.steps == []


def test_events_of_one_second_are_in_the_order_in_which_they_follow_from_each_other() -> None:
    """Up to ten in a second, whole seconds, two taps: by what each came from, where the hearing orders nothing."""
    world = World(events=60, pauses=(50, 900), whole_seconds=True, second_tap=300_000, cameras=12)
    for seed, shoot in enumerate(shoots(world, 0)):
        place = {row.key: at for at, row in enumerate(shoot.rows)}
        reading = read(shuffled(shoot.rows, seed), shoot.session)
        assert reading.steps == []
        program: str | None = "c1"
        for row in reading.rows:
            if row.fields["kind"] in ("cut", "off_air"):
                assert row.fields.get("fromCameraId") == program, place[row.key]
                program = row.fields.get("cameraId")


@pytest.mark.parametrize("by", [3_600_000, 60_000])
def test_a_tap_on_the_server_s_machine_has_no_clock_of_its_own(by: int) -> None:
    """Both are set together: what a release says of its hold is all that is left, and it is enough for the hold."""
    seen = 0
    for seed, shoot in enumerate(shoots(World(steps=(by,), one_machine=True, events=60), 4)):
        ((when, _),) = shoot.steps
        across = [one for one in shoot.truth if one.since is not None and one.since < when <= one.at]
        if not across:
            continue
        seen += 1
        reading = read(shuffled(shoot.rows, seed), shoot.session)
        moments = {row.key: moment for row, moment in zip(reading.rows, reading.moments, strict=True)}
        place = shoot.truth.index(across[0])
        hold = max(at for at, one in enumerate(shoot.truth[:place]) if one.kind == "hold")
        length = moments[shoot.rows[place].key] - moments[shoot.rows[hold].key]
        assert length == across[0].at - shoot.truth[hold].at
    assert seen > 5


def test_a_clock_of_both_that_is_set_back_by_an_hour_turns_nothing_round() -> None:
    world = World(steps=(-3_600_000,), one_machine=True, pauses=(300, 6_000))
    for seed, shoot in enumerate(shoots(world, 2)):
        place = {row.key: at for at, row in enumerate(shoot.rows)}
        order = [place[row.key] for row in read(shuffled(shoot.rows, seed), shoot.session).rows]
        assert order == sorted(order)


# ---------------------------------------------------------------------------------------------- by hand


def row(kind: str, at: float, heard: float | None = None, key: str | None = None, **columns: Any) -> Row:
    seen = at if heard is None else heard
    told_at = {"at": T0 + round(at * 1000), "observedAt": T0 + round(seen * 1000)}
    return Row(key or f"{KEY}/{kind}/{at}/{seen}", "event", KEY, told_at["at"], 0, {"kind": kind, **told_at, **columns})


def cut(at: float, to: str, origin: str | None, heard: float | None = None, key: str | None = None) -> Row:
    known = {} if origin is None else {"fromCameraId": origin}
    return row("cut", at, heard, key, cameraId=to, **known)


def unheard(at: int, to: str) -> Row:
    columns = {"kind": "cut", "at": T0 + 1000 * at, "cameraId": to}
    return Row(f"{KEY}/cut/{at}", "event", KEY, T0 + 1000 * at, 0, columns)


def blind(at: float, tap: str, heard: float | None = None) -> Row:
    """A gap of a tenth of a second: what matters is who tells it."""
    detail = {"tap": tap, "before": {"programCameraId": "a"}, "after": {"programCameraId": "a"}}
    return row("gap", at, heard, durationMs=100, detail=detail)


def session(**more: Any) -> dict[str, Any]:
    return {"status": "live", "startedAt": T0, "startState": {"at": T0, "programCameraId": "a"}, **more}


def shots(rows: list[Row], columns: dict[str, Any] | None = None) -> str:
    """What the program turned to, and when it did: ``b 5, - 10``; the same for any order of the rows."""
    found = set()
    for seed in range(6):
        reading = read(shuffled(rows, seed), session() if columns is None else columns)
        told_of = zip(reading.rows, reading.moments, strict=True)
        turns = [(one, moment) for one, moment in told_of if one.fields["kind"] in ("cut", "off_air")]
        found.add(", ".join(f"{one.fields.get('cameraId', '-')} {(moment - T0) / 1000:g}" for one, moment in turns))
    assert len(found) == 1
    return found.pop()


CASES: dict[str, tuple[list[Row], str]] = {
    "a batch out of order": ([cut(5.4, "c", "b", 5.5), cut(5, "b", "a", 5.5)], "b 5, c 5.4"),
    "a clock set back by 5 s": (
        [cut(5, "c", "a"), cut(29, "a", "c"), cut(26, "b", "a", 31), cut(28, "c", "b", 33)],
        "c 5, a 29, b 31, c 33",
    ),
    "a snapshot whose clock is 3 s older than the cut before it": (
        [cut(5, "b", "a"), cut(3, "c", "b", 6)],
        "b 5, c 6",
    ),
    "three cuts of one second, two of one key": (
        [cut(5, "b", "a", 5.1, "k/b"), cut(5, "a", "b", 5.4, "k/a"), cut(5, "b", "a", 5.7, "k/b/2")],
        "b 5, a 5, b 5",
    ),
    "cuts of one moment, heard at once: by what each came from": (
        [cut(5, "b", "a", 5, "k/3"), cut(5, "d", "c", 5, "k/1"), cut(5, "c", "b", 5, "k/2")],
        "b 5, c 5, d 5",
    ),
    "of two ways through one moment the one that was heard": (
        [cut(5, "b", "a", 5.1), cut(5, "a", "b", 5.2), cut(5, "c", "a", 5.3), cut(5, "a", "c", 5.4)],
        "b 5, a 5, c 5, a 5",
    ),
    "what one key had is in the order told": (
        [cut(5, "b", "a", 5, f"k/b{end}") for end in ("", "/2", "/10")]
        + [cut(5, "a", "b", 5, f"k/a{end}") for end in ("", "/2", "/10")],
        "b 5, a 5, b 5, a 5, b 5, a 5",
    ),
    "one event told a minute late": (
        [cut(5, "b", "a"), cut(10, "c", "b", 70), cut(20, "a", "c"), cut(80, "b", "a")],
        "b 5, c 10, a 20, b 80",
    ),
    "the last event told a minute late": (
        [cut(5, "b", "a"), cut(10, "c", "b"), cut(20, "a", "c", 80)],
        "b 5, c 10, a 20",
    ),
    "a connection that begins with the last hundred events": (
        [cut(5 + n, "ba"[n % 2], "ab"[n % 2], 200 + n / 1000) for n in range(100)]
        + [row("gap", 200, detail={"tap": "t", "after": {"programCameraId": "a"}}), cut(210, "b", "a")],
        ", ".join([*(f"{'ba'[n % 2]} {5 + n}" for n in range(100)), "b 210"]),
    ),
    "what is told of a time in which nothing was heard, beside the gap": (
        [
            cut(5, "b", "a"),
            cut(30, "c", "b", 60.1),
            cut(40, "a", "c", 60.1),
            row("gap", 60, durationMs=40_000, detail={"tap": "t", "before": {}, "after": {"programCameraId": "a"}}),
            cut(70, "b", "a"),
        ],
        "b 5, c 30, a 40, b 70",
    ),
    "another tap that takes over, five minutes ahead": (
        [cut(5, "b", "a"), cut(12, "a", "b"), cut(20, "c", "a", 320), cut(31, "a", "c", 331)],
        "b 5, a 12, c 20, a 31",
    ),
    "another tap in a gap of the first": (
        [
            *(cut(5, "b", "a"), cut(15, "a", "b"), cut(25, "b", "a", 325), cut(28, "c", "b", 328)),
            cut(33, "b", "c", 333),
            cut(38, "a", "b", 338),
            row("gap", 40, durationMs=20_000, detail={"tap": "t", "before": {"programCameraId": "a"}, "after": {}}),
            *(cut(45, "c", "a"), cut(55, "a", "c")),
        ],
        "b 5, a 15, b 25, c 28, b 33, a 38, c 45, a 55",
    ),
    "times before the session began, and after an hour was put back": (
        [cut(5, "b", "a"), cut(9, "a", "b"), cut(-3580, "c", "a", 20), cut(-3570, "a", "c", 30)],
        "b 5, a 9, c 20, a 30",
    ),
    "the first event before an hour was put on": (
        [cut(10, "b", "a"), cut(3620, "c", "b", 20), cut(3630, "a", "c", 30)],
        "b 10, c 20, a 30",
    ),
    "the first event held up by a stall": (
        [cut(10, "b", "a", 22), cut(30, "c", "b"), cut(40, "a", "c")],
        "b 10, c 30, a 40",
    ),
    "frames that were read together after a stall": (
        [
            cut(10, "b", "a"),
            *(cut(20 + n, "cab"[n % 3], "bca"[n % 3], 27 + n / 1000) for n in range(7)),
            cut(40, "a", "c"),
        ],
        "b 10, c 20, a 21, b 22, c 23, a 24, b 25, c 26, a 40",
    ),
    "an hour put on while one tap is known": (
        [cut(5, "b", "a"), cut(15, "a", "b"), blind(20, "t"), cut(3630, "c", "a", 30), cut(3640, "a", "c", 40)],
        "b 5, a 15, c 30, a 40",
    ),
    "an hour between what two known taps have heard": (
        [
            *(cut(5, "b", "a"), cut(15, "a", "b"), blind(20, "t"), blind(21, "u")),
            *(cut(3630, "c", "a", 30), cut(3640, "a", "c", 40)),
        ],
        "b 5, a 15, c 3630, a 3640",
    ),
    "an hour between two known taps, and the chain says that it was a step": (
        [
            *(blind(3601, "t", 1), blind(3602, "u", 2), cut(3605, "b", "a", 5), cut(3615, "d", "b", 15)),
            *(cut(30, "c", "d", 30), cut(40, "a", "c", 40)),
        ],
        "b 3605, d 3615, c 3630, a 3640",
    ),
    "a tap that begins to listen in the middle, with a clock of its own": (
        [
            *(cut(5, "b", "a"), cut(15, "a", "b"), cut(25, "b", "a")),
            row("gap", 30, -270, detail={"tap": "u", "after": {"programCameraId": "b"}}),
            *(cut(35, "a", "b", -265), cut(45, "c", "a", -255)),
        ],
        "b 5, a 15, b 25, a 35, c 45",
    ),
    "told afterwards, and dated by the clock of before the step": (
        [
            *(cut(5, "b", "a"), cut(50, "e", "b", 130), cut(10, "d", "e", 70), cut(20, "a", "d", 80)),
            *(cut(40, "b", "a", 100), cut(60, "c", "b", 120), cut(80, "a", "c", 140), cut(90, "b", "a", 150)),
        ],
        "b 5, e 50, d 70, a 80, b 100, c 120, a 140, b 150",
    ),
    "a cut without a camera before it is only odd": (
        [cut(5, "b", "a"), cut(10, "c", None), cut(15, "a", "c")],
        "b 5, c 10, a 15",
    ),
    "events of one moment that no way leads through": (
        [cut(5, "d", "c", 5, "k/1"), cut(5, "b", "a", 5, "k/2"), cut(5, "f", "e", 5, "k/3")],
        "b 5, d 5, f 5",
    ),
    "no hearing at all: by the time": ([unheard(20, "b"), unheard(10, "c")], "c 10, b 20"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_was_on_when(case: str) -> None:
    """Each case says in its name what it is about."""
    rows, expected = CASES[case]
    assert shots(rows) == expected


def test_a_hold_says_how_far_a_clock_of_both_was_set_back() -> None:
    """By an hour, on the server's own machine, while it was held: 30 s."""
    rows = [
        *(cut(5, "b", "a"), row("hold", 10, cameraId="b")),
        *(row("release", -3560, cameraId="b", durationMs=30_000), cut(-3550, "c", "b"), cut(-3540, "a", "c")),
    ]
    reading = read(rows, session())
    assert [(moment - T0) // 1000 for moment in reading.moments] == [5, 10, 40, 50, 60]


def test_a_gap_whose_tap_says_that_another_camera_was_on_is_not_believed_before_the_clocks() -> None:
    """What is heard on time is where it was heard; one doubt does not turn it round."""
    before, after = {"programCameraId": "c"}, {"programCameraId": "b"}
    gap = row("gap", 40, durationMs=10_000, detail={"tap": "t", "before": before, "after": after})
    assert shots([cut(5, "b", "a"), gap, cut(50, "a", "b")]) == "b 5, a 50"


def test_a_time_that_was_twice_is_the_first_or_the_last() -> None:
    rows = [cut(5, "b", "a"), cut(29, "a", "b"), cut(26, "c", "a", 31), cut(28, "b", "c", 33), cut(40, "a", "b", 45)]
    reading = read(rows, session())
    assert reading.moment_of(T0 + 27_000) == T0 + 27_000
    assert reading.moment_of(T0 + 27_000, last=True) == T0 + 32_000
    assert reading.moment_of(T0 + 50_000) == T0 + 55_000
    assert reading.moment_of(T0 - 50_000, last=True) == T0 - 50_000


def test_a_time_between_two_steps_is_of_the_clock_that_ran_then() -> None:
    """The clock is set back by a minute, and put right after a while."""
    early = [cut(n * 10, "ba"[n % 2], "ab"[n % 2]) for n in range(1, 6)]
    wrong = [cut(n * 10 - 60, "ba"[n % 2], "ab"[n % 2], n * 10) for n in range(6, 12)]
    later = [cut(n * 10, "ba"[n % 2], "ab"[n % 2]) for n in range(12, 18)]
    reading = read([*early, *wrong, *later], session())
    assert [step.by_ms for step in reading.steps] == [-60_000, 60_000]
    assert reading.moment_of(T0 + 45_000, last=True) == T0 + 105_000
    assert [reading.moment_of(T0 + at) for at in (45_000, 155_000)] == [T0 + 45_000, T0 + 155_000]


def test_a_release_that_is_dated_before_its_hold_ends_it() -> None:
    """A clock set back by a minute: held for 40 s, and the session is as long as it was."""
    rows = [
        cut(5, "b", "a"),
        row("hold", 100, cameraId="b"),
        row("release", 80, 140, durationMs=40_000),
        cut(90, "c", "b", 150),
        cut(110, "a", "c", 170),
    ]
    columns = session(status="complete", completedAt=T0 + 140_000)
    reading = read(rows, columns)
    kinds = [one.fields["kind"] for one in reading.rows]
    assert kinds == ["cut", "hold", "release", "cut", "cut"]
    assert [(moment - T0) // 1000 for moment in reading.moments] == [5, 100, 140, 150, 170]
    assert [(step.moment - T0, step.by_ms) for step in reading.steps] == [(140_000, -60_000)]
    assert reading.end_of(columns["completedAt"], seen=True) == T0 + 200_000


def test_a_length_that_was_reckoned_from_the_rows_times_proves_nothing() -> None:
    """A tap believes a server's clock that was set by a few seconds; its release then says 35 s for a hold of 40."""
    rows = [
        *(cut(10, "b", "a"), cut(20, "a", "b"), row("hold", 30)),
        row("release", 65, 70, durationMs=35_000),
        *(cut(75, "b", "a", 80), cut(85, "a", "b", 90)),
    ]
    reading = read(rows, session())
    assert [step.by_ms for step in reading.steps] == [-5_000]
    moments = {one.fields["kind"]: moment for one, moment in zip(reading.rows, reading.moments, strict=True)}
    assert moments["release"] - moments["hold"] == 40_000


def test_the_end_of_a_session_that_nobody_saw_end_is_dated_before_the_gap() -> None:
    """The clock was set while nothing was heard: the end is dated by the one before, the gap's own row by the next."""
    rows = [
        *(cut(n * 10, "ba"[n % 2], "ab"[n % 2]) for n in range(1, 6)),
        row("gap", 20, 80, durationMs=25_000, detail={"tap": "t", "before": {}, "after": {}}),
    ]
    reading = read(rows, session(status="interrupted", completedAt=T0 + 54_000))
    assert reading.end_of(T0 + 54_000, seen=False) == T0 + 54_000


def test_such_an_end_is_before_the_silence_by_the_clock_that_it_was_dated_by() -> None:
    """The clock was set forward by 30 s long before: 58 s of silence follow the end, and not 28."""
    rows = [
        *(cut(n * 10, "ba"[n % 2], "ab"[n % 2]) for n in range(1, 6)),
        *(cut(n * 10 + 30, "ba"[n % 2], "ab"[n % 2], n * 10) for n in range(6, 12)),
        row("gap", 200, 170, durationMs=58_000, detail={"tap": "t", "before": {}, "after": {}}),
    ]
    reading = read(rows, session(status="interrupted", completedAt=T0 + 142_000))
    assert [step.by_ms for step in reading.steps] == [30_000]
    assert reading.end_of(T0 + 142_000, seen=False) == T0 + 112_000


def test_such_an_end_is_near_the_last_event_however_long_a_hold_that_ended_then_was() -> None:
    """The clock was set back by a minute in the middle of a hold of 70 s."""
    rows = [
        *(cut(n * 10, "ba"[n % 2], "ab"[n % 2]) for n in range(1, 6)),
        row("hold", 55, cameraId="b"),
        *(cut(n * 10 - 60, "ba"[n % 2], "ab"[n % 2], n * 10) for n in range(6, 12)),
        row("release", 65, 125, durationMs=70_000),
    ]
    reading = read(rows, session(status="interrupted", completedAt=T0 + 66_000))
    assert [step.by_ms for step in reading.steps] == [-60_000]
    assert reading.end_of(T0 + 66_000, seen=False) == T0 + 126_000


def test_a_step_between_the_start_and_the_first_event_puts_nothing_before_the_start() -> None:
    """The clock is put right again later: then the first events are known to be of the session too."""
    early = [cut(n * 10 - 3600, "ba"[n % 2], "ab"[n % 2], n * 10) for n in range(1, 5)]
    later = [cut(n * 10, "ba"[n % 2], "ab"[n % 2]) for n in range(5, 9)]
    reading = read([*early, *later], session())
    assert [(moment - T0) // 1000 for moment in reading.moments] == [10, 20, 30, 40, 50, 60, 70, 80]


def test_no_rows_are_read_as_none() -> None:
    nothing: list[Row] = []
    reading = read(nothing, {})
    assert (reading.rows, reading.moments, reading.steps, reading.last_shift) == ([], [], [], 0)
    assert (reading.moment_of(5), reading.end_of(7, seen=False)) == (5, 7)


# ---------------------------------------------------------------------------------------------- whatever comes

anything = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats() | st.text(max_size=3)
columns = st.dictionaries(
    st.sampled_from(["kind", "at", "observedAt", "cameraId", "fromCameraId", "durationMs", "detail", "stillKey"]),
    anything
    | st.dictionaries(st.sampled_from(["from", "to", "before", "after", "tap", "cameraIds"]), anything, max_size=3),
)
times = st.integers(0, 40).map(lambda number: T0 + 1_000 * number)
likely = st.fixed_dictionaries(
    {"kind": st.sampled_from(list(KINDS)), "at": times, "observedAt": times},
    optional={
        "cameraId": st.sampled_from("abc"),
        "fromCameraId": st.sampled_from("abc"),
        "durationMs": st.integers(0, 30_000),
        "detail": st.sampled_from(
            [{}, {"from": "a", "to": "b"}, {"before": {}, "after": {"programCameraId": "b"}, "tap": "t"}, {"tap": "u"}]
        ),
    },
)
some_rows = st.lists(likely | columns, max_size=25).map(
    lambda told_of: [Row(f"{KEY}/{n}", "event", KEY, T0 + n, 0, fields) for n, fields in enumerate(told_of)]
)
some_sessions: st.SearchStrategy[dict[str, Any]] = st.just({}) | st.dictionaries(
    st.sampled_from(["status", "startedAt", "startState", "completedAt", "finalState"]),
    anything | times | st.just("complete") | st.just({"programCameraId": "a", "hold": True, "mode": 5}),
)


@settings(max_examples=300, deadline=None)
@given(some_rows, some_sessions, st.integers(0, 100))
def test_whatever_comes_is_read_once_in_order_and_alike(rows: list[Row], fields: dict[str, Any], seed: int) -> None:
    """Never raises; every row once; moments never go back; the order in which rows arrive does not matter."""
    reading = read(rows, fields)
    assert sorted(one.key for one in reading.rows) == sorted(one.key for one in rows)
    assert all(before <= after for before, after in pairwise(reading.moments))
    again = read(shuffled(rows, seed), fields)
    assert ([one.key for one in again.rows], again.moments) == ([one.key for one in reading.rows], reading.moments)
    assert again.steps == reading.steps


@pytest.mark.parametrize("world", [World(), World(steps=(-60_000,)), World(second_tap=300_000), World(late=0.2)])
def test_what_it_takes_grows_with_the_session_and_not_faster(world: World) -> None:
    """Counted in what is looked at, not in time: ten times the events, not much more than ten times the work."""
    counts = []
    for events in (200, 2_000):
        shoot = told(Random(1), World(**{**vars(world), "events": events}))
        counts.append(_work_of(shoot))
    assert counts[1] < 16 * counts[0]


def _work_of(shoot: Shoot) -> int:
    """How many functions are called to read a shoot."""
    with cProfile.Profile() as profile:
        read(shoot.rows, shoot.session)
    return sum(entry.callcount for entry in profile.getstats())
