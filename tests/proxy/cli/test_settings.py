"""`pointsman settings`: the README's table, and every setting in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy import config, config_credentials
from proxy.cli.settings import FOREMOST, Setting, settings
from proxy.config import Config, Section

README = Path(__file__).parents[3] / "README.md"
BEGIN, END = "<!-- settings:begin -->\n", "<!-- settings:end -->\n"
ROWS = {row.path: row for row in settings()}


def sections() -> list[type[Section]]:
    named = vars(config) | vars(config_credentials)
    found = [kind for kind in named.values() if isinstance(kind, type) and issubclass(kind, Section)]
    return [kind for kind in found if kind is not Section]


def defaults(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every setting that has a default, and that default, read from the models themselves."""
    for name, inner in value:
        if isinstance(inner, Section):
            yield from defaults(inner, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", inner


def test_the_readme_has_what_the_command_prints(pointsman):
    """Run `pointsman settings`, and put its output between the two marks."""
    told = pointsman("settings")
    readme = README.read_text(encoding="utf-8")

    assert (0, "") == (told.code, told.err)
    assert 1 == readme.count(BEGIN) == readme.count(END)
    assert told.out == readme.partition(BEGIN)[2].partition(END)[0]


@pytest.mark.parametrize("section", sections(), ids=lambda section: section.__name__)
def test_every_setting_says_what_it_does(section: type[Section]):
    for name, field in section.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name
        assert "|" not in field.description, name


@pytest.mark.parametrize("section", sections(), ids=lambda section: section.__name__)
def test_every_setting_is_listed(section: type[Section]):
    """All but those that only hold a section, which has no default of its own."""
    listed = {path.rpartition(".")[2] for path in ROWS}

    for name in section.model_fields:
        assert name in listed or any(f".{name}." in f".{path}" for path in ROWS), name


def test_defaults_are_those_in_force():
    for path, value in defaults(Config()):
        told = ROWS[path].default
        if value is None:
            assert "none" == told
        else:
            written = yaml.safe_load(told.strip("`"))
            assert (list(value) if isinstance(value, tuple) else value) == written, path


def test_a_default_within_a_default_wins_over_its_class():
    assert "`failover`" == ROWS["routes.<name>.policy.name"].default


@pytest.mark.parametrize(
    "row",
    [
        Setting("retries.backoff_s", "`0.05`", "s", ">= 0, <= 10", "First step; doubles, full jitter."),
        Setting("auth.keys[].rpm", "none", "requests/min", "> 0", "Requests a minute; no limit when absent."),
        Setting("health.failures", "`5`", "count", ">= 1", "In a row, before the breaker opens."),
        Setting("oneinfer.endpoints", "`{}`", "", "names and values", "`endpoint_id` -> route name."),
        Setting("routes.<name>.timeouts", "as `timeouts`", "", "as `timeouts`", "Instead of those of the whole file."),
    ],
    ids=lambda row: row.path,
)
def test_a_row_has_its_parts(row: Setting):
    assert row == ROWS[row.path]


@pytest.mark.parametrize(
    ("path", "unit"),
    [
        ("limits.max_body_bytes", "bytes"),
        ("health.retry_budget", "share 0..1"),
        ("routes.<name>.hedge.max_share", "share 0..1"),
        ("routes.<name>.hedge.delay_s", "s"),
        ("routes.<name>.deployments[].price.input_usd_per_mtok", "USD/Mtok"),
        ("routes.<name>.deployments[].context_window", "tokens"),
        ("routes.<name>.deployments[].weight", "relative"),
        ("retries.splice", ""),
        ("listen", ""),
    ],
)
def test_a_unit_is_told(path: str, unit: str):
    assert unit == ROWS[path].unit


def test_every_number_has_a_unit():
    """A figure without one is a figure that somebody gets wrong at three in the morning."""
    for row in ROWS.values():
        assert row.unit or not row.allowed.startswith((">", "<")), row.path


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("timeouts.keepalive_s", "> 0, <= 86400 or `null`"),
        ("routes.<name>.hedge.delay_s", "> 0, <= 86400 or `p95`"),
        ("routes.<name>.policy", "text or this and options of its own"),
        ("routes.<name>.deployments[].tier", "`default`, `flex`"),
        ("providers.<name>.api_key", "a secret"),
        (
            "providers.<name>.dialect",
            (
                "`openai_chat`, `openai_responses`, `anthropic_messages`, `gemini`, `bedrock_converse`, `cohere`, "
                "`ollama`, `mistral`"
            ),
        ),
        ("retries.splice", "`true`, `false`"),
        (
            "routes.<name>.deployments[].lacks",
            (
                "a list of `vision`, `documents`, `audio_input`, `audio_output`, `image_output`, `tools`, "
                "`json_schema`, "
                "`reasoning`, `prefill`"
            ),
        ),
        ("routes.<name>.deployments[].model", "up to 256 characters"),
    ],
)
def test_what_is_allowed_is_told(path: str, allowed: str):
    assert allowed == ROWS[path].allowed


def test_a_shared_section_is_not_repeated():
    assert "timeouts.idle_s" in ROWS
    assert "routes.<name>.timeouts.idle_s" not in ROWS


def test_what_meets_a_failing_provider_comes_first_and_unfolded(pointsman):
    visible, folded = pointsman("settings").out.split("<details>")

    for name in FOREMOST:
        assert f"| `{name}" in visible
        assert f"| `{name}." not in folded
    assert visible.count("\n| `") + folded.count("\n| `") == len(ROWS)


def test_a_table_is_a_table(pointsman):
    lines = [line for line in pointsman("settings").out.splitlines() if line.startswith("|")]

    assert {6} == {line.replace(r"\|", "").count("|") for line in lines}
