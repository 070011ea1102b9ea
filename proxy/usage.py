"""The canonical usage record: disjoint token counts, so that cost is a plain sum of count times price."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from policies.api import Price


class Usage(NamedTuple):
    """Tokens of one answer. `input_tokens` excludes cache reads and writes; `reasoning_tokens` is part of the output.

    Providers count differently (total including cached, excluding reasoning, ...); the dialects bring every form to
    this one. A tuple, as one is made for every answer. Source: the usage sections of the providers' API references.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    tier: str | None = None
    """The service tier that answered, as the provider names it; `None` when it does not say."""
    cost_nano_usd: int | None = None
    """The provider's own figure, which beats any price list; `None` when it sends none."""
    estimated: bool = False
    """True when no usage came and the counts are reckoned from bytes."""
    cache_write_1h_tokens: int = 0
    """Those of `cache_write_tokens` that are kept for an hour, at a price of their own."""
    input_audio_tokens: int = 0
    """Those of the input (cached or not) that were sound."""
    output_audio_tokens: int = 0
    billed: tuple[int, int] | None = None
    """Input and output tokens that are charged, where these differ from what the model read and wrote (Cohere)."""

    @property
    def prompt_tokens(self) -> int:
        """Everything the model read, as OpenAI counts it."""
        return self.input_tokens + self.cache_read_tokens + self.cache_write_tokens

    @property
    def total_tokens(self) -> int:
        """Prompt and output together."""
        return self.prompt_tokens + self.output_tokens


_NOTHING_MORE = Usage()[8:]
"""Neither an hour's cache writes, nor sound, nor counts of its own for the bill."""


def cost_nano_usd(usage: Usage, price: Price | None) -> int | None:
    """What `usage` costs: the provider's own figure, else the price list; `None` when neither is known."""
    if usage.cost_nano_usd is not None:
        return usage.cost_nano_usd
    if price is None:
        return None
    if usage[8:] == _NOTHING_MORE:  # as nearly every answer has it
        return price.cost_nano_usd(*usage[:4])
    return listed_nano_usd(usage, price)


def listed_nano_usd(usage: Usage, price: Price) -> int:
    """What `usage` costs by the price list, whatever the provider says of it."""
    if usage.billed is not None:
        return price.cost_nano_usd(usage.billed[0], usage.billed[1])
    return price.cost_nano_usd(
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_read_tokens,
        usage.cache_write_tokens,
        cache_write_1h_tokens=usage.cache_write_1h_tokens,
        input_audio_tokens=usage.input_audio_tokens,
        output_audio_tokens=usage.output_audio_tokens,
    )
