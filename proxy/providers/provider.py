"""A configured provider: who, where and with which key. Everything a request repeats is built once, here.

Live state (in flight, health, a locked-out key) belongs to the fleet. Addresses come from the configuration only: no
part of one is ever taken from a client.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import SecretStr

from proxy import __version__
from proxy.config import CLIENT_KEY as CLIENT_KEY_WORD
from proxy.config import ProviderConfig
from proxy.dialects.request import OPERATION_PATHS
from proxy.errors import Unauthenticated
from proxy.providers.address import environment_address, parse_address, usual_address
from proxy.providers.credential import CLIENT_KEY, NO_KEY, Credential, KeyMode, is_key
from proxy.providers.profile import BEARER, NO_AUTH, Profile
from proxy.providers.table import GENERIC, ROWS, lookup, suggest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from proxy.providers.address import Address

_HEADER_VALUE = re.compile(r"[\x20-\x7e]*")
_RESERVED_HEADERS = frozenset(
    {
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "accept-encoding",
        "expect",
        "upgrade",
        "te",
        "trailer",
    }
)
"""The connection's own: set wrongly they break its framing."""


@dataclass(frozen=True, slots=True, eq=False)
class Provider:
    """One entry of `providers`. Compare by identity: a reload builds new ones."""

    name: str
    """The key in the configuration file."""
    profile: Profile = field(repr=False)
    base_url: str
    address: Address
    origin: tuple[str, str, int]
    """Scheme, host, port: what a connection pool is keyed by."""
    credential: Credential
    models: tuple[str, ...] = ()
    """Routable models beside those of the catalogue."""
    max_connections: int = 512
    allowed_client_headers: frozenset[str] = frozenset()
    """Headers of the client, lower case, that may go upstream. Everything else stays here."""
    _static: bytes = field(default=b"", repr=False)
    """Header lines of every request. Holds the key."""
    _heads: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """Operation path -> request line and static headers. Holds the key."""

    @property
    def otel_name(self) -> str:
        """`gen_ai.provider.name`; a provider only known by its address is called as configured."""
        return self.name if self.profile.name == GENERIC else self.profile.otel_name

    @classmethod
    def from_config(cls, name: str, config: ProviderConfig, environ: Mapping[str, str]) -> Provider:
        """Build the provider `providers.<name>` describes. Raises `ValueError` with the path and the way out.

        `environ` fills in what the entry leaves to custom: a row's usual key and address. A usual key is only ever
        sent to a usual address.
        """
        try:
            profile = _profile(name, config)
            base_url = config.base_url or _usual_address(profile, environ)
            address = parse_address(base_url)
            credential = _credential(profile, config, environ)
            static = _static_headers(profile, address, credential, config)
        except ValueError as error:
            raise ValueError(f"`providers.{name}`: {error}") from None
        allowed = profile.client_headers
        if credential.mode is KeyMode.CLIENT:
            allowed |= profile.client_key_headers
        return cls(
            name=name,
            profile=profile,
            base_url=base_url.rstrip("/"),
            address=address,
            origin=address.origin,
            credential=credential,
            models=config.models,
            max_connections=config.max_connections,
            allowed_client_headers=allowed,
            _static=static,
            _heads={path: _request_line(address, path) + static for path in OPERATION_PATHS.values()},
        )

    def request_head(
        self, path: str, body_bytes: int, client_key: str | None = None, client_headers: Mapping[str, str] | None = None
    ) -> bytes:
        """The head of a POST of `body_bytes` JSON to `path` below the base URL, the blank line included.

        Of `client_headers` (lower-case names) only the allowed go out.

        `client_key` is used by a provider with `api_key: client` and by no other. Raises `Unauthenticated` when such a
        provider gets none, or one that no header can carry.
        """
        head = self._heads.get(path) or _request_line(self.address, path) + self._static
        if self.credential.mode is KeyMode.CLIENT:
            head += self._client_auth(client_key)
        if client_headers and self.allowed_client_headers:
            head += self._passed(client_headers)
        return b"%bcontent-length: %d\r\n\r\n" % (head, body_bytes)

    def _client_auth(self, client_key: str | None) -> bytes:
        if not client_key or not is_key(client_key):
            raise Unauthenticated(f"Provider `{self.name}` is called with the client's own key: send one.")
        return _auth_line(self.profile, client_key)

    def _passed(self, client_headers: Mapping[str, str]) -> bytes:
        lines = [
            f"{name}: {value}\r\n"
            for name in sorted(self.allowed_client_headers)
            if (value := client_headers.get(name)) and _HEADER_VALUE.fullmatch(value)
        ]
        return "".join(lines).encode("ascii")


def from_environment(environ: Mapping[str, str]) -> list[tuple[str, ProviderConfig]]:
    """The providers a machine is already set up for, in the table's order.

    A hosted row needs one of its usual key variables, and an address that is whole (Azure: a resource; Bedrock: a
    region). A self-hosted row needs its address variable. Raises `ValueError` when a variable holds no usable value.
    """
    found: list[tuple[str, ProviderConfig]] = []
    for row in ROWS:
        key = _usual_key(row, environ)
        if row.self_hosted:
            base_url = environment_address(row, environ)
        else:
            base_url = usual_address(row, environ) if key else None
        if base_url is not None:
            found.append((row.name, ProviderConfig(api_key=SecretStr(key) if key else None, base_url=base_url)))
    return found


def _profile(name: str, config: ProviderConfig) -> Profile:
    wanted = config.profile or name
    profile = lookup(wanted)
    if profile is not None:
        return profile
    nearest = suggest(wanted)
    hint = f"; did you mean `{nearest}`?" if nearest else "."
    if config.profile is not None:
        raise ValueError(f"no such row in the provider table as `profile: {config.profile}`{hint}")
    if config.base_url is None:
        raise ValueError(f"no such row in the provider table{hint} Give `base_url` for one of your own.")
    generic = lookup(GENERIC)
    assert generic is not None  # noqa: S101 - the table has it, or nothing works
    return generic


def _usual_address(profile: Profile, environ: Mapping[str, str]) -> str:
    if (address := usual_address(profile, environ)) is not None:
        return address
    variables = [*profile.address_variables, *(v for names in profile.placeholders.values() for v in names)]
    ways = "".join(f", or set `{variable}`" for variable in variables)
    raise ValueError(f"its address is not known: give `base_url`{ways}.")


def _usual_key(profile: Profile, environ: Mapping[str, str]) -> str | None:
    return next((key for variable in profile.key_variables if (key := environ.get(variable, "").strip())), None)


def _credential(profile: Profile, config: ProviderConfig, environ: Mapping[str, str]) -> Credential:
    if config.api_key is not None:
        secret = config.api_key.get_secret_value()
        if profile.auth == NO_AUTH:
            raise ValueError(f"`{profile.name}` takes no `api_key`.")
        return CLIENT_KEY if secret == CLIENT_KEY_WORD else Credential(KeyMode.OWN, secret)
    if profile.auth == NO_AUTH or config.base_url is not None:
        return NO_KEY
    usual = _usual_key(profile, environ)
    if usual is not None:
        return Credential(KeyMode.OWN, usual)
    if profile.self_hosted:
        return NO_KEY
    variables = " or ".join(f"`{variable}`" for variable in profile.key_variables)
    raise ValueError(f"it has no key: give `api_key`, or set {variables}.")


def _key_header(profile: Profile) -> str:
    return "authorization" if profile.auth == BEARER else profile.auth


def _auth_line(profile: Profile, key: str) -> bytes:
    scheme = "Bearer " if profile.auth == BEARER else ""
    return f"{_key_header(profile)}: {scheme}{key}\r\n".encode("ascii")


def _request_line(address: Address, path: str) -> bytes:
    return f"POST {address.prefix}{path} HTTP/1.1\r\n".encode("ascii")


def _static_headers(profile: Profile, address: Address, credential: Credential, config: ProviderConfig) -> bytes:
    """Every line but the length. A header of the configuration replaces ours of the same name."""
    lines = {
        "host": address.host_header,
        "user-agent": f"pointsman/{__version__}",
        "accept": "*/*",
        "accept-encoding": "identity",  # bytes pass through: they must be readable on the way
        "content-type": "application/json",
    }
    key_header = None if credential.mode is KeyMode.NONE else _key_header(profile)
    for given, hidden in config.headers.items():
        header, value = given.lower(), hidden.get_secret_value()
        if header in _RESERVED_HEADERS:
            raise ValueError(f"`headers.{given}` belongs to the connection and cannot be set.")
        if not _HEADER_VALUE.fullmatch(value):
            raise ValueError(f"`headers.{given}` holds line breaks or non-ASCII characters.")
        if header == key_header:
            raise ValueError(f"`headers.{given}` and `api_key` both set the same header: keep one.")
        lines[header] = value
    auth = b"" if credential.secret is None else _auth_line(profile, credential.secret)
    return "".join(f"{header}: {value}\r\n" for header, value in lines.items()).encode("ascii") + auth
