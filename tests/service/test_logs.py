"""Logs are JSON for machines and text for people, and hold no secret."""

from __future__ import annotations

import io
import json
import logging

import structlog

from tap.service.logs import configure_logs


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_json_where_nobody_watches() -> None:
    """One object a line, from the tap and from libraries alike."""
    stream = io.StringIO()
    configure_logs("info", "auto", stream)
    structlog.stdlib.get_logger("tap.x").info("connected", server="ws://h/", attempts=3)
    logging.getLogger("somebody").warning("hm")
    structlog.stdlib.get_logger("tap.x").debug("not this")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(line["message"], line["level"]) for line in lines] == [("connected", "info"), ("hm", "warning")]
    assert lines[0]["attempts"] == 3
    assert lines[0]["timestamp"].endswith("Z")


def test_text_on_a_terminal() -> None:
    stream = Terminal()
    configure_logs("debug", "auto", stream)
    structlog.stdlib.get_logger("tap.x").debug("connected", server="ws://h/")
    assert "connected" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


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
