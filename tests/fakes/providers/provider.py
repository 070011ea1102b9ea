"""A scripted provider that reads requests strictly by its own documented rules, and answers in its own format."""

from __future__ import annotations

import itertools
from typing import Any, ClassVar

import orjson

from fakes.providers.scenes import BUSY, PROMPT_TOKENS, Answer, Asked, Fault, Refused, decide
from fakes.steps import Drop, Framing, Head, Send, Status, Step
from fakes.upstream import Received, ScriptedUpstream

KEY = "sk-of-the-provider"
CREATED_S = 1_750_000_000


def event(document: Any, name: str | None = None) -> bytes:
    """A server-sent event."""
    data = b"data: " + orjson.dumps(document) + b"\n\n"
    return data if name is None else b"event: " + name.encode() + b"\n" + data


class FakeProvider(ScriptedUpstream):
    """Subclasses read requests and write answers; what the model says is `scenes.decide`'s."""

    dialect: ClassVar[str]
    models: ClassVar[dict[str, str]]
    """The models it has, by what they can do beside text: `plain`, and where others must be asked, `sees`, `thinks`."""
    stream_type: ClassVar[str] = "text/event-stream"
    busy_status: ClassVar[int] = 503
    shows_thoughts: ClassVar[bool] = True
    """Whether its answers can hold what was thought as text."""
    hides_thoughts_unless_asked: ClassVar[bool] = False
    wants_state: ClassVar[bool] = False
    """Whether it refuses a tool's result without the reasoning state that came with the call."""
    prompt_tokens: ClassVar[int] = PROMPT_TOKENS
    """As a client is told them."""
    tells_cached: ClassVar[bool] = True
    tells_reasoning: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__()
        self.is_busy = False
        """Sound requests are refused before any content."""
        self.refusals: list[Refused] = []
        """What was wrong with requests, in order."""
        self.asked: list[Asked] = []
        self._ids = itertools.count(1)

    def decide(self, asked: Asked) -> Answer:
        """What the model says. Raises `Refused`."""
        return decide(asked)

    # --- what a subclass says -------------------------------------------------------------------------------------

    def read(self, request: Received) -> Asked:
        """Raises `Refused`."""
        raise NotImplementedError

    def refusal(self, refused: Refused) -> bytes:
        """The body of an error."""
        raise NotImplementedError

    def whole(self, answer: Answer) -> dict[str, Any]:
        raise NotImplementedError

    def opening(self, answer: Answer) -> list[bytes]:
        """A stream up to its last content."""
        raise NotImplementedError

    def closing(self, answer: Answer) -> list[bytes]:
        """The rest of it."""
        raise NotImplementedError

    def failing(self) -> list[bytes]:
        """What comes instead of the rest when the model fails."""
        raise NotImplementedError

    # --- fakes.upstream.ScriptedUpstream ----------------------------------------------------------------------------

    def take(self, request: Received) -> tuple[Step, ...]:
        """Record the request, and answer it."""
        super().take(request)
        try:
            asked = self.read(request)
            self.asked.append(asked)
            answer = self.decide(asked)
        except Refused as refused:
            self.refusals.append(refused)
            return (Status(refused.status, {}, self.refusal(refused)),)
        return self._steps(answer)

    def next_id(self, prefix: str) -> str:
        return f"{prefix}{next(self._ids)}"

    def _steps(self, answer: Answer) -> tuple[Step, ...]:
        if self.is_busy:
            return (Status(self.busy_status, {}, self.refusal(Refused(BUSY, status=self.busy_status))),)
        if not answer.stream:
            if answer.fault is not None:
                return (Status(500, {}, self.refusal(Refused("it has failed", status=500))),)
            return (Status(200, {}, orjson.dumps(self.whole(answer))),)
        opening = self.opening(answer)
        if answer.fault is None:
            events = [*opening, *self.closing(answer)]
        else:
            events = [*opening, *(self.failing() if answer.fault is Fault.ERROR else [])]
        framing = Framing.CLOSE if answer.fault is not None else Framing.CHUNKED
        head = Head(content_type=self.stream_type, framing=framing)
        return (head, *map(Send, events), *((Drop(),) if answer.fault is not None else ()))
