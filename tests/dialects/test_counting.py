"""Every form of usage comes to the same disjoint counts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.dialects.counting import MAX_COUNT, any_usage, estimate, plain_usage, usage_from_openai
from proxy.dialects.quirks import Quirks
from proxy.usage import Usage

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
