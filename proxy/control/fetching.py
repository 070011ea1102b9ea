"""Fetches images and documents that a client names by address, for providers that cannot.

The address is a client's: it must not lead anywhere the client could not go itself. Every host is resolved here and
only public addresses are connected to, at every hop of a redirect; nothing of the gateway's goes along.
Source: OWASP, Server Side Request Forgery Prevention; IANA special-purpose address registries (RFC 6890).
"""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import socket
from typing import TYPE_CHECKING

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from proxy.errors import Unsupported

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from proxy.config import MediaConfig

MAX_REDIRECTS = 3
MAX_URL_CHARS = 8192
WANTED = ("image/", "application/pdf", "text/plain", "audio/")
"""How the content type of something a model can read begins."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_OK = 200
_USUAL_PORTS = frozenset({80, 443})
_UNICAST = ipaddress.IPv6Network("2000::/3")
"""All of IPv6 that is anybody's. Source: IANA, "IPv6 Global Unicast Address Assignments"."""
_TUNNELS = tuple(map(ipaddress.IPv6Network, ("2002::/16", "2001::/32")))
"""Addresses in it that lead to an IPv4 address within them."""
_INNER = tuple(map(ipaddress.IPv4Network, ("168.63.129.16/32", "192.0.0.0/24")))
"""Addresses within a cloud that Python takes for public: Azure's WireServer and Oracle's metadata, which tell a
machine's settings. Sources: Microsoft, "What is IP address 168.63.129.16?"; IANA, "IPv4 Special-Purpose Address
Registry" (IETF protocol assignments)."""


class _NotPublic(OSError):
    """A name that resolves to nothing public."""


class Fetcher:
    """Bounded by `media` of the configuration. One session for all, made at the first need."""

    def __init__(self, settings: Callable[[], MediaConfig]) -> None:
        self._settings = settings
        self._session: aiohttp.ClientSession | None = None

    async def fetch(self, urls: Sequence[str]) -> dict[str, str]:
        """Address -> its content as a `data:` URL. Raises `Unsupported` for what cannot or may not be fetched."""
        settings = self._settings()
        if not settings.fetch:
            raise Unsupported("This provider takes images and documents only within the request: send a `data:` URL.")
        if len(urls) > settings.max_items:
            raise Unsupported(f"At most {settings.max_items} images and documents may be named by address.")
        try:
            async with asyncio.timeout(settings.timeout_s):
                contents = await self._fetch_all(urls, settings)
        except TimeoutError:
            raise Unsupported("What the request names by address did not come in time: send a `data:` URL.") from None
        return dict(zip(urls, contents, strict=True))

    async def _fetch_all(self, urls: Sequence[str], settings: MediaConfig) -> list[str]:
        """One after the other, so that no request holds more than it may."""
        contents = []
        left = settings.max_request_bytes
        for url in urls:
            content = await self._fetch(url, settings, min(left, settings.max_bytes))
            left -= len(content) * 3 // 4
            contents.append(content)
        return contents

    async def close(self) -> None:
        """Let go of its connections."""
        if self._session is not None:
            await self._session.close()

    async def _fetch(self, url: str, settings: MediaConfig, max_bytes: int) -> str:
        try:
            return await self._follow(url, settings, max_bytes)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            if isinstance(error, TimeoutError):
                raise
            detail = f"{type(error).__name__}"
            raise Unsupported("An image or document of the request cannot be fetched.", detail=detail) from None

    async def _follow(self, url: str, settings: MediaConfig, max_bytes: int) -> str:
        for _ in range(MAX_REDIRECTS + 1):
            target = checked(url, allow_private=settings.allow_private)
            async with self._client().get(target, allow_redirects=False) as response:
                if response.status in _REDIRECTS and (there := response.headers.get("location")):
                    url = str(target.join(URL(there)))
                    continue
                if response.status != _OK:
                    raise Unsupported(f"An image or document of the request answered with status {response.status}.")
                return await _read(response, max_bytes)
        raise Unsupported("An image or document of the request is redirected too often.")

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            resolver = PublicResolver(lambda: self._settings().allow_private)
            connector = aiohttp.TCPConnector(resolver=resolver, limit=16, use_dns_cache=False, force_close=True)
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"Accept-Encoding": "identity"},  # what is compressed has no bound
                auto_decompress=False,
                trust_env=False,
            )
        return self._session


class PublicResolver(AbstractResolver):
    """Names to public addresses alone, so that what was checked is what is connected to."""

    def __init__(self, allow_private: Callable[[], bool]) -> None:
        self._allow_private = allow_private
        self._inner = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Raise `OSError` if there is no public address."""
        found = await self._inner.resolve(host, port, family)
        if not self._allow_private():
            found = [result for result in found if is_public(result["host"])]
        if not found:
            raise _NotPublic
        return found

    async def close(self) -> None:
        """Nothing is held."""


def checked(url: str, *, allow_private: bool) -> URL:
    """`url` in parts. Raises `Unsupported` unless it may lead somewhere public."""
    refused = Unsupported("An image or document of the request has an address this gateway does not fetch from.")
    if len(url) > MAX_URL_CHARS:
        raise refused
    target = URL(url)
    if target.scheme not in ("http", "https") or not target.host or target.user or target.password:
        raise refused
    if allow_private:
        return target
    if target.port not in _USUAL_PORTS or (_is_literal(target.host) and not is_public(target.host)):
        raise refused  # a literal address is not resolved, so it is looked at here
    return target


def is_public(address: str) -> bool:
    """Whether an IP address is anybody's on the internet: not private, local, reserved or a tunnel to such."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return is_public(str(found.ipv4_mapped))
        if found not in _UNICAST or any(found in tunnel for tunnel in _TUNNELS):
            return False
    elif any(found in network for network in _INNER):
        return False
    return found.is_global and not found.is_multicast


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


async def _read(response: aiohttp.ClientResponse, limit: int) -> str:
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not kind.startswith(WANTED) or response.headers.get("content-encoding", "identity") != "identity":
        raise Unsupported("An address in the request leads to no image or document.")
    pieces = []
    size = 0
    async for piece in response.content.iter_chunked(64 * 1024):
        size += len(piece)
        if size > limit:
            raise Unsupported(f"An image or document of the request is larger than {limit} bytes.")
        pieces.append(piece)
    return f"data:{kind};base64,{base64.b64encode(b''.join(pieces)).decode('ascii')}"
