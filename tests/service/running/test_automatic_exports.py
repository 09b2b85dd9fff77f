"""Exports by themselves: what is written when, what it is called, and that it is in nobody's way."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tap.adapters.journal import Journal
from tap.core.errors import SettingsInvalid
from tap.core.model import Entry
from tap.service.config import Settings, load_settings
from tap.service.running.automatic_exports import AutomaticExports
from tap.service.running.background_command import BackgroundCommand

T0 = 1_795_000_000_000


class Hall:
    """A state directory with a journal, and the folder that exports go to."""

    def __init__(self, root: Path) -> None:
        self.state, self.folder = root / "state", root / "edit"
        self.state.mkdir()
        self.folder.mkdir()
        self.journal = Journal.open(self.state / "journal.db", owner=True)
        self._version = 0

    def settings(self, formats: str = "edl,shots", **more: str) -> Settings:
        environ = {"TAP_STATE_DIR": str(self.state), "TAP_EXPORT_DIR": str(self.folder), "TAP_EXPORT_FORMATS": formats}
        return load_settings(environ | more, partly=True)

    def keep(self, op: Any, key: str, session: str = "hall/s1", revision: int = 0, **fields: Any) -> None:
        self._version += 1
        full = f"{session}/{key}" if key else session
        self.journal.append([Entry(full, op, session, T0 + self._version, fields, revision)], None, T0)

    def shoot(self, session: str = "hall/s1", *, status: str = "complete", **more: Any) -> None:
        over = {} if status == "live" else {"completedAt": T0 + 10_000}
        state = {"at": T0, "programCameraId": "a"}
        self.keep("session", "", session, status=status, startedAt=T0, startState=state, **over, **more)

    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())

    def waiting(self) -> Any:
        return json.loads((self.state / "exports.json").read_text())["waiting"]

    async def exported(
        self, holds: Callable[[], bool], settings: Settings | None = None, **more: Any
    ) -> AutomaticExports:
        """Run until it holds; then once more, so that what would come too much comes."""
        exports = AutomaticExports(settings or self.settings(), every=0.05, **more)
        task = asyncio.create_task(exports.run())
        try:
            async with asyncio.timeout(300):
                while not holds():
                    if task.done():
                        task.result()
                    await asyncio.sleep(0.05)
            await asyncio.sleep(0.3)
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        return exports


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[Hall]:
    made = Hall(tmp_path)
    yield made
    made.journal.close()


async def started(hall: Hall) -> None:
    """As a service that has looked once."""
    await hall.exported((hall.state / "exports.json").exists)


@pytest.mark.anyio
async def test_a_session_that_ends_is_exported_under_the_name_of_its_recording(hall: Hall) -> None:
    """In every format that was asked for; what was over before is left alone, and one that runs is."""
    hall.shoot("hall/old")
    await started(hall)
    hall.shoot("hall/s1", status="live")
    hall.shoot("hall/s2", media=["/rec/Abend 2 – Größe.mkv"])
    names = ["Abend 2 – Größe.edl", "Abend 2 – Größe.reels.csv", "Abend 2 – Größe.shots.csv"]
    plain = [name.replace("–", "-") for name in names]
    await hall.exported(lambda: len(hall.files()) >= 3)
    assert hall.files() == plain
    assert (hall.folder / plain[0]).read_text().startswith("TITLE: hall/s2")
    assert (hall.folder / plain[0]).stat().st_mode & 0o044, "who edits may read it"


@pytest.mark.anyio
async def test_it_is_written_again_when_it_is_repaired_and_not_for_a_late_still(hall: Hall) -> None:
    """Under the same name; and where the session's row says more."""
    await started(hall)
    hall.shoot()
    place = hall.folder / "hall-s1.edl"
    await hall.exported(lambda: len(hall.files()) == 3)
    first = place.stat().st_mtime_ns
    hall.keep("still", "still/1", stillId="1", cameraId="a", status="captured", capturedAt=T0 + 5)
    await hall.exported(lambda: True)
    assert place.stat().st_mtime_ns == first
    cut: dict[str, Any] = {
        "kind": "cut",
        "at": T0 + 4000,
        "observedAt": T0 + 4000,
        "cameraId": "b",
        "fromCameraId": "a",
    }
    hall.keep("event", "cut/1", revision=1, **cut)
    await hall.exported(lambda: place.stat().st_mtime_ns != first)
    assert "FROM CLIP NAME: b" in place.read_text()
    assert len(hall.files()) == 3


@pytest.mark.anyio
async def test_a_look_that_finds_nothing_new_writes_nothing(hall: Hall) -> None:
    """It looks every few seconds, for as long as the tap runs."""
    hall.shoot()
    await started(hall)
    exports, file = AutomaticExports(hall.settings()), hall.state / "exports.json"
    kept = file.stat().st_mtime_ns, file.stat().st_ino
    assert exports._look() == []
    assert (file.stat().st_mtime_ns, file.stat().st_ino) == kept


@pytest.mark.anyio
async def test_what_ended_just_before_a_restart_is_not_forgotten(hall: Hall) -> None:
    """And two sessions whose recordings are called the same have files of their own."""
    await started(hall)
    hall.shoot("hall/s1", media=["/rec/show.mkv"])
    hall.shoot("hall/s2", media=[{"path": "C:\\rec\\show.mkv", "from": T0, "to": T0 + 9000}])
    await hall.exported(lambda: len(hall.files()) >= 6)
    assert [name for name in hall.files() if name.endswith(".edl")] == ["show-2.edl", "show.edl"]
    assert "TITLE: hall/s1" in (hall.folder / "show.edl").read_text()


@pytest.mark.anyio
async def test_a_stop_amid_an_export_costs_none(hall: Hall) -> None:
    """What was not done is done after the next start."""
    await started(hall)
    hall.shoot()
    await hall.exported(lambda: "hall/s1" in (hall.state / "exports.json").read_text())
    await hall.exported(lambda: hall.waiting() == [])
    assert len(hall.files()) == 3


@pytest.mark.anyio
async def test_a_file_that_is_somebody_elses_is_not_overwritten(hall: Hall) -> None:
    """Whoever put it there."""
    (hall.folder / "hall-s1.edl").write_text("mine")
    await started(hall)
    hall.shoot()
    await hall.exported((hall.folder / "hall-s1-2.edl").exists)
    assert (hall.folder / "hall-s1.edl").read_text() == "mine"


@pytest.mark.anyio
async def test_a_failure_is_a_warning_with_its_next_step(hall: Hall) -> None:
    """A folder that takes nothing: one line for each session, whatever its formats; the next one is tried too."""
    await started(hall)
    hall.folder.rmdir()
    hall.shoot()
    hall.shoot("hall/s2")
    with capture_logs() as told:
        await hall.exported(lambda: len(told) > 1)
    assert [(one["session"], one["format"]) for one in told] == [("hall/s1", "edl, shots"), ("hall/s2", "edl, shots")]
    assert {one["log_level"] for one in told} == {"warning"}
    assert told[0]["next_step"].endswith(f"-o {hall.folder}/hall-s1.edl")
    assert "multicam-tap export hall/s1 --format edl" in told[0]["next_step"]
    assert "the folder does not exist" in told[0]["why"]


def test_what_does_not_come_to_an_end_is_ended(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    """And told."""
    monkeypatch.setattr("tap.service.running.background_command._COMMAND", ("-c", "import time; time.sleep(600)"))
    code, said = BackgroundCommand(hall.settings(), 0.3).call([])
    assert (code, said) == (None, "it did not finish in 0.3 s")


@pytest.mark.anyio
async def test_a_stop_of_the_service_ends_what_still_writes(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is waited for by nobody, and tried again after the next start."""
    await started(hall)
    hall.shoot()
    mark = hall.state / "pid"
    body = f"import os, time; open({str(mark)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    monkeypatch.setattr("tap.service.running.background_command._COMMAND", ("-c", body))
    exports = await hall.exported(lambda: mark.exists() and bool(mark.read_text()))
    for _ in range(400):
        await asyncio.sleep(0 if not exports._child.running else 0.05)
    assert not Path(f"/proc/{mark.read_text()}").exists()
    assert hall.waiting() == ["hall/s1"]


def test_the_command_stands_back_and_has_no_key(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind everybody for the processor, first to go for memory, and without what only the service may know."""
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/x")
    monkeypatch.setenv("TAP_INGEST_KEY", "secret")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials")
    script = hall.state / "child.py"
    script.write_text(
        "import json, os, sys, time\n"
        "while os.getpriority(os.PRIO_PROCESS, 0) != 19: time.sleep(0.01)\n"
        "while os.sched_getscheduler(0) != os.SCHED_IDLE: time.sleep(0.01)\n"
        "while open('/proc/self/oom_score_adj').read().strip() != '1000': time.sleep(0.01)\n"
        "print(json.dumps(dict(os.environ)), file=sys.stderr)\n"
    )
    monkeypatch.setattr("tap.service.running.background_command._COMMAND", (str(script),))
    child = BackgroundCommand(hall.settings(TAP_TIMEZONE="Europe/Berlin"), 60)
    monkeypatch.setattr("tap.service.running.background_command._MOST_SAID", 100_000)
    code, said = child.call([])
    assert code == 0
    told = json.loads(said)
    assert {name for name in told if name.startswith("TAP_")} == {"TAP_STATE_DIR", "TAP_TIMEZONE"}
    assert not {"NOTIFY_SOCKET", "CREDENTIALS_DIRECTORY"} & set(told)
    assert told["PATH"] == os.environ["PATH"]


@pytest.mark.parametrize(
    ("formats", "wrong"),
    [("avi", "'avi'"), ("edl:angles", "'edl:angles'"), ("otio:stack", "'otio:stack'"), ("edl;otio", "'edl;otio'")],
)
def test_formats_that_there_are_not_are_told_at_the_start(formats: str, wrong: str) -> None:
    """With the one that is wrong, and what there is."""
    with pytest.raises(SettingsInvalid, match=r"TAP_EXPORT_FORMATS: .*fcp7xml:multicam") as raised:
        load_settings({"TAP_EXPORT_FORMATS": formats}, partly=True)
    assert wrong in raised.value.problems[0]


def test_without_one_of_the_two_settings_nothing_is_written(tmp_path: Path) -> None:
    """Both have to be there."""
    assert load_settings({"TAP_EXPORT_DIR": str(tmp_path)}, partly=True).exports == ()
    assert load_settings({"TAP_EXPORT_FORMATS": "edl"}, partly=True).exports == ()
    both = load_settings({"TAP_EXPORT_DIR": str(tmp_path), "TAP_EXPORT_FORMATS": " edl, otio:angles,"}, partly=True)
    assert both.exports == (("edl", "program"), ("otio", "angles"))
    with pytest.raises(SettingsInvalid, match="TAP_EXPORT_DIR"):
        load_settings({"TAP_EXPORT_DIR": "edit"}, partly=True)
