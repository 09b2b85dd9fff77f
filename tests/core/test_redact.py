"""What the cheap look at a raw frame finds suspect, and what it remembers of frames that were not."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tap.core import redact
from tap.core.model import Frame, Stamp
from tap.core.obs import ObsDialect
from tap.core.redact import redact_bytes, redact_json, suspect
from tap.core.secret import REDACTED

PIECES = st.sampled_from(
    [
        *(needle.decode() for needle in redact._SUSPECT),
        *(
            "PASS",
            "Token",
            "pa5ss",
            "to7ken",
            "\\u0041",
            "\\u20ac",
            "\\u",
            "00",
            "0",
            "ey",
            "J",
            ":/",
            "/",
            "key",
            "auth",
        ),
        *('{"type":"state"', '"ts":1795000000000', '"name":"Camera 7"', ",", "}", " ", "é"),
    ]
)
FRAMES = st.lists(PIECES, max_size=8).map("".join).map(str.encode) | st.binary(max_size=40)


def plainly(data: bytes) -> bool:
    """The same without a memory: one of the needles stands in it."""
    return any(needle in data.lower() for needle in redact._SUSPECT)


@given(st.lists(FRAMES, max_size=12))
@example([b"pa5ss", b"pass", b"pa5ss", b"p9ass"])
@example([b"\\u41", b"\\u0041"])
def test_what_is_remembered_changes_nothing(frames: list[bytes]) -> None:
    """Whatever came before, a frame is suspect where one of the needles stands in it, and only there."""
    for data in frames * 2:
        assert suspect(data) == plainly(data)


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What is looked through from now on, with nothing remembered of before."""
    found: list[bytes] = []
    holds = redact._holds

    def seen(data: bytes, needles: Iterable[bytes]) -> bool:
        found.append(data)
        return holds(data, needles)

    monkeypatch.setattr(redact, "_rests", redact._Rests())
    monkeypatch.setattr(redact, "_holds", seen)
    return found


def test_a_state_that_is_told_again_is_not_looked_through_again(looked: list[bytes]) -> None:
    """Where only numbers changed, what was found of the last one holds."""
    for number in range(1_000):
        data = b'{"type":"state","ts":%d,"program":"cam-%d"}' % (1_795_000_000_000 + number, number % 7)
        assert redact_bytes(data) is data
    assert len(looked) == 1
    assert redact_bytes(b'{"type":"state","ts":1,"program":"cam-1","token":"hush"}') == (
        b'{"type":"state","ts":1,"program":"cam-1","token":"[redacted]"}'
    )


def test_of_a_frame_that_is_new_only_new_words_are_looked_through(looked: list[bytes]) -> None:
    """Names come again and again, in ever other frames."""
    assert not suspect(b'{"type":"cut","camera":"Wide"}')
    assert not suspect(b'{"type":"cut","camera":"Tele"}')
    assert not suspect(b'{"camera":"Tele","type":"cut"}')
    assert looked[1:] == [b"Tele"]
    assert suspect(b'{"type":"cut","camera":"Tele","token":"hush"}')
    assert suspect(b'{"type":"cut","camera":"-u"}')
    assert suspect(b'{"type":"cut","camera":"-U"}')


def test_words_are_remembered_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither many words nor long ones fill the memory; and a frame of many words is looked through as a whole."""
    rests = redact._Rests()
    monkeypatch.setattr(redact, "_rests", rests)
    for number in range(10_000):
        word = bytes(97 + int(digit) for digit in str(number))
        assert not suspect(b'{"name":"%b","long":"%b"}' % (word, word * 200))
    assert len(rests.words) <= rests._MOST_WORDS + rests._FEW
    assert max(map(len, rests.words)) <= rests._LONGEST_WORD
    many = b'"%b"' % b'","'.join(bytes([97 + number % 26]) for number in range(10_000))
    assert rests.unknown(many) == (many,)


def test_what_obs_says_in_every_answer_is_not_suspect() -> None:
    """Its number is called a code. What else stands in the answer is looked through."""
    obs = ObsDialect()
    answer = (
        b'{"d":{"requestId":"multicam-tap GetSceneList","requestStatus":{"code":100,"result":true},'
        b'"requestType":"GetSceneList","responseData":{"scenes":[],"note":"%b"}},"op":7}'
    )
    assert not suspect(answer % b"Wide", obs.innocent)
    assert obs.clean(answer % b"Wide") == answer % b"Wide"
    for secret in (b"token=hush", b"the door code: hush", b"https://u:hush@h/"):
        assert b"hush" not in obs.clean(answer % secret)
        assert "hush" not in repr(obs.message(Frame(answer % secret, Stamp(0, 0), 1, 1, False)))


def test_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that never says the same twice fills neither the list nor the memory; nor does one huge frame."""
    rests = redact._Rests()
    monkeypatch.setattr(redact, "_rests", rests)
    for number in range(10_000):
        assert not suspect(bytes(97 + int(digit) for digit in str(number)) * 20)
        assert len(rests.innocent) <= 64
    for size in (100_000, 400_000, 5_000_000):
        assert not suspect(b"x" * size)
        assert sum(map(len, rests.innocent)) <= 512 * 2**10


def test_what_is_remembered_of_frames_takes_half_a_megabyte_at_most() -> None:
    """Then it begins anew; a single larger one is not remembered."""
    rests = redact._Rests()
    for letter in b"abcdefgh":
        rests.add(bytes([letter]) * 200_000, ())
        assert sum(map(len, rests.innocent)) <= 512 * 2**10
    assert rests.innocent == {b"g" * 200_000, b"h" * 200_000}
    rests.add(b"i" * 600_000, ())
    assert rests.innocent == set()


def test_only_a_value_behind_the_name_of_a_secret_is_one() -> None:
    """A number is; an object behind it is looked through like any other."""
    told = ["--password", 1234, "--password", {"name": "Wide", "password": "hUsh7"}, "--password", None]
    kept = ["--password", REDACTED, "--password", {"name": "Wide", "password": REDACTED}, "--password", None]
    assert redact_json(told) == kept
