"""A clock that is wrong deletes nothing and invents no weeks; one that is right lets go of what is too old."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog

from tap.adapters import uptime
from tap.adapters.dialects import load_dialect
from tap.adapters.journal import Journal, JournalWriter
from tap.core.errors import JournalError
from tap.core.mapping import Verdict
from tap.core.model import Entry, Frame, Opened, Stamp
from tap.core.pipeline import Pipeline
from tap.service.running import clock_trust as clocks
from tap.service.running import daemon
from tap.service.running import flight_recorder as flight
from tap.service.running.clock_trust import (
    ClockTrust,
    Moment,
    away_ms,
    away_unknown,
    doubt,
    is_set_by_ntp,
    moment_now,
    read_moment,
)
from tap.service.running.daemon import Service
from tap.service.running.flight_recorder import segments
from tap.service.running.journal_pruner import JournalPruner
from tests.service.running.test_daemon import SHOOT, kept, look_until, serve_in_process, server, settings
from tests.service.running.test_flight_recorder import frame, recorder, until

NOW = 1_795_000_000_000
HOUR = 3_600_000
DAY = 24 * HOUR
LAST = Moment(NOW, 5_000, 100_000, "b1")


def later(wall: int, ran: int | None = None) -> Moment:
    """``wall`` ms later by the wall clock, ``ran`` ms by the machine's own; None: it was started anew."""
    return Moment(NOW + wall, 0, 100_000 + (ran or 0), "b1" if ran is not None else "b2")


# ---------------------------------------------------------------------------------------------- what is believed


@pytest.mark.parametrize(
    ("now", "server_off", "ntp", "why"),
    [
        # In one life of the machine: the wall clock goes as the machine does, or it was set.
        (later(DAY, DAY), None, None, None),
        (later(DAY + HOUR, DAY), None, None, None),
        (later(DAY + HOUR + 1, DAY), None, None, "25 hours ahead"),
        (later(40 * DAY, HOUR), None, False, "40 days ahead"),
        (later(40 * DAY, HOUR), 5_000, None, "40 days ahead"),
        (later(40 * DAY, HOUR), None, True, None),
        (later(40 * DAY, HOUR), -40 * DAY, True, "40 days ahead"),
        (later(40 * DAY, 40 * DAY), None, None, None),
        (later(-DAY, HOUR), None, None, None),
        # After another start of it nobody knows how long it was off: some days are normal.
        (later(7 * DAY), None, None, None),
        (later(7 * DAY + 1), None, None, "7 days ahead"),
        (later(40 * DAY), None, True, None),
        (later(40 * DAY), None, None, "40 days ahead"),
        # The server's clock is another: by itself it proves nothing, but without NTP nothing is deleted.
        (later(HOUR, HOUR), DAY, None, None),
        (later(HOUR, HOUR), DAY + 1, None, "differ by 24 hours"),
        (later(HOUR, HOUR), -5 * 365 * DAY, False, "differ by 1825 days"),
        (later(HOUR, HOUR), 5 * 365 * DAY, True, None),
    ],
)
def test_what_else_tells_the_time_decides(
    now: Moment, server_off: int | None, ntp: bool | None, why: str | None
) -> None:
    """NTP, the server, and what is remembered of the last time that the clock was believed."""
    said = doubt(LAST, now, server_off=server_off, ntp=lambda: ntp)
    assert (said is None) == (why is None)
    assert why is None or why in str(said)


def test_where_nothing_is_known_nothing_speaks_against_it() -> None:
    """The first start of all; and NTP is not asked where that changes nothing."""

    def ntp() -> bool:
        raise AssertionError

    assert doubt(None, later(0), server_off=None, ntp=ntp) is None
    assert doubt(LAST, later(DAY, DAY), server_off=3_000, ntp=ntp) is None


def test_a_machine_that_counts_anew_is_another_life_of_it() -> None:
    """A container whose uptime went back, or one that does not tell."""
    back = Moment(NOW + 40 * DAY, 0, 99_999, "b1")
    assert doubt(LAST, back, server_off=None, ntp=lambda: None) is not None
    nameless = Moment(NOW, 0, 100_000, None)
    assert doubt(nameless, Moment(NOW + 2 * DAY, 0, 100_000, None), server_off=None, ntp=lambda: None) is None


def test_doubt_is_told_once_and_its_end_too() -> None:
    """And NTP is not asked every minute."""
    answers, asked, seconds = [False, True], 0, 0.0

    def ntp() -> bool:
        nonlocal asked
        asked += 1
        return answers.pop(0)

    trust = ClockTrust(LAST, ntp=ntp, uptime=lambda: seconds)
    assert not trust.ok
    with structlog.testing.capture_logs() as log:
        for minute in range(10):
            assert not trust.look(later(40 * DAY + minute, 60_000), None)
            seconds += 59.0
        assert (asked, trust.ok, trust.last) == (1, False, LAST)
        seconds = 600.0
        assert trust.look(later(40 * DAY, 60_000), None)
        assert trust.look(later(40 * DAY, 60_000), None)
    assert [(line["log_level"], line["event"]) for line in log] == [
        ("warning", "this machine's clock is in doubt: nothing is deleted because of its age"),
        ("info", "this machine's clock is right again: the tap deletes old data again"),
    ]
    assert "40 days" in log[0]["why"]
    assert "NTP" in log[0]["next_step"]
    assert (trust.ok, trust.last) == (True, later(40 * DAY, 60_000))


def test_a_clock_that_was_set_back_is_not_ahead_when_it_is_right_again() -> None:
    """What it was believed at last stays what it was."""
    trust = ClockTrust(LAST, ntp=lambda: None)
    assert trust.look(later(-10 * DAY, HOUR), None)
    assert trust.last == LAST
    assert trust.look(later(2 * HOUR, 2 * HOUR), None)
    assert trust.last == later(2 * HOUR, 2 * HOUR)


@pytest.mark.parametrize(
    ("script", "answer"),
    [
        ("#!/bin/sh\necho yes\n", True),
        ("#!/bin/sh\necho no\n", False),
        ("#!/bin/sh\necho perhaps\n", None),
        ("#!/bin/sh\necho yes\nexit 1\n", None),
        ("no program at all", None),
        (None, None),
    ],
)
def test_ntp_is_asked_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None, answer: bool | None
) -> None:
    """Where it does not tell, nobody knows."""
    monkeypatch.setattr(clocks, "_SYNCHRONIZED", tmp_path / "synchronized")
    monkeypatch.setenv("PATH", str(tmp_path))
    if script is not None:
        (tmp_path / "timedatectl").write_text(script)
        (tmp_path / "timedatectl").chmod(0o755)
    assert is_set_by_ntp() is answer
    (tmp_path / "synchronized").touch()
    assert is_set_by_ntp() is True


# ---------------------------------------------------------------------------------------------- how long it was away


@pytest.mark.parametrize(
    ("seen", "now", "away"),
    [
        # Last there at wall NOW, mono 5,000; the mark is from then, or from before.
        (LAST, later(3_000, 3_000), 3_000),
        (Moment(NOW - 1_000, 4_000, 99_000, "b1"), later(3_000, 3_000), 3_000),
        (LAST, later(40 * DAY, 3_000), 3_000),
        (LAST, later(-40 * DAY, 3_000), 3_000),
        # The machine slept while the tap ran: its own count has that, and the wall clock knows better.
        (Moment(NOW - HOUR, 4_000, 100_000 - HOUR, "b1"), later(3_000, 3_000), 3_000),
        (LAST, later(3_000), None),
        (None, later(3_000, 3_000), None),
    ],
)
def test_how_long_the_tap_was_away(seen: Moment | None, now: Moment, away: int | None) -> None:
    """By the machine's own count, whatever was done to the wall clock; after another start of it nobody can say."""
    assert away_ms(seen, now, wall=NOW, mono=5_000) == away


@pytest.mark.parametrize(
    ("last", "now", "ntp", "why"),
    [
        (LAST, later(3_000), None, None),
        (LAST, later(7 * DAY), None, None),
        (LAST, later(40 * DAY), True, None),
        (LAST, later(40 * DAY), None, "40 days ahead"),
        (LAST, later(40 * DAY), False, "40 days ahead"),
        # Of an older version, which remembered nothing but the checkpoint.
        (None, later(40 * DAY), None, "40 days ahead"),
        (None, later(3_000), None, None),
        # A clock whose battery is empty begins in the past, and NTP has not come yet, or has.
        (LAST, later(-60_000), None, None),
        (LAST, later(-60_001), None, "0 hours behind"),
        (LAST, later(-400 * DAY), True, "400 days behind"),
    ],
)
def test_after_a_reboot_a_clock_that_cannot_be_right_tells_no_length(
    last: Moment | None, now: Moment, ntp: bool | None, why: str | None
) -> None:
    """Then only the wall clock could tell for how long the tap was away."""
    said = away_unknown(last, now, wall=NOW, ntp=lambda: ntp)
    assert (said is None) == (why is None)
    assert why is None or why in str(said)


@pytest.mark.parametrize(("days", "told"), [(40, 1), (2, 0)])
def test_a_start_after_a_reboot_with_a_wrong_clock_tells_no_gap_of_forty_days(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int, told: int
) -> None:
    """It is said once, and the gap that is written has no length; one of two days has."""
    given = settings(tmp_path)
    asleep = Moment(moment_now().wall - days * DAY, 9_000, 50_000, "another start of the machine")
    before = Pipeline(load_dialect("multicam/1"), venue=given.venue, tap="0123456789ab")
    hear(before, asleep.wall, 9_000)
    with Journal.open(given.journal_path, owner=True) as journal:
        journal.append([], before.checkpoint(), asleep.wall)
        for name in (daemon._SEEN, daemon._BELIEVED):
            journal.remember(name, msgspec.json.encode(asleep).decode())
    monkeypatch.setattr(clocks, "is_set_by_ntp", lambda: None)
    journal = Journal.open(given.journal_path, owner=True)
    with structlog.testing.capture_logs() as log:
        service = Service(given, load_dialect(given.dialect), journal)
    try:
        now = service.clock.stamp()
        entries = hear(service.pipeline, now.wall, now.mono)
    finally:
        service.flight.stop(300)
        service.writer.stop(300)
        journal.close()
    assert sum("the tap's absence is unknown" in line["event"] for line in log) == told
    (gap,) = [entry.fields for entry in entries if entry.fields.get("kind") == "gap"]
    assert ("durationMs" in gap) == (not told)
    assert told or abs(gap["durationMs"] - days * DAY) < HOUR


def hear(pipeline: Pipeline, wall: int, mono: int) -> list[Entry]:
    """A connection, and the beginning of a shoot on it."""
    entries = pipeline.feed(Opened(Stamp(wall, mono), 1))
    for number, data in enumerate(SHOOT):
        entries += pipeline.feed(Frame(data.encode(), Stamp(wall + 1, mono + 1), 1, number + 1))
    return entries


def test_a_moment_survives_its_writing(tmp_path: Path) -> None:
    """What is no moment says nothing."""
    with Journal.open(tmp_path / "journal.db") as journal:
        assert journal.remembered("seen") is None
        journal.remember("seen", "x")
        journal.remember("seen", '{"wall":1,"mono":2,"uptime":3,"boot":"b"}')
        assert read_moment(journal.remembered("seen")) == Moment(1, 2, 3, "b")
    assert read_moment("[]") is None
    assert read_moment(None) is None


def test_uptime_goes_on_and_a_boot_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's, or when it first showed /sys where the unit's sandbox hides it; none where clocks are bent."""
    first = moment_now(7)
    assert first.mono == 7
    assert 0 < first.uptime <= moment_now().uptime
    name = uptime.boot_id()
    assert name
    assert name == moment_now().boot
    with monkeypatch.context() as patched:
        patched.setattr(uptime, "_UPTIME", tmp_path / "uptime")
        assert uptime.boot_id() == name
        patched.setattr(uptime, "_BOOT", tmp_path / "boot_id")
        assert str(uptime.boot_id()).startswith("sys-")
        (tmp_path / "uptime").write_text(f"{uptime.uptime_ms() / 1000 - 3_600:.2f} 1.00\n")
        assert uptime.boot_id() is None


# ---------------------------------------------------------------------------------------------- what goes


def shipped(journal: Journal, count: int, at: int) -> None:
    entries = [Entry(f"v/s/{at}/{n}", "event", "v/s", n, {"n": n}) for n in range(1, count + 1)]
    first = sum(journal.counts().values())
    journal.append(entries, None, at)
    journal.settle([(first + n, "shipped", None) for n in range(1, count + 1)], at)


async def test_the_old_go_in_steps_and_with_a_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step each time; one line an hour has the sum."""
    monkeypatch.setattr("tap.service.running.journal_pruner._STEP", 400)
    given, believed, seconds = settings(tmp_path), False, 0.0

    async def believe() -> bool:
        return believed

    with Journal.open(given.journal_path, owner=True) as journal:
        shipped(journal, 1_000, 1)
        shipped(journal, 30, time.time_ns() // 1_000_000)
        writer = JournalWriter(journal)
        upkeep = JournalPruner(writer, given, believed=believe)
        upkeep._told._now = lambda: seconds
        counts: list[int] = []
        with structlog.testing.capture_logs() as log:
            for looks in range(6):
                await upkeep.tidy()
                counts.append(writer.run_in_writer(lambda journal: journal.counts()["shipped"]).result(300))
                believed = True
                seconds += 3_600.0 if looks == 3 else 1.0
        assert counts == [1_030, 630, 230, 30, 30, 30]
        assert [(line["event"], line["entries"]) for line in log] == [
            ("entries were deleted that the ledger has: they were too old", 400),
            ("entries were deleted that the ledger has: they were too old", 600),
        ]
        assert writer.stop(300)


@pytest.mark.parametrize("right", [(True, False), (False, True)], ids=["before it", "after it"])
async def test_a_clock_that_is_set_as_it_is_believed_deletes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, right: tuple[bool, bool]
) -> None:
    """Forty days ahead in the moment after it was believed, or right only in that moment."""
    given, now = settings(tmp_path), time.time_ns() // 1_000_000
    clock = [now if is_right else now + 40 * 86_400_000 for is_right in right]
    monkeypatch.setattr("tap.service.running.journal_pruner.wall_ms", lambda: clock[0])

    async def believe() -> bool:
        clock.pop(0)
        return True

    with Journal.open(given.journal_path, owner=True) as journal:
        shipped(journal, 10, now)
        writer = JournalWriter(journal)
        await JournalPruner(writer, given, believed=believe).tidy()
        assert writer.run_in_writer(lambda journal: journal.counts()["shipped"]).result(300) == 10
        assert writer.stop(300)


async def test_what_cannot_be_pruned_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And again after it could."""
    given = settings(tmp_path)
    with Journal.open(given.journal_path, owner=True) as journal:
        writer = JournalWriter(journal)
        upkeep = JournalPruner(writer, given)
        with structlog.testing.capture_logs() as log:
            for fails in (True, True, False, True):
                with monkeypatch.context() as patched:
                    if fails:
                        patched.setattr(Journal, "prune", _full)
                    await upkeep.tidy()
        assert [line["event"] for line in log] == ["old entries could not be pruned"] * 2
        assert writer.stop(300)


def _full(*_: object) -> int:
    raise JournalError("the disk is full")


def test_tapes_go_one_at_a_time_and_only_where_the_clock_is_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their age is told by the last of them: where the clock alone went on, none is old."""
    believed, asked = False, 0

    def may_age() -> bool:
        nonlocal asked
        asked += 1
        return believed

    for number in range(1, 6):
        tape = tmp_path / f"{number:06}-20260101T000000Z.jsonl"
        tape.write_text("{}\n")
        days = 40 if number < 4 else 20
        os.utime(tape, (time.time() - days * 86_400,) * 2)
    with recorder(tmp_path, may_age=may_age) as made, structlog.testing.capture_logs() as log:
        made.on_item(frame(0), Verdict.MAPPED)
        until(lambda: len(segments(tmp_path)) == 6 and not made.waiting_bytes)
        made._writer._shelf.tidy(None)
        assert (asked > 0, len(segments(tmp_path))) == (True, 6)
        believed = True
        for _ in range(3):
            made._writer._shelf.tidy(None)
        assert len(segments(tmp_path)) == 5
        monkeypatch.setattr(flight, "_AGE_EVERY_S", 0.0)
        made._writer._shelf._next_aged = 0.0
        for _ in range(9):
            made._writer._shelf.tidy(None)
        assert [path.name[:6] for path in segments(tmp_path)] == ["000004", "000005", "000006"]
    told = [line for line in log if line["event"] == "a tape was deleted: it was too old"]
    assert [line["tape"][:6] for line in told] == ["000001", "000002", "000003"]


async def test_a_start_forty_days_ahead_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No tape and no entry goes, no gap of weeks is told, and when the clock is right again all is as it was."""
    monkeypatch.setattr(daemon, "_PRUNE_EVERY_S", 0.02)
    monkeypatch.setattr(clocks, "_SYNCHRONIZED", tmp_path / "synchronized")
    monkeypatch.setenv("PATH", "/nowhere")
    real, ahead = time.time_ns, 0
    monkeypatch.setattr(time, "time_ns", lambda: real() + ahead * 1_000_000)
    monkeypatch.setattr(time, "time", lambda: time.time_ns() / 1e9)

    async def body() -> None:
        async def handler(connection: Any) -> None:
            for text in SHOOT:
                await connection.send(text)
            await connection.wait_closed()

        async def life(rounds: int) -> None:
            looks = 0

            async def until(service: Service) -> None:
                nonlocal looks
                look = service.trust.look

                def counted(*arguments: Any) -> bool:
                    nonlocal looks
                    looks += 1
                    return look(*arguments)

                monkeypatch.setattr(service.trust, "look", counted)
                await look_until(lambda: service.socket.connected and looks >= rounds)
                await look_until(lambda: service.pipeline.tally.mapped > 0 and not service.writer.waiting)

            async with server(handler) as url:
                assert await serve_in_process(settings(tmp_path, url), until) == 0

        nonlocal ahead
        await life(3)
        with Journal.open(tmp_path / "state" / "journal.db") as journal:
            count = sum(journal.counts().values())
            journal.settle([(number, "shipped", None) for number in range(1, count + 1)], time.time_ns() // 1_000_000)
        for tape in segments(tmp_path / "state" / "tapes"):
            os.utime(tape, (tape.stat().st_mtime - 86_400,) * 2)
        before = [one.seq for one in kept(tmp_path)], segments(tmp_path / "state" / "tapes")
        ahead = 40 * DAY
        await life(5)
        ahead = 0
        await life(5)
        after = [one.seq for one in kept(tmp_path)], segments(tmp_path / "state" / "tapes")
        assert after[0][: len(before[0])] == before[0]
        assert set(before[1]) <= set(after[1])

    with structlog.testing.capture_logs() as log:
        await body()
    told = [one.entry.fields for one in kept(tmp_path) if one.entry.fields.get("kind") == "gap"]
    gaps = [fields["durationMs"] for fields in told if "durationMs" in fields]
    assert len(gaps) == 2
    assert max(gaps) < 600_000
    assert not [line for line in log if "deleted:" in line["event"] or "were deleted" in line["event"]]
    assert sum("in doubt" in line["event"] for line in log) == 1
