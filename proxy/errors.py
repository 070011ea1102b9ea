"""Every way to fail: whose fault it is, what the client sees, and whether another try may help.

The class attributes *are* the rule; the pipeline reads them and knows no status codes of its own. `message` goes to the
client; `detail` only to the log. Errors never log themselves.
"""

from __future__ import annotations

from enum import StrEnum
from math import ceil
from typing import Any, ClassVar


class Blame(StrEnum):
    """Whose fault an error is."""

    CLIENT = "client"
    GATEWAY = "gateway"
    UPSTREAM = "upstream"


class Retry(StrEnum):
    """What may still be tried before the first byte has gone to the client."""

    NEVER = "never"
    HERE = "here"
    """The same deployment once more, then others."""
    ELSEWHERE = "elsewhere"


class Health(StrEnum):
    """What an error says about the deployment."""

    FINE = "fine"
    SICK = "sick"
    """Counts towards its breaker."""
    BUSY = "busy"
    """A load signal, not an outage: cools down for the `Retry-After`."""
    LOCKED_OUT = "locked_out"
    """The credential is refused or out of money: set aside for minutes."""


class GatewayError(Exception):
    """The base of them all. `message` is for the client, `detail` for the operator's log."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    kind: ClassVar[str] = "api_error"
    """OpenAI's `error.type`."""
    blame: ClassVar[Blame] = Blame.GATEWAY
    retry: ClassVar[Retry] = Retry.NEVER
    health: ClassVar[Health] = Health.FINE
    told: ClassVar[bool] = False
    """True when the client has seen it already, in the provider's own terminal event: nothing more is said."""

    def __init__(
        self,
        message: str,
        *,
        detail: str | None = None,
        param: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail
        self.param = param
        self.retry_after_s = retry_after_s

    @property
    def retry_after(self) -> str | None:
        """The `Retry-After` header: whole seconds, rounded up, as who comes early is refused again."""
        return None if self.retry_after_s is None else str(max(1, ceil(self.retry_after_s)))


# --- the client's fault -------------------------------------------------------------------------------------------


class BadRequest(GatewayError):
    """A field is missing, of the right type but impossible, or contradicts another."""

    status, code, kind, blame = 400, "invalid_request", "invalid_request_error", Blame.CLIENT


class InvalidJson(BadRequest):
    """The body is not a JSON object."""

    code = "invalid_json"


class WrongType(BadRequest):
    """A field has the wrong JSON type."""

    code = "invalid_type"


class MissingField(BadRequest):
    """A required field is absent or empty."""

    code = "missing_required_parameter"


class UnknownProvider(BadRequest):
    """The request pins a provider that is not configured."""

    code = "provider_not_found"


class UnknownEndpoint(BadRequest):
    """`endpoint_id` names no configured endpoint."""

    code = "endpoint_not_found"


class Unauthenticated(GatewayError):
    """No key, or not one of ours."""

    status, code, kind, blame = 401, "invalid_api_key", "invalid_request_error", Blame.CLIENT


class InsufficientCredits(GatewayError):
    """The key's balance does not cover the request."""

    status, code, kind, blame = 402, "insufficient_credits", "insufficient_quota", Blame.CLIENT


class Forbidden(GatewayError):
    """A good key that may not do this."""

    status, code, kind, blame = 403, "forbidden", "invalid_request_error", Blame.CLIENT


class NotFound(GatewayError):
    """No such path."""

    status, code, kind, blame = 404, "not_found", "invalid_request_error", Blame.CLIENT


class ModelNotFound(NotFound):
    """No route serves this model name."""

    code = "model_not_found"

    def __init__(
        self, message: str, *, model: str | None = None, detail: str | None = None, param: str | None = "model"
    ) -> None:
        super().__init__(message, detail=detail, param=param)
        self.model = model
        """The name the client asked for, for surfaces whose error text is fixed."""


class MethodNotAllowed(GatewayError):
    """The path exists, but not with this method."""

    status, code, kind, blame = 405, "method_not_allowed", "invalid_request_error", Blame.CLIENT


class SlowBody(GatewayError):
    """The client stopped sending its body."""

    status, code, kind, blame = 408, "request_timeout", "invalid_request_error", Blame.CLIENT


class BodyTooLarge(GatewayError):
    """The body is over `limits.max_body_bytes`."""

    status, code, kind, blame = 413, "request_too_large", "invalid_request_error", Blame.CLIENT


class UnsupportedMediaType(GatewayError):
    """The content type is missing or not one the surface reads."""

    status, code, kind, blame = 415, "unsupported_media_type", "invalid_request_error", Blame.CLIENT


class RateLimited(GatewayError):
    """This key's own limit, not the provider's."""

    status, code, kind, blame = 429, "rate_limit_exceeded", "requests", Blame.CLIENT


class NotOffered(GatewayError):
    """The surface documents it, this version does not serve it."""

    status, code, kind, blame = 501, "not_implemented", "invalid_request_error", Blame.GATEWAY


class ClientGone(GatewayError):
    """The client closed its connection. Nobody is left to read an answer."""

    status, code, kind, blame = 499, "client_disconnect", "api_error", Blame.CLIENT


# --- the gateway's own --------------------------------------------------------------------------------------------


class InternalError(GatewayError):
    """A bug. The log has the traceback."""


class Overloaded(GatewayError):
    """The waiting room is full, or the wait was too long."""

    status, code, kind = 503, "overloaded", "server_error"


class NoDeployment(GatewayError):
    """Every deployment of the route is set aside just now."""

    status, code, kind = 503, "no_deployment_available", "server_error"


class PolicyRefused(GatewayError):
    """The route's policy allows none of the deployments for this request."""

    status, code, kind = 429, "policy_refused", "requests"


# --- the provider's -----------------------------------------------------------------------------------------------


class UpstreamError(GatewayError):
    """Something the provider did. `answer` is its own error object when it sent one that may be shown."""

    status, code, kind, blame = 502, "upstream_error", "upstream_error", Blame.UPSTREAM
    retry, health = Retry.ELSEWHERE, Health.SICK

    def __init__(
        self,
        message: str,
        *,
        detail: str | None = None,
        param: str | None = None,
        retry_after_s: float | None = None,
        upstream_status: int | None = None,
        answer: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message, detail=detail, param=param, retry_after_s=retry_after_s)
        self.upstream_status = upstream_status
        self.answer = answer


class ConnectFailed(UpstreamError):
    """DNS, refused, TLS or connect timeout: nothing was sent, so asking again is always safe."""

    code, retry = "upstream_connect_failed", Retry.HERE


class ConnectionsExhausted(UpstreamError):
    """All `max_connections` of the provider are in use: our own limit, nothing was sent."""

    status, code, kind, blame = 503, "upstream_connections_exhausted", "server_error", Blame.GATEWAY
    health = Health.FINE


class ConnectionLost(UpstreamError):
    """Closed or reset before the first content."""

    code, retry = "upstream_connection_lost", Retry.HERE


class FirstTokenTimeout(UpstreamError):
    """Sent, then silence for `timeouts.first_token_s` (streams) or `timeouts.answer_s` (whole answers)."""

    status, code = 504, "upstream_first_token_timeout"


class TotalTimeout(UpstreamError):
    """The exchange used up `timeouts.total_s`."""

    status, code, retry, health = 504, "upstream_total_timeout", Retry.NEVER, Health.FINE


class ServerError(UpstreamError):
    """HTTP 500 and its kin: retried once here, then elsewhere."""

    code, retry = "upstream_server_error", Retry.HERE


class UpstreamOverloaded(UpstreamError):
    """HTTP 502, 503, 504, 52x: another deployment first."""

    status, code = 503, "upstream_overloaded"


class MalformedAnswer(UpstreamError):
    """A 200 that is no answer: HTML, the wrong content type, an empty body."""

    code = "upstream_malformed_answer"


class UpstreamRateLimited(UpstreamError):
    """429 in the sense of "slow down"."""

    status, code, kind, health = 429, "upstream_rate_limited", "requests", Health.BUSY


class CapacityExceeded(UpstreamError):
    """The flex tier has no room just now (429 "Resource Unavailable", 498). Not charged."""

    status, code, kind = 429, "upstream_capacity_exceeded", "requests"
    health = Health.FINE  # says nothing of the next request; how long to wait is the flex policy's own affair


class QuotaExhausted(UpstreamError):
    """A daily or monthly quota is used up."""

    status, code, kind, health = 429, "upstream_quota_exhausted", "insufficient_quota", Health.LOCKED_OUT


class OutOfMoney(UpstreamError):
    """The provider's account has no credit left. Never shown to the client as its own."""

    status, code, health = 502, "upstream_out_of_money", Health.LOCKED_OUT


class CredentialRejected(UpstreamError):
    """401 or 403 for the gateway's own key. Never shown to the client as its own 401."""

    status, code, health = 502, "upstream_credential_rejected", Health.LOCKED_OUT


class ClientCredentialRejected(UpstreamError):
    """401 or 403 for a key the client brought along (`api_key: client`)."""

    status, code, kind, blame = 401, "invalid_api_key", "invalid_request_error", Blame.CLIENT
    retry, health = Retry.NEVER, Health.FINE


class ClientQuotaExhausted(UpstreamError):
    """Quota or money of a key the client brought along: no reason to set the deployment aside."""

    status, code, kind, blame = 429, "insufficient_quota", "insufficient_quota", Blame.CLIENT
    retry, health = Retry.NEVER, Health.FINE


class ClientRateLimited(UpstreamRateLimited):
    """The same for "slow down": it is that key's limit, not the deployment's."""

    blame, retry, health = Blame.CLIENT, Retry.NEVER, Health.FINE


class ToolCallMalformed(UpstreamError):
    """The model wrote a tool call that cannot be read (Groq's `tool_use_failed`): chance, so it is asked once more."""

    status, code, kind = 400, "tool_use_failed", "invalid_request_error"
    retry, health = Retry.HERE, Health.FINE


class UpstreamModelMissing(UpstreamError):
    """The provider does not serve the model the route names."""

    status, code, kind, health = 404, "model_not_found", "invalid_request_error", Health.FINE


class UpstreamRejected(UpstreamError):
    """The provider refuses the request itself: the same everywhere, never retried."""

    status, code, kind = 400, "upstream_rejected", "invalid_request_error"
    blame, retry, health = Blame.CLIENT, Retry.NEVER, Health.FINE


class ContextLengthExceeded(UpstreamRejected):
    """The prompt is too long for this deployment. Only a larger window may help."""

    code, retry = "context_length_exceeded", Retry.ELSEWHERE


class ContentPolicy(UpstreamRejected):
    """The provider's content policy. Never retried, never routed around."""

    code = "content_policy_violation"


class StreamBroken(UpstreamError):
    """The stream ended or reported an error after content had flowed. Nothing can be retried."""

    code, retry = "upstream_stream_broken", Retry.NEVER


class StreamStalled(StreamBroken):
    """The stream fell silent for `timeouts.idle_s` after content had flowed."""

    code = "upstream_stream_stalled"


class StreamFailed(StreamBroken):
    """The provider ended a Responses stream with `error` or `response.failed`, which are part of that dialect."""

    told = True
