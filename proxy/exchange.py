"""The life of one client request as data: the call, its attempts, the reply, and the faces of both ends.

`Downstream`, `Upstream` and `Surface` are what the pipeline needs of HTTP; it never sees more of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from proxy.facts import Outcome

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from proxy.config import TimeoutsConfig
    from proxy.dialects.meter import Meter
    from proxy.dialects.request import ModelRequest, Operation
    from proxy.dialects.told import Told
    from proxy.errors import GatewayError
    from proxy.usage import Usage
    from proxy.world import Deployment, KeyGrant, Route, World

EVENT_STREAM = "text/event-stream; charset=utf-8"


class StreamEncoder(Protocol):
    """Turns upstream events into the surface's own."""

    def feed(self, data: bytes) -> bytes:
        """Encode whole upstream events; may be empty."""

    def end(self, told: Told) -> bytes:
        """The closing events of a complete stream."""


class Surface(Protocol):
    """A client-facing dialect: decodes, renders, maps errors. Pure."""

    @property
    def name(self) -> str:
        """As in metrics and logs."""

    @property
    def content_types(self) -> frozenset[str]:
        """Of request bodies it reads."""

    @property
    def keepalive(self) -> bytes:
        """What says in a stream that the gateway still waits; means nothing to clients."""

    def decode(self, operation: Operation, body: bytes) -> ModelRequest:
        """Raise a `GatewayError` for what the surface documents as wrong."""

    def answer(self, body: bytes, told: Told) -> bytes:
        """Render a whole upstream answer; the same object when nothing changes."""

    def stream(self, told: Told) -> StreamEncoder | None:
        """An encoder, or `None` to pass the very bytes."""

    def error(self, error: GatewayError) -> tuple[int, bytes]:
        """Status and JSON body."""

    def stream_error(self, error: GatewayError) -> bytes:
        """The event that ends a broken stream."""


@dataclass(slots=True)
class Call:
    """What a surface hands to the pipeline."""

    surface: Surface
    operation: Operation
    token: str | None = field(repr=False)
    """The client's credential, in clear; lives only here."""
    content_type: str
    request_id: str
    client_request_id: str | None = None
    provider_key: str | None = field(default=None, repr=False)
    """The client's own provider key, for providers with `api_key: client`."""
    session: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The client's; what may go upstream is the provider profile's allow-list."""
    is_lenient: bool = False
    """What a provider cannot be told is left out, not refused."""
    stream_type: str = EVENT_STREAM
    """The content type of a streamed answer."""
    owner: str = ""
    """The name of the client's key, once it is known: what is remembered for one is recalled by no other."""


class Downstream(Protocol):
    """The client's end of the exchange. Every method raises `ClientGone` once it has left."""

    async def read_body(self, limit: int, idle_s: float) -> bytes:
        """The whole body. Raises `BodyTooLarge` before reading past `limit` bytes, `SlowBody` after silence."""

    async def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Send the head of a streamed answer."""

    def push(self, data: bytes) -> bool:
        """Pass bytes on at once. False when the client is behind: `drain` before more comes."""

    async def drain(self) -> None:
        """Wait for a slow client, within bounds."""

    async def finish(self) -> None:
        """End a streamed answer."""

    async def abort(self) -> None:
        """Cut the connection so that the answer cannot look complete."""

    async def respond(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Send a whole answer."""

    @property
    def bytes_out(self) -> int:
        """Body bytes sent."""


@dataclass(slots=True, eq=False)
class Attempt:
    """One try at one deployment, running or ended."""

    deployment: Deployment
    started_s: float
    why: str
    tokens_reserved: int
    era: int
    """Of the deployment's breaker: a verdict counts only in the era its attempt began in."""
    part: str = "answer"
    """What it was begun for; see `AttemptFact.part`."""
    code: str = "running"
    status: int | None = None
    ended_s: float | None = None
    ttft_s: float | None = None
    upstream_request_id: str | None = None
    detail: str | None = None
    """For the operator: what went wrong, or how it took over."""
    usage: Usage | None = None
    """What the provider bills for it, as far as it is known; `None` for an attempt that was refused."""
    dropped: Sequence[str] = ()
    """Parameters that were left out, as the client allowed."""


class Reply(Protocol):
    """A deployment that has begun to answer: it exists only once the first *content* has come."""

    @property
    def status(self) -> int:
        """The provider's."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Lower-case names."""

    @property
    def meter(self) -> Meter:
        """What is known of the answer so far."""

    @property
    def whole(self) -> bytes | None:
        """The body of an answer that came in one piece; `None` for a stream."""

    @property
    def is_passed(self) -> bool:
        """In the client's own dialect, which is not the hub's: passed on as it comes."""

    async def relay(self, push: Callable[[bytes], bool], drain: Callable[[], Awaitable[None]]) -> None:
        """Hand whole events to `push` as they come; when it answers false, pause the provider until `drain` is done.

        Raises an `UpstreamError` if the stream breaks off, and what `push` raises.
        """

    def close(self) -> None:
        """Synchronous and idempotent: reuse the connection if the answer is complete, else cut it."""


class Upstream(Protocol):
    """The provider's end."""

    async def send(
        self, attempt: Attempt, request: ModelRequest, call: Call, timeouts: TimeoutsConfig, deadline_s: float
    ) -> Reply:
        """Send and wait for the first content. Raises an `UpstreamError`; nothing is retried here."""


@dataclass(slots=True)
class Exchange:
    """One client request from first byte to settlement."""

    call: Call
    world: World
    started_s: float
    started_at_s: float
    grant: KeyGrant | None = None
    request: ModelRequest | None = None
    route: Route | None = None
    attempts: list[Attempt] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    """Deployment id -> why it was not asked."""
    reply: Reply | None = None
    answering: Attempt | None = None
    """The attempt behind `reply`."""
    left_behind: asyncio.Task[Reply] | None = None
    """The answer to the last attempt, still on its way although the client has left."""
    outcome: Outcome = Outcome.FAILED
    status: int = 500
    error: GatewayError | None = None
    first_content_s: float | None = None
    limit_headers: dict[str, str] = field(default_factory=dict)
    """What the client is told of its key's limit."""
    queue_s: float = 0.0
    """In the gate, and in pauses between attempts."""
    upstream_s: float = 0.0
    """Waiting for providers, all attempts; once where two ran side by side."""
    upstream_until_s: float = 0.0
    """Up to when that is counted."""
    bytes_in: int = 0
    streaming: bool = False
    """Bytes of a streamed answer have gone out: an error can only be an event now."""
    holds_retry: bool = False
    """Counted in the retry budget."""
    usage: Usage | None = None
    """Settled: the provider's, or estimated."""

    @property
    def final(self) -> Attempt | None:
        """Who answers, else who was asked last."""
        if self.answering is not None:
            return self.answering
        return self.attempts[-1] if self.attempts else None

    def tpot_s(self, now_s: float) -> float | None:
        """Time per output token, (duration - TTFT) / (tokens - 1), as OpenTelemetry defines it; streams only."""
        if self.usage is None or self.first_content_s is None or not self.streaming or self.usage.output_tokens <= 1:
            return None
        return (now_s - self.first_content_s) / (self.usage.output_tokens - 1)
