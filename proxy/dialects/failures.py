"""What a provider's failure means: one ordered table from status, codes and phrases to a class of `proxy.errors`.

The class decides what is tried next; see `errors.py`. A 429 is three things: slow down, a used-up quota, no money.
Source: the error sections of the providers' API references.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from proxy import errors
from proxy.dialects.failure_reading import Failure, read_failure
from proxy.errors import Blame, Retry, UpstreamError, UpstreamRejected

if TYPE_CHECKING:
    from proxy.dialects.quirks import Quirks

LONG_WAIT_S = 3600.0
"""A 429 that asks for a longer wait than this is a used-up quota."""
MAX_DETAIL_CHARS = 300

_REFUSALS = frozenset({400, 403, 413, 422})
_LIMITS = frozenset({400, 402, 403, 429})


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: the status must fit, and one of `codes`, `phrases` or `openings` if there are any.

    A failure inside a 200 that tells no status is judged by its names and words alone.
    """

    kind: type[UpstreamError]
    statuses: frozenset[int] | range | None = None
    """`None`: any."""
    codes: frozenset[str] = frozenset()
    phrases: tuple[str, ...] = ()
    """Anywhere in its words, which may quote the request: not for what would set a credential aside after a 400."""
    openings: tuple[str, ...] = ()
    """How its words begin."""
    page: bool = False
    """Only for a page made for people, as a proxy in between sends."""

    def fits(self, failure: Failure, ignored: frozenset[str]) -> bool:
        """Whether the failure is of this kind; `ignored` codes mean nothing at this provider."""
        names = bool(self.codes or self.phrases or self.openings)
        any_status = self.statuses is None or (names and failure.guessed)
        if not any_status and failure.status not in (self.statuses or ()):
            return False
        if self.page:
            return failure.is_page
        if not names or not self.codes.isdisjoint(failure.codes - ignored):
            return True
        return failure.text.startswith(self.openings) or any(phrase in failure.text for phrase in self.phrases)


RULES: tuple[Rule, ...] = (
    Rule(
        errors.ContextLengthExceeded,
        _REFUSALS,
        frozenset({
            "context_length_exceeded", "model_context_window_exceeded", "exceed_context_size_error",
            "string_above_max_length", "string_too_long", "1261",
        }),
        (
            "maximum context length", "prompt is too long", "exceed context limit",
            "input tokens exceed the configured limit", "exceeds the maximum number of tokens allowed",
            "input is too long", "too many input tokens", "expected maxlength", "too many tokens",
            "exceeded model token limit", "is longer than the model's context length",
            "exceeds the available context size", "tokens + `max_new_tokens` must be", "while limit is",
            "maximum input length", "must be less than the context length", "is greater than the context length",
            "context window exceeds limit", "maximum prompt length is", "maximum allowed input length",
            "exceeds the context window of this model", "longer than the maximum model length",
            "reduce the length of the messages", "range of input length should be",
        ),
    ),
    Rule(
        errors.ContentPolicy,
        _REFUSALS,
        frozenset({
            "content_policy_violation", "content_filter", "content_filtered", "responsibleaipolicyviolation",
            "cyber_policy", "bio_policy", "misalignment_policy_violation", "datainspectionfailed",
            "data_inspection_failed", "illegal_prompt", "illegal_image_content", "content_moderation",
            "request moderated", "content moderated", "guardrail_intervened", "1301",
        }),
        (
            "content management policy", "violates our usage policy", "violating our usage policy", "safety system",
            "blocked by content filtering policy", "content violates usage guidelines",
            "sensitivecontentdetected", "textriskdetection", "imageriskdetection",  # in the codes of Volcengine
        ),
    ),
    Rule(errors.UpstreamRateLimited, frozenset({402}), frozenset({"in_flight_budget_exhausted"})),
    Rule(errors.OutOfMoney, frozenset({402, 412})),
    Rule(
        errors.OutOfMoney,
        _LIMITS | {500},
        frozenset({
            "insufficient_quota", "billing_hard_limit_reached", "credit_balance_exhausted",
            "organization_usage_limit_exceeded", "organization_spend_limit_exceeded", "project_spend_limit_exceeded",
            "exceeded_current_quota_error", "contract_spend_limit_reached", "enforced_spend_limit_reached",
            "blocked_api_access", "payment_required", "arrearage", "accountoverdueerror",
            "allocationquota.freetieronly", "billing_balance_not_enough", "billing_auth_failed", "billing_failed",
            "1113", "1309",
        }),
        openings=("your credit balance is too low", "you have reached your specified"),
    ),
    Rule(
        errors.OutOfMoney,
        _LIMITS - {400},
        phrases=(
            "credit balance is too low", "used all available credits", "monthly spending limit",
            "free allocated quota exceeded", "insufficient balance",
        ),
    ),
    Rule(
        errors.UpstreamModelMissing,
        frozenset({400, 403, 404, 422}),
        frozenset({
            "model_not_found", "modelnotfound", "deploymentnotfound", "model_access_denied", "model_not_available",
            "invalidendpoint.closedendpoint", "1211",
        }),
        (
            "on-demand throughput isn",  # AWS writes the apostrophe both ways
            "support on-demand throughput", "provided model identifier is invalid",
            "support the model that you provided", "model not found", "unknown model", "no such model",
            "don't have access to the model",
        ),
    ),
    Rule(errors.UpstreamOverloaded, frozenset({403}), page=True),
    Rule(
        errors.CredentialRejected,
        frozenset({400}),
        frozenset({
            "invalid_api_key", "api_key_invalid", "missing_api_key", "expiredtokenexception",
            "incompletesignatureexception", "invalidsignatureexception", "missingauthenticationtokenexception",
            "unrecognizedclientexception",
        }),
        openings=("api key not valid", "incorrect api key provided", "user location is not supported"),
    ),
    Rule(errors.CredentialRejected, frozenset({401, 403})),
    Rule(errors.CredentialRejected, _LIMITS, frozenset({"1000", "1001", "1002", "1003", "1004", "1112", "1121"})),
    Rule(errors.ToolCallMalformed, frozenset({400}), frozenset({"tool_use_failed"})),
    Rule(errors.CapacityExceeded, frozenset({498})),
    Rule(
        errors.CapacityExceeded,
        frozenset({429}),
        frozenset({"resource_unavailable", "capacity_exceeded"}),
        ("resource unavailable",),
    ),
    Rule(errors.QuotaExhausted, frozenset({400}), frozenset({"servicequotaexceededexception"})),
    Rule(
        errors.QuotaExhausted,
        frozenset({429}),
        frozenset({"1304", "1308", "1310", "usage_limit_exceeded"}),
        (
            "per day", "per-day", "perday", "per_day", "(rpd)", "(tpd)", "rpd rate limit", "tpd rate limit",
            "daily", "monthly",
        ),
    ),
    Rule(errors.UpstreamRateLimited, None, frozenset({"1302", "1303", "1305", "1312"})),
    Rule(errors.UpstreamRateLimited, frozenset({429})),
    Rule(errors.UpstreamModelMissing, frozenset({404})),
    Rule(errors.ContextLengthExceeded, frozenset({413})),
    Rule(errors.ConnectionLost, frozenset({499})),
    Rule(errors.ServerError, frozenset({408, 409, 425, 428})),
    Rule(errors.UpstreamOverloaded, frozenset({424, 502, 503, 504, 529, 530}) | frozenset(range(520, 528))),
    Rule(errors.UpstreamRejected, frozenset({501})),
    Rule(errors.UpstreamRejected, range(400, 500)),
    Rule(errors.ServerError, range(500, 600)),
)  # fmt: skip
"""The first row that fits. What fits none (a redirect) is a plain `UpstreamError`: another deployment is asked."""

_FOR_CLIENT_KEYS: dict[type[UpstreamError], type[UpstreamError]] = {
    errors.CredentialRejected: errors.ClientCredentialRejected,
    errors.OutOfMoney: errors.ClientQuotaExhausted,
    errors.QuotaExhausted: errors.ClientQuotaExhausted,
    errors.UpstreamRateLimited: errors.ClientRateLimited,
    errors.StillRateLimited: errors.ClientRateLimited,
}
"""The same failures when the key is the client's: its own affair, and no fault of the deployment."""

_SHOWN = (
    errors.UpstreamRejected,
    errors.UpstreamRateLimited,
    errors.StillRateLimited,
    errors.UpstreamModelMissing,
    errors.ClientCredentialRejected,
    errors.ClientQuotaExhausted,
    errors.ToolCallMalformed,
)
"""Where the provider's own words help the client."""

_MESSAGES: dict[type[UpstreamError], str] = {
    errors.CapacityExceeded: "The provider has no room in this service tier just now.",
    errors.QuotaExhausted: "The provider's quota for this model is used up.",
    errors.OutOfMoney: "The provider does not serve this gateway at present.",
    errors.CredentialRejected: "The provider does not serve this gateway at present.",
    errors.UpstreamOverloaded: "The provider is overloaded.",
}
_CODES: dict[type[UpstreamError], str] = {
    errors.ContextLengthExceeded: "context_length_exceeded",
    errors.UpstreamModelMissing: "model_not_found",
}
"""Codes that clients test for, whatever the provider calls them."""


def classify(
    status: int, headers: Mapping[str, str], body: bytes, quirks: Quirks, *, own_key: bool, now_s: float
) -> UpstreamError:
    """The error that a provider's response amounts to; never raises.

    `headers` have lower-case names. `own_key`: the credential is the gateway's, not one the client brought along.
    `now_s`: Unix time. For a 2xx with an error inside, pass its body: the inner code decides.
    """
    failure = read_failure(status, headers, body, quirks.errors_in_body, now_s)
    ignored = frozenset({"insufficient_quota"} if quirks.insufficient_quota_is_throttling else ())
    kind = next((rule.kind for rule in RULES if rule.fits(failure, ignored)), UpstreamError)
    if kind is errors.UpstreamRateLimited and _is_quota(failure, headers, quirks):
        kind = errors.QuotaExhausted
    kind = _as_told(kind, headers.get("x-should-retry"))
    if not own_key:
        kind = _FOR_CLIENT_KEYS.get(kind, kind)
    return _build(kind, failure, status)


def stream_error(
    error: Mapping[str, Any], quirks: Quirks, *, content_seen: bool, own_key: bool, now_s: float
) -> UpstreamError:
    """The error that an error event inside a stream amounts to: before any content, the same as outside of it.

    After content it is told as it is: whoever reports an error has decided, and is not taken for one that fell over.
    """
    if content_seen:
        same = stream_error(error, quirks, content_seen=False, own_key=own_key, now_s=now_s)
        detail = f"{same.code}; {same.detail}"
        return errors.ErrorInStream("The provider broke off the answer.", detail=detail, upstream_status=200)
    body = error if quirks.errors_in_body is not None and quirks.errors_in_body in error else {"error": error}
    return classify(200, {}, orjson.dumps(body), quirks, own_key=own_key, now_s=now_s)


def _is_quota(failure: Failure, headers: Mapping[str, str], quirks: Quirks) -> bool:
    """Whether a rate limit will not lift in a moment."""
    if (failure.retry_after_s or 0) > LONG_WAIT_S:
        return True
    return quirks.left_today_header is not None and headers.get(quirks.left_today_header) in ("0", "0.0")


def _as_told(kind: type[UpstreamError], should_retry: str | None) -> type[UpstreamError]:
    """`x-should-retry` overrides the status, as it does in the providers' own clients."""
    if should_retry == "true" and kind is UpstreamRejected:
        return errors.ServerError
    if should_retry == "false":
        if kind is errors.UpstreamRateLimited:
            return errors.StillRateLimited
        if kind.retry is Retry.HERE:
            return errors.UpstreamOverloaded
    return kind


def _build(kind: type[UpstreamError], failure: Failure, status: int) -> UpstreamError:
    words = failure.message
    # What a provider says of the request may quote it, and prompts are never logged.
    logged = "" if kind.blame is Blame.CLIENT else f"; {words[:MAX_DETAIL_CHARS]}"
    shown = issubclass(kind, _SHOWN)
    ours = _MESSAGES.get(kind, f"The provider failed with status {failure.status}.")
    return kind(
        words if shown and words else ours,
        detail=f"status {status}; {failure.code or failure.kind or '-'}{logged}",
        param=failure.param if shown else None,
        retry_after_s=failure.retry_after_s,
        upstream_status=status,
        answer=_answer(kind, failure) if shown and words else None,
    )


def _answer(kind: type[UpstreamError], failure: Failure) -> dict[str, Any]:
    return {
        "message": failure.message,
        "type": failure.kind or kind.kind,
        "param": failure.param,
        "code": _CODES.get(kind) or failure.code or kind.code,
    }
