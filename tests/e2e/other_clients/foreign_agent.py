"""An agent framework on four clients, each against a provider of another dialect: what it understood, as JSON."""

import asyncio
import json  # noqa: TID251 - this environment has nothing else
import sys

from pydantic_ai import Agent
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.google import GoogleModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.google import GoogleProvider
from pydantic_ai.providers.openai import OpenAIProvider

url, provider, asked_json = sys.argv[1:]
asked = json.loads(asked_json)


def models() -> dict:
    """The gateway's model behind each client."""
    openai = OpenAIProvider(base_url=f"{url}/v1", api_key="any")
    return {
        "anthropic": AnthropicModel(provider, provider=AnthropicProvider(base_url=url, api_key="any")),
        "google": GoogleModel(provider, provider=GoogleProvider(base_url=url, api_key="any")),
        "responses": OpenAIResponsesModel(provider, provider=openai),
        "chat": OpenAIChatModel(provider, provider=openai),
    }


async def conversation(model: object) -> dict:
    """A stream, and a loop over a tool."""
    async with Agent(model, system_prompt=asked["system"]).run_stream(asked["plain"]) as reply:
        pieces = [piece async for piece in reply.stream_text(delta=True, debounce_by=None)]
    agent = Agent(model, system_prompt=asked["system"])
    cities: list[str] = []

    @agent.tool_plain
    def get_weather(city: str) -> str:
        """The weather in a city."""
        cities.append(city)
        return asked["said"][city]

    looped = await agent.run(asked["weather"])
    return {"stream": pieces, "cities": sorted(cities), "looped": looped.output}


async def main() -> None:
    """All of them."""
    said = {name: await conversation(model) for name, model in models().items()}
    print(json.dumps(said))  # noqa: T201 - its report


asyncio.run(main())
