"""Streams in words, and how they end."""

from __future__ import annotations

from collections.abc import Awaitable

from bench import Bench, Client, failure

from fakes.chat import DONE, chat_chunk, event, final_chunk, role_chunk
from proxy import errors
from proxy.dialects.request import Operation

TEXT = chat_chunk("Hello")
STOP = final_chunk()
CHAT = role_chunk() + TEXT + STOP + DONE
DELTA = event({"type": "response.output_text.delta", "delta": "a"}, name="response.output_text.delta")
COMPLETED = event({"type": "response.completed", "response": {"status": "completed"}}, name="response.completed")
FAILED = event(
    {"type": "response.failed", "response": {"status": "failed", "error": {"code": "server_error", "message": "No."}}},
    name="response.failed",
)
ERROR = event({"type": "error", "code": "server_error", "message": "No."}, name="error")


async def outcome(stream: Awaitable[bytes]) -> bytes | errors.UpstreamError:
    """What it gave, or how it failed."""
    try:
        return await stream
    except errors.UpstreamError as error:
        return error


async def broken(bench: Bench, operation: Operation = Operation.CHAT, **options: object) -> tuple[bytes, Exception]:
    """What the client sees of a stream that begins well, and the error it ends in."""
    client = Client()
    error = await failure(client.take(await bench.ask(operation, stream=True, **options)))
    return client.received, error
