"""The service and its server in one process, frame by frame, on the clock of a tape.

``python lockstep.py`` runs ``multicam-tap run`` of whatever version its interpreter has, with the ``TAP_*`` settings of
its environment, and plays it the steps on the first line of stdin, a JSON list. Before each step the wall clock and the
monotonic clock are set to the step's own time, and the next one follows once the tap has answered a ping behind the
frame. So every version stamps the same frame with the same millisecond, and its rows can be compared to the letter.

It prints "listening", "waiting" where a step asks for that (a line on stdin lets it go on), and "done" when all is
played; then it goes on until it is killed or stopped.
Nothing of the tap is imported before the clocks are exchanged, and nothing but its command is used.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import os
import sys
import threading
import time
from typing import Any, TypedDict

from websockets.asyncio.server import ServerConnection, serve

_LONG_AGO = 10**18
"""Where the monotonic clock begins, in ns: so long ago that no machine runs since then."""
_UPTIME = getattr(time, "CLOCK_BOOTTIME", None)


class Step(TypedDict):
    """What happens, and when: wall and monotonic time in ms."""

    wall: int
    mono: int
    does: str
    """``open`` (let the tap connect), ``say`` (send ``data``), ``close``, or ``wait`` for whoever started this."""
    data: str


class TapeClock:
    """The time that the process lives in, as far as the tap stamps frames with it."""

    wall = 0
    mono = 0

    def set(self, step: Step) -> None:
        """Go to the step's time."""
        self.wall, self.mono = step["wall"], step["mono"]

    def exchange(self) -> None:
        """Let everything that reads the wall clock, or the clock of stamps, read this one."""
        time.time_ns = lambda: self.wall * 1_000_000
        time.time = lambda: self.wall / 1000
        # The event loop waits by ``time.monotonic``, which goes on.
        time.monotonic_ns = lambda: _LONG_AGO + self.mono * 1_000_000
        real = time.clock_gettime_ns
        # Nor is this machine's uptime of that time: the tap sees that it is bent, and believes the wall clock.
        time.clock_gettime_ns = lambda clock: self.mono * 1_000_000 + _LONG_AGO if clock == _UPTIME else real(clock)


class Script:
    """A server that says the steps in order, to one client at a time."""

    def __init__(self, steps: list[Step], clock: TapeClock) -> None:
        self._steps = steps
        self._clock = clock
        self._next = 0

    async def admit(self, *_: Any) -> None:
        """The tap is at the door: whatever it had to note of an earlier connection is stamped by now."""
        step = self._steps[self._next]
        assert step["does"] == "open", step
        self._clock.set(step)
        self._next += 1

    async def talk(self, client: ServerConnection) -> None:
        """Say what is next, up to where the connection ends or everything was said."""
        await _heard(client)
        while self._next < len(self._steps):
            step = self._steps[self._next]
            self._clock.set(step)
            self._next += 1
            if step["does"] == "close":
                await client.close(1001)
                return
            if step["does"] == "wait":
                print("waiting", flush=True)
                await asyncio.to_thread(sys.stdin.readline)
                continue
            await client.send(step["data"])
            await _heard(client)
        print("done", flush=True)
        await client.wait_closed()


async def _heard(client: ServerConnection) -> None:
    """The tap has read everything up to here, and stamped it."""
    await (await client.ping())


async def _serve(steps: list[Step], clock: TapeClock, port: int) -> None:
    script = Script(steps, clock)
    quiet = logging.getLogger("lockstep")
    quiet.disabled = True
    admit = script.admit
    async with serve(script.talk, "127.0.0.1", port, process_request=admit, ping_interval=None, logger=quiet):
        print("listening", flush=True)
        await asyncio.get_running_loop().create_future()


def main() -> None:
    """Play the steps on stdin to the service that the environment describes."""
    steps: list[Step] = json.loads(sys.stdin.readline())
    clock = TapeClock()
    clock.set(steps[0])
    clock.exchange()
    port = int(os.environ["TAP_SERVER_URL"].rpartition(":")[2].partition("/")[0])
    threading.Thread(target=lambda: asyncio.run(_serve(steps, clock, port)), daemon=True).start()
    sys.argv = ["multicam-tap", "run"]
    importlib.import_module("tap.cli").main()


if __name__ == "__main__":
    main()
