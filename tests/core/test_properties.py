"""What holds for every shoot: determinism, prefixes, duplicates, kills, two taps, and frames that make no sense."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tap.adapters.tape import open_tape
from tap.core.codec import entry_json
from tap.core.merge import fold
from tap.core.model import Entry, Frame, Opened, SourceItem, Stamp
from tap.core.pipeline import Pipeline
from tap.rehearsal.faults import parse_faults
from tap.rehearsal.performance import shoot_to_tape, truth_of_shoot
from tap.rehearsal.score import score
from tap.rehearsal.shoot import plan_shoot
from tests.core.stage import DIALECT, T0, Stage

ALL = parse_faults(["all"])
UNORDERED = parse_faults(["missing_ts"])


@cache
def items_of(seed: int, faults: frozenset[str] = ALL) -> tuple[SourceItem, ...]:
    """A simulated shoot as a tap would have received it."""
    return tuple(_read("".join(shoot_to_tape(plan_shoot(seed, faults=faults)))))


def _read(text: str) -> Iterator[SourceItem]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "shoot.tape"
        path.write_text(text, "utf-8")
        with open_tape(path) as tape:
            yield from tape


def replayed(items: Iterable[SourceItem], tap: str = "tape", pipeline: Pipeline | None = None) -> list[Entry]:
    pipeline = pipeline or Pipeline(DIALECT, venue="rehearsal", tap=tap)
    return [entry for item in items for entry in pipeline.feed(item)]


def lines(entries: Iterable[Entry]) -> list[bytes]:
    return [entry_json(entry) for entry in entries]


def _perfect(seed: int) -> None:
    plan = plan_shoot(seed, faults=ALL)
    result = score(truth_of_shoot(plan), replayed(items_of.__wrapped__(seed)))
    assert result.perfect, f"seed {seed}\n{result.explain()}"


@pytest.mark.parametrize("seed", range(20))
def test_a_shoot_with_all_faults_is_told_without_a_mistake(seed: int) -> None:
    """F1 = 1.0: none missed, none invented; stills, gaps, cameras and final states are true."""
    _perfect(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1000, 1200))
def test_two_hundred_more_shoots_are_told_without_a_mistake(seed: int) -> None:
    """The same over 200 other seeds."""
    _perfect(seed)


@pytest.mark.parametrize("seed", [3, 11])
def test_a_replay_gives_the_same_bytes_twice(seed: int) -> None:
    """Nothing but the frames decides."""
    assert lines(replayed(items_of(seed))) == lines(replayed(items_of(seed)))


@pytest.mark.parametrize("seed", [4, 12])
def test_a_prefix_of_a_tape_gives_a_prefix_of_the_entries(seed: int) -> None:
    """The end of a tape closes nothing."""
    items = items_of(seed)
    whole = lines(replayed(items))
    for end in range(0, len(items), 17):
        part = lines(replayed(items[:end]))
        assert part == whole[: len(part)]


@pytest.mark.parametrize("seed", [5, 13])
def test_a_checkpoint_at_any_frame_changes_nothing(seed: int) -> None:
    """State that went through the journal gives the entries that it would have given."""
    items = items_of(seed)
    whole = lines(replayed(items))
    for step in (1, 29):
        pipeline = Pipeline(DIALECT, venue="rehearsal", tap="tape")
        entries: list[Entry] = []
        for start in range(0, len(items), step):
            saved = pipeline.checkpoint()
            pipeline = Pipeline(DIALECT, venue="rehearsal", tap="tape", checkpoint=saved)
            entries += replayed(items[start : start + step], pipeline=pipeline)
        assert lines(entries) == whole


@pytest.mark.parametrize("seed", [6, 14, 21])
def test_every_frame_told_twice_adds_nothing(seed: int) -> None:
    """Neither a row nor an event: the rows are the same but for when they were observed."""
    items = items_of(seed, parse_faults(["told_thrice", "reconnect", "flap", "still_disorder"]))
    twice = [item for item in items for _ in range(2 if isinstance(item, Frame) else 1)]
    once_rows, twice_rows = fold(replayed(items)), fold(replayed(twice))
    assert {key: row.fields for key, row in twice_rows.items()} == {key: row.fields for key, row in once_rows.items()}


@pytest.mark.parametrize("seed", [7, 15])
def test_a_second_tap_makes_the_same_keys(seed: int) -> None:
    """Wherever frames carry a time or ids; gaps name the tap."""
    items = items_of(seed, ALL - UNORDERED)
    late = [_delayed(item, 37) for item in items]
    first, second = fold(replayed(items, "one")), fold(replayed(late, "two"))
    assert {key for key in first if "/gap/" not in key} == {key for key in second if "/gap/" not in key}


def test_two_taps_one_of_which_restarts_give_the_ledger_of_one() -> None:
    """But for gap rows, what was observed when, and the counts."""
    for seed in (8, 16, 23):
        items = items_of(seed, parse_faults(["told_thrice", "flap", "late_join", "still_disorder"]))
        steady = replayed(items, "one")
        rng = random.Random(seed)
        restarting: list[Entry] = []
        saved: bytes | None = None
        at = 0
        while at < len(items):
            pipeline = Pipeline(DIALECT, venue="rehearsal", tap="two", checkpoint=saved)
            pipeline.resume(items[at].stamp.wall)
            restarting += replayed((Opened(items[at].stamp),), pipeline=pipeline)
            end = at + rng.randint(20, 80)
            restarting += replayed(items[at:end], pipeline=pipeline)
            saved = pipeline.checkpoint()
            at = end + rng.randint(0, 12)
        alone, both = _content(steady), _content([*steady, *restarting])
        assert both == alone


def _content(entries: list[Entry]) -> dict[str, dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    for key, row in fold(entries).items():
        if row.fields.get("kind") == "gap":
            continue
        fields = {name: value for name, value in row.fields.items() if name != "observedAt"}
        if "finalState" in fields:
            left_out = {"counts", "gaps", "gapMs"}
            fields["finalState"] = {k: v for k, v in fields["finalState"].items() if k not in left_out}
        rows[key] = fields
    return rows


def _delayed(item: SourceItem, ms: int) -> SourceItem:
    return msgspec.structs.replace(item, stamp=Stamp(item.stamp.wall + ms, item.stamp.mono))


# ---------------------------------------------------------------------------------------------- nonsense

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=8,
)
_types = st.sampled_from(
    [
        *("hello", "state", "session_started", "session_updated", "session_ended", "camera_joined", "camera_updated"),
        *("camera_left", "cut", "hold", "release", "mode_changed", "still_requested", "still_captured"),
        *("still_uploaded", "still_failed", "music_moment", "pending_cut", "heartbeat", "nonsense"),
    ]
)
_ids: st.SearchStrategy[Any] = st.sampled_from(["c1", "c2", "s1", "s2", 5, 5.5, None, "", [], {}, True]) | _json
_fields = st.sampled_from(
    [
        *("session", "session_id", "program", "hold", "cameras", "camera", "camera_id", "to", "from", "cut_id", "mode"),
        *("still_id", "camera_ids", "taken_at", "boot_id", "ts", "seq", "id", "payload", "data", "events", "by"),
    ]
)
_frame = st.fixed_dictionaries({"type": _types}).flatmap(
    lambda head: st.dictionaries(_fields, _ids, max_size=6).map(lambda body: {**body, **head})
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.integers(0, 4000), _frame | _json), max_size=25))
def test_frames_that_make_no_sense_never_raise_and_lose_no_good_one(frames: list[tuple[int, Any]]) -> None:
    """Whatever comes before it, a cut in a session is written; and the state stays fit for a checkpoint."""
    stage = Stage().shoot()
    for ms, frame in frames:
        stage.later(ms).raw(json.dumps(frame).encode())
    Pipeline(DIALECT, venue="studio", tap="t", checkpoint=stage.pipeline.checkpoint())
    stage.drop()
    stage.later(1000).connect(boot="fresh")
    stage.state(program="c1")
    before = len(stage.events("cut"))
    stage.later(60_000).say("cut", to="c2", cut_id="good")
    assert len(stage.events("cut")) == before + 1


def _mutations(count: int, seed: int) -> Iterator[bytes]:
    rng = random.Random(seed)
    good = [item.data for item in items_of(2) if isinstance(item, Frame) and 0 < len(item.data) < 4000]
    for _ in range(count):
        data = bytearray(rng.choice(good))
        for _ in range(rng.randint(1, 4)):
            match rng.randint(0, 3):
                case 0:
                    data[rng.randrange(len(data))] = rng.randrange(256)
                case 1:
                    del data[rng.randrange(1, len(data) + 1) :]
                case 2:
                    at = rng.randrange(len(data))
                    data[at:at] = rng.choice([b'"', b"{", b"[", b"null", b"-1", b"\\u0000", b"1e999"])
                case _:
                    at, end = sorted((rng.randrange(len(data)), rng.randrange(len(data))))
                    data[at:end] = data[at:end][::-1]
        yield bytes(data)


def _mutated(count: int, seed: int) -> None:
    stage = Stage().shoot()
    for data in _mutations(count, seed):
        stage.later(3).raw(data, binary=data[:1] > b"\x7f")
    tally = stage.pipeline.tally
    counted = tally.telemetry + tally.mapped + tally.quiet + tally.incomplete + tally.unreadable
    assert counted + sum(tally.unknown.values()) >= count
    assert tally.unreadable > count // 10
    assert any("no JSON" in sample.reason for sample in tally.samples)


def test_five_thousand_mutated_frames_are_counted_and_harm_nothing() -> None:
    """Each is counted; a reason is kept for the operator."""
    _mutated(5_000, 1)


@pytest.mark.slow
def test_a_hundred_thousand_mutated_frames_are_counted_and_harm_nothing() -> None:
    """The same at length."""
    _mutated(100_000, 2)


def test_what_the_protocol_calls_garbage_makes_no_row() -> None:
    """Truncated, binary, NaN, nested 10,000 deep, an id of a megabyte, 20 MB: counted, with a reason."""
    stage = Stage().shoot()
    written = len(stage.entries)
    garbage = [
        b'{"type":"cut","to":"c',
        b"\x82\xa2op\x00\xa1d\x80",
        b'{"type":"cut","to":NaN,"ts":1795000000000}',
        b'{"type":"cut","to":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        b'{"type":"cut","to":"' + b"x" * 1_000_000 + b'"}',
        b'{"type":"state","program":"' + b"y" * 20_000_000 + b'"}',
        b"[1,2,null]",
        b'"cut"',
        b"",
    ]
    for data in garbage:
        stage.later(10).raw(data, binary=data[:1] == b"\x82")
    assert stage.entries[written:] == []
    tally = stage.pipeline.tally
    assert tally.unreadable == 7
    assert tally.incomplete == 3  # an id that is NaN, one that is nested without end, one of a megabyte
    assert any("msgpack" in sample.reason for sample in tally.samples)
    assert all(len(sample.text) <= 400 for sample in tally.samples)
    stage.say("cut", to="c2")
    assert stage.cuts() == [("c1", "c2")]


def test_unknown_types_are_counted_with_a_bound() -> None:
    """A server that makes up types does not fill the memory."""
    stage = Stage()
    for number in range(300):
        stage.say(f"weird_{number}")
    tally = stage.pipeline.tally
    assert len(tally.unknown) <= 101
    assert sum(tally.unknown.values()) == 300
    assert len(tally.samples) <= 50


def test_time_is_an_argument() -> None:
    """The stamps of a stage are the only clock."""
    assert Stage().stamp() == Stamp(T0, 0)
