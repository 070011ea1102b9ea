"""A client of one dialect: writes the conversation, reads answers strictly, and sends back what it was given."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import orjson

from fakes.providers.scenes import Ask

LIMIT_TOKENS, THINKING_LIMIT_TOKENS = 500, 8000
DONE = "[DONE]"


@dataclass(frozen=True, slots=True)
class Turn:
    """What is asked."""

    ask: Ask
    stream: bool
    image: bool = False
    tools: bool = False
    schema: bool = False
    thinks: bool = False

    @property
    def limit(self) -> int:
        return THINKING_LIMIT_TOKENS if self.thinks else LIMIT_TOKENS


@dataclass(slots=True)
class Call:
    """A tool call as the client has it."""

    id: str
    name: str
    arguments: dict[str, Any]


@dataclass(slots=True)
class Seen:
    """One answer as the client understands it."""

    text: str = ""
    thoughts: str = ""
    calls: list[Call] = field(default_factory=list)
    finish: str | None = None
    """`stop`, `tool_calls`, or another of OpenAI's words."""
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    """`None`: this client is not told."""
    reasoning_tokens: int | None = None
    pieces: int = 0
    """Of text."""
    error: str | None = None
    """What an error event, or an error instead of an answer, says."""
    message: Any = None
    """The model's turn, as it goes back."""
    ended: bool = False
    """The stream has the end of a complete one."""


class Client:
    """Stateless; one a dialect."""

    name: ClassVar[str]
    title: ClassVar[str]
    shows_thoughts: ClassVar[bool] = True
    """Whether its format has a place for them."""

    asks_for_thoughts: ClassVar[bool] = True
    """Whether its format can, beside asking the model to think."""

    def path(self, model: str, turn: Turn) -> str:
        raise NotImplementedError

    def headers(self) -> dict[str, str]:
        return {}

    def body(self, model: str, turn: Turn) -> dict[str, Any]:
        raise NotImplementedError

    def reply(self, body: dict[str, Any], seen: Seen, said: list[str], turn: Turn) -> dict[str, Any]:
        """The next request: `said` are the results of `seen.calls`."""
        raise NotImplementedError

    def whole(self, doc: dict[str, Any]) -> Seen:
        raise NotImplementedError

    def stream(self, data: bytes) -> Seen:
        raise NotImplementedError

    def refusal(self, doc: dict[str, Any]) -> str:
        """What an error's body says. Raises unless it has the dialect's own shape."""
        raise NotImplementedError


def events_of(data: bytes) -> list[tuple[str | None, str]]:
    """Name and data of server-sent events; comments are passed over."""
    found = []
    text = data.decode().replace("\r\n", "\n")
    assert text.endswith("\n\n"), f"the stream ends within an event: {text[-80:]!r}"
    for block in text.split("\n\n"):
        lines = [line for line in block.split("\n") if line and not line.startswith(":")]
        if not lines:
            continue
        fields = [line.partition(":") for line in lines]
        name = next((value.strip() for key, _, value in fields if key == "event"), None)
        found.append((name, "\n".join(value.removeprefix(" ") for key, _, value in fields if key == "data")))
    return found


def object_of(text: str) -> dict[str, Any]:
    doc = orjson.loads(text)
    assert isinstance(doc, dict), text
    return doc
