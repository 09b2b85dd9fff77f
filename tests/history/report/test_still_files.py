"""Files find their stills by the store's name, by the still's id, or by camera and time; a wrong one is never shown."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from tap.core.merge import Row
from tap.history.report import match_files, pictures_to_fetch
from tap.history.timeline import timeline_of
from tests.history.test_timeline import T0, A, camera, session, still

BERLIN = ZoneInfo("Europe/Berlin")


def taken(name: str, camera_id: str, second: float = 10, **fields: str) -> Row:
    told = still(name, camera_id, "uploaded", capturedAt=second)
    told.fields.update(fields)
    return told


def matched(stills: list[Row], *files: str) -> dict[str, str]:
    """File by ``still/camera``."""
    rows = [session(A), camera("cam-1", name="Anna"), camera("cam-2", name="Wide angle"), *stills]
    found = match_files(timeline_of(rows), files, BERLIN).files
    return {key.partition("still/")[2]: name for key, name in found.items()}


ONE = [taken("s1", "cam-1", storageKey="shoots/s1/cam-1.jpg")]
BOTH = [*ONE, taken("s2", "cam-1", 20, storageKey="shoots/s2/cam-1.jpg")]
PAIR = [taken("s1", "cam-1"), taken("s1", "cam-2")]

CASES: dict[str, tuple[list[Row], tuple[str, ...], dict[str, str]]] = {
    "by the name in the store": (ONE, ("deep/down/CAM-1.JPG", "other.jpg"), {"s1/cam-1": "deep/down/CAM-1.JPG"}),
    "by the name in its address": (
        [taken("s1", "cam-1", url="https://media.example/a%20b/first.jpg?x=1")],
        ("first.jpg",),
        {"s1/cam-1": "first.jpg"},
    ),
    "of one name, the folders decide": (
        BOTH,
        ("s1/cam-1.jpg", "s2/cam-1.jpg"),
        {"s1/cam-1": "s1/cam-1.jpg", "s2/cam-1": "s2/cam-1.jpg"},
    ),
    "one file that two might have is nobody's": (BOTH, ("cam-1.jpg",), {}),
    "by the still's id": (
        [taken("still-12", "cam-1")],
        ("shoot_still-12.png", "still-1.png"),
        {"still-12/cam-1": "shoot_still-12.png"},
    ),
    "an id is not found in a longer one": ([taken("still-1", "cam-1")], ("still-12.jpg", "still-1x.jpg"), {}),
    "by id and camera, where several took it": (
        PAIR,
        ("s1_cam-1.jpg", "s1 - wide ANGLE.jpg"),
        {"s1/cam-1": "s1_cam-1.jpg", "s1/cam-2": "s1 - wide ANGLE.jpg"},
    ),
    "by camera and local time": (
        [taken("x", "cam-1")],
        ("Anna 2026-11-18 12.06.51.jpg",),
        {"x/cam-1": "Anna 2026-11-18 12.06.51.jpg"},
    ),
    "by camera and UTC": (
        [taken("x", "cam-1")],
        ("cam-1_20261118T110650.jpg",),
        {"x/cam-1": "cam-1_20261118T110650.jpg"},
    ),
    "by camera and Unix time": (
        [taken("x", "cam-1")],
        (f"anna-{T0 + 9_500}.jpg",),
        {"x/cam-1": f"anna-{T0 + 9_500}.jpg"},
    ),
    "of another camera": ([taken("x", "cam-1")], ("cam-2_20261118T110650.jpg",), {}),
    "of another time": ([taken("x", "cam-1")], ("cam-1_20261118T110655.jpg",), {}),
    "a time that is none": ([taken("x", "cam-1")], ("cam-1_20269918T996650.jpg",), {}),
    "nothing like it": (ONE, ("holiday.jpg", "IMG_0001.jpg"), {}),
    "no files": (ONE, (), {}),
}


@pytest.mark.parametrize("case", CASES)
def test_which_file_is_which_still(case: str) -> None:
    """Each case says in its name what it is about."""
    stills, files, expected = CASES[case]
    assert matched(stills, *files) == expected


def test_how_many_matched_is_told() -> None:
    rows = [session(A), *BOTH, still("s3", "cam-1", "failed", requestedAt=30)]
    assert match_files(timeline_of(rows), ["s1/cam-1.jpg"]).words == "1 of 2 stills have a file here"


def test_only_what_was_uploaded_and_is_not_there_yet_is_fetched() -> None:
    there, missing = taken("s1", "cam-1", url="https://a/1"), taken("s2", "cam-1", url="https://a/2")
    asked = still("s3", "cam-1", "requested", requestedAt=1)
    asked.fields["url"] = "https://a/3"
    timeline = timeline_of([session(A), there, missing, asked, taken("s4", "cam-1")])
    assert pictures_to_fetch(timeline, {there.key: "data:"}) == {missing.key: "https://a/2"}
