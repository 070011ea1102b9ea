"""genai-prices, compiled: prices as integers, match rules as plain functions. The only file that knows its types.

That library prices one call in some 80 us with `Decimal`; the gateway prices with one integer sum, so everything is
resolved here, once, for one moment in time. Only tokens of text and sound and the flat price of a request are taken.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import cast

from genai_prices import data, types

from policies.api import Price

NANO_USD_PER_USD = 1_000_000_000
_TIER_KEYS = ("service_tier", "speed", "processing")
"""What a variant is a variant of; the value is the tier's name: `flex`, `priority`, `fast`, `batch`."""
EMBED = "embed"
"""In the name of every embedding model of the list that the table's providers sell."""
_INEXPRESSIBLE = frozenset({"output_reasoning_mtok", "output_citation_mtok"})
"""Kinds of token our usage does not count apart. A price that needs them would be wrong, so it is no price."""
_MEDIA = frozenset(
    {"output_image_mtok", "output_video_mtok", "output_audio_mtok", "input_mchars", "audio_hours", "input_audio_hours"}
)
"""What marks a model whose business is not text."""

Match = Callable[[str], bool]
"""Whether a lower-case model name is meant."""


@dataclass(frozen=True, slots=True)
class ListedModel:
    """One model of one seller, at one moment."""

    id: str
    matches: Match
    name: str | None
    description: str
    context_window: int | None
    price: Price | None
    """Of the default tier, with those of the other tiers in it."""
    flex_price: Price | None
    """`None`: not sold, as far as the list knows."""
    embeds: bool
    is_deprecated: bool
    is_media: bool


@dataclass(frozen=True, slots=True)
class Seller:
    """One provider of the price list."""

    models: tuple[ListedModel, ...]
    """The first that matches is meant."""
    resells: tuple[str, ...]
    """Sellers whose prices hold here too, for models this one does not list."""
    valid_until: datetime | None
    """When a price of this seller next changes; `None`: it is not known to."""


def seller(seller_id: str, at: datetime) -> Seller | None:
    """The prices of `seller_id` in force `at` (an aware time). `None`: the list does not know it."""
    provider = _PROVIDERS.get(seller_id)
    if provider is None:
        return None
    changes = [change for model in provider.models for change in _changes(model, at)]
    return Seller(
        models=tuple(_listed(model, at) for model in provider.models),
        resells=tuple(provider.fallback_model_providers or ()),
        valid_until=min(changes, default=None),
    )


def nano_usd(usd: Decimal) -> int:
    """USD -> nano-USD, rounded half up. The list's prices come out whole."""
    return int((usd * NANO_USD_PER_USD).to_integral_value(ROUND_HALF_UP))


_PROVIDERS: Mapping[str, types.Provider] = {provider.id: provider for provider in data.providers}


def with_tiers(price: Price, sold: Mapping[str, Price], tier: str = "default") -> Price:
    """`price`, of `tier`, with those of the other tiers in `sold`: an answer may come from any of them."""
    others = sorted((name, replace(other, tiers=())) for name, other in sold.items() if name != tier)
    return replace(price, tiers=tuple(others))


def _listed(model: types.ModelInfo, at: datetime) -> ListedModel:
    standard = model.get_prices(at)
    embeds = EMBED in model.id.lower()
    price = _price(standard, embeds=embeds)
    sold = dict(_tiers(model, at, embeds=embeds))
    if price is not None:
        sold["default"] = price
    flex = sold.get("flex")
    return ListedModel(
        id=model.id,
        matches=_compile(model.match),
        name=model.name,
        description=model.description or "",
        context_window=model.context_window,
        price=None if price is None else with_tiers(price, sold),
        flex_price=None if flex is None else with_tiers(flex, sold, "flex"),
        embeds=embeds,
        is_deprecated=bool(model.deprecated),
        is_media=not _MEDIA.isdisjoint(_known(standard)),
    )


def _tiers(model: types.ModelInfo, at: datetime, *, embeds: bool) -> Iterator[tuple[str, Price]]:
    """The tiers that the list has a price for, but the default one."""
    for variant in model.price_variants or ():
        if len(variant.when) != 1 or (variant.constraint is not None and not variant.constraint.active(at)):
            continue
        ((key, tier),) = variant.when.items()
        if key not in _TIER_KEYS or tier == "default":
            continue
        price = _price(model.get_prices(at, dict(variant.when)), embeds=embeds)
        if price is not None:
            yield str(tier), price


def _known(prices: types.ModelPrice) -> dict[str, Decimal | types.TieredPrices]:
    return {key: value for key, value in vars(prices).items() if value is not None}


def _price(prices: types.ModelPrice, *, embeds: bool) -> Price | None:
    """One price with its long-context steps. `None` when a kind of token it takes has no price.

    Only embeddings have no output to pay for.
    """
    known = _known(prices)
    if "input_mtok" not in known or ("output_mtok" not in known and not embeds):
        return None
    if not _INEXPRESSIBLE.isdisjoint(known):
        return None
    starts = {tier.start for value in known.values() if isinstance(value, types.TieredPrices) for tier in value.tiers}
    return _price_from(known, -1, tuple((start, _price_from(known, start, ())) for start in sorted(starts)))


def _price_from(
    known: Mapping[str, Decimal | types.TieredPrices], start: int, above: tuple[tuple[int, Price], ...]
) -> Price:
    """The price of prompts longer than `start` tokens, up to the next step."""

    def nano(key: str) -> int | None:
        value = known.get(key)
        if value is None:
            return None
        if isinstance(value, types.TieredPrices):
            reached = [tier.price for tier in value.tiers if tier.start <= start]
            value = reached[-1] if reached else value.base
        return nano_usd(value)

    requests = known.get("requests_kcount")
    return Price(
        input_nano_usd_per_mtok=nano("input_mtok") or 0,
        output_nano_usd_per_mtok=nano("output_mtok") or 0,
        cache_read_nano_usd_per_mtok=nano("cache_read_mtok"),
        cache_write_nano_usd_per_mtok=nano("cache_write_mtok"),
        request_nano_usd=nano_usd(requests / 1000) if isinstance(requests, Decimal) else 0,
        above=above,
        cache_write_1h_nano_usd_per_mtok=nano("cache_write_1h_mtok"),
        input_audio_nano_usd_per_mtok=nano("input_audio_mtok"),
        output_audio_nano_usd_per_mtok=nano("output_audio_mtok"),
    )


def _changes(model: types.ModelInfo, at: datetime) -> Iterator[datetime]:
    """When the prices of `model` change after `at`."""
    conditional = model.prices if isinstance(model.prices, list) else []
    for one in (*conditional, *(model.price_variants or ())):
        match one.constraint:
            case types.StartDateConstraint(start_date=start):
                begins = datetime.combine(start, time(), UTC)
                if begins > at:
                    yield begins
            case types.TimeOfDateConstraint(start_time=start_time, end_time=end_time):
                for edge in (start_time, end_time):
                    yield _next(edge, at)


def _next(edge: time, at: datetime) -> datetime:
    """The next time a clock shows `edge` (UTC unless it says otherwise)."""
    aware = edge if edge.tzinfo is not None else edge.replace(tzinfo=UTC)
    today = datetime.combine(at.astimezone(aware.tzinfo).date(), aware)
    return today if today > at else today + timedelta(days=1)


def _compile(clause: types.MatchLogic) -> Match:  # noqa: PLR0911 - one line a kind of clause
    """A match rule as a function of a lower-case name."""
    match clause:
        case types.ClauseEquals(equals=text):
            return text.lower().__eq__
        case types.ClauseStartsWith(starts_with=text):
            prefix = text.lower()
            return lambda name: name.startswith(prefix)
        case types.ClauseEndsWith(ends_with=text):
            suffix = text.lower()
            return lambda name: name.endswith(suffix)
        case types.ClauseContains(contains=text):
            part = text.lower()
            return lambda name: part in name
        case types.ClauseRegex(regex=pattern):
            return _lazily(pattern)
        case types.ClauseOr(or_=clauses):
            any_of = tuple(_compile(inner) for inner in clauses)
            return lambda name: any(one(name) for one in any_of)
        case types.ClauseAnd(and_=clauses):
            all_of = tuple(_compile(inner) for inner in clauses)
            return lambda name: all(one(name) for one in all_of)
    raise TypeError(f"genai-prices has a match rule this gateway does not know: `{type(clause).__name__}`")


def _lazily(pattern: str) -> Match:
    """Compile a regular expression when it is first asked: there are hundreds, and most never are."""
    compiled: list[re.Pattern[str]] = []

    def matches(name: str) -> bool:
        if not compiled:
            compiled.append(re.compile(pattern))
        return compiled[0].search(name) is not None

    return cast("Match", matches)
