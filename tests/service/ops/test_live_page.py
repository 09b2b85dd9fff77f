"""What live pages are fed with, and when: after the journal's thread had its turn, together, and whole."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import anyio
import pytest

from tap.adapters.journal import Journal
from tap.service.ops import server as served
from tap.service.ops.live_page import LivePage
from tap.service.ops.server import OpsServer
from tap.service.ops.session_board import SessionBoard
from tests.history.test_timeline import T0
from tests.service.ops.test_session_board import KEY, begun, cut

T = TypeVar("T")
CUTS = [cut(at, "ba"[at % 2], "ab"[at % 2]) for at in range(1, 600)]
LATE = [cut(at + 0.5, "c", "ba"[at % 2], heard=700) for at in (3, 10)]
"""Told when what was before and after them is in summary, for who draws few of them."""


class Over(Exception):
    """The test has seen enough."""


def an_ops_server(**parts: Any) -> OpsServer:
    """One whose parts are only those that a test needs."""
    settings = SimpleNamespace(ops_address=("127.0.0.1", 0), **parts.pop("settings", {}))
    given: Any = SimpleNamespace(settings=settings, **parts)
    return OpsServer(given)


def test_what_happens_is_drawn_by_the_next_who_looks_and_not_while_it_is_committed() -> None:
    live = LivePage()
    client = live.feed.join()
    assert client is not None
    live.happened([begun(), cut(5, "b", "a")])
    assert (live._board.happenings, list(client._waiting)) == ([], [])
    assert [one.kind for one in live.board.happenings] == ["start", "cut"]
    assert len(client._waiting) == 1


def test_news_are_encoded_once_for_all_pages() -> None:
    live = LivePage()
    one, other = live.feed.join(), live.feed.join()
    assert one is not None
    assert other is not None
    live.happened([begun()])
    live.draw()
    assert one._waiting[0] is other._waiting[0]


def test_in_a_burst_open_pages_are_told_four_times_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cut every 10 ms for two seconds."""
    server, now, pushes = an_ops_server(), [0.0], [0]

    async def sleep(seconds: float) -> None:
        for _ in range(round(seconds * 100)):
            now[0] += 0.01
            asyncio.get_running_loop().call_soon(server.happened, [cut(now[0], "b", "a")])
        if now[0] > 2:
            raise Over

    def push() -> None:
        pushes[0] += 1

    monkeypatch.setattr(served, "sleep", sleep)
    monkeypatch.setattr(served, "current_time", lambda: now[0])
    monkeypatch.setattr(server, "_push", push)
    server._live.feed.join()
    server.happened([begun()])
    with pytest.raises(Over):
        anyio.run(server._push_when_told)
    assert 5 <= pushes[0] <= 9


@pytest.mark.parametrize("clients", [0, 1])
def test_a_session_that_needs_to_be_read_again_is_read_for_who_looks(
    monkeypatch: pytest.MonkeyPatch, clients: int
) -> None:
    """Here a camera went on air before the session began. Without a page, nothing wakes up for it either."""
    server, readings = an_ops_server(), [0]
    read = SessionBoard._read

    def counted(board: SessionBoard) -> Any:
        readings[0] += 1
        return read(board)

    monkeypatch.setattr(SessionBoard, "_read", counted)
    monkeypatch.setattr(served, "sleep_aligned", _twice())
    monkeypatch.setattr(served, "now_of", lambda *_: None)
    for _ in range(clients):
        server._live.feed.join()
    server.happened([begun(), cut(-5, "b", "a")])
    assert server._news.is_set() == (clients > 0)
    with pytest.raises(Over):
        anyio.run(server._tick)
    assert (readings[0], server._live._entries) == (clients, [])
    assert len(server._live.board.happenings) == 2
    assert readings[0] == 1


def test_a_session_with_late_events_is_read_again_from_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What happens meanwhile is not lost, and pages that are open ask for everything anew."""
    entries = [begun(), *CUTS, *LATE]
    with Journal.open(tmp_path / "journal.db") as journal:
        journal.append(entries, None, T0)
    state = SimpleNamespace(session=SimpleNamespace(status="live", key=KEY))
    server = an_ops_server(
        settings={"journal_path": tmp_path / "journal.db"},
        pipeline=SimpleNamespace(state=state),
        writer=SimpleNamespace(waiting=0),
    )
    few = SessionBoard(50)
    few.take(entries)
    few.settle()
    assert few.unsure
    server._live.replace(few)
    client = server._live.feed.join()
    meanwhile = cut(800, "a", "b")
    monkeypatch.setattr(served, "sleep_aligned", _twice())
    monkeypatch.setattr(served, "in_thread", _while(lambda: server.happened([meanwhile]), server._live.draw))
    server._early = None
    with pytest.raises(Over):
        anyio.run(server._reread)
    board, whole = server._live.board, SessionBoard()
    whole.take([*entries, meanwhile])
    for one in (board, whole):
        one.settle(at_once=True)
    assert board.totals(T0 + 900_000) == whole.totals(T0 + 900_000)
    assert not board.unsure
    assert client is not None
    assert client.gone


def test_what_is_not_on_the_disk_yet_makes_the_reading_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    server = an_ops_server(writer=SimpleNamespace(waiting=3))
    server._early = None
    server._live.board.unsure = True
    monkeypatch.setattr(served, "sleep_aligned", _twice())
    monkeypatch.setattr(server, "_restore", lambda: pytest.fail("it would lack three entries"))
    with pytest.raises(Over):
        anyio.run(server._reread)


def _twice() -> Callable[[float], Awaitable[None]]:
    """A sleep that takes no time, and ends the test the second time."""
    left = [1]

    async def sleep(_: float) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Over

    return sleep


def _while(*what: Callable[[], None]) -> Callable[[Callable[[], T]], Awaitable[T]]:
    async def in_thread(function: Callable[[], T]) -> T:
        made = function()
        for one in what:
            one()
        return made

    return in_thread
