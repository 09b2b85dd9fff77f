"""What is cut out of the bytes here is exactly what websockets reads in them, whatever a server sends and however it
arrives: messages, the telemetry between them, answers, the end and its words."""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from itertools import groupby, pairwise
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import orjson
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.client import ClientProtocol
from websockets.frames import DATA_OPCODES, Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri
from websockets.utils import accept_key

from tap.adapters.dialects import load_dialect
from tap.adapters.server import disposition, gathering, websockets_line
from tap.adapters.server.line import Line, UnreadError
from tap.adapters.server.websockets_line import WebsocketsLine
from tap.core.mapping import Sniff
from tests.adapters.test_socket import message, shake_hands

_sniff = load_dialect("multicam/1").sniff
assert _sniff is not None
SNIFF: Sniff = _sniff
LARGEST = 150_000
ROOM = websockets_line._ROOM
ANSWER = (
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
    "Sec-WebSocket-Accept: {}\r\n\r\n"
)

Told = list[tuple[Any, ...]]


class Stream(NamedTuple):
    """What a server sends behind its answer, and where the reads end."""

    sent: bytes
    cuts: list[int]

    def __repr__(self) -> str:
        runs = re.sub(rb"(?s)(.)\1{20,}", lambda run: b"<%d of %s>" % (len(run[0]), run[1]), self.sent)
        return f"Stream({runs[:2000]!r}, {self.cuts})"


class Wire(asyncio.Transport):
    """A transport on which the test is the other end."""

    def __init__(self) -> None:
        super().__init__()
        self.protocol: asyncio.BaseProtocol | None = None
        self.sent = bytearray()
        self.half_closed = False
        self.gone = False
        self.paused = 0

    def feed(self, data: bytes) -> None:
        """What came with one read; more of them where the reader has no room for all."""
        if isinstance(self.protocol, asyncio.BufferedProtocol):
            while data and not self.gone:
                room = memoryview(self.protocol.get_buffer(-1))
                assert room
                size = min(len(room), len(data))
                room[:size] = data[:size]
                self.protocol.buffer_updated(size)
                data = data[size:]
        else:
            assert isinstance(self.protocol, asyncio.Protocol)
            self.protocol.data_received(data)

    def end(self) -> None:
        assert isinstance(self.protocol, asyncio.Protocol | asyncio.BufferedProtocol)
        if not self.gone:
            self.protocol.eof_received()
        self.protocol.connection_lost(None)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        self.sent += data

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.half_closed = True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def is_closing(self) -> bool:
        return self.gone

    def abort(self) -> None:
        self.gone = True

    def holds(self) -> int:
        """How often reading was paused and not resumed."""
        return self.paused

    def pause_reading(self) -> None:
        self.paused += 1

    def resume_reading(self) -> None:
        self.paused -= 1


class Ear:
    """Notes what it is told, with the number of the read that it came with."""

    def __init__(self, sniff: Sniff | None, enough: int | None = None) -> None:
        self.sniff = sniff
        self.told: Told = []
        self.read = -1
        self.readings = 0
        self._seen = 0
        self._left = enough

    def reading(self) -> None:
        self.readings += 1

    def opened(self) -> bool:
        self._note("opened")
        return self._left != 0

    def received(self, data: bytes, binary: bool, line: Line) -> bool:
        assert type(data) is bytes
        self._note("received", data, binary)
        if data == b"answer me":
            line.send_text(b"an answer")
        return self._goes_on(1)

    def passed(self, frames: int) -> bool:
        assert frames > 0
        if self.told[-1][:2] == (self.read, "passed"):
            frames += self.told.pop()[2]
        self._note("passed", frames)
        return True

    def _note(self, *what: Any) -> None:
        assert self.readings > self._seen, "what is told came with a read that was told"
        self.told.append((self.read, *what))

    def _goes_on(self, by: int) -> bool:
        if self._left is not None:
            self._left -= by
        return self._left is None or self._left > 0


def listen(
    wire_bytes: bytes,
    cuts: list[int],
    *,
    split: bool,
    sniff: Sniff | None = SNIFF,
    answer: str = ANSWER,
    enough: int | None = None,
    part_before: int | None = None,
) -> dict[str, Any]:
    """All that is to be seen of a line to which a server sends these bytes, cut into reads at these places.

    A line asks for the loop that runs, but nothing here waits for it to turn.
    """
    protocol = ClientProtocol(parse_uri("ws://127.0.0.1/"), max_size=LARGEST)
    ear = Ear(sniff, enough)
    line = WebsocketsLine(protocol, ear, split=split, ping_interval=None, close_timeout=1, max_queue=None)
    wire = Wire()
    wire.protocol = line
    line.connection_made(wire)
    protocol.send_request(protocol.connect())
    line.send_data()
    wire.sent.clear()
    whole = answer.format(accept_key(protocol.key)).encode("latin-1") + wire_bytes
    places = sorted({0, len(whole), *(place % (len(whole) + 1) for place in cuts)})
    for number, (begin, end) in enumerate(pairwise(places)):
        if wire.gone:
            break
        if number == part_before and protocol.state is State.OPEN:
            protocol.send_close(1001)
            line.send_data()
        ear.read, ear._seen = number, ear.readings
        wire.feed(whole[begin:end])
    wire.end()
    return {
        "told": ear.told,
        "heard": line.heard,
        "sent": list(said(bytes(wire.sent))),
        "half closed": wire.half_closed,
        "aborted": wire.gone,
        "handshake": repr(protocol.handshake_exc),
        "end": disposition(protocol.handshake_exc or protocol.close_exc),
    }


def said(sent: bytes) -> Iterator[tuple[int, bytes]]:
    """What a client sent, without its masks."""
    while sent:
        size = sent[1] & 0x7F
        mask, body = sent[2:6], sent[6 : 6 + size]
        yield sent[0], bytes(byte ^ mask[place % 4] for place, byte in enumerate(body))
        sent = sent[6 + size :]


def same(wire_bytes: bytes, cuts: list[int], **options: Any) -> dict[str, Any]:
    """What both ways of reading agree on."""
    ours, theirs = (listen(wire_bytes, cuts, split=split, **options) for split in (True, False))
    assert ours == theirs
    return ours


def plainly(wire_bytes: bytes) -> Told:
    """What websockets alone reads in these bytes, put together here."""
    protocol = ClientProtocol(parse_uri("ws://127.0.0.1/"), max_size=LARGEST)
    protocol.send_request(protocol.connect())
    protocol.receive_data(ANSWER.format(accept_key(protocol.key)).encode() + wire_bytes)
    told: Told = [("opened",)]
    begun, binary = b"", False
    for event in protocol.events_received()[1:]:
        assert isinstance(event, Frame)
        if event.opcode not in DATA_OPCODES:
            continue
        binary = binary if event.opcode is Opcode.CONT else event.opcode is Opcode.BINARY
        begun += event.data
        if event.fin:
            told.append(("passed", 1) if not binary and SNIFF(begun, 0, len(begun)) else ("received", begun, binary))
            begun = b""
    return together(told)


def together(told: Told) -> Told:
    """With all the telemetry between two messages as one."""
    runs = [(what, list(run)) for what, run in groupby(told, lambda what: what if what[0] != "passed" else ("passed",))]
    return [one for what, run in runs for one in ([("passed", sum(n for _, n in run))] if what == ("passed",) else run)]


# ---------------------------------------------------------------------------------------------- what servers send


def _padded(size: int) -> bytes:
    """Telemetry of this size."""
    bare = b'{"type":"pose","p":""}'
    return bare[:-2] + b"0" * max(0, size - len(bare)) + bare[-2:]


_telemetry = st.sampled_from(
    [
        b'{"type":"pose"}',
        b'{"type":"heartbeat","seq":1,"ts":2}',
        b'{ "type" : "device_stats", "values":[1,2,3]}',
        b'{"values":[1,2,3],"type":"preview_stats"}',
    ]
)
_lookalikes = st.sampled_from(
    [
        b'{"type":"pose","type":"cut"}',
        b'{"type":"po\\u0073e"}',
        b'{"type":"pose"',
        b'["type","pose"]',
        b'{"typ":"pose"}',
        b'{"data":{"type":"pose"}}',
        b'{"type":"hello","boot_id":"b"}',
        b"",
        b"{",
        b"not \xff utf-8",
    ]
)
_sizes = st.sampled_from([0, 1, 124, 125, 126, 127, 128, 65_535, 65_536, 65_537])
_large = st.sampled_from([ROOM - 15, ROOM - 11, ROOM - 10, ROOM - 9, ROOM, ROOM + 1, LARGEST, LARGEST + 1])
_payload = st.one_of(
    _telemetry,
    _telemetry,
    _lookalikes,
    st.binary(max_size=200),
    _sizes.map(_padded),
    _sizes.map(bytes),
    st.integers(0, 300).map(_padded),
)
_control = st.one_of(
    st.tuples(st.sampled_from([9, 10]), st.binary(max_size=4)).map(lambda it: message(it[1], it[0])),
    st.just(message(bytes(125), 9)),
)


@st.composite
def _fragmented(draw: st.DrawFn) -> bytes:
    """A message in parts, with whatever may stand between them; at times it has no end, or a limit is passed."""
    opcode = draw(st.sampled_from([1, 1, 2]))
    parts = draw(st.lists(st.one_of(_payload, st.just(b"")), min_size=2, max_size=4))
    if draw(st.integers(0, 5)) == 0:
        parts.append(
            bytes(LARGEST - sum(map(len, parts)) + draw(st.sampled_from([-1, 0, 1]))) if draw(st.booleans()) else b"x"
        )
    wire = b""
    for number, part in enumerate(parts):
        last = number == len(parts) - 1 and draw(st.integers(0, 7)) > 0
        wire += message(part, 0 if number else opcode, fin=last)
        if not last and draw(st.booleans()):
            wire += draw(_control)
    return wire


def _odd_length(payload: bytes) -> bytes:
    """A length in more bytes than it needs."""
    return b"\x81\x7f" + len(payload).to_bytes(8, "big") + payload


_close = st.one_of(
    st.sampled_from([1000, 1001, 1008, 1012, 3000, 4321, 1005, 1006, 1015, 999, 0, 2999, 5000, 65535]).flatmap(
        lambda code: st.sampled_from([b"", b"bye", b"\xff", bytes(123)]).map(
            lambda reason: message(code.to_bytes(2, "big") + reason, 8)
        )
    ),
    st.sampled_from([message(b"", 8), message(b"\x03", 8), message(b"\x03\xe8", 8)]),
)
_violation = st.one_of(
    _payload.map(lambda data: bytes([0x81, 0x80 | 5]) + b"mask" + data),
    st.tuples(st.sampled_from([0xC1, 0xA1, 0x91, 0xC2, 0xF1, 0xC0]), _payload).map(
        lambda it: bytes([it[0]]) + message(it[1])[1:]
    ),
    st.tuples(st.sampled_from([3, 7, 11, 15]), _payload).map(lambda it: message(it[1], it[0])),
    st.tuples(st.sampled_from([8, 9, 10]), st.booleans()).map(
        lambda it: message(bytes(126 if it[1] else 3), it[0], fin=it[1])
    ),
    _payload.map(lambda data: message(data, 0)),
    _payload.map(lambda data: message(b"begun", 1, fin=False) + message(data) + message(b"end", 0)),
    st.just(message(bytes(LARGEST + 1))),
    st.just(message(_padded(LARGEST + 1))),
    st.just(b"\x81\x7f" + b"\xff" * 8),
    st.just(b"\x81\x7f\x80" + bytes(7)),
    st.just(b"\x83\x7f"),
    st.just(b"\x89\x7e\x00"),
    st.binary(min_size=1, max_size=20),
)
_good = st.one_of(
    _payload.map(message),
    _payload.map(message),
    _payload.map(message),
    _payload.map(lambda data: message(data, 2)),
    _payload.map(_odd_length),
    _control,
    _fragmented(),
)


@st.composite
def _streams(draw: st.DrawFn) -> Stream:
    """What a server sends, and where the reads end: often in a header, or right behind one."""
    pieces = draw(st.lists(_good, max_size=12))
    if draw(st.integers(0, 3)) == 0:
        pieces.insert(draw(st.integers(0, len(pieces))), message(_padded(draw(_large))))
    if draw(st.integers(0, 2)) == 0:
        pieces.insert(draw(st.integers(0, len(pieces))), draw(st.one_of(_close, _violation)))
    if draw(st.integers(0, 4)) == 0 and pieces:
        pieces[-1] = pieces[-1][: draw(st.integers(0, len(pieces[-1])))]
    begins = [len(ANSWER) + 26]
    for piece in pieces:
        begins.append(begins[-1] + len(piece))
    near = st.tuples(st.sampled_from(begins), st.integers(-3, 12)).map(sum)
    cuts = draw(st.lists(st.one_of(near, near, st.integers(0, begins[-1])), max_size=25))
    if draw(st.integers(0, 5)) == 0:
        begin = draw(st.sampled_from(begins))
        cuts += range(max(0, begin - 30), begin + 60)
    return Stream(b"".join(pieces), cuts)


MANY = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@MANY
@given(_streams())
@example(
    Stream(message(b"begun", 1, fin=False) + message(b'{"type":"pose"}') + message(b"whole") + message(b"end", 0), [])
)
async def test_whatever_a_server_sends_is_read_as_websockets_reads_it(stream: Stream) -> None:
    """Messages, telemetry between them, with which read each came, answers, the end."""
    assert together([what[1:] for what in same(*stream)["told"]]) == plainly(stream.sent)


# What is taken for a message, where somebody has lost count.
_BAIT = message(b"bait") * 50
_LONG_BAIT = message(b"bait") * 11_700
_HEADERS = {
    "short text": message(b"short"),
    "text": message(_BAIT),
    "long text": message(_LONG_BAIT),
    "telemetry": message(_padded(300)),
    "long telemetry": message(_padded(70_000)),
    "too long": message(bytes(LARGEST + 1)),
    "longer than it needs": _odd_length(b"text"),
    "binary": message(_BAIT, 2),
    "long binary": message(_LONG_BAIT, 2),
    "in parts": message(_BAIT, fin=False) + message(_LONG_BAIT, 0, fin=False) + message(_BAIT, 0),
    "ping": message(bytes(125), 9),
    "long ping": message(_BAIT, 9),
    "close": message(b"\x03\xe8bye", 8),
    "reserved bit": b"\xc1" + message(_BAIT)[1:],
    "no opcode": message(_BAIT, 3),
    "masked": b"\x81\xfe\x01\x2cmask" + _BAIT,
    "longest masked": b"\x81\xff" + bytes(12) + b"{}",
}


@pytest.mark.parametrize("kind", _HEADERS)
async def test_wherever_a_header_is_cut_it_is_read(kind: str) -> None:
    """At each place of it, and at all of them; with nothing before it, and with what leaves other bytes behind."""
    frame = _HEADERS[kind]
    for before in (b"", message(bytes(60)) * 3, message(b"begun", 1, fin=False)):
        wire = before + frame + message(b"behind") + message(b"", 0) + message(b'{"type":"pose"}')
        first = len(ANSWER.format("x" * 28))
        begin = first + len(before)
        places = range(begin, begin + 16)
        for cuts in (*([begin, place] for place in places), list(places), [begin, begin + 2, begin + 303]):
            assert together([what[1:] for what in same(wire, [first, *cuts])["told"]]) == plainly(wire)


@settings(MANY, max_examples=60)
@given(_streams())
async def test_without_telemetry_to_know_all_is_received(stream: Stream) -> None:
    assert not [what for what in same(*stream, sniff=None)["told"] if what[1] == "passed"]


@settings(MANY, max_examples=60)
@given(_streams(), st.integers(0, 5))
async def test_who_wants_no_more_is_told_no_more(stream: Stream, enough: int) -> None:
    """From the message that was refused on, nothing is told, and the connection is gone."""
    ours, theirs = (listen(*stream, split=split, enough=enough) for split in (True, False))
    assert ours["told"] == theirs["told"]
    assert ours["aborted"] == theirs["aborted"]
    assert len([what for what in ours["told"] if what[1] == "received"]) <= enough


@settings(MANY, max_examples=60)
@given(_streams(), st.integers(1, 6))
async def test_what_comes_behind_our_goodbye_is_read_as_websockets_reads_it(stream: Stream, reads: int) -> None:
    same(*stream, part_before=reads)


@settings(MANY, max_examples=100)
@given(
    st.sampled_from(
        [
            "HTTP/1.1 404 Not Found\r\nContent-Length: 1\r\n\r\nx",
            "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n\x81\x7e",
            "HTTP/1.1 503 Away\r\n\r\n\x81\x05later",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n\x81\x03abc\r\n0\r\n\r\n",
            "HTTP/1.1 101 OK\r\n\r\n",
            "HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: no\r\n\r\n",
            ANSWER[:-2] + "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
            ANSWER.replace("\r\n", "\n"),
            "\r\n\r\n",
            "SSH-2.0-OpenSSH_9.6\r\n",
            "",
            "\0" * 40,
            "HTTP/1.1 101 OK\r\n" + "X: y\r\n" * 200 + "\r\n",
        ]
    ),
    st.lists(st.integers(0, 300), max_size=12),
    _payload.map(message),
)
async def test_an_answer_that_is_none_is_refused_as_websockets_refuses_it(
    answer: str, cuts: list[int], more: bytes
) -> None:
    answer = answer if "{}" in answer else answer.replace("{", "{{").replace("}", "}}")
    assert same(more, cuts, answer=answer)["told"] == []


@pytest.mark.parametrize("split", [True, False])
async def test_a_refusal_is_known_as_soon_as_it_is_there(split: bool) -> None:
    """A server that leaves the connection open does not hold it back, however its page reads as frames."""

    protocol = ClientProtocol(parse_uri("ws://127.0.0.1/"))
    line = WebsocketsLine(protocol, Ear(None), split=split, close_timeout=1)
    wire = Wire()
    wire.protocol = line
    line.connection_made(wire)
    for part in (b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n", b"\x81", b"\x7e"):
        wire.feed(part)
    assert "404" in str(protocol.handshake_exc)
    wire.end()


async def test_an_answer_goes_out_where_its_question_stood() -> None:
    """Before the answer to what the server sent behind it, though both came with one read."""
    wire = message(b"early", 9) + message(b"answer me") + message(b"late", 9) + message(b"\x03\xe8", 8)
    for cuts in ([], list(range(300))):
        sent = listen(wire, cuts, split=True)["sent"]
        assert sent == [(0x8A, b"early"), (0x81, b"an answer"), (0x8A, b"late"), (0x88, b"\x03\xe8")]


async def test_telemetry_is_counted_between_what_is_received() -> None:
    """In one read and in many: how many, and in which order."""
    pose = message(b'{"type":"pose","p":[1,2]}')
    wire = pose * 3 + message(b"one") + pose + message(b"two", 2) + pose * 2 + message(b"") + pose
    expected = [
        ("opened",),
        ("passed", 3),
        ("received", b"one", False),
        ("passed", 1),
        ("received", b"two", True),
        ("passed", 2),
        ("received", b"", False),
        ("passed", 1),
    ]
    seen = same(wire, [])
    assert [what[1:] for what in seen["told"]] == expected
    assert seen["heard"] == 10
    begin = len(ANSWER.format("x" * 28))
    for width in range(1, 12):
        told = [what[1:] for what in same(wire, list(range(begin, begin + len(wire), width)))["told"]]
        assert sum(what[1] for what in told if what[0] == "passed") == 7
        assert [what for what in told if what[0] == "received"] == [what for what in expected if what[0] == "received"]


@pytest.mark.parametrize("size", [ROOM - 11, ROOM - 10, ROOM - 9, ROOM, LARGEST])
async def test_a_message_as_long_as_the_buffer_comes_whole(size: int) -> None:
    """Whether it just fits in or just does not, and whatever stands before it."""
    data = orjson.dumps({"type": "snapshot", "text": ""})
    data = data[:-2] + b"a" * (size - len(data)) + data[-2:]
    for before in (0, 1, 5):
        wire = message(b"x") * before + message(data) + message(b"next")
        for cuts in ([], list(range(0, len(wire), 50_000)), [len(wire) - 3]):
            received = [what[2] for what in same(wire, cuts)["told"] if what[1] == "received"]
            assert received == [b"x"] * before + [data, b"next"]


def _standing(*, split: bool = True) -> tuple[Wire, Ear]:
    """A line that stands, on a running loop."""
    protocol = ClientProtocol(parse_uri("ws://127.0.0.1/"))
    ear, wire = Ear(SNIFF), Wire()
    line = WebsocketsLine(protocol, ear, split=split, close_timeout=1, max_queue=None)
    wire.protocol = line
    line.connection_made(wire)
    protocol.send_request(protocol.connect())
    wire.feed(ANSWER.format(accept_key(protocol.key)).encode())
    return wire, ear


@pytest.mark.parametrize("split", [True, False])
async def test_a_flood_leaves_everybody_else_a_turn(split: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much comes at once, reading stops after some of it, and goes on in the next turn."""
    monkeypatch.setattr(gathering, "DENSE_S", -1.0)

    wire, _ = _standing(split=split)
    flood = message(_padded(1000)) * 100
    for _ in range(3):
        read = 0
        while not wire.paused:
            wire.feed(flood)
            read += len(flood)
        assert 2 * ROOM < read < 6 * ROOM
        await asyncio.sleep(0)
        assert not wire.paused
    for _ in range(1000):
        wire.feed(flood[:1008])
    assert not wire.paused
    wire.end()


async def test_dense_telemetry_is_left_to_gather(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the first of it, nor what comes now and then; and never for longer than the rest."""
    telemetry = message(_padded(500))

    wire, _ = _standing()
    monkeypatch.setattr(gathering, "DENSE_S", -1.0)
    for _ in range(5):
        wire.feed(telemetry)
    assert wire.holds() == 0
    monkeypatch.setattr(gathering, "DENSE_S", 3600.0)
    wire.feed(telemetry)
    wire.feed(telemetry)
    assert wire.holds() == 1
    async with asyncio.timeout(300):
        while wire.holds():  # noqa: ASYNC110 - a transport tells nobody
            await asyncio.sleep(0.001)
    wire.feed(telemetry)
    assert wire.holds() == 1
    wire.end()


@pytest.mark.parametrize(
    "other",
    [
        message(b'{"type":"cut","to":"c1"}')[:9],
        message(b"ping", 9),
        message(b"binary", 2),
        message(b'{"type":"po', fin=False),
    ],
    ids=["a part of a cut", "a ping", "binary", "a fragment"],
)
async def test_what_else_comes_is_not_left_to_wait(other: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read with anything in it but whole text messages is followed by the next at once."""
    telemetry = message(_padded(500))

    wire, _ = _standing()
    monkeypatch.setattr(gathering, "DENSE_S", -1.0)
    wire.feed(telemetry)
    monkeypatch.setattr(gathering, "DENSE_S", 3600.0)
    wire.feed(telemetry + other)
    assert not wire.paused
    wire.end()


async def test_a_cut_amid_dense_telemetry_lets_it_gather_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told at once; what comes next may be read as late as amid telemetry. By itself it changes nothing."""
    telemetry, cut = message(_padded(500)), message(b'{"type":"cut","to":"c1"}')

    wire, ear = _standing()
    monkeypatch.setattr(gathering, "DENSE_S", -1.0)
    wire.feed(telemetry)
    monkeypatch.setattr(gathering, "DENSE_S", 3600.0)
    wire.feed(cut)
    wire.feed(cut)
    assert not wire.paused
    wire.feed(telemetry + cut)
    assert wire.paused
    assert [what[1] for what in ear.told[-2:]] == ["passed", "received"]
    wire.end()


def made_for(ear: Ear) -> Any:
    """What ``connect`` makes its connections with."""
    return lambda protocol, **options: WebsocketsLine(protocol, ear, **options)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_telemetry_turn_after_turn_takes_few_reads(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it is told, in order, and a cut amid it too; but nobody is woken for each frame."""
    monkeypatch.setattr(gathering, "DENSE_S", 3600.0)  # much of it, by the clock of any machine

    async def scene() -> None:
        ear = Ear(SNIFF)
        count, sent = 600, asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await shake_hands(reader))
            for number in range(count):
                writer.write(message(orjson.dumps({"type": "cut", "to": "c1"}) if number == 300 else _padded(700)))
                await asyncio.sleep(0)
            writer.write(message(b"\x03\xe8", 8))
            sent.set()
            await reader.read(100)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        made = await connect(
            f"ws://127.0.0.1:{port}/", proxy=None, compression=None, ping_interval=None,
            create_connection=made_for(ear),
        )  # fmt: skip
        assert isinstance(made, WebsocketsLine)
        async with asyncio.timeout(300):
            await sent.wait()
            await made.ended()
        server.close()
        told = together([what[1:] for what in ear.told])
        assert [what[:2] if what[0] == "passed" else what[0] for what in told] == [
            "opened", ("passed", 300), "received", ("passed", count - 301),
        ]  # fmt: skip
        assert ear.readings < count / 4

    factory = None if loop == "asyncio" else pytest.importorskip("uvloop").new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(scene())


@pytest.mark.skipif(not hasattr(socket, "TCP_QUICKACK"), reason="this system cannot be asked to")
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_server_need_not_wait_to_hear_that_a_message_is_here(loop: str) -> None:
    """One that sends no small packet while another is under way would hold the next event back for 40 ms."""

    def under_way(writer: asyncio.StreamWriter) -> int:
        """Packets that the other side has not yet said to have (``tcpi_unacked``)."""
        told = writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 32)
        return int.from_bytes(told[24:28], sys.byteorder)

    async def scene() -> None:
        ear, waiting, done = Ear(SNIFF), [0], asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await shake_hands(reader))
            for number in range(100):
                # A system that has just been asked and has answered goes on to wait for what it could say next.
                writer.write(message(b"", 9))
                await reader.readexactly(6)
                writer.write(message(orjson.dumps({"type": "cut", "to": f"c{number}"})))
                while sum(what[1] == "received" for what in ear.told) <= number:  # noqa: ASYNC110 - turn by turn
                    await asyncio.sleep(0)
                await asyncio.sleep(0)
                waiting[0] += under_way(writer)
            done.set()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        await connect(
            f"ws://127.0.0.1:{port}/", proxy=None, compression=None, ping_interval=None,
            create_connection=made_for(ear),
        )  # fmt: skip
        async with asyncio.timeout(300):
            await done.wait()
        server.close()
        # It would be every one. A machine with much to do may carry a few of the answers late.
        assert waiting[0] < 50

    factory = None if loop == "asyncio" else pytest.importorskip("uvloop").new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(scene())


# ---------------------------------------------------------------------------------------------- real lines


def _certificate(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """For the server, and for who trusts it."""
    key, chain = folder / "key.pem", folder / "chain.pem"
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    made += ["-keyout", str(key), "-out", str(chain), "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*made, "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(chain, key)
    return serving, ssl.create_default_context(cafile=str(chain))


def _hour(rng: Random) -> bytes:
    """A few megabytes of all that a server says, in order, with its goodbye."""
    pieces = [message(_padded(rng.randrange(400, 4000))) for _ in range(1500)]
    for place in range(0, len(pieces), 40):
        pieces[place] = message(orjson.dumps({"type": "cut", "to": f"c{place}"}))
        pieces[place + 1] = message(b"binary", 2) + message(b"ping", 9)
        pieces[place + 2] = message(b'{"type":', fin=False) + message(b"", 10) + message(b'"pose"}', 0)
    pieces[900] = message(bytes(LARGEST))
    return b"".join(pieces) + message(b"\x03\xe8bye", 8)


@pytest.mark.parametrize("secure", [False, True], ids=["ws", "wss"])
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_real_line_is_read_as_one_on_a_table(loop: str, secure: bool, tmp_path: Path) -> None:
    """By either event loop, with TLS and without: however the kernel cuts it, and whoever reads it."""
    if secure and shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    contexts = _certificate(tmp_path) if secure else (None, None)
    trusting: dict[str, Any] = {"ssl": contexts[1]} if secure else {}
    rng = Random(9)
    wire = _hour(rng)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await shake_hands(reader))
        at = 0
        while at < len(wire):
            size = rng.choice([1, 100, 10_000, 1_000_000])
            writer.write(wire[at : at + size])
            at += size
            await writer.drain()
        await reader.read()
        writer.close()

    async def scene() -> tuple[Told, Told]:
        ear = Ear(SNIFF)
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=contexts[0])
        port = server.sockets[0].getsockname()[1]
        line = await connect(
            f"{'wss' if secure else 'ws'}://127.0.0.1:{port}/",
            **trusting,
            compression=None,
            proxy=None,
            max_size=LARGEST,
            max_queue=None,
            ping_interval=None,
            close_timeout=0.2,
            create_connection=lambda protocol, **options: WebsocketsLine(protocol, ear, **options),  # type: ignore[arg-type]
        )
        assert isinstance(line, WebsocketsLine)
        ended = await asyncio.wait_for(line.ended(), 300)
        assert disposition(ended).words == "the server said goodbye (1000: bye)"
        server.close()
        return ear.told, listen(wire, [], split=False)["told"]

    factory = pytest.importorskip("uvloop").new_event_loop if loop == "uvloop" else None
    with asyncio.Runner(loop_factory=factory) as runner:
        told, on_a_table = runner.run(asyncio.wait_for(scene(), 300))
    assert [what[1:] for what in told] == [what[1:] for what in on_a_table]


@pytest.mark.parametrize(("reads_again", "ended"), [(False, True), (True, False)])
def test_who_reads_again_is_not_taken_for_who_never_reads(reads_again: bool, ended: bool) -> None:
    """What waits at that moment may be much: it is on its way."""

    class Full(Wire):
        def get_write_buffer_size(self) -> int:
            return 2**20

    async def scene() -> bool:
        protocol = ClientProtocol(parse_uri("ws://127.0.0.1/"))
        line = WebsocketsLine(protocol, Ear(SNIFF), ping_interval=None, close_timeout=1, max_queue=None)
        wire = Full()
        line.connection_made(wire)
        cutter = wire.protocol
        assert isinstance(cutter, asyncio.BufferedProtocol)
        cutter.pause_writing()
        if reads_again:
            cutter.resume_writing()
        line.send_data()
        return wire.gone

    assert asyncio.run(scene()) is ended


@pytest.mark.parametrize("secure", [False, True], ids=["ws", "wss"])
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("payload", [b"", b"x" * 125], ids=["bare pings", "full pings"])
def test_pings_without_end_from_who_reads_nothing_fill_no_memory(
    payload: bytes, loop: str, secure: bool, tmp_path: Path
) -> None:
    """Each is answered, and so many answers wait as fit in the bound; then the line ends, and says why."""
    if secure and shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    contexts = _certificate(tmp_path) if secure else (None, None)
    trusting: dict[str, Any] = {"ssl": contexts[1]} if secure else {}
    pings, waited, over = message(payload, 9) * 1000, 0, False

    class Watched(WebsocketsLine):
        def send_data(self) -> None:
            nonlocal waited
            super().send_data()
            waited = max(waited, self.transport.get_write_buffer_size())

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await shake_hands(reader))
        with suppress(ConnectionError):
            while not over:
                writer.write(pings)
                await writer.drain()
                await asyncio.sleep(0)
        writer.transport.abort()

    async def scene() -> BaseException:
        listening = socket.socket()
        # Little waits in the kernel: what counts is what waits in the tap.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        listening.bind(("127.0.0.1", 0))
        server = await asyncio.start_server(serve, sock=listening, ssl=contexts[0])
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
        client.setblocking(False)
        await asyncio.get_running_loop().sock_connect(client, listening.getsockname())
        line = await connect(
            f"{'wss' if secure else 'ws'}://127.0.0.1/", sock=client, **trusting, compression=None, ping_interval=None,
            create_connection=lambda protocol, **options: Watched(protocol, Ear(None), **options),  # type: ignore[arg-type]
        )  # fmt: skip
        assert isinstance(line, WebsocketsLine)
        nonlocal over
        ended = await asyncio.wait_for(line.ended(), 300)
        over = True
        server.close()
        return ended

    factory = pytest.importorskip("uvloop").new_event_loop if loop == "uvloop" else None
    with asyncio.Runner(loop_factory=factory) as runner:
        ended = runner.run(asyncio.wait_for(scene(), 300))
    assert isinstance(ended, UnreadError)
    assert "does not read the answers to its pings" in str(ended)
    assert 400 * 1024 < waited <= 512 * 1024 + 1024
