"""More rows of hosted providers: open-model hosts and the Chinese clouds."""

from __future__ import annotations

from proxy.dialects.names import DialectName
from proxy.dialects.quirks import MaxTokens, Quirks
from proxy.dialects.request import Operation
from proxy.providers.profile import ALL_OPERATIONS, ANTHROPIC_CLIENT_HEADERS, Paths, Profile, RateLimitHeaders

_CHAT = frozenset({Operation.CHAT})
_CHAT_EMBEDDINGS = _CHAT | {Operation.EMBEDDINGS}
_NO_RESPONSES = ALL_OPERATIONS - {Operation.RESPONSES}

HOSTED_MORE: tuple[Profile, ...] = (
    Profile(
        name="nvidia",
        title="NVIDIA NIM",
        base_url="https://integrate.api.nvidia.com/v1",
        key_variables=("NVIDIA_API_KEY", "NVIDIA_NIM_API_KEY"),
        otel_name="nvidia",
        source="https://docs.api.nvidia.com/nim/reference/llm-apis",
        quirks=Quirks(max_tokens=MaxTokens.LEGACY),
        operations=_NO_RESPONSES,
        aliases=("nim", "nvidia-nim", "nvidia_nim"),
    ),
    Profile(
        name="deepinfra",
        title="DeepInfra",
        base_url="https://api.deepinfra.com/v1/openai",
        key_variables=("DEEPINFRA_API_KEY", "DEEPINFRA_TOKEN"),
        otel_name="deepinfra",
        source="https://deepinfra.com/docs/openai_api",
        quirks=Quirks(max_tokens=MaxTokens.LEGACY),
        operations=_NO_RESPONSES,
        aliases=("deep-infra",),
    ),
    Profile(
        name="moonshot",
        title="Moonshot AI",
        base_url="https://api.moonshot.ai/v1",
        key_variables=("MOONSHOT_API_KEY",),
        otel_name="moonshot_ai",
        source="https://platform.moonshot.ai/docs/api/chat",
        # https://platform.kimi.ai/docs/guide/use-partial-mode-feature-of-kimi-api: it sends only what is new
        quirks=Quirks(
            max_tokens=MaxTokens.LEGACY,
            prefill=True,
            prefill_message_fields={"partial": True},
            understands=frozenset({"reasoning_content", "thinking"}),
        ),
        also={DialectName.ANTHROPIC: Paths("/anthropic/v1/messages", from_root=True)},
        client_headers=ANTHROPIC_CLIENT_HEADERS,
        price_source="moonshotai",
        rate_limits=RateLimitHeaders(
            remaining_requests=("x-ratelimit-remaining",),
            limit_requests=("x-ratelimit-limit",),
            reset_requests=("x-ratelimit-reset",),
        ),
        aliases=("moonshotai", "moonshot-ai", "kimi"),
    ),
    Profile(
        name="dashscope",
        title="Alibaba Cloud Model Studio",
        base_url="https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        key_variables=("DASHSCOPE_API_KEY",),
        otel_name="dashscope",
        source="https://www.alibabacloud.com/help/en/model-studio/compatibility-of-openai-with-dashscope",
        # no prefill: `partial` is for some of its models alone, and not while they think
        # (https://help.aliyun.com/en/model-studio/partial-mode)
        quirks=Quirks(
            max_tokens=MaxTokens.LEGACY,
            bills_after_disconnect=True,
            insufficient_quota_is_throttling=True,
            understands=frozenset({"cache_control", "top_k"}),
        ),
        operations=_CHAT_EMBEDDINGS,
        aliases=("alibaba", "aliyun", "qwen"),
    ),
    Profile(
        name="zai",
        title="Z.ai",
        base_url="https://api.z.ai/api/paas/v4",
        key_variables=("ZAI_API_KEY", "Z_AI_API_KEY"),
        otel_name="zai",
        source="https://docs.z.ai/api-reference/llm/chat-completion",
        quirks=Quirks(max_tokens=MaxTokens.LEGACY, understands=frozenset({"reasoning_content", "thinking"})),
        price_source="zai",
        aliases=("z.ai", "z-ai", "z_ai"),
    ),
    Profile(
        name="minimax",
        title="MiniMax",
        base_url="https://api.minimax.io/v1",
        key_variables=("MINIMAX_API_KEY",),
        otel_name="minimax",
        source="https://platform.minimax.io/docs/api-reference/text-openai-api",
        quirks=Quirks(
            bills_after_disconnect=True,
            errors_in_body="base_resp",
            understands=frozenset({"reasoning_details"}),
        ),
        also={DialectName.ANTHROPIC: Paths("/anthropic/v1/messages", from_root=True)},
        client_headers=ANTHROPIC_CLIENT_HEADERS,
        price_source="minimax",
        aliases=("minimaxi", "minimax-ai"),
    ),
    Profile(
        name="volcengine",
        title="Volcengine Ark",
        base_url="https://ark.cn-beijing.volces.com/api/v3",
        key_variables=("ARK_API_KEY", "VOLCENGINE_API_KEY"),
        otel_name="volcengine",
        source="https://www.volcengine.com/docs/82379/1298459",
        operations=_CHAT_EMBEDDINGS | {Operation.RESPONSES},
        aliases=("ark", "volcano", "doubao"),
    ),
)
