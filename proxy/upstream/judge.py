"""What a provider's own words mean, in the light of its quirks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proxy.dialects.failures import classify, stream_error
from proxy.errors import MalformedAnswer, UpstreamError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from proxy.dialects.answer import Answer
    from proxy.dialects.quirks import Quirks
    from proxy.upstream.response import Response

UNENCODED = frozenset({"", "identity"})
"""Values of `Content-Encoding` that change nothing."""


class Judge:
    """Names the failures of one attempt."""

    __slots__ = ("_own_key", "_quirks", "_wall_clock")

    def __init__(self, quirks: Quirks, wall_clock: Callable[[], float], *, own_key: bool) -> None:
        """`own_key`: the credential is the gateway's, not one the client brought along."""
        self._quirks = quirks
        self._wall_clock = wall_clock
        self._own_key = own_key

    def response(self, response: Response, body: bytes) -> UpstreamError:
        """Of a refusal, or of a 200 with a failure inside."""
        return classify(
            response.status, response.headers, body, self._quirks, own_key=self._own_key, now_s=self._wall_clock()
        )

    def event(self, error: Mapping[str, Any], *, content_seen: bool) -> UpstreamError:
        """Of an error event inside a stream."""
        return stream_error(
            error, self._quirks, content_seen=content_seen, own_key=self._own_key, now_s=self._wall_clock()
        )

    def not_a_stream(
        self, response: Response, body: bytes, read: Callable[[bytes], tuple[Answer, bytes]]
    ) -> UpstreamError:
        """Of a 200 that should have been a stream: a failure inside it, as `read` finds it, or nonsense."""
        try:
            answer, _ = read(body)
        except MalformedAnswer as error:
            return malformed("a stream", response, f"{len(body)} bytes; {error.message}")
        if answer.error is not None:
            return self.response(response, body)
        return malformed("a stream", response, "a whole answer")


def check_encoding(response: Response) -> None:
    """Raise `MalformedAnswer` for an answer in an encoding that nobody asked for: it could not be read on the way."""
    coding = response.headers.get("content-encoding", "").lower()
    if coding not in UNENCODED:
        raise MalformedAnswer("The provider's answer is encoded.", detail=f"content-encoding `{coding[:80]}`")


def malformed(wanted: str, response: Response, why: str) -> MalformedAnswer:
    """A 200 that is not `wanted`."""
    kind = response.headers.get("content-type", "")[:80]
    return MalformedAnswer(f"The provider did not answer with {wanted}.", detail=f"content-type `{kind}`; {why}")
