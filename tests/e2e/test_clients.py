"""Clients of other makes, each in an environment of its own: npm's official one, and two more from PyPI."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from e2e.gateway import Gateway
from e2e.given import MODEL, require
from e2e.simulators import Simulators

pytestmark = pytest.mark.clients

HERE = Path(__file__).parent
INSTALL_S = 240
RUN_S = 60


def run(command: list[str], folder: Path, timeout_s: float) -> bytes:
    """Its standard output. Fails with its standard error."""
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=timeout_s, check=False)  # noqa: S603
    assert 0 == done.returncode, done.stderr.decode(errors="replace")[-3000:]
    return done.stdout


def installed(config: pytest.Config, source: Path, manifest: str, command: list[str]) -> Path:
    """A folder with `source`'s files in which `command` has once succeeded; kept until the manifest changes."""
    digest = hashlib.sha256((source / manifest).read_bytes() + sys.version.encode()).hexdigest()[:16]
    folder = config.cache.mkdir("e2e-clients") / f"{source.name}-{digest}"
    folder.mkdir(exist_ok=True)
    for file in source.iterdir():
        if file.is_file():
            shutil.copy(file, folder)
    done = folder / "installed"
    if not done.exists():
        try:
            run(command, folder, INSTALL_S)
        except (AssertionError, subprocess.TimeoutExpired) as error:
            if os.environ.get("CI"):
                raise
            pytest.skip(f"the client cannot be installed: {error}")
        done.touch()
    return folder


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
