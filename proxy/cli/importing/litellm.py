"""A LiteLLM proxy's `config.yaml` as a configuration of ours.

Source: LiteLLM's documentation, "Proxy config.yaml" and "Router"; read with release 1.109.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from proxy.cli.importing.accounts import Accounts
from proxy.cli.importing.notes import Notes
from proxy.cli.importing.offers import ModelList
from proxy.cli.importing.origins import named
from proxy.cli.importing.routes import build_routes
from proxy.cli.importing.settings import MASTER_KEY, SettingsReader
from proxy.cli.importing.values import MARK, items, mapping, text

_SECTIONS = frozenset(
    {"model_list", "router_settings", "litellm_settings", "general_settings", "environment_variables"}
)
_REFERENCE = re.compile(rf"{MARK}([A-Za-z_][A-Za-z0-9_]*)")
DEFAULT_TOTAL_S = 1800
"""Of `timeouts.total_s`: a longer answer needs a longer one."""


class Converted(NamedTuple):
    """What became of a file."""

    document: dict[str, Any]
    """In our settings' own order."""
    notes: Notes


def convert(document: Mapping[str, Any]) -> Converted:
    """Read what `yaml` made of the file. Nothing in it is too odd: what is not understood is left out and noted."""
    notes = Notes()
    taken = {MASTER_KEY, *_references(document), *_usual_variables(document)}
    accounts = Accounts(notes, frozenset(taken))
    settings = SettingsReader(notes).read(document)
    groups = ModelList(accounts, notes).read(document.get("model_list"))
    routes = build_routes(groups, settings, notes)
    for section in document:
        if section not in _SECTIONS:
            notes.add(str(section), "has no counterpart")
    for name in mapping(document.get("environment_variables")):
        notes.add(f"environment_variables.{name}", "is not copied: export it before the start")
    if not items(document.get("model_list")):
        notes.add("model_list", "is empty: add `providers` and `routes` of your own")
    if not settings.keys:
        notes.add("general_settings", "has no `master_key`: without `auth.keys` this gateway listens on loopback only")
    found = {
        "auth": {"keys": settings.keys} if settings.keys else None,
        "providers": accounts.entries,
        "routes": routes,
        "timeouts": _whole(settings.timeouts),
        "retries": {} if settings.retries is None else {"max": settings.retries},
        "limits": settings.limits,
        "health": settings.health,
    }
    for route in routes.values():
        if "timeouts" in route:
            route["timeouts"] = _whole(route["timeouts"])
    return Converted({name: value for name, value in found.items() if value}, notes)


def _references(document: Mapping[str, Any]) -> Iterator[str]:
    """The environment variables a file refers to. Each of its objects is read once, however often it is aliased."""
    waiting: list[Any] = [document]
    seen: set[int] = set()
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield from _REFERENCE.findall(value)
        elif isinstance(value, Mapping | list) and id(value) not in seen:
            seen.add(id(value))
            waiting.extend([*value, *value.values()] if isinstance(value, Mapping) else value)


def _usual_variables(document: Mapping[str, Any]) -> Iterator[str]:
    """Where the keys are of deployments that name none: no secret of the file may be given such a name."""
    for entry in items(document.get("model_list")):
        params = mapping(mapping(entry).get("litellm_params"))
        model = text(params.get("model"))
        if model is not None and "api_key" not in params:
            wanted = named(model, text(params.get("custom_llm_provider")), has_address=True)
            if wanted is not None and wanted.origin.key_variable is not None:
                yield wanted.origin.key_variable


def _whole(timeouts: dict[str, Any]) -> dict[str, Any]:
    """The whole exchange must have time for one answer."""
    longest = max(timeouts.values(), default=0)
    return timeouts | ({"total_s": longest} if longest > DEFAULT_TOTAL_S else {})
