"""What was found already, in ``.mutants/``: a run that is broken off goes on from there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from tests.mutants.copies import CAUGHT, HUNG, ROOT, Mutant, Verdict

FOLDER = ROOT / ".mutants"


class Kept:
    """The verdicts of one draw, each a line of a file."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        lines = path.read_text().splitlines() if path.exists() else []
        self._found = {line["key"]: line for line in map(json.loads, lines)}

    def found(self, mutant: Mutant, tests: str, budget: float) -> Verdict | None:
        """What was found of this change: that it survived `tests` (their digest) for so many seconds, or was caught.

        A change that was caught is caught, whatever test was added since.
        """
        line = self._found.get(_key(mutant))
        if line is None:
            return None
        if line["word"] in (CAUGHT, HUNG) or (line["tests"] == tests and line["budget"] >= budget):
            return Verdict(line["word"], line["why"])
        return None

    def add(self, mutant: Mutant, verdict: Verdict, tests: str, budget: float) -> None:
        """Keeps it, in place of what was found before."""
        line = {"key": _key(mutant), "what": str(mutant), **asdict(verdict), "tests": tests, "budget": budget}
        self._found[line["key"]] = line
        with self._path.open("a") as file:
            print(json.dumps(line), file=file, flush=True)


def digest(root: Path, folders: Iterable[str], judges: Iterable[str]) -> str:
    """Changes with every file below these folders, and with the tests that are asked; but not with how it is asked."""
    read = hashlib.sha256("\n".join(judges).encode())
    for folder in folders:
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and not {"__pycache__", "mutants"} & set(path.parts):
                read.update(f"\n{path.relative_to(root)}\n".encode() + path.read_bytes())
    return read.hexdigest()[:16]


def _key(mutant: Mutant) -> str:
    """The module as it is, and the change."""
    code = hashlib.sha256((ROOT / mutant.path).read_bytes()).hexdigest()[:16]
    return f"{mutant.path} {code} {mutant.site.number}"
