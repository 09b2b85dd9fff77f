"""A line of a tape is written by hand, for its price: it is what a library would make of the same."""

from __future__ import annotations

import base64
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from tap.adapters.tape import TapeHeader, TapeWriter
from tap.core.model import Alive, Closed, Frame, Opened, Stamp
from tests.adapters.test_tape import write

WALLS = st.integers(min_value=-(10**12), max_value=10**13)
STAMPS = st.builds(Stamp, WALLS, st.integers(min_value=0, max_value=10**13))
TEXTS = st.none() | st.text(max_size=20)
ITEMS = (
    st.builds(Frame, st.binary(max_size=60) | st.text(max_size=60).map(str.encode), STAMPS, binary=st.booleans())
    | st.builds(Opened, STAMPS, reason=TEXTS)
    | st.builds(Closed, STAMPS, reason=TEXTS, heard=st.none() | st.integers(0, 10**12))
    | st.builds(Alive, STAMPS, st.none() | st.integers(0, 10**12))
)


def expected(item: Any, start: int) -> bytes:
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=item.stamp.wall)
    line: dict[str, Any] = {
        "t": (item.stamp.mono - start) / 1000,
        "wall": at.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z",
    }
    if isinstance(item, Frame):
        line["dir"] = "in"
        try:
            line |= {"data64": base64.b64encode(item.data).decode()} if item.binary else {"data": item.data.decode()}
        except UnicodeDecodeError:
            line["data64"] = base64.b64encode(item.data).decode()
    else:
        line["event"] = "open" if isinstance(item, Opened) else "close" if isinstance(item, Closed) else "alive"
        if getattr(item, "reason", None) is not None:
            line["reason"] = item.reason
        if getattr(item, "heard", None) is not None:
            line["heard"] = (item.heard - start) / 1000
    return orjson.dumps(line) + b"\n"


@given(st.lists(ITEMS, max_size=6), st.integers(min_value=0, max_value=10**12))
def test_every_line_is_what_a_library_makes_of_it(items: list[Any], start: int) -> None:
    """Byte for byte, whatever the frame, the times and the reasons."""
    target = io.BytesIO()
    writer = TapeWriter(target, TapeHeader(), start_mono=start)
    write(writer, items)
    _, *lines = target.getvalue().splitlines(keepends=True)
    assert lines == [expected(item, start) for item in items]
