"""The search for a deployment that answers: whom to ask next, and what a failure means for the next question.

Synchronous and free of I/O: the pipeline awaits, this decides. What an error permits is written on its class
(`proxy.errors`); how patient to be is the route's and the policy's.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from policies.api import Feedback, Refused, RoutingRequest
from proxy.dialects.needs import NO_NEEDS
from proxy.dialects.openai_chat import continued
from proxy.dialects.prefix import prefix_hashes
from proxy.dialects.request import Operation
from proxy.dialects.splice import SHORT_CHARS
from proxy.errors import (
    ContentPolicy,
    ContextLengthExceeded,
    CredentialRejected,
    Health,
    NoDeployment,
    PolicyRefused,
    Retry,
    StreamDoubtful,
    Unsupported,
    UpstreamError,
    UpstreamRateLimited,
)
from proxy.exchange import Attempt

if TYPE_CHECKING:
    import random

    from proxy.dialects.request import ModelRequest
    from proxy.dialects.splice import Delivered
    from proxy.errors import GatewayError
    from proxy.exchange import Exchange
    from proxy.fleet.retry_budget import RetryBudget
    from proxy.usage import Usage
    from proxy.world import Deployment, Route

log = logging.getLogger("pointsman")

MAX_ATTEMPTS = 32
"""Of one exchange, patient waiting for a flex tier included."""

MAX_RESERVED_TOKENS = 1_000_000
"""Of output, in the count of tokens in flight: a client may ask for any number."""
EARLY_S = 0.005
"""By so much a timer may fire early; a `Retry-After` is never cut short."""


class Search:
    """One exchange's way through its route."""

    __slots__ = (
        "_again",
        "_budget",
        "_delivered",
        "_last",
        "_min_window",
        "_refusal",
        "_repeated",
        "_retries",
        "_rng",
        "_tried",
        "_unable",
        "request",
        "route",
        "x",
    )

    def __init__(
        self, x: Exchange, request: ModelRequest, route: Route, budget: RetryBudget, rng: random.Random
    ) -> None:
        self.x = x
        self.request = request
        self.route = route
        self._budget = budget
        self._rng = rng
        self._tried: frozenset[str] = frozenset()
        self._repeated: set[str] = set()
        self._again: Deployment | None = None
        """To be asked once more without asking the policy."""
        self._last: UpstreamError | None = None
        self._refusal: Unsupported | None = None
        """Why one could not be asked that might have been."""
        self._unable: dict[str, str] = {}
        self._delivered: Delivered | None = None
        """What the client already has of the answer."""
        self._retries = 0
        self._min_window = 0
        """A context window no larger than this has proven too small."""

    def begin(self, now_s: float) -> Attempt:
        """Choose a deployment and count the attempt in.

        Raises the last failure when nobody is left to ask, `NoDeployment` when nobody could be asked at all.
        """
        chosen, why = self._again, "asked again after a pause"
        self._again = None
        if chosen is None or chosen.live.unusable(now_s) is not None:
            usable, skipped = self.route.usable(self.request, self._tried, now_s, self._min_window)
            if not usable and self.x.call.is_lenient and self.route.unmet(self.request) is not None:
                self.request.needs = NO_NEEDS  # it may be left out, or the provider asked says no itself
                usable, skipped = self.route.usable(self.request, self._tried, now_s, self._min_window)
            self.x.skipped = skipped | self._unable
            if not usable:
                raise self._last or self._nobody(skipped, now_s)
            question = self._question(now_s)
            policy = self.route.policy
            try:
                chosen = policy.choose(question, usable)
            except Refused as refusal:
                raise self._last or PolicyRefused(str(refusal), retry_after_s=refusal.retry_after_s) from refusal
            why = policy.why(question, usable, chosen)
        part = "answer" if self._delivered is None else self._part_of(chosen, self._delivered)
        return self._begin(chosen, why, part, now_s)

    def hedge(self, asked: Attempt, now_s: float) -> Attempt | None:
        """Count in a second attempt beside the one under way; `None` if nobody else can be asked."""
        others, _ = self.route.usable(self.request, self._tried | {asked.deployment.id}, now_s, self._min_window)
        hedging = self.route.hedging
        if not others or hedging is None:
            return None
        try:
            chosen = self.route.policy.choose(self._question(now_s), others)
        except Refused:
            return None
        if not hedging.acquire():
            return None
        return self._begin(chosen, f"hedge after {now_s - asked.started_s:.2f} s", "hedge", now_s)

    def _begin(self, chosen: Deployment, why: str, part: str, now_s: float) -> Attempt:
        reserved = self.request.prompt_tokens
        if self.request.max_output_tokens is not None:
            reserved += min(self.request.max_output_tokens, MAX_RESERVED_TOKENS)
        attempt = Attempt(chosen, now_s, why, reserved, chosen.live.begin(now_s, reserved), part)
        self.x.attempts.append(attempt)
        return attempt

    def _part_of(self, chosen: Deployment, delivered: Delivered) -> str:
        text = delivered.text
        # chat templates trim what stands at the end of a message: a space there would come twice, or not at all
        exact = chosen.provider_config.profile.quirks.prefill and text is not None and text == text.rstrip()
        exact = exact and delivered.characters >= SHORT_CHARS  # else it could not be told from beginning anew
        opted_in = self.route.retries.continue_by_prefill and self.request.hub.operation is Operation.CHAT
        return "continuation" if exact and opted_in else "splice"

    def request_of(self, attempt: Attempt) -> ModelRequest:
        """What this attempt asks: the client's request, or to go on from what the client has."""
        if attempt.part != "continuation" or self._delivered is None:
            return self.request
        return continued(self.request.hub, self._delivered, attempt.deployment.provider_config.profile.quirks)

    def answered(self, attempt: Attempt, now_s: float) -> None:
        """The first content of a stream has come: the search is over."""
        if self.x.first_content_s is None:
            self.x.first_content_s = now_s
        attempt.ttft_s = now_s - attempt.started_s
        attempt.deployment.live.answering(now_s, attempt.era, attempt.ttft_s)

    def failed(self, attempt: Attempt, error: UpstreamError | Unsupported, now_s: float) -> float:
        """Learn from a failure: seconds to pause before the next attempt. Raises `error` to give up."""
        if isinstance(error, Unsupported):
            self.could_not_ask(attempt, error)
            return 0.0
        pause_s = self._jittered(error)
        conclude(self.x, attempt, now_s, error.code, error, cool_down_s=pause_s)
        self._last = error
        if not self.may_retry(error):
            raise error
        deployment = attempt.deployment
        self._learn_window(deployment, error)
        others, _ = self.route.usable(self.request, self._tried | {deployment.id}, now_s, self._min_window)
        question = self._question(now_s, tuple(others))
        patience_s = self.route.policy.wait_s(question, deployment, feedback(attempt, now_s, error))
        if patience_s is not None:
            self._again = deployment  # waiting for capacity is the policy's wish, not a retry of ours
            return patience_s
        self._spend_retry(error)
        return self._pause_before_repeating(deployment, error, pause_s, alone=not others)

    def could_not_ask(self, attempt: Attempt, refusal: Unsupported) -> None:
        """The deployment cannot be told what the request asks for: as if it had not been chosen."""
        deployment = attempt.deployment
        deployment.live.end(attempt.tokens_reserved)
        deployment.live.abandon(attempt.era)
        self.x.attempts.remove(attempt)
        self._refusal = self._refusal or refusal
        self._unable[deployment.id] = f"cannot be told `{refusal.param}`"
        self._tried |= {deployment.id}

    def broke(self, attempt: Attempt, error: UpstreamError, delivered: Delivered, now_s: float) -> None:
        """An answer broke off of which the client has a part: only others can help. Raises `error` to give up."""
        if not isinstance(error, StreamDoubtful):  # it may yet be the one to go on
            conclude(self.x, attempt, now_s, error.code, error)
        self._last, self._delivered = error, delivered
        self._tried |= {attempt.deployment.id}
        if len(self.x.attempts) >= MAX_ATTEMPTS:
            raise error
        self._spend_retry(error)

    def gave_way(self, attempt: Attempt, error: UpstreamError, now_s: float) -> None:
        """One of two attempts side by side failed: the other one is still under way."""
        conclude(self.x, attempt, now_s, error.code, error)
        self._learn_window(attempt.deployment, error)
        id_ = attempt.deployment.id
        if error.retry is Retry.HERE and id_ not in self._repeated:
            self._repeated.add(id_)  # it may be asked once more, should the other one fail too
        else:
            self._tried |= {id_}

    def _learn_window(self, deployment: Deployment, error: UpstreamError) -> None:
        if isinstance(error, ContextLengthExceeded):
            self._min_window = max(self._min_window, deployment.context_window or 0)

    def may_retry(self, error: UpstreamError) -> bool:
        """Whether anybody may be asked after this."""
        if len(self.x.attempts) >= MAX_ATTEMPTS:
            return False
        if isinstance(error, ContentPolicy):
            return self.route.retries.reroute_content_policy
        return error.retry is not Retry.NEVER

    def _jittered(self, error: UpstreamError) -> float | None:
        """Seconds to keep away after a 429: what it says, else full jitter, so that not all come back at once."""
        if not isinstance(error, UpstreamRateLimited) or error.retry_after_s is not None:
            return error.retry_after_s
        return self._rng.random() * self.x.world.config.health.rate_limited_s

    def _spend_retry(self, error: UpstreamError) -> None:
        self._retries += 1
        if self._retries > self.route.retries.max:
            raise error
        if not self.x.holds_retry and not self._budget.acquire():
            raise error
        self.x.holds_retry = True

    def _pause_before_repeating(
        self, deployment: Deployment, error: UpstreamError, pause_s: float | None, *, alone: bool
    ) -> float:
        """Either the same deployment again after a pause, or another one at once.

        A rate limit is waited out once; more often only if there is nobody else to ask.
        """
        retries = self.route.retries
        if isinstance(error, UpstreamRateLimited):
            may_wait = alone or deployment.id not in self._repeated
            if may_wait and pause_s is not None and pause_s <= retries.retry_after_max_s:
                self._repeated.add(deployment.id)
                self._again = deployment
                return pause_s + EARLY_S
        elif error.retry is Retry.HERE and deployment.id not in self._repeated:
            self._repeated.add(deployment.id)
            self._again = deployment
            return self._rng.random() * retries.backoff_s * 2.0 ** (self._retries - 1)  # full jitter
        self._tried |= {deployment.id}
        return 0.0

    def _nobody(self, skipped: dict[str, str], now_s: float) -> GatewayError:
        if self._refusal is not None and not self.route.is_waiting(self.request, self._tried, now_s):
            return self._refusal
        unmet = self.route.unmet(self.request)
        return unmet or NoDeployment(
            f"No deployment of `{self.route.name}` can be asked just now. Try again shortly.",
            detail=", ".join(f"{id_}: {reason}" for id_, reason in skipped.items()),
            retry_after_s=1.0,
        )

    def _question(self, now_s: float, untried: tuple[Deployment, ...] = ()) -> RoutingRequest:
        request = self.request
        return RoutingRequest(
            model=request.model,
            now_s=now_s,
            prompt_tokens=request.prompt_tokens,
            max_output_tokens=request.max_output_tokens,
            service_tier=request.service_tier,
            session=request.session,
            prefix_hashes=prefix_hashes(request.doc) if self.route.policy.uses_prefixes else (),
            attempt=len(self.x.attempts) + 1,
            waited_s=now_s - self.x.started_s,
            untried=untried,
        )


def conclude(
    x: Exchange,
    attempt: Attempt,
    now_s: float,
    code: str,
    error: UpstreamError | None = None,
    *,
    cool_down_s: float | None = None,
) -> None:
    """One attempt is over: give back its counts, tell the fleet and the policy. At most once an attempt.

    `cool_down_s`: how long a busy deployment is left alone; by default what the error says.
    """
    if attempt.ended_s is not None:
        return
    attempt.ended_s, attempt.code = now_s, code
    x.upstream_s += now_s - max(attempt.started_s, x.upstream_until_s)
    x.upstream_until_s = now_s
    live = attempt.deployment.live
    live.end(attempt.tokens_reserved)
    if error is not None:
        live.fail(now_s, attempt.era, error.health, error.retry_after_s if cool_down_s is None else cool_down_s)
        _note_failure(attempt, error)
        if isinstance(error, CredentialRejected):
            attempt.deployment.provider_config.credential_refused()
    elif code == "ok":
        is_all_its_own = x.streaming and attempt.part in ("answer", "hedge")
        live.succeed(now_s, attempt.era, tpot_s=x.tpot_s(now_s) if is_all_its_own else None)
    else:
        live.abandon(attempt.era)
    if x.route is not None and x.route.policy_learns:
        try:
            x.route.policy.observe(feedback(attempt, now_s, error, x.usage))
        except Exception:
            # A policy may be anybody's: its fault must not cost the bill or the connection.
            log.exception("policy `%s` failed to observe an attempt", x.route.policy.name)


def _note_failure(attempt: Attempt, error: UpstreamError) -> None:
    """For the operator: in the record, and in the log if it takes a person to mend it."""
    attempt.detail = error.detail or error.message
    if error.health is Health.LOCKED_OUT:
        log.warning(
            "provider `%s` is set aside: %s (%s). Check its key and its account.",
            attempt.deployment.provider,
            error.code,
            error.detail or error.message,
        )


def feedback(
    attempt: Attempt, now_s: float, error: UpstreamError | None = None, usage: Usage | None = None
) -> Feedback:
    """What a policy is told of an attempt."""
    return Feedback(
        candidate=attempt.deployment.id,
        now_s=now_s,
        ok=attempt.code == "ok",
        prompt_tokens=usage.prompt_tokens if usage else 0,
        output_tokens=usage.output_tokens if usage else 0,
        ttft_s=attempt.ttft_s,
        duration_s=(attempt.ended_s if attempt.ended_s is not None else now_s) - attempt.started_s,
        code=attempt.code,
        retry_after_s=error.retry_after_s if error is not None else None,
    )
