"""What may be decided of a provider's failure, and how the providers word theirs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

from proxy import errors
from proxy.dialects.failures import classify, stream_error
from proxy.dialects.quirks import Quirks
from proxy.dialects.reading import error_in
from proxy.errors import Blame, Health, Retry, UpstreamError
from proxy.providers.table import lookup

NOW_S = 1_795_000_000.0  # Wed, 18 Nov 2026 11:06:40 GMT

HERE, ELSEWHERE, NEVER = Retry.HERE, Retry.ELSEWHERE, Retry.NEVER
FINE, SICK, BUSY, LOCKED_OUT = Health.FINE, Health.SICK, Health.BUSY, Health.LOCKED_OUT
CLIENT, GATEWAY, UPSTREAM = Blame.CLIENT, Blame.GATEWAY, Blame.UPSTREAM

DECISIONS: dict[type[UpstreamError], tuple[Retry, Blame, Health, bool]] = {
    # what may be tried next, whose fault, what it says of the deployment or its key, whether it may be spliced
    errors.UpstreamError: (ELSEWHERE, UPSTREAM, SICK, False),
    errors.ConnectFailed: (HERE, UPSTREAM, SICK, False),
    errors.ConnectionsExhausted: (ELSEWHERE, GATEWAY, FINE, False),
    errors.ConnectionLost: (HERE, UPSTREAM, SICK, False),
    errors.FirstTokenTimeout: (ELSEWHERE, UPSTREAM, SICK, False),
    errors.TotalTimeout: (NEVER, UPSTREAM, FINE, False),
    errors.ServerError: (HERE, UPSTREAM, SICK, False),
    errors.UpstreamOverloaded: (ELSEWHERE, UPSTREAM, SICK, False),
    errors.MalformedAnswer: (ELSEWHERE, UPSTREAM, SICK, False),
    errors.UpstreamRateLimited: (ELSEWHERE, UPSTREAM, BUSY, False),
    errors.StillRateLimited: (ELSEWHERE, UPSTREAM, BUSY, False),
    errors.CapacityExceeded: (ELSEWHERE, UPSTREAM, FINE, False),
    errors.QuotaExhausted: (ELSEWHERE, UPSTREAM, LOCKED_OUT, False),
    errors.OutOfMoney: (ELSEWHERE, UPSTREAM, LOCKED_OUT, False),
    errors.CredentialRejected: (ELSEWHERE, UPSTREAM, LOCKED_OUT, False),
    errors.CredentialPending: (ELSEWHERE, UPSTREAM, LOCKED_OUT, False),
    errors.ClientCredentialRejected: (NEVER, CLIENT, FINE, False),
    errors.ClientQuotaExhausted: (NEVER, CLIENT, FINE, False),
    errors.ClientRateLimited: (NEVER, CLIENT, FINE, False),
    errors.ToolCallMalformed: (HERE, UPSTREAM, FINE, False),
    errors.UpstreamModelMissing: (ELSEWHERE, UPSTREAM, FINE, False),
    errors.UpstreamRejected: (NEVER, CLIENT, FINE, False),
    errors.ContextLengthExceeded: (ELSEWHERE, CLIENT, FINE, False),
    errors.ContentPolicy: (NEVER, CLIENT, FINE, False),
    errors.StreamBroken: (NEVER, UPSTREAM, SICK, True),
    errors.StreamStalled: (NEVER, UPSTREAM, SICK, True),
    errors.StreamDoubtful: (NEVER, UPSTREAM, FINE, True),
    errors.StreamTimeout: (NEVER, UPSTREAM, FINE, False),
    errors.ErrorInStream: (NEVER, UPSTREAM, SICK, False),
    errors.StreamFailed: (NEVER, UPSTREAM, SICK, False),
    errors.Diverged: (NEVER, UPSTREAM, FINE, False),
}


@dataclass(frozen=True, slots=True)
class Says:
    """One failure as a provider words it, and what it is to be taken for."""

    provider: str
    """A row of the provider table, or a dialect of its own."""
    status: int
    body: Any
    kind: type[UpstreamError]
    wait_s: float | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        words = self.raw.decode(errors="replace")
        return f"{self.provider}-{self.status}-{words[:90]}-{sorted(self.headers)}"

    @property
    def raw(self) -> bytes:
        """The body as it comes."""
        return self.body if isinstance(self.body, bytes) else orjson.dumps(self.body)

    @property
    def quirks(self) -> Quirks:
        """The provider's own; OpenAI's for a dialect that has no row yet."""
        row = lookup(self.provider)
        return Quirks() if row is None else row.quirks

    def classified(self) -> UpstreamError:
        """As an answer to the request."""
        return classify(self.status, self.headers, self.raw, self.quirks, own_key=True, now_s=NOW_S)

    def in_stream(self, *, content_seen: bool) -> UpstreamError:
        """As an event inside a stream."""
        found = error_in(self.body, "error", self.quirks.errors_in_body)
        assert found is not None
        return stream_error(found, self.quirks, content_seen=content_seen, own_key=True, now_s=NOW_S)


def decided(error: UpstreamError) -> tuple[Retry, Blame, Health, bool]:
    """What the error's class decides."""
    return error.retry, error.blame, error.health, error.splice


def error(message: str, **fields: Any) -> dict[str, Any]:
    """OpenAI's shape, nested."""
    return {"error": {"message": message, **fields}}
