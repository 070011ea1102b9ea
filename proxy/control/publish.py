"""From a configuration to a `World`: providers, routes, keys and the model list. Reports every problem it finds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from policies.api import Price
from policies.options import PolicyError
from policies.registry import UnknownPolicy, build
from proxy.config import PolicyConfig
from proxy.control.source import ConfigProblems, Problem, closest, join
from proxy.dialects.cards import ModelCard
from proxy.fleet.hedging import Hedging
from proxy.providers.address import is_loopback
from proxy.providers.provider import Provider
from proxy.world import WILDCARD, Deployment, KeyGrant, KeyRing, Route, Terms, World, key_digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from policies.api import Policy
    from proxy.config import AuthConfig, Config, DeploymentConfig, HedgeConfig, PriceConfig, RouteConfig
    from proxy.control.catalogue import Catalogue, ModelEntry
    from proxy.fleet.live import Fleet

NANO_USD_PER_USD = 1_000_000_000
HASHED_PREFIX = "sha256:"
CATALOGUE_POLICY = PolicyConfig(name="cost")
CATALOGUE_FLEX_POLICY = PolicyConfig(name="flex")
"""For routes nobody wrote: the cheapest deployment, and flex where it is sold."""


def publish(
    config: Config,
    *,
    catalogue: Catalogue,
    fleet: Fleet,
    environ: Mapping[str, str],
    previous: World | None = None,
) -> World:
    """Build the world. Raises `ConfigProblems` with everything wrong; then nothing has changed.

    Live state and what policies have learnt carry over from `previous` where the configuration is the same.
    """
    builder = _Builder(config, catalogue, fleet, environ, previous)
    world = builder.world()
    if builder.problems:
        if previous is not None:
            _restore(fleet, previous)
        raise ConfigProblems(builder.problems)
    fleet.keep(builder.deployment_ids, frozenset(world.providers))
    for name, provider in world.providers.items():
        before = previous.providers.get(name) if previous is not None else None
        if before is not None and before.credential != provider.credential:
            fleet.credential(name).lift()  # a new key deserves a new chance
    return world


def _restore(fleet: Fleet, world: World) -> None:
    """Undo what a refused configuration did to the fleet."""
    fleet.adopt(world.config.health)
    routes = [*world.routes.values(), *(route for route in (world.wildcard, world.pins) if route is not None)]
    deployments = {d.id: d.provider for route in routes for d in route.deployments}
    for deployment_id, provider in deployments.items():
        fleet.live(deployment_id, provider)
    fleet.keep(deployments, frozenset(world.providers))


class _Builder:
    def __init__(
        self,
        config: Config,
        catalogue: Catalogue,
        fleet: Fleet,
        environ: Mapping[str, str],
        previous: World | None,
    ) -> None:
        self._config = config
        self._catalogue = catalogue
        self._fleet = fleet
        self._previous = previous
        self.problems: list[Problem] = []
        self.deployment_ids: set[str] = set()
        self._providers = dict(self._build_providers(environ))

    def world(self) -> World:
        """Everything, or `problems`."""
        self._fleet.adopt(self._config.health)
        routes = {name: self._route(name, route) for name, route in self._config.routes.items()}
        wildcard = routes.pop(WILDCARD, None)
        pins = None
        use_catalogue = self._config.catalogue if self._config.catalogue is not None else not self._config.routes
        if use_catalogue:
            for name, route in self._catalogue_routes():
                routes.setdefault(name, route)
            pins = self._any_name(self._providers.values())
            # nobody lists what an operator's own server has loaded: names that nobody knows are its
            wildcard = wildcard or self._any_name(p for p in self._providers.values() if p.profile.self_hosted)
        self._check_endpoints(routes)
        self._check_listen()
        if not self._config.providers:
            # an empty file is a file half written: it must not take a running gateway's routes away
            self.problems.append(Problem("providers", "there are none, so nothing could be answered", "add one"))
        return World(
            config=self._config,
            routes=routes,
            wildcard=wildcard,
            providers=self._providers,
            keys=self._keys(self._config.auth),
            cards=tuple(self._card(route) for _, route in sorted(routes.items())),
            terms=self._terms,
            pins=pins,
            version=1 if self._previous is None else self._previous.version + 1,
        )

    # --- providers and keys ---------------------------------------------------------------------------------------

    def _build_providers(self, environ: Mapping[str, str]) -> Iterator[tuple[str, Provider]]:
        for name, config in self._config.providers.items():
            try:
                yield name, Provider.from_config(name, config, environ)
            except ValueError as error:
                path, _, message = str(error).partition(": ")
                self.problems.append(Problem(path.strip("`"), message))

    def _keys(self, auth: AuthConfig) -> KeyRing:
        grants: dict[bytes, KeyGrant] = {}
        names: set[str] = set()
        for index, key in enumerate(auth.keys):
            path = f"auth.keys[{index}]"
            secret = key.key.get_secret_value()
            digest = key_digest(secret)
            if not secret:
                self.problems.append(Problem(f"{path}.key", "is empty", "no client can send that"))
            if secret.startswith(HASHED_PREFIX):
                try:
                    digest = bytes.fromhex(secret.removeprefix(HASHED_PREFIX))
                except ValueError:
                    digest = b""
                if len(digest) != len(key_digest("")):
                    self.problems.append(Problem(f"{path}.key", "`sha256:` needs 64 hexadecimal digits after it"))
            if key.name in names or digest in grants:
                self.problems.append(Problem(path, "the name or the key is given twice"))
            names.add(key.name)
            grants[digest] = KeyGrant(name=key.name, digest=digest, rpm=key.rpm)
        return KeyRing(tuple(grants.values()), is_open=auth.mode == "none")

    # --- routes ---------------------------------------------------------------------------------------------------

    def _route(self, name: str, config: RouteConfig) -> Route:
        path = join("routes", name)
        deployments: list[Deployment] = []
        for index, entry in enumerate(config.deployments):
            provider = self._providers.get(entry.provider)
            if provider is None:
                if entry.provider not in self._config.providers:  # else it is a problem of its own already
                    known = tuple(self._config.providers)
                    hint = closest(entry.provider, known) or "add it to `providers`"
                    message = f"there is no provider `{entry.provider}`"
                    self.problems.append(Problem(f"{path}.deployments[{index}].provider", message, hint))
                continue
            deployments.append(self._deployment(name, entry, provider, index))
        if len({d.id for d in deployments}) < len(deployments):
            self.problems.append(Problem(f"{path}.deployments", "one deployment is listed twice"))
        return Route(
            name=name,
            label=name,
            policy=self._policy(name, config.policy, f"{path}.policy"),
            deployments=tuple(deployments),
            timeouts=config.timeouts or self._config.timeouts,
            retries=config.retries or self._config.retries,
            hedging=self._hedging(name, config.hedge),
        )

    def _deployment(self, route: str, entry: DeploymentConfig, provider: Provider, priority: int) -> Deployment:
        model = entry.model or route
        known = self._terms(provider, model, entry.tier)
        return self._offer(
            provider,
            model,
            Terms(
                _price(entry.price) if entry.price is not None else known.price,
                entry.context_window or known.context_window,
                entry.max_output_tokens or known.max_output_tokens,
                known.lacks if entry.lacks is None else frozenset(entry.lacks),
            ),
            tier=entry.tier,
            weight=entry.weight,
            priority=priority if entry.priority is None else entry.priority,
        )

    def _terms(self, provider: Provider, model: str, tier: str) -> Terms:
        """What the catalogue knows of a model."""
        if model == WILDCARD:
            return Terms()
        lacks = self._catalogue.lacks(provider.profile.name, model)
        entry = self._catalogue.entry(provider.profile.name, model)
        if entry is None:
            return Terms(lacks=lacks)
        price = entry.flex_price if tier == "flex" else entry.price
        return Terms(price, entry.context_window, entry.max_output, lacks)

    def _offer(
        self, provider: Provider, model: str, terms: Terms, *, tier: str, weight: float = 1.0, priority: int = 0
    ) -> Deployment:
        deployment_id = f"{provider.name}/{model}" + ("#flex" if tier == "flex" else "")
        self.deployment_ids.add(deployment_id)
        return Deployment(
            id=deployment_id,
            provider_config=provider,
            upstream_model=model,
            live=self._fleet.live(deployment_id, provider.name),
            weight=weight,
            priority=priority,
            tier=tier,
            price=terms.price,
            context_window=terms.context_window,
            max_output_tokens=terms.max_output_tokens,
            known_lacks=terms.lacks,
        )

    def _policy(self, route: str, config: PolicyConfig, path: str) -> Policy:
        """Keep what a policy has learnt while its options stay the same."""
        before, old = self._before(route)
        if before is not None and old is not None and old.policy == config:
            return before.policy
        try:
            return build(config.name, config.options())
        except UnknownPolicy as error:
            self.problems.append(Problem(f"{path}.name", str(error)))
        except PolicyError as error:
            self.problems.append(Problem(path, str(error)))
        return build("failover", {})

    def _hedging(self, route: str, config: HedgeConfig | None) -> Hedging | None:
        """Keep the budget while its settings stay the same: reloading often must not make a share of it each time."""
        if config is None:
            return None
        before, old = self._before(route)
        if before is not None and old is not None and old.hedge == config:
            return before.hedging
        return Hedging(None if config.delay_s == "p95" else config.delay_s, config.max_share)

    def _before(self, route: str) -> tuple[Route | None, RouteConfig | None]:
        """What the previous configuration made of this route, and how it was written there."""
        if self._previous is None:
            return None, None
        made = self._previous.wildcard if route == WILDCARD else self._previous.routes.get(route)
        return made, self._previous.config.routes.get(route)

    def _check_endpoints(self, routes: Mapping[str, Route]) -> None:
        for name, route in self._config.oneinfer.endpoints.items():
            if route not in routes:
                hint = closest(route, routes)
                self.problems.append(Problem(join("oneinfer.endpoints", name), f"there is no route `{route}`", hint))

    def _check_listen(self) -> None:
        auth, (host, _) = self._config.auth, self._config.host_port
        if auth.mode == "none" and not auth.allow_open and not is_loopback(host):
            message = f"`{self._config.listen}` is beyond loopback, and `auth` has no keys"
            hint = "add `auth.keys`, or `auth: {mode: none, allow_open: true}` if everybody may call"
            self.problems.append(Problem("listen", message, hint))

    # --- the catalogue's own routes -------------------------------------------------------------------------------

    def _catalogue_routes(self) -> Iterator[tuple[str, Route]]:
        offers: dict[str, list[Deployment]] = {}
        for provider in self._providers.values():
            for entry in self._served(provider):
                offers.setdefault(entry[0], []).extend(self._catalogue_offers(provider, *entry))
        for name, deployments in offers.items():
            before = self._previous.routes.get(name) if self._previous is not None else None
            yield name, self._unwritten_route(name, tuple(deployments), before)

    def _served(self, provider: Provider) -> Iterator[tuple[str, ModelEntry | None]]:
        """What a provider serves: the operator's own list first, then the catalogue's."""
        for model in provider.models:
            yield model, self._catalogue.entry(provider.profile.name, model)
        for entry in self._catalogue.models(provider.profile.name):
            if entry.id not in provider.models:
                yield entry.id, entry

    def _catalogue_offers(self, provider: Provider, model: str, entry: ModelEntry | None) -> Iterator[Deployment]:
        yield self._offer(provider, model, self._terms(provider, model, "default"), tier="default")
        if entry is not None and entry.flex_price is not None and "flex" in provider.profile.quirks.tiers:
            yield self._offer(provider, model, self._terms(provider, model, "flex"), tier="flex")

    def _any_name(self, providers: Iterable[Provider]) -> Route | None:
        """A route for names nobody listed, `None` without a provider to pass them on to."""
        deployments = tuple(self._offer(provider, WILDCARD, Terms(), tier="default") for provider in providers)
        return self._unwritten_route(WILDCARD, deployments, None) if deployments else None

    def _unwritten_route(self, name: str, deployments: tuple[Deployment, ...], before: Route | None) -> Route:
        """A route of the gateway's own making: the cheapest, and flex where it is sold. Keeps what it has learnt."""
        has_flex = any(deployment.tier == "flex" for deployment in deployments)
        wanted = CATALOGUE_FLEX_POLICY if has_flex else CATALOGUE_POLICY
        same = before is not None and before.policy.name == wanted.name
        return Route(
            name=name,
            label=name,
            policy=before.policy if before is not None and same else build(wanted.name, wanted.options()),
            deployments=deployments,
            timeouts=self._config.timeouts,
            retries=self._config.retries,
        )

    def _card(self, route: Route) -> ModelCard:
        first = route.deployments[0] if route.deployments else None
        entry = self._catalogue.entry(first.provider_config.profile.name, first.upstream_model) if first else None
        windows = [d.context_window for d in route.deployments if d.context_window is not None]
        return ModelCard(
            id=route.name,
            provider=first.provider if first else "",
            display_name=entry.display_name if entry else route.name,
            description=entry.description if entry else "",
            context_window=max(windows, default=None),
            max_output_tokens=first.max_output_tokens if first else None,
            input_modalities=entry.input_modalities if entry else ("text",),
            output_modalities=entry.output_modalities if entry else ("text",),
            input_usd_per_token=_usd_per_token(first.price.input_nano_usd_per_mtok) if first and first.price else None,
            output_usd_per_token=_usd_per_token(first.price.output_nano_usd_per_mtok)
            if first and first.price
            else None,
            developer=entry.developer if entry else "",
            released_at=entry.released_at if entry else None,
        )


def _price(config: PriceConfig) -> Price:
    def nano(usd: float | None) -> int | None:
        return None if usd is None else round(usd * NANO_USD_PER_USD)

    return Price(
        input_nano_usd_per_mtok=round(config.input_usd_per_mtok * NANO_USD_PER_USD),
        output_nano_usd_per_mtok=round(config.output_usd_per_mtok * NANO_USD_PER_USD),
        cache_read_nano_usd_per_mtok=nano(config.cache_read_usd_per_mtok),
        cache_write_nano_usd_per_mtok=nano(config.cache_write_usd_per_mtok),
        cache_write_1h_nano_usd_per_mtok=nano(config.cache_write_1h_usd_per_mtok),
        input_audio_nano_usd_per_mtok=nano(config.input_audio_usd_per_mtok),
        output_audio_nano_usd_per_mtok=nano(config.output_audio_usd_per_mtok),
    )


def _usd_per_token(nano_usd_per_mtok: int) -> float:
    """Nano-USD per million tokens -> USD per token, as model lists print it."""
    return nano_usd_per_mtok / (NANO_USD_PER_USD * 1_000_000)
