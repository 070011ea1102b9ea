"""Spreading choices evenly over time: by weight, in turn, at a fixed share. Nothing is random beyond the phase."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from policies.hashing import fraction
from policies.memory import remember

if TYPE_CHECKING:
    from policies.api import C


class SmoothWheel:
    """Smooth weighted round robin: every candidate gains its weight, the richest is picked and pays for all.

    Any stretch of picks has each candidate within about one pick of its share. Picks drawn by lot need thousands for
    that, and routes of language models see few requests. `seed` shifts the phase, so that replicas do not move in step.
    Candidates may come and go between picks: an absent one keeps its credit, which never exceeds one round.
    Source: nginx, `ngx_http_upstream_round_robin`.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._credit: dict[str, float] = {}

    def turn(self, candidates: Sequence[C]) -> C:
        """Pick by weight; the order of `candidates` does not matter. O(n)."""
        best = candidates[0]
        if len(candidates) == 1:
            return best  # gains what it would pay
        credits_ = self._credit
        most = float("-inf")
        total = 0.0
        for candidate in candidates:
            id_, weight = candidate.id, candidate.weight
            credit = credits_.get(id_)
            if credit is None:
                credit = remember(credits_, id_, fraction(f"{self._seed}:{id_}") * weight)
            credits_[id_] = credit = credit + weight
            total += weight
            if credit > most:  # phases differ, so that equals are no matter of order
                best, most = candidate, credit
        credits_[best.id] = most - total
        return best


class Turns:
    """Who was picked how long ago."""

    def __init__(self) -> None:
        self._turn: dict[str, int] = {}
        self._next = 1

    def longest_ago(self, candidates: Sequence[C]) -> C:
        """The one picked longest ago; of those never picked, the first in the list. Does not count as a pick."""
        turns = self._turn
        ages = [turns.get(candidate.id, 0) for candidate in candidates]
        return candidates[ages.index(min(ages))]

    def took(self, candidate: C) -> C:
        """Note that `candidate` has been picked, and return it."""
        if candidate.id in self._turn:
            self._turn[candidate.id] = self._next
        else:
            remember(self._turn, candidate.id, self._next)
        self._next += 1
        return candidate


class Share:
    """Says yes to a fixed share of questions, evenly spaced: of n questions, at most `share * n + 1`."""

    def __init__(self, share: float, phase: float) -> None:
        self._share = share
        self._due = phase

    def is_due(self) -> bool:
        """Whether this question belongs to the share."""
        if self._share == 0:
            return False
        self._due += self._share
        if self._due < 1:
            return False
        self._due -= 1
        return True
