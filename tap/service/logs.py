"""Logs: one line for a change, on stderr; JSON for machines, text for a terminal. No secret gets into one."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import Any, Literal, TextIO

import structlog

from tap.core.redact import redact_text

__all__ = ["configure_logs"]


def configure_logs(
    level: str = "info", style: Literal["auto", "json", "text"] = "auto", stream: TextIO | None = None
) -> None:
    """Log from ``level`` on to ``stream`` (stderr); ``auto`` is text on a terminal, else JSON.

    What libraries log by way of ``logging`` comes out in the same form.
    """
    stream = sys.stderr if stream is None else stream
    terminal = stream.isatty()
    as_json = style == "json" or (style == "auto" and not terminal)
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _redacted,
    ]
    last: list[structlog.typing.Processor] = (
        [structlog.processors.EventRenamer("message"), structlog.processors.JSONRenderer(ensure_ascii=False)]
        if as_json
        else [structlog.dev.ConsoleRenderer(colors=terminal)]
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last]
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, formatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )


def _redacted(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """The last resort: what a server or a library put into a text is not ours to know."""
    return {name: _clean(value) for name, value in event.items()}


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [_clean(item) for item in value]
    return value
