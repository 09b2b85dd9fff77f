"""Logs are JSON for machines and text for people, hold no secret, harm no terminal, and say what to do."""

from __future__ import annotations

import ast
import io
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from tap.service.logs import Sparing, configure_logs

ROOT = Path(__file__).parents[2]
ALARMS = {"warning", "error", "exception", "critical"}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_json_where_nobody_watches() -> None:
    """One object a line, from the tap and from libraries alike."""
    stream = io.StringIO()
    configure_logs("info", "auto", stream)
    structlog.stdlib.get_logger("tap.x").info("connected", server="ws://h/", attempts=3)
    logging.getLogger("somebody").warning("hm", extra={"next_step": "look"})
    structlog.stdlib.get_logger("tap.x").debug("not this")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(line["message"], line["level"]) for line in lines] == [("connected", "info"), ("hm", "warning")]
    assert lines[0]["attempts"] == 3
    assert lines[0]["timestamp"].endswith("Z")
    assert lines[1]["next_step"] == "look"


def test_text_on_a_terminal() -> None:
    stream = Terminal()
    configure_logs("debug", "auto", stream)
    structlog.stdlib.get_logger("tap.x").debug("connected", server="ws://h/")
    assert "connected" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


@pytest.mark.parametrize(
    ("style", "watched", "json_wanted"),
    [("json", True, True), ("json", False, True), ("text", True, False), ("text", False, False), ("auto", True, False)],
)
def test_who_asks_for_json_or_for_text_gets_it_wherever_it_goes(style: Any, watched: bool, json_wanted: bool) -> None:
    stream = Terminal() if watched else io.StringIO()
    configure_logs("info", style, stream)
    structlog.stdlib.get_logger("tap.x").info("connected")
    assert stream.getvalue().startswith("{") is json_wanted


def test_secrets_do_not_get_in() -> None:
    """Neither in a text, nor in a list, nor in what an exception says."""
    stream = io.StringIO()
    configure_logs("info", "json", stream)
    log = structlog.stdlib.get_logger("tap.x")
    log.info("went", url="ws://u:hush@h/p?token=hush", all=["Bearer hush-hush-hush"])
    try:
        int("password=hush")
    except ValueError:
        log.exception("failed")
    logging.getLogger("library").error("GET wss://h/?key=%s", "hush")
    assert len(stream.getvalue().splitlines()) == 3
    assert "hush" not in stream.getvalue()
    assert "ValueError" in stream.getvalue()


@pytest.mark.parametrize("style", ["json", "text"])
def test_no_name_harms_the_terminal_that_a_log_is_read_on(style: str) -> None:
    """Neither controls (old and new ones), nor what turns the reading direction, nor a line end of its own."""
    stream = Terminal()
    configure_logs("info", style, stream)  # type: ignore[arg-type]
    evil = "a\x1b]0;owned\x07\x9b31m\u202eb\u2066c\r\nlevel=error\u2028x"
    log = structlog.stdlib.get_logger("tap.x")
    log.info("session", title=evil, names=[evil])
    try:
        int(evil)
    except ValueError:
        log.exception("failed", next_step="none")
    said = stream.getvalue()
    for colour in ("\x1b[0m", "\x1b[1m", "\x1b[2m", *(f"\x1b[{n}m" for n in range(30, 48))):
        said = said.replace(colour, "")
    assert not [character for character in said if not character.isprintable() and character != "\n"]
    if style == "json":
        assert json.loads(said.splitlines()[0])["title"] == evil


def test_a_value_of_a_megabyte_is_no_line_of_a_megabyte() -> None:
    stream = io.StringIO()
    configure_logs("info", "json", stream)
    structlog.stdlib.get_logger("tap.x").info("session", title="x" * 1_000_000)
    assert len(stream.getvalue()) < 3_000


@pytest.mark.parametrize("foreign", [False, True], ids=["ours", "a library's"])
def test_what_is_said_again_and_again_is_said_now_and_then(foreign: bool) -> None:
    """A few times at once, then twice a minute, with how often it was left out; what else is said is not held up."""
    now = 0.0
    stream = io.StringIO()
    configure_logs("info", "json", stream)
    (handler,) = logging.getLogger().handlers
    (handler.filters[0],) = [Sparing(lambda: now)]
    log = structlog.stdlib.get_logger("tap.x")

    def say(text: str) -> None:
        if foreign:
            logging.getLogger("somebody").warning(text)
        else:
            log.warning(text)

    for second in range(3600):
        now = float(second)
        say("the disk is full")
        if second == 1800:
            say("something else")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["message"] for line in lines].count("something else") == 1
    same = [line for line in lines if line["message"] == "the disk is full"]
    assert len(same) == 5 + 3600 // 30 - 1
    assert sum(1 + line.get("left_out", 0) for line in same) >= 3600 - 30
    assert all("left_out" not in line for line in same[:5])


def test_what_changes_between_a_few_things_is_one_fault() -> None:
    """Four texts in turn, without end: ten lines a minute at most, and each comes again; what is new comes at once."""
    now = 0.0
    sparing = Sparing(lambda: now)
    let_through: list[tuple[float, str]] = []

    def say(text: str) -> None:
        if sparing.filter(logging.LogRecord("x", logging.INFO, "", 0, text, (), None)):
            let_through.append((now, text))

    for second in range(3600):
        now = float(second)
        say(("away", "back", "gap", "session")[second % 4])
        if second == 1802:
            say("the disk is full")
    times = [at for at, _ in let_through]
    assert max(sum(at <= other < at + 60 for other in times) for at in times) <= 10
    assert (1802.0, "the disk is full") in let_through
    assert {text for at, text in let_through if at > 3000} == {"away", "back", "gap", "session"}


def test_what_was_not_said_for_long_is_new() -> None:
    """However much else is said meanwhile."""
    now = 0.0
    sparing = Sparing(lambda: now)

    def said(text: str) -> bool:
        return sparing.filter(logging.LogRecord("x", logging.INFO, "", 0, text, (), None))

    assert said("the disk is full")
    assert said("the disk is full")
    for second in range(1, 700):
        now = float(second)
        said(f"text {second % 300}")
        if second == 500:
            assert not said("the disk is full")
    assert said("the disk is full")


def test_at_debug_everything_is_said() -> None:
    stream = io.StringIO()
    configure_logs("debug", "json", stream)
    for _ in range(100):
        structlog.stdlib.get_logger("tap.x").info("again")
    assert len(stream.getvalue().splitlines()) == 100


def test_texts_without_number_fill_no_memory() -> None:
    """Each of its own is let through, and the oldest is forgotten."""
    sparing = Sparing(lambda: 0.0)
    for number in range(5_000):
        assert sparing.filter(logging.LogRecord("x", logging.INFO, "", 0, f"text {number}", (), None))
    assert len(sparing._said) <= 500


def test_journald_gets_the_level_with_each_line() -> None:
    """Only where stderr is its own stream, and not where the variable was merely inherited."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w", buffering=1) as stream, os.fdopen(reading) as read:
        status = os.fstat(writing)
        configure_logs("debug", "auto", stream, {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"})
        log = structlog.stdlib.get_logger("tap.x")
        for level in ("debug", "info", "warning", "error", "critical"):
            getattr(log, level)("so")
        configure_logs("info", "json", stream, {"JOURNAL_STREAM": f"{status.st_dev}:1"})
        log.info("so")
        stream.close()
        lines = read.read().splitlines()
    assert [line[:4] for line in lines[:5]] == ["<7>{", "<6>{", "<4>{", "<3>{", "<2>{"]
    assert lines[5].startswith("{")
    assert [json.loads(line[3:])["level"] for line in lines[:5]] == ["debug", "info", "warning", "error", "critical"]


# ---------------------------------------------------------------------------------------------- every call there is


def alarms() -> Iterator[tuple[str, ast.Call]]:
    """Every call by which the tap logs a warning or an error."""
    for path in sorted((ROOT / "tap").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            logger = node.func.value
            if isinstance(logger, ast.Name) and logger.id in ("_log", "log", "logger") and node.func.attr in ALARMS:
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def has_next_step(call: ast.Call) -> bool:
    for keyword in call.keywords:
        if keyword.arg == "next_step":
            return not (isinstance(keyword.value, ast.Constant) and not keyword.value.value)
        if keyword.arg == "extra" and isinstance(keyword.value, ast.Dict):  # what ``logging`` calls it
            return any(isinstance(key, ast.Constant) and key.value == "next_step" for key in keyword.value.keys)
    return False


def test_every_warning_and_every_error_says_what_to_do() -> None:
    """An engineer who reads only warnings is told with each what the next step is."""
    found = list(alarms())
    assert len(found) >= 10
    assert [place for place, call in found if not has_next_step(call)] == []
