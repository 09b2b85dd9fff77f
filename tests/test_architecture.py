"""A folder says what a line in it may touch: import-linter's contracts hold, and would notice if they did not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Judge the package in ``folder`` by the contracts of its pyproject.toml."""
    # -P: what is judged is the package of the folder, not the one that is installed.
    program = "import sys; sys.path.insert(0, '.'); from importlinter.cli import lint_imports_command as c; c()"
    command = [sys.executable, "-P", "-c", program, "--no-cache"]
    # What is judged is read, not run: nothing of it belongs to the coverage of these tests.
    environ = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The package and its contracts, to be spoilt."""
    shutil.copytree(ROOT / "tap", tmp_path / "tap", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_every_import_is_one_that_its_folder_may_make() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("tap/core/spoilt.py", "import time"),
        ("tap/core/spoilt.py", "import logging"),
        ("tap/core/spoilt.py", "from tap.adapters import tape"),
        ("tap/adapters/tape/parts.py", "from tap.adapters import journal"),
        ("tap/adapters/tape/parts.py", "import sqlite3"),
        ("tap/adapters/spoilt.py", "from tap.service import config"),
        ("tap/history/spoilt.py", "from tap.adapters import journal"),
        ("tap/rehearsal/spoilt.py", "from tap.history import timeline"),
        ("tap/service/spoilt.py", "from tap.rehearsal import score"),
        ("tap/service/spoilt.py", "import websockets"),
        ("tap/service/spoilt.py", "from tap import cli"),
    ],
)
def test_a_wrong_import_is_found(copy: Path, module: str, line: str) -> None:
    with (copy / module).open("a") as file:
        file.write(f"\n{line}\n")
    done = lint(copy)
    assert done.returncode == 1, f"{line} in {module} was not noticed:\n{done.stdout}"
    assert "BROKEN" in done.stdout


def test_every_folder_of_the_package_is_one_that_the_design_knows() -> None:
    folders = {path.name for path in (ROOT / "tap").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders == {"cli", "core", "adapters", "history", "service", "rehearsal"}
