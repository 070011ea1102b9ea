"""Means that forget: each sample weighs `exp(-age / tau)`."""

from __future__ import annotations

from math import exp

TAU_S = 30.0
"""Requests to language models are seconds apart: a shorter memory would hold one sample."""


class DecayedMean:
    """Exponentially time-weighted mean of irregular samples.

    Sum and weight decay together, so samples of the same instant count each in full and the first one needs no
    invented start. `prior_weight` samples of zero, which do not decay, damp a rate that has seen little.
    """

    __slots__ = ("_prior_weight", "_seen_s", "_sum", "_weight")

    def __init__(self, prior_weight: float = 0.0) -> None:
        self._prior_weight = prior_weight
        self._seen_s = 0.0
        self._sum = 0.0
        self._weight = 0.0

    def add(self, now_s: float, sample: float) -> float:
        """Take one more sample; the answer is the new mean. A clock that steps back ages nothing."""
        age_s = now_s - self._seen_s
        if age_s > 0:
            faded = exp(-age_s / TAU_S)
            self._sum *= faded
            self._weight *= faded
            self._seen_s = now_s
        self._sum += sample
        self._weight += 1.0
        return self._sum / (self._weight + self._prior_weight)
