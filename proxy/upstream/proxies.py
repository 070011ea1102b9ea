"""Whether a provider is reached through an HTTP proxy, as the environment says: read once, like `curl` reads it.

`HTTPS_PROXY` for `https` providers, `HTTP_PROXY` for `http` ones, `ALL_PROXY` for both, `NO_PROXY` for neither; lower
case wins over upper case. This machine itself is never reached through a proxy. Sources: curl(1), "ENVIRONMENT";
`urllib.request`, "getproxies"; RFC 9112, section 3.2.2 (absolute form); RFC 9110, section 9.3.6 (CONNECT).
"""

from __future__ import annotations

import base64
import ipaddress
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self
from urllib.parse import unquote_to_bytes, urlsplit

from proxy.providers.address import is_loopback

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_PORT = 80
"""Of a proxy whose URL names none, as of any `http` URL."""
MAX_EXCEPTIONS = 1024
"""Entries of `NO_PROXY` that are read."""
_SEPARATOR = re.compile(r"[,\s]+")
_PORT = re.compile(r"(?P<host>.*\]|[^:]*):(?P<port>\d+)")


@dataclass(frozen=True, slots=True)
class Proxy:
    """One proxy. Its credentials show nowhere but in what is sent to it."""

    host: str
    port: int
    authorization: bytes = field(default=b"", repr=False)
    """A header line, or nothing."""
    problem: str = ""
    """Why it cannot be used. Then nothing is sent at all: whoever asks for a proxy does not want to be reached around
    it."""

    @classmethod
    def parse(cls, url: str) -> Self:
        """Of `http://[user:password@]host[:port]`; the scheme may be left out. Raises `ValueError` without the URL."""
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
            host, port = parts.hostname, parts.port
        except ValueError:
            raise ValueError("it is no URL") from None
        if parts.scheme != "http":
            raise ValueError("only proxies with an `http://` address can be used")
        if not host or not host.isascii():
            raise ValueError("it names no host")
        if parts.username is None and parts.password is None:
            return cls(host, port or DEFAULT_PORT)
        userinfo = unquote_to_bytes(parts.username or "") + b":" + unquote_to_bytes(parts.password or "")
        return cls(host, port or DEFAULT_PORT, b"proxy-authorization: Basic %b\r\n" % base64.b64encode(userinfo))

    def absolute(self, head: bytes, host: str, port: int) -> bytes:
        """A request head for the proxy to pass on, out of one for `host` itself."""
        method, _, rest = head.partition(b" ")
        return b"%b http://%b%b%b\r\n" % (method, authority(host, port), rest[:-2], self.authorization)

    def connect(self, host: str, port: int) -> bytes:
        """The request for a tunnel."""
        target = authority(host, port)
        return b"CONNECT %b HTTP/1.1\r\nhost: %b\r\n%b\r\n" % (target, target, self.authorization)


class Proxies:
    """Which proxy leads to which origin."""

    def __init__(self, http: Proxy | None = None, https: Proxy | None = None, except_for: str = "") -> None:
        """`except_for` as `NO_PROXY` has it."""
        self._by_scheme = {"http": http, "https": https}
        self._exceptions = tuple(filter(None, _SEPARATOR.split(except_for.lower())))[:MAX_EXCEPTIONS]

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """What `environ` says."""
        except_for = environ.get("no_proxy", environ.get("NO_PROXY", ""))
        return cls(_proxy_of("http", environ), _proxy_of("https", environ), except_for)

    @property
    def problems(self) -> list[str]:
        """What was asked for but cannot be used, and why."""
        return sorted({proxy.problem for proxy in self._by_scheme.values() if proxy is not None and proxy.problem})

    def leading_to(self, scheme: str, host: str, port: int) -> Proxy | None:
        """The proxy to take; `None` for none."""
        proxy = self._by_scheme[scheme]
        if proxy is None or is_loopback(host) or host.lower().endswith(".localhost"):
            return None
        if any(_covers(entry, host.lower(), port) for entry in self._exceptions):
            return None
        return proxy


NO_PROXIES = Proxies()


def authority(host: str, port: int) -> bytes:
    """`host:port`; an IPv6 address in brackets."""
    return (f"[{host}]:{port}" if ":" in host else f"{host}:{port}").encode("ascii")


def _proxy_of(scheme: str, environ: Mapping[str, str]) -> Proxy | None:
    for name in (f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY"):
        if name == "HTTP_PROXY" and "REQUEST_METHOD" in environ:
            continue  # under CGI a client's `Proxy:` header sets it (CVE-2016-5385)
        if (url := environ.get(name)) is None:
            continue
        if not url.strip():
            return None
        try:
            return Proxy.parse(url.strip())
        except ValueError as problem:
            return Proxy("", 0, problem=f"`{name}` cannot be used: {problem}")
    return None


def _covers(entry: str, host: str, port: int) -> bool:
    """Whether an entry of `NO_PROXY` means `host`: itself or what is below it, a network, or `*`."""
    if entry == "*":
        return True
    try:
        if "/" in entry:
            return ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False)
        return ipaddress.ip_address(entry.strip("[]")) == ipaddress.ip_address(host)
    except ValueError:
        pass  # a name on one side
    if (named := _PORT.fullmatch(entry)) is not None:
        if int(named["port"]) != port:
            return False
        entry = named["host"].strip("[]")
    entry = entry.lstrip("*").lstrip(".")
    return bool(entry) and (host == entry or host.endswith(f".{entry}"))
