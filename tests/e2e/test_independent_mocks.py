"""Providers that others wrote, as their makers read the providers' documentation: two mocks, from npm and from PyPI."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest

from e2e.gateway import PATIENCE_S, Gateway
from e2e.given import require
from e2e.installing import installed
from e2e.matrix.clients.anthropic import Anthropic
from e2e.matrix.clients.client import Client, Seen, Turn
from e2e.matrix.clients.openai_chat import OpenAIChat
from e2e.matrix.stage import Refusal, ask
from fakes.providers.scenes import TEXT, WEATHER, Ask

pytestmark = pytest.mark.clients

HERE = Path(__file__).parent
ADDRESS = re.compile(r"http://127\.0\.0\.1:([1-9]\d*)")
CLIENTS: dict[str, Client] = {"openai": OpenAIChat(), "anthropic": Anthropic()}
COUNTS = {"prompt_tokens": 120, "completion_tokens": 30, "total_tokens": 150}
FIXTURES = {
    "fixtures": [
        {
            "match": {"userMessage": Ask.WEATHER, "hasToolResult": True},
            "response": {"content": "Paris 20 C, Rome 25 C.", "usage": COUNTS},
        },
        {
            "match": {"userMessage": Ask.WEATHER},
            "response": {
                "toolCalls": [
                    {"name": "get_weather", "arguments": orjson.dumps({"city": city}).decode()} for city in WEATHER
                ],
                "usage": COUNTS,
            },
        },
        {
            "match": {"userMessage": Ask.CUT},
            "response": {"content": TEXT},
            "chunkSize": 4,
            "latency": 5,
            "truncateAfterChunks": 4,
        },
        {
            "match": {"userMessage": Ask.ERROR},
            "response": {"error": {"message": "Slow down.", "type": "rate_limit_error"}, "status": 429},
        },
        {"match": {"userMessage": Ask.PLAIN}, "response": {"content": TEXT, "usage": COUNTS}},
    ]
}
"""What the first mock says."""
AWS = {"region": "us-east-1", "credentials": {"aws": {"access_key_id": "AKIDEXAMPLE", "secret_access_key": "secret"}}}
AIMOCK: dict[str, tuple[str, str, dict[str, Any]]] = {
    "openai-chat": ("/v1", "gpt-4.1", {"profile": "openai", "dialect": "openai_chat"}),
    "openai-responses": ("/v1", "gpt-4.1", {"profile": "openai", "dialect": "openai_responses"}),
    "azure": ("/openai", "gpt-4.1", {"profile": "azure", "api_version": "2024-10-21"}),
    "anthropic": ("", "claude-sonnet-4-5", {"profile": "anthropic"}),
    "gemini": ("/v1beta", "gemini-2.5-flash", {"profile": "google"}),
    "vertex": ("/v1/projects/p/locations/global/publishers/google", "gemini-2.5-flash", {"profile": "vertex"}),
    "bedrock": ("", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", {"profile": "bedrock", **AWS}),
    "cohere": ("", "command-a-03-2025", {"profile": "cohere"}),
    "ollama": ("", "llama3.2", {"profile": "ollama-native"}),
}
LLMOCK: dict[str, tuple[str, str, dict[str, Any]]] = {
    "openai-chat": ("/v1", "gpt-4.1", {"profile": "openai", "dialect": "openai_chat"}),
    "openai-responses": ("/v1", "gpt-4.1", {"profile": "openai", "dialect": "openai_responses"}),
    "anthropic": ("/anthropic", "claude-sonnet-4-5", {"profile": "anthropic"}),
    "gemini": ("/gemini/v1beta", "gemini-2.5-flash", {"profile": "google"}),
    "cohere": ("/cohere", "command-a-03-2025", {"profile": "cohere"}),
    "mistral": ("/mistral/v1", "mistral-medium-2508", {"profile": "mistral", "dialect": "mistral"}),
}
"""Path, model, and what else the configuration says of the provider."""
by_surface = pytest.mark.parametrize("surface", CLIENTS)
by_form = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
by_aimock = pytest.mark.parametrize("provider", AIMOCK)
by_llmock = pytest.mark.parametrize("provider", LLMOCK)


class Mock:
    """A mock behind a gateway process of its own."""

    def __init__(self, url: str, gateway: Gateway, http: httpx2.Client) -> None:
        self.url = url
        self.gateway = gateway
        self.http = http

    def plays(self, *behaviours: dict[str, Any]) -> None:
        """What the second mock does at the next request; it forgets what was before."""
        self.http.post(f"{self.url}/_llmock/reset").raise_for_status()
        self.http.post(f"{self.url}/_llmock/scenario", json={"behaviors": behaviours}).raise_for_status()

    def verdict(self) -> Any:
        """How it judges its client."""
        return self.http.get(f"{self.url}/_llmock/verdict").json()

    def ask(self, surface: str, provider: str, turn: Turn) -> Seen:
        """Raises `Refusal`."""
        client = CLIENTS[surface]
        return ask(self.gateway, self.http, client, provider, turn, client.body(provider, turn))[0]

    def ask_twice(self, surface: str, provider: str, turn: Turn) -> tuple[Seen, Seen]:
        """A question whose tool calls are answered, and the answer to that."""
        client = CLIENTS[surface]
        body = client.body(provider, turn)
        called, _ = ask(self.gateway, self.http, client, provider, turn, body)
        said = [WEATHER.get(call.arguments["city"], "15 C") for call in called.calls]
        told, _ = ask(self.gateway, self.http, client, provider, turn, client.reply(body, called, said, turn))
        return called, told


def document_of(url: str, providers: Mapping[str, tuple[str, str, dict[str, Any]]]) -> dict[str, Any]:
    """Each provider is there thrice, so that one that rests is missed by no other test; `-retried` may be retried."""
    document: dict[str, Any] = {"providers": {}, "routes": {}, "health": {"failures": 10_000}}
    for name, (path, model, rest) in providers.items():
        key = {} if "credentials" in rest or rest["profile"] == "ollama-native" else {"api_key": "any"}
        for twin, retries in (("", 0), ("-pressed", 0), ("-retried", 1)):
            document["providers"][name + twin] = {"base_url": url + path, **key, **rest}
            deployment = {"provider": name + twin, "model": model}
            document["routes"][name + twin] = {"deployments": [deployment], "retries": {"max": retries}}
    return document


@contextmanager
def served(
    command: list[str], folder: Path, providers: Mapping[str, tuple[str, str, dict[str, Any]]]
) -> Iterator[Mock]:
    """A mock that is started by `command` and says where it listens, and a gateway that knows it as `providers`."""
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # noqa: S603
    assert process.stdout is not None
    try:
        url = next(found[0] for line in process.stdout if (found := ADDRESS.search(line.decode(errors="replace"))))
        drain = threading.Thread(target=process.stdout.read, daemon=True)
        drain.start()
        gateway = Gateway(folder / "pointsman.yaml", document_of(url, providers)).start()
        with httpx2.Client(timeout=PATIENCE_S) as http:
            yield Mock(url, gateway, http)
        assert 0 == gateway.stop()
    finally:
        process.kill()
        process.wait(PATIENCE_S)
        drain.join(PATIENCE_S)
        process.stdout.close()


@pytest.fixture(scope="module")
def aimock(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mock]:
    npm = require(shutil.which("npm"), "npm")
    folder = installed(pytestconfig, HERE / "aimock", "package.json", [npm, "install", "--no-audit", "--no-fund"])
    place = tmp_path_factory.mktemp("aimock")
    (place / "fixtures.json").write_bytes(orjson.dumps(FIXTURES))
    program = str(folder / "node_modules" / ".bin" / "llmock")
    with served([program, "--port", "0", "--strict", "--fixtures", "fixtures.json"], place, AIMOCK) as mock:
        yield mock


@pytest.fixture(scope="module")
def llmock(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mock]:
    make = f"{sys.executable} -m venv --clear env && env/bin/pip install -q -r requirements.txt"
    folder = installed(pytestconfig, HERE / "llmock", "requirements.txt", ["sh", "-c", make])
    command = [str(folder / "env" / "bin" / "llmock"), "serve", "--port", "0"]
    with served(command, tmp_path_factory.mktemp("llmock"), LLMOCK) as mock:
        yield mock


# --- aimock: every dialect, the conversation as it should be ----------------------------------------------------------


@by_surface
@by_form
@by_aimock
def test_text_arrives_with_its_counts(aimock: Mock, provider: str, surface: str, *, stream: bool):
    seen = aimock.ask(surface, provider, Turn(Ask.PLAIN, stream=stream))
    assert (TEXT, "stop", None, True) == (seen.text, seen.finish, seen.error, seen.ended), seen
    counts = (0, 0) if provider == "ollama" else (120, 30)  # there the mock has its own
    assert counts == (seen.prompt_tokens, seen.output_tokens), seen


@by_surface
@by_form
@by_aimock
def test_tools_are_called_and_their_results_come_back(aimock: Mock, provider: str, surface: str, *, stream: bool):
    called, told = aimock.ask_twice(surface, provider, Turn(Ask.WEATHER, stream=stream, tools=True))
    assert [("get_weather", {"city": city}) for city in WEATHER] == [(one.name, one.arguments) for one in called.calls]
    assert ("tool_calls", True) == (called.finish, called.ended), called
    assert ("Paris 20 C, Rome 25 C.", "stop") == (told.text, told.finish)


@by_surface
@by_aimock
def test_a_stream_that_is_cut_off_is_never_complete(aimock: Mock, provider: str, surface: str):
    try:
        seen = aimock.ask(surface, provider, Turn(Ask.CUT, stream=True))
    except Refusal as refusal:
        seen = Seen(error=str(refusal.status))  # it was cut before its first word
    assert (True, False) == (bool(seen.error), seen.ended), seen


@by_aimock
def test_too_many_requests_are_told_as_such(aimock: Mock, provider: str):
    """And then the provider has its rest."""
    with pytest.raises(Refusal) as raised:
        aimock.ask("openai", f"{provider}-pressed", Turn(Ask.ERROR, stream=True))
    assert 429 == raised.value.status
    with pytest.raises(Refusal) as raised:
        aimock.ask("anthropic", f"{provider}-pressed", Turn(Ask.ERROR, stream=False))
    assert raised.value.status in (429, 529)


# --- llmock: what it breaks -------------------------------------------------------------------------------------------


@by_surface
@by_form
@by_llmock
def test_an_answer_is_whole(llmock: Mock, provider: str, surface: str, *, stream: bool):
    seen = llmock.ask(surface, provider, Turn(Ask.PLAIN, stream=stream))
    assert ("stop", None, True) == (seen.finish, seen.error, seen.ended), seen
    assert seen.text
    if (provider, stream) != ("mistral", True):  # the real one tells counts there, this one does not
        assert seen.prompt_tokens
        assert seen.output_tokens


@by_surface
@by_form
@by_llmock
def test_a_loop_of_tools_comes_to_its_end(llmock: Mock, provider: str, surface: str, *, stream: bool):
    called, told = llmock.ask_twice(surface, provider, Turn(Ask.WEATHER, stream=stream, tools=True))
    assert ["get_weather"] == [call.name for call in called.calls]
    assert (["city"], "tool_calls") == (list(called.calls[0].arguments), called.finish)
    assert ("stop", True) == (told.finish, told.ended)
    assert told.text


@by_surface
@pytest.mark.parametrize("fault", ["disconnect", "truncate", "malformed"])
@by_llmock
def test_a_stream_that_is_broken_is_never_complete(llmock: Mock, provider: str, fault: str, surface: str):
    """The mock's journal agrees that the fault was played."""
    llmock.plays({"type": "stream_fault", "kind": fault, "after_chunks": 6}, {"type": "reply", "text": TEXT * 4})
    seen = llmock.ask(surface, provider, Turn(Ask.PLAIN, stream=True))
    assert (True, False) == (bool(seen.error), seen.ended), seen
    assert 1 == llmock.verdict()["faults_injected"]


@by_llmock
@pytest.mark.parametrize(("status", "told"), [(400, 400), (429, 429), (500, 502), (503, 503), (529, 503)])
def test_errors_before_an_answer_are_told_as_what_they_are(llmock: Mock, provider: str, status: int, told: int):
    llmock.plays({"type": "fail", "status": status})
    with pytest.raises(Refusal) as raised:
        llmock.ask("openai", f"{provider}-pressed" if status == 429 else provider, Turn(Ask.PLAIN, stream=True))
    assert told == raised.value.status


@by_llmock
def test_nobody_asks_again_before_it_is_time(llmock: Mock, provider: str):
    """By the mock's own verdict. It says to wait for a second; who would ask once more is told instead."""
    llmock.plays({"type": "fail", "status": 503})
    with pytest.raises(Refusal) as raised:
        llmock.ask("openai", f"{provider}-retried", Turn(Ask.PLAIN, stream=True))
    assert 503 == raised.value.status
    verdict = llmock.verdict()
    assert (True, 1) == (verdict["passed"], verdict["attempts"]), verdict["findings"]
