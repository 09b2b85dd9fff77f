"""What an older deployment takes of an entry: what it knows, and the rest another time."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tap.core.deployment import CONTRACT, OLDEST, Deployment, fitted, read_deployment
from tap.core.merge import fold
from tap.core.model import Entry, Op

CONVEX = Path(__file__).parents[2] / "convex"
SOURCE = {"dialect": "obs/5", "mappingDigest": "d1"}
FIELDS: dict[str, Any] = {"sessionType": "photoshoot_performance", "status": "live", "startedAt": 1, "source": SOURCE}
CAMERA = {"cameraId": "1", "joinedAt": 1, "placement": {"x": {"y": 1}}}
CUT = {"kind": "cut", "at": 1, "observedAt": 1, "cameraId": "1"}
SAID: dict[str, Any] = {
    "contract": 3,
    "kinds": ["cut"],
    "triggers": ["ai"],
    "columns": {"session": ["source", "source.dialect"], "camera": [], "event": [], "still": []},
    "functions": ["about"],
    "maxEntries": 500,
    "venues": ["v"],
    "may": ["write"],
}


def entry(op: Op, fields: dict[str, Any], version: int = 5) -> Entry:
    return Entry("v/1" if op == "session" else "v/1/x", op, "v/1", version, fields)


def test_the_tap_writes_the_contract_that_the_functions_of_this_version_take() -> None:
    said = re.search(r"export const CONTRACT = (\d+);", (CONVEX / "functions/ledger/about.ts").read_text())
    assert said is not None
    assert int(said[1]) == CONTRACT


def test_a_deployment_of_today_gets_every_entry_as_it_is() -> None:
    odd = entry("event", {"kind": "never heard of", "trigger": "x"})
    assert fitted(odd, replace(OLDEST, contract=CONTRACT)) is odd


def test_a_kind_that_is_not_known_waits() -> None:
    assert fitted(entry("event", {**CUT, "kind": "off_air"}), OLDEST) is None
    assert fitted(entry("event", {**CUT, "kind": "marker"}), OLDEST) is None
    cut = entry("event", CUT)
    assert fitted(cut, OLDEST) is cut


@pytest.mark.parametrize(
    ("op", "fields", "kept"),
    [
        ("event", {**CUT, "trigger": "collection_switch"}, CUT),
        ("event", {**CUT, "trigger": "ai", "detail": {"odd": {"deep": [1]}}}, None),
        ("session", {**FIELDS, "source": {**SOURCE, "profile": "A", "made": {"how": "split", "at": 1}}}, FIELDS),
        ("session", {**FIELDS, "media": [{"path": "a", "from": 1}, "b"]}, {**FIELDS, "media": ["a", "b"]}),
        ("session", {**FIELDS, "startState": {"at": 1, "hold": {"active": True, "by": "x"}}}, None),
        ("session", {**FIELDS, "startState": {"at": 1, "new": 1}}, {**FIELDS, "startState": {"at": 1}}),
        ("camera", {**CAMERA, "new": 1}, CAMERA),
        ("still", {"stillId": "a", "cameraId": "1", "status": "captured", "programCameraName": "W"}, None),
    ],
)
def test_columns_that_are_not_known_are_left_off(op: Op, fields: dict[str, Any], kept: dict[str, Any] | None) -> None:
    """Inside objects and lists too; what is nobody's contract goes as it is."""
    said = entry(op, fields)
    sent = fitted(said, OLDEST)
    assert sent is not None
    assert sent.fields == (fields if kept is None else kept)
    assert (sent is said) == (kept is None)
    assert (sent.key, sent.version) == (said.key, said.version)


NESTED = st.fixed_dictionaries(
    {name: st.just(value) for name, value in SOURCE.items()},
    optional={
        "profile": st.sampled_from(["", "A", "~"]),
        "collection": st.sampled_from(["", "A", "~"]),
        "serverVersion": st.sampled_from(["", "~"]),
        "made": st.just({"how": "split", "at": 1}),
    },
)
MEDIA = st.lists(st.fixed_dictionaries({"path": st.sampled_from(["", "a", "~"])}, optional={"from": st.just(1)}))
SESSIONS = st.fixed_dictionaries(
    {**{name: st.just(value) for name, value in FIELDS.items()}, "source": NESTED},
    optional={"media": MEDIA, "title": st.just("t")},
)
EVENTS = st.fixed_dictionaries(
    {name: st.just(value) for name, value in CUT.items()},
    optional={"trigger": st.sampled_from(["ai", "collection_switch"]), "detail": st.just({"inferred": True})},
)


@given(st.one_of(SESSIONS.map(lambda f: entry("session", f)), EVENTS.map(lambda f: entry("event", f))))
def test_the_whole_row_stands_once_it_comes_whatever_went_before_it(whole: Entry) -> None:
    """At the same version, in both orders, however its columns are spelt."""
    part = fitted(whole, OLDEST)
    assert part is not None
    expected = fold([whole])
    assert fold([part, whole]) == fold([whole, part]) == fold([part, whole, part]) == expected


def test_what_a_deployment_says_of_itself_is_read() -> None:
    taken = read_deployment(SAID)
    assert (taken.contract, taken.older, taken.kinds) == (3, False, frozenset(["cut"]))
    assert taken.columns["session"] == {"source", "source.dialect"}
    assert taken.may == frozenset(["write"])
    assert (taken.serves("v"), taken.serves("w")) == (True, False)
    assert read_deployment({**SAID, "venues": "all"}).serves("w")
    assert Deployment.__doc__


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        [],
        7,
        {},
        {**SAID, "contract": 0},
        {**SAID, "contract": 1e19},
        {**SAID, "contract": True},
        {**SAID, "kinds": "cut"},
        {**SAID, "kinds": [7]},
        {**SAID, "kinds": ["x"] * 20_000},
        {**SAID, "columns": {"session": []}},
        {**SAID, "columns": []},
        {**SAID, "venues": None},
        {**SAID, "may": {"write": True}},
    ],
)
def test_what_no_ledger_says_of_itself_is_an_error(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"no|nothing"):
        read_deployment(wrong)
