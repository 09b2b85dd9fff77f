"""How the tap stands, on a screen: what people have to know is there, and nothing of it does harm."""

from __future__ import annotations

import io

import pytest
from msgspec import json, structs
from rich.console import Console

from tap.core.palette import WARNING
from tap.core.status import (
    Health,
    JournalNow,
    LedgerNow,
    MissingStill,
    Now,
    Reason,
    Report,
    ServerNow,
    SessionKept,
    Status,
)
from tap.history.terminal.status_screen import status_screen

NOW = 1_795_000_000_000
OPEN = "OBS asks for no password although TAP_SERVER_TOKEN is set: anybody can control this OBS"

SERVER = ServerNow(
    url="ws://127.0.0.1:4455/",
    connected=True,
    since=NOW - 60_000,
    problem=None,
    connections=1,
    last_heard=NOW,
    version=None,
    clock_offset_ms=None,
    frames=120,
    unknown_types={},
)


def report(server: ServerNow, *reasons: Reason) -> Report:
    now = Now(
        now=NOW,
        wall=NOW,
        health=Health(reasons[0].state if reasons else "ok", list(reasons)),
        server=server,
        journal=JournalNow("/var/lib/tap/journal.db", None, 0, 0, 3, 0, None, 4096, NOW),
        ledger=LedgerNow("none", None, None, None, None, 0),
        waits_for="the recorder runs",
        session=None,
        program=None,
        hold=None,
        mode=None,
        cameras=[],
        more_cameras=0,
    )
    status = Status("1.0.0", "hall", "obs", None, 1, NOW - 60_000, now)
    return Report(ok=not reasons, running=True, status=status)


def shown(of: Report, width: int = 100) -> str:
    file = io.StringIO()
    Console(file=file, width=width, highlight=False).print(status_screen(of, None, NOW))
    return file.getvalue()


def test_what_people_should_know_of_a_server_that_is_heard_is_shown() -> None:
    """In words below the server's line; not where there is nothing, nor of a connection that has gone."""
    lines = shown(report(structs.replace(SERVER, remark=OPEN))).splitlines()
    above = next(index for index, line in enumerate(lines) if line.startswith("server"))
    assert OPEN in " ".join(" ".join(lines[above + 1 : above + 3]).split())
    assert "anybody can control" not in shown(report(SERVER))
    away = structs.replace(SERVER, remark=OPEN, connected=False, problem="refused")
    assert "anybody can control" not in shown(report(away))


def test_a_remark_is_for_scripts_too_and_a_tap_without_it_is_read() -> None:
    said = json.decode(json.encode(report(structs.replace(SERVER, remark=OPEN))))
    assert said["status"]["now"]["server"]["remark"] == OPEN
    older = json.decode(json.encode(report(SERVER)))
    del older["status"]["now"]["server"]["remark"]
    assert json.decode(json.encode(older), type=Report).status is not None


def test_a_hostile_remark_does_nothing_to_the_terminal() -> None:
    text = shown(report(structs.replace(SERVER, remark="\x1b[2Jevil\u202e")))
    assert not {"\x1b", "\u202e"} & set(text)


@pytest.mark.parametrize("width", [60, 100_000])
def test_a_line_is_as_long_as_what_it_says(width: int) -> None:
    """Nothing is filled up to the width of where it is shown."""
    reason = Reason("clock", "degraded", "the clocks differ", "set both by NTP")
    text = shown(report(SERVER, reason), width)
    assert "the clocks differ → set both by NTP" in text
    assert max(map(len, text.splitlines())) <= min(width, 120)


def test_what_is_kept_is_what_waits_and_what_was_delivered_and_what_was_set_aside() -> None:
    of = report(SERVER)
    assert of.status is not None
    journal = JournalNow("/var/lib/tap/journal.db", None, 0, 7, 100, 2, None, 4096, NOW)
    of = structs.replace(of, status=structs.replace(of.status, now=structs.replace(of.status.now, journal=journal)))
    assert "109 entries saved, 2 rejected" in shown(of)


def test_it_says_how_far_back_a_session_can_be_made() -> None:
    """As far as the tapes go; nothing where nobody knows."""
    known = report(SERVER)
    assert known.status is not None
    assert "a session can be made" not in shown(known)
    known = structs.replace(known, status=structs.replace(known.status, tapes_since=NOW - 86_400_000))
    assert "a session can be made afterwards, back to" in shown(known)


def test_no_warning_is_in_the_terminals_own_yellow() -> None:
    """On a white terminal that cannot be read: a colour is named that can, on a black one too."""
    degraded = [Reason("clock", "degraded", "the clocks differ", "ask one time server")]
    told = report(structs.replace(SERVER, remark=OPEN, unknown_types={"odd": 3}), *degraded)
    file = io.StringIO()
    Console(file=file, width=120, force_terminal=True, color_system="truecolor").print(status_screen(told, None, NOW))
    red, green, blue = (int(WARNING[at : at + 2], 16) for at in (1, 3, 5))
    assert f"38;2;{red};{green};{blue}m" in file.getvalue()
    assert "\x1b[33m" not in file.getvalue()


def test_stills_that_were_never_taken_are_told_apart_from_those_that_were_not_uploaded() -> None:
    missing = [
        MissingStill("s1", "Ben", "captured", None),
        MissingStill("s2", "Ben", "requested", NOW),
        MissingStill("s3", "Ana", "failed", NOW, "no space"),
        MissingStill("s4", "Ana", "captured", None),
    ]
    kept = SessionKept("hall/s", "Show", "complete", NOW, NOW, 9, 9, 0, 0, missing, left_live=False)
    text = " ".join(shown(structs.replace(report(SERVER), sessions=[kept])).split())
    assert "Show: 2 stills taken, not uploaded: s1 of Ben, s4 of Ana" in text
    assert "Show: 1 still requested, never taken: s2 of Ben" in text
    assert "Show: 1 still failed: s3 of Ana (no space)" in text
