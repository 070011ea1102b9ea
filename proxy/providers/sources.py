"""Where credentials that expire come from, as data: read from the configuration, or from the environment.

Two sources that are equal give the same credential, which is then fetched once. Secrets never show in `repr`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from proxy.config_credentials import AwsCredentials, EntraCredentials, GoogleCredentials

GOOGLE_METADATA = "http://metadata.google.internal"
"""Source: Google Cloud, "About VM metadata"; `GCE_METADATA_HOST` replaces it, as in Google's own libraries."""
GOOGLE_FILE_VARIABLE = "GOOGLE_APPLICATION_CREDENTIALS"
ENTRA_AUTHORITY = "https://login.microsoftonline.com"
AZURE_IMDS = "http://169.254.169.254/metadata/identity/oauth2/token"
"""Source: Microsoft, "How to use managed identities on a VM to acquire an access token"."""


@dataclass(frozen=True, slots=True)
class AwsKeys:
    """An access key; with a session token it expires."""

    access_key: str
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class AwsChain:
    """The AWS SDKs' own chain: shared files and profiles, web identity, containers, the instance (IMDSv2)."""

    profile: str | None = None


@dataclass(frozen=True, slots=True)
class GoogleFile:
    """A key file: of a service account, or of a user who logged in with `gcloud auth application-default login`."""

    path: str
    scope: str


@dataclass(frozen=True, slots=True)
class GoogleMetadata:
    """The service account of the machine or pod, told by the metadata server."""

    address: str
    scope: str


@dataclass(frozen=True, slots=True)
class EntraApplication:
    """A registered application, which proves itself with a secret or with a token that a file holds."""

    authority: str
    tenant_id: str
    client_id: str
    scope: str
    client_secret: str | None = field(default=None, repr=False)
    token_file: str | None = None


@dataclass(frozen=True, slots=True)
class EntraManagedIdentity:
    """The identity of the machine, app or container, told by its own token endpoint."""

    endpoint: str
    scope: str
    client_id: str | None = None
    """Which of several identities."""
    secret_header: str | None = field(default=None, repr=False)
    """App Service's and Container Apps' proof that the caller is inside; `None` at a machine's."""


RefreshedSource = AwsChain | GoogleFile | GoogleMetadata | EntraApplication | EntraManagedIdentity


def google_source(given: GoogleCredentials | None, environ: Mapping[str, str], scope: str) -> RefreshedSource:
    """As Google's libraries look: the file named, the file `gcloud` leaves in the home, the metadata server.

    Whether a file that is named is there is found out when it is read. Source: Google Cloud, "How Application Default
    Credentials works".
    """
    metadata = GoogleMetadata(_metadata_address(environ), scope)
    if given is not None and given.metadata:
        return metadata
    path = given.file if given is not None else None
    path = path or environ.get(GOOGLE_FILE_VARIABLE, "").strip() or _left_by_gcloud(environ)
    return GoogleFile(path, scope) if path else metadata


def _left_by_gcloud(environ: Mapping[str, str]) -> str | None:
    """The file of `gcloud auth application-default login`; `None` when nobody has logged in."""
    folder, home = environ.get("CLOUDSDK_CONFIG"), environ.get("HOME")
    if not folder and not home:
        return None
    path = (
        Path(folder) if folder else Path(home or "") / ".config" / "gcloud"
    ) / "application_default_credentials.json"
    return str(path) if path.is_file() else None


def _metadata_address(environ: Mapping[str, str]) -> str:
    host = environ.get("GCE_METADATA_HOST", "").strip()
    return f"http://{host}" if host else GOOGLE_METADATA


def entra_source(given: EntraCredentials | None, environ: Mapping[str, str], scope: str) -> RefreshedSource:
    """An application with a secret, one with a federated token (a pod's workload identity), or a managed identity.

    Raises `ValueError` when an application is named in part. Source: Microsoft, "EnvironmentCredential" and
    "WorkloadIdentityCredential" of the Azure Identity library (names of variables).
    """
    if given is not None and given.managed_identity:
        named = given.managed_identity if isinstance(given.managed_identity, str) else None
        return _managed(environ, scope, named)
    secret = given.client_secret.get_secret_value() if given is not None and given.client_secret is not None else None
    file = given.federated_token_file if given is not None else None
    if secret is None and file is None:
        secret = environ.get("AZURE_CLIENT_SECRET") or None
        file = None if secret else environ.get("AZURE_FEDERATED_TOKEN_FILE") or None
    tenant = (given.tenant_id if given is not None else None) or environ.get("AZURE_TENANT_ID", "")
    client = (given.client_id if given is not None else None) or environ.get("AZURE_CLIENT_ID", "")
    if secret is None and file is None:
        if given is not None and (given.tenant_id or given.client_id):
            raise ValueError(
                "`credentials.entra` needs `client_secret` or `federated_token_file` beside `client_id`; for a managed "
                "identity write `managed_identity: true`, or its client id there."
            )
        return _managed(environ, scope, client or None)
    if not tenant or not client:
        raise ValueError("`credentials.entra` needs `tenant_id` and `client_id`.")
    authority = (given.authority if given is not None else None) or environ.get("AZURE_AUTHORITY_HOST", "")
    return EntraApplication(authority.rstrip("/") or ENTRA_AUTHORITY, tenant, client, scope, secret, file)


def _managed(environ: Mapping[str, str], scope: str, client_id: str | None) -> EntraManagedIdentity:
    endpoint, header = environ.get("IDENTITY_ENDPOINT"), environ.get("IDENTITY_HEADER")
    if endpoint and header:
        return EntraManagedIdentity(endpoint, scope, client_id, header)
    return EntraManagedIdentity(AZURE_IMDS, scope, client_id)


def aws_source(given: AwsCredentials | None, environ: Mapping[str, str]) -> AwsKeys | AwsChain:
    """Keys of the configuration, those of the environment, or whatever the SDKs' own chain finds."""
    if given is not None and given.access_key_id is not None and given.secret_access_key is not None:
        token = given.session_token.get_secret_value() if given.session_token is not None else None
        return AwsKeys(given.access_key_id, given.secret_access_key.get_secret_value(), token)
    if given is not None and given.profile:
        return AwsChain(given.profile)
    access, secret = (environ.get(name, "").strip() for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))
    if access and secret:
        return AwsKeys(access, secret, environ.get("AWS_SESSION_TOKEN", "").strip() or None)
    return AwsChain(environ.get("AWS_PROFILE", "").strip() or None)
