"""Policies by name: what is known, what is refused and how it says so."""

from dataclasses import dataclass, fields, is_dataclass
from importlib.metadata import EntryPoint
from typing import ClassVar

import pytest

from policies import registry
from policies.api import Policy
from policies.options import BadOption, PolicyError
from policies.registry import BrokenPlugin, Registry, UnknownOption, UnknownPolicy, build
from policies.round_robin import RoundRobin
from policies.weighted import Weighted


@dataclass(eq=False)
class First(Policy):
    """Its own, as a plugin would have it."""

    name: ClassVar[str] = "first"
    limit: int = 3

    def __post_init__(self) -> None:
        if self.limit < 0:
            raise ValueError("`limit` must not be negative")

    def choose(self, request, candidates):
        return candidates[0]


@dataclass(eq=False)
class Nameless(First):
    name = None  # type: ignore[assignment]


class NoDataclass(Policy):
    name = "plain"

    def choose(self, request, candidates):
        return candidates[0]


@dataclass(eq=False)
class Abstract(Policy):
    name: ClassVar[str] = "abstract"


def entry(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, registry.GROUP)


def own(*plugins: EntryPoint) -> Registry:
    return Registry(registry.BUILT_IN, lambda: plugins)


@pytest.mark.parametrize("name", [entry.name for entry in registry.BUILT_IN if entry.name != "tiered"])
def test_every_built_in_policy_needs_no_options(name):
    policy = build(name, {})

    assert name == policy.name
    assert name in registry.names()
    assert is_dataclass(policy)


def test_options_reach_their_policy():
    policy = build("latency", {"tau_s": 5, "seed": 3})

    assert {"tau_s": 5, "seed": 3}.items() <= {f.name: getattr(policy, f.name) for f in fields(policy)}.items()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "options", "error", "said"),
    [
        (
            "latancy",
            {},
            UnknownPolicy,
            "there is no policy `latancy`; did you mean `latency`? There are `affinity`, `cost`,",
        ),
        ("zzz", {}, UnknownPolicy, "there is no policy `zzz`; there are"),
        (
            "latency",
            {"tua_s": 3},
            UnknownOption,
            "policy `latency` has no option `tua_s`; it takes `tau_s`, `explore`, `seed`, `prior_s`.",
        ),
        ("round_robin", {"seed": 1}, UnknownOption, "policy `round_robin` has no option `seed`; it takes none."),
        ("latency", {"_seen": {}}, UnknownOption, "policy `latency` has no option `_seen`; it takes"),
        ("latency", {"tau_s": 0}, BadOption, "policy `latency` takes a number above 0 for `tau_s`, not `0`."),
        ("latency", {"tau_s": -1}, BadOption, "policy `latency` takes a number from 0 to 86400 for `tau_s`, not `-1`."),
        (
            "latency",
            {"tau_s": "5 s"},
            BadOption,
            "policy `latency` takes a number from 0 to 86400 for `tau_s`, not `5 s`.",
        ),
        (
            "latency",
            {"explore": True},
            BadOption,
            "policy `latency` takes a number from 0 to 0.5 for `explore`, not `True`.",
        ),
        (
            "latency",
            {"explore": float("nan")},
            BadOption,
            "policy `latency` takes a number from 0 to 0.5 for `explore`",
        ),
        ("weighted", {"seed": 1.5}, BadOption, "policy `weighted` takes a whole number for `seed`, not `1.5`."),
        ("failover", {"seed": True}, BadOption, "policy `failover` takes a whole number for `seed`, not `True`."),
        ("cost", {"explore": 2}, BadOption, "policy `cost` takes a number from 0 to 1 for `explore`, not `2`."),
        (
            "affinity",
            {"load_factor": 0.5},
            BadOption,
            "policy `affinity` takes a number from 1 to 100 for `load_factor`",
        ),
        (
            "flex",
            {"mode": "x" * 99},
            BadOption,
            f"policy `flex` takes one of `strict`, `bounded`, `prefer` for `mode`, not `{'x' * 37}...`.",
        ),
        ("flex", {"mode": ["strict"]}, BadOption, "policy `flex` takes one of"),
        ("flex", {"max_price_usd": -1}, BadOption, "policy `flex` takes a number of at least 0 for `max_price_usd`"),
        ("flex", {"within": "nobody"}, UnknownPolicy, "policy `flex`, option `within`: there is no policy `nobody`;"),
    ],
)
def test_what_cannot_be_built_says_what_would_be_right(name, options, error, said):
    with pytest.raises(error) as refused:
        build(name, options)

    assert str(refused.value).startswith(said)
    assert isinstance(refused.value, ValueError)


def test_plugins_come_in_by_the_same_door():
    mine = own(entry("first", f"{__name__}:First"))

    assert "first" in mine.names()
    assert 7 == mine.build("first", {"limit": 7}).limit  # type: ignore[attr-defined]
    with pytest.raises(UnknownOption, match="policy `first` has no option `limt`; it takes `limit`"):
        mine.build("first", {"limt": 7})
    with pytest.raises(BadOption, match="policy `first` refuses its options: `limit` must not be negative"):
        mine.build("first", {"limit": -1})


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("gone", "no_such_module:Gone", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("gone", f"{__name__}:Gone", "AttributeError"),
        ("first", "builtins:dict", "it is no subclass of `policies.api.Policy`"),
        ("first", "builtins:len", "it is no subclass of `policies.api.Policy`"),
        ("plain", f"{__name__}:NoDataclass", "it is no dataclass"),
        ("abstract", f"{__name__}:Abstract", "it has no `choose`"),
        ("first", f"{__name__}:Nameless", "it has no `name`"),
        ("second", f"{__name__}:First", "it calls itself `first`"),
    ],
)
def test_a_broken_plugin_is_named_and_breaks_nobody_else(name, value, said):
    mine = own(entry(name, value))

    assert "cost" == mine.build("cost", {}).name
    assert name in mine.names()
    with pytest.raises(BrokenPlugin) as broken:
        mine.build(name, {})
    assert str(broken.value).startswith(f"policy `{name}` cannot be loaded from `{value}`: ")
    assert said in str(broken.value)


def test_a_plugin_cannot_take_a_built_in_s_name():
    mine = own(entry("round_robin", f"{__name__}:First"))

    assert type(mine.build("round_robin", {})) is RoundRobin
    assert 1 == mine.names().count("round_robin")


def test_installed_packages_are_looked_up_once_and_only_when_needed():
    asked = []
    mine = Registry(registry.BUILT_IN, lambda: asked.append(1) or [])  # type: ignore[func-returns-value]
    mine.build("cost", {})
    assert [] == asked

    for _ in range(2):
        with pytest.raises(UnknownPolicy):
            mine.build("nobody", {})
    assert [1] == asked


def test_a_class_may_be_registered_by_hand_once_per_name():
    mine = own()
    assert First is mine.register(First)
    assert First is mine.register(First)
    assert "first" == mine.build("first", {}).name

    @dataclass(eq=False)
    class Other(First):
        pass

    with pytest.raises(PolicyError, match=r"policy `first` is registered already, as `.*First`"):
        mine.register(Other)
    with pytest.raises(PolicyError, match="`NoDataclass` cannot be registered: it is no dataclass"):
        mine.register(NoDataclass)


def test_a_built_in_s_name_cannot_be_registered_over():
    @dataclass(eq=False)
    class Mine(Weighted):
        name: ClassVar[str] = "cost"

    with pytest.raises(PolicyError, match="policy `cost` is built in"):
        own().register(Mine)


def test_the_shared_table_takes_policies_of_this_process(monkeypatch):
    monkeypatch.setattr(registry, "_registry", own())  # the real table must not remember this

    @registry.register
    @dataclass(eq=False)
    class Last(Weighted):
        name: ClassVar[str] = "last_of_test_registry"

    assert isinstance(build("last_of_test_registry", {"seed": 4}), Last)
    assert "last_of_test_registry" in registry.names()
