"""docs/new-server.md, followed word for word on servers that nobody wrote a mapping for: a right history comes out."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from tap.core.mapping import parse_mapping
from tap.rehearsal.score import score
from tap.rehearsal.styles import NAMES
from tap.rehearsal.truth import read_truth

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "new-server.md").read_text("utf-8")
COMMANDS = [
    line for block in re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL) for line in block.splitlines()
]
EDITS = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[0].splitlines()
TAP = [sys.executable, "-c", "import sys; from tap.cli import main; main()"]


def _port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Engineer:
    """Somebody at a new venue, with the page in one hand."""

    def __init__(self, folder: Path, style: str) -> None:
        self.folder = folder
        self.style = style
        self.port = _port()
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith("TAP_")}

    def command(self, begins: str) -> list[str]:
        """The page's command that begins so, for this server."""
        fits = [line for line in COMMANDS if f"{line} ".startswith(f"multicam-tap {begins} ")]
        line = min(fits, key=len)
        words = line.replace("9500", str(self.port)).replace("nested", self.style).split()
        return [*TAP, *words[1:]]

    def does(self, begins: str, *more: str) -> str:
        """Run it to its end; what it says."""
        done = subprocess.run(
            [*self.command(begins), *more],
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def starts(self, begins: str, *more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*self.command(begins), *more],
            cwd=self.folder,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def record(self) -> None:
        """Step 1: the server plays its shoot, faster than real, and the recording is stopped when it is over."""
        server = self.starts("simulate", "--speed", "12", "--seed", "5")
        assert server.stdout is not None
        server.stdout.readline()
        recording = self.starts("record")
        try:
            server.communicate(timeout=300)
        finally:
            server.kill()
            recording.send_signal(signal.SIGINT)
            _, said = recording.communicate(timeout=300)
        assert "frames in" in said

    def mend(self) -> list[str]:
        """Step 4: give the numbers their words; the remarks that were there."""
        path = self.folder / "my-server.toml"
        lines = path.read_text("utf-8").splitlines()
        doubtful = [line for line in lines if "doubtful:" in line]
        for edit in EDITS:
            begins = edit.partition("values")[0]
            pairs = zip(["", *lines], lines, strict=False)
            lines = [edit if "doubtful:" in above and line.startswith(begins) else line for above, line in pairs]
        path.write_text("\n".join(line for line in lines if not line.startswith("#")) + "\n", "utf-8")
        return doubtful


@pytest.mark.slow
@pytest.mark.parametrize("style", NAMES)
def test_the_page_leads_to_a_right_history(tmp_path: Path, style: str) -> None:
    """From `record` on: F1 = 1.0 and every row in its true state."""
    engineer = Engineer(tmp_path, style)
    engineer.record()
    assert "snapshot" in engineer.does("inspect first.jsonl")
    engineer.does("inspect first.jsonl --suggest")
    doubtful = engineer.mend()
    assert style == "numeric" or len(doubtful) <= 3
    tried = engineer.does("inspect first.jsonl --try")
    assert re.search(r"could not be used +\d+ +0\b", tried), tried
    entries = [
        orjson.loads(line)
        for line in engineer.does("replay first.jsonl --dialect my-server.toml", "--json").splitlines()
    ]
    result = score(read_truth((tmp_path / "truth.jsonl").read_text("utf-8").splitlines()), entries)
    assert result.perfect, result.explain()


def test_the_page_knows_every_doubt() -> None:
    """Each remark that a draft may hold has its line in the table of what to do."""
    code = "".join(path.read_text("utf-8") for path in (ROOT / "tap/rehearsal/inspect").glob("*.py"))
    table = re.findall(r"^\| `([^`]+)` \|", PAGE.partition("## 4.")[2].partition("## 5.")[0], re.MULTILINE)
    assert len(table) >= 9
    for remark in table:
        begins = re.split(r"…|'…'|operator|cut, dissolve", remark)[0].strip(" '")
        assert begins in code, remark


def test_the_mended_lines_of_the_page_load() -> None:
    rules = {"mode": "snapshot", "to": "mode_changed", "from": "mode_changed", "trigger": "cut", "transition": "cut"}
    for edit in EDITS:
        emit = rules[edit.split()[0]]
        needed = 'to = ["c"]\n' if not edit.startswith("to ") and emit in {"cut", "mode_changed"} else ""
        parse_mapping(f'dialect = "x"\n[[rule]]\nwhen.type = "x"\nemit = "{emit}"\n{needed}{edit}\n', "page")
