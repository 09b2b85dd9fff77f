"""``python -m bench``: what the tap costs, measured beside what people would use instead.

All figures go to ``.bench/results.jsonl`` as they are measured; at the end the table is printed, and ``docs/bench.md``
and its picture are written. ``--quick`` is a rough look of two to three minutes, which goes to ``.bench/quick`` only.
Ratios, not absolutes: let the machine be idle, and compare nothing across machines.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import msgspec
from msgspec import Struct

from bench.contestants import NAMES, ROOT, SHIPPED, missing
from bench.context import FULL, QUICK, Context, Sizes
from bench.machine import Machine, code_digest, describe, load_average
from bench.page import page, remarks
from bench.parts import PARTS, chosen
from bench.picture import draw
from bench.results import Begun, Done, Figure, Results, Samples, Writer, read
from bench.targets import it_must

__all__ = ["Places", "main", "measure"]

PLACE = ROOT / ".bench"


class Places(Struct, frozen=True):
    """Where it all goes."""

    results: Path
    page: Path
    picture: Path


REAL = Places(PLACE / "results.jsonl", ROOT / "docs" / "bench.md", ROOT / "docs" / "bench.svg")
ROUGH = Places(PLACE / "quick" / "results.jsonl", PLACE / "quick" / "bench.md", PLACE / "quick" / "bench.svg")


def main(argv: Sequence[str] | None = None) -> int:
    """0 where every part was measured."""
    options = _options(argv)
    if options.list:
        print("\n".join(f"{name:16} {part.words}" for name, part in PARTS.items()))
        return 0
    try:
        parts = chosen(options.part)
    except KeyError as error:
        print(error.args[0], file=sys.stderr)
        return 2
    places = ROUGH if options.quick else REAL
    ok = True if options.page else _measure_all(parts, options, places)
    return 0 if _write(places) and ok else 1


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a rough look, two to three minutes")
    parser.add_argument("--part", action="append", default=[], metavar="NAME", help="only this; may be given again")
    parser.add_argument("--rounds", type=_rounds, metavar="N", help="rounds of each part, instead of its own number")
    parser.add_argument("--resume", action="store_true", help="leave out what was measured of this very code")
    parser.add_argument("--page", action="store_true", help="measure nothing: only write page and picture again")
    parser.add_argument("--list", action="store_true", help="the parts")
    return parser.parse_args(argv)


def _rounds(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least one round")
    return number


def _measure_all(parts: Sequence[str], options: argparse.Namespace, places: Places) -> bool:
    if sys.platform != "linux":
        _say("the bench needs Linux: it reads what processes cost from /proc")
        return False
    sizes = QUICK if options.quick else FULL
    if options.rounds is not None:
        named = ("rounds", "slices", "latency_rounds", "disk_rounds", "pages_rounds", "growth_rounds", "starts")
        sizes = msgspec.structs.replace(sizes, **dict.fromkeys(named, options.rounds))
    for name in NAMES:
        why_not = missing(name)
        if why_not is not None:
            _say(f"without {NAMES[name]}: {why_not}")
    if not SHIPPED.exists():
        _say("the tap loads some of the developers' packages: make bench measures it without these")
    if options.quick:
        _say("a rough look: for anything finer, make bench")
    machine, code, known = describe(), code_digest(), read(places.results) if options.resume else Results()
    ok = True
    for part in parts:
        if part in known.parts and known.parts[part].begun.code == code:
            _say(f"{part}: was measured already")
            continue
        ok &= measure(part, sizes, places.results, machine, code, quick=options.quick)
    return ok


def measure(part: str, sizes: Sizes, results: Path, machine: Machine, code: str, *, quick: bool = False) -> bool:
    """Measure one part into the file. False where something went wrong, which is told."""
    writer = Writer(results)
    since = time.monotonic()
    writer.write(
        Begun(
            part=part,
            when=datetime.now(UTC).strftime("%Y-%m-%d %H:%M"),
            machine=machine,
            load=load_average(),
            code=code,
            quick=quick,
            sizes={
                name: value for name, value in msgspec.structs.asdict(sizes).items() if isinstance(value, int | float)
            },
            left_out={name: why for name in NAMES if (why := missing(name)) is not None},
        )
    )
    _say(f"{part}: {PARTS[part].words} …")
    cores = sorted(os.sched_getaffinity(0))
    context = Context(
        sizes,
        lambda who, what, round_, value: writer.write(Figure(part, who, what, round_, value)),
        lambda who, what, round_, values: writer.write(Samples(part, who, what, round_, values)),
        partial(_say_of, part),
        (cores[0], cores[-1]),
    )
    # With the server, away from who is measured; contestants go to their own core.
    os.sched_setaffinity(0, {cores[-1]})
    try:
        PARTS[part].run(context)
    except Exception as error:  # noqa: BLE001 - the other parts are worth measuring all the same
        notes = "".join(f"\n  {note}" for note in getattr(error, "__notes__", []))
        _say(f"{part}: FAILED: {type(error).__name__}: {error}{notes}")
        return False
    finally:
        os.sched_setaffinity(0, cores)
    seconds = time.monotonic() - since
    writer.write(Done(part, seconds))
    _say(f"{part}: done in {seconds:.0f} s")
    return True


def _write(places: Places) -> bool:
    results = read(places.results)
    if not results.parts:
        _say("nothing was measured yet")
        return False
    lines = page(results, places.picture.name)
    places.page.parent.mkdir(parents=True, exist_ok=True)
    places.page.write_text("\n".join(lines) + "\n", encoding="utf-8")
    drawn = draw(results, places.picture)
    print("\n".join(["", *it_must(results), "", *(f"note: {remark}" for remark in remarks(results))]))
    print(f"ratios, not absolutes; written: {places.page}" + (f", {places.picture}" if drawn else ""))
    return True


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def _say_of(part: str, words: str) -> None:
    _say(f"{part}: {words}")


if __name__ == "__main__":
    sys.exit(main())
