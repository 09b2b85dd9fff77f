"""What ``multicam-tap demo`` says can be pasted, and it deletes nothing that is not its own."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tap.core.errors import UsageInvalid
from tap.rehearsal import demo
from tap.rehearsal.shoot import plan_shoot
from tap.rehearsal.shoot_files import write_shoot
from tap.rehearsal.simulator import SimulatorOptions

LONG = "/home/somebody/projects/live-production/multicam-tap/.venv/bin/multicam-tap report --state-dir .demo/state -o x"


@pytest.mark.parametrize("command", ["multicam-tap journal ls --state-dir .demo/state", LONG])
def test_a_command_that_is_shown_can_be_pasted_from_80_columns(command: str) -> None:
    lines = demo.folded(command)
    assert all(len(line) <= 80 for line in lines)
    assert pasted(lines) == command.split()


def test_a_word_longer_than_a_line_is_not_torn() -> None:
    command = f"/{'x' * 100} --help"
    assert pasted(demo.folded(command)) == command.split()


def pasted(lines: list[str]) -> list[str]:
    """The words that a shell gets: a backslash at the end of a line joins it with the next."""
    text = "\n".join(lines).replace("\\\n", "")
    assert "\n" not in text
    return shlex.split(text)


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".demo").mkdir()
    (tmp_path / ".demo" / "letter.txt").write_text("mine")
    assert demo.main() == 1
    assert (tmp_path / ".demo" / "letter.txt").read_text() == "mine"


def test_the_folder_of_the_demo_before_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert demo.cleared()
    (tmp_path / ".demo" / "old").touch()
    assert demo.cleared()
    assert not (tmp_path / ".demo" / "old").exists()


@pytest.mark.parametrize("pace", [1, 4, 0.5])
def test_with_a_real_clock_a_shoot_does_not_end_in_the_future(pace: float) -> None:
    """The server's clock goes on by as much as passes while the shoot plays at that speed."""
    shoot = plan_shoot(7, length_s=20, pace=pace, real_clock=True)
    clock = shoot.steps[-1].world.clock
    assert clock.at(shoot.ends) - clock.at(0) == pytest.approx(shoot.ends / pace, abs=1)


def test_a_real_clock_needs_somebody_to_play_to(tmp_path: Path) -> None:
    with pytest.raises(UsageInvalid, match="--real-clock"):
        write_shoot(SimulatorOptions(real_clock=True, speed=4, tape=tmp_path / "tape"))
