"""LiteLLM's `model_list`: each group of one name becomes a list of deployments."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from proxy.cli.importing.origins import named
from proxy.cli.importing.values import count, items, mapping, number, seconds, text, tidy, usd_per_mtok
from proxy.providers.table import lookup
from proxy.world import WILDCARD

if TYPE_CHECKING:
    from proxy.cli.importing.accounts import Accounts
    from proxy.cli.importing.notes import Notes

_MODES = frozenset({"chat", "completion", "embedding", "responses"})
"""What is served here. Source of the names: LiteLLM's model list, `mode`."""
_LACKS = {
    "supports_vision": "vision",
    "supports_pdf_input": "documents",
    "supports_audio_input": "audio_input",
    "supports_audio_output": "audio_output",
    "supports_function_calling": "tools",
    "supports_response_schema": "json_schema",
    "supports_reasoning": "reasoning",
    "supports_assistant_prefill": "prefill",
}
"""`false` in `model_info` -> what the deployment lacks."""
_PRICES = {
    "input_cost_per_token": "input_usd_per_mtok",
    "output_cost_per_token": "output_usd_per_mtok",
    "cache_read_input_token_cost": "cache_read_usd_per_mtok",
    "cache_creation_input_token_cost": "cache_write_usd_per_mtok",
    "cache_creation_input_token_cost_above_1hr": "cache_write_1h_usd_per_mtok",
    "input_cost_per_audio_token": "input_audio_usd_per_mtok",
    "output_cost_per_audio_token": "output_audio_usd_per_mtok",
}
_METRICS = ("weight", "rpm", "tpm")
MIN_WEIGHT = 0.001
"""Of a deployment that LiteLLM's shuffle leaves out: ours are all above 0."""
_READ = frozenset(
    {
        "model",
        "custom_llm_provider",
        "api_key",
        "api_base",
        "base_url",
        "api_version",
        "organization",
        "weight",
        "order",
    }
    | {"rpm", "tpm", "timeout", "stream_timeout", "service_tier", "headers", "extra_headers", "drop_params"}
    | {"tenant_id", "client_id", "client_secret", "region_name", "vertex_project", "vertex_location"}
    | {"vertex_credentials", "azure_ad_token", "azure_username", "litellm_credential_name", "model_info"}
    | _PRICES.keys()
)
_AWS = "aws_"
_DEFAULTS = frozenset(
    {"temperature", "top_p", "max_tokens", "max_completion_tokens", "seed", "stop", "n", "presence_penalty"}
    | {"frequency_penalty", "reasoning_effort", "thinking", "extra_body", "response_format", "tools", "user"}
)
"""Parameters that LiteLLM adds to a request that lacks them."""
_LIMITS = frozenset({"max_parallel_requests", "itpm", "otpm", "tpd", "rpd", "max_budget", "budget_duration"})
_REASONS = (
    (_DEFAULTS, "is a default for requests, which has no counterpart: clients say it themselves"),
    (_LIMITS, "is a limit of a deployment, which has no counterpart: the provider's own limits are followed"),
    (frozenset({"tags", "tag_regex"}), "chooses by tag, which has no counterpart: give each tag a route of its own"),
    (frozenset({"max_retries"}), "retries below the router have no counterpart: `retries.max` counts all attempts"),
    (frozenset({"mock_response"}), "has no counterpart; `pointsman simulate` is a provider for tests"),
)


@dataclass(slots=True)
class Group:
    """The deployments of one name, as ours are written."""

    name: str
    deployments: list[dict[str, Any]] = field(default_factory=list)
    orders: list[int | None] = field(default_factory=list)
    """LiteLLM's `order` of each, from here on in the deployments' order."""
    metrics: list[dict[str, float]] = field(default_factory=list)
    """Weight, rpm and tpm; 0 for what is not given."""
    timeouts: list[tuple[float | None, float | None]] = field(default_factory=list)
    """Seconds for a whole answer, and for a stream."""


class ModelList:
    """Reads the entries one by one."""

    def __init__(self, accounts: Accounts, notes: Notes) -> None:
        self.groups: dict[str, Group] = {}
        self._patterns: dict[str, int] = {}
        """Names with a `*` in them -> their place among those."""
        self._accounts = accounts
        self._notes = notes

    def read(self, model_list: Any) -> dict[str, Group]:
        """Every group that has a deployment left; what was left out is noted."""
        for index, entry in enumerate(items(model_list)):
            self._read_entry(mapping(entry), f"model_list[{index}]")
        for group in self.groups.values():
            self._weigh(group)
        return self.groups

    def _read_entry(self, entry: dict[str, Any], place: str) -> None:
        name, params = text(entry.get("model_name")), mapping(entry.get("litellm_params"))
        model, info = text(params.get("model")), mapping(entry.get("model_info"))
        if name is None or model is None:
            self._notes.add(place, "left out: it has no `model_name`, or no `litellm_params.model`")
            return
        place = f"{place} {name}"
        mode = text(info.get("mode")) or "chat"
        if mode not in _MODES:
            self._notes.add(place, f"left out: mode `{mode}` is not served here, only chat and embeddings")
            return
        # rate limits may also stand beside the parameters
        params = {**{key: entry[key] for key in ("rpm", "tpm") if key in entry}, **params}
        address = params.get("api_base") or params.get("base_url")
        wanted = named(model, text(params.get("custom_llm_provider")), has_address=bool(address))
        if wanted is None:
            self._notes.add(place, f"left out: nothing here corresponds to `{model}`")
            return
        group = WILDCARD if WILDCARD in name else name
        if name.endswith("/*") and name.count(WILDCARD) == 1:
            self._notes.add(place, "names with this prefix go there as before, and so does any name without a route")
        elif group == WILDCARD != name:
            self._notes.add(place, "a pattern: here `*` takes every name that has no route of its own")
        called = name.partition("/")[0] if name.endswith("/*") and not _is_name_of(name, wanted.origin.row) else None
        account = self._accounts.entry(wanted, params, place, called=called)
        if account is not None:
            if group == WILDCARD:  # whoever is asked for a name that nobody has: one after the other
                params["order"] = self._patterns.setdefault(name, len(self._patterns))
            self._add(group, self._deployment(account, wanted.model, {**info, **params}, place), params, place)
            self._note_others(params, place)
            if "rpm" in params or "tpm" in params:
                self._notes.add(
                    place, "`rpm` and `tpm` are at most weights here: the provider's own limits are followed"
                )

    def _deployment(self, account: str, model: str, params: dict[str, Any], place: str) -> dict[str, Any]:
        """As ours is written. `params`: those of the model's information, under those of the call."""
        deployment: dict[str, Any] = {"provider": account}
        if WILDCARD not in model:
            deployment["model"] = model
        if params.get("service_tier") == "flex":
            deployment["tier"] = "flex"
        prices = {ours: usd_per_mtok(params.get(theirs)) for theirs, ours in _PRICES.items()}
        given = {name: price for name, price in prices.items() if price is not None}
        if {"input_usd_per_mtok", "output_usd_per_mtok"} <= given.keys():
            deployment["price"] = given
        elif given:
            self._notes.add(place, "its price is left out: ours needs one for input and one for output")
        for theirs, ours in (("max_input_tokens", "context_window"), ("max_output_tokens", "max_output_tokens")):
            if tokens := count(params.get(theirs)):
                deployment[ours] = tokens
        if lacks := [ours for theirs, ours in _LACKS.items() if params.get(theirs) is False]:
            deployment["lacks"] = lacks
        return deployment

    def _add(self, name: str, deployment: dict[str, Any], params: dict[str, Any], place: str) -> None:
        group = self.groups.setdefault(name, Group(name))
        same = ("provider", "model", "tier")
        for held in group.deployments:
            if all(held.get(key) == deployment.get(key) for key in same):
                self._notes.add(place, "left out: the same model with the same account is there already")
                return
        group.deployments.append(deployment)
        order = count(params.get("order"))
        group.orders.append(order)
        group.metrics.append({name: number(params.get(name)) or 0.0 for name in _METRICS})
        group.timeouts.append((seconds(params.get("timeout")), seconds(params.get("stream_timeout"))))

    def _weigh(self, group: Group) -> None:
        """As LiteLLM's shuffle does: by the first of weight, rpm and tpm that anyone has."""
        metric = next((name for name in _METRICS if any(metrics[name] for metrics in group.metrics)), None)
        if metric is not None and len(group.deployments) > 1:
            for deployment, metrics in zip(group.deployments, group.metrics, strict=True):
                deployment["weight"] = tidy(metrics[metric] or MIN_WEIGHT)
                if not metrics[metric]:
                    self._notes.add(
                        f"model_list {group.name}", f"one has no `{metric}`: weighed {MIN_WEIGHT}, nearly never"
                    )
        last = max((order for order in group.orders if order is not None), default=-1)
        for deployment, order in zip(group.deployments, group.orders, strict=True):
            deployment["priority"] = (last + 1) if order is None else order

    def _note_others(self, params: dict[str, Any], place: str) -> None:
        for name, value in params.items():
            if name in _READ or name.startswith((_AWS, "supports_")) or value is None:
                continue
            reason = next((why for names, why in _REASONS if name in names), "has no counterpart")
            self._notes.add(place, f"`{name}` {reason}")


def _is_name_of(name: str, row: str | None) -> bool:
    """Whether what stands before the slash already leads to this row."""
    found = lookup(name.partition("/")[0])
    return found is not None and found.name == row
