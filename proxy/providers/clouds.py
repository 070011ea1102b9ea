"""The rows of the clouds: their addresses have open places, and their credentials expire or are signatures."""

from __future__ import annotations

from proxy.dialects.names import DialectName
from proxy.dialects.quirks import OPENAI_TIERS, Quirks
from proxy.dialects.request import Operation
from proxy.providers.profile import ALL_OPERATIONS, ANTHROPIC_HEADERS, NO_SOUND, Cloud, Paths, Profile, RateLimitHeaders

_CHAT = frozenset({Operation.CHAT})
_CHAT_RESPONSES = _CHAT | {Operation.RESPONSES}
_OPENAI_LIMITS = RateLimitHeaders.suffixed("requests", "tokens")

_CLOUD_PLATFORM = "https://www.googleapis.com/auth/cloud-platform"
_COGNITIVE = "https://cognitiveservices.azure.com/.default"
_FOUNDRY = "https://ai.azure.com/.default"

_RESOURCE = {"resource": ("AZURE_RESOURCE_NAME",)}
_REGION = {"region": ("AWS_REGION", "AWS_DEFAULT_REGION")}
_AWS_TIERS = {"default": "default", "flex": "flex", "priority": "priority"}


def _vertex(version: str, publisher: str) -> tuple[str, dict[str, str]]:
    """The usual address of a publisher's models, and those of the locations that have host names of another form."""
    path = f"/{version}/projects/{{project}}/locations/{{location}}/publishers/{publisher}"
    elsewhere = {
        "global": f"https://aiplatform.googleapis.com{path}",
        "us": f"https://aiplatform.us.rep.googleapis.com{path}",
        "eu": f"https://aiplatform.eu.rep.googleapis.com{path}",
    }
    return f"https://{{location}}-aiplatform.googleapis.com{path}", elsewhere


_GEMINI_ON_VERTEX, _GEMINI_ELSEWHERE = _vertex("v1beta1", "google")
_CLAUDE_ON_VERTEX, _CLAUDE_ELSEWHERE = _vertex("v1", "anthropic")

CLOUDS: tuple[Profile, ...] = (
    Profile(
        name="azure",
        title="Azure OpenAI",
        base_url="https://{resource}.openai.azure.com/openai/v1",
        key_variables=("AZURE_OPENAI_API_KEY", "AZURE_API_KEY"),
        otel_name="azure.ai.openai",
        source="https://learn.microsoft.com/en-us/azure/ai-foundry/openai/api-version-lifecycle",
        quirks=Quirks(tiers=OPENAI_TIERS),
        operations=ALL_OPERATIONS,
        auth="api-key",
        cloud=Cloud.ENTRA,
        scope=_COGNITIVE,
        price_source="azure",
        rate_limits=_OPENAI_LIMITS,
        aliases=("azure-openai", "azure_openai"),
        address_variables=("AZURE_OPENAI_ENDPOINT",),
        address_suffix="/openai/v1",
        placeholders=_RESOURCE,
        versioned="azure-classic",
    ),
    Profile(
        name="azure-classic",
        title="Azure OpenAI, deployments in the path",
        base_url="https://{resource}.openai.azure.com/openai",
        key_variables=("AZURE_OPENAI_API_KEY", "AZURE_API_KEY"),
        otel_name="azure.ai.openai",
        source="https://learn.microsoft.com/en-us/azure/ai-foundry/openai/reference",
        quirks=Quirks(tiers=OPENAI_TIERS),
        paths=Paths("/deployments/{model}{operation}?api-version={api_version}"),
        # Responses are not below a deployment
        operations=ALL_OPERATIONS - {Operation.RESPONSES},
        auth="api-key",
        cloud=Cloud.ENTRA,
        scope=_COGNITIVE,
        price_source="azure",
        rate_limits=_OPENAI_LIMITS,
        address_variables=("AZURE_OPENAI_ENDPOINT",),
        address_suffix="/openai",
        placeholders=_RESOURCE,
        by_name_only=True,
    ),
    Profile(
        name="azure-anthropic",
        title="Claude in Microsoft Foundry",
        base_url="https://{resource}.services.ai.azure.com/anthropic",
        key_variables=("ANTHROPIC_FOUNDRY_API_KEY",),
        otel_name="azure.ai.inference",
        source="https://learn.microsoft.com/en-us/azure/ai-foundry/foundry-models/how-to/use-foundry-models-claude",
        dialect=DialectName.ANTHROPIC,
        lacks=NO_SOUND,
        auth="x-api-key",
        cloud=Cloud.ENTRA,
        scope=_FOUNDRY,
        price_source="anthropic",
        aliases=("foundry-anthropic", "azure_anthropic"),
        address_variables=("ANTHROPIC_FOUNDRY_BASE_URL",),
        placeholders={"resource": ("ANTHROPIC_FOUNDRY_RESOURCE",)},
        default_headers=ANTHROPIC_HEADERS,
        client_headers=frozenset({"anthropic-beta"}),
    ),
    Profile(
        name="vertex",
        title="Google Vertex AI",
        base_url=_GEMINI_ON_VERTEX,
        elsewhere=_GEMINI_ELSEWHERE,
        key_variables=(),
        otel_name="gcp.vertex_ai",
        source="https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference",
        dialect=DialectName.GEMINI,
        quirks=Quirks(
            call_ids=False,
            labels=True,
            tiers={"default": "default", "flex": "flex", "priority": "priority"},
            tiers_in_headers=True,
            bills_after_disconnect=True,
        ),
        cloud=Cloud.GOOGLE,
        scope=_CLOUD_PLATFORM,
        price_source="google",
        aliases=("vertex-ai", "vertex_ai", "google-vertex"),
        placeholders={
            "project": ("GOOGLE_CLOUD_PROJECT",),
            "location": ("GOOGLE_CLOUD_LOCATION", "GOOGLE_CLOUD_REGION"),
        },
        tier_headers={"flex": "x-vertex-ai-llm-shared-request-type: flex"},
    ),
    Profile(
        name="vertex-anthropic",
        title="Claude on Vertex AI",
        base_url=_CLAUDE_ON_VERTEX,
        elsewhere=_CLAUDE_ELSEWHERE,
        key_variables=(),
        otel_name="gcp.vertex_ai",
        source="https://cloud.google.com/vertex-ai/generative-ai/docs/partner-models/claude/use-claude",
        dialect=DialectName.ANTHROPIC,
        lacks=NO_SOUND,
        paths=Paths(
            "/models/{model}:rawPredict", "/models/{model}:streamRawPredict", "/models/count-tokens:rawPredict"
        ),
        quirks=Quirks(
            body_fields={"anthropic_version": "vertex-2023-10-16"},
            model_in_path=True,
            fetches_urls=False,
            bills_after_disconnect=True,
        ),
        cloud=Cloud.GOOGLE,
        scope=_CLOUD_PLATFORM,
        price_source="google",
        aliases=("vertex_anthropic", "anthropic-vertex"),
        placeholders={
            "project": ("ANTHROPIC_VERTEX_PROJECT_ID", "GOOGLE_CLOUD_PROJECT"),
            "location": ("CLOUD_ML_REGION", "GOOGLE_CLOUD_LOCATION", "GOOGLE_CLOUD_REGION"),
        },
        client_headers=frozenset({"anthropic-beta"}),
        by_name_only=True,
    ),
    Profile(
        name="bedrock",
        title="AWS Bedrock",
        base_url="https://bedrock-runtime.{region}.amazonaws.com",
        key_variables=("AWS_BEARER_TOKEN_BEDROCK",),
        otel_name="aws.bedrock",
        source="https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html",
        dialect=DialectName.BEDROCK,
        lacks=NO_SOUND,
        quirks=Quirks(tiers=_AWS_TIERS, fetches_urls=False, bills_after_disconnect=True),
        cloud=Cloud.AWS,
        scope="bedrock",
        price_source="aws",
        aliases=("aws", "amazon-bedrock", "aws-bedrock", "aws_bedrock", "bedrock-converse"),
        address_variables=("AWS_ENDPOINT_URL_BEDROCK_RUNTIME",),
        placeholders=_REGION,
    ),
    Profile(
        name="bedrock-openai",
        title="AWS Bedrock, OpenAI endpoints",
        base_url="https://bedrock-runtime.{region}.amazonaws.com/openai/v1",
        key_variables=("AWS_BEARER_TOKEN_BEDROCK",),
        otel_name="aws.bedrock",
        source="https://docs.aws.amazon.com/bedrock/latest/userguide/inference-chat-completions.html",
        quirks=Quirks(tiers=_AWS_TIERS, bills_after_disconnect=True),
        operations=_CHAT_RESPONSES,
        cloud=Cloud.AWS,
        scope="bedrock",
        price_source="aws",
        placeholders=_REGION,
        by_name_only=True,
    ),
    Profile(
        name="bedrock-mantle",
        title="AWS Bedrock Mantle",
        base_url="https://bedrock-mantle.{region}.api.aws/openai/v1",
        key_variables=("AWS_BEARER_TOKEN_BEDROCK",),
        otel_name="aws.bedrock",
        source="https://docs.aws.amazon.com/bedrock/latest/userguide/bedrock-mantle.html",
        quirks=Quirks(tiers=_AWS_TIERS, bills_after_disconnect=True),
        also={DialectName.ANTHROPIC: Paths("/anthropic/v1/messages", from_root=True)},
        operations=_CHAT_RESPONSES,
        cloud=Cloud.AWS,
        scope="bedrock-mantle",
        price_source="aws",
        aliases=("mantle",),
        placeholders=_REGION,
        client_headers=frozenset({"anthropic-version", "anthropic-beta"}),
        by_name_only=True,
    ),
)
