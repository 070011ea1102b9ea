"""A 429 is three things, and money is not always a 429: what each provider says of its limits.

Re-typed from the error sections of the providers' API references and from what their users report.
"""

from __future__ import annotations

from decided import Says, error

from proxy import errors

OPENAI_RPM = (
    "Rate limit reached for gpt-4o in organization org-AbCdEf123456 on requests per min (RPM): Limit 3, Used 3, "
    "Requested 1. Please try again in 20s. Visit https://platform.openai.com/account/rate-limits to learn more."
)
OPENAI_TPM = (
    "Rate limit reached for gpt-4o in organization org-AbCdEf123456 on tokens per min (TPM): Limit 30000, Used 29937, "
    "Requested 385. Please try again in 644ms."
)
GROQ_TPD = (
    "Rate limit reached for model `llama-3.3-70b` in organization `org_01` service tier `on_demand` on tokens per day "
    "(TPD): Limit 100000, Used 99000, Requested 2000. Please try again in 14m24.5s."
)
AZURE_TOKENS = (
    "Requests to the ChatCompletions_Create Operation under Azure OpenAI API have exceeded token rate limit of your "
    "current OpenAI S0 pricing tier. Please retry after {} seconds."
)
MOONSHOT_TPD = (
    "Your account org-20c6704033e44fc4 / proj-5c2d04a3e8 <ak-f1> request reached organization TPD rate limit, "
    "current: 1505241, limit: 1500000"
)
XAI_NO_PERMISSION = "The caller does not have permission to execute the specified operation"
XAI_SPENT = "Your team 1234 has either used all available credits or reached its monthly spending limit."
ANTHROPIC_SPENT = "You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC."
ANTHROPIC_POOR = "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing."
DASHSCOPE_TPM = "Allocated quota exceeded, please increase your quota limit."
DASHSCOPE_TPM_TOO = "You exceeded your current quota, please check your plan and billing details."
DASHSCOPE_FREE = (
    "The free tier of the model has been exhausted. To go on, disable the use free tier only mode in the console."
)


def gemini(quota_id: str, delay: str | None = None) -> dict[str, object]:
    """Google's error with its details."""
    details: list[dict[str, object]] = [
        {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": quota_id}]}
    ]
    if delay is not None:
        details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay})
    message = "You exceeded your current quota, please check your plan and billing details."
    return error(message, code=429, status="RESOURCE_EXHAUSTED", details=details)


def anthropic(kind: str, message: str, code: str | None = None) -> dict[str, object]:
    """Anthropic's own shape."""
    inner = {"type": kind, "message": message, **({"details": {"error_code": code}} if code else {})}
    return {"type": "error", "error": inner, "request_id": "req_011CSHoEeqs5C35K2UUqR7Fy"}


def base_resp(code: int, message: str) -> dict[str, object]:
    """MiniMax's, inside a 200."""
    return {"id": "x", "choices": None, "base_resp": {"status_code": code, "status_msg": message}}


SLOW_DOWN = [
    Says("openai", 429, error(OPENAI_RPM, type="requests", param=None, code="rate_limit_exceeded"),
         errors.UpstreamRateLimited, 20, {"retry-after-ms": "20000", "retry-after": "21"}),
    Says("openai", 429, error(OPENAI_RPM, type="requests", param=None, code="rate_limit_exceeded"),
         errors.UpstreamRateLimited, 20),
    Says("openai", 429, error(OPENAI_TPM, type="tokens", param=None, code="rate_limit_exceeded"),
         errors.UpstreamRateLimited, 0.644),
    Says("openai", 503, error("Slow down", type="server_error", code="server_overloaded"), errors.UpstreamOverloaded),
    Says("azure", 429, {"error": {"code": "429", "message": AZURE_TOKENS.format(3)}},
         errors.UpstreamRateLimited, 2.5, {"retry-after-ms": "2500", "retry-after": "3"}),
    Says("azure", 429, {"error": {"code": "429", "message": AZURE_TOKENS.format(3)}}, errors.UpstreamRateLimited, 3),
    Says("anthropic", 429, anthropic("rate_limit_error", "This request would exceed your account's rate limit."),
         errors.UpstreamRateLimited, 7, {"retry-after": "7"}),
    Says("anthropic", 429, anthropic("rate_limit_error", "Ramp limit.", "ramp_limit_exceeded"),
         errors.UpstreamRateLimited),
    Says("google", 429, gemini("GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "34.4s"),
         errors.UpstreamRateLimited, 34.4),
    Says("google", 429, [gemini("GenerateRequestsPerMinutePerProjectPerModel", "2s")], errors.UpstreamRateLimited, 2),
    Says("vertex", 429, error("Resource exhausted. Please try again later.", code=429, status="RESOURCE_EXHAUSTED"),
         errors.UpstreamRateLimited),
    Says("bedrock", 429, {"message": "Too many requests, please wait before trying again."},
         errors.UpstreamRateLimited, headers={"x-amzn-errortype": "ThrottlingException:http://internal.amazon.com/x"}),
    Says("bedrock", 429, {"message": "Too many tokens, please wait before trying again."},
         errors.UpstreamRateLimited, headers={"x-amzn-errortype": "ThrottlingException"}),
    Says("bedrock", 429, {"Message": "The model is not ready."},
         errors.UpstreamRateLimited, headers={"x-amzn-errortype": "ModelNotReadyException"}),
    Says("groq", 429, error("Rate limit reached on tokens per minute (TPM): Limit 6000. Please try again in 7.66s.",
         type="tokens", code="rate_limit_exceeded"), errors.UpstreamRateLimited, 8,
         {"retry-after": "8", "x-ratelimit-remaining-tokens": "0"}),
    Says("groq", 429, error("Rate limit reached on requests per minute (RPM)", type="requests",
         code="rate_limit_exceeded"), errors.UpstreamRateLimited),
    Says("mistral", 429, {"object": "error", "message": "Rate limit exceeded", "type": "rate_limited", "param": None,
         "code": "1300", "raw_status_code": 429}, errors.UpstreamRateLimited),
    Says("mistral", 429, {"object": "error", "message": "Service tier capacity exceeded for this model.",
         "type": "invalid_request_error", "param": None, "code": None}, errors.UpstreamRateLimited),
    Says("cerebras", 429, {"message": "Tokens per minute limit exceeded - too many tokens processed.",
         "type": "too_many_tokens_error", "param": "quota", "code": "token_quota_exceeded"},
         errors.UpstreamRateLimited, 12, {"retry-after": "12", "x-ratelimit-remaining-requests-day": "14399"}),
    Says("cerebras", 429, {"message": "Requests per minute limit exceeded - too many requests sent.",
         "type": "too_many_requests_error", "param": "quota", "code": "request_quota_exceeded"},
         errors.UpstreamRateLimited),
    Says("together", 429, error("Your request rate is too high.", type="rate_limit", code=None,
         error_type="dynamic_request_limited"), errors.UpstreamRateLimited),
    Says("together", 429, {**error("Slow down."), "error_type": "dynamic_token_limited"}, errors.UpstreamRateLimited),
    Says("together", 503, error("Engine overloaded"), errors.UpstreamOverloaded),
    Says("xai", 429, {"code": "Some resource has been exhausted", "error": "Too many requests for team 1234."},
         errors.UpstreamRateLimited),
    Says("moonshot", 429, error("The engine is currently overloaded, please try again later",
         type="engine_overloaded_error"), errors.UpstreamRateLimited),
    Says("moonshot", 429, error("request reached max request: 3, please try again after 1 seconds",
         type="rate_limit_reached_error"), errors.UpstreamRateLimited, 1),
    Says("dashscope", 429, error("Requests rate limit exceeded, please try again later.", type="limit_requests",
         code="limit_requests"), errors.UpstreamRateLimited),
    Says("dashscope", 429, {"code": "Throttling.RateQuota", "message": "Requests rate limit exceeded",
         "request_id": "a1"}, errors.UpstreamRateLimited),
    Says("dashscope", 429, {"code": "Throttling.AllocationQuota", "message": DASHSCOPE_TPM, "request_id": "a1"},
         errors.UpstreamRateLimited),
    Says("dashscope", 429, error(DASHSCOPE_TPM, type="insufficient_quota", code="insufficient_quota"),
         errors.UpstreamRateLimited),
    Says("dashscope", 429, error(DASHSCOPE_TPM_TOO, type="insufficient_quota", code="insufficient_quota"),
         errors.UpstreamRateLimited),
    Says("zai", 429, error("High concurrency usage of this API", code="1302"), errors.UpstreamRateLimited),
    Says("zai", 429, error("High frequency usage of this API", code="1303"), errors.UpstreamRateLimited),
    Says("zai", 429, error("The API has triggered rate limiting", code="1305"), errors.UpstreamRateLimited),
    Says("zai", 429, error("This model is overloaded", code="1312"), errors.UpstreamRateLimited),
    Says("openrouter", 429, error("Provider returned error", code=429, metadata={
         "error_type": "rate_limit_exceeded", "provider_name": "X", "raw": "busy"}), errors.UpstreamRateLimited),
    Says("openrouter", 429, error("Temporarily rate-limited upstream.", code=429, availability={
         "code": "rate_limited", "retryable": True, "retry_after": 4}), errors.UpstreamRateLimited, 4),
    Says("openrouter", 402, error("Too many requests in flight for your balance.", code=402, metadata={
         "error_type": "in_flight_budget_exhausted"}), errors.UpstreamRateLimited),
    Says("novita", 429, {"code": 429, "reason": "RATE_LIMIT_EXCEEDED", "message": "rpm", "metadata": {}},
         errors.UpstreamRateLimited),
    Says("fireworks", 429, error("Rate limit exceeded", object="error", type="rate_limit", code="rate_limit"),
         errors.UpstreamRateLimited, headers={"x-ratelimit-over-limit": "yes"}),
    Says("cohere", 429, {"id": "1a", "message": "You are past the per minute request limit, please wait and try again"},
         errors.UpstreamRateLimited, 30, {"retry-after": "Wed, 18 Nov 2026 11:07:10 GMT"}),
    Says("nvidia", 429, {"status": 429, "title": "Too Many Requests"}, errors.UpstreamRateLimited),
    Says("deepinfra", 429, {"detail": "Model busy, retry in a bit"}, errors.UpstreamRateLimited),
    Says("minimax", 200, base_resp(1002, "rate limit"), errors.UpstreamRateLimited),
    Says("minimax", 200, base_resp(1039, "token limit"), errors.UpstreamRateLimited),
    Says("minimax", 200, base_resp(1041, "conn limit"), errors.UpstreamRateLimited),
    Says("minimax", 200, base_resp(2045, "rate growth limit"), errors.UpstreamRateLimited),
]  # fmt: skip
FLEX = [
    Says("openai", 429, error("Resource Unavailable", type="requests", code="resource_unavailable"),
         errors.CapacityExceeded),
    Says("openai", 429, error("Resource Unavailable"), errors.CapacityExceeded),
    Says("groq", 498, error("Flex tier capacity exceeded", type="requests", code="capacity_exceeded"),
         errors.CapacityExceeded),
]  # fmt: skip
QUOTA = [
    Says("openai", 429, error("Rate limit reached for gpt-4o on requests per day (RPD): Limit 200, Used 200.",
         type="requests", code="rate_limit_exceeded"), errors.QuotaExhausted),
    Says("azure", 429, {"error": {"code": "429", "message": AZURE_TOKENS.format(86_400)}},
         errors.QuotaExhausted, 86_400),
    Says("azure", 429, {"error": {"code": "429", "message": "Slow down."}}, errors.QuotaExhausted, 7200,
         {"retry-after": "7200"}),
    Says("anthropic", 429, anthropic("rate_limit_error",
         "Number of request tokens has exceeded your daily rate limit"), errors.QuotaExhausted),
    Says("google", 429, gemini("GenerateRequestsPerDayPerProjectPerModel-FreeTier", "34s"), errors.QuotaExhausted, 34),
    Says("bedrock", 429, {"message": "Too many tokens per day, please wait before trying again."},
         errors.QuotaExhausted, headers={"x-amzn-errortype": "ThrottlingException"}),
    Says("bedrock", 400, {"message": "Your request exceeds the service quota for your account."},
         errors.QuotaExhausted, headers={"x-amzn-errortype": "ServiceQuotaExceededException"}),
    Says("groq", 429, error(GROQ_TPD, type="tokens", code="rate_limit_exceeded"), errors.QuotaExhausted, 864.5),
    Says("groq", 429, error("Rate limit reached on requests per day (RPD)", type="requests",
         code="rate_limit_exceeded"), errors.QuotaExhausted, 600, {"retry-after": "600"}),
    Says("mistral", 429, {"object": "error", "message": "Monthly token limit reached", "type": "rate_limited",
         "param": None, "code": "1300"}, errors.QuotaExhausted),
    Says("cerebras", 429, {"message": "Limit exceeded", "type": "too_many_requests_error", "code": "request_quota"},
         errors.QuotaExhausted, headers={"x-ratelimit-remaining-requests-day": "0"}),
    Says("moonshot", 429, error(MOONSHOT_TPD, type="rate_limit_reached_error"), errors.QuotaExhausted),
    Says("zai", 429, error("Daily call limit reached", code="1304"), errors.QuotaExhausted),
    Says("zai", 429, error("Usage limit reached, resets at 2026-11-25", code="1308"), errors.QuotaExhausted),
    Says("zai", 429, error("Weekly limit", code="1310"), errors.QuotaExhausted),
    Says("openrouter", 429, error("Rate limit exceeded: free-models-per-day", code=429, metadata={
         "headers": {"X-RateLimit-Remaining": "0"}}), errors.QuotaExhausted),
    Says("minimax", 200, base_resp(2056, "usage limit exceeded"), errors.QuotaExhausted),
]  # fmt: skip
MONEY = [
    Says("openai", 429, error("You exceeded your current quota, please check your plan and billing details.",
         type="insufficient_quota", param=None, code="insufficient_quota"), errors.OutOfMoney),
    Says("openai", 429, error("Billing hard limit has been reached", code="billing_hard_limit_reached"),
         errors.OutOfMoney),
    Says("openai", 429, error("x", type="insufficient_quota", code="credit_balance_exhausted"), errors.OutOfMoney),
    Says("openai", 429, error("x", code="organization_usage_limit_exceeded"), errors.OutOfMoney),
    Says("openai", 429, error("x", code="organization_spend_limit_exceeded"), errors.OutOfMoney),
    Says("openai", 429, error("x", code="project_spend_limit_exceeded"), errors.OutOfMoney),
    Says("azure", 429, error("Quota limit 0", code="insufficient_quota"), errors.OutOfMoney),
    Says("anthropic", 429, anthropic("rate_limit_error", "x", "contract_spend_limit_reached"), errors.OutOfMoney),
    Says("anthropic", 429, anthropic("rate_limit_error", "x", "enforced_spend_limit_reached"), errors.OutOfMoney),
    Says("anthropic", 400, anthropic("invalid_request_error", ANTHROPIC_POOR), errors.OutOfMoney),
    Says("anthropic", 400, anthropic("invalid_request_error", ANTHROPIC_SPENT), errors.OutOfMoney),
    Says("anthropic", 402, anthropic("billing_error", "x", "linked_organization_suspended"), errors.OutOfMoney),
    Says("google", 402, error("Billing", code=402, status="RESOURCE_EXHAUSTED"), errors.OutOfMoney),
    Says("google", 429, error("Billing", code=429, status="RESOURCE_EXHAUSTED",
         details=[{"reason": "payment_required"}]), errors.OutOfMoney),
    Says("groq", 400, error("API access is blocked: the spend limit is reached.", type="invalid_request_error",
         code="blocked_api_access"), errors.OutOfMoney),
    Says("deepseek", 402, error("Insufficient Balance", type="unknown_error", code="invalid_request_error"),
         errors.OutOfMoney),
    Says("mistral", 402, {"message": "Payment required", "request_id": "a"}, errors.OutOfMoney),
    Says("together", 402, error("Credit limit exceeded", type="credit_limit"), errors.OutOfMoney),
    Says("fireworks", 412, error("Account suspended", type="invalid_request_error"), errors.OutOfMoney),
    Says("xai", 403, {"code": XAI_NO_PERMISSION, "error": XAI_SPENT}, errors.OutOfMoney),
    Says("xai", 429, {"code": "Some resource has been exhausted", "error": XAI_SPENT}, errors.OutOfMoney),
    Says("moonshot", 429, error("Your account is suspended, please check your plan",
         type="exceeded_current_quota_error"), errors.OutOfMoney),
    Says("moonshot", 403, error("Your account is suspended", type="exceeded_current_quota_error"), errors.OutOfMoney),
    Says("dashscope", 429, error("Free allocated quota exceeded.", type="insufficient_quota",
         code="insufficient_quota"), errors.OutOfMoney),
    Says("dashscope", 403, error(DASHSCOPE_FREE, code="AllocationQuota.FreeTierOnly"), errors.OutOfMoney),
    Says("dashscope", 400, error("Access denied, please make sure your account is in good standing.",
         type="Arrearage", code="Arrearage"), errors.OutOfMoney),
    Says("zai", 429, error("Insufficient balance or no resource package. Please recharge.", code="1113"),
         errors.OutOfMoney),
    Says("zai", 429, error("Your plan has expired", code="1309"), errors.OutOfMoney),
    Says("openrouter", 402, error("Insufficient credits", code=402), errors.OutOfMoney),
    Says("novita", 400, {"code": 400, "reason": "BILLING_BALANCE_NOT_ENOUGH", "message": "x", "metadata": {}},
         errors.OutOfMoney),
    Says("novita", 403, {"code": 403, "reason": "BILLING_AUTH_FAILED", "message": "x"}, errors.OutOfMoney),
    Says("novita", 500, {"code": 500, "reason": "BILLING_FAILED", "message": "x"}, errors.OutOfMoney),
    Says("volcengine", 403, error("The request failed because your account has an overdue balance.",
         type="Forbidden", code="AccountOverdueError"), errors.OutOfMoney),
    Says("hf", 402, {"error": "You have exceeded your monthly included credits for Inference Providers."},
         errors.OutOfMoney),
    Says("minimax", 200, base_resp(1008, "insufficient balance"), errors.OutOfMoney),
]  # fmt: skip
