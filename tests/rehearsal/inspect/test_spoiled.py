"""One malformed frame turns no draft: the lines stay as they are, or are marked doubtful."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner

from tap.cli import cli
from tap.core.mapping import parse_mapping
from tap.rehearsal.inspect import Inspection
from tap.rehearsal.inspect.paths import nearly
from tests.rehearsal.inspect.places import MANUAL, scored, shoot
from tests.rehearsal.inspect.spoiled import (
    KINDS,
    SERVERS,
    Line,
    Spoken,
    differences,
    draft,
    frames_of,
    lines_of,
    spoil,
    write,
)


class Spoiler:
    """A server's shoot, its draft, and which frames of it are of which type."""

    def __init__(self, folder: Path, name: str, seed: int) -> None:
        self.folder, self.name = folder, name
        self.rng = random.Random(f"{name}/{seed}")
        self.spoken = frames_of(folder / "clean.jsonl", name, seed)
        inspection = Inspection([write(folder / "clean.jsonl", name, self.spoken)], dialect="multicam/1")
        self.clean = inspection.suggestion().text
        found = inspection._found
        assert found.survey is not None
        self.types = frozenset(kind for kind in found.survey.kinds if kind)
        ignored = {role.kind for role in found.events if role.emit == "ignore"}
        self.places: dict[str, list[int]] = {}
        for index, one in enumerate(self.spoken):
            if one.frame is not None:
                for said in found.envelope.objects(one.frame):
                    if said.kind not in ignored:
                        self.places.setdefault(said.kind, []).append(index)

    def spoiled(self, role: str, kind: str, *, added: bool) -> tuple[list[str], str]:
        """What is other in the draft, unmarked, where one frame of this type is malformed so; and that frame.

        In the place of a good one: against the draft without that one, which may have been alone in what it showed.
        """
        at = self.rng.choice(self.places[role])
        frame, raw = spoil(self.name, self.spoken[at].frame, kind, self.rng, self.types)
        bad = Spoken(self.spoken[at].line, frame, raw)
        after = [*self.spoken[: at + added], bad, *self.spoken[at + 1 :]]
        path = write(self.folder / "spoiled.jsonl", self.name, after)
        found = differences(self.clean, draft(path))
        if found and not added:
            left = [*self.spoken[:at], *self.spoken[at + 1 :]]
            found = differences(draft(write(self.folder / "left.jsonl", self.name, left)), draft(path))
        return found, raw or SERVERS[self.name].write(frame)


FEW, *MANY = SERVERS


@pytest.mark.parametrize("name", [FEW, *(pytest.param(name, marks=pytest.mark.slow) for name in MANY)])
def test_a_malformed_frame_turns_no_draft(tmp_path: Path, name: str) -> None:
    """Of any type, anyhow, beside the good ones or in the place of one: some of all that there are, from seeds."""
    spoiler = Spoiler(tmp_path, name, 11)
    for _ in range(8):
        role, kind = spoiler.rng.choice(sorted(spoiler.places)), spoiler.rng.choice(KINDS)
        added = spoiler.rng.random() < 0.5 or len(spoiler.places[role]) < 3
        other, bad = spoiler.spoiled(role, kind, added=added)
        assert not other, f"{kind} in {role}: {bad[:300]}"


@pytest.mark.slow
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("name", SERVERS)
def test_malformed_frames_of_every_type(tmp_path: Path, name: str) -> None:
    """Five kinds in each of a server's types, beside the good frames and in the place of one."""
    spoiler = Spoiler(tmp_path, name, 0)
    for role in sorted(spoiler.places):
        for kind in spoiler.rng.sample(KINDS, 5):
            added = spoiler.rng.random() < 0.5 or len(spoiler.places[role]) < 3
            other, bad = spoiler.spoiled(role, kind, added=added)
            assert not other, f"{kind} in {role}, {'added' if added else 'instead'}: {bad[:300]}"


def test_the_judge_sees_a_line_that_is_other() -> None:
    """Where it is gone, new, or says something else; not where it is marked."""
    one = '[frame]\ntype = ["t"]\n\n[[rule]]\nwhen.type = "cut"\nemit = "cut"\nto = ["a"]\nfrom = ["b"]\n'
    assert differences(one, one) == []
    assert differences(one, one.replace('to = ["a"]', 'to = ["b"]')) == [
        '- [[rule]] when.type = "cut": to = ["a"]',
        '+ [[rule]] when.type = "cut": to = ["b"]',
    ]
    assert differences(one, one.replace('from = ["b"]\n', "")) == ['- [[rule]] when.type = "cut": from = ["b"]']
    marked = one.replace('to = ["a"]', '# doubtful: it could be\n#   a as well\nto = ["b"]')
    assert differences(one, marked) == []
    assert Line('[[rule]] when.type = "cut"', 'to = ["b"]', True) in lines_of(marked)


# ---------------------------------------------------------------------------------------------- servers that wrap


@pytest.mark.parametrize("name", ["venue", "arrays", "phoenix", "socket", "texts"])
def test_a_server_that_wraps_its_objects_is_drafted_right(tmp_path: Path, name: str) -> None:
    """Found in the frames, read by the draft: every row in its true state."""
    made = shoot(None, 7, length_s=60)
    spoken = frames_of(tmp_path / "plain.jsonl", name, 7, length_s=60)
    path = write(tmp_path / "wrapped.jsonl", name, spoken)
    text = draft(path)
    wrapped: dict[str, dict[str, Any]] = {
        "venue": {},
        "arrays": {"array": ("type", "data")},
        "phoenix": {"array": ("place0", "place1", "place2", "type", "data"), "type_place": 3},
        "socket": {"array": ("type", "data"), "prefix": "socket.io"},
        "texts": {"json_text": True},
    }
    wraps = parse_mapping(text, "drafted.toml").wraps
    assert {key: getattr(wraps, key) for key in wrapped[name]} == wrapped[name]
    for number, word in MANUAL.items():
        text = text.replace(number, word)
    result = scored(path, made, text)
    assert result.perfect, result.explain()


def test_several_objects_in_one_frame_are_found(tmp_path: Path) -> None:
    """In two frames or more; one may be an accident."""

    def drafted(*texts: str) -> str:
        lines = [{"t": at, "wall": "2026-11-18T12:00:00Z", "data": text} for at, text in enumerate(texts)]
        path = tmp_path / "several.jsonl"
        path.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
        return draft(path)

    one = '{"type":"a","x":1}'
    assert "several =" not in drafted(*[one] * 9, one + one)
    assert "several = true" in drafted(*[one] * 9, one + one, f"{one}\n{one}")


# ---------------------------------------------------------------------------------------------- what is told


def _tape(path: Path, *frames: Any) -> Path:
    lines = [
        {"t": at, "wall": f"2026-11-18T12:00:{at % 60:02d}Z", "data": orjson.dumps(one).decode()}
        for at, one in enumerate(frames)
    ]
    path.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    return path


def _cuts(count: int) -> list[dict[str, Any]]:
    cameras = [{"id": "cam-1", "name": "One"}, {"id": "cam-2", "name": "Two"}]
    said: list[dict[str, Any]] = []
    for at in range(count):
        one, other = ("cam-1", "cam-2") if at % 2 else ("cam-2", "cam-1")
        said += [
            {"type": "cut", "live": one, "was": other, "key": f"k{at}"},
            {"type": "state", "live": one, "cameras": cameras},
        ]
    return said


def test_what_was_left_out_is_told_with_how_often_and_an_example(tmp_path: Path) -> None:
    odd = [{"type": "cut", "live": ["c1"]}, {"type": "cut", "live": ["c2"], "was": "c1", "key": "x"}, {"type": "cut"}]
    path = _tape(tmp_path / "odd.jsonl", *_cuts(60), *odd)
    report = Inspection([path], dialect="multicam/1").report()
    told = {one.why: (one.type, one.count, one.example) for one in report.left_out}
    assert told == {
        "live is a list, and a text elsewhere": ("cut", 2, '{"type":"cut","live":["c1"]}'),
        "it lacks live, was, key, which the others have": ("cut", 1, '{"type":"cut"}'),
    }
    assert {one.name: one.count for one in report.types} == {"cut": 63, "state": 60}
    runner = CliRunner()
    shown = runner.invoke(cli, ["inspect", str(path)]).stdout
    assert "2 frames of cut ignored: live is a list, and a text elsewhere: {" in shown
    said = runner.invoke(cli, ["inspect", str(path), "--suggest"])
    assert "3 odd frames were ignored" in said.stderr
    assert orjson.loads(runner.invoke(cli, ["inspect", str(path), "--json"]).stdout)["leftOut"][0]["count"] == 2
    clean = runner.invoke(cli, ["inspect", str(_tape(tmp_path / "odd.jsonl", *_cuts(60))), "--suggest"])
    assert "left out" not in clean.stderr
    assert clean.stdout == said.stdout


def test_secrets_do_not_show_in_what_was_left_out(tmp_path: Path) -> None:
    path = _tape(tmp_path / "odd.jsonl", *_cuts(20), {"type": "cut", "live": ["c1"], "token": "s3cret-word"})
    (odd,) = Inspection([path], dialect="multicam/1").report().left_out
    assert "s3cret" not in odd.example


@pytest.mark.parametrize("value", [None, 0, "", {}, [], False, "none"])
def test_what_a_server_may_write_for_none_is_not_odd(tmp_path: Path, value: Any) -> None:
    path = _tape(tmp_path / "none.jsonl", *_cuts(30), {"type": "cut", "live": value, "was": "c1", "key": "x"})
    assert Inspection([path], dialect="multicam/1").report().left_out == []


def test_of_few_frames_none_is_odd(tmp_path: Path) -> None:
    """One of three may be as right as the two others."""
    odd = {"type": "cut", "live": ["c1"], "was": "c1", "key": "x"}
    assert Inspection([_tape(tmp_path / "a.jsonl", *_cuts(2), odd)], dialect="multicam/1").report().left_out == []
    assert len(Inspection([_tape(tmp_path / "b.jsonl", *_cuts(3), odd)], dialect="multicam/1").report().left_out) == 1


@pytest.mark.parametrize(
    ("good", "every", "holds"),
    [(95, 100, True), (94, 100, False), (19, 20, True), (18, 20, False), (3, 4, True), (2, 3, False), (1, 1, True),
     (0, 0, False), (0, 1, False), (1, 2, False), (40, 40, True), (38, 40, True), (37, 40, False)],
)  # fmt: skip
def test_what_nearly_all_means(good: int, every: int, holds: bool) -> None:
    """95 of 100, or all but one of a few."""
    assert nearly(good, every) == holds


# ---------------------------------------------------------------------------------------------- to and from


def _drafted_cut(path: Path) -> list[Line]:
    return [line for line in lines_of(draft(path)) if "cut" in line.of and line.text.startswith(("to", "from"))]


def test_which_of_two_cameras_a_cut_goes_to_is_what_the_states_show(tmp_path: Path) -> None:
    """Whatever they are called; a name that says otherwise makes it doubtful."""
    for names, doubtful in ((("x", "y"), False), (("previous", "next"), True), (("live", "was"), False)):
        frames = _cuts(20)
        for frame in frames:
            if frame["type"] == "cut":
                frame[names[0]], frame[names[1]] = frame.pop("live"), frame.pop("was")
        lines = _drafted_cut(_tape(tmp_path / "cut.jsonl", *frames))
        assert [line.text for line in lines] == [f'to = ["{names[0]}"]', f'from = ["{names[1]}"]'], names
        assert [line.doubtful for line in lines] == [doubtful, doubtful], names


def test_where_few_states_tell_both_are_doubtful(tmp_path: Path) -> None:
    """They could be the other way round."""
    frames = _cuts(3)[1:4] + [frame for frame in _cuts(20) if frame["type"] == "cut"]
    for frame in frames:
        if frame["type"] == "cut":
            frame["x"], frame["y"] = frame.pop("live"), frame.pop("was")
    lines = _drafted_cut(_tape(tmp_path / "cut.jsonl", *frames))
    assert {line.text.partition(" ")[0] for line in lines} == {"to", "from"}
    assert all(line.doubtful for line in lines)


def test_the_tapes_of_the_case(tmp_path: Path) -> None:
    """A malformed cut and a malformed still beside a shoot: the same draft, and no line is doubtful."""
    spoken = frames_of(tmp_path / "clean.jsonl", "venue", 5, length_s=60)
    clean = draft(write(tmp_path / "clean.jsonl", "venue", spoken))
    at = next(index for index, one in enumerate(spoken) if one.frame and one.frame["event"] == "cut")
    bad = [
        Spoken(spoken[at].line, {"event": "cut", "data": {"liveSource": ["a"]}}),
        Spoken(spoken[at].line, {"event": "still_uploaded", "data": {"photoId": {}}}),
    ]
    spoiled = draft(write(tmp_path / "clean.jsonl", "venue", [*spoken[:at], *bad, *spoken[at:]]))
    assert spoiled == clean
    assert "doubtful:" not in clean
