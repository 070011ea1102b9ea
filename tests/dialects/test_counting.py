"""Every form of usage comes to the same disjoint counts."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.api import Price
from proxy.dialects.counting import MAX_COUNT, any_usage, estimate, plain_usage, usage_document, usage_from_openai
from proxy.dialects.quirks import Quirks
from proxy.providers.table import lookup
from proxy.usage import Usage, cost_nano_usd, listed_nano_usd

COST = Quirks(cost_field="cost")


@pytest.mark.parametrize(
    ("usage", "wanted"),
    [
        ({}, Usage()),
        ({"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}, Usage(5, 2)),
        ({"prompt_tokens": 5, "total_tokens": 5}, Usage(5, 0)),
        ({"prompt_tokens": 5, "total_tokens": 9}, Usage(5, 4)),
        ({"total_tokens": 9}, Usage(9, 0)),
        ({"completion_tokens": 4, "total_tokens": 9}, Usage(5, 4)),
        ({"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 1}, Usage(5, 2)),
        ({"prompt_tokens": 5, "prompt_tokens_details": {"cached_tokens": 8}}, Usage(0, 0, 8)),
        ({"prompt_tokens": 9, "prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 5}, Usage(5, 0, 4)),
        ({"prompt_tokens": 9, "cached_tokens": 4, "cache_write_tokens": 2}, Usage(3, 0, 4, 2)),
        ({"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 0, "cache_creation_input_tokens": 4}},
         Usage(5, 0, 0, 4)),
        ({"completion_tokens": 9, "reasoning_tokens": 4}, Usage(0, 9, reasoning_tokens=4)),
        ({"prompt_tokens": "5", "completion_tokens": True, "total_tokens": None}, Usage()),
        ({"prompt_tokens": -5, "completion_tokens": 3.0, "prompt_tokens_details": [1]}, Usage(0, 3)),
        ({"prompt_tokens": MAX_COUNT + 1, "completion_tokens": 3}, Usage(0, 3)),
        ({"input_tokens": 5, "output_tokens": 2, "input_tokens_details": {"cached_tokens": 1},
          "output_tokens_details": {"reasoning_tokens": 2}}, Usage(4, 2, 1, reasoning_tokens=2)),
        ({"prompt_tokens": 9, "prompt_tokens_details": {"cache_write_tokens": 4},
          "cache_creation": {"ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": 3}},
         Usage(5, 0, 0, 4, cache_write_1h_tokens=3)),
        ({"input_tokens": 9, "input_tokens_details": {
            "cache_write_tokens": 4, "cache_write_tokens_details": {"ttl_30m_tokens": 1, "ttl_12h_tokens": 3}}},
         Usage(5, 0, 0, 4, cache_write_1h_tokens=3)),
        ({"prompt_tokens": 9, "prompt_tokens_details": {"cache_write_tokens": 2},
          "cache_creation": {"ephemeral_1h_input_tokens": 3}}, Usage(7, 0, 0, 2, cache_write_1h_tokens=2)),
        ({"prompt_tokens": 9, "completion_tokens": 7, "prompt_tokens_details": {"audio_tokens": 4},
          "completion_tokens_details": {"audio_tokens": 8}}, Usage(9, 7, input_audio_tokens=4, output_audio_tokens=7)),
        ({"prompt_tokens": 1549, "completion_tokens": 95, "billed_units": {"input_tokens": 119.0, "output_tokens": 44}},
         Usage(1549, 95, billed=(119, 44))),
        ({"prompt_tokens": 9, "billed_units": {"search_units": 1}}, Usage(9)),
        ({"prompt_tokens": 9, "billed_units": {"output_tokens": 4}}, Usage(9, billed=(0, 4))),
    ],
)  # fmt: skip
def test_usage_is_read(usage: dict[str, Any], wanted: Usage):
    assert wanted == usage_from_openai(usage, Quirks())


@pytest.mark.parametrize(
    ("cost", "nano_usd"),
    [(0.00014, 140_000), (0, 0), (1, 1_000_000_000), (None, None), ("1", None), (True, None), (-1, None)],
)
def test_the_providers_own_cost_is_read(cost: Any, nano_usd: int | None):
    assert nano_usd == usage_from_openai({"prompt_tokens": 1, "cost": cost}, COST).cost_nano_usd


def test_the_tier_that_answered_beats_the_one_in_the_usage():
    assert "flex" == usage_from_openai({"service_tier": "standard"}, Quirks(), "flex").tier
    assert "standard" == usage_from_openai({"service_tier": "standard"}, Quirks()).tier


def test_an_estimate_says_so_and_rounds_up():
    assert Usage(7, 3, estimated=True) == estimate(7, 9)
    assert Usage(0, 0, estimated=True) == estimate(-1, 0)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
NAMES = st.sampled_from([
    "prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details", "completion_tokens_details",
    "cached_tokens", "reasoning_tokens", "cost", "service_tier", "citation_tokens",
])  # fmt: skip


@given(st.dictionaries(NAMES, JSON | st.dictionaries(NAMES, JSON)))
def test_no_usage_object_raises_or_counts_below_zero(usage: dict[str, Any]):
    found = usage_from_openai(usage, COST)

    assert min(found.input_tokens, found.output_tokens, found.cache_read_tokens, found.reasoning_tokens) >= 0


COUNT = st.one_of(st.integers(-2, 40), st.sampled_from((None, True, False, 3.0, "5", [], {}, MAX_COUNT, MAX_COUNT + 1)))
INNER = st.dictionaries(
    st.sampled_from(
        ("cached_tokens", "reasoning_tokens", "audio_tokens", "cache_write_tokens", "cache_creation_input_tokens")
    ),
    COUNT,
    max_size=3,
)
USAGE = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"), COUNT)
    | dict.fromkeys(("prompt_tokens_details", "completion_tokens_details"), st.one_of(INNER, COUNT))
    | dict.fromkeys(("cached_tokens", "citation_tokens", "input_tokens", "cost"), COUNT)
    | {"service_tier": st.sampled_from(("", "flex", 7, None))},
)
SOUND = st.fixed_dictionaries(
    dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"), st.integers(0, MAX_COUNT)),
    optional=dict.fromkeys(("prompt_tokens_details", "completion_tokens_details"), INNER),
)


@settings(derandomize=True, max_examples=1000, deadline=None)
@given(
    usage=st.one_of(USAGE, SOUND),
    quirks=st.sampled_from((Quirks(), COST, Quirks(reasoning_outside_completion=True))),
    tier=st.sampled_from((None, "", "flex")),
)
def test_the_plain_form_is_read_as_any_other(usage: dict[str, Any], quirks: Quirks, tier: str | None):
    assert any_usage(usage, quirks, tier) == usage_from_openai(usage, quirks, tier)


@pytest.mark.parametrize(
    "details", [{}, {"prompt_tokens_details": None}, {"prompt_tokens_details": {"cached_tokens": 2}}]
)
def test_openais_own_form_is_plain(details: dict[str, Any]):
    usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7, **details}

    assert plain_usage(usage, Quirks(), None) == any_usage(usage, Quirks(), None)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    """Any usage that can be: parts are within what they are parts of."""
    count = st.integers(0, MAX_COUNT // 4)
    fresh, output, read, write = draw(count), draw(count), draw(count), draw(count)
    return Usage(
        fresh, output, read, write,
        reasoning_tokens=draw(st.integers(0, output)),
        tier=draw(st.sampled_from((None, "flex", "standard"))),
        cost_nano_usd=draw(st.none() | st.integers(0, 1 << 50)),
        cache_write_1h_tokens=draw(st.integers(0, write)),
        input_audio_tokens=draw(st.integers(0, fresh + read + write)),
        output_audio_tokens=draw(st.integers(0, output)),
        billed=draw(st.none() | st.tuples(count, count)),
    )  # fmt: skip


@settings(derandomize=True, max_examples=300, deadline=None)
@given(usages())
def test_what_the_hub_says_of_a_usage_is_read_back_as_it_was(usage: Usage):
    """Nothing of it is lost, and its JSON is OpenAI's for OpenAI's clients."""
    document = orjson.loads(orjson.dumps(usage_document(usage)))

    assert usage == usage_from_openai(document, COST)
    assert document["total_tokens"] == document["prompt_tokens"] + document["completion_tokens"]


TICKS = Quirks(reasoning_outside_completion=True, cost_field="cost_in_usd_ticks", cost_unit_nano_usd=1, cost_divisor=10)


@pytest.mark.parametrize(("ticks", "nano_usd"), [(1_466_250, 146_625), (15, 2), (14, 1), (0, 0), (4, 0)])
def test_ticks_are_exact(ticks: int, nano_usd: int):
    """xAI's are 1e-10 USD. Source: https://docs.x.ai/docs/guides/chat, `cost_in_usd_ticks`."""
    usage = {"prompt_tokens": 12, "completion_tokens": 1, "total_tokens": 303, "cost_in_usd_ticks": ticks,
             "completion_tokens_details": {"reasoning_tokens": 290}}  # fmt: skip
    found = usage_from_openai(usage, TICKS)

    assert (nano_usd, 291) == (found.cost_nano_usd, found.output_tokens)


@pytest.mark.parametrize(("row", "usage"), [
    ("xai", {"prompt_tokens": 1, "cost_in_usd_ticks": 25_000}),
    ("openrouter", {"prompt_tokens": 1, "cost": 0.0000025}),
    ("perplexity", {"prompt_tokens": 1, "cost": {"total_cost": 0.0000025, "request_cost": 0.000001}}),
])  # fmt: skip
def test_providers_that_tell_their_cost_are_believed(row: str, usage: dict[str, Any]):
    profile = lookup(row)
    assert profile is not None
    found = usage_from_openai(usage, profile.quirks)
    assert 2500 == found.cost_nano_usd == cost_nano_usd(found, Price(10**12, 10**12))
    assert 2500 == cost_nano_usd(found, None)


def test_what_is_billed_is_not_what_was_read():
    """Cohere adds a template of its own to the prompt, and charges for none of it."""
    price = Price(2_500_000_000, 10_000_000_000, above=((200, Price(10**12, 10**12)),))
    usage = Usage(45, 95, 1504, billed=(119, 44))

    assert 119 * 2500 + 44 * 10_000 == cost_nano_usd(usage, price)
    assert 1549 == usage.prompt_tokens
    assert None is cost_nano_usd(usage, None)


def test_kinds_of_token_have_prices_of_their_own():
    price = Price(
        1_000_000, 2_000_000, 100_000, 1_250_000, cache_write_1h_nano_usd_per_mtok=2_000_000,
        input_audio_nano_usd_per_mtok=7_000_000, output_audio_nano_usd_per_mtok=9_000_000,
    )  # fmt: skip
    usage = Usage(100, 50, 10, 20, cache_write_1h_tokens=5, input_audio_tokens=40, output_audio_tokens=30)

    plain = 60 * 1 + 20 * 2 + 10 * 0.1 + 15 * 1.25
    assert round(plain + 5 * 2 + 40 * 7 + 30 * 9) == cost_nano_usd(usage, price)
    unpriced = Price(1_000_000, 2_000_000)
    assert 130 + 100 == cost_nano_usd(usage, unpriced)
    assert (100 + 100 + 10 + 15 + 5 * 2) == cost_nano_usd(
        usage, Price(1_000_000, 2_000_000, cache_write_1h_nano_usd_per_mtok=2_000_000)
    )


@settings(derandomize=True, max_examples=200, deadline=None)
@given(usages(), st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_cost_is_never_below_zero_and_kinds_at_the_plain_price_change_nothing(usage: Usage, first: int, second: int):
    plain = Price(first, second)
    same = Price(
        first, second, cache_write_1h_nano_usd_per_mtok=first, input_audio_nano_usd_per_mtok=first,
        output_audio_nano_usd_per_mtok=second,
    )  # fmt: skip
    free = Price(first, second, None, None, 0, (), 0, 0, 0)

    assert listed_nano_usd(usage, plain) == listed_nano_usd(usage, same)
    assert 0 <= listed_nano_usd(usage, free) <= listed_nano_usd(usage, plain)
