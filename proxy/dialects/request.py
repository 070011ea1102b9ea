"""The hub's request: an OpenAI-shaped body with what routing needs of it read out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Operation(StrEnum):
    """What is asked of a model, with the OTel `gen_ai.operation.name` values as names."""

    CHAT = "chat"
    TEXT_COMPLETION = "text_completion"
    EMBEDDINGS = "embeddings"
    RESPONSES = "responses"


OPERATION_PATHS = {
    Operation.CHAT: "/chat/completions",
    Operation.TEXT_COMPLETION: "/completions",
    Operation.EMBEDDINGS: "/embeddings",
    Operation.RESPONSES: "/responses",
}
"""Below a provider's base URL."""


@dataclass(slots=True)
class ModelRequest:
    """One decoded request. `raw` is the client's own bytes while `doc` still says the same, else `None`."""

    operation: Operation
    doc: dict[str, Any]
    raw: bytes | None
    model: str
    provider: str | None = None
    """The provider the client pins, as it wrote it."""
    default_provider: bool = False
    """Without a pin the configured default provider is meant, if it serves the model (OneInfer)."""
    endpoint_id: str | None = None
    stream: bool = False
    wants_usage: bool = False
    """The client itself asked for `stream_options.include_usage`."""
    service_tier: str = "default"
    """`default` or `flex`."""
    max_output_tokens: int | None = None
    prompt_tokens: int = 0
    """Estimated."""
    session: str | None = None

    @property
    def choices(self) -> int:
        """How many answers are asked for: the body's `n`."""
        n = self.doc.get("n")
        return n if isinstance(n, int) and n > 1 else 1

    @property
    def ends_with_done(self) -> bool:
        """Whether a complete stream of this operation ends in `data: [DONE]`."""
        return self.operation in (Operation.CHAT, Operation.TEXT_COMPLETION)
