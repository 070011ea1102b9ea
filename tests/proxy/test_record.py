"""What an exchange leaves behind, field by field."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from fakes.chat import chat_answer
from proxy.control.catalogue import Catalogue
from proxy.control.publish import publish
from proxy.control.source import validate
from proxy.dialects.answer import read_answer
from proxy.dialects.anthropic.dialect import AnthropicDialect
from proxy.dialects.dialect import Target
from proxy.dialects.openai_surface import OpenAISurface
from proxy.dialects.quirks import Quirks
from proxy.dialects.request import ModelRequest, Operation
from proxy.dialects.translated import TranslatedMeter
from proxy.exchange import Attempt, Call, Exchange
from proxy.facts import Outcome
from proxy.fleet.live import Fleet
from proxy.record import MAX_ROUTE_HEADER_BYTES, bill, finished, route_header, server_timing
from proxy.usage import Usage
from proxy.world import KeyGrant

USUAL = {"input_usd_per_mtok": 10, "output_usd_per_mtok": 40}
DEAR = {"input_usd_per_mtok": 100, "output_usd_per_mtok": 400}
A = {"provider": "openai", "model": "gpt", "price": USUAL}
A_FLEX = {**A, "tier": "flex"}
B = {"provider": "other", "model": "gpt", "price": USUAL}
USAGE = Usage(input_tokens=70, output_tokens=21)
COST = 70 * 10_000 + 21 * 40_000
"""Of `USAGE` at the usual price, nano-USD."""

MakeExchange = Callable[..., Exchange]


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue.load(at=datetime(2026, 11, 1, tzinfo=UTC))


@pytest.fixture
def exchange(catalogue) -> MakeExchange:
    """A stream over route `m`, asked at `offers` one after the other and answered by the last, but for what changes."""

    def make(*offers: dict[str, Any], ask: int | None = None, attempt: dict[str, Any] | None = None, **changes: Any):
        settings = {
            "providers": {"openai": {"api_key": "sk-own"}, "other": {"base_url": "http://127.0.0.1:9/v1"}},
            "routes": {"m": {"policy": "failover", "deployments": list(offers) or [A]}},
        }
        config = validate(settings)
        world = publish(config, catalogue=catalogue, fleet=Fleet(config.health), environ={})
        request = ModelRequest(Operation.CHAT, {}, b"{}", "m", stream=True, service_tier="flex")
        route = world.route(request)
        common = {"started_s": 100.5, "why": "first", "tokens_reserved": 0, "era": 0, "usage": USAGE, **(attempt or {})}
        attempts = [Attempt(deployment, **common) for deployment in route.deployments]
        if ask is not None:
            attempts = attempts[ask : ask + 1]
        made: dict[str, Any] = {
            "call": Call(OpenAISurface(), Operation.CHAT, None, "application/json", "req-1", "theirs"),
            "world": world,
            "started_s": 100.0,
            "started_at_s": 1_790_000_000.0,
            "grant": KeyGrant("ci", b""),
            "request": request,
            "route": route,
            "attempts": attempts,
            "answering": attempts[-1],
            "reply": SimpleNamespace(meter=read_answer(chat_answer(), Operation.CHAT, Quirks())),
            "outcome": Outcome.COMPLETED,
            "status": 200,
            "first_content_s": 101.0,
            "queue_s": 0.125,
            "upstream_s": 2.5,
            "bytes_in": 300,
            "streaming": True,
            "usage": common["usage"],
        }
        return Exchange(**made | changes)

    return make


def test_every_field_of_a_fact_is_what_its_name_says(exchange):
    end = {"ended_s": 103.0, "code": "ok", "status": 203, "ttft_s": 0.5, "upstream_request_id": "up-1"}
    whose = {"part": "hedge", "detail": "took over"}

    fact = finished(exchange(attempt=end | whose), 9000, 104.0)

    assert {
        "exchange_id": "req-1",
        "started_at_s": 1_790_000_000.0,
        "surface": "openai",
        "operation": "chat",
        "route": "m",
        "provider": "openai",
        "deployment": "openai/gpt",
        "upstream_model": "gpt",
        "key": "ci",
        "stream": True,
        "outcome": Outcome.COMPLETED,
        "status": 200,
        "error_code": None,
        "error_detail": None,
        "tier": "default",
        "lane": "flex",
        "usage": USAGE,
        "cost_nano_usd": COST,
        "baseline_nano_usd": COST,
        "duration_s": 4.0,
        "ttft_s": 1.0,
        "tpot_s": 0.15,
        "upstream_s": 2.5,
        "queue_s": 0.125,
        "bytes_in": 300,
        "bytes_out": 9000,
        "finish_reason": "stop",
        "attempts": fact.attempts,
        "client_request_id": "theirs",
    } == fact._asdict()
    assert [
        {
            "deployment": "openai/gpt",
            "provider": "openai",
            "code": "ok",
            "status": 203,
            "duration_s": 2.5,
            "ttft_s": 0.5,
            "upstream_request_id": "up-1",
            "part": "hedge",
            "detail": "took over",
            "usage": USAGE,
            "cost_nano_usd": COST,
        }
    ] == [attempt._asdict() for attempt in fact.attempts]


def test_a_request_nobody_was_asked_about_is_still_a_fact(exchange):
    nothing = {"route": None, "request": None, "grant": None, "reply": None, "answering": None, "usage": None}
    fact = finished(
        exchange(**nothing, attempts=[], first_content_s=None, streaming=False, outcome=Outcome.REJECTED), 20, 100.25
    )

    names = ("route", "provider", "deployment", "upstream_model", "key", "tier", "lane")
    assert ("unknown", "", "", "", "", "", "default") == tuple(getattr(fact, name) for name in names)
    names = ("usage", "cost_nano_usd", "baseline_nano_usd", "ttft_s", "tpot_s", "finish_reason", "error_code")
    assert {None} == {getattr(fact, name) for name in names}
    assert ((), 0.25, False) == (fact.attempts, fact.duration_s, fact.stream)


def test_a_client_that_left_is_the_error_of_an_abandoned_request(exchange):
    assert finished(exchange(outcome=Outcome.ABANDONED), 0, 101.0).error_code == "client_disconnect"


@pytest.mark.parametrize(
    ("own_nano_usd", "tier", "cost"),
    [
        (None, None, COST),
        (None, "default", COST),
        (99, None, 99),  # the provider's own figure is what it bills
        (None, "priority", None),  # a tier nobody here has a price of
    ],
)
@pytest.mark.parametrize(("first", "baseline"), [(A, COST), (A | {"price": DEAR}, 10 * COST)])
def test_the_baseline_is_the_price_of_the_first_deployment(exchange, first, baseline, own_nano_usd, tier, cost):
    usage = Usage(input_tokens=70, output_tokens=21, tier=tier, cost_nano_usd=own_nano_usd)

    fact = finished(exchange(first, B, ask=1, attempt={"usage": usage}), 0, 101.0)

    assert (cost, baseline) == (fact.cost_nano_usd, fact.baseline_nano_usd)


def test_at_the_first_deployment_a_providers_own_figure_is_no_baseline(exchange):
    usage = Usage(input_tokens=70, output_tokens=21, cost_nano_usd=99)

    fact = finished(exchange(attempt={"usage": usage}), 0, 101.0)

    assert (99, COST) == (fact.cost_nano_usd, fact.baseline_nano_usd)


@pytest.mark.parametrize(
    ("told", "tier"),
    [("priority", "priority"), ("PRIORITY", "priority"), ("ON_DEMAND_PRIORITY", "priority"), ("flex", "flex"),
     ("standard", "default"), ("ON_DEMAND", "default"), ("auto", "default"), ("default", "default"), (None, "default"),
     ("batch", "batch"), ("scale", None)],
)  # fmt: skip
def test_a_tier_of_the_price_list_is_billed_by_it(exchange, catalogue, told, tier):
    """The route knows one tier; the answer names the one it came from, as its provider calls it."""
    entry = catalogue.entry("openai", "gpt-5-mini")
    assert entry is not None
    price = entry.price if tier == "default" else entry.price.tier(tier or "")
    usage = Usage(input_tokens=70, output_tokens=21, tier=told)

    fact = finished(exchange({"provider": "openai", "model": "gpt-5-mini"}, attempt={"usage": usage}), 0, 104.0)
    assert fact.cost_nano_usd == (price.cost_nano_usd(70, 21) if price else None)


def test_the_tier_that_answered_is_the_one_that_is_billed(exchange):
    usage = Usage(input_tokens=70, output_tokens=21, tier="flex")

    fact = finished(exchange(A | {"price": DEAR}, A_FLEX, ask=0, attempt={"usage": usage}), 0, 101.0)

    assert ("flex", COST, 10 * COST) == (fact.tier, fact.cost_nano_usd, fact.baseline_nano_usd)


def test_each_attempt_has_its_own_price_and_the_answer_is_what_is_told(exchange):
    fact = finished(exchange(A | {"price": DEAR}, B), 0, 101.0)

    assert [10 * COST, COST] == [attempt.cost_nano_usd for attempt in fact.attempts]
    assert (COST, 10 * COST) == (fact.cost_nano_usd, fact.baseline_nano_usd)


def test_the_route_header_of_a_usual_request(exchange):
    assert route_header(exchange()) == 'policy=failover; chosen=openai/gpt; why="first"; attempts=1'


def test_the_route_header_names_those_who_were_skipped_and_those_who_failed(exchange):
    x = exchange(A, A_FLEX, B, skipped={"d/gpt": "breaker open"})
    x.attempts[0].ended_s, x.attempts[0].code = 101.0, "upstream_error"

    assert route_header(x) == (
        'policy=failover; chosen=other/gpt; why="first"; failed="openai/gpt upstream_error"; '
        'racing="openai/gpt#flex"; skipped="d/gpt: breaker open"; attempts=3'
    )


@pytest.mark.parametrize("skipped", [{}, {"d/gpt": "breaker open"}])
def test_the_route_header_is_one_short_line_of_ascii_whatever_it_tells(exchange, skipped):
    told = route_header(exchange(attempt={"why": "\u00e9\r\nx" * 1000}, skipped=skipped))

    assert told.startswith('policy=failover; chosen=openai/gpt; why="???x???x')
    assert told.isascii()
    assert told.isprintable()
    assert len(told) == MAX_ROUTE_HEADER_BYTES


def test_server_timing_tells_the_gateways_share_apart(exchange):
    x = exchange(upstream_s=0.0)

    assert server_timing(x, 101.0) == "queue;dur=125.00, upstream;dur=500.00, gateway;dur=375.00"

    x.attempts[0].ended_s, x.upstream_s = 101.0, 2.5
    assert server_timing(x, 104.0) == "queue;dur=125.00, upstream;dur=2500.00, gateway;dur=1375.00"
    assert server_timing(x, 101.0).endswith("gateway;dur=0.00")


def test_a_stream_that_broke_off_is_billed_by_the_prompt_it_told_and_the_size_of_what_came(exchange):
    """Anthropic tells the prompt, cache and all, in the first event, and what was written only in the last."""
    meter = TranslatedMeter(AnthropicDialect(), Target("c"), drop_usage=False, max_event_bytes=4096)
    start = {"id": "m", "usage": {"input_tokens": 7, "cache_read_input_tokens": 500, "output_tokens": 1}}
    delta = {"type": "text_delta", "text": "word " * 40}
    for event in (
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": delta},
    ):
        meter.feed(b"data: %b\n\n" % orjson.dumps(event))

    billed = bill(exchange(), SimpleNamespace(meter=meter))

    assert (7, 500, True) == (billed.input_tokens, billed.cache_read_tokens, billed.estimated)
    assert 50 <= billed.output_tokens <= 60
