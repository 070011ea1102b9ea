"""What an exchange leaves behind: its bill, its fact, and the headers that explain it. Pure functions."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from proxy.dialects.counting import estimate
from proxy.facts import AttemptFact, Finished, Outcome
from proxy.usage import cost_nano_usd, listed_nano_usd

if TYPE_CHECKING:
    from policies.api import Price
    from proxy.exchange import Attempt, Exchange, Reply
    from proxy.usage import Usage
    from proxy.world import Deployment, Route

MAX_ROUTE_HEADER_BYTES = 1024
MAX_PLAIN_ROUTES = 1024
"""Headers remembered of requests that went as usual."""
SERVER_TIMING = "queue;dur=%.2f, upstream;dur=%.2f, gateway;dur=%.2f"
CLIENT_LEFT = "client_disconnect"
"""The error of an exchange that failed on nobody else's account."""
_TIERS = {
    "standard": "default",
    "standard_only": "default",
    "on_demand": "default",
    "auto": "default",
    "unspecified": "default",
    "on_demand_flex": "flex",
    "on_demand_priority": "priority",
}
"""What providers call a tier, lower case -> our name of it: Anthropic, Groq, Google, Vertex's `trafficType`."""


def bill(x: Exchange, reply: Reply | None) -> Usage | None:
    """The tokens to bill: the provider's own count, else an estimate of what came, marked as such."""
    if reply is None or x.request is None:
        return None
    meter = reply.meter
    if meter.usage is not None:
        return meter.usage
    reckoned = estimate(x.request.prompt_tokens, meter.text_bytes)
    told = meter.counted()
    if told is None:
        return reckoned
    return told._replace(output_tokens=max(told.output_tokens, reckoned.output_tokens), estimated=True)


def route_header(x: Exchange) -> str:
    """`x-pointsman-route`: policy, choice, reason, who was skipped or failed and why. ASCII, one line, bounded."""
    route, chosen = x.route, x.final
    if route is not None and chosen is not None and len(x.attempts) == 1 and not x.skipped:
        return _plain_route(route.policy.name, chosen.deployment.id, chosen.why)
    parts = []
    if route is not None:
        parts.append(f"policy={route.policy.name}")
    if chosen is not None:
        parts.append(f"chosen={chosen.deployment.id}")
        parts.append(f'why="{chosen.why}"')
        if len(x.attempts) > 1:
            parts += _beside(x, chosen)
    if x.skipped:
        parts.append('skipped="' + ", ".join(f"{id_}: {reason}" for id_, reason in x.skipped.items()) + '"')
    parts.append(f"attempts={len(x.attempts)}")
    return _as_header("; ".join(parts))


@lru_cache(MAX_PLAIN_ROUTES)
def _plain_route(policy: str, chosen: str, why: str) -> str:
    """Of the usual request: one attempt, nobody passed over."""
    return _as_header(f'policy={policy}; chosen={chosen}; why="{why}"; attempts=1')


def _as_header(text: str) -> str:
    if not text.isascii() or not text.isprintable():
        text = "".join(c if c.isascii() and c.isprintable() else "?" for c in text)
    return text if len(text) <= MAX_ROUTE_HEADER_BYTES else text[: MAX_ROUTE_HEADER_BYTES - 3] + "..."


def _beside(x: Exchange, chosen: Attempt) -> list[str]:
    """The attempts that were, or are, made beside the chosen one."""
    others = [other for other in x.attempts if other is not chosen]
    failed = ", ".join([f"{other.deployment.id} {other.code}" for other in others if other.ended_s is not None])
    racing = ", ".join([other.deployment.id for other in others if other.ended_s is None])
    return [f'{name}="{ids}"' for name, ids in (("failed", failed), ("racing", racing)) if ids]


def server_timing(x: Exchange, now_s: float) -> str:
    """`Server-Timing` in milliseconds: the queue, the providers, the gateway's own share (W3C Server Timing)."""
    queue_s, upstream_s = x.queue_s, x.upstream_s
    for attempt in x.attempts:
        if attempt.ended_s is None:  # the first of those that run has run the longest
            upstream_s += now_s - max(attempt.started_s, x.upstream_until_s)
            break
    own_s = max(0.0, now_s - x.started_s - upstream_s - queue_s)
    return SERVER_TIMING % (queue_s * 1e3, upstream_s * 1e3, own_s * 1e3)


def finished(x: Exchange, bytes_out: int, now_s: float) -> Finished:
    """The one fact of an exchange."""
    call, route, request, usage, error = x.call, x.route, x.request, x.usage, x.error
    last = x.final
    deployment = last.deployment if last is not None else None
    attempts = tuple([_attempt(x, attempt, now_s) for attempt in x.attempts])
    billed_nano_usd = attempts[x.attempts.index(last)].cost_nano_usd if last is not None else None
    # In the order of the fields: naming them would cost as much as all the rest of this function.
    return Finished(
        call.request_id,
        x.started_at_s,
        call.surface.name,
        call.operation,
        route.label if route is not None else "unknown",
        deployment.provider if deployment is not None else "",
        deployment.id if deployment is not None else "",
        deployment.upstream_model if deployment is not None else "",
        x.grant.name if x.grant is not None else "",
        request.stream if request is not None else False,
        x.outcome,
        x.status,
        error.code if error is not None else CLIENT_LEFT if x.outcome is Outcome.ABANDONED else None,
        (error.detail or error.message) if error is not None else None,
        (usage.tier if usage is not None else None) or (deployment.tier if deployment is not None else ""),
        "flex" if request is not None and request.service_tier == "flex" else "default",
        usage,
        billed_nano_usd,
        _baseline_nano_usd(route, deployment, usage, billed_nano_usd) if usage is not None else None,
        now_s - x.started_s,
        x.first_content_s - x.started_s if x.first_content_s is not None else None,
        x.tpot_s(now_s) if x.streaming else None,
        x.upstream_s,
        x.queue_s,
        x.bytes_in,
        bytes_out,
        x.reply.meter.finish_reason if x.reply is not None else None,
        attempts,
        call.client_request_id,
    )


def _attempt(x: Exchange, attempt: Attempt, now_s: float) -> AttemptFact:
    deployment, usage = attempt.deployment, attempt.usage
    billed_nano_usd = None
    if usage is not None:
        price = deployment.price if usage.tier is None else price_of(x, deployment, usage)
        billed_nano_usd = cost_nano_usd(usage, price)
    return AttemptFact(
        deployment.id,
        deployment.provider,
        attempt.code,
        attempt.status,
        (now_s if attempt.ended_s is None else attempt.ended_s) - attempt.started_s,
        attempt.ttft_s,
        attempt.upstream_request_id,
        attempt.part,
        attempt.detail,
        usage,
        billed_nano_usd,
    )


def _baseline_nano_usd(
    route: Route | None, deployment: Deployment | None, usage: Usage, billed_nano_usd: int | None
) -> int | None:
    """What `usage` costs at the route's first deployment; what it did cost if it was billed at that price."""
    if route is None or not route.deployments or (price := route.deployments[0].price) is None:
        return None
    if deployment is not None and deployment.price is price and usage.tier is None and usage.cost_nano_usd is None:
        return billed_nano_usd
    return listed_nano_usd(usage, price)


def price_of(x: Exchange, deployment: Deployment, usage: Usage) -> Price | None:
    """The price of the tier that *answered*, which may not be the one asked for; `None` when it is not known.

    Source: OpenAI, "Flex processing" and "Priority processing": the response's `service_tier` is what is billed.
    """
    if usage.tier is None:
        return deployment.price
    served = usage.tier
    for ours, theirs in deployment.provider_config.profile.quirks.tiers.items():
        if theirs == served:
            served = ours
            break
    served = served.lower()
    served = _TIERS.get(served, served)
    if served == deployment.tier:
        return deployment.price
    siblings = x.route.deployments if x.route is not None else ()
    model = (deployment.provider, deployment.upstream_model)
    for other in siblings:  # what the configuration says goes before the price list
        if other.tier == served and (other.provider, other.upstream_model) == model:
            return other.price
    return deployment.price.tier(served) if deployment.price is not None else None
