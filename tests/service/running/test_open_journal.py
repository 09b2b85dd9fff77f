"""The journal is waited for where waiting may mend it, and a supervisor sees no crash meanwhile."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
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


_WAITS = """
import sys
from pathlib import Path
from tap.adapters.journal import Journal
from tap.core.errors import JournalError
from tap.service.logs import configure_logs
from tap.service.running.open_journal import open_journal
from tap.service.running.systemd_notify import Notifier

class Printed(Notifier):
    def __init__(self):
        super().__init__(None)
    def alive(self):
        print("alive", flush=True)

def tried(*_, **__):
    print("tries", flush=True)
    if sys.stdin.readline() == "opens\\n":
        return Opened()
    raise JournalError("is in use")

class Opened:
    def tap_id(self):
        return "one"
    def close(self):
        print("closed", flush=True)

Journal.open = tried
configure_logs("error", "json")
print(open_journal(Path(sys.argv[1]), Printed()), flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("after", [0, 1, 2])
@pytest.mark.parametrize(("answer", "last"), [("\n", "None\n"), ("opens\n", "closed\nNone\n")])
def test_a_signal_ends_the_waiting(path: Path, number: signal.Signals, after: int, answer: str, last: str) -> None:
    """In order, in the middle of a try as well, also of one that opens the journal. No try follows."""
    with subprocess.Popen(
        [sys.executable, "-c", _WAITS, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for _ in range(after):
            process.stdin.write("\n")
        process.stdin.flush()
        read = [process.stdout.readline() for _ in range(2 * after + 1)]
        process.send_signal(number)
        process.stdin.write(answer)
        process.stdin.close()
        assert process.stdout.read() == last
        assert process.wait(300) == 0
    assert read == ["tries\n"] + ["alive\n", "tries\n"] * after


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
