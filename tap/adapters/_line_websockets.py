"""A line by the package websockets, which every installation has.

It does the handshake, TLS, pings, fragments, the goodbye and all that can go wrong. Only whole text messages of one
frame, which is what a control WebSocket carries, are cut out of the bytes here: its own way costs each of them a
parser of coroutines, a queue and a task, which is more than all the rest of the tap, and telemetry needs no copy at
all: it is told and counted in the buffer that the kernel wrote it to. Whatever else stands between two messages is
given to websockets as it came, and in order.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

from websockets.asyncio.client import ClientConnection
from websockets.client import ClientProtocol
from websockets.frames import BINARY, CONT, TEXT, CloseCode, Opcode
from websockets.frames import Frame as Message
from websockets.protocol import Event, State

from tap.adapters._line import Ear

__all__ = ["WebsocketsLine"]

_ROOM = 128 * 1024
"""Bytes of the buffer. A message that does not fit in is put together by websockets."""
_MUCH = _ROOM // 2
"""Bytes read at once after which everybody else has a turn."""

_WHOLE_TEXT = 0x81
_LONGEST_HEADER = 10
_OPCODES = frozenset(Opcode)
_HEADERS_END = b"\r\n\r\n"


class WebsocketsLine(ClientConnection):
    """A :class:`tap.adapters._line.Line`. ``split`` False leaves every byte to websockets (for comparison)."""

    def __init__(self, protocol: ClientProtocol, ear: Ear, *, split: bool = True, **options: Any) -> None:
        super().__init__(protocol, **options)
        self.heard = 0
        self._ear = ear
        self._split = split
        # No list of parts: a server may send empty ones for ever, and the limit counts bytes.
        self._begun = bytearray()
        self._binary = False
        self._ending = False
        self._unwanted = False

    # ------------------------------------------------------------------------------------------ bytes

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self._split:
            self.transport.set_protocol(_Cutter(self, self._ear))

    def data_received(self, data: bytes) -> None:
        """Only without the cutter."""
        self._ear.reading()
        self.leave(data)
        self.was_read(len(data))

    def leave(self, data: bytes | memoryview) -> None:
        """Let websockets make of these bytes what it does."""
        super().data_received(cast(bytes, data))

    def was_read(self, size: int) -> None:
        """So many bytes were read at once, and all of them are told."""
        if not self._ending and self.protocol.close_expected():
            # websockets waits for the server to hang up; one that goes on sending a frame beyond the limit does not.
            self._ending = True
            self.loop.call_later(self.close_timeout or 0, self.transport.abort)
        elif size >= _MUCH:
            # uvloop reads on for megabytes before it turns to anybody else: to commits, timers, the watchdog.
            self.transport.pause_reading()
            self.loop.call_soon(self._read_on)

    def _read_on(self) -> None:
        if not self.transport.is_closing():
            self.transport.resume_reading()

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
            self.passed(1)
        else:
            self.give(data, self._binary)

    def give(self, data: bytes, binary: bool) -> None:
        """Tell a message."""
        self.heard += 1
        if not self._unwanted and not self._ear.received(data, binary, self):
            self._refuse()

    def passed(self, frames: int) -> int:
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


class _Cutter(asyncio.BufferedProtocol):
    """Reads for a line: cuts whole text messages out of what came, and leaves the rest to it."""

    def __init__(self, line: WebsocketsLine, ear: Ear) -> None:
        self._line = line
        self._ear = ear
        self._protocol = line.protocol
        # What it is cut out of is kept until all of it is there.
        self._largest = min(line.protocol.max_message_size or _ROOM, _ROOM - _LONGEST_HEADER)
        self._buffer = bytearray(_ROOM)
        self._data = cast(bytes, self._buffer)  # who only looks at it needs no copy
        self._view = memoryview(self._buffer)
        self._kept = 0
        """Bytes at the buffer's beginning: of a header, or of a message that is to be cut out."""
        self._missing = 0
        """Bytes still to come of a frame that websockets has the beginning of."""
        self._shaking_hands = True
        self._tail = b""
        """The last bytes of the answer so far, which its end may begin with."""

    def get_buffer(self, _: int) -> memoryview:
        return self._view[self._kept :]

    def buffer_updated(self, nbytes: int) -> None:
        self._ear.reading()
        size, self._kept = self._kept + nbytes, 0
        begin = self._answer(size) if self._shaking_hands else 0
        if self._missing:
            begin = min(self._missing, size)
            self._missing -= begin
            self._line.leave(self._view[:begin])
        if begin < size:
            self._cut(begin, size)
        self._line.was_read(nbytes)

    def eof_received(self) -> None:
        self._line.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._line.connection_lost(exc)

    def pause_writing(self) -> None:
        self._line.pause_writing()

    def resume_writing(self) -> None:
        self._line.resume_writing()

    def _answer(self, size: int) -> int:
        """Leave the server's answer to the upgrade to websockets; where the first messages may stand behind it."""
        data = bytes(self._view[:size])
        seen = self._tail + data
        end = seen.find(_HEADERS_END)
        begin = size if end < 0 else end + len(_HEADERS_END) - len(self._tail)
        self._shaking_hands, self._tail = end < 0, seen[1 - len(_HEADERS_END) :]
        self._line.leave(data[:begin])
        return begin

    def _cut(self, begin: int, size: int) -> None:
        """Tell the messages that stand in the buffer from here to there: the way of nearly every byte."""
        protocol, line, data, sniff, largest = self._protocol, self._line, self._data, self._ear.sniff, self._largest
        passed = 0
        is_open, between = protocol.state is State.OPEN, protocol.current_size is None
        while is_open and begin + 2 <= size:
            # A header: two bytes, and two or eight more for the length of a longer message.
            length = data[begin + 1] & 0x7F
            body = begin + (2 if length < 126 else 4 if length == 126 else 10)
            if body > size:
                break
            if length == 126:
                length = data[begin + 2] << 8 | data[begin + 3]
            elif length == 127:
                length = int.from_bytes(data[begin + 2 : body], "big")
            end = body + length
            if data[begin] == _WHOLE_TEXT and between and length <= largest and data[begin + 1] < 0x80:
                if end > size:
                    break
                if sniff is not None and sniff(data, body, end):
                    passed += 1
                else:
                    passed = line.passed(passed)
                    line.give(bytes(self._view[body:end]), False)
                begin = end
            else:
                passed = line.passed(passed)
                line.leave(self._view[begin : min(end, size)])
                begin, self._missing = min(end, size), max(0, end - size)
                is_open, between = protocol.state is State.OPEN, protocol.current_size is None
        line.passed(passed)
        if is_open:
            self._keep(begin, size)
        elif begin < size:
            # The end has begun, or the answer was a refusal: there is nothing to cut any more.
            line.leave(self._view[begin:size])

    def _keep(self, begin: int, size: int) -> None:
        """Wait for the rest of a header, or of a message that is to be cut out."""
        data = self._buffer
        if size - begin >= 2 and (data[begin] & 0x0F not in _OPCODES or data[begin + 1] & 0x80):
            # This will be no frame, and websockets says so as soon as it sees it.
            self._line.leave(self._view[begin:size])
            return
        self._kept = size - begin
        if begin and self._kept:
            data[: self._kept] = data[begin:size]
