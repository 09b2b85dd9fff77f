"""The same faults with servers that are not as we imagined: without times, without ids, in whole seconds.

What is lost, doubled or invented is counted by the rows of the ledger: there nothing hides that two events had one key.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar

from tap.rehearsal.ways import PLAIN, Ways
from tests.faults.outcome import Outcome

__all__ = ["SERVER", "SERVERS", "at"]

SERVER: ContextVar[Ways] = ContextVar("server", default=PLAIN)
"""The server of the shoot that is played."""

SERVERS = {
    "no-ts": (Ways(ts="none"), "a server without times"),
    "no-ids": (Ways(ids="none"), "a server without ids"),
    "seconds": (Ways(ts="seconds", ids="none"), "a server that counts whole seconds and gives no ids"),
    "bare": (Ways(ts="none", ids="none", seq="none"), "a server without times, ids and numbers"),
}
"""By name: their ways, and what they are for people."""


def at(ways: Ways, run: Callable[[int, int], Awaitable[Outcome]]) -> Callable[[int, int], Awaitable[Outcome]]:
    """The same fault, with such a server."""

    async def there(count: int, seed: int) -> Outcome:
        token = SERVER.set(ways)
        try:
            return await run(count, seed)
        finally:
            SERVER.reset(token)

    return there
