"""The declarative dialect: what frames say through it, and what its mistakes are called."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap.adapters.dialects import load_dialect
from tap.core import model
from tap.core.errors import MappingInvalid
from tap.core.mapping import Verdict, parse_mapping
from tap.core.mapping.paths import at, parse_path
from tap.core.model import UNSET, Frame, Stamp

DIALECT = load_dialect("multicam/1")
MINIMAL = 'dialect = "x/1"\n[[rule]]\nwhen.type = "go"\nemit = "cut"\nto = ["to"]\n'


def read(value: Any, *, binary: bool = False) -> list[Any]:
    data = value if isinstance(value, bytes) else orjson.dumps(value)
    return DIALECT.read(Frame(data, Stamp(0, 0), binary=binary))


def said(value: Any) -> Any:
    (reading,) = read(value)
    (observation,) = reading.observations
    return observation


@pytest.mark.parametrize(
    "frame",
    [
        {"type": "cut", "to": "c2", "cut_id": "k"},
        {"type": "cut", "to": "c2", "cutId": "k"},
        {"type": "cut", "toCameraId": "c2", "cutId": "k"},
        {"type": "cut", "payload": {"to": "c2", "cut_id": "k"}},
        {"event": "cut", "data": {"deviceId": "c2", "cutId": "k"}},
        {"type": "Cut", "to": "c2", "cut_id": "k"},
        {"type": "event", "event": "cut", "data": {"to": "c2", "cut_id": "k"}},
        {"type": "message", "payload": {"type": "cut", "to": "c2", "cut_id": "k"}},
    ],
)
def test_a_cut_reads_the_same_in_every_envelope_and_spelling(frame: dict[str, Any]) -> None:
    """Snake and camel case, {event, data} and {type, payload}."""
    cut = said(frame)
    assert (cut.to, cut.cut_id) == ("c2", "k")


@pytest.mark.parametrize(
    "frame", [[{"type": "cut", "to": 5}] * 2, {"type": "batch", "events": [{"type": "cut", "to": 5}] * 2}]
)
def test_a_batch_gives_a_reading_an_object(frame: Any) -> None:
    """As an array, and in an envelope; numbers are ids."""
    readings = read(frame)
    assert [reading.observations[0].to for reading in readings] == ["5", "5"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [("c1", "c1"), (5, "5"), (5.0, "5"), (None, None), (True, UNSET), ([], UNSET), ({}, UNSET), ("", UNSET)],
)
def test_ids_are_strings_or_numbers(value: object, expected: object) -> None:
    """Null is none; whatever else says nothing."""
    assert said({"type": "state", "program": value, "mode": "idle"}).program == expected


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        ({"type": "cut"}, Verdict.INCOMPLETE),
        ({"type": "still_captured", "still_id": "x"}, Verdict.INCOMPLETE),
        ({"type": "pose", "x": 1}, Verdict.IGNORED),
        ({"x": 1, "type": "heroFeedOffer"}, Verdict.IGNORED),
        ({"type": "pending_cut", "to": "c"}, Verdict.QUIET),
        ({"type": "telepathy"}, Verdict.UNKNOWN),
        ({}, Verdict.UNKNOWN),
        ([7], Verdict.UNREADABLE),
        (b"{", Verdict.UNREADABLE),
    ],
)
def test_every_object_gets_a_verdict(body: Any, verdict: Verdict) -> None:
    """Nothing is dropped without a word."""
    assert [reading.verdict for reading in read(body)] == [verdict]


@pytest.mark.parametrize(
    ("written", "name"),
    [
        (rb"Dach \ud83c", "Dach \ufffd"),
        (rb"\ud83c\udfa5 \uDFA5", "\U0001f3a5 \ufffd"),
        (rb"\ud83d\ud83c\udfa5", "\ufffd\U0001f3a5"),
        (rb"\\ud83d \ud83d", "\\ud83d \ufffd"),
    ],
)
def test_a_name_cut_in_the_middle_of_an_emoji_costs_one_letter(written: bytes, name: str) -> None:
    """JavaScript writes the half that is left as an escape; the state it stands in is read, also from its tape."""
    data = b'{"type":"state","program":"c1","cameras":[{"id":"c1","name":"%s","token":"abc"}]}' % written
    for frame in (data, DIALECT.clean(data)):
        (camera,) = said(frame).cameras
        assert (camera.id, camera.name) == ("c1", name)
    assert b"abc" not in DIALECT.clean(data)


@pytest.mark.parametrize(
    ("session", "expected"),
    [
        (None, None), ({}, None), (False, None), ("", None), ({"id": None}, None), ({"id": ""}, None),
        ({"id": "", "title": "Look"}, None), ({"id": None, "session_id": ""}, None),
        ({"id": None, "sessionId": [1]}, None), ({"id": "", "session_id": "s"}, model.SessionInfo("s")),
        ({"id": None, "session_id": 5}, model.SessionInfo("5")), ({"id": [1]}, UNSET), ({"id": {}}, UNSET),
        ({"id": True}, UNSET), ({"id": False}, UNSET), ([], UNSET), (True, UNSET),
        ({"id": 0}, model.SessionInfo("0")), (0, model.SessionInfo("0")), ("s", model.SessionInfo("s")),
        ({"title": "x"}, model.SessionInfo(title="x")),
        ({"id": 7.0, "title": None}, model.SessionInfo("7", title=None)),
    ],
)  # fmt: skip
def test_what_a_state_says_of_the_session(session: Any, expected: Any) -> None:
    """Null, {}, false and an id that is null or empty are none; an id that cannot be read is no session without one."""
    assert said({"type": "state", "session": session, "mode": "idle"}).session == expected
    assert said({"type": "state", "mode": "idle"}).session is UNSET


@pytest.mark.parametrize(
    "body", [{"session": session} for session in ({}, None, False, "", {"id": ""}, {"id": None}, [1])]
)
def test_a_session_that_is_none_does_not_start(body: dict[str, Any]) -> None:
    (reading,) = read({"type": "session_started", **body})
    assert (reading.verdict, reading.observations) == (Verdict.INCOMPLETE, ())
    assert "'session'" in (reading.reason or "")


def test_a_server_without_ids_starts_a_session_all_the_same() -> None:
    assert said({"type": "session_started"}).session == model.SessionInfo()
    assert said({"event": "session_started", "data": {}}).session == model.SessionInfo()
    assert said({"event": "session_started", "data": None}).session == model.SessionInfo()


@pytest.mark.parametrize("body", ["nothing", "[1]", "{", [1], 5, True])
@pytest.mark.parametrize("kind", ["session_started", "session_updated", "state"])
def test_what_stands_in_a_body_that_cannot_be_read_is_not_known(kind: str, body: Any) -> None:
    """It is neither a session without an id nor a state that says nothing."""
    (reading,) = read({"event": kind, "data": body})
    assert (reading.verdict, reading.reason) == (Verdict.INCOMPLETE, "its body is not an object")


def test_what_stands_beside_a_body_that_cannot_be_read_is() -> None:
    assert said({"type": "session_started", "id": "s", "data": "x"}).session.id == "s"
    assert said({"type": "session_updated", "title": "x", "data": "x"}).session.title == "x"
    assert said({"type": "state", "program": None, "data": "x"}).program is None
    assert said({"type": "release", "data": "x"}) == model.Release(said({"type": "release"}).envelope)


@pytest.mark.parametrize("value", [None, [], {}, 5, True, ""])
def test_a_mode_is_never_none(value: Any) -> None:
    """A server is always in one: null, too, says nothing of it, and another place may."""
    assert said({"type": "state", "mode": value, "program": "c1"}).mode is UNSET
    (reading,) = read({"type": "mode_changed", "to": value})
    assert reading.verdict is Verdict.INCOMPLETE
    assert said({"type": "mode_changed", "to": value, "mode": "ghost"}).to == "ghost"
    assert said({"type": "mode_changed", "to": "ghost", "from": value}).from_ is UNSET


def test_a_mapping_may_still_name_words_for_no_mode() -> None:
    """They say nothing, as null does."""
    mode = '{ from = ["m", "n"], none = ["off"], missing = "none" }'
    dialect = parse_mapping(MINIMAL + f'[[rule]]\nwhen.type = "st"\nemit = "snapshot"\nmode = {mode}', "x.toml")
    modes = []
    for frame in (b'{"type":"st","m":"off"}', b'{"type":"st"}', b'{"type":"st","m":"off","n":"x"}'):
        (reading,) = dialect.read(Frame(frame, Stamp(0, 0)))
        (snapshot,) = reading.observations
        assert isinstance(snapshot, model.Snapshot)
        modes.append(snapshot.mode)
    assert modes == [UNSET, UNSET, "x"]


def test_program_and_hold_may_be_none() -> None:
    """What is odd is not: it says nothing."""
    none = said({"type": "state", "program": None, "hold": None, "cameras": None})
    assert (none.program, none.hold, none.cameras) == (None, None, None)
    assert said({"type": "cut", "to": None}).to is None
    odd = said(
        b'{"type":"state","program":NaN,"hold":NaN,"cameras":NaN,"session":NaN,"mode":NaN,"ts":NaN,"seq":Infinity}'
    )
    told = (odd.program, odd.hold, odd.cameras, odd.session, odd.mode, odd.envelope.at, odd.envelope.seq)
    assert told == (UNSET, UNSET, UNSET, UNSET, UNSET, None, None)


def test_a_word_for_none_is_not_met_by_what_cannot_be_read() -> None:
    """An empty text, say; a mapping may call it by its name."""
    for none, program in (('[""]', UNSET), ('["NaN"]', None), ('["nan"]', UNSET)):
        text = f'[[rule]]\nwhen.type = "st"\nemit = "snapshot"\nprogram = {{ from = ["p"], none = {none} }}'
        (reading,) = parse_mapping(MINIMAL + text, "x.toml").read(Frame(b'{"type":"st","p":NaN}', Stamp(0, 0)))
        (snapshot,) = reading.observations
        assert isinstance(snapshot, model.Snapshot)
        assert snapshot.program == program


@pytest.mark.parametrize(
    "frame",
    [
        {"type": "cut", "to": "cafe\u0301"},
        {"type": "cut", "to": "caf\u00e9"},
        {"type": "cut", "to": {"id": "x"}, "camera_id": "cafe\u0301"},
    ],
)
def test_an_id_is_one_however_its_letters_are_composed(frame: dict[str, Any]) -> None:
    assert said(frame).to == "caf\u00e9"


def test_ids_are_composed_wherever_they_stand() -> None:
    """In lists, as keys, bare, and in the words of a mapping."""
    state = said({"type": "state", "session": "e\u0301", "cameras": {"e\u0301": {"name": "e\u0301"}, "\u00e9": {}}})
    assert state.session.id == "\u00e9"
    assert state.cameras == (model.CameraInfo("\u00e9"),)
    assert [c.id for c in said({"type": "state", "cameras": ["e\u0301", {"id": "\u00e9"}]}).cameras] == ["\u00e9"]
    assert said({"type": "still_requested", "camera_ids": ["e\u0301", "\u00e9", "a"]}).camera_ids == ("\u00e9", "a")
    for word in ("e\u0301", "\u00e9"):
        dialect = parse_mapping(
            f"""
            dialect = "x/1"
            [frame]
            ignore = ["i{word}"]
            [[rule]]
            when = {{ type = "{word}", k = "{word}" }}
            emit = "cut"
            to = {{ from = ["c[on={word}].id"], values = {{ "{word}" = "c1" }} }}
            """,
            "x.toml",
        )
        for told in ("e\u0301", "\u00e9"):
            frame = {"type": told, "k": told, "c": [{"on": told, "id": told}]}
            (reading,) = dialect.read(Frame(orjson.dumps(frame), Stamp(0, 0)))
            (cut,) = reading.observations
            assert isinstance(cut, model.Cut)
            assert cut.to == "c1"
            assert dialect.read(Frame(orjson.dumps({"type": f"i{told}"}), Stamp(0, 0)))[0].verdict is Verdict.IGNORED


@pytest.mark.parametrize("length", [500, 501])
def test_a_marker(length: int) -> None:
    """Of a long label the beginning is kept."""
    marker = said({"type": "marker", "label": "x" * length, "at": 1_795_000_000_000, "by": "op", "marker_id": 3})
    assert (marker.label, marker.at, marker.by, marker.marker_id) == ("x" * 500, 1_795_000_000_000, "op", "3")
    bare = said({"type": "marker", "label": ["x"], "at": "soon", "by": None})
    assert (bare.label, bare.at, bare.by, bare.marker_id, bare.source) == (None, None, None, None, None)
    assert said({"type": "marker", "label": 7, "source": "stream"}).label == "7"


@pytest.mark.parametrize("length", [500, 501])
def test_how_long_a_text_in_a_small_object_may_be(length: int) -> None:
    """A longer one says nothing; the others stand."""
    text = "x" * length
    kept = length == 500
    camera = said({"type": "camera_updated", "camera": {"id": "c", "placement": {"label": text, "n": 1}}}).camera
    assert camera.placement == ({"label": text, "n": 1} if kept else {"n": 1})
    bare = said({"type": "camera_updated", "camera": {"id": "c", "placement": text}}).camera
    assert bare.placement == ({"label": text} if kept else UNSET)


@pytest.mark.parametrize("count", [1_000, 1_001])
def test_how_many_cameras_are_believed(count: int) -> None:
    """Of a longer list none is, or its rest were away."""
    ids = [f"c{n}" for n in range(count)]
    lists: list[Any] = [ids, {name: {} for name in ids}, [{"id": name} for name in ids]]
    for cameras in lists:
        told = said({"type": "state", "program": "c1", "cameras": cameras}).cameras
        assert (told is not UNSET and len(told) == count) == (count == 1_000)
    assert len(said({"type": "still_requested", "camera_ids": ids}).camera_ids) == (count if count == 1_000 else 0)


@pytest.mark.parametrize("count", [10_000, 10_001])
@pytest.mark.parametrize("around", [None, "events"])
def test_how_much_of_a_batch_is_read(count: int, around: str | None) -> None:
    """And that there was more is told."""
    batch = [{"type": "cut", "to": "c1"}] * count
    readings = read(batch if around is None else {around: batch})
    assert sum(reading.verdict is Verdict.MAPPED for reading in readings) == 10_000
    more = [reading.reason for reading in readings if reading.verdict is Verdict.UNREADABLE]
    assert more == ([] if count == 10_000 else ["a batch of 10001: the first 10000 were read"])


@pytest.mark.parametrize(
    ("first", "packed"),
    [
        (0x7F, False),
        (0x80, True),
        (0x8F, True),
        (0x90, False),
        (0xDD, False),
        (0xDE, True),
        (0xDF, True),
        (0xE0, False),
    ],
)
def test_why_a_binary_frame_is_not_read(first: int, packed: bool) -> None:
    """A map of msgpack is what an OBS sends that was asked for it."""
    (reading,) = read(bytes([first]), binary=True)
    assert ("msgpack" in (reading.reason or "")) == packed
    assert read(b"", binary=True)[0].reason == "binary frame: only JSON text frames are read"


def test_a_frame_of_a_known_type_is_no_batch() -> None:
    """Whatever else stands in it."""
    assert said({"type": "cut", "to": "c1", "events": [{"type": "cut", "to": "c2"}]}).to == "c1"


@pytest.mark.parametrize(
    ("seconds", "ms"),
    [("0", None), ("-1", None), ("0.001", 1), ("10", 10_000), ("86400", 86_400_000), ("86400.1", None), ("true", None)],
)
def test_how_long_a_beat_may_be(seconds: str, ms: int | None) -> None:
    text = f'dialect = "x"\n[frame]\nheartbeat_seconds = {seconds}\n' + MINIMAL[16:]
    if ms is None:
        with pytest.raises(MappingInvalid, match="heartbeat_seconds"):
            parse_mapping(text, "x.toml")
    else:
        assert parse_mapping(text, "x.toml").heartbeat_ms == ms


@pytest.mark.parametrize("length", [200, 201])
def test_how_long_a_word_may_be(length: int) -> None:
    assert (said({"type": "state", "mode": "x" * length, "program": "c"}).mode is UNSET) == (length > 200)


@pytest.mark.parametrize("length", [16_384, 16_385])
def test_how_long_a_text_may_be(length: int) -> None:
    title = said({"type": "session_started", "session": {"id": "s", "title": "x" * length}}).session.title
    assert (title is UNSET) == (length > 16_384)


@pytest.mark.parametrize(
    ("value", "ms"),
    [(0, 0), (0.4, 0), (0.6, 1), (1500, 1500), (-1, None), (1e11, None), (1e11 - 1, 99_999_999_999), ("5", None)],
)
def test_how_long_a_dissolve_may_be(value: Any, ms: int | None) -> None:
    assert said({"type": "cut", "to": "c", "duration_ms": value}).duration_ms == ms


@pytest.mark.parametrize(
    ("value", "count"),
    [
        (0, 0),
        (1920, 1920),
        (1920.0, 1920),
        (1.5, None),
        (-1, None),
        (2**53 - 1, 2**53 - 1),
        (2**53, None),
        (True, None),
    ],
)
def test_what_is_a_count(value: Any, count: int | None) -> None:
    assert said({"type": "still_captured", "camera_id": "c", "width": value}).width == count


def test_cameras_may_be_keyed_by_id_or_be_bare_ids() -> None:
    """Whatever identity is known is enough."""
    assert [c.id for c in said({"type": "state", "cameras": {"a": {"name": "A"}, "b": {}}}).cameras] == ["a", "b"]
    assert [c.id for c in said({"type": "state", "cameras": ["a", 7, None, {"name": "no id"}]}).cameras] == ["a", "7"]


def test_secrets_do_not_reach_an_observation() -> None:
    """Redaction runs before the dialect maps; mapped fields lose only a URL's query and userinfo."""
    upload = said(
        {"type": "still_uploaded", "camera_id": "c", "storage_key": "token=abc", "url": "https://u:p@h/p.jpg?X-Sig=1"}
    )
    assert upload.storage_key == "token=abc"
    assert upload.url == "https://h/p.jpg"


_KEYS = st.sampled_from(["type", "event", "x", "t\\ype", "kind", "body", "data", "ts"])
_WORDS: st.SearchStrategy[Any] = st.sampled_from(
    ["pose", "heartbeat", "cut", "state", "c", '"type":"pose"', 1, None, [], "\\", "}"]
)
_NESTED = st.recursive(_WORDS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4))


@st.composite
def _objects(draw: st.DrawFn) -> bytes:
    """The text of an object as some serializer writes it: keys in any order and perhaps twice, spaces anywhere."""
    space = draw(st.sampled_from(["", " ", "\n"]))
    pairs = draw(st.lists(st.tuples(_KEYS, _NESTED), max_size=5))
    if draw(st.booleans()):  # most random objects look like nothing at all
        pairs.insert(draw(st.integers(0, len(pairs))), ("type", draw(st.sampled_from(["pose", "heartbeat"]))))
    parts = [f"{json.dumps(key)}:{space}{json.dumps(value)}" for key, value in pairs]
    return f"{space}{{{space}{(',' + space).join(parts)}}}{space}".encode()


@settings(max_examples=500, deadline=None)
@given(data=_objects(), around=st.binary(max_size=4))
def test_what_is_dropped_unparsed_would_be_ignored_parsed(data: bytes, around: bytes) -> None:
    """A frame that merely looks like telemetry is never dropped, alone or in the midst of other bytes."""
    sniff = DIALECT.sniff
    assert sniff is not None
    taken = sniff(around + data + around, len(around), len(around) + len(data))
    assert taken == DIALECT.is_telemetry(data)
    if taken:
        readings = [reading.verdict for reading in DIALECT.read_whole(Frame(data, Stamp(1, 1), 1, 1))]
        assert readings == [Verdict.IGNORED]


@given(st.sampled_from(["pose", "heartbeat"]), st.booleans(), st.lists(st.floats(allow_nan=False), max_size=20))
def test_telemetry_is_told_unparsed_whether_its_type_is_first_or_last(
    word: str, first: bool, values: list[float]
) -> None:
    """As it comes, that is; what the test above holds must not be held by dropping nothing."""
    body = {"camera_id": "c1", "values": values}
    frame = {"type": word, **body} if first else {**body, "type": word}
    assert DIALECT.is_telemetry(orjson.dumps(frame))
    assert DIALECT.is_telemetry(json.dumps(frame).encode())


@pytest.mark.parametrize(
    "data",
    [
        b'{"type":"pose","type":"cut","to":"c2"}',
        b'{"type":"pose","\\u0074ype":"cut","to":"c2"}',
        b'{"type":"poses","to":"c2"}',
        b'[{"type":"pose"},{"type":"cut","to":"c2"}]',
        b'{"a":{"type":"pose"},"type":"cut","to":"c2"}',
    ],
)
def test_look_alikes_of_telemetry_are_parsed(data: bytes) -> None:
    """By the last of two keys, behind an escape, in a batch, or deeper down."""
    assert not DIALECT.is_telemetry(data)


def test_telemetry_is_recognised_by_its_first_bytes() -> None:
    """With or without spaces, and whatever follows."""
    assert DIALECT.is_telemetry(b'{"type":"pose","x":[1,2]}')
    assert DIALECT.is_telemetry(b' { "type" : "heartbeat" }')


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('dialect = "x"\nlanguage = oops\n', ["x.toml", "line 2"]),
        ('[[rule]]\nwhen.type = "a"\nemit = "cut"\nto = "x"', ["x.toml: dialect", "name"]),
        (MINIMAL.replace('"cut"', '"cutt"'), ["rule 1: emit", "cutt", "still_requested"]),
        (MINIMAL.replace("to = ", "too = "), ["rule 1 (cut)", "'too'", "transition"]),
        (MINIMAL.replace('to = ["to"]', ""), ["rule 1 (cut): to", "means nothing without it"]),
        (MINIMAL.replace('["to"]', "7"), ["rule 1 (cut): to", "a path or a list of paths"]),
        (MINIMAL.replace('["to"]', '{from = ["to"], unit = "s"}'), ["rule 1 (cut): to.unit", "not a unit here"]),
        (MINIMAL.replace('when.type = "go"', "when = {}"), ["rule 1 (cut): when", "every frame"]),
        (MINIMAL.replace('when.type = "go"', "when.type = [[]]"), ["when.type", "list of words"]),
        (MINIMAL.replace('when.type = "go"', "when.kind = {}"), ["when.kind"]),
        ('dialect = "x"\n', ["[[rule]]", "at least one"]),
        ('dialect = "x"\nrules = 1\n', ["top level", "'rules'"]),
        ('dialect = "x"\nlanguage = 2\n', ["language", "upgrade"]),
        ('dialect = "x"\n[frame]\nseq_orders = "all"\n' + MINIMAL[16:], ["[frame] seq_orders", "boot"]),
        ('dialect = "x"\n[frame]\nignore = ["go"]\n' + MINIMAL[16:], ["[frame] ignore", "'go'"]),
        ('dialect = "x"\n[frame]\nheartbeat_seconds = -1\n' + MINIMAL[16:], ["heartbeat_seconds"]),
        ('dialect = "x"\n[camera]\nnom = "a"\n' + MINIMAL[16:], ["x.toml:2: [camera]", "'nom'", "name"]),
        (MINIMAL.replace("to = ", "form = "), ["x.toml:2: rule 1 (cut)", "'form'", "'from'? One of"]),
        (MINIMAL.replace('["to"]', '{ values = { 1 = "a" } }'), ["to.from", "is missing"]),
        (MINIMAL.replace('["to"]', '{ from = "a", values = { 1 = [] } }'), ["to.values.1", "a word, a number"]),
        (MINIMAL.replace('["to"]', '{ from = "a", none = [[]] }'), ["to.none", "a list of values"]),
        (MINIMAL.replace('["to"]', '{ from = "a", missing = "nothing" }'), ["to.missing", 'only "none"']),
        (MINIMAL + 'trigger = { from = "a", missing = "none" }', ["trigger.missing", "cannot be none", "program"]),
        (MINIMAL + 'duration_ms = { from = "a", unit = "h" }', ["duration_ms.unit", "frames25"]),
        (MINIMAL.replace('["to"]', '"a..b"'), ["rule 1 (cut): to", "is not a path"]),
        (MINIMAL.replace('["to"]', '"a[b].c"'), ["rule 1 (cut): to", "is not a path", "cameras[live=true].id"]),
        (MINIMAL + 'each = ["x"]', ["rule 1 (cut): each", "is not a path"]),
        (MINIMAL + MINIMAL[16:].replace("emit", "emits"), ["x.toml:6: rule 2: emit"]),
    ],
)
def test_a_mistake_in_a_mapping_names_its_place_and_what_was_expected(text: str, names: list[str]) -> None:
    """File, rule and key; the line where the TOML itself is broken."""
    with pytest.raises(MappingInvalid) as caught:
        parse_mapping(text, "x.toml")
    for name in names:
        assert name in str(caught.value)


def test_units_values_and_conditions() -> None:
    """Seconds become ms, a server's words ours, and a rule asks for more than a type."""
    dialect = parse_mapping(
        """
        dialect = "x/1"
        [[rule]]
        when = { op = 5, "d.kind" = ["take", "auto"] }
        emit = "cut"
        to = ["d.input"]
        duration_ms = { from = ["d.rate"], unit = "s" }
        trigger = { from = ["d.by"], values = { human = "operator", "" = "" } }
        """,
        "x.toml",
    )
    frame = Frame(b'{"op":5,"d":{"kind":"take","input":3,"rate":0.5,"by":"human"}}', Stamp(0, 0))
    (reading,) = dialect.read(frame)
    cut = reading.observations[0]
    assert isinstance(cut, model.Cut)
    assert (cut.to, cut.duration_ms, cut.trigger) == ("3", 500, "operator")
    (other,) = dialect.read(Frame(b'{"op":5,"d":{"kind":"other"}}', Stamp(0, 0)))
    assert other.verdict is Verdict.UNKNOWN


def test_a_dialect_that_is_not_there_names_those_that_are() -> None:
    """And says what to give instead."""
    with pytest.raises(MappingInvalid, match=r"multicam/1"):
        load_dialect("/nowhere/else.toml")


def test_the_digest_tells_mappings_apart_and_comments_do_not() -> None:
    """It is in every session row."""
    assert parse_mapping(MINIMAL, "a").digest == parse_mapping("# hello\n" + MINIMAL, "b").digest
    assert parse_mapping(MINIMAL, "a").digest != parse_mapping(MINIMAL.replace('"go"', '"stop"'), "a").digest


def test_telemetry_of_a_server_with_numbers_for_types_is_recognised_unparsed() -> None:
    """As a number and as a text, and nothing that only begins so."""
    dialect = parse_mapping(MINIMAL.replace('"x/1"\n', '"x/1"\n[frame]\ntype = "op"\nignore = [7, 70]\n'), "x.toml")
    assert dialect.is_telemetry(b'{"op":7,"x":1}')
    assert dialect.is_telemetry(b'{"op": "70"}')
    assert dialect.is_telemetry(b'{"x":7,"op":7}')
    for data in (b'{"op":71}', b'{"op":7.5}', b'{"op":-7}', b'{"op":07}', b'{"x":7,"op":17}', b'{"op":7,"op":7}'):
        assert not dialect.is_telemetry(data)


@given(st.text(max_size=40))
def test_a_path_is_read_or_refused(text: str) -> None:
    """Whatever stands in the file: what is read leads where it says, and in quotes any name does."""
    path = parse_path(text)
    names = [part for part in path or () if isinstance(part, str)]
    assert all(name in text for name in names)
    if path is not None and len(names) == len(path):
        told: Any = "here"
        for name in reversed(names):
            told = {name: told}
        assert at(told, path) == "here"
    if text and '"' not in text:
        assert at({text: 1}, parse_path(f'"{text}"') or ()) == 1


def test_a_part_of_a_batch_borrows_its_time_and_nothing_else() -> None:
    """Neither its type, nor its number, nor its id; one that is wrapped in an object too."""
    dialect = parse_mapping(
        """
        dialect = "x/1"
        [frame]
        type = ["k"]
        batch = ["m"]
        time = ["meta.t"]
        seq = ["n"]
        [[rule]]
        when.k = "*"
        emit = "cut"
        to = ["id"]
        """,
        "x.toml",
    )
    frame = {"n": 4, "id": "batch", "meta": {"t": 1_795_000_000_000}, "m": [{"k": 1, "id": "c1"}, {"k": 1}]}
    first, second = dialect.read(Frame(orjson.dumps(frame), Stamp(0, 0)))
    (cut,) = first.observations
    assert isinstance(cut, model.Cut)
    assert (cut.to, cut.envelope.at, cut.envelope.seq) == ("c1", 1_795_000_000_000, None)
    assert second.verdict is Verdict.INCOMPLETE
