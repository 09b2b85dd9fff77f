"""The ops face of a real tap: what it answers to whom, and that nobody who looks is in the recording's way."""

from __future__ import annotations

import base64
import json
import re
import shutil
import socket
import subprocess
import time
import unicodedata
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tap.adapters.journal import Journal
from tap.core.errors import SettingsInvalid
from tap.core.model import Entry
from tap.service.config import load_settings
from tap.service.ops import server as ops_server
from tap.service.ops.feed import MOST_CLIENTS
from tap.service.ops.guard import Guard
from tests.contract.local import key_of, local_ledger
from tests.service.ops.rig import PATIENCE_S, Server, Tap, eventually, server, started, tapped

ALERTS = Path(__file__).parents[3] / "docs" / "alerts.yml"
TOKEN = "hush-hush-hush"


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[tuple[Server, Tap]]:
    """A server, and a tap that listens to it."""
    with server() as playing, tapped(playing.url, tmp_path / "state") as tap:
        eventually(lambda: playing.listeners)
        yield playing, tap


@pytest.fixture(scope="module")
def tap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tap]:
    """One tap for all that only ask."""
    with server() as playing, tapped(playing.url, tmp_path_factory.mktemp("tap") / "state") as running:
        eventually(lambda: running.health()[0] == 200)
        yield running


def in_session(playing: Server, tap: Tap) -> None:
    playing.start()
    eventually(lambda: tap.now()["session"])


# ---------------------------------------------------------------------------------------------- health


def test_it_is_green_while_it_hears_keeps_and_delivers(venue: tuple[Server, Tap]) -> None:
    _, tap = venue
    _, said = eventually(lambda: found if (found := tap.health())[0] == 200 else None)
    assert (said["state"], said["reasons"], said["venue"]) == ("ok", [], "studio-a")
    answer = tap.get("/healthz", Accept="text/plain")
    assert (answer.status, answer.body.decode().splitlines()[:2]) == (
        200,
        ["ok", "Ready to record locally → nothing; set TAP_CONVEX_URL to have a ledger"],
    )


def test_a_server_that_was_never_heard_is_told_with_what_to_do(tmp_path: Path) -> None:
    """A wrong address looks like this; nobody is woken for it."""
    with tapped("ws://127.0.0.1:1/ws/control", tmp_path / "state") as tap:
        eventually(lambda: "refused" in tap.reasons()["server_away"]["words"])
        status, said = tap.health()
        assert (status, said["state"], said["standing"], said["alarm"]) == (200, "degraded", "unheard", False)
        assert "TAP_SERVER_URL" in said["reasons"][0]["nextStep"]
        text = tap.get("/healthz", Accept="text/plain")
        assert text.body.decode().splitlines()[1].startswith("The server was never reached → ")
        assert tap.metric('multicam_tap_health{state="degraded"}') == 1
        assert tap.metric('multicam_tap_standing{standing="unheard"}') == 1
        assert tap.metric("multicam_tap_alarm") == 0
        assert tap.metric('multicam_tap_health_reason{reason="server_away"}') == 1


def test_a_server_that_is_off_for_the_night_is_waited_for_unless_it_should_be_there(tmp_path: Path) -> None:
    """It was heard, and no session runs: grey, 200, nothing to do, after a restart too. With hours it is an alarm."""
    with server() as playing, tapped(playing.url, tmp_path / "state") as tap:
        eventually(lambda: tap.health()[1]["standing"] == "local")
        assert tap.stop() == 0
    with tapped("ws://127.0.0.1:1/ws/control", tmp_path / "state") as tap:
        _, said = eventually(lambda: found if (found := tap.health())[1]["standing"] == "waiting" else None)
        assert (said["state"], said["colour"], said["alarm"], said["reasons"]) == ("ok", "grey", False, [])
    with tapped("ws://127.0.0.1:1/ws/control", tmp_path / "state", TAP_SERVER_HOURS="always") as tap:
        status, said = eventually(lambda: found if (found := tap.health())[1]["standing"] == "missing" else None)
        assert (status, said["alarm"]) == (503, True)
        assert tap.metric("multicam_tap_alarm") == 1


def test_a_server_that_goes_in_a_session_is_red_at_once_and_green_when_it_is_back(tmp_path: Path) -> None:
    with server() as playing, tapped(playing.url, tmp_path / "state") as tap:
        eventually(lambda: playing.listeners)
        in_session(playing, tap)
        playing.drop()
        eventually(lambda: tap.now()["server"]["connections"] == 2)
        eventually(lambda: tap.health()[0] == 200)
        # Told once a state has come on the new connection, and that is a frame later.
        eventually(lambda: tap.metric("multicam_tap_gaps_total") == 1)
    with started(playing.url, tmp_path / "state", TAP_OPS_LISTEN="127.0.0.1:0") as tap:
        tap.url = eventually(lambda: tap.told("the live page is served"))["url"]
        reason = eventually(lambda: tap.reasons().get("server_away"))
        assert "in the middle of a session" in reason["words"]


def test_a_ledger_that_is_away_is_told_with_its_reason_and_what_waits_and_wakes_nobody(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    more = {"TAP_CONVEX_URL": f"http://127.0.0.1:{port}", "TAP_INGEST_KEY": "x"}
    with server() as playing, tapped(playing.url, tmp_path / "state", **more) as tap:
        eventually(lambda: playing.listeners)
        in_session(playing, tap)
        reason = eventually(lambda: tap.reasons().get("ledger_away"))
        assert reason["state"] == "degraded"
        status, said = eventually(lambda: found if " behind" in (found := tap.health())[1]["words"] else None)
        assert (status, said["standing"], said["colour"], said["alarm"]) == (200, "behind", "yellow", False)
        assert eventually(lambda: tap.metric('multicam_tap_journal_entries{state="pending"}'))
        assert tap.metric('multicam_tap_ledger_state{state="away"}') == 1
        eventually(lambda: tap.metric("multicam_tap_journal_oldest_pending_age_seconds"))


def test_what_the_ledger_has_is_counted_and_how_long_it_took(tmp_path: Path) -> None:
    with local_ledger(["studio-a"]) as ledger, server() as playing:
        key = key_of("studio-a").get_secret_value()
        more = {"TAP_CONVEX_URL": ledger.url, "TAP_INGEST_KEY": key}
        with tapped(playing.url, tmp_path / "state", **more) as tap:
            eventually(lambda: playing.listeners)
            in_session(playing, tap)
            eventually(lambda: tap.metric('multicam_tap_journal_entries{state="shipped"}') == 4)
            assert tap.metric('multicam_tap_ledger_entries_total{outcome="applied"}') == 4
            assert tap.metric("multicam_tap_ledger_latency_seconds_count") == 4
            assert tap.metric("multicam_tap_journal_commit_latency_seconds_count") >= 1
            (session,) = eventually(
                lambda: [one for one in tap.get("/status.json").json["sessions"] if one["shipped"] == 4]
            )
            assert (session["kept"], session["waiting"], session["dead"]) == (4, 0, 0)
            assert key not in tap.get("/status.json").body.decode()


# ---------------------------------------------------------------------------------------------- metrics


def test_the_metrics_parse_and_count_what_came(venue: tuple[Server, Tap]) -> None:
    playing, tap = venue
    in_session(playing, tap)
    for to in ("b", "c", "a"):
        playing.cut(to)
    playing.say({"type": "pose", "camera": "a"}, {"type": "telepathy"}, {"type": "cut"})
    eventually(lambda: tap.metric('multicam_tap_events_total{kind="cut"}') == 3)
    eventually(lambda: tap.metric('multicam_tap_frames_total{class="incomplete"}') == 1)
    answer = tap.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    families = list(text_string_to_metric_families(answer.body.decode()))
    assert len({family.name for family in families}) == len(families)
    for family in families:
        assert family.documentation, family.name
        assert family.name.startswith(("multicam_tap_", "process_")), family.name
    assert tap.metric('multicam_tap_frames_total{class="telemetry"}') == 1
    assert tap.metric('multicam_tap_frames_total{class="unknown"}') == 1
    assert tap.metric('multicam_tap_unmapped_frames_total{type="telepathy"}') == 1
    assert tap.metric("multicam_tap_session_live") == 1
    assert tap.metric("multicam_tap_server_connected") == 1
    assert tap.metric("multicam_tap_cameras") == 3


def test_a_server_whose_clock_is_off_is_told_in_seconds(venue: tuple[Server, Tap]) -> None:
    """By ten minutes: in words, in the metric, and in milliseconds for programs."""
    playing, tap = venue
    playing.say({"type": "mode_changed", "to": "rehearsal", "ts": round(time.time() * 1000) + 600_000})
    reason = eventually(lambda: tap.reasons().get("clock"))
    told = re.fullmatch(r"the server's clock and this machine's differ by (\d+) s", reason["words"])
    assert told is not None
    # Less what the frame was under way; both clocks are read to the millisecond, so that one more is possible.
    assert 300 <= int(told[1]) <= 601
    assert 300 < tap.metric("multicam_tap_server_clock_offset_seconds") < 601
    assert 300_000 < tap.now()["server"]["clockOffsetMs"] < 601_000


@pytest.mark.slow
def test_types_that_a_server_makes_up_do_not_become_labels_without_end(venue: tuple[Server, Tap]) -> None:
    """Twenty have a label, the rest one together; no control character gets into one."""
    playing, tap = venue
    playing.say(*({"type": f"made-up-{n}\n\x1b[31m"} for n in range(60)))
    eventually(lambda: tap.metric('multicam_tap_frames_total{class="unknown"}') == 60)
    families = text_string_to_metric_families(tap.get("/metrics").body.decode())
    unmapped = next(family for family in families if family.name == "multicam_tap_unmapped_frames")
    labels = [sample.labels["type"] for sample in unmapped.samples]
    assert len(labels) == 21
    assert tap.metric('multicam_tap_unmapped_frames_total{type="other"}') == 40
    assert all(label.isprintable() for label in labels)


def test_the_alerts_speak_of_metrics_that_there_are(tmp_path: Path) -> None:
    """Every name, label and value in docs/alerts.yml is one of /metrics."""
    with local_ledger(["studio-a"]) as ledger, server() as playing:
        more = {"TAP_CONVEX_URL": ledger.url, "TAP_INGEST_KEY": key_of("studio-a").get_secret_value()}
        with tapped(playing.url, tmp_path / "state", **more) as tap:
            families = list(text_string_to_metric_families(tap.get("/metrics").body.decode()))
    samples = {sample.name for family in families for sample in family.samples}
    # Series that only stand while there is something to tell.
    samples |= {"multicam_tap_drift_alarm", "multicam_tap_unmapped_frames_total"}
    told = ALERTS.read_text("utf-8")
    expressions = " ".join(line for line in told.splitlines() if "multicam_tap_" in line or "process_" in line)
    named = {word for word in _words(expressions) if word.startswith(("multicam_tap_", "process_"))}
    assert len(named) > 10
    assert named <= samples
    for name, label, value in _matchers(expressions):
        values = {sample.labels.get(label) for family in families for sample in family.samples if sample.name == name}
        assert set(value.split("|")) <= values, (name, label, value)


def _words(text: str) -> list[str]:
    return "".join(character if character.isalnum() or character == "_" else " " for character in text).split()


def _matchers(text: str) -> Iterator[tuple[str, str, str]]:
    """Name, label and value of each ``name{label="value"}``."""
    for part in text.split("{")[:-1]:
        name = _words(part)[-1]
        inside = text[text.index(part + "{") + len(part) + 1 :].partition("}")[0]
        label, sign, value = inside.partition("=")
        if sign and label != "job" and name.startswith("multicam_tap_"):
            yield name, label, value.lstrip("~").strip('"')


def test_promtool_takes_the_alerts() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed")
    done = subprocess.run([promtool, "check", "rules", str(ALERTS)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


# ---------------------------------------------------------------------------------------------- who may look


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:9405", "127.0.0.1.evil.example", "localhost.evil", "[::1", ""]
)
def test_a_name_that_is_not_ours_is_refused_on_loopback_too(tap: Tap, host: str) -> None:
    """A page of another site cannot read it by a name of its own that it points here."""
    for path in ("/", "/status.json", "/events", "/metrics", "/healthz", "/nothing"):
        answer = tap.get(path, Host=host)
        assert answer.status in (400, 421), path
        assert b"studio-a" not in answer.body


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:1234", "[::1]:80", "192.168.1.5", "LOCALHOST."])
def test_addresses_and_localhost_may_be_asked_for(tap: Tap, host: str) -> None:
    assert tap.get("/", Host=host).status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_it_can_only_be_looked_at(tap: Tap, method: str) -> None:
    for path in ("/", "/healthz", "/events"):
        assert tap.get(path, method=method).status == 405


def test_head_is_answered_as_get_is_without_the_body(tap: Tap) -> None:
    """As monitors ask; of the news too, which would never end."""
    for path in ("/", "/healthz", "/metrics", "/status.json", "/events", "/tally"):
        answer = tap.get(path, method="HEAD")
        assert (answer.status, answer.body) == (200, b""), path
    assert tap.get("/healthz", method="HEAD", Host="evil.example").status == 421


def test_every_answer_is_strict_about_where_things_come_from(tap: Tap) -> None:
    """No script from elsewhere or inline, no frame, no cache, no guess at types; refusals too."""
    for path, headers in (("/", {}), ("/page.js", {}), ("/status.json", {}), ("/none", {}), ("/", {"Host": "evil"})):
        answer = tap.get(path, **headers)
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self';")
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "aiohttp" not in str(answer.headers)


def test_the_page_asks_nobody_else_for_anything(tap: Tap) -> None:
    for path in (
        "/",
        "/page.css",
        "/looks.css",
        "/page.js",
        "/lanes.js",
        "/card.js",
        "/common.js",
        "/tally",
        "/tally.js",
    ):
        text = tap.get(path).body.decode().replace("http://www.w3.org/", "")
        assert "http://" not in text
        assert "https://" not in text
        assert "innerHTML" not in text
        assert "onclick" not in text


def test_with_a_token_only_who_shows_it_may_look(tmp_path: Path) -> None:
    """As a bearer token, or as a browser's password; a wrong one, or none, learns nothing."""
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    file.chmod(0o600)
    more = {"TAP_OPS_LISTEN": "0.0.0.0:0", "TAP_OPS_TOKEN_FILE": str(file)}
    with server() as playing, tapped(playing.url, tmp_path / "state", **more) as tap:
        tap.url = f"http://127.0.0.1:{urlsplit(tap.url).port}"
        basic = base64.b64encode(f"anybody:{TOKEN}".encode()).decode()
        for shown in (f"Bearer {TOKEN}", f"bearer {TOKEN}", f"Basic {basic}"):
            assert tap.get("/status.json", Authorization=shown).status == 200, shown
        wrong = base64.b64encode(b"anybody:wrong").decode()
        for shown in ("", "Bearer wrong", f"Basic {wrong}", "Basic !!!", f"Digest {TOKEN}", f"Bearer {TOKEN}x", TOKEN):
            for path in ("/", "/healthz", "/metrics", "/status.json", "/events"):
                answer = tap.get(path, Authorization=shown)
                assert answer.status == 401
                assert answer.headers["WWW-Authenticate"].startswith("Basic ")
                assert b"studio-a" not in answer.body
        assert tap.get("/", Authorization=f"Bearer {TOKEN}", Host="evil.example").status == 421
        assert tap.stop() == 0
        assert TOKEN not in json.dumps(tap.log)


@pytest.mark.parametrize("written", ["NFC", "NFD"])
def test_a_password_may_be_whatever_somebody_chose(written: Literal["NFC", "NFD"]) -> None:
    """With spaces and umlauts, however a browser or the file composes them."""
    token = "Grüße an den Ü-Wagen"
    guard = Guard([], token)
    shown = base64.b64encode(f"anybody:{unicodedata.normalize(written, token)}".encode()).decode()
    assert guard.refusal("GET", "localhost", f"Basic {shown}") is None
    for wrong in ("Gruße an den Ü-Wagen", "Grüße", ""):
        shown = base64.b64encode(f"anybody:{wrong}".encode()).decode()
        assert guard.refusal("GET", "localhost", f"Basic {shown}") is not None
    assert guard.refusal("GET", "localhost", "Basic " + base64.b64encode(b":\xff\xfe").decode()) is not None


def test_off_loopback_without_a_token_it_does_not_start(tmp_path: Path) -> None:
    """Exit code 78, and what to do."""
    with started("ws://127.0.0.1:1/", tmp_path / "state", TAP_OPS_LISTEN="0.0.0.0:9405") as tap:
        assert tap.process.wait(300) == 78
    assert not (tmp_path / "state" / "journal.db").exists()


@pytest.mark.parametrize("listen", ["0.0.0.0:9405", "[::]:9405", "192.168.1.5:80", "studio.lan:9405"])
def test_the_token_that_is_missing_is_told_with_how_to_make_one(listen: str) -> None:
    with pytest.raises(SettingsInvalid) as told:
        load_settings({"TAP_OPS_LISTEN": listen, "TAP_ENABLED": "maybe"})
    assert sum("TAP_OPS_TOKEN: is not set" in line and "openssl" in line for line in told.value.problems) == 1
    assert len(told.value.problems) == 2, "all that is wrong is told at once"
    for short in ("x", "hush5", "hush" * 2 + "abc"):
        with pytest.raises(SettingsInvalid, match=f"TAP_OPS_TOKEN: has {len(short)} characters, and ") as told:
            load_settings({"TAP_OPS_LISTEN": listen, "TAP_OPS_TOKEN": short})
        assert "hush" not in str(told.value)
    assert load_settings({"TAP_OPS_LISTEN": listen, "TAP_OPS_TOKEN": "x" * 12}).ops_token is not None
    assert load_settings({"TAP_OPS_LISTEN": listen}, partly=True).ops_address is not None


@pytest.mark.slow
def test_names_that_the_venue_allows_may_be_asked_for(tmp_path: Path) -> None:
    with tapped("ws://127.0.0.1:1/", tmp_path / "state", TAP_OPS_HOSTS="tap.studio.lan, other.lan") as tap:
        assert tap.get("/", Host="tap.studio.lan:80").status == 200
        assert tap.get("/", Host="other.lan").status == 200
        assert tap.get("/", Host="studio.lan").status == 421


def test_a_long_session_is_read_again_with_a_pause_now_and_then_and_not_after_each_entry(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On a thread of its own; the others have their turn in between."""
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    entries = [Entry(f"hall/s/{n}", "event", "hall/s", n, {}) for n in range(1_050)]
    assert list(ops_server._gently(entries)) == entries
    assert len(pauses) == 10


# ---------------------------------------------------------------------------------------------- off, and in use


def test_switched_off_nothing_listens(tmp_path: Path) -> None:
    with server() as playing, started(playing.url, tmp_path / "state", TAP_OPS_LISTEN="off") as tap:
        eventually(lambda: tap.told("connected"))
        playing.start()
        eventually(lambda: tap.told("session"))
        assert _listening(tap.process.pid) == []
        assert "aiohttp" not in _mapped(tap.process.pid)
        assert tap.stop() == 0
        assert tap.told("the live page is served") is None


def _listening(pid: int) -> list[str]:
    """The process' own sockets that listen."""
    mine = {link.readlink().name for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()}
    lines = [
        line.split()
        for name in ("tcp", "tcp6")
        for line in Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:]
    ]
    return [line[1] for line in lines if line[3] == "0A" and f"socket:[{line[9]}]" in mine]


def _mapped(pid: int) -> str:
    return Path(f"/proc/{pid}/maps").read_text()


def test_an_address_in_use_is_told_with_who_has_it_and_the_shoot_is_recorded(tmp_path: Path) -> None:
    """An error at once; the other tap is named; once it is gone, the page is served."""
    with server() as playing, tapped(playing.url, tmp_path / "one", TAP_VENUE="studio-one") as one:
        address = urlsplit(one.url).netloc
        with started(playing.url, tmp_path / "two", TAP_OPS_LISTEN=address) as two:
            said = eventually(lambda: two.told("health, metrics and the live page cannot be served; recording goes on"))
            assert said["level"] == "error"
            assert (said["address"], said["held_by"]) == (address, "the tap of venue studio-one")
            assert said["why"] == "the address is in use"
            assert "TAP_OPS_LISTEN" in said["next_step"]
            eventually(lambda: playing.listeners == 2)
            playing.start()
            eventually(lambda: two.told("session"))
            one.stop()
            eventually(lambda: two.told("the live page is served"))
            assert two.stop() == 0
    with Journal.open(tmp_path / "two" / "journal.db", readonly=True) as journal:
        assert sum(journal.counts().values()) == 4


# ---------------------------------------------------------------------------------------------- never in the way


def test_who_does_not_read_holds_up_nobody_and_is_dropped(venue: tuple[Server, Tap]) -> None:
    """Pages that were opened and read nothing: every cut is on the disk all the same, and they are let go."""
    playing, tap = venue
    in_session(playing, tap)
    address = urlsplit(tap.url)
    with ExitStack() as idle:
        for _ in range(MOST_CLIENTS):
            client = idle.enter_context(socket.socket())
            # Small, so that little fits between the two.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            client.connect((address.hostname, address.port))
            client.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        eventually(lambda: tap.metric("multicam_tap_ops_clients") == MOST_CLIENTS)
        assert tap.get("/events").status == 503
        for n in range(2_000):
            playing.cut("bca"[n % 3])
        eventually(lambda: tap.metric('multicam_tap_events_total{kind="cut"}') == 2_000)
        eventually(lambda: tap.metric("multicam_tap_journal_memory_entries") == 0)
        # One was turned away; the others are let go one by one.
        eventually(lambda: tap.metric("multicam_tap_ops_clients_dropped_total") == 1 + MOST_CLIENTS)
        assert tap.metric("multicam_tap_ops_clients") == 0
        assert tap.health()[0] == 200
        assert tap.metric("multicam_tap_gaps_total") == 0
    assert tap.stop() == 0


@pytest.mark.slow
def test_more_connections_than_it_takes_are_turned_away_and_it_still_records(venue: tuple[Server, Tap]) -> None:
    playing, tap = venue
    address = urlsplit(tap.url)
    with ExitStack() as crowd:
        asked = (address.hostname or "", address.port or 0)
        clients = [crowd.enter_context(socket.create_connection(asked)) for _ in range(200)]
        eventually(lambda: any(_is_closed(client) for client in clients))
        playing.start()
        eventually(lambda: tap.told("session"))
    eventually(lambda: _asked(tap))


@pytest.mark.parametrize("said", [b"", b"GET /healthz HT", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"])
@pytest.mark.parametrize("loaded", [False, True], ids=["before its first page", "later"])
def test_who_connects_and_asks_nothing_keeps_nobody_from_asking(
    venue: tuple[Server, Tap], loaded: bool, said: bytes
) -> None:
    """Sockets that are opened and left, amid a request or behind one, however many: health is told at once."""
    tap = venue[1]
    if loaded:
        assert _asked(tap)
    address = urlsplit(tap.url)
    with ExitStack() as crowd:
        for _ in range(3):
            for _ in range(70):
                client = crowd.enter_context(socket.create_connection((address.hostname or "", address.port or 0)))
                with suppress(ConnectionError):
                    client.sendall(said)
            for _ in range(5):
                assert tap.get("/healthz").status in (200, 503)


CROWDS = {
    "nothing": b"",
    "half a path": b"GET /made/card?sess",
    "half the headers": b"GET /past.json HTTP/1.1\r\nHost: local",
    "half a stream": b"GET /events HTTP/1.1\r\nHost: localhost\r\n",
    **{
        path: f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        for path in (
            "/made/card?session=studio-a%2Fs1",
            "/made/report?session=nobody",
            "/tally",
            "/past.json",
            "/status.json",
        )
    },
}
"""What 70 connections say, and nothing after it; more than are let in at once."""


@pytest.fixture(scope="module")
def shoot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Tap]]:
    """A shoot with more cuts than are drawn one by one, so that there is a summary, a card and a long report."""
    with server() as playing, tapped(playing.url, tmp_path_factory.mktemp("crowd") / "state") as tap:
        eventually(lambda: playing.listeners)
        in_session(playing, tap)
        for n in range(2_000):
            playing.cut("bca"[n % 3])
        eventually(lambda: tap.metric('multicam_tap_events_total{kind="cut"}') == 2_000)
        assert tap.get("/past.json").json is not None
        yield playing, tap


@pytest.mark.parametrize("said", CROWDS.values(), ids=list(CROWDS))
def test_a_crowd_on_any_path_keeps_nobody_from_looking(shoot: tuple[Server, Tap], said: bytes) -> None:
    """While they are there, health is told, a page opens with all that it needs, and hears of the next cut."""
    playing, tap = shoot
    with ExitStack() as crowd:
        for _ in range(70):
            _idle(crowd, tap, said)
        for _ in range(3):
            assert tap.get("/healthz").status == 200
        _page_opens(crowd, playing, tap)


def test_who_reads_nothing_of_a_long_file_keeps_nobody_from_looking(shoot: tuple[Server, Tap]) -> None:
    """They may take minutes for it, as long as nobody else wants in."""
    playing, tap = shoot
    path = f"/made/csv?session={tap.now()['session']['key']}"
    # What an earlier crowd asked for may still be in the making: "busy, try again" until then.
    eventually(lambda: len(tap.get(path).body) > 200_000)
    with ExitStack() as crowd:
        for _ in range(70):
            _idle(crowd, tap, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        for _ in range(3):
            assert tap.get("/healthz").status == 200
        _page_opens(crowd, playing, tap)


def _idle(crowd: ExitStack, tap: Tap, said: bytes) -> socket.socket:
    """A connection that says this, and reads nothing; there is little room for what it is sent."""
    address = urlsplit(tap.url)
    client = crowd.enter_context(socket.socket())
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    client.settimeout(PATIENCE_S)
    client.connect((address.hostname, address.port))
    with suppress(ConnectionError):
        client.sendall(said)
    return client


def _page_opens(crowd: ExitStack, playing: Server, tap: Tap) -> None:
    for path in ("/", "/page.js", "/card.js", "/page.css", "/looks.css", "/tally", "/past.json", "/status.json"):
        assert tap.get(path).status == 200, path
    address = urlsplit(tap.url)
    client = crowd.enter_context(socket.create_connection((address.hostname, address.port), timeout=PATIENCE_S))
    client.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    news = crowd.enter_context(client.makefile("rb"))
    assert news.readline() == b"HTTP/1.1 200 OK\r\n"
    assert next(line for line in news if line.startswith(b"event:")) == b"event: hello\n"
    playing.cut("a" if playing.program != "a" else "b")
    assert next(line for line in news if line == b"event: happened\n")


def _is_closed(client: socket.socket) -> bool:
    client.settimeout(0.05)
    try:
        return client.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def _asked(tap: Tap) -> bool:
    try:
        return tap.get("/healthz").status in (200, 503)
    except OSError:
        return False


@pytest.mark.parametrize(
    "request_",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n",
        b"GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n",
        b"nonsense\r\n\r\n",
    ],
)
def test_nonsense_costs_nothing_and_fills_no_log(tap: Tap, request_: bytes) -> None:
    address = urlsplit(tap.url)
    with socket.create_connection((address.hostname, address.port), timeout=60) as client:
        client.sendall(request_)
        client.shutdown(socket.SHUT_WR)
        try:
            answer = client.recv(65_536)
        except ConnectionError:
            answer = b""
    assert b"root:" not in answer
    eventually(lambda: tap.health()[0] == 200)
    assert [line for line in tap.log if line["level"] in ("warning", "error")] == []
