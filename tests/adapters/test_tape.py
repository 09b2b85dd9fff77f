"""Tapes: what is read from them, what they may do wrong, and what is written."""

from __future__ import annotations

import base64
import gzip
import io
import json
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any, assert_never

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap.adapters.tape import TapeHeader, TapeWriter, open_tape, read_tapes
from tap.core.errors import TapeInvalid
from tap.core.model import Alive, Closed, Frame, Opened, Policy, SourceItem, Stamp

T0 = 1_795_379_975_000
"""2026-11-22T20:39:35Z"""
HEADER = {"tape": 1, "startedAt": "2026-11-22T20:39:35Z"}


def tape(path: Path, *lines: dict[str, Any] | str) -> Path:
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    path.write_text(text + "\n")
    return path


def frame(t: float, data: str = "{}", **keys: Any) -> dict[str, Any]:
    return {"t": t, "dir": "in", "data": data} | keys


def event(t: float, name: str, **keys: Any) -> dict[str, Any]:
    return {"t": t, "event": name} | keys


def items_of(path: Path) -> list[SourceItem]:
    with open_tape(path) as reader:
        items = list(reader)
        assert reader.bad_count == 0
        return items


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.jsonl"


class TestItems:
    def test_every_kind(self, path: Path) -> None:
        """Each line becomes the item that a live source would have given."""
        tape(
            path,
            HEADER,
            event(0, "open", reason="first"),
            frame(0.5, "hällo"),
            {"t": 0.75, "data64": base64.b64encode(b"\x00\xff").decode()},
            event(5, "alive", heard=4.5),
            event(6.0004, "close", reason="gone", heard=5.25),
        )
        assert items_of(path) == [
            Opened(Stamp(T0, 0), 1, "first"),
            Frame("hällo".encode(), Stamp(T0 + 500, 500), 1, 1),
            Frame(b"\x00\xff", Stamp(T0 + 750, 750), 1, 2, binary=True),
            Alive(Stamp(T0 + 5000, 5000), 4500),
            Closed(Stamp(T0 + 6000, 6000), 1, "gone", 5250),
        ]

    def test_sent_frames_are_skipped(self, path: Path) -> None:
        """A frame that the tap sent is no news, and takes no ordinal."""
        tape(path, HEADER, frame(0), frame(1, dir="out"), frame(2))
        assert [item.ordinal for item in items_of(path) if isinstance(item, Frame)] == [1, 2]

    def test_what_was_read_together_has_one_time_though_the_first_of_it_was_answered(self, path: Path) -> None:
        """The answer was sent a moment later, and stands between the two: the second is no later for that."""
        tape(path, HEADER, frame(1.229, "first"), frame(1.230, dir="out"), frame(1.229, "second"), frame(2))
        stamps = [item.stamp for item in items_of(path)]
        assert stamps == [Stamp(T0 + 1229, 1229), Stamp(T0 + 1229, 1229), Stamp(T0 + 2000, 2000)]

    def test_connections_are_counted(self, path: Path) -> None:
        """Every open begins a connection; what comes after a close belongs to the one that closed."""
        tape(
            path,
            HEADER,
            *[frame(0), event(1, "open"), frame(2), frame(3), event(4, "close"), frame(5), event(6, "open"), frame(7)],
        )
        seen = [
            (item.connection, getattr(item, "ordinal", None)) for item in items_of(path) if not isinstance(item, Alive)
        ]
        assert seen == [(1, 1), (2, None), (2, 1), (2, 2), (2, None), (2, 3), (3, None), (3, 1)]

    def test_first_open_is_connection_one(self, path: Path) -> None:
        """A tape that begins with its open has no connection before that."""
        tape(path, HEADER, event(0, "open"), frame(1))
        assert [item.connection for item in items_of(path) if not isinstance(item, Alive)] == [1, 1]

    def test_lone_surrogates_survive(self, path: Path) -> None:
        """Half a surrogate pair in a frame, which some servers send, costs neither the frame nor the tape."""
        tape(path, HEADER, r'{"t":0,"data":"a\ud83d"}')
        (item,) = items_of(path)
        assert isinstance(item, Frame)
        assert item.data == "a\ud83d".encode(errors="surrogatepass")


class TestTime:
    @pytest.mark.parametrize(
        ("wall", "at"),
        [
            ("2026-11-22T20:39:35Z", T0),
            ("2026-11-22T20:39:35.123456789Z", T0 + 123),
            ("2026-11-22T21:39:35.5+01:00", T0 + 500),
            ("2026-11-22T20:39:35.001", T0 + 1),
            ("2026-11-22 15:09:35.25-05:30", T0 + 250),
        ],
    )
    def test_wall(self, path: Path, wall: str, at: int) -> None:
        """A wall may have any offset and up to nine digits; without an offset it is UTC."""
        tape(path, frame(7, wall=wall))
        assert items_of(path)[0].stamp == Stamp(at, 7000)

    def test_wall_goes_before_the_header(self, path: Path) -> None:
        """A line's own wall is believed; startedAt serves the lines without one."""
        tape(path, HEADER, frame(1, wall="2026-11-22T21:00:00Z"), frame(2))
        assert [item.stamp.wall for item in items_of(path)] == [T0 + 1_225_000, T0 + 2000]

    def test_wall_is_derived_from_the_last_one(self, path: Path) -> None:
        """Without startedAt, a line without a wall counts on from the last line that had one."""
        tape(path, frame(1, wall="2026-11-22T20:39:35Z"), frame(2.5), frame(9, wall="2026-11-22T20:40:00Z"), frame(10))
        assert [item.stamp.wall - T0 for item in items_of(path)] == [0, 1500, 25_000, 26_000]

    def test_mono_never_goes_back(self, path: Path) -> None:
        """A t that goes back does not turn the clock back."""
        tape(path, HEADER, frame(1), frame(0.2), frame(1.5))
        assert [item.stamp.mono for item in items_of(path)] == [1000, 1000, 1500]

    def test_no_time_at_all(self, path: Path) -> None:
        """A tape that cannot say when a line was received is none."""
        tape(path, frame(0))
        with (
            pytest.raises(TapeInvalid, match="line 1 has no wall and the header no startedAt"),
            open_tape(path) as reader,
        ):
            list(reader)


BAD_LINES = [
    "no json",
    "[1]",
    '{"dir":"in","data":"{}"}',
    '{"t":"1","data":"{}"}',
    '{"t":true,"data":"{}"}',
    '{"t":NaN,"data":"{}"}',
    '{"t":1e300,"data":"{}"}',
    '{"t":1}',
    '{"t":1,"data":5}',
    '{"t":1,"data64":"?"}',
    '{"t":1,"event":"explode"}',
    '{"t":1,"event":["open"]}',
    '{"t":1,"data":"{}","dir":"up"}',
    '{"t":1,"data":"{}","wall":"yesterday"}',
    '{"t":1,"data":"{}","wall":5}',
    "[" * 20_000,
    '{"t":1,"data":"\\ud800",' + '"x":[' * 20_000,
]


class TestDamage:
    @pytest.mark.parametrize("line", BAD_LINES, ids=range(len(BAD_LINES)))
    def test_a_bad_line_costs_itself_only(self, path: Path, line: str) -> None:
        """A line that cannot be read is recorded with its number; those beside it are read."""
        tape(path, HEADER, frame(0), "", line, frame(2))
        with open_tape(path) as reader:
            assert [item.stamp.mono for item in reader] == [0, 2000]
        assert [number for number, _ in reader.bad_lines] == [4]
        assert not reader.torn

    def test_bytes_that_are_no_text(self, path: Path) -> None:
        """Bytes that are no UTF-8 are a bad line as well."""
        path.write_bytes(
            b'{"t":0,"wall":"2026-11-22T20:39:35Z","data":"{}"}\n{"t":1,"data":"\xff"}\n{"t":2,"data":""}\n'
        )
        with open_tape(path) as reader:
            assert len(list(reader)) == 2
        assert [number for number, _ in reader.bad_lines] == [2]

    def test_bad_lines_are_bounded(self, path: Path) -> None:
        """A tape full of garbage is counted, and only its first lines are kept."""
        tape(path, HEADER, *["garbage"] * 250)
        with open_tape(path) as reader:
            assert list(reader) == []
        assert (len(reader.bad_lines), reader.bad_count) == (100, 250)

    def test_torn_line(self, path: Path) -> None:
        """A last line that was cut off is how a tape ends when the power goes, and no bad line."""
        path.write_text(json.dumps(HEADER) + "\n" + json.dumps(frame(0)) + "\n" + json.dumps(frame(1))[:-4])
        with open_tape(path) as reader:
            assert len(list(reader)) == 1
        assert (reader.torn, reader.bad_count) == (True, 0)

    def test_last_line_without_end(self, path: Path) -> None:
        """A last line that only lacks its line end is whole."""
        path.write_text(json.dumps(HEADER) + "\n" + json.dumps(frame(0)))
        assert len(items_of(path)) == 1

    @pytest.mark.parametrize("cut", [1, 8, 30, 200])
    def test_torn_gzip(self, path: Path, cut: int) -> None:
        """A packed tape that was cut off gives all that can be unpacked."""
        whole = b"".join(json.dumps(frame(t, str(t * 7919 % 1009))).encode() + b"\n" for t in range(2000))
        path.write_bytes(gzip.compress(json.dumps(HEADER).encode() + b"\n" + whole)[:-cut])
        with open_tape(path) as reader:
            items = list(reader)
        assert reader.torn
        assert reader.bad_count == 0
        assert len(items) == (2000 if cut <= 8 else pytest.approx(1900, abs=95))

    def test_damaged_gzip(self, path: Path) -> None:
        """A packed tape with a hole in it ends at the hole."""
        packed = bytearray(
            gzip.compress(
                b"".join(
                    json.dumps(frame(t, str(t * 7919 % 1009), wall="2026-01-01T00:00:00Z")).encode() + b"\n"
                    for t in range(5000)
                )
            )
        )
        packed[len(packed) // 2 : len(packed) // 2 + 50] = bytes(50)
        path.write_bytes(packed)
        with open_tape(path) as reader:
            assert 1000 < len(list(reader)) < 5000
        assert reader.torn

    def test_too_long_a_line(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A line that would fill the memory is passed over."""
        monkeypatch.setattr("tap.adapters.tape.reader._LONGEST_LINE", 1000)
        tape(path, HEADER, frame(0), frame(1, "x" * 3500), frame(2))
        with open_tape(path) as reader:
            assert [item.stamp.mono for item in reader] == [0, 2000]
        assert [number for number, _ in reader.bad_lines] == [3]


class TestNoTape:
    @pytest.mark.parametrize(
        ("text", "where", "what"),
        [
            ("", "", "is empty"),
            ("\n\n", "", "is empty"),
            ("hello\n", ":1", "is not a tape"),
            ("\n{}\n", ":2", "is not a tape"),
            ('[{"t":1}]\n', ":1", "is not a tape"),
            ('{"timecode":"01:00:00:00"}\n', ":1", "is not a tape"),
            ('{"tape":1,"dia', ":1", "is not a tape"),
            ('{"tape":2}\n', ":1", "written by a newer version"),
            ('{"tape":"x"}\n', ":1", '"tape" of the header: Expected `int`, got `str`'),
            ('{"tape":1,"dialect":5}\n', ":1", '"dialect" of the header: Expected `str | null`, got `int`'),
            ('{"tape":1,"startedAt":"noon"}\n', ":1", '"startedAt" of the header: Expected an ISO 8601 time'),
            ('{"tape":1,"policy":{"graceMs":"x"}}\n', ":1", '"policy.graceMs" of the header: Expected `int`'),
            ('{"tape":1,"policy":{"graceMs":-5}}\n', ":1", '"policy.graceMs" of the header: Expected `int` >= 0'),
            ('{"tape":1,"policy":{"sesion":"mode"}}\n', ":1", "unknown field `sesion`"),
            (
                '{"tape":1,"policy":"vibes"}\n',
                ":1",
                '"policy" of the header: Expected an object or one of dialect, frames, mode',
            ),
            ('{"tape":1,"policy":7}\n', ":1", '"policy" of the header: Expected `str | object | null`'),
        ],
    )
    def test_refused(self, path: Path, text: str, where: str, what: str) -> None:
        """A file that is not a tape is refused at once, with the place and what to do."""
        path.write_text(text)
        with pytest.raises(TapeInvalid) as caught:
            open_tape(path)
        assert caught.value.where == f"{path}{where}"
        assert what in caught.value.what
        assert caught.value.hint

    def test_not_there(self, tmp_path: Path) -> None:
        """A missing file and a directory are refused with a reason."""
        with pytest.raises(TapeInvalid, match="No such file"):
            open_tape(tmp_path / "none.jsonl")
        with pytest.raises(TapeInvalid, match="directory"):
            open_tape(tmp_path)


class TestHeader:
    def test_read(self, path: Path) -> None:
        """The header tells dialect, venue, policy and tap; keys that it does not know are passed over.

        Not so in the policy: what it does not know there would change the history without a word.
        """
        policy = {"session": "program", "graceMs": 1}
        tape(path, HEADER | {"dialect": "obs", "venue": "v", "policy": policy, "tap": "abc", "later": [1]})
        with open_tape(path) as reader:
            assert reader.header == TapeHeader("obs", T0, "v", Policy(session="program", grace_ms=1), "abc")
            assert list(reader) == []

    def test_policy_by_name(self, path: Path) -> None:
        """A policy may be given by its name alone."""
        tape(path, {"tape": 1, "policy": "record"})
        with open_tape(path) as reader:
            assert reader.header.policy == Policy(session="record")

    def test_none(self, path: Path) -> None:
        """Without a header, the first line is a line like every other."""
        tape(path, frame(0, wall="2026-11-22T20:39:35Z"))
        with open_tape(path) as reader:
            assert reader.header == TapeHeader()
            assert len(list(reader)) == 1


class TestSeveral:
    def two(self, tmp_path: Path, *second: dict[str, Any], **header: Any) -> list[Path]:
        first = tape(tmp_path / "1.jsonl", HEADER, event(1, "open"), frame(2))
        later = {"tape": 1, "startedAt": "2026-11-22T20:40:35Z"} | header
        return [first, tape(tmp_path / "2.jsonl", later, *second)]

    def test_stopped_in_between(self, tmp_path: Path) -> None:
        """Between two tapes the tap had stopped: the connection is closed, and clock and connections count on."""
        with read_tapes(self.two(tmp_path, event(1, "open"), frame(3), event(8, "alive", heard=3))) as tapes:
            assert list(tapes) == [
                Opened(Stamp(T0 + 1000, 1000), 1),
                Frame(b"{}", Stamp(T0 + 2000, 2000), 1, 1),
                Closed(Stamp(T0 + 2000, 2000), 1, "tap stopped"),
                Opened(Stamp(T0 + 61_000, 61_000), 2),
                Frame(b"{}", Stamp(T0 + 63_000, 63_000), 2, 1),
                Alive(Stamp(T0 + 68_000, 68_000), 63_000),
            ]
            assert tapes.bytes_read == tapes.size

    def test_continued(self, tmp_path: Path) -> None:
        """The next segment of the same run goes on with the connection, its ordinals, and the clock."""
        with read_tapes(self.two(tmp_path, frame(0), event(1, "alive", heard=-58), continues=True)) as tapes:
            *_, later, alive = tapes
        assert later == Frame(b"{}", Stamp(T0 + 60_000, 60_000), 1, 2)
        assert alive == Alive(Stamp(T0 + 61_000, 61_000), 2000)

    def test_nothing_was_open(self, tmp_path: Path) -> None:
        """A connection that had closed is not closed again."""
        first = tape(tmp_path / "0.jsonl", HEADER, event(1, "open"), event(2, "close"))
        with read_tapes([first, *self.two(tmp_path, frame(1))[1:]]) as tapes:
            items = list(tapes)
        assert [type(item) for item in items] == [Opened, Closed, Frame]
        assert isinstance(items[-1], Frame)
        assert items[-1].connection == 2

    def test_walls_that_overlap(self, tmp_path: Path) -> None:
        """A second tape that claims to be older begins where the first ended: mono never goes back."""
        with read_tapes(self.two(tmp_path, frame(0), frame(5), startedAt="2026-11-22T20:00:00Z")) as tapes:
            assert [item.stamp.mono for item in tapes] == [1000, 2000, 2000, 2000, 7000]

    def test_headers_together(self, tmp_path: Path) -> None:
        """What one header leaves out, another may say; where both speak, they must agree."""
        with read_tapes(self.two(tmp_path, venue="v", dialect="obs")) as tapes:
            assert (tapes.header.venue, tapes.header.dialect, tapes.header.started_at) == ("v", "obs", T0)
        paths = self.two(tmp_path, venue="v")
        paths.append(tape(tmp_path / "3.jsonl", HEADER | {"venue": "w"}))
        with pytest.raises(TapeInvalid) as caught:
            read_tapes(paths)
        assert str(paths[1]) in str(caught.value)
        assert str(paths[2]) in str(caught.value)

    def test_damage_adds_up(self, tmp_path: Path) -> None:
        """Bad lines and torn ends are told with their tape."""
        paths = self.two(tmp_path, frame(1))
        with paths[1].open("a") as stream:
            stream.write('bad\n{"t":')
        with read_tapes(paths) as tapes:
            assert len(list(tapes)) == 4
        assert tapes.bad_lines == [(f"{paths[1]}:3", "not JSON")]
        assert (tapes.bad_count, tapes.torn) == (1, [paths[1]])


def write(writer: TapeWriter, items: Sequence[SourceItem]) -> None:
    for item in items:
        match item:
            case Frame():
                writer.frame(item)
            case Opened():
                writer.opened(item)
            case Closed():
                writer.closed(item)
            case Alive():
                writer.alive(item)
            case _:
                assert_never(item)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["frame", "binary", "open", "close", "alive"]),
        st.integers(0, 10**7),
        st.integers(-10_000, 10_000),
        st.text() | st.none(),
        st.none() | st.integers(0, 10**7),
    )
)


def built(steps: list[tuple[str, int, int, str | None, int | None]]) -> list[SourceItem]:
    items: list[SourceItem] = []
    mono, connection, ordinal = 0, 0, 0
    for kind, pause, drift, text, heard in steps:
        mono += pause
        stamp = Stamp(T0 + mono + drift, mono)
        if kind == "open" or not connection:
            connection, ordinal = connection + 1, 0
        if kind == "open" or not items:
            items.append(Opened(stamp, connection, text))
        elif kind == "close":
            items.append(Closed(stamp, connection, text, heard))
        elif kind == "alive":
            items.append(Alive(stamp, heard))
        else:
            ordinal += 1
            items.append(Frame((text or "").encode(), stamp, connection, ordinal, kind == "binary"))
    return items


class TestWriter:
    @given(steps=STEPS, packed=st.booleans())
    def test_round_trip(self, tmp_path_factory: pytest.TempPathFactory, steps: list[Any], packed: bool) -> None:
        """What was written is read back, item by item, to the millisecond."""
        path = tmp_path_factory.getbasetemp() / ("round.jsonl.gz" if packed else "round.jsonl")
        header = TapeHeader("obs", T0, "v", Policy(session="mode", idle_ms=5), "abc", continues=packed)
        items = built(steps)
        with TapeWriter(path, header, start_mono=0, force=True) as writer:
            write(writer, items)
        with open_tape(path) as reader:
            assert reader.header == header
            assert list(reader) == items
            assert (reader.bad_count, reader.torn) == (0, False)

    def test_lines(self) -> None:
        """The lines are the ones of the page on tapes; t counts from the first item where nothing else is said."""
        stream = io.BytesIO()
        writer = TapeWriter(stream, TapeHeader("obs", T0))
        writer.frame(Frame(b"{}", Stamp(T0 + 1, 5000)))
        writer.out("ü".encode(), Stamp(T0 + 1250, 6249))
        writer.frame(Frame(b"\xff", Stamp(T0 + 1250, 6249)))
        writer.close()
        assert stream.getvalue().decode().splitlines() == [
            '{"tape":1,"dialect":"obs","startedAt":"2026-11-22T20:39:35.000Z"}',
            '{"t":0.0,"wall":"2026-11-22T20:39:35.001Z","dir":"in","data":"{}"}',
            '{"t":1.249,"wall":"2026-11-22T20:39:36.250Z","dir":"out","data":"ü"}',
            '{"t":1.249,"wall":"2026-11-22T20:39:36.250Z","dir":"in","data64":"/w=="}',
        ]

    def test_for_the_owner_only(self, path: Path) -> None:
        """A tape is made for its owner's eyes, also where it replaces one that was not."""
        path.touch(0o644)
        TapeWriter(path, TapeHeader(), force=True).close()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_never_overwrites(self, path: Path) -> None:
        """A file that is there is not replaced unless asked for."""
        path.write_text("precious")
        with pytest.raises(TapeInvalid, match="--force"):
            TapeWriter(path, TapeHeader())
        assert path.read_text() == "precious"
        with pytest.raises(TapeInvalid, match="No such file"):
            TapeWriter(path.parent / "x/y", TapeHeader())

    @pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
    def test_flush(self, tmp_path: Path, name: str) -> None:
        """What was flushed can be read while the tape is still being written."""
        with TapeWriter(tmp_path / name, TapeHeader(started_at=T0)) as writer:
            writer.frame(Frame(b"{}", Stamp(T0, 0)))
            writer.flush()
            with open_tape(tmp_path / name) as reader:
                assert len(list(reader)) == 1

    def test_disk_full(self) -> None:
        """A full disk is told in our words."""
        with Path("/dev/full").open("wb", buffering=0) as full, pytest.raises(TapeInvalid, match="No space left"):
            TapeWriter(full, TapeHeader())


@pytest.mark.parametrize("key", ["dialect", "venue", "tap"])
def test_an_empty_name_in_a_header_is_a_mistake(tmp_path: Path, key: str) -> None:
    """It would stand in every key, or name no dialect."""
    path = tmp_path / "tape.jsonl"
    path.write_text(f'{{"tape":1,"{key}":""}}\n')
    with pytest.raises(TapeInvalid, match=f'"{key}" of the header is empty'):
        open_tape(path)


@pytest.mark.parametrize(
    ("policy", "hint"),
    [
        ('{"graceM":5}', "known there: session, graceMs, "),
        ('{"graceMs":"x"}', "correct the header, or leave the key out"),
        ('"x"', "correct the header, or leave the key out"),
    ],
)
def test_only_who_names_a_policy_wrongly_is_told_the_names(tmp_path: Path, policy: str, hint: str) -> None:
    path = tmp_path / "tape.jsonl"
    path.write_text(f'{{"tape":1,"policy":{policy}}}\n')
    with pytest.raises(TapeInvalid) as caught:
        open_tape(path)
    assert str(caught.value.hint).startswith(hint)


def test_tapes_that_are_named_in_another_order_than_they_began_are_told(tmp_path: Path) -> None:
    """They are read as they are named all the same: a clock may have been set back between them."""
    paths = []
    for hour in ("12", "11", "13"):
        path = tmp_path / f"{hour}.jsonl"
        path.write_text(f'{{"tape":1,"startedAt":"2026-01-31T{hour}:00:00Z"}}\n')
        paths.append(path)
    with read_tapes(paths) as tapes:
        assert tapes.disordered == [(paths[1], paths[0])]
    with read_tapes(sorted(paths)) as tapes:
        assert tapes.disordered == []


def test_within_a_tape_time_goes_on_by_its_own_t_whatever_its_wall_clock_says(tmp_path: Path) -> None:
    """The wall clock counts between two tapes alone; within one, somebody may have set it."""
    first, second = tmp_path / "1.jsonl", tmp_path / "2.jsonl"
    line = '{{"t":{},"wall":"2026-01-31T12:00:{}Z","dir":"in","data":"{{}}"}}\n'
    first.write_text('{"tape":1}\n' + line.format(0, "00"))
    second.write_text('{"tape":1}\n' + line.format(0, "10") + line.format(1, "30") + line.format(2, "12"))
    with read_tapes([first, second]) as tapes:
        assert [item.stamp.mono for item in tapes if isinstance(item, Frame)] == [0, 10_000, 11_000, 12_000]


def test_a_closed_tape_has_been_read_to_its_end(tmp_path: Path) -> None:
    """So a progress bar ends full."""
    path = tmp_path / "tape.jsonl"
    path.write_text('{"tape":1}\n' * 3)
    with open_tape(path) as tape:
        pass
    assert tape.bytes_read == tape.size == path.stat().st_size


def test_a_header_with_a_wrong_start_says_what_stands_there(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    path.write_text('{"tape":1,"startedAt":"yesterday"}\n')
    with pytest.raises(TapeInvalid, match="Expected an ISO 8601 time, got 'yesterday'"):
        open_tape(path)
