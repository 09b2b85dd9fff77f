"""What every task group here needs beside anyio's own."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager, suppress

from anyio import open_signal_receiver

__all__ = ["own_error", "stop_signals"]


@contextmanager
def stop_signals() -> Iterator[AsyncIterator[signal.Signals] | None]:
    """SIGTERM and SIGINT as they come; None on a loop that has no signals: it has to be stopped in another way."""
    with ExitStack() as stack:
        signals: AsyncIterator[signal.Signals] | None = None
        with suppress(NotImplementedError):
            signals = stack.enter_context(open_signal_receiver(signal.SIGTERM, signal.SIGINT))
        yield signals


@contextmanager
def own_error() -> Iterator[None]:
    """Raise what a task failed with as itself, and not in the group that a task group makes of it.

    Who fails first has all others cancelled, so there is mostly one error; of several the first is raised.
    """
    try:
        yield
    except BaseExceptionGroup as group:
        raise _first(group) from None


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
