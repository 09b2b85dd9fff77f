"""The service under a real systemd, installed from its wheel and run by the unit as it is shipped."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable
from typing import Any

import pytest

from tests.contract.local import Local, key_of
from tests.systemd.machine import Machine, Venue

pytestmark = pytest.mark.timeout(1200)  # the first test of a worker waits for the wheel and the boot
LONG = ("--length", "3000", "--speed", "10", "--patient")
"""A shoot that outlasts every test, without its longueurs."""


def recording(venue: Venue) -> None:
    """Started, and something of a session is kept."""
    venue.start()
    venue.until(lambda: "; session " in venue.show("StatusText"))
    venue.until(venue.entries)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def kinds(entries: list[dict[str, Any]]) -> list[object]:
    return [entry["fields"].get("kind") for entry in entries]


# ---------------------------------------------------------------------------------------------- the unit itself


def test_systemd_finds_nothing_to_say_against_the_unit(machine: Machine) -> None:
    """``systemd-analyze verify`` is silent, of the template and of a venue."""
    machine.tap("install", "hall-verified")
    for unit in ("multicam-tap@.service", "multicam-tap@hall-verified.service"):
        done = machine.run("systemd-analyze", "verify", unit)
        assert done.stdout + done.stderr == "", unit


def test_the_sandbox_is_tight(machine: Machine) -> None:
    """``systemd-analyze security`` gives an exposure of 1.2 at most to the very file that is installed."""
    machine.tap("install", "hall-tight")
    done = machine.run(
        "systemd-analyze", "security", "--offline=true", "/etc/systemd/system/multicam-tap@.service", check=False
    )
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    assert float(found[1]) <= 1.2


# ---------------------------------------------------------------------------------------------- starting


def test_it_is_ready_once_it_listens_and_records_a_shoot(machine: Machine, rehearsal: Callable[..., str]) -> None:
    """As a user of its own, without a key file, under exactly the settings of the unit; the state is its alone."""
    venue = machine.venue("hall-ready", TAP_SERVER_URL=rehearsal(*LONG))
    recording(venue)
    assert (venue.show("ActiveState"), venue.show("SubState")) == ("active", "running")
    assert "no ledger: saved in the journal" in venue.show("StatusText")
    assert venue.show("DropInPaths") == ""
    assert venue.state.stat().st_mode & 0o777 == 0o700
    assert venue.state.stat().st_uid >= 61184, "a dynamic user"
    assert "hall-ready/" in venue.tap("sessions")
    venue.systemctl("stop")


def test_it_is_ready_though_the_server_is_away(machine: Machine) -> None:
    """A machine boots in any order; the server comes when it comes."""
    venue = machine.venue("hall-early", TAP_SERVER_URL="ws://127.0.0.1:1/ws/control")
    venue.start()
    venue.until(lambda: venue.show("StatusText").startswith("no signal from ws://127.0.0.1:1/ws/control: "))
    assert venue.show("ActiveState") == "active"
    venue.systemctl("stop")


@pytest.mark.parametrize("more", [{}, {"TAP_SERVER_URL": "nonsense"}], ids=["settled", "half of it missing"])
def test_a_venue_that_is_switched_off_says_so_and_ends(machine: Machine, more: dict[str, str]) -> None:
    """READY, "off", 0: no failure, no second start, and 'check' says off. Switched on again, the same unit runs."""
    venue = machine.venue(f"hall-off-{len(more)}", TAP_ENABLED="0", **more)
    assert machine.run("systemctl", "enable", "--now", venue.unit).returncode == 0
    venue.until(lambda: venue.show("ActiveState") == "inactive")
    assert (venue.show("Result"), venue.show("ExecMainStatus"), venue.show("NRestarts")) == ("success", "0", "0")
    assert venue.show("StatusText").startswith("off: ")
    assert venue.log().count("this venue is switched off") == 1
    if more:
        return
    found = findings(venue)
    assert (found["unit"]["result"], "; off, as " in found["unit"]["found"]) == ("note", True)
    assert "the venue is switched off" in venue.machine.tap("--installed", venue.name, "status", check=False).stderr
    venue.settings(TAP_ENABLED="1")
    venue.start()
    assert venue.show("ActiveState") == "active"
    venue.systemctl("stop")
    # Now it is meant to run, and does not.
    found = findings(venue)
    assert (found["unit"]["result"], "it does not run" in found["unit"]["found"]) == ("failed", True)
    said = machine.tap("--installed", venue.name, "status", check=False)
    assert (said.returncode, "FAILED: " in said.stderr) == (1, True)


@pytest.mark.parametrize(
    ("refused", "code"),
    [
        ("ReadWritePaths=/no/such/folder", "226/NAMESPACE"),
        ("DynamicUser=no\nUser=no-such-user", "217/USER"),
        ("WorkingDirectory=/no/such/folder", "200/CHDIR"),
    ],
)
def test_a_sandbox_that_cannot_be_set_up_is_a_failure_and_tried_again(
    machine: Machine, refused: str, code: str
) -> None:
    """It is seen where it is switched on, by 'check' and by 'status'; and when the machine is mended, it runs."""
    venue = machine.venue(f"hall-{code[:3]}")
    venue.drop_in(f"[Service]\n{refused}\n")
    assert machine.run("systemctl", "enable", "--now", venue.unit, check=False).returncode != 0
    venue.until(lambda: int(venue.show("NRestarts")) >= 2)
    venue.until(lambda: f"(exit-code {code})" in findings(venue)["unit"]["found"])
    assert machine.tap("--installed", venue.name, "check", check=False).returncode == 1
    # Asked in the middle of a start that takes long, nobody knows yet how it ends.
    venue.until(lambda: code in machine.tap("--installed", venue.name, "status", check=False).stderr)
    assert machine.tap("--installed", venue.name, "status", check=False).returncode == 1
    venue.drop_in("")
    venue.until(lambda: venue.show("ActiveState") == "active")
    machine.run("systemctl", "disable", "--now", venue.unit)


def findings(venue: Venue) -> dict[str, dict[str, Any]]:
    """What 'check' finds, by what it tried."""
    said = venue.machine.tap("--installed", venue.name, "check", "--json", check=False).stdout
    return {found["tried"]: found for found in map(json.loads, said.splitlines())}


def test_a_switch_that_cannot_be_read_fails_the_unit(machine: Machine) -> None:
    """'Off' would be a lie: the failure is seen, and the log names the setting."""
    venue = machine.venue("hall-maybe", TAP_ENABLED="perhaps")
    assert venue.systemctl("start", check=False).returncode != 0
    venue.until(lambda: venue.show("ActiveState") == "failed" or "TAP_ENABLED" in venue.log())
    venue.systemctl("stop")


def test_wrong_settings_are_told_and_not_tried_again(machine: Machine) -> None:
    """Exit code 78 needs a person."""
    venue = machine.venue("hall-wrong", TAP_SERVER_URL="http://127.0.0.1/", TAP_IDLE_MINUTES="soon")
    assert venue.systemctl("start", check=False).returncode != 0
    assert (venue.show("ActiveState"), venue.show("ExecMainStatus")) == ("failed", "78")
    assert venue.show("NRestarts") == "0"
    log = venue.log()
    assert "TAP_SERVER_URL" in log
    assert "TAP_IDLE_MINUTES" in log


# ---------------------------------------------------------------------------------------------- keys


def test_the_key_comes_as_a_credential(machine: Machine, rehearsal: Callable[..., str], ledger: Local) -> None:
    """From a file that only root may read, to the service alone, and never into its environment."""
    venue = machine.venue("hall-ledger", TAP_SERVER_URL=rehearsal(*LONG), TAP_CONVEX_URL=ledger.url)
    key = key_of("hall-ledger").get_secret_value()
    place = "/etc/credstore/multicam-tap.hall-ledger.ingest-key"
    machine.run("install", "-m", "600", "/dev/stdin", place, given=f"{key}\n")
    venue.start()
    assert key.encode() not in (machine.root / f"proc/{venue.pid}/environ").read_bytes()
    assert key not in venue.log()
    venue.until(lambda: "hall-ledger/" in venue.tap("sessions", "--ledger"))
    venue.systemctl("stop")


def test_the_key_may_be_encrypted(machine: Machine, rehearsal: Callable[..., str], ledger: Local) -> None:
    """As the comment in the unit shows it."""
    venue = machine.venue("hall-sealed", TAP_SERVER_URL=rehearsal(*LONG), TAP_CONVEX_URL=ledger.url)
    key = key_of("hall-sealed").get_secret_value()
    machine.run("mkdir", "-p", "-m", "700", "/etc/credstore.encrypted")
    place = "/etc/credstore.encrypted/multicam-tap.hall-sealed.ingest-key"
    machine.run("systemd-creds", "encrypt", "--name=ingest-key", "-", place, given=key)
    venue.drop_in(drop_in_of_the_comment(machine))
    venue.start()
    venue.until(lambda: "hall-sealed/" in venue.tap("sessions", "--ledger"))
    venue.systemctl("stop")


def drop_in_of_the_comment(machine: Machine) -> str:
    """What the unit's comment tells to write."""
    unit = (machine.root / "etc/systemd/system/multicam-tap@.service").read_text()
    _, _, rest = unit.partition("#     [Service]\n")
    lines = ["[Service]"]
    for line in rest.splitlines():
        if not line.startswith("#     "):
            break
        lines.append(line.removeprefix("#     "))
    return "\n".join(lines) + "\n"


# ---------------------------------------------------------------------------------------------- when it goes wrong


def test_a_loop_that_hangs_is_killed_and_started_again(machine: Machine, rehearsal: Callable[..., str]) -> None:
    """The watchdog: a stopped process gives no sign of life."""
    venue = machine.venue("hall-hung", TAP_SERVER_URL=rehearsal(*LONG))
    venue.drop_in("[Service]\nWatchdogSec=3s\nTimeoutAbortSec=1s\n")
    recording(venue)
    before = venue.pid
    venue.kill("STOP")
    venue.until(lambda: venue.show("ActiveState") == "active" and venue.pid not in {0, before})
    assert "Watchdog timeout" in venue.log()
    venue.systemctl("stop")


def test_a_loop_that_turns_is_left_alone(machine: Machine) -> None:
    """Though neither server nor ledger answer, for several times of the watchdog."""
    venue = machine.venue(
        "hall-alone", TAP_SERVER_URL="ws://127.0.0.1:1/", TAP_CONVEX_URL="http://127.0.0.1:1", TAP_INGEST_KEY="k"
    )
    venue.drop_in("[Service]\nWatchdogSec=3s\n")
    venue.start()
    before, fed = venue.pid, set[str]()

    def fed_often() -> bool:
        """A sign of life is a change of this stamp; five of them are twice the time of the watchdog."""
        fed.add(venue.show("WatchdogTimestampMonotonic"))
        return len(fed) > 5

    venue.until(fed_often)
    assert (venue.pid, venue.show("NRestarts")) == (before, "0")
    venue.systemctl("stop")


def test_a_kill_costs_a_second_and_a_gap(machine: Machine, rehearsal: Callable[..., str]) -> None:
    """Nothing that was kept is lost or doubled, and the session goes on."""
    venue = machine.venue("hall-killed", TAP_SERVER_URL=rehearsal(*LONG))
    recording(venue)
    before, kept = venue.pid, venue.entries()
    venue.kill("KILL")
    venue.until(lambda: venue.show("ActiveState") == "active" and venue.pid not in {0, before})
    venue.until(lambda: "gap" in kinds(venue.entries()))
    after = venue.entries()
    told = [(entry["seq"], entry["key"], entry["fields"]) for entry in kept]
    assert [(entry["seq"], entry["key"], entry["fields"]) for entry in after[: len(kept)]] == told
    assert len({entry["seq"] for entry in after}) == len(after)
    assert len(venue.tap("sessions", "--json").splitlines()) == 1
    venue.systemctl("stop")


def test_it_waits_longer_each_time_it_ends_at_once(machine: Machine) -> None:
    """And says so; whoever stops it need not wait, and starts afresh."""
    venue = machine.venue("hall-broken")
    venue.start()
    held = "waits 2 s before it starts: it ended several times in a row"
    killed = 0
    while (status := venue.show("StatusText")) != held:
        assert killed < 5, f"it starts as fast as ever: {status}"
        pid = venue.pid
        if pid:
            machine.run("kill", "-KILL", str(pid), check=False)
            killed += 1
        venue.until(lambda: venue.pid not in {0, pid} and venue.show("StatusText"))  # noqa: B023
    venue.systemctl("stop")
    assert venue.show("ActiveState") == "inactive"
    venue.start()
    assert not venue.show("StatusText").startswith("waits ")
    venue.systemctl("stop")


def test_a_stop_keeps_all_that_was_heard(machine: Machine, rehearsal: Callable[..., str]) -> None:
    """In the midst of a fast shoot, within its time; the journal is whole."""
    venue = machine.venue("hall-stopped", TAP_SERVER_URL=rehearsal(*LONG, "--telemetry-rate", "100"))
    recording(venue)
    venue.systemctl("stop")
    # One that takes too long is killed, and its result is another.
    assert (venue.show("Result"), venue.show("ExecMainStatus")) == ("success", "0")
    said = [json.loads(line) for line in venue.log().splitlines() if line.startswith("{")]
    (stopped,) = [line for line in said if line["message"] == "stopped"]
    assert stopped["entries"] == len(venue.entries())
    assert venue.tap("journal", "verify").startswith("whole")
    # What root has looked into is still the service's own.
    venue.start()
    venue.systemctl("stop")


# ---------------------------------------------------------------------------------------------- several venues


def test_two_venues_side_by_side(machine: Machine, rehearsal: Callable[..., str]) -> None:
    """Each with its own user, port, state and history; neither sees the other's."""
    venues = [machine.venue(name, TAP_SERVER_URL=rehearsal(*LONG, "--seed", name[-1])) for name in ("duo-1", "duo-2")]
    for venue in venues:
        recording(venue)
    assert len({venue.state.stat().st_uid for venue in venues}) == 2
    ports = [re.findall(r"^TAP_OPS_LISTEN=(.*)$", venue.file.read_text(), re.MULTILINE) for venue in venues]
    assert ports[0] != ports[1]
    for venue, other in (venues, venues[::-1]):
        assert {entry["sessionKey"].split("/")[0] for entry in venue.entries()} == {venue.name}
        inside = machine.root / f"proc/{venue.pid}/root/var/lib/private/multicam-tap"
        assert [folder.name for folder in inside.iterdir()] == [venue.name]
        assert other.show("ActiveState") == "active"
    for venue in venues:
        venue.systemctl("stop")


def test_what_two_venues_both_claim_is_told_at_install_and_at_the_start(machine: Machine) -> None:
    """With the setting, the other venue, and what to do; and again at the start, which records all the same."""
    port = free_port()
    first = machine.venue("claims-1", TAP_OPS_LISTEN=f"127.0.0.1:{port}")
    second = machine.venue("claims-2", TAP_OPS_LISTEN=f"127.0.0.1:{port}")
    said = machine.tap("install", second.name).stdout
    assert f"TAP_OPS_LISTEN: port {port} is that of venue claims-1 too → give each its own in its file" in said
    first.start()
    first.until(lambda: "the live page is served" in first.log())
    second.start()
    second.until(
        lambda: f'"address": "127.0.0.1:{port}"' in second.log() and "TAP_OPS_LISTEN of its own" in second.log()
    )
    assert second.show("ActiveState") == "active"
    for venue in (first, second):
        venue.systemctl("stop")


# ---------------------------------------------------------------------------------------------- the end of it


def test_uninstall_stops_it_and_leaves_the_history(machine: Machine, rehearsal: Callable[..., str]) -> None:
    """Unit and settings are gone, the data is where the last line says; a new install finds it again."""
    venue = machine.venue("hall-gone", TAP_SERVER_URL=rehearsal(*LONG))
    recording(venue)
    machine.run("systemctl", "enable", venue.unit)
    said = machine.tap("uninstall", venue.name).stdout
    assert venue.show("ActiveState") == "inactive"
    assert venue.show("UnitFileState") != "enabled"
    assert not venue.file.exists()
    assert "/var/lib/multicam-tap/hall-gone: left" in said.splitlines()[-1]
    machine.tap("install", venue.name)
    assert "hall-gone/" in venue.tap("sessions")
    again = machine.tap("uninstall", "no-such-venue", check=False)
    assert (again.returncode, "no such venue is installed" in again.stderr) == (1, True)
