"""Whoever else is on the machine or the network: a server that sends the tap elsewhere, a key in the wrong hands."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from tap.adapters.clock import Clock
from tap.adapters.ledger import Ledger, LedgerRefused
from tap.adapters.server import ServerSocket, Timing
from tests.adapters.test_ledger import session
from tests.contract.local import key_of, local_ledger
from tests.security.victim import PATIENCE, RUN, victim


async def listener(requests: list[bytes], answer: bytes) -> asyncio.Server:
    """What answers every request with ``answer``, and keeps the requests."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        await writer.drain()
        writer.close()

    return await asyncio.start_server(serve, "127.0.0.1", 0)


async def test_a_server_that_sends_the_tap_elsewhere_does_not_get_its_token_there() -> None:
    """A redirect to another address is followed without who we are."""

    there: list[bytes] = []
    here: list[bytes] = []
    other = await listener(there, b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    to = f"ws://127.0.0.1:{other.sockets[0].getsockname()[1]}/elsewhere"
    moved = f"HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n".encode()
    first = await listener(here, moved)
    url = f"ws://u:hush@127.0.0.1:{first.sockets[0].getsockname()[1]}/ws/control?ticket=hush"
    for token in ("hush-token", None):
        there.clear()
        socket = ServerSocket(
            url, lambda _: None, Clock(), token=token, timing=Timing().faster(10)._replace(open_timeout=300.0)
        )
        running = asyncio.create_task(socket.run())
        while not there:  # noqa: ASYNC110 - the listener tells nobody
            await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.wait([running])
        assert b"uthorization" in here[-1]
        assert all(b"uthorization" not in request and b"hush" not in request for request in there)
    other.close()
    first.close()


def test_a_second_tap_on_the_same_state_is_told_who_has_it(tmp_path: Path) -> None:
    """By process, with what to do; and it touches nothing."""
    with victim(tmp_path) as tap:
        session = tap.start_session()
        log = tmp_path / "second"
        with log.open("wb") as stream:
            second = subprocess.Popen([sys.executable, "-c", RUN, "022"], env=tap.environ, stderr=stream)
        try:
            tap.until(lambda: f"process {tap.process.pid}" in log.read_text() or second.poll() is not None)
            assert f"process {tap.process.pid}" in log.read_text()
            assert "a TAP_STATE_DIR of its own" in log.read_text()
            assert tap.cut_is_kept(session)
        finally:
            second.kill()
            second.wait(PATIENCE)


# ---------------------------------------------------------------------------------------------- a stolen ingest key


async def test_a_stolen_ingest_key_reaches_no_other_venue_and_deletes_nothing() -> None:
    """It writes and reads the one venue that it is for, until its digest is taken from the deployment."""

    with local_ledger(["mine", "yours"]) as local:
        async with local.ledger("yours") as owner, Ledger(local.url, key_of("mine")) as thief:
            await owner.ingest([session("yours/s")])
            (answer,) = await thief.ingest([session("yours/s")])
            assert (answer.outcome, answer.code) == ("rejected", "venue")
            with pytest.raises(LedgerRefused):
                await thief.session("yours/s")
            with pytest.raises(LedgerRefused):
                _ = [row async for row in thief.sessions("yours")]
            with pytest.raises(LedgerRefused):
                await thief.forget(key_of("mine"), "mine/s")
            rows = [row async for row in owner.sessions("yours")]
            assert [row.fields["status"] for row in rows] == ["live"]


async def test_a_key_that_was_taken_back_is_none() -> None:
    with local_ledger(["mine"], keys="mine:" + "0" * 64) as local:
        async with Ledger(local.url, key_of("mine")) as thief:
            assert (await thief.ping("mine")).code == "key_wrong"


def test_a_running_service_takes_a_corrected_key_from_its_file(tmp_path: Path) -> None:
    """Within seconds, without a restart; neither key is in its log."""
    file = tmp_path / "key"
    file.write_text("hush-wrong")
    file.chmod(0o600)
    with local_ledger(["v"]) as local:
        environ = {"TAP_CONVEX_URL": local.url, "TAP_INGEST_KEY_FILE": str(file), "TAP_LOG_FORMAT": "json"}
        with victim(tmp_path, **environ) as tap:
            tap.cut_is_kept(tap.start_session())
            tap.until(lambda: "publishing is blocked" in tap.log_text())
            file.write_text(key_of("v").get_secret_value())
            tap.until(lambda: "the ingest key in its file has changed: the new one is used" in tap.log_text())
            tap.until(lambda: "publishing continues" in tap.log_text())
        assert "hush-wrong" not in tap.log_text()
        assert key_of("v").get_secret_value() not in tap.log_text()
