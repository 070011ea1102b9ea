"""Groups of deployments and settings become `routes`, fallbacks among their deployments."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from proxy.cli.importing.settings import EVERY, FALLBACKS, MAX_RETRIES, STRATEGIES, Settings
from proxy.config import TimeoutsConfig

if TYPE_CHECKING:
    from proxy.cli.importing.notes import Notes
    from proxy.cli.importing.offers import Group

DEFAULT_RETRIES = 2
"""Of ours and of LiteLLM's."""
DEFAULT_TIMEOUTS = {name: getattr(TimeoutsConfig(), name) for name in ("answer_s", "first_token_s")}
_SAME_ROUTE = "fallbacks are deployments of the same route with a later `priority`: they answer under the route's name"
_DIFFERENT = {
    "fallbacks": _SAME_ROUTE,
    "context_window_fallbacks": f"{_SAME_ROUTE}, after any failure, and first for a prompt that fits nobody else",
    "content_policy_fallbacks": f"{_SAME_ROUTE}, after any failure; `retries.reroute_content_policy` is set",
}


def build_routes(groups: dict[str, Group], settings: Settings, notes: Notes) -> dict[str, dict[str, Any]]:
    """Every group, then every alias of one."""
    routes = {name: _route(group, groups, settings, notes) for name, group in groups.items()}
    for alias, target in settings.aliases.items():
        place = f"router_settings.model_group_alias.{alias}"
        if alias in routes:
            notes.add(place, "left out: a group of the same name is there already")
        elif target in routes:
            routes[alias] = deepcopy(routes[target])
        else:
            notes.add(place, f"left out: there is no group `{target}`")
    return routes


def _route(group: Group, groups: dict[str, Group], settings: Settings, notes: Notes) -> dict[str, Any]:
    deployments = deepcopy(group.deployments)
    retries: dict[str, Any] = {}
    steps = 0
    for kind in FALLBACKS:
        chains = settings.fallbacks[kind]
        for target in chains.get(group.name, chains.get(EVERY, [])):
            added = _fallback(deployments, group.name, target, groups, notes)
            steps += added
            if added:
                notes.add(f"{kind}.{group.name}", _DIFFERENT[kind])
                if kind == "content_policy_fallbacks":
                    retries["reroute_content_policy"] = True
    if steps:
        retries["max"] = min(MAX_RETRIES, (DEFAULT_RETRIES if settings.retries is None else settings.retries) + steps)
    route: dict[str, Any] = {"policy": _policy(deployments, settings)}
    if (timeouts := _timeouts(group, settings, notes)) != settings.timeouts:
        route["timeouts"] = timeouts
    if retries:
        route["retries"] = ({} if settings.retries is None else {"max": settings.retries}) | retries
    if not _is_ordered(deployments):
        for deployment in deployments:
            del deployment["priority"]
    route["deployments"] = deployments
    return route


def _fallback(
    deployments: list[dict[str, Any]], name: str, target: str, groups: dict[str, Group], notes: Notes
) -> bool:
    """Append the deployments of `target`, after all there are; false when there is nothing to append."""
    if target == name:
        return False
    if target not in groups:
        notes.add(f"fallbacks.{name}", f"`{target}` is left out: there is no group of that very name")
        return False
    after = max(deployment["priority"] for deployment in deployments) + 1
    held = {(one["provider"], one.get("model"), one.get("tier")) for one in deployments}
    new = [
        {**deepcopy(one), "priority": one["priority"] + after}
        for one in groups[target].deployments
        if (one["provider"], one.get("model"), one.get("tier")) not in held
    ]
    deployments += new
    return bool(new)


def _policy(deployments: list[dict[str, Any]], settings: Settings) -> Any:
    """The strategy's policy; among several priorities, for each of them."""
    policy = STRATEGIES[settings.strategy]
    is_ordered = _is_ordered(deployments)
    if policy is None:
        return "failover" if is_ordered or len(deployments) == 1 else "weighted"
    return {"name": "tiered", "tiers": [policy]} if is_ordered else policy


def _timeouts(group: Group, settings: Settings, notes: Notes) -> dict[str, Any]:
    """A route's are the longest of its deployments'."""
    if set(group.timeouts) == {(None, None)}:
        return settings.timeouts
    if len(set(group.timeouts)) > 1:
        notes.add(f"model_list {group.name}", "timeouts are a route's here: the longest of its deployments'")
    usual = DEFAULT_TIMEOUTS | settings.timeouts
    return settings.timeouts | {
        "answer_s": max(answer_s or usual["answer_s"] for answer_s, _ in group.timeouts),
        "first_token_s": max(stream_s or answer_s or usual["first_token_s"] for answer_s, stream_s in group.timeouts),
    }


def _is_ordered(deployments: list[dict[str, Any]]) -> bool:
    return len({deployment["priority"] for deployment in deployments}) > 1
