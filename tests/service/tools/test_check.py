"""``check`` finds what is wrong before the shoot, says what to do, and changes nothing."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from websockets.asyncio.server import ServerConnection, serve

from tap.adapters.journal import Journal
from tap.adapters.mounts import ON_A_NETWORK
from tap.core.model import Entry
from tap.service.config import load_settings
from tap.service.envfile import read_environment
from tap.service.tools import check as checking
from tap.service.tools import check_machine
from tap.service.tools.check import Finding, check
from tests.contract.stub import Stub, page, says, status, stubbed, throws

NOW = 1_795_000_000_000
NOBODY = "ws://127.0.0.1:1/"
SECRET = "the-key-that-nobody-may-see"
NO_FUNCTION = {"status": "error", "errorMessage": "Could not find public function for 'production:ingest'. Did you"}
HELLO = {"type": "hello", "ts": NOW, "boot_id": "b"}
STATE = {"type": "state", "ts": NOW, "mode": "photoshoot", "session": None, "program": "a", "cameras": []}


TALKING: list[ServerConnection] = []
"""Connections to which not all is said and heard yet."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens for longer than a server talks; where none is there, for the first try."""

    async def heard_out(_: float) -> None:
        while TALKING:  # noqa: ASYNC110 - a count, which nobody tells of
            await asyncio.sleep(0.001)

    monkeypatch.setattr(checking, "sleep", heard_out)
    monkeypatch.setattr(checking, "_CONNECT_WITHIN_S", 1.0)
    TALKING.clear()


async def find(tmp_path: Path, **settings: str) -> dict[str, Finding]:
    """What is found, by what was tried."""
    given = {"TAP_SERVER_URL": NOBODY, "TAP_STATE_DIR": str(tmp_path / "state")}
    given |= {f"TAP_{name.upper()}": value for name, value in settings.items()}
    findings = [finding async for finding in check(load_settings(given))]
    assert SECRET not in repr(findings)
    assert all(finding.to_do for finding in findings if finding.result == "failed")
    return {finding.tried: finding for finding in findings}


@asynccontextmanager
async def server(*frames: dict[str, Any]) -> AsyncIterator[str]:
    """A server that says these frames to whoever comes, then nothing."""

    async def handler(connection: ServerConnection) -> None:
        TALKING.append(connection)
        for frame in frames:
            await connection.send(orjson.dumps(frame).decode())
        # A pong comes behind all that came before it.
        await (await connection.ping())
        TALKING.remove(connection)
        await connection.wait_closed()

    async with serve(handler, "127.0.0.1", 0) as served:
        yield f"ws://127.0.0.1:{next(iter(served.sockets)).getsockname()[1]}/"


async def heard(tmp_path: Path, *frames: dict[str, Any], **settings: str) -> Finding:
    async with server(*frames) as url:
        with pytest.MonkeyPatch.context() as patience:
            patience.setattr(checking, "_CONNECT_WITHIN_S", 300.0 if frames else 1.0)
            return (await find(tmp_path, server_url=url, **settings))["server"]


async def answered(tmp_path: Path, *faults: Any) -> dict[str, Finding]:
    """What is found of a ledger that answers so."""
    async with stubbed() as (stub, url):
        stub.faults += faults
        return await find(tmp_path, convex_url=url, ingest_key=SECRET, venue="hall")


# ---------------------------------------------------------------------------------------------- the server


async def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    found = (await find(tmp_path))["server"]
    assert found.result == "failed"
    assert "nothing listens there" in found.found
    assert "TAP_SERVER_URL" in str(found.to_do)


async def test_a_server_that_is_understood(tmp_path: Path) -> None:
    found = await heard(tmp_path, HELLO, STATE, {"type": "pose", "camera_id": "a"})
    assert found.result == "ok"
    assert found.found.endswith("3 frames: 2 understood, 1 telemetry")


async def test_a_type_that_the_dialect_does_not_know_is_named(tmp_path: Path) -> None:
    found = await heard(tmp_path, HELLO, STATE, *({"type": f"novelty{number}"} for number in range(7)))
    assert found.result == "note"
    assert "7 of unknown types (novelty0, novelty1, novelty2, novelty3, novelty4, …)" in found.found
    assert "multicam-tap record ws://" in str(found.to_do)


async def test_a_server_that_counts_otherwise_than_the_dialect_says(tmp_path: Path) -> None:
    """The line to change is named; where the numbers go on all is well."""

    async def body(*counts: int) -> dict[str, Finding]:
        says = [{"type": kind, "ts": NOW + at, "seq": seq, "to": "a"} for at, (kind, seq) in enumerate(_turns(*counts))]
        async with server(HELLO, STATE, *says) as url:
            return await find(tmp_path, server_url=url)

    found = (await body(500, 0))["server"]
    assert found.result == "note"
    assert "count by boot, and they count by type" in found.found
    assert 'seq_orders = "type"' in str(found.to_do)
    assert (await body(500, 501))["server"].result == "ok"


def _turns(states: int, cuts: int) -> list[tuple[str, int]]:
    return [turn for at in range(0, 20, 2) for turn in (("state", states + at), ("cut", cuts + at))]


async def test_a_server_of_which_nothing_is_understood(tmp_path: Path) -> None:
    found = await heard(tmp_path, {"op": 0}, {"event": "x"})
    assert found.result == "failed"
    assert "multicam/1 understands none of it" in found.found


async def test_a_server_that_says_nothing(tmp_path: Path) -> None:
    found = await heard(tmp_path)
    assert found.result == "failed"
    assert "connected, but no frame arrived" in found.found


async def test_a_server_without_a_clock_makes_keys_of_the_receivers(tmp_path: Path) -> None:
    found = await heard(tmp_path, {"type": "state", "mode": "photoshoot", "program": "a", "cameras": []})
    assert found.result == "note"
    assert "two taps make two histories" in found.found


async def test_a_dialect_that_is_none_is_told_and_the_rest_is_still_tried(tmp_path: Path) -> None:
    found = await find(tmp_path, dialect="nonsense/1")
    assert found["dialect"].result == "failed"
    assert list(found) == ["settings", "dialect", "server", "clock", "journal", "disk", "tapes", "convex"]
    assert (found["server"].result, found["server"].found) == ("note", "was not tried")


async def test_a_venue_that_is_switched_off_is_noted(tmp_path: Path) -> None:
    assert (await find(tmp_path, enabled="0"))["settings"].result == "note"


# ---------------------------------------------------------------------------------------------- this machine


def entry() -> Entry:
    return Entry("v/s", "session", "v/s", NOW, {"status": "live", "startedAt": NOW})


async def test_a_journal_that_is_not_there_yet_is_not_made(tmp_path: Path) -> None:
    found = (await find(tmp_path))["journal"]
    assert found.result == "ok"
    assert not list(tmp_path.iterdir())


async def test_a_journal_is_read_through(tmp_path: Path) -> None:
    path = tmp_path / "state" / "journal.db"
    with Journal.open(path, owner=True) as journal:
        journal.append([entry()], b"{}", NOW)
        # Beside a running service.
        found = (await find(tmp_path))["journal"]
        assert found.result == "ok"
        assert "whole; 1 entries are pending, 0 are in the ledger" in found.found
        journal.settle([(1, "dead", "type: no number (at)")], NOW)
    found = (await find(tmp_path))["journal"]
    assert found.result == "note"
    assert "1 were rejected" in found.found
    assert "journal ls --dead" in str(found.to_do)


async def test_a_damaged_journal_stays_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "state" / "journal.db"
    with Journal.open(path) as journal:
        journal.append([entry()], b"{}", NOW)
    content = path.read_bytes()
    damaged = content[:4096] + os.urandom(len(content) - 4096)
    path.write_bytes(damaged)
    assert (await find(tmp_path))["journal"].result == "failed"
    assert path.read_bytes() == damaged


@pytest.mark.parametrize("made", [True, False])
async def test_a_place_that_may_not_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: bool) -> None:
    if made:
        Journal.open(tmp_path / "state" / "journal.db").close()
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    found = (await find(tmp_path))["journal"]
    assert found.result == "failed"
    assert ("no permission to write" if made else "you cannot write to") in found.found


@pytest.mark.parametrize(
    ("free", "result"),
    [
        (50_000_000, "failed"),
        (99_999_999, "failed"),
        (10**8, "note"),
        (10**9 - 1, "note"),
        (10**9, "ok"),
        (10**10, "ok"),
    ],
)
async def test_room_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, result: str) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    assert (await find(tmp_path))["disk"].result == result


# ---------------------------------------------------------------------------------------------- the ledger


async def test_a_state_directory_on_a_network_is_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A note with what to do; that the disk is full stays the worse news."""
    monkeypatch.setattr(check_machine, "network_filesystem", lambda path: f"nfs4 (nas:{path.name})")
    free = 10**12
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    finding = (await find(tmp_path))["disk"]
    assert (finding.result, finding.to_do) == ("note", ON_A_NETWORK)
    assert "which is on nfs4 (nas:state)" in finding.found
    free = 10**8
    assert (await find(tmp_path))["disk"].to_do == ON_A_NETWORK
    free -= 1
    assert (await find(tmp_path))["disk"].result == "failed"


async def test_without_convex_the_journal_keeps_and_that_is_no_failure(tmp_path: Path) -> None:
    found = await find(tmp_path)
    assert found["convex"].result == "ok"
    assert "the journal saves" in found["convex"].found
    assert "key" not in found


async def test_a_ledger_that_is_not_there(tmp_path: Path) -> None:
    found = await find(tmp_path, convex_url="http://127.0.0.1:1", ingest_key=SECRET)
    assert found["convex"].result == "failed"
    assert "nothing listens there" in found["convex"].found
    assert (found["key"].result, found["key"].found) == ("note", "was not tried")


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (page(), "does not answer as Convex does"),
        (status(404), "has no deployment at this address"),
        (says(NO_FUNCTION), "has no such function"),
        (says({"status": "error", "errorMessage": f"Server Error: {SECRET}"}), "its function ingest fails"),
    ],
)
async def test_what_answers_is_no_ledger(tmp_path: Path, fault: Any, words: str) -> None:
    found = await answered(tmp_path, fault)
    assert found["convex"].result == "failed"
    assert words in found["convex"].found


async def test_a_key_that_the_ledger_does_not_know(tmp_path: Path) -> None:
    wrong = throws({"code": "key_wrong", "reason": "none"})
    found = await answered(tmp_path, wrong, wrong)
    assert (found["convex"].result, found["key"].result) == ("ok", "failed")
    assert "does not know this key" in found["key"].found
    assert "key new" in str(found["key"].to_do)


async def test_a_key_of_another_venue(tmp_path: Path) -> None:
    found = await answered(
        tmp_path, says({"status": "success", "value": []}), throws({"code": "venue", "reason": "other"})
    )
    assert (found["convex"].result, found["key"].result) == ("ok", "failed")
    assert "TAP_VENUE" in str(found["key"].to_do)


async def test_a_key_that_only_reads(tmp_path: Path) -> None:
    read = says({"status": "success", "value": {"page": [], "isDone": True, "continueCursor": ""}})
    found = await answered(tmp_path, throws({"code": "key_wrong", "reason": "none"}), read)
    assert found["key"].result == "failed"
    assert "can only read venue hall" in found["key"].found


async def test_nothing_is_written(tmp_path: Path) -> None:
    async with stubbed() as (stub, url):
        await find(tmp_path, convex_url=url, ingest_key=SECRET)
        assert isinstance(stub, Stub)
        assert not stub.keys


# ---------------------------------------------------------------------------------------------- clock, unit, file


async def test_a_server_whose_clock_is_off(tmp_path: Path) -> None:
    """How far, by its frames, and that the history has its times."""
    ago = time.time_ns() // 1_000_000 - 3_600_000
    async with server(HELLO | {"ts": ago}, STATE | {"ts": ago}) as url:
        found = (await find(tmp_path, server_url=url))["clock"]
    assert found.result == "note"
    assert re.search(r"the server's clock is 36\d\d\.\d s behind", found.found)
    assert "times in the history are the server's" in found.found


@pytest.mark.parametrize(
    ("offsets", "result", "words"),
    [
        ([3, -5, 90_000], "ok", "the same as this machine's"),
        ([1_500] * 3, "ok", "1.5 s ahead"),
        ([2_500] * 3, "note", "2.5 s ahead"),
    ],
)
def test_a_second_more_or_less_is_no_trouble(offsets: list[int], result: str, words: str) -> None:
    found = check_machine.clock(offsets)
    assert (found.result, words in found.found) == (result, True)


@pytest.mark.parametrize(
    ("said", "words"), [("yes", "set by NTP"), ("no", "not set by NTP"), (None, "does not say whether NTP sets it")]
)
def test_whether_somebody_sets_this_machines_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str | None, words: str
) -> None:
    monkeypatch.setattr(check_machine, "_command", lambda *_: said)
    found = check_machine.clock([])
    assert words in found.found
    assert found.result == ("ok" if said == "yes" else "note")
    assert (found.to_do is None) == (found.result == "ok"), "advice is no part of what is well"


@pytest.mark.parametrize(
    ("state", "result", "words"),
    [
        ("LoadState=not-found\nUnitFileState=\nActiveState=inactive\nNRestarts=0", "note", "is not installed"),
        ("LoadState=loaded\nUnitFileState=disabled\nActiveState=active\nNRestarts=0", "note", "active, disabled"),
        ("LoadState=loaded\nUnitFileState=enabled\nActiveState=active\nNRestarts=0", "ok", "active, enabled"),
        ("LoadState=loaded\nUnitFileState=enabled\nActiveState=active\nNRestarts=7", "note", "restarted 7 times"),
        ("LoadState=loaded\nUnitFileState=enabled\nActiveState=failed\nResult=exit-code", "failed", "(exit-code)"),
        ("LoadState=loaded\nUnitFileState=enabled\nActiveState=inactive\nNRestarts=0", "failed", "it does not run"),
        ("LoadState=loaded\nUnitFileState=disabled\nActiveState=inactive\nNRestarts=0", "note", "inactive, disabled"),
        ("LoadState=loaded\nUnitFileState=enabled\nActiveState=activating\nSubState=start", "note", "activating"),
        *(
            (
                f"LoadState=loaded\nUnitFileState=enabled\nActiveState={state}\nResult=exit-code\nExecMainStatus={code}",
                "failed",
                f"(exit-code {code}{kind})",
            )
            for state in ("failed", "activating\nSubState=auto-restart")
            for code, kind in ((226, "/NAMESPACE"), (217, "/USER"), (243, "/CREDENTIALS"), (1, ""))
        ),
        ("LoadState=bad-setting\nUnitFileState=\nActiveState=inactive", "failed", "bad-setting"),
        (None, "note", "systemd does not answer"),
    ],
)
def test_how_the_unit_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str | None, result: str, words: str
) -> None:
    """Named as its environment file is, whatever the venue is called."""
    monkeypatch.setattr(check_machine, "_SYSTEMD", tmp_path)
    monkeypatch.setattr(check_machine, "_command", lambda *_: state)
    found = check_machine.unit("Hall A", {"MULTICAM_TAP_ENV_FILE": "/etc/multicam-tap/hall-a.env"})
    assert found is not None
    assert found.found.startswith("multicam-tap@hall-a.service: ")
    assert (found.result, words in found.found) == (result, True)
    assert found.to_do or result == "ok"
    monkeypatch.setattr(check_machine, "_SYSTEMD", tmp_path / "none")
    assert check_machine.unit("hall", {}) is None


@pytest.mark.parametrize(
    ("then", "result"),
    [
        ("ActiveState=activating\nSubState=auto-restart\nResult=exit-code\nExecMainStatus=226\nNRestarts=3", "failed"),
        ("ActiveState=active\nNRestarts=3", "note"),
    ],
)
def test_a_unit_that_is_tried_again_is_looked_at_once_that_start_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, then: str, result: str
) -> None:
    """In the middle of it systemd has forgotten how the last one ended."""
    looks = iter([*["ActiveState=activating\nSubState=start\nResult=success\nNRestarts=3"] * 4, then])
    monkeypatch.setattr(check_machine, "_SYSTEMD", tmp_path)
    monkeypatch.setattr(check_machine, "_LOOK_AGAIN_S", 0.0)
    monkeypatch.setattr(
        check_machine, "_command", lambda *_: f"LoadState=loaded\nUnitFileState=enabled\n{next(looks)}\n"
    )
    found = check_machine.unit("hall", {})
    assert found is not None
    assert (found.result, "226/NAMESPACE" in found.found) == (result, result == "failed")
    assert next(looks, None) is None


@pytest.mark.parametrize(
    ("state", "result", "words"),
    [
        ("UnitFileState=enabled\nActiveState=inactive\nResult=success", "note", "; off, as TAP_ENABLED=0 says"),
        ("UnitFileState=disabled\nActiveState=inactive\nResult=success", "note", "; off, as TAP_ENABLED=0 says"),
        ("UnitFileState=enabled\nActiveState=active", "note", "it still runs"),
        ("UnitFileState=enabled\nActiveState=failed\nResult=exit-code\nExecMainStatus=226", "failed", "226/NAMESPACE"),
    ],
)
def test_how_the_unit_of_a_venue_that_is_switched_off_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str, result: str, words: str
) -> None:
    """It started, said so, and ended; where it could not even do that, that is told all the same."""
    monkeypatch.setattr(check_machine, "_SYSTEMD", tmp_path)
    monkeypatch.setattr(check_machine, "_command", lambda *_: f"LoadState=loaded\n{state}\n")
    found = check_machine.unit("hall", {}, on=False)
    assert found is not None
    assert (found.result, words in found.found) == (result, True)


@pytest.mark.parametrize(
    ("mode", "text", "result"),
    [
        (0o644, "TAP_VENUE=a\n", "ok"),
        (0o600, f"TAP_INGEST_KEY={SECRET}\n", "ok"),
        (0o644, f"TAP_INGEST_KEY={SECRET}\n", "failed"),
        (0o644, f"TAP_SERVER_URL=ws://u:{SECRET}@h/\n", "failed"),
        (0o664, "TAP_VENUE=a\n", "failed"),
    ],
)
def test_who_may_read_and_write_the_environment_file(tmp_path: Path, mode: int, text: str, result: str) -> None:
    """Others may neither change it nor read a secret in it, which is not told here either."""
    file = tmp_path / "hall.env"
    file.write_text(text)
    file.chmod(mode)
    environ = read_environment(text) | {"MULTICAM_TAP_ENV_FILE": str(file)}
    found = check_machine.environment_file(environ)
    assert found is not None
    assert found.result == result
    assert SECRET not in repr(found)
    assert found.to_do or result == "ok"


def test_an_environment_file_that_is_not_there(tmp_path: Path) -> None:
    found = check_machine.environment_file({"MULTICAM_TAP_ENV_FILE": str(tmp_path / "none.env")})
    assert found is not None
    assert found.result == "failed"
    assert check_machine.environment_file({}) is None


async def test_a_journal_that_others_may_read_or_replace(tmp_path: Path) -> None:
    path = tmp_path / "state" / "journal.db"
    Journal.open(path).close()
    assert (await find(tmp_path))["journal"].result == "ok"
    path.parent.chmod(0o777)
    assert "other users can write in" in (await find(tmp_path))["journal"].found
    path.chmod(0o644)
    found = (await find(tmp_path))["journal"]
    assert (found.result, "other users can read it" in found.found) == ("note", True)


def test_wrong_settings_are_findings_too() -> None:
    """One each, so that scripts read them like the rest."""
    (found,) = checking.wrong_settings(["TAP_KEEP_DAYS: '0' is not allowed → days, 1 to 3650"])
    assert found == Finding("settings", "failed", "TAP_KEEP_DAYS: '0' is not allowed", "days, 1 to 3650")


async def test_it_says_how_far_back_a_session_can_be_made(tmp_path: Path) -> None:
    """As far as the tapes go; without a flight recorder that is nowhere, and worth a note."""
    found = (await find(tmp_path, dialect="nonsense/1"))["tapes"]
    assert (found.result, "none yet" in found.found) == ("ok", True)
    (tmp_path / "state/tapes").mkdir(parents=True)
    (tmp_path / "state/tapes/000001-x.jsonl").write_text('{"tape":1,"startedAt":"2026-11-18T11:06:40Z"}\n')
    found = (await find(tmp_path, dialect="nonsense/1"))["tapes"]
    assert (found.result, "back to 2026-11-18T11:06Z" in found.found) == ("ok", True)
    assert (await find(tmp_path, dialect="nonsense/1", tape_megabytes="0"))["tapes"].result == "note"
