"""What every task group here needs beside anyio's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["own_error"]


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
