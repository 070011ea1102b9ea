"""How the attempts of one exchange belong together: which one answered, what saved the answer, what the rest cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.facts import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from proxy.facts import AttemptFact, Finished

OK = "ok"
CANCELLED = "cancelled"
HEDGE_LOST = "hedge_lost"
DIVERGED = "upstream_diverged"
NO_ERROR = frozenset({OK, CANCELLED, HEDGE_LOST})
"""Ends of an attempt that are nobody's failure."""

HEDGE = "hedge"
RESCUES = frozenset({"splice", "continuation"})
"""Parts that begin after content has gone to the client."""


def answering(fact: Finished) -> AttemptFact | None:
    """The attempt whose deployment and cost `fact` tells as its own; `None` when nobody was asked.

    The last that ended well, else the last at the deployment `fact` names.
    """
    attempts = fact.attempts
    for attempt in reversed(attempts):
        if attempt.code == OK:
            return attempt
    for attempt in reversed(attempts):
        if attempt.deployment == fact.deployment:
            return attempt
    return attempts[-1] if attempts else None


def others(fact: Finished) -> Iterator[AttemptFact]:
    """All attempts but the answering one: those that failed, lost or broke off."""
    answer = answering(fact)
    return (attempt for attempt in fact.attempts if attempt is not answer)


def retries(attempts: tuple[AttemptFact, ...]) -> Iterator[tuple[AttemptFact, AttemptFact]]:
    """Each retry, with the failure it was for before it. A hedge is none: nothing had failed when it began."""
    failed: AttemptFact | None = None
    for attempt in attempts:
        if failed is not None and attempt.part != HEDGE:
            yield failed, attempt
        if attempt.code not in NO_ERROR:
            failed = attempt


def recovered(fact: Finished) -> str | None:
    """What saved a complete answer; `None` when nothing had to, or when it is not complete.

    `splice`, `continuation` or `hedge` is the answering attempt's part. Else `retry` when the deployment that failed
    first gave the answer in the end, `failover` when another one did.
    """
    if len(fact.attempts) <= 1 or fact.outcome is not Outcome.COMPLETED:
        return None
    answer = answering(fact)
    if answer is None or answer.code != OK:
        return None
    if answer.part == HEDGE or answer.part in RESCUES:
        return answer.part
    before = fact.attempts[: next(i for i, attempt in enumerate(fact.attempts) if attempt is answer)]
    failed = next((attempt for attempt in before if attempt.code not in NO_ERROR), None)
    if failed is None:
        return None
    return "retry" if failed.deployment == answer.deployment else "failover"


def hedge_result(attempt: AttemptFact) -> str | None:
    """Whether a hedge was the first with content, whatever became of it then; `None` if the client left before."""
    if attempt.code == OK or (attempt.ttft_s is not None and attempt.code != HEDGE_LOST):
        return "won"
    return None if attempt.code == CANCELLED else "lost"


def splice_result(attempt: AttemptFact) -> str | None:
    """How a rescue went; `None` if the client left in the middle of it."""
    if attempt.code == CANCELLED:
        return None
    return "joined" if attempt.code == OK else "diverged" if attempt.code == DIVERGED else "failed"
