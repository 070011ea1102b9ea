"""Makes up the answer to a request. Pure: the same seed and request give the same tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from proxy.simulator.ask import Refusal
from proxy.simulator.shapes import sample
from proxy.simulator.text import pieces, prose, source

if TYPE_CHECKING:
    import random

    from proxy.simulator.ask import Ask
    from proxy.simulator.spec import SimulatedProvider


@dataclass(frozen=True, slots=True)
class Answer:
    """One choice, token by token."""

    pieces: tuple[str, ...]
    finish_reason: str
    """`stop`, `length` or `tool_calls`."""
    tool: str | None = None
    """The function called; the pieces are then its arguments."""

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(self.pieces)


def answers(ask: Ask, spec: SimulatedProvider) -> tuple[Answer, ...]:
    """Every choice of a request: `n` for each prompt."""
    prompts = ask.prompts or (ask.prompt,)
    return tuple(_one(ask, spec, prompt, index) for prompt in prompts for index in range(ask.n))


def _one(ask: Ask, spec: SimulatedProvider, prompt: str, index: int) -> Answer:
    # the model's name is no part of it: deployments of equal seed continue each other's streams
    rng = source(spec.seed, prompt, index)
    if ask.tool is not None:
        text, finish = _document(ask.tool.parameters or {"type": "object"}, rng), "tool_calls"
    elif ask.schema is not None:
        text, finish = _document(ask.schema, rng), "stop"
    else:
        text, finish = prose(rng, spec.words), "stop"
    if ask.prefix and text.startswith(ask.prefix):
        text = text[len(ask.prefix) :]
    for stop in ask.stops:
        text = text.partition(stop)[0]
    tokens = pieces(text)
    most = min(ask.max_tokens or spec.max_output_tokens, spec.max_output_tokens)
    if len(tokens) > most:
        tokens, finish = tokens[:most], "length"
    return Answer(tokens, finish, ask.tool.name if ask.tool else None)


def _document(schema: Any, rng: random.Random) -> str:
    try:
        return orjson.dumps(sample(schema, rng)).decode()
    except (TypeError, ValueError, ArithmeticError, LookupError) as error:
        raise Refusal(400, f"The JSON schema cannot be used: {error}", code="invalid_json_schema") from error
