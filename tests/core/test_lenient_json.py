"""JSON that is not quite: an odd value costs its field, and what is cut off is not read."""

from __future__ import annotations

import json
import math
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap.core.codec import read_json
from tap.core.lenient_json import LEVELS, LONGEST, ODD, read_values, utf8, write_values


def plain(value: Any) -> Any:
    """The same with a word for what is odd, since that is equal to nothing."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return "odd" if value is ODD else value


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (b'{"a":NaN,"b":1}', {"a": "odd", "b": 1}),
        (b'{"a":-Infinity,"b":Infinity,"c":nan,"d":-nan(ind),"e":1.#QNAN}', dict.fromkeys("abcde", "odd")),
        (b'{"a":undefined,"b":None}', dict.fromkeys("ab", "odd")),
        (b'{"a":07,"b":+5,"c":.5,"d":5.,"e":0x1F,"f":1e999,"g":-1e999,"h":True}', dict.fromkeys("abcdefgh", "odd")),
        (b'{"a":1,"b":-0.5e+3,"c":true,"d":null,"e":NaN}', {"a": 1, "b": -500.0, "c": True, "d": None, "e": "odd"}),
        (b'{"a":[1,NaN,3]}', {"a": [1, "odd", 3]}),
        (b"\xef\xbb\xbf{\"a\":1}", {"a": 1}),
        (b'{"a":\xef\xbb\xbf1,\xef\xbb\xbf"b":2}', {"a": 1, "b": 2}),
        (b'{"a":"\xef\xbb\xbfx","b":NaN}', {"a": "\ufeffx", "b": "odd"}),
        (b'{"a":1}\0', {"a": 1}),
        (b'\x1e{"a":1}\n\x1e', {"a": 1}),
        (b'{"a":"Dach \\ud83c","b":1}', {"a": "Dach \ufffd", "b": 1}),
        (b'{"a":"\\ud83c\\udfa5\\uDFA5","b":NaN}', {"a": "\U0001f3a5\ufffd", "b": "odd"}),
        (b'{"a":"\\\\ud83c","b":"\\ud83c"}', {"a": "\\ud83c", "b": "\ufffd"}),
        (b'{"a":"Gr\xf6\xdfe","b":1}', {"a": "Gr\ufffd\ufffde", "b": 1}),
        (b'{"a":"\xed\xa0\xbd\xed\xb0\x80","b":1}', {"a": "\ufffd\ufffd", "b": 1}),
        (b'{"a":"C:\\shots\\x1.jpg \\u12","b":"\\n"}', {"a": "C:\\shots\\x1.jpg \\u12", "b": "\n"}),
        (b'{"a":"one\ntwo\t\x01","b":1}', {"a": "one\ntwo\t\x01", "b": 1}),
        (b'{"a":[1,2,],"b":{"c":1,},}', {"a": [1, 2], "b": {"c": 1}}),
        (b'{"a":,"b":1,"c":}', {"a": "odd", "b": 1, "c": "odd"}),
        (b'{"a":18446744073709551615,"b":-9223372036854775808,"c":NaN}',
         {"a": 2**64 - 1, "b": -(2**63), "c": "odd"}),
        (b'{"a":18446744073709551616,"b":-9223372036854775809,"c":NaN}', {"a": 2.0**64, "b": -(2.0**63), "c": "odd"}),
        (b'{"a":' + b"9" * 5_000 + b',"b":1,"c":NaN}', {"a": "odd", "b": 1, "c": "odd"}),
        (b'{"a":1,"a":2,"b":NaN}', {"a": 2, "b": "odd"}),
        (b' [ NaN , { } , [ ] , "NaN" ] ', ["odd", {}, [], "NaN"]),
    ],
)  # fmt: skip
def test_an_odd_value_costs_its_field(written: bytes, said: Any) -> None:
    """And nothing beside it; it is no null, which would say that there is none."""
    assert plain(read_json(written)) == said
    # What is kept of it on a tape reads the same.
    assert plain(read_json(write_values(read_values(written)))) == said


@pytest.mark.parametrize("levels", [LEVELS - 2, LEVELS - 1, LEVELS, LEVELS + 1, 10_000, 100_000])
def test_what_is_nested_too_deep_costs_its_field(levels: int) -> None:
    deep = b'{"a":' + b"[" * levels + b'"x",1' + b"]" * levels + b',"b":1,"c":NaN}'
    said = read_json(deep)
    assert said["b"] == 1
    inner, depth = said["a"], 0
    while isinstance(inner, list):
        inner, depth = inner[0], depth + 1
    assert depth == min(levels, LEVELS - 1)
    assert inner == "x" if levels < LEVELS else inner is ODD


@pytest.mark.parametrize(
    "written",
    [
        b"", b" ", b"\0", b"NaN", b'"cut', b"{", b"}", b'{"a":1', b'{"a":"c1', b'{"a":"c1}', b'{"a":[1}',
        b'{"a":1}}', b'{"a":1]', b"[1,,2]", b"[,1]", b"{,}", b'{"a" "b"}', b'{"a":1 2}',
        b'{"a":"x" NaN}', b'{"a":"x""y"}',
        b'{a:1}', b"{'a':1}", b'{"a":NaN:1}', b'{"a":1},{"b":2}', b'{NaN:1}', b"<a>{}</a>", b"[1,2", b"1,2]",
        b'{"a":[[[[1,2}', b"a[1]",
    ],
)  # fmt: skip
def test_what_is_cut_off_or_no_json_is_not_read(written: bytes) -> None:
    """What is left of an id would be another id."""
    with pytest.raises(ValueError, match=r"."):
        read_json(written)


def test_why_it_cannot_be_read_is_told_as_the_strict_parser_tells_it() -> None:
    with pytest.raises(orjson.JSONDecodeError):
        read_json(b'{"a":')


@pytest.mark.parametrize("length", [LONGEST, LONGEST + 1])
def test_what_is_very_long_and_odd_is_not_gone_through(length: int) -> None:
    """So that no frame holds the others up; strict JSON is read at any length."""
    begin, end = b'{"a":NaN,"b":"', b'"}'
    text = begin + b"x" * (length - len(begin) - len(end)) + end
    assert len(text) == length
    if length > LONGEST:
        with pytest.raises(ValueError, match=r"NaN|expected"):
            read_json(text)
    else:
        assert read_json(text)["a"] is ODD
    assert read_json(text.replace(b"NaN", b"123"))["a"] == 123


def test_values_in_a_row_are_several() -> None:
    assert read_values(b'{"a":1}{"a":2}\n\x1e[3]\0\n{}') == [{"a": 1}, {"a": 2}, [3], {}]
    with pytest.raises(ValueError, match="2 values in a row"):
        read_json(b'{"a":1}{"a":2}')


TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)
NUMBERS = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
CONTAINERS = st.lists(JSON, max_size=4) | st.dictionaries(st.sampled_from("abc"), JSON, max_size=3)


@given(CONTAINERS, st.sampled_from([None, 1]))
def test_strict_json_reads_the_same_both_ways(value: Any, indent: int | None) -> None:
    """Whoever wrote it, and with whatever spaces."""
    for text in (json.dumps(value, indent=indent), json.dumps(value, ensure_ascii=False)):
        assert read_values(text.encode()) == [orjson.loads(text)]


@given(st.lists(CONTAINERS, min_size=1, max_size=4), st.sampled_from(["", "\n", " \x1e"]))
def test_several_values_read_as_each_alone(values: list[Any], between: str) -> None:
    text = between.join(json.dumps(value) for value in values)
    assert read_values(text.encode()) == [orjson.loads(json.dumps(value)) for value in values]


@given(st.binary(max_size=60) | st.text('{}[]",:\\u0dN 1', max_size=40).map(str.encode))
def test_whatever_comes_it_is_read_or_refused(data: bytes) -> None:
    """Never a surprise, and what was read is written so that it reads the same."""
    try:
        values = read_values(data)
    except ValueError:
        return
    assert plain(read_values(write_values(values))) == plain(values)


@given(st.binary(max_size=30))
def test_bytes_are_text_afterwards(data: bytes) -> None:
    utf8(data).decode()
    try:
        assert utf8(data).decode() == data.decode()
    except UnicodeDecodeError:
        assert "\ufffd" in utf8(data).decode()


def test_the_odd_value_is_no_number() -> None:
    assert math.isnan(ODD)
