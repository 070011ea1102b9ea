"""The rows of hosted providers. Each names the documentation its facts were read from.

A quirk that the documentation leaves open is set so that being wrong is harmless: usage is asked for where asking is
known to be safe, and `max_tokens` is preferred where the newer name is not known to be read.
"""

from __future__ import annotations

from proxy.dialects.names import DialectName
from proxy.dialects.quirks import OPENAI_TIERS, MaxTokens, Quirks, StreamOptions
from proxy.dialects.request import Operation
from proxy.need import Need
from proxy.providers.profile import (
    ALL_OPERATIONS,
    ANTHROPIC_CLIENT_HEADERS,
    ANTHROPIC_HEADERS,
    NO_SOUND,
    Paths,
    Profile,
    RateLimitHeaders,
)

_CHAT = frozenset({Operation.CHAT})
_CHAT_RESPONSES = _CHAT | {Operation.RESPONSES}
_CHAT_EMBEDDINGS = _CHAT | {Operation.EMBEDDINGS}
_CHAT_COMPLETION = _CHAT | {Operation.TEXT_COMPLETION}
_NO_RESPONSES = ALL_OPERATIONS - {Operation.RESPONSES}

_OPENAI_LIMITS = RateLimitHeaders.suffixed("requests", "tokens")
_PLAIN_LIMITS = RateLimitHeaders(
    remaining_requests=("x-ratelimit-remaining",),
    limit_requests=("x-ratelimit-limit",),
    reset_requests=("x-ratelimit-reset",),
)
_OPENAI_ACCOUNT = frozenset({"openai-organization", "openai-project"})
_GOOGLES_OWN_URLS = (
    "https://generativelanguage.googleapis.com/",
    "https://www.youtube.com/",
    "https://youtube.com/",
    "https://youtu.be/",
)
_NO_MEDIA = frozenset({Need.DOCUMENTS, Need.AUDIO_INPUT, Need.AUDIO_OUTPUT, Need.IMAGE_OUTPUT})
"""Nothing but text goes out, and nothing but text and images goes in."""
_IDENTIFIERS = frozenset({"safety_identifier", "prompt_cache_key"})
"""Hints of OpenAI's own accounts that a strict server elsewhere refuses."""

HOSTED: tuple[Profile, ...] = (
    Profile(
        name="openai",
        title="OpenAI",
        base_url="https://api.openai.com/v1",
        key_variables=("OPENAI_API_KEY",),
        otel_name="openai",
        source="https://platform.openai.com/docs/api-reference",
        quirks=Quirks(tiers=OPENAI_TIERS, strict_thinkers=True),
        operations=ALL_OPERATIONS,
        price_source="openai",
        rate_limits=_OPENAI_LIMITS,
        client_key_headers=_OPENAI_ACCOUNT,
    ),
    Profile(
        name="anthropic",
        title="Anthropic",
        base_url="https://api.anthropic.com",
        key_variables=("ANTHROPIC_API_KEY",),
        otel_name="anthropic",
        source="https://platform.claude.com/docs/en/api/messages",
        dialect=DialectName.ANTHROPIC,
        lacks=NO_SOUND,
        quirks=Quirks(tiers={"auto": "auto", "default": "standard_only"}),
        auth="x-api-key",
        price_source="anthropic",
        rate_limits=RateLimitHeaders(
            remaining_requests=("anthropic-ratelimit-requests-remaining",),
            limit_requests=("anthropic-ratelimit-requests-limit",),
            reset_requests=("anthropic-ratelimit-requests-reset",),
            remaining_tokens=("anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-input-tokens-remaining"),
            limit_tokens=("anthropic-ratelimit-tokens-limit", "anthropic-ratelimit-input-tokens-limit"),
            reset_tokens=("anthropic-ratelimit-tokens-reset", "anthropic-ratelimit-input-tokens-reset"),
        ),
        # not `ANTHROPIC_BASE_URL`: on a machine that runs this gateway it leads to this gateway
        aliases=("claude",),
        default_headers=ANTHROPIC_HEADERS,
        client_headers=frozenset({"anthropic-beta"}),
    ),
    Profile(
        name="google",
        title="Google Gemini",
        base_url="https://generativelanguage.googleapis.com/v1beta",
        key_variables=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        otel_name="gcp.gemini",
        source="https://ai.google.dev/api/generate-content",
        dialect=DialectName.GEMINI,
        quirks=Quirks(
            fetches_urls=False,
            own_urls=_GOOGLES_OWN_URLS,
            tiers={"default": "standard", "flex": "flex", "priority": "priority"},
            bills_after_disconnect=True,
        ),
        auth="x-goog-api-key",
        price_source="google",
        aliases=("gemini", "google-ai-studio", "google_ai_studio"),
    ),
    Profile(
        name="google-openai",  # beside `google`: embeddings are only asked in OpenAI's dialect
        title="Google Gemini, OpenAI endpoint",
        base_url="https://generativelanguage.googleapis.com/v1beta/openai",
        key_variables=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        otel_name="gcp.gemini",
        source="https://ai.google.dev/gemini-api/docs/openai",
        # its thoughts are in `total_tokens` alone, and every chunk carries usage
        quirks=Quirks(
            stream_options=StreamOptions.PASS,
            dropped=_IDENTIFIERS | {"store", "metadata"},
            bills_after_disconnect=True,
        ),
        operations=_CHAT_EMBEDDINGS,
        price_source="google",
        aliases=("gemini-openai",),
    ),
    Profile(
        name="groq",
        title="Groq",
        base_url="https://api.groq.com/openai/v1",
        key_variables=("GROQ_API_KEY",),
        otel_name="groq",
        source="https://console.groq.com/docs/openai",
        # no prefill: not exact, some models want a newline after it (https://console.groq.com/docs/prompting)
        quirks=Quirks(
            unsupported=frozenset({"logprobs", "top_logprobs", "logit_bias", "presence_penalty", "frequency_penalty"}),
            dropped_message_fields=frozenset({"name"}),
            fixed_n=True,
            # flex is no cheaper: ten times the limits, but it fails fast with 498
            tiers={"auto": "auto", "default": "on_demand", "flex": "flex"},
            bills_after_disconnect=True,
        ),
        operations=_CHAT_RESPONSES,
        lacks=_NO_MEDIA,
        price_source="groq",
        rate_limits=_OPENAI_LIMITS,  # requests a day, tokens a minute
    ),
    Profile(
        name="deepseek",
        title="DeepSeek",
        base_url="https://api.deepseek.com/v1",
        key_variables=("DEEPSEEK_API_KEY",),
        otel_name="deepseek",
        source="https://api-docs.deepseek.com/",
        # no prefill: only at another address (https://platform.deepseek.com/api-docs/chat_prefix_completion)
        quirks=Quirks(max_tokens=MaxTokens.LEGACY, understands=frozenset({"reasoning_content", "thinking"})),
        also={DialectName.ANTHROPIC: Paths("/anthropic/v1/messages", from_root=True)},
        lacks=_NO_MEDIA,
        price_source="deepseek",
        client_headers=ANTHROPIC_CLIENT_HEADERS,
    ),
    Profile(
        name="mistral",
        title="Mistral",
        base_url="https://api.mistral.ai/v1",
        key_variables=("MISTRAL_API_KEY",),
        otel_name="mistral_ai",
        source="https://docs.mistral.ai/api/",
        # validates strictly: an unknown field is a 422; no prefill: with `prefix` the answer repeats the prefix
        quirks=Quirks(
            stream_options=StreamOptions.REFUSE,
            max_tokens=MaxTokens.LEGACY,
            renamed={"seed": "random_seed"},
            dropped=_IDENTIFIERS | {"store", "user"},
            unsupported=frozenset({"logprobs", "top_logprobs", "logit_bias"}),
            bills_after_disconnect=True,
        ),
        dialect=DialectName.MISTRAL,
        operations=_CHAT_EMBEDDINGS,
        price_source="mistral",
        rate_limits=RateLimitHeaders.suffixed("req-minute", "tokens-minute"),
        aliases=("mistralai", "mistral-ai"),
    ),
    Profile(
        name="novita",
        title="Novita",
        base_url="https://api.novita.ai/openai/v1",
        key_variables=("NOVITA_API_KEY",),
        otel_name="novita",
        source="https://novita.ai/docs/guides/llm-api",
        quirks=Quirks(max_tokens=MaxTokens.LEGACY, understands=frozenset({"top_k"})),
        operations=_NO_RESPONSES,
        price_source="novita",
        aliases=("novita-ai", "novita_ai"),
    ),
    Profile(
        name="fireworks",
        title="Fireworks",
        base_url="https://api.fireworks.ai/inference/v1",
        key_variables=("FIREWORKS_API_KEY",),
        otel_name="fireworks",
        source="https://docs.fireworks.ai/api-reference/introduction",
        quirks=Quirks(tiers={"priority": "priority"}, understands=frozenset({"reasoning_content", "top_k"})),
        operations=ALL_OPERATIONS,
        price_source="fireworks",
        rate_limits=RateLimitHeaders(
            remaining_requests=("x-ratelimit-remaining-requests",),
            limit_requests=("x-ratelimit-limit-requests",),
            remaining_tokens=("x-ratelimit-remaining-tokens-generated", "x-ratelimit-remaining-tokens-prompt"),
            limit_tokens=("x-ratelimit-limit-tokens-generated", "x-ratelimit-limit-tokens-prompt"),
        ),
        aliases=("fireworks-ai", "fireworks_ai"),
    ),
    Profile(
        name="together",
        title="Together AI",
        base_url="https://api.together.ai/v1",
        key_variables=("TOGETHER_API_KEY", "TOGETHERAI_API_KEY"),
        otel_name="together",
        source="https://docs.together.ai/docs/openai-api-compatibility",
        quirks=Quirks(stream_options=StreamOptions.PASS, max_tokens=MaxTokens.LEGACY, understands=frozenset({"top_k"})),
        operations=_NO_RESPONSES,
        price_source="together",
        rate_limits=RateLimitHeaders(
            remaining_requests=("x-ratelimit-remaining",),
            limit_requests=("x-ratelimit-limit",),
            reset_requests=("x-ratelimit-reset",),
            remaining_tokens=("x-tokenlimit-remaining",),
            limit_tokens=("x-tokenlimit-limit",),
        ),
        aliases=("together-ai", "together_ai", "togetherai"),
    ),
    Profile(
        name="xai",
        title="xAI",
        base_url="https://api.x.ai/v1",
        key_variables=("XAI_API_KEY",),
        otel_name="x_ai",
        source="https://docs.x.ai/docs/api-reference",
        quirks=Quirks(
            # reasoning models refuse the penalties and `stop`; the others take `stop`, so it passes
            unsupported=frozenset({"presence_penalty", "frequency_penalty"}),
            dropped_message_fields=frozenset({"name"}),
            tiers={"default": "default", "priority": "priority"},
            reasoning_outside_completion=True,
            cost_field="cost_in_usd_ticks",
            cost_unit_nano_usd=1,  # a tick is 1e-10 USD
            cost_divisor=10,
        ),
        operations=_CHAT_RESPONSES,
        price_source="x-ai",
        rate_limits=_OPENAI_LIMITS,
        aliases=("x-ai", "x.ai", "x_ai", "grok"),
    ),
    Profile(
        name="openrouter",
        title="OpenRouter",
        base_url="https://openrouter.ai/api/v1",
        key_variables=("OPENROUTER_API_KEY",),
        otel_name="openrouter",
        source="https://openrouter.ai/docs/api-reference/overview",
        quirks=Quirks(
            stream_options=StreamOptions.PASS,
            tiers={"default": "default", "flex": "flex", "priority": "priority", "fast": "fast"},
            understands=frozenset({"cache_control", "reasoning", "reasoning_details", "top_k"}),
            cost_field="cost",
        ),
        also={DialectName.ANTHROPIC: Paths("/messages")},
        operations=ALL_OPERATIONS,
        price_source="openrouter",
        rate_limits=_PLAIN_LIMITS,
        aliases=("open-router",),
        client_headers=ANTHROPIC_CLIENT_HEADERS | {"http-referer", "x-title"},
    ),
    Profile(
        name="cerebras",
        title="Cerebras",
        base_url="https://api.cerebras.ai/v1",
        key_variables=("CEREBRAS_API_KEY",),
        otel_name="cerebras",
        source="https://inference-docs.cerebras.ai/resources/openai",
        quirks=Quirks(
            unsupported=frozenset({"logit_bias", "presence_penalty", "frequency_penalty"}),
            dropped_message_fields=frozenset({"reasoning_content"}),
            tiers={"auto": "auto", "default": "default", "flex": "flex", "priority": "priority"},
            left_today_header="x-ratelimit-remaining-requests-day",
        ),
        operations=_CHAT_COMPLETION,
        lacks=_NO_MEDIA,
        price_source="cerebras",
        rate_limits=RateLimitHeaders.suffixed("requests-day", "tokens-minute"),
    ),
    Profile(
        name="sambanova",
        title="SambaNova",
        base_url="https://api.sambanova.ai/v1",
        key_variables=("SAMBANOVA_API_KEY",),
        otel_name="sambanova",
        source="https://docs.sambanova.ai/docs/en/features/openai-compatibility",
        quirks=Quirks(
            max_tokens=MaxTokens.LEGACY,
            unsupported=frozenset({"logit_bias", "presence_penalty", "frequency_penalty"}),
            fixed_n=True,
            bills_after_disconnect=True,
        ),
        also={DialectName.ANTHROPIC: Paths("/messages")},
        client_headers=ANTHROPIC_CLIENT_HEADERS,
        operations=ALL_OPERATIONS,
        rate_limits=_OPENAI_LIMITS,
        aliases=("samba-nova",),
    ),
    Profile(
        name="perplexity",
        title="Perplexity",
        base_url="https://api.perplexity.ai",  # no /v1
        key_variables=("PERPLEXITY_API_KEY", "PPLX_API_KEY"),
        otel_name="perplexity",
        source="https://docs.perplexity.ai/api-reference/chat-completions-post",
        quirks=Quirks(
            stream_options=StreamOptions.REFUSE,
            max_tokens=MaxTokens.LEGACY,
            reasoning_outside_completion=True,
            cost_field="cost.total_cost",
            bills_after_disconnect=True,
        ),
        price_source="perplexity",
        aliases=("pplx", "perplexityai"),
    ),
    Profile(
        name="cohere",
        title="Cohere",
        base_url="https://api.cohere.com",
        key_variables=("COHERE_API_KEY", "CO_API_KEY"),
        otel_name="cohere",
        source="https://docs.cohere.com/reference/chat",
        dialect=DialectName.COHERE,
        lacks=_NO_MEDIA,
        price_source="cohere",
    ),
    Profile(
        name="cohere-openai",  # beside `cohere`: embeddings are only asked in OpenAI's dialect
        title="Cohere, OpenAI endpoint",
        base_url="https://api.cohere.ai/compatibility/v1",
        key_variables=("COHERE_API_KEY", "CO_API_KEY"),
        otel_name="cohere",
        source="https://docs.cohere.com/docs/compatibility-api",
        quirks=Quirks(
            stream_options=StreamOptions.REFUSE,
            max_tokens=MaxTokens.LEGACY,
            # that several calls are allowed is the default everywhere, and often said
            dropped=_IDENTIFIERS | {"store", "metadata", "parallel_tool_calls"},
            unsupported=frozenset({"logit_bias", "top_logprobs"}),
            fixed_n=True,
        ),
        operations=_CHAT_EMBEDDINGS,
        price_source="cohere",
    ),
    Profile(
        name="hf",
        title="Hugging Face",
        base_url="https://router.huggingface.co/v1",
        key_variables=("HF_TOKEN", "HUGGINGFACE_API_KEY", "HUGGING_FACE_HUB_TOKEN"),
        otel_name="hf",
        source="https://huggingface.co/docs/inference-providers/index",
        quirks=Quirks(max_tokens=MaxTokens.LEGACY, bills_after_disconnect=True),
        operations=_CHAT_RESPONSES,
        # the price is that of the inner provider (`model:provider`), which only it chooses
        aliases=("huggingface", "hugging-face", "hugging_face"),
    ),
)
