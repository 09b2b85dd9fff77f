"""A session that a tap of before knew goes on under its keys, however its ids are composed."""

from __future__ import annotations

import unicodedata
from typing import Any

import orjson
import pytest

from tap.core.model import CameraInfo, Cut, Envelope, HoldOn, SessionInfo, Snapshot, Stamp, StillRequested
from tap.core.pipeline import Pipeline
from tap.core.spelling import respelt, spelt_before
from tests.core.stage import DIALECT, T0, Stage

OLD, NEW = "Cafe\u0301", "Caf\u00e9"
TOLD = Envelope(Stamp(0, 0))


def test_what_was_spelt_otherwise_is_found_wherever_it_stands() -> None:
    """As a name, as a value, in a list; what people wrote is no id."""
    state = {
        "session": {"id": OLD, "title": "Re\u0301sume\u0301"},
        "cameras": {"e\u0301": {}},
        "ids": [["o\u0308"], 5, None],
    }
    known = {NEW: OLD, "\u00e9": "e\u0301", "\u00f6": "o\u0308"}
    assert spelt_before(orjson.dumps(state)) == known
    assert spelt_before(b'{"session":{"id":"plain"}}') == {}
    assert spelt_before(orjson.dumps({"id": NEW})) == {}


def test_two_that_were_two_stay_two() -> None:
    assert spelt_before(orjson.dumps({"cameras": {OLD: {}, NEW: {}}})) == {}


def test_every_id_of_an_observation_is_spelt_as_before() -> None:
    """And nothing else."""
    before = {NEW: OLD}
    camera = CameraInfo(NEW, name=NEW)
    snapshot = Snapshot(
        TOLD, mode=NEW, session=SessionInfo(NEW, title=NEW), program=NEW, cameras=(camera, CameraInfo("x"))
    )
    spelt = respelt(snapshot, before)
    assert spelt == Snapshot(
        TOLD,
        mode=NEW,
        session=SessionInfo(OLD, title=NEW),
        program=OLD,
        cameras=(CameraInfo(OLD, name=NEW), CameraInfo("x")),
    )
    assert respelt(Cut(TOLD, NEW, NEW, cut_id=NEW, trigger=NEW), before) == Cut(TOLD, OLD, OLD, cut_id=OLD, trigger=NEW)
    assert respelt(HoldOn(TOLD, NEW, by=NEW), before) == HoldOn(TOLD, OLD, by=NEW)
    assert respelt(StillRequested(TOLD, NEW, (NEW, "x")), before) == StillRequested(TOLD, OLD, (OLD, "x"))
    nothing = Snapshot(TOLD, session=None, program=None, cameras=None)
    assert respelt(nothing, before) is nothing
    assert respelt(Snapshot(TOLD), before) == Snapshot(TOLD)
    plain = Snapshot(TOLD, program="x", cameras=(CameraInfo("x"),))
    assert respelt(plain, before) is plain


@pytest.mark.parametrize("told", [OLD, NEW])
def test_a_session_goes_on_under_the_keys_that_it_has(told: str) -> None:
    """Whichever way the server spells it now; a new one is composed."""

    def says(stage: Stage, ident: str, program: str) -> list[Any]:
        cameras = [{"id": f"{ident}-1", "name": "One"}, {"id": f"{ident}-2"}]
        return stage.state(session={"id": ident, "title": "T"}, program=program, cameras=cameras)

    stage = Stage()
    says(stage, NEW, f"{NEW}-1")
    saved = stage.pipeline.checkpoint()
    # As a tap of before had it, to which they were letters.
    before = unicodedata.normalize("NFD", saved.decode()).encode().replace(b"Caf%C3%A9", b"Cafe%CC%81")
    assert before != saved
    stage.pipeline = Pipeline(DIALECT, venue="studio", tap="tap-a", checkpoint=before)
    stage.pipeline.resume(T0 + stage.now + 1_000)
    stage.entries.clear()
    stage.later(1_000).connect()
    says(stage.later(100), told, f"{told}-1")
    stage.later(100).say("cut", to=f"{told}-2", cut_id="k")
    says(stage.later(100), told, f"{told}-2")
    keys = {entry.session_key for entry in stage.entries}
    assert keys == {"studio/Cafe%CC%81"}
    assert [(e["fromCameraId"], e["cameraId"]) for e in stage.events("cut")] == [(f"{OLD}-1", f"{OLD}-2")]
    assert not [entry for entry in stage.entries if entry.op == "camera" and "%C3%A9" in entry.key]
    says(stage.later(5_000), f"{told}!", f"{told}-2")
    assert {entry.session_key for entry in stage.entries} == {"studio/Cafe%CC%81", "studio/Caf%C3%A9%21"}


def test_a_tap_that_begins_anew_composes_all() -> None:
    """One camera, not two."""
    stage = Stage()
    for at, ident in enumerate((OLD, NEW, OLD)):
        stage.later(3_000).state(session={"id": ident}, program=ident, cameras=[{"id": ident}], mode="photoshoot")
        assert {entry.session_key for entry in stage.entries} == {"studio/Caf%C3%A9"}, at
    assert [row.fields["cameraId"] for row in stage.rows.values() if row.op == "camera"] == [NEW]
    assert stage.cuts() == []
