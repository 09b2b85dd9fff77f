"""A listener by picows, a WebSocket client in C: it tells telemetry apart as the tap does, and does nothing else.

This is what a fast extra of the tap would begin with; what the tap does besides (stamps, reading, journal, recorder)
would come on top.
"""

from __future__ import annotations

import asyncio
import sys

import picows
import uvloop

from tap.adapters.dialects import load_dialect

_TEXT = picows.WSMsgType.TEXT


class _Listener(picows.WSListener):
    def __init__(self) -> None:
        sniff = load_dialect("multicam/1").sniff
        assert sniff is not None  # noqa: S101 - this dialect names its telemetry
        self._sniff = sniff
        self.telemetry = self.control = 0

    def on_ws_frame(self, _: picows.WSTransport, frame: picows.WSFrame) -> None:
        if frame.msg_type is not _TEXT:
            return
        data = frame.get_payload_as_bytes()
        if self._sniff(data, 0, len(data)):
            self.telemetry += 1
        else:
            self.control += 1


async def listen(url: str) -> None:
    """Until the server closes."""
    transport, _ = await picows.ws_connect(_Listener, url, max_frame_size=2**25, read_buffer_init_size=2**17)
    await transport.wait_disconnected()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(listen(sys.argv[1]))
