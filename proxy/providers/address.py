"""Addresses of providers: taken apart once, and found in the environment the way each provider's own tools do."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from proxy.providers.profile import Profile

DEFAULT_PORTS = {"http": 80, "https": 443}
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_PLACEHOLDER_VALUE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}[A-Za-z0-9])?")
"""One DNS label: what fills a placeholder cannot lead to another host."""
_EVERY_INTERFACE = frozenset({"0.0.0.0", "::"})
_PATH = re.compile(r"(?:/[A-Za-z0-9._~!$&'()*+,;=:@%-]+)*")


@dataclass(frozen=True, slots=True)
class Address:
    """A base URL in parts."""

    scheme: str
    host: str
    """Without brackets."""
    port: int
    prefix: str
    """Path before an operation's own, without a slash at its end; may be empty."""

    @property
    def origin(self) -> tuple[str, str, int]:
        """What a connection pool is keyed by."""
        return self.scheme, self.host, self.port

    @property
    def host_header(self) -> str:
        """`Host`: the port only when it is not the scheme's own. Source: RFC 9110, section 7.2."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


def parse_address(url: str) -> Address:
    """Take `url` apart. Raises `ValueError` that says what is wrong with it."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"`{url}` is no URL: {error}") from None
    if parts.scheme not in DEFAULT_PORTS:
        raise ValueError(f"`{url}` must begin with `https://` or `http://`")
    if not parts.hostname:
        raise ValueError(f"`{url}` names no host")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ValueError("a base URL carries no user name, query or fragment")
    prefix = parts.path.rstrip("/")
    if not parts.hostname.isascii() or not _PATH.fullmatch(prefix) or "/../" in f"{prefix}/":
        raise ValueError(
            f"`{url}` must be plain ASCII, percent-encoded where it has to be, without `..` or empty segments"
        )
    return Address(parts.scheme, parts.hostname, DEFAULT_PORTS[parts.scheme] if port is None else port, prefix)


NOTHING: Mapping[str, str] = MappingProxyType({})


def usual_address(profile: Profile, environ: Mapping[str, str], given: Mapping[str, str] = NOTHING) -> str | None:
    """Where `profile` is reached when the configuration does not say; `None` when that is not known.

    `given` are the placeholders that it does say: then the row's own address is meant. Otherwise one in the environment
    wins over it. Raises `ValueError` when a value there is unusable.
    """
    if not given.keys().isdisjoint(profile.placeholders) and (filled := _filled(profile, environ, given)) is not None:
        return filled
    return environment_address(profile, environ) or _filled(profile, environ, given)


def environment_address(profile: Profile, environ: Mapping[str, str]) -> str | None:
    """The address the environment gives for `profile`, completed; `None` when it gives none."""
    for variable in profile.address_variables:
        if value := environ.get(variable, "").strip():
            try:
                return _completed(profile, value)
            except ValueError as error:
                raise ValueError(f"`{variable}`: {error}") from None
    return None


def _completed(profile: Profile, value: str) -> str:
    """`host`, `host:port` or a URL -> a base URL.

    A listening address of a server (`0.0.0.0`) is reached over loopback.
    Source: Ollama FAQ, `OLLAMA_HOST` (a bare host means port 11434, a URL means its scheme's port).
    """
    if "://" in value:
        address = parse_address(value)
        port = address.port
    else:
        address = parse_address(f"{'http' if profile.self_hosted else 'https'}://{value}")
        named = urlsplit(f"//{value}").port
        port = named or profile.default_port or address.port
    host = "localhost" if address.host in _EVERY_INTERFACE else address.host
    shown = Address(address.scheme, host, port, "").host_header
    return f"{address.scheme}://{shown}{address.prefix or profile.address_suffix}"


def _filled(profile: Profile, environ: Mapping[str, str], given: Mapping[str, str]) -> str | None:
    """The row's own address with its placeholders filled; `None` when it has none or one stays open."""
    if profile.base_url is None:
        return None
    values: dict[str, str] = {}
    for placeholder, variables in profile.placeholders.items():
        value = given.get(placeholder) or _from_variables(variables, environ)
        if value is None:
            return None
        values[placeholder] = value
    url = profile.elsewhere.get(values.get("location", ""), profile.base_url)
    return _PLACEHOLDER.sub(lambda match: values[match[1]], url)


def _from_variables(variables: tuple[str, ...], environ: Mapping[str, str]) -> str | None:
    """The value of the first variable that is set. Raises `ValueError` when it could lead to another host."""
    found = next((variable for variable in variables if environ.get(variable)), None)
    if found is None:
        return None
    value = environ[found].strip()
    if not _PLACEHOLDER_VALUE.fullmatch(value):
        raise ValueError(f"`{found}` must be a plain name of letters, digits and `-`")
    return value


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
