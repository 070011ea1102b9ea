"""AWS's signature, against AWS's own signer and against published vectors."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from unittest.mock import patch
from urllib.parse import quote

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.providers.sigv4 import CONTENT_TYPE, Signer, amz_date, canonical_request

ACCESS, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
NOW_S = 1_795_000_000.0
HOST = "bedrock-runtime.us-east-1.amazonaws.com"
SONNET = "/model/us.anthropic.claude-sonnet-4-20250514-v1%3A0/converse"


def told(signer: Signer, path: str, body: bytes, now_s: float) -> dict[str, str]:
    lines = signer.headers("POST", HOST, path, body, now_s).decode().split("\r\n")
    assert "" == lines.pop()
    return dict(line.split(": ", 1) for line in lines)


def botocores(path: str, body: bytes, now_s: float, token: str | None, region: str) -> dict[str, str]:
    """What AWS's own signer adds at that moment."""
    request = AWSRequest("POST", f"https://{HOST}{path}", data=body, headers={"content-type": CONTENT_TYPE})
    moment = datetime.fromtimestamp(now_s, UTC)
    with patch("botocore.auth.get_current_datetime", return_value=moment):
        SigV4Auth(Credentials(ACCESS, SECRET, token), "bedrock", region).add_auth(request)
    names = ("X-Amz-Date", "X-Amz-Security-Token", "Authorization")
    return {name: request.headers[name] for name in names if name in request.headers}


@pytest.mark.parametrize("token", [None, "session/token+with=signs"])
@pytest.mark.parametrize("path", [SONNET, "/model/amazon.nova-lite-v1%3A0/converse-stream", "/"])
def test_the_signature_is_that_of_awss_own_signer(path: str, token: str | None):
    signer = Signer(ACCESS, SECRET, token, "us-east-1", "bedrock")
    body = b'{"messages":[]}'

    assert botocores(path, body, NOW_S, token, "us-east-1") == told(signer, path, body, NOW_S)


@given(
    model=st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1, max_size=40).filter(
        lambda name: name not in (".", "..")
    ),
    body=st.binary(max_size=200),
    now_s=st.integers(1_000_000_000, 4_000_000_000),
    token=st.none() | st.from_regex(r"\A[A-Za-z0-9+/=]{1,60}\Z"),
    region=st.sampled_from(["us-east-1", "eu-central-1", "us-gov-west-1"]),
)
@settings(max_examples=200, derandomize=True, deadline=None)
def test_any_request_is_signed_as_aws_would(model: str, body: bytes, now_s: int, token: str | None, region: str):
    path = f"/model/{quote(model, safe='')}/converse"
    signer = Signer(ACCESS, SECRET, token, region, "bedrock")

    assert botocores(path, body, now_s, token, region) == told(signer, path, body, now_s)


def test_a_colon_in_the_models_name_is_encoded_twice_in_what_is_signed():
    canonical = canonical_request("POST", SONNET, [("host", HOST)], "0")

    assert "/model/us.anthropic.claude-sonnet-4-20250514-v1%253A0/converse" == canonical.split("\n")[1]


def test_a_vector_of_openais_client_for_bedrock():
    """Source: openai-python 3.52.0, `tests/fixtures/bedrock/v1/sigv4.json`, Apache-2.0; its figures re-typed."""
    body = b'{"model":"gpt-4o","input":"hello"}'
    payload_hash = "50329e51ad520f21b77bad0b01999930ff556cd1bf18434701251ba6c9f877bc"
    moment = amz_date(datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC).timestamp())
    signed = [
        ("content-type", "application/json"),
        ("host", "bedrock-mantle.us-east-1.api.aws"),
        ("x-amz-content-sha256", payload_hash),
        ("x-amz-date", moment),
        ("x-amz-security-token", "fixture-session-token"),
    ]
    canonical = canonical_request("POST", "/openai/v1/responses", signed, payload_hash)
    signer = Signer(ACCESS, SECRET, "fixture-session-token", "us-east-1", "bedrock-mantle")

    assert "20250102T030405Z" == moment
    assert payload_hash == sha256(body).hexdigest()
    expected = "1b69b17ef7548a7bf16a6ee749acfd44b7793e04216345dddd6cfaf4c01bfde5"
    assert expected == sha256(canonical.encode()).hexdigest()
    assert signer.authorization(canonical, signed, moment) == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20250102/us-east-1/bedrock-mantle/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date;x-amz-security-token, "
        "Signature=dc20c8fbe516daf0ccae7e5b7a78fc2936870413a9f1af6e1b2d44b970ce411f"
    )


def test_a_vector_of_awss_own_suite():
    """Source: AWS Signature Version 4 test suite, `get-vanilla`."""
    signed = [("host", "example.amazonaws.com"), ("x-amz-date", "20150830T123600Z")]
    canonical = canonical_request("GET", "/", signed, sha256(b"").hexdigest())
    signer = Signer(ACCESS, SECRET, None, "us-east-1", "service")

    assert signer.authorization(canonical, signed, "20150830T123600Z").endswith(
        "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
    )


def test_the_key_of_a_day_is_not_used_on_another():
    signer = Signer(ACCESS, SECRET, None, "us-east-1", "bedrock")
    for now_s in (NOW_S, NOW_S + 86_400, NOW_S):
        assert botocores("/x", b"", now_s, None, "us-east-1") == told(signer, "/x", b"", now_s)


def test_no_secret_shows():
    assert "<signer for bedrock in us-east-1>" == repr(Signer(ACCESS, SECRET, "token", "us-east-1", "bedrock"))
