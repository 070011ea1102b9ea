"""The provider table: complete, well-formed, found by any name people use."""

import re
from collections import Counter
from pathlib import Path
from typing import get_args
from urllib.parse import urlsplit

import pytest

from proxy.config import Dialect
from proxy.dialects.names import DialectName
from proxy.dialects.quirks import OPENAI_TIERS, Quirks, StreamOptions
from proxy.dialects.request import Operation
from proxy.providers.address import parse_address
from proxy.providers.paths import templates_of
from proxy.providers.profile import NO_AUTH, Profile
from proxy.providers.table import ROWS, lookup, names, suggest

HOSTED = [row for row in ROWS if not row.self_hosted]
EXPECTED = {
    "openai",
    "anthropic",
    "azure",
    "azure-classic",
    "azure-anthropic",
    "google",
    "google-openai",
    "vertex",
    "vertex-anthropic",
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
    "bedrock-openai",
    "bedrock-mantle",
    "cohere-openai",
    "ollama-native",
    "vllm",
    "sglang",
    "ollama",
    "llamacpp",
    "generic",
    "simulated",
}


def test_every_provider_has_a_row():
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
    assert row.key_variables or row.cloud is not None
    assert row.auth != NO_AUTH
    assert row.base_url is not None
    for url in (row.base_url, *row.elsewhere.values()):
        filled = re.sub(r"\{(\w+)\}", "x", url)
        assert parse_address(filled).scheme == "https"
        assert set(re.findall(r"\{(\w+)\}", url)) == set(row.placeholders)
    assert bool(row.scope) == (row.cloud is not None)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_says_where_each_of_its_dialects_is_spoken(row: Profile):
    templates = templates_of(row, urlsplit(row.base_url or "").path.rstrip("/"))

    assert {row.dialect, *row.also} <= {dialect for dialect, _, _ in templates}
    assert all(path.startswith("/") for path in templates.values())
    assert all(
        set(re.findall(r"\{(\w+)\}", path)) <= {"model", "api_version", *row.placeholders}
        for path in templates.values()
    )
    assert row.dialect not in row.also
    assert row.versioned is None or lookup(row.versioned) is not None


BESIDE = {"google-openai", "cohere-openai"}
"""Rows with the key of another: enabled together with it, for what it is not asked in its own dialect."""


def test_no_name_and_no_key_variable_belongs_to_two_rows():
    assert {name: n for name, n in Counter(a for row in ROWS for a in (row.name, *row.aliases)).items() if n > 1} == {}
    assert {
        name: n
        for name, n in Counter(
            v for row in ROWS if not row.by_name_only and row.name not in BESIDE for v in row.key_variables
        ).items()
        if n > 1
    } == {}


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
        assert all(re.fullmatch(r"(x|anthropic)-[a-z-]+", name) for name in group)
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
        "cohere-openai",
    }
    assert {row.name for row in ROWS if row.quirks.bills_after_disconnect} == {
        "bedrock",
        "bedrock-openai",
        "bedrock-mantle",
        "groq",
        "google",
        "google-openai",
        "vertex",
        "vertex-anthropic",
        "mistral",
        "perplexity",
        "sambanova",
        "minimax",
        "hf",
        "dashscope",
    }


def test_flex_is_asked_for_where_it_is_sold_and_nowhere_else():
    sold = {row.name for row in ROWS if "flex" in row.quirks.tiers}
    assert sold == {
        "openai",
        "azure",
        "azure-classic",
        "google",
        "vertex",
        "groq",
        "openrouter",
        "cerebras",
        "bedrock",
        "bedrock-openai",
        "bedrock-mantle",
        "simulated",
    }


ANTHROPIC_TOO = {
    "deepseek": "/anthropic/v1/messages",
    "moonshot": "/anthropic/v1/messages",
    "minimax": "/anthropic/v1/messages",
    "openrouter": "/api/v1/messages",
    "sambanova": "/v1/messages",
    "bedrock-mantle": "/anthropic/v1/messages",
    "vllm": "/v1/messages",
    "llamacpp": "/v1/messages",
}
ANTHROPIC_ALONE = {
    "anthropic": "/v1/messages",
    "azure-anthropic": "/anthropic/v1/messages",
    "vertex-anthropic": "/v1/projects/{project}/locations/{location}/publishers/anthropic/models/{model}:rawPredict",
}


def test_an_anthropic_client_is_passed_on_where_its_dialect_is_spoken():
    found = {}
    for row in ROWS:
        templates = templates_of(row, urlsplit(row.base_url or "").path.rstrip("/"))
        path = templates.get((DialectName.ANTHROPIC, Operation.CHAT, False))
        if path is not None:
            found[row.name] = path
    assert ANTHROPIC_TOO | ANTHROPIC_ALONE == found


def test_a_responses_client_is_passed_on_where_its_dialect_is_spoken():
    assert {row.name for row in ROWS if Operation.RESPONSES in row.operations} == {
        "openai",
        "azure",
        "groq",
        "fireworks",
        "xai",
        "openrouter",
        "sambanova",
        "hf",
        "volcengine",
        "bedrock-openai",
        "bedrock-mantle",
        "vllm",
        "sglang",
        "ollama",
        "llamacpp",
        "generic",
        "simulated",
    }


def test_nothing_that_changes_an_answer_is_dropped_unsaid():
    hints = {
        "safety_identifier",
        "prompt_cache_key",
        "store",
        "metadata",
        "user",
        "parallel_tool_calls",  # several are allowed by default: sent, it mostly says so
    }
    assert {name for row in ROWS for name in row.quirks.dropped} <= hints
    for row in ROWS:
        assert not row.quirks.dropped & row.quirks.unsupported


README = Path(__file__).parents[3] / "README.md"


def test_the_readme_lists_every_row_by_what_it_speaks():
    section = README.read_text(encoding="utf-8").partition("| speaks | rows |")[2].partition("\n\n")[0]
    lines = [line.split(" | ") for line in section.splitlines()[2:]]
    told = {speaks.removeprefix("| "): set(re.findall(r"`([a-z_-]+)`", rows)) for speaks, rows in lines}
    elsewhere = {"generic", "simulated", "azure-classic"}  # an address alone, the demo, and what `api_version` leads to

    def speakers(*dialects: DialectName) -> set[str]:
        return {row.name for row in ROWS if {row.dialect, *row.also} & set(dialects)} - elsewhere

    assert speakers(DialectName.OPENAI_CHAT, DialectName.MISTRAL) == told["OpenAI's chat"] - {"base_url"}
    assert {row.name for row in ROWS if Operation.RESPONSES in row.operations} - elsewhere == told["and Responses"]
    assert speakers(DialectName.ANTHROPIC) == told["Anthropic's Messages"]
    assert speakers(DialectName.GEMINI) == told["Gemini's"]
    assert speakers(DialectName.BEDROCK) == told["Bedrock's Converse"]
    assert speakers(DialectName.COHERE) == told["Cohere's v2"]
    assert speakers(DialectName.OLLAMA) == told["Ollama's own"]


def test_the_configuration_knows_the_dialects_of_the_table():
    assert {dialect.value for dialect in DialectName} == set(get_args(Dialect))


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
