"""What is skipped changes nothing, and neither does how a frame is written: the same is said, known and waited for.

Three things are skipped: known telemetry is only counted (``mapping/telemetry.py``); a state or a part of one that
equals the last one is not read again (``mapping/again.py``); and the machine does not look again into cameras, and
into the columns of a session, that are as they were. Every tape and any shoot is played twice: as it came, with every
part of every frame read, and all of it looked at; and with all shortcuts, each frame written anew by another
serializer, which puts keys in another order, spaces between them, escapes in texts, and numbers as it likes. What comes
of both is the same, byte for byte. A camera's placement alone stands in its row as the server wrote it: there the order
of its keys means nothing, and neither does 2.0 instead of 2. Cameras that are an object of objects have no order, and
neither have the rows of one frame. OBS writes whole numbers in one way, which its tapes keep.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap.adapters.dialects import load_dialect
from tap.adapters.tape import open_tape
from tap.core.codec import canonical, entry_json
from tap.core.machine.state import LastSaid
from tap.core.mapping import Dialect, again, parse_mapping, shapes
from tap.core.mapping.again import reads_again
from tap.core.model import Alive, Closed, Entry, Frame, Opened, Policy, SourceItem, Stamp
from tap.core.pipeline import Pipeline, Tally
from tap.core.protocols import Remembering

ROOT = Path(__file__).parents[2]
_TEXT = (ROOT / "tap/core/dialects/multicam-1.toml").read_text("utf-8")
START = 1_795_000_000_000


def _variant(*changes: tuple[str, str]) -> Dialect:
    text = _TEXT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return parse_mapping(text, "variant.toml")


DIALECTS = {
    "as it ships": load_dialect("multicam/1"),
    "a beat every 10 s": _variant(("language = 1\n\n[frame]\n", "language = 1\n\n[frame]\nheartbeat_seconds = 10\n")),
    "seq by connection": _variant(('seq_orders = "boot"', 'seq_orders = "connection"')),
    "seq by type": _variant(('seq_orders = "boot"', 'seq_orders = "type"')),
    "no seq": _variant(('seq_orders = "boot"', 'seq_orders = "nothing"'), ('seq = ["seq", "sequence"]\n', "")),
    "the program's id is the number": _variant(("program = [", 'program = ["seq", ')),
    "states that have certain numbers": _variant(
        (
            'when.type = ["state", "snapshot"]',
            f'when = {{ type = "state", seq = {[n + more for n in range(8, 40) if n != 14 for more in (0, 1_000)]} }}',
        )
    ),
    "a mode that one number means": _variant(
        ('mode = ["mode"]', 'mode = { from = ["seq"], values = { "14" = "ghost" } }')
    ),
}


# ---------------------------------------------------------------------------------------------- another serializer


class _Writer:
    """Writes JSON as no two serializers do; always the same for one seed."""

    def __init__(self, seed: int, *, numbers: bool = True) -> None:
        self._random = random.Random(seed)
        self._numbers = numbers

    def anew(self, data: bytes) -> bytes:
        """The same object or list, written otherwise; what is not one of these in strict JSON stays as it is."""
        try:
            value = json.loads(data, object_pairs_hook=_no_name_twice, parse_float=Decimal, parse_constant=_refused)
        except (ValueError, RecursionError):
            return data
        if not isinstance(value, (dict, list)):
            return data
        return f"{self._gap()}{self._value(value)}{self._gap()}".encode()

    def _gap(self) -> str:
        return self._random.choice(["", "", "", " ", "\n", "\t \r\n"])

    def _value(self, value: Any) -> str:
        if isinstance(value, dict):
            pairs = list(value.items())
            self._random.shuffle(pairs)
            return self._around("{}", [f"{self._text(k)}{self._gap()}:{self._gap()}{self._value(v)}" for k, v in pairs])
        if isinstance(value, list):
            return self._around("[]", [self._value(item) for item in value])
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
            return self._number(value)
        return json.dumps(value)

    def _around(self, brackets: str, parts: list[str]) -> str:
        gap = self._gap()
        return brackets[0] + gap + f"{gap},{self._gap()}".join(parts) + gap + brackets[1]

    def _text(self, text: str) -> str:
        if self._random.random() < 0.8:
            return json.dumps(text, ensure_ascii=self._random.random() < 0.5)
        units = text.encode("utf-16-be", "surrogatepass")
        return '"' + "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2)) + '"'

    def _number(self, number: int | Decimal) -> str:
        if abs(int(number)) >= 10**15 or not self._numbers or self._random.random() < 0.5:
            return str(number)
        exponent = self._random.choice([0, 1, 3])
        return self._random.choice([f"{Decimal(number).scaleb(-exponent):f}e{exponent}", f"{Decimal(number):f}"])


def _no_name_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("which of two counts depends on their order")
    return dict(pairs)


def _refused(word: str) -> None:
    raise ValueError(word)


class _Both:
    """The same items read in full as they come, and with all shortcuts as ``writer`` writes them."""

    def __init__(self, dialect: Dialect, policy: Policy | None = None, *, writer: _Writer | None) -> None:
        self.dialect = dialect
        self.writer = writer
        self._fed, self._apart = 0, 1
        self.fast = Pipeline(dialect, venue="v", tap="t", policy=policy)
        self.plain = Pipeline(dialect, venue="v", tap="t", policy=policy, shortcuts=False)
        for pipeline in (self.fast, self.plain):
            pipeline.resume(START)

    def feed(self, item: SourceItem) -> list[Entry]:
        """Checks that both say the same, know the same, and wait for the same."""
        other = item
        if isinstance(item, Frame) and not item.binary and self.writer is not None:
            other = msgspec.structs.replace(item, data=self.writer.anew(item.data))
        if isinstance(other, Frame) and not other.binary and self.dialect.is_telemetry(other.data):
            said = self.fast.telemetry(other.stamp, 1)
        else:
            said = self.fast.feed(other)
        _forget(self.plain)
        assert self._rows(said) == self._rows(self.plain.feed(item))
        self._fed += 1
        if self._fed % self._apart == 0:
            fast, plain = self.fast.checkpoint(), self.plain.checkpoint()
            self._apart = 1 + len(plain) // 10_000  # a long shoot's is large
            assert _bytes(fast) == _bytes(plain)
        assert _counted(self.fast.tally) == _counted(self.plain.tally)
        assert self.fast.deadline() == self.plain.deadline()
        assert (self.fast.verdict, self.fast.kind) == (self.plain.verdict, self.plain.kind)
        return said

    def _rows(self, entries: list[Entry]) -> list[bytes]:
        rows = [_bytes(entry_json(entry)) for entry in entries]
        return rows if self.writer is None else sorted(rows)


def _forget(pipeline: Pipeline) -> None:
    """Let the machine look at all of the next frame."""
    machine = pipeline._machine
    machine._cameras._agreed = None
    machine._rows._told = None, ()
    machine._staleness._marked = None, (), LastSaid()


def _bytes(saved: bytes) -> bytes:
    """Whatever way a placement is written."""
    return canonical(
        json.loads(saved, parse_float=lambda text: int(float(text)) if float(text) % 1 == 0 else float(text))
    )


def _counted(tally: Tally) -> Tally:
    """All but the texts of samples, which are frames as they came."""
    samples = [msgspec.structs.replace(sample, text="") for sample in tally.samples]
    return msgspec.structs.replace(tally, samples=samples)


# ---------------------------------------------------------------------------------------------- recorded shoots

_TAPES = sorted(path for path in (ROOT / "fixtures").rglob("*.tape.jsonl*"))


@pytest.mark.parametrize("seed", [None, 2])
@pytest.mark.parametrize("tape", _TAPES, ids=lambda path: path.relative_to(ROOT / "fixtures").as_posix())
def test_a_recorded_shoot_reads_the_same_frame_by_frame(tape: Path, seed: int | None) -> None:
    """Each of the tapes, by its own dialect: as it was recorded, and written by other serializers."""
    mapping = tape.parent / "mapping.toml"
    with open_tape(tape) as reader:
        dialect = load_dialect(str(mapping) if mapping.exists() else reader.header.dialect or "multicam/1")
        writer = None if seed is None else _Writer(seed, numbers=not isinstance(dialect, Remembering))
        both = _Both(dialect, reader.header.policy, writer=writer)
        said = [entry for item in reader if not isinstance(item, str) for entry in both.feed(item)]
    assert said


# ---------------------------------------------------------------------------------------------- made-up ones

_CAMERAS = [
    {"id": "c1", "name": "One", "online": True},
    {"id": "c2", "name": "Two", "role": "host", "placement": {"label": "left", "n": 1}},
    {"id": "c2", "name": "Two", "role": "host", "placement": {"label": "left", "n": True}},
    {"id": "c3", "name": "Three", "online": False},
    {"id": "c3"},
    {"id": 4, "name": "Four", "online": True},
    "c5",
]
_SESSIONS = [{"id": "s", "title": "T"}, {"id": "s", "title": "T", "started_at": START}, {"id": "z"}, None, "s"]
_WORDS = st.fixed_dictionaries(
    {},
    optional={
        "mode": st.sampled_from(["photoshoot", "ghost", None, 5]),
        "session": st.sampled_from(_SESSIONS),
        "program": st.sampled_from(["c1", "c2", "c9", None, {"id": "c3"}]),
        "hold": st.sampled_from([{"active": True}, {"active": False}, {"active": True, "by": "x"}, True, None]),
        "cameras": st.lists(st.sampled_from(_CAMERAS), max_size=5),
        "time": st.sampled_from([START, "x"]),
        "payload": st.sampled_from(
            [{}, {"program": "c2"}, {"ts": START}, {"type": "cut", "to": "c1"}, '{"program":"c2"}', '{"ts":5}', "text"]
        ),
        "token": st.just("secret"),
    },
)
_CONTROL = st.sampled_from(
    [
        {"type": "hello", "boot_id": "b1"},
        {"type": "hello", "boot_id": "b2"},
        {"type": "cut", "to": "c1", "cut_id": "k1"},
        {"type": "cut", "to": "c2"},
        {"type": "hold", "active": True},
        {"type": "release"},
        {"type": "camera_left", "camera_id": "c1"},
        {"type": "camera_joined", "camera": {"id": "c3", "name": "Drei"}},
        {"type": "session_started", "session": {"id": "s"}},
        {"type": "session_ended", "session_id": "s"},
        {"type": "mode_changed", "mode": "photoshoot"},
        {"type": "still_requested", "still_id": "k", "camera_ids": ["c1"]},
        {"type": "pose", "camera_id": "c1"},
        {"type": "nonsense"},
    ]
)
# What comes next: a new state, one of the last states once more (most), something explicit, or the line itself.
_STEP = st.one_of(
    st.tuples(st.just("state"), _WORDS),
    st.tuples(st.just("again"), st.integers(0, 3)),
    st.tuples(st.just("again"), st.integers(0, 1)),
    st.tuples(st.just("again"), st.just(0)),
    st.tuples(st.just("frame"), _CONTROL),
    st.tuples(st.just("line"), st.sampled_from(["closed", "opened", "alive", "binary", "garbage"])),
)
_TIME = st.tuples(st.sampled_from([0, 1, 40, 900, 20_000, 120_000]), st.sampled_from([1, 1, 1, 0, -1, -3, 5, -4_000]))
_STEPS = st.lists(st.tuples(_STEP, _TIME), max_size=40)
_ENVELOPES = st.sampled_from(
    [
        *("type ts seq", "type seq ts", "seq ts type", "type ts", "type", "type ts seq ts", "late"),
        *("type program ts seq", "program mode type seq ts", "type mode ts program seq", "ts type program"),
    ]
)


def _written(kind: str, words: dict[str, Any], ts: int, seq: int, order: str) -> bytes:
    """A state as some serializer writes it: time and number at the beginning, behind words, twice, or at the end."""
    values = {"type": kind, "ts": ts, "seq": seq}
    names = [] if order == "late" else [name for name in order.split() if name in values or name in words]
    pairs = [f'"{name}":{orjson.dumps({**words, **values}[name]).decode()}' for name in names]
    pairs += [f'"{name}":{orjson.dumps(value).decode()}' for name, value in words.items() if name not in names]
    if order == "late":
        pairs += [f'"{name}":{orjson.dumps(value).decode()}' for name, value in values.items()]
    return ("{" + ",".join(pairs) + "}").encode()


def _items(steps: list[Any], order: str) -> Iterator[SourceItem]:
    states: list[dict[str, Any]] = [{"session": {"id": "s"}, "program": "c1", "cameras": [{"id": "c1"}]}]
    stamp, seq, opened = Stamp(START, 0), 10, 1
    yield Opened(stamp, 1)
    for (what, detail), (passed, more) in steps:
        stamp, seq = Stamp(stamp.wall + passed, stamp.mono + passed), seq + more
        # 5 is no time that is believed.
        ts = 5 if more == 5 else stamp.wall + more
        if what == "line":
            if detail == "opened":
                opened += 1
            other: dict[str, SourceItem] = {
                "closed": Closed(stamp, opened, "it broke"),
                "opened": Opened(stamp, opened),
                "alive": Alive(stamp, None),
                "binary": Frame(_written("state", states[-1], ts, seq, order), stamp, opened, 1, True),
                "garbage": Frame(_written("state", states[-1], ts, seq, order)[:-1], stamp, opened, 1),
            }
            yield other[detail]
            continue
        if what == "frame":
            data = orjson.dumps({**detail, "ts": ts, "seq": seq})
        else:
            if what == "state":
                states.append(detail)
            words = states[-1 - detail % len(states)] if what == "again" else detail
            data = _written("state", words, ts, seq, order)
        yield Frame(data, stamp, opened, 1)


@pytest.mark.parametrize("name", DIALECTS)
@settings(max_examples=60, deadline=None)
@given(
    steps=_STEPS,
    order=_ENVELOPES,
    by=st.sampled_from(["frames", "program"]),
    seed=st.none() | st.integers(0, 2**32),
)
def test_any_shoot_reads_the_same_frame_by_frame(
    name: str, steps: list[tuple[Any, tuple[int, int]]], order: str, by: Any, seed: int | None
) -> None:
    """Whatever comes between two snapshots that say the same, and whatever order its clock and its numbers take."""
    both = _Both(DIALECTS[name], Policy(session=by), writer=None if seed is None else _Writer(seed))
    for item in _items(steps, order):
        both.feed(item)


_ALL = {"session": {"id": "s"}, "mode": "photoshoot", "program": "c1", "cameras": [{"id": "c1"}, {"id": "c2"}]}


_TWICE = [("state", _ALL, at, at) for at in (20, 21)]


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize(
    "frames",
    [
        # (type, what it says, ms after the beginning, seq)
        [("cut", {"to": "c2"}, 20, 12), ("state", _ALL, 15, 11), ("state", _ALL, 30, 13), ("state", _ALL, 40, 14)],
        [("camera_left", {"camera_id": "c1"}, 20, 12), *(("state", _ALL, 10 + at, at) for at in (11, 13, 14, 15))],
        [("state", {**_ALL, "time": START}, at, at) for at in (11, 12, 13)] + [("state", _ALL, -START + 5, 14)] * 2,
        [("state", {**_ALL, "time": START}, ts, seq) for ts, seq in ((11, 11), (12, 12), (5 - START, 13), (14, 14))],
        [("state", _ALL, at, at) for at in (11, 12, 13, 14, 15, 14, 1_014)],
        [("camera_left", {"camera_id": "c1"}, 12, 12), *(("state", _ALL, at, at) for at in (13, 14, 15))],
        [("camera_left", {"camera_id": "c1"}, 12, 12), ("later", {}, 9_000, 0), *_TWICE],
        [("camera_joined", {"camera": {"id": "c3", "name": "Drei"}}, 12, 12), *_TWICE],
        [("camera_joined", {"camera": {"id": "c2", "name": "Zwei"}}, 12, 12), *_TWICE],
        [("camera_status", {"camera_id": "c3", "online": False}, 12, 12), *_TWICE],
        [("state", {**_ALL, "cameras": [*_ALL["cameras"], {"id": "c9", "online": False}]}, 12, 12), *_TWICE, *_TWICE],
    ],
    ids=[
        "a stale program", "a stale camera", "times that none can be", "another time behind", "one number",
        "a camera that comes back", "a camera that is gone", "a camera that joins", "a camera that changes",
        "a camera that is away", "a camera that was never there",
    ],
)  # fmt: skip
def test_what_is_not_sure_is_asked_each_time(name: str, frames: list[tuple[str, dict[str, Any], int, int]]) -> None:
    """What one shortcut could take for settled too early."""
    both = _Both(DIALECTS[name], writer=_Writer(7))
    both.feed(Opened(Stamp(START, 0), 1))
    for seq in (8, 9, 10):
        both.feed(Frame(_written("state", _ALL, START + seq - 10, seq, "type ts seq"), Stamp(START, seq), 1, 1))
    passed = 0
    for number, (kind, words, after, seq) in enumerate(frames):
        passed += after if kind == "later" else 0
        stamp = Stamp(START + 50 + number + passed, 50 + number + passed)
        if kind == "later":
            both.feed(Alive(stamp))
            continue
        both.feed(Frame(_written(kind, words, START + after, seq, "type ts seq"), stamp, 1, 2 + number))


# ---------------------------------------------------------------------------------------------- parts that repeat

_SCALARS = st.sampled_from([None, True, False, 0, 1, 2, 0.0, -0.0, 1.0, 2.0, float("inf"), float("nan"), "1", "", "é"])
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=400)
@given(values=st.lists(_VALUES, max_size=8))
def test_a_part_reads_as_if_there_were_no_other_before_it(values: list[Any]) -> None:
    """1, 1.0 and true are three, and so are two objects in another order; what is infinite or odd is not null."""
    read = reads_again(repr)
    for value in values:
        for again_ in (value, value):
            assert read(again_) == repr(value)


@pytest.mark.parametrize("one", [[1], {"x": 1}], ids=["a list", "an object"])
@pytest.mark.parametrize("other", [True, 1.0, "1", None], ids=repr)
def test_a_value_that_python_takes_for_the_same_is_another(one: Any, other: Any) -> None:
    """Also where it stands inside."""
    read = reads_again(repr)
    another: Any = [other] if isinstance(one, list) else {"x": other}
    assert [read(value) for value in (one, another, one)] == [repr(one), repr(another), repr(one)]


def test_a_part_that_is_too_deep_to_compare_is_read() -> None:
    """As deep as JSON is read at all; it does not stop the one after it."""
    deep: Any = 1
    for _ in range(900):
        deep = [deep]
    read = reads_again(lambda value: type(value).__name__)
    assert [read(value) for value in (deep, deep, [1], [1])] == ["list"] * 4


@pytest.fixture
def shaped(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The objects within frames that were read field by field."""
    found: list[dict[str, Any]] = []
    whole = shapes._shape

    def noted(fields: Any, value: dict[str, Any]) -> dict[str, Any]:
        found.append(value)
        return whole(fields, value)

    monkeypatch.setattr(shapes, "_shape", noted)
    return found


def _read(texts: list[str], dialect_name: str = "as it ships") -> list[Any]:
    dialect = DIALECTS[dialect_name].remembering()
    readings = [dialect.read(Frame(text.encode(), Stamp(START, 0), 1, 1)) for text in texts]
    return [reading.observations[0] for (reading,) in readings]


def _state(at: int, *, turn: int = 0, **words: Any) -> str:
    """A state whose first key is another each time."""
    said = {"type": "state", "ts": START + at, "seq": at, "session": {"id": "s", "title": "T"}, "program": "c1"}
    pairs = list({**said, "cameras": [{"id": "c1"}, {"id": "c2"}], **words}.items())
    return json.dumps(dict(pairs[turn % 6 :] + pairs[: turn % 6]))


def test_a_state_with_another_time_and_number_alone_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it says has a time and a number of its own each time."""
    emitted: list[Any] = []
    emit = Dialect._emit

    def noted(*given: Any) -> Any:
        emitted.append(given)
        return emit(*given)

    monkeypatch.setattr(Dialect, "_emit", noted)
    said = _read([_state(at, program="c1" if at < 30 else "c2") for at in range(50)])
    assert len(emitted) == 2
    assert [(o.program, o.envelope.at, o.envelope.seq) for o in said] == [
        ("c1" if at < 30 else "c2", START + at, at) for at in range(50)
    ]


def test_a_number_that_says_more_than_an_order_is_read_each_time() -> None:
    """Here it is the program's id, too."""
    said = _read([_state(at) for at in range(5)], "the program's id is the number")
    assert [o.program for o in said] == ["0", "1", "2", "3", "4"]


def test_cameras_and_a_session_that_repeat_are_read_once(shaped: list[dict[str, Any]]) -> None:
    """Wherever in the frame they and its time stand; what is told besides is read in each."""
    said = _read([_state(at, turn=at, program=f"c{at % 3}") for at in range(50)])
    assert len(shaped) == 3
    assert [(o.program, o.envelope.at, o.envelope.seq) for o in said] == [
        (f"c{at % 3}", START + at, at) for at in range(50)
    ]


def test_a_camera_that_says_something_else_is_read(shaped: list[dict[str, Any]]) -> None:
    """And so is the one before, when it comes again: only the last is remembered."""
    said = _read([_state(at, cameras=[{"id": "c1", "online": at % 2 == 1}]) for at in range(6)])
    assert [o.cameras[0].online for o in said] == [False, True] * 3
    assert len(shaped) == 1 + 6


def test_a_dialect_that_is_shared_remembers_nothing(shaped: list[dict[str, Any]]) -> None:
    """It serves many replays; each of them has a memory of its own."""
    dialect = DIALECTS["as it ships"]
    for at in range(5):
        dialect.read(Frame(_state(at).encode(), Stamp(START, 0), 1, 1))
    assert len(shaped) == 15


@pytest.mark.parametrize("length", [again._LARGEST, again._LARGEST + 1])
def test_a_part_of_more_than_a_quarter_of_a_megabyte_is_not_remembered(length: int) -> None:
    """It is read each time: what is kept is bounded."""
    seen: list[Any] = []
    read = reads_again(seen.append)
    for _ in range(3):
        read(["x" * (length - len(msgspec.msgpack.encode(["x" * 2**16])) + 2**16)])
    assert len(seen) == (1 if length == again._LARGEST else 3)
