"""One conversation as each client dialect says it: a system prompt, two turns, two tools, a call and its result."""

from __future__ import annotations

from typing import Any

import orjson

MODEL = "model"
SYSTEM = "You answer travellers at a large railway station. Be brief, be exact, and never guess a platform."
QUESTION = "When does the next train to Lyon leave, from which platform, and is there a dining car on it?"
CITY = {"type": "object", "properties": {"city": {"type": "string"}, "after": {"type": "string"}}, "required": ["city"]}
TOOLS = {"departures": "Trains to a city, the next ones first.", "weather": "The weather in a city."}
CALL_ID = "call_1"
ARGUMENTS = {"city": "Lyon", "after": "17:00"}
RESULT = '{"train":"TGV 6627","leaves":"17:30","platform":"12","dining":true}'
THANKS = "Thank you. And what is the weather like there?"
LIMIT = 500


def _chat() -> dict[str, Any]:
    call = {"name": "departures", "arguments": orjson.dumps(ARGUMENTS).decode()}
    return {
        "model": MODEL,
        "max_completion_tokens": LIMIT,
        "messages": [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": QUESTION},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": CALL_ID, "type": "function", "function": call}],
            },
            {"role": "tool", "tool_call_id": CALL_ID, "content": RESULT},
            {"role": "user", "content": THANKS},
        ],
        "tools": [
            {"type": "function", "function": {"name": name, "description": said, "parameters": CITY}}
            for name, said in TOOLS.items()
        ],
    }


def _oneinfer() -> dict[str, Any]:
    doc = _chat()
    return {**doc, "max_tokens": doc.pop("max_completion_tokens")}


def _responses() -> dict[str, Any]:
    return {
        "model": MODEL,
        "max_output_tokens": LIMIT,
        "store": False,
        "instructions": SYSTEM,
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": QUESTION}]},
            {
                "type": "function_call",
                "call_id": CALL_ID,
                "name": "departures",
                "arguments": orjson.dumps(ARGUMENTS).decode(),
            },
            {"type": "function_call_output", "call_id": CALL_ID, "output": RESULT},
            {"role": "user", "content": [{"type": "input_text", "text": THANKS}]},
        ],
        "tools": [
            {"type": "function", "name": name, "description": said, "parameters": CITY} for name, said in TOOLS.items()
        ],
    }


def _anthropic() -> dict[str, Any]:
    use = {"type": "tool_use", "id": CALL_ID, "name": "departures", "input": ARGUMENTS}
    result = {"type": "tool_result", "tool_use_id": CALL_ID, "content": RESULT}
    return {
        "model": MODEL,
        "max_tokens": LIMIT,
        "system": SYSTEM,
        "messages": [
            {"role": "user", "content": QUESTION},
            {"role": "assistant", "content": [use]},
            {"role": "user", "content": [result, {"type": "text", "text": THANKS}]},
        ],
        "tools": [{"name": name, "description": said, "input_schema": CITY} for name, said in TOOLS.items()],
    }


def _gemini() -> dict[str, Any]:
    call = {"functionCall": {"name": "departures", "args": ARGUMENTS}}
    result = {"functionResponse": {"name": "departures", "response": orjson.loads(RESULT)}}
    declared = [{"name": name, "description": said, "parametersJsonSchema": CITY} for name, said in TOOLS.items()]
    return {
        "systemInstruction": {"parts": [{"text": SYSTEM}]},
        "contents": [
            {"role": "user", "parts": [{"text": QUESTION}]},
            {"role": "model", "parts": [call]},
            {"role": "user", "parts": [result]},
            {"role": "user", "parts": [{"text": THANKS}]},
        ],
        "tools": [{"functionDeclarations": declared}],
        "generationConfig": {"maxOutputTokens": LIMIT},
    }


REQUESTS: dict[str, dict[str, Any]] = {
    "openai_chat": _chat(),
    "openai_responses": _responses(),
    "anthropic_messages": _anthropic(),
    "gemini": _gemini(),
    "oneinfer": _oneinfer(),
    "oxen": _chat(),
}
"""By the client's dialect, for whole answers."""


def body_of(client: str, *, stream: bool, model: str = MODEL) -> bytes:
    """Gemini says in the path of which model it asks, and whether it streams."""
    doc = REQUESTS[client]
    if client != "gemini":
        doc = {**doc, "model": model, **({"stream": True} if stream else {})}
    return orjson.dumps(doc)
