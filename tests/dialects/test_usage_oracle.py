"""What each provider's usage comes to, against the reading of genai-prices (MIT licence, Pydantic).

That library reads usage out of whole answers too, by rules of its own. Bodies are made up in each provider's shape;
what it has no rule for is not compared. Where it is meant to differ stands in `DELIBERATE`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from genai_prices import data as price_data
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.dialects.counting import usage_from_openai
from proxy.dialects.dialect import Target
from proxy.dialects.names import DialectName
from proxy.dialects.spoken import SPOKEN
from proxy.providers.table import lookup
from proxy.usage import Usage

EXAMPLES = 100
READ = {
    "input_tokens": lambda usage: usage.prompt_tokens,
    "output_tokens": lambda usage: usage.output_tokens,
    "cache_read_tokens": lambda usage: usage.cache_read_tokens,
    "cache_write_tokens": lambda usage: usage.cache_write_tokens,
    "cache_write_1h_tokens": lambda usage: usage.cache_write_1h_tokens,
    "input_audio_tokens": lambda usage: usage.input_audio_tokens,
    "output_audio_tokens": lambda usage: usage.output_audio_tokens,
    "output_reasoning_tokens": lambda usage: usage.reasoning_tokens,
}
"""The oracle's names of what we count too: not images, pages and searches."""

CHAT, RESPONSES = DialectName.OPENAI_CHAT, DialectName.OPENAI_RESPONSES


def openai(usage: dict[str, Any]) -> dict[str, Any]:
    return {"model": "m", "usage": usage}


def anthropic(usage: dict[str, Any]) -> dict[str, Any]:
    content = [{"type": "text", "text": "hi"}]
    return {"type": "message", "role": "assistant", "id": "i", "model": "m", "content": content,
            "stop_reason": "end_turn", "usage": usage}  # fmt: skip


def gemini(usage: dict[str, Any]) -> dict[str, Any]:
    content = {"role": "model", "parts": [{"text": "hi"}]}
    return {"candidates": [{"content": content, "finishReason": "STOP"}], "modelVersion": "m", "usageMetadata": usage}


def bedrock(usage: dict[str, Any]) -> dict[str, Any]:
    message = {"role": "assistant", "content": [{"text": "hi"}]}
    return {"output": {"message": message}, "stopReason": "end_turn", "usage": usage, "model": "m"}


def cohere(usage: dict[str, Any]) -> dict[str, Any]:
    return {"id": "i", "model": "m", "message": {"content": []}, "finish_reason": "COMPLETE", "usage": usage}


@dataclass(frozen=True)
class Case:
    """One provider's way to tell usage."""

    row: str
    """Of the provider table."""
    seller: str
    """The oracle's id of it."""
    flavor: str
    dialect: DialectName
    body: Callable[[dict[str, Any]], dict[str, Any]]
    usage: st.SearchStrategy[dict[str, Any]]

    def __str__(self) -> str:
        return f"{self.row}, {self.flavor}"


counts = st.integers(0, 1 << 20)


@st.composite
def chat(draw: st.DrawFn, *, writes: bool = False, audio: bool = False, outside: bool = False) -> dict[str, Any]:
    """A usage that adds up. `outside`: the completion excludes the reasoning."""
    cached, written, fresh, plain, reasoning = (draw(counts) for _ in range(5))
    written = written if writes else 0
    prompt, completion = cached + written + fresh, plain + (0 if outside else reasoning)
    usage: dict[str, Any] = {"prompt_tokens": prompt, "completion_tokens": completion,
                             "total_tokens": prompt + plain + reasoning}  # fmt: skip
    if draw(st.booleans()) or written:
        usage["prompt_tokens_details"] = {"cached_tokens": cached} | ({"cache_write_tokens": written} if writes else {})
    if draw(st.booleans()) or outside:
        usage["completion_tokens_details"] = {"reasoning_tokens": reasoning}
    if audio and draw(st.booleans()):
        usage.setdefault("prompt_tokens_details", {})["audio_tokens"] = draw(st.integers(0, prompt))
        usage.setdefault("completion_tokens_details", {})["audio_tokens"] = draw(st.integers(0, completion))
    return usage


@st.composite
def responses(draw: st.DrawFn, *, writes: bool = False) -> dict[str, Any]:
    cached, written, fresh, plain, reasoning = (draw(counts) for _ in range(5))
    written = written if writes else 0
    inputs = {"cached_tokens": cached} | ({"cache_write_tokens": written} if writes else {})
    read, wrote = cached + written + fresh, plain + reasoning
    return {"input_tokens": read, "input_tokens_details": inputs, "output_tokens": wrote,
            "output_tokens_details": {"reasoning_tokens": reasoning}, "total_tokens": read + wrote}  # fmt: skip


@st.composite
def messages(draw: st.DrawFn, *, hours: bool = True) -> dict[str, Any]:
    short, long = draw(counts), draw(counts) if hours else 0
    usage = {"input_tokens": draw(counts), "cache_creation_input_tokens": short + long,
             "cache_read_input_tokens": draw(counts), "output_tokens": draw(counts)}  # fmt: skip
    if long or draw(st.booleans()):
        usage["cache_creation"] = {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long}
    if draw(st.booleans()):
        usage["output_tokens_details"] = {"thinking_tokens": draw(st.integers(0, usage["output_tokens"]))}
    return usage


@st.composite
def metadata(draw: st.DrawFn) -> dict[str, Any]:
    text, heard, tool, written, thoughts = (draw(counts) for _ in range(5))
    thoughts += 1  # else the total does not tell whether the candidates hold them
    usage: dict[str, Any] = {"promptTokenCount": text + heard, "candidatesTokenCount": written,
                             "thoughtsTokenCount": thoughts,
                             "totalTokenCount": text + heard + tool + written + thoughts}  # fmt: skip
    details = [("TEXT", text), ("AUDIO", heard)]
    usage["promptTokensDetails"] = [{"modality": name, "tokenCount": count} for name, count in details]
    if tool:
        usage["toolUsePromptTokenCount"] = tool
    if draw(st.booleans()):
        usage["cachedContentTokenCount"] = draw(st.integers(0, text))
    return usage


@st.composite
def converse(draw: st.DrawFn) -> dict[str, Any]:
    short, long, read = draw(counts), draw(counts), draw(counts)
    usage: dict[str, Any] = {"inputTokens": draw(counts), "outputTokens": draw(counts),
                             "cacheReadInputTokens": read, "cacheWriteInputTokens": short + long}  # fmt: skip
    details = [("5m", short), ("1h", long)]
    usage["cacheDetails"] = [{"ttl": ttl, "inputTokens": count} for ttl, count in details]
    usage["totalTokens"] = usage["inputTokens"] + usage["outputTokens"] + read + short + long
    return usage


@st.composite
def units(draw: st.DrawFn) -> dict[str, Any]:
    tokens = {"input_tokens": draw(counts), "output_tokens": draw(counts)}
    billed = {name: draw(counts) for name in tokens}
    return {"billed_units": billed, "tokens": tokens, "cached_tokens": draw(st.integers(0, tokens["input_tokens"]))}


@st.composite
def searched(draw: st.DrawFn) -> dict[str, Any]:
    prompt, completion = draw(counts), draw(counts)
    usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    return {**usage, "reasoning_tokens": draw(counts), "num_search_queries": 3}


CASES = [
    Case("openai", "openai", "chat", CHAT, openai, chat(writes=True, audio=True)),
    Case("openai", "openai", "responses", RESPONSES, openai, responses(writes=True)),
    Case("azure", "azure", "chat", CHAT, openai, chat(writes=True, audio=True)),
    Case("azure", "azure", "responses", RESPONSES, openai, responses(writes=True)),
    Case("deepseek", "deepseek", "chat", CHAT, openai, chat()),
    Case("groq", "groq", "default", CHAT, openai, chat(audio=True)),
    Case("mistral", "mistral", "default", CHAT, openai, chat()),
    Case("openrouter", "openrouter", "chat", CHAT, openai, chat(writes=True, audio=True)),
    Case("openrouter", "openrouter", "default", RESPONSES, openai, responses(writes=True)),
    Case("xai", "x-ai", "chat", CHAT, openai, chat(outside=True)),
    Case("xai", "x-ai", "responses", RESPONSES, openai, responses()),
    Case("fireworks", "fireworks", "chat", CHAT, openai, chat()),
    Case("cerebras", "cerebras", "chat", CHAT, openai, chat()),
    Case("moonshot", "moonshotai", "chat", CHAT, openai, chat(writes=True)),
    Case("zai", "zai", "chat", CHAT, openai, chat()),
    Case("minimax", "minimax", "chat", CHAT, openai, chat()),
    Case("minimax", "minimax", "default", DialectName.ANTHROPIC, anthropic, messages(hours=False)),
    Case("perplexity", "perplexity", "default", CHAT, openai, searched()),
    Case("cohere", "cohere", "tokens", DialectName.COHERE, cohere, units()),
    Case("anthropic", "anthropic", "default", DialectName.ANTHROPIC, anthropic, messages()),
    Case("bedrock", "aws", "default", DialectName.BEDROCK, bedrock, converse()),
    Case("google", "google", "default", DialectName.GEMINI, gemini, metadata()),
]
TABLE: Counter[str] = Counter()
"""Usages compared, by case."""


def ours(case: Case, body: dict[str, Any]) -> Usage:
    row = lookup(case.row)
    quirks = row.quirks if row is not None and case.dialect in (CHAT, RESPONSES) else Target("m").quirks
    if case.dialect in (CHAT, RESPONSES):
        return usage_from_openai(body["usage"], quirks)
    return usage_from_openai(SPOKEN[case.dialect].answer(body, Target("m"))["usage"], quirks)


def theirs(case: Case, body: dict[str, Any]) -> dict[str, int]:
    """What the oracle reads, 0 where it finds nothing."""
    [provider] = [one for one in price_data.providers if one.id == case.seller]
    [extractor] = [one for one in provider.extractors or () if one.api_flavor == case.flavor]
    names = {mapping.dest for mapping in extractor.mappings} & READ.keys()
    _, found = extractor.extract(body)
    return {name: int(getattr(found, name, None) or 0) for name in names}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_usage_is_read_as_the_oracle_reads_it(case: Case):
    if case.dialect not in (CHAT, RESPONSES) and case.dialect not in SPOKEN:
        pytest.skip(f"`{case.dialect}` is not spoken")

    @settings(max_examples=EXAMPLES, derandomize=True, deadline=None)
    @given(case.usage)
    def compare(usage: dict[str, Any]) -> None:
        body = case.body(usage)
        wanted = theirs(case, body)
        found = ours(case, body)
        assert wanted == {name: READ[name](found) for name in wanted}
        TABLE[str(case)] += 1

    compare()


CASE_OF = {(case.row, case.flavor): case for case in CASES}


@pytest.mark.parametrize(
    ("row", "flavor", "usage"),
    [
        ("xai", "chat", {
            "prompt_tokens": 14, "completion_tokens": 2, "total_tokens": 316, "cost_in_usd_ticks": 1_500_250,
            "prompt_tokens_details": {"text_tokens": 14, "audio_tokens": 0, "image_tokens": 0, "cached_tokens": 9},
            "completion_tokens_details": {"reasoning_tokens": 300}}),
        ("deepseek", "chat", {
            "prompt_tokens": 340, "completion_tokens": 80, "total_tokens": 420,
            "prompt_tokens_details": {"cached_tokens": 320}, "completion_tokens_details": {"reasoning_tokens": 39},
            "prompt_cache_hit_tokens": 320, "prompt_cache_miss_tokens": 20}),
        ("groq", "default", {
            "queue_time": 0.17, "prompt_tokens": 17, "completion_tokens": 990, "total_tokens": 1007,
            "completion_tokens_details": {"reasoning_tokens": 963}}),
        ("mistral", "default", {"prompt_tokens": 124, "total_tokens": 146, "completion_tokens": 22}),
        ("azure", "chat", {
            "prompt_tokens": 20, "total_tokens": 1740, "completion_tokens": 1720, "prompt_tokens_details": None,
            "reasoning_tokens": 0}),
        ("cohere", "tokens", {
            "billed_units": {"input_tokens": 120, "output_tokens": 44},
            "tokens": {"input_tokens": 1550, "output_tokens": 95}, "cached_tokens": 1504}),
        ("openai", "chat", {
            "prompt_tokens": 50, "completion_tokens": 9, "total_tokens": 59,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0, "accepted_prediction_tokens": 0,
                                          "rejected_prediction_tokens": 0}}),
    ],
)  # fmt: skip
def test_payloads_as_providers_send_them(row: str, flavor: str, usage: dict[str, Any]):
    case = CASE_OF[row, flavor]
    body = case.body(usage)
    wanted, found = theirs(case, body), ours(case, body)
    assert wanted == {name: READ[name](found) for name in wanted}
    TABLE[str(case)] += 1


DELIBERATE = [
    ("google", "chat", "Thoughts are hidden from the parts by Google's OpenAI-shaped endpoint, and billed as output.",
     {"prompt_tokens": 35, "completion_tokens": 12, "total_tokens": 109}, {"output_tokens": (12, 74)}),
    ("perplexity", "default", "Citations cost the price of input.",
     {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12, "citation_tokens": 100},
     {"input_tokens": (5, 105), "output_tokens": (107, 7)}),
    ("moonshot", "chat", "The older place of cached tokens.",
     {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10, "cached_tokens": 4},
     {"cache_read_tokens": (0, 4)}),
    ("openai", "chat", "More cached than read is a mistake: nothing may count below zero.",
     {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6, "prompt_tokens_details": {"cached_tokens": 8}},
     {"input_tokens": (5, 8)}),
]  # fmt: skip
"""Row, flavour, why, usage, and what differs: name -> (theirs, ours)."""


@pytest.mark.parametrize(("row", "flavor", "why", "usage", "differs"), DELIBERATE, ids=[one[2] for one in DELIBERATE])
def test_where_it_is_meant_to_differ(
    row: str, flavor: str, why: str, usage: dict[str, Any], differs: dict[str, tuple[int, int]]
):
    del why  # it is the test's name
    case = CASE_OF.get((row, flavor)) or Case(row, "openai", flavor, CHAT, openai, chat())
    wanted, found = theirs(case, openai(usage)), ours(case, openai(usage))
    different = {name: (wanted[name], READ[name](found)) for name in wanted if wanted[name] != READ[name](found)}
    assert differs == different
    TABLE[str(case)] += 1


def test_how_many_were_compared():
    """Run with `-s` to see the table; every case that is spoken was compared."""
    for name, compared in sorted(TABLE.items()):
        print(f"{name:<28} {compared:>5} usages, no difference but those of `DELIBERATE`")  # noqa: T201 - the table is asked for
    print(f"{'together':<28} {TABLE.total():>5}")  # noqa: T201
    spoken = [case for case in CASES if case.dialect in (CHAT, RESPONSES) or case.dialect in SPOKEN]
    assert not TABLE or {str(case) for case in spoken} <= TABLE.keys()
