"""Pictures from the web, for who asks for them: https only, public addresses only, and bounded in every way.

A still's URL is what a server said, so it may be anything. Every name is resolved here, and the connection goes to just
those addresses that were judged; every redirect is judged again. No proxy, cookie, key or referrer is used.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from anyio import CapacityLimiter, create_task_group, fail_after, move_on_after
from msgspec import Struct, field

from tap.adapters.names import look_up
from tap.core.errors import TapError

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession
    from aiohttp.abc import AbstractResolver
    from yarl import URL

__all__ = ["Address", "Fetched", "Limits", "fetch", "is_public"]

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_GLOBAL = ipaddress.IPv6Network("2000::/3")
"""All that was ever given out. What is outside (fec0::/10, 64:ff9b:1::/48 …) leads into somebody's own net."""
_OTHERS = [
    ipaddress.ip_network(network)
    for network in ("2001::/23", "2001:db8::/32", "3fff::/20", "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15")
]
"""For protocols and documents; not every Python knows each of them."""
_REDIRECTS = (301, 302, 303, 307, 308)
_CHUNK = 64 * 1024


class Limits(Struct, frozen=True, kw_only=True):
    """How much is fetched at most."""

    number: int = 500
    each: int = 16 * 1024 * 1024
    """Bytes."""
    together: int = 512 * 1024 * 1024
    """Bytes."""
    seconds: float = 15.0
    """For each of them, redirects and all."""
    all_seconds: float = 180.0
    redirects: int = 3
    at_once: int = 4


class Fetched(Struct):
    """What came, by key, and how many did not, by why."""

    contents: dict[str, bytes] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)

    def words(self) -> list[str]:
        """What did not come, for people."""
        return [f"{number} not fetched: {why}" for why, number in sorted(self.refused.items())]


class _Refused(TapError):
    """This one is not fetched; ``what`` says why, without the URL, which may hold a secret."""


def is_public(address: Address) -> bool:
    """Whether an address is one of the public internet's, whatever it is wrapped in."""
    if isinstance(address, ipaddress.IPv6Address):
        wrapped = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if wrapped is None and address in _NAT64:
            wrapped = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if wrapped is not None:
            return is_public(wrapped)
        if address not in _GLOBAL:
            return False
    if any(address.version == network.version and address in network for network in _OTHERS):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


async def fetch(
    urls: Mapping[str, str],
    *,
    limits: Limits | None = None,
    allowed: Callable[[Address], bool] = is_public,
    trust: ssl.SSLContext | None = None,
) -> Fetched:
    """The contents of these URLs, by their keys; never raises for what they are or what is there.

    ``allowed`` judges every address before it is connected to; ``trust``: who signs certificates (None: as usual).
    """
    import aiohttp  # noqa: PLC0415 - half a second, only for who fetches

    job = _Job(limits or Limits(), allowed)
    connector = aiohttp.TCPConnector(
        limit=job.limits.at_once,
        resolver=cast("AbstractResolver", _Names(allowed)),
        use_dns_cache=False,
        ssl=True if trust is None else trust,
    )
    async with aiohttp.ClientSession(
        connector=connector,
        trust_env=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        timeout=aiohttp.ClientTimeout(total=job.limits.seconds),
        headers={"User-Agent": "multicam-tap", "Accept": "image/*", "Accept-Encoding": "identity"},
    ) as session:
        await job.run(session, urls)
    return job.fetched


class _Job:
    def __init__(self, limits: Limits, allowed: Callable[[Address], bool]) -> None:
        self.limits = limits
        self.fetched = Fetched()
        self._allowed = allowed
        self._left = limits.together
        self._turns = CapacityLimiter(limits.at_once)
        self._open = 0
        """Pictures that are asked for, and not there or refused yet."""

    async def run(self, session: ClientSession, urls: Mapping[str, str]) -> None:
        todo = list(urls.items())
        if len(todo) > self.limits.number:
            self._refuse(f"more than {self.limits.number}", len(todo) - self.limits.number)
        self._open = len(todo[: self.limits.number])
        with move_on_after(self.limits.all_seconds):
            async with create_task_group() as pictures:
                for key, url in todo[: self.limits.number]:
                    pictures.start_soon(self._one, session, key, url)
        if self._open:
            self._refuse("there was no time left", self._open)

    async def _one(self, session: ClientSession, key: str, url: str) -> None:
        import aiohttp  # noqa: PLC0415

        try:
            async with self._turns:
                with fail_after(self.limits.seconds):
                    self.fetched.contents[key] = await self._follow(session, url)
        except _Refused as refused:
            self._refuse(refused.what)
        except TimeoutError:
            self._refuse(f"no answer within {self.limits.seconds:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            refused_by = _refusal_in(error)
            self._refuse("the server cannot be reached" if refused_by is None else refused_by.what)
        self._open -= 1

    def _refuse(self, why: str, number: int = 1) -> None:
        self.fetched.refused[why] += number

    async def _follow(self, session: ClientSession, place: str) -> bytes:
        from yarl import URL  # noqa: PLC0415

        url = URL(place)
        for _ in range(self.limits.redirects + 1):
            self._judge(url)
            async with session.get(url, allow_redirects=False) as response:
                if response.status not in _REDIRECTS:
                    return await self._body(response)
                url = url.join(URL(response.headers.get("Location", "")))
        raise _Refused(f"more than {self.limits.redirects} redirects")

    def _judge(self, url: URL) -> None:
        """Everything about a URL but its name's addresses, which are judged where they are resolved."""
        if url.scheme != "https" or not url.host:
            raise _Refused("not an https address")
        if url.user or url.password:
            raise _Refused("an address with a user in it")
        try:
            address = ipaddress.ip_address(url.host.partition("%")[0])
        except ValueError:
            return
        if not self._allowed(address):
            raise _Refused("not a public address")

    async def _body(self, response: ClientResponse) -> bytes:
        if response.status != 200:
            raise _Refused(f"the server says {response.status}")
        if (response.content_length or 0) > self.limits.each:
            raise _Refused(f"larger than {self.limits.each // (1024 * 1024)} MB")
        content = bytearray()
        async for chunk in response.content.iter_chunked(_CHUNK):
            content += chunk
            self._left -= len(chunk)
            if len(content) > self.limits.each:
                raise _Refused(f"larger than {self.limits.each // (1024 * 1024)} MB")
            if self._left < 0:
                raise _Refused("too much in all")
        return bytes(content)


class _Names:
    """Resolves names for aiohttp, and refuses those that lead to an address that is not allowed."""

    def __init__(self, allowed: Callable[[Address], bool]) -> None:
        self._allowed = allowed

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_UNSPEC) -> list[dict[str, Any]]:
        infos = await look_up(host, port, family)
        found = [(kind, protocol, address[0]) for kind, _, protocol, _, address in infos]
        # One bad address spoils the name: it would be tried as soon as the good one fails.
        if not all(self._allowed(ipaddress.ip_address(str(place).partition("%")[0])) for _, _, place in found):
            raise _Refused("not a public address")
        return [
            {"hostname": host, "host": place, "port": port, "family": kind, "proto": protocol, "flags": 0}
            for kind, protocol, place in found
        ]

    async def close(self) -> None:
        """Nothing is saved."""


def _refusal_in(error: BaseException | None) -> _Refused | None:
    """The refusal that a library's error goes back to."""
    while error is not None:
        if isinstance(error, _Refused):
            return error
        error = error.__cause__ or error.__context__
    return None
