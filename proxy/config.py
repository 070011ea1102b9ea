"""The configuration file as a tree of frozen models. Units are in the names; unknown fields are refused.

Secrets enter only by reference: `${NAME}` is an environment variable, `${file:/path}` the stripped content of a file.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, field_validator, model_validator

CLIENT_KEY = "client"
"""As `api_key`: the client's own key is passed through."""

LISTEN = r"^(\[[0-9a-fA-F:]+\]|[^\s:\[\]]+):\d{1,5}$"
MAX_PORT = 65_535

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
ModelName = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]


class Section(BaseModel):
    """A part of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class KeyConfig(Section):
    """A client's key. `key` may also be `sha256:<hex>`, so that the file never holds it in clear."""

    name: Name
    key: SecretStr
    rpm: Annotated[int, Field(gt=0)] | None = Field(None, description="Requests a minute; no limit when absent.")


class AuthConfig(Section):
    """Who may call. `none` is allowed on loopback only, unless `allow_open` says otherwise."""

    mode: Literal["keys", "none"] = "none"
    keys: tuple[KeyConfig, ...] = ()
    allow_open: bool = Field(default=False, description="Listen beyond loopback without keys.")

    @model_validator(mode="before")
    @classmethod
    def _keys_imply_mode(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("keys") and "mode" not in data:
            return {**data, "mode": "keys"}
        return data

    @model_validator(mode="after")
    def _keys_fit_mode(self) -> Self:
        if self.mode == "keys" and not self.keys:
            message = "mode `keys` needs at least one entry in `keys`"
            raise ValueError(message)
        if self.mode == "none" and self.keys:
            message = "mode `none` ignores `keys`: remove one of them"
            raise ValueError(message)
        return self


class PriceConfig(Section):
    """USD per million tokens."""

    input_usd_per_mtok: Annotated[float, Field(ge=0)]
    output_usd_per_mtok: Annotated[float, Field(ge=0)]
    cache_read_usd_per_mtok: Annotated[float, Field(ge=0)] | None = None
    cache_write_usd_per_mtok: Annotated[float, Field(ge=0)] | None = None


class ProviderConfig(Section):
    """A row of the provider table by its name, or one of your own with `base_url`."""

    api_key: SecretStr | None = Field(None, description="A reference such as ${OPENAI_API_KEY}, or `client`.")
    base_url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s?#@]+$")] | None = None
    profile: Name | None = Field(None, description="The table row whose quirks apply, e.g. `vllm`.")
    dialect: Literal["openai_chat"] | None = None
    headers: dict[Name, SecretStr] = Field(default_factory=dict, description="Sent with every request.")
    models: tuple[ModelName, ...] = Field((), description="Routable models beside those of the catalogue.")
    max_connections: Annotated[int, Field(gt=0, le=10_000)] = 512


class DeploymentConfig(Section):
    """One provider's offer of one model."""

    provider: Name
    model: ModelName | None = Field(None, description="The provider's own name of it; default: the route's name.")
    weight: Annotated[float, Field(gt=0)] = 1.0
    priority: Annotated[int, Field(ge=0)] | None = Field(
        None, description="0 is asked first, by policies that go by it. Default: the place in the list."
    )
    tier: Literal["default", "flex"] = "default"
    price: PriceConfig | None = None
    context_window: Annotated[int, Field(gt=0)] | None = None
    max_output_tokens: Annotated[int, Field(gt=0)] | None = None


class TimeoutsConfig(Section):
    """All bounded. `first_token_s` is for streams, `answer_s` for whole answers."""

    connect_s: Seconds = 5.0
    first_token_s: Seconds = 60.0
    answer_s: Seconds = 300.0
    idle_s: Seconds = 60.0
    total_s: Seconds = 1800.0


class RetriesConfig(Section):
    """How often, and how patiently, another try is made before the first content."""

    max: Annotated[int, Field(ge=0, le=10)] = 2
    backoff_s: Annotated[float, Field(ge=0, le=10)] = Field(0.05, description="First step; doubles, full jitter.")
    retry_after_max_s: Annotated[float, Field(ge=0, le=60)] = Field(
        3.0, description="A `Retry-After` up to this is waited out; a longer one fails over at once."
    )


class PolicyConfig(Section):
    """A policy's name and its options."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str

    def options(self) -> dict[str, Any]:
        """Everything beside the name."""
        return dict(self.__pydantic_extra__ or {})


class RouteConfig(Section):
    """A public model name. `*` stands for every other name, which is passed on as it is."""

    policy: PolicyConfig = PolicyConfig(name="failover")
    timeouts: TimeoutsConfig | None = None
    retries: RetriesConfig | None = None
    deployments: tuple[DeploymentConfig, ...]

    @field_validator("policy", mode="before", json_schema_input_type=str | PolicyConfig)
    @classmethod
    def _name_alone(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @field_validator("deployments")
    @classmethod
    def _not_empty(cls, value: tuple[DeploymentConfig, ...]) -> tuple[DeploymentConfig, ...]:
        if not value:
            message = "a route needs at least one deployment"
            raise ValueError(message)
        return value


class LimitsConfig(Section):
    """Bounds of the whole process."""

    max_body_bytes: Annotated[int, Field(gt=0)] = 32 * 1024 * 1024
    max_event_bytes: Annotated[int, Field(ge=1024)] = 16 * 1024 * 1024
    max_answer_bytes: Annotated[int, Field(ge=1024)] = 64 * 1024 * 1024
    header_s: Seconds = Field(15.0, description="For a client to send its request head.")
    body_idle_s: Seconds = Field(30.0, description="Between two pieces of a request body.")
    client_write_s: Seconds = Field(60.0, description="For a slow reader to take what is buffered.")
    max_inflight: Annotated[int, Field(gt=0)] = 2048
    max_inflight_flex: Annotated[int, Field(gt=0)] = 1024
    max_waiting: Annotated[int, Field(ge=0)] = 1024
    max_wait_s: Seconds = 5.0


class HealthConfig(Section):
    """When a deployment is set aside, and for how long."""

    failures: Annotated[int, Field(ge=1)] = Field(5, description="In a row, before the breaker opens.")
    open_s: Seconds = Field(10.0, description="First ejection; doubles each time.")
    open_max_s: Seconds = 300.0
    lockout_s: Seconds = Field(300.0, description="For a refused or penniless credential.")
    rate_limited_s: Seconds = Field(1.0, description="After a 429 that names no time.")
    retry_budget: Annotated[float, Field(ge=0, le=1)] = Field(
        0.2, description="Retries as a share of requests in flight."
    )
    retry_budget_min: Annotated[int, Field(ge=0)] = 3


class DrainConfig(Section):
    """SIGTERM: not ready at once, streams get time to finish."""

    delay_s: Annotated[float, Field(ge=0)] = Field(0.0, description="Still accepting after readiness is off.")
    timeout_s: Seconds = 300.0


class TelemetryConfig(Section):
    """Metrics and logs."""

    access_log: Literal["stdout", "none"] = "stdout"
    naming: Literal["native", "otel", "both"] = "both"
    max_series: Annotated[int, Field(ge=10)] = 2000


class OneInferConfig(Section):
    """The OneInfer surface."""

    token_secret: SecretStr | None = Field(None, description="Signs its tokens; random for each start when absent.")
    token_lifetime_s: Seconds = 86_400.0
    default_provider: Name = "openai"
    default_model: ModelName | None = None
    public_model_list: bool = Field(default=True, description="`GET /v1/developer/get-all-models` needs no key.")
    endpoints: dict[Name, ModelName] = Field(default_factory=dict, description="`endpoint_id` -> route name.")


class OxenConfig(Section):
    """The Oxen surface."""

    public_model_list: bool = False


class Config(Section):
    """The whole file."""

    listen: Annotated[str, StringConstraints(pattern=LISTEN)] = "127.0.0.1:8080"
    auth: AuthConfig = AuthConfig()
    providers: dict[Name, ProviderConfig] = Field(default_factory=dict)
    routes: dict[ModelName, RouteConfig] = Field(default_factory=dict)
    timeouts: TimeoutsConfig = TimeoutsConfig()
    retries: RetriesConfig = RetriesConfig()
    limits: LimitsConfig = LimitsConfig()
    health: HealthConfig = HealthConfig()
    drain: DrainConfig = DrainConfig()
    telemetry: TelemetryConfig = TelemetryConfig()
    oneinfer: OneInferConfig = OneInferConfig()
    oxen: OxenConfig = OxenConfig()
    catalogue: bool | None = Field(
        None, description="Route every catalogue model the providers serve. Default: only when `routes` is empty."
    )

    @field_validator("listen", mode="before")
    @classmethod
    def _host_and_port(cls, value: Any) -> Any:
        if isinstance(value, str) and not (re.match(LISTEN, value) and int(value.rpartition(":")[2]) <= MAX_PORT):
            message = "must be HOST:PORT, such as `127.0.0.1:8080` or `[::1]:8080`"
            raise ValueError(message)
        return value

    @property
    def host_port(self) -> tuple[str, int]:
        """`listen`, taken apart."""
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
