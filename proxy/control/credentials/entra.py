"""Microsoft Entra's access tokens: for a registered application, or for the machine's own identity.

Sources: Microsoft, "OAuth 2.0 client credentials flow" (a secret, or another authority's token as the assertion), "How
to use managed identities on a VM to acquire an access token", "How to use managed identities for App Service".
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from proxy.control.credentials.fetching import FetchFailed, read_token

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.control.credentials.fetching import Endpoints, Issued
    from proxy.providers.sources import EntraApplication, EntraManagedIdentity

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
MACHINE_VERSION = "2018-02-01"
"""`api-version` of a machine's endpoint."""
APP_VERSION = "2019-08-01"
"""`api-version` of App Service's and Container Apps'."""
MAX_TOKEN_BYTES = 64 * 1024


async def for_application(source: EntraApplication, endpoints: Endpoints, clock: Callable[[], float]) -> Issued:
    """A token for an application. Its proof in a file is read anew each time: it is rotated. Raises `FetchFailed`."""
    url = f"{source.authority}/{source.tenant_id}/oauth2/v2.0/token"
    form = {"grant_type": "client_credentials", "client_id": source.client_id, "scope": source.scope}
    if source.client_secret is not None:
        form["client_secret"] = source.client_secret
    else:
        form["client_assertion_type"] = ASSERTION_TYPE
        form["client_assertion"] = await asyncio.to_thread(_proof, source.token_file or "")
    return read_token(await endpoints.post(url, form), url, clock)


async def for_machine(source: EntraManagedIdentity, endpoints: Endpoints, clock: Callable[[], float]) -> Issued:
    """A token for a managed identity. Raises `FetchFailed`."""
    params = {"resource": source.scope.removesuffix("/.default")}
    if source.client_id is not None:
        params["client_id"] = source.client_id
    if source.secret_header is not None:
        params["api-version"] = APP_VERSION
        headers = {"X-IDENTITY-HEADER": source.secret_header}
    else:
        params["api-version"] = MACHINE_VERSION
        headers = {"Metadata": "true"}
    return read_token(await endpoints.get(source.endpoint, headers, params), source.endpoint, clock)


def _proof(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            text = file.read(MAX_TOKEN_BYTES).decode("ascii").strip()
    except (OSError, ValueError) as error:
        raise FetchFailed(f"`{path}` cannot be read: {getattr(error, 'strerror', None) or 'no token'}") from error
    if not text:
        raise FetchFailed(f"`{path}` is empty")
    return text
