"""The surface beside its translations: names, errors, keep-alives."""

from __future__ import annotations

import orjson
import pytest

from proxy.dialects.names import DialectName
from proxy.dialects.openai_surface import OpenAISurface
from proxy.dialects.request import Operation
from proxy.dialects.responses.surface import ResponsesSurface
from proxy.errors import GatewayError, InvalidJson, MissingField, RateLimited, UpstreamRejected


def test_it_is_the_openai_surface_to_whoever_counts():
    made, other = ResponsesSurface(), OpenAISurface()

    assert (other.name, other.content_types, other.keepalive) == (made.name, made.content_types, made.keepalive)
    assert DialectName.OPENAI_RESPONSES is made.dialect


@pytest.mark.parametrize(
    "error",
    [
        RateLimited("Too fast."),
        UpstreamRejected("No.", upstream_status=422, answer={"message": "m", "type": "t", "param": "p", "code": "c"}),
    ],
)
def test_errors_have_openais_shape(error: GatewayError):
    assert OpenAISurface().error(error) == ResponsesSurface().error(error)


@pytest.mark.parametrize(("body", "kind"), [(b"{", InvalidJson), (b'{"input":"x"}', MissingField)])
def test_a_body_that_cannot_be_routed_is_refused_at_once(body: bytes, kind: type[GatewayError]):
    with pytest.raises(kind):
        ResponsesSurface().decode(Operation.RESPONSES, body)


def test_what_only_a_translation_must_know_is_not_read_before():
    request = ResponsesSurface().decode(Operation.RESPONSES, orjson.dumps({"model": "m", "input": 7, "tools": 7}))

    assert "m" == request.model
