"""Eight scripted providers, one gateway process in front of them, a route for each model they have."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterable
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx2

from e2e.gateway import PATIENCE_S, Gateway
from e2e.matrix.clients.client import Client, Seen, Turn
from fakes.providers.provider import FakeProvider
from fakes.providers.table import PROVIDERS, entry

T = TypeVar("T")

PRICE = {"input_usd_per_mtok": 1.0, "output_usd_per_mtok": 2.0, "cache_read_usd_per_mtok": 0.1}
TIMEOUTS = {"total_s": 20, "first_token_s": 10, "answer_s": 10, "idle_s": 10}
OK = 200


class Refusal(Exception):
    """The gateway answered with an error."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(f"{status} {said}")
        self.status = status
        self.said = said


def route_of(provider: type[FakeProvider] | FakeProvider, need: str) -> str:
    """The public name of its model for what is needed: `sees`, `thinks` or `plain`."""
    return f"{provider.dialect}-{need}" if need in provider.models and need != "plain" else provider.dialect


def ask(
    gateway: Gateway, http: httpx2.Client, client: Client, model: str, turn: Turn, body: dict[str, Any]
) -> tuple[Seen, str]:
    """What the client saw, and the exchange's id. Raises `Refusal` for an error instead of an answer."""
    reply = http.post(gateway.url + client.path(model, turn), json=body, headers=client.headers())
    if reply.status_code != OK:
        raise Refusal(reply.status_code, client.refusal(reply.json()))
    kind = reply.headers["content-type"]
    assert kind.startswith("text/event-stream" if turn.stream else "application/json"), kind
    seen = client.stream(reply.content) if turn.stream else client.whole(reply.json())
    return seen, reply.headers["x-request-id"]


class Stage:
    """The fakes run on an event loop of their own thread, so that synchronous clients may be tested."""

    def __init__(self, folder: Path, kinds: Iterable[type[FakeProvider]] = PROVIDERS, **sections: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.fakes: dict[str, FakeProvider] = {kind.dialect: kind() for kind in kinds}
        self._folder = folder
        self._sections = sections
        self.http = httpx2.Client(timeout=PATIENCE_S)

    def __enter__(self) -> Self:
        self._thread.start()
        for fake in self.fakes.values():
            self._run(fake.start())
        self.gateway = Gateway(self._folder / "matrix.yaml", self._document()).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()
        assert 0 == self.gateway.stop()
        for fake in self.fakes.values():
            self._run(fake.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _document(self) -> dict[str, Any]:
        routes: dict[str, Any] = {}
        for fake in self.fakes.values():
            for need, model in fake.models.items():
                deployment = {"provider": fake.dialect, "model": model, "price": PRICE}
                routes[route_of(fake, need)] = {"deployments": [deployment], "retries": {"max": 0}}
            other = "anthropic_messages" if fake.dialect == "openai_chat" else "openai_chat"
            second = {"provider": other, "model": self.fakes[other].models["plain"], "price": PRICE}
            first = {"provider": fake.dialect, "model": fake.models["plain"], "price": PRICE}
            routes[f"{fake.dialect}-or-another"] = {"deployments": [first, second]}
        return {
            "providers": {name: entry(fake) for name, fake in self.fakes.items()},
            "routes": routes,
            "timeouts": TIMEOUTS,
            "health": {"failures": 10_000},  # what one scene breaks, another must find open
            **self._sections,
        }

    def ask(self, client: Client, model: str, turn: Turn, body: dict[str, Any]) -> tuple[Seen, str]:
        """See `ask`."""
        return ask(self.gateway, self.http, client, model, turn, body)

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_S)
