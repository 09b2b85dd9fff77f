"""What all live pages are shown: what happened in the session, and the news for those that are open."""

from __future__ import annotations

from msgspec import Struct

from tap.service.ops.feed import Feed
from tap.service.ops.session_board import SessionBoard

__all__ = ["LivePage"]


class LivePage(Struct):
    """Shared by who fills it (the server) and who answers requests from it (the pages). On the event loop's thread."""

    feed: Feed
    board: SessionBoard
    """Replaced once, after a restart, by one that knows what was before."""
