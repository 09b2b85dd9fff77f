"""`multicam-tap inspect`: what a server says, from a tape or live, in bounded memory and harmless on a terminal."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result

from tap.adapters.dialects import load_dialect
from tap.cli import cli
from tap.core.model import Frame, Stamp
from tap.rehearsal.inspect.envelope import find_envelope
from tap.rehearsal.inspect.survey import Survey, clock_of
from tap.rehearsal.simulator import serve
from tests.rehearsal.inspect.places import shoot, tape

FIXTURES = Path(__file__).parents[3] / "fixtures"
WALL = 1_795_000_000_000


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["inspect", *map(str, arguments)])


def found(*arguments: str | Path) -> Any:
    done = run(*arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def said(path: Path, *frames: Any, binary: bool = False) -> Path:
    """A tape of these frames, a second apart."""
    key = "data64" if binary else "data"
    lines = [
        {
            "t": number,
            "wall": "2026-11-18T12:00:00Z",
            key: frame if isinstance(frame, str) else orjson.dumps(frame).decode(),
        }
        for number, frame in enumerate(frames)
    ]
    path.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    return path


# ---------------------------------------------------------------------------------------------- what is found


@pytest.mark.parametrize(
    ("style", "envelope"),
    [
        ("nested", {"type": "meta.eventType", "body": "payload.data", "time": "meta.emittedAt (iso)",
                    "seq": "meta.sequenceNumber"}),
        ("numeric", {"type": "k", "batch": "m", "time": "t (s)"}),
        ("snapshots", {"type": "none: frames are recognized by their keys", "time": "clock (ms)", "seq": "revision"}),
    ],
)  # fmt: skip
def test_how_the_frames_are_wrapped(style: str, envelope: dict[str, str]) -> None:
    assert found(FIXTURES / "styles" / style / "a-shoot-with-faults.tape.jsonl")["envelope"] == envelope


def test_types_are_counted_and_shown_with_what_the_dialect_makes_of_them() -> None:
    report = found(FIXTURES / "multicam-1" / "a-plain-shoot.tape.jsonl")
    types = {one["name"]: one for one in report["types"]}
    assert report["known"] == 1.0
    assert (types["cut"]["dialect"], types["cut"]["says"], types["cut"]["looksLike"]) == ("mapped", ["Cut"], "cut")
    assert (types["pending_cut"]["dialect"], types["state"]["says"]) == ("quiet", ["Snapshot"])
    assert types["state"]["count"] == 45
    assert types["state"]["perSecond"] == pytest.approx(45 / report["seconds"])
    assert json.loads(types["cut"]["sample"])["type"] == "cut"
    assert types["state"]["bytes"] <= types["state"]["biggest"]


def test_another_dialect_makes_something_else_of_it() -> None:
    """Chosen by hand, by name or by file; unknown types and incomplete ones are told as such."""
    path = FIXTURES / "styles" / "numeric" / "a-plain-shoot.tape.jsonl"
    assert found(path)["known"] == 0.0
    report = found(path, "--dialect", FIXTURES / "styles" / "numeric" / "mapping.toml")
    assert report["known"] == 1.0
    assert {one["name"]: one["dialect"] for one in report["types"]}["POSE"] == "ignored"


def test_fields_are_known_by_their_behaviour() -> None:
    fields = found(FIXTURES / "styles" / "numeric" / "a-shoot-with-faults.tape.jsonl")["fields"]
    looks = {(one["type"], one["path"]): one["looksLike"] for one in fields}
    assert looks["FULL", "pgm"] in {"program", "camera id"}
    assert looks["PGM", "c"] == "camera id"
    assert looks["JOB_OFF", "no"] == "session id"
    assert looks["PIC_GOT", "shot"] == "time (s)"
    assert looks["PIC_GOT", "pic"] == "still id"
    assert looks["FULL", "lock"] in {"hold", "flag"}
    assert all(0 < one["sure"] <= 1 and one["why"] for one in fields)


def test_the_number_of_a_still_is_not_taken_for_the_session_s(tmp_path: Path) -> None:
    """A type with few values has only such by chance as the session has too; its name says what they are."""
    fields = found(tape(tmp_path / "tape.jsonl", shoot("numeric", 1, length_s=400)))["fields"]
    looks = {one["type"]: one["looksLike"] for one in fields if one["path"] == "pic"}
    assert looks == dict.fromkeys(("PIC_ASK", "PIC_GOT", "PIC_ERR", "PIC_SAVED"), "still id")


@pytest.mark.parametrize("name", ["a-plain-shoot", "a-shoot-with-faults"])
def test_small_numbers_are_not_all_ids_of_cameras(name: str) -> None:
    """Where cameras are 1, 2 and 3, so is much else: it is only told for sure where the name says the same."""
    fields = found(FIXTURES / "styles" / "numeric" / f"{name}.tape.jsonl")["fields"]
    cameras = {(one["type"], one["path"]): one for one in fields if one["looksLike"] == "camera id"}
    sure = {place for place, one in cameras.items() if one["sure"] > 0.5}
    assert {path for _, path in sure} <= {"c", "cams[].c"}
    assert ("PGM", "c") in sure
    assert ("PGM", "was") in cameras
    assert not {("MODE", "md"), ("CAM_ON", "up"), ("FULL", "md"), ("FULL", "cams[].up")} & cameras.keys()
    assert all("may be anything" in one["why"] for place, one in cameras.items() if place not in sure)
    sessions = {one["path"] for one in fields if one["looksLike"] == "session id" and one["sure"] > 0.5}
    assert sessions <= {"no", "job", "job.no"}


def test_a_field_of_the_state_is_told_once() -> None:
    """By what it is taken for, and not again by what its values look like."""
    for style in ("numeric", "nested", "snapshots"):
        fields = found(FIXTURES / "styles" / style / "a-plain-shoot.tape.jsonl")["fields"]
        places = [(one["type"], one["path"]) for one in fields]
        assert len(places) == len(set(places)), style


@pytest.mark.parametrize(
    ("value", "unit"),
    [(WALL, "ms"), (WALL / 1000, "s"), (WALL * 1000, "us"), (WALL * 10**6, "ns"), ("2026-11-18T11:06:40Z", "iso"),
     (5, None), (True, None), ("12:00", None), (None, None), (1e300, None)],
)  # fmt: skip
def test_times_and_their_units(value: Any, unit: str | None) -> None:
    clock = clock_of(value)
    assert (clock and clock[1]) == unit
    assert clock is None or clock[0] == WALL


# ---------------------------------------------------------------------------------------------- what cannot be read


def test_binary_frames_are_refused_clearly(tmp_path: Path) -> None:
    """Counted, with what to do; an OBS client that asked for msgpack leaves such a tape."""
    path = said(tmp_path / "b.jsonl", "gqJvcAWhZIA=", "gqJvcAWhZIA=", binary=True)
    report = found(path)
    assert (report["frames"], report["binary"], report["types"]) == (2, 2, [])
    shown = run(path).stdout
    assert "2 frames cannot be read: binary frame, probably msgpack" in shown
    assert "without the msgpack subprotocol" in shown
    replayed = CliRunner().invoke(cli, ["replay", str(path)])
    assert "2 frames could not be read" in replayed.stderr


def test_rubbish_beside_good_frames(tmp_path: Path) -> None:
    path = said(tmp_path / "r.jsonl", '{"type":', "42", '"cut"', "null", {"type": "cut", "to": "c1"}, "[]", "[[[]]]")
    report = found(path)
    assert (report["frames"], report["unreadable"]) == (7, 4)
    assert [one["name"] for one in report["types"]] == ["cut"]


@pytest.mark.parametrize("content", [b"", b"hello\n", b'{"tape":1,"startedAt":"2026-11-18T12:00:00Z"}\n'])
def test_what_is_no_tape_or_empty(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "no.jsonl"
    path.write_bytes(content)
    done = run(path)
    assert done.exit_code == 1
    assert "no.jsonl" in done.stderr
    assert "→" in done.stderr
    assert "Traceback" not in done.output


def test_a_torn_tape_is_told(tmp_path: Path) -> None:
    path = tape(tmp_path / "t.jsonl", shoot("nested", 1, length_s=20))
    path.write_bytes(path.read_bytes()[:-40])
    assert any("torn" in remark for remark in found(path)["remarks"])


# ---------------------------------------------------------------------------------------------- what is shown


def test_the_terminal_is_not_harmed(tmp_path: Path) -> None:
    """Control and bidi characters of types, keys and values are spelt out, here and in a draft."""
    evil = "\x1b[2J\u202e\x07"
    frames = [{"type": f"t{evil}", f"k{evil}": {"id": evil}, "n": number} for number in range(4)]
    path = said(tmp_path / "evil.jsonl", *frames, {"type": "other"})
    for more in ([], ["--json"], ["--suggest"], ["--try", "multicam/1"]):
        done = run(path, *more)
        assert done.exit_code == 0
        assert not set(done.stdout) & {"\x1b", "\u202e", "\x07"}


def test_samples_hold_no_secrets(tmp_path: Path) -> None:
    path = said(tmp_path / "s.jsonl", {"type": "hello", "token": "tk-1234567", "url": "https://u:pw1@h/x?sig=abcdef"})
    for more in ([], ["--json"], ["--suggest"]):
        shown = run(path, *more).stdout
        assert not re.search(r"tk-1234567|pw1|abcdef", shown)


def test_where_the_result_goes(tmp_path: Path) -> None:
    """To stdout, or into a file that was not there."""
    path = FIXTURES / "styles" / "snapshots" / "a-plain-shoot.tape.jsonl"
    out = tmp_path / "mine.toml"
    done = run(path, "--suggest", "-o", out)
    assert (done.exit_code, done.stdout) == (0, "")
    assert "doubtful" in done.stderr
    assert load_dialect(str(out)).name == "my-server/1"
    again = run(path, "--suggest", "-o", out)
    assert again.exit_code == 1
    assert "--force" in again.stderr
    assert run(path, "--suggest", "-o", out, "--force").exit_code == 0
    assert out.read_text("utf-8") == run(path, "--suggest").stdout


def test_try_shows_the_entries_beside_todays() -> None:
    folder = FIXTURES / "styles" / "nested"
    path = folder / "a-plain-shoot.tape.jsonl"
    shown = run(path, "--try", folder / "mapping.toml").stdout
    assert re.search(r"cut +0 +\d\d", shown)
    assert re.search(r"could not be used +\d+ +0", shown)
    assert "only by nested/1" in shown
    same = found(path, "--dialect", folder / "mapping.toml", "--try", folder / "mapping.toml")
    assert same["only"] == [[], []]
    assert same["both"] > 20


def test_a_mapping_with_a_mistake_is_told(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text('dialect = "x"\n[[rule]]\nwhen.type = "a"\nemit = "cutt"\n')
    done = run(FIXTURES / "multicam-1" / "a-plain-shoot.tape.jsonl", "--try", path)
    assert done.exit_code == 1
    assert "bad.toml:2: rule 1: emit" in done.stderr


# ---------------------------------------------------------------------------------------------- live, and large


@contextmanager
def playing(style: str) -> Iterator[str]:
    """A server that plays a shoot in another thread, as fast as it is heard."""
    ready: list[Any] = []
    there = threading.Event()

    async def body() -> None:
        async with serve(shoot(style, 3, length_s=20), speed=8) as (rehearsal, port):
            ready.extend([asyncio.get_running_loop(), asyncio.ensure_future(rehearsal.play()), port])
            there.set()
            await asyncio.wait([ready[1]])

    thread = threading.Thread(target=lambda: asyncio.run(body()))
    thread.start()
    assert there.wait(300)
    try:
        yield f"ws://127.0.0.1:{ready[2]}/ws/control"
    finally:
        ready[0].call_soon_threadsafe(ready[1].cancel)
        thread.join(300)


def test_a_live_server_is_listened_to() -> None:
    """For --seconds; the address stands where a tape's name would, without its secrets."""
    with playing("nested") as url:
        report = found(f"{url}?token=tk-1234567", "--seconds", "4")
    assert report["source"] == url
    assert report["frames"] > 3
    assert "stageStatus" in {one["name"] for one in report["types"]}


def test_a_server_that_is_not_there() -> None:
    done = run("ws://127.0.0.1:1/", "--seconds", "0.5")
    assert done.exit_code == 1
    assert "nothing was received" in done.stderr
    assert "→" in done.stderr


def test_memory_stays_bounded_whatever_is_said() -> None:
    """New types, keys and values without end."""
    dialect = load_dialect("multicam/1")
    survey = Survey(find_envelope([{"type": f"t{n % 7}", f"k{n % 7}": 1} for n in range(100)]), dialect)

    def feed(numbers: range) -> int:
        for n in numbers:
            frame = {
                "type": f"t{n}" if n % 2 else "same",
                f"k{n}": f"value {n}" * 20,
                "deep": {f"d{n}": [n] * 50},
                "v": n,
            }
            survey.feed(Frame(orjson.dumps(frame), Stamp(WALL + n, n), 1, n), frame)
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        early = feed(range(2_000))
        late = feed(range(2_000, 6_000))
    finally:
        tracemalloc.stop()
    assert survey.objects == 6_000
    assert len(survey.kinds) <= 301
    assert late - early < 500_000
