"""Where one kind of request is counted: the slots of its label sets, looked up once and then updated in place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.errors import RateLimited
from proxy.facts import Outcome
from proxy.telemetry.attempts import HEDGE, HEDGE_LOST, OK, RESCUES, hedge_result, others, retries, splice_result
from proxy.telemetry.catalogue import CODES, OTEL_PROVIDERS
from proxy.telemetry.reasons import reason_of
from proxy.telemetry.series import OTHER

if TYPE_CHECKING:
    from proxy.facts import AttemptFact, Finished
    from proxy.telemetry.families import Families
    from proxy.telemetry.series import Cell, Histogram
    from proxy.usage import Usage

OPEN_ROUTES = frozenset({"*", "unknown"})
"""Routes whose upstream model is the client's own string: no label."""

Kind = tuple[str, str, bool, int, str | None, str, str, str, Outcome]
"""Route, operation, stream, status, error code, provider, deployment, lane, outcome: all that decides where a fact is
counted. Facts of one kind share their `Slots`."""


class Slots:
    """The slots of one kind of request."""

    __slots__ = (
        "_attempts",
        "_cost",
        "_cost_unknown",
        "_duration",
        "_error",
        "_fact",
        "_families",
        "_first_token",
        "_otel",
        "_overhead",
        "_per_token",
        "_queue",
        "_requests",
        "_tokens",
    )

    def __init__(self, fact: Finished, families: Families) -> None:
        stream = "true" if fact.stream else "false"
        code = str(fact.status) if fact.status in CODES else OTHER
        model = fact.route
        self._families = families
        self._fact = fact
        self._requests = families.requests.cell(model, fact.operation, code, stream)
        self._error = _error_cell(fact, families)
        self._duration = families.duration.slot(model, stream)
        self._overhead = families.overhead.slot(fact.operation, stream)
        # Below: families where a slot made in vain would show as an empty series, so they wait for the first value.
        self._queue: Histogram | None = None
        self._first_token: Histogram | None = None
        self._per_token: Histogram | None = None
        self._cost: Cell | None = None
        self._cost_unknown: Cell | None = None
        self._tokens: TokenCells | None = None
        self._otel = OtelSlots(fact, families) if families.otel else None
        self._attempts: dict[tuple[str, str], AttemptSlots] = {}

    def record(self, fact: Finished) -> None:
        """Count `fact`, which must be of this kind."""
        attempts, usage = fact.attempts, fact.usage
        self._requests.value += 1
        if self._error is not None:
            self._error.value += 1
            if fact.error_code == RateLimited.code:
                self._families.rate_limited.cell(fact.key).value += 1
        self._duration.observe(fact.duration_s)
        self._overhead.observe(fact.overhead_s)
        if attempts or fact.queue_s:
            if self._queue is None:
                self._queue = self._families.queue.slot(fact.route, fact.lane)
            self._queue.observe(fact.queue_s)
        for attempt in attempts:
            slots = self._attempts.get((attempt.deployment, attempt.code))
            (slots or self._attempt(attempt)).record(attempt)
        if len(attempts) > 1:
            self._count_several(fact)
        if fact.ttft_s is not None:
            self._count_latency(fact.ttft_s, fact.tpot_s)
        if usage is not None:
            self._count_usage(usage, fact.cost_nano_usd)
        if self._otel is not None:
            self._otel.record(fact)

    def _count_latency(self, ttft_s: float, tpot_s: float | None) -> None:
        if self._first_token is None:
            self._first_token = self._families.first_token.slot(self._fact.route)
        self._first_token.observe(ttft_s)
        if tpot_s is not None:
            if self._per_token is None:
                self._per_token = self._families.per_token.slot(self._fact.route)
            self._per_token.observe(tpot_s)

    def _count_usage(self, usage: Usage, cost_nano_usd: int | None) -> None:
        if self._tokens is None:
            self._tokens = TokenCells(self._families, self._fact.route, self._fact.provider)
        tokens = self._tokens
        tokens.input.value += usage.prompt_tokens
        tokens.output.value += usage.output_tokens
        # most answers have none of these
        if usage.cache_read_tokens:
            tokens.cached.value += usage.cache_read_tokens
        if usage.cache_write_tokens:
            tokens.written.value += usage.cache_write_tokens
        if usage.reasoning_tokens:
            tokens.reasoning.value += usage.reasoning_tokens
        if cost_nano_usd is not None:
            if self._cost is None:
                self._cost = self._families.cost.cell(self._fact.route, self._fact.provider)
            self._cost.value += cost_nano_usd
        else:
            if self._cost_unknown is None:
                self._cost_unknown = self._families.cost_unknown.cell(self._fact.route)
            self._cost_unknown.value += 1

    def _attempt(self, attempt: AttemptFact) -> AttemptSlots:
        made = AttemptSlots(self._fact, attempt, self._families)
        # Bounded: deployments of one route times the codes of `errors.py`.
        self._attempts[(attempt.deployment, attempt.code)] = made
        return made

    def _count_several(self, fact: Finished) -> None:
        """What only an exchange of several attempts has: rare, so its slots are looked up anew."""
        model, families = fact.route, self._families
        for failed, attempt in retries(fact.attempts):
            families.retries.cell(model, reason_of(failed.code).label).value += 1
            if attempt.deployment != failed.deployment:
                families.fallbacks.cell(failed.deployment, attempt.deployment).value += 1
        for attempt in fact.attempts:
            if attempt.part == HEDGE and (result := hedge_result(attempt)):
                families.hedges.cell(model, result).value += 1
            elif attempt.part in RESCUES and (result := splice_result(attempt)):
                families.splices.cell(model, result).value += 1
        for attempt in others(fact):
            if attempt.cost_nano_usd is not None:
                families.cost.cell(model, attempt.provider).value += attempt.cost_nano_usd


class TokenCells:
    """Tokens by type."""

    __slots__ = ("cached", "input", "output", "reasoning", "written")

    def __init__(self, families: Families, model: str, provider: str) -> None:
        cell = families.tokens.cell
        self.input = cell(model, provider, "input")
        self.cached = cell(model, provider, "input_cached")
        self.written = cell(model, provider, "input_cache_write")
        self.output = cell(model, provider, "output")
        self.reasoning = cell(model, provider, "output_reasoning")


class AttemptSlots:
    """One deployment's attempts that end with one code."""

    __slots__ = ("_attempts", "_duration", "_families", "_first_token", "_operation")

    def __init__(self, fact: Finished, attempt: AttemptFact, families: Families) -> None:
        self._families = families
        self._attempts = families.attempts.cell(attempt.deployment, attempt.code)
        self._duration = families.upstream_duration.slot(attempt.deployment)
        self._first_token: Histogram | None = None
        self._operation: Histogram | None = None
        if families.otel and attempt.code != HEDGE_LOST:  # cut short by us: it neither failed nor tells a duration
            # The model another attempt asked for is not told: only the last one's is.
            model = upstream_model(fact) if attempt.deployment == fact.deployment else ""
            error = "" if attempt.code == OK else attempt.code
            self._operation = families.otel_operation.slot(*otel_labels(fact, attempt.provider, model, error))

    def record(self, attempt: AttemptFact) -> None:
        """Count one."""
        self._attempts.value += 1
        duration_s = attempt.duration_s
        self._duration.observe(duration_s)
        if (ttft_s := attempt.ttft_s) is not None:
            if self._first_token is None:
                self._first_token = self._families.upstream_first_token.slot(attempt.deployment)
            self._first_token.observe(ttft_s)
        if self._operation is not None:
            self._operation.observe(duration_s)


class OtelSlots:
    """OpenTelemetry's view of a whole request. Token and first-token figures are of completed ones only."""

    __slots__ = ("_completed", "_families", "_first_token", "_input", "_labels", "_output", "_per_token", "_request")

    def __init__(self, fact: Finished, families: Families) -> None:
        self._families = families
        self._completed = fact.outcome is Outcome.COMPLETED
        error = "" if self._completed else (fact.error_code or str(fact.outcome))
        self._labels = otel_labels(fact, fact.provider, upstream_model(fact), error)
        self._request = families.otel_request.slot(*self._labels)
        self._first_token: Histogram | None = None
        self._per_token: Histogram | None = None
        self._input: Histogram | None = None
        self._output: Histogram | None = None

    def record(self, fact: Finished) -> None:
        """Count one."""
        self._request.observe(fact.duration_s)
        if not self._completed:
            return
        if (ttft_s := fact.ttft_s) is not None:
            if self._first_token is None:
                self._first_token = self._families.otel_first_token.slot(*self._labels)
            self._first_token.observe(ttft_s)
        if (tpot_s := fact.tpot_s) is not None:
            if self._per_token is None:
                self._per_token = self._families.otel_per_token.slot(*self._labels)
            self._per_token.observe(tpot_s)
        if (usage := fact.usage) is not None and not usage.estimated:
            if self._input is None or self._output is None:
                self._input = self._families.otel_tokens.slot(*self._labels, "input")
                self._output = self._families.otel_tokens.slot(*self._labels, "output")
            self._input.observe(usage.prompt_tokens)
            self._output.observe(usage.output_tokens)


def upstream_model(fact: Finished) -> str:
    """The model asked of the provider, unless a client made up its name."""
    return fact.route if fact.route in OPEN_ROUTES else fact.upstream_model


def otel_labels(fact: Finished, provider: str, model: str, error: str) -> tuple[str, str, str, str, str, str]:
    """In the order of `catalogue.OTEL_LABELS`.

    The response model is the one asked for: the name in the answer is the provider's to choose, and no label.
    """
    return (fact.operation, OTEL_PROVIDERS.get(provider, provider), fact.route, model, model, error)


def _error_cell(fact: Finished, families: Families) -> Cell | None:
    if fact.outcome is Outcome.COMPLETED:
        return None
    code = "client_disconnect" if fact.outcome is Outcome.ABANDONED else fact.error_code
    return families.errors.cell(fact.route, reason_of(code).label)
