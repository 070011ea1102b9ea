from __future__ import annotations

import contextlib

import pytest
from openai import AsyncOpenAI

from proxy.simulator.server import RunningProvider, start
from proxy.simulator.spec import SimulatedProvider


@pytest.fixture
async def provider():
    """Starts providers that answer at once unless told otherwise."""
    async with contextlib.AsyncExitStack() as stack:

        async def begin(**options: object) -> RunningProvider:
            running = await start(SimulatedProvider(**{"ttft_s": 0, "tokens_per_second": None} | options))
            stack.push_async_callback(running.stop)
            return running

        yield begin


@pytest.fixture
async def sdk():
    """OpenAI's own client, without retries."""
    async with contextlib.AsyncExitStack() as stack:

        async def connect(running: RunningProvider, key: str = "sk-invented") -> AsyncOpenAI:
            client = AsyncOpenAI(base_url=running.base_url, api_key=key, max_retries=0)
            return await stack.enter_async_context(client)

        yield connect
