"""A configured provider: who, where and with which key. Everything a request repeats is built once, here.

Live state (in flight, health, a locked-out key) belongs to the fleet. Addresses come from the configuration only: no
part of one is ever taken from a client.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from proxy import __version__
from proxy.errors import Unauthenticated
from proxy.providers.address import NOTHING, parse_address
from proxy.providers.authorizing import Authorizer, authorizer, aws_region
from proxy.providers.credential import Credential, KeyMode, is_key
from proxy.providers.entry import address_of, credential_of, profile_of
from proxy.providers.paths import MODEL, filled, templates_of
from proxy.providers.profile import BEARER, Cloud, Profile
from proxy.providers.table import GENERIC

if TYPE_CHECKING:
    from proxy.config import ProviderConfig
    from proxy.dialects.names import DialectName
    from proxy.dialects.request import Operation
    from proxy.providers.address import Address
    from proxy.providers.cell import Cell

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
    speaks: frozenset[DialectName] = frozenset()
    """Who speaks one of these is not translated; for all others see `profile.dialect`."""
    _static: bytes = field(default=b"", repr=False)
    """Header lines of every request. Holds the key."""
    _heads: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """Path -> request line and static headers. Holds the key."""
    _templates: Mapping[tuple[DialectName, Operation, bool], str] = field(default_factory=dict, repr=False)
    """Dialect, operation and whether it streams -> path; `{model}` is filled in for each request."""
    _authorizer: Authorizer | None = field(default=None, repr=False)
    """`None`: every request carries the same key, or none."""

    @property
    def otel_name(self) -> str:
        """`gen_ai.provider.name`; a provider only known by its address is called as configured."""
        return self.name if self.profile.name == GENERIC else self.profile.otel_name

    @property
    def cell(self) -> Cell[Any, Any] | None:
        """Where its credential is replaced before it expires; `None`: it does not expire."""
        return None if self._authorizer is None else self._authorizer.cell

    @classmethod
    def from_config(
        cls,
        name: str,
        config: ProviderConfig,
        environ: Mapping[str, str],
        wall_clock: Callable[[], float] = time.time,
    ) -> Provider:
        """Build the provider `providers.<name>` describes. Raises `ValueError` with the path and the way out.

        `environ` fills in what the entry leaves to custom: a row's usual key and address. A usual key is only ever
        sent to a usual address. `wall_clock` (Unix time) dates signatures and tokens.
        """
        try:
            profile = profile_of(name, config)
            base_url = address_of(profile, config, environ)
            address = parse_address(base_url)
            credential = credential_of(profile, config, environ)
            static = _static_headers(profile, address, credential, config)
            proof = None
            if credential.source is not None:
                region = aws_region(config.region, address, environ) if profile.cloud is Cloud.AWS else ""
                proof = authorizer(credential.source, profile, address, region, wall_clock)
        except ValueError as error:
            raise ValueError(f"`providers.{name}`: {error}") from None
        templates = templates_of(profile, address.prefix)
        allowed = profile.client_headers | profile.default_headers.keys()
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
            allowed_client_headers=frozenset(allowed - {header.lower() for header in config.headers}),
            _static=static,
            _heads={path: _request_line(path) + static for path in templates.values() if MODEL not in path},
            _templates=templates,
            speaks=frozenset(dialect for dialect, _, _ in templates),
            _authorizer=proof,
        )

    def offers(self, dialect: DialectName, operation: Operation) -> bool:
        """Whether there is a path for it."""
        return (dialect, operation, False) in self._templates

    def path(self, dialect: DialectName, operation: Operation, model: str, *, stream: bool) -> str:
        """From the host on, with its query. Raises `UpstreamModelMissing` for a model no path can name."""
        template = self._templates[dialect, operation, stream]
        return filled(template, model) if MODEL in template else template

    def request_head(
        self,
        path: str,
        body: bytes,
        client_key: str | None = None,
        client_headers: Mapping[str, str] = NOTHING,
        tier: str = "default",
    ) -> bytes:
        """The head of a POST of `body`, JSON, to `path`, the blank line included.

        Of `client_headers` (lower-case names) only the allowed go out. `tier` is the deployment's.

        `client_key` is used by a provider with `api_key: client` and by no other. Raises `Unauthenticated` when such a
        provider gets none, or one that no header can carry; `CredentialPending` while the operator's own is awaited.
        """
        head = self._heads.get(path) or _request_line(path) + self._static
        if self.credential.mode is KeyMode.CLIENT:
            head += self._client_auth(client_key)
        if self._authorizer is not None:
            head += self._authorizer.lines(path, body)
        if self.allowed_client_headers and (client_headers or self.profile.default_headers):
            head += self._passed(client_headers)
        if tier in self.profile.tier_headers:
            head += f"{self.profile.tier_headers[tier]}\r\n".encode("ascii")
        return b"%bcontent-length: %d\r\n\r\n" % (head, len(body))

    def credential_refused(self) -> None:
        """The provider refused the credential: if it is one that expires, have another fetched. Returns at once."""
        if (cell := self.cell) is not None:
            cell.refresh_soon()

    def _client_auth(self, client_key: str | None) -> bytes:
        if not client_key or not is_key(client_key):
            raise Unauthenticated(f"Provider `{self.name}` is called with the client's own key: send one.")
        return _auth_line(self.profile, client_key)

    def _passed(self, client_headers: Mapping[str, str]) -> bytes:
        defaults = self.profile.default_headers
        lines = []
        for name in sorted(self.allowed_client_headers):
            value = client_headers.get(name)
            if not value or not _HEADER_VALUE.fullmatch(value):
                value = defaults.get(name)
            if value:
                lines.append(f"{name}: {value}\r\n")
        return "".join(lines).encode("ascii")


def _key_header(profile: Profile) -> str:
    return "authorization" if profile.auth == BEARER else profile.auth


def _auth_line(profile: Profile, key: str) -> bytes:
    scheme = "Bearer " if profile.auth == BEARER else ""
    return f"{_key_header(profile)}: {scheme}{key}\r\n".encode("ascii")


def _request_line(path: str) -> bytes:
    return f"POST {path} HTTP/1.1\r\n".encode("ascii")


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
    if credential.source is not None:
        key_header = "authorization"
    for given, hidden in config.headers.items():
        header, value = given.lower(), hidden.get_secret_value()
        if header in _RESERVED_HEADERS:
            raise ValueError(f"`headers.{given}` belongs to the connection and cannot be set.")
        if not _HEADER_VALUE.fullmatch(value):
            raise ValueError(f"`headers.{given}` holds line breaks or non-ASCII characters.")
        if header == key_header:
            raise ValueError(f"`headers.{given}` and `api_key` or `credentials` both set the same header: keep one.")
        lines[header] = value
    auth = b"" if credential.secret is None else _auth_line(profile, credential.secret)
    return "".join(f"{header}: {value}\r\n" for header, value in lines.items()).encode("ascii") + auth
