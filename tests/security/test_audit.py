"""The audit of what is pinned fails for findings, and for nothing else."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FILE = Path(__file__).parents[2] / ".ci" / "audit.py"


@pytest.fixture
def audit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def python_says(*packages: dict[str, Any]) -> str:
    return json.dumps({"dependencies": packages, "fixes": []})


GOOD = {"name": "aiohttp", "version": "3.14.5", "vulns": []}
BAD = {"name": "jinja2", "version": "3.1.6", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3.1.7"]}]}
SKIPPED = {"name": "yarl", "skip_reason": "Dependency not found"}
NODE_BAD = {"vulnerabilities": {"esbuild": {"severity": "low", "range": "<1"}}, "metadata": {"dependencies": 30}}
NODE_GOOD = {"vulnerabilities": {}, "metadata": {"dependencies": {"total": 30}}}


def test_findings_are_named_with_what_mends_them(audit: ModuleType) -> None:
    outcome = audit.python_outcome(python_says(GOOD, BAD, SKIPPED), "")
    assert outcome.findings == ["jinja2 3.1.6: PYSEC-1, mended in 3.1.7"]
    assert outcome.words == "2 packages audited; 1 could not be (yarl: Dependency not found)"
    assert audit.node_outcome(json.dumps(NODE_BAD), "").findings == ["esbuild <1: low"]
    assert audit.python_outcome(python_says(GOOD), "").findings == []
    assert audit.node_outcome(json.dumps(NODE_GOOD), "") == ([], "30 packages audited")


@pytest.mark.parametrize("said", ["", "garbage", "[]", "{}", python_says(SKIPPED)])
def test_a_service_that_cannot_be_asked_is_no_finding(audit: ModuleType, said: str) -> None:
    """It is told in the service's own words, or that it had none."""
    assert audit.python_outcome(said, "a\nno route to host\n").findings is None
    assert audit.node_outcome(said, "npm error audit endpoint\nnpm error A complete log of this run") == (
        None,
        "npm error audit endpoint",
    )


@pytest.mark.parametrize(
    ("outcomes", "code", "told"),
    [
        ((None, None), 0, ["pip-audit: not run: why", "npm audit: not run: why"]),
        (([], []), 0, ["pip-audit: why, no known weaknesses", "npm audit: why, no known weaknesses"]),
        (
            ([], ["x 1: y"]),
            1,
            ["pip-audit: why, no known weaknesses", "npm audit: why, 1 known weaknesses", "  x 1: y"],
        ),
    ],
)
def test_the_exit_code_is_that_of_the_findings(
    audit: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    outcomes: tuple[list[str] | None, list[str] | None],
    code: int,
    told: list[str],
) -> None:
    monkeypatch.setattr(audit, "audit_python", lambda: audit.Outcome(outcomes[0], "why"))
    monkeypatch.setattr(audit, "audit_node", lambda: audit.Outcome(outcomes[1], "why"))
    assert audit.main() == code
    assert capsys.readouterr().out.splitlines() == told
