"""OpenAI's error shape, whole and in a stream."""

from __future__ import annotations

import orjson
import pytest
from told import Said

from proxy import errors
from proxy.dialects.cards import ModelCard
from proxy.dialects.openai_surface import OpenAISurface
from proxy.dialects.request import Operation

SURFACE = OpenAISurface()
ANSWER = {"message": "bad", "type": "invalid_request_error", "param": "n", "code": "unsupported", "extra": 1}


@pytest.mark.parametrize(
    ("error", "status", "wanted"),
    [
        (
            errors.ModelNotFound("There is no model `x`.", model="x"),
            404,
            {"message": "There is no model `x`.", "type": "invalid_request_error", "param": "model",
             "code": "model_not_found"},
        ),
        (
            errors.Overloaded("Full."),
            503,
            {"message": "Full.", "type": "server_error", "param": None, "code": "overloaded"},
        ),
        (
            errors.UpstreamRejected("bad", upstream_status=422, answer=ANSWER),
            422,
            {"message": "bad", "type": "invalid_request_error", "param": "n", "code": "unsupported"},
        ),
        (
            errors.ContentPolicy("no", upstream_status=200),
            400,
            {"message": "no", "type": "invalid_request_error", "param": None, "code": "content_policy_violation"},
        ),
        (
            errors.CredentialRejected("The provider does not serve this gateway.", upstream_status=401),
            502,
            {"message": "The provider does not serve this gateway.", "type": "upstream_error", "param": None,
             "code": "upstream_credential_rejected"},
        ),
    ],
)  # fmt: skip
def test_an_error_has_all_four_fields(error: errors.GatewayError, status: int, wanted: dict[str, object]):
    found, body = SURFACE.error(error)

    assert status == found
    assert {"error": wanted} == orjson.loads(body)
    assert b"data: " + body + b"\n\n" == SURFACE.stream_error(error)


def test_answers_and_streams_pass():
    body = b'{"choices":[]}'

    assert body is SURFACE.answer(body, Said())
    assert SURFACE.stream(Said()) is None
    assert "m" == SURFACE.decode(Operation.RESPONSES, b'{"model":"m"}').model


def test_the_models_are_listed_as_openai_does():
    card = ModelCard("m", "engine", "M", context_window=8192, created_s=7)
    model = orjson.loads(SURFACE.model(card))

    assert ("m", "model", 7, "engine") == (model["id"], model["object"], model["created"], model["owned_by"])
    assert {"object": "list", "data": [model]} == orjson.loads(SURFACE.models([card]))
