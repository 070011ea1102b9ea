"""From settings to a world: everything wrong is told, and what is live or learnt outlives a reload."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

import pytest

from policies.api import Price
from proxy.control.catalogue import Catalogue
from proxy.control.publish import publish
from proxy.control.source import ConfigProblems, parse
from proxy.dialects.request import ModelRequest, Operation
from proxy.errors import Health, ModelNotFound, Unauthenticated
from proxy.fleet.live import Fleet
from proxy.world import World

NOW_S = 50.0
ENGINE = 'engine: {base_url: "http://127.0.0.1:9/v1"}'
SPARE = 'spare: {base_url: "http://127.0.0.1:10/v1"}'
KEY = "pm-0123456789abcdef"
DIGEST = hashlib.sha256(KEY.encode()).hexdigest()


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue.load(at=datetime(2026, 11, 21, 12, tzinfo=UTC))


class Control:
    """Publishes one configuration after another, as reloads do."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self.fleet = Fleet(parse("", {}).health)
        self.world: World | None = None

    def publish(self, text: str, environ: dict[str, str] | None = None) -> World:
        environ = environ or {}
        self.world = publish(
            parse(text, environ), catalogue=self._catalogue, fleet=self.fleet, environ=environ, previous=self.world
        )
        return self.world

    def refused(self, text: str, environ: dict[str, str] | None = None) -> list[str]:
        with pytest.raises(ConfigProblems) as caught:
            self.publish(text, environ)
        return [str(problem) for problem in caught.value.problems]


@pytest.fixture
def control(catalogue) -> Control:
    return Control(catalogue)


def settings(routes: str = "", **more: str) -> str:
    lines = [f"providers: {{{ENGINE}, {SPARE}}}", f"routes: {{{routes}}}"]
    return "\n".join([*lines, *(f"{name}: {text}" for name, text in more.items())])


def deployment(world: World, route: str = "m", index: int = 0) -> Any:
    return world.routes[route].deployments[index]


# --- what is built ------------------------------------------------------------------------------------------------


def test_a_deployment_is_named_after_its_provider_its_model_and_its_tier(control):
    world = control.publish(
        settings("m: {deployments: [{provider: engine}, {provider: engine, model: n, tier: flex}, {provider: spare}]}")
    )
    assert ["engine/m", "engine/n#flex", "spare/m"] == [d.id for d in world.routes["m"].deployments]
    assert "n" == deployment(world, index=1).upstream_model


def test_a_price_is_kept_in_whole_nano_dollars(control):
    price = "{input_usd_per_mtok: 0.15, output_usd_per_mtok: 0.6, cache_read_usd_per_mtok: 0.075}"
    world = control.publish(
        settings(f"m: {{deployments: [{{provider: engine, price: {price}}}, {{provider: spare}}]}}")
    )
    assert Price(150_000_000, 600_000_000, 75_000_000) == deployment(world).price
    assert deployment(world, index=1).price is None


def test_a_price_may_name_an_hours_cache_writes_and_sound(control):
    more = "cache_write_1h_usd_per_mtok: 3, input_audio_usd_per_mtok: 4, output_audio_usd_per_mtok: 5"
    price = f"{{input_usd_per_mtok: 1, output_usd_per_mtok: 2, {more}}}"
    world = control.publish(settings(f"m: {{deployments: [{{provider: engine, price: {price}}}]}}"))

    found = deployment(world).price
    assert found is not None
    assert (3_000_000_000, 4_000_000_000, 5_000_000_000) == (
        found.cache_write_1h_nano_usd_per_mtok,
        found.input_audio_nano_usd_per_mtok,
        found.output_audio_nano_usd_per_mtok,
    )


def test_a_known_model_has_its_listed_price_and_its_flex_price_for_flex(control):
    text = """
providers: {openai: {api_key: k}}
routes: {m: {deployments: [{provider: openai, model: gpt-5-mini}, {provider: openai, model: gpt-5-mini, tier: flex}]}}
"""
    world = control.publish(text)
    plain, flex = (d.price for d in world.routes["m"].deployments)
    assert plain is not None
    assert flex is not None
    assert plain.output_nano_usd_per_mtok == 2 * flex.output_nano_usd_per_mtok


def test_places_in_the_list_are_priorities_unless_they_are_given(control):
    listed = "deployments: [{provider: engine}, {provider: spare}, {provider: spare, model: n, priority: 0}]"
    world = control.publish(settings(f"a: {{{listed}}}, b: {{policy: cost, {listed}}}"))
    assert [0, 1, 0] == [d.priority for d in world.routes["a"].deployments]
    assert [0, 1, 0] == [d.priority for d in world.routes["b"].deployments]


def test_a_route_has_its_own_timeouts_or_everybodys(control):
    text = settings(
        "a: {timeouts: {idle_s: 3}, deployments: [{provider: engine}]}, b: {deployments: [{provider: engine}]}",
        timeouts="{idle_s: 7}",
    )
    world = control.publish(text)
    assert (3, 7) == (world.routes["a"].timeouts.idle_s, world.routes["b"].timeouts.idle_s)


def test_the_catalogue_routes_what_providers_serve_unless_routes_are_written(control):
    text = "providers: {groq: {api_key: k}}"
    assert "openai/gpt-oss-20b" in control.publish(text).routes
    written = text + "\nroutes: {m: {deployments: [{provider: groq}]}}"
    assert ["m"] == list(control.publish(written).routes)
    both = control.publish(written + "\ncatalogue: true")
    assert {"m", "openai/gpt-oss-20b"} <= set(both.routes)
    assert {card.id for card in both.cards} == set(both.routes)


def test_a_providers_own_list_of_models_is_routable(control):
    world = control.publish('providers: {engine: {base_url: "http://127.0.0.1:9/v1", models: [a, b]}}')
    assert ["a", "b"] == sorted(world.routes)


def test_the_environment_given_is_the_one_that_counts(control):
    world = control.publish("providers: {groq: {}}", {"GROQ_API_KEY": "gsk-invented"})
    assert "gsk-invented" == world.providers["groq"].credential.secret
    assert "gsk-invented" not in repr(world)


# --- keys ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [KEY, f"sha256:{DIGEST}", f"sha256:{DIGEST.upper()}"])
def test_a_key_is_held_as_its_digest_alone(control, key):
    world = control.publish(settings("", auth=f"{{keys: [{{name: ci, key: '{key}', rpm: 9}}]}}"))
    grant = world.keys.grant(KEY)
    assert ("ci", 9, bytes.fromhex(DIGEST)) == (grant.name, grant.rpm, grant.digest)
    assert KEY not in repr(vars(world.keys))
    for wrong in (None, "", DIGEST, f"sha256:{DIGEST}", KEY + "x"):
        with pytest.raises(Unauthenticated):
            world.keys.grant(wrong)


def test_without_keys_everybody_is_anonymous(control):
    assert "anonymous" == control.publish(settings()).keys.grant(None).name


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        (
            f"{{name: a, key: {KEY}}}, {{name: a, key: other}}",
            ["`auth.keys[1]`: the name or the key is given twice"],
        ),
        (
            f"{{name: a, key: {KEY}}}, {{name: b, key: 'sha256:{DIGEST}'}}",
            ["`auth.keys[1]`: the name or the key is given twice"],
        ),
        ("{name: a, key: 'sha256:12'}", ["`auth.keys[0].key`: `sha256:` needs 64 hexadecimal digits after it"]),
        ("{name: a, key: 'sha256:xyz'}", ["`auth.keys[0].key`: `sha256:` needs 64 hexadecimal digits after it"]),
        ("{name: a, key: ''}", ["`auth.keys[0].key`: is empty (no client can send that)"]),
    ],
)
def test_a_key_that_cannot_be_is_told(control, keys, says):
    found = control.refused(settings("", auth=f"{{keys: [{keys}]}}"))
    assert says == found
    assert KEY not in "".join(found)


# --- what is wrong ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("routes", "says"),
    [
        (
            "m: {deployments: [{provider: engine}, {provider: engin}]}",
            "`routes.m.deployments[1].provider`: there is no provider `engin` (did you mean `engine`?)",
        ),
        (
            "'*': {deployments: [{provider: zzz}]}",
            "`routes.'*'.deployments[0].provider`: there is no provider `zzz` (add it to `providers`)",
        ),
        (
            "gpt-4.1: {policy: cots, deployments: [{provider: engine}]}",
            "`routes.'gpt-4.1'.policy.name`: there is no policy `cots`; did you mean `cost`? There are `affinity`",
        ),
        (
            "m: {policy: {name: latency, explore: 7}, deployments: [{provider: engine}]}",
            "`routes.m.policy`: policy `latency` takes a number from 0 to 0.5 for `explore`, not `7`",
        ),
        (
            "m: {policy: {name: weighted, color: red}, deployments: [{provider: engine}]}",
            "`routes.m.policy`: policy `weighted` has no option `color`; it takes `seed`",
        ),
        (
            "m: {policy: {name: tiered}, deployments: [{provider: engine}]}",
            "`routes.m.policy`: policy `tiered` needs the option `tiers`",
        ),
        (
            "m: {deployments: [{provider: engine}, {provider: engine, weight: 2}]}",
            "`routes.m.deployments`: one deployment is listed twice",
        ),
    ],
)
def test_a_route_that_cannot_be_is_told(control, routes, says):
    [found] = control.refused(settings(routes))
    assert found.startswith(says)


def test_an_endpoint_of_no_route_is_told(control):
    text = settings("chat: {deployments: [{provider: engine}]}", oneinfer="{endpoints: {e-1: chta}}")
    assert ["`oneinfer.endpoints.e-1`: there is no route `chta` (did you mean `chat`?)"] == control.refused(text)


def test_a_broken_provider_is_told_once_however_often_it_is_named(control):
    text = (
        "providers: {opnai: {}}\nroutes: {a: {deployments: [{provider: opnai}]}, b: {deployments: [{provider: opnai}]}}"
    )
    [found] = control.refused(text)
    assert found.startswith("`providers.opnai`: no such row in the provider table; did you mean `openai`?")


def test_all_of_it_is_told_at_once(control):
    text = """
auth: {keys: [{name: a, key: sha256:1}, {name: b, key: ''}]}
providers: {engine: {base_url: "http://127.0.0.1:9/v1"}, groq: {}}
routes: {m: {policy: x, deployments: [{provider: y}]}}
oneinfer: {endpoints: {e: z}}
"""
    places = [found.partition("`: ")[0].strip("`") for found in control.refused(text)]
    assert {
        "providers.groq",
        "auth.keys[0].key",
        "auth.keys[1].key",
        "routes.m.policy.name",
        "routes.m.deployments[0].provider",
        "oneinfer.endpoints.e",
    } == set(places)


# --- reloads ------------------------------------------------------------------------------------------------------


def test_the_live_state_of_a_deployment_survives(control):
    live = deployment(control.publish(settings("m: {deployments: [{provider: engine}]}"))).live
    live.begin(NOW_S, 10)
    after = control.publish(settings("m: {deployments: [{provider: spare}, {provider: engine, weight: 5}]}"))
    assert live is deployment(after, index=1).live
    assert 1 == deployment(after, index=1).inflight_requests
    assert 2 == after.version


def test_what_is_no_longer_named_is_forgotten_once_it_is_idle(control):
    live = deployment(control.publish(settings("m: {deployments: [{provider: engine}]}"))).live
    live.begin(NOW_S, 10)
    other = settings("m: {deployments: [{provider: spare}]}")
    control.publish(other)
    assert ["engine/m", "spare/m"] == [reading.upstream for reading in control.fleet.readings(NOW_S)]
    live.end(10)
    control.publish(other)
    assert ["spare/m"] == [reading.upstream for reading in control.fleet.readings(NOW_S)]


@pytest.mark.parametrize("route", ["m", "'*'"])
def test_a_policy_keeps_what_it_has_learnt_while_its_options_stay(control, route):
    def policy(world: World) -> Any:
        found = world.wildcard if route == "'*'" else world.routes["m"]
        assert found is not None
        return found.policy

    def text(options: str, deployments: str = "{provider: engine}") -> str:
        return settings(f"{route}: {{policy: {{name: latency{options}}}, deployments: [{deployments}]}}")

    first = policy(control.publish(text("")))
    assert first is policy(control.publish(text("", "{provider: engine}, {provider: spare}")))
    changed = policy(control.publish(text(", tau_s: 5")))
    assert (5, False) == (changed.tau_s, changed is first)


@pytest.mark.parametrize(
    ("written", "delay_s"), [("{}", None), ("{delay_s: p95}", None), ("{delay_s: 0.5, max_share: 0.1}", 0.5)]
)
def test_a_route_hedges_as_it_is_written(control, written, delay_s):
    world = control.publish(
        settings(f"m: {{hedge: {written}, deployments: [{{provider: engine}}, {{provider: spare}}]}}")
    )
    hedging = world.routes["m"].hedging
    assert hedging is not None
    assert delay_s == hedging.delay_s(deployment(world).live)


def test_no_route_hedges_unless_it_says_so(control):
    world = control.publish(settings("m: {deployments: [{provider: engine}, {provider: spare}]}"))
    assert world.routes["m"].hedging is None
    unwritten = control.publish("providers: {groq: {api_key: k}, openai: {api_key: k}}")
    assert {None} == {route.hedging for route in unwritten.routes.values()}


def test_pinned_and_passed_on_names_share_the_hedging_of_their_route(control):
    both = "deployments: [{provider: engine}, {provider: spare}]"
    world = control.publish(settings(f"m: {{hedge: {{}}, {both}}}, '*': {{hedge: {{}}, {both}}}"))
    assert world.wildcard is not None
    listed, any_name = world.routes["m"].hedging, world.wildcard.hedging
    assert None not in (listed, any_name)
    assert listed is not any_name
    assert listed is world.route(chat("engine/m")).hedging
    assert [any_name, any_name] == [world.route(chat(name)).hedging for name in ("some-model", "spare/other")]


@pytest.mark.parametrize("route", ["m", "'*'"])
def test_a_hedging_budget_outlives_a_reload_unless_its_settings_change(control, route):
    def hedging(hedge: str, more: str = "") -> Any:
        world = control.publish(settings(f"{route}: {{{hedge} deployments: [{{provider: engine}}{more}]}}"))
        found = world.wildcard if route == "'*'" else world.routes["m"]
        assert found is not None
        return found.hedging

    first = hedging("hedge: {},")
    assert first is hedging("hedge: {},", ", {provider: spare}")
    assert first is not hedging("hedge: {max_share: 0.1},")
    assert hedging("") is None
    assert hedging("hedge: {},") not in (None, first)


def test_a_catalogue_routes_policy_keeps_what_it_has_learnt(control):
    text = "providers: {groq: {api_key: k}}"
    name = "openai/gpt-oss-20b"
    before = control.publish(text).routes[name].policy
    assert before is control.publish(text + "\ntimeouts: {idle_s: 5}").routes[name].policy


def test_a_new_key_lifts_what_the_old_one_brought_about(control):
    text = "providers: {engine: {base_url: 'http://127.0.0.1:9/v1', api_key: '${K}'}}\n"
    text += "routes: {m: {deployments: [{provider: engine}]}}"
    live = deployment(control.publish(text, {"K": "old"})).live
    live.fail(NOW_S, live.begin(NOW_S, 0), Health.LOCKED_OUT)
    control.publish(text, {"K": "old"})
    assert live.unusable(NOW_S) == "credential set aside for 300 s"
    control.publish(text, {"K": "new"})
    assert live.unusable(NOW_S) is None


def test_a_refused_configuration_changes_nothing(control):
    """Neither the limits of health, nor whom the gauges show."""
    world = control.publish(settings("m: {deployments: [{provider: engine}]}, '*': {deployments: [{provider: spare}]}"))
    control.refused(
        settings("m: {deployments: [{provider: engine}, {provider: spare}], policy: nonsense}", health="{failures: 1}")
    )
    assert world is control.world
    assert ["engine/m", "spare/*"] == [reading.upstream for reading in control.fleet.readings(NOW_S)]
    live = deployment(world).live
    live.fail(NOW_S, live.begin(NOW_S, 0), Health.SICK)
    assert live.unusable(NOW_S) is None, "one failure is not yet five"


def chat(model: str) -> ModelRequest:
    return ModelRequest(operation=Operation.CHAT, doc={}, raw=None, model=model)


def test_a_name_passed_on_by_a_wildcard_has_the_catalogues_price_and_window(control):
    world = control.publish('providers: {openai: {api_key: sk-a}}\nroutes: {"*": {deployments: [{provider: openai}]}}')
    (known,) = world.route(chat("gpt-4o")).deployments
    (unheard_of,) = world.route(chat("nobody-knows-this")).deployments
    assert known.price is not None
    assert known.context_window
    assert unheard_of.price is None
    assert "nobody-knows-this" == unheard_of.upstream_model


def test_a_server_of_ones_own_takes_the_names_nobody_lists(control):
    world = control.publish('providers: {ollama: {base_url: "http://127.0.0.1:9/v1"}, openai: {api_key: sk-a}}')
    (unlisted,) = world.route(chat("my-own-model")).deployments
    (pinned,) = world.route(chat("ollama/llama3")).deployments
    (hosted,) = world.route(chat("openai/gpt-from-tomorrow")).deployments
    assert ["ollama", "ollama", "openai"] == [d.provider for d in (unlisted, pinned, hosted)]
    assert ["my-own-model", "llama3", "gpt-from-tomorrow"] == [d.upstream_model for d in (unlisted, pinned, hosted)]


def test_routes_of_the_file_are_all_there_is(control):
    world = control.publish(settings("m: {deployments: [{provider: engine}]}"))
    with pytest.raises(ModelNotFound):
        world.route(chat("engine/another"))


def test_beyond_loopback_keys_are_required(control):
    (told,) = control.refused(settings("m: {deployments: [{provider: engine}]}", listen="0.0.0.0:8080"))
    assert "beyond loopback" in told
    control.publish(
        settings("m: {deployments: [{provider: engine}]}", listen="0.0.0.0:8080", auth="{allow_open: true}")
    )
