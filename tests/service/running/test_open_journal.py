"""The journal is waited for where waiting may mend it, and a supervisor sees no crash meanwhile."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tap.adapters.journal import Journal
from tap.core.errors import JournalError, JournalForeign
from tap.service.logs import configure_logs
from tap.service.running.open_journal import open_journal
from tap.service.running.systemd_notify import Notifier


class _Notes(Notifier):
    """A service manager that remembers what it was told."""

    def __init__(self) -> None:
        super().__init__(None)
        self.told: list[str] = []

    def ready(self) -> None:
        self.told.append("ready")

    def alive(self) -> None:
        self.told.append("alive")

    def status(self, words: str) -> None:
        self.told.append(words)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal.db"


@pytest.fixture
def later() -> Iterator[list[threading.Timer]]:
    timers: list[threading.Timer] = []
    yield timers
    for timer in timers:
        timer.join()


def _told(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def _owner(path: Path) -> Journal:
    return Journal.open(path, owner=True)


def test_what_can_be_had_is_had_at_once(path: Path) -> None:
    """Not a word to anybody."""
    notes = _Notes()
    journal = open_journal(path, notes)
    assert journal is not None
    journal.close()
    assert notes.told == []


def test_it_takes_over_what_another_lets_go_of(
    path: Path, later: list[threading.Timer], capsys: pytest.CaptureFixture[str]
) -> None:
    """It says once that it waits, and once that it does no more; the supervisor hears that it is well."""
    configure_logs("info", "json")
    other, notes = _owner(path), _Notes()
    later.append(threading.Timer(1.0, other.close))
    later[0].start()
    journal = open_journal(path, notes)
    assert journal is not None
    journal.close()
    assert [line["message"] for line in _told(capsys)] == [
        "cannot open the journal; recording is paused until it opens",
        "the journal is open; recording",
    ]
    assert notes.told[0] == "ready"
    assert "is in use" in notes.told[1]
    assert "alive" in notes.told


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_waiting(path: Path, later: list[threading.Timer], number: signal.Signals) -> None:
    """In order, while another still has the journal."""
    configure_logs("error", "json")
    with _owner(path):
        notes = _Notes()

        def ended() -> None:
            notes.told.append("a signal")
            os.kill(os.getpid(), number)

        later.append(threading.Timer(0.4, ended))
        later[0].start()
        assert open_journal(path, notes) is None
        # Not one more try after the signal than was under way.
        assert notes.told[notes.told.index("a signal") :].count("alive") <= 1


def test_it_is_tried_every_two_seconds_in_the_end(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each time twice as late as before, up to that."""
    waits: list[float] = []

    def passed(seconds: float) -> bool:
        waits.append(seconds)
        return len(waits) < 6

    monkeypatch.setattr("tap.service.running.open_journal.passed_unless_stopped", passed)
    with _owner(path):
        assert open_journal(path, _Notes()) is None
    assert waits == [0.25, 0.5, 1.0, 2.0, 2.0, 2.0]


def test_another_programs_database_is_no_matter_of_time(path: Path) -> None:
    """It is told at once, and left alone."""
    path.parent.mkdir()
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE theirs (a)")
    db.close()
    before = path.read_bytes()
    with pytest.raises(JournalForeign):
        open_journal(path, _Notes())
    assert path.read_bytes() == before


def test_a_disk_that_takes_not_even_the_first_id_is_waited_for(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A tap without an id that lasts would be another one at each start; the lock is let go of meanwhile."""
    configure_logs("info", "json")
    tap_id, calls = Journal.tap_id, 0

    def fails(journal: Journal) -> str:
        nonlocal calls
        calls += 1
        if calls < 3:
            raise JournalError("cannot be written: No space left on device")
        return tap_id(journal)

    monkeypatch.setattr(Journal, "tap_id", fails)
    journal = open_journal(path, _Notes())
    assert journal is not None
    journal.close()
    assert [line["message"] for line in _told(capsys)] == [
        "cannot open the journal; recording is paused until it opens",
        "the journal is open; recording",
    ]
