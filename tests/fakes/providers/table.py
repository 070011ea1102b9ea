"""All the scripted providers, and how the gateway's configuration names each."""

from __future__ import annotations

from typing import Any

from fakes.providers.anthropic import Anthropic
from fakes.providers.aws import ACCESS_KEY, REGION, SECRET_KEY
from fakes.providers.bedrock import Bedrock
from fakes.providers.cohere import Cohere
from fakes.providers.gemini import Gemini
from fakes.providers.mistral import Mistral
from fakes.providers.ollama import Ollama
from fakes.providers.openai_chat import OpenAIChat
from fakes.providers.openai_responses import OpenAIResponses
from fakes.providers.provider import KEY, FakeProvider

PROVIDERS: tuple[type[FakeProvider], ...] = (
    OpenAIChat,
    OpenAIResponses,
    Anthropic,
    Gemini,
    Bedrock,
    Cohere,
    Ollama,
    Mistral,
)

_ENTRIES: dict[str, dict[str, Any]] = {
    "openai_chat": {"path": "/v1", "profile": "openai", "dialect": "openai_chat", "api_key": KEY},
    "openai_responses": {"path": "/v1", "profile": "openai", "dialect": "openai_responses", "api_key": KEY},
    "anthropic_messages": {"path": "", "profile": "anthropic", "api_key": KEY},
    "gemini": {"path": "/v1beta", "profile": "google", "api_key": KEY},
    "bedrock_converse": {
        "path": "",
        "profile": "bedrock",
        "region": REGION,
        "credentials": {"aws": {"access_key_id": ACCESS_KEY, "secret_access_key": SECRET_KEY}},
    },
    "cohere": {"path": "", "profile": "cohere", "api_key": KEY},
    "ollama": {"path": "", "profile": "ollama-native"},
    "mistral": {"path": "/v1", "profile": "mistral", "dialect": "mistral", "api_key": KEY},
}


def entry(fake: FakeProvider) -> dict[str, Any]:
    """What `providers.<name>` says of it."""
    rest = dict(_ENTRIES[fake.dialect])
    return {"base_url": f"http://127.0.0.1:{fake.port}{rest.pop('path')}", **rest}
