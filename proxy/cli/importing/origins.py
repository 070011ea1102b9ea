"""LiteLLM's provider prefixes: which row of our table each is, and the variable its key is usually in.

Source: LiteLLM's documentation, "Providers".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple


class Origin(NamedTuple):
    """What a prefix stands for."""

    row: str | None
    """Of our provider table; `None`: only known by its address."""
    key_variable: str | None = None
    base_url: str | None = None
    """Of a provider without a row of its own."""
    needs_key: bool = True


ORIGINS: Mapping[str, Origin] = {
    "openai": Origin("openai", "OPENAI_API_KEY"),
    "text-completion-openai": Origin("openai", "OPENAI_API_KEY"),
    "azure": Origin("azure", "AZURE_API_KEY"),
    "azure_text": Origin("azure", "AZURE_API_KEY"),
    "azure_ai": Origin("azure", "AZURE_AI_API_KEY"),
    "anthropic": Origin("anthropic", "ANTHROPIC_API_KEY"),
    "gemini": Origin("google", "GEMINI_API_KEY"),
    "vertex_ai": Origin("vertex"),
    "vertex_ai_beta": Origin("vertex"),
    "bedrock": Origin("bedrock", "AWS_BEARER_TOKEN_BEDROCK"),
    "bedrock_converse": Origin("bedrock", "AWS_BEARER_TOKEN_BEDROCK"),
    "cohere": Origin("cohere", "COHERE_API_KEY"),
    "cohere_chat": Origin("cohere", "COHERE_API_KEY"),
    "mistral": Origin("mistral", "MISTRAL_API_KEY"),
    "groq": Origin("groq", "GROQ_API_KEY"),
    "deepseek": Origin("deepseek", "DEEPSEEK_API_KEY"),
    "together_ai": Origin("together", "TOGETHERAI_API_KEY"),
    "openrouter": Origin("openrouter", "OPENROUTER_API_KEY"),
    "fireworks_ai": Origin("fireworks", "FIREWORKS_API_KEY"),
    "xai": Origin("xai", "XAI_API_KEY"),
    "cerebras": Origin("cerebras", "CEREBRAS_API_KEY"),
    "sambanova": Origin("sambanova", "SAMBANOVA_API_KEY"),
    "perplexity": Origin("perplexity", "PERPLEXITYAI_API_KEY"),
    "nvidia_nim": Origin("nvidia", "NVIDIA_NIM_API_KEY"),
    "deepinfra": Origin("deepinfra", "DEEPINFRA_API_KEY"),
    "moonshot": Origin("moonshot", "MOONSHOT_API_KEY"),
    "dashscope": Origin("dashscope", "DASHSCOPE_API_KEY"),
    "zai": Origin("zai", "ZAI_API_KEY"),
    "minimax": Origin("minimax", "MINIMAX_API_KEY"),
    "volcengine": Origin("volcengine", "VOLCENGINE_API_KEY"),
    "novita": Origin("novita", "NOVITA_API_KEY"),
    "huggingface": Origin("hf", "HUGGINGFACE_API_KEY"),
    "ollama": Origin("ollama", needs_key=False),
    "ollama_chat": Origin("ollama", needs_key=False),
    "hosted_vllm": Origin("vllm", needs_key=False),
    "vllm": Origin("vllm", needs_key=False),
    "custom_openai": Origin(None, needs_key=False),
    "openai_like": Origin(None, needs_key=False),
    "aiohttp_openai": Origin(None, needs_key=False),
    "litellm_proxy": Origin(None, needs_key=False),
    "lm_studio": Origin(None, needs_key=False),
    "llamafile": Origin(None, needs_key=False),
    "xinference": Origin(None, needs_key=False),
    "docker_model_runner": Origin(None, needs_key=False),
    "nebius": Origin(None, "NEBIUS_API_KEY", "https://api.studio.nebius.ai/v1"),
    "lambda_ai": Origin(None, "LAMBDA_API_KEY", "https://api.lambda.ai/v1"),
    "hyperbolic": Origin(None, "HYPERBOLIC_API_KEY", "https://api.hyperbolic.xyz/v1"),
    "featherless_ai": Origin(None, "FEATHERLESS_AI_API_KEY", "https://api.featherless.ai/v1"),
    "nscale": Origin(None, "NSCALE_API_KEY", "https://inference.api.nscale.com/v1"),
    "meta_llama": Origin(None, "LLAMA_API_KEY", "https://api.llama.com/compat/v1"),
    "friendliai": Origin(None, "FRIENDLI_TOKEN", "https://api.friendli.ai/serverless/v1"),
    "vercel_ai_gateway": Origin(None, "VERCEL_AI_GATEWAY_API_KEY", "https://ai-gateway.vercel.sh/v1"),
    "wandb": Origin(None, "WANDB_API_KEY", "https://api.inference.wandb.ai/v1"),
    "codestral": Origin("mistral", "CODESTRAL_API_KEY", "https://codestral.mistral.ai/v1"),
}

_BARE: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(gpt-|chatgpt|o\d|ft:gpt|text-embedding-|gpt-oss)"), "openai"),
    (re.compile(r"claude"), "anthropic"),
    (re.compile(r"gemini"), "vertex_ai"),
    (re.compile(r"(command|embed-)"), "cohere"),
    (re.compile(r"(us\.|eu\.|apac\.|global\.)?(anthropic|amazon|meta|mistral|cohere|ai21)\."), "bedrock"),
)
"""How a name without a prefix begins -> the prefix that is meant."""


class Named(NamedTuple):
    """A model, and where it runs."""

    prefix: str
    origin: Origin
    model: str
    """The provider's own name of it; `*` for any."""


def named(model: str, custom_provider: str | None, *, has_address: bool) -> Named | None:
    """Take `litellm_params.model` apart; `None` for a provider nothing here corresponds to."""
    prefix, slash, rest = model.partition("/")
    if custom_provider:
        rest, prefix = (rest, prefix) if prefix == custom_provider else (model, custom_provider)
    elif not slash or prefix not in ORIGINS:
        found = next((prefix for pattern, prefix in _BARE if not slash and pattern.match(model.lower())), None)
        if found is None and has_address:
            found = "openai_like"
        if found is None:
            return None
        prefix, rest = found, model
    origin = ORIGINS.get(prefix)
    if origin is None or not rest:
        return None
    if origin.row == "bedrock":
        rest = re.sub(r"^(converse_like|converse|invoke|claude_platform)/", "", rest)
    if origin.row == "vertex" and "claude" in rest:
        origin = origin._replace(row="vertex-anthropic")
    return Named(prefix, origin, rest)
