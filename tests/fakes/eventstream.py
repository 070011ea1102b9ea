"""Writes AWS's binary frames, as Bedrock does, and damaged ones."""

from __future__ import annotations

import struct
from typing import Any
from uuid import UUID
from zlib import crc32

import orjson


def header(name: str, value: Any, kind: int | None = None) -> bytes:
    """One header; `kind` is its type where the value alone does not tell."""
    head = bytes([len(name.encode())]) + name.encode()
    if isinstance(value, bool):
        return head + bytes([0 if value else 1])
    if isinstance(value, int):
        kind = 5 if kind is None else kind
        return head + struct.pack(f">B{ {2: 'b', 3: 'h', 4: 'i', 5: 'q', 8: 'q'}[kind] }", kind, value)
    if isinstance(value, UUID):
        return head + b"\x09" + value.bytes
    raw, kind = (value, 6) if isinstance(value, bytes) else (value.encode(), 7)
    return head + struct.pack(">BH", kind, len(raw)) + raw


def frame(headers: bytes | dict[str, Any], payload: bytes = b"") -> bytes:
    """A whole frame with both checksums."""
    block = headers if isinstance(headers, bytes) else b"".join(header(*item) for item in headers.items())
    lengths = struct.pack(">II", len(block) + len(payload) + 16, len(block))
    message = lengths + struct.pack(">I", crc32(lengths)) + block + payload
    return message + struct.pack(">I", crc32(message))


def event(kind: str, payload: Any) -> bytes:
    """An event as ConverseStream sends it, with the padding that hides its length."""
    headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    padded = payload if isinstance(payload, bytes) else orjson.dumps({**payload, "p": "abcdefgh"})
    return frame(headers, padded)


def exception(kind: str, payload: Any) -> bytes:
    """A modelled error in the midst of a stream."""
    headers = {":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"}
    return frame(headers, payload if isinstance(payload, bytes) else orjson.dumps(payload))


def failure(code: str, message: str) -> bytes:
    """An error that is not modelled: it has no payload."""
    return frame({":message-type": "error", ":error-code": code, ":error-message": message})
