"""Drift: told once, in words, when the traffic stops matching the dialect; never of a server that is just quiet."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as websocket_server

from tap.adapters.dialects import load_dialect
from tap.adapters.journal import Journal
from tap.core.model import Alive, Stamp
from tap.service.config import load_settings
from tap.service.running.daemon import Service
from tap.service.running.dialect_drift import DialectDrift
from tests.core.stage import T0, Stage
from tests.obs.stage import ObsStage

MINUTE, HOUR = 60_000, 3_600_000


class Night:
    """A stage and somebody who looks at it every ten seconds."""

    def __init__(self, path: Path | None = None) -> None:
        self.stage = Stage()
        self.path = path
        self.ever: set[str] = set()
        self.drift = DialectDrift(self.stage.pipeline, path=path)
        self.drift.look(self.stage.stamp())

    def passes(self, ms: int, *happenings: tuple[int, Callable[[Stage], Any]]) -> Night:
        """Time goes by; each happening happens so often (ms)."""
        stage = self.stage
        end = stage.now + ms
        due = {index: stage.now + every for index, (every, _) in enumerate(happenings)}
        while stage.now < end:
            stage.now += 10_000
            for index, (every, happens) in enumerate(happenings):
                while due[index] <= stage.now:
                    self.drift.entries(happens(stage))
                    due[index] += every
            stage.feed(Alive(stage.stamp()))
            self.drift.look(stage.stamp())
            self.ever |= self.alarms
        return self

    def restart(self) -> Night:
        """The tap starts anew."""
        self.stage.restart_tap(5_000)
        self.drift = DialectDrift(self.stage.pipeline, path=self.path)
        self.drift.look(self.stage.stamp())
        return self

    @property
    def alarms(self) -> set[str]:
        return set(self.drift.alarms)


@pytest.fixture
def log() -> Iterator[list[Any]]:
    with capture_logs() as lines:
        yield lines


def state(stage: Stage) -> Any:
    return stage.state()


def idle(stage: Stage) -> Any:
    return stage.idle_state()


def unknown(stage: Stage) -> Any:
    return stage.say("telepathy")


def garbage(stage: Stage) -> Any:
    return stage.raw(b"\x82\xa2op", binary=True)


def incomplete(stage: Stage) -> Any:
    return stage.say("cut")


def music(stage: Stage) -> Any:
    return stage.say("music_moment", kind="beat")


def pose(stage: Stage) -> Any:
    return stage.raw(b'{"type":"pose","x":1}')


def other(stage: Stage) -> str:
    return "c1" if stage.pipeline.state.program.value == "c2" else "c2"


def switch(stage: Stage) -> Any:
    return stage.state(program=other(stage))


def cut(stage: Stage) -> Any:
    to = other(stage)
    return stage.say("cut", to=to) + stage.state(program=to)


def silent_cut(stage: Stage) -> Any:
    return stage.idle_state(program=other(stage))


@pytest.mark.parametrize(
    ("every", "alarm", "says"),
    [
        ([(5_000, state)], None, ""),
        ([(5_000, idle)], None, ""),
        ([(5_000, pose)], None, ""),
        ([], None, ""),
        ([(5_000, state), (60_000, unknown)], None, ""),
        ([(5_000, state), (5_000, unknown)], "unknown", "are types that the dialect does not know (telepathy)"),
        ([(30_000, unknown)], None, ""),
        ([(10_000, state), (20_000, unknown)], None, ""),
        ([(10_000, unknown)], "unknown", "telepathy"),
        ([(5_000, state), (10_000, garbage)], "unreadable", "msgpack"),
        ([(5_000, state), (10_000, incomplete)], "incomplete", "'to' is missing"),
        ([(20_000, switch)], "untold", "only seen in states"),
        ([(20_000, cut)], None, ""),
        ([(20_000, cut), (70_000, switch)], None, ""),
    ],
)
def test_what_raises_an_alarm_within_ten_minutes(
    every: list[tuple[int, Callable[[Stage], Any]]], alarm: str | None, says: str
) -> None:
    """A quarter of the control frames, and twenty; five untold cuts in a row. Telemetry and silence raise none."""
    night = Night()
    night.stage.shoot()
    night.passes(10 * MINUTE, *every)
    assert night.alarms == night.ever == ({alarm} if alarm else set())
    for words in night.drift.alarms.values():
        assert says in words
        assert "→" in words


def test_an_alarm_is_told_once_and_once_more_when_it_is_over(log: list[Any]) -> None:
    night = Night()
    night.passes(10 * MINUTE, (10_000, unknown), (2_000, pose))
    assert night.alarms == {"unknown"}
    night.passes(10 * MINUTE, (2_000, pose))  # nothing says that it is over
    assert night.alarms == {"unknown"}
    night.passes(10 * MINUTE, (5_000, idle))
    assert night.alarms == set()
    told = [(line["log_level"], line["alarm"], "next_step" in line) for line in log]
    assert told == [("warning", "unknown", True), ("info", "unknown", False)]


def test_untold_cuts_are_over_with_the_first_that_a_frame_tells() -> None:
    night = Night()
    night.stage.shoot()
    assert night.passes(5 * MINUTE, (20_000, switch)).alarms == {"untold"}
    night.passes(20_000, (20_000, cut))
    assert night.alarms == set()


def test_after_a_cut_that_was_told_five_more_have_to_be_untold() -> None:
    """Four are not enough, whatever came before."""
    night = Night()
    night.stage.shoot()
    night.passes(20_000, (20_000, cut))
    assert night.passes(80_000, (20_000, switch)).alarms == set()
    assert night.passes(20_000, (20_000, switch)).alarms == {"untold"}


def test_another_scene_after_each_gap_is_no_untold_cut_of_obs() -> None:
    """It tells what is on air only when it is connected to: what changed meanwhile is the gap's, nobody's fault."""
    stage = ObsStage().shoot()
    drift = DialectDrift(stage.pipeline)
    for scene in "BABABABA":
        before = len(stage.entries)
        stage.drop()
        stage.later(1_000).greet()
        stage.answers(scene, recording=stage.now - 1_000)
        stage.wait(20_000)
        drift.entries(stage.entries[before:])
        drift.look(stage.stamp())
    shown = [gap["detail"]["after"]["programCameraId"] for gap in stage.events("gap")]
    assert shown == list("BABABABA")
    assert not stage.cuts()
    assert not drift.alarms


def test_an_obs_whose_changes_on_air_cannot_be_read_any_more_is_noticed() -> None:
    """Transitions come, and where they lead is not told in a way that is known: no cut, and an alarm that says why."""
    stage = ObsStage(scenes=("A", "B")).shoot()
    drift = DialectDrift(stage.pipeline)
    for number in range(40):
        stage.event("SceneTransitionStarted", transitionName="Cut")
        stage.later(20).event("SceneTransitionVideoEnded", transitionName="Cut")
        stage.event("CurrentProgramSceneChanged", scene={"name": "AB"[number % 2]})
        stage.wait(10_000)
        drift.look(stage.stamp())
    assert not stage.cuts()
    assert set(drift.alarms) == {"incomplete"}
    assert "'sceneName' is missing" in drift.alarms["incomplete"]


def by_type(stage: Stage) -> Any:
    """A cut and a state, each type with a count of its own."""
    count, to = stage.now // 10_000, other(stage)
    return stage.say("cut", to=to, cut_id=f"k{count}", seq=count) + stage.state(program=to, seq=500 + count)


def by_connection(stage: Stage) -> Any:
    """The server comes back as the same boot, and counts anew."""
    stage.drop()
    stage.connect(boot="b1")
    return stage.state()


def wrapping(stage: Stage) -> Any:
    return stage.state(seq=stage.now // 10_000 % 40)


@pytest.mark.parametrize(
    ("every", "fits", "says"),
    [
        ([(10_000, by_type)], "type", "they count by type"),
        ([(10_000, state), (200_000, by_connection)], "connection", "they count by connection"),
        ([(10_000, wrapping)], "nothing", "they order nothing"),
        ([(10_000, state), (10_000, cut)], None, ""),
    ],
)
def test_numbers_that_contradict_the_dialect_are_told_with_the_line_to_change(
    every: list[tuple[int, Callable[[Stage], Any]]], fits: str | None, says: str, log: list[Any]
) -> None:
    """Once; how often it was, and the first of them, too."""
    night = Night()
    night.stage.shoot()
    night.passes(30 * MINUTE, *every)
    assert night.alarms == ({"numbers"} if fits else set())
    if fits is not None:
        words, _, step = night.drift.alarms["numbers"].partition(" → ")
        assert words.startswith("multicam/1 says that the frames' numbers count by boot, and")
        assert says in words
        assert "the first of them" in words
        assert "with seq" in words
        assert f'set seq_orders = "{fits}" in [frame]' in step
        assert [line["alarm"] for line in log] == ["numbers"]


def test_one_silent_restart_of_the_server_is_no_contradiction() -> None:
    """Neither is a reconnect that says that it is another boot."""
    night = Night()
    night.stage.shoot()
    night.passes(10 * MINUTE, (10_000, state))
    night.stage.seq = 0
    night.passes(10 * MINUTE, (10_000, state))
    assert night.stage.pipeline.tally.scopes == 1
    night.stage.drop()
    night.stage.connect(boot="b2")
    night.passes(10 * MINUTE, (10_000, state))
    assert night.ever == set()


def test_numbers_that_do_not_contradict_the_dialect_for_an_hour_are_no_alarm() -> None:
    night = Night()
    night.stage.shoot()
    night.passes(10 * MINUTE, (10_000, state))
    by_connection(night.stage)
    night.passes(59 * MINUTE, (10_000, state))
    assert night.alarms == {"numbers"}
    night.passes(2 * MINUTE, (10_000, state))
    assert night.alarms == set()


def test_states_that_vanish_while_other_frames_go_on() -> None:
    """They came every five seconds; ten minutes without one, in which sixty other frames came."""
    night = Night()
    night.passes(20 * MINUTE, (5_000, idle), (5_000, music))
    assert night.alarms == set()
    night.passes(9 * MINUTE, (5_000, music))
    assert night.alarms == set()
    night.passes(2 * MINUTE, (5_000, music))
    assert night.alarms == {"vanished"}
    night.passes(20_000, (5_000, idle))
    assert night.alarms == set()


@pytest.mark.parametrize("others", [[], [(20_000, music)], [(1_000, pose)]])
def test_states_that_stop_with_everything_else_are_a_quiet_night(others: list[Any]) -> None:
    night = Night()
    night.passes(20 * MINUTE, (5_000, idle))
    night.passes(12 * HOUR, *others)
    assert night.alarms == (set() if len(others) == 0 or others[0][1] is pose else {"vanished"})


def test_states_that_only_greet_a_connection_cannot_vanish() -> None:
    """However often the connection is lost."""
    night = Night()

    def reconnect(stage: Stage) -> Any:
        stage.drop()
        stage.connect()
        return stage.idle_state()

    night.passes(10 * MINUTE, (10_000, reconnect))
    night.passes(HOUR, (5_000, music))
    assert night.alarms == set()


def test_a_day_of_cuts_without_a_session() -> None:
    """Cuts in six different hours, over a day or more; a session ends it."""
    night = Night()
    night.stage.idle_state()
    night.passes(5 * HOUR, (30 * MINUTE, silent_cut))
    night.passes(18 * HOUR)
    assert night.alarms == set()
    night.passes(2 * HOUR, (30 * MINUTE, silent_cut))
    assert night.alarms == {"sessionless"}
    assert "TAP_SESSION_BY" in night.drift.alarms["sessionless"]
    night.stage.state()
    night.passes(10_000)
    assert night.alarms == set()


def test_of_a_day_of_cuts_without_a_session_the_sixth_hour_is_the_first_to_alarm() -> None:
    """Five are rehearsals; and who cuts through one hour has cut in one."""
    night = Night()
    night.stage.idle_state()
    for _ in range(5):
        night.passes(20 * MINUTE, (5 * MINUTE, silent_cut)).passes(5 * HOUR + 40 * MINUTE)
        assert night.alarms == set()
    night.passes(20 * MINUTE, (5 * MINUTE, silent_cut))
    assert night.alarms == {"sessionless"}
    assert "in 6 different hours" in night.drift.alarms["sessionless"]


def test_a_server_that_is_idle_for_a_week_is_no_drift() -> None:
    """It tells its state, restarts every night, and somebody rehearses for an hour."""
    night = Night()

    def restart(stage: Stage) -> Any:
        stage.drop()
        stage.connect(boot=f"b{stage.now}")
        return stage.idle_state(program=f"c{stage.now % 7}")

    night.stage.idle_state()
    night.passes(30 * MINUTE, (10 * MINUTE, silent_cut))
    night.passes(7 * 24 * HOUR, (5 * MINUTE, idle_as_is), (6 * HOUR, restart))
    assert night.alarms == set()


def test_what_the_first_state_of_a_connection_shows_is_no_cut_however_late_it_comes() -> None:
    night = Night()
    night.stage.idle_state()
    for number in range(12):
        night.passes(4 * HOUR)
        night.stage.drop()
        night.stage.connect(boot=f"b{number}")
        night.passes(MINUTE)
        night.drift.entries(night.stage.idle_state(program=f"c{number}"))
    night.passes(HOUR)
    assert night.alarms == set()


def idle_as_is(stage: Stage) -> Any:
    return stage.idle_state(program=stage.pipeline.state.program.value)


def test_hours_without_a_session_outlive_a_restart(tmp_path: Path) -> None:
    """A tap that restarts every night still notices; without the file it only begins anew."""
    night = Night(tmp_path / "drift.json")
    night.stage.idle_state()
    for _ in range(4):
        night.passes(2 * HOUR, (30 * MINUTE, silent_cut)).passes(8 * HOUR).restart()
        night.stage.open()
        idle_as_is(night.stage)
    assert night.passes(HOUR, (30 * MINUTE, silent_cut)).alarms == {"sessionless"}


@pytest.mark.parametrize("kept", [b"", b"{", b'{"since":"noon"}', b"[]"])
def test_a_file_that_cannot_be_read_is_no_file(tmp_path: Path, kept: bytes) -> None:
    path = tmp_path / "drift.json"
    path.write_bytes(kept)
    night = Night(path)
    night.stage.idle_state()
    night.passes(HOUR, (30 * MINUTE, silent_cut))
    assert path.read_bytes() != kept


@pytest.mark.parametrize("during", [idle, state])
def test_a_restart_raises_nothing(during: Callable[[Stage], Any]) -> None:
    """Counting begins anew: the counters of the process before are no drop to zero."""
    night = Night()
    night.passes(30 * MINUTE, (5_000, during), (30_000, unknown))
    night.restart()
    night.stage.open()
    during(night.stage)
    night.passes(30 * MINUTE, (5_000, during), (30_000, unknown))
    assert night.alarms == set()


def test_looking_does_not_depend_on_how_often() -> None:
    """Once a second or once a minute: the same alarm."""
    for every in (1_000, 60_000):
        stage = Stage()
        drift = DialectDrift(stage.pipeline)
        for at in range(0, 10 * MINUTE, 1_000):
            stage.now = at
            stage.say("telepathy")
            if at % every == 0:
                drift.look(Stamp(T0 + at, at))
        assert set(drift.alarms) == {"unknown"}


async def test_the_running_service_tells_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that speaks otherwise, over a real socket: the service looks by itself, and shows the alarm."""
    monkeypatch.setattr("tap.service.running.dialect_drift._SHARE_LEAST_MS", 0)
    monkeypatch.setattr("tap.service.running.dialect_drift._SAMPLE_MS", 0)

    async def speak(connection: ServerConnection) -> None:
        for _ in range(200):
            await connection.send('{"evt":"cameraSwitched","cam":2}')
            await asyncio.sleep(0.02)
        await connection.wait_closed()

    async def body() -> dict[str, str]:
        async with websocket_server(speak, "127.0.0.1", 0, compression=None) as running:
            url = f"ws://127.0.0.1:{next(iter(running.sockets)).getsockname()[1]}/ws/control"
            given = load_settings(
                {
                    "TAP_STATE_DIR": str(tmp_path),
                    "TAP_SERVER_URL": url,
                    "TAP_OPS_LISTEN": "off",
                    "TAP_DIALECT": "multicam/1",
                }
            )
            service = Service(given, load_dialect("multicam/1"), Journal.open(given.journal_path, owner=True))
            running_service = asyncio.create_task(service.run())
            while not service.drift.alarms:  # noqa: ASYNC110 - the watch is the service's own
                await asyncio.sleep(0.05)
            service.stop()
            await running_service
            return service.drift.alarms

    alarms = await body()
    assert set(alarms) == {"unknown"}
    assert "multicam-tap inspect" in alarms["unknown"]
