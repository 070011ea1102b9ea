"""Header lines that prove who calls, where they are not the same for every request.

A bearer token that expires is one line, made once for each token. An AWS signature is made for every request.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Protocol

from proxy.providers.cell import Cell
from proxy.providers.credential import is_token
from proxy.providers.sigv4 import Signer
from proxy.providers.sources import AwsChain, AwsKeys

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from proxy.providers.address import Address
    from proxy.providers.profile import Profile
    from proxy.providers.sources import RefreshedSource

_REGION_IN_HOST = re.compile(r"\.([a-z]{2}(?:-[a-z]+){1,3}-\d{1,2})\.")
"""`us-east-1`, `us-gov-west-1`: the label of AWS host names that tells the region."""


class Authorizer(Protocol):
    """Adds what a request needs to be believed."""

    cell: Cell[Any, Any] | None
    """Where the credential is replaced; `None`: it never is."""

    def lines(self, path: str, body: bytes) -> bytes:
        """Header lines for a POST of `body` to `path`. Raises `CredentialPending` while there is no credential."""


class Bearer:
    """`Authorization: Bearer`, by a token that expires."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.cell: Cell[str, bytes] | None = Cell(_bearer_line, clock)
        self._take = self.cell.take

    def lines(self, path: str, body: bytes) -> bytes:  # noqa: ARG002 - it proves nothing but the caller
        """The same line for every request."""
        return self._take()


class Signature:
    """AWS Signature Version 4, by a key of the configuration or by keys that expire."""

    def __init__(
        self, source: AwsKeys | AwsChain, host: str, region: str, service: str, clock: Callable[[], float]
    ) -> None:
        """`host` is the request's `Host` header. Raises `ValueError` for a key that no header can carry."""

        def signer(keys: AwsKeys) -> Signer:
            if not all(is_token(part) for part in (keys.access_key, keys.secret_key, keys.session_token or "-")):
                raise ValueError("the AWS key holds spaces, line breaks or non-ASCII characters")
            return Signer(keys.access_key, keys.secret_key, keys.session_token, region, service)

        self.cell: Cell[AwsKeys, Signer] | None = None
        self._clock = clock
        self._host = host
        if isinstance(source, AwsKeys):
            fixed = signer(source)
            self._take: Callable[[], Signer] = lambda: fixed
        else:
            self.cell = Cell(signer, clock)
            self._take = self.cell.take

    def lines(self, path: str, body: bytes) -> bytes:
        """The signature of this request, and what it was made of."""
        return self._take().headers("POST", self._host, path, body, self._clock())


def authorizer(
    source: AwsKeys | RefreshedSource, profile: Profile, address: Address, region: str, clock: Callable[[], float]
) -> Authorizer:
    """What proves the gateway to a provider of `profile` with credentials from `source`. Raises `ValueError`."""
    if isinstance(source, AwsKeys | AwsChain):
        return Signature(source, address.host_header, region, profile.scope, clock)
    return Bearer(clock)


def aws_region(given: str | None, address: Address, environ: Mapping[str, str]) -> str:
    """The region a signature names: the one given, that of the host name, the environment's.

    Raises `ValueError` when nothing tells it.
    """
    if given is not None:
        return given
    if (match := _REGION_IN_HOST.search(f".{address.host}.")) is not None:
        return match[1]
    region = environ.get("AWS_REGION", "").strip() or environ.get("AWS_DEFAULT_REGION", "").strip()
    if not region:
        raise ValueError("its region is not known: give `region`, or set `AWS_REGION`.")
    return region


def _bearer_line(token: str) -> bytes:
    if not is_token(token):
        raise ValueError("the token is empty or holds spaces, line breaks or non-ASCII characters")
    return f"authorization: Bearer {token}\r\n".encode("ascii")
