"""The provider table: complete, well-formed, found by any name people use."""

import re
from collections import Counter

import pytest

from proxy.dialects.quirks import OPENAI_TIERS, Quirks, StreamOptions
from proxy.dialects.request import Operation
from proxy.providers.address import parse_address
from proxy.providers.profile import NO_AUTH, Profile
from proxy.providers.table import ROWS, lookup, names, suggest

HOSTED = [row for row in ROWS if not row.self_hosted]
EXPECTED = {
    "openai",
    "azure",
    "google",
    "groq",
    "deepseek",
    "mistral",
    "novita",
    "fireworks",
    "together",
    "xai",
    "openrouter",
    "cerebras",
    "sambanova",
    "perplexity",
    "cohere",
    "hf",
    "nvidia",
    "deepinfra",
    "moonshot",
    "dashscope",
    "zai",
    "minimax",
    "volcengine",
    "bedrock",
    "vllm",
    "sglang",
    "ollama",
    "llamacpp",
    "generic",
    "simulated",
}


def test_every_openai_compatible_provider_has_a_row():
    assert set(names()) >= EXPECTED
    assert len(HOSTED) >= 24


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_is_well_formed(row: Profile):
    assert re.fullmatch(r"[a-z0-9][a-z0-9_.-]*", row.name)
    assert row.title
    assert row.otel_name
    assert row.source.startswith("https://")
    assert row.operations <= frozenset(Operation)
    assert Operation.CHAT in row.operations
    assert row.auth == row.auth.lower()
    assert all(alias == alias.lower() for alias in row.aliases)
    assert all(name == name.lower() for name in row.client_headers | row.client_key_headers)
    assert set(row.quirks.tiers) <= set(OPENAI_TIERS)
    assert row.quirks.cost_divisor > 0


@pytest.mark.parametrize("row", HOSTED, ids=lambda row: row.name)
def test_a_hosted_row_has_https_and_a_key_variable(row: Profile):
    assert row.key_variables
    assert row.auth != NO_AUTH
    assert row.base_url is not None
    filled = re.sub(r"\{(\w+)\}", "x", row.base_url)
    assert parse_address(filled).scheme == "https"
    assert set(re.findall(r"\{(\w+)\}", row.base_url)) == set(row.placeholders)


def test_no_name_and_no_key_variable_belongs_to_two_rows():
    assert {name: n for name, n in Counter(a for row in ROWS for a in (row.name, *row.aliases)).items() if n > 1} == {}
    assert {name: n for name, n in Counter(v for row in ROWS for v in row.key_variables).items() if n > 1} == {}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_rate_limit_headers_are_lower_case_names(row: Profile):
    limits = row.rate_limits
    for group in (
        limits.remaining_requests,
        limits.limit_requests,
        limits.reset_requests,
        limits.remaining_tokens,
        limits.limit_tokens,
        limits.reset_tokens,
    ):
        assert all(re.fullmatch(r"x-[a-z-]+", name) for name in group)
    assert bool(limits.remaining_requests) == bool(limits.limit_requests)


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("OpenAI", "openai"),
        ("gemini", "google"),
        ("grok", "xai"),
        ("groq", "groq"),
        ("llama.cpp", "llamacpp"),
        ("huggingface", "hf"),
        ("AWS", "bedrock"),
        ("kimi", "moonshot"),
    ],
)
def test_a_row_is_found_by_any_of_its_names_in_any_case(name, row):
    found = lookup(name)
    assert found is not None
    assert found.name == row


def test_an_unknown_name_finds_nothing():
    assert lookup("opnai") is None


@pytest.mark.parametrize(("typed", "meant"), [("opnai", "openai"), ("Gemeni", "google"), ("fireworx", "fireworks")])
def test_a_misspelt_name_is_guessed(typed, meant):
    assert suggest(typed) == meant


def test_a_name_near_nothing_is_not_guessed():
    assert suggest("zzzzzzzz") is None


def test_facts_that_cost_money_when_wrong():
    def quirks(name: str) -> Quirks:
        row = lookup(name)
        assert row is not None
        return row.quirks

    assert quirks("xai").reasoning_outside_completion
    assert (quirks("xai").cost_field, quirks("xai").cost_unit_nano_usd / quirks("xai").cost_divisor) == (
        "cost_in_usd_ticks",
        0.1,
    )
    assert quirks("perplexity").cost_field == "cost.total_cost"
    assert quirks("openrouter").cost_field == "cost"
    assert quirks("dashscope").insufficient_quota_is_throttling
    assert quirks("minimax").errors_in_body == "base_resp"
    assert {row.name for row in ROWS if row.quirks.stream_options is StreamOptions.REFUSE} == {
        "mistral",
        "perplexity",
        "cohere",
    }
    assert {row.name for row in ROWS if row.quirks.bills_after_disconnect} == {
        "bedrock",
        "groq",
        "google",
        "mistral",
        "perplexity",
        "sambanova",
        "minimax",
        "hf",
        "dashscope",
    }


def test_flex_is_asked_for_where_it_is_sold_and_nowhere_else():
    sold = {row.name for row in ROWS if "flex" in row.quirks.tiers}
    assert sold == {"openai", "azure", "groq", "openrouter", "cerebras", "bedrock", "simulated"}


def test_only_who_is_known_to_continue_exactly_is_asked_to():
    """Each in its own words; whoever repeats the beginning, or may begin anew, is not among them."""
    asked = {
        row.name: (dict(row.quirks.prefill_fields), dict(row.quirks.prefill_message_fields))
        for row in ROWS
        if row.quirks.prefill
    }

    assert {
        "vllm": ({"continue_final_message": True, "add_generation_prompt": False}, {}),
        "sglang": ({"continue_final_message": True}, {}),
        "llamacpp": ({}, {}),
        "moonshot": ({}, {"partial": True}),
    } == asked


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_words_that_ask_for_continuing_are_not_those_a_row_drops(row: Profile):
    quirks = row.quirks

    assert quirks.prefill or not (quirks.prefill_fields or quirks.prefill_message_fields)
    assert not quirks.dropped & set(quirks.prefill_fields)
    assert not quirks.dropped_message_fields & set(quirks.prefill_message_fields)


def test_a_used_up_day_is_read_where_a_provider_tells_it():
    assert {row.name: row.quirks.left_today_header for row in ROWS if row.quirks.left_today_header} == {
        "cerebras": "x-ratelimit-remaining-requests-day"
    }
