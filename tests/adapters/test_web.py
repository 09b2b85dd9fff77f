"""Stills are fetched from public https addresses only, whatever a URL, a name or a redirect says, and bounded."""

from __future__ import annotations

import asyncio
import ipaddress
import shutil
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tap.adapters.web import Address, Fetched, Limits, fetch, is_public

PICTURE = b"\xff\xd8\xff a picture"

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl, to make a certificate, is missing")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A key and a certificate for this machine."""
    folder = tmp_path_factory.mktemp("tls")
    key, made = folder / "key.pem", folder / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    names = "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:127.0.0.2"
    subprocess.run([*command, "-keyout", key, "-out", made, "-addext", names], check=True, capture_output=True)
    return key, made


class Store:
    """A web server on this machine, which counts who asks it."""

    def __init__(self, certificate: tuple[Path, Path]) -> None:
        self.asked: list[str] = []
        self.headers: dict[str, str] = {}
        self.port = 0
        self._certificate = certificate

    async def __aenter__(self) -> Store:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=1)
        await self._runner.setup()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self._certificate[1], self._certificate[0])
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        self.asked.append(path)
        self.headers = dict(request.headers)
        if path == "/missing":
            raise web.HTTPNotFound
        if path == "/long":
            return web.Response(body=b"x" * 5000)
        if path == "/endless":
            response = web.StreamResponse()
            await response.prepare(request)
            for _ in range(1000):
                await response.write(b"x" * 1000)
            return response
        if path == "/slow":
            await asyncio.sleep(60)
        if "to" in request.query:
            raise REDIRECTS[int(request.query.get("by", 302))](request.query["to"])
        return web.Response(body=PICTURE)


REDIRECTS: dict[int, type[web.HTTPMove]] = {
    301: web.HTTPMovedPermanently,
    302: web.HTTPFound,
    303: web.HTTPSeeOther,
    307: web.HTTPTemporaryRedirect,
    308: web.HTTPPermanentRedirect,
}


def here(address: Address) -> bool:
    """Stands in for a public address."""
    return address == ipaddress.ip_address("127.0.0.1")


async def ask(certificate: tuple[Path, Path], *paths: str, **options: Any) -> tuple[Fetched, Store]:
    """Fetch from the store; ``{port}`` in a path is its port."""
    trust = ssl.create_default_context(cafile=str(certificate[1]))
    async with Store(certificate) as store:
        urls = {str(index): path.replace("{port}", str(store.port)) for index, path in enumerate(paths)}
        return await fetch(urls, **{"trust": trust, "allowed": here, **options}), store


async def test_a_picture_is_fetched_without_telling_who_asks(certificate: tuple[Path, Path]) -> None:
    fetched, store = await ask(certificate, "https://127.0.0.1:{port}/a.jpg?sign=1")
    assert fetched.contents == {"0": PICTURE}
    assert fetched.words() == []
    assert set(store.headers) == {"Host", "User-Agent", "Accept", "Accept-Encoding"}


async def test_a_redirect_is_followed_where_it_may_be(certificate: tuple[Path, Path]) -> None:
    fetched, store = await ask(certificate, "https://127.0.0.1:{port}/a?to=/b.jpg")
    assert fetched.contents == {"0": PICTURE}
    assert store.asked == ["/a", "/b.jpg"]


@pytest.mark.parametrize("by", REDIRECTS)
async def test_a_redirect_of_every_kind_is_followed(by: int, certificate: tuple[Path, Path]) -> None:
    fetched, store = await ask(certificate, f"https://127.0.0.1:{{port}}/a?by={by}&to=/b.jpg")
    assert fetched.contents == {"0": PICTURE}
    assert store.asked == ["/a", "/b.jpg"]


REFUSED = {
    "this machine": ("https://127.0.0.1:{port}/a", "not a public address"),
    "this machine by a name": ("https://localhost:{port}/a", "not a public address"),
    "this machine in IPv6": ("https://[::1]:{port}/a", "not a public address"),
    "this machine, wrapped": ("https://[::ffff:127.0.0.1]:{port}/a", "not a public address"),
    "a network of its own": ("https://10.0.0.1/a", "not a public address"),
    "the cloud's own": ("https://169.254.169.254/latest/meta-data", "not a public address"),
    "no https": ("http://127.0.0.1:{port}/a", "not an https address"),
    "a file": ("file:///etc/passwd", "not an https address"),
    "a user in it": ("https://me:secret@127.0.0.1:{port}/a", "an address with a user in it"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_is_not_public_is_never_connected_to(case: str, certificate: tuple[Path, Path]) -> None:
    url, why = REFUSED[case]
    fetched, store = await ask(certificate, url, allowed=is_public)
    assert fetched.contents == {}
    assert fetched.words() == [f"1 not fetched: {why}"]
    assert store.asked == []


@pytest.mark.parametrize(
    ("to", "why"),
    [
        ("https://127.0.0.2:{port}/secret", "not a public address"),
        ("https://[::1]:{port}/secret", "not a public address"),
        ("http://127.0.0.1:{port}/secret", "not an https address"),
        ("//me:secret@127.0.0.1:{port}/secret", "an address with a user in it"),
    ],
)
async def test_a_redirect_is_judged_like_a_first_address(to: str, why: str, certificate: tuple[Path, Path]) -> None:
    fetched, store = await ask(certificate, f"https://127.0.0.1:{{port}}/first?to={to}")
    assert fetched.contents == {}
    assert fetched.words() == [f"1 not fetched: {why}"]
    assert store.asked == ["/first"]


async def test_a_redirect_to_a_name_is_judged_by_where_that_leads(certificate: tuple[Path, Path]) -> None:
    judged: list[Address] = []

    def only_the_first(address: Address) -> bool:
        judged.append(address)
        return len(judged) == 1

    url = "https://127.0.0.1:{port}/first?to=https://localhost:{port}/secret"
    fetched, store = await ask(certificate, url, allowed=only_the_first)
    assert fetched.words() == ["1 not fetched: not a public address"]
    assert store.asked == ["/first"]


async def test_redirects_come_to_an_end(certificate: tuple[Path, Path]) -> None:
    fetched, store = await ask(
        certificate, "https://127.0.0.1:{port}/round?to=/round%3Fto%3D/again", limits=Limits(redirects=1)
    )
    assert fetched.words() == ["1 not fetched: more than 1 redirects"]
    assert store.asked == ["/round", "/round"]


BOUNDS = {
    "a long one": ("/long", Limits(each=4000), "larger than 0 MB"),
    "one that says nothing of its length": ("/endless", Limits(each=4000), "larger than 0 MB"),
    "all of them": ("/long", Limits(together=4000), "too much in all"),
    "a slow one": ("/slow", Limits(seconds=1), "no answer within 1 s"),
    "all that are slow": ("/slow", Limits(all_seconds=1), "there was no time left"),
    "one that is not there": ("/missing", Limits(), "the server says 404"),
}


@pytest.mark.parametrize("case", BOUNDS)
async def test_everything_is_bounded(case: str, certificate: tuple[Path, Path]) -> None:
    path, limits, why = BOUNDS[case]
    fetched, _ = await ask(certificate, f"https://127.0.0.1:{{port}}{path}", limits=limits)
    assert fetched.contents == {}
    assert fetched.words() == [f"1 not fetched: {why}"]


async def test_so_many_are_fetched_and_no_more(certificate: tuple[Path, Path]) -> None:
    fetched, store = await ask(certificate, *["https://127.0.0.1:{port}/a"] * 5, limits=Limits(number=3))
    assert len(fetched.contents) == len(store.asked) == 3
    assert fetched.words() == ["2 not fetched: more than 3"]


async def test_a_certificate_that_nobody_signed_is_not_trusted(certificate: tuple[Path, Path]) -> None:
    fetched, store = await ask(certificate, "https://127.0.0.1:{port}/a", trust=None)
    assert fetched.words() == ["1 not fetched: the server cannot be reached"]
    assert store.asked == []


@pytest.mark.parametrize("url", ["", "https://", "https://[", "nonsense", "https://\x00/", "https://a b/"])
async def test_what_is_no_address_is_refused(url: str, certificate: tuple[Path, Path]) -> None:
    fetched, _ = await ask(certificate, url)
    assert fetched.contents == {}
    assert sum(fetched.refused.values()) == 1


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("2a00:1450:4001::1", True),
        ("3ffe::1", True),
        ("64:ff9b::808:808", True),
        ("::ffff:8.8.8.8", True),
        *((address, False) for address in ("fec0::1", "feff::1", "3fff::1", "3fff:fff::1", "5f00::1", "64:ff9b:1::1")),
        *((address, False) for address in ("2001::1", "2001:2::1", "2001:db8::1", "4000::1", "e000::1", "::10.0.0.1")),
        *((address, False) for address in ("192.88.99.1", "198.18.0.1", "192.0.0.8", "203.0.113.1", "240.0.0.1")),
        ("127.0.0.1", False),
        ("0.0.0.0", False),  # noqa: S104 - nothing is bound to it
        ("10.1.2.3", False),
        ("172.20.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1", False),
        ("fd00::1", False),
        ("ff02::1", False),
        ("::ffff:10.0.0.1", False),
        ("::ffff:93.184.216.34", True),
        ("64:ff9b::a00:1", False),
        ("64:ff9b::5db8:d822", True),
        ("2002:7f00:1::", False),
    ],
)
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert is_public(ipaddress.ip_address(address)) is public


async def test_a_name_is_looked_up_and_every_address_of_it_judged(certificate: tuple[Path, Path]) -> None:
    judged: list[Address] = []

    def own(address: Address) -> bool:
        judged.append(address)
        return address.is_loopback

    fetched, store = await ask(certificate, "https://localhost:{port}/a", allowed=own)
    assert fetched.contents == {"0": PICTURE}
    assert store.asked == ["/a"]
    assert ipaddress.ip_address("127.0.0.1") in judged
