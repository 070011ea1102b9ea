"""LiteLLM's `router_settings`, `litellm_settings` and `general_settings`: in our words, with notes of the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from proxy.cli.importing.values import count, items, mapping, number, reference, seconds, text

if TYPE_CHECKING:
    from proxy.cli.importing.notes import Notes

MAX_RETRIES = 10
MASTER_KEY = "LITELLM_MASTER_KEY"
BYTES_PER_MB = 1024 * 1024
EVERY = "*"
"""The group of fallbacks for names that have none of their own."""

STRATEGIES: Mapping[str, str | None] = {
    "simple-shuffle": None,
    "least-busy": "least_loaded",
    "latency-based-routing": "latency",
    "usage-based-routing": "least_loaded",
    "usage-based-routing-v2": "least_loaded",
    "cost-based-routing": "cost",
}
"""Routing strategy -> policy; `None`: by weight."""
FALLBACKS = ("fallbacks", "context_window_fallbacks", "content_policy_fallbacks")
_QUIET = frozenset({"set_verbose", "debug_level", "json_logs", "detailed_debug", "turn_off_message_logging"})
"""About LiteLLM's own logs."""
_WHY = {
    "callbacks": "has no counterpart; metrics are at `/metrics`, and each request leaves a line in the access log",
    "routing_strategy_args": "has no counterpart: policies have options of their own, see the README",
    "cache": "has no counterpart: answers are not cached here, and providers' prompt caches pass untouched",
    "drop_params": "has no counterpart for all requests: a client sends `x-pointsman-lenient: true`",
    "database_url": "has no counterpart: keys and models are in this file",
    "enable_pre_call_checks": "needs no setting: windows and capabilities are always looked at",
    "redis_host": "has no counterpart: nothing is shared between gateways",
    "retry_after": "has no counterpart: what a provider asks for is waited, else `retries.backoff_s` counts",
}
_WHY |= dict.fromkeys(("success_callback", "failure_callback", "service_callback"), _WHY["callbacks"])
_WHY |= dict.fromkeys(("cache_params", "cache_responses"), _WHY["cache"])
_WHY |= dict.fromkeys(
    ("store_model_in_db", "database_connection_pool_limit", "store_prompts_in_spend_logs"), _WHY["database_url"]
)
_WHY |= dict.fromkeys(("redis_port", "redis_password", "redis_url"), _WHY["redis_host"])
_NOTHING = "has no counterpart"


@dataclass(slots=True)
class Settings:
    """What was found."""

    strategy: str = "simple-shuffle"
    retries: int | None = None
    health: dict[str, Any] = field(default_factory=dict)
    limits: dict[str, Any] = field(default_factory=dict)
    timeouts: dict[str, Any] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    fallbacks: dict[str, dict[str, list[str]]] = field(default_factory=lambda: {kind: {} for kind in FALLBACKS})
    """Kind -> group -> groups asked after it."""
    keys: list[dict[str, Any]] = field(default_factory=list)


class SettingsReader:
    """Reads the three sections into one `Settings`."""

    def __init__(self, notes: Notes) -> None:
        self.found = Settings()
        self._notes = notes
        self._place = ""

    def read(self, document: Mapping[str, Any]) -> Settings:
        """What stands in `router_settings` wins over `litellm_settings`, as in LiteLLM."""
        for section in ("general_settings", "litellm_settings", "router_settings"):
            for name, value in mapping(document.get(section)).items():
                self._place = f"{section}.{name}"
                if value is None or name in _QUIET:
                    continue
                if (read := _READERS.get(name)) is not None:
                    read(self, value)
                elif name in FALLBACKS:
                    self._fallbacks(name, value)
                else:
                    self._notes.add(self._place, _WHY.get(name, _NOTHING))
        if (timeout_s := self.found.timeouts.get("answer_s")) is not None:
            self.found.timeouts.setdefault("first_token_s", timeout_s)
        return self.found

    def _strategy(self, value: Any) -> None:
        if not isinstance(value, str) or value not in STRATEGIES:
            self._notes.add(self._place, f"`{value}` has no counterpart; deployments are chosen by weight")
            return
        self.found.strategy = value
        if value.startswith("usage-based"):
            self._notes.add(self._place, "becomes `least_loaded`: by what is in flight, not by a minute's tokens")

    def _retries(self, value: Any) -> None:
        retries = count(value)
        if retries is not None:
            self.found.retries = min(retries, MAX_RETRIES)
            if retries > MAX_RETRIES:
                self._notes.add(self._place, f"is cut to {MAX_RETRIES}, the most there are")

    def _retry_policy(self, value: Any) -> None:
        counts = [found for item in mapping(value).values() if (found := count(item)) is not None]
        if counts and self.found.retries is None:
            self.found.retries = min(max(counts), MAX_RETRIES)
        self._notes.add(
            self._place, "has one number here, `retries.max`: each kind of failure has its own rule already"
        )

    def _allowed_fails(self, value: Any) -> None:
        if (fails := count(value)) is not None:
            self.found.health["failures"] = fails + 1
            self._notes.add(self._place, "counts failures in a row here, not those of a minute")

    def _cooldown(self, value: Any) -> None:
        if (cooldown_s := seconds(value)) is not None:
            self.found.health["open_s"] = cooldown_s
            self.found.health["open_max_s"] = max(cooldown_s, 300)
            self._notes.add(self._place, "is the first pause; it doubles each time up to `health.open_max_s`")

    def _timeout(self, value: Any) -> None:
        if (timeout_s := seconds(value)) is not None:
            self.found.timeouts["answer_s"] = timeout_s

    def _stream_timeout(self, value: Any) -> None:
        if (timeout_s := seconds(value)) is not None:
            self.found.timeouts["first_token_s"] = timeout_s

    def _aliases(self, value: Any) -> None:
        for alias, target in mapping(value).items():
            group = text(target) or text(mapping(target).get("model"))
            if group is not None:
                self.found.aliases[alias] = group
            if mapping(target).get("hidden"):
                self._notes.add(f"{self._place}.{alias}", "is shown in the models list here: nothing hides a route")

    def _fallbacks(self, kind: str, value: Any) -> None:
        for entry in items(value):
            for group, targets in mapping(entry).items():
                self.found.fallbacks[kind][group] = self._targets(targets)

    def _default_fallbacks(self, value: Any) -> None:
        self.found.fallbacks["fallbacks"].setdefault(EVERY, self._targets(value))

    def _targets(self, targets: Any) -> list[str]:
        found: list[str] = []
        for target in items(targets):
            group = text(target) or text(mapping(target).get("model"))
            if group is not None:
                found.append(group)
            if len(mapping(target)) > 1:
                self._notes.add(self._place, "parameters beside the model of a fallback have no counterpart")
        return found

    def _master_key(self, value: Any) -> None:
        key = reference(value)
        if key is None:
            self._notes.add(self._place, f"the secret that stands here is not copied: export it as `{MASTER_KEY}`")
        self.found.keys.append({"name": "master", "key": key or f"${{{MASTER_KEY}}}"})

    def _inflight(self, value: Any) -> None:
        if requests := count(value):
            self.found.limits["max_inflight"] = requests

    def _request_size(self, value: Any) -> None:
        if (megabytes := number(value)) is not None:
            self.found.limits["max_body_bytes"] = max(1, int(megabytes * BYTES_PER_MB))

    READERS: Mapping[str, Callable[[SettingsReader, Any], None]] = {
        "routing_strategy": _strategy,
        "num_retries": _retries,
        "retry_policy": _retry_policy,
        "allowed_fails": _allowed_fails,
        "cooldown_time": _cooldown,
        "timeout": _timeout,
        "request_timeout": _timeout,
        "stream_timeout": _stream_timeout,
        "model_group_alias": _aliases,
        "default_fallbacks": _default_fallbacks,
        "master_key": _master_key,
        "global_max_parallel_requests": _inflight,
        "max_request_size_mb": _request_size,
    }


_READERS = SettingsReader.READERS
