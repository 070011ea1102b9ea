"""Facts about models that the price list does not have: a YAML file of ours, and one the operator may lay on top."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, HttpUrl, ValidationError, field_validator

from policies.api import Price
from proxy.control.price_list import nano_usd
from proxy.need import Need  # noqa: TC001 - pydantic reads it at run time
from proxy.providers.table import lookup, suggest

PACKAGED = Path(__file__).with_name("overlay.yaml")
MAX_OVERLAY_BYTES = 4 * 1024 * 1024
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Tokens = Annotated[int, Field(gt=0)]
Usd = Annotated[Decimal, Field(ge=0, le=100_000)]
"""Per million tokens."""
OtherTier = Literal["priority", "fast", "batch"]
Ratio = Annotated[Decimal, Field(gt=0, le=20)]


class OverlayError(ValueError):
    """The file cannot be used. The message names the file and the place in it."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Prices(_Part):
    """USD per million tokens. `input` is never 0: an unknown price is left out, not written as free."""

    input: Annotated[Decimal, Field(gt=0, le=100_000)]
    output: Usd
    cache_read: Usd | None = None
    cache_write: Usd | None = None
    cache_write_1h: Usd | None = None
    input_audio: Usd | None = None
    output_audio: Usd | None = None

    def price(self, above: tuple[tuple[int, Price], ...] = ()) -> Price:
        """In integers."""

        def nano(usd: Decimal | None) -> int | None:
            return None if usd is None else nano_usd(usd)

        return Price(
            input_nano_usd_per_mtok=nano_usd(self.input),
            output_nano_usd_per_mtok=nano_usd(self.output),
            cache_read_nano_usd_per_mtok=nano(self.cache_read),
            cache_write_nano_usd_per_mtok=nano(self.cache_write),
            above=above,
            cache_write_1h_nano_usd_per_mtok=nano(self.cache_write_1h),
            input_audio_nano_usd_per_mtok=nano(self.input_audio),
            output_audio_nano_usd_per_mtok=nano(self.output_audio),
        )


class Step(Prices):
    """Prices of the whole request once its prompt is longer than `tokens`."""

    tokens: Tokens


class StepPrices(Prices):
    """Prices with their long-context steps, ascending."""

    above: tuple[Step, ...] = ()

    @field_validator("above")
    @classmethod
    def _ascending(cls, value: tuple[Step, ...]) -> tuple[Step, ...]:
        if any(first.tokens >= second.tokens for first, second in pairwise(value)):
            message = "the steps must ascend"
            raise ValueError(message)
        return value

    def compiled(self) -> Price:
        """In integers."""
        return self.price(tuple((step.tokens, step.price()) for step in self.above))


class Row(_Part):
    """One model at one provider. What is left out is taken from the price list."""

    name: str | None = None
    mode: Literal["chat", "embedding"] = "chat"
    context_window: Tokens | None = None
    max_output: Tokens | None = None
    inputs: tuple[str, ...] = ()
    usd_per_mtok: StepPrices | None = None
    flex_ratio: Annotated[Decimal, Field(gt=0, le=1)] | None = None
    """What the flex tier costs against the default tier."""
    flex_cached_ratio: Ratio | None = None
    """The same for cache reads, where it differs."""
    tier_ratios: Mapping[OtherTier, Ratio] = Field(default_factory=dict)
    """The same for tiers nobody asks for here, but answers may come from."""
    released: dt.date | None = None

    def ratios(self) -> dict[str, Decimal]:
        """All tiers with a ratio of their own."""
        ratios: dict[str, Decimal] = dict(self.tier_ratios.items())
        if self.flex_ratio is not None:
            ratios["flex"] = self.flex_ratio
        return ratios


class Group(_Part):
    """Rows of one provider that were read in one place."""

    provider: str
    source: HttpUrl
    read: dt.date
    cites: HttpUrl | None = None
    listed: bool = True
    """Whether the rows are offered by name. Not where names are the customer's own (Azure's deployments)."""
    models: Mapping[str, Row]

    @field_validator("provider")
    @classmethod
    def _known(cls, value: str) -> str:
        row = lookup(value)
        if row is None or row.name != value:
            nearest = suggest(value)
            raise ValueError("no such row in the provider table" + (f"; did you mean `{nearest}`?" if nearest else ""))
        return value


class Listing(_Part):
    """Which models of the price list are offered by name, as shell patterns. An empty `only` takes all."""

    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()


class Lack(_Part):
    """What some models cannot do. Every entry that matches a model counts, those of both files."""

    models: tuple[str, ...]
    """Shell patterns, in lower case, of the provider's name without what stands before its last slash."""
    providers: tuple[str, ...] = ()
    """Rows of the provider table; every one when empty."""
    lacks: frozenset[Need]


class Overlay(_Part):
    """The whole file."""

    lacks: tuple[Lack, ...] = ()
    listing: Mapping[str, Listing] = Field(default_factory=dict)
    groups: tuple[Group, ...] = ()


def read_overlay(path: Path) -> Overlay:
    """Read one file. Raises `OverlayError` when it is missing, too long, no YAML or not of this form."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_OVERLAY_BYTES + 1)
    except OSError as error:
        raise OverlayError(f"overlay `{path}` cannot be read: {error.strerror}") from error
    if len(text) > MAX_OVERLAY_BYTES:
        raise OverlayError(f"overlay `{path}` is longer than {MAX_OVERLAY_BYTES} bytes")
    try:
        document = yaml.load(text, Loader=_Loader)  # noqa: S506 - one of the two safe loaders
    except yaml.YAMLError as error:
        raise OverlayError(f"overlay `{path}` is no YAML: {error}") from error
    try:
        return Overlay.model_validate({} if document is None else document)
    except ValidationError as error:
        problems = "; ".join(f"`{'.'.join(map(str, one['loc'])) or '(top)'}`: {one['msg']}" for one in error.errors())
        raise OverlayError(f"overlay `{path}`: {problems}") from error
