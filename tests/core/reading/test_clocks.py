"""How the server's clock went, by what was heard: what is a delay, what a step, and what another tap."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tap.core.reading.clocks import Account, Way, eras_by, eras_of, is_even, offsets_of, place
from tap.core.reading.items import Item
from tests.core.reading.test_chains import cut, gap, item
from tests.core.reading.told import T0

SECOND = 1_000


def events(*told: tuple[float, float]) -> list[Item]:
    """Events by their time and when they were heard, in seconds after the start."""
    return [cut(round(at * SECOND), "b", "a", round(heard * SECOND), f"k{n}") for n, (at, heard) in enumerate(told)]


def steady(first: int, last: int, lead: float = 0, every: int = 10) -> list[tuple[float, float]]:
    """Every ten seconds one, by a clock that is ``lead`` seconds ahead of the tap's."""
    return [(second + lead, second) for second in range(first, last, every)]


def read_as(
    told: Sequence[Item], way: Way | None = None, started: int | None = T0, *, several: bool = False
) -> Account:
    account = eras_by(told, Way(1.5) if way is None else way, started, several=several)
    place(told, account)
    return account


def shifts(told: Sequence[Item]) -> list[float]:
    return [one.shift / SECOND for one in told]


# ---------------------------------------------------------------------------------------------- one clock


@pytest.mark.parametrize(("lead", "even"), [(1.995, True), (-2.005, True), (1.996, False), (-2.006, False)])
def test_two_seconds_are_what_delays_and_whole_seconds_explain(lead: float, even: bool) -> None:
    """And the five thousandths by which one clock may run slower than another in 10 s."""
    assert is_even(events((10, 10), (20, 20), (30 + lead, 30), (40 + lead, 40))) is even


def test_a_clock_that_runs_a_little_faster_is_one_clock() -> None:
    """By four seconds in three hours."""
    told = events(*((second * 1.0004, second) for second in range(10, 10_800, 30)))
    assert is_even(told)
    account = read_as(told)
    assert (account.cost, [era.shift for era in account.eras]) == (0, [0])


def test_nothing_heard_is_even() -> None:
    assert is_even([])
    account = read_as([])
    assert (account.cost, account.stretches, [era.shift for era in account.eras]) == (0, [], [0])


COSTS: dict[str, tuple[list[tuple[float, float]], float, list[int]]] = {
    "one told late": ([*steady(10, 50), (50, 93), *steady(60, 150)], 1.0, [0]),
    "two told late, apart": ([*steady(10, 50), (50, 77), (55, 112), *steady(60, 150)], 2.0, [0]),
    "the last told late": ([*steady(10, 50), (30, 90)], 1.0, [0]),
    "a step back": ([*steady(10, 50), *steady(50, 100, -60)], 1.5, [0, 60]),
    "a step forward": ([*steady(10, 50), *steady(50, 100, 60)], 1.5, [0, -60]),
    "two steps": ([*steady(10, 50), *steady(50, 100, 60), *steady(100, 150, 30)], 3.0, [0, -60, -30]),
    "there and back": ([*steady(10, 50), *steady(50, 90, -60), *steady(90, 150)], 3.0, [0, 60, 0]),
    "three of one delay are no step and back": ([*steady(10, 50), *steady(50, 80, -60), *steady(90, 150)], 3.0, [0]),
    "one that a clock of before has dated": ([*steady(10, 50), (110, 51), *steady(60, 150)], 2.5, [0]),
    "one held up at the beginning": ([(10, 25), *steady(30, 80)], 1.0, [0]),
    "a clock that was set after the first": ([(10, 25.001), *steady(30, 80)], 1.5, [0, -15]),
    "two seconds below the middle of before": ([*steady(10, 50), (50.5, 50), (58, 60)], 0.0, [0]),
    "more than that below it": ([*steady(10, 50), (50.5, 50), (57.999, 60)], 1.0, [0]),
    "a burst is told once": ([*steady(10, 50), (20, 52), (30, 52.01), (40, 52.02), *steady(60, 90)], 1.0, [0]),
}


@pytest.mark.parametrize("case", COSTS)
def test_what_it_takes_to_explain(case: str) -> None:
    told, cost, eras = COSTS[case]
    account = read_as(events(*told))
    assert account.cost == pytest.approx(cost)
    assert [round(era.shift / SECOND) for era in account.eras] == eras


@pytest.mark.parametrize(("near", "cost"), [(5.0, 1.0), (5.001, 1.5)])
def test_what_a_connection_that_begins_tells_of_before_is_late_and_no_step(near: float, cost: float) -> None:
    """A tap that comes to a running session hears its last events first: within seconds of its first sight."""
    first = gap(round((60 + near) * SECOND), None)
    first.key = "first sight"
    told = [*events((10, 60)), first, *events(*steady(70, 120))]
    for n, one in enumerate(told[2:]):
        one.key = f"later {n}"
    assert read_as(told).cost == pytest.approx(cost)


@pytest.mark.parametrize(("apart", "eras"), [(0.25, 1), (0.251, 2)])
def test_what_is_heard_within_a_quarter_of_a_second_was_told_together(apart: float, eras: int) -> None:
    """A single one of a new clock, heard with the last of the old one, is no era of its own."""
    account = read_as(events(*steady(10, 50), (-20, 40 + apart)), Way(0.375, careful=False))
    assert len(account.eras) == eras


def test_no_more_than_a_second_was_told_together() -> None:
    """Five a second for long: in the middle of that a clock may be set too."""
    told = [(second / 5, second / 5) for second in range(50, 100)]
    told += [(second / 5 + 60, second / 5) for second in range(100, 150)]
    account = read_as(events(*told))
    assert [era.shift for era in account.eras] == [0, -60_000]


@pytest.mark.parametrize("after", [[(40.1, 41.1), (50, 51)], [(40.3, 40.3), (50, 50), (60, 60)]])
def test_an_era_begins_after_the_one_before_it_whatever_delays_say(after: list[tuple[float, float]]) -> None:
    """The last of before was told at once, and those before that with a delay; what came after with one, or with none,
    so that it seems to have been before the last."""
    set_back = [(at - 60, heard) for at, heard in after]
    told = events(*((second, second + 0.5) for second in (10, 20, 30)), (40, 40), *set_back)
    account = read_as(told)
    moments = [one.moment for one in told]
    assert moments == sorted(moments)
    assert account.eras[1].begin is not None
    assert account.eras[1].begin >= (account.eras[0].end or 0)


# ---------------------------------------------------------------------------------------------- the start


def test_a_clock_set_before_the_first_event_is_known_once_it_is_set_again() -> None:
    told = events(*steady(10, 50, -3_600), *steady(50, 100))
    account = read_as(told)
    assert shifts(told) == [3_600] * 4 + [0] * 5
    bounds = [(era.begin or 0, era.end or 0) for era in account.eras]
    assert [((begin - T0) / SECOND, (end - T0) / SECOND) for begin, end in bounds] == [(10, 40), (50, 90)]


@pytest.mark.parametrize(("lead", "by"), [(-12.0, 3_588.0), (-12.001, 0.0)])
def test_the_clock_of_the_start_puts_the_first_event_two_seconds_before_it_at_most(lead: float, by: float) -> None:
    """The first is dated 3,590 s before the start. By the clock of later it would be 2 s before it, or more."""
    told = events(*steady(10, 50, -3_600), *steady(50, 100, lead))
    read_as(told)
    assert shifts(told)[0] == by


def test_where_it_is_never_set_again_events_keep_their_times() -> None:
    told = events(*steady(10, 50, -3_600))
    read_as(told)
    assert shifts(told) == [0] * 4


def test_an_event_just_before_the_start_is_of_its_clock() -> None:
    told = events((-2, -2), *steady(10, 50), *steady(50, 100, 60))
    read_as(told)
    assert shifts(told) == [0] * 5 + [-60] * 5


# ---------------------------------------------------------------------------------------------- late ones


def test_what_was_told_late_is_of_the_era_that_it_fits_into() -> None:
    """Back by a minute at 100: 25 lies before that by both clocks; 95 may be of both, and is of the later."""
    told = events(*steady(10, 100), *steady(100, 200, -60), (25, 190), (95, 196), (139, 199.5))
    account = read_as(told)
    assert [era.shift for era in account.eras] == [0, 60_000]
    assert shifts(told)[-3:] == [0, 60, 60]
    assert [one.sure for one in told[-3:]] == [False, False, True]
    assert {one.moment - T0 for one in told[-3:]} == {25_000, 155_000, 199_000}


def test_nothing_was_heard_before_it_happened() -> None:
    """Its time would be of the new clock too, but then it would lie ahead."""
    told = events(*steady(10, 100), *steady(100, 200, -60), (70, 120.5))
    read_as(told)
    assert shifts(told)[-1] == 0


def test_another_era_and_the_hearing_are_told_as_what_may_be_too() -> None:
    told = events(*steady(10, 100), *steady(100, 200, -60), (95, 196))
    read_as(told)
    assert [other // SECOND for other in told[-1].others] == [0, 101]


def test_marks_and_captures_are_dated_by_the_era_in_which_they_were_heard() -> None:
    """They are dated by whoever meant or took them; so they say nothing of the clocks."""
    told = events(*steady(10, 100), *steady(100, 200, -60))
    marks = [
        item("marker", 125_000, 186_000),
        item("still_capture", 20_000, 26_000),
        item("music_moment", 150_000, 190_000),
    ]
    assert not any(one.witness for one in marks)
    place([*told, *marks], eras_by(told, Way(1.5), T0, several=False))
    assert shifts(marks) == [60, 0, 60]


# ---------------------------------------------------------------------------------------------- other taps


def turns(times: int, ahead: float, every: int = 10) -> list[tuple[float, float]]:
    return [(n * every, n * every + (ahead if n % 2 else 0)) for n in range(1, times + 2)]


@pytest.mark.parametrize(
    ("told", "found"),
    [
        (turns(4, 300), [300_000]),
        (turns(3, 300), []),
        (turns(9, -300), [300_000]),
        (turns(9, 2), []),
        (turns(9, 2.001), [2_001]),
        ([*steady(10, 30), *steady(30, 50, 60), *steady(50, 70, 120), *steady(70, 90, 180), *steady(90, 110, 240)], []),
    ],
)
def test_two_leads_that_take_turns_may_be_two_taps(told: list[tuple[float, float]], found: list[int]) -> None:
    assert offsets_of(events(*told)) == found


def test_turns_of_several_sizes_are_told_apart_and_the_most_often_comes_first() -> None:
    told = [*turns(12, 300), *((at + 200, heard + 200) for at, heard in turns(6, 40))]
    assert offsets_of(events(*told)) == [300_000, 40_000]


@pytest.mark.parametrize(("jitter", "found"), [(0.29, 1), (0.61, 0)])
def test_turns_of_one_size_differ_by_no_more_than_delays_do(jitter: float, found: int) -> None:
    """Where times are to the millisecond."""
    told = [(at + 0.001 + (jitter if n in (1, 5) else 0), heard) for n, (at, heard) in enumerate(turns(4, 300))]
    assert len(offsets_of(events(*told))) == found


def test_a_second_tap_takes_a_little_for_each_turn_and_its_rows_are_where_they_were() -> None:
    told = events(*turns(8, 300))
    account = read_as(told, Way(1.5, offset=300_000))
    assert account.cost == pytest.approx(3.0 + 8 * 0.15)
    assert shifts(told) == [0] * 9
    assert [one.ahead for one in told] == [300_000, 0] * 4 + [300_000]


def test_a_step_is_one_for_both_taps() -> None:
    told = events(*turns(8, 300), *((at - 60, heard) for at, heard in turns(16, 300)[9:]))
    read_as(told, Way(1.5, offset=300_000))
    assert shifts(told) == [0] * 9 + [60] * 8


def test_who_has_heard_a_single_one_of_a_new_clock_is_told_by_the_nearest_lead() -> None:
    told = events(*turns(8, 300), (40, 400))
    read_as(told, Way(0.75, careful=False, offset=300_000))
    assert (told[-1].ahead, told[-1].shift) == (300_000, 60_000)


def test_where_several_taps_are_known_a_change_is_another_one_s_clock() -> None:
    told = [*steady(10, 50), *steady(50, 100, 60)]
    known, bold = events(*told), events(*told)
    assert read_as(known, several=True).cost == 1.5
    read_as(bold, Way(1.5, careful=False), several=True)
    assert (shifts(known)[-1], shifts(bold)[-1]) == (0, -60)


@pytest.mark.parametrize(("silence", "shift"), [(31, 0), (30, 20), (40, 20)])
def test_a_step_back_that_makes_a_silence_much_longer_than_any_other_is_another_tap(silence: int, shift: int) -> None:
    """Three times the longest, and mostly by the step: of 40 s of silence half may be that."""
    told = events(*steady(10, 50), *((40 + silence + n - 20, 40 + silence + n) for n in (0, 10, 20)))
    read_as(told)
    assert shifts(told)[-1] == shift


def test_no_step_is_believed_where_none_is_to_be() -> None:
    told = events(*steady(10, 50), *steady(50, 120, 60))
    account = read_as(told, Way(None))
    assert shifts(told) == [0] * 11
    assert account.cost == 4.0
    assert [one.sure for one in told] == [False] * 4 + [True] * 7


def test_eras_are_those_of_what_is_sure() -> None:
    told = events(*steady(10, 50), *steady(50, 100, -60))
    read_as(told)
    told[2].sure, told[2].shift = False, 5
    eras = eras_of(sorted(told, key=lambda one: one.moment))
    assert [(era.shift, era.begin, era.end) for era in eras] == [
        (0, T0 + 10_000, T0 + 40_000),
        (60_000, T0 + 50_000, T0 + 90_000),
    ]
    for one in told:
        one.sure = False
    assert [(era.shift, era.begin) for era in eras_of(told)] == [(0, None)]
