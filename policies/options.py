"""What a policy's options may be: the checks behind every `__post_init__`, and the errors they raise.

Options come from a configuration file, so a wrong one must say which policy, which option, and what would be right.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isfinite


class PolicyError(ValueError):
    """A policy cannot be built as asked. The message is for the operator."""


class BadOption(PolicyError):
    """An option has the wrong type or is out of range."""


def check_number(policy: str, option: str, value: object, low: float, high: float = inf) -> None:
    """Raise `BadOption` unless `value` is a finite number within [`low`, `high`]. `True` is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value) or not low <= value <= high:
        wanted = f"a number from {low:g} to {high:g}" if high < inf else f"a number of at least {low:g}"
        raise BadOption(f"policy `{policy}` takes {wanted} for `{option}`, not `{_shown(value)}`.")


def check_above_zero(policy: str, option: str, value: object, high: float) -> None:
    """Raise `BadOption` unless `value` is a finite number within (0, `high`]."""
    if value == 0:
        raise BadOption(f"policy `{policy}` takes a number above 0 for `{option}`, not `{_shown(value)}`.")
    check_number(policy, option, value, 0, high)


def check_whole(policy: str, option: str, value: object) -> None:
    """Raise `BadOption` unless `value` is an integer."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadOption(f"policy `{policy}` takes a whole number for `{option}`, not `{_shown(value)}`.")


def check_one_of(policy: str, option: str, value: object, allowed: Sequence[str]) -> None:
    """Raise `BadOption` unless `value` is one of `allowed`."""
    if value not in allowed:
        known = ", ".join(f"`{word}`" for word in allowed)
        raise BadOption(f"policy `{policy}` takes one of {known} for `{option}`, not `{_shown(value)}`.")


def _shown(value: object) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."  # noqa: PLR2004 - enough to find it in the file
