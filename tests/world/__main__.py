"""``python -m tests.world``: worlds drawn from seeds, judged, and, where one fails, made small and kept.

python -m tests.world --seeds 0:2000            which worlds fail, and how
python -m tests.world --known                   the worlds of the long tests, and known.txt anew (``known.py``)
python -m tests.world --seed 17                 what is wrong with one
python -m tests.world --seed 17 --shrink -o FOLDER    the least tape that still fails so, with its truth
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tap.rehearsal.performance import tape_lines
from tap.rehearsal.truth import Item, Up
from tap.rehearsal.ways import parsed, written
from tap.rehearsal.witness import truth_of
from tap.rehearsal.world import ShootPlan
from tests.world.judge import judge, judged
from tests.world.known import write_known
from tests.world.shrink import kinds, smaller_items, smaller_world
from tests.world.worlds import FEW, MANY, World, draw, items_of

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """0 where nothing is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.world", description=__doc__)
    parser.add_argument("--seeds", default="0:200", metavar="FROM:TO", help="which worlds")
    parser.add_argument("--known", action="store_true", help="write down which of the long tests' worlds fail")
    parser.add_argument("--seed", type=int, help="only this one, and all that is wrong with it")
    parser.add_argument("--ways", help="these instead of the drawn ones: ts=seconds,seq=none")
    parser.add_argument(
        "--shrink", metavar="WORDS", nargs="?", const="", help="make it small; keep failures with these"
    )
    parser.add_argument("-o", "--output", type=Path, default=Path(), help="where the small tape goes")
    options = parser.parse_args(argv)
    if options.known:
        return _known()
    if options.seed is None:
        return _survey(options.seeds)
    world = draw(options.seed)
    if options.ways is not None:
        world = World(options.seed, parsed(options.ways), (), 1, 4, 25, 0)
    found = _judged(world)
    print(world, *found, sep="\n")
    if found and options.shrink is not None:
        _shrink(world, {kind for kind in kinds(found) if options.shrink in kind}, options.output)
    return 1 if found else 0


def _judged(world: World) -> list[str]:
    return judged(world).wrong


def _survey(seeds: str) -> int:
    first, _, last = seeds.partition(":")
    sorts: Counter[str] = Counter()
    failed = 0
    for seed in range(int(first), int(last)):
        found = _judged(draw(seed))
        failed += bool(found)
        sorts.update(kinds(found))
        if found:
            print(f"{draw(seed)}\n    {found[0]}", flush=True)
    print(f"{failed} of {int(last) - int(first)} worlds fail", *sorts.most_common(), sep="\n")
    return 1 if failed else 0


def _known() -> int:
    """On all processors there are: it is minutes of each."""
    with ProcessPoolExecutor() as pool:
        found = dict(pool.map(_found_in, range(FEW, FEW + MANY), chunksize=10))
    wrong = {seed: kind for seed, kind in found.items() if kind is not None}
    write_known(wrong)
    print(f"{len(wrong)} of {MANY} worlds fail", *Counter(wrong.values()).most_common(), sep="\n")
    return 0


def _found_in(seed: int) -> tuple[int, str | None]:
    found = _judged(draw(seed))
    return seed, min(kinds(found)) if found else None


def _shrink(world: World, sorts: set[str], folder: Path) -> None:
    world = smaller_world(world, lambda other: bool(kinds(_judged(other)) & sorts))
    plan, items = items_of(world)

    def fails(fewer: Sequence[Item]) -> bool:
        return bool(kinds(judge(plan, fewer, world.origin).wrong) & sorts)

    least = smaller_items(items, fails)
    print(world, *judge(plan, least, world.origin).wrong, sep="\n")
    _keep(plan, least, folder / f"seed-{world.seed}-{'-'.join(sorted(sorts))}".replace(": ", "-").replace(" ", "-"))


def _keep(plan: ShootPlan, items: Sequence[Item], name: Path) -> None:
    name.parent.mkdir(parents=True, exist_ok=True)
    started = next((item.wall for item in items if isinstance(item, Up)), plan.start_wall_ms)
    name.with_suffix(".tape.jsonl").write_text("".join(tape_lines(items, started, venue="hall", tap="tap-a")))
    name.with_suffix(".truth.jsonl").write_text("".join(truth_of(plan, items, venue="hall").lines()))
    print(f"kept as {name}.tape.jsonl, of a server with {written(plan.ways) or 'plain ways'}")


if __name__ == "__main__":
    sys.exit(main())
