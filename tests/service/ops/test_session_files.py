"""What is made of a session for who asks: by the commands, one at a time, kept, bounded, gone with the session."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tap.adapters.journal import Journal
from tap.core.model import Entry
from tap.service.config import Settings, load_settings
from tap.service.ops import session_files as workshop
from tap.service.ops.session_files import MADE, Made, NotMade, SessionFiles
from tap.service.running.background_command import Ended
from tests.adapters.test_pictures import png
from tests.service.ops.rig import Server, Tap, eventually, server, tapped

T0 = 1_795_000_000_000
KEY = "hall/s1"

pytestmark = pytest.mark.anyio


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings({"TAP_STATE_DIR": str(tmp_path)}, partly=True)


def keep(settings: Settings, *entries: Entry) -> None:
    with Journal.open(settings.journal_path, owner=True) as journal:
        journal.append(entries, None, T0)


def row(key: str = KEY, status: str = "complete", version: int = 0) -> Entry:
    fields = {
        "status": status,
        "startedAt": T0,
        "completedAt": T0 + 60_000,
        "startState": {"at": T0},
        "title": "A show",
    }
    return Entry(key, "session", key, T0 + version, fields)


class Bench(SessionFiles):
    """A workshop whose commands only write how often they were called."""

    def __init__(self, settings: Settings, running: Callable[[], str | None] = lambda: None) -> None:
        super().__init__(settings, running)
        self.calls: list[list[str]] = []
        self.at_once = self.most_at_once = 0
        self.size = 10

        class Fake:
            over = False

            def call(_, words: Any) -> Ended:  # noqa: N805
                self.at_once += 1
                self.most_at_once = max(self.most_at_once, self.at_once)
                self.calls.append(list(words))
                Path(words[words.index("-o") + 1]).write_bytes(b"x" * self.size)
                self.at_once -= 1
                return Ended(0, "")

            def kill(_) -> None:  # noqa: N805
                pass

        self._child = Fake()  # type: ignore[assignment]


async def test_it_is_made_once_for_all_who_ask_and_one_at_a_time(settings: Settings) -> None:
    keep(settings, row(), row("hall/s2"))
    made = Bench(settings)
    answers = await asyncio.gather(
        *(made.get(name, key) for name in ("card", "edl", "card") for key in (KEY, "hall/s2"))
    )
    assert all(isinstance(one, Made) for one in answers)
    assert (len(made.calls), made.most_at_once) == (4, 1)
    assert all(call[-2] == "--" for call in made.calls), "a key is never taken for an option"


async def test_it_is_made_anew_when_the_session_has_changed(settings: Settings) -> None:
    keep(settings, row())
    made = Bench(settings)
    await made.get("card", KEY)
    keep(settings, row(version=1))
    await made.get("card", KEY)
    assert len(made.calls) == 2


async def test_of_a_session_that_runs_it_will_do_for_some_seconds(settings: Settings) -> None:
    """Who asks every second has it made every twenty."""
    keep(settings, row(status="live"))
    made = Bench(settings, lambda: KEY)
    for version in range(1, 6):
        await made.get("report", KEY)
        keep(settings, row(status="live", version=version))
    assert len(made.calls) == 1


async def test_a_session_that_was_forgotten_is_gone_with_all_that_was_made_of_it(settings: Settings) -> None:
    keep(settings, row())
    made = Bench(settings)
    kept = await made.get("card", KEY)
    assert isinstance(kept, Made)
    with Journal.open(settings.journal_path) as journal:
        journal.forget(KEY)
    assert await made.get("card", KEY) == NotMade(
        410, "this session is not in the journal: it was forgotten, or it is too old"
    )
    for _ in range(200):
        await asyncio.sleep(0.01 if kept.path.exists() else 0)
    assert not kept.path.exists()


async def test_it_goes_without_being_asked_for_too(settings: Settings) -> None:
    keep(settings, row())
    made = Bench(settings)
    kept = await made.get("card", KEY)
    assert isinstance(kept, Made)
    await made.tidy()
    assert kept.path.exists()
    with Journal.open(settings.journal_path) as journal:
        journal.forget(KEY)
    await made.tidy()
    for _ in range(200):
        await asyncio.sleep(0.01 if kept.path.exists() else 0)
    assert not kept.path.exists()


async def test_it_is_bounded_in_files_and_bytes_and_in_who_waits(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workshop, "_MOST_FILES", 3)
    monkeypatch.setattr(workshop, "_MOST_BYTES", 1_000)
    keep(settings, *(row(f"hall/s{n}") for n in range(9)))
    made = Bench(settings)
    for n in range(9):
        await made.get("card", f"hall/s{n}")
    assert len(made._kept) == 3
    made.size = 600
    for n in range(9):
        await made.get("edl", f"hall/s{n}")
    assert sum(kept.size for kept in made._kept.values()) <= 1_000
    made.size = 5_000
    assert (await made.get("csv", "hall/s1"))[0] == 413
    monkeypatch.setattr(workshop, "_MOST_WAITING", 2)
    answers = await asyncio.gather(*(made.get("shots", f"hall/s{n}") for n in range(9)))
    assert {answer.status for answer in answers if isinstance(answer, NotMade)} >= {429}


async def test_what_nobody_asked_for_longest_goes_first(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workshop, "_MOST_FILES", 2)
    keep(settings, *(row(f"hall/s{n}") for n in range(3)))
    made = Bench(settings)
    for n in (0, 1, 0, 2, 0):
        await made.get("card", f"hall/s{n}")
    assert [words[-1] for words in made.calls] == ["hall/s0", "hall/s1", "hall/s2"]


@pytest.mark.parametrize("key", ["", "x" * 3_000, "hall/\x1b[2J", "hall/never"])
async def test_what_is_no_session_is_none(settings: Settings, key: str) -> None:
    keep(settings, row())
    answer = await Bench(settings).get("card", key)
    assert isinstance(answer, NotMade)
    assert answer.status in (404, 410)


def test_the_real_commands_make_everything_behind_the_same_guard(tmp_path: Path) -> None:
    """Of a session that was recorded a moment ago; the report is in a place by itself."""
    with server() as playing, tapped(playing.url, tmp_path / "state") as tap:
        key = shot(playing, tap)
        for name, product in MADE.items():
            answer = tap.get(f"/made/{name}?session={key}")
            assert answer.status == 200, (name, answer.body)
            assert answer.headers["Content-Type"].startswith(product.media_type)
            assert ("attachment" in (answer.headers["Content-Disposition"] or "")) == product.saved
            assert tap.get(f"/made/{name}?session={key}", Host="evil.example").status == 421
            assert answer.headers["Cache-Control"] == "no-store"
        card = json.loads(tap.get(f"/made/card?session={key}").body)
        assert (card["title"], card["cuts"], card["status"]) == ("Spring lookbook", 2, "complete")
        policy = tap.get(f"/made/report?session={key}").headers["Content-Security-Policy"]
        assert policy.startswith("sandbox allow-scripts")
        assert "allow-same-origin" not in policy
        assert tap.get("/made/card?session=hall%2Fnone").status == 410
        assert (tmp_path / "state" / "made").exists()
        assert tap.stop() == 0
    assert [line for line in tap.log if line["level"] in ("warning", "error")] == []


def test_stills_are_shown_where_the_venue_gives_a_folder_and_nowhere_else(tmp_path: Path) -> None:
    """Small, made anew, found as the report finds them; a folder that is not there costs the card nothing."""
    stills = tmp_path / "stills"
    for folder, pictures in ((stills, 1), (tmp_path / "gone", 0)):
        if folder == stills:
            stills.mkdir()
            (stills / "st-1_a.png").write_bytes(png(40, 30))
        state = tmp_path / f"state-{pictures}"
        with server() as playing, tapped(playing.url, state, TAP_STILLS_DIR=str(folder)) as tap:
            eventually(lambda: playing.listeners)
            playing.start()
            playing.say({"type": "still_requested", "still_id": "st-1", "camera_ids": ["a"]})
            playing.say({"type": "still_captured", "still_id": "st-1", "camera_id": "a"})
            playing.say({"type": "still_uploaded", "still_id": "st-1", "camera_id": "a", "storage_key": "k/st-1_a.png"})
            eventually(lambda: (tap.now()["session"] or {}).get("stills", {}).get("uploaded"))
            playing.end()
            (session,) = eventually(
                lambda: [one for one in tap.get("/status.json").json["sessions"] if one["status"] == "complete"]
            )
            assert tap.get("/status.json").json["pictures"] is True
            card = tap.get(f"/made/card?session={session['key'].replace('/', '%2F')}").json
            found = [one["picture"] for one in card["stills"] if one["picture"]]
            assert len(found) == pictures
            assert all(one.startswith("data:image/jpeg;base64,") for one in found)


def shot(playing: Server, tap: Tap) -> str:
    eventually(lambda: playing.listeners)
    playing.start()
    playing.cut("b")
    playing.cut("c")
    playing.end()
    (session,) = eventually(
        lambda: [one for one in tap.get("/status.json").json["sessions"] if one["status"] == "complete"]
    )
    return str(session["key"]).replace("/", "%2F")
