"""What each provider says when it fails, and what it means for the next try."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy import errors
from proxy.dialects.failure_reading import MAX_MESSAGE_CHARS, MAX_RETRY_AFTER_S, read_failure, redact
from proxy.dialects.failures import RULES, classify, stream_error
from proxy.dialects.quirks import Quirks
from proxy.errors import Health, Retry, UpstreamError

NOW_S = 1_795_000_000.0
MINIMAX = Quirks(errors_in_body="base_resp")
DASHSCOPE = Quirks(insufficient_quota_is_throttling=True)


def failed(
    status: int,
    body: Any = b"",
    quirks: Quirks | None = None,
    headers: dict[str, str] | None = None,
    *,
    own_key: bool = True,
) -> UpstreamError:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return classify(status, headers or {}, raw, quirks or Quirks(), own_key=own_key, now_s=NOW_S)


def said(message: str, **fields: Any) -> dict[str, Any]:
    return {"error": {"message": message, **fields}}


def base_resp(code: int) -> dict[str, Any]:
    return {"base_resp": {"status_code": code, "status_msg": "oops"}}


CASES: list[tuple[int, Any, type[UpstreamError]]] = [
    # context length
    (400, said("x", code="context_length_exceeded"), errors.ContextLengthExceeded),
    (400, said("This model's maximum context length is 4096 tokens."), errors.ContextLengthExceeded),
    (400, {"object": "error", "message": "maximum context length is 9 tokens"}, errors.ContextLengthExceeded),
    (400, {"type": "error", "error": {"type": "invalid_request_error", "message": "prompt is too long: 9 > 8"}},
     errors.ContextLengthExceeded),
    (400, said("the request exceeds the available context size", type="exceed_context_size_error", code=400),
     errors.ContextLengthExceeded),
    (400, {"message": "too many tokens: 9000"}, errors.ContextLengthExceeded),
    (400, said("Please reduce: current length is 9000 while limit is 8192"), errors.ContextLengthExceeded),
    (400, {"error": {"code": "1261", "message": "Prompt exceeds max length"}}, errors.ContextLengthExceeded),
    (422, said("`inputs` tokens + `max_new_tokens` must be <= 4096"), errors.ContextLengthExceeded),
    (413, b"<html>too large</html>", errors.ContextLengthExceeded),
    # content policy
    (400, said("x", code="content_policy_violation"), errors.ContentPolicy),
    (400, said("x", code="content_filter", innererror={"code": "ResponsibleAIPolicyViolation"}), errors.ContentPolicy),
    (400, said("x", innererror={"code": "ResponsibleAIPolicyViolation"}), errors.ContentPolicy),
    (400, {"error": {"type": "invalid_request_error", "message": "Output blocked by content filtering policy"}},
     errors.ContentPolicy),
    (403, said("x", code=403, metadata={"reasons": ["violence"]}), errors.ContentPolicy),
    (400, {"code": "DataInspectionFailed", "message": "x", "request_id": "r"}, errors.ContentPolicy),
    (400, {"code": 400, "reason": "ILLEGAL_PROMPT", "message": "x", "metadata": {}}, errors.ContentPolicy),
    # money
    (402, b"", errors.OutOfMoney),
    (412, said("Account suspended"), errors.OutOfMoney),
    (429, said("You exceeded your current quota", type="insufficient_quota", code="insufficient_quota"),
     errors.OutOfMoney),
    (400, {"error": {"message": "Your credit balance is too low to access the API"}}, errors.OutOfMoney),
    (403, {"code": "The caller does not have permission", "error": "Your team has used all available credits"},
     errors.OutOfMoney),
    (429, {"error": {"code": "1113", "message": "unpaid"}}, errors.OutOfMoney),
    (429, said("x", type="exceeded_current_quota_error"), errors.OutOfMoney),
    (429, {"error": {"type": "rate_limit_error", "message": "x",
                     "details": {"error_code": "contract_spend_limit_reached"}}}, errors.OutOfMoney),
    (402, said("x", metadata={"error_type": "in_flight_budget_exhausted"}), errors.UpstreamRateLimited),
    # credentials
    (401, said("Incorrect API key provided"), errors.CredentialRejected),
    (403, said("Country not supported", code="unsupported_country_region_territory"), errors.CredentialRejected),
    (400, [{"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "API key not valid. Pass a valid one."}}],
     errors.CredentialRejected),
    (429, {"error": {"code": "1112", "message": "locked"}}, errors.CredentialRejected),
    (403, b"<!DOCTYPE html><title>Attention</title>", errors.UpstreamOverloaded),
    # the model
    (404, b"", errors.UpstreamModelMissing),
    (404, said("The model `x` does not exist", code="model_not_found"), errors.UpstreamModelMissing),
    (400, said("x", code="model_not_found"), errors.UpstreamModelMissing),
    (404, said("x", code="DeploymentNotFound"), errors.UpstreamModelMissing),
    (403, {"code": 403, "reason": "model_access_denied", "message": "x"}, errors.UpstreamModelMissing),
    (400, {"message": "Invocation with on-demand throughput isn't supported."}, errors.UpstreamModelMissing),
    (400, {"error": {"code": "1211", "message": "x"}}, errors.UpstreamModelMissing),
    # 429, the slow-down kind
    (429, b"", errors.UpstreamRateLimited),
    (429, said("Rate limit reached on tokens per min (TPM)", code="rate_limit_exceeded"), errors.UpstreamRateLimited),
    (429, {"object": "error", "message": "Rate limit exceeded", "code": "1300"}, errors.UpstreamRateLimited),
    (429, {"message": "x", "type": "too_many_requests_error", "code": "request_quota"}, errors.UpstreamRateLimited),
    (429, {"error": {"code": "1302", "message": "x"}}, errors.UpstreamRateLimited),
    (500, {"error": {"code": "1305", "message": "x"}}, errors.UpstreamRateLimited),
    (429, said("x", type="engine_overloaded_error"), errors.UpstreamRateLimited),
    (429, {"error": {"code": 429, "message": "x", "status": "RESOURCE_EXHAUSTED", "details": [
        {"@type": "type.googleapis.com/google.rpc.QuotaFailure",
         "violations": [{"quotaId": "GenerateRequestsPerMinutePerProjectPerModel"}]}]}}, errors.UpstreamRateLimited),
    # 429, the used-up kind
    (429, {"error": {"code": 429, "message": "x", "status": "RESOURCE_EXHAUSTED", "details": [
        {"violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel"}]}]}}, errors.QuotaExhausted),
    (429, said("Rate limit reached on requests per day (RPD)"), errors.QuotaExhausted),
    (429, said("Rate limit exceeded: free-models-per-day"), errors.QuotaExhausted),
    (429, {"error": {"code": "1308", "message": "until tomorrow"}}, errors.QuotaExhausted),
    (400, {"code": "ServiceQuotaExceededException", "message": "x"}, errors.QuotaExhausted),
    # 429, the flex kind
    (429, said("Resource Unavailable", code="resource_unavailable"), errors.CapacityExceeded),
    (498, said("x", code="capacity_exceeded"), errors.CapacityExceeded),
    # the rest
    (400, said("Failed to call a function", code="tool_use_failed"), errors.ToolCallMalformed),
    (400, said("Unsupported parameter", code="unsupported_parameter", param="max_tokens"), errors.UpstreamRejected),
    (422, {"detail": [{"type": "extra_forbidden", "loc": ["body", "foo"], "msg": "Extra inputs are not permitted"}]},
     errors.UpstreamRejected),
    (405, b"", errors.UpstreamRejected),
    (435, b"", errors.UpstreamRejected),
    (501, b"", errors.UpstreamRejected),
    (408, b"", errors.ServerError),
    (409, b"", errors.ServerError),
    (425, b"", errors.ServerError),
    (424, b"", errors.UpstreamOverloaded),
    (499, b"", errors.ConnectionLost),
    (500, b"", errors.ServerError),
    (502, b"<html>", errors.UpstreamOverloaded),
    (503, said("loading"), errors.UpstreamOverloaded),
    (504, b"", errors.UpstreamOverloaded),
    (522, b"", errors.UpstreamOverloaded),
    (529, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, errors.UpstreamOverloaded),
    (599, b"", errors.ServerError),
    (302, b"", errors.ServerError),
    # a failure inside a 200
    (200, said("Provider disconnected", code=502), errors.UpstreamOverloaded),
    (200, said("x", code=429), errors.UpstreamRateLimited),
    (200, said("x", type="invalid_request_error"), errors.UpstreamRejected),
    (200, said("x", type="overloaded_error"), errors.UpstreamOverloaded),
    (200, said("x", code="context_length_exceeded"), errors.ContextLengthExceeded),
    (200, said("x"), errors.ServerError),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body", "kind"), CASES)
def test_a_failure_is_known_for_what_it_is(status: int, body: Any, kind: type[UpstreamError]):
    error = failed(status, body)

    assert kind is type(error)
    assert status == error.upstream_status


BEDROCK: list[tuple[int, str, str, type[UpstreamError]]] = [
    (400, "ValidationException", "Input is too long for requested model.", errors.ContextLengthExceeded),
    (400, "ValidationException", "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000",
     errors.ContextLengthExceeded),
    (400, "ValidationException", "Malformed input request: expected maxLength: 400000, actual: 912345",
     errors.ContextLengthExceeded),
    (400, "ValidationException", "Too many input tokens. Max input tokens: 8192, request input token count: 11225",
     errors.ContextLengthExceeded),
    (400, "ValidationException", "Invocation of model ID x with on-demand throughput isn\u2019t supported.",
     errors.UpstreamModelMissing),
    (400, "ValidationException", "The provided model doesn't support on-demand throughput.",
     errors.UpstreamModelMissing),
    (400, "ValidationException", "The provided model identifier is invalid.", errors.UpstreamModelMissing),
    (400, "ValidationException", "This action doesn't support the model that you provided.",
     errors.UpstreamModelMissing),
    (400, "ValidationException", "The text field in the ContentBlock object at messages.0.content.0 is blank.",
     errors.UpstreamRejected),
    (400, "ServiceQuotaExceededException", "x", errors.QuotaExhausted),
    (400, "ExpiredTokenException", "x", errors.CredentialRejected),
    (403, "AccessDeniedException", "You don't have access to the model with the specified model ID.",
     errors.UpstreamModelMissing),
    (403, "AccessDeniedException", "User is not authorized to perform: bedrock:InvokeModel", errors.CredentialRejected),
    (403, "ExpiredTokenException", "The security token included in the request is expired", errors.CredentialRejected),
    (403, "InvalidSignatureException", "Signature expired: 20260101T000000Z is now earlier than 20260101T001000Z",
     errors.CredentialRejected),
    (403, "UnrecognizedClientException", "The security token included in the request is invalid.",
     errors.CredentialRejected),
    (404, "ResourceNotFoundException", "Model not found.", errors.UpstreamModelMissing),
    (424, "ModelErrorException", "x", errors.UpstreamOverloaded),
    (429, "ThrottlingException", "Too many tokens, please wait before trying again.", errors.UpstreamRateLimited),
    (429, "ThrottlingException", "Too many requests, please wait before trying again.", errors.UpstreamRateLimited),
    (429, "ThrottlingException", "Too many tokens per day, please wait before trying again.", errors.QuotaExhausted),
    (429, "ModelNotReadyException", "x", errors.UpstreamRateLimited),
    (500, "InternalServerException", "x", errors.ServerError),
    (503, "ServiceUnavailableException", "x", errors.UpstreamOverloaded),
]  # fmt: skip


@pytest.mark.parametrize(("status", "name", "message", "kind"), BEDROCK)
def test_bedrock_names_its_failures_in_a_header(status: int, name: str, message: str, kind: type[UpstreamError]):
    header = f"{name}:http://internal.amazon.com/coral/com.amazon.bedrock/"
    assert kind is type(failed(status, {"message": message}, headers={"x-amzn-errortype": header}))
    assert kind is type(failed(status, {"Message": message, "__type": f"com.amazon.coral.service#{name}"}))


@pytest.mark.parametrize(("status", "name", "message", "kind"), BEDROCK)
def test_bedrock_names_them_alike_within_a_stream(status: int, name: str, message: str, kind: type[UpstreamError]):
    error = {"message": message, "type": name[0].lower() + name[1:]}

    assert kind is type(stream_error(error, Quirks(), content_seen=False, own_key=True, now_s=NOW_S))


@pytest.mark.parametrize(
    ("original", "kind"),
    [
        (429, errors.UpstreamRateLimited), (500, errors.UpstreamOverloaded), (503, errors.UpstreamOverloaded),
        (400, errors.ContextLengthExceeded), (401, errors.UpstreamOverloaded), ("400", errors.UpstreamOverloaded),
        ([], errors.UpstreamOverloaded), (None, errors.UpstreamOverloaded),
    ],
)  # fmt: skip
def test_what_the_model_behind_bedrock_said_counts(original: Any, kind: type[UpstreamError]):
    body = {"message": "", "originalMessage": "prompt is too long", "originalStatusCode": original}
    header = {"x-amzn-errortype": "ModelErrorException"}
    told = {**body, "type": "modelStreamErrorException"}

    assert kind is type(failed(424, body, headers=header))
    assert kind is type(stream_error(told, Quirks(), content_seen=False, own_key=True, now_s=NOW_S))


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (1000, errors.ServerError), (1001, errors.UpstreamOverloaded), (1002, errors.UpstreamRateLimited),
        (1004, errors.CredentialRejected), (1008, errors.OutOfMoney), (1024, errors.ServerError),
        (1026, errors.ContentPolicy), (1027, errors.ContentPolicy), (1033, errors.UpstreamOverloaded),
        (1039, errors.UpstreamRateLimited), (2013, errors.UpstreamRejected),
    ],
)  # fmt: skip
def test_minimax_fails_inside_a_200(code: int, kind: type[UpstreamError]):
    assert kind is type(failed(200, base_resp(code), MINIMAX))


def test_dashscopes_insufficient_quota_is_a_speed_limit_but_for_the_free_one():
    body = said("Allocated quota exceeded, please increase your quota limit.", code="insufficient_quota")

    assert errors.UpstreamRateLimited is type(failed(429, body, DASHSCOPE))
    assert errors.OutOfMoney is type(failed(429, body))
    assert errors.OutOfMoney is type(failed(429, said("Free allocated quota exceeded."), DASHSCOPE))


def test_a_wait_of_hours_is_a_quota():
    body = said("exceeded token rate limit")

    assert errors.QuotaExhausted is type(failed(429, body, headers={"retry-after": "7200"}))
    assert errors.UpstreamRateLimited is type(failed(429, body, headers={"retry-after": "60"}))


@pytest.mark.parametrize(
    ("status", "told", "kind"),
    [
        (400, "true", errors.ServerError),
        (500, "false", errors.UpstreamOverloaded),
        (429, "true", errors.UpstreamRateLimited),
        (400, "false", errors.UpstreamRejected),
    ],
)
def test_the_provider_may_say_itself_whether_to_retry(status: int, told: str, kind: type[UpstreamError]):
    assert kind is type(failed(status, headers={"x-should-retry": told}))


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, said("Incorrect API key provided: sk-abcdef123456"), errors.ClientCredentialRejected),
        (402, said("x"), errors.ClientQuotaExhausted),
        (429, said("x per day"), errors.ClientQuotaExhausted),
        (429, said("x"), errors.ClientRateLimited),
        (500, said("x"), errors.ServerError),
    ],
)
def test_a_clients_own_key_never_harms_the_deployment(status: int, body: Any, kind: type[UpstreamError]):
    error = failed(status, body, own_key=False)

    assert kind is type(error)
    assert kind is errors.ServerError or (Retry.NEVER, Health.FINE) == (error.retry, error.health)
    assert "sk-abcdef" not in error.message


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({"retry-after-ms": "1500", "retry-after": "9"}, b"", 1.5),
        ({"retry-after": "7"}, b"", 7),
        ({"retry-after": "0.5"}, b"", 0.5),
        ({"retry-after": "-3"}, b"", 0),
        ({"retry-after": "99999999"}, b"", MAX_RETRY_AFTER_S),
        ({"retry-after": "Wed, 18 Nov 2026 11:07:10 GMT"}, b"", 30),
        ({"retry-after": "Wed, 18 Nov 2026 11:07:10 -0000"}, b"", 30),
        ({"retry-after": "soon"}, b"", None),
        ({"retry-after-ms": "soon", "retry-after": "2"}, b"", 2),
        ({}, {"error": {"details": [{"x": 1}, {"retryDelay": "34.4s"}]}}, 34.4),
        ({}, {"error": {"details": [{"retryDelay": "later"}]}}, None),
        ({}, {"error": {"availability": {"retry_after": 3}}}, 3),
        ({}, {"error": {"metadata": {"retry_after": True}}}, None),
        ({}, b"", None),
    ],
)
def test_the_wait_is_read(headers: dict[str, str], body: Any, seconds: float | None):
    now_s = 1_795_000_000.0
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    error = classify(503, headers, raw, Quirks(), own_key=True, now_s=now_s)

    assert seconds == error.retry_after_s


def test_the_wait_of_a_200_means_nothing():
    assert failed(200, said("x", code=429), headers={"retry-after": "60"}).retry_after_s is None


def test_a_refusal_is_shown_in_the_providers_words():
    error = failed(400, said("No `foo` here", type="invalid_request_error", param="foo", code="unsupported_parameter"))

    assert "No `foo` here" == error.message
    assert {
        "message": "No `foo` here",
        "type": "invalid_request_error",
        "param": "foo",
        "code": "unsupported_parameter",
    } == error.answer


def test_codes_that_clients_test_for_are_the_usual_ones():
    context = failed(400, {"error": {"code": "1261", "message": "long"}})
    missing = failed(404, {"detail": "Model not here"})
    vllm = failed(400, said("bad", code=400, type="BadRequestError"))

    assert context.answer is not None
    assert "context_length_exceeded" == context.answer["code"]
    assert {"message": "Model not here", "type": "invalid_request_error", "param": None, "code": "model_not_found"} == (
        missing.answer
    )
    assert vllm.answer is not None
    assert "upstream_rejected" == vllm.answer["code"]


@pytest.mark.parametrize("status", [401, 402, 500, 503])
def test_what_is_between_us_and_the_provider_stays_there(status: int):
    error = failed(status, said("Your account acme-corp at 10.0.0.1 is broken"))

    assert error.answer is None
    assert "acme" not in error.message
    assert "acme" in (error.detail or "")


def test_a_providers_message_is_capped():
    assert MAX_MESSAGE_CHARS == len(failed(400, said("x" * 5000)).message)
    assert "The provider failed with status 400." == failed(400, b"x" * (1 << 21)).message


@pytest.mark.parametrize(
    "secret",
    ["sk-proj-abcdef123456", "sk-ab******************xyz", "gsk_abcdefgh", "AIzaSyA123456789012345678901234",
     "Bearer abc.def", "org-AbCdEfGh123", "proj_12345678", "xai-abcdefgh"],
)  # fmt: skip
def test_keys_are_blotted_out(secret: str):
    assert "bad [redacted] given" == redact(f"bad {secret} given")


@pytest.mark.parametrize("words", ["ask-me", "the key-value store", "organised", "risk-averse approach"])
def test_words_are_not(words: str):
    assert words == redact(words)


@pytest.mark.parametrize(
    ("error", "quirks", "kind"),
    [
        ({"message": "x", "type": "server_error"}, Quirks(), errors.ServerError),
        ({"message": "x", "type": "rate_limit_exceeded"}, Quirks(), errors.UpstreamRateLimited),
        ({"message": "x", "code": "tool_use_failed", "status_code": 400}, Quirks(), errors.ToolCallMalformed),
        ({"message": "x", "type": "insufficient_quota", "code": "insufficient_quota"}, Quirks(), errors.OutOfMoney),
        ({"base_resp": {"status_code": 1002, "status_msg": "x"}}, MINIMAX, errors.UpstreamRateLimited),
    ],
)
def test_an_error_event_before_content_is_like_one_outside_a_stream(error: dict[str, Any], quirks: Quirks, kind):
    assert kind is type(stream_error(error, quirks, content_seen=False, own_key=True, now_s=NOW_S))


def test_an_error_event_after_content_breaks_the_stream():
    error = stream_error({"message": "sk-abcdef123456"}, Quirks(), content_seen=True, own_key=True, now_s=NOW_S)

    assert errors.ErrorInStream is type(error)
    assert not error.splice
    assert "redacted" in (error.detail or "")
    assert "sk-" not in (error.detail or "")


def test_every_row_of_the_table_decides_some_case():
    deciding = set()
    for status, body, _ in CASES:
        raw = body if isinstance(body, bytes) else orjson.dumps(body)
        failure = read_failure(status, {}, raw, None, NOW_S)
        deciding.add(next(place for place, rule in enumerate(RULES) if rule.fits(failure, frozenset())))

    assert set(range(len(RULES))) == deciding


def test_codes_and_phrases_are_lower_case_or_they_would_never_fit():
    for rule in RULES:
        assert all(text == text.lower() for text in (*rule.codes, *rule.phrases))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 999) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                ["error", "message", "code", "type", "details", "metadata", "detail", "base_resp", "status"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)


@given(st.integers(200, 599), JSON, st.text(max_size=12))
def test_no_answer_at_all_makes_it_raise(status: int, body: Any, wait: str):
    headers = {"retry-after": wait, "retry-after-ms": wait}

    assert isinstance(failed(status, body, MINIMAX, headers), UpstreamError)
