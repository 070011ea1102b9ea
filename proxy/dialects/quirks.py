"""How one provider's OpenAI dialect differs from OpenAI's, as data: a field here, never an `if provider ==`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class StreamOptions(StrEnum):
    """Whether `stream_options.include_usage` must, may or must not be sent."""

    INJECT = "inject"
    """Usage comes only when asked for; asking is safe."""
    PASS = "pass"  # noqa: S105 - it lets a field pass
    """Usage comes anyway; the client's own option may pass."""
    REFUSE = "refuse"
    """The field is rejected: it is removed."""


class MaxTokens(StrEnum):
    """Which field limits the output."""

    EITHER = "either"
    LEGACY = "max_tokens"
    COMPLETION = "max_completion_tokens"


GATEWAY_FIELDS = ("endpoint_id", "target_namespace")
"""Request fields that are meant for this gateway alone."""

_EDITED_EVERYWHERE = frozenset({*GATEWAY_FIELDS, "provider", "service_tier"})

OPENAI_TIERS: Mapping[str, str] = {tier: tier for tier in ("auto", "default", "flex", "priority", "fast", "scale")}
"""`Quirks.tiers` of OpenAI and Azure, which know every name. Source: OpenAI API reference, `service_tier`."""


@dataclass(frozen=True, slots=True)
class Quirks:
    """Defaults are OpenAI's own behaviour."""

    stream_options: StreamOptions = StreamOptions.INJECT
    max_tokens: MaxTokens = MaxTokens.EITHER
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Request fields under another name here, e.g. `seed` -> `random_seed`."""
    dropped: frozenset[str] = frozenset()
    """Hints this provider rejects, which cannot change an answer; removed before sending."""
    unsupported: frozenset[str] = frozenset()
    """Request fields this provider cannot serve: refused, or left out if the client is lenient."""
    understands: frozenset[str] = frozenset()
    """Which of the hub's extensions it takes: `cache_control`, `reasoning`, `reasoning_content`, `reasoning_details`,
    `top_k`, `thinking`."""
    dropped_message_fields: frozenset[str] = frozenset()
    """Fields of a message this provider rejects, e.g. `name`."""
    strict_thinkers: bool = False
    """Models that reason take no sampling parameters, and no limit but `max_completion_tokens`."""
    fixed_n: bool = False
    """Only `n: 1` is served."""
    tiers: Mapping[str, str] = field(default_factory=dict)
    """A tier as clients name it -> the `service_tier` sent. A tier that is not listed sends no field."""
    reasoning_outside_completion: bool = False
    """`completion_tokens` excludes `reasoning_tokens` (xAI)."""
    cost_field: str | None = None
    """Where `usage` carries the provider's own cost: `cost`, `cost.total_cost`, `cost_in_usd_ticks`."""
    cost_unit_nano_usd: int = 1_000_000_000
    """Nano-USD in one unit of `cost_field`; xAI's tick is 1e-10 USD: 0.1, so that field is divided by 10 instead."""
    cost_divisor: int = 1
    bills_after_disconnect: bool = False
    """Closing the connection does not stop the bill."""
    insufficient_quota_is_throttling: bool = False
    """DashScope: `insufficient_quota` mostly means tokens per minute."""
    left_today_header: str | None = None
    """Header that counts what is left of the day's requests: a 429 with 0 in it is no mere speed limit (Cerebras)."""
    errors_in_body: str | None = None
    """The object that carries a failure inside a 200 (`base_resp`, MiniMax)."""
    fetches_urls: bool = True
    """Gets images and documents from web addresses itself; else the gateway does."""
    own_urls: tuple[str, ...] = ()
    """How addresses begin that it reads all the same."""
    prefill: bool = False
    """Continues a trailing assistant message exactly, and streams only what is new."""
    prefill_fields: Mapping[str, Any] = field(default_factory=dict)
    """Body fields that ask for it."""
    prefill_message_fields: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the assistant message that ask for it."""
    body_fields: Mapping[str, Any] = field(default_factory=dict)
    """Fields every body has, e.g. `anthropic_version` where Vertex or Bedrock host Claude."""
    model_in_path: bool = False
    """The address names the model; the body must not."""
    call_ids: bool = True
    """Tool calls and their results may carry ids (Vertex matches them by name and order)."""
    tiers_in_headers: bool = False
    """The service tier is told in request headers instead of the body (Vertex)."""
    labels: bool = False
    """`metadata` may be sent as labels for the bill (Vertex)."""
    reasoning_fields: tuple[str, ...] = ("reasoning_content", "reasoning")
    """Where a delta carries reasoning text."""
    edited: frozenset[str] = field(init=False, compare=False, repr=False)
    """Request fields that may have to change: a request with none of them goes on as it came, but for its `model`."""

    def __post_init__(self) -> None:
        limits = {MaxTokens.LEGACY: {"max_completion_tokens"}, MaxTokens.COMPLETION: {"max_tokens"}}
        edited = _EDITED_EVERYWHERE | self.renamed.keys() | self.dropped | self.unsupported
        edited |= limits.get(self.max_tokens, set())
        if self.dropped_message_fields:
            edited |= {"messages"}
        if self.stream_options is StreamOptions.REFUSE:
            edited |= {"stream_options"}
        object.__setattr__(self, "edited", edited)
