"""The one table of policies: built-ins and installed packages are entry points, and come in by the same door.

A policy class is a dataclass whose init fields are its options. Nothing is imported before somebody asks for it by
name, so a broken package breaks nobody but itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from inspect import isabstract
from typing import TypeVar, cast

from policies.api import Policy
from policies.options import BadOption, PolicyError

GROUP = "pointsman.policies"
BUILT_IN = tuple(
    EntryPoint(name, f"policies.{name}:{cls}", GROUP)
    for name, cls in (
        ("affinity", "Affinity"),
        ("cost", "Cost"),
        ("failover", "Failover"),
        ("flex", "Flex"),
        ("latency", "Latency"),
        ("least_loaded", "LeastLoaded"),
        ("round_robin", "RoundRobin"),
        ("tiered", "Tiered"),
        ("weighted", "Weighted"),
    )
)

P = TypeVar("P", bound=Policy)


class UnknownPolicy(PolicyError):
    """No policy has this name."""


class UnknownOption(PolicyError):
    """The policy has no option of this name."""


class BrokenPlugin(PolicyError):
    """An installed package promises a policy it does not deliver."""


class Registry:
    """Policies by name. `installed` is asked once, when a name is neither registered nor built in."""

    def __init__(self, built_in: Iterable[EntryPoint], installed: Callable[[], Iterable[EntryPoint]]) -> None:
        self._classes: dict[str, type[Policy]] = {}
        self._built_in = {entry.name: entry for entry in built_in}
        self._installed = installed
        self._plugins: dict[str, EntryPoint] | None = None

    def names(self) -> tuple[str, ...]:
        """All names `build` knows, sorted. Loads nothing."""
        return tuple(sorted({*self._classes, *self._built_in, *self._found()}))

    def register(self, cls: type[P]) -> type[P]:
        """Add a policy class, also as a decorator. Raises `PolicyError` if it is none, or if its name is taken."""
        problem = _problem(cls)
        if problem is not None:
            raise PolicyError(f"`{getattr(cls, '__qualname__', cls)}` cannot be registered: {problem}.")
        if cls.name in self._built_in:
            raise PolicyError(f"policy `{cls.name}` is built in; give yours another name.")
        known = self._classes.get(cls.name)
        if known is not None and known is not cls:
            raise PolicyError(
                f"policy `{cls.name}` is registered already, as `{known.__module__}.{known.__qualname__}`."
            )
        self._classes[cls.name] = cls
        return cls

    def build(self, name: str, options: Mapping[str, object]) -> Policy:
        """Make a policy. Raises `UnknownPolicy`, `UnknownOption`, `BadOption` or `BrokenPlugin`."""
        cls = self._find(name)
        _check_names(cls, options)
        try:
            # The type checker cannot know a subclass's fields; they were checked above.
            return cast("Callable[..., Policy]", cls)(**options)
        except PolicyError:
            raise
        except (TypeError, ValueError) as error:
            raise BadOption(f"policy `{name}` refuses its options: {error}") from error

    def _find(self, name: str) -> type[Policy]:
        found = self._classes.get(name)
        if found is not None:
            return found
        # Built-ins first: a package that reuses one of their names cannot take routes over.
        entry = self._built_in.get(name) or self._found().get(name)
        if entry is None:
            known = self.names()
            close = get_close_matches(str(name), known, n=1)
            hint = f"did you mean `{close[0]}`? There" if close else "there"
            raise UnknownPolicy(f"there is no policy `{name}`; {hint} are {_listed(known)}.")
        cls = self._classes[name] = _load(entry)
        return cls

    def _found(self) -> dict[str, EntryPoint]:
        if self._plugins is None:
            self._plugins = {entry.name: entry for entry in self._installed()}
        return self._plugins


def _load(entry: EntryPoint) -> type[Policy]:
    where = f"`{entry.value}` of package `{entry.dist.name}`" if entry.dist is not None else f"`{entry.value}`"
    try:
        cls = entry.load()
    except Exception as error:  # importing somebody else's module may raise anything
        raise BrokenPlugin(
            f"policy `{entry.name}` cannot be loaded from {where}: {type(error).__name__}: {error}"
        ) from error
    problem = _problem(cls)
    if problem is None and cls.name != entry.name:
        problem = f"it calls itself `{cls.name}`"
    if problem is not None:
        raise BrokenPlugin(f"policy `{entry.name}` cannot be loaded from {where}: {problem}.")
    return cast("type[Policy]", cls)


def _problem(cls: object) -> str | None:
    if not isinstance(cls, type) or not issubclass(cls, Policy):
        return "it is no subclass of `policies.api.Policy`"
    if isabstract(cls):
        return "it has no `choose`"
    if not is_dataclass(cls):
        return "it is no dataclass, so its options are not known"
    if not isinstance(getattr(cls, "name", None), str):
        return "it has no `name`"
    return None


def _check_names(cls: type[Policy], options: Mapping[str, object]) -> None:
    if not is_dataclass(cls):  # pragma: no cover - `register` saw to it; this tells the type checker
        return
    known = [field for field in fields(cls) if field.init]
    names = [field.name for field in known]
    for option in options:
        if option not in names:
            takes = _listed(names) if names else "none"
            raise UnknownOption(f"policy `{cls.name}` has no option `{option}`; it takes {takes}.")
    for field in known:
        if field.default is MISSING and field.default_factory is MISSING and field.name not in options:
            raise BadOption(f"policy `{cls.name}` needs the option `{field.name}`.")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _installed() -> Iterable[EntryPoint]:
    return entry_points(group=GROUP)


_registry = Registry(BUILT_IN, _installed)


def build(name: str, options: Mapping[str, object]) -> Policy:
    """Make a policy by name. Raises a `PolicyError` that says what would be right."""
    return _registry.build(name, options)


def names() -> tuple[str, ...]:
    """All known names, sorted."""
    return _registry.names()


def register(cls: type[P]) -> type[P]:
    """Add a policy class of this process, also as a decorator."""
    return _registry.register(cls)


def nested(policy: str, option: str, value: object) -> Policy:
    """Build the policy another one holds: a name, `{name: ..., option: ...}`, or a policy as it is."""
    if isinstance(value, Policy):
        return value
    if isinstance(value, str):
        value = {"name": value}
    if not isinstance(value, Mapping) or not isinstance(value.get("name"), str):
        raise BadOption(f"policy `{policy}` takes a policy's name, or a mapping with its `name`, for `{option}`.")
    try:
        return build(value["name"], {key: item for key, item in value.items() if key != "name"})
    except PolicyError as error:
        error.args = (f"policy `{policy}`, option `{option}`: {error}",)
        raise
