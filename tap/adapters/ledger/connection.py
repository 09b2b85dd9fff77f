"""The connection to one deployment: requests by aiohttp that end by a deadline and reuse their connection.

aiohttp is loaded, and names are looked up, on other threads: nobody on the event loop waits for a ledger.
"""

from __future__ import annotations

import contextlib
import importlib
import socket
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from anyio import Lock, fail_after, to_thread

from tap.adapters.ledger.errors import LedgerAway, garbage, in_words, is_clients
from tap.adapters.ledger.values import convex
from tap.adapters.ledger.words import NET
from tap.adapters.names import is_loopback, look_up
from tap.core.errors import LedgerError

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession
    from aiohttp.abc import AbstractResolver

__all__ = ["Connection"]

_KEEP_ALIVE_S = 30.0
_READ_AT_ONCE = 256 * 1024
_HEADERS = {"Content-Type": "application/json", "User-Agent": "multicam-tap"}


class Connection:
    """HTTP to the deployment at ``url``; one event loop's. Each call has ``deadline`` seconds.

    Raises ``LedgerError`` for a URL that a key may not be sent to.
    """

    def __init__(self, url: str, deadline: float) -> None:
        self.shown = _shown(url)
        """The address without anything secret in it."""
        self.seconds = deadline
        self._base = url.rstrip("/")
        self._http: ClientSession | None = None
        self._opening = Lock()

    @property
    def is_loaded(self) -> bool:
        """The libraries are imported."""
        return self._http is not None

    async def close(self) -> None:
        """Let go of the connection; more than once does no harm, and the next call opens another."""
        http, self._http = self._http, None
        if http is not None:
            await http.close()

    @contextlib.asynccontextmanager
    async def deadline(self) -> AsyncIterator[None]:
        """Ends what runs in it in time, and turns what others raise in it into an error of ours."""
        try:
            with fail_after(self.seconds):
                yield
        except LedgerError:
            raise
        except TimeoutError:
            words = f"does not answer within {self.seconds:g} s"
            raise LedgerAway("timeout", words, where=self.shown, hint=NET) from None
        except Exception as error:
            if not isinstance(error, OSError) and not is_clients(error):
                raise
            raise LedgerAway("unreachable", in_words(error), where=self.shown, hint=NET) from None

    async def post(self, kind: str, body: bytes, most: int) -> tuple[int, bytes, str | None]:
        """One request to the API ``kind`` (``query``, ``mutation``): status, body and any ``Retry-After``.

        Raises ``LedgerAway`` where the body is longer than ``most`` bytes.
        """
        http = self._http or await self._open()
        request = http.post(f"{self._base}/api/{kind}", data=body, headers=_HEADERS, allow_redirects=False)
        async with request as response:
            return response.status, await self._read(response, most), response.headers.get("Retry-After")

    async def _read(self, response: ClientResponse, most: int) -> bytes:
        parts, size = [], 0
        async for part in response.content.iter_chunked(_READ_AT_ONCE):
            parts.append(part)
            size += len(part)
            if size > most:
                raise garbage(self.shown)
        return b"".join(parts)

    async def _open(self) -> ClientSession:
        async with self._opening:
            if self._http is None:
                aiohttp = await to_thread.run_sync(_vendors)
                names = cast("AbstractResolver", _Names())
                self._http = aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(limit=4, keepalive_timeout=_KEEP_ALIVE_S, resolver=names),
                    timeout=aiohttp.ClientTimeout(total=None),
                    cookie_jar=aiohttp.DummyCookieJar(),
                )
            return self._http


def _shown(url: str) -> str:
    """The address as people may see it. Raises ``LedgerError`` where it is none that a key may be sent to."""
    hint = "https://…, or http:// on this machine"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        # Not its own words: they may quote the userinfo.
        raise LedgerError("is not a URL", where="the ledger's address", hint=hint) from None
    shown = f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{'' if port is None else f':{port}'}"
    if not host or parts.scheme not in ("https", "http"):
        raise LedgerError("is not a web address", where="the ledger's address", hint=hint)
    if parts.scheme == "http" and not is_loopback(host):
        raise LedgerError("would send the key in the clear over the network", where=shown, hint=hint)
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise LedgerError("has a user, a password, a query or a fragment in it", where=shown, hint=hint)
    return shown


def _vendors() -> Any:
    """aiohttp, and the other library with it: a third of a second, which a venue without Convex never pays."""
    convex()
    return importlib.import_module("aiohttp")


_NUMERIC = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


class _Names:
    """Looks names up as aiohttp wants it."""

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[dict[str, Any]]:
        return [
            {"hostname": host, "host": at[0], "port": at[1], "family": kind, "proto": proto, "flags": _NUMERIC}
            for kind, _, proto, _, at in await look_up(host, port, family)
        ]

    async def close(self) -> None:
        """Nothing is held."""
