"""A machine with a real systemd, for as long as the tests need it, and multicam-tap installed on it from its wheel."""

from __future__ import annotations

import json
import os
import platform
import select
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
TAP = "/opt/multicam-tap/bin/multicam-tap"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_IMPOSSIBLE = 77


class Machine:
    """Commands run inside as root; files are seen from outside below ``root``."""

    def __init__(self, pid: int) -> None:
        self._enter = ["nsenter", f"--target={pid}", "--mount", "--uts", "--ipc", "--pid", "--cgroup", "--root", "--wd"]
        self.root = Path(f"/proc/{pid}/root")

    def run(self, *command: str, check: bool = True, given: str = "") -> subprocess.CompletedProcess[str]:
        environ = {"PATH": _PATH, "HOME": "/root", "LC_ALL": "C.UTF-8", "SYSTEMD_PAGER": "", "SYSTEMD_COLORS": "0"}
        done = subprocess.run(
            [*self._enter, *command], env=environ, input=given, capture_output=True, text=True, timeout=300, check=False
        )
        if check:
            assert done.returncode == 0, f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def tap(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.run(TAP, *arguments, check=check)

    def venue(self, name: str, **settings: str) -> Venue:
        """A venue, installed as an engineer does it, with these settings in its file."""
        venue = Venue(self, name)
        self.tap("install", name)
        venue.settings(**settings)
        return venue


class Venue:
    """One installed venue of a machine."""

    def __init__(self, machine: Machine, name: str) -> None:
        self.machine = machine
        self.name = name
        self.unit = f"multicam-tap@{name}.service"
        self.file = machine.root / "etc/multicam-tap" / f"{name}.env"
        self.state = machine.root / "var/lib/private/multicam-tap" / name

    def settings(self, **settings: str) -> None:
        with self.file.open("a") as file:
            file.writelines(f"{variable}={value}\n" for variable, value in settings.items())

    def drop_in(self, text: str) -> None:
        """What 'systemctl edit' would write."""
        folder = self.machine.root / f"etc/systemd/system/{self.unit}.d"
        folder.mkdir(exist_ok=True)
        (folder / "override.conf").write_text(text)
        self.machine.run("systemctl", "daemon-reload")

    def systemctl(self, verb: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.machine.run("systemctl", verb, self.unit, check=check)

    def start(self) -> None:
        done = self.systemctl("start", check=False)
        assert done.returncode == 0, f"{done.stderr}\n{self.log()}"

    def show(self, name: str) -> str:
        """A property of the unit, as systemd has it."""
        return self.machine.run("systemctl", "show", "--value", f"--property={name}", self.unit).stdout.strip()

    @property
    def pid(self) -> int:
        """The service's main process, as numbered inside; 0 for none."""
        return int(self.show("MainPID"))

    def kill(self, signal: str) -> None:
        """To the process itself: systemd does not know of it beforehand."""
        self.machine.run("kill", f"-{signal}", str(self.pid))

    def log(self) -> str:
        return self.machine.run("journalctl", "--no-pager", "--output=cat", f"--unit={self.unit}").stdout

    def tap(self, *arguments: str) -> str:
        """What the command says with the settings, state and keys of this venue."""
        return self.machine.tap("--installed", self.name, *arguments).stdout

    def entries(self) -> list[dict[str, Any]]:
        """Every entry that is kept, in order, as 'journal ls' gives it."""
        if not (self.state / "journal.db").exists():
            return []
        return [json.loads(line) for line in self.tap("journal", "ls", "--json").splitlines()]

    def until(self, holds: Callable[[], object], within: float = 80) -> None:
        """Wait until it holds; with the service's log where it never does."""
        end = time.monotonic() + within
        while not holds():
            assert time.monotonic() < end, f"it did not come about\n{self.show('StatusText')}\n{self.log()}"
            time.sleep(0.1)


@contextmanager
def booted(share: Path, wheel: Path) -> Iterator[Machine]:
    """Boot one, with multicam-tap in /opt/multicam-tap; skips the test where this machine cannot."""
    for program in ("unshare", "nsenter", "systemctl"):
        if shutil.which(program) is None:
            pytest.skip(f"there is no {program} here")
    command = [str(HERE / "with-systemd"), str(share), sys.base_prefix, sys.prefix]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        try:
            machine = Machine(_pid(process))
            _install(machine, wheel)
            yield machine
        finally:
            process.stdin.close()
            process.wait(300)


def _pid(process: subprocess.Popen[bytes]) -> int:
    assert process.stdout is not None
    assert process.stderr is not None
    said, _, _ = select.select([process.stdout], [], [], 100)
    words = process.stdout.readline().split() if said else []
    if not words:
        if process.poll() is None:
            process.terminate()
        why = process.stderr.read().decode()
        if process.wait(300) == _IMPOSSIBLE:
            pytest.skip(f"systemd cannot be booted here: {why.strip()}")
        raise AssertionError(f"systemd did not boot\n{why}")
    return int(words[1])


def _install(machine: Machine, wheel: Path) -> None:
    """From the wheel, by pip; the libraries are those of these tests, seen from where a service may look."""
    python = _python(machine)
    machine.run(python, "-m", "venv", "--without-pip", "/opt/multicam-tap")
    shutil.copy(wheel, machine.root / "opt")
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        "/opt/multicam-tap/bin/python",
        "install",
        "--no-deps",
        "--no-index",
    ]
    machine.run(*pip, f"/opt/{wheel.name}")
    version = f"python{platform.python_version_tuple()[0]}.{platform.python_version_tuple()[1]}"
    libraries = machine.root / "opt/libraries"
    libraries.mkdir()
    machine.run("mount", "--bind", sysconfig.get_path("purelib"), "/opt/libraries")
    pth = machine.root / f"opt/multicam-tap/lib/{version}/site-packages/libraries.pth"
    pth.write_text("/opt/libraries\n")
    # Else every start would compile them anew: nobody but root may write beside them.
    machine.run("/opt/multicam-tap/bin/python", "-c", "import tap.cli, tap.service.running.daemon")


def _python(machine: Machine) -> str:
    """The Python of these tests, from where a service may see it."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    if not Path(sys.base_prefix).is_relative_to("/usr"):
        found = f"/opt/python/bin/{name}"
        done = machine.run(found, "-c", "pass", check=False)
        if done.returncode:
            pytest.skip(f"{sys.base_prefix} does not run from another place: {done.stderr}")
        return found
    return f"{sys.base_prefix}/bin/{name}"


def environment() -> dict[str, str]:
    """For what the tests start outside."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TAP_")}
