"""The command line: what it prints where, how it ends, and that what a tape gives depends on the tape alone."""

from __future__ import annotations

import gzip
import json
import os
import pty
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tap.adapters.journal import Journal
from tap.cli import cli, tapes
from tap.rehearsal.score import score
from tap.rehearsal.shoot_files import write_shoot
from tap.rehearsal.simulator import SimulatorOptions
from tap.rehearsal.truth import read_truth
from tap.service.tools.record import Recorded

T0 = 1_795_000_000_000
HOSTILE = "\x1b[2Jevil\u202e\u009b31m"


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith("TAP_")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)


@pytest.fixture(scope="session")
def shoot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tape of a whole shoot, with its truth beside it."""
    folder = tmp_path_factory.mktemp("shoot")
    faults = ("told_thrice", "reconnect", "still_disorder", "garbage")
    write_shoot(
        SimulatorOptions(seed=3, length_s=40, faults=faults, tape=folder / "tape.jsonl", truth=folder / "truth.jsonl")
    )
    return folder / "tape.jsonl"


def call(*arguments: object, env: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments], env=env)


def process(*arguments: object, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[bytes]:
    """The command in a process of its own."""
    command = [sys.executable, "-m", "tap.cli", *(str(argument) for argument in arguments)]
    return subprocess.run(command, capture_output=True, env=os.environ | (env or {}), timeout=300, check=False)


def frames(*objects: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"t": index, "dir": "in", "data": json.dumps(said)} for index, said in enumerate(objects)]


def tape_of(path: Path, *lines: dict[str, Any], header: dict[str, Any] | None = None) -> Path:
    first = {"tape": 1, "startedAt": "2026-11-22T20:00:00Z", **(header or {})}
    path.write_text("".join(f"{json.dumps(line)}\n" for line in (first, *lines)))
    return path


def small(path: Path, camera: str = "Anna", header: dict[str, Any] | None = None) -> Path:
    """A session with one camera on air, and a cut to another."""
    session = {"id": "s1", "title": "Evening", "started_at": T0 + 1000}
    cameras = [{"id": "a", "name": camera, "online": True}, {"id": "b", "name": "Ben", "online": True}]
    state = {"type": "state", "ts": T0, "mode": "photoshoot", "session": None, "program": "a", "cameras": cameras}
    return tape_of(
        path,
        *frames(
            {"type": "hello", "ts": T0, "boot_id": "b1"},
            state,
            {"type": "session_started", "ts": T0 + 1000, "session": session},
            {"type": "cut", "ts": T0 + 2000, "to": "b", "from": "a", "trigger": "operator"},
            {"type": "session_ended", "ts": T0 + 5000, "session_id": "s1"},
        ),
        header=header,
    )


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state directory with one session in its journal."""
    folder = tmp_path / "state"
    done = call("replay", small(tmp_path / "small.jsonl"), "--to-journal", "--state-dir", folder)
    assert done.exit_code == 0
    return folder


# ---------------------------------------------------------------------------------------------- replay


def test_replay_prints_entries_and_nothing_else(shoot: Path) -> None:
    done = process("replay", shoot, "--json")
    assert done.returncode == 0
    for line in done.stdout.splitlines():
        entry = json.loads(line)
        assert list(entry)[:4] == ["key", "op", "sessionKey", "version"]
        assert b" " not in re.sub(rb'"(?:[^"\\]|\\.)*"', b"", line), "compact"
        assert "null" not in re.sub(r'"(?:[^"\\]|\\.)*"', "", line.decode())


def test_what_replay_prints_is_the_truth(shoot: Path) -> None:
    done = process("replay", shoot, "--json")
    truth = read_truth(shoot.with_name("truth.jsonl").read_text().splitlines())
    result = score(truth, [json.loads(line) for line in done.stdout.splitlines()])
    assert result.perfect, result.explain()


def test_bad_frames_are_counted_on_stderr_and_the_exit_code_is_still_0(shoot: Path) -> None:
    done = process("replay", shoot, "--json")
    told = done.stderr.decode().splitlines()
    assert any(re.fullmatch(r"\d+ frames could not be read; the first: .+", line) for line in told), told
    assert any(re.fullmatch(r"\d+ frames? had a type that the dialect does not know; .*", line) for line in told), told


def test_a_tape_gives_the_same_bytes_whatever_the_environment_says(shoot: Path, tmp_path: Path) -> None:
    elsewhere = {
        "TAP_DIALECT": "nonsense",
        "TAP_TIMEZONE": "Not/AZone",
        "TAP_VENUE": "elsewhere",
        "TAP_STATE_DIR": str(tmp_path / "missing"),
        "TAP_GRACE_SECONDS": "x",
        "TZ": "Asia/Tokyo",
        "LC_ALL": "C",
        "PYTHONHASHSEED": "7",
        "COLUMNS": "20",
    }
    for form in ((), ("--json",)):
        here, there = process("replay", shoot, *form), process("replay", shoot, *form, env=elsewhere)
        assert there.stdout == here.stdout
        assert there.returncode == 0


def test_a_prefix_of_a_tape_gives_a_prefix_of_the_entries(shoot: Path, tmp_path: Path) -> None:
    whole = call("replay", shoot, "--json").stdout_bytes
    lines = shoot.read_bytes().splitlines(keepends=True)
    for part in (1, len(lines) // 3, len(lines) // 2, len(lines) - 1):
        prefix = tmp_path / "prefix.jsonl"
        prefix.write_bytes(b"".join(lines[:part]) + lines[part][: len(lines[part]) // 2])
        done = call("replay", prefix, "--json")
        assert done.exit_code == 0
        assert whole.startswith(done.stdout_bytes)
        assert f"{prefix}: its end is incomplete" in done.stderr


def test_a_packed_tape_gives_the_same(shoot: Path, tmp_path: Path) -> None:
    packed = tmp_path / "tape.jsonl.gz"
    packed.write_bytes(gzip.compress(shoot.read_bytes()))
    assert call("replay", packed, "--json").stdout_bytes == call("replay", shoot, "--json").stdout_bytes


def test_several_tapes_are_one_history(tmp_path: Path) -> None:
    """The second goes on where the first stopped: the session is not started twice."""
    header = {"tape": 1, "startedAt": "2026-11-22T20:00:00Z", "venue": "hall", "tap": "t1"}
    whole = small(tmp_path / "whole.jsonl", header=header).read_text().splitlines(keepends=True)
    first, second = tmp_path / "1.jsonl", tmp_path / "2.jsonl"
    first.write_text("".join(whole[:5]))
    second.write_text(json.dumps({**header, "continues": True}) + "\n" + "".join(whole[5:]))
    both = call("replay", first, second, "--json")
    assert both.exit_code == 0
    assert both.stdout_bytes == call("replay", tmp_path / "whole.jsonl", "--json").stdout_bytes


@pytest.mark.parametrize(
    ("header", "environment", "venue"),
    [
        ({}, {}, "local"),
        ({}, {"TAP_VENUE": "hall-b"}, "hall-b"),
        ({}, {"TAP_VENUE": ""}, "local"),
        ({"venue": "hall-a"}, {"TAP_VENUE": "hall-b"}, "hall-a"),
        ({"venue": "hall-a"}, {"TAP_VENUE": " bad "}, "hall-a"),
    ],
)
def test_the_venue_is_that_of_the_tape_else_of_the_environment(
    tmp_path: Path, header: dict[str, Any], environment: dict[str, str], venue: str
) -> None:
    done = call("replay", small(tmp_path / "t.jsonl", header=header), "--json", env=environment)
    assert {json.loads(line)["sessionKey"] for line in done.stdout.splitlines()} == {f"{venue}/s1"}


def test_a_venue_that_cannot_be_is_a_wrong_setting_where_the_tape_needs_it(tmp_path: Path) -> None:
    done = call("replay", small(tmp_path / "t.jsonl"), "--json", env={"TAP_VENUE": " bad "})
    assert done.exit_code == 78
    assert done.stderr.startswith("TAP_VENUE: ")
    assert not done.stdout


def test_a_tape_of_a_dialect_that_is_not_here_says_what_to_do(tmp_path: Path) -> None:
    done = call("replay", small(tmp_path / "t.jsonl", header={"dialect": "hall/7"}))
    assert done.exit_code == 1
    assert done.stderr == (
        "hall/7: the tape was recorded with this dialect, which does not exist here"
        " → give its mapping file, or another dialect, with --dialect\n"
    )
    assert call("replay", tmp_path / "t.jsonl", "--dialect", "multicam/1").exit_code == 0


def test_a_mapping_file_can_stand_in_for_the_dialect(tmp_path: Path) -> None:
    mapping = tmp_path / "mine.toml"
    mapping.write_text(
        'dialect = "mine/1"\nlanguage = 1\n[frame]\ntype = ["type"]\n'
        '[session]\nid = ["id"]\n'
        '[[rule]]\nwhen.type = "session_started"\nemit = "session_started"\nsession = ["session"]\n'
    )
    done = call("replay", small(tmp_path / "t.jsonl"), "--json", "--dialect", mapping)
    assert [json.loads(line)["op"] for line in done.stdout.splitlines()] == ["session"]
    mapping.write_text('dialect = "mine/1"\nlanguage = 1\n[[rule]]\nemit = "cot"\n')
    wrong = call("replay", tmp_path / "t.jsonl", "--dialect", mapping)
    assert wrong.exit_code == 1
    assert str(mapping) in wrong.stderr
    assert len(wrong.stderr.splitlines()) == 1


@pytest.mark.parametrize("content", [b"", b"hello\n", b'{"a":1}\n', b"\x00\xff" * 50, b"[1]\n"])
def test_what_is_no_tape_is_told_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "no-tape"
    path.write_bytes(content)
    done = call("replay", path, "--json")
    assert done.exit_code == 1
    assert not done.stdout
    assert len(done.stderr.splitlines()) == 1
    assert str(path) in done.stderr
    assert "→" in done.stderr


def test_a_bad_line_beside_good_ones_costs_only_itself(tmp_path: Path) -> None:
    good = small(tmp_path / "good.jsonl").read_text().splitlines(keepends=True)
    bad = tmp_path / "bad.jsonl"
    bad.write_text("".join([*good[:3], "no JSON at all\n", *good[3:]]))
    done = call("replay", bad, "--json")
    assert done.exit_code == 0
    assert done.stdout_bytes == call("replay", tmp_path / "good.jsonl", "--json").stdout_bytes
    assert done.stderr.startswith(f"1 line could not be read; the first: {bad}:4: ")


def test_a_reader_who_has_enough_is_no_error(shoot: Path) -> None:
    command = f"set -o pipefail; {sys.executable} -m tap.cli replay {shoot} {shoot} {shoot} --json | head -c 100"
    done = subprocess.run(["bash", "-c", command], capture_output=True, timeout=300, check=False)
    assert len(done.stdout) == 100
    assert not done.stderr
    assert done.returncode == 0


def test_without_json_an_entry_is_a_line_that_a_person_reads(tmp_path: Path) -> None:
    done = call("replay", small(tmp_path / "t.jsonl"))
    assert "2026-11-18T11:06:42.000Z  event    cut            Anna → Ben  operator  [local/s1]" in done.stdout


def test_entries_for_a_person_are_harmless(tmp_path: Path) -> None:
    done = call("replay", small(tmp_path / "t.jsonl", camera=HOSTILE))
    assert "\\x1b[2Jevil\\u202e\\x9b31m" in done.stdout
    assert not {"\x1b", "\u202e", "\u009b"} & set(done.stdout)


def test_json_on_a_terminal_is_harmless_and_means_the_same(tmp_path: Path) -> None:
    tape = small(tmp_path / "t.jsonl", camera=HOSTILE)
    shown = on_a_terminal("replay", tape, "--json")
    assert not {"\x1b", "\u202e", "\u009b"} & set(shown)
    piped = process("replay", tape, "--json").stdout.decode()
    assert [json.loads(line) for line in shown.splitlines()] == [json.loads(line) for line in piped.splitlines()]


def on_a_terminal(*arguments: object) -> str:
    """What a command shows on a terminal."""
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "tap.cli", *(str(argument) for argument in arguments)]
    child = subprocess.Popen(command, stdout=slave, stderr=subprocess.DEVNULL, stdin=slave)
    os.close(slave)
    shown = b""
    try:
        while part := os.read(master, 65_536):
            shown += part
    except OSError:
        pass  # how a terminal ends whose last user has gone
    finally:
        os.close(master)
        child.wait(300)
    return shown.decode()


def test_what_is_replayed_into_a_journal_twice_is_kept_once(state: Path, tmp_path: Path) -> None:
    again = call("replay", tmp_path / "small.jsonl", "--json", "--to-journal", "--state-dir", state)
    lines = again.stdout.splitlines()
    assert lines
    assert again.stderr == f"{len(lines)} entries, 0 of them new to the journal\n"
    with Journal.open(state / "journal.db", readonly=True) as journal:
        assert sum(journal.counts().values()) == len(lines)
        assert journal.checkpoint() is None


def test_replay_goes_on_into_the_journal_when_nobody_reads_any_more(shoot: Path, tmp_path: Path) -> None:
    command = f"{sys.executable} -m tap.cli replay {shoot} --json --to-journal --state-dir {tmp_path} | head -c 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, timeout=300, check=False)
    total = len(call("replay", shoot, "--json").stdout.splitlines())
    assert f"{total} entries, {total} of them new" in done.stderr.decode()


# ---------------------------------------------------------------------------------------------- what is kept


def test_sessions_are_listed_newest_first(tmp_path: Path) -> None:
    later = tmp_path / "later.jsonl"
    later.write_text(small(tmp_path / "t.jsonl").read_text().replace("1795000", "1795990").replace("s1", "s2"))
    for tape, venue in ((tmp_path / "t.jsonl", "a"), (later, "b")):
        call("replay", tape, "--to-journal", "--state-dir", tmp_path, env={"TAP_VENUE": venue})
    listed = call("sessions", "--json", "--state-dir", tmp_path)
    rows = [json.loads(line) for line in listed.stdout.splitlines()]
    assert [(row["sessionKey"], row["venue"], row["status"]) for row in rows] == [
        ("b/s2", "b", "complete"),
        ("a/s1", "a", "complete"),
    ]
    of_one = call("sessions", "--venue", "a", "--state-dir", tmp_path)
    assert [line.split()[1:3] for line in of_one.stdout.splitlines()] == [["complete", "a/s1"]]
    assert (
        call("sessions", "--venue", "nowhere", "--state-dir", tmp_path).stdout == "no session is saved that matches\n"
    )


def test_the_state_directory_is_that_of_the_settings(state: Path) -> None:
    """Only this setting counts: what the service alone needs does not stop who only looks."""
    for environment in (
        {"TAP_STATE_DIR": str(state), "TAP_CONVEX_URL": "nonsense", "TAP_VENUE": " bad "},
        {"STATE_DIRECTORY": str(state)},
    ):
        done = call("sessions", env=environment)
        assert done.exit_code == 0, done.output
        assert "local/s1" in done.stdout


def test_timeline_shows_a_session(state: Path) -> None:
    done = call("timeline", "local/s1", "--state-dir", state, env={"TAP_TIMEZONE": "Europe/Berlin", "COLUMNS": "80"})
    assert done.exit_code == 0
    assert done.stdout.startswith("Evening\nlocal/s1 · complete\n2026-11-18 12:06:41 to 12:06:45 CET · 4.0 s\n")
    assert "\x1b" not in done.stdout


def test_timeline_as_json_is_one_object(state: Path) -> None:
    done = call("timeline", "local/s1", "--json", "--state-dir", state, env={"TAP_TIMEZONE": "nonsense"})
    said = json.loads(done.stdout)
    assert {lane["name"]: lane["onAirMs"] for lane in said["lanes"]} == {"Anna": 1000, "Ben": 3000}


def test_timeline_on_a_terminal_has_colours_unless_nobody_wants_them(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    assert "\x1b[" in on_a_terminal("timeline", "local/s1", "--state-dir", state)
    monkeypatch.setenv("NO_COLOR", "1")
    plain = on_a_terminal("timeline", "local/s1", "--state-dir", state)
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", plain)


def test_a_time_zone_that_is_none_is_a_wrong_setting(state: Path) -> None:
    done = call("timeline", "local/s1", "--state-dir", state, env={"TAP_TIMEZONE": "nonsense"})
    assert done.exit_code == 78
    assert done.stderr.startswith("TAP_TIMEZONE: 'nonsense' is not a time zone")


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (("timeline", "local/other"), "no session has this key"),
        (("journal", "show", "99"), "there is no such entry"),
        (("journal", "show", "local/other"), "there is no such entry"),
    ],
)
def test_what_is_not_there_is_told_with_what_to_do(state: Path, command: tuple[str, ...], told: str) -> None:
    done = call(*command, "--state-dir", state)
    assert done.exit_code == 1
    assert f"{command[-1]}: {told} → see 'multicam-tap " in done.stderr


@pytest.mark.parametrize("command", [("sessions",), ("timeline", "k"), ("journal", "ls"), ("journal", "verify")])
def test_a_journal_that_is_not_there_is_told_in_one_line(tmp_path: Path, command: tuple[str, ...]) -> None:
    done = call(*command, "--state-dir", tmp_path)
    assert done.exit_code == 1
    assert len(done.stderr.splitlines()) == 1
    assert str(tmp_path / "journal.db") in done.stderr
    assert not list(tmp_path.iterdir())


def test_journal_ls_as_json_is_every_entry_in_order(state: Path, tmp_path: Path) -> None:
    kept = [json.loads(line) for line in call("journal", "ls", "--json", "--state-dir", state).stdout.splitlines()]
    replayed = call("replay", tmp_path / "small.jsonl", "--json").stdout.splitlines()
    assert [entry["seq"] for entry in kept] == list(range(1, len(replayed) + 1))
    assert {entry["state"] for entry in kept} == {"pending"}
    bare = [{name: value for name, value in entry.items() if name not in ("seq", "state")} for entry in kept]
    assert bare == [json.loads(line) for line in replayed]


def test_journal_ls_can_be_narrowed_down(state: Path) -> None:
    every = call("journal", "ls", "--state-dir", state).stdout.splitlines()
    few = call("journal", "ls", "--limit", "2", "--state-dir", state)
    assert few.stdout.splitlines() == every[-2:]
    assert few.stderr == f"the newest 2 of {len(every)}; --limit 0 shows all\n"
    assert call("journal", "ls", "--limit", "0", "--state-dir", state).stdout.splitlines() == every
    for nothing in (("--dead",), ("--session", "local/other")):
        done = call("journal", "ls", *nothing, "--state-dir", state)
        assert (done.exit_code, done.stdout, done.stderr) == (0, "", "no entry is saved that matches\n")
        done = call("journal", "ls", *nothing, "--json", "--state-dir", state)
        assert (done.exit_code, done.stdout, done.stderr) == (0, "", "")
    assert (
        call("journal", "ls", "--pending", "--session", "local/s1", "--state-dir", state).stdout.splitlines() == every
    )


def test_journal_show_takes_a_number_or_a_key(state: Path) -> None:
    first = json.loads(call("journal", "show", "1", "--state-dir", state).stdout)
    assert first["seq"] == 1
    versions = call("journal", "show", "local/s1", "--json", "--state-dir", state).stdout.splitlines()
    assert [json.loads(line)["fields"]["status"] for line in versions] == ["live", "complete"]


def test_journal_verify_tells_whether_the_file_is_whole(state: Path) -> None:
    whole = call("journal", "verify", "--state-dir", state)
    assert whole.exit_code == 0
    assert whole.stdout.startswith("whole: ")
    file = state / "journal.db"
    content = bytearray(file.read_bytes())
    content[4096 : 4096 * 3] = os.urandom(4096 * 2)
    file.write_bytes(content)
    broken = call("journal", "verify", "--json", "--state-dir", state)
    assert broken.exit_code == 1
    assert file.exists()


def test_journal_prune_deletes_what_the_ledger_has_and_nothing_else(state: Path) -> None:
    with Journal.open(state / "journal.db") as journal:
        journal.settle([(1, "shipped", None), (2, "dead", "no")], 1000)
    done = call("journal", "prune", "--older-than", "1", "--json", "--state-dir", state)
    assert json.loads(done.stdout) == {"pruned": 1}
    assert call("journal", "prune", "--state-dir", state).stdout == "0 entries deleted\n"
    with Journal.open(state / "journal.db") as journal:
        journal.settle([(3, "shipped", None)], 1000)
    assert call("journal", "prune", "--older-than", "1", "--state-dir", state).stdout == "1 entry deleted\n"


def test_journal_prune_of_no_age_at_all_leaves_nothing_that_the_ledger_has(state: Path) -> None:
    """Zero days are zero days, and not as many as are set."""
    with Journal.open(state / "journal.db") as journal:
        journal.settle([(1, "shipped", None), (2, "shipped", None)], time.time_ns() // 1_000_000 - 60_000)
    assert call("journal", "prune", "--state-dir", state).stdout == "0 entries deleted\n"
    assert call("journal", "prune", "--older-than", "0", "--state-dir", state).stdout == "2 entries deleted\n"


# ---------------------------------------------------------------------------------------------- the rest


@pytest.mark.parametrize(
    ("value", "code", "said"), [(None, 0, "on"), ("1", 0, "on"), ("", 0, "on"), ("0", 1, "off"), ("perhaps", 255, "")]
)
def test_enabled_answers_by_its_exit_code(value: str | None, code: int, said: str) -> None:
    environment = {"TAP_SERVER_URL": "nonsense"} | ({} if value is None else {"TAP_ENABLED": value})
    done = call("enabled", env=environment)
    assert (done.exit_code, done.stdout.strip()) == (code, said)


def test_every_wrong_setting_is_told_at_once() -> None:
    done = call("run", env={"TAP_VENUE": " x", "TAP_KEEP_DAYS": "0", "TAP_VENEU": "typo"})
    assert done.exit_code == 78
    assert sorted(line.partition(":")[0] for line in done.stderr.splitlines()) == [
        "TAP_KEEP_DAYS",
        "TAP_VENEU",
        "TAP_VENUE",
    ]


def test_a_venue_that_is_switched_off_ends_at_once(tmp_path: Path) -> None:
    done = process("run", env={"TAP_ENABLED": "0", "TAP_STATE_DIR": str(tmp_path)})
    assert done.returncode == 0
    assert b"switched off" in done.stderr


def test_of_a_venue_that_is_switched_off_nothing_else_has_to_be_right(tmp_path: Path) -> None:
    """Half of its settings may be missing yet; where the switch itself cannot be read, all that is wrong is told."""
    wrong = {"TAP_SERVER_URL": "nonsense", "TAP_KEEP_DAYS": "0", "TAP_STATE_DIR": str(tmp_path)}
    assert process("run", env={"TAP_ENABLED": "0"} | wrong).returncode == 0
    assert process("run", env={"TAP_ENABLED": "perhaps"} | wrong).returncode == 78
    assert process("run", env=wrong).returncode == 78


def test_the_version_is_told() -> None:
    assert re.fullmatch(r"multicam-tap, version \d+\.\d+\.\d+\n", call("--version").stdout)


def test_what_is_not_needed_is_not_imported() -> None:
    """The help and `enabled` start quickly."""
    heavy = ("rich", "orjson", "websockets", "sqlite3", "asyncio", "pydantic")
    program = f"import sys, tap.cli; print([name for name in {heavy} if name in sys.modules])"
    # Without coverage, which imports some of these itself.
    environ = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout.strip() == "[]"


def test_record_refuses_a_file_that_is_there(tmp_path: Path) -> None:
    tape = tmp_path / "tape.jsonl"
    tape.write_text("precious")
    done = call("record", "ws://127.0.0.1:9/x", "-o", tape, "--seconds", "0.1")
    assert done.exit_code == 1
    assert "the file already exists" in done.stderr
    assert tape.read_text() == "precious"


def test_record_says_when_nobody_was_there(tmp_path: Path) -> None:
    done = call("record", "ws://127.0.0.1:9/x", "-o", tmp_path / "tape.jsonl", "--seconds", "0.3")
    assert done.exit_code == 1
    assert "nothing was recorded" in done.stderr
    assert not (tmp_path / "tape.jsonl").exists(), "nothing is nothing to keep"


def test_record_says_once_in_a_pipe_that_there_is_no_connection(capsys: pytest.CaptureFixture[str]) -> None:
    shown: list[str] = []
    tell = tapes._told_of(shown.append, "ws://127.0.0.1:9/x")
    tell(Recorded(Path("t"), problem=None))
    for _ in range(3):
        tell(Recorded(Path("t"), problem="nothing listens there"))
    tell(Recorded(Path("t"), problem="dropped", connections=1))
    line = "ws://127.0.0.1:9/x: no connection: nothing listens there; it is tried again until Ctrl-C\n"
    assert (capsys.readouterr().err, len(shown)) == (line, 5)


def test_what_a_simulator_plays_can_be_recorded_and_replayed(tmp_path: Path) -> None:
    simulate = [sys.executable, "-m", "tap.cli", "simulate", "--length", "10", "--speed", "20", "--venue", "hall"]
    environment = os.environ | {"TAP_SERVER_URL": "ws://192.0.2.1/", "TAP_VENUE": " bad "}
    with subprocess.Popen(
        [*simulate, "--truth", str(tmp_path / "truth.jsonl")], stdout=subprocess.PIPE, text=True, env=environment
    ) as server:
        assert server.stdout is not None
        url = re.search(r"ws://\S+", server.stdout.readline())
        assert url is not None
        done = process("record", url.group(), "-o", tmp_path / "tape.gz", "--seconds", "3", env={"TAP_VENUE": "hall"})
        assert done.returncode == 0, done.stderr
        assert server.wait(300) == 0
    replayed = call("replay", tmp_path / "tape.gz", "--json")
    truth = read_truth((tmp_path / "truth.jsonl").read_text().splitlines())
    result = score(truth, [json.loads(line) for line in replayed.stdout.splitlines()])
    assert result.perfect, result.explain()


def test_simulate_writes_the_same_files_for_the_same_seed(tmp_path: Path) -> None:
    for name in ("1", "2"):
        files = ("--tape", tmp_path / f"tape{name}", "--truth", tmp_path / f"truth{name}")
        assert call("simulate", "--tape-only", "--length", "5", "--seed", "9", *files).exit_code == 0
    assert (tmp_path / "tape1").read_bytes() == (tmp_path / "tape2").read_bytes()
    assert (tmp_path / "truth1").read_bytes() == (tmp_path / "truth2").read_bytes()


def test_simulate_tells_its_faults_and_which_it_does_not_know(tmp_path: Path) -> None:
    help_text = call("simulate", "--help").stdout
    assert "still_disorder" in help_text
    wrong = call("simulate", "--tape-only", "--faults", "gremlins")
    assert wrong.exit_code == 2
    assert "unknown fault: gremlins" in wrong.stderr
    nowhere = call("simulate", "--tape-only", "--tape", tmp_path / "no" / "where")
    assert nowhere.exit_code == 1
    assert len(nowhere.stderr.splitlines()) == 1


@pytest.mark.slow
def test_the_demo_ends_by_itself_with_the_truth(tmp_path: Path) -> None:
    """It takes about half a minute; nobody's settings reach it."""
    environ = os.environ | {"TAP_SERVER_URL": "ws://192.0.2.1/", "TAP_STATE_DIR": "/nowhere", "TAP_CONVEX_URL": "x"}
    command = [sys.executable, "-m", "tap.cli", "demo"]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\nF1 1.000: nothing missed, nothing made up.\n" in done.stdout
    assert all(len(line) <= 80 for line in done.stdout.partition("Try next:")[2].splitlines())
    assert (tmp_path / ".demo" / "shoot.html").exists()
    assert re.search(r"^Read back from the (ledger|journal):$", done.stdout, re.MULTILINE)
    assert not done.stderr
    assert [path.name for path in tmp_path.iterdir()] == [".demo"]
