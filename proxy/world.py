"""Everything configuration decides, frozen: routes, deployments, keys. Swapped whole on reload, read once a request.

Only the `Live` objects inside change; they belong to the fleet and outlive the world.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field, replace
from math import inf
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from policies.api import Policy
from proxy.dialects.needs import DIALECT_LACKS, NO_NEEDS, needs_of, refusal, roomy, size_of
from proxy.dialects.request import Operation
from proxy.errors import MissingField, ModelNotFound, Unauthenticated, UnknownEndpoint, UnknownProvider, Unsupported

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Mapping

    from policies.api import Price
    from proxy.config import Config, RetriesConfig, TimeoutsConfig
    from proxy.dialects.cards import ModelCard
    from proxy.dialects.request import ModelRequest
    from proxy.errors import BadRequest
    from proxy.fleet.hedging import Hedging
    from proxy.fleet.live import Live
    from proxy.need import Need
    from proxy.providers.provider import Provider

WILDCARD = "*"
MAX_DERIVED_ROUTES = 1024
"""Pinned and wildcard routes kept for reuse; the oldest is dropped first."""


@dataclass(frozen=True, slots=True, eq=False)
class Deployment:
    """One provider's offer of one model: what a policy chooses among (a `policies.api.Candidate`)."""

    id: str
    provider_config: Provider
    upstream_model: str
    live: Live
    weight: float = 1.0
    priority: int = 0
    tier: str = "default"
    price: Price | None = None
    context_window: int | None = None
    max_output_tokens: int | None = None
    known_lacks: frozenset[Need] | None = None
    """What the configuration or else the catalogue says it cannot do; `None` where neither says anything."""

    lacks: frozenset[Need] = field(init=False)
    """What it cannot do: that, and what can nobody at its provider, or in its dialect."""
    provider: str = field(init=False)
    """The provider's configured name."""

    # A policy reads these of every candidate of every request: without a Python frame for each
    inflight_requests = property(attrgetter("live.inflight_requests"))
    inflight_tokens = property(attrgetter("live.inflight_tokens"))
    ttft_s = property(attrgetter("live.ttft_s"))
    tpot_s = property(attrgetter("live.tpot_s"))
    error_rate = property(attrgetter("live.error_rate"))
    rate_limit_remaining = property(attrgetter("live.rate_limit_remaining"))

    def __post_init__(self) -> None:
        """Look up once what every request asks."""
        object.__setattr__(self, "provider", self.provider_config.name)
        profile = self.provider_config.profile
        never = profile.lacks | DIALECT_LACKS.get(profile.dialect, NO_NEEDS)
        object.__setattr__(self, "lacks", never | (self.known_lacks or NO_NEEDS))


class Terms(NamedTuple):
    """What is known of a model at a provider; `None` where nothing is."""

    price: Price | None = None
    context_window: int | None = None
    max_output_tokens: int | None = None
    lacks: frozenset[Need] | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """A public model name, its deployments and its policy."""

    name: str
    label: str
    """For metrics: the configured name, `*` for what a wildcard derived."""
    policy: Policy
    deployments: tuple[Deployment, ...]
    timeouts: TimeoutsConfig
    retries: RetriesConfig
    hedging: Hedging | None = None
    """`None`: no second attempts. One budget for all that a wildcard derives."""
    policy_learns: bool = field(init=False)
    """Whether it wants to be told how its choices went."""
    _operations: frozenset[Operation] = field(init=False, repr=False)
    """What all of the deployments offer."""
    _has_fixed_n: bool = field(init=False, repr=False)
    """Whether one of them answers with one choice only."""
    _is_mixed: bool = field(init=False, repr=False)
    """Whether some sell the flex tier and some another."""
    _lacks: frozenset[Need] = field(init=False, repr=False)
    """What at least one of them cannot do."""
    _smallest_window: float = field(init=False, repr=False)
    """Of those that are known, in tokens."""

    def __post_init__(self) -> None:
        """Find out once what is the same for every request."""
        profiles = [deployment.provider_config.profile for deployment in self.deployments]
        flex = [deployment.tier == "flex" for deployment in self.deployments]
        object.__setattr__(self, "policy_learns", type(self.policy).observe is not Policy.observe)
        object.__setattr__(self, "_operations", frozenset(Operation).intersection(*[p.operations for p in profiles]))
        object.__setattr__(self, "_has_fixed_n", any(profile.quirks.fixed_n for profile in profiles))
        object.__setattr__(self, "_is_mixed", any(flex) and not all(flex))
        object.__setattr__(self, "_lacks", NO_NEEDS.union(*[deployment.lacks for deployment in self.deployments]))
        windows = [d.context_window for d in self.deployments if d.context_window is not None]
        object.__setattr__(self, "_smallest_window", min(windows, default=inf))

    def usable(
        self, request: ModelRequest, tried: Container[str], now_s: float, min_window: int = 0
    ) -> tuple[list[Deployment], dict[str, str]]:
        """The deployments that may be asked now, and why each other one may not."""
        usable: list[Deployment] = []
        skipped: dict[str, str] = {}
        all_fit = not min_window and (
            request.operation in self._operations or (request.to_hub is not None and Operation.CHAT in self._operations)
        )
        all_fit = all_fit and not (self._has_fixed_n and request.choices > 1)
        all_fit = all_fit and (not self._lacks or self._lacks.isdisjoint(needs_of(request)))
        # a body this short holds no longer prompt, whatever it is made of
        size = size_of(request) if request.prompt_tokens > self._smallest_window else None
        # A route of nothing but flex serves everybody.
        no_flex = self._is_mixed and request.service_tier != "flex"
        for deployment in self.deployments:
            if deployment.id in tried:
                continue
            live = deployment.live
            reason = None if now_s < live.clear_until_s else live.unusable(now_s)
            if reason is None and not all_fit:
                reason = _unfit(deployment, request, min_window)
            if reason is None and size is not None and (deployment.context_window or inf) < size.least:
                reason = f"context window {deployment.context_window} is smaller than the prompt"
            if reason is None and no_flex and deployment.tier == "flex":
                reason = "flex was not asked for"
            if reason is None:
                usable.append(deployment)
            else:
                skipped[deployment.id] = reason
        return (usable if size is None else roomy(usable, size, skipped)), skipped

    def is_waiting(self, request: ModelRequest, tried: Container[str], now_s: float) -> bool:
        """Whether one not in `tried` could serve `request`, were it well."""
        resting = [d for d in self.deployments if d.id not in tried and d.live.unusable(now_s) is not None]
        return any(_unfit(deployment, request, 0) is None for deployment in resting)

    def unmet(self, request: ModelRequest) -> BadRequest | None:
        """What `request` needs that none of the deployments has, were they all well; `None` if one of them has it."""
        no_flex = self._is_mixed and request.service_tier != "flex"
        offers = [d for d in self.deployments if _offers(d, request) and not (no_flex and d.tier == "flex")]
        if request.choices > 1 and offers and all(d.provider_config.profile.quirks.fixed_n for d in offers):
            return Unsupported(f"`n` must be 1: whoever serves `{self.name}` gives one answer a request.", param="n")
        return refusal(self.name, request, offers)


def _offers(deployment: Deployment, request: ModelRequest) -> bool:
    offered = deployment.provider_config.profile.operations
    # what was written for Responses can be told to a chat
    translates = request.operation is Operation.RESPONSES and Operation.CHAT in offered and request.to_hub is not None
    return request.operation in offered or translates


def _unfit(deployment: Deployment, request: ModelRequest, min_window: int) -> str | None:
    if not _offers(deployment, request):
        return f"does not offer {request.operation}"
    if deployment.provider_config.profile.quirks.fixed_n and request.choices > 1:
        return "answers with one choice only"
    if lacking := deployment.lacks & needs_of(request):
        return f"lacks {', '.join(sorted(lacking))}"
    if min_window and deployment.context_window is not None and deployment.context_window <= min_window:
        return f"context window {deployment.context_window} is no larger"
    return None


@dataclass(frozen=True, slots=True)
class KeyGrant:
    """What a key may do. Holds its digest, never the key."""

    name: str
    digest: bytes = field(repr=False)
    rpm: int | None = None


ANYBODY = KeyGrant(name="anonymous", digest=b"")


def key_digest(key: str) -> bytes:
    """How keys are stored. Keys are random and long: a fast hash is enough, a dictionary finds nothing."""
    # a header may hold bytes that are no UTF-8; they make a wrong key, not a fault
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


class KeyRing:
    """Grants by key. An empty ring lets everybody in."""

    def __init__(self, grants: tuple[KeyGrant, ...], *, is_open: bool) -> None:
        self._grants = {grant.digest: grant for grant in grants}
        self._by_name = {grant.name: grant for grant in grants}
        self.is_open = is_open

    def grant(self, token: str | None) -> KeyGrant:
        """Raise `Unauthenticated` unless `token` is one of ours. Compares digests in constant time."""
        if self.is_open:
            return ANYBODY
        if not token:
            raise Unauthenticated("No API key was given. Send `Authorization: Bearer <key>`.")
        digest = key_digest(token)
        found = self._grants.get(digest)
        # The lookup is by a digest no caller can steer byte by byte; the comparison keeps it so by construction.
        if found is None or not hmac.compare_digest(found.digest, digest):
            raise Unauthenticated("The API key is not valid here. Ask the operator of this gateway for one.")
        return found

    def named(self, name: str) -> KeyGrant:
        """The grant a signed token speaks of. Raises `Unauthenticated` when it is gone."""
        if self.is_open:
            return ANYBODY
        found = self._by_name.get(name)
        if found is None:
            raise Unauthenticated("The key behind this token is gone. Exchange a valid API key for a new token.")
        return found


@dataclass(frozen=True, slots=True)
class World:
    """One consistent view of the configuration."""

    config: Config
    routes: Mapping[str, Route]
    wildcard: Route | None
    providers: Mapping[str, Provider]
    keys: KeyRing
    cards: tuple[ModelCard, ...]
    """What model lists show, in a stable order."""
    terms: Callable[[Provider, str, str], Terms]
    """Of a model (provider, the provider's name of it, tier) that no route names."""
    pins: Route | None = None
    """For `provider/model` of an unlisted model: its name is passed on. Only where the configuration has no routes."""
    version: int = 1
    _derived: dict[tuple[str, str], Route] = field(default_factory=dict, repr=False)

    def hedged(self) -> Iterator[tuple[str, Hedging]]:
        """The configured routes with second attempts, by label."""
        for route in (*self.routes.values(), self.wildcard):
            if route is not None and route.hedging is not None:
                yield route.label, route.hedging

    def route(self, request: ModelRequest) -> Route:
        """The route that serves `request`. Raises `ModelNotFound`, `UnknownProvider` or `UnknownEndpoint`."""
        if request.endpoint_id is not None:
            return self._endpoint(request.endpoint_id)
        if request.provider is not None:
            provider = self.find_provider(request.provider)
            if provider is None:
                raise UnknownProvider(
                    f"There is no provider `{shown(request.provider)}` here. "
                    f"There are: {', '.join(f'`{name}`' for name in self.providers)}.",
                    param="provider",
                )
            return self._pinned(provider, request.model)
        if request.default_provider and (route := self._by_default(request.model)) is not None:
            return route
        route = self.routes.get(request.model)
        if route is not None:
            return route
        head, slash, rest = request.model.partition("/")
        if slash and (provider := self.find_provider(head)) is not None:
            return self._pinned(provider, rest)
        if self.wildcard is not None:
            return self._derive(self.wildcard, request.model, WILDCARD)
        raise _no_model(request.model)

    def find_provider(self, name: str) -> str | None:
        """The configured name behind `name`: itself, in any case, or an alias of its table row."""
        lowered = name.lower()
        if lowered in self.providers:
            return lowered
        for configured, provider in self.providers.items():
            if configured.lower() == lowered or lowered in provider.profile.aliases:
                return configured
        return None

    def serves(self, provider: str, model: str) -> bool:
        """Whether `provider` has a deployment of `model`."""
        try:
            self._pinned(provider, model)
        except ModelNotFound:
            return False
        return True

    def _by_default(self, model: str) -> Route | None:
        settings = self.config.oneinfer
        provider = self.find_provider(settings.default_provider)
        model = model or settings.default_model or ""
        if not model:
            raise MissingField("`model` is required: this gateway has no default model.", param="model")
        if provider is not None and self.serves(provider, model):
            return self._pinned(provider, model)
        return self.routes.get(model)

    def _endpoint(self, endpoint_id: str) -> Route:
        name = self.config.oneinfer.endpoints.get(endpoint_id)
        route = self.routes.get(name) if name is not None else None
        if route is None:
            raise UnknownEndpoint(f"There is no endpoint `{shown(endpoint_id)}`.", param="endpoint_id")
        return route

    def _pinned(self, provider: str, model: str) -> Route:
        """`model` at `provider` alone: by its public name, or by the provider's own name of it."""
        key = (provider, model)
        cached = self._derived.get(key)
        if cached is not None:
            return cached
        route = self.routes.get(model)
        if route is None or not any(d.provider == provider for d in route.deployments):
            route = next(
                (
                    found
                    for found in self.routes.values()
                    for d in found.deployments
                    if d.provider == provider and d.upstream_model == model
                ),
                None,
            )
        if route is not None:
            chosen = tuple(
                d for d in route.deployments if d.provider == provider and model in (route.name, d.upstream_model)
            )
            return self._keep(key, replace(route, deployments=chosen))
        for any_name in (self.wildcard, self.pins):
            if any_name is not None and any(d.provider == provider for d in any_name.deployments):
                return self._derive(any_name, model, provider)
        raise _no_model(model, provider)

    def _derive(self, wildcard: Route, model: str, provider: str) -> Route:
        """The wildcard route for one model name, at one provider or (`*`) at all of them."""
        key = (provider, model)
        cached = self._derived.get(key)
        if cached is not None:
            return cached
        _check_name(model)
        deployments = tuple(
            self._named(d, model) if d.upstream_model == WILDCARD else d
            for d in wildcard.deployments
            if provider in (WILDCARD, d.provider)
        )
        return self._keep(key, replace(wildcard, name=model, deployments=deployments))

    def _named(self, deployment: Deployment, model: str) -> Deployment:
        """A wildcard's deployment for one model; what the configuration does not say of it, the catalogue may."""
        terms = self.terms(deployment.provider_config, model, deployment.tier)
        return replace(
            deployment,
            upstream_model=model,
            price=deployment.price or terms.price,
            context_window=deployment.context_window or terms.context_window,
            max_output_tokens=deployment.max_output_tokens or terms.max_output_tokens,
            known_lacks=terms.lacks if deployment.known_lacks is None else deployment.known_lacks,
        )

    def _keep(self, key: tuple[str, str], route: Route) -> Route:
        if len(self._derived) >= MAX_DERIVED_ROUTES:
            self._derived.pop(next(iter(self._derived)))
        self._derived[key] = route
        return route


def _check_name(model: str) -> None:
    """A name the configuration does not know goes upstream inside a body only; still, refuse what is no name."""
    if not model or ".." in model or not model.isprintable() or model.startswith(("/", ";")):
        raise _no_model(model)


def _no_model(model: str, provider: str | None = None) -> ModelNotFound:
    where = f" at provider `{provider}`" if provider else ""
    name = shown(model)
    return ModelNotFound(
        f"There is no model `{name}`{where}; the models list names those there are.", model=name, param="model"
    )


def shown(text: str, limit: int = 80) -> str:
    """A client's own string, made safe and short enough to show it back."""
    clean = "".join(character if character.isprintable() and character != "`" else "?" for character in text)
    return clean if len(clean) <= limit else clean[: limit - 3] + "..."
