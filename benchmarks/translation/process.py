"""The same through the real process: its CPU time, over whole answers and over streams, by any pair of dialects."""

from __future__ import annotations

import asyncio
import http.client
import os
import re
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from benchmarks.process import cores, cpu_s, free_port, started
from benchmarks.translation.answers import ANSWERS, EVENTS
from benchmarks.translation.hot import MODELS, ROWS
from benchmarks.translation.requests import MODEL, body_of

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

WAIT_S = 10.0
WHOLE, STREAMS = 100, 6
"""Requests of one measurement."""
WRITE = 8
"""Events of a stream in one write of the provider."""
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
PATHS = {
    "openai_chat": "/v1/chat/completions",
    "openai_responses": "/v1/responses",
    "anthropic_messages": "/v1/messages",
    "oneinfer": "/v1/ula/chat/completions",
    "oxen": "/api/ai/chat/completions",
}
"""Where clients ask; Gemini's is made for each request."""
_BASES = {"openai_chat": "/v1", "openai_responses": "/v1", "gemini": "/v1beta", "mistral": "/v1"}
_AWS = {"aws": {"access_key_id": "AKIABENCHMARK", "secret_access_key": "secret"}}


class Bench:
    """One gateway, and all the providers in this process."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._folder = tempfile.TemporaryDirectory()
        self._port = free_port()

    def __enter__(self) -> Self:
        self._thread.start()
        serving = asyncio.run_coroutine_threadsafe(self._serve(), self._loop)
        upstream = serving.result(WAIT_S)
        config = Path(self._folder.name) / "translation.yaml"
        config.write_text(yaml.safe_dump(_document(upstream)))
        options = ["--config", str(config), "--listen", f"127.0.0.1:{self._port}"]
        where = cores()
        if where.load is not None:
            os.sched_setaffinity(0, {where.load})  # all else is in this process: the gateway has a core of its own
        self._running = started([sys.executable, "-m", "proxy", "serve", *options], where.system)
        self._pid = self._running.__enter__().pid
        self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=WAIT_S)
        self._wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()
        self._running.__exit__(kind, error, trace)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._folder.cleanup()

    def request_us(self, client: str, provider: str) -> float:
        """Of the gateway's CPU, a whole answer of `EVENTS` tokens."""
        return self._used_us(client, provider, WHOLE, stream=False) / WHOLE

    def event_us(self, client: str, provider: str) -> float:
        """Of the gateway's CPU, an event of a stream, the request itself spread over them."""
        return self._used_us(client, provider, STREAMS, stream=True) / STREAMS / EVENTS

    def _used_us(self, client: str, provider: str, times: int, *, stream: bool) -> float:
        body = body_of(client, stream=stream, model=provider)
        verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
        path = PATHS.get(client, f"/v1beta/models/{provider}:{verb}")
        self._ask(path, body)
        before_s = cpu_s(self._pid)
        for _ in range(times):
            self._ask(path, body)
        return (cpu_s(self._pid) - before_s) * 1e6

    def _ask(self, path: str, body: bytes) -> None:
        headers = {"content-type": "application/json", "anthropic-version": "2023-06-01"}
        self._connection.request("POST", path, body, headers)
        reply = self._connection.getresponse()
        said = reply.read()
        if reply.status != http.client.OK:
            raise RuntimeError(f"{path}: {reply.status} {said[:300]!r}")

    def _wait(self) -> None:
        until_s = time.monotonic() + WAIT_S
        while True:
            try:
                self._connection.request("GET", "/v1/models")
                self._connection.getresponse().read()
                return
            except OSError:
                self._connection.close()
                if time.monotonic() > until_s:
                    raise
                time.sleep(0.05)

    async def _serve(self) -> int:
        server = await asyncio.start_server(_answer, "127.0.0.1", 0)
        return int(server.sockets[0].getsockname()[1])


def _document(upstream: int) -> dict[str, Any]:
    providers: dict[str, Any] = {}
    for name, row in ROWS.items():
        base = f"http://127.0.0.1:{upstream}/{name}{_BASES.get(name, '')}"
        providers[name] = {"profile": row, "dialect": name, "base_url": base}
        if name == "bedrock_converse":
            providers[name] |= {"region": "us-east-1", "credentials": _AWS}
        elif name != "ollama":
            providers[name]["api_key"] = "key"
    price = {"input_usd_per_mtok": 1, "output_usd_per_mtok": 2}
    routes = {
        name: {"deployments": [{"provider": name, "model": MODELS.get(name, MODEL), "price": price}]} for name in ROWS
    }
    return {"providers": providers, "routes": routes, "catalogue": False}


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection of the gateway's: the provider is the first part of the path."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            found = _LENGTH.search(head)
            body = await reader.readexactly(int(found[1])) if found else b""
            path = head.split(b" ", 2)[1]
            answer = ANSWERS[path.split(b"/")[1].decode()]
            if b"stream" in path or b'"stream":true' in body:
                await _stream(writer, answer.events, answer.stream_type)
            else:
                length = len(answer.whole)
                lines = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
                writer.write(lines.encode() + answer.whole)
                await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def _stream(writer: asyncio.StreamWriter, events: tuple[bytes, ...], kind: str) -> None:
    writer.write(f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n".encode())
    for start in range(0, len(events), WRITE):
        for piece in events[start : start + WRITE]:
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        await writer.drain()
    writer.write(b"0\r\n\r\n")
    await writer.drain()
