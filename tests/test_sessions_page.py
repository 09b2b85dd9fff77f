"""The page about sessions, word for word: each command of it is run, and says what the page says."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from tap.cli import cli, session

PAGE = (Path(__file__).parents[1] / "docs/sessions.md").read_text("utf-8")
_BLOCK = re.compile(r"(?<=^```console\n)(.*?)(?=^```$)", re.MULTILINE | re.DOTALL)


def played(page: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The page with what its commands really say, in the folder that is the current one."""
    return _BLOCK.sub(lambda block: "".join(_said(one, monkeypatch) for one in _commands(block[0])), page)


def _commands(block: str) -> list[str]:
    return [line[2:] for line in block.splitlines() if line.startswith("$ ")]


def _said(command: str, monkeypatch: pytest.MonkeyPatch) -> str:
    name, *arguments = shlex.split(command)
    output = ""
    if name == "export":
        for variable in arguments:
            monkeypatch.setenv(*variable.split("=", 1))
    elif name == "mkdir":
        Path(arguments[-1]).mkdir(parents=True)
    else:
        assert name == "multicam-tap"
        before = {variable: value for variable, value in os.environ.items() if variable.startswith("TAP_")}
        result = CliRunner().invoke(cli, arguments)
        os.environ.update(before)  # 'simulate' drops them, in what is a process of its own elsewhere
        output = result.output
        assert result.exit_code == 0, output
    return f"$ {command}\n{output}"


def test_the_page_says_what_the_commands_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a difference: what this test makes of the page is what belongs on it."""
    ticks = iter(range(1_795_080_600_000, 1_795_090_000_000, 20_000))
    monkeypatch.setattr(session, "wall_ms", lambda: next(ticks))
    monkeypatch.setattr(session, "_user", lambda: "anna")
    monkeypatch.chdir(tmp_path)
    assert played(PAGE, monkeypatch) == PAGE
