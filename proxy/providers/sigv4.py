"""Signs requests to AWS: Signature Version 4, in pure functions over what is sent.

The path is encoded once for the wire and once more for the signature, as every service but S3 wants it: a `:` in a
model's name is `%3A` on the wire and `%253A` in what is signed. Written by hand because it is on the way of every
request, and a general signer takes several times as long.
Source: AWS IAM user guide, "Create a signed AWS API request"; Signature Version 4 test suite.
"""

from __future__ import annotations

import time
from functools import lru_cache
from hashlib import sha256
from hmac import digest
from urllib.parse import quote

ALGORITHM = "AWS4-HMAC-SHA256"
CONTENT_TYPE = "application/json"
KNOWN_PATHS = 1024
"""Paths whose second encoding is remembered: there are two for each model."""


class Signer:
    """Signs for one credential, region and service. Its `repr` shows no secret.

    The key of a day is kept until the next; nothing else is.
    """

    __slots__ = ("_access_key", "_day", "_key", "_region", "_secret_key", "_service", "_token")

    def __init__(self, access_key: str, secret_key: str, session_token: str | None, region: str, service: str) -> None:
        self._access_key = access_key
        self._secret_key = secret_key
        self._token = session_token or None
        self._region = region
        self._service = service
        self._day = ""
        self._key = b""

    def __repr__(self) -> str:
        return f"<signer for {self._service} in {self._region}>"

    def headers(self, method: str, host: str, path: str, body: bytes, now_s: float) -> bytes:
        """The lines to append to the head: date, session token if there is one, authorization.

        The head must say `host` and a content type of `CONTENT_TYPE`, both of which are signed. `path` is the one on
        the wire, percent-encoded, with neither a query nor dot segments; `host` as in the head; `now_s` is Unix time.
        """
        moment = amz_date(now_s)
        # in the order of their names
        signed = [("content-type", CONTENT_TYPE), ("host", host), ("x-amz-date", moment)]
        lines = f"X-Amz-Date: {moment}\r\n"
        if self._token is not None:
            signed.append(("x-amz-security-token", self._token))
            lines += f"X-Amz-Security-Token: {self._token}\r\n"
        canonical = canonical_request(method, path, signed, sha256(body).hexdigest())
        return f"{lines}Authorization: {self.authorization(canonical, signed, moment)}\r\n".encode()

    def authorization(self, canonical: str, signed: list[tuple[str, str]], moment: str) -> str:
        """The value of the header for a canonical request with the headers `signed`, at `moment` (see `amz_date`)."""
        day = moment[:8]
        scope = f"{day}/{self._region}/{self._service}/aws4_request"
        text = f"{ALGORITHM}\n{moment}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
        signature = digest(self._key_of(day), text.encode(), "sha256").hex()
        names = ";".join(name for name, _ in signed)
        return f"{ALGORITHM} Credential={self._access_key}/{scope}, SignedHeaders={names}, Signature={signature}"

    def _key_of(self, day: str) -> bytes:
        if day != self._day:
            key = f"AWS4{self._secret_key}".encode()
            for part in (day, self._region, self._service, "aws4_request"):
                key = digest(key, part.encode(), "sha256")
            self._day, self._key = day, key
        return self._key


def amz_date(now_s: float) -> str:
    """A moment as AWS writes it, in UTC: `20250102T030405Z`."""
    return _date_of(int(now_s))


@lru_cache(2)
def _date_of(second: int) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))


@lru_cache(KNOWN_PATHS)
def _encoded(path: str) -> str:
    return quote(path, safe="/-_.~")


def canonical_request(method: str, path: str, signed: list[tuple[str, str]], payload_hash: str) -> str:
    """What is signed. `signed`: lower-case names in order, with their values as sent; `payload_hash` in hexadecimal."""
    lines = "".join([f"{name}:{value}\n" for name, value in signed])
    names = ";".join([name for name, _ in signed])
    return f"{method}\n{_encoded(path)}\n\n{lines}\n{names}\n{payload_hash}"
