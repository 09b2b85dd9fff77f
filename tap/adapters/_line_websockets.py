"""A line by the package websockets, which every installation has.

It does the handshake, TLS, pings, fragments, the goodbye and all that can go wrong. Only whole text messages of one
frame, which is what a control WebSocket carries, are cut out of the bytes here: its own way costs each of them a
parser of coroutines, a queue and a task, which is more than all the rest of the tap, and telemetry needs no copy at
all. Whatever else stands between two messages is given to websockets as it came, and in order.
"""

from __future__ import annotations

from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.client import ClientProtocol
from websockets.frames import BINARY, CONT, TEXT, CloseCode
from websockets.frames import Frame as Message
from websockets.protocol import Event, State

from tap.adapters._line import Ear

__all__ = ["WebsocketsLine"]

_MUCH = 64 * 1024
"""Bytes read at once after which everybody else has a turn."""

_WHOLE_TEXT = 0x81
_HEADERS_END = b"\r\n\r\n"


class WebsocketsLine(ClientConnection):
    """A :class:`tap.adapters._line.Line`. ``split`` False leaves every byte to websockets (for comparison)."""

    def __init__(self, protocol: ClientProtocol, ear: Ear, *, split: bool = True, **options: Any) -> None:
        super().__init__(protocol, **options)
        self.heard = 0
        self._ear = ear
        self._split = split
        self._largest = protocol.max_message_size or 0
        # No list of parts: a server may send empty ones for ever, and the limit counts bytes.
        self._begun = bytearray()
        self._binary = False
        self._ending = False
        self._unwanted = False
        # Where the bytes are cut: the beginning of a message is always known.
        self._shaking_hands = True
        self._kept = b""
        """Bytes of the answer's end, or of a header, that do not suffice yet."""
        self._missing = 0
        """Bytes of a message that websockets has the beginning of."""

    # ------------------------------------------------------------------------------------------ bytes

    def data_received(self, data: bytes) -> None:
        self._ear.reading()
        if not self._split:
            super().data_received(data)
        elif self._shaking_hands:
            self._answered(data)
        else:
            self._cut(data)
        if not self._ending and self.protocol.close_expected():
            # websockets waits for the server to hang up; one that goes on sending a frame beyond the limit does not.
            self._ending = True
            self.loop.call_later(self.close_timeout or 0, self.transport.abort)
        elif len(data) >= _MUCH:
            # uvloop reads on for megabytes before it turns to anybody else: to commits, timers, the watchdog.
            self.transport.pause_reading()
            self.loop.call_soon(self._read_on)

    def eof_received(self) -> None:
        kept, self._kept = self._kept, b""
        if kept and not self._shaking_hands:
            super().data_received(kept)
        super().eof_received()

    def _read_on(self) -> None:
        if not self.transport.is_closing():
            self.transport.resume_reading()

    def _answered(self, data: bytes) -> None:
        """Bytes of the server's answer to the upgrade; behind it the first messages may stand."""
        seen = self._kept + data
        end = seen.find(_HEADERS_END)
        if end < 0:
            self._kept = seen[1 - len(_HEADERS_END) :]
            super().data_received(data)
            return
        begin = end + len(_HEADERS_END) - len(self._kept)
        self._shaking_hands, self._kept = False, b""
        super().data_received(data[:begin])
        if len(data) > begin:
            self._cut(data[begin:])

    def _cut(self, data: bytes) -> None:
        """Take whole text messages out of ``data``, and leave the rest to websockets."""
        protocol, sniff = self.protocol, self._ear.sniff
        begin = 0
        if self._kept:
            data, self._kept = self._kept + data, b""
        elif self._missing:
            begin = min(self._missing, len(data))
            self._missing -= begin
            super().data_received(data[:begin])
        size, largest, passed = len(data), self._largest, 0
        plain = protocol.state is State.OPEN and not protocol.expect_continuation_frame
        while begin < size:
            # A header: two bytes, and two or eight more for the length of a longer message.
            length = data[begin + 1] & 0x7F if begin + 1 < size else 0
            body = begin + (2 if length < 126 else 4 if length == 126 else 10)
            if body > size or begin + 1 == size:
                self._kept = data[begin:]
                break
            if length >= 126:
                length = int.from_bytes(data[begin + 2 : body], "big")
            end = body + length
            if data[begin] == _WHOLE_TEXT and plain and end <= size and length <= largest and data[begin + 1] < 0x80:
                if sniff is not None and sniff(data, body, end):
                    passed += 1
                else:
                    passed = self._pass(passed)
                    self.heard += 1
                    self._give(data[body:end], False)
                    plain = protocol.state is State.OPEN
            else:
                passed = self._pass(passed)
                # Masked, it has four bytes more; but a server that masks has broken the protocol already.
                super().data_received(data[begin:end])
                plain = protocol.state is State.OPEN and not protocol.expect_continuation_frame
                self._missing = max(0, end - size)
            begin = end
        self._pass(passed)

    # ------------------------------------------------------------------------------------------ messages

    def process_event(self, event: Event) -> None:
        if isinstance(event, Message):
            self._message(event)
            return
        super().process_event(event)
        # The first frames may stand in the same packet: the connection is open before they are read.
        if self.protocol.handshake_exc is None and not self._ear.opened():
            self._refuse()

    def _message(self, event: Message) -> None:
        opcode = event.opcode
        if opcode is TEXT or opcode is BINARY:
            self._binary = opcode is BINARY
            if event.fin:
                self._whole(bytes(event.data))
            else:
                self._begun = bytearray(event.data)
        elif opcode is CONT:
            self._begun += event.data
            if event.fin:
                data, self._begun = bytes(self._begun), bytearray()
                self._whole(data)
        else:
            self.heard += 1
            super().process_event(event)

    def _whole(self, data: bytes) -> None:
        """A message that came by way of websockets."""
        sniff = self._ear.sniff
        if sniff is not None and not self._binary and sniff(data, 0, len(data)):
            self._pass(1)
        else:
            self.heard += 1
            self._give(data, self._binary)

    def _give(self, data: bytes, binary: bool) -> None:
        if not self._unwanted and not self._ear.received(data, binary, self):
            self._refuse()

    def _pass(self, frames: int) -> int:
        """Tell of telemetry that came before what comes next; 0, which is what is left to tell."""
        if frames:
            self.heard += frames
            if not self._unwanted and not self._ear.passed(frames):
                self._refuse()
        return 0

    def _refuse(self) -> None:
        self._unwanted = True
        self.transport.abort()

    # ------------------------------------------------------------------------------------------ what the tap says

    async def ask(self) -> None:
        # Nobody waits for single answers, and a server that gives none must not make them pile up.
        self.pending_pings.clear()
        await self.ping()

    def say(self, data: bytes) -> None:
        if self.protocol.state is State.OPEN:
            self.protocol.send_text(data)
            self.send_data()

    def abort(self) -> None:
        self.transport.abort()

    async def ended(self) -> BaseException:
        await self.wait_closed()
        return self.protocol.close_exc

    async def part(self) -> None:
        await self.close(CloseCode.GOING_AWAY)
