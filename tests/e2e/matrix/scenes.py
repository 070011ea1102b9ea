"""The seven scenes of the matrix: what a client asks, and what it must see, whoever answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from e2e.matrix.clients.client import Client, Seen, Turn
from e2e.matrix.stage import Stage, route_of
from fakes.providers.provider import FakeProvider
from fakes.providers.scenes import (
    CACHED_TOKENS,
    OUTPUT_TOKENS,
    PIECES,
    REASONING_TOKENS,
    SEEN,
    TEXT,
    THOUGHTS,
    TOOL,
    TRAIN_PIECES,
    WEATHER,
    Ask,
)

BOTH_FORMS = (False, True)


@dataclass(frozen=True, slots=True)
class Pair:
    """A client and a provider."""

    stage: Stage
    client: Client
    provider: FakeProvider

    @property
    def shows_thoughts(self) -> bool:
        """Both have a place for them, and the client asks where the provider wants to be asked."""
        both = self.provider.shows_thoughts and self.client.shows_thoughts
        return both and (self.client.asks_for_thoughts or not self.provider.hides_thoughts_unless_asked)

    def ask(self, turn: Turn) -> Seen:
        """One question, one answer, and its usage."""
        model = self.model(turn)
        seen, _ = self.stage.ask(self.client, model, turn, self.client.body(model, turn))
        self._check_usage(seen, turn)
        return seen

    def model(self, turn: Turn) -> str:
        need = "sees" if turn.image else "thinks" if turn.thinks else "plain"
        return route_of(self.provider, need)

    def ask_twice(self, turn: Turn) -> tuple[Seen, Seen]:
        """A question, its tool calls, their results, and the answer to them."""
        model = self.model(turn)
        body = self.client.body(model, turn)
        called, _ = self.stage.ask(self.client, model, turn, body)
        self._check_usage(called, turn)
        said = [WEATHER[call.arguments["city"]] for call in called.calls]
        told, _ = self.stage.ask(self.client, model, turn, self.client.reply(body, called, said, turn))
        return called, told

    def _check_usage(self, seen: Seen, turn: Turn) -> None:
        """As far as the provider tells it and the client's format has a place for it."""
        if seen.error is not None:
            return
        assert (self.provider.prompt_tokens, OUTPUT_TOKENS) == (seen.prompt_tokens, seen.output_tokens), seen
        cached = CACHED_TOKENS if self.provider.tells_cached else 0
        assert seen.cached_tokens in (None, cached), seen
        reasoning = REASONING_TOKENS if turn.thinks and self.provider.tells_reasoning else 0
        assert (seen.reasoning_tokens or 0) == reasoning or seen.reasoning_tokens is None, seen


def _text(seen: Seen, text: str) -> None:
    assert (text, "stop", [], None, True) == (seen.text, seen.finish, seen.calls, seen.error, seen.ended), seen


def plain(pair: Pair) -> None:
    """A whole answer: text, finish reason, usage."""
    _text(pair.ask(Turn(Ask.PLAIN, stream=False)), TEXT)


def stream(pair: Pair) -> None:
    """The same piece by piece."""
    seen = pair.ask(Turn(Ask.PLAIN, stream=True))
    _text(seen, TEXT)
    assert len(PIECES) == seen.pieces


def tools(pair: Pair) -> None:
    """Two calls of one tool at once, both results, and what is made of them; streamed and not."""
    for form in BOTH_FORMS:
        called, told = pair.ask_twice(Turn(Ask.WEATHER, stream=form, tools=True))
        assert [(TOOL, {"city": city}) for city in WEATHER] == [(call.name, call.arguments) for call in called.calls]
        assert ("", "tool_calls", True) == (called.text, called.finish, called.ended), called
        _text(told, "Paris 20 C, Rome 25 C.")


def image(pair: Pair) -> None:
    """A picture in the question."""
    for form in BOTH_FORMS:
        _text(pair.ask(Turn(Ask.IMAGE, stream=form, image=True)), "".join(SEEN))


def schema(pair: Pair) -> None:
    """An answer in the form of a JSON schema."""
    for form in BOTH_FORMS:
        _text(pair.ask(Turn(Ask.SCHEMA, stream=form, schema=True)), "".join(TRAIN_PIECES))


def reasoning(pair: Pair) -> None:
    """Thoughts, their tokens, and the state that a provider wants back with a tool's result."""
    shown = "".join(THOUGHTS) if pair.shows_thoughts else ""
    for form in BOTH_FORMS:
        seen = pair.ask(Turn(Ask.THINK, stream=form, thinks=True))
        _text(seen, TEXT)
        assert shown == seen.thoughts, seen
        called, told = pair.ask_twice(Turn(Ask.THINK_WEATHER, stream=form, thinks=True, tools=True))
        assert [{"city": "Paris"}] == [call.arguments for call in called.calls]
        assert (shown, "tool_calls") == (called.thoughts, called.finish), called
        _text(told, "Paris 20 C.")


def error(pair: Pair) -> None:
    """The provider fails after the first pieces: the client has these, an error in its own form, and no end."""
    seen = pair.ask(Turn(Ask.ERROR, stream=True))
    assert ("".join(PIECES[:2]), False) == (seen.text, seen.ended), seen
    assert seen.error, seen


Scene = Callable[[Pair], None]
SCENES: dict[str, Scene] = {
    "plain": plain,
    "stream": stream,
    "tools": tools,
    "image": image,
    "JSON schema": schema,
    "reasoning": reasoning,
    "error mid-stream": error,
}
