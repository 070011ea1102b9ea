"""One place decides: what a provider says, in its own words, leads to one class, and the class says what is next."""

from __future__ import annotations

from typing import Any

import pytest
from decided import DECISIONS, NOW_S, Says, decided, error
from decided_limits import FLEX, MONEY, QUOTA, SLOW_DOWN, XAI_NO_PERMISSION, anthropic, base_resp
from decided_requests import POLICY, TOO_LONG

from proxy import errors
from proxy.dialects.failures import stream_error
from proxy.dialects.quirks import Quirks
from proxy.errors import Blame, Health, Retry, UpstreamError
from proxy.providers.table import ROWS

CLOUDFLARE = b"<!DOCTYPE html>\n<html><head><title>Attention Required! | Cloudflare</title></head></html>"
PERMISSION = "You have insufficient permissions for this operation."

REFUSED_KEY = [
    Says("openai", 401, error("Incorrect API key provided: sk-ab***xyz.", type="invalid_request_error",
         code="invalid_api_key"), errors.CredentialRejected),
    Says("openai", 403, error("Country, region, or territory not supported", type="request_forbidden",
         code="unsupported_country_region_territory"), errors.CredentialRejected),
    Says("azure", 401, error("Access denied due to invalid subscription key", code="401"), errors.CredentialRejected),
    Says("anthropic", 401, anthropic("authentication_error", "invalid x-api-key"), errors.CredentialRejected),
    Says("anthropic", 403, anthropic("permission_error", PERMISSION), errors.CredentialRejected),
    Says("google", 400, [error("API key not valid. Please pass a valid API key.", code=400,
         status="INVALID_ARGUMENT")], errors.CredentialRejected),
    Says("google", 400, error("API Key not found. Please pass a valid API key.", code=400, status="INVALID_ARGUMENT",
         details=[{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]),
         errors.CredentialRejected),
    Says("google", 400, error("User location is not supported for the API use.", code=400,
         status="FAILED_PRECONDITION"), errors.CredentialRejected),
    Says("google", 403, error("Permission denied", code=403, status="PERMISSION_DENIED"), errors.CredentialRejected),
    Says("vertex", 401, [error("Request had invalid authentication credentials. Expected OAuth 2 access token.",
         code=401, status="UNAUTHENTICATED", details=[{"@type": "type.googleapis.com/google.rpc.ErrorInfo",
         "reason": "ACCESS_TOKEN_EXPIRED"}])], errors.CredentialRejected),
    Says("vertex", 403, error("Vertex AI API has not been used in project p-1 before or it is disabled.", code=403,
         status="PERMISSION_DENIED", details=[{"@type": "type.googleapis.com/google.rpc.ErrorInfo",
         "reason": "SERVICE_DISABLED"}]), errors.CredentialRejected),
    Says("azure", 401, {"error": {"code": "Unauthorized", "message": "Access token is missing, invalid, audience is "
         "incorrect (https://cognitiveservices.azure.com), or have expired."}}, errors.CredentialRejected),
    Says("azure", 401, {"error": {"code": "PermissionDenied", "message": "The principal lacks the required data "
         "action."}}, errors.CredentialRejected),
    Says("cohere", 401, {"id": "1a", "message": "invalid api token"}, errors.CredentialRejected),
    Says("bedrock", 403, {"message": "The security token included in the request is expired"},
         errors.CredentialRejected, headers={"x-amzn-errortype": "ExpiredTokenException"}),
    Says("bedrock", 403, {"message": "Signature expired: 20261118T110000Z is now earlier than 20261118T110500Z"},
         errors.CredentialRejected, headers={"x-amzn-errortype": "InvalidSignatureException"}),
    Says("bedrock", 403, {"message": "Your account is not authorized to invoke this API operation."},
         errors.CredentialRejected, headers={"x-amzn-errortype": "AccessDeniedException"}),
    Says("xai", 400, {"code": "Client specified an invalid argument", "error":
         "Incorrect API key provided: na***ys. You can obtain an API key from https://console.x.ai."},
         errors.CredentialRejected),
    Says("xai", 403, {"code": XAI_NO_PERMISSION, "error": "Your API key lacks the permission."},
         errors.CredentialRejected),
    Says("hf", 401, {"error": "Invalid username or password."}, errors.CredentialRejected),
    Says("mistral", 401, {"message": "Unauthorized", "request_id": "a"}, errors.CredentialRejected),
    Says("nvidia", 403, {"status": 403, "title": "Forbidden", "detail": "Authorization failed"},
         errors.CredentialRejected),
    Says("dashscope", 401, {"code": "InvalidApiKey", "message": "Invalid API-key provided.", "request_id": "a"},
         errors.CredentialRejected),
    Says("dashscope", 401, error("Incorrect API key provided.", code="invalid_api_key"), errors.CredentialRejected),
    Says("dashscope", 403, {"code": "AccessDenied", "message": "Access denied.", "request_id": "a"},
         errors.CredentialRejected),
    Says("novita", 400, {"code": 400, "reason": "MISSING_API_KEY", "message": "x"}, errors.CredentialRejected),
    Says("novita", 403, {"code": 403, "reason": "INVALID_API_KEY", "message": "x"}, errors.CredentialRejected),
    Says("novita", 403, {"code": 403, "reason": "NEED_REAL_NAME_VERIFY", "message": "x"}, errors.CredentialRejected),
    Says("volcengine", 401, error("The API key in the request is missing or invalid.", type="Unauthorized",
         code="AuthenticationError"), errors.CredentialRejected),
    *[Says("zai", 401, error("Authentication failed", code=str(code)), errors.CredentialRejected)
      for code in range(1000, 1005)],
    Says("zai", 429, error("Your account has been locked", code="1112"), errors.CredentialRejected),
    Says("zai", 429, error("Your account has been locked", code="1121"), errors.CredentialRejected),
    Says("minimax", 200, base_resp(1004, "not authorized"), errors.CredentialRejected),
    Says("minimax", 200, base_resp(2049, "invalid api key"), errors.CredentialRejected),
]  # fmt: skip
NO_MODEL = [
    Says("openai", 404, error("The model `x` does not exist or you do not have access to it.",
         type="invalid_request_error", code="model_not_found"), errors.UpstreamModelMissing),
    Says("openai", 400, error("x", code="model_not_found"), errors.UpstreamModelMissing),
    Says("openai", 403, error("Project `proj_abcdef12` does not have access to model `x`", code="model_not_found"),
         errors.UpstreamModelMissing),
    Says("azure", 404, error("The API deployment for this resource does not exist.", code="DeploymentNotFound"),
         errors.UpstreamModelMissing),
    Says("azure", 400, error("x", code="DeploymentNotFound"), errors.UpstreamModelMissing),
    Says("anthropic", 404, anthropic("not_found_error", "model: x"), errors.UpstreamModelMissing),
    Says("vertex", 404, error("Publisher Model `projects/p-1/locations/global/publishers/google/models/x` was not "
         "found or your project does not have access to it.", code=404, status="NOT_FOUND"),
         errors.UpstreamModelMissing),
    Says("vertex-anthropic", 404, error("Publisher Model `publishers/anthropic/models/x` was not found.", code=404,
         status="NOT_FOUND"), errors.UpstreamModelMissing),
    Says("google", 404, error("models/x is not found for API version v1beta, or is not supported for generateContent.",
         code=404, status="NOT_FOUND"), errors.UpstreamModelMissing),
    Says("cohere", 404, {"id": "1a", "message": "model 'x' not found, make sure the correct model ID was used"},
         errors.UpstreamModelMissing),
    Says("bedrock", 400, {"message": "Invocation of model ID x with on-demand throughput isn't supported."},
         errors.UpstreamModelMissing, headers={"x-amzn-errortype": "ValidationException"}),
    Says("bedrock", 403, {"message": "You don't have access to the model with the specified model ID."},
         errors.UpstreamModelMissing, headers={"x-amzn-errortype": "AccessDeniedException"}),
    Says("bedrock", 404, {"message": "Not found"}, errors.UpstreamModelMissing,
         headers={"x-amzn-errortype": "ResourceNotFoundException"}),
    Says("novita", 403, {"code": 403, "reason": "model_access_denied", "message": "x"}, errors.UpstreamModelMissing),
    Says("novita", 404, {"code": 404, "reason": "API_NOT_FOUND", "message": "x"}, errors.UpstreamModelMissing),
    Says("dashscope", 404, error("The model `x` does not exist.", code="model_not_found"),
         errors.UpstreamModelMissing),
    Says("dashscope", 404, {"code": "ModelNotFound", "message": "x"}, errors.UpstreamModelMissing),
    Says("zai", 400, error("Model does not exist", code="1211"), errors.UpstreamModelMissing),
    Says("volcengine", 404, error("Your account has not activated the model x.", code="ModelNotOpen"),
         errors.UpstreamModelMissing),
    Says("volcengine", 400, error("x", code="InvalidEndpoint.ClosedEndpoint"), errors.UpstreamModelMissing),
    Says("ollama", 404, error('model "x" not found, try pulling it first', type="api_error"),
         errors.UpstreamModelMissing),
    Says("perplexity", 400, error("Unknown model 'x'.", type="invalid_model", code=400), errors.UpstreamModelMissing),
]  # fmt: skip
BAD_REQUEST = [
    Says("openai", 400, error("Unsupported parameter: 'max_tokens'", type="invalid_request_error",
         param="max_tokens", code="unsupported_parameter"), errors.UpstreamRejected),
    Says("mistral", 422, {"detail": [{"type": "extra_forbidden", "loc": ["body", "foo"],
         "msg": "Extra inputs are not permitted"}]}, errors.UpstreamRejected),
    Says("mistral", 422, {"object": "error", "message": {"detail": [{"type": "missing", "loc": ["body"],
         "msg": "Field required"}]}, "type": "invalid_request_error"}, errors.UpstreamRejected),
    Says("cohere", 422, {"id": "1a", "message": "all elements in history must have a message."},
         errors.UpstreamRejected),
    Says("google", 400, error('Invalid JSON payload received. Unknown name "foo": Cannot find field.', code=400,
         status="INVALID_ARGUMENT"), errors.UpstreamRejected),
    Says("vertex-anthropic", 400, anthropic("invalid_request_error", "max_tokens: Field required"),
         errors.UpstreamRejected),
    Says("together", 422, error("Invalid value", type="invalid_request_error"), errors.UpstreamRejected),
    Says("deepseek", 422, error("Failed to deserialize the JSON body", type="invalid_request_error"),
         errors.UpstreamRejected),
    Says("groq", 422, error("Unprocessable", type="invalid_request_error"), errors.UpstreamRejected),
    Says("moonshot", 400, error("invalid temperature: only 1 is allowed for this model",
         type="invalid_request_error"), errors.UpstreamRejected),
    Says("dashscope", 400, {"code": "InvalidParameter", "message": "x", "request_id": "a"}, errors.UpstreamRejected),
    Says("zai", 400, error("Incorrect parameter", code="1210"), errors.UpstreamRejected),
    Says("minimax", 200, base_resp(2013, "invalid params"), errors.UpstreamRejected),
    Says("ollama", 400, {"error": "invalid options"}, errors.UpstreamRejected),
    *[Says("openai", status, b"", errors.UpstreamRejected) for status in (405, 410, 411, 415, 418, 451, 501)],
    Says("zai", 434, b"", errors.UpstreamRejected),
    Says("zai", 435, b"", errors.UpstreamRejected),
    Says("llamacpp", 501, error("This feature is off", code=501, type="not_supported_error"), errors.UpstreamRejected),
]  # fmt: skip
BY_STATUS = [
    Says("groq", 400, error("Failed to call a function.", type="invalid_request_error", code="tool_use_failed",
         failed_generation="<function="), errors.ToolCallMalformed),
    Says("openai", 403, CLOUDFLARE, errors.UpstreamOverloaded),
    Says("groq", 403, b"error code: 1010", errors.UpstreamOverloaded),
    Says("openai", 408, b"", errors.ServerError),
    Says("bedrock", 408, {"message": "x"}, errors.ServerError, headers={"x-amzn-errortype": "ModelTimeoutException"}),
    Says("anthropic", 409, anthropic("conflict_error", "x"), errors.ServerError),
    Says("openai", 413, b"", errors.ContextLengthExceeded),
    Says("bedrock", 424, {"message": "x", "originalStatusCode": 500}, errors.UpstreamOverloaded,
         headers={"x-amzn-errortype": "ModelErrorException"}),
    Says("groq", 424, b"", errors.UpstreamOverloaded),
    Says("openai", 425, b"", errors.ServerError),
    Says("openai", 428, b"", errors.ServerError),
    Says("groq", 499, b"", errors.ConnectionLost),
    Says("openai", 500, error("The server had an error", type="server_error"), errors.ServerError),
    Says("bedrock", 500, {"message": "x"}, errors.ServerError, headers={"x-amzn-errortype": "InternalServerException"}),
    Says("zai", 500, error("Network error", code="1234"), errors.ServerError),
    Says("zai", 500, error("Internal error", code="500"), errors.ServerError),
    Says("openai", 502, b"<html><h1>502 Bad Gateway</h1></html>", errors.UpstreamOverloaded),
    Says("llamacpp", 503, error("Loading model", code=503, type="unavailable_error"), errors.UpstreamOverloaded),
    Says("google", 503, error("The model is overloaded.", code=503, status="UNAVAILABLE", details=[
         {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "40s"}]), errors.UpstreamOverloaded, 40),
    Says("openrouter", 503, b"", errors.UpstreamOverloaded, 5, {"retry-after": "5"}),
    Says("anthropic", 504, anthropic("timeout_error", "x"), errors.UpstreamOverloaded),
    *[Says("openrouter", status, CLOUDFLARE, errors.UpstreamOverloaded) for status in (*range(520, 525), 530)],
    Says("anthropic", 529, anthropic("overloaded_error", "Overloaded"), errors.UpstreamOverloaded),
    Says("openrouter", 529, error("Provider returned error", code=529), errors.UpstreamOverloaded),
    Says("openai", 302, b"", errors.ServerError),
]  # fmt: skip
INSIDE_A_200 = [
    Says("openrouter", 200, error("Provider disconnected", code=502), errors.UpstreamOverloaded),
    Says("openrouter", 200, error("x", code=429, metadata={"error_type": "rate_limit_exceeded"}),
         errors.UpstreamRateLimited),
    Says("openrouter", 200, error("x", code=402), errors.OutOfMoney),
    Says("azure", 200, error("x", code="429"), errors.UpstreamRateLimited),
    Says("minimax", 200, base_resp(1000, "unknown error"), errors.ServerError),
    Says("minimax", 200, base_resp(1001, "request timeout"), errors.UpstreamOverloaded),
    Says("minimax", 200, base_resp(1013, "internal error"), errors.ServerError),
    Says("minimax", 200, base_resp(1024, "internal error"), errors.ServerError),
    Says("minimax", 200, base_resp(1033, "system error"), errors.UpstreamOverloaded),
    Says("hf", 200, {"error": "Model too busy"}, errors.ServerError),
    Says("nvidia", 200, {"status": 503, "title": "Busy", "error": None}, errors.UpstreamOverloaded),
]  # fmt: skip
SHOULD_RETRY = [
    Says("openai", 400, error("x"), errors.ServerError, headers={"x-should-retry": "true"}),
    Says("openai", 500, error("x"), errors.UpstreamOverloaded, headers={"x-should-retry": "false"}),
    Says("openai", 409, error("x"), errors.UpstreamOverloaded, headers={"x-should-retry": "false"}),
    Says("openai", 429, error("x"), errors.StillRateLimited, 1, {"x-should-retry": "false", "retry-after": "1"}),
    Says("openai", 429, error("x", code="insufficient_quota"), errors.OutOfMoney, headers={"x-should-retry": "false"}),
    Says("openai", 400, error("x", code="content_filter"), errors.ContentPolicy, headers={"x-should-retry": "true"}),
    Says("openai", 400, error("x", code="context_length_exceeded"), errors.ContextLengthExceeded,
         headers={"x-should-retry": "true"}),
]  # fmt: skip

SAME = {"azure-classic", "azure-anthropic", "bedrock-openai", "bedrock-mantle", "cohere-openai", "google-openai"}
"""Another address of a provider that is heard already."""

ANSWERS = [
    *SLOW_DOWN, *FLEX, *QUOTA, *MONEY, *TOO_LONG, *POLICY,
    *REFUSED_KEY, *NO_MODEL, *BAD_REQUEST, *BY_STATUS, *INSIDE_A_200, *SHOULD_RETRY,
]  # fmt: skip

EVENTS = [
    Says("openai", 200, error("x", type="server_error", code=None), errors.ServerError),
    Says("openai", 200, error("x", type="insufficient_quota", code="insufficient_quota"), errors.OutOfMoney),
    Says("openai", 200, error("x", type="invalid_request_error", code="context_length_exceeded"),
         errors.ContextLengthExceeded),
    Says("openai", 200, error("x", code="string_above_max_length"), errors.ContextLengthExceeded),
    Says("openai", 200, error("x", code="cyber_policy"), errors.ContentPolicy),
    Says("anthropic", 200, anthropic("overloaded_error", "Overloaded"), errors.UpstreamOverloaded),
    Says("anthropic", 200, anthropic("rate_limit_error", "x"), errors.UpstreamRateLimited),
    Says("anthropic", 200, anthropic("billing_error", "x"), errors.OutOfMoney),
    Says("anthropic", 200, anthropic("request_too_large", "x"), errors.ContextLengthExceeded),
    Says("anthropic", 200, anthropic("permission_error", "x"), errors.CredentialRejected),
    Says("anthropic", 200, anthropic("timeout_error", "x"), errors.UpstreamOverloaded),
    Says("groq", 200, error("Failed to call a function.", type="invalid_request_error", code="tool_use_failed",
         status_code=400), errors.ToolCallMalformed),
    Says("openrouter", 200, error("Provider disconnected unexpectedly", code="server_error"), errors.ServerError),
    Says("openrouter", 200, error("Overloaded", code=503), errors.UpstreamOverloaded),
    Says("together", 200, error("x", type="server_error", code=None), errors.ServerError),
    Says("cerebras", 200, {"message": "Tokens per minute limit exceeded - too many tokens processed.",
         "type": "too_many_tokens_error", "code": "token_quota_exceeded"}, errors.UpstreamRateLimited),
    Says("vllm", 200, error("x", type="BadRequestError", code=400), errors.UpstreamRejected),
    Says("vllm", 200, error("x", type="InternalServerError", code=500), errors.ServerError),
    Says("google", 200, error("The service is unavailable.", code=503, status="UNAVAILABLE"),
         errors.UpstreamOverloaded),
    Says("vertex", 200, error("Resource exhausted. Please try again later.", code=429, status="RESOURCE_EXHAUSTED"),
         errors.UpstreamRateLimited),
    Says("vertex", 200, error("Internal error encountered.", code=500, status="INTERNAL"), errors.ServerError),
    Says("anthropic", 200, anthropic("api_error", "Internal server error"), errors.ServerError),
    Says("anthropic", 200, anthropic("authentication_error", "x"), errors.CredentialRejected),
    Says("anthropic", 200, anthropic("not_found_error", "model: x"), errors.UpstreamModelMissing),
    Says("anthropic", 200, anthropic("invalid_request_error", "prompt is too long: 2 tokens > 1 maximum"),
         errors.ContextLengthExceeded),
    Says("azure", 200, error("The response was filtered", code="content_filter"), errors.ContentPolicy),
    Says("bedrock", 200, {"type": "throttlingException", "message": "Too many tokens, please wait."},
         errors.UpstreamRateLimited),
    Says("bedrock", 200, {"type": "validationException", "message": "Input is too long for requested model."},
         errors.ContextLengthExceeded),
    Says("bedrock", 200, {"type": "serviceUnavailableException", "message": "x"}, errors.UpstreamOverloaded),
    Says("bedrock", 200, {"type": "modelTimeoutException", "message": "x"}, errors.UpstreamOverloaded),
    Says("bedrock", 200, {"type": "internalServerException", "message": "x"}, errors.ServerError),
    Says("zai", 200, error("Prompt exceeds max length", code="1261"), errors.ContextLengthExceeded),
    Says("zai", 200, error("High concurrency", code="1302"), errors.UpstreamRateLimited),
    Says("zai", 200, error("unsafe", code="1301"), errors.ContentPolicy),
    Says("dashscope", 200, error("x", code="data_inspection_failed"), errors.ContentPolicy),
    Says("dashscope", 200, error("x", code="insufficient_quota"), errors.UpstreamRateLimited),
    Says("xai", 200, {"error": "Something broke", "code": "Internal error"}, errors.ServerError),
    Says("minimax", 200, base_resp(1002, "rate limit"), errors.UpstreamRateLimited),
]  # fmt: skip


@pytest.mark.parametrize("says", ANSWERS, ids=str)
def test_a_provider_is_understood_in_its_own_words(says: Says):
    error = says.classified()

    assert says.kind is type(error)
    assert DECISIONS[says.kind] == decided(error)
    assert says.wait_s == error.retry_after_s


@pytest.mark.parametrize("says", EVENTS, ids=str)
def test_before_content_an_error_event_decides_as_an_answer_does(says: Says):
    error = says.in_stream(content_seen=False)

    assert says.kind is type(error)
    assert DECISIONS[says.kind] == decided(error)


@pytest.mark.parametrize("says", EVENTS, ids=str)
def test_after_content_an_error_event_is_told_and_nobody_else_is_asked(says: Says):
    error = says.in_stream(content_seen=True)

    assert errors.ErrorInStream is type(error)
    assert (Retry.NEVER, Blame.UPSTREAM, Health.SICK, False) == decided(error)


def test_every_kind_of_failure_is_decided():
    def below(kind: type[UpstreamError]) -> set[type[UpstreamError]]:
        return {kind}.union(*(below(child) for child in kind.__subclasses__()))

    assert below(UpstreamError) == set(DECISIONS)


@pytest.mark.parametrize("kind", DECISIONS)
def test_a_failure_decides_as_agreed(kind: type[UpstreamError]):
    assert DECISIONS[kind] == decided(kind("x"))


def test_every_hosted_provider_is_heard():
    silent = {"sambanova"}  # says nothing of its own: OpenAI's shape and codes

    assert {row.name for row in ROWS if not row.self_hosted} - {says.provider for says in ANSWERS} - SAME == silent


QUOTED = [
    "credit balance is too low",
    "API key not valid",
    "Incorrect API key provided",
    "Insufficient balance",
    "used all available credits",
    "You have reached your specified",
]


@pytest.mark.parametrize("words", QUOTED)
def test_nobody_can_have_the_gateways_key_set_aside_by_writing_an_errors_words(words: str):
    """Providers quote the request in a 400: only how their words begin is their own."""
    body = error(f"Invalid value: '{words}'. Supported values are: 'system', 'assistant' and 'user'.", param="role")

    assert errors.UpstreamRejected is type(Says("openai", 400, body, errors.UpstreamRejected).classified())


@pytest.mark.parametrize(
    ("words", "wait_s"),
    [
        ("Please try again in 6m0s.", 360),
        ("Please try again in 1h2m3.5s.", 3723.5),
        ("Please try again in 644ms.", 0.644),
        ("Please retry in 34.4s.", 34.4),
        ("please try again after 1 seconds", 1),
        ("Try again in a moment.", None),
        ("Please retry after some time", None),
    ],
)
def test_a_wait_told_in_words_alone_is_read(words: str, wait_s: float | None):
    assert wait_s == Says("openai", 429, error(words), UpstreamError).classified().retry_after_s
    assert Says("openai", 400, error(words), UpstreamError).classified().retry_after_s is None


def test_a_message_in_a_header_is_one_too():
    says = Says("hf", 400, b"", UpstreamError, headers={"x-error-message": "prompt is too long: 9 > 8"})

    assert errors.ContextLengthExceeded is type(says.classified())


@pytest.mark.parametrize("value", [None, 7, [], {}, "", "x", [1]])
def test_an_error_event_of_any_type_decides_something(value: Any):
    for content_seen in (False, True):
        event = {"message": value, "code": value, "type": value, "status": value}
        found = stream_error(event, Quirks(), content_seen=content_seen, own_key=True, now_s=NOW_S)
        assert isinstance(found, UpstreamError)
