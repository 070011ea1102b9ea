"""What AWS wraps around a provider: signatures on requests, frames around events.

Source: AWS, "Signature Version 4 for API requests"; Amazon Transcribe documentation, "Event stream encoding".
"""

from __future__ import annotations

import hashlib
import hmac
import re
import struct
import zlib
from typing import Any
from urllib.parse import quote

import orjson

from fakes.providers.scenes import Refused
from fakes.upstream import Received

ACCESS_KEY, SECRET_KEY, REGION = "AKIAOFTHEPROVIDER", "secret-of-the-provider", "us-east-1"
AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/bedrock/aws4_request, ?SignedHeaders=([a-z0-9;-]+), ?"
    r"Signature=([0-9a-f]{64})"
)
STRING = 7
"""The type of a header's value."""


def check_signature(request: Received) -> None:
    """Raise `Refused` unless the request bears our key's signature."""
    headers = request.headers
    found = AUTHORIZATION.fullmatch(headers.get("authorization", ""))
    if found is None or found[1] != ACCESS_KEY or found[3] != REGION:
        raise Refused("The security token included in the request is invalid.", status=403)
    _, day, region, signed, signature = found.groups()
    if not {"host", "x-amz-date"} <= set(signed.split(";")) or not headers["x-amz-date"].startswith(day):
        raise Refused("'host' and 'x-amz-date' must be signed headers", status=403)
    path, _, query = request.target.partition("?")
    lines = [f"{name}:{' '.join(headers.get(name, '').split())}\n" for name in signed.split(";")]
    digest = hashlib.sha256(request.body).hexdigest()
    canonical = "\n".join(["POST", quote(path, safe="/-_.~"), query, "".join(lines), signed, digest])
    scope = f"{day}/{region}/bedrock/aws4_request"
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join(["AWS4-HMAC-SHA256", headers["x-amz-date"], scope, hashed])
    key = f"AWS4{SECRET_KEY}".encode()
    for step in (day, region, "bedrock", "aws4_request"):
        key = hmac.digest(key, step.encode(), "sha256")
    if not hmac.compare_digest(hmac.digest(key, text.encode(), "sha256").hex(), signature):
        raise Refused("The request signature we calculated does not match the signature you provided.", status=403)


def frame(kind: str, payload: dict[str, Any], message_type: str = "event") -> bytes:
    """One frame of `application/vnd.amazon.eventstream`."""
    names = {f":{message_type}-type": kind, ":content-type": "application/json", ":message-type": message_type}
    headers = b"".join(
        bytes([len(name)]) + name.encode() + struct.pack(">BH", STRING, len(value)) + value.encode()
        for name, value in names.items()
    )
    body = orjson.dumps(payload)
    prelude = struct.pack(">II", 16 + len(headers) + len(body), len(headers))
    head = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + body
    return head + struct.pack(">I", zlib.crc32(head))
