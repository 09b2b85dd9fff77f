"""The commands that speak with the ledger, against the functions themselves (served by the local ledger)."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tap.adapters.journal import Journal
from tap.cli import cli
from tap.core.backoff import Backoff
from tap.rehearsal.shoot_files import write_shoot
from tap.rehearsal.simulator import SimulatorOptions
from tests.contract.local import ADMIN, CONVEX, Local, key_of, local_ledger

READER = "read-only-key-of-the-tests"
OWNER = "local|the-deployments-own-key"


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith("TAP_")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long a check waits for a server, and a replay between two tries, is what other tests are about."""
    monkeypatch.setattr("tap.service.tools.check._CONNECT_WITHIN_S", 0.5)
    monkeypatch.setattr("tap.service.tools.check._LISTEN_S", 0.1)
    monkeypatch.setattr("tap.service.tools.deliver._BACKOFF", Backoff(0.01, 60.0))


@pytest.fixture(scope="module")
def local() -> Iterator[Local]:
    os.environ["PRODUCTION_READ_KEYS"] = f"reader:{hashlib.sha256(READER.encode()).hexdigest()}"
    try:
        with local_ledger(["reader", *(f"hall-{number}" for number in range(60))]) as running:
            running.venue()  # the reader's is for one test
            yield running
    finally:
        del os.environ["PRODUCTION_READ_KEYS"]


class Venue:
    """A venue with a tape of its own, and a state directory."""

    def __init__(self, local: Local, folder: Path, name: str | None = None) -> None:
        self.local = local
        self.name = local.venue() if name is None else name
        self.tape = folder / "tape"
        self.state = folder / "state"
        write_shoot(SimulatorOptions(seed=3, length_s=20, tape=self.tape, venue=self.name))
        self.env = {
            "TAP_VENUE": self.name,
            "TAP_CONVEX_URL": local.url,
            "TAP_INGEST_KEY": key_of(self.name).get_secret_value(),
            "TAP_STATE_DIR": str(self.state),
        }

    def call(self, *arguments: object, **env: str) -> Result:
        """A command with this venue's settings; no secret is ever in what it says."""
        done = CliRunner().invoke(cli, [str(argument) for argument in arguments], env=self.env | env)
        for secret in (self.env["TAP_INGEST_KEY"], ADMIN.get_secret_value(), READER):
            assert secret not in done.output
        assert "Traceback" not in done.output
        return done

    @property
    def session(self) -> str:
        return str(json.loads(self.call("replay", self.tape, "--json").stdout.splitlines()[0])["sessionKey"])


@pytest.fixture
def venue(local: Local, tmp_path: Path) -> Venue:
    return Venue(local, tmp_path)


# ---------------------------------------------------------------------------------------------- keys


def run_where_the_deployment_is(local: Local, line: str) -> str:
    """A printed command as a deployment's owner runs it: the official client, in the project's folder."""
    env = os.environ | {
        "CI": "1",
        "CONVEX_SELF_HOSTED_URL": local.url,
        "CONVEX_SELF_HOSTED_ADMIN_KEY": OWNER,
        "LANG": "C.UTF-8",
    }
    command = ["bash", "-c", line]
    return subprocess.run(command, check=True, cwd=CONVEX, env=env, capture_output=True, text=True, timeout=300).stdout


def made(*arguments: str) -> tuple[str, str]:
    """A key, and the command for dev."""
    done = CliRunner().invoke(cli, ["key", "new", *arguments])
    assert done.exit_code == 0, done.output
    key, dev, production = done.stdout.splitlines()
    assert dev.replace("run ", "run --prod ", 1) == production
    assert key not in done.stderr
    assert done.stderr.index("for dev") < done.stderr.index("for production")
    return key, dev


def test_a_key_is_added_listed_and_revoked_by_the_commands_as_they_are_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With no key in any variable: what ``key new`` prints is enough, for a venue whose name needs quoting."""
    monkeypatch.setenv("LOCAL_ADMIN_KEY", OWNER)
    name = "Café d'Or"
    key, line = made(name)
    reader, for_all = made("--may", "read", "--all")
    with local_ledger([name], keys="") as local:
        venue = Venue(local, tmp_path, name)
        assert "does not know this key" in venue.call("sessions", "--ledger", TAP_INGEST_KEY=key).stderr
        run_where_the_deployment_is(local, line)
        run_where_the_deployment_is(local, for_all)
        written = venue.call("replay", venue.tape, "--to-ledger", TAP_INGEST_KEY=key)
        assert (written.exit_code, "0 rejected" in written.stderr) == (0, True)
        assert venue.call("timeline", venue.session, "--ledger", TAP_INGEST_KEY=reader).exit_code == 0
        found = findings(venue.call("check", "--json", TAP_SERVER_URL="ws://127.0.0.1:1/", TAP_INGEST_KEY=reader))
        assert "only" in found["key"]["found"]

        listed = CliRunner().invoke(cli, ["key", "ls"]).stdout.splitlines()
        assert [("--prod" in command) for command in listed] == [False, True]
        digits = hashlib.sha256(key.encode()).hexdigest()[:8]
        assert digits in run_where_the_deployment_is(local, listed[0])
        revoke, production = CliRunner().invoke(cli, ["key", "revoke", digits.upper()]).stdout.splitlines()
        assert production == f'npx convex run --prod production:revokeKey \'{{"key":"{digits}"}}\''
        run_where_the_deployment_is(local, revoke)
        assert "does not know this key" in venue.call("sessions", "--ledger", TAP_INGEST_KEY=key).stderr


def test_the_lines_name_the_module_that_the_functions_are_in() -> None:
    env = {"TAP_CONVEX_MODULE": "stage/tap"}
    for command, function in ((["new", "hall"], "addKey"), (["ls"], "listKeys"), (["revoke", "0" * 8], "revokeKey")):
        lines = CliRunner().invoke(cli, ["key", *command], env=env).stdout.splitlines()[-2:]
        assert [f"stage/tap:{function} " in line for line in lines] == [True, True]


@pytest.mark.parametrize(
    "arguments",
    [["new"], ["new", "a", "b"], ["new", "--all"], ["new", "a", "--all", "--may", "read"], ["revoke", "tapkey_abc"]],
)
def test_a_key_that_cannot_be_is_wrong_usage(arguments: list[str]) -> None:
    """And what stands there by mistake is not shown again: it may be a key."""
    done = CliRunner().invoke(cli, ["key", *arguments])
    assert (done.exit_code, done.stdout) == (2, "")
    assert "tapkey_" not in done.output


# ---------------------------------------------------------------------------------------------- writing and reading


def test_what_a_tape_gives_is_in_the_ledger_as_in_the_journal(venue: Venue) -> None:
    written = venue.call("replay", venue.tape, "--to-ledger", "--json")
    entries = len(written.stdout.splitlines())
    assert written.exit_code == 0
    assert f"the ledger's answers: {entries} applied, 0 duplicate, 0 stale, 0 rejected" in written.stderr
    assert venue.call("replay", venue.tape, "--json").stdout == written.stdout
    venue.call("replay", venue.tape, "--to-journal")
    for command in (("sessions",), ("timeline", venue.session)):
        here, there = venue.call(*command), venue.call(*command, "--ledger")
        assert (there.exit_code, there.stdout) == (0, here.stdout)
        here, there = venue.call(*command, "--json"), venue.call(*command, "--json", "--ledger")
        assert json.loads(there.stdout) == json.loads(here.stdout)


def test_an_app_with_functions_of_its_own_is_written_read_checked_and_forgotten_by_its_module(tmp_path: Path) -> None:
    """Owner b has a ``production.ts`` that has nothing to do with ours."""
    with local_ledger(["hall"], app="b") as local:
        venue = Venue(local, tmp_path, "hall")
        venue.env["TAP_CONVEX_MODULE"] = "tap"
        written = venue.call("replay", venue.tape, "--to-ledger", "--json")
        entries = len(written.stdout.splitlines())
        assert f"the ledger's answers: {entries} applied, 0 duplicate, 0 stale, 0 rejected" in written.stderr
        found = findings(venue.call("check", "--json", TAP_SERVER_URL="ws://127.0.0.1:1/"))
        assert found["key"]["found"] == "it writes and reads venue hall"
        for command in (("timeline", venue.session), ("sessions",)):
            assert venue.call(*command, "--ledger").exit_code == 0
        gone = venue.call("forget", venue.session, "--yes", TAP_ADMIN_KEY=ADMIN.get_secret_value())
        assert "the ledger has forgotten it" in gone.stdout
        assert venue.call("sessions", "--ledger").stdout == "no session is saved\n"


@pytest.mark.parametrize(("command", "ending"), [("report", "html"), ("export", "edl")])
def test_what_is_written_from_the_ledger_is_what_is_written_from_the_journal(
    command: str, ending: str, venue: Venue, tmp_path: Path
) -> None:
    """But for the time at which a report says that it was made; and without KEY it is of the session that is there."""
    venue.call("replay", venue.tape, "--to-ledger")
    venue.call("replay", venue.tape, "--to-journal")
    told = [written(venue, command, venue.session, "-o", tmp_path / f"journal.{ending}")]
    (venue.state / "journal.db").unlink()  # only the ledger can tell
    told.append(written(venue, command, venue.session, "-o", tmp_path / f"ledger.{ending}", "--ledger"))
    told.append(written(venue, command, "-o", tmp_path / f"newest.{ending}", "--ledger"))
    assert told[0] == told[1] == told[2]
    assert len(told[0].splitlines()) > 20, "there is something in it"


def written(venue: Venue, *command: object) -> str:
    """What a command wrote into its files, without when."""
    done = venue.call(*command)
    assert done.exit_code == 0, done.output
    content = "".join(Path(name).read_text("utf-8") for name in done.stdout.splitlines())
    return re.sub(r"<p>Made .+? by multicam-tap\.", "", content)


def test_the_same_tape_again_changes_nothing(venue: Venue) -> None:
    venue.call("replay", venue.tape, "--to-ledger")
    before = venue.call("timeline", venue.session, "--ledger", "--json").stdout
    again = venue.call("replay", venue.tape, "--to-ledger")
    assert again.exit_code == 0
    assert "answers: 0 applied" in again.stderr
    assert venue.call("timeline", venue.session, "--ledger", "--json").stdout == before


def test_what_the_ledger_rejects_is_named_and_is_exit_code_1(venue: Venue, local: Local) -> None:
    other = local.venue()
    done = venue.call("replay", venue.tape, "--to-ledger", TAP_INGEST_KEY=key_of(other).get_secret_value())
    assert done.exit_code == 1
    assert re.search(rf"^rejected: {re.escape(venue.session)}: venue: .*\(sessionKey\)$", done.stderr, re.MULTILINE)
    assert re.search(r"^… and \d+ more$", done.stderr, re.MULTILINE)
    assert "0 applied" in done.stderr


def test_a_reader_may_read_and_not_write(local: Local, tmp_path: Path) -> None:
    venue = Venue(local, tmp_path, "reader")
    venue.call("replay", venue.tape, "--to-ledger")
    assert venue.call("timeline", venue.session, "--ledger", TAP_INGEST_KEY=READER).exit_code == 0
    assert len(venue.call("sessions", "--ledger", TAP_INGEST_KEY=READER).stdout.splitlines()) == 1
    refused = venue.call("replay", venue.tape, "--to-ledger", TAP_INGEST_KEY=READER)
    assert refused.exit_code == 1
    assert "does not know this key" in refused.stderr


@pytest.mark.parametrize(
    ("command", "env", "code", "told"),
    [
        (("sessions", "--ledger"), {"TAP_CONVEX_URL": ""}, 78, "TAP_CONVEX_URL: is not set"),
        (("sessions", "--ledger"), {"TAP_INGEST_KEY": ""}, 1, "wants a key"),
        (("sessions", "--ledger"), {"TAP_INGEST_KEY": "wrong-key"}, 1, "does not know this key"),
        (("sessions", "--ledger"), {"TAP_CONVEX_URL": "http://127.0.0.1:1"}, 1, "nothing listens there"),
        (("sessions", "--ledger", "--venue", "elsewhere"), {}, 1, "for another venue"),
        (("timeline", "elsewhere/s", "--ledger"), {}, 1, "for another venue"),
        (("timeline", "KEY", "--ledger"), {}, 1, "no session has this key → see 'multicam-tap sessions --l"),
        (("replay", "TAPE", "--to-ledger"), {"TAP_CONVEX_URL": "http://127.0.0.1:1"}, 1, "nothing listens there"),
        (("replay", "TAPE", "--to-ledger", "--to-journal"), {}, 2, "one at a time"),
    ],
)
def test_what_cannot_be_is_told(
    venue: Venue, command: tuple[str, ...], env: dict[str, str], code: int, told: str
) -> None:
    actual = [{"TAPE": str(venue.tape), "KEY": f"{venue.name}/s"}.get(word, word) for word in command]
    done = venue.call(*actual, **env)
    assert done.exit_code == code, done.output
    assert told in done.stderr
    assert "wrong-key" not in done.output
    if code != 2:
        assert len(done.stderr.splitlines()) == 1


def test_an_answer_that_is_lost_on_the_way_costs_a_repetition(venue: Venue, local: Local) -> None:
    local.fault("lost", match=venue.name)
    done = venue.call("replay", venue.tape, "--to-ledger")
    assert done.exit_code == 0, done.stderr
    assert "0 rejected" in done.stderr
    assert not local.waiting()


# ---------------------------------------------------------------------------------------------- check


def findings(done: Result) -> dict[str, Any]:
    """What a check found, by what it tried."""
    return {said["tried"]: said for said in map(json.loads, done.stdout.splitlines())}


def test_check_says_that_ledger_and_key_are_right(venue: Venue) -> None:
    done = venue.call("check", "--json", TAP_SERVER_URL="ws://127.0.0.1:1/")
    found = {said["tried"]: said["result"] for said in map(json.loads, done.stdout.splitlines())}
    assert found == {
        "settings": "ok",
        **({"unit": found["unit"]} if "unit" in found else {}),
        "server": "failed",
        "clock": found["clock"],
        **({"tapes": found["tapes"]} if "tapes" in found else {}),
        "journal": "ok",
        "disk": found["disk"],
        "convex": "ok",
        "key": "ok",
    }
    assert done.exit_code == 1
    assert not venue.state.exists()


def test_check_is_done_when_all_is_well(venue: Venue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tap.service.tools.check._CONNECT_WITHIN_S", 60)  # somebody is there, in the end
    simulate = [sys.executable, "-m", "tap.cli", "simulate", "--length", "60", "--no-wait"]
    with subprocess.Popen(simulate, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = re.search(r"ws://\S+", server.stdout.readline())
        assert url is not None
        done = venue.call("check", TAP_SERVER_URL=url.group())
        server.kill()
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    tried = [line.split()[1] for line in lines if line.split()[1] != "unit"]  # where there is systemd
    assert tried == ["settings", "server", "clock", "journal", "disk", "tapes", "convex", "key"]


@pytest.mark.parametrize(("key", "told"), [("wrong-key", "does not know this key"), ("", "wants a key")])
def test_check_says_that_the_key_is_wrong(venue: Venue, key: str, told: str) -> None:
    done = venue.call("check", TAP_SERVER_URL="ws://127.0.0.1:1/", TAP_INGEST_KEY=key)
    assert done.exit_code == 1
    assert re.search(rf"^failed  key .*{told}", done.stdout, re.MULTILINE)
    assert "wrong-key" not in done.output


def test_check_stops_at_wrong_settings(venue: Venue) -> None:
    done = venue.call("check", TAP_KEEP_DAYS="0", TAP_ADMIN_KEY="admin")
    assert done.exit_code == 78
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == ["TAP_ADMIN_KEY", "TAP_KEEP_DAYS"]
    done = venue.call("check", "--json", TAP_KEEP_DAYS="0")
    assert (done.exit_code, done.stderr) == (78, "")
    (said,) = map(json.loads, done.stdout.splitlines())
    assert (said["tried"], said["result"], said["toDo"]) == ("settings", "failed", "days, 1 to 3650")


# ---------------------------------------------------------------------------------------------- what was set aside


def test_what_was_set_aside_is_shown_with_its_reason_and_can_wait_again(venue: Venue) -> None:
    venue.call("replay", venue.tape, "--to-journal")
    with Journal.open(venue.state / "journal.db") as journal:
        journal.settle([(1, "dead", "type: no number (at)"), (2, "dead", "size: too large"), (3, "shipped", None)], 1)
    shown = venue.call("journal", "ls", "--dead").stdout.splitlines()
    assert [line.rpartition("refused: ")[2] for line in shown] == ["type: no number (at)", "size: too large"]
    assert json.loads(venue.call("journal", "ls", "--dead", "--json").stdout.splitlines()[0])["reason"]
    assert venue.call("journal", "retry", "2").stdout == "1 entry is pending again\n"
    other = venue.call("journal", "retry", "3", "99")
    assert other.exit_code == 1
    assert "2 of these were not rejected" in other.stderr
    assert json.loads(venue.call("journal", "retry", "--json").stdout) == {"retried": 1}
    assert not venue.call("journal", "ls", "--dead").stdout


def test_a_retry_makes_no_journal(venue: Venue) -> None:
    done = venue.call("journal", "retry")
    assert done.exit_code == 1
    assert "nothing has been recorded yet" in done.stderr
    assert not venue.state.exists()


# ---------------------------------------------------------------------------------------------- forgetting


def admin(tmp_path: Path) -> dict[str, str]:
    file = tmp_path / "admin-key"
    file.write_text(ADMIN.get_secret_value() + "\n")
    file.chmod(0o600)
    return {"TAP_ADMIN_KEY_FILE": str(file)}


def test_a_shoot_is_forgotten_everywhere_and_stays_so(venue: Venue, tmp_path: Path) -> None:
    venue.call("replay", venue.tape, "--to-ledger")
    venue.call("replay", venue.tape, "--to-journal")
    key = venue.session
    done = venue.call("forget", key, "--yes", **admin(tmp_path))
    assert done.exit_code == 0, done.output
    assert "complete" in done.stderr
    assert re.match(r"the ledger has forgotten it \(\d+ rows deleted\); \d+ entries deleted", done.stdout)
    assert venue.call("journal", "ls").stdout == ""
    assert "forgotten" in venue.call("timeline", key, "--ledger").stderr
    assert venue.call("sessions", "--ledger").stdout == "no session is saved\n"
    again = venue.call("replay", venue.tape, "--to-ledger")
    assert again.exit_code == 1
    assert "forgotten" in again.stderr
    assert venue.call("forget", key, "--yes", **admin(tmp_path)).exit_code == 0, "again, after a failure, say"


def test_forgetting_asks_first(venue: Venue, tmp_path: Path) -> None:
    venue.call("replay", venue.tape, "--to-ledger")
    done = venue.call("forget", venue.session, **admin(tmp_path))
    assert done.exit_code == 1
    assert not done.stdout
    assert "Remove it for good? [y/N]" in done.stderr
    assert venue.call("timeline", venue.session, "--ledger").exit_code == 0


def live(venue: Venue) -> str:
    """A tape whose session has not ended."""
    lines = venue.tape.read_text().splitlines(keepends=True)
    end = next(number for number, line in enumerate(lines) if "session_ended" in line)
    venue.tape.write_text("".join(lines[:end]))
    return venue.session


@pytest.mark.parametrize("where", ["--to-ledger", "--to-journal"])
def test_a_live_session_is_not_forgotten(venue: Venue, tmp_path: Path, where: str) -> None:
    key = live(venue)
    venue.call("replay", venue.tape, where)
    done = venue.call("forget", key, "--yes", **admin(tmp_path))
    assert done.exit_code == 1
    assert f"{key}: this session is live → " in done.stderr


@pytest.mark.parametrize(
    ("env", "code", "told"),
    [
        ({}, 78, "TAP_ADMIN_KEY: is not set"),
        ({"TAP_ADMIN_KEY": "wrong-key"}, 1, "check TAP_ADMIN_KEY, and whether the deployment has it"),
        ({"TAP_ADMIN_KEY": "a", "TAP_ADMIN_KEY_FILE": "b"}, 78, "TAP_ADMIN_KEY_FILE: TAP_ADMIN_KEY is set too"),
        ({"TAP_ADMIN_KEY_FILE": "/nowhere/key"}, 78, "TAP_ADMIN_KEY_FILE: /nowhere/key cannot be read"),
        ({"TAP_ADMIN_KEY_FILE": "/dev/null"}, 78, "TAP_ADMIN_KEY_FILE: /dev/null is empty"),
        ({"TAP_ADMIN_KEY": "schlüssel"}, 78, "TAP_ADMIN_KEY: contains more than printable ASCII"),
        ({"TAP_ADMIN_KEY": "x", "TAP_CONVEX_URL": "http://127.0.0.1:1"}, 1, "nothing listens there"),
    ],
)
def test_without_the_right_admin_key_nothing_is_forgotten(
    venue: Venue, env: dict[str, str], code: int, told: str
) -> None:
    venue.call("replay", venue.tape, "--to-ledger")
    venue.call("replay", venue.tape, "--to-journal")
    kept = venue.call("journal", "ls", "--json").stdout
    done = venue.call("forget", venue.session, "--yes", **env)
    assert done.exit_code == code, done.output
    assert told in done.stderr
    assert "wrong-key" not in done.output
    assert venue.call("journal", "ls", "--json").stdout == kept
    assert venue.call("timeline", venue.session, "--ledger").exit_code == 0


def test_a_key_that_nobody_knows_is_not_forgotten(venue: Venue, tmp_path: Path) -> None:
    for convex in ({}, {"TAP_CONVEX_URL": ""}):
        done = venue.call("forget", f"{venue.name}/tpyo", "--yes", **admin(tmp_path), **convex)
        assert done.exit_code == 1
        assert "know" in done.stderr


def test_without_convex_the_journal_alone_forgets(venue: Venue) -> None:
    venue.call("replay", venue.tape, "--to-journal")
    done = venue.call("forget", venue.session, "--yes", TAP_CONVEX_URL="")
    assert done.exit_code == 0
    assert done.stdout.startswith("no Convex is configured; ")
    assert not venue.call("journal", "ls").stdout


def test_journals_that_were_moved_aside_forget_too_or_are_named(venue: Venue) -> None:
    venue.call("replay", venue.tape, "--to-journal")
    whole = venue.state / "journal.damaged-20261101T000000Z.db"
    torn = venue.state / "journal.damaged-20261102T000000Z.db"
    checkpoint = venue.state / "checkpoint-unreadable-1.json"
    content = (venue.state / "journal.db").read_bytes()
    whole.write_bytes(content)
    torn.write_bytes(content[:4096] + os.urandom(8192) + content[12288:])
    checkpoint.write_text(f'{{"key":"{venue.session}"')
    key = venue.session
    done = venue.call("forget", key, "--yes", TAP_CONVEX_URL="")
    assert done.exit_code == 1
    assert f"{torn}: was moved aside" in done.stderr
    assert f"{checkpoint}: was moved aside" in done.stderr
    assert str(whole) not in done.stderr
    # Nothing of it is left but that it was forgotten.
    left = whole.read_bytes()
    assert left.count(key.encode()) == left.count(b"forgotten:" + key.encode())
    for path in (torn, checkpoint):
        path.unlink()
    assert venue.call("forget", key, "--yes", TAP_CONVEX_URL="").exit_code == 0, "nothing is left that may hold it"


# ---------------------------------------------------------------------------------------------- the demo


@pytest.mark.slow
def test_a_demo_that_is_interrupted_leaves_no_process(tmp_path: Path) -> None:
    if not (CONVEX / "node_modules").is_dir():
        pytest.skip("the local ledger needs its packages: cd convex && npm ci")
    command = [sys.executable, "-m", "tap.cli", "demo"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        assert "Convex's functions on its test runtime" in demo.stdout.readline()
        while "The tap records it" not in demo.stdout.readline():
            pass
        time.sleep(3)
        demo.send_signal(signal.SIGTERM)
        assert demo.wait(300) == 130
    key_file = tmp_path / ".demo" / "ingest-key"
    assert key_file.stat().st_mode & 0o777 == 0o600
    assert not processes_in(tmp_path)


def processes_in(folder: Path) -> list[str]:
    found: list[Any] = []
    for place in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if place.resolve() == folder:
                found.append(place.parent.name)
        except OSError:
            continue  # ended meanwhile, or another user's
    return found
