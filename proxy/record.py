"""What an exchange leaves behind: its bill, its fact, and the headers that explain it. Pure functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.dialects.counting import estimate
from proxy.facts import AttemptFact, Finished, Outcome
from proxy.usage import cost_nano_usd

if TYPE_CHECKING:
    from policies.api import Price
    from proxy.exchange import Attempt, Exchange, Reply
    from proxy.usage import Usage
    from proxy.world import Deployment

MAX_ROUTE_HEADER_BYTES = 1024
STANDARD_TIERS = frozenset({"default", "standard", "on_demand", "auto"})
"""What providers call the tier that costs the list price."""


def bill(x: Exchange, reply: Reply | None) -> Usage | None:
    """The tokens to bill: the provider's own count, else an estimate of what came, marked as such."""
    if reply is None or x.request is None:
        return None
    meter = reply.meter
    if meter.usage is not None:
        return meter.usage
    return estimate(x.request.prompt_tokens, meter.text_bytes)


def route_header(x: Exchange) -> str:
    """`x-pointsman-route`: policy, choice, reason, who was skipped or failed and why. ASCII, one line, bounded."""
    parts = []
    if x.route is not None:
        parts.append(f"policy={x.route.policy.name}")
    chosen = x.final
    if chosen is not None:
        parts.append(f"chosen={chosen.deployment.id}")
        parts.append(f'why="{chosen.why}"')
        if len(x.attempts) > 1:
            parts += _beside(x, chosen)
    if x.skipped:
        parts.append('skipped="' + ", ".join(f"{id_}: {reason}" for id_, reason in x.skipped.items()) + '"')
    parts.append(f"attempts={len(x.attempts)}")
    text = "; ".join(parts)
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
    total_s = now_s - x.started_s
    upstream_s = x.upstream_s
    for attempt in x.attempts:
        if attempt.ended_s is None:  # the first of those that run has run the longest
            upstream_s += now_s - max(attempt.started_s, x.upstream_until_s)
            break
    own_s = max(0.0, total_s - upstream_s - x.queue_s)
    return f"queue;dur={x.queue_s * 1e3:.2f}, upstream;dur={upstream_s * 1e3:.2f}, gateway;dur={own_s * 1e3:.2f}"


def finished(x: Exchange, bytes_out: int, now_s: float) -> Finished:
    """The one fact of an exchange."""
    request, last = x.request, x.final
    usage = x.usage
    deployment = last.deployment if last is not None else None
    first = x.route.deployments[0].price if x.route is not None and x.route.deployments else None
    duration_s = now_s - x.started_s
    ttft_s = x.first_content_s - x.started_s if x.first_content_s is not None else None
    attempts = tuple([_attempt(x, attempt, now_s) for attempt in x.attempts])
    return Finished(
        exchange_id=x.call.request_id,
        started_at_s=x.started_at_s,
        surface=x.call.surface.name,
        operation=str(x.call.operation),
        route=x.route.label if x.route is not None else "unknown",
        provider=deployment.provider if deployment is not None else "",
        deployment=deployment.id if deployment is not None else "",
        upstream_model=deployment.upstream_model if deployment is not None else "",
        key=x.grant.name if x.grant is not None else "",
        stream=request.stream if request is not None else False,
        outcome=x.outcome,
        status=x.status,
        error_code=x.error.code if x.error is not None else _abandoned(x),
        error_detail=_detail(x),
        tier=(usage.tier if usage is not None else None) or (deployment.tier if deployment is not None else ""),
        lane="flex" if request is not None and request.service_tier == "flex" else "default",
        usage=usage,
        cost_nano_usd=attempts[x.attempts.index(last)].cost_nano_usd if last is not None else None,
        baseline_nano_usd=(
            first.cost_nano_usd(
                usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens
            )
            if usage is not None and first is not None
            else None
        ),
        duration_s=duration_s,
        ttft_s=ttft_s,
        tpot_s=x.tpot_s(now_s),
        upstream_s=x.upstream_s,
        queue_s=x.queue_s,
        bytes_in=x.bytes_in,
        bytes_out=bytes_out,
        finish_reason=x.reply.meter.finish_reason if x.reply is not None else None,
        attempts=attempts,
        client_request_id=x.call.client_request_id,
    )


def _attempt(x: Exchange, attempt: Attempt, now_s: float) -> AttemptFact:
    deployment, usage = attempt.deployment, attempt.usage
    return AttemptFact(
        deployment=deployment.id,
        provider=deployment.provider,
        code=attempt.code,
        status=attempt.status,
        duration_s=(now_s if attempt.ended_s is None else attempt.ended_s) - attempt.started_s,
        ttft_s=attempt.ttft_s,
        upstream_request_id=attempt.upstream_request_id,
        part=attempt.part,
        detail=attempt.detail,
        usage=usage,
        cost_nano_usd=None if usage is None else cost_nano_usd(usage, price_of(x, deployment, usage)),
    )


def price_of(x: Exchange, deployment: Deployment, usage: Usage) -> Price | None:
    """The price of the tier that *answered*, which may not be the one asked for; `None` when it is not known.

    Source: OpenAI, "Flex processing" and "Priority processing": the response's `service_tier` is what is billed.
    """
    if usage.tier is None:
        return deployment.price
    tiers = deployment.provider_config.profile.quirks.tiers
    served = next((ours for ours, theirs in tiers.items() if theirs == usage.tier), usage.tier)
    if served in STANDARD_TIERS:
        served = "default"
    if served == deployment.tier:
        return deployment.price
    siblings = x.route.deployments if x.route is not None else ()
    model = (deployment.provider, deployment.upstream_model)
    return next((d.price for d in siblings if (d.provider, d.upstream_model) == model and d.tier == served), None)


def _abandoned(x: Exchange) -> str | None:
    return "client_disconnect" if x.outcome is Outcome.ABANDONED else None


def _detail(x: Exchange) -> str | None:
    if x.error is None:
        return None
    return x.error.detail or x.error.message
