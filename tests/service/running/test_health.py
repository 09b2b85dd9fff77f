"""Health: each thing that can be wrong has its word, its colour and its next step; and nothing else has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from msgspec.structs import replace

from tap.core.standing import STANDINGS
from tap.service.running.health import (
    BACKLOG_S,
    DISK_S,
    FIRST_FRAME_S,
    LAG_S,
    RECONNECT_S,
    UNDERSTOOD_S,
    Numbers,
    judge,
)

ROOT = Path(__file__).parents[3]
WELL = Numbers(connected_for=1000, frames=5_000, heard=5_000, understood=5_000, silent_for=0.1, ledger="https://x")


def test_where_all_is_well_nothing_is_told() -> None:
    assert judge(WELL).state == "ok"
    assert judge(WELL).reasons == []


@pytest.mark.parametrize(
    ("what", "state", "name"),
    [
        ({"connected": False, "connected_for": 0, "session": True}, "failing", "server_away"),
        ({"connected": False, "connected_for": 0, "ever_heard": False}, "degraded", "server_away"),
        ({"connected": False, "connected_for": RECONNECT_S, "expected": True}, "failing", "server_away"),
        ({"frames": 0, "connected_for": FIRST_FRAME_S}, "failing", "server_silent"),
        ({"heartbeat": 5.0, "silent_for": 16.0}, "failing", "server_silent"),
        ({"understood": 0, "connected_for": UNDERSTOOD_S}, "failing", "nothing_understood"),
        ({"drift": {"cuts": "no cut for an hour"}}, "degraded", "drift_cuts"),
        ({"journal_failing": "disk full", "in_memory": 7}, "failing", "journal"),
        ({"journal_full": "the journal holds 9 MB that the ledger has not"}, "failing", "journal_full"),
        ({"commit_waits": DISK_S}, "failing", "disk"),
        ({"moved_aside": 1}, "degraded", "journal_moved"),
        ({"unkept": 1}, "degraded", "unkept"),
        ({"recorder_failing": "disk full"}, "degraded", "recorder"),
        ({"ledger_state": "blocked", "ledger_reason": "key_wrong"}, "degraded", "ledger_blocked"),
        ({"ledger_state": "away", "ledger_for": 1.0}, "degraded", "ledger_away"),
        ({"ledger_state": "away", "ledger_for": 1e5, "ledger_answered": False}, "degraded", "ledger_away"),
        ({"ledger_state": "shipping", "oldest_pending": BACKLOG_S}, "degraded", "ledger_behind"),
        (
            {"ledger_state": "shipping", "oldest_pending": BACKLOG_S, "waiting": 2, "postponed": 2},
            "degraded",
            "postponed",
        ),
        (
            {"older": True, "oldest_pending": BACKLOG_S, "waiting": 5, "held": 3, "in_part": 2},
            "degraded",
            "ledger_older",
        ),
        ({"dead": 2}, "degraded", "set_aside"),
        ({"dropped_control": 3}, "degraded", "control_dropped"),
        ({"too_big": 1}, "degraded", "frame_too_big"),
        ({"slips": 1}, "degraded", "bug"),
        ({"clock_off": -75.0}, "degraded", "clock"),
        ({"lag": LAG_S}, "degraded", "lag"),
    ],
)
def test_what_is_wrong_is_told_with_what_to_do(what: dict[str, object], state: str, name: str) -> None:
    health = judge(replace(WELL, **what))
    assert (health.state, [reason.name for reason in health.reasons]) == (state, [name])
    (reason,) = health.reasons
    assert reason.words
    assert reason.next_step


@pytest.mark.parametrize(
    "what",
    [
        {"frames": 0, "connected_for": FIRST_FRAME_S - 1},
        {"silent_for": 7_200.0},
        {"heartbeat": 5.0, "silent_for": 14.0},
        {"understood": 0, "connected_for": UNDERSTOOD_S - 1},
        {"commit_waits": DISK_S - 1},
        {"ledger": None, "oldest_pending": 1e6, "waiting": 10_000},
        {"ledger_state": "shipping", "oldest_pending": BACKLOG_S - 1},
        {"lag": LAG_S / 2},
        {"connected": False, "connected_for": 36_000.0},
        {"connected": False, "connected_for": RECONNECT_S - 1, "expected": True},
    ],
)
def test_what_is_normal_is_no_reason(what: dict[str, object]) -> None:
    """A quiet two-hour take, a server that has only just come or is off for the night, a venue without a ledger."""
    assert judge(replace(WELL, **what)).state == "ok"


def test_the_worst_comes_first_and_gives_the_colour() -> None:
    health = judge(replace(WELL, dead=1, clock_off=60.0, journal_failing="disk full", in_memory=3))
    assert health.state == "failing"
    assert [reason.state for reason in health.reasons] == ["failing", "degraded", "degraded"]


def test_what_fails_comes_before_what_only_wants_a_look_though_it_is_found_later() -> None:
    """A server that was never heard is looked at first; the disk that takes nothing is what matters."""
    away = {"connected": False, "connected_for": 0, "ever_heard": False}
    health = judge(replace(WELL, **away, journal_failing="disk full", in_memory=7))
    assert [reason.name for reason in health.reasons] == ["journal", "server_away"]


def test_words_from_outside_harm_no_terminal() -> None:
    health = judge(replace(WELL, connected=False, session=True, problem="\x1b[2Jgone\u202e" + "x" * 5_000))
    (reason,) = health.reasons
    assert reason.words.isprintable()
    assert len(reason.words) <= 300


def test_what_costs_the_recording_is_told_before_what_does_not() -> None:
    """Whatever the order in which it is found out: what is lost now, then the ledger, then what only wants a look."""
    both = {"connected": False, "session": True, "ledger_state": "blocked", "lag": LAG_S}
    health = judge(replace(WELL, **both))
    assert [(reason.state, reason.name) for reason in health.reasons] == [
        ("failing", "server_away"),
        ("degraded", "ledger_blocked"),
        ("degraded", "lag"),
    ]
    assert health.state == "failing"


@pytest.mark.parametrize(
    ("what", "standing", "colour", "words"),
    [
        ({}, "in_step", "green", "Ready, the ledger is up to date"),
        ({"session": True}, "in_step", "green", "Recording, the ledger is up to date"),
        ({"ledger": None, "session": True, "waiting": 900}, "local", "green", "Recording locally"),
        ({"ledger_answered": False}, "untried", "grey", "Ready, the ledger has not been asked yet"),
        ({"connected": False, "connected_for": 36_000.0}, "waiting", "grey", "Waiting for the server"),
        ({"connected": False, "ever_heard": False}, "unheard", "yellow", "The server was never reached"),
        (
            {"session": True, "ledger_state": "away", "waiting": 1214},
            "behind",
            "yellow",
            "Recording, the ledger is 1,214 behind",
        ),
        ({"ledger_state": "shipping", "oldest_pending": BACKLOG_S, "waiting": 7}, "behind", "yellow", None),
        ({"ledger_state": "blocked", "waiting": 7}, "behind", "yellow", None),
        ({"journal_full": "the journal holds 9 MB"}, "overfull", "red", None),
        ({"connected": False, "connected_for": RECONNECT_S, "expected": True}, "missing", "red", None),
        ({"journal_failing": "disk full"}, "in_memory", "red", "In memory only: the disk does not write"),
        ({"understood": 0, "connected_for": UNDERSTOOD_S}, "not_understood", "red", None),
        ({"frames": 0, "connected_for": FIRST_FRAME_S}, "silent", "red", None),
        ({"connected": False, "session": True}, "lost", "red", "Nothing is recorded: the server is away"),
        ({"connected": False, "session": True, "journal_failing": "disk full"}, "lost", "red", None),
        ({"dead": 2, "clock_off": 60.0}, "in_step", "yellow", "Ready, the ledger is up to date; 2 to look at"),
        ({"connected": False, "dead": 1}, "waiting", "yellow", "Waiting for the server; 1 to look at"),
    ],
)
def test_how_the_tap_stands_is_told_in_words_that_are_true(
    what: dict[str, object], standing: str, colour: str, words: str | None
) -> None:
    health = judge(replace(WELL, **what))
    assert (health.standing, health.colour) == (standing, colour)
    assert words is None or health.words == words
    assert health.next_step
    assert health.alarm == STANDINGS[standing].alarm


def test_nobody_is_woken_for_what_loses_nothing() -> None:
    """A ledger that is away or refuses, a server that is off for the night, a journal that is large."""
    assert {name for name, one in STANDINGS.items() if one.alarm} == {
        *("missing", "in_memory", "not_understood", "silent", "lost")
    }
    assert all(one.colour == "red" for one in STANDINGS.values() if one.alarm)


def test_the_alerts_wake_somebody_for_the_same() -> None:
    alerts = (ROOT / "docs" / "alerts.yml").read_text("utf-8")
    told = re.search(r'multicam_tap_standing\{standing=~"([^"]+)"\}', alerts)
    assert told is not None
    assert set(told[1].split("|")) == {name for name, one in STANDINGS.items() if one.alarm}


def test_the_page_about_health_has_the_table_of_the_code() -> None:
    """On a difference, replace what is between the markers by what this test expects."""
    text = (ROOT / "docs" / "health.md").read_text("utf-8")
    inside = text.partition("<!-- standings:begin -->\n")[2].partition("<!-- standings:end -->")[0]
    lines = ["| standing | colour | wakes somebody | in a session | outside one | what to do |", "|" + " --- |" * 6]
    for name, one in STANDINGS.items():
        words = (f"`{name}`", one.colour, "yes" if one.alarm else "no", one.recording, one.between, one.next_step)
        lines.append(f"| {' | '.join(words)} |".replace("{count}", "N"))
    assert inside == "\n".join(lines) + "\n"


def test_how_far_a_clock_is_off_is_told_in_seconds() -> None:
    (reason,) = judge(replace(WELL, clock_off=-75.4)).reasons
    assert reason.words == "the server's clock and this machine's differ by 75 s"
