"""A real inference server asked by clients of other dialects: in its own Anthropic, and translated to its chat."""

from __future__ import annotations

import anthropic
import pytest
from google import genai
from google.genai import types
from openai import OpenAI

from e2e.gateway import Gateway
from e2e.llama_server import SLOTS, LlamaServer

pytestmark = pytest.mark.real_llm

PROMPT = "the lamp, the points"
ASK = [{"role": "user", "content": PROMPT}]
NATIVE, CHAT = "native", "translated"


@pytest.fixture
def served(gateway: Gateway, llama: LlamaServer) -> Gateway:
    """One server twice: with all it speaks, and as if it spoke nothing but OpenAI's chat."""
    row = {"profile": "llamacpp", "base_url": llama.base_url, "max_connections": SLOTS}
    gateway.use(
        providers={NATIVE: row, CHAT: {**row, "dialect": "openai_chat"}},
        routes={name: {"deployments": [{"provider": name, "model": "tiny"}]} for name in (NATIVE, CHAT)},
    )
    return gateway


@pytest.fixture
def said(llama: LlamaServer) -> str:
    """What the server answers when nothing is between."""
    with OpenAI(base_url=llama.base_url, api_key="any", max_retries=0) as client:
        whole = client.chat.completions.create(model="tiny", messages=ASK, temperature=0, max_tokens=24)
    return whole.choices[0].message.content or ""


@pytest.mark.parametrize("model", [NATIVE, CHAT])
def test_anthropics_client_gets_the_servers_own_answer(served: Gateway, said: str, model: str):
    with anthropic.Anthropic(base_url=served.url, api_key="any", max_retries=0) as client:
        asked = {"model": model, "max_tokens": 24, "messages": ASK, "extra_body": {"temperature": 0}}
        whole = client.messages.create(**asked)
        with client.messages.stream(**asked) as stream:
            streamed = "".join(stream.text_stream)
            final = stream.get_final_message()

    assert said == whole.content[0].text == streamed
    assert whole.usage.output_tokens == final.usage.output_tokens > 0
    assert whole.stop_reason == final.stop_reason


def test_googles_client_gets_the_servers_own_answer(served: Gateway, said: str):
    client = genai.Client(api_key="any", http_options=types.HttpOptions(base_url=served.url))
    config = types.GenerateContentConfig(temperature=0, max_output_tokens=24)
    whole = client.models.generate_content(model=CHAT, contents=PROMPT, config=config)
    streamed = client.models.generate_content_stream(model=CHAT, contents=PROMPT, config=config)

    assert said == whole.text == "".join(chunk.text or "" for chunk in streamed)
    assert whole.usage_metadata.candidates_token_count > 0


@pytest.mark.parametrize("model", [NATIVE, CHAT])
def test_openais_client_gets_it_by_responses(served: Gateway, said: str, model: str):
    with OpenAI(base_url=f"{served.url}/v1", api_key="any", max_retries=0) as client:
        whole = client.responses.create(model=model, input=PROMPT, temperature=0, max_output_tokens=24)

    assert said == whole.output_text
    assert whole.usage.output_tokens > 0
