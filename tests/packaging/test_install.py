"""Every way to install that the README shows ends with a command that works, all it needs with it."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.wheel import ROOT, out_of_reach, the_wheel

PINNED = ROOT / "requirements.txt"
SHOOT = ROOT / "fixtures/multicam-1/a-plain-shoot"

pytestmark = pytest.mark.timeout(500)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return the_wheel(tmp_path_factory)


@pytest.fixture(scope="module")
def installers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pipx and uv are, in an environment of their own."""
    folder = tmp_path_factory.mktemp("installers")
    run(sys.executable, "-m", "venv", str(folder))
    fetch(str(folder / "bin/python"), "-m", "pip", "install", "--no-input", "pipx", "uv")
    return folder / "bin"


def clean(**more: str) -> dict[str, str]:
    """Nobody's settings, and nothing of the environment that runs these tests."""
    dropped = ("TAP_", "COV", "PYTHON", "VIRTUAL_ENV", "PIPX_", "UV_TOOL")
    return {name: value for name, value in os.environ.items() if not name.startswith(dropped)} | more


def run(*command: str, **more: str) -> str:
    done = subprocess.run(command, env=clean(**more), capture_output=True, text=True, timeout=450, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def fetch(*command: str, **more: str) -> None:
    """As ``run``, but skips the test where the package registry is out of reach."""
    done = subprocess.run(command, env=clean(**more), capture_output=True, text=True, timeout=450, check=False)
    if done.returncode and out_of_reach(done.stdout + done.stderr):
        pytest.skip("the package registry is out of reach")
    assert done.returncode == 0, f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}"


def works(command: Path, tmp_path: Path) -> None:
    """It starts, replays a tape to what is expected of it, and has the unit with it."""
    tap = str(command)
    assert run(tap, "--version").split()[-1] == version("multicam-tap")
    assert run(tap, "enabled") == "on\n"
    assert run(tap, "replay", "--json", f"{SHOOT}.tape.jsonl") == Path(f"{SHOOT}.entries.jsonl").read_text("utf-8")
    shown = run(tap, "install", "hall-a", "--print")
    assert f"ExecStart={command} run" in shown
    assert "\nTAP_VENUE=hall-a\n" in shown
    root = tmp_path / "root"
    run(tap, "install", "hall-a", "--root", str(root))
    assert f"ExecStart={command} run" in (root / "etc/systemd/system/multicam-tap@.service").read_text("utf-8")


def test_the_wheel_holds_what_the_command_needs(wheel: Path) -> None:
    """The dialects, the unit, the example; no tests, no fixtures, nothing of the top level."""
    with zipfile.ZipFile(wheel) as opened:
        names = opened.namelist()
    for needed in ("systemd/multicam-tap@.service", "systemd/venue.env.example"):
        assert f"tap/service/{needed}" in names
    assert "tap/core/dialects/multicam-1.toml" in names
    assert "tap/py.typed" in names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"tap", "multicam_tap"}


def test_the_wheel_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    """With the pinned versions of what it depends on, and nothing else."""
    run(sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "env"))
    python = str(tmp_path / "env/bin/python")
    fetch(sys.executable, "-m", "pip", "--python", python, "install", "--no-input", "-c", str(PINNED), str(wheel))
    works(tmp_path / "env/bin/multicam-tap", tmp_path)


def test_pipx_from_a_checkout(installers: Path, tmp_path: Path) -> None:
    """'pipx install .'"""
    places = {"PIPX_HOME": str(tmp_path / "home"), "PIPX_BIN_DIR": str(tmp_path / "bin"), "PIP_CONSTRAINT": str(PINNED)}
    fetch(str(installers / "pipx"), "install", "--python", sys.executable, str(ROOT), **places)
    works(tmp_path / "bin/multicam-tap", tmp_path)


def test_uv_from_a_checkout(installers: Path, tmp_path: Path) -> None:
    """'uv tool install .'"""
    places = {"UV_TOOL_DIR": str(tmp_path / "tools"), "UV_TOOL_BIN_DIR": str(tmp_path / "bin")}
    command = [str(installers / "uv"), "tool", "install", "--python", sys.executable, "--constraints", str(PINNED)]
    fetch(*command, str(ROOT), UV_PYTHON_DOWNLOADS="never", UV_CACHE_DIR=str(tmp_path / "cache"), **places)
    works(tmp_path / "bin/multicam-tap", tmp_path)
