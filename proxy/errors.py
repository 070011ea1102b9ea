"""Every way to fail: whose fault it is, what the client sees, and whether another try may help.

The class attributes *are* the rule; the pipeline reads them and knows no status codes of its own. `message` goes to the
client; `detail` only to the log. Errors never log themselves.
"""

from __future__ import annotations

from typing import Any

from proxy.gateway_error import Blame, GatewayError, Health, Retry

__all__ = ["Blame", "GatewayError", "Health", "Retry"]  # passed on to whoever deals with errors

# --- the client's fault -------------------------------------------------------------------------------------------


class BadRequest(GatewayError):
    """A field is missing, of the right type but impossible, or contradicts another: nobody is asked."""

    status, code, kind, blame = 400, "invalid_request", "invalid_request_error", Blame.CLIENT


class HeadTooLarge(BadRequest):
    """The request's head is over the bounds of the server: nobody is asked."""

    status = 431


class InvalidJson(BadRequest):
    """The body is not a JSON object: nobody is asked."""

    code = "invalid_json"


class WrongType(BadRequest):
    """A field has the wrong JSON type: nobody is asked."""

    code = "invalid_type"


class MissingField(BadRequest):
    """A required field is absent or empty: nobody is asked."""

    code = "missing_required_parameter"


class Unsupported(BadRequest):
    """This deployment cannot be told what the request asks for: another one is, and nobody counts it a failure."""

    code, retry = "unsupported_parameter", Retry.ELSEWHERE


class UnsupportedCapability(BadRequest):
    """No deployment of the model can do what the request needs, e.g. take images: nobody is asked."""

    code = "unsupported_capability"


class PromptTooLong(BadRequest):
    """The prompt is certainly longer than every deployment's context window: nobody is asked."""

    code = "context_length_exceeded"


class UnknownProvider(BadRequest):
    """The request pins a provider that is not configured: no other is asked in its place."""

    code = "provider_not_found"


class UnknownEndpoint(BadRequest):
    """`endpoint_id` names no configured endpoint: nobody is asked."""

    code = "endpoint_not_found"


class Unauthenticated(GatewayError):
    """No key, or not one of ours: nobody is asked."""

    status, code, kind, blame = 401, "invalid_api_key", "invalid_request_error", Blame.CLIENT


class InsufficientCredits(GatewayError):
    """The key's balance does not cover the request: nobody is asked."""

    status, code, kind, blame = 402, "insufficient_credits", "insufficient_quota", Blame.CLIENT


class Forbidden(GatewayError):
    """A good key that may not do this: nobody is asked."""

    status, code, kind, blame = 403, "forbidden", "invalid_request_error", Blame.CLIENT


class NotFound(GatewayError):
    """No such path: nobody is asked."""

    status, code, kind, blame = 404, "not_found", "invalid_request_error", Blame.CLIENT


class ModelNotFound(NotFound):
    """No route serves this model name: nobody is asked."""

    code = "model_not_found"

    def __init__(
        self, message: str, *, model: str | None = None, detail: str | None = None, param: str | None = "model"
    ) -> None:
        super().__init__(message, detail=detail, param=param)
        self.model = model
        """The name the client asked for, for surfaces whose error text is fixed."""


class MethodNotAllowed(GatewayError):
    """The path exists, but not with this method: nobody is asked."""

    status, code, kind, blame = 405, "method_not_allowed", "invalid_request_error", Blame.CLIENT


class SlowBody(GatewayError):
    """The client stopped sending its body: nobody is asked."""

    status, code, kind, blame = 408, "request_timeout", "invalid_request_error", Blame.CLIENT


class BodyTooLarge(GatewayError):
    """The body is over `limits.max_body_bytes`: nobody is asked."""

    status, code, kind, blame = 413, "request_too_large", "invalid_request_error", Blame.CLIENT


class UnsupportedMediaType(GatewayError):
    """The content type is missing or not one the surface reads: nobody is asked."""

    status, code, kind, blame = 415, "unsupported_media_type", "invalid_request_error", Blame.CLIENT


class RateLimited(GatewayError):
    """This key's own limit, not the provider's: nobody is asked before it lifts."""

    status, code, kind, blame = 429, "rate_limit_exceeded", "requests", Blame.CLIENT


class NotOffered(GatewayError):
    """The surface documents it, this version does not serve it: nobody is asked."""

    status, code, kind, blame = 501, "not_implemented", "invalid_request_error", Blame.GATEWAY


class ClientGone(GatewayError):
    """The client closed its connection. Nobody is left to read an answer, so nothing more is tried."""

    status, code, kind, blame = 499, "client_disconnect", "api_error", Blame.CLIENT


# --- the gateway's own --------------------------------------------------------------------------------------------


class InternalError(GatewayError):
    """A bug. The log has the traceback; nothing more is tried."""


class Overloaded(GatewayError):
    """The waiting room is full, or the wait was too long: nobody is asked."""

    status, code, kind = 503, "overloaded", "server_error"


class ShuttingDown(GatewayError):
    """The drain's time is up."""

    status, code, kind = 503, "shutting_down", "server_error"


class NoDeployment(GatewayError):
    """Every deployment of the route is set aside just now: nobody is left to ask."""

    status, code, kind = 503, "no_deployment_available", "server_error"


class PolicyRefused(GatewayError):
    """The route's policy allows none of the deployments for this request: nobody is asked."""

    status, code, kind = 429, "policy_refused", "requests"


# --- the provider's -----------------------------------------------------------------------------------------------


class UpstreamError(GatewayError):
    """Something the provider did: another deployment is asked. `answer` is its own error object if it may be shown."""

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
    """DNS, refused, TLS or connect timeout: nothing was sent, so asking again is always safe. Here once more first."""

    code, retry = "upstream_connect_failed", Retry.HERE


class ConnectionsExhausted(UpstreamError):
    """All `max_connections` of the provider are in use, our own limit: another deployment is asked."""

    status, code, kind, blame = 503, "upstream_connections_exhausted", "server_error", Blame.GATEWAY
    health = Health.FINE


class ConnectionLost(UpstreamError):
    """Closed or reset before the first content: here once more, then elsewhere."""

    code, retry = "upstream_connection_lost", Retry.HERE


class FirstTokenTimeout(UpstreamError):
    """Sent, then silence for `timeouts.first_token_s` (streams) or `timeouts.answer_s`: another deployment is asked."""

    status, code = 504, "upstream_first_token_timeout"


class TotalTimeout(UpstreamError):
    """The exchange used up `timeouts.total_s`: there is no time to try anything more."""

    status, code, retry, health = 504, "upstream_total_timeout", Retry.NEVER, Health.FINE


class ServerError(UpstreamError):
    """HTTP 500 and its kin: here once more, then elsewhere."""

    code, retry = "upstream_server_error", Retry.HERE


class UpstreamOverloaded(UpstreamError):
    """HTTP 502, 503, 504, 52x: another deployment is asked."""

    status, code = 503, "upstream_overloaded"


class MalformedAnswer(UpstreamError):
    """A 200 that is no answer (HTML, the wrong content type, an empty body): another deployment is asked."""

    code = "upstream_malformed_answer"


class UpstreamRateLimited(UpstreamError):
    """429 in the sense of "slow down": here again after a short pause, else elsewhere at once."""

    status, code, kind, health = 429, "upstream_rate_limited", "requests", Health.BUSY


class StillRateLimited(UpstreamError):
    """A 429 that says itself not to come back (`x-should-retry: false`): another deployment is asked at once."""

    status, code, kind, health = 429, "upstream_rate_limited", "requests", Health.BUSY


class CapacityExceeded(UpstreamError):
    """The flex tier has no room (429 "Resource Unavailable", 498), uncharged: elsewhere, or as the policy wishes."""

    status, code, kind = 429, "upstream_capacity_exceeded", "requests"
    health = Health.FINE  # says nothing of the next request; how long to wait is the flex policy's own affair


class QuotaExhausted(UpstreamError):
    """A daily or monthly quota is used up: another deployment is asked, and none behind this key for a while."""

    status, code, kind, health = 429, "upstream_quota_exhausted", "insufficient_quota", Health.LOCKED_OUT


class OutOfMoney(UpstreamError):
    """The provider's account is empty: elsewhere, and nobody behind its key for a while. Never told as the client's."""

    status, code, health = 502, "upstream_out_of_money", Health.LOCKED_OUT


class CredentialRejected(UpstreamError):
    """401 or 403 for the gateway's own key: elsewhere, and nobody behind it for a while. Never told as the client's."""

    status, code, health = 502, "upstream_credential_rejected", Health.LOCKED_OUT


class CredentialPending(UpstreamError):
    """The token to call the provider with has not come yet, or could not be renewed in time: nothing was sent.

    Another deployment is asked, and nobody behind this credential before the next token.
    """

    status, code, kind, health = 503, "upstream_credential_pending", "server_error", Health.LOCKED_OUT


class ClientCredentialRejected(UpstreamError):
    """401 or 403 for a key the client brought along (`api_key: client`): it has no other, nothing more is tried."""

    status, code, kind, blame = 401, "invalid_api_key", "invalid_request_error", Blame.CLIENT
    retry, health = Retry.NEVER, Health.FINE


class ClientQuotaExhausted(UpstreamError):
    """Quota or money of a key the client brought along: nothing more is tried, and the deployment is not set aside."""

    status, code, kind, blame = 429, "insufficient_quota", "insufficient_quota", Blame.CLIENT
    retry, health = Retry.NEVER, Health.FINE


class ClientRateLimited(UpstreamRateLimited):
    """The same for "slow down": it is that key's limit, not the deployment's, and the client's to wait for."""

    blame, retry, health = Blame.CLIENT, Retry.NEVER, Health.FINE


class ToolCallMalformed(UpstreamError):
    """The model wrote a tool call that cannot be read (Groq's `tool_use_failed`): chance, so here once more."""

    status, code, kind = 400, "tool_use_failed", "invalid_request_error"
    retry, health = Retry.HERE, Health.FINE


class UpstreamModelMissing(UpstreamError):
    """The provider does not serve the model the route names: another deployment is asked."""

    status, code, kind, health = 404, "model_not_found", "invalid_request_error", Health.FINE


class UpstreamRejected(UpstreamError):
    """The provider refuses the request itself: the same everywhere, never retried."""

    status, code, kind = 400, "upstream_rejected", "invalid_request_error"
    blame, retry, health = Blame.CLIENT, Retry.NEVER, Health.FINE


class ContextLengthExceeded(UpstreamRejected):
    """The prompt is too long for this deployment. Only a larger window may help."""

    code, retry = "context_length_exceeded", Retry.ELSEWHERE


class ContentPolicy(UpstreamRejected):
    """The provider's content policy: never here again, and elsewhere only with `retries.reroute_content_policy`."""

    code = "content_policy_violation"


class StreamBroken(UpstreamError):
    """The stream ended too early after content had flowed: nothing is retried, it can only be spliced."""

    code, retry, splice = "upstream_stream_broken", Retry.NEVER, True


class StreamStalled(StreamBroken):
    """The stream fell silent for `timeouts.idle_s` after content had flowed: it can only be spliced."""

    code = "upstream_stream_stalled"


class StreamDoubtful(StreamBroken):
    """An event could not be read, and it may have been a piece of the answer: it is spliced, or else it goes on."""

    health = Health.FINE


class StreamTimeout(StreamBroken):
    """The exchange used up `timeouts.total_s` in the middle of an answer: our own limit, and no time is left."""

    code, splice, health = "upstream_stream_timeout", False, Health.FINE


class ErrorInStream(StreamBroken):
    """The provider itself reported an error after content had flowed: the client is told, nobody else is asked."""

    code, splice = "upstream_error_in_stream", False


class StreamFailed(ErrorInStream):
    """The same in a Responses stream, whose dialect has `error` and `response.failed`: the client has seen it."""

    told = True


class Diverged(UpstreamError):
    """Another deployment's answer does not begin with what the client has: it cannot take over."""

    code, retry, health = "upstream_diverged", Retry.NEVER, Health.FINE
