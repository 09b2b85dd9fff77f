"""``make faults``: every fault its full number of times, part by part, and the table of what came of it.

Each part takes under ten minutes. What a part found is written down at once (``.faults/results.jsonl``), so that with
``--resume`` a run that was interrupted goes on where it stopped. The table goes to ``docs/faults.md`` as it grows.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import platform
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from tests.faults.outcome import Outcome, together
from tests.faults.table import FAULTS, Fault, named

__all__ = ["Result", "main", "parts_of", "table"]

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / ".faults" / "results.jsonl"
PAGE = ROOT / "docs" / "faults.md"
_LONGEST_S = 595.0


class Part(Struct, frozen=True):
    """A share of one fault's tries, with a seed of its own."""

    fault: str
    number: int
    count: int
    seed: int


class Result(Struct, kw_only=True):
    """What came of a part; a line of the results."""

    part: Part
    outcome: Outcome
    seconds: float
    when: str


def parts_of(fault: Fault, scale: float) -> list[Part]:
    """All of them together try the fault its full number of times, multiplied by ``scale``."""
    count = max(1, round(fault.count * scale))
    parts: list[Part] = []
    while count > 0:
        number = len(parts)
        parts.append(Part(fault.name, number, min(fault.part, count), 1_000 * number + 1))
        count -= fault.part
    return parts


def main(argv: Sequence[str] | None = None) -> int:
    """0 where no fault did any harm."""
    options = _options(argv)
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    if options.list:
        print("\n".join(f"{fault.name:22} {fault.count:>9}  {fault.words}" for fault in FAULTS))
        return 0
    try:
        chosen = [named(name) for name in options.part] if options.part else list(FAULTS)
    except KeyError as error:
        print(error.args[0], file=sys.stderr)
        return 2
    results = read_results(RESULTS) if options.resume else []
    if not options.resume:
        keep = [result for result in read_results(RESULTS) if result.part.fault not in {fault.name for fault in chosen}]
        results = keep
        write_results(RESULTS, results)
    failed = _run(chosen, results, options)
    print("\n".join(table(results)))
    return 1 if failed or any(not result.outcome.ok for result in results) else 0


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--part", action="append", metavar="NAME", help="only this fault; more than once for several")
    parser.add_argument("--scale", type=float, default=1.0, help="a share of the full counts, such as 0.1")
    parser.add_argument("--resume", action="store_true", help="leave out the parts that were done")
    parser.add_argument("--minutes", type=float, default=0.0, help="begin no part after that many minutes")
    parser.add_argument("--list", action="store_true", help="the faults, and their full counts")
    return parser.parse_args(argv)


def _run(chosen: Iterable[Fault], results: list[Result], options: argparse.Namespace) -> bool:
    """Whether a part did harm. ``results`` grows."""
    done, begin, failed = {result.part for result in results}, time.monotonic(), False
    for fault in chosen:
        why_not = fault.missing()
        if why_not is not None:
            print(f"{fault.name}: left out: {why_not}", flush=True)
            continue
        for part in parts_of(fault, options.scale):
            if part in done:
                continue
            if options.minutes and time.monotonic() - begin > 60 * options.minutes:
                return failed
            result = _try(fault, part)
            failed |= not result.outcome.ok
            results.append(result)
            write_results(RESULTS, results)
            PAGE.write_text("\n".join(page(results)) + "\n", encoding="utf-8")
    return failed


def _try(fault: Fault, part: Part) -> Result:
    print(f"{fault.name} {part.number + 1}: {part.count} of {fault.count} …", end=" ", flush=True)
    since = time.monotonic()
    try:
        outcome = asyncio.run(asyncio.wait_for(_coroutine(fault, part), _LONGEST_S))
    except Exception as error:  # noqa: BLE001 - one fault that breaks the harness must not hide the others
        outcome = Outcome(failures=[f"{type(error).__name__}: {error}"])
    seconds = time.monotonic() - since
    print(f"{'ok' if outcome.ok else 'HARM'} in {seconds:.0f} s", flush=True)
    if not outcome.ok:
        print(outcome.explain(), flush=True)
    return Result(part=part, outcome=outcome, seconds=seconds, when=f"{datetime.now(UTC):%Y-%m-%d %H:%M}")


async def _coroutine(fault: Fault, part: Part) -> Outcome:
    return await fault.run(part.count, part.seed)


# ---------------------------------------------------------------------------------------------- what is kept


def read_results(path: Path) -> list[Result]:
    """What was written down; a torn last line is a part that has to be tried again."""
    results = []
    for line in path.read_bytes().splitlines() if path.exists() else []:
        try:
            results.append(msgspec.json.decode(line, type=Result))
        except msgspec.MsgspecError:
            continue
    return results


def write_results(path: Path, results: Iterable[Result]) -> None:
    """All of them, at once or not at all."""
    path.parent.mkdir(exist_ok=True)
    new = path.with_suffix(".new")
    new.write_bytes(b"".join(msgspec.json.encode(result) + b"\n" for result in results))
    new.replace(path)


# ---------------------------------------------------------------------------------------------- the table


def table(results: Iterable[Result]) -> Iterator[str]:
    """The table, in Markdown: a row for each fault that was tried, and one that says so for each that was not."""
    by_name: dict[str, list[Outcome]] = {}
    for result in results:
        by_name.setdefault(result.part.fault, []).append(result.outcome)
    yield "| fault | times tried | lost | doubled | invented | longest stall | recovery | |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for fault in FAULTS:
        if fault.name not in by_name:
            yield f"| {fault.words} | 0 of {fault.count:,} | | | | | | not run |"
            continue
        whole = together(by_name[fault.name])
        of = "" if whole.tried >= fault.count else f" of {fault.count:,}"
        counts = f"{whole.tried:,}{of} | {whole.lost} | {whole.doubled} | {whole.invented}"
        times = f"{_time(whole.longest_stall_ms)} | {_time(whole.recovery_ms)}"
        yield f"| {fault.words} | {counts} | {times} | {'ok' if whole.ok else '**HARM**'} |"


def _time(ms: float) -> str:
    if ms <= 0:
        return "–"
    return f"{ms:.0f} ms" if ms < 1_000 else f"{ms / 1000:.1f} s"


def page(results: Sequence[Result]) -> Iterator[str]:
    """The whole page."""
    yield "# Faults"
    yield ""
    yield "What a venue may do to the tap, many times over. Each try has a simulated server, real tap processes and"
    yield "the local ledger (for outages a stub of it), all on one machine. At its end, the test compares what"
    yield "really happened in the shoot with the rows in the ledger."
    yield ""
    yield "- **lost**: a row was committed, but is not in the ledger; or the server sent something that no row and"
    yield "  no gap has."
    yield "- **doubled**: the ledger has something twice. **invented**: it has something that did not happen."
    yield "- **longest stall**: the longest time from the receipt of a frame to the commit of its rows."
    yield "- **recovery**: the time from the end of the fault until everything works as before."
    yield ""
    yield from table(results)
    yield ""
    yield from _measured(results)
    whens = sorted(result.when for result in results)
    if whens:
        hours = sum(result.seconds for result in results) / 3600
        yield f"Run from {whens[0]} to {whens[-1]} UTC, {hours:.1f} hours in all, with `make faults` on {_machine()}."
    yield "`make faults` resumes where it stopped. `make faults FAULTS='--part kill --scale 0.1'` tries one fault a"
    yield "tenth as often. `python -m tests.faults --list` names all faults. Half-open connections and failing"
    yield "disks need root."


def _measured(results: Sequence[Result]) -> Iterator[str]:
    notes: dict[str, list[str]] = {}
    for result in results:
        known = notes.setdefault(result.part.fault, [])
        known += [
            note for note in result.outcome.notes if note not in known and not note.startswith(("lost", "invented"))
        ]
    if any(notes.values()):
        yield "## What else was measured"
        yield ""
        for fault in FAULTS:
            for note in notes.get(fault.name, [])[-4:]:
                yield f"- {fault.words}: {note}"
        yield ""


def _machine() -> str:
    return f"{platform.system()} {platform.release()}, {os.cpu_count()} cores, Python {platform.python_version()}"


if __name__ == "__main__":
    sys.exit(main())
