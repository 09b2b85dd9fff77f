"""Files for the edit, written from within the sandbox of the unit into a folder outside of it."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.systemd.machine import Machine

pytestmark = pytest.mark.timeout(1200)
SHORT = ("--length", "20", "--speed", "10", "--patient")


def test_a_session_is_exported_to_the_folder_that_install_opened(
    machine: Machine, rehearsal: Callable[..., str]
) -> None:
    """By a group that may write there; without the drop-in 'check' says so, and afterwards it is well."""
    machine.run("install", "-d", "-g", "users", "-m", "2775", "/srv/edit")
    wanted = {"TAP_EXPORT_DIR": "/srv/edit", "TAP_EXPORT_FORMATS": "edl,fcp7xml:multicam,otio"}
    venue = machine.venue("hall-edit", **wanted)

    def found() -> dict[str, str]:
        lines = machine.tap("--installed", "hall-edit", "check", "--json", check=False).stdout.splitlines()
        return next(one for one in map(json.loads, lines) if one["tried"] == "exports")

    assert found()["result"] == "failed"
    assert "is not open to the service" in found()["found"]
    said = machine.tap("install", "hall-edit").stdout
    assert "multicam-tap@hall-edit.service.d/export.conf: written" in said
    assert found() == {"tried": "exports", "result": "ok", "found": "/srv/edit: edl, fcp7xml:multicam, otio"}
    assert machine.run("systemd-analyze", "verify", venue.unit).stderr == ""
    venue.settings(TAP_SERVER_URL=rehearsal(*SHORT))
    venue.start()
    folder = machine.root / "srv/edit"
    venue.until(lambda: len(list(folder.glob("*.otio"))) == 1)
    names = sorted(path.name.partition(".")[2] for path in folder.iterdir())
    assert names == ["edl", "otio", "reels.csv", "xml"]
    for path in folder.iterdir():
        assert path.stat().st_gid == folder.stat().st_gid, "the group's own, so that it may tidy up"
        assert path.stat().st_mode & 0o060 == 0o060
    assert "exported" in venue.log()
    venue.systemctl("stop")
    said = machine.tap("uninstall", "hall-edit").stdout
    assert "export.conf: removed" in said


def test_a_folder_that_is_missing_costs_no_recording(machine: Machine, rehearsal: Callable[..., str]) -> None:
    """The service starts and records; the failure is a warning with its next step."""
    venue = machine.venue(
        "hall-nowhere", TAP_SERVER_URL=rehearsal(*SHORT), TAP_EXPORT_DIR="/srv/gone", TAP_EXPORT_FORMATS="edl"
    )
    said = machine.tap("install", "hall-nowhere").stdout
    assert "TAP_EXPORT_DIR: /srv/gone does not exist → make it" in said
    venue.start()
    venue.until(lambda: "could not be exported" in venue.log())
    assert venue.show("ActiveState") == "active"
    assert "multicam-tap export" in venue.log()
    venue.systemctl("stop")


def test_what_makes_files_may_stand_back_in_the_sandbox(machine: Machine) -> None:
    """Files are made while a show is recorded: only when nobody else wants the processor."""
    machine.venue("hall-idle")
    unit = machine.root / "etc/systemd/system/multicam-tap@.service"
    begins = ("SystemCall", "Restrict", "NoNewPrivileges", "CapabilityBoundingSet", "PrivateUsers", "SecureBits")
    lines = [line for line in unit.read_text().splitlines() if line.startswith(begins)]
    assert any(line.startswith("RestrictRealtime=yes") for line in lines)
    sandbox = [word for line in lines for word in ("-p", line)]
    words = (
        "import os; os.setpriority(os.PRIO_PROCESS, 0, 19); os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0));"
        " print(os.sched_getscheduler(0) == os.SCHED_IDLE)"
    )
    said = machine.run("systemd-run", "--wait", "--pipe", "-q", *sandbox, "/opt/multicam-tap/bin/python", "-c", words)
    assert said.stdout == "True\n"
