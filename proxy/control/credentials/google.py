"""Google's access tokens: for a service account, a user's refresh token, or the machine's own account.

Sources: Google Identity, "Using OAuth 2.0 for server to server applications" (the signed assertion) and "Using OAuth
2.0 for web server applications" (refreshing); Google Cloud, "Authenticate workloads using service accounts".
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import orjson

from proxy.control.credentials.fetching import FetchFailed, read_token
from proxy.dialects.reading import as_dict, as_text
from proxy.providers.address import is_loopback

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.control.credentials.fetching import Endpoints, Issued
    from proxy.providers.sources import GoogleFile, GoogleMetadata

TOKEN_ADDRESS = "https://oauth2.googleapis.com/token"  # noqa: S105 - where tokens are asked for
METADATA_PATH = "/computeMetadata/v1/instance/service-accounts/default/token"
METADATA_HEADERS = {"Metadata-Flavor": "Google"}
ASSERTION_S = 3600
"""Of the signed assertion: the most that is accepted."""
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
MAX_FILE_BYTES = 64 * 1024


async def from_file(source: GoogleFile, endpoints: Endpoints, clock: Callable[[], float]) -> Issued:
    """A token for the account of a key file, read anew each time: keys are rotated. Raises `FetchFailed`."""
    key = await asyncio.to_thread(_read, source.path)
    url = as_text(key.get("token_uri")) or TOKEN_ADDRESS
    _check_address(url, source.path)
    kind = key.get("type")
    if kind == "service_account":
        assertion = await asyncio.to_thread(_assertion, key, source, url, clock())
        form = {"grant_type": JWT_BEARER, "assertion": assertion}
    elif kind == "authorized_user":
        names = ("client_id", "client_secret", "refresh_token")
        form = {"grant_type": "refresh_token", **{name: _field(key, name, source.path) for name in names}}
    else:
        raise FetchFailed(f"`{source.path}` is of type `{kind}`; `service_account` and `authorized_user` are known")
    return read_token(await endpoints.post(url, form), url, clock)


async def from_metadata(source: GoogleMetadata, endpoints: Endpoints, clock: Callable[[], float]) -> Issued:
    """A token for the account of the machine or pod. Raises `FetchFailed`."""
    url = source.address + METADATA_PATH
    return read_token(await endpoints.get(url, METADATA_HEADERS, {"scopes": source.scope}), url, clock)


def _read(path: str) -> dict[str, Any]:
    try:
        with Path(path).open("rb") as file:
            key = orjson.loads(file.read(MAX_FILE_BYTES))
    except OSError as error:
        raise FetchFailed(f"`{path}` cannot be read: {error.strerror}") from error
    except orjson.JSONDecodeError:
        raise FetchFailed(f"`{path}` is no key file: not JSON") from None
    return as_dict(key)


def _check_address(url: str, path: str) -> None:
    """What is sent there is a proof of identity: never in clear over a network."""
    parts = urlsplit(url)
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        raise FetchFailed(f"`{path}`: its `token_uri` must begin with `https://`")


def _assertion(key: dict[str, Any], source: GoogleFile, audience: str, now_s: float) -> str:
    import jwt  # noqa: PLC0415 - with its cryptography tens of milliseconds that few starts need

    claims = {
        "iss": _field(key, "client_email", source.path),
        "scope": source.scope,
        "aud": audience,
        "iat": int(now_s),
        "exp": int(now_s) + ASSERTION_S,
    }
    headers = {"kid": identity} if (identity := as_text(key.get("private_key_id"))) else None
    try:
        return jwt.encode(claims, _field(key, "private_key", source.path), algorithm="RS256", headers=headers)
    except (ValueError, TypeError, jwt.PyJWTError):
        raise FetchFailed(f"`{source.path}`: its `private_key` cannot be used") from None


def _field(key: dict[str, Any], name: str, path: str) -> str:
    value = as_text(key.get(name))
    if not value:
        raise FetchFailed(f"`{path}` lacks `{name}`")
    return value
