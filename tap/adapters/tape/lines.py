"""The keys of one line and of the header: reading them, and writing them.

What is wrong with a line is a ``ValueError`` in words; what is wrong with a header, a ``TapeInvalid``.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn, get_args

import msgspec
import orjson

from tap.core.errors import TapeInvalid
from tap.core.model import Policy, SessionPolicy

__all__ = [
    "TapeHeader",
    "Walls",
    "data_part",
    "header_line",
    "milliseconds",
    "parsed",
    "payload",
    "read_header",
    "shown",
    "wall_of",
]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FARTHEST_MS = 10**14
"""3,000 years: beyond it a ``t`` is damage, and would hold the clock of every later line."""
_MEND = "correct the header, or leave the key out"


class TapeHeader(msgspec.Struct, frozen=True):
    """What a tape says of itself; all of it is optional."""

    dialect: str | None = None
    started_at: int | None = None
    """Wall clock at ``t`` = 0, in ms."""
    venue: str | None = None
    policy: Policy | None = None
    tap: str | None = None
    """The id of the tap that recorded it."""
    continues: bool = False
    """It is the next segment of the run that recorded the tape before it: the connection went on."""
    lost: int = 0
    """How many frames came between the tape before it and this one, and could not be recorded."""


class _HeaderLine(msgspec.Struct, rename="camel"):
    tape: int
    dialect: str | None = None
    started_at: str | None = None
    venue: str | None = None
    policy: Policy | str | None = None
    tap: str | None = None
    continues: bool = False
    lost: int = 0


def read_header(said: dict[str, Any], where: str) -> TapeHeader:
    """The header that a line holds; ``where`` is the file and line for ``TapeInvalid``, raised where it is none."""
    version = said["tape"]
    if isinstance(version, int) and not isinstance(version, bool) and version != 1:
        hint = "upgrade multicam-tap to read it"
        raise TapeInvalid(f"a tape of version {version}, written by a newer version", where=where, hint=hint)
    try:
        line = msgspec.convert(said, _HeaderLine)
    except msgspec.ValidationError as error:
        what, _, key = str(error).partition(" - at `$.")
        hint = f"known there: {', '.join(Policy.__struct_encode_fields__)}" if "unknown field" in what else _MEND
        raise TapeInvalid(f'"{key.rstrip("`")}" of the header: {what}', where=where, hint=hint) from None
    started_at = None if line.started_at is None else wall_of(line.started_at)
    if line.started_at is not None and started_at is None:
        what = f'"startedAt" of the header: Expected an ISO 8601 time, got {shown(line.started_at)}'
        raise TapeInvalid(what, where=where, hint=_MEND)
    for name in ("dialect", "venue", "tap"):
        if getattr(line, name) == "":
            raise TapeInvalid(f'"{name}" of the header is empty', where=where, hint=_MEND)
    policy = _policy(line.policy, where)
    return TapeHeader(line.dialect, started_at, line.venue, policy, line.tap, line.continues, line.lost)


def _policy(said: Policy | str | None, where: str) -> Policy | None:
    if not isinstance(said, str):
        return said
    for name in get_args(SessionPolicy):
        if said == name:
            return Policy(session=name)
    expected = ", ".join(get_args(SessionPolicy))
    what = f'"policy" of the header: Expected an object or one of {expected}, got {shown(said)}'
    raise TapeInvalid(what, where=where, hint=_MEND)


def header_line(header: TapeHeader) -> dict[str, Any]:
    """The keys of the line that says so; what is not known is left out."""
    line: dict[str, Any] = {"tape": 1}
    started_at = None if header.started_at is None else iso(header.started_at)
    policy = None if header.policy is None else msgspec.to_builtins(header.policy)
    if policy is not None and not policy["sources"]:
        del policy["sources"]  # a tap of 0.1.0 knows no such word
    said = {"dialect": header.dialect, "startedAt": started_at, "venue": header.venue, "policy": policy}
    line |= {key: value for key, value in (said | {"tap": header.tap}).items() if value is not None}
    line |= {"continues": True} if header.continues else {}
    return line | ({"lost": header.lost} if header.lost else {})


def parsed(line: bytes) -> dict[str, Any]:
    """A line as an object; ``ValueError`` says what it is instead."""
    try:
        said = orjson.loads(line)
    except ValueError:
        said = _parsed_slowly(line)
    if not isinstance(said, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - all that is wrong with a line is a ValueError
    return said


def _parsed_slowly(line: bytes) -> object:
    """For what servers do send and orjson refuses: a lone half of a surrogate pair, written as an escape."""
    if b"\\u" not in line:
        raise ValueError("not JSON")
    try:
        return json.loads(line, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise ValueError("not JSON") from None


def _no_constant(_: str = "") -> NoReturn:
    raise ValueError


def payload(said: dict[str, Any]) -> tuple[bytes, bool]:
    """The frame that a line holds, and whether it was binary. ``ValueError`` where it holds none."""
    data = said.get("data")
    if isinstance(data, str):
        return data.encode(errors="surrogatepass"), False
    packed = said.get("data64")
    if not isinstance(packed, str):
        raise ValueError("neither data (a string) nor data64 nor event")  # noqa: TRY004
    try:
        return base64.b64decode(packed, validate=True), True
    except (binascii.Error, ValueError):
        raise ValueError("no readable data64 (base64)") from None


def data_part(data: bytes, binary: bool) -> bytes:
    """What a line says of the frame itself; written by hand, since a dict of it costs as much as all the rest."""
    if not binary:
        try:
            return b'"data":' + orjson.dumps(data.decode())
        except UnicodeDecodeError:
            pass
    return b'"data64":"%b"' % base64.b64encode(data)


def milliseconds(seconds: object) -> int | None:
    """Seconds as whole milliseconds; None where it is no usable number."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not math.isfinite(seconds):
        return None
    return round(seconds * 1000) if abs(seconds) * 1000 <= _FARTHEST_MS else None


def wall_of(text: object) -> int | None:
    """ISO 8601 as wall ms, without an offset in UTC; None where it cannot be read."""
    if not isinstance(text, str):
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return ((at if at.tzinfo else at.replace(tzinfo=UTC)) - _EPOCH) // timedelta(milliseconds=1)


def iso(wall: int) -> str:
    """Wall ms as ISO 8601 in UTC."""
    at = _EPOCH + timedelta(milliseconds=wall)
    return at.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


class Walls:
    """Wall times as text, one after the other: within a second only the thousandths are made again."""

    def __init__(self) -> None:
        self._second: int | None = None
        self._begun = b""

    def iso(self, wall: int) -> bytes:
        second, thousandths = divmod(wall, 1000)
        if second != self._second:
            self._begun = iso(second * 1000)[:-4].encode()
            self._second = second
        return b"%b%03dZ" % (self._begun, thousandths)


def shown(value: object) -> str:
    """A value of a header, for people."""
    return repr(value)[:80]
