"""What is seen of a tap from outside."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from threading import Thread

import pytest

from bench import watch
from bench.journals import journals
from bench.parts.latency import percentiles
from bench.watch import answers, commits, waits_ms
from tap.adapters.journal import Journal
from tap.core.model import Entry


def cut(number: int) -> Entry:
    return Entry(f"v/s/cut/cut-{number}/1", "event", "v/s", number, {"kind": "cut", "at": number})


def test_a_cut_is_seen_once_another_reader_finds_it_and_not_before(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with Journal.open(path, owner=True) as journal:
        journal.append([cut(1)], None, 1)
        with commits(path) as seen:
            before = time.monotonic()
            journal.append([cut(2)], None, 2)
            (wait,) = waits_ms({"cut-2": before}, seen)
    # What was there before is none of ours.
    assert list(seen) == ["cut-2"]
    assert before < seen["cut-2"] < time.monotonic()
    assert wait == (seen["cut-2"] - before) * 1000


def test_a_cut_that_is_never_seen_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """It must not be left out of what is measured: the slowest would be."""
    monkeypatch.setattr(watch, "_WITHIN_S", 0.0)
    with pytest.raises(TimeoutError, match="1 of 2 cuts were not seen where they belong: \\['cut-2'\\]"):
        waits_ms({"cut-1": 1.0, "cut-2": 1.0}, {"cut-1": 2.0})


def test_an_answer_is_seen_as_it_passes_even_in_two_halves() -> None:
    """The relay changes nothing, and an id that comes in two pieces is one id."""
    halves = (b"HTTP/1.1 200 OK\r\n\r\n" + b'[{"key":"v/s/cut/cut-12', b'34/1"},{"key":"v/s/cut/cut-99/1"}]')
    with socket.create_server(("127.0.0.1", 0)) as ledger:

        def answer() -> None:
            connection, _ = ledger.accept()
            with connection:
                assert connection.recv(100) == b"POST"
                for half in halves:
                    connection.sendall(half)
                    connection.recv(100)

        thread = Thread(target=answer, daemon=True)
        thread.start()
        with (
            answers(f"http://127.0.0.1:{ledger.getsockname()[1]}") as (url, seen),
            socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=60) as tap,
        ):
            tap.sendall(b"POST")
            heard = b""
            while len(heard) < len(halves[0]):
                heard += tap.recv(1_000)
            assert "cut-12" not in seen
            tap.sendall(b"more")
            while len(heard) < sum(map(len, halves)):
                heard += tap.recv(1_000)
            tap.sendall(b"done")
            assert tap.recv(1_000) == b""
        thread.join(300)
        assert heard == b"".join(halves)
        assert sorted(seen) == ["cut-1234", "cut-99"]


def test_journals_have_the_sizes_that_were_asked_for() -> None:
    with journals([20, 5], lambda _: None) as made:
        for size, state in made.items():
            with Journal.open(state / "journal.db", readonly=True) as journal:
                assert journal.counts()["pending"] == size
        assert sorted(made) == [5, 20]
    assert not any(state.exists() for state in made.values())


def test_percentiles_are_those_of_all_values() -> None:
    assert percentiles([float(value) for value in range(101)]) == pytest.approx((50, 90, 99, 100))
    assert percentiles([1.0, 1.0]) == (1.0, 1.0, 1.0, 1.0)
