"""An agent framework's client: a tool loop, a typed answer and a stream, printed as JSON."""

import asyncio
import json  # noqa: TID251 - this environment has nothing else
import sys

from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

base_url, name = sys.argv[1:]
model = OpenAIChatModel(name, provider=OpenAIProvider(base_url=base_url, api_key="any"))


class Route(BaseModel):
    line: str
    minutes: int


async def main() -> None:
    """Three short conversations."""
    levers: list[int] = []
    agent = Agent(model)

    @agent.tool_plain
    def set_points(lever: int) -> str:
        """Set a lever."""
        levers.append(lever)
        return "set"

    looped = await agent.run("Please set points 3.")
    typed = await Agent(model, output_type=Route).run("Which way?")
    async with Agent(model).run_stream("Which way?") as reply:
        streamed = "".join([piece async for piece in reply.stream_text(delta=True)])
    whole = (await Agent(model).run("Which way?")).output
    said = {"looped": looped.output, "levers": len(levers), "typed": typed.output.model_dump()}
    print(json.dumps({**said, "stream": streamed, "whole": whole, "tokens": looped.usage.output_tokens}))  # noqa: T201 - its report


asyncio.run(main())
