"""Bedrock's Converse API as a dialect of providers. No client speaks it here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proxy.dialects.bedrock import answer as whole
from proxy.dialects.bedrock.decoder import ConverseDecoder
from proxy.dialects.bedrock.eventstream import CONTENT_TYPE, FrameSplitter
from proxy.dialects.bedrock.request import write
from proxy.dialects.names import DialectName
from proxy.dialects.openai_chat import write_object

if TYPE_CHECKING:
    from proxy.dialects.dialect import Framer, StreamDecoder, Target
    from proxy.dialects.request import ModelRequest


class BedrockDialect:
    """See `proxy.dialects.dialect.Dialect`."""

    name = DialectName.BEDROCK
    stream_types: tuple[str, ...] = (CONTENT_TYPE,)

    def encode(self, request: ModelRequest, target: Target) -> bytes:
        """The body of `Converse` and of `ConverseStream`."""
        return write_object(write(request.doc, target))

    def adapt(self, request: ModelRequest, target: Target) -> bytes:  # noqa: ARG002 - the model is in the path
        """The very bytes."""
        return request.raw if request.raw is not None else write_object(request.doc)

    def answer(self, doc: dict[str, Any], target: Target) -> dict[str, Any]:
        """A whole answer or error. Converse does not name the model: it is the one that was asked."""
        return whole.read(doc, target.model)

    def opaque(self, answer: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """The thoughts that go with each call."""
        return whole.opaque(answer)

    def framer(self, max_event_bytes: int) -> Framer:
        """Tests both checksums of every frame."""
        return FrameSplitter(max_event_bytes)

    def decoder(self, target: Target) -> StreamDecoder:
        """Reads `ConverseStream`."""
        return ConverseDecoder(target.model)
