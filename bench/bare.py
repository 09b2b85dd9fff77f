"""The least that a client in Python can do with websockets: receive, and do nothing."""

from __future__ import annotations

import asyncio
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed


async def listen(url: str) -> None:
    """Until the server closes."""
    async with connect(url, compression=None, max_size=None) as socket:
        try:
            async for _ in socket:
                pass
        except ConnectionClosed:
            return


if __name__ == "__main__":
    asyncio.run(listen(sys.argv[1]))
