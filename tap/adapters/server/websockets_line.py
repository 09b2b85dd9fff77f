"""A line by the package websockets, which every installation has.

It does the handshake, TLS, pings, fragments, the goodbye and all that can go wrong. Only whole text messages of one
frame, which is what a control WebSocket carries, are cut out of the bytes here: its own way costs each of them a
parser of coroutines, a queue and a task, which is more than all the rest of the tap, and telemetry needs no copy at
all: it is recognized and counted in the buffer that the kernel wrote it to. Everything else between two messages is
given to websockets as it came, and in order.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from contextlib import suppress
from typing import Any, cast

from websockets.asyncio.client import ClientConnection
from websockets.client import ClientProtocol
from websockets.frames import BINARY, CONT, TEXT, CloseCode, Opcode
from websockets.frames import Frame as Message
from websockets.protocol import Event, State

from tap.adapters.server.gathering import Gathering
from tap.adapters.server.line import Listener, UnreadError

__all__ = ["WebsocketsLine"]

_ROOM = 128 * 1024
"""Bytes of the buffer. A message that does not fit in is put together by websockets."""
_LARGE = _ROOM // 2
"""Bytes of a read behind which the next may follow at once."""
_MUCH = 4 * _ROOM
"""Bytes read one after the other after which everybody else has a turn."""

_MOST_UNREAD = 512 * 1024
"""Bytes that may wait for the server to read them. All that the tap says is a handshake, pings and answers to pings;
this is more than a whole read of nothing but pings asks for."""

_QUICK: int | None = getattr(socket, "TCP_QUICKACK", None)

_header = struct.Struct("!BBH").unpack_from
_WHOLE_TEXT = 0x81
_LONGEST_HEADER = 10
_MASKED = 1 << 64
"""A length that no message has: one that is masked is none."""
_OPCODES = frozenset(Opcode)
_HEADERS_END = b"\r\n\r\n"


class WebsocketsLine(ClientConnection):
    """A ``Line`` by websockets' own connection; tells ``listener`` what comes.

    ``split`` False leaves every byte to websockets, which costs more and tells the same: tests compare the two.
    ``options`` are those of ``ClientConnection``.
    """

    def __init__(self, protocol: ClientProtocol, listener: Listener, *, split: bool = True, **options: Any) -> None:
        super().__init__(protocol, **options)
        self.heard = 0
        self._listener = listener
        self._split = split
        # No list of parts: a server may send empty ones for ever, and the limit counts bytes.
        self._begun = bytearray()
        self._binary = False
        self._ending = False
        self._unwanted = False
        self._in_turn = 0
        """Bytes of the large reads since everybody else had a turn."""
        self._unread: UnreadError | None = None
        self._socket: socket.socket | None = None
        """The line's socket, by a descriptor of our own."""

    # ------------------------------------------------------------------------------------------ bytes

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._socket = _own(transport.get_extra_info("socket"))
        if self._split:
            self.transport.set_protocol(_Cutter(self, self._listener))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._socket is not None:
            self._socket.close()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes came, and nothing cuts them (``split`` False)."""
        self._listener.reading()
        self.leave(data)
        if len(data) >= _LARGE:
            self.give_way(len(data))

    def leave(self, data: bytes | memoryview) -> None:
        """Hand these bytes to websockets, to be parsed in its own way."""
        super().data_received(cast(bytes, data))
        if not self._ending and self.protocol.close_expected():
            # websockets waits for the server to hang up; one that goes on sending a frame beyond the limit does not.
            self._ending = True
            self.loop.call_later(self.close_timeout or 0, self.transport.abort)

    def give_way(self, size: int) -> None:
        """This many bytes were read at once, and more may follow before anybody else has a turn."""
        self._in_turn += size
        if self._in_turn == size:
            self.loop.call_soon(self._turned)
        elif self.gives_way():
            # uvloop reads on for megabytes before it turns to anybody else: to commits, timers, the watchdog.
            self.transport.pause_reading()

    def is_busy(self) -> bool:
        """Large reads follow one another: nobody else has had a turn since the first of them."""
        return self._in_turn > 0

    def gives_way(self) -> bool:
        """It reads no more until everybody else has had a turn."""
        return self._in_turn >= _MUCH

    def acknowledge(self) -> None:
        """Tell the server at once that what it sent is here.

        A system that waits for something to say along with that does so for 40 ms, and many a server (OBS) sends no
        small packet while another is under way: of two events the second would come, and be dated, that much later. It
        holds for one packet, and Linux alone knows it.
        """
        if _QUICK is not None and self._socket is not None:
            with suppress(OSError):  # it is closed already, or no TCP
                self._socket.setsockopt(socket.IPPROTO_TCP, _QUICK, 1)

    def _turned(self) -> None:
        if not self.transport.is_closing():
            if self.gives_way():
                self.transport.resume_reading()
            self.acknowledge()
        self._in_turn = 0

    # ------------------------------------------------------------------------------------------ messages

    def process_event(self, event: Event) -> None:
        if isinstance(event, Message):
            self._message(event)
            return
        super().process_event(event)
        # The first frames may be in the same packet: the connection is open before they are read.
        if self.protocol.handshake_exc is None and not self._listener.opened():
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
        """A whole message that websockets parsed."""
        sniff = self._listener.sniff
        if sniff is not None and not self._binary and sniff(data, 0, len(data)):
            self.passed(1)
        else:
            self.give(data, self._binary)

    def give(self, data: bytes, binary: bool) -> None:
        """Hand a message on to the listener."""
        self.heard += 1
        if not self._unwanted and not self._listener.received(data, binary, self):
            self._refuse()

    def passed(self, frames: int) -> int:
        """Tell the listener of this many frames of telemetry, before it gets what came behind them. Always 0."""
        if frames:
            self.heard += frames
            if not self._unwanted and not self._listener.passed(frames):
                self._refuse()
        return 0

    def _refuse(self) -> None:
        self._unwanted = True
        self.transport.abort()

    # ------------------------------------------------------------------------------------------ what the tap says

    async def send_ping(self) -> None:
        # Nobody waits for single answers, and a server that gives none must not make them pile up.
        self.pending_pings.clear()
        await self.ping()

    def send_text(self, data: bytes) -> None:
        if self.protocol.state is State.OPEN:
            self.protocol.send_text(data)
            self.send_data()

    def send_data(self) -> None:
        """Whatever is sent goes out here: websockets answers each ping, and a server need not read the answers."""
        if self._unread is not None:
            self.protocol.data_to_send()  # it goes nowhere
            return
        super().send_data()
        if self.paused and (waiting := self.transport.get_write_buffer_size()) > _MOST_UNREAD:
            self._unread = UnreadError(
                f"the server does not read the answers to its pings: {waiting // 1024} KB wait for it"
            )
            self._refuse()

    def hush(self) -> None:
        self._unwanted = True

    def abort(self) -> None:
        self.transport.abort()

    async def ended(self) -> BaseException:
        await self.wait_closed()
        return self._unread or self.protocol.close_exc

    async def say_goodbye(self) -> None:
        await self.close(CloseCode.GOING_AWAY)


def _own(there: Any) -> socket.socket | None:
    """The same socket, to set its options: uvloop's own face of it is made anew, and asks the system, each time."""
    if there is None:
        return None
    with suppress(OSError):  # it is closed already
        return socket.socket(there.family, there.type, there.proto, fileno=os.dup(there.fileno()))
    return None


def _never_telemetry(_data: bytes | bytearray, _begin: int, _end: int) -> bool:
    """For a listener that has nothing counted as telemetry."""
    return False


class _Cutter(asyncio.BufferedProtocol):
    """Reads for a line: cuts whole text messages out of what came, and leaves all other bytes to websockets."""

    def __init__(self, line: WebsocketsLine, listener: Listener) -> None:
        self._line = line
        self._listener = listener
        self._sniff = listener.sniff or _never_telemetry
        self._protocol = line.protocol
        # What it is cut out of is saved until all of it is there.
        self._largest = min(line.protocol.max_message_size or _ROOM, _ROOM - _LONGEST_HEADER)
        self._buffer = bytearray(_ROOM + _LONGEST_HEADER)
        self._view = memoryview(self._buffer)[:_ROOM]
        self._kept = 0
        """Bytes at the buffer's beginning: of a header, or of a message that is to be cut out."""
        self._missing = 0
        """Bytes still to come of a frame that websockets has the beginning of."""
        self._gathering = Gathering(line.transport, self, line.loop, line.gives_way, line.acknowledge)
        self._shaking_hands = True
        self._tail = b""
        """The last bytes of the answer so far, which its end may begin with."""

    def get_buffer(self, _: int) -> memoryview:
        return self._view[self._kept :] if self._kept else self._view

    def buffer_updated(self, nbytes: int) -> None:
        self._listener.reading()
        size, self._kept = self._kept + nbytes, 0
        begin = 0
        if self._shaking_hands:
            begin = self._answer(size)
        elif self._missing:
            begin = min(self._missing, size)
            self._missing -= begin
            self._line.leave(self._view[:begin])
        flows, quiet = self._cut(begin, size) if begin < size else (False, False)
        if nbytes >= _LARGE:
            # The turn after it acknowledges it: for each read of many, that would cost as much as reading it.
            self._line.give_way(nbytes)
            return
        dense = flows and self._gathering.is_dense()
        # What is read amid dense telemetry is acknowledged when no more of it comes: then the server may wait for that.
        if not (dense and (quiet or self._gathering.sees_nothing)):
            self._line.acknowledge()
        if dense and not self._line.is_busy():
            self._gathering.rest()

    def eof_received(self) -> None:
        self._line.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._gathering.stop()
        self._line.connection_lost(exc)

    def pause_writing(self) -> None:
        self._line.pause_writing()

    def resume_writing(self) -> None:
        self._line.resume_writing()

    def _answer(self, size: int) -> int:
        """Leave the server's answer to the upgrade to websockets; where the first messages may be behind it."""
        data = bytes(self._view[:size])
        seen = self._tail + data
        end = seen.find(_HEADERS_END)
        begin = size if end < 0 else end + len(_HEADERS_END) - len(self._tail)
        self._shaking_hands, self._tail = end < 0, seen[1 - len(_HEADERS_END) :]
        self._line.leave(data[:begin])
        return begin

    def _cut(self, begin: int, size: int) -> tuple[bool, bool]:
        """Tell the messages that are in the buffer from ``begin`` to ``size``: the way of nearly every byte.

        Returns:
            Whether there was telemetry, and nothing but whole text messages; and whether it was telemetry alone.
        """
        protocol, line, data, sniff, largest = self._protocol, self._line, self._buffer, self._sniff, self._largest
        passed, flows, quiet, texts = 0, False, True, True
        is_open = protocol.state is State.OPEN
        plain = is_open and protocol.current_size is None
        while is_open and begin < size:
            # A header: two bytes, and two or eight more for the length of a longer message. Of one that is not there
            # whole, the length is anything; but its message ends beyond what is there.
            first, length, longer = _header(data, begin)
            if length < 126:
                body = begin + 2
            elif length == 126:
                body, length = begin + 4, longer
            else:
                body = begin + _LONGEST_HEADER
                length = int.from_bytes(data[begin + 2 : body], "big") if length == 127 else _MASKED
            end = body + length
            if plain and first == _WHOLE_TEXT and length <= largest:
                if end > size:
                    break
                if sniff(data, body, end):
                    passed += 1
                else:
                    flows, passed, quiet = flows or passed > 0, line.passed(passed), False
                    line.give(bytes(self._view[body:end]), False)
                begin = end
            elif body > size:
                break
            else:
                passed, quiet, texts = line.passed(passed), False, False
                line.leave(self._view[begin : min(end, size)])
                begin, self._missing = min(end, size), max(0, end - size)
                is_open = protocol.state is State.OPEN
                plain = is_open and protocol.current_size is None
        if passed:
            line.passed(passed)
        if begin < size:
            self._keep(begin, size, is_open)
            return False, False
        return texts and (flows or passed > 0), quiet

    def _keep(self, begin: int, size: int, is_open: bool) -> None:
        """Wait for the rest of a header, or of a message that is to be cut out."""
        data = self._buffer
        if not is_open or (size - begin >= 2 and (data[begin] & 0x0F not in _OPCODES or data[begin + 1] & 0x80)):
            # There is nothing to cut, before the beginning or behind an end; or this will be no frame, and
            # websockets says so as soon as it sees it.
            self._line.leave(self._view[begin:size])
            return
        self._kept = size - begin
        if begin:
            data[: self._kept] = data[begin:size]
