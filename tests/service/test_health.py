"""Health: each thing that can be wrong has its word, its colour and its next step; and nothing else has."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tap.service.health import (
    BACKLOG_S,
    DISK_S,
    FIRST_FRAME_S,
    LAG_S,
    LEDGER_AWAY_S,
    RECONNECT_S,
    UNDERSTOOD_S,
    Numbers,
    judge,
)

WELL = Numbers(connected_for=1000, frames=5_000, heard=5_000, understood=5_000, silent_for=0.1, ledger="https://x")


def test_where_all_is_well_nothing_is_told() -> None:
    assert judge(WELL).state == "ok"
    assert judge(WELL).reasons == []


@pytest.mark.parametrize(
    ("what", "state", "name"),
    [
        ({"connected": False, "connected_for": 0, "session": True}, "failing", "server_away"),
        ({"connected": False, "connected_for": 0, "ever_connected": False}, "failing", "server_away"),
        ({"connected": False, "connected_for": RECONNECT_S - 1}, "degraded", "server_away"),
        ({"connected": False, "connected_for": RECONNECT_S}, "failing", "server_away"),
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
        ({"ledger_state": "blocked", "ledger_reason": "key_wrong"}, "failing", "ledger_blocked"),
        ({"ledger_state": "away", "ledger_for": 1.0}, "degraded", "ledger_away"),
        ({"ledger_state": "away", "ledger_for": LEDGER_AWAY_S}, "failing", "ledger_away"),
        ({"ledger_state": "away", "ledger_for": 1.0, "ledger_answered": False}, "failing", "ledger_away"),
        ({"ledger_state": "shipping", "oldest_pending": BACKLOG_S}, "degraded", "ledger_behind"),
        (
            {"ledger_state": "shipping", "oldest_pending": BACKLOG_S, "waiting": 2, "postponed": 2},
            "degraded",
            "postponed",
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
    ],
)
def test_what_is_normal_is_no_reason(what: dict[str, object]) -> None:
    """A quiet two-hour take, a server that has only just come, a venue without a ledger."""
    assert judge(replace(WELL, **what)).state == "ok"


def test_the_worst_comes_first_and_gives_the_colour() -> None:
    health = judge(replace(WELL, dead=1, clock_off=60.0, journal_failing="disk full", in_memory=3))
    assert health.state == "failing"
    assert [reason.state for reason in health.reasons] == ["failing", "degraded", "degraded"]


def test_words_from_outside_harm_no_terminal() -> None:
    health = judge(replace(WELL, connected=False, session=True, problem="\x1b[2Jgone\u202e" + "x" * 5_000))
    (reason,) = health.reasons
    assert reason.words.isprintable()
    assert len(reason.words) <= 300


def test_what_hinders_delivery_is_told_before_what_does_not() -> None:
    """Whatever the order in which it is found out: a server that is only just away comes before a blocked ledger."""
    both = {"connected": False, "connected_for": 0, "ledger_state": "blocked", "lag": LAG_S}
    health = judge(replace(WELL, **both))
    assert [(reason.state, reason.name) for reason in health.reasons] == [
        ("failing", "ledger_blocked"),
        ("degraded", "server_away"),
        ("degraded", "lag"),
    ]
    assert health.state == "failing"


def test_how_far_a_clock_is_off_is_told_in_seconds() -> None:
    (reason,) = judge(replace(WELL, clock_off=-75.4)).reasons
    assert reason.words == "the server's clock and this machine's differ by 75 s"
