"""What an event that cannot be read may have been: noise, a piece of the answer, or something nobody can tell."""

from __future__ import annotations

import re
from enum import Enum

_NOISE = re.compile(rb'[^{}"\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*')
"""Plain words: no JSON, and most likely never a part of any."""
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_MARKS = (b'"choices"', b'"delta"')
LIKE_ITS_HEAD = 16
"""Bytes in common with the beginning of another event that are no chance."""
LIKE_ITS_TAIL = 6
"""The same with its end: `null}]}` and the like."""


class Damage(Enum):
    """From harmless to fatal."""

    NOISE = "noise"
    """It is left out."""
    DOUBTFUL = "doubtful"
    """It may have been put between the events, or in the place of one."""
    LOSS = "loss"
    """A piece of the answer: what follows has a gap before it."""


def has_marks(event: bytes) -> bool:
    """Whether it has the names of a chunk's fields in it."""
    return any(event.find(mark) >= 0 for mark in _MARKS)


def damage_of(event: bytes, sample: bytes) -> Damage:
    """Judge an event that is no JSON. `sample` is a sound event of the same stream, empty if there was none yet."""
    if _NOISE.fullmatch(event):
        return Damage.NOISE
    if not sample or has_marks(event) or _CONTROL.search(event):
        return Damage.LOSS
    line, sample = event.strip(), sample.strip()
    if sample.startswith(line) or _alike(line, sample) >= LIKE_ITS_HEAD:
        return Damage.LOSS
    return Damage.LOSS if _alike(line[::-1], sample[::-1]) >= LIKE_ITS_TAIL else Damage.DOUBTFUL


def _alike(one: bytes, other: bytes) -> int:
    """How many bytes they begin with in common."""
    pairs = zip(one, other, strict=False)
    return next((place for place, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
