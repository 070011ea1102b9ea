"""The rows of servers that run at the operator's, of any OpenAI-compatible server, and of the simulator."""

from __future__ import annotations

from proxy.dialects.names import DialectName
from proxy.dialects.quirks import OPENAI_TIERS, MaxTokens, Quirks
from proxy.providers.profile import ALL_OPERATIONS, ANTHROPIC_CLIENT_HEADERS, NO_AUTH, Paths, Profile

SELF_HOSTED: tuple[Profile, ...] = (
    Profile(
        name="vllm",
        title="vLLM",
        base_url="http://localhost:8000/v1",
        key_variables=("VLLM_API_KEY",),
        otel_name="vllm",
        source="https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html",
        # "extra parameters" there: the last message is left open, and by default not repeated in the answer (`echo`)
        quirks=Quirks(
            prefill=True,
            prefill_fields={"continue_final_message": True, "add_generation_prompt": False},
            understands=frozenset({"reasoning_content", "top_k"}),
        ),
        also={DialectName.ANTHROPIC: Paths("/messages", counting="/messages/count_tokens")},
        client_headers=ANTHROPIC_CLIENT_HEADERS,
        operations=ALL_OPERATIONS,
        aliases=("hosted_vllm",),
        self_hosted=True,
        address_variables=("VLLM_BASE_URL", "VLLM_API_BASE"),
        address_suffix="/v1",
        default_port=8000,
    ),
    Profile(
        name="sglang",
        title="SGLang",
        base_url="http://localhost:30000/v1",
        key_variables=("SGLANG_API_KEY",),
        otel_name="sglang",
        source="https://docs.sglang.ai/basic_usage/openai_api.html",
        # https://github.com/sgl-project/sglang/pull/4226
        quirks=Quirks(
            prefill=True,
            prefill_fields={"continue_final_message": True},
            understands=frozenset({"reasoning_content", "top_k"}),
        ),
        operations=ALL_OPERATIONS,
        self_hosted=True,
        address_variables=("SGLANG_BASE_URL",),
        address_suffix="/v1",
        default_port=30000,
    ),
    Profile(
        name="ollama",
        title="Ollama",
        base_url="http://localhost:11434/v1",
        key_variables=("OLLAMA_API_KEY",),
        otel_name="ollama",
        source="https://docs.ollama.com/api/openai-compatibility",
        quirks=Quirks(
            max_tokens=MaxTokens.LEGACY, unsupported=frozenset({"logit_bias"}), fixed_n=True, fetches_urls=False
        ),
        also={DialectName.OLLAMA: Paths("/api/chat", from_root=True)},
        operations=ALL_OPERATIONS,
        self_hosted=True,
        address_variables=("OLLAMA_HOST", "OLLAMA_BASE_URL"),
        address_suffix="/v1",
        default_port=11434,
    ),
    Profile(
        name="ollama-native",
        title="Ollama, its own API",
        base_url="http://localhost:11434",
        key_variables=("OLLAMA_API_KEY",),
        otel_name="ollama",
        source="https://docs.ollama.com/api/chat",
        dialect=DialectName.OLLAMA,
        quirks=Quirks(fetches_urls=False),
        aliases=("ollama_chat",),
        self_hosted=True,
        address_variables=("OLLAMA_HOST", "OLLAMA_BASE_URL"),
        default_port=11434,
        by_name_only=True,
    ),
    Profile(
        name="llamacpp",
        title="llama.cpp",
        base_url="http://localhost:8080/v1",
        key_variables=("LLAMACPP_API_KEY", "LLAMA_API_KEY"),
        otel_name="llamacpp",
        source="https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md",
        # without being asked (https://github.com/ggml-org/llama.cpp/pull/13174), unless started with
        # `--no-prefill-assistant`; only its whole answers repeat what was given
        quirks=Quirks(max_tokens=MaxTokens.LEGACY, prefill=True, understands=frozenset({"reasoning_content", "top_k"})),
        also={DialectName.ANTHROPIC: Paths("/messages", counting="/messages/count_tokens")},
        client_headers=ANTHROPIC_CLIENT_HEADERS,
        operations=ALL_OPERATIONS,
        aliases=("llama.cpp", "llama-cpp", "llama_cpp", "llama-server"),
        self_hosted=True,
        address_variables=("LLAMACPP_BASE_URL",),
        address_suffix="/v1",
        default_port=8080,
    ),
    Profile(
        name="generic",
        title="OpenAI-compatible",
        base_url=None,
        key_variables=(),
        otel_name="generic",
        source="https://platform.openai.com/docs/api-reference",
        operations=ALL_OPERATIONS,
        aliases=("openai-compatible", "openai_compatible", "custom"),
        self_hosted=True,
    ),
    Profile(
        name="simulated",
        title="Simulated",
        base_url=None,
        key_variables=(),
        otel_name="simulated",
        source="https://platform.openai.com/docs/api-reference",
        quirks=Quirks(tiers=OPENAI_TIERS),
        operations=ALL_OPERATIONS,
        auth=NO_AUTH,
        aliases=("simulator",),
        self_hosted=True,
    ),
)
