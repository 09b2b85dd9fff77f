"""docs/venue.md, word for word: all its commands that are not marked as typed by hand, in order, on a real systemd."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.systemd.machine import ROOT, TAP, Machine, Venue

PAGE = (ROOT / "docs/venue.md").read_text("utf-8")
pytestmark = pytest.mark.timeout(1200)  # the first test of a worker waits for the wheel and the boot
SERVER = "ws://127.0.0.1:9404/ws/control"


def steps() -> list[tuple[str, list[str]]]:
    """The headings, and the lines to type below each."""
    found = []
    for part in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]:
        heading, _, text = part.partition("\n")
        blocks = re.findall(r"(?<!<!-- by hand -->\n)^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
        found.append((heading, [line for block in blocks for line in block.splitlines()]))
    return found


def test_following_the_page_word_for_word(machine: Machine, rehearsal: Callable[..., str]) -> None:
    """From the installed command to a recorded shoot, through an upgrade, to a machine without the service."""
    # Not faster than real: a server whose clock runs away is told as such.
    url = rehearsal("--length", "1800", "--patient")
    assert SERVER in PAGE
    venue = Venue(machine, "hall-a")
    for heading, lines in steps():
        for line in lines:
            typed = line.replace(SERVER, url)
            # Who types is root already, and this machine may have no sudo.
            done = machine.run("bash", "-euc", typed.replace("sudo ", ""), check=False)
            assert done.returncode == 0, f"{heading}: {typed}\n{done.stdout}{done.stderr}\n{venue.log()}"
        if heading in EXPECTED:
            EXPECTED[heading](venue)


def installed(venue: Venue) -> None:
    assert venue.file.exists()
    assert venue.show("ActiveState") == "inactive"


def switched_on(venue: Venue) -> None:
    assert venue.show("UnitFileState") == "enabled"
    venue.until(lambda: "; session hall-a/" in venue.show("StatusText"))
    venue.until(venue.entries)


def seen(venue: Venue) -> None:
    assert "hall-a/" in venue.tap("sessions")


def switched_off(venue: Venue) -> None:
    assert (venue.show("ActiveState"), venue.show("UnitFileState")) == ("inactive", "disabled")


def upgraded(venue: Venue) -> None:
    assert venue.show("ActiveState") == "active"


def removed(venue: Venue) -> None:
    assert not venue.file.exists()
    assert venue.show("ActiveState") == "inactive"
    assert (venue.state / "journal.db").exists()


EXPECTED: dict[str, Callable[[Venue], None]] = {
    "2. Make the venue a service": installed,
    "5. Switch on": switched_on,
    "6. See that it works": seen,
    "7. Switch off": switched_off,
    "Upgrade": upgraded,
    "Uninstall": removed,
}


def test_every_step_that_is_looked_at_is_on_the_page() -> None:
    assert EXPECTED.keys() <= {heading for heading, _ in steps()}


@pytest.mark.parametrize("named", sorted(set(re.findall(r"\]\(([^)#]+)", PAGE))))
def test_what_the_page_links_to_is_there(named: str) -> None:
    assert Path(ROOT / "docs", named).exists()


def test_the_page_installs_where_these_tests_do() -> None:
    assert TAP in PAGE
