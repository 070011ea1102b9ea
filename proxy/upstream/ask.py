"""One request to one deployment: what is sent, and how what comes back is read.

Whether anything is translated is decided here: who speaks the client's own dialect gets its request, and the client
gets the answer, as they come.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from proxy.dialects.answer import read_answer
from proxy.dialects.dialect import Target
from proxy.dialects.hub import offers_functions
from proxy.dialects.meter import StreamMeter
from proxy.dialects.names import DialectName
from proxy.dialects.needs import without_thinking
from proxy.dialects.openai_chat import encode, injects_usage
from proxy.dialects.request import Operation
from proxy.dialects.spoken import SPOKEN
from proxy.dialects.translated import PassedMeter, TranslatedMeter, read_translated

if TYPE_CHECKING:
    from proxy.dialects.answer import Answer
    from proxy.dialects.dialect import Dialect
    from proxy.dialects.request import ModelRequest
    from proxy.exchange import Attempt, Call
    from proxy.upstream.memory import StateMemory
    from proxy.upstream.patience import Patience
    from proxy.upstream.pool import Pool

FRESH = frozenset({"answer", "hedge"})
"""Parts of an exchange that may answer in the client's own dialect; what goes on with another's answer cannot."""
_OPENAI_SHAPED = frozenset({DialectName.OPENAI_CHAT, DialectName.OPENAI_RESPONSES})
"""Dialects that `StreamMeter` and `read_answer` read themselves."""


class Way(NamedTuple):
    """How to get there."""

    pool: Pool
    patience: Patience
    connect_s: float
    """For a new connection."""


class Ask:
    """One request, ready to be sent and judged."""

    __slots__ = (
        "attempt",
        "body",
        "dialect",
        "head",
        "hides_usage",
        "is_passed",
        "owner",
        "request",
        "sent_s",
        "target",
        "way",
    )

    def __init__(self, attempt: Attempt, request: ModelRequest, call: Call, memory: StateMemory, way: Way) -> None:
        deployment = attempt.deployment
        provider = deployment.provider_config
        quirks = provider.profile.quirks
        if attempt.part not in FRESH:
            request = request.hub
        is_native = request.dialect in provider.speaks
        spoken = request.dialect if is_native else provider.profile.dialect
        self.is_passed = is_native and spoken is not DialectName.OPENAI_CHAT
        """The answer goes to the client as it comes, in a dialect that is not the hub's."""
        told: tuple[str, ...] = ()
        if not is_native:
            request = request.hub
        if deployment.lacks and not self.is_passed:
            request, told = without_thinking(request, deployment.lacks, lenient=call.is_lenient)
        self.request = request
        self.attempt = attempt
        self.way = way
        self.owner = call.owner
        self.target = target = Target(
            deployment.upstream_model,
            deployment.tier,
            quirks,
            deployment.max_output_tokens,
            call.is_lenient,
            request.filled_in,
            dropped=[*told],
            offers_functions=not is_native and offers_functions(request.doc),
        )
        self.dialect: Dialect | None = None
        """How the answer is read; `None`: it is OpenAI's."""
        is_plain = spoken is DialectName.MISTRAL and request.operation is not Operation.CHAT
        if spoken is DialectName.OPENAI_CHAT or is_plain or (is_native and spoken in _OPENAI_SHAPED):
            self.hides_usage = request.stream and injects_usage(request, quirks)
            """The client did not ask for usage."""
            self.body = encode(request, target)
        else:
            self.dialect = dialect = SPOKEN[spoken]
            target.recall = memory.of(call.owner)
            self.hides_usage = not is_native and request.stream and not request.wants_usage
            self.body = dialect.adapt(request, target) if is_native else dialect.encode(request, target)
        attempt.dropped = target.dropped
        path = provider.path(spoken, request.operation, target.model, stream=request.stream)
        self.head = provider.request_head(path, self.body, call.provider_key, call.headers, deployment.tier)
        self.sent_s = 0.0
        """When it left."""

    def meter(self, max_event_bytes: int) -> StreamMeter:
        """What reads the stream."""
        quirks, choices = self.target.quirks, self.request.choices
        if self.dialect is None:
            return StreamMeter(quirks, drop_usage=self.hides_usage, max_event_bytes=max_event_bytes, choices=choices)
        kind = PassedMeter if self.is_passed else TranslatedMeter
        return kind(
            self.dialect, self.target, drop_usage=self.hides_usage, max_event_bytes=max_event_bytes, choices=choices
        )

    def read(self, body: bytes) -> tuple[Answer, bytes]:
        """The facts of a whole answer, and what the client gets of it. Raises `MalformedAnswer`."""
        if self.dialect is None:
            return read_answer(body, self.request.operation, self.target.quirks), body
        answer, hub = read_translated(body, self.dialect, self.target)
        return answer, body if self.is_passed else hub
