"""The bench as a command, and one run of it that is real and tiny."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest

import bench.__main__ as command
from bench import contestants
from bench.contestants import AGAIN, BARE, NODE, PICOWS, TAP, missing, started
from bench.context import FULL, QUICK, Sizes
from bench.parts import PARTS, chosen, saturation, start
from bench.results import read
from bench.server import serving
from tests.bench.figures import MACHINE

TINY = Sizes(
    rounds=1,
    frames=2_000,
    warm=200,
    slices=1,
    slice_s=0.5,
    latency_rounds=1,
    latency_s=1.0,
    disk_rounds=1,
    disk_s=1.0,
    pages_rounds=1,
    pages_s=2.0,
    deflate_frames=500,
    growth_rounds=1,
    cameras=(1, 50),
    camera_frames=200,
    cuts=(100, 200),
    journals=(10, 200),
    starts=1,
)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that was really measured is touched."""
    monkeypatch.setattr(contestants, "WORK", tmp_path / "work")
    places = command.Places(tmp_path / "results.jsonl", tmp_path / "docs" / "bench.md", tmp_path / "docs" / "bench.svg")
    monkeypatch.setattr(command, "REAL", places)


def test_a_tiny_run_measures_the_real_tap_beside_a_bare_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the command to the page: every figure of every contestant, and nothing left behind."""
    monkeypatch.setattr(saturation, "present", lambda: [BARE, TAP, AGAIN])
    monkeypatch.setattr(command, "FULL", TINY)
    assert command.main(["--part", "saturation"]) == 0
    measured = read(tmp_path / "results.jsonl").parts["saturation"]
    assert set(measured.whos(saturation.CPU)) == {BARE, TAP, AGAIN}
    for who in (BARE, TAP, AGAIN):
        (cpu,), (rss,) = measured.values(who, saturation.CPU), measured.values(who, saturation.RSS)
        assert 0 < cpu < 10_000
        assert 5 < rss < 500
    assert list((tmp_path / "work").iterdir()) == []
    printed = capsys.readouterr()
    assert "ratios, not absolutes" in printed.out
    assert "(1 round only)" in printed.out
    assert (tmp_path / "docs" / "bench.svg").exists()
    assert "2,000 frames" in (tmp_path / "docs" / "bench.md").read_text("utf-8")
    # What was measured of this very code is not measured again.
    assert command.main(["--part", "saturation", "--resume", "--rounds", "3"]) == 0
    assert "was measured already" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
def test_every_part_measures_and_tells(part: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if part == "latency" and shutil.which("node") is None:
        pytest.skip("the local ledger needs node")
    assert command.measure(part, TINY, tmp_path / "results.jsonl", MACHINE, "c0de"), capsys.readouterr().err
    measured = read(tmp_path / "results.jsonl").parts[part]
    assert measured.figures
    assert all(figure.value >= 0 for figure in measured.figures if figure.what != saturation.GROWN)
    assert len(PARTS[part].tell(measured)) >= 3


def test_a_part_that_fails_is_told_and_not_taken_for_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def present() -> list[str]:
        raise OSError("no sockets left")

    monkeypatch.setattr(saturation, "present", present)
    monkeypatch.setattr(command, "FULL", TINY)
    assert command.main(["--part", "saturation"]) == 1
    assert "saturation: FAILED: OSError: no sockets left" in capsys.readouterr().err
    assert read(tmp_path / "results.jsonl").parts == {}


def test_a_contestant_that_dies_is_told_with_its_last_words() -> None:
    """Not every frame that nobody reads is a cheap one."""
    with (
        pytest.raises(RuntimeError, match=r"(?s)bare ended with 1: .*Connect call failed"),
        started(BARE, "ws://127.0.0.1:9/") as it,
    ):
        it.process.wait(300)


def test_a_contestant_that_ends_at_once_is_not_waited_for() -> None:
    with (
        pytest.raises(ConnectionError, match="has ended before it came") as raised,
        serving([("mixed", 1)]) as server,
        started(BARE, "ws://127.0.0.1:9/") as it,
    ):
        server.accept(it.lives)
    assert "Connect call failed" in raised.value.__notes__[0]


def test_a_part_is_named_by_itself_or_with_its_kin() -> None:
    assert chosen([]) == list(PARTS)
    assert chosen(["start", "saturation"]) == ["saturation", "start"]
    assert chosen(["growth"]) == ["growth-cameras", "growth-session", "growth-journal"]


def test_an_unknown_part_is_a_mistake_in_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--part", "start", "--part", "stat"]) == 2
    assert "there is no part stat; there are growth (all three), saturation, " in capsys.readouterr().err


def test_the_parts_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(PARTS)


def test_no_page_is_written_of_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--page"]) == 1
    assert "nothing was measured yet" in capsys.readouterr().err
    assert not (tmp_path / "docs").exists()


def test_a_rough_look_never_goes_to_the_documentation() -> None:
    places = (command.ROUGH.results, command.ROUGH.page, command.ROUGH.picture)
    assert all(command.PLACE / "quick" in place.parents for place in places)


def test_the_full_bench_measures_what_is_asked() -> None:
    """At least five rounds of 300,000 frames, slices of 8 s, 500 cameras, 100,000 cuts, a million entries."""
    assert min(FULL.rounds, FULL.slices, FULL.disk_rounds, FULL.pages_rounds, FULL.starts) >= 5
    assert (FULL.frames, FULL.rate, FULL.slice_s) == (300_000, 1_000, 8.0)
    assert FULL.cameras == (1, 8, 50, 500)
    assert max(FULL.cuts) == 100_000
    assert (min(FULL.journals), max(FULL.journals)) == (1_000, 1_000_000)
    assert QUICK.frames < FULL.frames


def test_who_is_not_there_is_left_out_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contestants, "_NODE_MODULES", tmp_path)
    monkeypatch.setattr(contestants, "node", lambda: Path("/bin/true"))
    assert missing(NODE) == "its packages are not installed (npm ci in bench/node)"
    monkeypatch.setattr(contestants, "node", lambda: None)
    assert missing(NODE) == "no Node 22.9 or newer"
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert missing(PICOWS) == "picows is not installed"
    assert missing(TAP) is None
    assert start.who(TAP, start.EMPTY) == "multicam-tap, no journal yet"
