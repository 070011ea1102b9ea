"""The command itself."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from e2e.dialects import OPENAI
from e2e.gateway import Gateway
from e2e.given import MODEL

ASK = [{"role": "user", "content": "Which way?"}]


class WithoutFile(Gateway):
    """As on a fresh machine: no file, no keys."""

    def _source(self) -> tuple[str, ...]:
        return ()


def test_it_serves_from_a_file_and_ends_cleanly(serve, document):
    gateway = serve(document)
    reply = gateway.post(OPENAI.chat, {"model": MODEL, "messages": ASK})
    assert (200, "chat.completion") == (reply.status_code, reply.json()["object"])
    fact = gateway.fact(reply.headers["x-request-id"])
    assert ("completed", "alpha", 200) == (fact["outcome"], fact["provider"], fact["status"])
    assert 0 == gateway.stop()


def test_a_new_document_is_served_without_a_restart(gateway, document):
    assert 404 == gateway.get("/v1/models/other").status_code
    gateway.use(routes={"other": {"deployments": [{"provider": "beta"}]}})
    assert 200 == gateway.get("/v1/models/other").status_code


def test_without_a_file_and_without_keys_simulated_providers_answer(tmp_path):
    gateway = WithoutFile(tmp_path / "none.yaml", {}).start()
    try:
        gateway.line("simulated ones answer")
        first = gateway.get("/v1/models").json()["data"][0]["id"]
        for model in (first, "any-other-name"):
            assert 200 == gateway.post(OPENAI.chat, {"model": model, "messages": ASK, "max_tokens": 4}).status_code
    finally:
        assert 0 == gateway.stop()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_either_signal_ends_it_well(serve, document, number):
    gateway = serve(document)
    gateway.process.send_signal(number)
    assert 0 == await asyncio.to_thread(gateway.ended)


def refused(folder: Path, text: str, *options: str) -> tuple[int, str]:
    """Exit code and complaints of a process that must not start."""
    file = folder / "bad.yaml"
    file.write_text(text)
    command = [sys.executable, "-m", "proxy", "serve", "--config", str(file), *options]
    done = subprocess.run(command, capture_output=True, timeout=20, check=False)  # noqa: S603 - our own command
    return done.returncode, done.stderr.decode()


def test_a_bad_file_does_not_start_and_names_every_problem(tmp_path):
    text = "listn: x\nroutes: {a: {deployments: [{provider: nowhere}]}}\nauth: {mode: keys}\n"
    code, said = refused(tmp_path, text)
    assert 1 == code
    assert "Traceback" not in said
    for part in ("did you mean `listen`?", "needs at least one entry in `keys`"):
        assert part in said


def test_it_does_not_listen_beyond_loopback_without_keys(tmp_path):
    text = "providers: {a: {base_url: 'http://127.0.0.1:1/v1'}}\nroutes: {m: {deployments: [{provider: a}]}}\n"
    code, said = refused(tmp_path, text, "--listen", "0.0.0.0:0")
    assert (1, True) == (code, "beyond loopback" in said)


def test_a_taken_port_is_told_without_a_traceback(tmp_path, gateway):
    text = "providers: {a: {base_url: 'http://127.0.0.1:1/v1'}}\nroutes: {m: {deployments: [{provider: a}]}}\n"
    code, said = refused(tmp_path, text, "--listen", f"127.0.0.1:{gateway.port}")
    assert (1, True, False) == (code, "cannot listen" in said, "Traceback" in said)
