"""A stolen disk, journal or tape gives away no secret, and only the tap's own user gets at them."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, serve

from tests.security.victim import PATIENCE, victim

SECRETS = ("hush-token", "hush-user", "hush-password", "hush-query", "hush-ingest", "hush-told", "hush-signed")
FRAMES = (
    {"type": "hello", "boot_id": "b2", "authentication": {"challenge": "hush-told"}},
    {
        "type": "session_started",
        "session": {"id": "s1", "title": "password: hush-told", "notes": "Bearer hush-told-12"},
    },
    {"type": "cut", "to": "one", "cut_id": 1, "api_key": "hush-told", "auth": {"deep": {"sessionToken": "hush-told"}}},
    {"type": "novel", "secret": "hush-told", "url": "https://u:hush-told@cdn.example/a?sig=hush-signed"},
    {"type": "still_uploaded", "still_id": "x", "camera_id": "one", "url": "https://cdn.example/x?sig=hush-signed"},
)


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def modes(folder: Path) -> dict[str, str]:
    """Whatever is not for its owner alone."""
    found = {}
    for path in (folder, *folder.rglob("*")):
        wanted = 0o700 if path.is_dir() else 0o600
        if (mode := stat.S_IMODE(path.stat().st_mode)) != wanted:
            found[str(path.relative_to(folder))] = f"{mode:04o}"
    return found


def test_nothing_that_is_kept_or_said_holds_a_secret(tmp_path: Path) -> None:
    """Neither those of the settings nor those that a server tells: not in journal, log of SQLite, tapes or the log."""
    key = tmp_path / "key"
    key.write_text("hush-ingest")
    key.chmod(0o600)
    environ = {
        "TAP_SERVER_URL": "ws://hush-user:hush-password@127.0.0.1:PORT/ws/control?ticket=hush-query",
        "TAP_SERVER_TOKEN": "hush-token",
        "TAP_INGEST_KEY_FILE": str(key),
        "TAP_CONVEX_URL": "http://127.0.0.1:1",
        "TAP_LOG_LEVEL": "debug",
        "TAP_LOG_FORMAT": "json",
    }
    with victim(tmp_path, **environ) as tap:
        tap.say(*FRAMES)
        tap.until(lambda: any(entry.op == "still" for entry in tap.entries("s1")))
        command = Path(f"/proc/{tap.process.pid}/cmdline").read_bytes()
    kept = b"".join(path.read_bytes() for path in files(tap.state))
    assert b"cdn.example/x" in kept
    for secret in SECRETS:
        assert secret.encode() not in kept, secret
        assert secret not in tap.log_text(), secret
        assert secret.encode() not in command, secret


@pytest.mark.parametrize("umask", ["000", "022", "777"])
def test_what_the_service_makes_is_for_its_own_user_alone(tmp_path: Path, umask: str) -> None:
    """While it runs (with SQLite's log and shared memory beside the journal) and afterwards, whatever the umask."""
    if umask == "777" and os.geteuid() != 0:
        pytest.skip("only root can start with a umask that takes everything away")
    with victim(tmp_path, umask) as tap:
        tap.start_session()
        tap.cut_is_kept("s1")
        names = {path.name for path in files(tap.state)}
        assert {"journal.db", "journal.db-wal", "journal.db-shm", "journal.lock", "tap-id"} <= names
        assert modes(tap.state) == {}
    assert modes(tap.state) == {}


def test_directories_above_are_not_left_open_either(tmp_path: Path) -> None:
    """Where the state directory's parents are missing, others could otherwise put another in its place."""
    place = tmp_path / "not" / "there" / "yet"
    with victim(tmp_path, "000", TAP_STATE_DIR=str(place)) as tap:
        tap.until((place / "journal.db").exists)
    assert modes(tmp_path / "not") == {}


def test_a_journal_that_others_could_read_is_taken_from_them(tmp_path: Path) -> None:
    """As after a copy by hand; SQLite gives its own files beside it the same mode."""
    with victim(tmp_path) as tap:
        tap.start_session()
    journal = tap.state / "journal.db"
    journal.chmod(0o666)
    with victim(tmp_path) as tap:
        tap.start_session()
        tap.until((tap.state / "journal.db-wal").exists)
        assert modes(tap.state) == {}


async def test_a_tape_that_is_recorded_is_for_its_own_user_alone_and_without_secrets(tmp_path: Path) -> None:
    tape = tmp_path / "shoot.jsonl"
    program = "import os, sys; os.umask(0); from tap.cli import main; sys.argv[0] = 'multicam-tap'; main()"

    async def handler(connection: ServerConnection) -> None:
        for frame in FRAMES:
            await connection.send(json.dumps(frame))
        await connection.wait_closed()

    quiet = logging.getLogger("tests.security.server")
    quiet.propagate = False
    async with serve(handler, "127.0.0.1", 0, logger=quiet) as running:
        port = next(iter(running.sockets)).getsockname()[1]
        url = f"ws://hush-user:hush-password@127.0.0.1:{port}/?ticket=hush-query"
        arguments = ("record", url, "-o", str(tape), "--seconds", "3", "--with-token")
        environ = os.environ | {"TAP_SERVER_TOKEN": "hush-token"}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, *arguments, env=environ, stderr=subprocess.PIPE
        )
        _, said = await asyncio.wait_for(process.communicate(), PATIENCE)
        assert process.returncode == 0, said
        assert not [secret for secret in SECRETS if secret.encode() in said]
    kept = tape.read_bytes()
    assert stat.S_IMODE(tape.stat().st_mode) == 0o600
    assert b"cdn.example/x" in kept
    assert not [secret for secret in SECRETS if secret.encode() in kept]
