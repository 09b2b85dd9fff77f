"""Every way to install that docs/install.md shows ends with a command that works, all it needs with it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.wheel import ROOT, out_of_reach, the_wheel

PINNED = ROOT / "requirements.txt"
BUILD = ROOT / "requirements-build.txt"
SHOOT = ROOT / "fixtures/multicam-1/a-plain-shoot"

pytestmark = pytest.mark.timeout(1200)


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
        assert f"tap/service/venue/{needed}" in names
    assert "tap/core/dialects/multicam-1.toml" in names
    assert "tap/py.typed" in names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"tap", "multicam_tap"}


def test_the_wheel_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    """With the pinned files of what it depends on, and nothing else."""
    run(sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "env"))
    pip = [sys.executable, "-m", "pip", "--python", str(tmp_path / "env/bin/python"), "install", "--no-input"]
    fetch(*pip, "--require-hashes", "-r", str(PINNED))
    run(*pip, "--no-index", "--no-deps", str(wheel))
    works(tmp_path / "env/bin/multicam-tap", tmp_path)


@pytest.mark.slow
def test_the_demo_runs_from_a_wheel(wheel: Path, tmp_path: Path) -> None:
    """To the journal: the local ledger is only in a checkout."""
    run(sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "env"))
    pip = [sys.executable, "-m", "pip", "--python", str(tmp_path / "env/bin/python"), "install", "--no-input"]
    fetch(*pip, "--require-hashes", "-r", str(PINNED))
    run(*pip, "--no-index", "--no-deps", str(wheel))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    said = subprocess.run(
        [str(tmp_path / "env/bin/multicam-tap"), "demo"],
        cwd=elsewhere,
        env=clean(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert said.returncode == 0, said.stdout + said.stderr
    assert "No local ledger: it is only in a checkout." in said.stdout
    assert "F1 1.000: nothing missed, nothing made up." in said.stdout


def test_a_checkout_by_hash_alone(tmp_path: Path) -> None:
    """as docs/install.md shows it: what builds the package is pinned too, and building fetches nothing."""
    run(sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "env"))
    pip = [sys.executable, "-m", "pip", "--python", str(tmp_path / "env/bin/python"), "install", "--no-input"]
    fetch(*pip, "--require-hashes", "-r", str(PINNED), "-r", str(BUILD))
    run(*pip, "--no-index", "--no-deps", "--no-build-isolation", str(ROOT))
    works(tmp_path / "env/bin/multicam-tap", tmp_path)


def test_a_file_that_is_another_is_refused(tmp_path: Path) -> None:
    """By pip itself, though name and version are right."""
    wrong = tmp_path / "requirements.txt"
    wrong.write_text(re.sub(r"sha256:[0-9a-f]{8}", "sha256:00000000", BUILD.read_text("utf-8")))
    run(sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "env"))
    pip = [sys.executable, "-m", "pip", "--python", str(tmp_path / "env/bin/python"), "install", "--no-input"]
    done = subprocess.run(
        [*pip, "--require-hashes", "-r", str(wrong)], env=clean(), capture_output=True, text=True, check=False
    )
    if out_of_reach(done.stdout + done.stderr):
        pytest.skip("the package registry is out of reach")
    assert done.returncode
    assert "DO NOT MATCH THE HASHES" in done.stderr


@pytest.mark.quick
def test_every_pin_has_hashes_and_no_address() -> None:
    """In each of the files, and one version of each package in all of them."""
    pins: dict[str, set[str]] = {}
    files = sorted(ROOT.glob("requirements*.txt"))
    assert [file.name for file in files] == ["requirements-build.txt", "requirements-dev.txt", "requirements.txt"]
    for file in files:
        text = file.read_text("utf-8").replace("\\\n", "")
        assert "://" not in text
        assert "--index" not in text
        for line in text.splitlines():
            name, version_, *_ = re.split(r"==| ", line)
            pins.setdefault(f"{name} {line.partition(';')[2].partition('--hash')[0].strip()}", set()).add(version_)
            pin = r"[a-z0-9._-]+(\[[a-z0-9,]+\])?==\S+( ; [^-]+?)?"
            assert re.fullmatch(pin + r"(\s+--hash=sha256:[0-9a-f]{64})+", line), line
    assert [name for name, versions in pins.items() if len(versions) > 1] == []
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    (backend,) = project["build-system"]["requires"]
    assert f"\n{backend} " in f"\n{BUILD.read_text('utf-8')}"


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
