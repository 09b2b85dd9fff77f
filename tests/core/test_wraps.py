"""What servers wrap around their objects: JSON within JSON, arrays, several objects in a row, Socket.IO's digits."""

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
from tap.core.mapping import Dialect, Verdict, parse_mapping
from tap.core.model import Frame, Stamp

MULTICAM = load_dialect("multicam/1")
RULES = """
[[rule]]
when.type = "cut"
emit = "cut"
to = ["to"]
[[rule]]
when.type = "hold"
emit = "hold"
"""


def dialect(frame: str) -> Dialect:
    return parse_mapping(f'dialect = "x/1"\n[frame]\nignore = ["pose", 7]\n{frame}\n{RULES}', "x.toml")


PLAIN = dialect("")
TEXT = dialect('json_text = true\nbody = ["data"]\nbatch = ["all"]')
ARRAY = dialect('array = ["type", "data"]\nbody = ["data"]\nbatch = ["all"]')
PHOENIX = dialect('array = ["join", "ref", "topic", "type", "data"]\nbody = ["data"]')
SEVERAL = dialect("several = true")
SOCKET_IO = dialect('prefix = "socket.io"\narray = ["type", "data"]\nbody = ["data"]')
SOCK_JS = dialect('prefix = "any"\njson_text = true')
BODIES = dialect('body = ["data", "more"]')
ALL = dialect('several = true\njson_text = true\narray = ["type", "data"]\nbody = ["data"]\nprefix = "socket.io"')


def told(by: Dialect, data: Any) -> list[str]:
    """What a frame says through a dialect: where each cut goes to, else the verdict."""
    data = data if isinstance(data, bytes) else orjson.dumps(data)
    found = []
    for reading in by.read(Frame(data, Stamp(0, 0))):
        found += [o.to or "none" if isinstance(o, model.Cut) else type(o).__name__ for o in reading.observations]
        found += [] if reading.observations else [reading.verdict.value]
    return found


def text(value: Any, levels: int = 1) -> str:
    """Written as JSON, so many times."""
    for _ in range(levels):
        value = json.dumps(value)
    return str(value)


def test_an_array_is_telemetry_only_where_the_mapping_says_that_frames_are_arrays() -> None:
    """Elsewhere it is a frame that nobody can read, and is told as that."""
    assert ARRAY.is_telemetry(b'["pose",{"x":1}]')
    assert not PLAIN.is_telemetry(b'["pose",{"x":1}]')


CUT = {"type": "cut", "to": "c1"}
TO = {"to": "c1"}


@pytest.mark.parametrize(
    ("by", "frame", "said"),
    [
        # JSON within JSON
        (TEXT, {"type": "cut", "data": text(TO)}, ["c1"]),
        (TEXT, {"type": "cut", "data": text(TO, 2)}, ["c1"]),
        (TEXT, {"type": "cut", "data": text(TO, 4)}, ["c1"]),
        (TEXT, {"type": "cut", "data": text(TO, 5)}, ["incomplete"]),
        (TEXT, {"type": "cut", "data": f" {text(TO)}\n"}, ["c1"]),
        (TEXT, {"type": "cut", "data": '{"to":"c1","x":NaN}'}, ["c1"]),
        (TEXT, {"type": "cut", "data": '{"to":"c1"'}, ["incomplete"]),
        (TEXT, {"type": "cut", "data": "to c1"}, ["incomplete"]),
        (TEXT, {"type": "cut", "data": "to c1", "to": "c2"}, ["c2"]),
        (TEXT, {"type": "cut", "data": "[1]", "to": "c2"}, ["c2"]),
        (TEXT, text(CUT), ["c1"]),
        (TEXT, text(CUT, 3), ["c1"]),
        (TEXT, [text(CUT), CUT, text({"type": "cut", "data": text(TO)})], ["c1"] * 3),
        (TEXT, {"all": text([CUT, text(CUT)])}, ["c1"] * 2),
        (TEXT, {"all": [text(CUT), "x", 3]}, ["c1", "unreadable", "unreadable"]),
        (TEXT, "cut", ["unreadable"]),
        (TEXT, "{", ["unreadable"]),
        (PLAIN, text(CUT), ["unreadable"]),
        (PLAIN, [text(CUT)], ["unreadable"]),
        # several places for the body: the first that is there
        (BODIES, {"type": "cut", "data": TO, "more": {"to": "c2"}}, ["c1"]),
        (BODIES, {"type": "cut", "data": "x", "more": {"to": "c2"}}, ["c2"]),
        # arrays
        (ARRAY, ["cut", TO], ["c1"]),
        (ARRAY, ["cut", TO, "more", 5], ["c1"]),
        (ARRAY, ["cut", "c1"], ["incomplete"]),
        (ARRAY, ["hold"], ["HoldOn"]),
        (ARRAY, [7, {}], ["ignored"]),
        (ARRAY, [8, {}], ["unknown"]),
        (ARRAY, ["surprise", TO], ["unknown"]),
        (ARRAY, [["cut", TO], ["hold", {}], CUT], ["c1", "HoldOn", "c1"]),
        (ARRAY, [CUT, CUT], ["c1"] * 2),
        (ARRAY, {"all": [["cut", TO], CUT]}, ["c1"] * 2),
        (ARRAY, ["surprise", CUT], ["unreadable", "c1"]),
        (ARRAY, [CUT, "surprise"], ["c1", "unreadable"]),
        (ARRAY, [None, CUT], ["unreadable", "c1"]),
        (ARRAY, [True, CUT], ["unreadable", "c1"]),
        (ARRAY, [1.5, CUT], ["unreadable", "c1"]),
        (ARRAY, [None, {"x": 1}], ["unreadable", "unknown"]),
        (ARRAY, [True, {"x": 1}], ["unreadable", "unknown"]),
        (ARRAY, [1.5, {"x": 1}], ["unreadable", "unknown"]),
        (ARRAY, [8, {"x": 1}], ["unknown"]),
        (ARRAY, [8], ["unreadable"]),
        (ARRAY, [8, 9], ["unreadable"] * 2),
        (ARRAY, [], []),
        (ARRAY, [[]], []),
        (ARRAY, [[[["cut", TO]]]], ["c1"]),
        (ARRAY, [[[[["cut", TO]]]]], ["unreadable"]),
        (PLAIN, ["cut", TO], ["unreadable", "unknown"]),
        (PHOENIX, ["1", "2", "room", "cut", TO], ["c1"]),
        (PHOENIX, [None, None, "room", "cut", TO], ["c1"]),
        (PHOENIX, ["1", "2", "room"], ["unreadable"] * 3),
        (PHOENIX, CUT, ["c1"]),
        # several in a row
        (SEVERAL, b'{"type":"cut","to":"c1"}{"type":"cut","to":"c2"}', ["c1", "c2"]),
        (SEVERAL, b'{"type":"cut","to":"c1"}\n{"type":"cut","to":"}{"}\r\n', ["c1", "}{"]),
        (SEVERAL, b'{"type":"cut","to":"c1"} \x1e {"type":"cut","to":"c2","x":NaN}\x1e', ["c1", "c2"]),
        (SEVERAL, b'[{"type":"cut","to":"c1"},{"type":"hold"}]\n{"type":"cut","to":"c2"}', ["c1", "HoldOn", "c2"]),
        (SEVERAL, b'{"type":"cut","to":"c1"}{"type":"cut","to":"c2"', ["unreadable"]),
        (SEVERAL, b'{"type":"cut","to":"c1"}', ["c1"]),
        (SEVERAL, b'{"type":"pose"}{"type":"cut","to":"c1"}', ["ignored", "c1"]),
        (SEVERAL, b'{"type":"cut","to":"c1"}\n{"type":"pose"}', ["c1", "ignored"]),
        (PLAIN, b'{"type":"cut","to":"c1"}{"type":"cut","to":"c2"}', ["unreadable"]),
        # something before them
        (SOCKET_IO, b'42["cut",{"to":"c1"}]', ["c1"]),
        (SOCKET_IO, b'42/admin,17["cut",{"to":"c1"}]', ["c1"]),
        (SOCKET_IO, b'451-["cut",{"to":"c1","x":{"_placeholder":true,"num":0}}]', ["c1"]),
        (SOCKET_IO, b'4{"type":"cut","to":"c1"}', ["c1"]),
        (SOCKET_IO, b'{"type":"cut","to":"c1"}', ["c1"]),
        (SOCKET_IO, b'0{"sid":"x","upgrades":[]}', ["ignored"]),
        (SOCKET_IO, b'40{"sid":"x"}', ["ignored"]),
        (SOCKET_IO, b"40/admin,", ["ignored"]),
        (SOCKET_IO, b"2", ["ignored"]),
        (SOCKET_IO, b"3", ["ignored"]),
        (SOCKET_IO, b"9", ["unreadable"]),
        (SOCKET_IO, b'42["cut",', ["unreadable"]),
        (SOCKET_IO, b'x42["cut",{}]', ["unreadable"]),
        (SOCK_JS, b"a" + json.dumps([json.dumps(CUT)]).encode(), ["c1"]),
        (SOCK_JS, b'data: {"type":"cut","to":"c1"}\n\n', ["c1"]),
        (SOCK_JS, b"x" * 64 + b'{"type":"cut","to":"c1"}', ["c1"]),
        (SOCK_JS, b"x" * 65 + b'{"type":"cut","to":"c1"}', ["unreadable"]),
        (SOCK_JS, b"h", ["unreadable"]),
        (PLAIN, b'42["cut",{"to":"c1"}]', ["unreadable"]),
        # multicam/1 takes what cannot be meant otherwise
        (MULTICAM, {"event": "cut", "data": text(TO)}, ["c1"]),
        (MULTICAM, {"type": "message", "payload": text(CUT)}, ["c1"]),
        (MULTICAM, ["cut", TO], ["c1"]),
        (MULTICAM, [text(CUT), text(CUT)], ["c1"] * 2),
        (MULTICAM, b'{"type":"cut","to":"c1"}\n{"type":"cut","to":"c2"}', ["c1", "c2"]),
        (MULTICAM, [7], ["unreadable"]),
        (MULTICAM, b"42", ["unreadable"]),
    ],
)  # fmt: skip
def test_what_is_wrapped_is_read(by: Dialect, frame: Any, said: list[str]) -> None:
    """Also from its tape; what cannot be meant so is not, and costs nothing beside it."""
    data = frame if isinstance(frame, bytes) else orjson.dumps(frame)
    assert told(by, data) == said
    assert told(by, by.clean(data)) == said


def test_why_several_are_not_read_where_the_dialect_does_not_say_so() -> None:
    (reading,) = PLAIN.read(Frame(b'{"type":"cut"}{"type":"cut"}', Stamp(0, 0)))
    assert reading.reason == "no JSON: 2 values in a row"


def test_the_time_of_a_wrapped_object_is_found_on_either_side() -> None:
    by = dialect('json_text = true\nbody = ["data"]\ntime = ["ts"]')
    for frame in ({"type": "cut", "ts": 1_795_000_000_000, "data": text(TO)},
                  {"type": "cut", "data": text({**TO, "ts": 1_795_000_000_000})}):  # fmt: skip
        (reading,) = by.read(Frame(orjson.dumps(frame), Stamp(0, 0)))
        assert reading.observations[0].envelope.at == 1_795_000_000_000


@pytest.mark.parametrize(
    ("by", "data"),
    [
        (SOCKET_IO, b'42["cut",{"to":"c1","token":"s3cret"}]'),
        (SOCK_JS, b'data: {"type":"cut","to":"c1","token":"s3cret"}'),
        (SOCK_JS, b'token=s3cret {"type":"cut","to":"c1"}'),
        (TEXT, orjson.dumps({"type": "cut", "data": text({**TO, "token": "s3cret"}, 2)})),
        (SEVERAL, b'{"type":"cut","to":"c1"}{"type":"cut","to":"c1","token":"s3cret"}'),
    ],
)
def test_secrets_leave_what_is_wrapped(by: Dialect, data: bytes) -> None:
    """And the frame reads on its tape as it did."""
    assert b"s3cret" not in by.clean(data)
    assert told(by, by.clean(data)) == told(by, data)
    assert "c1" in told(by, data)


@pytest.mark.parametrize(
    ("frame", "names"),
    [
        ("json_text = 1", ["[frame] json_text", "true or false"]),
        ("several = []", ["[frame] several", "true or false"]),
        ('array = ["kind", "data"]', ["[frame] array", "place of the type", "type is: 'type'"]),
        ('array = ["type", "type"]', ["[frame] array", "twice"]),
        ("array = 1.5", ["[frame] array", "a list of words"]),
        ('type = ["a.b"]\narray = ["type"]', ["[frame] array", "none of one name"]),
        ('prefix = "sockjs"', ["[frame] prefix", "socket.io, any"]),
        ("prefix = true", ["[frame] prefix", "socket.io, any"]),
        ('arrays = ["type"]', ["[frame]", "'arrays'", "'array'?"]),
    ],
)
def test_a_mistake_in_what_is_wrapped_is_told(frame: str, names: list[str]) -> None:
    with pytest.raises(MappingInvalid) as caught:
        dialect(frame)
    assert all(name in str(caught.value) for name in names), str(caught.value)


# ---------------------------------------------------------------------------------------------- known telemetry


@pytest.mark.parametrize(
    ("by", "data", "taken"),
    [
        (ARRAY, b'["pose",{"x":1}]', True),
        (ARRAY, b' [ "pose" , {"x":1}]', True),
        (ARRAY, b'[7,{"x":1}]', True),
        (ARRAY, b'{"type":"pose","x":1}', True),
        (ARRAY, b'["pose"]', False),
        (ARRAY, b'["poses",{}]', False),
        (ARRAY, b'[["pose",{}],["cut",{"to":"c1"}]]', False),
        (ARRAY, b'["cut",{"to":"pose"}]', False),
        (PHOENIX, b'["pose",{"x":1}]', False),
        (PLAIN, b'["pose",{"x":1}]', False),
        (SOCKET_IO, b'42["pose",{"x":1}]', True),
        (SOCKET_IO, b'42/admin,["pose",{"x":1}]', True),
        (SOCKET_IO, b'["pose",{"x":1}]', True),
        (SOCKET_IO, b'42["cut",{"x":1}]', False),
        (SOCKET_IO, b'0["pose",{"x":1}]', False),
        (PLAIN, b'42["pose",{"x":1}]', False),
        (SEVERAL, b'{"type":"pose","x":1}', True),
        (SEVERAL, b'{"type":"pose"}{"type":"cut","to":"c1"}', False),
        (SEVERAL, b'{"type":"cut","to":"c1"}{"x":1,"type":"pose"}', False),
        (SEVERAL, b'{"type":"pose","x":[{"y":{}}, 1], "z":[[1] , [2]]}', True),
        (SEVERAL, b'{"x":{"y":1},"type":"pose"}', True),
        (SEVERAL, b'{"type":"pose"}{"to":"c1"}', False),
        (SEVERAL, b'{"type":"pose","x":[{}]}\n [1]', False),
        (SEVERAL, b'{"to":"c1"} {"x":1,"type":"pose"}', False),
        (MULTICAM, b'["pose",{"x":1}]', True),
        (MULTICAM, b'["pose",{"x":1}]["cut",{"to":"c1"}]', False),
        (MULTICAM, b'["pose",{"x":1}]{"event":"cut","to":"c1"}', False),
        (MULTICAM, b'{"type":"pose"}["cut",{"to":"c1"}]', False),
        (MULTICAM, b'{"type":"pose","x":1}{"event":"cut","to":"c1"}', False),
    ],
)
def test_wrapped_telemetry_is_told_unparsed(by: Dialect, data: bytes, taken: bool) -> None:
    assert by.is_telemetry(data) == taken


_TYPES = st.sampled_from(["pose", "cut", "hold", "poses", 7, 8, None])
_OBJECTS = st.fixed_dictionaries(
    {"type": _TYPES}, optional={"to": st.just("c1"), "x": st.sampled_from([1, {}, "{", '"type":"pose"'])}
) | st.fixed_dictionaries({"x": st.just(1)}, optional={"type": _TYPES})
_ARRAYS = st.lists(_TYPES | _OBJECTS, max_size=3)
_OTHERWISE = st.fixed_dictionaries({"event": _TYPES}, optional={"to": st.just("c1")})
"""Their type has another name, where it has one."""
_FRAMES = st.one_of(
    _OBJECTS.map(json.dumps),
    _ARRAYS.map(json.dumps),
    st.lists(_ARRAYS | _OBJECTS, max_size=3).map(json.dumps),
    *(
        st.lists((_OBJECTS | _ARRAYS | _OTHERWISE).map(json.dumps), min_size=2, max_size=3).map(between.join)
        for between in ("", " ", "\n")
    ),
    _OBJECTS.map(json.dumps).map(json.dumps),
    _ARRAYS.map(json.dumps).map("42".__add__),
    _ARRAYS.map(lambda value: json.dumps(value, separators=(",", ":"))),
)


@pytest.mark.parametrize("by", [ARRAY, SOCKET_IO, SEVERAL, ALL, TEXT, PHOENIX, MULTICAM], ids="asvltpm")
@settings(max_examples=300, deadline=None)
@given(frame=_FRAMES)
def test_what_is_dropped_unparsed_says_nothing(by: Dialect, frame: str) -> None:
    """Wrapped as it may be: nothing that says something is taken for telemetry."""
    data = frame.encode()
    if by.is_telemetry(data):
        verdicts = {reading.verdict for reading in by.read_whole(Frame(data, Stamp(0, 0)))}
        assert not verdicts & {Verdict.MAPPED, Verdict.INCOMPLETE, Verdict.QUIET}
