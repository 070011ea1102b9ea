"""The providers a machine is already set up for, by the variables their own tools read."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from pydantic import SecretStr

from proxy.config import ProviderConfig
from proxy.config_credentials import AwsCredentials, CredentialsConfig, EntraCredentials, GoogleCredentials
from proxy.providers.address import environment_address, usual_address
from proxy.providers.profile import Cloud
from proxy.providers.table import ROWS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from proxy.providers.profile import Profile

EVIDENCE: Mapping[Cloud, tuple[tuple[str, ...], ...]] = MappingProxyType({
    Cloud.GOOGLE: (("GOOGLE_APPLICATION_CREDENTIALS",),),
    Cloud.ENTRA: (
        ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"),
        ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_FEDERATED_TOKEN_FILE"),
    ),
    Cloud.AWS: (
        ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
        ("AWS_PROFILE",),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"),
        ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI",),
    ),
})  # fmt: skip
"""Variables that, set together, say that a cloud's credentials are meant to be used here."""

_FROM_ENVIRONMENT: Mapping[Cloud, CredentialsConfig] = MappingProxyType({
    Cloud.GOOGLE: CredentialsConfig(google=GoogleCredentials()),
    Cloud.ENTRA: CredentialsConfig(entra=EntraCredentials()),
    Cloud.AWS: CredentialsConfig(aws=AwsCredentials()),
})  # fmt: skip


def from_environment(environ: Mapping[str, str]) -> list[tuple[str, ProviderConfig]]:
    """The providers a machine is already set up for, in the table's order.

    A hosted row needs one of its usual key variables or its cloud's credentials, and an address that is whole (Azure: a
    resource; Bedrock: a region; Vertex: a project and a location). A self-hosted row needs its address variable.
    Raises `ValueError` when a variable holds no usable value.
    """
    found: list[tuple[str, ProviderConfig]] = []
    for row in ROWS:
        if row.by_name_only:
            continue
        key = usual_key(row, environ)
        credentials = None if key else _credentials(row, environ)
        if row.self_hosted:
            base_url = environment_address(row, environ)
        else:
            base_url = usual_address(row, environ) if key or credentials else None
        if base_url is not None:
            secret = SecretStr(key) if key else None
            found.append((row.name, ProviderConfig(api_key=secret, credentials=credentials, base_url=base_url)))
    return found


def usual_key(row: Profile, environ: Mapping[str, str]) -> str | None:
    """The key in the first of the row's variables that is set."""
    return next((key for variable in row.key_variables if (key := environ.get(variable, "").strip())), None)


def has_evidence(cloud: Cloud, environ: Mapping[str, str]) -> bool:
    """Whether the environment says that credentials of `cloud` are to be used."""
    return any(all(environ.get(name, "").strip() for name in names) for names in EVIDENCE[cloud])


def _credentials(row: Profile, environ: Mapping[str, str]) -> CredentialsConfig | None:
    if row.cloud is None or not has_evidence(row.cloud, environ):
        return None
    return _FROM_ENVIRONMENT[row.cloud]
