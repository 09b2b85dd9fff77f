"""``python -m tests.mutants tap/core --seed 1 --count 150``: draws changes, tries each, lists what nobody noticed.

Each folder is judged by its own tests (`JUDGES`). They run in copies of the tree, so that nothing of yours changes.
First each change is tried on the quickest tests that run its line; what survives is then tried on more of them.
What survives that too is listed with file, line and change; whoever reads it says whether it changes anything that can
be seen. If it does, a test is missing. Exit code 1 if fewer than `--least` per cent were caught.

It takes hours. Broken off, the same command goes on where it was: what was found is kept in ``.mutants/``.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from queue import SimpleQueue
from random import Random

from tests.mutants.copies import CAUGHT, HUNG, ROOT, SURVIVED, UNTRIED, Mutant, Verdict, broken_off, copied, tried
from tests.mutants.kept import FOLDER, Kept, digest
from tests.mutants.reach import Reach, measured, read, statement
from tests.mutants.sites import sites

_COMMAND = [f"tests/test_cli{more}.py" for more in ("", "_export", "_ledger", "_pipes", "_session", "_usage")]
_SERVICE = [
    *("tests/adapters", "tests/service", "tests/golden", "tests/security", "tests/upgrade", "tests/obs/test_source.py"),
    *("tests/faults/test_faults.py", "tests/test_api.py", "tests/test_sessions_page.py", *_COMMAND),
]
JUDGES = {
    "tap/core": [
        *("tests/core", "tests/obs", "tests/golden", "tests/test_situations.py", "tests/test_fixtures.py"),
        "tests/world",
        *("tests/security", "tests/history", "tests/service/tools", "tests/service/running/test_health.py"),
    ],
    "tap/adapters": _SERVICE,
    "tap/service": _SERVICE,
    "tap/history": ["tests/history"],
    "tap/rehearsal": ["tests/rehearsal"],
}
LIMITS = (30.0, 600.0)
"""Seconds of the tests' own time for which a change is tried at first, and in all: the first red one ends it. With
less, what was measured on a busy machine would be tried on fewer tests, and survive."""


def drawn(folder: str, seed: int, count: int, root: Path = ROOT) -> list[Mutant]:
    """`count` changes of the modules below `folder`, each as likely as any other; the same seed, the same changes."""
    every = [Mutant(path, site) for path in _modules(root, folder) for site in sites((root / path).read_text())]
    return Random(seed).sample(every, min(count, len(every)))


def _modules(root: Path, folder: str) -> Iterator[str]:
    for path in sorted((root / folder).rglob("*.py")):
        yield str(path.relative_to(root))


def _reach(root: Path, judges: Sequence[str], tests: str, workers: int) -> Reach:
    """As it was measured for these very tests and this code, or is measured now."""
    kept = FOLDER / f"reach-{tests}"
    if not (kept / "whole").exists():
        print("first the tests as they are", flush=True)
        kept.mkdir(parents=True, exist_ok=True)
        measured(root, judges, workers, kept)
        (kept / "whole").touch()
    reach = read(kept)
    for test in sorted(reach.red):
        print(f"is red with nothing changed, and judges nothing: {test}", flush=True)
    return reach


class Trial:
    """The changes drawn, tried part by part of their tests in copies of the tree."""

    def __init__(self, reach: Reach, kept: Kept, tests: str, roots: Sequence[Path], limits: Sequence[float]) -> None:
        self._reach, self._kept, self._tests, self._limits = reach, kept, tests, limits
        self._workers = len(roots)
        self._free: SimpleQueue[Path] = SimpleQueue()
        for root in roots:
            self._free.put(root)

    def verdicts(self, mutants: Sequence[Mutant]) -> dict[Mutant, Verdict]:
        """What became of each; it is told as it is found."""
        found: dict[Mutant, Verdict] = {}
        left = list(mutants)
        for part in range(len(self._limits)):
            told = count(1)
            of = len(left)

            def one(mutant: Mutant, part: int = part, told: Iterator[int] = told, of: int = of) -> Verdict:
                verdict = self._verdict(mutant, part)
                why = f"  ({verdict.why})" if verdict.why else ""
                print(f"[{part + 1}: {next(told)}/{of}] {verdict.word:9} {mutant}{why}", flush=True)
                return verdict

            found.update(zip(left, self._beside(one, left), strict=True))
            left = [mutant for mutant in left if found[mutant].word == SURVIVED]
        return found

    def _beside(self, one: Callable[[Mutant], Verdict], mutants: Sequence[Mutant]) -> list[Verdict]:
        with ThreadPoolExecutor(self._workers) as pool:
            try:
                return list(pool.map(one, mutants))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                broken_off()
                raise

    def _verdict(self, mutant: Mutant, part: int) -> Verdict:
        known = self._kept.found(mutant, self._tests, self._limits[part])
        if known is not None:
            return known
        verdict = self._tried(mutant, part)
        if verdict.word != UNTRIED:
            self._kept.add(mutant, verdict, self._tests, self._limits[part])
        return verdict

    def _tried(self, mutant: Mutant, part: int) -> Verdict:
        lines = statement((ROOT / mutant.path).read_text(), mutant.site.line)
        every = self._reach.tests_of(mutant.path, lines)
        if not every:
            return Verdict(SURVIVED, "no test runs it")
        tests = self._reach.shared(every, self._limits)[part]
        if not tests:
            return Verdict(SURVIVED)
        root = self._free.get()
        try:
            return tried(root, mutant, tests, self._reach.took(tests))
        finally:
            self._free.put(root)


def main() -> int:
    """Draws, tries and reports."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("folder", choices=sorted(JUDGES))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=150)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=LIMITS[1], help="of tests, for which a change is tried")
    parser.add_argument("--least", type=float, default=0.0, help="per cent that have to be caught")
    asked = parser.parse_args()
    # A shell starts what runs in the background deaf to Ctrl-C, and so would be the programs that tests interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # as Ctrl-C: with all that it started
    mutants = drawn(asked.folder, asked.seed, asked.count)
    judges = JUDGES[asked.folder]
    with tempfile.TemporaryDirectory(prefix="mutants-") as copies:
        roots = [copied(Path(copies) / str(number)) for number in range(asked.workers)]
        print(f"{len(mutants)} changes of {asked.folder}, seed {asked.seed}", flush=True)
        tests = digest(roots[0], ["tap", "tests"], judges)
        reach = _reach(roots[0], judges, tests, asked.workers)
        kept = Kept(FOLDER / f"{asked.folder.replace('/', '-')}-{asked.seed}.jsonl")
        limits = [min(LIMITS[0], asked.seconds), asked.seconds]
        found = Trial(reach, kept, tests, roots, limits).verdicts(mutants)
    return _told(found, asked.least)


def _told(found: dict[Mutant, Verdict], least: float) -> int:
    def those(*words: str) -> list[Mutant]:
        return [mutant for mutant, verdict in found.items() if verdict.word in words]

    untried = those(UNTRIED)
    of = len(found) - len(untried)
    caught = 100 * len(those(CAUGHT, HUNG)) / of if of else 0.0
    print(f"\n{caught:.1f} % of {of} caught. {len(those(SURVIVED))} survived:", *those(SURVIVED), sep="\n  ")
    for words, mutants in (("caught because their tests hung", those(HUNG)), ("could not be tried", untried)):
        if mutants:
            print(f"{len(mutants)} {words}:", *mutants, sep="\n  ")
    return int(caught < least)


if __name__ == "__main__":
    raise SystemExit(main())
