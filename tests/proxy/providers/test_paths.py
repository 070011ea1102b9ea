"""Where providers are asked, and which names of models may stand in a path."""

from __future__ import annotations

import pytest

from proxy.config import ProviderConfig
from proxy.dialects.names import DialectName
from proxy.dialects.request import OPERATION_PATHS, Operation
from proxy.errors import UpstreamModelMissing
from proxy.providers.provider import Provider

SECRET = "sk-test-key-000001"


def provider(dialect: str, base_url: str = "https://example.org/base") -> Provider:
    return Provider.from_config("own", ProviderConfig(base_url=base_url, api_key=SECRET, dialect=dialect), {})


@pytest.mark.parametrize(
    ("dialect", "whole", "stream"),
    [
        ("openai_chat", "/base/chat/completions", "/base/chat/completions"),
        ("mistral", "/base/chat/completions", "/base/chat/completions"),
        ("openai_responses", "/base/responses", "/base/responses"),
        ("anthropic_messages", "/base/v1/messages", "/base/v1/messages"),
        ("gemini", "/base/models/m-1:generateContent", "/base/models/m-1:streamGenerateContent?alt=sse"),
        ("bedrock_converse", "/base/model/m-1/converse", "/base/model/m-1/converse-stream"),
        ("cohere", "/base/v2/chat", "/base/v2/chat"),
        ("ollama", "/base/api/chat", "/base/api/chat"),
    ],
)
def test_each_dialect_has_its_path(dialect: str, whole: str, stream: str):
    own = provider(dialect)
    name = DialectName(dialect)

    assert name is own.profile.dialect
    assert name in own.speaks
    assert whole == own.path(name, Operation.CHAT, "m-1", stream=False)
    assert stream == own.path(name, Operation.CHAT, "m-1", stream=True)


@pytest.mark.parametrize("operation", list(OPERATION_PATHS))
def test_openai_has_a_path_for_each_operation(operation: Operation):
    own = provider("openai_chat")

    assert "/base" + OPERATION_PATHS[operation] == own.path(DialectName.OPENAI_CHAT, operation, "m", stream=False)


@pytest.mark.parametrize(
    ("model", "segment"),
    [
        ("anthropic.claude-v1:0", "anthropic.claude-v1%3A0"),
        (
            "arn:aws:bedrock:eu-west-1:1:inference-profile/eu.x",
            "arn%3Aaws%3Abedrock%3Aeu-west-1%3A1%3Ainference-profile%2Feu.x",
        ),
        ("vendor/m..2", "vendor%2Fm..2"),
        ("m?key=1#x", "m%3Fkey%3D1%23x"),
        ("m%2f..", "m%252f.."),
    ],
)
def test_a_models_name_stays_one_segment(model: str, segment: str):
    path = provider("bedrock_converse").path(DialectName.BEDROCK, Operation.CHAT, model, stream=False)

    assert f"/base/model/{segment}/converse" == path


@pytest.mark.parametrize("model", ["", ".", "..", ";x", "a\r\nb", "a\x00", "../../admin", "a/./b", "a\\..\\b"])
def test_what_is_no_name_is_not_asked_for(model: str):
    with pytest.raises(UpstreamModelMissing):
        provider("gemini").path(DialectName.GEMINI, Operation.CHAT, model, stream=False)


def test_who_speaks_several_dialects_is_asked_in_the_clients():
    openai = Provider.from_config("openai", ProviderConfig(api_key=SECRET), {})

    assert {DialectName.OPENAI_CHAT, DialectName.OPENAI_RESPONSES} == openai.speaks


def test_a_dialect_that_is_written_out_is_the_only_one():
    """So can an endpoint be described that has nothing but chat."""
    config = {"profile": "openai", "base_url": "http://own.test/v1", "api_key": SECRET}
    usual = Provider.from_config("own", ProviderConfig(**config), {})
    alone = Provider.from_config("own", ProviderConfig(**config, dialect="openai_chat"), {})
    assert {DialectName.OPENAI_CHAT, DialectName.OPENAI_RESPONSES} == usual.speaks
    assert {DialectName.OPENAI_CHAT} == alone.speaks


@pytest.mark.parametrize(("dialect", "fetches"), [("bedrock_converse", False), ("ollama", False), ("gemini", True)])
def test_a_dialect_that_takes_no_addresses_has_them_fetched(dialect: str, fetches: bool):  # noqa: FBT001 - a case
    assert fetches is provider(dialect).profile.quirks.fetches_urls
