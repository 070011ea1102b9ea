"""Clients of other makes, each in an environment of its own: npm's official one, and two more from PyPI."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from e2e.gateway import Gateway
from e2e.given import MODEL, require
from e2e.installing import HERE, RUN_S, installed, run
from e2e.simulators import Simulators

pytestmark = pytest.mark.clients


@pytest.fixture(scope="module")
def node(pytestconfig: pytest.Config) -> Path:
    npm = require(shutil.which("npm"), "npm")
    require(shutil.which("node"), "node")
    return installed(pytestconfig, HERE / "node", "package.json", [npm, "install", "--no-audit", "--no-fund"])


@pytest.fixture(scope="module")
def python(pytestconfig: pytest.Config) -> Path:
    make = f"{sys.executable} -m venv --clear env && env/bin/pip install -q -r requirements.txt"
    return installed(pytestconfig, HERE / "other_clients", "requirements.txt", ["sh", "-c", make])


@pytest.fixture(scope="module")
def broken(simulators: Simulators) -> dict[str, Any]:
    """A provider whose streams are all cut off in the middle."""
    url = simulators.start("broken", break_rate=1.0, words=40).base_url
    return {"profile": "simulated", "base_url": url}


@pytest.mark.parametrize("base", ["/v1", "/api/ai"])
def test_the_official_npm_client(gateway: Gateway, node: Path, broken: dict[str, Any], base: str):
    gateway.use(providers={"broken": broken}, routes={"broken": {"deployments": [{"provider": "broken"}]}})
    said = orjson.loads(run(["node", "ask.mjs", gateway.url + base, MODEL], node, RUN_S))
    assert said["whole"]["text"] == said["stream"]["text"] == said["counted"]["text"]
    assert said["whole"]["id"]
    assert ("stop", None) == (said["stream"]["finish"], said["stream"]["usage"])
    assert said["whole"]["usage"] == said["counted"]["usage"]
    assert "set_points" == said["tool"]["name"] == said["streamedTool"]["name"]
    assert said["tool"]["arguments"] == said["streamedTool"]["arguments"]
    assert MODEL in said["models"]
    assert ("NotFoundError", 404) == (said["unknown"]["kind"], said["unknown"]["status"])
    assert ("BadRequestError", 400) == (said["bad"]["kind"], said["bad"]["status"])
    assert "APIError" == said["broken"]["kind"]
    if base == "/v1":
        codes = [said[each]["code"] for each in ("unknown", "bad", "broken")]
        assert ["model_not_found", "missing_required_parameter", "upstream_stream_broken"] == codes


def test_hugging_faces_client(gateway: Gateway, python: Path):
    said = orjson.loads(run(["env/bin/python", "hugging_face.py", f"{gateway.url}/v1", MODEL], python, RUN_S))
    assert said["whole"] == said["stream"]
    assert len(said["whole"].split()) == said["tokens"]
    assert 404 == said["unknown"]


def test_an_agent_framework(gateway: Gateway, python: Path):
    """Its tool is called, its result is answered, its type is filled."""
    said = orjson.loads(run(["env/bin/python", "pydantic_agent.py", f"{gateway.url}/v1", MODEL], python, RUN_S))
    assert (1, {"line", "minutes"}) == (said["levers"], set(said["typed"]))
    assert said["looped"]
    assert said["whole"] == said["stream"]
