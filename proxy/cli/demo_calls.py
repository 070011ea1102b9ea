"""The demo's calls: ordinary HTTP requests to the gateway, and what a client sees of each answer."""

from __future__ import annotations

import re
import secrets
import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from proxy.zero import FAST_ROUTE, ROUTE, SAFE_ROUTE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import aiohttp

OPENAI, ONEINFER, OXEN = "/v1/chat/completions", "/v1/ula/chat/completions", "/api/ai/chat/completions"
DATA = b"data: "
DONE = b"[DONE]"
HTTP_OK = 200
ROUTE_PART = re.compile(r'(\w+)=("[^"]*"|[^;]*)')
GATEWAY_TIME = re.compile(r"gateway;dur=([\d.]+)")


class DemoFailed(Exception):
    """A call was not answered as it should be."""


@dataclass(frozen=True, slots=True)
class Call:
    """One act of the demo."""

    title: str
    about: str
    prompt: str
    path: str = OPENAI
    model: str = ROUTE
    stream: bool = True
    rehearsals: int = 0
    """Short calls before it, for a policy that learns."""
    extra: Mapping[str, Any] = field(default_factory=dict)

    def body(self, **changes: Any) -> dict[str, Any]:
        """What is posted."""
        messages = [{"role": "user", "content": self.prompt}]
        return {"model": self.model, "messages": messages, "stream": self.stream, **self.extra, **changes}


CALLS = (
    Call(
        title="The cheapest that is able",
        about="Each deployment's price for a request of this size. The answer comes whole.",
        prompt="Why do railways have points?",
        stream=False,
    ),
    Call(
        title="The first provider fails",
        about="A fixed order. `freight` is listed first, and answers this call with 503.",
        prompt="What happens when a line is closed?",
        model=SAFE_ROUTE,
    ),
    Call(
        title="Cheaper, for those in no hurry",
        about='`"service_tier": "flex"` goes to whoever sells that tier.',
        prompt="Write a note on goods trains.",
        extra={"service_tier": "flex"},
    ),
    Call(
        title="The quickest",
        about="Expected time, learnt from every answer; here from two short calls first.",
        prompt="Name one thing a signal says.",
        model=FAST_ROUTE,
        rehearsals=2,
    ),
    Call(
        title="OneInfer's surface",
        about="The same gateway, for clients that speak OneInfer's API.",
        prompt="Who throws the switch?",
        path=ONEINFER,
    ),
    Call(
        title="Oxen's surface",
        about="And for clients that speak Oxen's.",
        prompt="Describe a quiet evening at the depot.",
        path=OXEN,
    ),
)


def new_id() -> str:
    """The id a call goes by, in the gateway's facts too."""
    return f"demo_{secrets.token_hex(8)}"


async def ask(
    session: aiohttp.ClientSession, path: str, body: Mapping[str, Any], request_id: str, say: Callable[[str], None]
) -> Mapping[str, str]:
    """Post `body` and `say` the answer piece by piece. Answers the response's headers. Raises `DemoFailed`."""
    async with session.post(path, data=orjson.dumps(body), headers=_headers(request_id)) as reply:
        if reply.status != HTTP_OK:
            raise DemoFailed(f"`{path}` answered {reply.status}: {(await reply.text())[:500]}")
        if not body["stream"]:
            say(orjson.loads(await reply.read())["choices"][0]["message"]["content"])
            return reply.headers
        whole = False
        async for line in reply.content:
            if not line.startswith(DATA):
                continue
            data = line[len(DATA) :].strip()
            whole = data == DONE
            if not whole and (piece := piece_of(orjson.loads(data))):
                say(piece)
        if not whole:
            raise DemoFailed(f"the stream from `{path}` ended before its end")
        return reply.headers


def piece_of(chunk: dict[str, Any]) -> str:
    """The text of one chunk, in any of the surfaces' shapes. Raises `DemoFailed` for an error event."""
    if "error" in chunk:
        raise DemoFailed(f"the stream broke: {orjson.dumps(chunk['error']).decode()}")
    if "delta" in chunk:
        return str(chunk["delta"])
    choices = chunk.get("choices") or [{}]
    return choices[0].get("delta", {}).get("content") or ""


def explained(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """`x-pointsman-route` and `Server-Timing`, for people: labels and texts."""
    parts = {name: text.strip('"') for name, text in ROUTE_PART.findall(headers.get("x-pointsman-route", ""))}
    lines = [("chosen", f"{parts.get('chosen', '-')} by policy `{parts.get('policy', '-')}`")]
    lines += [(label, parts[label]) for label in ("why", "failed", "skipped") if label in parts]
    found = GATEWAY_TIME.search(headers.get("Server-Timing", ""))
    if found is not None:
        lines.append(("overhead", f"{found[1]} ms in the gateway itself, up to the first token"))
    return lines


def how_to_call(url: str) -> str:
    """Lines to copy while the gateway is kept running."""
    body = '{"model": "%s", "stream": true, "messages": [{"role": "user", "content": "Hello"}]}'
    curl = "\n\n".join(
        f"# {name}\ncurl -iN {url}{path} \\\n  -H 'Content-Type: application/json' \\\n  -d '{body % model}'"
        for name, path, model in (("OpenAI", OPENAI, ROUTE), ("OneInfer", ONEINFER, FAST_ROUTE), ("Oxen", OXEN, ROUTE))
    )
    python = textwrap.dedent(f"""\
        from openai import OpenAI
        client = OpenAI(base_url="{url}/v1", api_key="any")
        stream = client.chat.completions.create(
            model="{ROUTE}", service_tier="flex", stream=True, messages=[{{"role": "user", "content": "Hello"}}]
        )
        for chunk in stream:
            print(chunk.choices[0].delta.content or "", end="", flush=True)
    """)
    return f"{curl}\n\n# OpenAI's SDK\n{python}\n# metrics\ncurl -s {url}/metrics\n"


def _headers(request_id: str) -> dict[str, str]:
    return {"Content-Type": "application/json", "x-request-id": request_id}
