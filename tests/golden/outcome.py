"""What the tap makes of tapes, mappings and texts, as lines that people can read and compare."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from random import Random

from tap.adapters.dialects import load_dialect
from tap.adapters.tape import open_tape
from tap.core.codec import entry_json
from tap.core.errors import MappingInvalid
from tap.core.mapping import Dialect, parse_mapping
from tap.core.merge import fold
from tap.core.model import Alive, Entry, Policy, SourceItem, Stamp
from tap.core.obs import ObsDialect
from tap.core.pipeline import Pipeline
from tap.core.redact import redact_bytes, redact_text
from tap.core.regroup import joined, part_of
from tap.history.timeline import timeline_of
from tests.core.test_memory import Disk
from tests.golden import service, texts
from tests.golden.damage import damaged
from tests.golden.obs_shows import any_order, by_the_rules
from tests.world.worlds import draw, heard, items_of

__all__ = ["CASES"]

_FIXTURES = Path(__file__).parents[2] / "fixtures"
_COPIES, _COPIES_OF_OBS = 6, 24
"""How many damaged copies are made of a tape. There are few tapes of OBS, and its conversation is long."""
_LONG = 500
"""A tape of more items than this is damaged once."""
_MAPPINGS, _AT_ONCE = 600, 60
_TEXTS = 1_200
_SHOWS, _WORLDS = 40, 60
_POLICIES = (
    Policy(session="program", unchanged_ms=60_000),
    Policy(session="frames", grace_ms=0, settle_ms=0),
    Policy(grace_ms=20_000, settle_ms=10_000, idle_ms=60_000, clock_step_ms=2_000),
)


def _tapes() -> Iterator[Path]:
    yield from sorted([*_FIXTURES.rglob("*.tape.jsonl*"), _FIXTURES / "obs" / "recording-1.jsonl.gz"])


def _of_tape(path: Path) -> Iterator[str]:
    """As it is, then its damaged copies: each from its beginning to its end, with a restart of the tap in some."""
    with open_tape(path) as tape:
        header, items = tape.header, list(tape)
    mapping = path.parent / "mapping.toml"
    dialect = load_dialect(str(mapping) if mapping.exists() else header.dialect or "multicam/1")
    policy = header.policy or Policy()
    yield from _replayed(dialect, policy, items)
    copies = 1 if len(items) > _LONG else _COPIES_OF_OBS if isinstance(dialect, ObsDialect) else _COPIES
    for number in range(copies):
        seed = f"{path.name}/{number}"
        yield f"--- damaged, {number}"
        rng = Random(seed)
        other = rng.choice((policy, policy, *_POLICIES))
        yield from _replayed(dialect, other, damaged(items, seed), restart=rng)


def _replayed(
    dialect: Dialect, policy: Policy, items: Sequence[SourceItem], restart: Random | None = None
) -> list[str]:
    """The entries; the sessions as people see them; what is counted."""
    stops = sorted(restart.randrange(len(items)) for _ in range(2)) if restart and restart.random() < 0.5 else []
    pipeline, disk = Pipeline(dialect, venue="hall", tap="tap", policy=policy), Disk()
    entries: list[Entry] = []
    said: list[str] = []
    for at, item in enumerate(items):
        if at in stops:
            disk.keep(pipeline.save())
            said += _counted(pipeline)
            memory = list(disk.records.items())
            pipeline = Pipeline(dialect, venue="hall", tap="tap", policy=policy, checkpoint=disk.state, memory=memory)
            pipeline.resume(item.stamp.wall)
        entries += pipeline.feed(item)
    if items:
        last = items[-1].stamp
        entries += pipeline.feed(Alive(Stamp(last.wall + 10**7, last.mono + 10**7)))
    said += _counted(pipeline)
    return [entry_json(entry).decode() for entry in entries] + said + list(_sessions(entries))


def _of_world(seed: int) -> Iterator[str]:
    """A server unlike the one that we imagined, in a shoot with faults."""
    world = draw(seed)
    _, items = items_of(world)
    yield from _replayed(load_dialect("multicam/1"), Policy(), list(heard(items, world.origin)), Random(seed))


def _counted(pipeline: Pipeline) -> list[str]:
    return [repr(pipeline.tally), repr(pipeline.state.doubts)]


def _sessions(entries: Sequence[Entry]) -> Iterator[str]:
    """Each session's timeline; the first half and the second one, and both as one again."""
    rows = fold(entries)
    for key in sorted({row.session_key for row in rows.values()}):
        its = {name: row for name, row in rows.items() if row.session_key == key}
        if key not in its:
            continue
        yield repr(timeline_of(its.values()))
        began = its[key].fields["startedAt"]
        cut = (began + its[key].fields.get("completedAt", began + 20_000)) // 2
        first = part_of(its, None, cut, key=key, reason="split")
        second = part_of(its, cut, None, key=f"{key}/2", reason="split")
        if "completedAt" in second[f"{key}/2"].fields:
            for part in (first, second, joined([first, second])[0]):
                yield repr(sorted(part.items()))


# ---------------------------------------------------------------------------------------------- mappings, texts


def _of_mappings(since: int) -> Iterator[str]:
    """What is said of mapping files with mistakes; of those that are right, what they read in some frames."""
    every = [*_FIXTURES.glob("styles/*/mapping.toml"), _FIXTURES.parent / "tap/core/dialects/multicam-1.toml"]
    for number in range(since, since + _AT_ONCE):
        rng = Random(f"mapping/{number}")
        path = sorted(every)[number % len(every)]
        text = texts.mistaken(path.read_text("utf-8"), rng)
        try:
            dialect = parse_mapping(text, "venue.toml")
        except MappingInvalid as error:
            yield str(error)
            continue
        folder = path.parent if path.name == "mapping.toml" else _FIXTURES / "multicam-1"
        with open_tape(folder / "a-plain-shoot.tape.jsonl") as items:
            yield from _replayed(dialect, Policy(), list(islice(items, 60)))


def _of_texts(since: int) -> Iterator[str]:
    """What is left of texts and frames with secrets in them."""
    for number in range(since, since + _TEXTS // 10):
        rng = Random(f"text/{number}")
        text = texts.telling(rng)
        yield redact_text(text)
        yield redact_text(text, sparing=True)
        for data in (text.encode("utf-8", "surrogatepass"), texts.framed(text, rng)):
            yield repr(redact_bytes(data))
            yield repr(redact_bytes(data, ("token", "cam"), ("name",)))


def _drawn(part: Callable[[Random], Iterator[str]], seed: str) -> Iterator[str]:
    return part(Random(seed))


def _every() -> Iterator[tuple[str, Callable[[], Iterable[str]]]]:
    for path in _tapes():
        yield str(path.relative_to(_FIXTURES)), partial(_of_tape, path)
    for number in range(_SHOWS):
        yield f"OBS in any order, {number}", partial(_drawn, any_order, f"any/{number}")
        yield f"OBS by its rules, {number}", partial(_drawn, by_the_rules, f"rules/{number}")
    for seed in range(_WORLDS):
        yield f"world {seed}", partial(_of_world, seed)
    for since in range(0, _MAPPINGS, _AT_ONCE):
        yield f"mappings from {since} on", partial(_of_mappings, since)
    for since in range(0, _TEXTS, _TEXTS // 10):
        yield f"texts from {since} on", partial(_of_texts, since)


_OF_THE_SERVICE: dict[Callable[[Random], Iterator[str]], int] = {
    service.board: 16,
    service.judged: 20,
    service.settings: 25,
    service.chosen: 10,
    service.compared: 12,
    service.answers: 12,
    service.torn: 12,
}


def _of_the_service() -> Iterator[tuple[str, Callable[[], Iterable[str]]]]:
    for part, count in _OF_THE_SERVICE.items():
        for number in range(count):
            name = f"{part.__name__}, {number}"
            yield name, partial(_drawn, part, name)


CASES = dict([*_every(), *_of_the_service()])
"""By name: what gives the lines."""
