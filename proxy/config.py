"""The configuration file as a tree of frozen models. Units are in the names; unknown fields are refused.

Secrets enter only by reference: `${NAME}` is an environment variable, `${file:/path}` the stripped content of a file.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, SecretStr, StringConstraints, field_validator, model_validator

from proxy.config_credentials import CredentialsConfig, Label
from proxy.config_credentials import Section as Section  # noqa: PLC0414 - the base of other files' sections too
from proxy.need import Need  # noqa: TC001 - pydantic reads it at run time

CLIENT_KEY = "client"
"""As `api_key`: the client's own key is passed through."""

MAX_WORKERS = 256
LISTEN = r"^(\[[0-9a-fA-F:]+\]|[^\s:\[\]]+):\d{1,5}$"
MAX_PORT = 65_535

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
ModelName = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]


class KeyConfig(Section):
    """A client's key. `key` may also be `sha256:<hex>`, so that the file never holds it in clear."""

    name: Name = Field(description="Stands for the key in logs and metrics.")
    key: SecretStr = Field(description="What the client sends; or its digest, as `sha256:<hex>`.")
    rpm: Annotated[int, Field(gt=0)] | None = Field(None, description="Requests a minute; no limit when absent.")


class AuthConfig(Section):
    """Who may call. `none` is allowed on loopback only, unless `allow_open` says otherwise."""

    mode: Literal["keys", "none"] = Field("none", description="`keys` by itself when there are any.")
    keys: tuple[KeyConfig, ...] = Field((), description="The clients who may call.")
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

    input_usd_per_mtok: Annotated[float, Field(ge=0)] = Field(description="Of the prompt.")
    output_usd_per_mtok: Annotated[float, Field(ge=0)] = Field(description="Of the answer, reasoning included.")
    cache_read_usd_per_mtok: Annotated[float, Field(ge=0)] | None = Field(
        None, description="Of what the provider had cached; as input when absent."
    )
    cache_write_usd_per_mtok: Annotated[float, Field(ge=0)] | None = Field(
        None, description="Of what the provider caches; as input when absent."
    )
    cache_write_1h_usd_per_mtok: Annotated[float, Field(ge=0)] | None = Field(
        None, description="Of what it caches for an hour; as another cache write when absent."
    )
    input_audio_usd_per_mtok: Annotated[float, Field(ge=0)] | None = Field(
        None, description="Of sound in the prompt; as input when absent."
    )
    output_audio_usd_per_mtok: Annotated[float, Field(ge=0)] | None = Field(
        None, description="Of sound in the answer; as output when absent."
    )


Dialect = Literal[
    "openai_chat", "openai_responses", "anthropic_messages", "gemini", "bedrock_converse", "cohere", "ollama", "mistral"
]
"""What a provider may speak: the values of `DialectName`."""


class ProviderConfig(Section):
    """A row of the provider table by its name, or one of your own with `base_url`."""

    api_key: SecretStr | None = Field(None, description="A reference such as ${OPENAI_API_KEY}, or `client`.")
    credentials: CredentialsConfig | None = Field(
        None, description="Of a cloud, in place of `api_key`: `google`, `entra` or `aws`."
    )
    base_url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s?#@]+$")] | None = Field(
        None, description="What an operation's path is appended to, `http` or `https`; default: the row's own."
    )
    region: Label | None = Field(None, description="Of AWS, e.g. `us-east-1`; default: `AWS_REGION`.")
    project: Label | None = Field(None, description="Of Google Cloud; default: `GOOGLE_CLOUD_PROJECT`.")
    location: Label | None = Field(
        None, description="Of Google Cloud, e.g. `global` or `europe-west1`; default: `GOOGLE_CLOUD_LOCATION`."
    )
    resource: Label | None = Field(None, description="Of Azure, the first part of its host name.")
    api_version: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.-]{1,32}$")] | None = Field(
        None, description="Of Azure's API with deployments in the path; without it the `v1` API is used."
    )
    profile: Name | None = Field(None, description="The table row whose quirks apply, e.g. `vllm`.")
    dialect: Dialect | None = Field(
        None, description="What the provider speaks, and it alone; default: as its row says."
    )
    headers: dict[Name, SecretStr] = Field(default_factory=dict, description="Sent with every request.")
    models: tuple[ModelName, ...] = Field((), description="Routable models beside those of the catalogue.")
    max_connections: Annotated[int, Field(gt=0, le=10_000)] = Field(
        512, description="To the provider's address at a time, each with one request."
    )

    @field_validator("api_version", mode="before")
    @classmethod
    def _date_as_written(cls, value: Any) -> Any:
        # a version without quotes is a date to YAML
        return value.isoformat() if isinstance(value, date) else value


class DeploymentConfig(Section):
    """One provider's offer of one model."""

    provider: Name = Field(description="A name from `providers`.")
    model: ModelName | None = Field(None, description="The provider's own name of it; default: the route's name.")
    weight: Annotated[float, Field(gt=0)] = Field(
        1.0, description="Its part of the requests beside others of the same priority, by policies that go by it."
    )
    priority: Annotated[int, Field(ge=0)] | None = Field(
        None, description="0 is asked first, by policies that go by it. Default: the place in the list."
    )
    tier: Literal["default", "flex"] = Field("default", description="The service tier it is asked for.")
    price: PriceConfig | None = Field(None, description="Default: the catalogue's; without either it is unpriced.")
    context_window: Annotated[int, Field(gt=0)] | None = Field(
        None,
        description="Of prompt and answer together; when it proves too small, a larger one is asked. Default: the "
        "catalogue's.",
    )
    max_output_tokens: Annotated[int, Field(gt=0)] | None = Field(
        None, description="Of the answer. Default: the catalogue's."
    )
    lacks: tuple[Need, ...] | None = Field(
        None,
        description="What it cannot do: a request that needs it is not sent here. Default: the catalogue's word; `[]`: "
        "it can do everything its provider's API can.",
    )


class TimeoutsConfig(Section):
    """How long a provider is waited for, in each phase of an answer. All bounded."""

    connect_s: Seconds = Field(5.0, description="For a connection to the provider, TLS included.")
    first_token_s: Seconds = Field(60.0, description="For the first content of a stream; then another is asked.")
    answer_s: Seconds = Field(300.0, description="For a whole answer; then another is asked.")
    idle_s: Seconds = Field(60.0, description="Between two pieces of a stream; comments and pings count as pieces.")
    finish_s: Seconds = Field(
        2.0, description="For usage and `[DONE]` after the last finish reason; then the stream is ended without them."
    )
    total_s: Seconds = Field(1800.0, description="For the whole exchange, all attempts and pauses included.")
    keepalive_s: Seconds | None = Field(
        15.0,
        description="Between two comments to a client whose stream has no content yet, once the provider has answered "
        "with its status. `null`: none.",
    )


class RetriesConfig(Section):
    """How often, and how patiently, another try is made before the first content."""

    max: Annotated[int, Field(ge=0, le=10)] = Field(2, description="Attempts beside the first one, rescues included.")
    backoff_s: Annotated[float, Field(ge=0, le=10)] = Field(0.05, description="First step; doubles, full jitter.")
    retry_after_max_s: Annotated[float, Field(ge=0, le=60)] = Field(
        3.0, description="A `Retry-After` up to this is waited out; a longer one fails over at once."
    )
    splice: bool = Field(
        default=True,
        description="A stream that breaks off is asked for again elsewhere, and goes on where it ended if the other "
        "answer begins with what was delivered.",
    )
    continue_by_prefill: bool = Field(
        default=False,
        description="Have a deployment that can do so exactly go on from the delivered text instead of beginning anew.",
    )
    reroute_content_policy: bool = Field(
        default=False, description="Ask another deployment when a provider refuses for its content policy."
    )


class HedgeConfig(Section):
    """A second attempt on another deployment when the first is slow to begin; the first content wins."""

    delay_s: Seconds | Literal["p95"] = Field(
        "p95", description="Before the second attempt; `p95`: of the time to first token of the deployment asked first."
    )
    max_share: Annotated[float, Field(gt=0, le=1)] = Field(0.05, description="Hedges as a share of the requests.")


class PolicyConfig(Section):
    """A policy's name and its options."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str = Field(description="A built-in policy, or one that an installed package brings along.")

    def options(self) -> dict[str, Any]:
        """Everything beside the name."""
        return dict(self.__pydantic_extra__ or {})


class RouteConfig(Section):
    """A public model name. `*` stands for every other name, which is passed on as it is."""

    policy: PolicyConfig = Field(
        PolicyConfig(name="failover"), description="Chooses among the deployments: its name, or that and its options."
    )
    timeouts: TimeoutsConfig | None = Field(None, description="Instead of those of the whole file.")
    retries: RetriesConfig | None = Field(None, description="Instead of those of the whole file.")
    hedge: HedgeConfig | None = Field(
        None, description="Have a second deployment asked when the first is slow to begin. Off when absent."
    )
    deployments: tuple[DeploymentConfig, ...] = Field(description="Who can serve the model; at least one.")

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
    """Bounds of the whole gateway; its workers divide those that add up."""

    max_body_bytes: Annotated[int, Field(gt=0)] = Field(
        32 * 1024 * 1024, description="Of a request; a larger one is refused with 413."
    )
    max_event_bytes: Annotated[int, Field(ge=1024)] = Field(
        16 * 1024 * 1024, description="Of one event of a stream; a larger one counts as damage."
    )
    max_answer_bytes: Annotated[int, Field(ge=1024)] = Field(
        64 * 1024 * 1024, description="Of a whole answer, and of a stream before its first content."
    )
    splice_stream_bytes: Annotated[int, Field(ge=0)] = Field(
        1024 * 1024, description="Of one stream, kept to be spliced; a longer one cannot be rescued any more."
    )
    splice_total_bytes: Annotated[int, Field(ge=0)] = Field(64 * 1024 * 1024, description="The same, of all streams.")
    max_followed: Annotated[int, Field(ge=0)] = Field(
        64,
        description="Answers read to their end although the client has left, of providers that bill them anyway; "
        "more are cut off.",
    )
    max_connections: Annotated[int, Field(gt=0)] = Field(
        20_000, description="Open connections of clients; one more is refused with 503."
    )
    header_s: Seconds = Field(15.0, description="For a client to send its request head.")
    body_idle_s: Seconds = Field(30.0, description="Between two pieces of a request body.")
    client_write_s: Seconds = Field(60.0, description="For a slow reader to take what is buffered.")
    max_inflight: Annotated[int, Field(gt=0)] = Field(2048, description="Requests under way.")
    max_inflight_flex: Annotated[int, Field(gt=0)] = Field(1024, description="Of them, those of the flex lane.")
    max_waiting: Annotated[int, Field(ge=0)] = Field(
        1024, description="Requests that wait for one of them to end; more are refused with 503, flex first."
    )
    max_wait_s: Seconds = Field(5.0, description="For a request that waits; then it is refused with 503.")


class MediaConfig(Section):
    """Images and documents that a client names by address, for providers that cannot fetch them."""

    fetch: bool = Field(
        default=True, description="Fetch them and send them along; else such a request is refused with 400."
    )
    allow_private: bool = Field(
        default=False, description="Also from addresses that are not public: a client may then reach into your network."
    )
    max_bytes: Annotated[int, Field(gt=0)] = Field(20 * 1024 * 1024, description="Of each.")
    max_request_bytes: Annotated[int, Field(gt=0)] = Field(50 * 1024 * 1024, description="Of all in one request.")
    max_items: Annotated[int, Field(gt=0, le=100)] = Field(20, description="In one request.")
    timeout_s: Seconds = Field(15.0, description="For all of one request.")


class HealthConfig(Section):
    """When a deployment is set aside, and for how long."""

    failures: Annotated[int, Field(ge=1)] = Field(5, description="In a row, before the breaker opens.")
    open_s: Seconds = Field(10.0, description="First ejection; doubles each time.")
    open_max_s: Seconds = Field(300.0, description="Longest ejection.")
    lockout_s: Seconds = Field(300.0, description="For a refused or penniless credential.")
    rate_limited_s: Seconds = Field(1.0, description="At most, after a 429 that names no time.")
    retry_budget: Annotated[float, Field(ge=0, le=1)] = Field(
        0.2, description="Retries as a share of requests in flight."
    )
    retry_budget_min: Annotated[int, Field(ge=0)] = Field(
        3, description="Retries at a time that are allowed however few requests are in flight."
    )


class DrainConfig(Section):
    """SIGTERM: not ready at once, streams get time to finish."""

    delay_s: Annotated[float, Field(ge=0)] = Field(0.0, description="Still accepting after readiness is off.")
    timeout_s: Seconds = Field(300.0, description="For requests under way to end; then they are cut off.")


class TelemetryConfig(Section):
    """Metrics and logs."""

    access_log: Literal["stdout", "none"] = Field("stdout", description="Where each request leaves its line.")
    naming: Literal["native", "otel", "both"] = Field(
        "both", description="Metrics as `pointsman_*`, under OpenTelemetry's `gen_ai_*` names, or both."
    )
    max_series: Annotated[int, Field(ge=10)] = Field(
        2000, description="Label sets of one metric; what comes later is counted as `other`."
    )


class OneInferConfig(Section):
    """The OneInfer surface."""

    token_secret: SecretStr | None = Field(None, description="Signs its tokens; random for each start when absent.")
    token_lifetime_s: Seconds = Field(86_400.0, description="Of the tokens it signs.")
    default_provider: Name = Field("openai", description="For a request that names none.")
    default_model: ModelName | None = Field(None, description="For a request that names none.")
    public_model_list: bool = Field(default=True, description="`GET /v1/developer/get-all-models` needs no key.")
    endpoints: dict[Name, ModelName] = Field(default_factory=dict, description="`endpoint_id` -> route name.")


class OxenConfig(Section):
    """The Oxen surface."""

    public_model_list: bool = Field(default=False, description="`GET /api/ai/models` needs no key.")


class Config(Section):
    """The whole file."""

    listen: Annotated[str, StringConstraints(pattern=LISTEN)] = Field("127.0.0.1:8080", description="`HOST:PORT`.")
    workers: Annotated[int, Field(ge=1, le=MAX_WORKERS)] | Literal["auto"] = Field(
        1, description="Processes on the same port; `auto`: as many as the cores they may use."
    )
    auth: AuthConfig = Field(AuthConfig(), description="Who may call.")
    providers: dict[Name, ProviderConfig] = Field(
        default_factory=dict, description="Who runs models: rows of the provider table, or providers of your own."
    )
    routes: dict[ModelName, RouteConfig] = Field(
        default_factory=dict, description="The models on offer; `*` is any other name, passed on as it is."
    )
    timeouts: TimeoutsConfig = Field(TimeoutsConfig(), description="How long a provider is waited for.")
    retries: RetriesConfig = Field(RetriesConfig(), description="How often another try is made.")
    limits: LimitsConfig = Field(LimitsConfig(), description="Bounds of the whole gateway.")
    media: MediaConfig = Field(MediaConfig(), description="What clients name by address.")
    health: HealthConfig = Field(HealthConfig(), description="When a deployment is set aside.")
    drain: DrainConfig = Field(DrainConfig(), description="How the gateway stops.")
    telemetry: TelemetryConfig = Field(TelemetryConfig(), description="Metrics and logs.")
    oneinfer: OneInferConfig = Field(OneInferConfig(), description="The OneInfer surface.")
    oxen: OxenConfig = Field(OxenConfig(), description="The Oxen surface.")
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

    @field_validator("workers", mode="before")
    @classmethod
    def _number_of_workers(cls, value: Any) -> Any:
        return worker_count(value)

    @property
    def host_port(self) -> tuple[str, int]:
        """`listen`, taken apart."""
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)


def worker_count(value: Any) -> int | Literal["auto"]:
    """What was written for `workers`. Raises `ValueError`."""
    if value == "auto":
        return "auto"
    number = int(value) if isinstance(value, str) and value.isdecimal() else value
    if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= MAX_WORKERS:
        message = f"must be `auto` or a number from 1 to {MAX_WORKERS}"
        raise ValueError(message)
    return number
