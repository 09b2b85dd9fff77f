"""``status``: what the running tap says, in words and as JSON; where none can be asked, what its journal says."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from unittest.mock import patch
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner, Result

from tap.cli import cli
from tests.service.ops.rig import PATIENCE_S, Server, Tap, environment, eventually, server, started, tapped


def status(state: Path, listen: str, *arguments: str, **more: str) -> Result:
    environ = environment("ws://127.0.0.1:1/", state, TAP_OPS_LISTEN=listen, **more)
    with patch.dict(os.environ, environ, clear=True):
        return CliRunner().invoke(cli, ["status", *arguments])


def address(tap: Tap) -> str:
    return urlsplit(tap.url).netloc


def shoot(playing: Server, tap: Tap) -> None:
    """Nine entries: a session, its cameras, a cut, and a still that one camera could not take."""
    eventually(lambda: playing.listeners)
    playing.start("\x1b[2JEvening\u202e")
    playing.cut("b")
    playing.say({"type": "still_requested", "still_id": "st-1", "camera_ids": ["a", "b"]})
    playing.say({"type": "still_failed", "still_id": "st-1", "camera_id": "b", "reason": "no space"})
    eventually(lambda: tap.metric('multicam_tap_journal_entries{state="pending"}') == 9)


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Tap]]:
    with server() as playing, tapped(playing.url, tmp_path_factory.mktemp("status") / "state") as tap:
        shoot(playing, tap)
        yield playing, tap


def test_a_tap_that_delivers_is_told_with_exit_code_0(venue: tuple[Server, Tap]) -> None:
    _, tap = venue
    done = status(tap.state, address(tap))
    assert (done.exit_code, done.stderr) == (0, "")
    for words in (
        "studio-a   ● Recording locally",
        "Ben",
        "1 cut",
        "no gaps",
        "3 of 3 cameras",
        "9 entries saved",
        "not conf",
    ):
        assert words in done.stdout, words
    assert "st-1 of b (failed: no space)" not in done.stdout, "named by the camera's name"
    assert "\x1b" not in done.stdout
    assert "\u202e" not in done.stdout


def test_json_says_the_same(venue: tuple[Server, Tap]) -> None:
    _, tap = venue
    done = status(tap.state, address(tap), "--json")
    assert done.exit_code == 0
    said = json.loads(done.stdout)
    assert (said["ok"], said["running"], said["status"]["venue"]) == (True, True, "studio-a")
    assert said["status"]["now"]["program"]["name"] == "Ben"
    (session,) = said["sessions"]
    assert (session["kept"], session["waiting"], session["leftLive"]) == (9, 9, False)


def test_a_tap_that_never_heard_its_server_is_told_with_exit_code_1(tmp_path: Path) -> None:
    with tapped("ws://127.0.0.1:1/", tmp_path / "state") as tap:
        eventually(lambda: "refused" in tap.reasons()["server_away"]["words"])
        done = status(tap.state, address(tap))
        assert done.exit_code == 1
        assert "▲ The server was never reached" in done.stdout
        assert "→ start multicam-server" in " ".join(done.stdout.split())


def test_a_tap_that_was_killed_is_told_by_its_journal(tmp_path: Path) -> None:
    """When the server was last heard, that the session still says live, and what is missing of it."""
    with server() as playing, tapped(playing.url, tmp_path / "state") as tap:
        shoot(playing, tap)
        listen = address(tap)
    done = status(tap.state, listen)
    told = " ".join(done.stdout.split())
    assert done.exit_code == 1
    assert "no tap answers" in done.stderr
    assert "■ no tap runs here" in told
    assert "last signal 20" in told
    assert "still says live, but there is no signal" in told
    assert "1 still failed: st-1 of Ben (no space)" in told
    assert "requested, never taken" not in told, "the other one may still come"
    said = json.loads(status(tap.state, listen, "--json").stdout)
    assert (said["ok"], said["running"], said["journal"]["pending"]) == (False, False, 9)
    assert said["sessions"][0]["leftLive"] is True


def test_a_tap_without_an_ops_face_is_told_by_its_journal(tmp_path: Path) -> None:
    with server() as playing, started(playing.url, tmp_path / "state", TAP_OPS_LISTEN="off") as tap:
        eventually(lambda: tap.told("connected"))
        playing.start()
        eventually(lambda: tap.told("session"))

        def kept() -> dict[str, object]:
            said: dict[str, object] = json.loads(status(tap.state, "off", "--json").stdout)
            return said

        said = eventually(lambda: found if (found := kept())["sessions"] else None)
        assert (said["ok"], said["running"]) == (False, None)
        assert said["sessions"][0]["leftLive"] is False
        done = status(tap.state, "off")
        assert "TAP_OPS_LISTEN is off" in done.stderr
        assert "a tap uses this journal" in done.stdout


def test_where_there_is_nothing_it_says_so(tmp_path: Path) -> None:
    done = status(tmp_path / "nothing", "127.0.0.1:1")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "nothing has been recorded yet" in done.stderr
    assert not (tmp_path / "nothing").exists()


@pytest.mark.slow
def test_another_venues_tap_is_not_taken_for_ours(venue: tuple[Server, Tap]) -> None:
    _, tap = venue
    done = status(tap.state, address(tap), TAP_VENUE="studio-b")
    assert done.exit_code == 1
    assert "is the tap of venue studio-a, not of studio-b" in done.stderr


class _Other(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<h1>\x1b[2Jhello</h1>")

    def log_message(self, *_: object) -> None:
        pass


def test_what_is_no_tap_is_told(tmp_path: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Other) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        done = status(tmp_path, "off", "--url", f"http://127.0.0.1:{other.server_address[1]}/")
        other.shutdown()
    assert (done.exit_code, done.stdout) == (1, "")
    assert "answers, but not as a tap does" in done.stderr


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("nonsense://x", 2),
        ("http://", 2),
        ("http://127.0.0.1:99999/", 2),
        ("http://[::", 2),
        ("ftp://user:hush@127.0.0.1:1/", 2),
        ("http://user:hush@127.0.0.1:1/", 1),
    ],
)
def test_an_address_that_is_none_is_usage_and_one_without_a_tap_is_not(tmp_path: Path, url: str, code: int) -> None:
    done = status(tmp_path, "off", "--url", url)
    assert done.exit_code == code
    assert "→" in done.stderr
    assert "Traceback" not in done.stderr
    assert "hush" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("token", ["hush", "hush hüsh"])
def test_a_tap_with_a_token_is_asked_with_it(tmp_path: Path, token: str) -> None:
    with tapped("ws://127.0.0.1:1/", tmp_path / "state", TAP_OPS_TOKEN=token) as tap:
        assert "wants a token" in status(tmp_path, "off", "--url", tap.url).stderr
        done = status(tmp_path, "off", "--url", tap.url, TAP_OPS_TOKEN=token)
        assert "studio-a" in done.stdout
        assert "hush" not in done.stdout + done.stderr


@pytest.mark.slow
def test_a_face_that_hangs_does_not_hang_status(venue: tuple[Server, Tap]) -> None:
    _, tap = venue
    with socket.create_server(("127.0.0.1", 0)) as listener:
        done = status(tap.state, f"127.0.0.1:{listener.getsockname()[1]}")
    assert done.exit_code == 1
    assert "a tap uses this journal" in done.stdout


def test_watch_goes_on_until_ctrl_c_on_a_terminal_and_in_a_pipe(venue: tuple[Server, Tap]) -> None:
    """The exit code is that of the last look."""
    playing, tap = venue
    environ = environment("ws://127.0.0.1:1/", tap.state, TAP_OPS_LISTEN=address(tap), TERM="xterm", COLUMNS="100")
    command = [sys.executable, "-m", "tap.cli", "status", "--watch"]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        _read_until(process.stdout.fileno(), "Ben")
        playing.cut("c")
        _read_until(process.stdout.fileno(), "Chris")
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 0
    master, slave = pty.openpty()
    with subprocess.Popen(command, env=environ, stdout=slave, stdin=slave) as process:
        os.close(slave)
        _read_until(master, "Chris")
        playing.cut("a")
        _read_until(master, "Anna")
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 0
    os.close(master)


def _read_until(descriptor: int, words: str) -> None:
    told = b""
    while words not in told.decode("utf-8", "replace"):
        chunk = os.read(descriptor, 65_536)
        assert chunk, told
        told += chunk
