"""What all live pages show: what happened in the session, and the news for open pages."""

from __future__ import annotations

from collections.abc import Sequence

from tap.core.model import Entry
from tap.service.ops.feed import Feed
from tap.service.ops.session_board import SessionBoard

__all__ = ["LivePage"]


class LivePage:
    """The server fills it, and the pages answer requests from it. Only for the event loop's thread.

    New entries only wait here at first. While the journal's thread commits them, it needs the interpreter, so the loop
    should not use it to write to pages. They come onto the board when somebody reads ``board``, or with the next tick.
    Only who reads ``board`` has it put in order: while nobody looks, no session is read again.
    """

    def __init__(self) -> None:
        self.feed = Feed()
        self._board = SessionBoard()
        self._entries: list[Entry] = []
        """Entries that are not on the board yet."""

    @property
    def board(self) -> SessionBoard:
        """The board, with everything that has happened until now, in order."""
        self.draw()
        self.feed.happened(self._board.settle())
        return self._board

    def draw(self) -> None:
        """Put the waiting entries onto the board, and send them to open pages."""
        if self._entries:
            entries, self._entries = self._entries, []
            self.feed.happened(self._board.take(entries))

    def happened(self, entries: Sequence[Entry]) -> None:
        """Take new entries."""
        self._entries += entries

    def replace(self, board: SessionBoard) -> None:
        """Use another board from now on, which was made from the journal."""
        self._board = board
        self.feed.renew()
