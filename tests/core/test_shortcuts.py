"""What is skipped changes nothing: with every shortcut and with none, each frame gives the same, and leaves the same.

The shortcuts are: a snapshot that repeats an earlier one is not read again (``mapping/repeats.py``), one that only
confirms what is known is not applied again (``confirming.py``), and known telemetry is only counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap.adapters.dialects import load_dialect
from tap.adapters.tape import open_tape
from tap.core.confirming import Confirming
from tap.core.mapping import Dialect, Reading, parse_mapping
from tap.core.mapping.repeats import Repeats
from tap.core.model import Alive, Closed, Entry, Frame, Opened, Policy, Snapshot, SourceItem, Stamp
from tap.core.pipeline import Pipeline

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


class _Both:
    """The same items through a pipeline with all shortcuts, and one with none."""

    def __init__(self, dialect: Dialect, policy: Policy | None = None) -> None:
        self.dialect = dialect
        self.fast = Pipeline(dialect, venue="v", tap="t", policy=policy)
        self.plain = Pipeline(dialect, venue="v", tap="t", policy=policy, shortcuts=False)
        for pipeline in (self.fast, self.plain):
            pipeline.resume(START)

    def feed(self, item: SourceItem) -> list[Entry]:
        """Checks that both say the same, know the same, and wait for the same."""
        if isinstance(item, Frame) and not item.binary and self.dialect.is_telemetry(item.data):
            said = self.fast.telemetry(item.stamp, 1)
        else:
            said = self.fast.feed(item)
        assert said == self.plain.feed(item)
        assert self.fast.checkpoint() == self.plain.checkpoint()
        assert self.fast.tally == self.plain.tally
        assert self.fast.deadline() == self.plain.deadline()
        assert (self.fast.verdict, self.fast.kind) == (self.plain.verdict, self.plain.kind)
        return said


# ---------------------------------------------------------------------------------------------- recorded shoots


@pytest.mark.parametrize("tape", sorted(ROOT.glob("fixtures/multicam-1/*.tape.jsonl")), ids=lambda path: path.stem)
def test_a_recorded_shoot_reads_the_same_frame_by_frame(tape: Path) -> None:
    """Each of the tapes, through the dialect as it ships."""
    both = _Both(DIALECTS["as it ships"])
    with open_tape(tape) as reader:
        entries = [entry for item in reader if not isinstance(item, str) for entry in both.feed(item)]
    assert entries


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
    steps=st.lists(st.tuples(_STEP, _TIME), max_size=40), order=_ENVELOPES, by=st.sampled_from(["frames", "program"])
)
def test_any_shoot_reads_the_same_frame_by_frame(
    name: str, steps: list[tuple[Any, tuple[int, int]]], order: str, by: Any
) -> None:
    """Whatever comes between two snapshots that say the same, and whatever order its clock and its numbers take."""
    both = _Both(DIALECTS[name], Policy(session=by))
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
    both = _Both(DIALECTS[name])
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


# ---------------------------------------------------------------------------------------------- they are taken


def _states(count: int, **words: Any) -> Iterator[Frame]:
    for number in range(count):
        said = {"session": {"id": "s"}, "program": "c1", "cameras": [{"id": "c1"}, {"id": "c2"}], **words}
        data = _written("state", said, START + number, number, "type ts seq")
        yield Frame(data, Stamp(START + number, number), 1, number)


def test_a_state_that_repeats_is_read_twice_and_never_again(read: list[bytes]) -> None:
    """Once for what it says, and once with another time, to be sure of where that stands."""
    dialect = DIALECTS["as it ships"]
    repeats = Repeats(dialect)
    said = [repeats.read(frame) for frame in _states(50)]
    assert len(read) == 2
    assert [reading.observations[0].told.seq for (reading,) in said] == list(range(50))


def test_a_state_that_says_something_else_is_read() -> None:
    """In whatever part of it."""
    repeats = Repeats(DIALECTS["as it ships"])
    said = [repeats.read(next(_states(1, program=program)))[0].observations[0] for program in ("c1", "c2", "c1")]
    assert [observation.program for observation in said] == ["c1", "c2", "c1"]  # type: ignore[union-attr]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The frames that were read in full."""
    found: list[bytes] = []
    whole = Dialect.read_whole

    def noted(self: Dialect, frame: Frame) -> list[Reading]:
        found.append(frame.data)
        return whole(self, frame)

    monkeypatch.setattr(Dialect, "read_whole", noted)
    return found


def _said(repeats: Repeats, *frames: str) -> list[Any]:
    said = [repeats.read(Frame(text.encode(), Stamp(START, 0), 1, 1)) for text in frames]
    return [reading.observations[0] for (reading,) in said]


def test_what_a_state_says_before_its_time_is_part_of_it() -> None:
    """Two that begin with other words and go on alike are two; each of them is known when it comes again."""
    repeats = Repeats(DIALECTS["as it ships"])
    state = '{"type":"state","program":"%s","ts":%d,"seq":%d,"cameras":[]}'
    programs = ["c1", "c1", "c2", "c2", "c1", "c2", "c3", "c1", "c1"]
    texts = [state % (program, START + at, at) for at, program in enumerate(programs)]
    assert [(o.program, o.told.at, o.told.seq) for o in _said(repeats, *texts)] == [
        (program, START + at, at) for at, program in enumerate(programs)
    ]


def test_states_that_begin_with_few_words_are_read_once_each(read: list[bytes]) -> None:
    """As those that begin with their time; of more words than are remembered all are read, and read right."""
    repeats = Repeats(DIALECTS["as it ships"])
    state = '{"type":"state","program":"c%d","ts":%d,"seq":%d,"cameras":[]}'
    for cameras in (16, 17, 40):
        before = len(read)
        texts = [state % (at % cameras, START + at, at) for at in range(8 * cameras)]
        assert [o.program for o in _said(repeats, *texts)] == [f"c{at % cameras}" for at in range(8 * cameras)]
        assert (len(read) - before == 2 * cameras) == (cameras <= 16), cameras
        repeats = Repeats(DIALECTS["as it ships"])


@pytest.mark.parametrize("late", [START, START + 7])
def test_a_time_that_stands_again_further_on_is_the_one_that_counts(late: int) -> None:
    """Of two of a name the last: also where both were the same when the state was first seen."""
    repeats = Repeats(DIALECTS["as it ships"])
    state = '{"type":"state","ts":%d,"seq":%d,"program":"c1","ts":' + str(late) + "}"
    texts = [state % (START + at, at) for at in range(6)]
    assert [(o.told.at, o.told.seq) for o in _said(repeats, *texts)] == [(late, at) for at in range(6)]


def test_a_number_that_is_no_whole_number_is_read() -> None:
    """It begins with digits, as those do that are remembered."""
    repeats = Repeats(DIALECTS["as it ships"])
    times = ("1795000000", "1795000001", "1795000002.25", "1795000003e0", "1795000004", "01795000005", "-1", "0")
    texts = [f'{{"type":"state","ts":{time},"program":"c1"}}' for time in times]
    told = [o.told.at for o in _said(repeats, *texts)]
    assert told == [START, START + 1_000, START + 2_250, START + 3_000, START + 4_000, None, None, None]


def test_a_form_that_names_less_does_not_stand_in_the_way_of_one_that_names_more(read: list[bytes]) -> None:
    """A server that numbers its states only at times."""
    repeats = Repeats(DIALECTS["as it ships"])
    texts = [f'{{"type":"state","ts":{START + at},"program":"c1"}}' for at in range(5)]
    texts += [f'{{"type":"state","ts":{START + at},"seq":{at},"program":"c1"}}' for at in range(5, 30)]
    assert [o.told.seq for o in _said(repeats, *texts)] == [None] * 5 + list(range(5, 30))
    assert len(read) == 4


def test_a_state_whose_time_is_elsewhere_is_read_once_each_time(read: list[bytes]) -> None:
    """Where it can be seen at once that its beginning does not tell its time, nothing is tried."""
    repeats = Repeats(DIALECTS["as it ships"])
    _said(repeats, *(f'{{"type":"state","ts":5,"program":"c1","time":{START + at}}}' for at in range(6)))
    assert len(read) == 6


def test_states_whose_body_is_a_text_are_remembered_too(read: list[bytes]) -> None:
    """JSON within JSON: where the envelope has the time."""
    repeats = Repeats(DIALECTS["as it ships"])
    body = orjson.dumps(orjson.dumps({"program": "c1", "mode": "ghost"}).decode()).decode()
    said = _said(repeats, *(f'{{"event":"state","ts":{START + at},"seq":{at},"data":{body}}}' for at in range(9)))
    assert [(o.program, o.told.at) for o in said] == [("c1", START + at) for at in range(9)]
    assert len(read) == 2


@pytest.mark.parametrize("length", [2**18, 2**18 + 1])
def test_a_state_of_more_than_a_quarter_of_a_megabyte_is_not_remembered(length: int) -> None:
    repeats = Repeats(DIALECTS["as it ships"])
    begin, end = f'{{"type":"state","ts":{START},"seq":1,"program":"c1","x":"', '"}'
    text = begin + "x" * (length - len(begin) - len(end)) + end
    _said(repeats, text)
    assert (repeats.bytes > 0) == (length == 2**18)


def test_what_is_remembered_is_bounded() -> None:
    """A server whose every state differs fills no memory."""
    repeats = Repeats(DIALECTS["as it ships"])
    most = 0
    for number in range(3_000):
        repeats.read(next(_states(1, title=f"{number} {'x' * 2_000}")))
        most = max(most, repeats.bytes)
    assert 2**19 < most <= 2**20


def test_a_state_that_confirms_is_not_applied(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the one that begins the session and the one that finds nothing new; until somebody cuts."""
    taken: list[bool] = []
    again = Confirming.again

    def noted(self: Confirming, o: Snapshot) -> bool:
        taken.append(again(self, o))
        return taken[-1]

    monkeypatch.setattr(Confirming, "again", noted)
    both = _Both(DIALECTS["as it ships"])
    both.feed(Opened(Stamp(START, 0), 1))
    frames = list(_states(12))
    for frame in frames[:6]:
        both.feed(frame)
    cut = _written("cut", {"to": "c2", "cut_id": "k"}, START + 6, 6, "type ts seq")
    both.feed(Frame(cut, Stamp(START + 6, 6), 1, 7))
    for frame in _states(12, program="c2"):
        if frame.ordinal > 6:
            both.feed(frame)
    fast = taken[::2]  # the plain pipeline asks too, and is always told no
    assert fast == [False, False, *[True] * 4, False, *[True] * 4]
    assert not any(taken[1::2])
