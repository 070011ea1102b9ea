"""LiteLLM as a client of the gateway, in the dialects it knows it in: prints what it understood, as JSON."""

import json  # noqa: TID251 - this environment has nothing else
import os
import sys

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # nothing is fetched

import litellm

url, provider, asked_json = sys.argv[1:]
asked = json.loads(asked_json)
litellm.suppress_debug_info = True
litellm.telemetry = False


def conversation(dialect: str, base: str) -> dict:
    """A whole answer, a stream, a tool and its result."""
    options = {"model": f"{dialect}/{provider}", "api_base": base, "api_key": "any", "max_tokens": 500}
    messages = [{"role": "system", "content": asked["system"]}, {"role": "user", "content": asked["plain"]}]
    whole = litellm.completion(messages=messages, **options)
    stream = litellm.completion(messages=messages, stream=True, **options)
    pieces = [chunk.choices[0].delta.content for chunk in stream if chunk.choices and chunk.choices[0].delta.content]
    messages = [messages[0], {"role": "user", "content": asked["weather"]}]
    called = litellm.completion(messages=messages, tools=asked["tools"], **options).choices[0].message
    results = [
        {"role": "tool", "tool_call_id": call.id, "content": asked["said"][json.loads(call.function.arguments)["city"]]}
        for call in called.tool_calls
    ]
    kept = {"role": "assistant", "content": None, "tool_calls": [call.model_dump() for call in called.tool_calls]}
    told = litellm.completion(messages=[*messages, kept, *results], tools=asked["tools"], **options)
    return {
        "whole": whole.choices[0].message.content,
        "tokens": whole.usage.completion_tokens,
        "stream": pieces,
        "calls": [json.loads(call.function.arguments) for call in called.tool_calls],
        "told": told.choices[0].message.content,
    }


print(  # noqa: T201 - its report
    json.dumps({"openai": conversation("openai", f"{url}/v1"), "anthropic": conversation("anthropic", url)})
)
