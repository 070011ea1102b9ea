"""The part of the configuration that says who the gateway is to a cloud. Its secrets never show in `repr`."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, model_validator

Label = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}[A-Za-z0-9])?$")]
"""One DNS label: as a part of an address it cannot lead to another host."""
PlainName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
AUTHORITY = r"^(?:https://[^\s?#@]+|http://(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?(?:/[^\s?#@]*)?)$"
"""A secret is sent there: never in clear, but on this machine."""


class Section(BaseModel):
    """A part of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class GoogleCredentials(Section):
    """Whose access token is sent to Google Cloud. Empty: as Google's own libraries look for it."""

    file: Text | None = Field(
        None, description="Path of a key file: a service account's, or the one `gcloud auth application-default` left."
    )
    metadata: bool = Field(default=False, description="The account of the machine or pod, by its metadata server.")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.file is not None and self.metadata:
            message = "`file` and `metadata` are two ways: keep one"
            raise ValueError(message)
        return self


class EntraCredentials(Section):
    """Whose Microsoft Entra token is sent to Azure. Empty: `AZURE_*` variables, else the machine's own identity."""

    tenant_id: PlainName | None = Field(None, description="The directory; default: `AZURE_TENANT_ID`.")
    client_id: PlainName | None = Field(None, description="The registered application; default: `AZURE_CLIENT_ID`.")
    client_secret: SecretStr | None = Field(None, description="Its secret; default: `AZURE_CLIENT_SECRET`.")
    federated_token_file: Text | None = Field(
        None, description="Path of a token that stands for the secret, as pods get it (workload identity)."
    )
    managed_identity: bool | PlainName = Field(
        default=False, description="The identity of the machine or app: `true`, or the client id of one of several."
    )
    authority: Annotated[str, StringConstraints(pattern=AUTHORITY)] | None = Field(
        None, description="Who issues tokens; default: `AZURE_AUTHORITY_HOST` or the public cloud's."
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = [name for name in ("client_secret", "federated_token_file", "managed_identity") if getattr(self, name)]
        if len(ways) > 1:
            message = f"`{ways[0]}` and `{ways[1]}` are two ways: keep one"
            raise ValueError(message)
        if self.managed_identity and (self.client_id or self.tenant_id):
            message = "a managed identity has no `tenant_id` or `client_id` here: write its client id as its value"
            raise ValueError(message)
        return self


class AwsCredentials(Section):
    """Whose signature AWS gets. Empty: keys of the environment, else the AWS SDKs' own chain."""

    access_key_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{4,128}$")] | None = Field(
        None, description="Of an access key."
    )
    secret_access_key: SecretStr | None = Field(None, description="The secret of the same key.")
    session_token: SecretStr | None = Field(None, description="Of temporary keys; they are not renewed.")
    profile: Text | None = Field(
        None, description="A profile of the shared AWS files, with all they know: roles, web identity, SSO."
    )

    @model_validator(mode="after")
    def _whole_key(self) -> Self:
        if (self.access_key_id is None) != (self.secret_access_key is None):
            message = "`access_key_id` and `secret_access_key` go together"
            raise ValueError(message)
        if self.session_token is not None and self.access_key_id is None:
            message = "`session_token` needs `access_key_id` and `secret_access_key`"
            raise ValueError(message)
        if self.profile is not None and self.access_key_id is not None:
            message = "`profile` and `access_key_id` are two ways: keep one"
            raise ValueError(message)
        return self


class CredentialsConfig(Section):
    """Credentials of a cloud, in place of `api_key`. Those that expire are renewed ahead of time."""

    google: GoogleCredentials | None = Field(None, description="A Google Cloud access token.")
    entra: EntraCredentials | None = Field(None, description="A Microsoft Entra token.")
    aws: AwsCredentials | None = Field(None, description="An AWS signature (Version 4).")

    @model_validator(mode="after")
    def _just_one(self) -> Self:
        given = [name for name in ("google", "entra", "aws") if getattr(self, name) is not None]
        if len(given) != 1:
            message = "needs exactly one of `google`, `entra` and `aws`"
            raise ValueError(message)
        return self
