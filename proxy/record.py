"""What an exchange leaves behind: its bill, its fact, and the headers that explain it. Pure functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.dialects.counting import estimate
from proxy.facts import Finished, Outcome
from proxy.usage import cost_nano_usd

if TYPE_CHECKING:
    from policies.api import Price
    from proxy.exchange import Exchange
    from proxy.usage import Usage
    from proxy.world import Deployment

MAX_ROUTE_HEADER_BYTES = 1024
MAX_DETAIL_CHARS = 300
STANDARD_TIERS = frozenset({"default", "standard", "on_demand", "auto"})
"""What providers call the tier that costs the list price."""


def bill(x: Exchange) -> Usage | None:
    """The tokens to bill: the provider's own count, else an estimate of what came, marked as such."""
    if x.reply is None or x.request is None:
        return None
    meter = x.reply.meter
    if meter.usage is not None:
        return meter.usage
    return estimate(x.request.prompt_tokens, meter.text_bytes)


def route_header(x: Exchange) -> str:
    """`x-pointsman-route`: policy, choice, reason, who was skipped or failed and why. ASCII, one line, bounded."""
    parts = []
    if x.route is not None:
        parts.append(f"policy={x.route.policy.name}")
    if x.attempts:
        last = x.attempts[-1]
        parts.append(f"chosen={last.deployment.id}")
        parts.append(f'why="{last.why}"')
        if len(x.attempts) > 1:
            tries = ", ".join(f"{attempt.deployment.id} {attempt.code}" for attempt in x.attempts[:-1])
            parts.append(f'failed="{tries}"')
    if x.skipped:
        parts.append('skipped="' + ", ".join(f"{id_}: {reason}" for id_, reason in x.skipped.items()) + '"')
    parts.append(f"attempts={len(x.attempts)}")
    text = "; ".join(parts)
    if not text.isascii() or not text.isprintable():
        text = "".join(c if c.isascii() and c.isprintable() else "?" for c in text)
    return text if len(text) <= MAX_ROUTE_HEADER_BYTES else text[: MAX_ROUTE_HEADER_BYTES - 3] + "..."


def server_timing(x: Exchange, now_s: float) -> str:
    """`Server-Timing` in milliseconds: the queue, the providers, the gateway's own share (W3C Server Timing)."""
    total_s = now_s - x.started_s
    upstream_s = x.upstream_s
    if x.attempts and x.attempts[-1].ended_s is None:
        upstream_s += now_s - x.attempts[-1].started_s
    own_s = max(0.0, total_s - upstream_s - x.queue_s)
    return f"queue;dur={x.queue_s * 1e3:.2f}, upstream;dur={upstream_s * 1e3:.2f}, gateway;dur={own_s * 1e3:.2f}"


def finished(x: Exchange, bytes_out: int, now_s: float) -> Finished:
    """The one fact of an exchange."""
    request, last = x.request, x.attempts[-1] if x.attempts else None
    usage = x.usage
    deployment = last.deployment if last is not None else None
    first = x.route.deployments[0].price if x.route is not None and x.route.deployments else None
    duration_s = now_s - x.started_s
    ttft_s = x.first_content_s - x.started_s if x.first_content_s is not None else None
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
        cost_nano_usd=cost_nano_usd(usage, price_of(x, deployment, usage)) if usage and deployment else None,
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
        attempts=tuple(attempt.fact(now_s) for attempt in x.attempts),
        client_request_id=x.call.client_request_id,
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
    return (x.error.detail or x.error.message)[:MAX_DETAIL_CHARS]
