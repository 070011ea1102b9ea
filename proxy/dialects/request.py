"""The hub's request: an OpenAI-shaped body with what routing needs of it read out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from proxy.dialects.names import DialectName


class Operation(StrEnum):
    """What is asked of a model, with the OTel `gen_ai.operation.name` values as names."""

    CHAT = "chat"
    TEXT_COMPLETION = "text_completion"
    EMBEDDINGS = "embeddings"
    RESPONSES = "responses"
    COUNT_TOKENS = "count_tokens"
    """How many tokens a chat request has; answered beside the pipeline."""


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
    dialect: DialectName = DialectName.OPENAI_CHAT
    """What `doc` and `raw` are written in."""
    to_hub: Callable[[ModelRequest], ModelRequest] | None = None
    """Translates a request in another dialect. Raises a `BadRequest` for what cannot be understood."""
    origin: DialectName = DialectName.OPENAI_CHAT
    """What the client spoke: a request translated from it may hold the hub's extensions."""
    needs: frozenset[str] | None = None
    """What it takes to serve it beside text; `None` until somebody asks (`proxy.dialects.needs`)."""
    prompt_size: tuple[int, int] | None = None
    """Tokens of the prompt, at least and estimated; `None` until somebody asks."""
    fetched: Mapping[str, str] | None = None
    """What the gateway fetched of what a hub request names by address: address -> `data:` URL."""
    filled_in: frozenset[str] = frozenset()
    """Fields the client did not insist on, a surface's defaults and hints: they give way where they cannot be."""
    _hub: ModelRequest | None = field(default=None, repr=False)

    @property
    def hub(self) -> ModelRequest:
        """The same in the hub's dialect; this very one if it is. Translated when it is first needed, and once."""
        if self.to_hub is None:
            return self
        if self._hub is None:
            self._hub = self.to_hub(self)
            self._hub.origin = self.dialect
        return self._hub

    @property
    def choices(self) -> int:
        """How many answers are asked for: the body's `n`, or what Gemini calls it."""
        n = self.doc.get("n")
        if (
            n is None
            and self.dialect is DialectName.GEMINI
            and isinstance(config := self.doc.get("generationConfig"), dict)
        ):
            n = config.get("candidateCount")
        return n if isinstance(n, int) and n > 1 else 1

    @property
    def ends_with_done(self) -> bool:
        """Whether a complete stream of this operation ends in `data: [DONE]`."""
        return self.operation in (Operation.CHAT, Operation.TEXT_COMPLETION)
