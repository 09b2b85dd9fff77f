"""The tap on another disk: ``multicam-tap run`` as it is, with a disk beneath that is slow, or with no journal at all.

``python -m bench.altered FILE --sync-ms 10`` makes each commit and each sync take that much longer;
``--no-journal`` lets go of what would be committed. How many commits there were is written to FILE at the end.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tap import cli
from tap.adapters.journal import Journal

__all__ = ["main"]


def main() -> None:
    """Run the tap until it is ended."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("file", type=Path)
    options.add_argument("--sync-ms", type=float, default=0.0)
    options.add_argument("--no-journal", action="store_true")
    given = options.parse_args()
    commits = [0]
    if given.no_journal:
        _let_go(commits)
    else:
        _slow_down(given.sync_ms / 1000, commits)
    sys.argv = ["multicam-tap", "run"]
    try:
        cli.main()
    finally:
        given.file.write_text(str(commits[0]))


def _let_go(commits: list[int]) -> None:
    def append(_: Journal, entries: Iterable[object], *_more: object) -> int:
        commits[0] += 1
        return len(list(entries))

    _put(Journal, "append", append)


def _slow_down(seconds: float, commits: list[int]) -> None:
    really, sync, data_sync = Journal.append, os.fsync, os.fdatasync

    def append(self: Journal, entries: Iterable[Any], *more: Any) -> int:
        commits[0] += 1
        # Lets go of the interpreter, as a sync does.
        time.sleep(seconds)
        return really(self, entries, *more)

    def slowly(sync: Callable[[int], None]) -> Callable[[int], None]:
        def slow(descriptor: int) -> None:
            time.sleep(seconds)
            sync(descriptor)

        return slow

    _put(Journal, "append", append)
    _put(os, "fsync", slowly(sync))
    _put(os, "fdatasync", slowly(data_sync))


def _put(where: Any, name: str, value: object) -> None:
    """Change what is there, and nothing that is not: a disk that is not slow would prove nothing."""
    if not hasattr(where, name):
        raise AttributeError(f"there is no {name} in {where.__name__} any more")
    setattr(where, name, value)


if __name__ == "__main__":
    main()
