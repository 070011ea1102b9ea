"""A simulated provider on a socket: the OpenAI paths, their errors and headers, and `GET /_simulator/stats`."""

from __future__ import annotations

import asyncio
import hmac
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from proxy.simulator.answer import Answer, answers
from proxy.simulator.ask import Ask, Refusal, read_chat, read_completion, read_response
from proxy.simulator.chat import Event, Label, chat_events, completion_events, whole_chat, whole_completion
from proxy.simulator.conduct import Conduct
from proxy.simulator.embeddings import embeddings
from proxy.simulator.responses import response_events, whole_response

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from proxy.simulator.spec import SimulatedProvider

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

MAX_BODY_BYTES = 32 * 1024 * 1024
STOP_GRACE_S = 0.1
"""For answers under way when the provider is stopped."""
SHORTEST_SLEEP_S = 0.001
"""Below the resolution of the loop's clock: the delay is carried over to the next token instead."""

HEADERS = web.RequestKey("headers", dict[str, str])
STARTED_S = web.RequestKey("started_s", float)


@dataclass(frozen=True, slots=True)
class Format:
    """One text endpoint: how to read it and how to answer."""

    read: Callable[[dict[str, Any]], Ask]
    whole: Callable[[Ask, tuple[Answer, ...], Label, dict[str, Any]], dict[str, Any]]
    events: Callable[[Ask, tuple[Answer, ...], Label, dict[str, Any]], Iterable[Event]]


CHAT = Format(
    read_chat,
    lambda ask, made, label, _doc: whole_chat(ask, made, label),
    lambda ask, made, label, _doc: chat_events(ask, made, label),
)
COMPLETION = Format(
    read_completion,
    lambda ask, made, label, _doc: whole_completion(ask, made, label),
    lambda ask, made, label, _doc: completion_events(ask, made, label),
)
RESPONSE = Format(
    read_response,
    lambda ask, made, label, doc: whole_response(ask, made[0], label, doc),
    lambda ask, made, label, doc: response_events(ask, made[0], label, doc),
)


@dataclass(slots=True)
class RunningProvider:
    """A provider that listens."""

    spec: SimulatedProvider
    base_url: str
    """As a provider's `base_url` in the configuration: it ends in `/v1`."""
    simulator: Simulator
    runner: web.AppRunner

    def stats(self) -> dict[str, int]:
        """The same figures as `GET /_simulator/stats`."""
        return self.simulator.stats()

    async def stop(self) -> None:
        """Stop listening and cut what is under way after `STOP_GRACE_S`. May be called twice."""
        await self.runner.cleanup()


async def start(spec: SimulatedProvider, host: str = "127.0.0.1", port: int | None = None) -> RunningProvider:
    """Listen on `port`, else on `spec.port`; 0 is a free one. Raises `OSError` when it is taken."""
    simulator = Simulator(spec)
    # without handler_cancellation a client that leaves is noticed only at the next write
    runner = web.AppRunner(simulator.app(), handler_cancellation=True, access_log=None, shutdown_timeout=STOP_GRACE_S)
    await runner.setup()
    simulator.connections = lambda: len(runner.server.connections) if runner.server is not None else 0
    try:
        await web.TCPSite(runner, host, spec.port if port is None else port).start()
    except OSError:
        await runner.cleanup()
        raise
    bound = runner.addresses[0][1]
    shown = f"[{host}]" if ":" in host else host
    return RunningProvider(spec, f"http://{shown}:{bound}/v1", simulator, runner)


class Simulator:
    """One provider's endpoints."""

    def __init__(self, spec: SimulatedProvider, clock: Callable[[], float] = time.time) -> None:
        self._spec = spec
        self._clock = clock
        self._conduct = Conduct(spec, time.monotonic())
        self.connections: Callable[[], int] = lambda: 0
        """Open ones; known to whoever runs the application."""

    def app(self) -> web.Application:
        """The routes."""
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.router.add_post("/v1/chat/completions", self._guard(self._text(CHAT)))
        app.router.add_post("/v1/completions", self._guard(self._text(COMPLETION)))
        app.router.add_post("/v1/responses", self._guard(self._text(RESPONSE)))
        app.router.add_post("/v1/embeddings", self._guard(self._embeddings))
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/_simulator/stats", self._stats)
        app.router.add_route("*", "/{path:.*}", self._nowhere)
        return app

    def stats(self) -> dict[str, int]:
        """Counters, with the connections open just now."""
        return self._conduct.stats.as_dict() | {"open_connections": self.connections()}

    def _guard(self, handler: Handler) -> Handler:
        """Count, limit and fail requests as the spec says, and render refusals."""
        stats = self._conduct.stats

        async def guarded(request: web.Request) -> web.StreamResponse:
            started_s = time.perf_counter()
            stats.requests += 1
            stats.in_flight += 1
            headers = {"x-request-id": f"req_{self._conduct.new_id()}", "openai-version": "2020-10-01"}
            request[HEADERS], request[STARTED_S] = headers, started_s
            try:
                self._authorise(request)
                self._conduct.admit(time.monotonic())
                headers |= self._conduct.headers()
                response = await handler(request)
            except Refusal as refusal:
                stats.refused += 1
                headers |= self._conduct.headers() | refusal.headers
                return web.Response(
                    body=refusal.body, status=refusal.status, headers=headers, content_type="application/json"
                )
            except (asyncio.CancelledError, ConnectionResetError):
                stats.cancelled += 1
                raise
            else:
                return response
            finally:
                stats.in_flight -= 1

        return guarded

    def _authorise(self, request: web.Request) -> None:
        if self._spec.api_key is None:
            return
        wanted = f"Bearer {self._spec.api_key.get_secret_value()}"
        if not hmac.compare_digest(wanted.encode(), request.headers.get("Authorization", "").encode()):
            raise Refusal(401, "Incorrect API key provided.", code="invalid_api_key")

    async def _document(self, request: web.Request) -> dict[str, Any]:
        try:
            doc = orjson.loads(await request.read())
        except orjson.JSONDecodeError as error:
            raise Refusal(400, "We could not parse the JSON body of your request.") from error
        if not isinstance(doc, dict):
            raise Refusal(400, "The body of your request must be a JSON object.")
        model = doc.get("model")
        if isinstance(model, str) and model and not self._spec.serves(model):
            raise Refusal(
                404,
                f"The model `{model}` does not exist or you do not have access to it.",
                code="model_not_found",
                param="model",
            )
        return doc

    def _text(self, form: Format) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            doc = await self._document(request)
            ask = form.read(doc)
            self._fit(ask)
            label = Label(self._conduct.new_id(), int(self._clock()), self._conduct.tier(ask))
            made = answers(ask, self._spec)
            if ask.stream:
                return await self._stream(request, form.events(ask, made, label, doc), _total(made))
            delay_s = self._conduct.first_delay_s()
            delay_s += sum(self._conduct.token_delay_s() for _ in range(max(len(each.pieces) for each in made)))
            if delay_s >= SHORTEST_SLEEP_S:
                await asyncio.sleep(delay_s)
            return self._answer(request, form.whole(ask, made, label, doc))

        return handle

    def _fit(self, ask: Ask) -> None:
        window = self._spec.context_window
        if window is not None and ask.prompt_tokens > window:
            raise Refusal(
                400,
                f"This model's maximum context length is {window} tokens. "
                f"However, your messages resulted in {ask.prompt_tokens} tokens.",
                code="context_length_exceeded",
                param="messages",
            )

    async def _embeddings(self, request: web.Request) -> web.StreamResponse:
        doc = await self._document(request)
        if not isinstance(doc.get("model"), str):
            raise Refusal(400, "Missing required parameter: 'model'.", param="model")
        body = embeddings(doc, self._spec)
        if (delay_s := self._conduct.first_delay_s()) >= SHORTEST_SLEEP_S:
            await asyncio.sleep(delay_s)
        return self._answer(request, body)

    def _answer(self, request: web.Request, body: dict[str, Any]) -> web.Response:
        self._conduct.stats.answered += 1
        headers = self._timed(request)
        return web.Response(body=orjson.dumps(body), headers=headers, content_type="application/json")

    async def _stream(self, request: web.Request, events: Iterable[Event], tokens: int) -> web.StreamResponse:
        conduct = self._conduct
        broken_at = conduct.break_after(tokens)
        due_s = time.monotonic() + conduct.first_delay_s()
        await _until(due_s)
        response = web.StreamResponse(headers=self._timed(request) | {"cache-control": "no-cache"})
        response.content_type = "text/event-stream"
        response.charset = "utf-8"
        await response.prepare(request)
        conduct.stats.streams += 1
        sent = 0
        for event in events:
            if event.tokens and sent:
                due_s += conduct.token_delay_s()
                await _until(due_s)
            await response.write(event.data)
            sent += event.tokens
            if sent == broken_at and request.transport is not None:
                conduct.stats.broken += 1
                request.transport.close()
                return response
        await response.write_eof()
        conduct.stats.answered += 1
        return response

    def _timed(self, request: web.Request) -> dict[str, str]:
        elapsed_s = time.perf_counter() - request[STARTED_S]
        return request[HEADERS] | {"openai-processing-ms": str(round(elapsed_s * 1000))}

    async def _models(self, _request: web.Request) -> web.Response:
        price = self._spec.price
        priced: dict[str, Any] = {}
        if price is not None:
            per_token = 1_000_000  # as OpenRouter lists prices: decimal strings of USD a token
            prompt, completion = price.input_usd_per_mtok / per_token, price.output_usd_per_mtok / per_token
            priced = {"pricing": {"prompt": f"{prompt:.12f}", "completion": f"{completion:.12f}"}}
        owner = {"object": "model", "created": 0, "owned_by": self._spec.name}
        data = [{"id": model, **owner, **priced} for model in self._spec.listed_models()]
        return web.Response(body=orjson.dumps({"object": "list", "data": data}), content_type="application/json")

    async def _stats(self, _request: web.Request) -> web.Response:
        body = {"name": self._spec.name, **self.stats()}
        return web.Response(body=orjson.dumps(body), content_type="application/json")

    async def _nowhere(self, request: web.Request) -> web.Response:
        refusal = Refusal(404, f"Invalid URL ({request.method} {request.path})")
        return web.Response(body=refusal.body, status=refusal.status, content_type="application/json")


async def _until(due_s: float) -> None:
    """Sleep till `due_s` of the monotonic clock; late tokens catch up instead of pushing all later ones back."""
    if (delay_s := due_s - time.monotonic()) >= SHORTEST_SLEEP_S:
        await asyncio.sleep(delay_s)


def _total(made: tuple[Answer, ...]) -> int:
    return sum(len(answer.pieces) for answer in made)
