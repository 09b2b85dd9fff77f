"""Logs: one line for a change, on stderr; JSON for machines, text for a terminal. No secret gets into one.

Levels can be trusted: a warning or an error is something for somebody to look at, and says in ``next_step`` what to do;
all else is ``info``. The same text again and again is let through now and then (``left_out`` says how often not), but
at ``debug``. Under systemd each line is JSON behind the level's ``<N>``, which journald takes off and keeps as
``PRIORITY``: ``journalctl -p warning`` shows what needs a hand, and ``-o cat`` gives pure JSON.
"""

from __future__ import annotations

import logging
import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal, TextIO

from tap.adapters.clock import monotonic
from tap.core.plain_text import plain, plain_json
from tap.core.redact import redact_text


@contextmanager
def _without(name: str) -> Iterator[None]:
    """As if this package were not there, for who loads it only because it is."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]  # as the import system has it for what is not to be found
    try:
        yield
    finally:
        del sys.modules[name]


with _without("rich"):  # for coloured traces, which are not ours: 5 MB, and a tenth of the time to start
    import structlog

__all__ = ["configure_logs", "get_logger"]

_LONGEST = 2_000
"""Characters of the longest value; journald breaks lines of 48 KB apart."""
_AT_ONCE = 5
_EVERY_S = 30.0
"""How often the same may be said: so many times at once, then so seldom. What a fault brings about again and again, or
a server without end, must fill no disk."""
_LATELY_S = 60.0
_MANY_LATELY = {1: 10, 2: 6}
"""What was said so often waits while so many lines were said of late, whatever they said: a fault that brings about now
one thing and now another is one fault, and ten lines a minute of it are enough. What is new is let through at once, and
mostly also that something comes, goes and comes back."""
_OFTEN = max(_MANY_LATELY)
_NEW_AFTER_S = 600.0
"""What was not said for so long is new."""
_KNOWN = 500
"""Texts whose number is remembered."""
_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
"""The levels of syslog; all below is 7."""


def configure_logs(
    level: str = "info",
    style: Literal["auto", "json", "text"] = "auto",
    stream: TextIO | None = None,
    environ: Mapping[str, str] = os.environ,
) -> None:
    """Log from ``level`` on to ``stream`` (stderr); ``auto`` is text on a terminal, else JSON.

    What libraries log by way of ``logging`` comes out in the same form. ``environ`` tells whether journald listens.
    """
    stream = sys.stderr if stream is None else stream
    terminal = stream.isatty()
    json_wanted = style == "json" or (style == "auto" and not terminal)
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _redacted,
    ]
    last: list[structlog.typing.Processor] = (
        [structlog.processors.EventRenamer("message"), _as_json]
        if json_wanted
        else [_harmless, structlog.dev.ConsoleRenderer(colors=terminal)]
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last]
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_ForJournald(formatter) if _goes_to_journald(stream, environ) else formatter)
    if level != "debug":
        handler.addFilter(Sparing())
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, formatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of a module."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


class Sparing(logging.Filter):
    """Lets the same text through a few times at once, and then now and then, with how often it was left out."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._said: dict[tuple[int, str], _Said] = {}
        self._lately = deque[float]()
        """When lines were let through, within the last minute."""

    def filter(self, record: logging.LogRecord) -> bool:
        now, event = self._clock(), record.msg
        name = record.levelno, str(event.get("event") if isinstance(event, dict) else event)[:_LONGEST]
        lately, said = self._lately, self._said.get(name)
        while lately and now - lately[0] >= _LATELY_S:
            lately.popleft()
        if said is None:
            while len(self._said) >= _KNOWN:
                del self._said[next(iter(self._said))]
            said = self._said[name] = _Said(now)
        elif not said.again(now, lately=len(lately)):
            return False
        lately.append(now)
        if said.left_out:
            if isinstance(event, dict):
                record.msg = event | {"left_out": said.left_out}
            else:
                record.left_out = said.left_out
            said.left_out = 0
        return True


class _Said:
    """How often a text was said of late."""

    def __init__(self, now: float) -> None:
        self.left_out = 0
        self._left = _AT_ONCE - 1.0
        self._since = self._last = now
        self._times = 1

    def again(self, now: float, *, lately: int) -> bool:
        """Whether it may be said once more; ``lately``: how many lines were said within the last minute."""
        self._left = min(float(_AT_ONCE), self._left + (now - self._since) / _EVERY_S)
        self._since = now
        if now - self._last >= _NEW_AFTER_S:
            self._times = 0
        crowded = self._times > 0 and lately >= _MANY_LATELY[min(self._times, _OFTEN)]
        if crowded or self._left < 1:
            self.left_out += 1
            return False
        self._left -= 1
        self._times += 1
        self._last = now
        return True


class _ForJournald(logging.Formatter):
    """Each line behind its level, as sd-daemon(3) has it."""

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self._formatter = formatter

    def format(self, record: logging.LogRecord) -> str:
        prefix = f"<{next((number for level, number in _PRIORITIES if record.levelno >= level), 7)}>"
        return "\n".join(prefix + line for line in self._formatter.format(record).splitlines())


def _goes_to_journald(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether this very stream is journald's: the variable is inherited by who writes elsewhere, too."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):  # no file behind it (io.UnsupportedOperation is both)
        return False
    return environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def _redacted(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """The last resort: what a server or a library put into a text is not ours to know."""
    return {name: _clean(name, value) for name, value in event.items()}


def _clean(name: str, value: Any) -> Any:
    if isinstance(value, str):
        value = redact_text(value, sparing=True)
        # The end of a trace says what happened.
        return value if name == "exception" or len(value) <= _LONGEST else f"{value[:_LONGEST]}…"
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [_clean(name, item) for item in value]
    return value


_render = structlog.processors.JSONRenderer(ensure_ascii=False)


def _as_json(logger: Any, method: str, event: structlog.typing.EventDict) -> str:
    """JSON that harms no terminal on which a journal is read."""
    rendered = _render(logger, method, event)
    return plain_json(rendered if isinstance(rendered, str) else rendered.decode())


def _harmless(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return {name: _shown(value, lines=name == "exception") for name, value in event.items()}


def _shown(value: Any, *, lines: bool = False) -> Any:
    if isinstance(value, str):
        return "\n".join(map(plain, value.splitlines())) if lines else plain(value)
    return [_shown(item) for item in value] if isinstance(value, list) else value
