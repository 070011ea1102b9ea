"""One gateway process, and pairs of scripted deployments of their own behind it, as many as a row has cases.

A pair has its own two upstreams, its own providers and its own route: what one case does to the health of its
deployments no other case can feel, so they all run at the same time.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson

from e2e.dialects import OPENAI, SURFACES, Surface
from e2e.faults.said import Said
from e2e.faults.voice import FALLBACK, PRIMARY
from e2e.gateway import Gateway
from e2e.given import ALPHA_PRICE, BETA_PRICE
from fakes.steps import Step
from fakes.upstream import ScriptedUpstream

MESSAGES = [{"role": "user", "content": "Which way?"}]
TIMEOUTS = {"total_s": 30, "first_token_s": 10, "answer_s": 10, "idle_s": 10}
RETRIES = {"max": 2}
WINDOW = 8192
"""Tokens, of both deployments unless a case says otherwise."""
STREAM, WHOLE = True, False
BOTH_FORMS = (STREAM, WHOLE)
CLIENT_PATIENCE_S = 40.0

Case = Callable[["Pair"], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Given:
    """What a case changes of the configuration; each part is laid over the usual."""

    route: Mapping[str, Any] = field(default_factory=dict)
    primary: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the primary's deployment."""
    fallback: Mapping[str, Any] = field(default_factory=dict)
    profiles: tuple[str | None, str | None] = (None, None)
    """Of the primary and the fallback; `None`: no quirks."""
    alone: bool = False
    """The route has no fallback."""


USUAL = Given()


@dataclass(slots=True)
class Pair:
    """A primary and a fallback, and a caller of the route over them in one form on one surface."""

    stage: Stage
    name: str
    surface: Surface
    stream: bool
    given: Given
    primary: ScriptedUpstream = field(default_factory=ScriptedUpstream)
    fallback: ScriptedUpstream = field(default_factory=ScriptedUpstream)

    @property
    def first(self) -> str:
        """The primary's provider; its deployment is `{first}/{name}`."""
        return f"{self.name}-first"

    @property
    def second(self) -> str:
        return f"{self.name}-second"

    @property
    def url(self) -> str:
        return self.stage.gateway.url + self.surface.chat

    def primary_answers(self, *pieces: str) -> Step:
        """In this pair's form; `TEXT` unless other pieces are given."""
        return PRIMARY.answers(*pieces, stream=self.stream)

    def fallback_answers(self, *pieces: str) -> Step:
        return FALLBACK.answers(*pieces, stream=self.stream)

    def providers(self) -> dict[str, Any]:
        urls = {self.first: self.primary.base_url, self.second: self.fallback.base_url}
        profiles = dict(zip(urls, self.given.profiles, strict=True))
        return {
            name: {"base_url": url, **({"profile": profiles[name]} if profiles[name] else {})}
            for name, url in urls.items()
        }

    def route(self) -> dict[str, Any]:
        given = self.given
        first = {"provider": self.first, "context_window": WINDOW, "price": ALPHA_PRICE, **given.primary}
        second = {"provider": self.second, "context_window": WINDOW, "price": BETA_PRICE, **given.fallback}
        return {
            "timeouts": TIMEOUTS,
            "retries": RETRIES,
            "deployments": [first] if given.alone else [first, second],
            **given.route,
        }

    def asking(self, **fields: Any) -> dict[str, Any]:
        """The request's body. Of the surfaces that may leave usage out of a stream one asks for it."""
        body: dict[str, Any] = {"model": self.name, "messages": MESSAGES, "stream": self.stream}
        if self.stream and self.surface is OPENAI:
            body["stream_options"] = {"include_usage": True}
        return {**body, **fields}

    async def ask(self, began: asyncio.Semaphore | None = None, **fields: Any) -> Said:
        """Ask once and read to the end, however it ends. `began` is released when the first bytes have come."""
        clock = asyncio.get_running_loop().time
        since_s = clock()
        body, cut = bytearray(), False
        async with self.stage.session.post(self.url, json=self.asking(**fields)) as reply:
            try:
                while data := await reply.content.readany():
                    body += data
                    if began is not None:
                        began.release()
                        began = None
            except aiohttp.ClientPayloadError:
                cut = True
        headers = {name.lower(): value for name, value in reply.headers.items()}
        return Said(self.surface, self.stream, reply.status, headers, bytes(body), cut, clock() - since_s)

    async def fact(self, said: Said) -> dict[str, Any]:
        """The access log's line."""
        return await self.fact_of(said.request_id)

    async def fact_of(self, request_id: str) -> dict[str, Any]:
        return await asyncio.to_thread(self.stage.gateway.fact, request_id)

    async def codes(self, said: Said) -> list[str]:
        """How each attempt ended, as the access log has it."""
        return [attempt["code"] for attempt in (await self.fact(said))["attempts"]]

    def seen(self) -> tuple[int, int]:
        """Attempts that reached the primary and the fallback."""
        return len(self.primary.requests), len(self.fallback.requests)

    def saw(self, primary: int, fallback: int) -> None:
        assert (primary, fallback) == self.seen(), "attempts seen by primary and fallback"


class Stage:
    """A gateway process and whoever is on it just now."""

    def __init__(self, gateway: Gateway, session: aiohttp.ClientSession) -> None:
        self.gateway = gateway
        self.session = session
        self._base = gateway.document
        self._on: dict[str, Pair] = {}
        self._changing = asyncio.Lock()

    async def enter(self, pairs: list[Pair]) -> None:
        """Put these pairs into the configuration, beside those that are still there, and wait until it is in force."""
        async with self._changing:
            self._on.update((pair.name, pair) for pair in pairs)
            document = {**self._base, "providers": dict(self._base["providers"]), "routes": dict(self._base["routes"])}
            for pair in self._on.values():
                document["providers"].update(pair.providers())
                document["routes"][pair.name] = pair.route()
            await asyncio.to_thread(self.gateway.replace, document)

    def leave(self, pairs: list[Pair]) -> None:
        """They are gone from the next configuration on."""
        for pair in pairs:
            del self._on[pair.name]


class Trial:
    """One row: runs its cases and remembers what the upstreams saw."""

    def __init__(self, name: str, stage: Stage) -> None:
        self.stage = stage
        self.seen: list[tuple[int, int]] = []
        self.notes: list[str] = []
        """For the table."""
        self.shown: list[tuple[str, str]] = []
        """What an operator sees, with its name: printed below the table."""
        self.failures: list[BaseException] = []
        """What `pytest.raises` raises is no `Exception`."""
        self._name = name
        self._numbers = itertools.count()

    async def each(
        self,
        case: Case,
        given: Given = USUAL,
        *,
        surfaces: tuple[Surface, ...] = SURFACES,
        forms: tuple[bool, ...] = BOTH_FORMS,
        called: str = "",
    ) -> None:
        """Run `case` on every surface in every form, all at the same time, and keep what fails."""
        await self.all([(called, case, given)], surfaces=surfaces, forms=forms)

    async def all(
        self,
        cases: list[tuple[str, Case, Given]],
        *,
        surfaces: tuple[Surface, ...] = SURFACES,
        forms: tuple[bool, ...] = BOTH_FORMS,
    ) -> None:
        """The same for many cases, each with its name and what it changes."""
        played = [
            (called, case, Pair(self.stage, f"{self._name}-{next(self._numbers)}", surface, stream, given))
            for called, case, given in cases
            for surface in surfaces
            for stream in forms
        ]
        pairs = [pair for _, _, pair in played]
        for pair in pairs:
            await pair.primary.start()
            await pair.fallback.start()
        try:
            await self.stage.enter(pairs)
            ended = await asyncio.gather(*(case(pair) for _, case, pair in played), return_exceptions=True)
            for (called, _, pair), failure in zip(played, ended, strict=True):
                if isinstance(failure, BaseException):
                    form = "stream" if pair.stream else "whole"
                    failure.add_note(f"in the case `{called or 'only'}`, {pair.surface.name}, {form} ({pair.name})")
                    self.failures.append(failure)
        finally:
            self.stage.leave(pairs)
            self.seen += [pair.seen() for pair in pairs]
            for pair in pairs:
                await pair.primary.stop()
                await pair.fallback.stop()

    def verdict(self) -> None:
        """Raise all that has failed."""
        if self.failures:
            raise BaseExceptionGroup(f"{len(self.failures)} of {len(self.seen)} cases failed", self.failures)


def request_bytes(pair: Pair, *lines: str, **fields: Any) -> bytes:
    """The pair's request as bytes, for clients that misbehave."""
    body = orjson.dumps(pair.asking(**fields))
    head = [f"POST {pair.surface.chat} HTTP/1.1", "Host: gateway", "Content-Type: application/json"]
    return "\r\n".join([*head, f"Content-Length: {len(body)}", *lines, "", ""]).encode() + body
