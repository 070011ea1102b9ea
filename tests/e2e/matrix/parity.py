"""The same answer of every provider, whole and streamed: what differs. Nothing may."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from e2e.matrix.clients.client import Turn
from e2e.matrix.clients.openai_chat import OpenAIChat
from e2e.matrix.scenes import Pair
from e2e.matrix.stage import Stage
from fakes.providers.scenes import Ask

TURNS = {
    "text": {"ask": Ask.PLAIN},
    "tool calls": {"ask": Ask.WEATHER, "tools": True},
    "reasoning": {"ask": Ask.THINK, "thinks": True},
    "JSON schema": {"ask": Ask.SCHEMA, "schema": True},
}

COUNTS = ("input", "input_cached", "output", "output_reasoning")


@dataclass(frozen=True, slots=True)
class Told:
    """One answer: what the client saw, and what the access log has of it."""

    content: tuple[Any, ...]
    """Text, thoughts, tool calls, finish reason, usage."""
    tokens: dict[str, Any]
    cost_usd: float | None


@dataclass(frozen=True, slots=True)
class Parity:
    """One answer of a provider in both forms."""

    provider: str
    what: str
    whole: Told
    streamed: Told

    @property
    def is_equal(self) -> bool:
        return self.whole == self.streamed and not self.whole.tokens["estimated"] and self.whole.cost_usd is not None


def compare(stage: Stage, provider: str, what: str) -> Parity:
    whole, streamed = (_told(stage, provider, Turn(stream=form, **TURNS[what])) for form in (False, True))
    return Parity(provider, what, whole, streamed)


def _told(stage: Stage, provider: str, turn: Turn) -> Told:
    client = OpenAIChat()
    model = Pair(stage, client, stage.fakes[provider]).model(turn)
    seen, request_id = stage.ask(client, model, turn, client.body(model, turn))
    fact = stage.gateway.fact(request_id)
    calls = tuple((call.name, str(call.arguments)) for call in seen.calls)
    usage = (seen.prompt_tokens, seen.cached_tokens, seen.output_tokens, seen.reasoning_tokens)
    content = (seen.text, seen.thoughts, calls, seen.finish, usage, fact["finish_reason"])
    return Told(content, fact["tokens"], fact["cost_usd"])


def table_of(rows: Iterable[Parity], titles: dict[str, str]) -> list[str]:
    """Markdown: tokens and cost of each provider's answers, whole and streamed."""
    rows = list(rows)
    heads = ("provider", "input / cached / output / reasoning tokens: whole", "streamed", "cost: whole", "streamed")
    lines = [f"| {' | '.join(heads)} | difference |", "|---" * (len(heads) + 1) + "|"]
    for provider in dict.fromkeys(row.provider for row in rows):
        pairs = [(row.whole, row.streamed) for row in rows if row.provider == provider]
        cells = [titles[provider]]
        cells += [_counts(told) for told in zip(*pairs, strict=True)]
        cells += [f"${sum(each.cost_usd or 0 for each in told):.6f}" for told in zip(*pairs, strict=True)]
        is_equal = all(row.is_equal for row in rows if row.provider == provider)
        lines.append("| " + " | ".join([*cells, "0" if is_equal else "**differs**"]) + " |")
    return lines


def _counts(told: Iterable[Told]) -> str:
    told = list(told)
    return " / ".join(str(sum(each.tokens[name] for each in told)) for name in COUNTS)
