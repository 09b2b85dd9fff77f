"""The page on security names a test for each threat, and each of them is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text("utf-8")


def test_every_test_that_the_page_names_is_there() -> None:
    code = "".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    names = set(re.findall(r"\b(test_[a-z_]+)`", PAGE))
    assert len(names) > 15
    assert [name for name in sorted(names) if f"def {name}(" not in code] == []


def test_every_file_that_the_page_names_is_there() -> None:
    paths = set(re.findall(r"`((?:tests|systemd|convex|docs)/[\w./@-]*)(?:::\w+)?`", PAGE))
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []


def test_every_threat_names_what_answers_it_and_its_test() -> None:
    """Or says plainly that nothing of ours answers it. Tests by name are looked for above, files and folders here."""
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith(("| threat", "| ---"))]
    assert len(rows) > 20
    for row in rows:
        threat, answer, test = (cell.strip() for cell in row.strip("|").split(" | "))
        assert threat, row
        assert answer, row
        named = re.findall(r"`([^`]+)`", test)
        assert named or test in ("—", "the same"), row
        for name in named:
            assert name.startswith("test_") or (ROOT / name.partition("::")[0]).exists(), row
