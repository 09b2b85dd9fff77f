"""Known weaknesses of what is pinned: pip-audit over requirements.txt, npm audit over convex/package-lock.json.

Exit code 1 for a finding. Where the advisories cannot be had, that is said plainly ("not run"), and is no failure: a
build must not depend on somebody else's service.
"""

# ruff: noqa: T201, S603

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PIP_AUDIT = "pip-audit==2.10.1"
WITHIN_S = 240


class Outcome(NamedTuple):
    """``findings`` is None where nothing was audited, and ``words`` says why."""

    findings: list[str] | None
    words: str


def python_outcome(said: str, complaint: str) -> Outcome:
    """What pip-audit's JSON says."""
    try:
        audited = json.loads(said)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return Outcome(None, _last_line(complaint))
    skipped = [f"{one['name']}: {one['skip_reason']}" for one in audited if "skip_reason" in one]
    if skipped and len(skipped) == len(audited):
        return Outcome(None, skipped[0])
    findings = [
        f"{one['name']} {one['version']}: {found['id']}"
        + (f", mended in {', '.join(found['fix_versions'])}" if found.get("fix_versions") else "")
        for one in audited
        for found in one.get("vulns", [])
    ]
    left = f"; {len(skipped)} could not be ({skipped[0]})" if skipped else ""
    return Outcome(findings, f"{len(audited) - len(skipped)} packages audited{left}")


def node_outcome(said: str, complaint: str) -> Outcome:
    """What npm's JSON says."""
    try:
        report = json.loads(said)
        audited, found = report["metadata"]["dependencies"], report["vulnerabilities"]
    except (ValueError, KeyError, TypeError):
        return Outcome(None, _last_line(complaint) or _last_line(said))
    findings = [f"{name} {one.get('range', '')}: {one.get('severity', 'unknown')}" for name, one in found.items()]
    total = audited["total"] if isinstance(audited, dict) else audited
    return Outcome(findings, f"{total} packages audited")


def _last_line(text: str) -> str:
    lines = [line.strip()[:200] for line in text.splitlines() if line.strip(" {}[]") and "complete log" not in line]
    return lines[-1] if lines else "it said nothing"


def audit_python() -> Outcome:
    """In an environment of its own, thrown away afterwards: the auditor is no part of the project."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = str(Path(folder, "bin", "python"))
        made = _run([python, "-m", "pip", "-q", "--disable-pip-version-check", "install", PIP_AUDIT])
        if made.returncode:
            return Outcome(None, f"{PIP_AUDIT} could not be installed: {_last_line(made.stderr)}")
        # As pinned: nothing is resolved or installed to be audited.
        options = ["--disable-pip", "--no-deps", "--progress-spinner", "off", "--timeout", "20", "--format", "json"]
        done = _run([python, "-m", "pip_audit", *options, "-r", str(ROOT / "requirements.txt")])
    return python_outcome(done.stdout, done.stderr)


def audit_node() -> Outcome:
    """From the lock file; nothing is installed."""
    npm = shutil.which("npm")
    if npm is None:
        return Outcome(None, "npm is not installed")
    done = _run([npm, "audit", "--json", "--package-lock-only"], ROOT / "convex")
    return node_outcome(done.stdout, done.stderr)


def _run(command: list[str], folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=WITHIN_S, check=False)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"no answer within {WITHIN_S} s")


def main() -> int:
    """Audit both; the exit code."""
    failed = False
    for name, audit in (("pip-audit", audit_python), ("npm audit", audit_node)):
        outcome = audit()
        if outcome.findings is None:
            print(f"{name}: not run: {outcome.words}")
            continue
        print(f"{name}: {outcome.words}, {len(outcome.findings) or 'no'} known weaknesses")
        for finding in outcome.findings:
            print(f"  {finding}")
        failed = failed or bool(outcome.findings)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
