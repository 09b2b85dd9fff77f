"""A folder says what a line in it may touch: import-linter's contracts hold, and would notice if they did not."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Collection, Mapping, Set
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TAP = ROOT / "tap"


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


def test_a_file_is_a_room_of_a_screenful() -> None:
    """Whoever looks for a rule reads no file of more than 600 lines."""
    long = {str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines()) for path in TAP.rglob("*.py")}
    assert {path: lines for path, lines in long.items() if lines > 600} == {}


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


# ---------------------------------------------------------------------------------------------- circles


def modules_of(package: Path) -> dict[str, Path]:
    """The files of a package by the name that they are imported by."""
    found = {}
    for path in package.rglob("*.py"):
        parts = path.relative_to(package.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def statements_in(text: str) -> list[ast.Import | ast.ImportFrom]:
    """The imports of a file, wherever in it they are."""
    return [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import | ast.ImportFrom)]


def imports_of(name: str, path: Path, text: str, known: Collection[str]) -> set[str]:
    """The files of the package that this one imports, wherever in it the import stands.

    A package's own face is imported only by who takes a name from it, not by who passes through it to a file inside.
    """
    found = set()
    for node in statements_in(text):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        else:
            package = name if path.name == "__init__.py" else name.rpartition(".")[0]
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            inside = {f"{module}.{alias.name}" for alias in node.names}
            found |= inside & set(known)
            if inside - set(known):
                found.add(module)
    return found & set(known) - {name}


def circles_in(imports: Mapping[str, Set[str]]) -> list[list[str]]:
    """The groups of files that all lead to each other."""
    reached = {name: reached_from(name, imports) for name in imports}
    groups = {frozenset(other for other in reached[name] if name in reached[other]) for name in imports}
    return sorted(sorted(group) for group in groups if group)


def reached_from(name: str, imports: Mapping[str, Set[str]]) -> set[str]:
    """All files that a file imports, and those that they import, and so on; itself where it stands in a circle."""
    found: set[str] = set()
    ahead = [name]
    while ahead:
        new = imports[ahead.pop()] - found
        found |= new
        ahead += new
    return found


def circles_of(package: Path, module: str = "", line: str = "") -> list[list[str]]:
    """Files of a package that import each other, however long the way round, imports for types only included.

    ``line`` is read as if it were the last of ``module``, a path in the package.
    """
    known = modules_of(package)
    texts = {name: path.read_text() for name, path in known.items()}
    if module:
        texts[f"{package.name}.{module[:-3].replace('/', '.')}"] += f"\n{line}\n"
    return circles_in({name: imports_of(name, path, texts[name], known) for name, path in known.items()})


def test_no_file_imports_one_that_imports_it() -> None:
    """Nowhere in the package."""
    assert circles_of(ROOT / "tap") == []


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("adapters/journal/rows.py", "from tap.adapters.journal.outbox import Journal"),
        ("adapters/journal/file.py", "from tap.adapters.journal import writer"),
        ("adapters/names.py", "import tap.adapters.ledger"),
        ("service/running/parts.py", "if TYPE_CHECKING:\n    from tap.service.running.daemon import Service"),
        ("service/ops/live_page.py", "from tap.service.ops.server import OpsServer"),
        ("core/model.py", "from .codec import entry_json"),
        ("core/model.py", "if TYPE_CHECKING:\n    from tap.core.codec import entry_json"),
        ("core/model.py", "def late() -> None:\n    from tap.core.codec import entry_json"),
    ],
)
def test_a_circle_is_found(module: str, line: str) -> None:
    """Imports for types only, and those inside a function, lead round as well."""
    assert any(f"tap.{module[:-3].replace('/', '.')}" in circle for circle in circles_of(TAP, module, line))


def test_every_folder_says_what_is_in_it() -> None:
    """In its ``__init__.py``; a folder at the top also what a line in it may touch."""
    said = {path.parent: ast.get_docstring(ast.parse(path.read_text("utf-8"))) for path in TAP.rglob("__init__.py")}
    assert len(said) > 15
    assert [str(folder) for folder, words in said.items() if not words] == []
    for folder in ("adapters", "core", "history", "rehearsal", "service"):
        assert "A line in here" in re.sub(r"\s+", " ", said[TAP / folder] or ""), folder
