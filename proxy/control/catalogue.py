"""What is known of every provider's models: price, context window, name. Compiled once for one moment, read by name.

Nothing here is asked while a request waits: the world is published with the answers inside. A model without a price is
unpriced (`None`), which is not the same as free.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from policies.api import Price
from proxy.control.overlay import PACKAGED, Lack, Listing, Overlay, Row, read_overlay
from proxy.control.price_list import ListedModel, Match, Seller, seller, with_tiers
from proxy.dialects.needs import NO_NEEDS
from proxy.dialects.request import Operation
from proxy.providers.table import ROWS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from proxy.need import Need
    from proxy.providers.profile import Profile

MAX_REMEMBERED = 4096
"""Names looked up before, found or not. All are forgotten when it is full: names may come from clients."""
TEXT = ("text",)
EMBEDDING = ("embedding",)

_COMPACT_DATE = re.compile(r"-(20\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=-|:|$)")
_DATE = re.compile(r"-(20\d\d)-?(0[1-9]|1[0-2])-?(0[1-9]|[12]\d|3[01])(?=-|:|$)")

_DEVELOPERS = (
    ("claude", "Anthropic"),
    ("command", "Cohere"),
    ("deepseek", "DeepSeek"),
    ("doubao", "ByteDance"),
    ("nemotron", "NVIDIA"),
    ("gemini", "Google"),
    ("gemma", "Google"),
    ("glm", "Z.ai"),
    ("gpt", "OpenAI"),
    ("grok", "xAI"),
    ("kimi", "Moonshot AI"),
    ("llama", "Meta"),
    ("minimax", "MiniMax"),
    ("mistral", "Mistral AI"),
    ("mixtral", "Mistral AI"),
    ("ministral", "Mistral AI"),
    ("codestral", "Mistral AI"),
    ("pixtral", "Mistral AI"),
    ("qwen", "Alibaba"),
    ("sonar", "Perplexity"),
)
"""Part of a model's name -> who made it."""
_MAKERS = frozenset(
    {"openai", "google", "xai", "mistral", "deepseek", "cohere", "perplexity", "moonshot", "zai", "minimax"}
)
"""Providers that sell their own models."""


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One model at one provider. `None` where nobody says."""

    id: str
    """What the provider calls it."""
    provider: str
    """The row of the provider table."""
    display_name: str
    price: Price | None = None
    flex_price: Price | None = None
    """`None`: the flex tier is not known to be sold."""
    context_window: int | None = None
    """Input tokens."""
    max_output: int | None = None
    """Tokens."""
    mode: str = "chat"
    """`chat` or `embedding`."""
    input_modalities: tuple[str, ...] = TEXT
    output_modalities: tuple[str, ...] = TEXT
    description: str = ""
    developer: str = ""
    """Guessed from the name; empty when it does not tell."""
    released_at: str | None = None
    """RFC 3339; of a dated snapshot, or as the overlay says."""


@dataclass(slots=True)
class _Shelf:
    """The models of one provider while they are put in order, and afterwards."""

    exact: dict[str, ModelEntry]
    """Lower-case id -> entry."""
    rules: list[tuple[Match, ModelEntry]]
    """Asked in order; the first that matches is meant."""
    listed: tuple[ModelEntry, ...] = ()

    def find(self, name: str) -> ModelEntry | None:
        """By its lower-case name."""
        if (entry := self.exact.get(name)) is not None:
            return entry
        return next((entry for matches, entry in self.rules if matches(name)), None)


class Catalogue:
    """All models of all rows of the provider table."""

    def __init__(
        self, shelves: Mapping[str, _Shelf], valid_until: Mapping[str, datetime], lacks: tuple[Lack, ...] = ()
    ) -> None:
        self._shelves = shelves
        self._valid_until = valid_until
        self._lacks = lacks
        self._remembered: dict[tuple[str, str], ModelEntry | None] = {}

    @classmethod
    def load(cls, overlay: Path | None = None, *, at: datetime) -> Catalogue:
        """Compile the prices in force `at` (an aware time), our overlay, and the operator's `overlay` on top of it.

        Takes tens of milliseconds. Raises `OverlayError`.
        """
        overlays = [read_overlay(path) for path in (PACKAGED, overlay) if path is not None]
        sellers: dict[str, Seller | None] = {}

        def sold_by(seller_id: str) -> Seller | None:
            if seller_id not in sellers:
                sellers[seller_id] = seller(seller_id, at)
            return sellers[seller_id]

        shelves: dict[str, _Shelf] = {}
        valid_until: dict[str, datetime] = {}
        for row in ROWS:
            sold = sold_by(row.price_source) if row.price_source else None
            resold = [other for one in (sold.resells if sold else ()) if (other := sold_by(one)) is not None]
            shelves[row.name] = _shelf(row, sold, resold, overlays)
            changes = [one.valid_until for one in (sold, *resold) if one is not None and one.valid_until is not None]
            if changes:
                valid_until[row.name] = min(changes)
        return cls(shelves, valid_until, tuple(lack for overlay in overlays for lack in overlay.lacks))

    def entry(self, provider: str, model: str) -> ModelEntry | None:
        """What is known of `model` at `provider` (a row's id): by its exact name first, then by the list's rules."""
        key = (provider, model)
        if key in self._remembered:
            return self._remembered[key]
        found = self._find(provider, model)
        if len(self._remembered) >= MAX_REMEMBERED:
            self._remembered.clear()
        self._remembered[key] = found
        return found

    def lacks(self, provider: str, model: str) -> frozenset[Need]:
        """What `model` is known not to be able to do at `provider`; what nobody says of it, it can."""
        name = model.lower().rpartition("/")[2]
        return NO_NEEDS.union(
            *[
                entry.lacks
                for entry in self._lacks
                if (not entry.providers or provider in entry.providers)
                and any(fnmatchcase(name, pattern) for pattern in entry.models)
            ]
        )

    def models(self, provider: str) -> tuple[ModelEntry, ...]:
        """The models of `provider` that are offered by name: chat and embeddings, priced, current."""
        shelf = self._shelves.get(provider)
        return shelf.listed if shelf is not None else ()

    def valid_until(self, provider: str) -> datetime | None:
        """When a price of `provider` next changes (off-peak hours, announced dates); `None`: not known to."""
        return self._valid_until.get(provider)

    def _find(self, provider: str, model: str) -> ModelEntry | None:
        shelf = self._shelves.get(provider)
        if shelf is None:
            return None
        name = model.lower()
        if (entry := shelf.find(name)) is not None:
            return entry
        dashed = _COMPACT_DATE.sub(r"-\1-\2-\3", name)
        return shelf.find(dashed) if dashed != name else None


def _shelf(row: Profile, sold: Seller | None, resold: list[Seller], overlays: list[Overlay]) -> _Shelf:
    shelf = _Shelf({}, [])
    own: list[tuple[ListedModel, ModelEntry]] = []
    for model in sold.models if sold else ():
        entry = _entry(row, model)
        own.append((model, entry))
        shelf.rules.append((model.matches, entry))
        if model.matches(name := model.id.lower()):
            shelf.exact.setdefault(name, entry)
    for other in resold:
        # a tier is the seller's own offer: another's flex price does not hold here
        shelf.rules.extend((model.matches, _resold(_entry(row, model))) for model in other.models)
    listed: dict[str, ModelEntry] = {}
    for overlay in overlays:
        listed.update((entry.id, entry) for entry in _laid_over(row, shelf, overlay))
        listing = overlay.listing.get(row.name)
        if listing is not None:
            for model, entry in own:
                if entry.id not in listed and _is_offered(model, entry, listing):
                    listed[entry.id] = entry
    shelf.listed = tuple(entry for entry in listed.values() if entry.price is not None and _can_be_asked(row, entry))
    return shelf


def _resold(entry: ModelEntry) -> ModelEntry:
    price = entry.price
    return replace(entry, price=None if price is None else replace(price, tiers=()), flex_price=None)


def _can_be_asked(row: Profile, entry: ModelEntry) -> bool:
    return (Operation.EMBEDDINGS if entry.mode == "embedding" else Operation.CHAT) in row.operations


def _entry(row: Profile, model: ListedModel) -> ModelEntry:
    return ModelEntry(
        id=model.id,
        provider=row.name,
        display_name=model.name or model.id,
        price=model.price,
        flex_price=model.flex_price,
        context_window=model.context_window,
        mode="embedding" if model.embeds else "chat",
        output_modalities=EMBEDDING if model.embeds else TEXT,
        description=model.description,
        developer=_developer(row, model.id),
        released_at=_released(model.id),
    )


def _is_offered(model: ListedModel, entry: ModelEntry, listing: Listing) -> bool:
    if model.is_deprecated or model.is_media or entry.price is None or entry.context_window is None:
        return False
    if not model.matches(model.id.lower()):
        return False  # a family's name, not a model's
    wanted = not listing.only or any(fnmatchcase(model.id, pattern) for pattern in listing.only)
    return wanted and not any(fnmatchcase(model.id, pattern) for pattern in listing.skip)


def _laid_over(row: Profile, shelf: _Shelf, overlay: Overlay) -> Iterator[ModelEntry]:
    """Put the overlay's rows for this provider on the shelf; yields those that are offered by name."""
    for group in overlay.groups:
        if group.provider != row.name:
            continue
        for model, facts in group.models.items():
            entry = _with_facts(row, model, facts, shelf.find(model.lower()))
            shelf.exact[model.lower()] = entry
            if group.listed:
                yield entry


def _with_facts(row: Profile, model: str, facts: Row, known: ModelEntry | None) -> ModelEntry:
    """`known` with the overlay's facts, under the overlay's name of it."""
    own_price = facts.usd_per_mtok.compiled() if facts.usd_per_mtok is not None else None
    price = own_price or (known.price if known else None)
    flex_price = known.flex_price if known and own_price is None else None
    if price is not None and (ratios := facts.ratios()):
        sold = {**dict(price.tiers), "default": price}
        sold |= {tier: scaled(price, ratio) for tier, ratio in ratios.items()}
        if facts.flex_ratio is not None and facts.flex_cached_ratio is not None:
            sold["flex"] = scaled(price, facts.flex_ratio, cached=facts.flex_cached_ratio)
        price = with_tiers(price, sold)
        flex_price = with_tiers(sold["flex"], sold, "flex") if "flex" in sold else None
    is_same = known is not None and known.id.lower() == model.lower()
    display_name = facts.name or (known.display_name if known and is_same else model)
    return ModelEntry(
        id=model,
        provider=row.name,
        display_name=display_name,
        price=price,
        flex_price=flex_price,
        context_window=facts.context_window or (known.context_window if known else None),
        max_output=facts.max_output or (known.max_output if known else None),
        mode=facts.mode,
        input_modalities=facts.inputs or (known.input_modalities if known else TEXT),
        output_modalities=EMBEDDING if facts.mode == "embedding" else TEXT,
        description=known.description if known else "",
        developer=_developer(row, model),
        released_at=_midnight(facts.released) if facts.released else _released(model),
    )


def scaled(price: Price, ratio: Decimal, *, cached: Decimal | None = None) -> Price:
    """`price` times `ratio`, each part rounded half up to a nano-USD; the price of a request stays, tiers go.

    `cached` is the ratio of cache reads where it is another.
    """

    def times(nano: int) -> int:
        return _times(nano, ratio)

    def if_known(nano: int | None) -> int | None:
        return None if nano is None else times(nano)

    read = price.cache_read_nano_usd_per_mtok
    return Price(
        input_nano_usd_per_mtok=times(price.input_nano_usd_per_mtok),
        output_nano_usd_per_mtok=times(price.output_nano_usd_per_mtok),
        cache_read_nano_usd_per_mtok=None if read is None else _times(read, ratio if cached is None else cached),
        cache_write_nano_usd_per_mtok=if_known(price.cache_write_nano_usd_per_mtok),
        request_nano_usd=price.request_nano_usd,
        above=tuple((tokens, scaled(step, ratio, cached=cached)) for tokens, step in price.above),
        cache_write_1h_nano_usd_per_mtok=if_known(price.cache_write_1h_nano_usd_per_mtok),
        input_audio_nano_usd_per_mtok=if_known(price.input_audio_nano_usd_per_mtok),
        output_audio_nano_usd_per_mtok=if_known(price.output_audio_nano_usd_per_mtok),
    )


def _times(nano: int, ratio: Decimal) -> int:
    return int((nano * ratio).to_integral_value(ROUND_HALF_UP))


def _developer(row: Profile, model: str) -> str:
    namespace, slash, name = model.lower().rpartition("/")
    for part, developer in _DEVELOPERS:
        if part in name:
            return developer
    if row.name in _MAKERS:
        return row.title
    return namespace.rpartition("/")[2] if slash else ""


def _released(model: str) -> str | None:
    """The date in a snapshot's name, e.g. `gpt-4o-2024-08-06`."""
    found = _DATE.search(model.lower())
    if found is None:
        return None
    try:
        return _midnight(date(int(found[1]), int(found[2]), int(found[3])))
    except ValueError:
        return None


def _midnight(day: date) -> str:
    return f"{day.isoformat()}T00:00:00Z"
