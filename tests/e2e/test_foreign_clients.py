"""Clients of other makes, each in an environment of its own, answered by providers of other dialects.

`pytest -s tests/e2e/test_foreign_clients.py` shows what was said.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from e2e.given import require
from e2e.installing import HERE, RUN_S, installed, run
from e2e.matrix.stage import Stage
from e2e.matrix.transcript import Transcript
from fakes.providers.scenes import (
    OUTPUT_TOKENS,
    PIECES,
    SYSTEM,
    TEXT,
    TOOL,
    TOOL_SAYS,
    TOOL_SCHEMA,
    WEATHER,
    Ask,
)
from fakes.providers.table import PROVIDERS

pytestmark = pytest.mark.clients

FUNCTION = {"name": TOOL, "description": TOOL_SAYS, "parameters": TOOL_SCHEMA}
ASKED = orjson.dumps(
    {
        "system": SYSTEM,
        "plain": Ask.PLAIN,
        "weather": Ask.WEATHER,
        "said": WEATHER,
        "tool": FUNCTION,
        "tools": [{"type": "function", "function": FUNCTION}],
    }
).decode()
TOLD = "Paris 20 C, Rome 25 C."
by_provider = pytest.mark.parametrize("provider", [provider.dialect for provider in PROVIDERS])


@pytest.fixture(scope="module")
def node(pytestconfig: pytest.Config) -> Path:
    npm = require(shutil.which("npm"), "npm")
    require(shutil.which("node"), "node")
    return installed(pytestconfig, HERE / "node", "package.json", [npm, "install", "--no-audit", "--no-fund"])


@pytest.fixture(scope="module")
def agents(pytestconfig: pytest.Config) -> Path:
    return installed(pytestconfig, HERE / "other_clients", "requirements.txt", ["sh", "-c", MAKE])


@pytest.fixture(scope="module")
def litellm(pytestconfig: pytest.Config) -> Path:
    """It wants an older `openai` than the others."""
    return installed(pytestconfig, HERE / "other_clients" / "litellm", "requirements.txt", ["sh", "-c", MAKE])


MAKE = f"{sys.executable} -m venv --clear env && env/bin/pip install -q -r requirements.txt"


def said(command: list[str], folder: Path, stage: Stage, provider: str) -> dict[str, Any]:
    """What each of its dialects has understood."""
    found: dict[str, Any] = orjson.loads(run([*command, stage.gateway.url, provider, ASKED], folder, RUN_S))
    return found


@by_provider
def test_the_vercel_ai_sdk(stage: Stage, node: Path, provider: str):
    """By Anthropic's, Google's and OpenAI's own packages, and by the one for whoever is like OpenAI."""
    found = said(["node", "foreign.mjs"], node, stage, provider)
    assert {"anthropic", "google", "responses", "chat", "compatible"} == set(found)
    for dialect, told in found.items():
        say = Transcript(f"ai, {dialect}", provider)
        say("generateText, streamText", (told["whole"], told["stream"]))
        say("tools", (told["cities"], told["looped"]))
        assert (TEXT, list(PIECES), "stop") == (told["whole"], told["stream"], told["finish"]), dialect
        assert (sorted(WEATHER), TOLD) == (told["cities"], told["looped"]), dialect
        assert OUTPUT_TOKENS == told["tokens"], dialect


@by_provider
def test_pydantic_ai(stage: Stage, agents: Path, provider: str):
    """By four clients; its loop calls the tool, twice at once, and answers."""
    found = said(["env/bin/python", "foreign_agent.py"], agents, stage, provider)
    assert {"anthropic", "google", "responses", "chat"} == set(found)
    for dialect, told in found.items():
        say = Transcript(f"pydantic-ai, {dialect}", provider)
        say("run_stream", told["stream"])
        say("tools", (told["cities"], told["looped"]))
        assert TEXT == "".join(told["stream"]), dialect
        assert (sorted(WEATHER), TOLD) == (told["cities"], told["looped"]), dialect


@by_provider
def test_litellm(stage: Stage, litellm: Path, provider: str):
    """As a client that speaks OpenAI's and Anthropic's dialects."""
    found = said(["env/bin/python", "ask.py"], litellm, stage, provider)
    assert {"openai", "anthropic"} == set(found)
    for dialect, told in found.items():
        say = Transcript(f"litellm, {dialect}", provider)
        say("completion, stream", (told["whole"], told["stream"]))
        say("tools", (told["calls"], told["told"]))
        assert (TEXT, TEXT, OUTPUT_TOKENS) == (told["whole"], "".join(told["stream"]), told["tokens"]), dialect
        assert ([{"city": city} for city in WEATHER], TOLD) == (told["calls"], told["told"]), dialect
