"""How one worker asks another for its figures: a line to its socket, the length and the bytes back, and the end."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

QUESTION = b"snapshot\n"
LENGTH = struct.Struct(">Q")
MAX_ANSWER_BYTES = 256 * 1024 * 1024
"""More than the largest number of series can take; what claims more is no worker of ours."""
LISTEN_S = 1.0
"""For the question, once somebody has called, and for the answer to go out."""


async def listen(path: Path, answer: Callable[[], bytes]) -> asyncio.Server:
    """Answer everybody who asks at `path`. The folder around it says who can."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
            async with asyncio.timeout(LISTEN_S):
                if QUESTION == await reader.readexactly(len(QUESTION)):
                    data = answer()
                    writer.write(LENGTH.pack(len(data)))
                    writer.write(data)
                    await writer.drain()
        writer.close()

    return await asyncio.start_unix_server(serve, path)


async def ask(path: Path) -> bytes:
    """What the worker at `path` answers. Raises `OSError` when it is not there, or went before it had answered."""
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        writer.write(QUESTION)
        (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
        if length > MAX_ANSWER_BYTES:
            raise ConnectionError(f"an answer of {length} bytes is none of ours")
        return await reader.readexactly(length)
    except asyncio.IncompleteReadError as error:
        raise ConnectionResetError("it went before it had answered") from error
    finally:
        writer.close()
