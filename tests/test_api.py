"""The Python face: what ``import tap`` gives, from a real journal and from the local ledger."""

from __future__ import annotations

import asyncio
import io
import json
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from msgspec import structs
from rich.console import Console

import tap
from tap.adapters.journal import Journal
from tap.api import Row, Session, Timeline
from tap.cli import cli
from tap.core.model import Entry
from tap.history.export.tables import _SHOT_COLUMNS
from tap.history.shots import shots_of
from tap.history.terminal.tables import print_sessions
from tap.history.timeline import timeline_of
from tap.rehearsal.shoot_files import write_shoot
from tap.rehearsal.simulator import SimulatorOptions
from tests.contract.local import key_of, local_ledger

VENUE = "rehearsal"


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state directory with a rehearsed shoot in its journal, and the tape of it."""
    directory = tmp_path_factory.mktemp("state")
    write_shoot(SimulatorOptions(seed=3, length_s=120, tape=directory / "tape", venue=VENUE))
    done = CliRunner().invoke(cli, ["replay", str(directory / "tape"), "--to-journal", "--state-dir", str(directory)])
    assert done.exit_code == 0, done.output
    return directory


@pytest.fixture
def history(state: Path) -> Iterator[tap.History]:
    with tap.open_journal(state) as opened:
        yield opened


def test_the_package_costs_nothing_until_it_is_used() -> None:
    """The service imports it too: reading what a history is must not cost it memory or time."""
    code = (
        "import sys, tap; before = 'tap.api' in sys.modules; tap.open_journal; print(before, 'tap.api' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False True\n"
    assert set(tap.__all__) <= set(dir(tap))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = tap.nothing


def test_sessions_and_their_timeline_are_plain_objects(history: tap.History) -> None:
    """What the terminal shows, as values."""
    [session] = history.sessions()
    assert (session.status, session.venue) == ("complete", "rehearsal")
    assert session.started == datetime.fromtimestamp(session.started_at / 1000, UTC)
    timeline = history.timeline(session.key)
    assert session.length_ms == timeline.totals.length_ms
    assert session.counts["cut"] == timeline.totals.cuts > 5
    assert [event.kind for event in timeline.events].count("cut") == timeline.totals.cuts
    assert sum(lane.on_air_ms for lane in timeline.lanes) <= timeline.totals.length_ms


def test_sessions_are_found_by_when_they_were(history: tap.History) -> None:
    """In words, as a time, or in milliseconds."""
    [session] = history.sessions()
    after = session.started + timedelta(days=1)
    assert list(history.sessions(since=after)) == []
    assert list(history.sessions(until=session.started)) == []
    assert len(list(history.sessions(since=session.started_at, until=after.isoformat()))) == 1
    assert list(history.sessions(venue="elsewhere")) == []
    with pytest.raises(ValueError, match="cannot be parsed as a time"):
        history.sessions(since="soon")
    with pytest.raises(ValueError, match="not a status → live, complete or interrupted"):
        history.sessions(status="over")  # type: ignore[arg-type]


def test_what_is_not_there_is_told(history: tap.History, tmp_path: Path) -> None:
    """With what to do next."""
    with pytest.raises(tap.TapError, match="no session has this key"):
        history.timeline("nowhere/1")
    with pytest.raises(tap.TapError):
        tap.open_journal(tmp_path / "none")


@pytest.mark.parametrize("library", ["polars", "pandas"])
def test_a_timeline_is_a_data_frame(history: tap.History, library: str) -> None:
    """One line an event, with a time that is one."""
    [session] = history.sessions()
    timeline = history.timeline(session.key)
    frame = tap.frame(timeline, library)  # type: ignore[arg-type]
    assert frame.shape == (len(timeline.events), 13)
    assert list(frame["at_ms"]) == [event.at for event in timeline.events]
    first = next(iter(frame["at"]))
    assert int(first.timestamp() * 1000) == timeline.events[0].at
    empty = tap.frame([], library)  # type: ignore[arg-type]
    assert empty.shape == (0, 13)


@pytest.mark.parametrize("library", ["polars", "pandas"])
def test_shots_cameras_and_stills_are_data_frames(history: tap.History, library: Any) -> None:
    """Shots with the names and values of the exported shot list; empty sessions too."""
    timeline = history.timeline(next(history.sessions()).key)
    shots = tap.shots_frame(timeline, library)
    wanted = [shot for shot in shots_of(timeline) if shot.camera_id is not None]
    names = [name for name in _SHOT_COLUMNS if name not in ("timecode", "file", "position", "fileTimecode")]
    assert list(shots.columns) == names
    assert list(shots["atMs"]) == [shot.start for shot in wanted]
    assert list(shots["length"]) == [shot.length for shot in wanted]
    assert next(iter(shots["in"])).timestamp() * 1000 == wanted[0].start
    cameras = tap.cameras_frame(timeline, library)
    assert list(cameras["onAirMs"]) == [lane.on_air_ms for lane in timeline.lanes]
    stills = tap.stills_frame(timeline, library)
    assert list(stills["key"]) == [still.key for still in timeline.stills]
    bare = structs.replace(timeline, lanes=[], stills=[], events=[])
    assert [len(made(bare, library)) for made in (tap.shots_frame, tap.cameras_frame, tap.stills_frame)] == [0, 0, 0]


def test_without_a_library_for_frames_it_says_so(history: tap.History, monkeypatch: pytest.MonkeyPatch) -> None:
    """And which would do."""
    for name in ("polars", "pandas"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(tap.TapError, match="install polars or pandas"):
        tap.frame([])


def test_the_ledger_gives_what_the_journal_gives(state: Path, history: tap.History) -> None:
    """The same timeline by another way, also inside a running event loop; the key shows itself nowhere."""
    [session] = history.sessions()
    secret = key_of(VENUE).get_secret_value()
    with local_ledger([VENUE]) as local:
        env = {"TAP_CONVEX_URL": local.url, "TAP_INGEST_KEY": secret, "TAP_VENUE": VENUE}
        done = CliRunner().invoke(cli, ["replay", str(state / "tape"), "--to-ledger"], env=env)
        assert done.exit_code == 0, done.output

        async def inside() -> tap.Timeline:
            with tap.open_ledger(local.url, secret) as there:
                assert secret not in repr(vars(there))
                [same] = there.sessions(since="400 weeks")
                assert list(there.sessions(since="2099-01-01")) == []
                return there.timeline(same.key)

        assert asyncio.run(inside()) == history.timeline(session.key)
        with tap.open_ledger(local.url, "no such key") as there, pytest.raises(tap.TapError, match="does not know"):
            list(there.sessions())


def test_a_script_that_closes_nothing_ends() -> None:
    """Also where the ledger was away, and the exception went through everything."""
    code = (
        "import tap\n"
        "history = tap.open_ledger('http://127.0.0.1:9', 'k')\n"
        "try: list(history.sessions())\n"
        "except tap.TapError as error: print('told', flush=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout == "told\n"


def test_what_is_closed_says_so() -> None:
    """And may be closed twice."""
    history = tap.open_ledger("http://127.0.0.1:9", "k")
    history.close()
    history.close()
    with pytest.raises(tap.TapError, match="this history is closed → open_ledger"):
        list(history.sessions())


def test_a_journal_that_is_closed_says_so(tmp_path: Path) -> None:
    """Which, and what opens it again; to whoever asks for sessions or for rows."""
    Journal.open(tmp_path / "journal.db").close()
    history = tap.open_journal(tmp_path)
    history.close()
    history.close()
    for ask_it in (lambda: list(history.sessions()), lambda: history.rows("a/b"), lambda: history.timeline("a/b")):
        with pytest.raises(tap.TapError, match=r"journal\.db: this history is closed → open_journal"):
            ask_it()


# ---------------------------------------------------------------------------------------------- on the command line


def ask(state: Path, *arguments: str) -> list[dict[str, object]]:
    done = CliRunner().invoke(cli, [*arguments, "--json", "--state-dir", str(state)])
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_timeline_takes_filters_that_people_think_in(state: Path, history: tap.History) -> None:
    """By kind and camera, of one session or of all."""
    [session] = history.sessions()
    stills = ask(state, "timeline", session.key, "--kind", "still")
    assert {event["kind"] for event in stills} == {"still_marker", "still_capture"}
    assert ask(state, "timeline", "--kind", "still", "--venue", "rehearsal") == stills
    camera = history.timeline(session.key).lanes[0]
    cuts = ask(state, "timeline", "--kind", "cut", "--camera", (camera.name or "").upper())
    assert all(camera.camera_id in (event["cameraId"], event.get("fromCameraId")) for event in cuts)
    assert len(cuts) >= camera.cuts
    assert ask(state, "timeline", "--kind", "cut", "--since", "2099-01-01") == []


def test_sessions_take_filters_that_people_think_in(state: Path) -> None:
    """And say what they do not understand."""
    assert len(ask(state, "sessions", "--until", "now", "--status", "complete", "--limit", "5")) <= 1
    assert ask(state, "sessions", "--status", "live") == []
    assert ask(state, "sessions", "--title", "no such title") == []
    done = CliRunner().invoke(cli, ["sessions", "--since", "soon", "--state-dir", str(state)])
    assert done.exit_code == 2
    assert "cannot be parsed as a time → today, yesterday" in done.stderr


def test_without_a_key_the_timeline_is_of_the_newest_session(state: Path, tmp_path: Path) -> None:
    """Where there is one."""
    done = CliRunner().invoke(cli, ["timeline", "--state-dir", str(state)])
    assert "rehearsal/" in done.stdout
    with Journal.open(tmp_path / "journal.db") as journal:
        journal.append([], b"{}", 0)
    done = CliRunner().invoke(cli, ["timeline", "--state-dir", str(tmp_path)])
    hint = f"see 'multicam-tap journal ls --state-dir {tmp_path}'"
    assert (done.exit_code, done.stderr) == (1, f"no session is saved → {hint}\n")


# ---------------------------------------------------------------------------------------------- a long history


def long_history(directory: Path, sessions: int, events: int) -> None:
    """A journal of so many sessions, each of so many cuts."""
    began = 1_700_000_000_000
    with Journal.open(directory / "journal.db") as journal:
        for number in range(sessions):
            key, start = f"hall/shoot-{number:05d}", began + number * 3_600_000
            row = {"sessionId": f"shoot-{number:05d}", "status": "live", "startedAt": start, "title": f"Shoot {number}"}
            made = [Entry(key, "session", key, start, row)]
            for event in range(events):
                at = start + event * 1000
                cut = {"kind": "cut", "at": at, "observedAt": at, "cameraId": f"cam-{event % 5}", "trigger": "operator"}
                made.append(Entry(f"{key}/cut/{event}", "event", key, at, cut))
            over = {**row, "status": "complete", "completedAt": start + events * 1000}
            made.append(Entry(key, "session", key, start + events * 1000, over))
            journal.append(made, None, start)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_history_of_a_thousand_sessions_and_a_million_events_stays_quick(tmp_path: Path) -> None:
    """The newest sessions, one timeline, and yesterday's stills: none reads all of the million rows, memory flat."""
    long_history(tmp_path, 1_000, 1_000)
    tracemalloc.start()
    took = {}
    with tap.open_journal(tmp_path) as history:
        questions: dict[str, Callable[[], int]] = {
            "sessions": lambda: len(list(history.sessions())),
            "since": lambda: len(list(history.sessions(since=1_700_000_000_000 + 990 * 3_600_000))),
            "timeline": lambda: len(history.timeline("hall/shoot-00500").events),
        }
        steps = 0

        def step() -> None:
            nonlocal steps
            steps += 1

        # Steps of the database's own machine, a thousand at a time; each row that is read costs some.
        history._journal._file.db.set_progress_handler(step, 1_000)  # type: ignore[attr-defined]
        for name, question in questions.items():
            steps = 0
            took[name] = (question(), steps)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    print({name: f"{thousands} thousand steps" for name, (_, thousands) in took.items()}, f"{peak / 2**20:.1f} MB")
    assert {name: count for name, (count, _) in took.items()} == {"sessions": 1000, "since": 10, "timeline": 1000}
    assert max(thousands for _, thousands in took.values()) < 200
    assert peak < 32 * 2**20


SHOW = "hall/show"
SHOW_START = 1_795_000_000_000


def shown(*told: tuple[str, int, int, dict[str, Any]]) -> Timeline:
    """A session of ten minutes with these events: kind, ms by the server's clock, ms when it was heard, columns."""
    start = {"at": SHOW_START, "programCameraId": "a"}
    columns = {"status": "live", "startedAt": SHOW_START, "startState": start}
    rows = [Row(SHOW, "session", SHOW, SHOW_START, 0, columns)]
    for kind, at, heard, more in told:
        fields = {"kind": kind, "at": SHOW_START + at, "observedAt": SHOW_START + heard, **more}
        rows.append(Row(f"{SHOW}/{kind}/{at}", "event", SHOW, SHOW_START + at, 0, fields))
    return timeline_of(rows)


@pytest.mark.parametrize("library", ["polars", "pandas"])
def test_times_in_a_data_frame_are_to_the_millisecond(library: str) -> None:
    timeline = shown(("cut", 607, 607, {"cameraId": "b", "fromCameraId": "a"}))
    [at] = tap.frame(timeline, library)["at"]  # type: ignore[arg-type]
    assert (at.second, at.microsecond) == (40, 607_000)


def test_events_come_in_the_order_of_the_shoot_whatever_the_clock_did() -> None:
    """And say when they were; asking for some of them changes neither."""
    timeline = shown(
        ("cut", 5_000, 5_000, {"cameraId": "b", "fromCameraId": "a"}),
        ("off_air", 29_000, 29_000, {"fromCameraId": "b"}),
        ("marker", 24_000, 29_500, {"detail": {"label": "best take"}}),
        ("cut", 26_000, 31_000, {"cameraId": "c"}),
        ("cut", 28_000, 33_000, {"cameraId": "b", "fromCameraId": "c"}),
    )
    moments = [(event.kind, event.at - SHOW_START, event.moment - SHOW_START) for event in timeline.events]
    assert moments == [
        ("cut", 5_000, 5_000),
        ("off_air", 29_000, 29_000),
        ("marker", 24_000, 29_000),
        ("cut", 26_000, 31_000),
        ("cut", 28_000, 33_000),
    ]
    assert [(step.moment - SHOW_START, step.by_ms) for step in timeline.clock_steps] == [(31_000, -5_000)]
    asked = tap.asked_events(timeline, kinds=["off-air", "marker"])
    assert [event.kind for event in asked] == ["off_air", "marker"]
    assert list(tap.frame(timeline, "pandas")["kind"]) == [event.kind for event in timeline.events]


def test_a_session_whose_clock_was_set_back_behind_its_start_has_no_length_by_its_row() -> None:
    row = Row(SHOW, "session", SHOW, SHOW_START, 0, {"startedAt": SHOW_START, "completedAt": SHOW_START - 5})
    told = Session(
        key=SHOW, venue="hall", status="complete", started_at=SHOW_START, completed_at=SHOW_START - 5, row=row
    )
    assert told.length_ms is None
    console = Console(file=io.StringIO(), width=120)
    print_sessions([row], console, UTC, lambda _: None)
    assert "-0.0 s" not in console.file.getvalue()  # type: ignore[attr-defined]
