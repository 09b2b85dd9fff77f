"""The flight recorder: what is heard is on the tapes, within bounds, and nobody ever waits for it."""

from __future__ import annotations

import errno
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from structlog.testing import capture_logs

from tap.adapters.clock import Clock
from tap.adapters.dialects import load_dialect
from tap.adapters.tape import TapeHeader, read_tapes
from tap.core.backoff import Backoff
from tap.core.mapping import Verdict
from tap.core.model import Alive, Closed, Frame, Opened, SourceItem, Stamp
from tap.service.running import flight_recorder as flight
from tap.service.running.flight_recorder import FlightRecorder, segments

HEADER = TapeHeader(dialect="multicam/1", venue="hall", tap="0123456789ab")
DIALECT = load_dialect("multicam/1")
T0 = 1_795_000_000_000


def until(enough: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not enough():
        assert time.monotonic() < end
        time.sleep(0.005)


@contextmanager
def recorder(directory: Path, **options: Any) -> Iterator[FlightRecorder]:
    given: dict[str, Any] = {
        "max_bytes": 10**8,
        "max_days": 30,
        "max_waiting": 10**7,
        "clean": DIALECT.clean,
        "gather": False,
    }
    made = FlightRecorder(directory, HEADER, Clock(), **(given | options))
    try:
        yield made
    finally:
        made.stop(300)


def frame(number: int, data: bytes | None = None) -> Frame:
    data = b'{"type":"cut","to":"c%d"}' % number if data is None else data
    return Frame(data, Stamp(T0 + number, number), 1, number + 1)


def played(directory: Path) -> list[SourceItem]:
    with read_tapes(segments(directory)) as tapes:
        items = list(tapes)
        assert tapes.bad_count == 0
    return items


def frames(directory: Path) -> list[bytes]:
    return [item.data for item in played(directory) if isinstance(item, Frame)]


def headers(directory: Path) -> list[dict[str, Any]]:
    return [orjson.loads(path.read_bytes().splitlines()[0]) for path in segments(directory)]


# ---------------------------------------------------------------------------------------------- what is on the tapes


def test_what_is_heard_is_on_the_tape(tmp_path: Path) -> None:
    """Frames with their stamps, opens, closes and alive lines; readable for nobody else."""
    given: list[SourceItem] = [
        Opened(Stamp(T0, 0), 1),
        frame(1),
        Frame(b"\x81\xff", Stamp(T0 + 2, 2), 1, 2, binary=True),
        Alive(Stamp(T0 + 3, 3), 2),
        Closed(Stamp(T0 + 4, 4), 1, "gone", 2),
    ]
    with recorder(tmp_path / "tapes") as made:
        for item in given:
            made.on_item(item, Verdict.MAPPED)
    assert played(tmp_path / "tapes") == [
        given[0],
        Frame(b'{"type":"cut","to":"c1"}', Stamp(T0 + 1, 1), 1, 1),
        *given[2:],
    ]
    (header,) = headers(tmp_path / "tapes")
    assert {name: header[name] for name in ("dialect", "venue", "tap")} == {
        "dialect": "multicam/1",
        "venue": "hall",
        "tap": "0123456789ab",
    }
    (path,) = segments(tmp_path / "tapes")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_no_telemetry_and_no_secrets(tmp_path: Path) -> None:
    """Telemetry stays out; tokens and the queries of URLs go, what the dialect maps stays readable."""
    secret = b'{"type":"still_uploaded","camera_id":"c1","storage_key":"k/1","url":"https://u:p@h/x?sig=hush","token":"hush"}'
    with recorder(tmp_path) as made:
        made.on_item(frame(1, b'{"type":"pose"}'), Verdict.IGNORED)
        made.on_item(frame(2, secret), Verdict.MAPPED)
    (data,) = frames(tmp_path)
    assert b"hush" not in data
    assert b"k/1" in data
    assert b"https://h/x" in data


def test_what_nobody_understands_is_sampled(tmp_path: Path) -> None:
    """A flood of one unknown type is cut down to its rate; a rare one beside it is kept whole."""
    with recorder(tmp_path) as made:
        for number in range(1000):
            made.on_item(frame(number, b'{"type":"odd"}'), Verdict.UNKNOWN, "odd")
            if not number % 100:
                made.on_item(frame(number, b'{"type":"rare"}'), Verdict.UNKNOWN, "rare")
        assert made.sampled_out + 102 >= 1000 > made.sampled_out
    kept = frames(tmp_path)
    assert (kept.count(b'{"type":"rare"}'), kept.count(b'{"type":"odd"}')) == (10, 1000 - made.sampled_out)
    assert made.dropped == 0


def test_of_all_that_nobody_understands_a_few_megabytes_are_saved_however_many_types_it_has() -> None:
    samples = flight._Samples()
    saved = sum(2**16 for number in range(800) if samples.take(f"type {number % 80}", 2**16, 0))
    assert saved == 8 * 2**20
    assert sum(2**16 for _ in range(800) if samples.take("type 1", 2**16, 4_000)) == 4 * 2**16


def test_types_beyond_the_hundredth_are_sampled_as_one() -> None:
    """A server that makes up a name for each frame fills neither memory nor disk."""
    samples = flight._Samples()
    saved = [sum(samples.take(f"type {number}", 1, 0) for _ in range(10)) for number in range(300)]
    assert saved[:99] == [10] * 99
    assert sum(saved[99:]) in (100, 110)
    assert len(samples._types) <= 101


def test_switched_off_it_does_nothing(tmp_path: Path) -> None:
    """With no megabytes there is not a tape, and no trouble."""
    with recorder(tmp_path / "tapes", max_bytes=0) as made:
        made.on_item(frame(1), Verdict.MAPPED)
    assert (list(tmp_path.iterdir()), made.failing, made.dropped) == ([], None, 0)


# ---------------------------------------------------------------------------------------------- segments


def test_segments_are_one_history(tmp_path: Path) -> None:
    """A tape that is full is followed by one that continues it; played together they are what was heard."""
    with recorder(tmp_path, segment_bytes=2_000) as made:
        for number in range(500):
            made.on_item(frame(number), Verdict.MAPPED)
            if not number % 50:
                until(lambda: not made.waiting_bytes)
    told = headers(tmp_path)
    assert len(told) > 3
    assert [header.get("continues", False) for header in told] == [False] + [True] * (len(told) - 1)
    given = [item for item in played(tmp_path) if isinstance(item, Frame)]
    assert [(item.stamp, item.connection, item.ordinal) for item in given] == [
        (Stamp(T0 + number, number), 1, number + 1) for number in range(500)
    ]


def test_the_next_run_begins_a_tape_of_its_own(tmp_path: Path) -> None:
    """After a kill, with a torn line and an empty file left: both are read over, and the next continues nothing."""
    with recorder(tmp_path) as made:
        made.on_item(frame(1), Verdict.MAPPED)
    (path,) = segments(tmp_path)
    with path.open("ab") as file:
        file.write(b'{"t":0.002,"wall":"2026-11-2')
    (tmp_path / "000002-20261118T120000Z.jsonl").touch()
    (tmp_path / "000003-20261118T120000Z.jsonl").write_bytes(b'{"tape":1,"dia')
    # A power cut takes a file sector by sector.
    (tmp_path / "000004-20261118T120000Z.jsonl").write_bytes(
        bytes(512) + b'to":"c7"}"}\n{"t":1.0,"dir":"in","data":"{}"}\n'
    )
    with recorder(tmp_path) as made:
        made.on_item(frame(2), Verdict.MAPPED)
    assert [path.name[:6] for path in segments(tmp_path)] == ["000001", "000002", "000003", "000004", "000005"]
    assert frames(tmp_path) == [b'{"type":"cut","to":"c1"}', b'{"type":"cut","to":"c2"}']
    assert "continues" not in orjson.loads(segments(tmp_path)[-1].read_bytes().splitlines()[0])


def test_the_oldest_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bytes the oldest tapes go, and never the one that is written; so do those that are too old."""
    monkeypatch.setattr(flight, "_SMALLEST_SEGMENT", 1)
    old = tmp_path / "000001-20200101T000000Z.jsonl"
    old.write_bytes(b"{}")
    os.utime(old, (1, 1))
    with recorder(tmp_path, max_bytes=20_000) as made:
        for number in range(2_000):
            made.on_item(frame(number), Verdict.MAPPED)
            if not number % 20:
                until(lambda: not made.waiting_bytes)
        until(lambda: not made.waiting_bytes)
        made.on_item(frame(2_000), Verdict.MAPPED)
    assert not old.exists()
    assert sum(path.stat().st_size for path in segments(tmp_path)) <= 20_000 + 2_500
    assert frames(tmp_path)[-1] == b'{"type":"cut","to":"c2000"}'
    assert (made.dropped, made.failing) == (0, None)


def test_a_tape_that_is_taken_away_is_followed_by_another(tmp_path: Path) -> None:
    """Deleted or renamed while it is written: the next lines go to a new one."""
    with recorder(tmp_path) as made:
        made.on_item(frame(1), Verdict.MAPPED)
        until(lambda: bool(segments(tmp_path)) and not made.waiting_bytes)
        segments(tmp_path)[0].unlink()
        made.on_item(frame(2), Verdict.MAPPED)
        until(lambda: bool(segments(tmp_path)))
    assert frames(tmp_path) == [b'{"type":"cut","to":"c2"}']


# ---------------------------------------------------------------------------------------------- the disk


def test_a_disk_that_is_full_for_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the queue holds comes later; what it does not is counted, told in the header, and nobody waits."""
    monkeypatch.setattr(flight, "_BACKOFF", Backoff(0.01, 10.0))
    write, full = os.write, threading.Event()

    def limited(descriptor: int, data: Any) -> int:
        if full.is_set():
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", limited)
    with recorder(tmp_path, max_waiting=20_000) as made, capture_logs() as told:
        made.on_item(frame(0), Verdict.MAPPED)
        until(lambda: not made.waiting_bytes)
        full.set()
        for number in range(1, 1_001):
            made.on_item(frame(number), Verdict.MAPPED)
        until(lambda: made.failing is not None)
        assert "No space left" in (made.failing or "")
        assert made.dropped > 900
        assert made.waiting_bytes <= 20_000
        full.clear()
        until(lambda: made.failing is None and not made.waiting_bytes)
        made.on_item(frame(2_000), Verdict.MAPPED)
    assert frames(tmp_path)[-1] == b'{"type":"cut","to":"c2000"}'
    assert len(frames(tmp_path)) == 1_002 - made.dropped
    assert headers(tmp_path)[-1]["lost"] == made.dropped
    assert "continues" not in headers(tmp_path)[-1]
    assert all(path.stat().st_size for path in segments(tmp_path))
    assert [line["event"] for line in told] == ["the flight recorder is paused", "the flight recorder records again"]
    assert (told[0]["directory"], told[1]["frames_missing"]) == (str(tmp_path), made.dropped)


def test_a_disk_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Giving it more takes no time, the state tells of it, and a stop does not wait for it."""
    monkeypatch.setattr(flight, "_HANGS_AFTER_S", 0.05)
    goes_on = threading.Event()
    write = os.write

    def hanging(descriptor: int, data: Any) -> int:
        goes_on.wait(300)
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", hanging)
    with recorder(tmp_path, max_waiting=10_000) as made:
        made.on_item(frame(0), Verdict.MAPPED)
        until(lambda: made.failing is not None)
        assert "has not answered" in (made.failing or "")
        for number in range(1, 10_000):
            made.on_item(frame(number), Verdict.MAPPED)
        assert made.dropped > 9_900
        assert not made.stop(0.05)
        goes_on.set()


def test_the_last_of_the_disk_is_left_to_the_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is nearly full is no place for tapes."""
    real = os.fstatvfs

    def nearly(descriptor: int) -> os.statvfs_result:
        told = list(real(descriptor))
        told[3] = told[4] = 100
        return os.statvfs_result(told)

    monkeypatch.setattr(os, "fstatvfs", nearly)
    with recorder(tmp_path) as made:
        made.on_item(frame(0), Verdict.MAPPED)
        until(lambda: made.failing is not None)
        assert "for the journal" in (made.failing or "")
    assert segments(tmp_path) == []


def test_a_frame_too_large_for_the_tapes_is_a_loss(tmp_path: Path) -> None:
    """It would drive all else from the tapes; the next tape says that something is missing."""
    with recorder(tmp_path, max_bytes=100_000) as made:
        made.on_item(frame(1), Verdict.MAPPED)
        made.on_item(frame(2, b'"' + b"x" * 50_000 + b'"'), Verdict.MAPPED)
        made.on_item(frame(3), Verdict.MAPPED)
    assert made.dropped == 1
    assert [header.get("lost") for header in headers(tmp_path)] == [None, 1]


def test_a_slip_costs_what_it_is_about(tmp_path: Path) -> None:
    """A bug in redaction, say, is told and counted, and the recorder goes on."""

    def clean(data: bytes) -> bytes:
        if b"bad" in data:
            raise ZeroDivisionError
        return data

    with recorder(tmp_path, clean=clean) as made:
        made.on_item(frame(1, b"bad"), Verdict.MAPPED)
        until(lambda: made.dropped == 1)
        made.on_item(frame(2), Verdict.MAPPED)
        until(lambda: made.failing is None and not made.waiting_bytes)
    assert frames(tmp_path) == [b'{"type":"cut","to":"c2"}']


def test_a_tape_is_on_the_disk_before_the_next_says_that_it_goes_on_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a power cut could take the end of one and leave the next: a history with a hole that nobody sees."""
    sync, synced = os.fdatasync, list[str]()

    def noted(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        assert synced[-1] == str(segments(tmp_path)[-1])
        sync(descriptor)

    monkeypatch.setattr(os, "fdatasync", noted)
    monkeypatch.setattr(flight, "_SYNC_EVERY_S", 3_600.0)
    with recorder(tmp_path, segment_bytes=1_000) as made:
        for number in range(100):
            made.on_item(frame(number), Verdict.MAPPED)
            until(lambda: not made.waiting_bytes)
    tapes = segments(tmp_path)
    assert len(tapes) > 5
    assert synced == [str(path) for path in tapes]
    assert all("continues" in header for header in headers(tmp_path)[1:])


def test_a_sync_that_fails_is_a_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a disk did not take then it may never take, whatever it says later: the next tape says so."""
    monkeypatch.setattr(flight, "_BACKOFF", Backoff(0.01, 10.0))
    monkeypatch.setattr(flight, "_SYNC_EVERY_S", 0.0)
    sync, left = os.fdatasync, 2

    def failing(descriptor: int) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise OSError(errno.EIO, "Input/output error")
        sync(descriptor)

    monkeypatch.setattr(os, "fdatasync", failing)
    with recorder(tmp_path) as made:
        for number in range(4):
            made.on_item(frame(number), Verdict.MAPPED)
            until(lambda: not made.waiting_bytes)
    assert [header.get("lost", 0) for header in headers(tmp_path)] == [0, 1]
    assert "continues" not in headers(tmp_path)[1]
    assert len(frames(tmp_path)) == 4
    assert made.failing is None


# ---------------------------------------------------------------------------------------------- what it costs


def test_many_frames_are_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes between two looks is written with the second, and wakes the recorder's thread once."""
    writes: list[int] = []
    write = os.write

    def counted(descriptor: int, data: Any) -> int:
        writes.append(len(data))
        return write(descriptor, data)

    with recorder(tmp_path, gather=True) as made:
        made.on_item(frame(0), Verdict.MAPPED)
        until(lambda: made._gathers and made._asleep)
        rings: list[None] = []
        monkeypatch.setattr(made, "_bell", _Bell(made._bell, rings))
        monkeypatch.setattr(os, "write", counted)
        for number in range(1, 101):
            made.on_item(frame(number), Verdict.MAPPED)
        assert not rings
        made.look()
        until(lambda: not made.waiting_bytes)
        assert (len(rings), len(writes)) == (1, 1)
        assert len(frames(tmp_path)) == 101


def test_what_comes_first_is_written_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has looked yet: a tap that is killed in its first second has a tape of it."""
    monkeypatch.setattr(flight, "_LOOK_EVERY_S", 3_600.0)
    with recorder(tmp_path, gather=True) as made:
        made.on_item(frame(0), Verdict.MAPPED)
        until(lambda: not made.waiting_bytes)
        assert len(frames(tmp_path)) == 1


class _Bell:
    def __init__(self, bell: Any, rings: list[None]) -> None:
        self._bell, self._rings = bell, rings

    def put(self, item: None) -> None:
        self._rings.append(item)
        self._bell.put(item)

    def get(self, timeout: float) -> None:
        self._bell.get(timeout=timeout)


def test_much_is_written_at_once(tmp_path: Path) -> None:
    """Nothing is gathered for long where much comes: it must not pile up in memory."""
    with recorder(tmp_path, gather=True) as made:
        made.on_item(frame(0), Verdict.MAPPED)
        until(lambda: made._gathers and made._asleep)
        for number in range(1, 1_000):
            made.on_item(frame(number, b'"%s"' % (b"x" * 1_000)), Verdict.MAPPED)
        until(lambda: made.waiting_bytes < 300_000)
    assert len(frames(tmp_path)) == 1_000
