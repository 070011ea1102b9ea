"""The fixtures of the end-to-end tests: one process shared by most, processes of their own for some."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from e2e.fault_table import lines_of, shown_of
from e2e.gateway import Gateway
from e2e.given import ALPHA_PRICE, BETA_PRICE, KEY, MODEL, require
from e2e.llama_server import LlamaServer
from e2e.matrix.stage import Stage
from e2e.simulators import Simulators
from e2e.tiny_model import write_tiny_model
from fakes.upstream import ScriptedUpstream

pytest.register_assert_rewrite("e2e.faults")

Serve = Callable[..., Gateway]


@pytest.fixture(scope="session")
def simulators() -> Iterator[Simulators]:
    running = Simulators()
    yield running
    running.close()


@pytest.fixture(scope="session")
def document(simulators: Simulators) -> dict[str, Any]:
    """Two providers of one model, and names of their own."""
    urls = {name: simulators.start(name, seed=seed).base_url for seed, name in enumerate(("alpha", "beta"))}
    alpha = {"provider": "alpha", "price": ALPHA_PRICE, "context_window": 8000}
    beta = {"provider": "beta", "price": BETA_PRICE, "context_window": 8000}
    return {
        "providers": {name: {"profile": "simulated", "base_url": url} for name, url in urls.items()},
        "routes": {MODEL: {"policy": "failover", "deployments": [alpha, beta]}},
        "oneinfer": {"default_provider": "alpha", "endpoints": {"ep-1": MODEL}},
        "health": {"failures": 1000},  # one test's failures must not keep another's request away
        "limits": {"max_body_bytes": 65_536, "header_s": 0.4, "body_idle_s": 0.4},
    }


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, document: dict[str, Any]) -> Iterator[Gateway]:
    gateway = Gateway(tmp_path_factory.mktemp("gateway") / "pointsman.yaml", document).start()
    yield gateway
    assert 0 == gateway.stop()


@pytest.fixture(scope="session")
def shared_keyed(tmp_path_factory: pytest.TempPathFactory, document: dict[str, Any]) -> Iterator[Gateway]:
    guarded = {**document, "auth": {"keys": [{"name": "ci", "key": KEY}]}}
    gateway = Gateway(tmp_path_factory.mktemp("keyed") / "pointsman.yaml", guarded).start()
    yield gateway
    assert 0 == gateway.stop()


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A process in front of one scripted provider of every dialect."""
    with Stage(tmp_path_factory.mktemp("matrix")) as stage:
        yield stage
        stage.gateway.check_unharmed()


@pytest.fixture
def gateway(shared: Gateway) -> Iterator[Gateway]:
    """The shared process, open to everybody, with `document` in force. Fails if it logs a traceback."""
    yield from _borrowed(shared)


@pytest.fixture
def keyed(shared_keyed: Gateway) -> Iterator[Gateway]:
    """The same behind `KEY`."""
    yield from _borrowed(shared_keyed)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts processes of the test's own; they are stopped after it, and must not have logged a traceback."""
    started: list[Gateway] = []
    numbers = itertools.count()

    def start(document: dict[str, Any], *options: str, **environ: str) -> Gateway:
        gateway = Gateway(tmp_path / f"pointsman-{next(numbers)}.yaml", document, *options, **environ)
        started.append(gateway)
        return gateway.start()

    yield start
    for gateway in started:
        if gateway.process.poll() is None:
            gateway.stop()


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    """A provider that does what the test says."""
    async with ScriptedUpstream() as running:
        yield running


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The fault table, if any of its rows was played."""
    results = [
        (outcome, told)
        for outcome in ("passed", "failed")
        for report in terminalreporter.getreports(outcome)
        for name, told in getattr(report, "user_properties", ())
        if name == "fault" and told is not None and report.when == "call"
    ]
    if results:
        terminalreporter.section("faults: attempts as each case's primary and fallback saw them")
        results.sort(key=lambda result: result[1]["place"])
        for line in [*lines_of(results), *shown_of(results)]:
            terminalreporter.write_line(line)


def _borrowed(gateway: Gateway) -> Iterator[Gateway]:
    since, before = len(gateway.said), gateway.file.read_bytes()
    yield gateway
    gateway.check_unharmed(since)
    if gateway.file.read_bytes() != before:
        gateway.replace(gateway.document)


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlamaServer]:
    """llama.cpp's own server, with a model this test writes itself."""
    require(find_spec("xllamacpp") and "installed", "xllamacpp")
    folder = tmp_path_factory.mktemp("llama")
    with LlamaServer(write_tiny_model(folder / "tiny.gguf"), folder / "llama.log") as server:
        yield server
