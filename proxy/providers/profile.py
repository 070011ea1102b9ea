"""What one row of the provider table holds. Data only: the code that acts on it lives in `dialects` and `upstream`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from proxy.dialects.names import DialectName
from proxy.dialects.needs import NO_NEEDS
from proxy.dialects.quirks import Quirks
from proxy.dialects.request import Operation
from proxy.need import Need

BEARER = "bearer"
"""`Authorization: Bearer <key>`."""
NO_AUTH = "none"
"""No credential is ever sent."""

ALL_OPERATIONS = frozenset(Operation)

ANTHROPIC_CLIENT_HEADERS = frozenset({"anthropic-version", "anthropic-beta"})
"""Of clients that speak Anthropic's dialect, where it is spoken too."""
ANTHROPIC_HEADERS: Mapping[str, str] = MappingProxyType({"anthropic-version": "2023-06-01"})
"""For who sends no version of its own: the one that every host of the API knows."""

NO_SOUND = frozenset({Need.AUDIO_INPUT, Need.AUDIO_OUTPUT, Need.IMAGE_OUTPUT})
"""Anthropic's and Bedrock's formats: nothing but text goes out, and no sound goes in."""

OPENAI_QUIRKS = Quirks()
"""None: OpenAI's own behaviour."""


@dataclass(frozen=True, slots=True)
class RateLimitHeaders:
    """Where an answer says how much of the rate limit is left. Lower case; the first name present wins.

    Empty tuples: this provider does not say.
    """

    remaining_requests: tuple[str, ...] = ()
    limit_requests: tuple[str, ...] = ()
    reset_requests: tuple[str, ...] = ()
    remaining_tokens: tuple[str, ...] = ()
    limit_tokens: tuple[str, ...] = ()
    reset_tokens: tuple[str, ...] = ()
    remaining: frozenset[str] = field(init=False)
    """The names without which nothing else is worth reading."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "remaining", frozenset(self.remaining_requests + self.remaining_tokens))

    @classmethod
    def suffixed(cls, requests: str, tokens: str) -> RateLimitHeaders:
        """`x-ratelimit-{remaining,limit,reset}-<suffix>`; an empty suffix leaves that group out."""

        def names(what: str, suffix: str) -> tuple[str, ...]:
            return (f"x-ratelimit-{what}-{suffix}",) if suffix else ()

        return cls(
            remaining_requests=names("remaining", requests),
            limit_requests=names("limit", requests),
            reset_requests=names("reset", requests),
            remaining_tokens=names("remaining", tokens),
            limit_tokens=names("limit", tokens),
            reset_tokens=names("reset", tokens),
        )


class Paths(NamedTuple):
    """Where one dialect is spoken; `{model}` stands for the provider's name of the model, percent-encoded."""

    whole: str
    stream: str = ""
    """Empty: as `whole`."""
    counting: str = ""
    """Where tokens are counted; empty: nowhere."""
    from_root: bool = False
    """Below the host, not below the base URL."""


class Cloud(StrEnum):
    """Whose credentials that expire, or signatures, a provider takes: as in `credentials` of the configuration."""

    GOOGLE = "google"
    ENTRA = "entra"
    AWS = "aws"


@dataclass(frozen=True, slots=True)
class Profile:
    """One provider as the world knows it, whoever holds the key."""

    name: str
    """The row's id: lower case, as in the configuration file."""
    title: str
    """Its name for people."""
    base_url: str | None
    """What `/chat/completions` is appended to; `{placeholders}` are filled from `placeholders`.

    `None`: there is no usual address, the configuration must give one.
    """
    key_variables: tuple[str, ...]
    """Environment variables that usually hold the key; the first that is set wins."""
    otel_name: str
    """`gen_ai.provider.name`. Source: OpenTelemetry semantic conventions, generative AI."""
    source: str
    """The provider's own documentation."""
    quirks: Quirks = OPENAI_QUIRKS
    dialect: DialectName = DialectName.OPENAI_CHAT
    """What everybody is translated to who speaks none of the provider's."""
    paths: Paths | None = None
    """Of `dialect`; `None`: the usual ones."""
    also: Mapping[DialectName, Paths | None] = field(default_factory=dict)
    """Further dialects it speaks itself: who speaks one of them is passed on untranslated."""
    operations: frozenset[Operation] = frozenset({Operation.CHAT})
    lacks: frozenset[Need] = NO_NEEDS
    """What none of its models can do, whatever is known of them."""
    auth: str = BEARER
    """`BEARER`, `NO_AUTH`, or the lower-case name of the header that carries the bare key."""
    cloud: Cloud | None = None
    """Whose credentials it takes in place of a key; `None`: a key alone."""
    scope: str = ""
    """What the cloud's token is asked for (OAuth), or the service that a signature names (AWS)."""
    price_source: str | None = None
    """Its id in genai-prices; `None` when that list does not know it (prices may still be in our overlay)."""
    rate_limits: RateLimitHeaders = RateLimitHeaders()
    aliases: tuple[str, ...] = ()
    """Other names it is called by, lower case."""
    self_hosted: bool = False
    """Runs at the operator's; the key is optional and `http` is no mistake."""
    address_variables: tuple[str, ...] = ()
    """Environment variables that usually hold the address; the first that is set wins over `base_url`."""
    address_suffix: str = ""
    """Appended to an address from `address_variables` that lacks it, e.g. `/v1`."""
    default_port: int | None = None
    """For an address from `address_variables` that names none."""
    placeholders: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Placeholder of `base_url` -> environment variables that usually hold its value."""
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    """Value of `location` -> the `base_url` it has instead, where host names follow no single rule."""
    versioned: str | None = None
    """The row used in its place when the configuration gives `api_version`."""
    by_name_only: bool = False
    """Never enabled by the environment alone: another row with the same credentials is."""
    default_headers: Mapping[str, str] = field(default_factory=dict)
    """Sent unless the client, or the configuration, sends its own; lower case."""
    tier_headers: Mapping[str, str] = field(default_factory=dict)
    """Service tier of the deployment -> a header line that asks for it (Vertex)."""
    client_headers: frozenset[str] = frozenset()
    """Headers of the client that mean something here, lower case; they may go upstream."""
    client_key_headers: frozenset[str] = frozenset()
    """The same, but only beside the client's own key: they name the key's account."""
