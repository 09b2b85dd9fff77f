"""Sessions that are cut and joined afterwards, row by row."""

from __future__ import annotations

from typing import Any

from tap.core.merge import Row
from tap.core.regroup import Rows, joined, part_of, session_of

T0 = 1_795_000_000_000


def session(name: str, since: int, until: int, **more: Any) -> Row:
    """A session that is over, from and to so many ms after the shoot's zero."""
    key = f"hall/{name}"
    times = {"startedAt": T0 + since, "completedAt": T0 + until}
    return Row(key, "session", key, T0 + until, 0, {"status": "complete", **times, **more})


def with_still(whole: Row, name: str, at: int) -> Rows:
    """A session with one still."""
    fields = {"stillId": name, "cameraId": "c1", "capturedAt": T0 + at, "status": "captured"}
    still = Row(f"{whole.key}/still/{name}/c1", "still", whole.key, T0 + at, 0, fields)
    return {whole.key: whole, still.key: still}


def test_stills_of_one_id_in_three_sessions_are_three_stills_of_the_joined_one() -> None:
    """Ids start again with each session: the second gets /2 behind its key, the third /3."""
    parts = [with_still(session(f"s{n}", n * 10_000, n * 10_000 + 9_000), "x", n * 10_000 + 5) for n in range(3)]
    whole, names = joined(parts)
    begin = "hall/s0/still/x/c1"
    assert {row.key: row.fields["capturedAt"] - T0 for row in whole.values() if row.op == "still"} == {
        begin: 5,
        f"{begin}/2": 10_005,
        f"{begin}/3": 20_005,
    }
    assert [names[f"hall/s{n}/still/x/c1"] for n in (1, 2)] == [f"{begin}/2", f"{begin}/3"]


def test_a_part_of_which_no_file_shows_anything_has_no_column_for_files() -> None:
    """As a session without files has none: an empty list would be another row than the one of a tap's own."""
    first, second = ({"path": name, "from": T0 + since, "to": T0 + until} for name, since, until in MEDIA)
    whole = session("s1", 0, 60_000, media=[first, second])
    rows = {whole.key: whole}

    def media(since: int, until: int) -> Any:
        part = part_of(rows, T0 + since, T0 + until, key="hall/part", reason="split")
        return session_of(part).fields.get("media", "no such column")

    assert media(5_000, 25_000) == [first]
    assert media(25_000, 35_000) == "no such column"
    whole.fields["media"] += [{"path": "3.mkv"}]
    assert media(25_000, 35_000) == [{"path": "3.mkv"}]  # when it was recorded, nobody told


def test_what_is_on_at_the_end_of_a_part_is_what_the_gap_before_it_tells_of_its_far_side() -> None:
    """Whatever was known before that gap is not known behind it."""
    start = {"at": T0, "programCameraId": "a", "mode": "x", "hold": True}
    whole = session("s1", 0, 60_000, startState=start)
    told = {"kind": "gap", "at": T0 + 30_000, "durationMs": 5_000, "detail": {"after": {"programCameraId": "b"}}}
    gap = Row(f"{whole.key}/gap/t/1", "event", whole.key, T0 + 30_000, 0, told)
    part = part_of({whole.key: whole, gap.key: gap}, None, T0 + 40_000, key="hall/part", reason="split")
    final = session_of(part).fields["finalState"]
    assert {name: final.get(name) for name in ("programCameraId", "mode", "hold")} == {
        "programCameraId": "b",
        "mode": None,
        "hold": None,
    }


def test_a_camera_that_left_before_a_part_is_none_of_its_cameras() -> None:
    """One that leaves at its beginning, or in it, is."""
    whole = session("s1", 0, 60_000)
    rows = {whole.key: whole}
    for name, left in (("c1", 19_999), ("c2", 20_000), ("c3", 30_000), ("c4", None)):
        fields = {"cameraId": name, "joinedAt": T0, **({} if left is None else {"leftAt": T0 + left})}
        key = f"{whole.key}/camera/{name}"
        rows[key] = Row(key, "camera", whole.key, T0, 0, fields)
    part = part_of(rows, T0 + 20_000, None, key="hall/part", reason="split")
    assert [row.fields["cameraId"] for row in part.values() if row.op == "camera"] == ["c2", "c3", "c4"]


MEDIA = (("1.mkv", 0, 20_000), ("2.mkv", 40_000, 60_000))
