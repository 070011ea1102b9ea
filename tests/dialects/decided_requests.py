"""Too long, or against the rules: every provider's own wording.

Re-typed from the error sections of the providers' API references and from what their users report.
"""

from __future__ import annotations

from decided import Says, error
from decided_limits import XAI_NO_PERMISSION, anthropic, base_resp

from proxy import errors

OPENAI_LONG = (
    "This model's maximum context length is 128000 tokens. However, you requested 140000 tokens (139000 in the "
    "messages, 1000 in the completion). Please reduce the length of the messages or completion."
)
TGI_LONG = "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 32768. Given: 71508 `inputs` tokens."
LLAMA_LONG = "the request exceeds the available context size, try increasing it"

TOO_LONG = [
    Says("openai", 400, error(OPENAI_LONG, type="invalid_request_error", param="messages",
         code="context_length_exceeded"), errors.ContextLengthExceeded),
    Says("openai", 400, error("Input tokens exceed the configured limit of 272000 tokens.", code=None),
         errors.ContextLengthExceeded),
    Says("openai", 400, error("Invalid 'messages[1].content': string too long.", code="string_above_max_length"),
         errors.ContextLengthExceeded),
    Says("openai", 400, error("x", code="string_too_long"), errors.ContextLengthExceeded),
    Says("openai", 400, error("Your input exceeds the context window of this model. Please adjust your input.",
         type="invalid_request_error"), errors.ContextLengthExceeded),
    Says("openai", 400, error("Please reduce the length of the messages."), errors.ContextLengthExceeded),
    Says("azure", 400, error(OPENAI_LONG, code="context_length_exceeded"), errors.ContextLengthExceeded),
    Says("groq", 400, error("Please reduce the length of the messages or completion.",
         type="invalid_request_error", code="context_length_exceeded"), errors.ContextLengthExceeded),
    Says("groq", 413, error("Request too large for model `x` on tokens per minute (TPM): Limit 6000, Requested 9000",
         type="tokens", code="rate_limit_exceeded"), errors.ContextLengthExceeded),
    Says("xai", 400, {"code": "Client specified an invalid argument",
         "error": "This model's maximum prompt length is 131072 but the request contains 537812 tokens."},
         errors.ContextLengthExceeded),
    Says("openrouter", 400, error("This endpoint's maximum context length is 8192 tokens.", code=400),
         errors.ContextLengthExceeded),
    Says("openrouter", 400, error("Provider returned error", code=400, metadata={
         "raw": '{"error":{"message":"prompt is too long: 9 tokens > 8 maximum"}}', "provider_name": "Anthropic"}),
         errors.ContextLengthExceeded),
    Says("cerebras", 400, {"message": "Please reduce the length of the messages or completion. "
         "Current length is 9022 while limit is 8192", "type": "invalid_request_error", "param": "messages",
         "code": "context_length_exceeded"}, errors.ContextLengthExceeded),
    Says("cerebras", 400, {"message": "Current length is 9022 while limit is 8192", "code": None},
         errors.ContextLengthExceeded),
    Says("vllm", 400, {"object": "error", "message": "This model's maximum context length is 4096 tokens.",
         "type": "BadRequestError", "param": None, "code": 400}, errors.ContextLengthExceeded),
    Says("vllm", 400, error("This model's maximum context length is 4096 tokens.", type="BadRequestError", code=400),
         errors.ContextLengthExceeded),
    Says("vllm", 400, error("The decoder prompt (length 9000) is longer than the maximum model length of 4096.",
         type="BadRequestError", code=400), errors.ContextLengthExceeded),
    Says("deepseek", 400, error("This model's maximum context length is 65536 tokens.",
         type="invalid_request_error"), errors.ContextLengthExceeded),
    Says("together", 422, error("This model's maximum context length is 8193 tokens.",
         type="invalid_request_error"), errors.ContextLengthExceeded),
    Says("together", 403, error("Input token count + max_tokens parameter must be less than the context length of "
         "the model being queried."), errors.ContextLengthExceeded),
    Says("anthropic", 400, anthropic("invalid_request_error", "prompt is too long: 204548 tokens > 199999 maximum"),
         errors.ContextLengthExceeded),
    Says("anthropic", 400, anthropic("invalid_request_error",
         "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000"), errors.ContextLengthExceeded),
    Says("anthropic", 413, anthropic("request_too_large", "Request exceeds the maximum size"),
         errors.ContextLengthExceeded),
    Says("anthropic", 413, b"<html><head><title>413 Request Entity Too Large</title></head></html>",
         errors.ContextLengthExceeded),
    Says("google", 400, [error("The input token count (1200000) exceeds the maximum number of tokens allowed "
         "(1048576).", code=400, status="INVALID_ARGUMENT")], errors.ContextLengthExceeded),
    Says("bedrock", 400, {"message": "Input is too long for requested model."}, errors.ContextLengthExceeded,
         headers={"x-amzn-errortype": "ValidationException"}),
    Says("bedrock", 400, {"message": "Too many input tokens. Max input tokens: 8192, request input tokens: 9000"},
         errors.ContextLengthExceeded),
    Says("bedrock", 400, {"message": "Malformed input request: expected maxLength: 50000, actual: 61000"},
         errors.ContextLengthExceeded),
    Says("bedrock", 400, {"message": "too many tokens: prompt is longer than allowed"}, errors.ContextLengthExceeded),
    Says("cohere", 400, {"id": "1a", "message": "too many tokens: total number of tokens in the prompt cannot exceed "
         "4081 - received 5000."}, errors.ContextLengthExceeded),
    Says("moonshot", 400, error("Your request exceeded model token limit: 262144 (requested: 310000)",
         type="invalid_request_error"), errors.ContextLengthExceeded),
    Says("sglang", 400, error("The input (5000 tokens) is longer than the model's context length (4096 tokens).",
         type="BadRequestError", code=400), errors.ContextLengthExceeded),
    Says("sglang", 400, error("Requested token count (5000) is greater than the context length (4096)."),
         errors.ContextLengthExceeded),
    Says("sglang", 400, error("Input length 5000 exceeds the maximum allowed input length of 4090."),
         errors.ContextLengthExceeded),
    Says("llamacpp", 400, error(LLAMA_LONG, code=400, type="exceed_context_size_error", n_prompt_tokens=9, n_ctx=8),
         errors.ContextLengthExceeded),
    Says("llamacpp", 400, error(LLAMA_LONG, code=400), errors.ContextLengthExceeded),
    Says("hf", 422, {"error": TGI_LONG, "error_type": "validation"}, errors.ContextLengthExceeded),
    Says("hf", 422, {"error": "`inputs` must have less than 4095 tokens: maximum input length"},
         errors.ContextLengthExceeded),
    Says("mistral", 400, {"object": "error", "message": "Prompt contains 66385 tokens, too large for model with 32768 "
         "maximum context length", "type": "invalid_request_error", "param": None, "code": "3051"},
         errors.ContextLengthExceeded),
    Says("zai", 400, error("Prompt exceeds max length", code="1261"), errors.ContextLengthExceeded),
    Says("minimax", 200, base_resp(2013, "invalid params, context window exceeds limit"),
         errors.ContextLengthExceeded),
    Says("minimax", 400, {"type": "error", "error": {"type": "bad_request_error", "http_code": "400",
         "message": "invalid params, context window exceeds limit (2013)"}}, errors.ContextLengthExceeded),
    Says("dashscope", 400, error("<400> InternalError.Algo.InvalidParameter: Range of input length should be "
         "[1, 98304]", type="invalid_request_error", code="invalid_parameter_error"), errors.ContextLengthExceeded),
    Says("zai", 200, error("x", code="model_context_window_exceeded"), errors.ContextLengthExceeded),
]  # fmt: skip
POLICY = [
    Says("openai", 400, error("Your request was rejected as a result of our safety system.",
         type="invalid_request_error", code="content_policy_violation"), errors.ContentPolicy),
    Says("openai", 400, error("Your request was rejected by the safety system."), errors.ContentPolicy),
    Says("openai", 400, error("Invalid prompt: your prompt was flagged as potentially violating our usage policy.",
         type="invalid_request_error", code="invalid_prompt"), errors.ContentPolicy),
    Says("openai", 400, error("Your prompt violates our usage policy."), errors.ContentPolicy),
    Says("openai", 400, error("x", code="cyber_policy"), errors.ContentPolicy),
    Says("openai", 400, error("x", code="bio_policy"), errors.ContentPolicy),
    Says("openai", 400, error("x", code="misalignment_policy_violation"), errors.ContentPolicy),
    Says("azure", 400, error("The response was filtered due to the prompt triggering Azure OpenAI's content management "
         "policy.", param="prompt", code="content_filter", status=400, innererror={
         "code": "ResponsibleAIPolicyViolation", "content_filter_result": {}}), errors.ContentPolicy),
    Says("azure", 400, error("x", innererror={"code": "ResponsibleAIPolicyViolation"}), errors.ContentPolicy),
    Says("azure", 400, error("Blocked by our content management policy."), errors.ContentPolicy),
    Says("anthropic", 400, anthropic("invalid_request_error", "Output blocked by content filtering policy"),
         errors.ContentPolicy),
    Says("bedrock", 400, {"message": "Blocked."}, errors.ContentPolicy,
         headers={"x-error-code": "guardrail_intervened"}),
    Says("xai", 403, {"code": XAI_NO_PERMISSION, "error": "Content violates usage guidelines. Team: 12, API key ID: "
         "34, Model: grok-4-0709, Failed check: SAFETY_CHECK_TYPE_BIO"}, errors.ContentPolicy),
    Says("dashscope", 400, error("Input data may contain inappropriate content.", type="data_inspection_failed",
         code="data_inspection_failed"), errors.ContentPolicy),
    Says("dashscope", 400, {"code": "DataInspectionFailed", "message": "Output data may contain inappropriate "
         "content.", "request_id": "a"}, errors.ContentPolicy),
    Says("zai", 400, error("Potentially unsafe or sensitive content", code="1301",
         contentFilter=[{"level": 1, "role": "user"}]), errors.ContentPolicy),
    Says("minimax", 200, base_resp(1026, "input new_sensitive"), errors.ContentPolicy),
    Says("minimax", 200, base_resp(1027, "output new_sensitive"), errors.ContentPolicy),
    Says("moonshot", 400, error("The request was rejected because it was considered high risk",
         type="content_filter"), errors.ContentPolicy),
    Says("openrouter", 403, error("Your chosen model requires moderation and your input was flagged", code=403,
         metadata={"reasons": ["violence"], "flagged_input": "...", "provider_name": "OpenAI"}), errors.ContentPolicy),
    Says("novita", 400, {"code": 400, "reason": "ILLEGAL_PROMPT", "message": "x", "metadata": {}},
         errors.ContentPolicy),
    Says("novita", 400, {"code": 400, "reason": "ILLEGAL_IMAGE_CONTENT", "message": "x"}, errors.ContentPolicy),
    Says("volcengine", 400, error("The request could not be processed because the input text includes sensitive "
         "content", type="BadRequest", code="InputTextRiskDetection"), errors.ContentPolicy),
    Says("volcengine", 400, error("x", type="BadRequest", code="InputImageRiskDetection"), errors.ContentPolicy),
    Says("volcengine", 400, error("x", type="BadRequest", code="OutputTextSensitiveContentDetected"),
         errors.ContentPolicy),
    Says("stability", 403, {"id": "a", "name": "content_moderation", "errors": ["x"], "code": "content_moderation"},
         errors.ContentPolicy),
    Says("stability", 400, {"code": "CONTENT_FILTERED", "message": "x"}, errors.ContentPolicy),
    Says("bfl", 200, {"id": "a", "status": "Request Moderated", "result": None}, errors.ContentPolicy),
    Says("bfl", 200, {"id": "a", "status": "Content Moderated", "result": None}, errors.ContentPolicy),
]  # fmt: skip
